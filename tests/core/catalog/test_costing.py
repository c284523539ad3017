"""The arithmetic of what a run has cost, will cost and may cost."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arrcoc_core.costing import Forecast, Spell, forecast, over_cap, spell_cost

T0 = 1_800_000_000.0


def test_an_attempt_is_paid_from_its_machines_start_to_its_end() -> None:
    assert spell_cost(Spell(2.4, T0, T0 + 1800), now=T0 + 99_999) == pytest.approx(1.2)
    assert spell_cost(Spell(2.4, T0, None), now=T0 + 900) == pytest.approx(0.6)
    assert spell_cost(Spell(2.4, None, None), now=T0) == 0.0, "no machine yet, nothing to pay"
    assert spell_cost(Spell(None, T0, T0 + 3600), now=T0) == 0.0, "a rate that is not known adds nothing"
    assert spell_cost(Spell(2.4, T0 + 60, None), now=T0) == 0.0, "a clock that stepped back never pays back"


def test_the_forecast_is_a_range_from_what_is_spent() -> None:
    assert forecast(1.0, 2.0, 1800, 5400) == Forecast(2.0, 4.0)
    assert forecast(1.0, None, 1, 2) is None
    assert forecast(1.0, 2.0, -5, -1) == Forecast(1.0, 1.0), "an estimate that has run out takes nothing back"
    assert forecast(0.0, 1.0, 7200, 3600) == Forecast(2.0, 2.0)


def test_the_cap() -> None:
    assert not over_cap(99.0, 0.0), "0 is no cap"
    assert not over_cap(4.99, 5.0) and over_cap(5.0, 5.0) and over_cap(5.01, 5.0)


@given(rate=st.floats(0.01, 500), first=st.floats(0, 1e6), more=st.floats(0, 1e6))
def test_a_live_attempt_only_ever_gets_dearer_and_ends_at_what_it_had_come_to(
    rate: float, first: float, more: float
) -> None:
    live = Spell(rate, T0, None)
    early, late = spell_cost(live, T0 + first), spell_cost(live, T0 + first + more)
    assert 0.0 <= early <= late
    assert spell_cost(Spell(rate, T0, T0 + first), T0 + first + more) == pytest.approx(early)
