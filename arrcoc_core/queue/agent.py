"""The agent of a queue: takes items from it while it has a free slot, and sees each to its end.

`Agent.step()` is one pass: say that it lives, carry what it holds (holding.py), pop while slots are free. `serve()`
repeats it. A slot is taken from the pop of an item until its run has ended; the notes on disk are the slots, so that a
restarted agent has as many free as it had.

It drives no run itself: the project's supervisor for the cloud does, as for every run, and goes on when the agent ends.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from arrcoc_core.errors import CloudError, StoreError
from arrcoc_core.queue.client import QueueClient
from arrcoc_core.queue.holding import Holding, Runs
from arrcoc_core.queue.notes import Note, Notebook
from arrcoc_core.targets import UnseenError

POLL_S = 10.0
"""Between two passes; wandb 0.31, sdk/launch/agent/agent.py:AGENT_POLLING_INTERVAL."""
SOONEST_S = 0.3
HEARTBEAT_S = 20.0
"""How often it says that it lives; as wandb's agent: every other pass."""


class Agent:
    def __init__(
        self,
        client: QueueClient,
        queue: str,
        slots: int,
        notebook: Notebook,
        runs: Runs,
        say: Callable[[str], None],
        *,
        version: str = "arrcoc",
        pace: float = 1.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`pace`: how fast time passes where the queue is; every wait is divided by it."""
        self.queue = queue
        self.slots = slots
        self.name = ""
        self.stopping = False
        """No item is popped any more; what it holds goes on."""
        self._client = client
        self._notes = notebook
        self._say = say
        self._version = version
        self._pace = pace
        self._clock = clock
        self._holding = Holding(client, queue, runs, say)
        self._id = ""
        self._told: tuple[str, float] = ("", 0.0)
        self._troubles: dict[str, str] = {}

    @property
    def busy(self) -> int:
        """Slots that are taken."""
        return len({note.run or note.item for note in self._notes.all() if note.takes_slot})

    def serve(
        self, each: Callable[[], bool] = lambda: True, *, once: bool = False, idle_s: float | None = None
    ) -> None:
        """Until it is told to stop. `each` comes before every pass, and ends it by False.

        `once`: until nothing waits and nothing is held. `idle_s`: until that has been so for so long.
        """
        idle_since: float | None = None
        while each() and not self.stopping:
            moved = self.step()
            now = time.monotonic()
            if moved or self._notes.all():
                idle_since = None
            elif once:
                return
            else:
                idle_since = now if idle_since is None else idle_since
                if idle_s is not None and now - idle_since > idle_s:
                    self._say("nothing has waited for a while")
                    return
            if not self.stopping:
                self._sleep(SOONEST_S if moved else max(SOONEST_S, POLL_S / self._pace))

    def step(self) -> bool:
        """One pass; whether anything came of it. What cannot be done now is said, and tried at the next pass."""
        try:
            self._be_known()
        except CloudError as error:
            self._trouble("agent", error)
            return False
        moved = False
        for note in self._notes.all():
            moved = self._carry(note, fresh=False) or moved
        while not self.stopping and self.busy < self.slots:
            note = self._pop()
            if note is None:
                break
            self._carry(note, fresh=True)
            moved = True
        self._tell()
        return moved

    def leave(self) -> None:
        """Say that it ends. Runs go on; items that are not acknowledged are the queue's again after a minute."""
        self.stopping = True
        if self._id:
            try:
                self._client.heartbeat(self._id, "KILLED")
            except CloudError as error:
                self._trouble("agent", error)
        goes_on = self._notes.goes_on
        self._say(f"ends; {goes_on}" if goes_on else "ends")

    # At W&B

    def _be_known(self) -> None:
        """Be an agent at W&B: the one that it was before, where that is still there and was not told to stop."""
        if self._id:
            known = self._client.agent(self._id)
            if known is not None:
                if known.stop_polling:
                    self._say("told at W&B to stop polling: it takes no item any more")
                    self.stopping = True
                return
            self._say("W&B does not know this agent any more: it registers anew")
        else:
            before = self._notes.agent_id
            known = self._client.agent(before) if before else None
            if known is not None and not known.stop_polling and known.slots == self.slots:
                self._id, self.name = known.id, known.name
                return
        config = {"entity": self._client.entity, "queues": [self.queue], "max_jobs": self.slots}
        self._id = self._notes.agent_id = self._client.register(self.queue, config, self._version)
        known = self._client.agent(self._id)
        self.name = known.name if known is not None and known.name else self._id
        self._say(f"agent {self.name} polls {self._client.entity}/{self.queue}, {self.slots} at once")

    def _tell(self) -> None:
        """That it lives: POLLING while a slot is free, RUNNING while none is."""
        status = "POLLING" if self.busy < self.slots else "RUNNING"
        told, at = self._told
        now = time.monotonic()
        if status == told and now - at < HEARTBEAT_S / self._pace:
            return
        try:
            self._client.heartbeat(self._id, status)
        except CloudError as error:
            self._trouble("agent", error)
            return
        self._told = status, now

    def _pop(self) -> Note | None:
        if self._client.client.limits.wait_s:
            return None
        try:
            popped = self._client.pop(self.queue, self._id)
        except CloudError as error:
            self._trouble("pop", error)
            return None
        self._troubles.pop("pop", None)
        if popped is None:
            return None
        note = Note(popped.item_id, self._id, self._clock(), spec=popped.spec)
        self._notes.put(note)  # before anything else is done with it
        self._say(f"{popped.item_id}: popped")
        return note

    # What it holds

    def _carry(self, note: Note, *, fresh: bool) -> bool:
        """Go on with an item as far as that goes now; whether anything came of it."""
        moved = False
        while True:
            try:
                after = self._holding.advance(note, fresh=fresh, agent_name=self.name)
            except (CloudError, StoreError, UnseenError) as error:
                self._trouble(note.item, error)
                return moved
            self._troubles.pop(note.item, None)
            if after is None:
                self._notes.drop(note.item)
                return True
            if after == note:
                return moved
            self._notes.put(after)
            note, moved = after, True

    def _trouble(self, what: str, error: CloudError | StoreError | UnseenError) -> None:
        """Said once for as long as it stays the same."""
        if self._troubles.get(what) != error.message:
            self._say(f"{what}: {error.message}")
        self._troubles[what] = error.message

    def _sleep(self, seconds: float) -> None:
        """In small pieces: a signal that tells it to end is heeded soon."""
        deadline = time.monotonic() + seconds
        while not self.stopping and time.monotonic() < deadline:
            time.sleep(min(0.2, max(0.0, deadline - time.monotonic())))
