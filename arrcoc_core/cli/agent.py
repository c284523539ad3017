"""`arrcoc agent`: take runs from a W&B Launch queue, here in the terminal or in the background.

Ctrl-C (or SIGTERM) stops polling and leaves; the runs that it has taken go on, driven from this machine as all others.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from arrcoc_core.cli.terminal import paint, say, say_json
from arrcoc_core.formatting import plural

if TYPE_CHECKING:
    from pathlib import Path

    from arrcoc_core.queue.hiring import Post
    from arrcoc_core.settings import Settings
    from arrcoc_core.store import Store


def agent(arguments: argparse.Namespace) -> int:
    from arrcoc_core.infra.preconditions import no_project
    from arrcoc_core.queue import queue_name
    from arrcoc_core.settings import find_root, load_settings, state_dir
    from arrcoc_core.store import Store

    root = find_root()
    settings = load_settings(root)
    if not settings.get("GCP_PROJECT_ID"):
        raise no_project()
    queue = arguments.queue or queue_name(settings)
    if not (arguments.status or arguments.stop or arguments.detach):
        from arrcoc_core.queue.serving import serve

        serve(root, settings, queue, arguments.slots, lambda line: say(line, flush=True), once=arguments.once)
        return 0
    from arrcoc_core.queue.hiring import post_of

    post = post_of(state_dir(root), settings, queue)
    with Store(state_dir(root) / "store.db") as store:
        if arguments.status:
            return _status(store, post, as_json=arguments.json)
        if arguments.stop:
            return _stop(store, post)
        return _detach(store, post, root, settings, arguments.slots)


def _detach(store: Store, post: Post, root: Path, settings: Settings, slots: int) -> int:
    from arrcoc_core.queue.client import QueueClient
    from arrcoc_core.queue.hiring import agent_of, ensure_agent
    from arrcoc_core.queue.shape import wanted_setup

    QueueClient.of(settings).verify(post.queue, wanted_setup(settings))  # what is wrong is said here, not in a log
    if ensure_agent(store, root, settings, post.queue, slots=slots, idle_s=None):
        say(f"An agent of {paint(post.queue, 'bold')} runs in the background, {plural(slots, 'slot')}.")
    else:
        found = agent_of(store, post)
        say(f"The queue {post.queue} is served from here already{f', by process {found.pid}' if found else ''}.")
    say(f"It writes to {post.log}; end it with: arrcoc agent --stop")
    return 0


def _stop(store: Store, post: Post) -> int:
    from arrcoc_core.queue.hiring import dismiss
    from arrcoc_core.queue.notes import Notebook

    if not dismiss(store, post):
        say(f"No agent of {post.queue} runs on this machine.")
        return 0
    goes_on = Notebook(post.folder).goes_on
    say(f"The agent of {post.queue} has ended{f'; {goes_on}' if goes_on else ''}.")
    return 0


def _status(store: Store, post: Post, *, as_json: bool) -> int:
    from arrcoc_core.queue.hiring import agent_of
    from arrcoc_core.queue.notes import Notebook

    found = agent_of(store, post)
    notes = Notebook(post.folder).all() if post.folder.exists() else []
    held: list[dict[str, Any]] = [{"item": note.item, "run": note.run, "stage": note.stage} for note in notes]
    if as_json:
        pid = found.pid if found is not None else None
        say_json({"queue": post.queue, "running": found is not None, "pid": pid, "log": str(post.log), "holds": held})
        return 0
    say(f"{post.queue}: " + (f"process {found.pid}" if found is not None else "no agent runs on this machine"))
    for one in held:
        say(f"  {one['run'] or one['item']}  {one['stage']}")
    if post.log.exists():
        say(f"  {paint(str(post.log), 'muted')}")
    return 0
