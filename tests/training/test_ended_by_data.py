"""A training that its data end: what was learned is saved, and once they are repaired it goes on from there.

In this process, without wandb: what is looked at are checkpoints and the rows that they carry.
"""

from __future__ import annotations

import gc
import json
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from PIL import Image

from arrcoc_core.errors import DataError
from training.checkpoints import Checkpoint, DiskStore, latest
from training.devices import World
from training.signals import StopRequest
from training.tiny import synthetic
from training.train import train

HELD_OUT = 66  # the first look is at 64


@pytest.fixture
def undisturbed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """What a training sets for its whole process is as before afterwards."""
    monkeypatch.setenv("WANDB_MODE", "disabled")
    monkeypatch.setenv("WANDB_DIR", str(tmp_path))
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    threads = torch.get_num_threads()
    yield
    gc.enable()
    torch.set_num_threads(threads)
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.fixture
def run(make_run: Callable[..., Path], tmp_path: Path) -> Path:
    """Two steps of four questions, evaluated after the second."""
    shown = [synthetic.picture("train", 3, k) for k in range(8)]
    lines = []
    Image.fromarray(shown[0].pixels).save(tmp_path / "sound.png")
    for k, picture in enumerate(shown):
        Image.fromarray(picture.pixels).save(tmp_path / f"{k}.png")
        asked = synthetic.questions(picture.things)[0]
        lines.append({"split": "train", "image": f"{k}.png", "question": asked.text, "answer": asked.answer})
    held_out = [{**lines[k % 8], "split": "validation", "image": "sound.png"} for k in range(HELD_OUT)]
    held_out[-1]["image"] = "last.png"
    (tmp_path / "set.jsonl").write_text("\n".join(map(json.dumps, lines + held_out)), encoding="utf-8")
    return make_run(
        f"data.dataset={tmp_path / 'set.jsonl'}",
        "data.max_train_samples=8",
        "train.gradient_accumulation_steps=1",
        "evaluation.every_n_steps=2",
        f"evaluation.samples={HELD_OUT}",
        "evaluation.pictures=0",
        "checkpoints.save_every_n_steps=50",
    )


def saved(run: Path) -> Checkpoint:
    found = latest(DiskStore(run / "checkpoints"), pytest.fail)
    assert found is not None
    return found


def go(run: Path) -> int:
    return train(run, StopRequest(), World(), [])


@pytest.mark.usefixtures("undisturbed")
def test_a_damaged_held_out_picture_loses_no_step_and_no_row(run: Path, tmp_path: Path) -> None:
    sound = (tmp_path / "0.png").read_bytes()
    (tmp_path / "last.png").write_bytes(sound[:100])
    with pytest.raises(DataError, match=r"last\.png") as caught:
        go(run)
    assert caught.value.exit_code == 2 and "Step 2 is saved" in caught.value.remedy
    found = saved(run)
    assert found.step == 2 and [row.step for row in found.rows] == [0, 1]
    assert found.state["unevaluated"]["train/loss"] > 0

    (tmp_path / "last.png").write_bytes(sound)
    assert go(run) == 0
    summary = json.loads((run / "summary.json").read_text())
    assert summary["train/loss"] == found.state["unevaluated"]["train/loss"]
    assert "eval/accuracy_full" in summary and (run / "result" / "DONE").is_file()
