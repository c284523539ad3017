"""The arithmetic of what a run has cost, will cost and may cost."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arrcoc_core.costing import (
    Forecast,
    Spell,
    could_exceed,
    forecast,
    over_cap,
    run_cost,
    seconds_to_cap,
    spell_cost,
)

T0 = 1_800_000_000.0


def test_an_attempt_is_paid_from_its_machines_start_to_its_end() -> None:
    assert spell_cost(Spell(2.4, T0, T0 + 1800), now=T0 + 99_999) == pytest.approx(1.2)
    assert spell_cost(Spell(2.4, T0, None), now=T0 + 900) == pytest.approx(0.6)
    assert spell_cost(Spell(2.4, None, None), now=T0) == 0.0, "no machine yet, nothing to pay"
    assert spell_cost(Spell(None, T0, T0 + 3600), now=T0) == 0.0, "a rate that is not known adds nothing"
    assert spell_cost(Spell(2.4, T0 + 60, None), now=T0) == 0.0, "a clock that stepped back never pays back"


def test_a_run_costs_all_its_attempts_each_at_its_own_rate() -> None:
    spells = [
        Spell(0.56, T0, T0 + 3600),  # spot, preempted
        Spell(0.98, T0 + 4000, T0 + 4000 + 1800),  # flex-start
        Spell(0.56, None, None),  # waiting
        Spell(0.56, T0 + 9000, None),  # training
    ]
    assert run_cost(spells, now=T0 + 9000 + 7200) == pytest.approx(0.56 + 0.49 + 1.12)
    assert run_cost([], now=T0) == 0.0


def test_the_forecast_is_a_range_from_what_is_spent() -> None:
    assert forecast(1.0, 2.0, 1800, 5400) == Forecast(2.0, 4.0)
    assert forecast(1.0, None, 1, 2) is None
    assert forecast(1.0, 2.0, -5, -1) == Forecast(1.0, 1.0), "an estimate that has run out takes nothing back"
    assert forecast(0.0, 1.0, 7200, 3600) == Forecast(2.0, 2.0)


def test_the_cap() -> None:
    assert not over_cap(99.0, 0.0), "0 is no cap"
    assert not over_cap(4.99, 5.0) and over_cap(5.0, 5.0) and over_cap(5.01, 5.0)
    assert seconds_to_cap(4.0, 2.0, 5.0) == pytest.approx(1800)
    assert seconds_to_cap(6.0, 2.0, 5.0) == 0.0
    assert seconds_to_cap(4.0, None, 5.0) == seconds_to_cap(4.0, 2.0, 0.0) == math.inf
    assert could_exceed(5.0, [1.0, 5.01]) and not could_exceed(5.0, [1.0, 5.0]) and not could_exceed(0.0, [9e9, None])
    assert could_exceed(5.0, [1.0, None]), "a cap cannot be kept where a price is not known"


@given(rate=st.floats(0.01, 500), cap=st.floats(0.01, 1e5), spent=st.floats(0, 1e5), late=st.floats(0, 1e6))
def test_a_machine_stopped_in_time_never_passes_the_cap(rate: float, cap: float, spent: float, late: float) -> None:
    left = seconds_to_cap(spent, rate, cap)
    total = spent + spell_cost(Spell(rate, T0, T0 + left), now=T0)
    assert total <= max(cap, spent) * (1 + 1e-6) + rate / 3600
    assert over_cap(spent + spell_cost(Spell(rate, T0, T0 + left + late + 1), now=T0), cap)
