"""Uploads to the sandbox's Hub with the real client: complete or not at all, and the run's own in the end."""

from __future__ import annotations

import random
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from hub_place import REPO, HubPlace, hub_place, state
from result_maker import RUN, SUMMARY, make_result
from test_hub_card import numbers_of

from arrcoc_core.sandbox.faults import (
    CutConnection,
    Flaky,
    Latency,
    LostAck,
    PermissionDenied,
    RateLimited,
    StorageFull,
)
from training.model.arrcoc_qwen import ArrCocQwen
from training.model.selector import allocate
from training.tiny.synthetic import picture

# The client's own: lfs.py hands httpx a file under a name that is out of use.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")

REPORTS = Callable[..., None]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, sandbox_key: str) -> Iterator[HubPlace]:
    with hub_place(tmp_path_factory.mktemp("hub"), sandbox_key) as made:
        yield made


@pytest.fixture(autouse=True)
def no_faults(place: HubPlace) -> Iterator[None]:
    yield
    place.sandbox.set_scenario([])


@pytest.fixture(scope="module")
def run(place: HubPlace) -> Path:
    return make_result(place.runs)


@pytest.fixture
def repo(place: HubPlace, request: pytest.FixtureRequest) -> str:
    """A repository of the test's own, which is not there yet."""
    return f"sandbox/{request.node.name.replace('_', '-')[:60].strip('-')}"


def logits_of(model: ArrCocQwen) -> torch.Tensor:
    """Scores of the selector, and what the base says to a question about the tokens it keeps."""
    shown = [picture("validation", 0, index).pixels for index in range(4)]
    seen = model.look(shown)
    asked = model.ask(["which colour is the circle"] * 4, ["red"] * 4, seen.grids)
    with torch.no_grad():
        scores = model.scores(seen, asked)
    reading = model.read(seen, asked, allocate(scores, 4))
    return torch.cat([scores.flatten(), reading.loss])


def test_what_is_uploaded_is_the_run_and_gives_equal_logits(place: HubPlace, run: Path) -> None:
    code, said = place.upload(run)
    assert code == 0, said
    there = place.files()
    kept = {path.relative_to(run / "result").as_posix() for path in (run / "result").rglob("*") if path.is_file()}
    assert set(there) == (kept - {"DONE"}) | {"curves.png"}
    for path in kept - {"DONE", "README.md"}:
        assert there[path] == (run / "result" / path).read_bytes()
    assert numbers_of(there["README.md"].decode()) == SUMMARY
    info = place.api.model_info(REPO)
    assert info.private and info.sha == state(run)["revision"] and place.tags() == {RUN: info.sha}
    assert state(run)["state"] == "done" and state(run)["url"] == f"{place.url}/{REPO}"
    assert state(run)["done_bytes"] == state(run)["total_bytes"] == sum(map(len, there.values()))

    own = logits_of(ArrCocQwen.from_pretrained(run / "result"))
    for revision in (None, RUN, info.sha):
        assert torch.equal(logits_of(ArrCocQwen.from_pretrained(REPO, revision)), own)
    model = ArrCocQwen.from_pretrained(REPO)
    assert model.processor == ArrCocQwen.from_pretrained(run / "result").processor
    assert len(model.answer(picture("validation", 0, 0).pixels, "which colour is the circle").kept) == 4


def test_the_same_again_changes_nothing(place: HubPlace, run: Path) -> None:
    assert place.here(run) == 0
    before, asked = place.api.model_info(REPO).sha, len(place.asked())
    assert place.here(run) == 0
    assert place.api.model_info(REPO).sha == before
    methods = place.asked()[asked:]
    assert not [method for method in methods if "commit" in method.lower() or "put" in method.lower()], methods


def test_the_latest_upload_is_main_and_every_run_has_its_tag(place: HubPlace, repo: str) -> None:
    old = make_result(place.runs, run_id="older-run")
    new = make_result(place.runs, run_id="newer-run", seed=1)
    (new / "result" / "pictures" / "1.png").unlink()
    assert place.here(old, "--repo", repo) == 0
    mine = place.api.upload_file(path_or_fileobj=b"mine", path_in_repo="pictures.txt", repo_id=repo)
    assert place.here(new, "--repo", repo) == 0
    there = place.files(repo=repo)
    assert there["selector.safetensors"] == (new / "result" / "selector.safetensors").read_bytes()
    assert there["pictures.txt"] == b"mine" and "pictures/0.png" in there and "pictures/1.png" not in there
    tags = place.tags(repo)
    assert set(tags) == {"older-run", "newer-run"} and tags["newer-run"] != mine.oid
    before = place.files("older-run", repo)
    assert before["selector.safetensors"] == (old / "result" / "selector.safetensors").read_bytes()
    assert place.here(old, "--repo", repo, "--also-best") == 0
    assert place.tags(repo)["older-run"] == place.tags(repo)["older-run-best"] == place.api.model_info(repo).sha


