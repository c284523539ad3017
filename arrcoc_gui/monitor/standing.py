"""How far what is shown of a run lies behind its W&B server, and why: words for header and row. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from arrcoc_core.formatting import duration

BEHIND_AFTER_S = 3.0
"""Less than this is how it always is between two looks (arrcoc_core/online/polling.py has the same number)."""


@dataclass(frozen=True)
class Standing:
    """`behind_s`: age of the newest answer of the server. `offline`: why there is none newer, "" where there is one.

    `trouble` and `remedy`: the server answers, and refuses this run.
    """

    behind_s: float = 0.0
    offline: str = ""
    trouble: str = ""
    remedy: str = ""

    @classmethod
    def of(cls, line: Mapping[str, Any]) -> Standing:
        """From a line of the reading child; one without these fields is about files on this machine."""
        if line.get("error"):
            return cls(trouble=str(line["error"]), remedy=str(line.get("remedy") or ""))
        return cls(float(line.get("behind_s") or 0.0), str(line.get("offline") or ""))

    @property
    def caught_up(self) -> bool:
        return self.behind_s < BEHIND_AFTER_S and not self.offline and not self.trouble

    def words(self) -> str:
        """ "behind by 12 s"; "" where it is not."""
        return f"behind by {duration(self.behind_s)}" if self.behind_s >= BEHIND_AFTER_S else ""

    def short(self) -> str:
        """For a row: "offline 12 s", "behind 12 s"; "" where it has caught up."""
        if self.trouble:
            return "cannot be read"
        if self.caught_up:
            return ""
        return f"{'offline' if self.offline else 'behind'} {duration(self.behind_s, short=True)}"

    def reason(self) -> str:
        """Why, in one line; "" where nothing is wrong."""
        if self.trouble:
            return f"cannot be read: {self.trouble}"
        return f"offline: {self.offline}" if self.offline else ""


CAUGHT_UP = Standing()
