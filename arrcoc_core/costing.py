"""What a run on rented machines has cost, will cost, and may cost. Pure arithmetic; times are Unix seconds.

An attempt is paid for from the moment its machine runs until it ends, at the rate of the place it got. Rates are the
catalogue's estimates, so these are too: the invoice has the last word.
"""

from __future__ import annotations

from typing import NamedTuple

from arrcoc_core.catalog.prices import cost_of

HOUR_S = 3600.0


class Spell(NamedTuple):
    """A machine's time: dollars per hour (None: not known), and from when to when; None: not yet."""

    usd_per_h: float | None
    started_at: float | None
    ended_at: float | None


class Forecast(NamedTuple):
    """Dollars of the whole run, from the least to the most time it may still take."""

    low: float
    high: float


def spell_cost(spell: Spell, now: float) -> float:
    """Dollars of one attempt so far; 0.0 before its machine runs and where no rate is known."""
    if spell.started_at is None or spell.usd_per_h is None:
        return 0.0
    end = now if spell.ended_at is None else spell.ended_at
    return cost_of(spell.usd_per_h, max(0.0, end - spell.started_at) / HOUR_S)


def forecast(spent: float, usd_per_h: float | None, left_low_s: float, left_high_s: float) -> Forecast | None:
    """What the run comes to when it needs that much more of a machine at this rate; None where no rate is known."""
    if usd_per_h is None:
        return None
    low, high = max(0.0, left_low_s), max(0.0, left_high_s, left_low_s)
    return Forecast(spent + cost_of(usd_per_h, low / HOUR_S), spent + cost_of(usd_per_h, high / HOUR_S))


def over_cap(spent: float, cap: float) -> bool:
    """Whether a run has reached its `max_cost_usd`; 0 is no cap."""
    return cap > 0 and spent >= cap
