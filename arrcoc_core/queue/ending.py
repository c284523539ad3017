"""How an item ends with its run: done, failed with a reason, or out of the queue as if it had never been there.

W&B has no word for "done": an item that was taken and has not failed is done when its run is, as with wandb's own
agent. May be repeated, by every machine that drives the run.
"""

from __future__ import annotations

from arrcoc_core.errors import CloudError
from arrcoc_core.queue.asking import NO_LAUNCH
from arrcoc_core.queue.client import QueueClient
from arrcoc_core.targets import Verdict

LONGEST_MESSAGE = 1000


def end_items(client: QueueClient, queue: str, run_id: str, verdict: Verdict) -> None:
    """See that no item of a run that has ended otherwise than well still waits, and that those taken say why."""
    try:
        found = client.items(queue)
    except CloudError as error:
        if error.scope == "not-found" or error.data.get("reason") == NO_LAUNCH:
            return  # there is no queue, and so no item in it
        raise
    for item in found:
        if item.run_id != run_id:
            continue
        if item.waits:
            client.remove(queue, item.id)
        elif item.state == "CLAIMED" and verdict.state != "succeeded":
            client.fail(item.id, words(verdict), "run")


def words(verdict: Verdict) -> str:
    """ "failed: out of memory"; the cause and what to do about it, for whoever looks at the item on the web page."""
    cause = verdict.cause or verdict.state
    said = cause if cause.startswith(verdict.state) else f"{verdict.state}: {cause}"
    return with_remedy(said, verdict.remedy)[:LONGEST_MESSAGE]


def with_remedy(message: str, remedy: str) -> str:
    """Both on one line: what W&B's page shows has no others."""
    steps = "; ".join(" ".join(line.split()) for line in remedy.splitlines() if line.strip())
    return f"{message.rstrip('.')}. {steps}" if steps else message
