"""The trainer's side of an upload: at the best, in the end, and never at the cost of the run."""

from __future__ import annotations

import json
import os
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hub_place import REPO, HubPlace, hub_place, state
from result_maker import RUN, make_result
from test_hub_card import numbers_of

from arrcoc_core.experiment import Hub
from arrcoc_core.sandbox.faults import Latency
from training.hub.publisher import LONGEST, Publisher
from training.signals import StopRequest

MakeRun = Callable[..., Path]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, sandbox_key: str) -> Iterator[HubPlace]:
    with hub_place(tmp_path_factory.mktemp("hub"), sandbox_key) as made:
        yield made


@pytest.fixture(autouse=True)
def no_faults(place: HubPlace) -> Iterator[None]:
    yield
    place.sandbox.set_scenario([])


@pytest.fixture
def stop() -> Iterator[StopRequest]:
    """The trainer's ear for signals, in this process."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield StopRequest()
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.long
def test_a_run_uploads_its_best_and_its_end(
    place: HubPlace, make_run: MakeRun, start_trainer: Callable[..., Any]
) -> None:
    run = make_run(f"hub.repo={REPO}", "hub.at_best=true", "evaluation.every_n_steps=4", "train.learning_rate=1e-2")
    trainer = start_trainer(run, **{name: place.environment[name] for name in ("HF_ENDPOINT", "HF_TOKEN")})
    assert trainer.wait() == 0, trainer.said
    there, summary = place.files(), json.loads((run / "summary.json").read_text())
    assert numbers_of(there["README.md"].decode()) == summary
    assert there["selector.safetensors"] == (run / "result" / "selector.safetensors").read_bytes()
    held = state(run)
    assert (held["state"], held["repo"], held["revision"]) == ("done", REPO, place.api.model_info(REPO).sha)
    tags = place.tags()
    assert set(tags) == {"small-run", "small-run-best"} and tags["small-run"] == held["revision"]
    accuracies = dict(json.loads(there["run.json"])["curves"]["eval/accuracy"])
    best = json.loads(place.files("small-run-best")["run.json"])
    assert best["summary"]["eval/accuracy"] == max(accuracies.values()) == accuracies[best["step"]]
    assert place.commits() >= 2 or best["step"] == 12
    assert f"uploaded to {place.url}/{REPO}" in trainer.said
    assert json.loads((run / "progress.json").read_text())["phase"] == "done"


@pytest.mark.long
def test_of_the_best_that_wait_the_newest_is_sent_and_then_the_end(
    place: HubPlace, stop: StopRequest, tmp_path: Path
) -> None:
    run = make_result(place.runs, run_id="improving")
    publisher = Publisher(run, Hub(repo="sandbox/best", private=True, at_best=True), print, first=True)

    def leave(folder: Path) -> None:
        shutil.copytree(run / "result", folder)
        record = json.loads((folder / "run.json").read_text())
        (folder / "run.json").write_text(json.dumps({**record, "step": int(folder.name.removeprefix("step-"))}))

    for step in (3, 6, 9):
        publisher.send_best(step, leave)
    assert [path.name for path in sorted((run / "best").iterdir())] == ["step-00000003", "step-00000009"]
    publisher.finish(stop, is_best=False)
    assert state(run)["state"] == "done"
    titles = [commit.title for commit in place.api.list_repo_commits("sandbox/best")]
    of = "small: improving"
    assert titles == [of, f"{of}, best so far at step 9", f"{of}, best so far at step 3", "initial commit"]
    assert json.loads(place.files("improving-best", "sandbox/best")["run.json"])["step"] == 9
    assert json.loads(place.files("improving", "sandbox/best")["run.json"])["step"] == 12
    # One that cannot be written costs nothing but itself.
    (tmp_path / "best").write_text("in the way")
    other = Publisher(tmp_path, Hub(repo="sandbox/best", private=True, at_best=True), print, first=True)
    other.send_best(3, leave)
    assert not (tmp_path / "upload.json").exists()


def test_an_upload_takes_no_longer_than_it_may(
    place: HubPlace, stop: StopRequest, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    run = make_result(place.runs)
    place.sandbox.set_scenario([Latency(seconds=30, service="huggingface", times=None)])
    monkeypatch.setenv(LONGEST, "1.5")
    publisher = Publisher(run, Hub(repo=REPO, private=True, at_best=False), print, first=True)
    began = time.monotonic()
    publisher.finish(stop, is_best=False)
    assert time.monotonic() - began < 25  # and not the 30 s of each request
    assert state(run)["state"] == "failed" and "longer than 2 s" in str(state(run)["detail"])
    assert state(run)["remedy"] == f"arrcoc upload {RUN}" and f"arrcoc upload {RUN}" in capfd.readouterr().out
    # Stopped by a signal, it ends at once.
    monkeypatch.setenv(LONGEST, "60")
    asked = len(place.asked())

    def send() -> None:
        while len(place.asked()) == asked:
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGTERM)

    sender = threading.Thread(target=send)
    sender.start()
    publisher.finish(stop, is_best=False)
    sender.join()
    assert state(run)["state"] == "failed" and "SIGTERM" in str(state(run)["detail"])


def test_without_a_repository_nothing_is_begun(place: HubPlace, stop: StopRequest) -> None:
    assert not Publisher(place.runs, Hub(repo="", private=True, at_best=True), print, first=True).wanted
    assert not Publisher(place.runs, Hub(repo=REPO, private=True, at_best=True), print, first=False).wanted


@pytest.mark.long
def test_a_run_whose_upload_cannot_be_done_succeeds(
    place: HubPlace, make_run: MakeRun, start_trainer: Callable[..., Any]
) -> None:
    for repo, code in ((REPO, "no token"), ("stranger/arr-coc", "may not write"), ("YOUR_USERNAME/x", "YOUR_USERNAME")):
        run = make_run(f"hub.repo={repo}", "hub.at_best=true", "data.max_train_samples=32")
        token = {"HF_TOKEN": place.token} if code != "no token" else {"HF_TOKEN": ""}
        trainer = start_trainer(run, **token, HF_ENDPOINT=place.url)
        assert trainer.wait() == 0, trainer.said
        assert (run / "result" / "DONE").exists()
        assert state(run)["state"] in ("failed", "skipped") and code in str(state(run)["detail"])
        assert "arrcoc upload" in str(state(run)["remedy"])
