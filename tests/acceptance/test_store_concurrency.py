"""Sixteen processes write to one run store at once: nothing acknowledged is lost, nobody is turned away."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from arrcoc_core.records import Event, project
from arrcoc_core.store import Store

WRITERS = 16

WRITER = """
import json, sys, time
from pathlib import Path
from arrcoc_core.records import Event
from arrcoc_core.store import Store

path, writer, count = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
acknowledged, worst = [], 0.0
with Store(path) as store:
    print("ready", flush=True)
    sys.stdin.readline()
    for n in range(count):
        event = Event(f"run-{(writer + n) % 4}", "summary", time.time(), data={"summary": {f"writer {writer}": n}})
        started = time.perf_counter()
        acknowledged += store.append([event])
        worst = max(worst, time.perf_counter() - started)
print(json.dumps({"acknowledged": acknowledged, "worst_s": worst}))
"""


def test_sixteen_processes_write_at_once(tmp_path: Path, full: bool, figures: Callable[..., None]) -> None:
    count = 1000 if full else 250
    path = tmp_path / "store.db"
    # The store itself is made by all of them at once, too.
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path), str(writer), str(count)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for writer in range(WRITERS)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n", process.communicate()
    with Store(path) as store:
        known = {"experiment": "e", "fingerprint": "f", "code": "c", "target": "local"}
        store.append([Event(f"run-{n}", "created", 1.0, data=known) for n in range(4)])
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    answers = [process.communicate(timeout=280) for process in processes]
    assert [process.returncode for process in processes] == [0] * WRITERS, [error[-500:] for _, error in answers]
    told = [json.loads(answer) for answer, _ in answers]

    with Store(path) as store:
        events = store.events()
        written = {event.id: event for event in events}
        assert len(events) == WRITERS * count + 4
        for writer, answer in enumerate(told):
            assert len(answer["acknowledged"]) == count
            for n, number in enumerate(answer["acknowledged"]):
                assert written[number].data == {"summary": {f"writer {writer}": n}}
        for name in (f"run-{n}" for n in range(4)):
            folded = None
            for event in store.events(name):
                folded = project(folded, event)
            assert store.run(name) == folded
    worst = max(answer["worst_s"] for answer in told)
    figures("store_concurrency", writers=WRITERS, events_each=count, worst_wait_ms=round(worst * 1000, 1))
