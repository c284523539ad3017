"""Fuzzy matching for the command palette: pure, no Qt."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

T = TypeVar("T")

_START, _WORD, _RUN, _GAP = 12.0, 8.0, 5.0, 0.2


def match(query: str, text: str) -> tuple[float, tuple[int, ...]] | None:
    """Score and matched positions of `query` as a subsequence of `text`, ignoring case; None when it is none.

    Runs of letters and beginnings of words count most. Spaces in the query separate parts that must all
    match, in any order.
    """
    total, positions = 0.0, set[int]()
    for part in query.lower().split():
        found = _match_part(part, text.lower())
        if found is None:
            return None
        total += found[0]
        positions.update(found[1])
    return total - 0.01 * len(text), tuple(sorted(positions))


def rank(query: str, items: Iterable[T], text_of: Callable[[T], str]) -> list[tuple[T, tuple[int, ...]]]:
    """The items that match, best first, equal ones in their order; all of them for an empty query."""
    scored: list[tuple[float, int, T, tuple[int, ...]]] = []
    for order, item in enumerate(items):
        if not query.strip():
            scored.append((0.0, order, item, ()))
            continue
        found = match(query, text_of(item))
        if found is not None:
            scored.append((-found[0], order, item, found[1]))
    scored.sort(key=lambda entry: (entry[0], entry[1]))
    return [(item, positions) for _, _, item, positions in scored]


def _match_part(part: str, text: str) -> tuple[float, tuple[int, ...]] | None:
    best: tuple[float, tuple[int, ...]] | None = None
    # Trying every place where the first letter stands finds "launch" in "relaunch" as one run.
    for start in (i for i, letter in enumerate(text) if letter == part[0]):
        positions = _greedy(part, text, start)
        if positions is None:
            break
        score = _score(text, positions)
        if best is None or score > best[0]:
            best = score, positions
    return best


def _greedy(part: str, text: str, start: int) -> tuple[int, ...] | None:
    positions = [start]
    for letter in part[1:]:
        at = text.find(letter, positions[-1] + 1)
        if at < 0:
            return None
        positions.append(at)
    return tuple(positions)


def _score(text: str, positions: tuple[int, ...]) -> float:
    score = 0.0
    for order, at in enumerate(positions):
        if at == 0:
            score += _START
        elif not text[at - 1].isalnum():
            score += _WORD
        if order and positions[order - 1] == at - 1:
            score += _RUN
        score += 1.0
    return score - _GAP * (positions[-1] - positions[0] + 1 - len(positions))
