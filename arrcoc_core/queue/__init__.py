"""W&B Launch: a queue of runs at W&B, and the agents that take them from it and drive them on Vertex AI.

    QueueClient.of(settings)      the queue: made, verified, filled, emptied (client.py)
    wanted_setup(settings)        what it is set up as (shape.py)

What an item is, and who may do what with it, is told in docs/queue.md.
"""

from arrcoc_core.queue.client import QueueClient as QueueClient
from arrcoc_core.queue.shape import wanted_setup as wanted_setup
