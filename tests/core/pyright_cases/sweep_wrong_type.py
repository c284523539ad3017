"""Sweeps whose values, or whose start, are of the wrong type."""

from arrcoc_core import sweep
from experiments.quickstart import quickstart

text = sweep(quickstart, {"tokens.keep": ["4", "8"]})  # expect: reportArgumentType
single = sweep(quickstart, {"train.learning_rate": 1e-4})  # expect: reportArgumentType
start = sweep(quickstart.tokens, {"tokens.keep": [4, 8]})  # expect: reportArgumentType
