"""Who holds an item: one object in its run's folder, whatever the queue says.

    queue/claim.json      {"item", "holder", "agent", "name"}: the state folder whose agent has the run

W&B's queue hands an item to one agent at a time; an agent that is late (its machine slept, its clock stands wrong) may
still believe that it has it. So the queue's word counts only for who may take the claim, and the claim decides:

    no claim                       whoever has popped the item creates it, once
    another's claim                is replaced only by the agent to which the server has leased the item since, at the
                                   generation that was read: two that do so cannot both succeed
    after acknowledging            the claim is read again: whose it is not, lets the run go

The launching machine waits for this object: that it is there means that an agent has taken the run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol

CLAIM = "queue/claim.json"


class Objects(Protocol):
    """What of `vertex_services.Services` claims need."""

    def read(self, run_id: str, name: str) -> Any: ...

    def put_new(self, run_id: str, name: str, content: Mapping[str, Any]) -> bool: ...

    def replace(self, run_id: str, name: str, content: Mapping[str, Any], generation: int) -> bool: ...


class Claim(NamedTuple):
    item: str
    holder: str
    """The state folder, as other machines see it (targets/vertex_owner.py)."""
    agent: str
    """The agent's id at W&B."""
    name: str
    """The agent's name, for people."""

    def to_json(self) -> dict[str, str]:
        return dict(self._asdict())


def read_claim(objects: Objects, run_id: str) -> Claim | None:
    found = objects.read(run_id, CLAIM)
    return None if found is None else _claim(found.content)


def take(objects: Objects, run_id: str, mine: Claim, leased_to_me: Callable[[], bool]) -> bool:
    """Become the holder, or stay it. `leased_to_me` asks the server, and only where another holds the claim."""
    if objects.put_new(run_id, CLAIM, mine.to_json()):
        return True
    found = objects.read(run_id, CLAIM)
    if found is None:
        return False  # it is just being written: the next look knows
    if _claim(found.content).holder == mine.holder:
        return True
    return leased_to_me() and objects.replace(run_id, CLAIM, mine.to_json(), found.generation)


def _claim(content: Mapping[str, Any]) -> Claim:
    return Claim(*(str(content.get(name, "")) for name in Claim._fields))
