"""Writes a run to a W&B server as wandb-core does, over HTTP, without wandb: what many rows and many runs need."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from typing import Any

import requests

from arrcoc_core.accounts.wandb_client import WandbClient

_UPSERT = """mutation UpsertBucket($entity: String, $project: String, $name: String, $config: JSONString) {
  upsertBucket(input: {entityName: $entity, modelName: $project, name: $name, config: $config}) { bucket { id name } }
}"""
_DELETE = "mutation DeleteRun($id: ID!) { deleteRun(input: {id: $id}) { success: clientMutationId } }"
_REWIND = """mutation RewindRun($run: String!, $entity: String, $project: String, $value: Float!) {
  rewindRun(input: {
    runName: $run, entityName: $entity, projectName: $project, metricName: "_step", metricValue: $value
  }) { rewoundRun { id } }
}"""
_FILES = """mutation CreateRunFiles($entity: String!, $project: String!, $run: String!, $files: [String!]!) {
  createRunFiles(input: {entityName: $entity, projectName: $project, runName: $run, files: $files}) {
    runID files { name uploadUrl }
  }
}"""


class RunWriter:
    """One run. Rows get a `_step` one after another and a `_timestamp`, where they have none."""

    def __init__(
        self,
        url: str,
        key: str,
        run_id: str,
        *,
        entity: str = "sandbox",
        project: str = "online",
        config: Mapping[str, Any] | None = None,
        began: float = 1_000.0,
    ) -> None:
        self.entity, self.project, self.run_id = entity, project, run_id
        self.path = f"{entity}/{project}/{run_id}"
        self.began = began
        self._url, self._key = url, key
        self._http = requests.Session()
        self._http.auth = ("api", key)
        self._client = WandbClient(url, key)
        self._at = {"wandb-history.jsonl": 0, "wandb-events.jsonl": 0, "output.log": 0}
        self._step = 0
        wrapped = json.dumps({name: {"value": value} for name, value in (config or {}).items()})
        self._id = self._ask(_UPSERT, name=run_id, config=wrapped)["upsertBucket"]["bucket"]["id"]

    def rows(self, rows: Sequence[Mapping[str, Any]], *, summary: bool = True) -> None:
        """Log these rows, as one request."""
        lines: list[str] = []
        for row in rows:
            step = int(row.get("_step", self._step))
            lines.append(json.dumps({"_step": step, "_timestamp": self.began + step, "_runtime": step, **row}))
            self._step = step + 1
        files = self._part("wandb-history.jsonl", lines)
        if summary and lines:
            files["wandb-summary.json"] = {"offset": 0, "content": [lines[-1]]}
        self.send(files)

    def system(self, samples: Sequence[Mapping[str, Any]]) -> None:
        """Log samples of system metrics, such as {"_timestamp": 5.0, "system.cpu": 12.5}."""
        self.send(self._part("wandb-events.jsonl", [json.dumps(sample) for sample in samples]))

    def lines(self, texts: Sequence[str], *, at: int | None = None, error: bool = False) -> None:
        """Print these lines; `at` writes over those from that number on."""
        mark = "ERROR " if error else ""
        content = [f"{mark}2026-03-01T12:00:00.000000 {text}" for text in texts]
        if at is not None:
            self._at["output.log"] = at
        self.send(self._part("output.log", content))

    def file(self, name: str, data: bytes) -> None:
        files = self._ask(_FILES, run=self.run_id, files=[name])["createRunFiles"]["files"]
        self._http.put(files[0]["uploadUrl"], data=data, auth=_nobody).raise_for_status()

    def beat(self) -> None:
        self.send({})

    def end(self, code: int = 0) -> None:
        self.send({}, complete=True, exitcode=code)

    def delete(self) -> None:
        self._ask(_DELETE, id=self._id)

    def rewind(self, step: int) -> None:
        """Forget what was logged after that `_step`; what is logged next comes behind it."""
        self._ask(_REWIND, run=self.run_id, value=float(step))
        self._step = step + 1
        self._at["wandb-history.jsonl"] = step + 1

    def close(self) -> None:
        self._http.close()
        self._client.close()

    def send(self, files: Mapping[str, Any], **more: Any) -> None:
        """As wandb-core: again and again until it has been taken. Lines have places, so that nothing comes twice."""
        address = f"{self._url}/files/{self.entity}/{self.project}/{self.run_id}/file_stream"
        deadline = time.monotonic() + 120
        while True:
            try:
                answer = self._http.post(address, json={"files": dict(files), **more}, timeout=60)
                answer.raise_for_status()
                return
            except requests.RequestException:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)

    def _part(self, name: str, lines: list[str]) -> dict[str, Any]:
        offset = self._at[name]
        self._at[name] += len(lines)
        return {name: {"offset": offset, "content": lines}} if lines else {}

    def _ask(self, query: str, **variables: Any) -> dict[str, Any]:
        return self._client.execute(query, {"entity": self.entity, "project": self.project, **variables})


def _nobody(request: Any) -> Any:
    return request
