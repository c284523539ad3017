"""The process of an agent: `python -m arrcoc_core.queue.serving ROOT QUEUE SLOTS [IDLE_S]`.

It holds the lease of its queue in this state folder and ends when that passes on, when it is told to at W&B, or by
SIGTERM. Runs that it has taken go on without it, driven by the supervisor; the next agent finds its notes.
"""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import FrameType

from arrcoc_core import lease
from arrcoc_core.errors import ArrcocError, RunError, render
from arrcoc_core.queue.agent import Agent
from arrcoc_core.queue.client import QueueClient
from arrcoc_core.queue.hiring import post_of
from arrcoc_core.queue.notes import Notebook
from arrcoc_core.queue.taking import RunsHere
from arrcoc_core.settings import Settings, load_settings, state_dir
from arrcoc_core.store import Store

Say = Callable[[str], None]


def serve(
    root: Path,
    settings: Settings,
    queue: str,
    slots: int,
    say: Say,
    *,
    once: bool = False,
    idle_s: float | None = None,
) -> None:
    """Be the agent of the queue on this machine until told otherwise.

    RunError where another process is it; CloudError and ConfigError where the queue or the cloud cannot be used at all.
    """
    from arrcoc_core.cloud.endpoints import load_endpoints

    state = state_dir(root)
    client = QueueClient.of(settings)
    pace = load_endpoints(str(settings.get("CLOUD_ENDPOINTS"))).speed
    post = post_of(state, settings, queue)
    with Store(state / "store.db") as store:
        if not lease.acquire(store, post.name):
            other = lease.holder(store, post.name)
            raise RunError(
                f"the queue {queue} is served from here already, by process {other.pid if other else '?'}",
                remedy="arrcoc agent --status   shows it; arrcoc agent --stop   ends it",
            )
        runs = RunsHere(root, settings, store, client, queue)
        runs.reachable()
        agent = Agent(client, queue, slots, Notebook(post.folder), runs, say, version=_version(), pace=pace)

        def leave(_number: int, _frame: FrameType | None) -> None:
            agent.stopping = True

        before = {number: signal.signal(number, leave) for number in (signal.SIGTERM, signal.SIGINT)}

        trouble: list[str] = []

        def each() -> bool:
            if not lease.renew(store, post.name):
                say("another agent of this machine has taken over")
                return False
            try:
                runs.drive()
            except RunError as error:  # the supervisor does not come up: what is held is held all the same
                if trouble != [error.message]:
                    say(error.message)
                trouble[:] = [error.message]
            return True

        try:
            agent.serve(each, once=once, idle_s=idle_s)
        finally:
            agent.leave()
            lease.give_back(store, only_when_idle=False, kind=post.name)
            for number, handler in before.items():
                signal.signal(number, handler)


def main(arguments: Sequence[str]) -> int:
    root, queue, slots = Path(arguments[0]), arguments[1], int(arguments[2])
    idle_s = float(arguments[3]) if len(arguments) > 3 else None
    signal.signal(signal.SIGQUIT, signal.SIG_DFL)
    try:
        serve(root, load_settings(root), queue, slots, say_to_log, idle_s=idle_s)
    except ArrcocError as error:
        say_to_log(render(error))
        return error.exit_code
    return 0


def say_to_log(line: str) -> None:
    now = time.time()
    with suppress(OSError):  # a full disk silences it, and is no reason to leave items alone
        print(time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)) + f".{int(now % 1 * 1000):03d}Z {line}", flush=True)


def _version() -> str:
    """As W&B shows it beside the agent."""
    try:
        return f"arrcoc@{version('arrcoc')}"
    except PackageNotFoundError:  # a copy that was not installed
        return "arrcoc"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
