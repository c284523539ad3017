"""Results on the Hugging Face Hub, as the doors see them.

The work is done by a process of its own, `training/hub/upload.py`: a job runs it in the end, `arrcoc upload RUN` and
`run.upload()` run it here. What it tells is in RUN/upload.json (`Upload`).
"""

from arrcoc_core.hub.state import Upload, read_upload
from arrcoc_core.hub.uploading import upload_run

__all__ = ["Upload", "read_upload", "upload_run"]
