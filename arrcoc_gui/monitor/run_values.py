"""What a run was configured with and what it logged last, as rows of text, gathered in the background.

The same for runs of this project and for those that are only read from W&B. Of the latter the server's card
(arrcoc_core/online/cards.py) knows values that no row has: texts in the summary, notes, and all of it before a row has
been read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from arrcoc_core.formatting import literal, metric, plural
from arrcoc_core.metrics import open_metrics
from arrcoc_core.online.cards import Card, load_card
from arrcoc_gui.monitor.run_view import RunView

Pair = tuple[str, str]


@dataclass(frozen=True)
class RunValues:
    """Name and value of each, sorted by name; `about` in reading order."""

    run_id: str
    about: tuple[Pair, ...] = ()
    config: tuple[Pair, ...] = ()
    last: tuple[Pair, ...] = ()
    system: tuple[Pair, ...] = ()


def gather_values(run: RunView) -> RunValues:
    """Read what there is. Touches the disk: not on the GUI thread."""
    metrics = open_metrics(run.directory, refresh=False)
    card = load_card(run.directory) if run.read_only else None
    summary = dict(flat(card.summary)) if card is not None else {}
    last: dict[str, Any] = {**summary, **run.summary}
    last |= {name: value for name in metrics.names if (value := metrics.last(name)) is not None}
    system = {name: metrics.system(name).last for name in metrics.system_names}
    config = metrics.config or (card.config if card is not None else None) or {}
    return RunValues(
        run.id,
        about=tuple(_about(run, card)),
        config=tuple(sorted((name, literal(value)) for name, value in flat(config))),
        last=tuple(sorted((name, _shown(name, value)) for name, value in last.items() if not name.startswith("_"))),
        system=tuple(sorted((name, metric(name, value)) for name, value in system.items() if value is not None)),
    )


def matching(rows: tuple[Pair, ...], search: str) -> tuple[Pair, ...]:
    """Rows whose name or value holds every word of `search`."""
    words = search.casefold().split()
    return tuple(row for row in rows if all(word in f"{row[0]} {row[1]}".casefold() for word in words))


def flat(values: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """Nested values by dotted path; W&B's own (`_wandb`, `_step`, …) are left out."""
    for name, value in values.items():
        path = f"{above}.{name}" if above else str(name)
        if str(name).startswith("_"):
            continue
        if isinstance(value, Mapping) and value:
            yield from flat(value, path)
        else:
            yield path, value


def _about(run: RunView, card: Card | None) -> Iterator[Pair]:
    yield "run", run.online.path if run.online is not None else run.id
    if run.user:
        yield "logged by", run.user
    yield "state", run.state
    yield "began", run.created_at.astimezone().strftime("%Y-%m-%d %H:%M")
    if run.online is not None:
        yield "rows", plural(run.online.rows, "row")
        if run.online.tags:
            yield "tags", ", ".join(run.online.tags)
    if card is not None and card.notes:
        yield "notes", " ".join(card.notes.split())
    if run.wandb_url:
        yield "page", run.wandb_url


def _shown(name: str, value: Any) -> str:
    return metric(name, float(value)) if isinstance(value, int | float) and not isinstance(value, bool) else str(value)
