"""`run.json`: all that is known of a result, in one file beside the selector.

The trainer writes it, and whatever the card says is read from it: the numbers of the two are the same because there is
one of each. A result of a version that wrote none is described from experiment.json and summary.json of its run.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from functools import lru_cache
from pathlib import Path
from typing import Any

from arrcoc_core.encoding import encode
from arrcoc_core.experiment import Experiment
from arrcoc_core.identity import IDENTITY_SECTIONS, code_hash
from arrcoc_core.stored import load_experiment
from training.model.files import CONFIG

FILE = "run.json"
Curve = list[tuple[int, float]]


@dataclass(frozen=True)
class Shown:
    """A picture of the last evaluation: its file below the result's folder, and the caption it was logged with."""

    file: str
    caption: str


@dataclass(frozen=True, kw_only=True)
class Record:
    run: str
    """Id of the run."""
    fingerprint: str
    experiment: Mapping[str, Any]
    """Its name, all that decides the result, and `hub`: notes, tags and machines are nobody else's business."""
    step: int
    """Optimizer steps up to here; `total_steps`: of the whole training."""
    total_steps: int
    base_revision: str
    """Commit of the base on the Hub; "" of one that is not from there."""
    base_sha256: str
    """Of the base's parameters; "": not known."""
    dataset: str
    """With its revision: name@commit; of the synthetic set and of a folder the name alone."""
    summary: Mapping[str, float]
    """The last value of every metric."""
    curves: Mapping[str, Curve]
    pictures: tuple[Shown, ...] = ()
    code: str = field(default_factory=lambda: own_code())
    """Hash of the code tree that trained it; "": not known."""

    @property
    def name(self) -> str:
        """Of the experiment."""
        return str(self.experiment["name"])

    @property
    def base(self) -> str:
        return str(self.experiment["model"]["base"])

    @property
    def keep(self) -> int:
        """K."""
        return int(self.experiment["tokens"]["keep"])

    def save(self, folder: Path) -> None:
        (folder / FILE).write_text(json.dumps(asdict(self), indent=1) + "\n", encoding="utf-8")


def load_record(run: Path, folder: Path) -> Record:
    """Of the result in `folder`, one of those of `run`. ExperimentError where even the experiment is gone."""
    path = folder / FILE
    if not path.is_file():
        return _described(run, folder)
    held: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    known = {one.name for one in fields(Record)}
    curves = {name: [(step, value) for step, value in points] for name, points in held["curves"].items()}
    pictures = tuple(Shown(**one) for one in held["pictures"])
    kept = {name: value for name, value in held.items() if name in known}
    return Record(**{**kept, "curves": curves, "pictures": pictures})


def describe(experiment: Experiment, dataset: str) -> dict[str, Any]:
    """The record's `experiment` and `dataset`, the latter from the pinned name.

    Of a data set that is a folder on somebody's machine only the folder's own name is told.
    """
    plain = encode(experiment)
    named = dataset if "@" in dataset else dataset.rstrip("/").rpartition("/")[2]
    plain["data"]["dataset"] = named.partition("@")[0]
    return {"experiment": {part: plain[part] for part in ("name", *IDENTITY_SECTIONS, "hub")}, "dataset": named}


@lru_cache
def own_code() -> str:
    """Hash of the code tree that runs here."""
    return code_hash(Path(__file__).resolve().parents[2])


def _described(run: Path, folder: Path) -> Record:
    """What the files of an older run tell."""
    resolved = load_experiment(run)
    summary: dict[str, float] = json.loads((run / "summary.json").read_text(encoding="utf-8"))
    config: dict[str, Any] = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    plan = run / "plan.json"
    code = json.loads(plan.read_text(encoding="utf-8")).get("code", "") if plan.is_file() else ""
    curves = _curves(run)
    last = max((points[-1][0] for points in curves.values()), default=0)
    return Record(
        run=run.name,
        fingerprint=resolved.fingerprint,
        step=last,
        total_steps=last,
        base_revision=str(config.get("base_revision", "")),
        base_sha256="",
        **describe(resolved.experiment, resolved.experiment.data.dataset),
        summary=summary,
        code=code,
        curves=curves,
    )


def _curves(run: Path) -> dict[str, Curve]:
    """Read back from what was logged. Only here: a job has no reader of its own, and leaves a record."""
    from arrcoc_core.metrics import open_metrics
    from training.hub.history import History
    from training.tracking import STEP, Row

    history = History()
    for row in open_metrics(run).rows():
        values = {name: float(value) for name, value in row.items() if isinstance(value, int | float)}
        history.add(Row(int(row[STEP]), values))
    return history.curves()
