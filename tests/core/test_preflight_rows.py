"""How checks run: in parallel, told in order, skipped after what failed, unknown where nobody answers."""

from __future__ import annotations

import threading

import pytest

from arrcoc_core.errors import CloudError, CloudScope, ConfigError
from arrcoc_core.facts import Check
from arrcoc_core.preflight.running import Step, run_steps


def fine(name: str) -> Check:
    return Check(name, True, "fine")


def raising(error: Exception) -> Step:
    def look() -> Check:
        raise error

    return Step("one", (), look)


def test_rows_come_in_order_although_the_first_answers_last() -> None:
    second_is_known = threading.Event()

    def first() -> Check:
        assert second_is_known.wait(10), "both run at once"
        return fine("first")

    def second() -> Check:
        second_is_known.set()
        return fine("second")

    told: list[Check] = []
    rows = run_steps([Step("first", (), first), Step("second", (), second)], told.append)
    assert [row.name for row in rows] == ["first", "second"]
    assert tuple(told) == rows


def test_what_depends_on_a_failed_one_is_skipped_and_says_because_of_which() -> None:
    asked: list[str] = []

    def look() -> Check:
        asked.append("c")
        return fine("c")

    bad = Check("a", False, "wrong", "repair it")
    steps = [
        Step("a", (), lambda: bad),
        Step("b", ("a",), look),
        Step("c", ("b",), look),
        Step("d", (), lambda: fine("d")),
    ]
    a, b, c, d = run_steps(steps)
    assert a.failed and d.ok and asked == []
    for row in (b, c):
        assert row.skipped and not row.failed and row.detail == "skipped because of a"


def test_no_answer_in_time_is_unknown_and_what_depends_on_it_still_looks() -> None:
    forever = threading.Event()

    def hang() -> Check:
        forever.wait(30)
        return fine("a")

    a, b = run_steps([Step("a", (), hang, limit_s=0.05), Step("b", ("a",), lambda: fine("b"))])
    forever.set()
    assert a.unknown and not a.failed and not a.ok and "no answer" in a.detail
    assert b.ok


@pytest.mark.parametrize("scope", ["unavailable", "internal", "offline", "permission"])
def test_what_could_not_be_asked_is_unknown(scope: CloudScope) -> None:
    (row,) = run_steps([raising(CloudError("no", scope=scope, remedy="again"))])
    assert row.unknown and not row.failed and row.remedy == "again"


@pytest.mark.parametrize(
    "error",
    [CloudError("no", scope="auth", remedy="log in"), ConfigError("no", remedy="log in")],
    ids=["cloud", "config"],
)
def test_what_a_person_must_repair_has_failed(error: Exception) -> None:
    (row,) = run_steps([raising(error)])
    assert row.failed and row.remedy == "log in"


def test_a_fault_of_our_own_in_one_check_does_not_take_the_others_along() -> None:
    rows = run_steps([raising(KeyError("x")), Step("two", (), lambda: fine("two"))])
    assert rows[0].unknown and "KeyError" in rows[0].detail and rows[1].ok
