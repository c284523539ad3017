"""Where the grid lines of a chart stand and what is written beside them: pure functions of a range.

Ticks are at 1, 2 or 5 times a power of ten (times: at round seconds, minutes, hours, days), as many as fit.
Labels of one axis share their decimals, so that a growing axis does not dance.
"""

from __future__ import annotations

import math
from datetime import datetime
from typing import Literal

XMode = Literal["step", "relative", "wall"]

_TIME_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400)
_SUFFIXES = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))


def linear_ticks(low: float, high: float, most: int) -> list[float]:
    """Round positions in [low, high], at most `most`."""
    if not (math.isfinite(low) and math.isfinite(high)) or high <= low or most < 1:
        return []
    return _multiples(low, high, _nice((high - low) / most))


def whole_ticks(low: float, high: float, most: int) -> list[float]:
    """Like `linear_ticks`, at whole numbers only (steps)."""
    if high <= low or most < 1:
        return []
    return _multiples(low, high, max(1.0, _nice((high - low) / most)))


def log_ticks(low: float, high: float, most: int) -> list[float]:
    """Positions on an axis whose range [low, high] is in powers of ten (log10); values, not powers."""
    if high <= low or most < 1:
        return []
    first, last = math.ceil(low - 1e-9), math.floor(high + 1e-9)
    decades = last - first + 1
    if decades >= 2:
        every = max(1, math.ceil(decades / most))
        return [10.0**power for power in range(first, last + 1) if power % every == 0]
    values = [m * 10.0**power for power in range(first - 1, last + 1) for m in (1, 2, 5)]
    inside = [value for value in values if low <= math.log10(value) <= high]
    return inside if len(inside) >= 2 else linear_ticks(10.0**low, 10.0**high, most)


def time_ticks(low: float, high: float, most: int) -> list[float]:
    """Round times in [low, high] (seconds), at most `most`."""
    if high <= low or most < 1:
        return []
    least = (high - low) / most
    if least < 1:
        return linear_ticks(low, high, most)
    step = next((step for step in _TIME_STEPS if step >= least), 0) or 86400 * math.ceil(least / 86400)
    return _multiples(low, high, float(step))


def wall_ticks(low: float, high: float, most: int) -> list[float]:
    """Round local times in [low, high] (unix seconds)."""
    if high <= low:
        return []
    shift = datetime.fromtimestamp(low).astimezone().utcoffset()
    seconds = shift.total_seconds() if shift is not None else 0.0
    return [tick - seconds for tick in time_ticks(low + seconds, high + seconds, most)]


def value_labels(ticks: list[float], *, percent: bool = False) -> list[str]:
    """One label a tick, all with the same decimals: "0.25", "1.5k", "75 %", "1e-05"."""
    if not ticks:
        return []
    if percent:
        return [f"{text} %" for text in _fixed([tick * 100 for tick in ticks])]
    largest = max(abs(tick) for tick in ticks)
    if 0 < largest < 1e-3 or largest >= 1e15:
        return [_exponent(tick) for tick in ticks]
    for size, suffix in _SUFFIXES:
        if largest >= 10 * size or (largest >= size and size > 1e3):
            return [
                f"{text}{suffix}" if tick else "0"
                for text, tick in zip(_fixed([t / size for t in ticks]), ticks, strict=True)
            ]
    return _fixed(ticks)


def log_labels(ticks: list[float], *, percent: bool = False) -> list[str]:
    """One label a tick, each on its own scale."""
    return [value_labels([tick], percent=percent)[0] if 1e-3 <= abs(tick) < 1e15 else _exponent(tick) for tick in ticks]


def x_labels(ticks: list[float], mode: XMode) -> list[str]:
    """One label a tick of the x axis."""
    if mode == "step":
        return value_labels(ticks)
    if mode == "relative":
        return [duration(tick, exact=False) for tick in ticks]
    if len(ticks) > 1 and ticks[1] - ticks[0] >= 86400:
        return [f"{datetime.fromtimestamp(tick):%d %b}" for tick in ticks]
    seconds = len(ticks) > 1 and ticks[1] - ticks[0] < 60
    return [f"{datetime.fromtimestamp(tick):{'%H:%M:%S' if seconds else '%H:%M'}}" for tick in ticks]


def position_text(x: float, mode: XMode) -> str:
    """One place on the x axis in full: "step 1,234", "after 1:02:03", "14:03:22"."""
    if mode == "step":
        return f"step {round(x):,}"
    if mode == "relative":
        return f"after {duration(x)}"
    return f"{datetime.fromtimestamp(x):%d %b %H:%M:%S}"


def duration(seconds: float, *, exact: bool = True) -> str:
    """ "12.5 s", "2:05", "1:02:03"; not exact: "12 s", "2 min", "1 h", "2:30" where it is no whole unit."""
    sign, seconds = ("-" if seconds < 0 else ""), abs(seconds)
    if seconds < 60:
        return f"{sign}{seconds:.1f} s" if exact or seconds % 1 else f"{sign}{seconds:.0f} s"
    whole = round(seconds)
    hours, minutes, rest = whole // 3600, whole // 60 % 60, whole % 60
    if not exact and rest == 0:
        if hours and minutes == 0:
            return f"{sign}{hours} h"
        return f"{sign}{hours}:{minutes:02d} h" if hours else f"{sign}{minutes} min"
    return f"{sign}{hours}:{minutes:02d}:{rest:02d}" if hours else f"{sign}{minutes}:{rest:02d}"


def value_text(value: float, *, percent: bool = False) -> str:
    """A value beside a line: four significant digits; "98.4 %"; "NaN", "inf"."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "inf" if value > 0 else "-inf"
    if percent:
        return f"{value * 100:.1f} %"
    size = abs(value)
    if size >= 1e6 or 0 < size < 1e-3:
        return _exponent(value, 2)
    if float(value).is_integer() and size < 1e6:
        return f"{value:,.0f}"
    digits = max(0, 3 - math.floor(math.log10(size))) if size else 0
    return f"{value:,.{min(digits, 5)}f}"


def _nice(step: float) -> float:
    """The least of 1, 2, 5 times a power of ten that is not below `step`."""
    power = 10.0 ** math.floor(math.log10(step))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= step * (1 - 1e-9))


def _multiples(low: float, high: float, step: float) -> list[float]:
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    # Rounded to the step's own decimals: 3 * 0.1 is to be 0.3.
    decimals = max(0, 1 - math.floor(math.log10(step)))
    return [round(i * step, decimals) + 0.0 for i in range(first, last + 1)]


def _fixed(values: list[float]) -> list[str]:
    decimals = 0
    while decimals < 6 and any(abs(round(value, decimals) - value) > 1e-9 * max(1.0, abs(value)) for value in values):
        decimals += 1
    return [f"{value:.{decimals}f}" for value in values]


def _exponent(value: float, digits: int = 0) -> str:
    if value == 0:
        return "0"
    mantissa, power = f"{value:.{digits}e}".split("e")
    if "." not in mantissa and abs(float(f"{value:.0e}") - value) > 1e-9 * abs(value):
        mantissa, power = f"{value:.1e}".split("e")
    return f"{mantissa}e{int(power)}"