def test_killed_at_random(full: bool, place: HubPlace, run: Path, repo: str, figures: REPORTS) -> None:
    """At some request, or anywhere in between: what is there then is nothing, or all of it."""
    draw = random.Random(20261122)
    place.sandbox.set_scenario([Latency(seconds=0.03, service="huggingface")])
    kills, times = 0, 10 if full else 2
    whole: dict[str, bytes] = {}
    while kills < times:
        asked = len(place.asked())
        at, later = draw.randrange(1, 9), draw.uniform(0, 0.03)
        child = place.start(run, "--repo", repo)
        while child.poll() is None and len(place.asked()) < asked + at:
            time.sleep(0.002)
        time.sleep(later)
        if child.poll() is None:
            child.kill()
            kills += 1
        child.communicate()
        if place.api.repo_exists(repo) and place.commits(repo):
            whole = whole or place.files(repo=repo)
            assert place.files(repo=repo) == whole and place.commits(repo) == 1
    place.sandbox.set_scenario([])
    assert place.here(run, "--repo", repo) == 0
    there = place.files(repo=repo)
    assert numbers_of(there["README.md"].decode()) == SUMMARY and (not whole or there == whole)
    assert place.commits(repo) == 1 and place.tags(repo) == {RUN: place.api.model_info(repo).sha}
    assert torch.equal(
        logits_of(ArrCocQwen.from_pretrained(repo)), logits_of(ArrCocQwen.from_pretrained(run / "result"))
    )
    figures("upload killed at random", kills=kills, complete=True, commits=1)


def test_trouble_that_passes_is_outlasted(place: HubPlace, run: Path, repo: str) -> None:
    place.sandbox.set_scenario(
        [
            RateLimited(service="huggingface", times=1, retry_after_s=1),
            CutConnection(service="huggingface", side="request", times=1),
            LostAck(method=None, service="huggingface", times=2),
            Flaky(service="huggingface", share=0.2, seed=3, times=4),
        ]
    )
    assert place.here(run, "--repo", repo) == 0
    place.sandbox.set_scenario([])
    assert place.commits(repo) == 1 and numbers_of(place.files(repo=repo)["README.md"].decode()) == SUMMARY


def test_stopped_by_a_signal_it_says_so_and_ends(place: HubPlace, run: Path, repo: str) -> None:
    place.sandbox.set_scenario([Latency(seconds=20, service="huggingface", times=1)])
    asked = len(place.asked())
    child = place.start(run, "--repo", repo)
    wait_until(lambda: len(place.asked()) > asked, child)
    child.terminate()
    assert child.wait(timeout=15) == 75
    assert (state(run)["state"], state(run)["remedy"]) == ("failed", f"arrcoc upload {RUN}")
    assert "SIGTERM" in str(state(run)["detail"])
    child.communicate()


def wait_until(condition: Callable[[], object], child: subprocess.Popen[Any]) -> None:
    while not condition():
        assert child.poll() is None
        time.sleep(0.005)


class Failed:
    """An upload that comes to nothing: exit code, the one message and its repair; the message is in the log, too."""

    def __init__(self, place: HubPlace, run: Path, capsys: pytest.CaptureFixture[str], *arguments: str) -> None:
        self.code = place.here(run, *arguments)
        said = "".join(capsys.readouterr())
        held = state(run)
        self.detail, self.remedy = str(held["detail"]), str(held["remedy"])
        assert held["state"] == ("skipped" if self.code == 3 else "failed") and self.detail in said, said
        assert "hf_" not in said and "Traceback" not in said
        assert self.remedy.splitlines()[-1].endswith(f"arrcoc upload {RUN}")


