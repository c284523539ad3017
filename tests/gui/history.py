"""Runs with a past, made with the real store and the real wandb client but without training: what the monitor's
tests look at.

`add_run` writes the events that a launch, its attempts and its end leave in the store, and the run's folder;
`log_rows` fills the folder by `log_run.py` in a child process. Nothing drives these runs: no supervisor is
started for them.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from arrcoc_core.discovery import discover
from arrcoc_core.identity import code_hash
from arrcoc_core.records import Event
from arrcoc_core.resolving import resolve
from arrcoc_core.settings import load_settings, state_dir
from arrcoc_core.store import Store
from arrcoc_core.stored import save_experiment

LOG_RUN = Path(__file__).with_name("log_run.py")
Past = Sequence[tuple[str, float]]
"""Attempts as (state they ended in, seconds they took); the last one's state may be `running`."""


def add_run(
    root: Path,
    run_id: str,
    *,
    experiment: str = "quickstart",
    past: Past = (("running", 0.0),),
    end: str = "",
    cause: str = "",
    summary: dict[str, float] | None = None,
    sweep: tuple[str, str] | None = None,
    ago_s: float = 120.0,
    total_steps: int = 200,
    sets: Mapping[str, object] | None = None,
) -> Path:
    """Add a run and return its folder.

    `sets`: values that differ from the experiment's. `end`: the final state, "" while it goes on. A run without
    attempts is queued.
    """
    state = state_dir(root)
    directory = state / "runs" / run_id
    (directory / "logs").mkdir(parents=True, exist_ok=True)
    declared = discover(root).find(experiment.split("/")[0]).experiment
    assert declared is not None
    for path, value in (sets or {}).items():
        section, field = path.split(".")
        declared = declared.but(**{section: getattr(declared, section).but(**{field: value})})
    resolved = resolve(declared, load_settings(root))
    save_experiment(resolved, directory)
    at = time.time() - ago_s
    created = {
        "experiment": experiment,
        "fingerprint": resolved.fingerprint,
        "code": code_hash(root),
        "target": "local",
        "sweep": sweep[0] if sweep else None,
        "sweep_name": sweep[1] if sweep else None,
        "total_steps": total_steps,
    }
    events = [Event(run_id, "created", at, data=created)]
    for number, (outcome, took_s) in enumerate(past, 1):
        at += 1.0
        events.append(Event(run_id, "attempt_started", at, number))
        events.append(Event(run_id, "attempt_running", at + 0.2, number))
        at += took_s
        if outcome != "running":
            why = cause if number == len(past) else "killed by SIGKILL"
            events.append(Event(run_id, "attempt_ended", at, number, why, {"state": outcome}))
    if summary:
        events.append(Event(run_id, "summary", at, data={"summary": summary}))
        (directory / "summary.json").write_text(json.dumps(summary))
    if end:
        events.append(Event(run_id, "ended", at, cause=cause, data={"state": end}))
    with Store(state / "store.db") as store:
        store.append(events)
    return directory


@dataclass(frozen=True)
class CloudAttempt:
    """One attempt of a run in the cloud. `state`: how it ended; "running" and "starting" have not."""

    state: str
    took_s: float = 60.0
    region: str = "us-central1"
    how: str = "spot"
    cause: str = ""
    usd_per_h: float = 0.41


LADDER = [
    {"region": "us-central1", "machine_type": "g2-standard-8", "provisioning": "spot", "max_wait_s": 1800.0},
    {"region": "us-west4", "machine_type": "g2-standard-8", "provisioning": "spot", "max_wait_s": 1800.0},
    {"region": "us-central1", "machine_type": "g2-standard-8", "provisioning": "flex", "max_wait_s": 1800.0},
]


def add_cloud_run(
    root: Path,
    run_id: str,
    *,
    attempts: Sequence[CloudAttempt] = (),
    preparation: Mapping[str, object] | None = None,
    sandbox: bool = True,
    end: str = "",
    cause: str = "",
    remedy: str = "",
    out_of_sight: str = "",
    ago_s: float = 900.0,
    target: str = "vertex",
) -> Path:
    """Add a run on Vertex AI and return its folder: what its launch and its attempts leave in the store."""
    state = state_dir(root)
    directory = state / "runs" / run_id
    (directory / "logs").mkdir(parents=True, exist_ok=True)
    declared = discover(root).find("quickstart").experiment
    assert declared is not None
    resolved = resolve(declared, load_settings(root))
    save_experiment(resolved, directory)
    endpoints = str(state / "sandbox") if sandbox else ""
    (directory / "plan.json").write_text(json.dumps({"cloud": {"endpoints": endpoints}}))
    at = time.time() - ago_s
    created = {
        "experiment": run_id.rsplit("-", 2)[0],
        "fingerprint": resolved.fingerprint,
        "code": code_hash(root),
        "target": target,
        "total_steps": 200,
        "machine": "1 x L4 (Vertex)",
        "preparation": {"state": "needed"},
        "ladder": [{**place, "usd_per_h": 0.41} for place in LADDER],
        "max_cost_usd": 5.0,
        "estimate_low_s": 600.0,
        "estimate_high_s": 1200.0,
    }
    ready = {"state": "ready", "step": 3, "of_steps": 3, "image": "x@sha256:1"}
    events = [
        Event(run_id, "created", at, data=created),
        Event(run_id, "preparation", at + 1, data=dict(preparation or ready)),
    ]
    at += 60
    for number, one in enumerate(attempts, 1):
        place = {"region": one.region, "machine_type": "g2-standard-8", "provisioning": one.how}
        link = f"https://console.cloud.google.com/vertex-ai/{number}"
        handle = {**place, "usd_per_h": one.usd_per_h, "link": link}
        events.append(Event(run_id, "attempt_started", at, number, data={**place, "usd_per_h": one.usd_per_h}))
        events.append(Event(run_id, "attempt_submitted", at, number, data={"handle": handle}))
        if one.state != "starting":
            events.append(Event(run_id, "attempt_running", at + 5, number))
        at += one.took_s
        if one.state not in ("running", "starting"):
            ended = {"state": one.state, "cost_usd": round(one.took_s / 3600 * one.usd_per_h, 4)}
            events.append(Event(run_id, "attempt_ended", at, number, one.cause, ended))
            at += 20
    if out_of_sight:
        events.append(Event(run_id, "out_of_sight", at, cause=out_of_sight))
    if end:
        events.append(Event(run_id, "ended", at, cause=cause, data={"state": end, "remedy": remedy}))
    with Store(state / "store.db") as store:
        store.append(events)
    return directory


def start_logging(directory: Path, *arguments: str) -> subprocess.Popen[bytes]:
    """Start `log_run.py` for a run's folder."""
    return subprocess.Popen(
        [sys.executable, str(LOG_RUN), str(directory), *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )


def log_rows(directory: Path, *arguments: str) -> None:
    """Run `log_run.py` to its end."""
    process = start_logging(directory, *arguments)
    _, trouble = process.communicate(timeout=120)
    assert process.returncode == 0, trouble.decode()


SUMMARY = {
    "eval/accuracy": 0.984,
    "eval/accuracy_full": 0.996,
    "eval/accuracy_uniform": 0.344,
    "eval/accuracy_random": 0.31,
    "eval/accuracy_teacher": 0.993,
    "eval/accuracy_shuffled_question": 0.52,
    "tokens/kept": 4.0,
    "tokens/total": 64.0,
}
"""What a good quickstart comes to."""
