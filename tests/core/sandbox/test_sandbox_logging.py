"""Cloud Logging in the sandbox, and the filters that its lists take."""

from __future__ import annotations

import time
from typing import Any

import pytest
from google.api_core import exceptions as api

from arrcoc_core.sandbox import Sandbox
from arrcoc_core.sandbox.errors import ApiError
from arrcoc_core.sandbox.filters import parse_filter
from arrcoc_core.sandbox.logbook import Entry
from arrcoc_core.sandbox.vertex.output import ml_entry

JOB = "1234567890123456789"


def write(sandbox: Sandbox, count: int, *, at: float, job: str = JOB) -> list[Entry]:
    entries = [
        ml_entry(f"{job}-{number:04d}", job, "arrcoc-sandbox", "workerpool0-0", f"line {number}", severity, at + number)
        for number, severity in zip(range(count), ["INFO", "ERROR"] * count, strict=False)
    ]
    sandbox.box.service("logging").book.write(entries)
    time.sleep(0.08)  # all have arrived, at this sandbox's speed
    return entries


def read(sandbox: Sandbox, text: str = "", **given: Any) -> list[Any]:
    request = {"resource_names": ["projects/arrcoc-sandbox"], "filter": text, **given}
    return list(sandbox.cloud().logs().list_log_entries(request=request))


def lines(entries: list[Any]) -> list[str]:
    return [str(entry.json_payload["message"]) for entry in entries]


def test_entries_are_filtered_ordered_and_paged(box: Sandbox) -> None:
    write(box, 6, at=time.time() - 1000)
    write(box, 2, at=time.time() - 1000, job="99")
    ours = f'resource.type="ml_job" AND resource.labels.job_id="{JOB}"'
    whole = read(box, ours, page_size=2)
    assert lines(whole) == [f"line {number}" for number in range(6)]
    assert whole[0].log_name == "projects/arrcoc-sandbox/logs/workerpool0-0" and whole[1].severity == 500
    assert whole[0].labels["ml.googleapis.com/job_id"] == JOB and whole[0].receive_timestamp > whole[0].timestamp
    later = whole[3].timestamp.isoformat()
    assert lines(read(box, f'{ours} AND timestamp>="{later}"')) == ["line 3", "line 4", "line 5"]
    assert lines(read(box, f"{ours} severity>=ERROR", order_by="timestamp desc")) == ["line 5", "line 3", "line 1"]
    assert lines(read(box, f'{ours} jsonPayload.message:"E 4"')) == ["line 4"]
    assert len(read(box)) == 8
    with pytest.raises(api.PermissionDenied):
        read(box, resource_names=["projects/another"])


def test_an_entry_arrives_later_than_it_was_written_and_not_in_order(box: Sandbox) -> None:
    book, now = box.box.service("logging").book, time.time()
    rows = [ml_entry(f"{number:03d}", "7", "p", "service", "x", "INFO", now + number * 1e-6) for number in range(50)]
    book.write(rows)
    assert book.read(seen_by=now, job="7") == []
    arrived = book.read(seen_by=now + 10, job="7")
    assert [entry.insert_id for entry, _ in arrived] == [f"{number:03d}" for number in range(50)]
    moments = [moment for _, moment in arrived]
    assert min(moments) > now and moments != sorted(moments)


def test_a_list_repeats_entries_that_keep_their_insert_id(box: Sandbox) -> None:
    write(box, 150, at=time.time() - 1000)
    entries = read(box, page_size=1000)
    assert len(entries) > 150 and len({entry.insert_id for entry in entries}) == 150


def test_pages_show_one_moment(box: Sandbox) -> None:
    write(box, 4, at=time.time() - 1000)
    client = box.cloud().logs()
    request = {"resource_names": ["projects/arrcoc-sandbox"], "page_size": 2}
    pages = client.list_log_entries(request=request).pages
    first = next(pages)
    write(box, 3, at=time.time() - 2000, job="55")
    assert lines(list(first.entries) + list(next(pages).entries)) == [f"line {number}" for number in range(4)]


def test_entries_survive_a_kill(box: Sandbox) -> None:
    write(box, 3, at=time.time() - 1000)
    box.restart(kill=True)
    assert len(read(box)) == 3


def test_wrong_requests_are_refused(box: Sandbox) -> None:
    with pytest.raises(api.InvalidArgument):
        read(box, "severity>=")
    with pytest.raises(api.InvalidArgument):
        read(box, order_by="severity")
    with pytest.raises(api.InvalidArgument):
        read(box, resource_names=[])


FIELDS = {
    ("state",): ["RUNNING"],
    ("tags",): ["one", "two.three"],
    ("labels", "arrcoc_run"): ["r-1"],
    ("labels", "ml.googleapis.com/job_id"): ["12"],
    ("timestamp",): ["2026-11-22T10:00:00.5Z"],
    ("severity",): ["WARNING"],
    ("count",): ["12"],
}


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("", True),
        ('state="RUNNING"', True),
        ("state=RUNNING AND tags=one AND tags=two.three", True),
        ('state!="RUNNING"', False),
        ('NOT state="PENDING" AND (tags="x" OR tags="one")', True),
        ('state="PENDING" OR tags="one" AND state="RUNNING"', True),
        ('labels.arrcoc_run="r-1"', True),
        ('labels."ml.googleapis.com/job_id"="12"', True),
        ("labels.arrcoc_run:*", True),
        ("labels.other:*", False),
        ('timestamp>="2026-11-22T10:00:00Z" timestamp<"2026-11-22T11:00:00+01:00"', False),
        ('timestamp>="2026-11-22T10:00:00Z" timestamp<"2026-11-22T12:00:00+01:00"', True),
        ("severity>=INFO", True),
        ("severity>WARNING", False),
        ("count>9", True),
        ('tags=~"^two"', True),
    ],
)
def test_filters(text: str, holds: bool) -> None:
    assert parse_filter(text)(lambda path: FIELDS.get(path, [])) is holds


@pytest.mark.parametrize("text", ["state=", "=RUNNING", "(state=X", "state X", "state=X)", "state="])
def test_what_is_no_filter_is_refused(text: str) -> None:
    with pytest.raises(ApiError, match="Invalid filter"):
        parse_filter(text)
