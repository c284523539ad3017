"""Experiments as Python values: each module-level `Experiment` or `sweep` in this folder is in the list."""
