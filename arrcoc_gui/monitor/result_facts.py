"""What the result view shows of an ended run, gathered in the background: words, paths, the log's last lines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from arrcoc_core.results import ResultSummary, previous_of, summarize
from arrcoc_gui.monitor.line_index import LogDocument

if TYPE_CHECKING:
    from arrcoc_core.api import Run

TAIL_LINES = 14


@dataclass(frozen=True)
class ResultFacts:
    """`tail`: the last lines of the log, oldest first; only of a run that did not end well."""

    run_id: str
    state: str
    cause: str
    summary: ResultSummary
    folder: Path
    tail: tuple[str, ...] = ()


def gather_result(run: Run, runs: Sequence[Run]) -> ResultFacts:
    """Read what `run` came to. Touches the disk: not on the GUI thread."""
    tail: tuple[str, ...] = ()
    if run.state in ("failed", "cancelled"):
        tail = last_lines(Path(run.directory) / "logs")
    folder = Path(run.directory)
    result = folder / "result"
    return ResultFacts(
        run.id,
        run.state,
        run.cause or "",
        summarize(run, previous_of(run, runs)),
        result if result.is_dir() else folder,
        tail,
    )


def last_lines(directory: Path, count: int = TAIL_LINES) -> tuple[str, ...]:
    """The last lines of the last attempt's log that say anything; a traceback is kept whole up to `count`."""
    document = LogDocument(directory)
    document.advance()
    end = len(document)
    lines = document.lines(max(end - 4 * count, 0), end)
    while lines and not lines[-1].text.strip():
        lines.pop()
    start = max((place for place, line in enumerate(lines) if line.heading), default=-1) + 1
    return tuple(line.text for line in lines[start:][-count:])