def test_wrong_inputs_have_one_message_with_the_repair(
    place: HubPlace, run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    left = Failed(place, run, capsys, "--repo", "YOUR_USERNAME/arr-coc")
    assert left.code == 3 and "YOUR_USERNAME" in left.detail and "HF_HUB_REPO_ID" in left.remedy
    left = Failed(place, run, capsys, "--repo", "no-owner")
    assert left.code == 3 and "owner/name" in left.remedy
    left = Failed(place, run, capsys, "--repo", "stranger/arr-coc")
    assert left.code == 1 and "may not write to stranger/arr-coc" in left.detail and "HF_HUB_REPO_ID" in left.remedy
    left = Failed(place, run, capsys, "--repo", "sandbox/two--dashes")
    assert left.code == 1 and "--" in left.detail
    for kind in ("dataset", "space"):
        repo = f"sandbox/taken-by-a-{kind}"
        place.api.create_repo(repo, repo_type=kind, space_sdk="static" if kind == "space" else None)
        left = Failed(place, run, capsys, "--repo", repo)
        assert left.code == 1 and f"{repo} is a {kind}" in left.detail and "another name" in left.remedy
        assert not place.api.repo_exists(repo)
    monkeypatch.setenv("HF_TOKEN", "hf_" + "x" * 34)
    left = Failed(place, run, capsys)
    assert left.code == 1 and "does not take this token" in left.detail and "hf auth login" in left.remedy
    monkeypatch.setenv("HF_TOKEN", place.sandbox.box.service("huggingface").new_token("read"))
    left = Failed(place, run, capsys, "--repo", "sandbox/new")
    assert left.code == 1 and "may not write" in left.detail and "hf auth login" in left.remedy
    monkeypatch.setenv("HF_TOKEN", place.token)
    place.sandbox.set_scenario([StorageFull(method="commit")])
    left = Failed(place, run, capsys, "--repo", "sandbox/full")
    assert left.code == 1 and "no room for sandbox/full" in left.detail and "Make room" in left.remedy
    place.sandbox.set_scenario([PermissionDenied(entity="sandbox-org")])
    left = Failed(place, run, capsys, "--repo", "sandbox-org/closed")
    assert left.code == 1 and "may not write to sandbox-org/closed" in left.detail
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    left = Failed(place, run, capsys, "--patience", "0")
    assert left.code == 1 and "cannot be reached" in left.detail and "network" in left.remedy
    monkeypatch.setenv("HF_TOKEN", "")
    left = Failed(place, run, capsys)
    assert left.code == 3 and "no token" in left.detail and left.remedy.startswith("hf auth login")


def test_what_is_to_be_private_never_goes_where_all_can_see_it(
    place: HubPlace, run: Path, repo: str, capsys: pytest.CaptureFixture[str]
) -> None:
    place.api.create_repo(repo, private=False)
    left = Failed(place, run, capsys, "--repo", repo)
    assert left.code == 1 and "is public" in left.detail and "--public" in left.remedy and "--private" in left.remedy
    assert place.commits(repo) == 0
    assert place.here(run, "--repo", repo, "--private") == 0
    assert place.api.model_info(repo).private
    # And the other way round: what may be seen by all stays hidden where the repository is.
    shown = make_result(place.runs, "hub.private=false", run_id="for-all")
    assert place.here(shown, "--repo", repo) == 0
    assert "stays private" in capsys.readouterr().out and place.api.model_info(repo).private
    assert place.here(shown, "--repo", repo, "--public") == 0
    assert not place.api.model_info(repo).private


@pytest.mark.long
def test_one_upload_of_a_run_at_a_time(place: HubPlace, run: Path, repo: str) -> None:
    place.sandbox.set_scenario([Latency(seconds=2, service="huggingface", times=1)])
    asked = len(place.asked())
    first = place.start(run, "--repo", repo)
    wait_until(lambda: len(place.asked()) > asked, first)
    code, said = place.upload(run, "--repo", repo)
    assert code == 1 and "another process uploads" in said
    assert first.wait(timeout=60) == 0
    first.communicate()


def test_a_repository_without_a_selector_is_named(place: HubPlace, repo: str) -> None:
    from arrcoc_core.errors import ConfigError

    place.api.create_repo(repo)
    with pytest.raises(ConfigError, match=f"{repo} holds no selector"):
        ArrCocQwen.from_pretrained(repo)
    with pytest.raises(ConfigError, match="could not be fetched") as missing:
        ArrCocQwen.from_pretrained("sandbox/nowhere")
    assert "hf auth login" in missing.value.remedy
    with pytest.raises(ConfigError, match=f"{REPO} at gone"):
        ArrCocQwen.from_pretrained(REPO, "gone")
