"""The store: events and projections agree, transactions are whole, and damage is named."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from arrcoc_core.errors import StoreError, UnknownRunError
from arrcoc_core.records import Event, RunRecord, project
from arrcoc_core.store import MIGRATIONS, Conflict, Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "state" / "store.db") as opened:
        yield opened


def created(run: str, at: float = 1.0, **data: object) -> Event:
    known = {"experiment": "e", "fingerprint": "f", "code": "c", "target": "local", **data}
    return Event(run, "created", at, data=known)


STORY = [
    created("a", sweep="s", budgets={"preemption": 5, "failure": 1}),
    Event("a", "attempt_started", 2.0, 1),
    Event("a", "attempt_submitted", 2.1, 1, data={"handle": {"pid": 5}}),
    Event("a", "attempt_running", 3.0, 1),
    Event("a", "summary", 4.0, data={"summary": {"eval/accuracy": 0.5}}),
    Event("a", "attempt_ended", 5.0, 1, "killed", {"state": "preempted", "counts": "preemption", "committed_step": 7}),
    Event("a", "attempt_started", 6.0, 2),
    Event("a", "note", 6.5, cause="nothing"),
    Event("a", "cancel_requested", 7.0, cause="enough"),
    Event("a", "interrupt_sent", 7.1, 2),
    Event("a", "attempt_ended", 8.0, 2, "stopped", {"state": "cancelled", "exit_code": 75}),
    Event("a", "ended", 8.0, cause="enough", data={"state": "cancelled"}),
]


def test_the_record_is_what_the_events_add_up_to(store: Store) -> None:
    for event in STORY:
        store.append([event])
        folded: RunRecord | None = None
        for written in store.events("a"):
            folded = project(folded, written)
        assert store.run("a") == folded
    run = store.run("a")
    assert (run.state, run.cause, run.summary, len(run.attempts)) == ("cancelled", "enough", {"eval/accuracy": 0.5}, 2)
    assert run.attempts[0].handle == {"pid": 5}
    assert (run.used.preemption, run.committed_step, run.budgets.failure) == (1, 7, 1)


RUNG = {"region": "us-central1", "machine_type": "g2", "provisioning": "spot", "max_wait_s": 60.0, "usd_per_h": 3.6}
IN_THE_CLOUD = [
    created("c", target="vertex", ladder=[{**RUNG, "gpu_quota": "x"}] * 2, preparation={"state": "needed"}, pace=2.0),
    Event("c", "preparation", 2.0, data={"state": "working", "build": {"id": "b"}}),
    Event("c", "preparation", 3.0, data={"state": "ready", "image": "i@sha256:0"}),
    Event("c", "attempt_started", 4.0, 1, data={"region": "us-central1", "usd_per_h": 3.6, "provisioning": "spot"}),
    Event("c", "attempt_submitted", 4.1, 1, data={"handle": {"job": "j", "region": "us-east1", "link": "http://x"}}),
    Event("c", "out_of_sight", 5.0, cause="no network"),
    Event("c", "in_sight", 6.0),
    Event("c", "attempt_running", 7.0, 1, data={"running_at": 10.0}),
    Event(
        "c",
        "attempt_ended",
        20.0,
        1,
        "gone",
        {"state": "failed", "counts": "capacity", "rung": 1, "cost_usd": 0.01, "scope": "stockout"},
    ),
    Event("c", "cancel_requested", 21.0, cause="too dear", data={"verdict": "failed", "remedy": "spend more"}),
]


def test_a_run_in_the_cloud_is_kept_whole(store: Store) -> None:
    whole: RunRecord | None = None
    for event in IN_THE_CLOUD:
        (number,) = store.append([event])
        whole = project(whole, replace(event, id=number))
        assert store.run("c") == whole
    run = store.run("c")
    assert (run.state, run.verdict, run.remedy, run.problem) == ("cancelling", "failed", "spend more", "")
    assert run.ladder[1].usd_per_h == 3.6 and run.rung == 1 and run.used.capacity == 1 and not run.preparing
    (attempt,) = run.attempts
    assert (attempt.region, attempt.link, attempt.running_at) == ("us-east1", "http://x", 10.0)
    assert (attempt.cost_usd, attempt.scope, run.cost_usd) == (0.01, "stockout", 0.01)
    assert run.preparation == {"state": "ready", "build": {"id": "b"}, "image": "i@sha256:0"}


def test_a_live_attempt_costs_from_its_machine_on(store: Store) -> None:
    store.append(IN_THE_CLOUD[:5])
    assert store.run("c").spent_usd(1000.0) == 0.0
    store.append(IN_THE_CLOUD[5:8])
    assert store.run("c").spent_usd(1010.0) == pytest.approx(1.0)


def test_a_store_of_the_first_version_goes_on(tmp_path: Path) -> None:
    from arrcoc_core import records, store_schema

    path = tmp_path / "store.db"
    db = sqlite3.connect(path)
    for statement in MIGRATIONS[0]:
        db.execute(statement)
    db.execute("PRAGMA user_version = 1")
    db.execute(
        "INSERT INTO runs (id, experiment, fingerprint, code, target, state, created_at, cause, max_parallel, budgets,"
        " used, not_before, committed_step, total_steps, estimate_low_s, estimate_high_s, base, workload, machine,"
        " summary, version) VALUES ('old', 'e', 'f', 'c', 'local', 'running', 1, '', 1, '[20,20,3]', '[0,1,0]', 0, 5,"
        " 9, 1, 2, 'tiny', 1, 'm', '{}', 3)"
    )
    db.execute(
        "INSERT INTO attempts (run, n, state, started_at, cause, cost_usd) VALUES ('old', 1, 'running', 2, '', 0)"
    )
    db.commit()
    db.close()
    with Store(path) as store:
        run = store.run("old")
        assert (run.state, run.ladder, run.preparation, run.pace, run.committed_step) == ("running", (), None, 1.0, 5)
        assert run.attempts[0] == records.AttemptRecord(1, "running", 2.0)
        ended = Event("old", "attempt_ended", 9.0, 1, data={"state": "succeeded"})
        store.append([ended, Event("old", "ended", 9.0, data={"state": "succeeded"})])
        assert store.run("old").state == "succeeded"
    assert len(store_schema.MIGRATIONS) == 2


def test_events_read_back_as_they_were_written(store: Store) -> None:
    ids = store.append(STORY)
    assert ids == sorted(set(ids))
    read = store.events()
    assert [event.id for event in read] == ids
    assert [(e.kind, e.at, e.attempt, e.cause, e.data) for e in read] == [
        (e.kind, e.at, e.attempt, e.cause, e.data) for e in STORY
    ]
    assert [event.id for event in store.events("a", after=ids[-2])] == ids[-1:]


def test_a_launch_repeated_with_the_same_id_changes_nothing(store: Store) -> None:
    first = store.append([created("a")])
    token = store.changes_token()
    assert store.append([created("a", at=9.0, experiment="other")]) == first
    assert store.changes_token() == token
    assert store.run("a").experiment == "e"


def test_a_transaction_is_written_whole_or_not_at_all(store: Store) -> None:
    store.append([created("a")])
    with pytest.raises(ValueError, match="never created"):
        store.append([Event("a", "attempt_started", 2.0, 1), Event("b", "note", 2.0)])
    assert store.run("a").attempts == ()
    assert len(store.events()) == 1


def test_a_run_that_has_changed_since_it_was_read_is_not_written(store: Store) -> None:
    store.append([created("a")])
    version = store.run("a").version
    with Store(store.path) as other:
        other.append([Event("a", "cancel_requested", 2.0, cause="enough")])
    with pytest.raises(Conflict):
        store.append([Event("a", "attempt_started", 3.0, 1)], expect={"a": version})
    assert store.run("a").state == "cancelled"


def test_the_token_grows_with_every_event_and_is_seen_by_others(store: Store) -> None:
    with Store(store.path) as other:
        tokens = [other.changes_token()]
        for event in STORY:
            store.append([event])
            tokens.append(other.changes_token())
    assert tokens == sorted(set(tokens))


def test_runs_are_found_newest_first(store: Store) -> None:
    for name in ("a1", "a2", "b1"):
        store.append([created(name, experiment=name[0])])
    store.append([Event("a2", "attempt_started", 2.0, 1), Event("a1", "cancel_requested", 2.0)])
    assert [run.id for run in store.runs()] == ["b1", "a2", "a1"]
    assert [run.id for run in store.runs(limit=2)] == ["b1", "a2"]
    assert [run.id for run in store.runs(prefix="a", limit=1)] == ["a2"]
    assert [run.id for run in store.runs(experiment="a")] == ["a2", "a1"]
    assert [run.id for run in store.runs(active=True)] == ["b1", "a2"]
    assert [len(run.attempts) for run in store.runs()] == [0, 1, 0]
    assert store.runs(prefix="%") == []
    with pytest.raises(UnknownRunError):
        store.run("a")


def test_a_store_of_a_newer_version_is_left_alone(store: Store) -> None:
    store.close()
    database = sqlite3.connect(store.path)
    database.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    database.close()
    with pytest.raises(StoreError, match="newer version"):
        Store(store.path)


def test_an_older_store_is_brought_up_to_date_with_its_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "store.db"
    with Store(path) as store:
        store.append([created("a")])
    monkeypatch.setattr("arrcoc_core.store.MIGRATIONS", (*MIGRATIONS, ("CREATE TABLE later (x)",)))
    with Store(path) as store:
        assert store.rows("SELECT count(*) FROM later")[0][0] == 0
        assert store.run("a").state == "queued"


def test_a_damaged_store_is_named(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    path.write_bytes(b"not a database at all, but long enough to look like one" * 40)
    with pytest.raises(StoreError, match=r"store\.db") as raised:
        Store(path)
    assert raised.value.remedy
