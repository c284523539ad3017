"""A launched sweep as every door sees it: `SweepRun`, a queue of runs with one state, one progress and one ETA."""

from __future__ import annotations

from pathlib import Path

from arrcoc_core.run import Run, cancel_all, refresh_all, wait_for
from arrcoc_core.settings import state_dir
from arrcoc_core.store import Store


class SweepRun:
    """The runs of one launched sweep, in the order of its points."""

    def __init__(self, sweep_id: str, name: str, runs: list[Run], root: Path) -> None:
        self.id = sweep_id
        self.name = name
        self.runs = runs
        self.root = root

    def __repr__(self) -> str:
        return f"<SweepRun {self.id} {sum(run.finished for run in self.runs)} of {len(self.runs)}>"

    @property
    def finished(self) -> bool:
        return all(run.finished for run in self.runs)

    @property
    def succeeded(self) -> bool:
        return all(run.succeeded for run in self.runs)

    @property
    def state(self) -> str:
        """Of the whole, in the words of a run."""
        states = {run.state for run in self.runs}
        for word in ("cancelling", "running", "recovering", "starting"):
            if word in states:
                return word
        if "queued" in states:
            return "queued" if states == {"queued"} else "running"
        for word in ("failed", "cancelled"):
            if word in states:
                return word
        return "succeeded"

    @property
    def progress(self) -> float:
        """0 to 1: ended points, and the part of those that run."""
        parts = [1.0 if run.finished else _fraction(run) for run in self.runs]
        return sum(parts) / len(parts) if parts else 1.0

    @property
    def eta_s(self) -> float | None:
        """Seconds until the last point has ended; None where nothing says how long a point takes.

        Waiting points count with the mean duration of those that have succeeded, else with what was planned.
        """
        took = [run.elapsed_s or 0.0 for run in self.runs if run.succeeded]
        mean = sum(took) / len(took) if took else None
        lanes = max((run.max_parallel for run in self.runs), default=1)
        left: list[float] = []
        for run in self.runs:
            if run.finished:
                continue
            expected = (mean or run.expected_s) if run.state == "queued" else run.eta_s
            if expected is None:
                return None
            left.append(expected)
        return max(max(left, default=0.0), sum(left) / lanes)

    def refresh(self) -> SweepRun:
        with Store(state_dir(self.root) / "store.db") as store:
            refresh_all(self.runs, store)
        return self

    def wait(self, timeout: float | None = None) -> SweepRun:
        """Return when every point has ended, or after `timeout` seconds."""
        wait_for(self.runs, self.root, timeout)
        return self

    def cancel(self, cause: str = "the sweep was cancelled by the user") -> SweepRun:
        """Cancel every point that has not ended, in one transaction."""
        cancel_all(self.runs, self.root, cause)
        return self


def _fraction(run: Run) -> float:
    if run.state == "queued":
        return 0.0
    told = run.progress
    return (told.fraction or 0.0) if told is not None else 0.0
