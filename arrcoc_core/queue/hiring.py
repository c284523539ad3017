"""Agents of this machine: at most one for each queue and state folder, detached, found again by its lease.

    ensure_agent(...)     start one where none of this machine serves the queue: a launch does where nobody polls it
    agent_of(...)         which process serves it, and since when it is heard of
    dismiss(...)          tell it to stop polling and end; its runs go on

An agent that a launch has started ends after a while in which nothing waited; one that a person has started stays.
"""

from __future__ import annotations

import hashlib
import os
import re
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from arrcoc_core.errors import RunError
from arrcoc_core.lease import Lease, announce_start, driven, holder
from arrcoc_core.processes import alive, send, spawn_detached
from arrcoc_core.store import Store

if TYPE_CHECKING:
    from arrcoc_core.settings import Settings

IDLE_S = 600.0
"""How long an agent that a launch has started goes on without anything to do."""
ENDING_S = 20.0


@dataclass(frozen=True, slots=True)
class Post:
    """Where an agent's things are. Each server, entity and queue has its own."""

    queue: str
    name: str
    """Of its lease in the store."""
    folder: Path

    @property
    def log(self) -> Path:
        return self.folder / "agent.log"


def post_of(state: Path, settings: Settings, queue: str) -> Post:
    """A sandbox's queue is another one than the real one of the same name."""
    place = str(settings.get("CLOUD_ENDPOINTS")) or str(settings.get("WANDB_BASE_URL"))
    mark = hashlib.sha256(f"{place}\n{settings.get('WANDB_ENTITY')}\n{queue}".encode()).hexdigest()[:6]
    plain = re.sub(r"[^A-Za-z0-9._-]", "_", queue)
    return Post(queue, f"agent {plain}-{mark}", state / "agents" / f"{plain}-{mark}")


def agent_of(store: Store, post: Post) -> Lease | None:
    """The living process that serves the queue from here."""
    found = holder(store, post.name)
    return found if found is not None and found.valid(time.time()) else None


def ensure_agent(
    store: Store, root: Path, settings: Settings, queue: str, *, slots: int = 1, idle_s: float | None = IDLE_S
) -> bool:
    """Start a detached agent where none of this machine serves the queue; whether one was started.

    `idle_s`: how long it stays without anything to do; None: until it is told to stop. RunError where it ends as soon
    as it is started, again and again.
    """
    post = post_of(store.path.parent, settings, queue)
    start = announce_start(store, post.name)
    if start.now:
        command = [sys.executable, "-m", "arrcoc_core.queue.serving", str(root), queue, str(slots)]
        if idle_s is not None:
            command.append(f"{idle_s:g}")
        endpoints = str(settings.get("CLOUD_ENDPOINTS"))
        environment = {**os.environ, **({"ARRCOC_CLOUD_ENDPOINTS": endpoints} if endpoints else {})}
        # `-m` looks in the working directory first: the agent is of the same copy of the project as its launcher.
        spawn_detached(command, cwd=Path(__file__).resolve().parents[2], log=post.log, env=environment)
    if start.fruitless:
        lines = post.log.read_text(errors="replace").splitlines() if post.log.exists() else []
        raise RunError(
            f"the agent of {queue} has ended {start.fruitless} times as soon as it was started"
            f"{f': {lines[-1].strip()}' if lines else '.'}",
            remedy=f"tail {post.log}   says why; it is tried again once a minute",
        )
    return start.now


def dismiss(store: Store, post: Post) -> bool:
    """Tell the agent of this machine to end, and wait until it has; False where there is none."""
    found = agent_of(store, post)
    if found is None or not send(found.pid, found.stamp, signal.SIGTERM):
        return False
    deadline = time.monotonic() + ENDING_S
    while alive(found.pid, found.stamp):
        if time.monotonic() > deadline:
            raise RunError(
                f"the agent of {post.queue} (process {found.pid}) has not ended within {ENDING_S:.0f} s.",
                remedy=f"tail {post.log}   says what it is doing; it takes no item any more",
            )
        time.sleep(0.1)
    return True


def serves(store: Store, post: Post) -> bool:
    return driven(store, post.name)
