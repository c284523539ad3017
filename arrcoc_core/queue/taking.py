"""The runs of this project, for an agent: what lies in the runs bucket, and in the store of this machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from arrcoc_core.adopting import adopt_run
from arrcoc_core.cloud.calling import translated
from arrcoc_core.cloud.clients import Cloud
from arrcoc_core.cloud.names import Names
from arrcoc_core.errors import CloudError
from arrcoc_core.launching import ensure_supervisor
from arrcoc_core.queue.client import QueueClient
from arrcoc_core.queue.orders import OurRun, Refused, order_of, run_id_for
from arrcoc_core.records import RunRecord
from arrcoc_core.settings import state_dir
from arrcoc_core.store import Store
from arrcoc_core.targets.vertex_owner import owner
from arrcoc_core.targets.vertex_services import GoogleServices

if TYPE_CHECKING:
    from arrcoc_core.settings import Settings


class RunsHere:
    """`holding.Runs` for this project, its settings and its store."""

    def __init__(self, root: Path, settings: Settings, store: Store, client: QueueClient, queue: str) -> None:
        self._root = root
        self._settings = settings
        self._store = store
        self._client = client
        self._queue = queue
        self._cloud = Cloud.of(settings)
        self._names = Names.of(settings)
        self.objects = GoogleServices(
            {
                "endpoints": str(settings.get("CLOUD_ENDPOINTS")),
                "project": self._names.project,
                "region": self._names.region,
                "runs_bucket": self._names.runs_bucket,
                "labels": self._names.labels,
            }
        )
        self.holder = owner(state_dir(root) / "runs" / "any")

    def reachable(self) -> None:
        """Look at the runs bucket once: what is popped has to be claimed there within a minute. CloudError."""
        with translated("looking at the runs bucket"):
            there = self._cloud.storage().bucket(self._names.runs_bucket).exists(timeout=20)
        if not there:
            raise CloudError(
                f"gs://{self._names.runs_bucket} is not there: runs could not be taken.",
                scope="not-found",
                remedy="arrcoc setup   makes it",
            )

    def run_of(self, item_id: str, spec: dict[str, Any]) -> str:
        order = order_of(spec)
        if not isinstance(order, OurRun):
            return run_id_for(item_id, order.name or "queued")
        if order.bucket != self._names.runs_bucket:
            raise Refused(
                f"its run is in gs://{order.bucket}, and this agent drives runs in gs://{self._names.runs_bucket}",
                remedy="Run an agent with the settings of that project, or use another queue.",
            )
        if self.objects.read(order.run_id, "plan.json") is None:
            raise Refused(
                f"its run's folder gs://{order.bucket}/runs/{order.run_id} is not there (any more)",
                remedy="Launch it again.",
            )
        return order.run_id

    def make(self, run_id: str, spec: dict[str, Any]) -> None:
        order = order_of(spec)
        if isinstance(order, OurRun):
            return
        from arrcoc_core.queue.web_runs import make_run

        make_run(
            run_id,
            order,
            spec,
            queue=self._queue,
            root=self._root,
            settings=self._settings,
            client=self._client,
            cloud=self._cloud,
            names=self._names,
            services=self.objects,
        )

    def find(self, run_id: str) -> RunRecord | None:
        return next((run for run in self._store.runs(prefix=run_id) if run.id == run_id), None)

    def adopt(self, run_id: str) -> None:
        adopt_run(run_id, self._root, self._settings)

    def drive(self) -> None:
        """See that this project's runs in the cloud are driven."""
        ensure_supervisor(self._store)
