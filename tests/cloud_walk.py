"""One walk through the cloud by the command line alone: set up, plan, launch, wait, read the results, tear down.

`make live-check` walks it on Google Cloud itself, the suite in the sandbox: the same commands, so that what is tested
every day is what an account is spent on.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CAP_USD = 1.0

EXPERIMENT = f"""
from arrcoc_core import Checkpoints, Data, Evaluation, Experiment, Hub, Tokens, Vertex

walk = Experiment(
    name="walk",
    tokens=Tokens(keep=4),
    data=Data(max_train_samples=480),
    evaluation=Evaluation(every_n_steps=5, samples=64, pictures=1),
    checkpoints=Checkpoints(save_every_n_steps=2),
    hub=Hub(at_best=True),
    compute=Vertex(gpu="L4", spot=True, max_cost_usd={CAP_USD}, max_hours=1.0),
)
"""


@dataclass
class Walk:
    """Commands in the project `root`, with `environment` added to this process's own."""

    root: Path
    environment: dict[str, str]
    timeout_s: float

    def arrcoc(self, *arguments: str, expect: int = 0) -> str:
        """What a command prints; AssertionError with all of it when it does not end with `expect`."""
        done = subprocess.run(
            [sys.executable, "-m", "arrcoc_core.cli", *arguments],
            cwd=self.root,
            env={**os.environ, **self.environment},
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=self.timeout_s,
        )
        said = f"arrcoc {' '.join(arguments)} ended with {done.returncode}\n{done.stdout}\n{done.stderr}"
        assert done.returncode == expect, said
        return done.stdout

    def run(self, run_id: str) -> dict[str, Any]:
        """The run as JSON."""
        return next(run for run in json.loads(self.arrcoc("--json", "runs")) if run["id"] == run_id)

    def until_ended(self, run_id: str) -> dict[str, Any]:
        deadline = time.monotonic() + self.timeout_s
        while True:
            run = self.run(run_id)
            if run["ended_at"] is not None:
                return run
            assert time.monotonic() < deadline, f"{run_id} has not ended: {run['state']} {run['cause']}"
            time.sleep(3.0)  # each look is a process of its own

    def launch(self, name: str) -> str:
        """Launch an experiment; the run's id."""
        return str(json.loads(self.arrcoc("--json", "launch", name))["id"])


def write_experiment(root: Path) -> None:
    (root / "experiments" / "walk.py").write_text(EXPERIMENT)


def walk(steps: Walk) -> dict[str, Any]:
    """From an empty project to an empty project; the run as JSON."""
    steps.arrcoc("setup", "--yes")
    plan = json.loads(steps.arrcoc("--json", "plan", "walk"))
    assert plan["ok"] and plan["cost_range"][1] <= CAP_USD, plan
    run = steps.until_ended(steps.launch("walk"))
    assert run["state"] == "succeeded", steps.arrcoc("logs", run["id"])
    assert run["cost_usd"] <= CAP_USD
    rows = json.loads(steps.arrcoc("--json", "metrics", run["id"]))
    assert [row["trainer/step"] for row in rows] == list(range(11)), rows
    assert (Path(run["directory"]) / "result" / "selector.safetensors").is_file()
    return run


def leave(steps: Walk, owner: str, runs_bucket: str) -> None:
    """Remove all of ours; the second time there is nothing left to remove."""
    confirmed = ("--with-checkpoints", "--confirm", owner, "--confirm-checkpoints", runs_bucket)
    steps.arrcoc("teardown", "--dry-run", "--with-checkpoints")
    steps.arrcoc("teardown", *confirmed)
    lines = [json.loads(line) for line in steps.arrcoc("--json", "teardown", *confirmed).splitlines()]
    assert [line["name"] for line in lines if line["type"] == "item" and line["removed"]] == []
