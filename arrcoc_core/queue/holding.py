"""What an agent does with an item, one act after the other, each written down before the next.

    popped     which run is it?          ours: it is in the runs bucket. From the web page: named after the item
    known      take the claim            unless the run is taken under another item, or stopped
    claimed    acknowledge               then the claim is read again: it decides
    held       make the run, adopt it    made where it comes from the web page; this project's supervisor drives it from
                                         now on; wait for its end
               the run has ended         done, or the item is failed with the run's cause and remedy
    refused    fail the item             with what a person has to do about it

Every act may be repeated: a restarted agent goes on from its notes. What was popped and not acknowledged is the queue's
again after a minute (wandb 0.31, sdk/launch/agent/agent.py:LaunchAgent.loop), by the server's clock; so whoever comes
back to such a note asks the server whose the lease is, and lets the item go where it is no longer its own. No clock of
this machine is compared with any other.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Protocol

from arrcoc_core.errors import ArrcocError, CloudError, StoreError
from arrcoc_core.queue.claims import Claim, Objects, read_claim, take
from arrcoc_core.queue.client import QueueClient
from arrcoc_core.queue.ending import LONGEST_MESSAGE, end_items, with_remedy, words
from arrcoc_core.queue.notes import Note
from arrcoc_core.records import RunRecord
from arrcoc_core.targets import UnseenError, Verdict

GONE_ON = frozenset({"PENDING", "LEASED", "CLAIMED"})
"""States of an item that is still to be run, or runs."""


class Runs(Protocol):
    """The runs of this project, as far as an agent needs them."""

    @property
    def objects(self) -> Objects:
        """What lies in the runs' folders in the cloud."""
        ...

    @property
    def holder(self) -> str:
        """This state folder, as other machines see it."""
        ...

    def run_of(self, item_id: str, spec: dict[str, Any]) -> str:
        """The run that an item orders, quickly: the lease is short. Refused, CloudError."""
        ...

    def make(self, run_id: str, spec: dict[str, Any]) -> None:
        """See that the run is in the runs bucket: one from the web page is made there. Refused, CloudError."""
        ...

    def find(self, run_id: str) -> RunRecord | None:
        """A run of this project's store."""
        ...

    def adopt(self, run_id: str) -> None:
        """Make it one of this project's, and see that it is driven."""
        ...


class Holding:
    """Carries the items of one agent; what it holds is in its notes."""

    def __init__(self, client: QueueClient, queue: str, runs: Runs, say: Callable[[str], None]) -> None:
        self._client = client
        self._queue = queue
        self._runs = runs
        self._say = say

    def advance(self, note: Note, *, fresh: bool, agent_name: str) -> Note | None:
        """The note after one act; the same: nothing to do now; None: finished with the item.

        `fresh`: popped in this pass, so that its lease is certain. CloudError, StoreError: at the next pass.
        """
        if note.stage in ("popped", "known") and not fresh and not self._still_mine(note):
            return None
        if note.stage == "popped":
            return self._recognise(note)
        if note.stage == "known":
            return self._claim(note, agent_name)
        if note.stage == "claimed":
            return self._acknowledge(note)
        if note.stage == "held":
            return self._hold(note)
        return self._fail(note)

    def _recognise(self, note: Note) -> Note:
        found: list[str] = []
        refusal = self._refusal(note, lambda: found.append(self._runs.run_of(note.item, dict(note.spec))))
        return refusal or replace(note, stage="known", run=found[0])

    def _refusal(self, note: Note, act: Callable[[], None]) -> Note | None:
        """What becomes of an item where `act` finds that it cannot be run; None: it can."""
        try:
            act()
        except (CloudError, StoreError, UnseenError):
            raise
        except ArrcocError as error:
            return _refused(note, with_remedy(error.message, error.remedy))
        except Exception as error:  # noqa: BLE001 - an item may hold anything: it ends this item and no other
            return _refused(note, f"arrcoc cannot read it: {type(error).__name__}: {error}")
        return None

    def _claim(self, note: Note, agent_name: str) -> Note | None:
        objects = self._runs.objects
        stop = objects.read(note.run, "stop.json")
        if stop is not None:
            return _refused(note, words(Verdict(str(stop.content["verdict"]), str(stop.content["cause"]))))
        held = read_claim(objects, note.run)
        if held is not None and held.item != note.item:
            other = self._client.item(self._queue, held.item)
            if other is not None and other.state in GONE_ON:
                self._say(f"{note.run}: it is in the queue twice; {note.item} is removed")
                self._client.remove(self._queue, note.item)
                return None
        mine = Claim(note.item, self._runs.holder, note.agent, agent_name)
        if take(objects, note.run, mine, lambda: self._leased(note)):
            return replace(note, stage="claimed")
        self._say(f"{note.run}: another agent has it")
        return None

    def _acknowledge(self, note: Note) -> Note | None:
        if not self._client.acknowledge(note.item, note.run):
            item = self._client.item(self._queue, note.item)
            if item is None or item.state != "CLAIMED":
                self._say(f"{note.run}: its lease has run out; it goes back into the queue")
                return None
        return replace(note, stage="held") if self._is_mine(note) else None

    def _hold(self, note: Note) -> Note | None:
        run = self._runs.find(note.run)
        if run is None:
            refusal = self._refusal(note, lambda: self._runs.make(note.run, dict(note.spec)))
            if refusal is not None:
                return refusal
            self._runs.adopt(note.run)
            self._say(f"{note.run}: taken")
            return note
        if not run.finished:
            return note if self._is_mine(note) else None
        if run.state != "succeeded":
            end_items(self._client, self._queue, run.id, Verdict(run.state, run.cause, run.remedy))
        self._say(f"{note.run}: {run.state}{f': {run.cause}' if run.cause else ''}")
        return None

    def _fail(self, note: Note) -> None:
        item = self._client.item(self._queue, note.item)
        if item is None or item.state == "FAILED":
            return
        if item.state == "CLAIMED" and not (note.run and self._is_mine(note)):
            return  # another agent, a newer one for example, runs what this one could not
        self._say(f"{note.item}: refused: {note.message}")
        if not self._client.fail(note.item, note.message, "agent"):
            raise CloudError(f"W&B does not take that item {note.item} failed", scope="conflict")

    def _still_mine(self, note: Note) -> bool:
        """Whether an item that was popped before may be gone on with."""
        if self._leased(note):
            return True
        if note.run and self._is_mine(note, silently=True):
            item = self._client.item(self._queue, note.item)
            return item is not None and item.state == "CLAIMED"
        self._say(f"{note.item}: its lease has run out; it goes back into the queue")
        return False

    def _leased(self, note: Note) -> bool:
        item = self._client.item(self._queue, note.item)
        return item is not None and item.state == "LEASED" and item.agent_id in ("", note.agent)

    def _is_mine(self, note: Note, *, silently: bool = False) -> bool:
        claim = read_claim(self._runs.objects, note.run)
        mine = claim is not None and claim.holder == self._runs.holder
        if not mine and not silently:
            self._say(f"{note.run}: agent {claim.name if claim else '?'} has it now")
        return mine


def _refused(note: Note, message: str) -> Note:
    return replace(note, stage="refused", message=message[:LONGEST_MESSAGE])
