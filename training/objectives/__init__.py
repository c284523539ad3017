"""What the selector is trained on, behind one interface (`step.py`): those that work, and those that are the rivals.

On the tiny bases distillation of the base's own attention finds the tokens, and REINFORCE on true passes then goes
past that teacher; the figures are in docs/science.md.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from training.objectives import distillation, gates, policy
from training.objectives.step import Objective, Step

__all__ = ["OBJECTIVES", "Objective", "Step", "find_objective"]

OBJECTIVES: Mapping[str, Objective] = {
    "distil": distillation.attention,
    "rloo": policy.rloo,
    "saliency": distillation.saliency,
    "noise-gate": gates.noise_gate,
    "soft-gate": gates.soft_gate,
    "bernoulli-gate": gates.bernoulli_gate,
    "straight-through": gates.straight_through,
}


def find_objective(name: str, first_share: float) -> Objective:
    """The objective called `name`; "a+b": a for the first `first_share` (0..1) of the steps, then b."""
    first, _, then = name.partition("+")
    if not then:
        return OBJECTIVES[first]

    def both(step: Step) -> Tensor:
        return OBJECTIVES[first if step.progress < first_share else then](step)

    return both
