"""How few visual tokens are enough? The same training at four budgets."""

from arrcoc_core import sweep
from experiments.quickstart import quickstart

token_budget = sweep(quickstart, {"tokens.keep": [2, 4, 8, 16]}, name="token_budget")
