"""The files of a selector, in a result's folder and in a repository of the Hub alike."""

WEIGHTS = "selector.safetensors"
CONFIG = "config.json"
"""Which base it goes before, at which revision, and the selector's own sizes."""
PROCESSOR = "processor.json"
"""How pictures and questions were prepared in training. A result of an older version has none."""
