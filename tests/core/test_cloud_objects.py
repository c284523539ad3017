"""Objects of Cloud Storage through the real client: conditional writes, lost answers, errors."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from arrcoc_core.cloud.objects import Objects, crc32c, split_uri
from arrcoc_core.errors import CloudError, ConfigError
from arrcoc_core.sandbox import Sandbox
from arrcoc_core.sandbox.faults import LostAck, PermissionDenied, Unavailable

BUCKET = "arrcoc-sandbox-runs"


@pytest.fixture
def objects(sandbox: Sandbox) -> Callable[[], Objects]:
    """Each call opens the folder anew, with clients of its own."""
    sandbox.cloud().storage().create_bucket(BUCKET, location="us-central1")
    return lambda: Objects(sandbox.cloud().storage(), f"gs://{BUCKET}/runs/x", patience_s=10)


def test_written_listed_read_deleted(objects: Callable[[], Objects]) -> None:
    run = objects()
    assert run.put_if_absent("a/one", b"1")
    assert not run.put_if_absent("a/one", b"2")
    run.replace("b/two", b"22")
    run.replace("b/two", b"222")
    assert run.get("a/one") == b"1" and run.get("b/two") == b"222"
    assert [(entry.name, entry.size, entry.crc32c) for entry in run.listing()] == [
        ("a/one", 1, crc32c(b"1")),
        ("b/two", 3, crc32c(b"222")),
    ]
    assert [entry.name for entry in run.listing("b/")] == ["b/two"]
    assert [entry.name for entry in run.listing(after="a/p")] == ["b/two"]
    run.delete("a/one")
    run.delete("a/one")
    with pytest.raises(KeyError):
        run.get("a/one")


def test_a_lost_answer_is_recognised(sandbox: Sandbox, objects: Callable[[], Objects]) -> None:
    run = objects()
    sandbox.set_scenario([LostAck(method="objects.insert")])
    assert run.put_if_absent("claim", b"mine")
    assert sandbox.changes().count("storage.objects.insert") == 2  # the second found the first's object there
    assert not objects().put_if_absent("claim", b"theirs")
    assert run.get("claim") == b"mine"


def test_one_of_many_writers_wins(objects: Callable[[], Objects]) -> None:
    writers = [objects() for _ in range(6)]
    with ThreadPoolExecutor(6) as threads:
        won = list(threads.map(lambda n: writers[n].put_if_absent("claim", b"%d" % n), range(6)))
    assert sum(won) == 1
    assert writers[0].get("claim") == b"%d" % won.index(True)


def test_what_passes_is_tried_again_and_what_does_not_is_not(sandbox: Sandbox, objects: Callable[[], Objects]) -> None:
    run = objects()
    sandbox.set_scenario([Unavailable(method="objects.insert", times=2)])
    run.replace("a", b"1")
    assert sandbox.changes().count("storage.objects.insert") == 3
    sandbox.set_scenario([PermissionDenied(method="objects.insert")])
    with pytest.raises(CloudError) as refused:
        run.replace("a", b"2")
    assert refused.value.scope == "permission"
    assert sandbox.changes().count("storage.objects.insert") == 4


@pytest.mark.parametrize("wrong", ["runs/x", "s3://bucket/x", "gs://", "gs:///x"])
def test_what_is_no_place_in_storage(wrong: str) -> None:
    with pytest.raises(ConfigError):
        split_uri(wrong)
    assert split_uri("gs://bucket/a/b/") == ("bucket", "a/b")
