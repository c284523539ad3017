"""The pages of a run at W&B and on the Hub, or why it has none. Pure."""

from __future__ import annotations

from arrcoc_gui.links import Link, web_address
from arrcoc_gui.monitor.run_view import RunView


def wandb_link(run: RunView) -> Link:
    """Its page at W&B."""
    if run.wandb_url:
        return _checked(run.wandb_url, "W&B")
    if not run.logs_online:
        return Link(why="it logs on this machine only")
    return Link(why="it never reached W&B" if run.finished else "it has not reached W&B yet")


def hub_link(run: RunView) -> Link:
    """The page of the repository that holds its selector."""
    upload = run.upload
    if upload is not None and upload.url:
        return _checked(upload.url, "the Hub")
    if run.read_only:
        return Link(why="it is not a run of this project")
    if upload is None:
        return Link(why="nothing of it was uploaded" if run.finished else "nothing of it is uploaded yet")
    return Link(why={"uploading": "the upload goes on", "failed": "the upload failed"}.get(upload.state, upload.detail))


def _checked(url: str, where: str) -> Link:
    address = web_address(url)
    return Link(address) if address else Link(why=f"what {where} calls its page is none")


def upload_obstacle(run: RunView) -> str:
    """Why its selector cannot be uploaded to the Hub now; "" where it can."""
    if run.read_only:
        return "it is not a run of this project"
    if run.upload is not None and run.upload.going_on:
        return "the upload goes on"
    return "" if run.state == "succeeded" else "only a run that has succeeded has a selector"


def sync_obstacle(run: RunView) -> str:
    """Why what it has logged, and W&B does not have, cannot be uploaded now; "" where it can."""
    if run.read_only:
        return "it is read from W&B"
    return "" if run.finished else "it has not ended"
