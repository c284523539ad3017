"""The queue that a run goes through: is it there, is it for Vertex AI, who polls it, how many wait."""

from __future__ import annotations

from typing import TYPE_CHECKING

from arrcoc_core.facts import Check
from arrcoc_core.formatting import plural
from arrcoc_core.preflight.ground import Ground
from arrcoc_core.queue import QueueClient, wanted_setup
from arrcoc_core.queue.hiring import agent_of, post_of
from arrcoc_core.queue.notes import Notebook
from arrcoc_core.queue.views import queue_view
from arrcoc_core.settings import state_dir
from arrcoc_core.store import Store

if TYPE_CHECKING:
    from arrcoc_core.queue import AgentRow
    from arrcoc_core.settings import Settings

_OTHER = "Choose another name, WandbLaunch(queue=...) or WANDB_LAUNCH_QUEUE_NAME in .training; then: arrcoc setup"


def queue(ground: Ground) -> Check:
    settings, wanted = ground.settings, ground.plan.queue
    assert wanted is not None
    client = QueueClient.of(settings)
    found = client.verify(wanted.name, wanted_setup(settings))
    if found.state == "missing":
        return Check("queue", False, found.detail, "arrcoc setup   makes it")
    if found.state == "foreign":
        return Check("queue", False, found.detail, _OTHER)
    view = queue_view(client, wanted.name, project=wanted.project, states={}, pace=ground.pace)
    gone = _ended_here(settings, wanted.name)
    living = [agent for agent in view.living if agent.state != "stopped" and agent.id != gone]
    waiting = len(view.waiting)
    ground.found["queue"] = {"entity": client.entity, "agents": len(living), "waiting": waiting}
    polled = ", ".join(map(_title, living)) if living else "no agent polls it: the launch starts one here"
    repaired = "; arrcoc setup repairs its template variables" if found.state == "different" else ""
    ahead = f"; {plural(waiting, 'item')} {'waits' if waiting == 1 else 'wait'}" if waiting else ""
    return Check("queue", True, f"{client.entity}/{wanted.name}: {polled}{ahead}{repaired}")


def _title(agent: AgentRow) -> str:
    return f"agent {agent.name} on {agent.host} {'polls it' if agent.state == 'polling' else 'is busy'}"


def _ended_here(settings: Settings, name: str) -> str:
    """The id of this machine's own agent where it does not live any more, although W&B may not have noticed yet."""
    assert settings.root is not None
    state = state_dir(settings.root)
    post = post_of(state, settings, name)
    if not post.folder.exists():
        return ""
    with Store(state / "store.db") as store:
        return "" if agent_of(store, post) is not None else Notebook(post.folder).agent_id
