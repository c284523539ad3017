"""Which charts there are: a panel for each metric a run has logged, in an order people expect.

The accuracy that the runs are judged by is the large one (`eval/accuracy`, or `eval/vqa_accuracy` where all have it);
the accuracies of other ways to choose the tokens are its reference lines, not panels of their own unless asked for.
What a run logs beyond the known names gets a panel too: nothing that was logged is out of reach. Values that never
change (`tokens/*`) start hidden, and so does what the machine did (`system/*`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from arrcoc_core.references import NAMES, references_of

LINES = ("full", "uniform", "random", "teacher")
"""What the large chart is read against, behind the name of its metric."""
FAINT_LINE = "teacher"
_KNOWN = (
    "train/loss",
    "eval/loss",
    "train/learning_rate",
    "perf/samples_per_s",
    "perf/tokens_per_s",
    "perf/step_s",
    "perf/data_wait",
    "perf/mfu",
    "perf/memory_gb",
)
_UNITS = {
    "perf/samples_per_s": "samples/s",
    "perf/tokens_per_s": "tokens/s",
    "perf/step_s": "s",
    "perf/memory_gb": "GB",
}
SYSTEM = "system/"
"""Before the names of what the machine did, so that they are told from what the run logged."""
_HIDDEN_AT_FIRST = ("tokens/", SYSTEM)
_ALL_LINES = frozenset(name for judged in NAMES for name, _, _ in references_of(judged) if name not in NAMES)


@dataclass(frozen=True)
class PanelSpec:
    """One chart: its metric, its title, its unit ("" for none)."""

    metric: str
    title: str
    unit: str = ""


def panel_specs(names: Iterable[str], chosen: Mapping[str, bool], main: str) -> list[PanelSpec]:
    """The small panels for the metrics `names` besides `main`; `chosen`: what the user has switched on or off."""
    wanted = [name for name in names if name != main and chosen.get(name, shown_at_first(name))]
    return [PanelSpec(name, title_of(name), _UNITS.get(name, "")) for name in sorted(wanted, key=_order)]


def shown_at_first(name: str) -> bool:
    """Whether a metric has a panel before the user has said anything."""
    return not name.startswith(_HIDDEN_AT_FIRST) and name not in _ALL_LINES


def is_system(name: str) -> bool:
    """Whether a chart is of the machine, not of what the run logged."""
    return name.startswith(SYSTEM)


def choices(names: Iterable[str], main: str) -> list[str]:
    """All metrics that can be switched on or off, in panel order: `main` is always there."""
    return sorted((name for name in names if name != main), key=_order)


def title_of(name: str) -> str:
    """A metric's name as a title: the name itself, which is what people search for in code and logs."""
    return name


def _order(name: str) -> tuple[int, str]:
    return (_KNOWN.index(name) if name in _KNOWN else len(_KNOWN), name)
