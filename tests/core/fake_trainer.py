"""A trainer without training: follows the file protocol of `training.train` with the standard library alone.

Tests put it in the place of `training/train.py` in a copy of the project. How it behaves is JSON in the experiment's
notes: `step_s`, `save_every`, `exit` (code at the end), `exit_at` ({attempt: [step, code]}), `deaf` (ignores SIGTERM),
`no_marker`, `no_done`.
"""

import json
import os
import signal
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

GREETING = "as launched"

stopped = False


def stop(_number, _frame):
    global stopped
    stopped = True


def replace(path, text):
    partial = path.with_name(f"{path.name}.partial")
    partial.write_text(text)
    os.replace(partial, path)


def tell(run, phase, step, total):
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    told = {"phase": phase, "step": step, "total_steps": total, "samples_per_s": None, "eta_s": 1.0, "updated_at": now}
    replace(run / "progress.json", json.dumps(told))


def commit(run, step, value):
    folder = run / "checkpoints" / f"step-{step:08d}"
    folder.mkdir(parents=True, exist_ok=True)
    replace(folder / "state.json", json.dumps([step, value]))
    replace(folder / "COMMITTED", "")


def newest(run):
    found = sorted((run / "checkpoints").glob("step-*/COMMITTED"))
    return json.loads((found[-1].parent / "state.json").read_text()) if found else (0, 1)


def train(run, how, attempt):
    total = how.get("steps", 10)
    step, value = newest(run)
    print(f"attempt {attempt} {GREETING} from step {step} as {os.getpid()}", flush=True)
    tell(run, "starting", step, total)
    if not how.get("deaf"):
        signal.signal(signal.SIGTERM, stop)
    else:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    while step < total:
        step += 1
        value = value * 31 % 1_000_003
        time.sleep(how.get("step_s", 0.01))
        tell(run, "training", step, total)
        if step % how.get("save_every", 2) == 0:
            commit(run, step, value)
        at = how.get("exit_at", {}).get(str(attempt))
        if at and step >= at[0]:
            print("ValueError: as asked", flush=True)
            if at[1] < 0:
                os.kill(os.getpid(), -at[1])
            return at[1]
        if stopped:
            commit(run, step, value)
            return 75
    replace(run / "summary.json", json.dumps({"eval/accuracy": value / 1_000_003, "tokens/kept": 4.0}))
    if how.get("exit", 0) == 0 and not how.get("no_done"):
        (run / "result").mkdir(exist_ok=True)
        replace(run / "result" / "selector.txt", f"{value}\n")
        replace(run / "result" / "DONE", "")
        tell(run, "done", total, total)
    return how.get("exit", 0)


def main():
    run = Path(sys.argv[1])
    how = json.loads(json.loads((run / "experiment.json").read_text())["experiment"].get("notes") or "{}")
    attempt = int(os.environ["ARRCOC_ATTEMPT"])
    code = train(run, how, attempt)
    if not how.get("no_marker"):
        replace(run / "logs" / f"attempt-{attempt}.exit", str(code))
    return code


if __name__ == "__main__":
    sys.exit(main())
