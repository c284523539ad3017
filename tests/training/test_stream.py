"""What a run leaves goes through the bucket and comes out the same: sending half and pulling half together."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from arrcoc_core.cloud.objects import Objects
from arrcoc_core.sandbox import Sandbox
from arrcoc_core.sandbox.faults import LostAck, Unavailable
from arrcoc_core.targets.vertex_mirror import STATE, pull
from training.stream import Stream, part_name, stream_ends

URI = "gs://arrcoc-sandbox-runs/runs/x"
LOG, WANDB = "logs/attempt-1.log", "wandb/offline-run-1-x/run-x.wandb"
PICTURE = "wandb/offline-run-1-x/files/media/images/pictures/0_1_a.png"


def write(directory: Path, path: str, data: bytes, *, append: bool = True) -> None:
    (directory / path).parent.mkdir(parents=True, exist_ok=True)
    with (directory / path).open("ab" if append else "wb") as file:
        file.write(data)


@pytest.fixture
def storage(sandbox: Sandbox) -> Any:
    client = sandbox.cloud().storage()
    client.create_bucket("arrcoc-sandbox-runs", location="us-central1")
    return client


@pytest.fixture
def container(storage: Any, tmp_path: Path) -> Callable[[str], tuple[Path, Stream]]:
    """A container that was started: its empty directory, and its stream, which the test makes send."""

    def start(name: str) -> tuple[Path, Stream]:
        directory = tmp_path / name
        directory.mkdir()
        stream = Stream(Objects(storage, URI, patience_s=2), directory, directory / ".streamed", print)
        stream.start()
        assert stream.close(lambda: 5.0)  # its thread; from here on the test sends by hand
        return directory, stream

    return start


def test_bytes_come_out_as_they_went_in(
    container: Callable[[str], tuple[Path, Stream]], storage: Any, sandbox: Sandbox, tmp_path: Path
) -> None:
    here, there = tmp_path / "here", random.Random(5)
    vm, stream = container("vm-1")
    for number in range(4):
        write(vm, WANDB, there.randbytes(70_000))
        write(vm, LOG, b"line %d of the first\n" % number)
        write(vm, "progress.json", b'{"step": %d}' % number, append=False)
        assert stream.send()
        brought = pull(storage, URI, here)
        assert {WANDB, LOG, "progress.json"} <= set(brought.changed)
        assert (here / "progress.json").read_bytes() == b'{"step": %d}' % number
    before = len(sandbox.requests())
    assert not pull(storage, URI, here)
    assert [row["method"] for row in sandbox.requests()[before:]] == ["objects.list"]

    # A new container of the same attempt, on another machine: an empty directory, the same names.
    vm2, stream2 = container("vm-2")
    write(vm2, LOG, b"first of the second\n")
    write(vm2, PICTURE, b"picture")
    write(vm2, "wandb/latest-run/run-x.wandb", b"not to be sent")
    (vm2 / "wandb/latest-run.link").symlink_to(vm2 / "wandb")
    assert stream2.send()
    pull(storage, URI, here)
    assert (here / LOG).read_bytes() == (vm / LOG).read_bytes() + (vm2 / LOG).read_bytes()
    assert (here / WANDB).read_bytes() == (vm / WANDB).read_bytes()
    assert (here / PICTURE).read_bytes() == b"picture"
    assert not (here / "wandb/latest-run").exists()
    # Someone who looks for the first time sees the same.
    pull(storage, URI, tmp_path / "elsewhere")
    for path in (LOG, WANDB, PICTURE, "progress.json"):
        assert (tmp_path / "elsewhere" / path).read_bytes() == (here / path).read_bytes()


def test_a_late_part_of_a_container_before_costs_no_bytes(
    container: Callable[[str], tuple[Path, Stream]], storage: Any, tmp_path: Path
) -> None:
    _, first = container("vm-1")
    vm2, second = container("vm-2")
    write(vm2, LOG, b"second ")
    Objects(storage, URI).put_if_absent(part_name(LOG, 0), b"first, late ")
    assert second.send()
    write(vm2, LOG, b"more")
    assert second.send()
    pull(storage, URI, tmp_path / "here")
    assert (tmp_path / "here" / LOG).read_bytes() == b"first, late second more"
    assert first.send()


def test_interruptions_lose_and_double_nothing(
    container: Callable[[str], tuple[Path, Stream]], storage: Any, sandbox: Sandbox, tmp_path: Path
) -> None:
    vm, stream = container("vm")
    write(vm, LOG, b"one ")
    sandbox.set_scenario([LostAck(method="objects.insert", times=2)])
    assert stream.send()
    sandbox.set_scenario([Unavailable(method="objects.insert", times=None)])
    write(vm, LOG, b"two ")
    streamed = (vm / ".streamed").stat().st_mtime
    assert not stream.send()
    assert (vm / ".streamed").stat().st_mtime == streamed
    sandbox.set_scenario([])
    write(vm, LOG, b"three")
    assert stream.send()
    assert (vm / ".streamed").stat().st_mtime > streamed
    pull(storage, URI, tmp_path / "here")
    assert (tmp_path / "here" / LOG).read_bytes() == b"one two three"


def test_a_part_that_landed_although_all_its_answers_were_lost_is_not_sent_twice(
    container: Callable[[str], tuple[Path, Stream]], storage: Any, sandbox: Sandbox, tmp_path: Path
) -> None:
    vm, stream = container("vm")
    write(vm, LOG, b"zero ")
    assert stream.send()
    write(vm, LOG, b"one ")
    sandbox.set_scenario([LostAck(method="objects.insert", times=None)])
    assert not stream.send()
    sandbox.set_scenario([])
    assert Objects(storage, URI).get(part_name(LOG, 5)) == b"one "
    write(vm, LOG, b"two")
    assert stream.send()
    pull(storage, URI, tmp_path / "here")
    assert (tmp_path / "here" / LOG).read_bytes() == (vm / LOG).read_bytes() == b"zero one two"


def test_a_puller_that_was_killed_anywhere_goes_on(
    container: Callable[[str], tuple[Path, Stream]], storage: Any, tmp_path: Path
) -> None:
    here = tmp_path / "here"
    vm, stream = container("vm")
    write(vm, WANDB, b"first part, ")
    assert stream.send()
    pull(storage, URI, here)
    state = (here / STATE).read_bytes()
    write(vm, WANDB, b"second part")
    assert stream.send()
    pull(storage, URI, here)
    for damage in ("counted nothing of it", "half of it", "too little", "gone", "no state"):
        if damage == "counted nothing of it":
            (here / STATE).write_bytes(state)
        elif damage == "half of it":
            (here / STATE).write_bytes(state)
            os.truncate(here / WANDB, 15)
        elif damage == "too little":
            os.truncate(here / WANDB, 5)
        elif damage == "gone":
            (here / WANDB).unlink()
        else:
            (here / STATE).write_bytes(b"{")
        pull(storage, URI, here)
        assert (here / WANDB).read_bytes() == b"first part, second part", damage


def test_who_finds_the_result_finds_the_rows_that_were_written_before_it(
    container: Callable[[str], tuple[Path, Stream]], storage: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vm, stream = container("vm")
    write(vm, WANDB, b"row ")
    found = stream._found  # pyright: ignore[reportPrivateUsage]

    def ends_meanwhile(patterns: tuple[str, ...]) -> list[str]:
        if "summary.json" in patterns and not (vm / "result").exists():
            write(vm, WANDB, b"last row")
            write(vm, "result/DONE", b"")
        return found(patterns)

    monkeypatch.setattr(stream, "_found", ends_meanwhile)
    here = tmp_path / "here"
    while not (here / "result/DONE").exists():
        assert stream.send()
        pull(storage, URI, here)
    assert (here / WANDB).read_bytes() == b"row last row"


def test_a_part_that_somebody_removed_is_no_error(storage: Any, tmp_path: Path) -> None:
    run = Objects(storage, URI)
    run.put_if_absent(part_name(LOG, 0), b"first ")
    run.replace("files/stream.json", json.dumps({"ends": {LOG: 12}}).encode())
    assert pull(storage, URI, tmp_path / "here").changed == (LOG,)
    run.put_if_absent(part_name(LOG, 6), b"second")
    pull(storage, URI, tmp_path / "here")
    assert (tmp_path / "here" / LOG).read_bytes() == b"first second"


def test_parts_that_nobody_counted_are_found_when_looked_for(storage: Any, tmp_path: Path) -> None:
    here, run = tmp_path / "here", Objects(storage, URI)
    run.put_if_absent(part_name(LOG, 0), b"last ")
    run.put_if_absent(part_name(LOG, 5), b"words")
    assert not pull(storage, URI, here)
    assert pull(storage, URI, here, thorough=True).changed == (LOG,)
    assert (here / LOG).read_bytes() == b"last words"


def test_nothing_in_a_bucket_reaches_another_file(storage: Any, tmp_path: Path) -> None:
    here, run = tmp_path / "run" / "here", Objects(storage, URI)
    names = ("experiment.json", "code/training/train.py", "result/../../escaped", "../escaped", "/escaped", "plan.json")
    for name in names:
        run.replace(f"files/{name}", b"foreign")
        run.put_if_absent(f"stream/{name}/000000000000", b"foreign")
    run.replace("files/stream.json", json.dumps({"ends": dict.fromkeys(names, 7)}).encode())
    pull(storage, URI, here)
    pull(storage, URI, here, thorough=True)
    assert {path.name for path in here.iterdir()} <= {STATE, ".mirror.lock"}
    assert list(tmp_path.rglob("escaped")) == []


def test_ends_stop_at_a_gap() -> None:
    parts = [("stream/a/b/000000000003", 4), ("stream/a/b/000000000000", 3), ("stream/a/b/000000000008", 4)]
    assert stream_ends(parts) == {"a/b": 7}
