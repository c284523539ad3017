"""A sweep over a field that does not exist."""

from arrcoc_core import sweep
from experiments.quickstart import quickstart

misspelt = sweep(quickstart, {"tokens.kep": [4, 8]})  # expect: reportArgumentType
