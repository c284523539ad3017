"""Metrics: from the `.wandb` files that training writes to arrays, pictures and console lines.

    .wandb files ──framing──▶ records ──rows──▶ columns on disk (`ingest`) ──mapped──▶ `RunMetrics`, `Series`

A child process (`Follower`) does the first half for the desktop app; a script or the CLI does both in one call.
"""

from arrcoc_core.metrics.follower import Follower, follow_command
from arrcoc_core.metrics.ingesting import IngestResult, ingest
from arrcoc_core.metrics.pyramid import Pyramid
from arrcoc_core.metrics.reading import ConsoleLine, Histogram, Media, RunMetrics, open_metrics
from arrcoc_core.metrics.series import Series

__all__ = [
    "ConsoleLine",
    "Follower",
    "Histogram",
    "IngestResult",
    "Media",
    "Pyramid",
    "RunMetrics",
    "Series",
    "follow_command",
    "ingest",
    "open_metrics",
]
