"""How a run's upload to the Hub stands, as lines for the terminal."""

from __future__ import annotations

from arrcoc_core.cli.terminal import paint, printable, progress_bar
from arrcoc_core.formatting import size
from arrcoc_core.hub.state import Upload


def hub_lines(upload: Upload | None) -> list[str]:
    """Where the selector is, and what became of the last upload; nothing where there was none."""
    if upload is None:
        return []
    lines = [f"hub      {printable(upload.url)}, commit {upload.revision}"] if upload.url else []
    if upload.state == "uploading":
        lines.append(f"hub      {progress_line(upload)}")
    elif upload.state != "done":
        lines.append(f"hub      upload {paint(upload.state, 'warn')}: {printable(upload.detail)}")
        lines += [f"         → {printable(line)}" for line in upload.remedy.splitlines()]
    elif upload.detail:
        lines.append(f"         {printable(upload.detail)}")
    return lines


def progress_line(upload: Upload) -> str:
    """A bar, and how much of how much has been sent where."""
    if not upload.total_bytes:
        return f"{progress_bar(None, 20)} uploading to {printable(upload.repo)}"
    sent = f"{size(upload.done_bytes)} of {size(upload.total_bytes)}"
    return f"{progress_bar(upload.fraction, 20)} {sent} to {printable(upload.repo)}"
