"""The image that jobs run in: named by what is in it, built only when there is none of that name.

Its tag is the hash of `identity.job_files()`, the same list that makes the snapshot of a run and the code badge: an
uncommitted edit of `training/`, of the lock or of the Dockerfile is another image, and an edit of the app, the command
line or an experiment is not. Jobs name the image by its digest, which cannot come to mean something else.
"""

from arrcoc_core.image.building import (
    BuildStatus,
    build_log,
    cancel_build,
    find_image,
    image_tag,
    poll_build,
    start_build,
)
from arrcoc_core.image.context import write_context

__all__ = [
    "BuildStatus",
    "build_log",
    "cancel_build",
    "find_image",
    "image_tag",
    "poll_build",
    "start_build",
    "write_context",
]
