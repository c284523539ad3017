"""The selectors to beat, each a rule that scores a picture's visual tokens for a question (`view.py`).

At the same K the one that answers more questions right is the better one; `training/compare.py` makes the table.
"""

from __future__ import annotations

from collections.abc import Mapping

from training.selectors import untrained
from training.selectors.view import Rule, View

__all__ = ["RULES", "Rule", "View"]

RULES: Mapping[str, Rule] = {
    "random": untrained.random,
    "uniform": untrained.uniform,
    "edges": untrained.edges,
    "information": untrained.information,
    "cosine": untrained.cosine,
    "diversity": untrained.diversity,
    "conditional diversity": untrained.conditional_diversity,
    "one layer's attention": untrained.fastv,
    "teacher": untrained.teacher,
    "oracle": untrained.oracle,
}
