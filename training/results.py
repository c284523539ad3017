"""What a run leaves when it has ended: the selector that was learned, and the exit code for whoever comes to ask."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from arrcoc_core.resolved import ResolvedExperiment
from training.hub.history import History
from training.hub.record import Record, Shown, describe
from training.progress import utc_now

if TYPE_CHECKING:
    from training.checkpoints import Checkpoint
    from training.model.arrcoc_qwen import ArrCocQwen

FOUND_IN = "ARRCOC_RESULT_FOUND_IN"
"""Variable with the folder in which the result is found later, where that is not the one it is written to."""
DONE = "DONE"


def result_place(directory: Path) -> str:
    """Where to look for the result of the run in `directory`."""
    return os.environ.get(FOUND_IN) or str(directory / "result")


class Results:
    """Collects what is known of the selector while it is trained, and leaves it with all of that."""

    def __init__(
        self,
        run_id: str,
        resolved: ResolvedExperiment,
        model: ArrCocQwen,
        saved: Checkpoint | None,
        *,
        dataset: str,
        **facts: Any,
    ) -> None:
        """`saved`: the checkpoint that is gone on from; `facts`: total_steps and base_sha256 of the record."""
        self.history = History(saved.state.get("history"), saved.rows) if saved else History()
        self._model = model
        self._facts = {
            "run": run_id,
            "fingerprint": resolved.fingerprint,
            **describe(resolved.experiment, dataset),
            "base_revision": model.base.revision,
            **facts,
        }

    def leave(self, folder: Path, step: int, summary: Mapping[str, float]) -> None:
        """Write the selector, all that is known of it (run.json, pictures) and how to load it; the marker DONE last."""
        (folder / DONE).unlink(missing_ok=True)
        self._model.save_pretrained(folder)
        record = Record(
            **self._facts,
            step=step,
            summary=dict(summary),
            curves=self.history.curves(),
            pictures=self._leave_pictures(folder),
        )
        record.save(folder)
        (folder / "README.md").write_text(_readme(record, folder), encoding="utf-8")
        (folder / DONE).write_text(f"{utc_now()}\n", encoding="utf-8")

    def _leave_pictures(self, folder: Path) -> tuple[Shown, ...]:
        """Those of the last evaluation."""
        for picture in self.history.pictures:
            path = folder / f"{picture.key}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(picture.png)
        return tuple(Shown(f"{picture.key}.png", picture.caption) for picture in self.history.pictures)


def leave_exit_code(directory: Path, code: int) -> None:
    """The last act: tell whoever started this, also when they are gone and another has taken their place."""
    attempt = os.environ.get("ARRCOC_ATTEMPT")
    if attempt and directory.is_dir():
        marker = directory / "logs" / f"attempt-{attempt}.exit"
        marker.parent.mkdir(exist_ok=True)
        temporary = marker.with_suffix(".partial")
        temporary.write_text(str(code), encoding="utf-8")
        temporary.replace(marker)


def _readme(record: Record, folder: Path) -> str:
    summary = record.summary
    lines = "\n".join(
        f"| {name} | {summary[name]:.4g} |" for name in sorted(summary) if name.startswith(("eval/", "tokens/"))
    )
    place = result_place(folder.parent) if folder.name == "result" else str(folder)
    return f"""# Selector of {record.name}

Keeps {record.keep} visual tokens per picture for {record.base}, which itself is unchanged.

```python
from training.model.arrcoc_qwen import ArrCocQwen
model = ArrCocQwen.from_pretrained({place!r})
print(model.answer(picture, question).text)  # picture: RGB array or PIL image
```

| metric | value |
|---|---|
{lines}
"""
