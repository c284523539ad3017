"""How values are written for people: the same words in the terminal and in the desktop app.

Pure functions from numbers and times to short strings. A value that is not known is a dash, never a zero.
"""

from __future__ import annotations

import math
from datetime import datetime

UNKNOWN = "—"


def duration(seconds: float | None, *, short: bool = False) -> str:
    """A length of time: "45 s", "2 min 14 s", "1 h 05 min", "3 d 4 h"; `short` keeps the largest unit only."""
    if seconds is None or not math.isfinite(seconds):
        return UNKNOWN
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        if short:
            return f"{round(whole / 60)} min" if whole < 3570 else "1 h"
        return f"{minutes} min {rest:02d} s" if rest else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{whole / 3600:.1f} h" if short else f"{hours} h {minutes:02d} min"
    days, hours = divmod(hours, 24)
    return f"{days} d" if short else f"{days} d {hours} h"


def time_left(seconds: float | None) -> str:
    """ "about 2 min left"; nothing while it is not known, or when the estimate has run out before the work."""
    return f"about {duration(seconds, short=seconds > 100)} left" if seconds is not None and seconds >= 1 else ""


def money(dollars: float | None) -> str:
    """Dollars: "$0", "$0.09", "$13.20"."""
    if dollars is None or not math.isfinite(dollars):
        return UNKNOWN
    if dollars == 0:
        return "$0"
    return "under $0.01" if 0 < dollars < 0.005 else f"${dollars:.2f}"


def money_range(low: float | None, high: float | None) -> str:
    """ "$0.02 to $0.12", "at most $0.12" from next to nothing, and one amount where both read the same."""
    least, most = money(low), money(high)
    if least == most:
        return most
    return f"at most {most}" if least == "under $0.01" else f"{least} to {most}"


def about_money(dollars: float) -> str:
    """ "about $0.09"; "under $0.01" and "$0" say it themselves."""
    said = money(dollars)
    return f"about {said}" if abs(dollars) >= 0.005 else said


def size(count: int | None) -> str:
    """Bytes: "0 B", "812 B", "3.4 MB", "1.2 GB", in powers of 1,000."""
    if count is None:
        return UNKNOWN
    value = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 999.5:
            return f"{value:.0f} {unit}" if unit == "B" or value >= 99.5 else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:,.1f} TB"


def percent(share: float | None) -> str:
    """A share of 1 as "98.4 %"."""
    if share is None:
        return UNKNOWN
    return f"{share * 100:.1f} %" if math.isfinite(share) else str(share)


def points(difference: float) -> str:
    """A difference of two shares as signed percentage points: "+1.2 points"."""
    return f"{difference * 100:+.1f} points"


def number(value: float | None) -> str:
    """Any metric at four significant digits: "0.0003", "12.35", "1,024", "2.5e-07"."""
    if value is None:
        return UNKNOWN
    if not math.isfinite(value):
        return str(value)
    if abs(value) >= 1e15:
        return f"{value:.4g}"
    if value == int(value):
        return f"{int(value):,}"
    return f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:.4g}"


def metric(name: str, value: float | None) -> str:
    """A metric's value in the unit that its name implies: accuracies as percent, the rest as numbers."""
    return percent(value) if is_share(name) else number(value)


def is_share(name: str) -> bool:
    """Whether a metric is a share of 1; what stands behind an accuracy, such as a type of question, does not matter."""
    return any(part.startswith(("accuracy", "vqa_accuracy")) for part in name.split("/"))


def clock(moment: datetime | None) -> str:
    """A moment in the reader's own time zone: "2026-11-22 15:20"."""
    return UNKNOWN if moment is None else moment.astimezone().strftime("%Y-%m-%d %H:%M")


def ago(moment: datetime | None, now: datetime) -> str:
    """How long before `now`: "just now", "3 min ago", "2 d ago"; both times are aware."""
    if moment is None:
        return UNKNOWN
    seconds = (now - moment).total_seconds()
    return "just now" if seconds < 10 else f"{duration(seconds, short=True)} ago"


def plural(count: int, noun: str, many: str | None = None) -> str:
    """ "1 run", "3 runs"; "2 entries" with `many="entries"`."""
    return f"{count:,} {noun if count == 1 else many or noun + 's'}"


def literal(value: object) -> str:
    """A configuration value as it is written in an experiment file: 64, 0.0003, "tiny", True."""
    if isinstance(value, float):
        return repr(value) if value and not 1e-4 <= abs(value) < 1e16 else f"{value:.10g}"
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
    return repr(value)
