"""W&B Launch: a queue of runs at W&B, and the agents that take them from it and drive them on Vertex AI.

    QueueClient.of(settings)      the queue: made, verified, filled, emptied (client.py)
    wanted_setup(settings)        what it is set up as (shape.py)
    look(root, settings, queue)   its items and agents, for people (views.py)

What an item is, and who may do what with it, is told in docs/queue.md.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from arrcoc_core.queue.client import QueueClient as QueueClient
from arrcoc_core.queue.shape import wanted_setup as wanted_setup
from arrcoc_core.queue.views import AgentRow as AgentRow
from arrcoc_core.queue.views import ItemRow as ItemRow
from arrcoc_core.queue.views import QueueView as QueueView
from arrcoc_core.queue.views import queue_view

if TYPE_CHECKING:
    from arrcoc_core.settings import Settings

DEFAULT_QUEUE = "vertex-ai-queue"
"""Where neither `.training` nor the command names one."""


def look(root: Path, settings: Settings, queue: str = "", *, client: QueueClient | None = None) -> QueueView:
    """The queue of the settings (or `queue`) as it is now. CloudError, ConfigError."""
    from arrcoc_core.cloud.endpoints import load_endpoints
    from arrcoc_core.settings import state_dir
    from arrcoc_core.store import Store

    path = state_dir(root) / "store.db"
    states: dict[str, str] = {}
    if path.exists():
        with Store(path) as store:
            states = {run.id: run.state for run in store.runs() if run.target == "wandb-launch"}
    pace = load_endpoints(str(settings.get("CLOUD_ENDPOINTS"))).speed
    project = str(settings.get("WANDB_PROJECT"))
    asking = client or QueueClient.of(settings)
    return queue_view(asking, queue or queue_name(settings), project=project, states=states, pace=pace)


def queue_name(settings: Settings) -> str:
    return str(settings.get("WANDB_LAUNCH_QUEUE_NAME")) or DEFAULT_QUEUE
