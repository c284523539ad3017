"""`arrcoc sync`: a run that was logged offline, or whose online logging has lost rows, goes to W&B with its true steps.

    done = get_run("latest").sync()                    Sync(state="done", url="https://wandb.ai/…", rows=2000, …)
    done = sync_run(run, on_progress=print)

`wandb sync` numbers the rows of a file anew, one after the other, appends the segments of a resumed run with the rows
they have twice, and sends everything once more when it is called again. Here a row is known by its `trainer/step`:

- what is sent is what the server does not have, by comparing steps; nothing is sent twice, whenever it is killed;
- a row's `_step` on the server is its `trainer/step`. W&B takes rows in the order of `_step` only, so this holds for
  what lies behind the newest row there. Rows missing before it are appended: `trainer/step` is true, `_step` is not;
- values, pictures, histograms, `_timestamp`, config, tags, name and summary are those of the files; console lines
  bear the time of their upload, and `_runtime` counts from its beginning: the client does not let us say them.

`logged.py` reads the files, `remote.py` the server, `deciding.py` says what is missing, `sending.py` sends it through
wandb's own client, in a process of its own (`child.py`), which `following.py` starts and listens to.
"""

from arrcoc_core.syncing.following import SYNCABLE, sync_run
from arrcoc_core.syncing.state import Sync, is_offline, read_sync

__all__ = ["SYNCABLE", "Sync", "is_offline", "read_sync", "sync_run"]
