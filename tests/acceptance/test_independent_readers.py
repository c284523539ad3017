"""What wandb's own readers find in the files of ten different runs is what ours finds: row by row, picture by picture.

The real client writes the files. `wandb leet inspect --json` shows their records; `wandb sync` sends them to a server,
from which `wandb.Api()` reads them back. Neither has code in common with arrcoc_core/metrics.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from wandb_client import environment, run_client

from arrcoc_core.metrics import open_metrics, records
from arrcoc_core.metrics.framing import read_batch
from arrcoc_core.metrics.rows import Keys, decode
from arrcoc_core.sandbox import Sandbox, running

# What each run logs: the body of `def log(run)`. Some are made of several attempts, parted by a line of dashes.
RUNS = {
    "plain": """
        for step in range(700):
            run.log({"trainer/step": step, "loss": 1 / (step + 1), "lr": 1e-4 * 0.99**step, "n": step})
    """,
    "resumed": """
        for step in range(0, 60):
            run.log({"trainer/step": step, "loss": 1 / (step + 1), "attempt": 1})
        ---
        for step in range(40, 90):
            run.log({"trainer/step": step, "loss": 2 / (step + 1), "attempt": 2})
        ---
        for step in range(80, 120, 2):
            run.log({"trainer/step": step, "loss": 3 / (step + 1), "attempt": 3})
    """,
    "killed": """
        for step in range(400):
            run.log({"trainer/step": step, "loss": math.sin(step), "text": "x" * (step * 7 % 900)})
        time.sleep(0.5)
        os.kill(os.getpid(), 9)
    """,
    "not finite": """
        odd = [float("nan"), float("inf"), float("-inf"), -0.0, 5e-324, 1.7976931348623157e308, 0.1 + 0.2, 1e22, 1e-7]
        for step in range(300):
            run.log({"trainer/step": step, "a": odd[step % 9], "b": odd[step % 7], "np": np.float32(odd[step % 9])})
    """,
    "nested": """
        for step in range(40):
            inner = {"x": step / 3, "deeper": {"y": step, "z.w": -step, "list": [step, None, "s", {"k": 1}]}}
            run.log({"trainer/step": step, "in": inner, "empty": {}, "none": None, "flag": step % 2 == 0,
                     "list": [step, 1.5], "rows": [[1, 2], [3, step]], "a.b": step, "a": {"b2": step}})
    """,
    "whole numbers": """
        for step in range(300):
            run.log({"trainer/step": step, "edge": 2**53 + step % 3 - 1, "long": 2**63 + step, "minus": -(2**60) - step,
                     "huge": 10**25 + step, "whole": float(step), "small": step, "np": np.int64(2**62 + step),
                     "numpy": np.arange(3) + step, "bool": np.bool_(step % 2)})
    """,
    "words": """
        for step in range(60):
            run.log({"trainer/step": step, "Grüße/Übung": step, "损失": 0.5, "emoji 🙂": step, "with spaces and /": 1,
                     "k" * 31: 1, "k" * 32: 2, "k" * 33: 3, "k" * 200: 4, "quoted": 'a "b" \\\\ c', "line": "a\\nb\\tc",
                     "number": "12.5", "nan": "NaN", "": "no key", "word": "ünïcode 🙂 \\u0000 end", "none": ""})
    """,
    "media": """
        for step in range(0, 60, 5):
            shade = np.full((12, 16, 3), step * 4, np.uint8)
            row = {"trainer/step": step, "loss": 1 / (step + 1), "deep/er/picture": wandb.Image(shade),
                   "picture": wandb.Image(shade, caption=f"at {step} “é”"),
                   "several": [wandb.Image(shade + k, caption=f"{k}") for k in range(3)],
                   "bare": [wandb.Image(shade, file_type="jpg")],
                   "inside": {"picture": wandb.Image(shade + 1)},
                   "spread": wandb.Histogram(np.arange(step + 2)), "narrow": wandb.Histogram([1, 1, 1], num_bins=4),
                   "given": wandb.Histogram(np_histogram=([1, 2], [0.0, 0.5, float(step)]))}
            if step % 20 == 0:
                row["table"] = wandb.Table(columns=["a", "b"], data=[[step, "x"], [2, None]])
                row["page"] = wandb.Html(f"<b>{step}</b>")
                row["boxed"] = wandb.Image(shade, boxes={"found": {"box_data": [
                    {"position": {"minX": 0, "maxX": 1, "minY": 0, "maxY": 0.5}, "class_id": 1}]}})
            run.log(row)
    """,
    "wide": """
        for step in range(12):
            run.log({"trainer/step": step, **{f"layer {k}/weight norm": k / (step + 1) for k in range(1500)},
                     "text": "long " * 9000, "spread": wandb.Histogram(np.random.default_rng(step).normal(size=99999))})
    """,
    "machine": """
        for step in range(30):
            run.log({"parts": 1}, commit=False)
            row = {"trainer/step": step, "parts": 2, "only now and then": step} if step % 3 else {"gap": step}
            run.log(row, step=step * 2)
            print("printed at", step)
            print("\\r25 %", end="")
            print("\\rwarned", step, file=sys.stderr)
            time.sleep(0.02)
        print("no line break at the end", end="")
        time.sleep(0.5)
    """,
}
PICTURES = ("image-file", "images/separated")
REDUCED = ("resumed", "media", "not finite")
WRITER = """
import json, math, os, sys, time
import numpy as np
import wandb
settings = wandb.Settings(console="wrap", x_stats_sampling_interval=0.1, disable_git=True, save_code=False)
for name, folder, attempts in json.loads(sys.argv[1]):
    for code in attempts:
        scope = dict(globals())
        exec("def log(run):\\n" + code, scope)
        run = wandb.init(project="readers", id=name, dir=folder, mode="offline", config={"of": name}, settings=settings)
        scope["log"](run)
        run.finish()
        time.sleep(1.1)  # an attempt's folder is called by the second in which it began
"""
READ = """
import hashlib, json, sys, wandb
api, found = wandb.Api(), {}
for name in NAMES:
    run = api.run("sandbox/readers/" + name)
    media = {}
    for file in run.files():
        if file.name.startswith("media/"):
            path = file.download(root="got/" + name, replace=True).name
            media[file.name] = hashlib.sha256(open(path, "rb").read()).hexdigest()
    found[name] = {
        "rows": list(map(dict, run.scan_history())),
        "system": run.history(stream="system", pandas=False, samples=10_000),
        "media": media,
    }
print(json.dumps(found))
"""


@dataclass
class Logged:
    """A run in a folder of its own, with the files of its attempts, oldest first."""

    name: str
    folder: Path
    files: list[Path] = field(default_factory=list[Path])

    def ids(self) -> list[str]:
        """What each file is called on the server: attempts of one run would lie over one another there."""
        name = self.name.replace(" ", "-")
        return [name] if len(self.files) < 2 else [f"{name}-{number}" for number in range(len(self.files))]


@pytest.fixture(scope="module")
def logged(tmp_path_factory: pytest.TempPathFactory, full: bool) -> list[Logged]:
    made = [Logged(name, tmp_path_factory.mktemp("run")) for name in (RUNS if full else REDUCED)]
    write([run for run in made if run.name != "killed"], 0)
    for run in made:
        if run.name == "killed":
            write([run], -9)
            run.files[0].write_bytes(run.files[0].read_bytes()[:-200_001])  # in the middle of a record
    return made


def write(runs: list[Logged], code: int) -> None:
    """Let wandb's client log them, one after the other, in one process."""
    variables = {
        **{name: value for name, value in os.environ.items() if not name.startswith("WANDB_")},
        "WANDB_SILENT": "true",
        "WANDB_X_TRANSACTION_LOG_FLUSH_INTERVAL": "0.1",
        "WANDB_BASE_URL": "http://localhost:9",
    }
    told: list[tuple[str, str, list[str]]] = []
    for run in runs:
        (run.folder / "wandb").mkdir()
        parts = [textwrap.dedent(part) for part in RUNS[run.name].split("        ---\n")]
        told.append((run.ids()[0], str(run.folder / "wandb"), [textwrap.indent(part, "    ") for part in parts]))
    command = [sys.executable, "-c", WRITER, json.dumps(told)]
    done = subprocess.run(command, env=variables, cwd=runs[0].folder, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr
    for run, (_, _, parts) in zip(runs, told, strict=True):
        run.files += sorted(run.folder.glob("wandb/wandb/offline-run-*/*.wandb"))
        assert len(run.files) == len(parts)


@pytest.fixture(scope="module")
def uploaded(logged: list[Logged], tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """Name on the server -> what wandb's API reads there, after `wandb sync`."""
    folder = tmp_path_factory.mktemp("uploaded")
    with running(folder / "sandbox", speed=100) as sandbox:
        alone = [str(run.files[0].parent) for run in logged if len(run.files) == 1]
        sync(sandbox, folder, alone)
        for run in logged:
            if len(run.files) > 1:
                for name, file in zip(run.ids(), run.files, strict=True):
                    sync(sandbox, folder, ["--id", name, str(file.parent)])
        names = [name for run in logged for name in run.ids()]
        found = run_client(sandbox, folder / "home", f"NAMES = {names!r}\n{READ}")
        yield json.loads(found.splitlines()[-1])


def sync(sandbox: Sandbox, folder: Path, arguments: list[str]) -> None:
    (folder / "home").mkdir(exist_ok=True)
    command = [sys.executable, "-m", "wandb", "sync", "--yes", *arguments]
    variables = environment(sandbox, folder / "home")
    done = subprocess.run(command, env=variables, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "Finished" in done.stdout + done.stderr, done.stderr


def our_rows(path: Path) -> list[dict[str, Any]]:
    """What our decoder gives for a file: each row's items by their dotted names, numbers and all else."""
    rows: list[dict[str, Any]] = []
    offset = 0
    with path.open("rb") as file:
        while True:
            batch = read_batch(file, offset)
            found, _ = decode(batch, Keys())
            part: list[dict[str, Any]] = [{} for _ in range(found.count)]
            for name, (row, value) in found.numbers.items():
                for at, number in zip(row.tolist(), value.tolist(), strict=True):
                    part[at][name] = number
            for at, key, value in found.other:  # of a whole number that float64 rounds, the exact one
                part[at][".".join(key)] = value
            rows += part
            if batch.at_end:
                return rows
            offset = batch.next_offset


def leet(path: Path) -> list[dict[str, Any]]:
    command = [sys.executable, "-m", "wandb", "leet", "inspect", "--json", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return [json.loads(line) for line in done.stdout.splitlines()]


def same(ours: Any, theirs: Any) -> bool:
    """Equal as JSON: what it has no number for is a word there, and of a float a tool may write other digits."""
    if isinstance(ours, float) and not math.isfinite(ours):
        return theirs in (str(ours), {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}[str(ours)]) or (
            isinstance(theirs, float) and (theirs == ours or (theirs != theirs and ours != ours))
        )
    if isinstance(ours, dict) and isinstance(theirs, dict):
        return ours.keys() == theirs.keys() and all(same(value, theirs[name]) for name, value in ours.items())
    if isinstance(ours, list) and isinstance(theirs, list):
        return len(ours) == len(theirs) and all(map(same, ours, theirs))
    if isinstance(ours, bool) or isinstance(theirs, bool) or isinstance(ours, str):
        return ours is theirs or (isinstance(ours, str) and ours == theirs)
    if isinstance(ours, float) and isinstance(theirs, int):
        return float(theirs) == ours
    return bool(ours == theirs)


def assert_rows(run: str, ours: list[dict[str, Any]], theirs: list[dict[str, Any]]) -> None:
    assert len(ours) == len(theirs) > 0, run
    for number, (row, want) in enumerate(zip(ours, theirs, strict=True)):
        assert row.keys() == want.keys(), f"{run}, row {number}"
        wrong = {name: (value, want[name]) for name, value in row.items() if not same(value, want[name])}
        assert not wrong, f"{run}, row {number}"


def flat(row: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested values by dotted names, as a file holds them."""
    found: dict[str, Any] = {}
    for name, value in row.items():
        if isinstance(value, dict) and value:
            found |= flat(value, f"{prefix}{name}.")
        else:
            found[f"{prefix}{name}"] = value
    return found


def test_leet_inspect_shows_the_rows_that_we_read(logged: list[Logged], figures: Callable[..., None]) -> None:
    rows = values = system = console = 0
    for run in logged:
        for path in run.files:
            shown = leet(path)
            ours = our_rows(path)
            assert_rows(run.name, ours, [record["history"]["item"] for record in shown if record["type"] == "history"])
            rows += len(ours)
            values += sum(map(len, ours))
            system += check_system(path, [record["stats"] for record in shown if record["type"] == "stats"])
            console += check_console(path, [r["output_raw"] for r in shown if r["type"] == "output_raw"])
    figures("wandb leet inspect agrees", runs=len(logged), rows=rows, values=values, system=system, console=console)


def check_system(path: Path, theirs: list[dict[str, Any]]) -> int:
    ours = [records.stats(record, start, end) for record, start, end in our_records(path, records.STATS)]
    assert len(ours) == len(theirs)
    for (time, values), want in zip(ours, theirs, strict=True):
        assert abs(time - seconds(want["timestamp"])) < 1e-6 and same(values, want["item"])
    return len(ours)


def check_console(path: Path, theirs: list[dict[str, Any]]) -> int:
    ours = [records.output(record, start, end) for record, start, end in our_records(path, records.OUTPUT_RAW)]
    assert [(one.stream.upper(), one.text) for one in ours] == [
        (want.get("output_type", "STDERR"), want.get("line", "")) for want in theirs
    ]
    assert all(abs(one.time - seconds(want["timestamp"])) < 1e-6 for one, want in zip(ours, theirs, strict=True))
    return len(ours)


def our_records(path: Path, wanted: int) -> Iterator[tuple[bytes, int, int]]:
    with path.open("rb") as file:
        batch = read_batch(file, 0, path.stat().st_size + 1)
    for i in range(len(batch)):
        record = batch.record(i)
        kind, start, end = records.kind_of(record)
        if kind == wanted:
            yield record, start, end


def seconds(text: str) -> float:
    """RFC 3339, with as many digits of a second as there are."""
    whole, _, fraction = text.removesuffix("Z").partition(".")
    return datetime.fromisoformat(f"{whole}+00:00").timestamp() + float(f"0.{fraction or 0}")


@pytest.mark.long
def test_what_wandb_sync_uploads_is_what_we_read(
    logged: list[Logged], uploaded: dict[str, Any], figures: Callable[..., None]
) -> None:
    rows = values = pictures = histograms = 0
    for run in logged:
        stitched: dict[int, dict[str, Any]] = {}
        for path, name in zip(run.files, run.ids(), strict=True):
            theirs, ours = [flat(row) for row in uploaded[name]["rows"]], our_rows(path)
            assert_rows(run.name, ours, theirs)
            rows += len(ours)
            values += sum(map(len, ours))
            for want in theirs:
                stitched.setdefault(int(want.get("trainer/step", want["_step"])), {}).update(want)
        check_table(run, stitched)
        histograms += check_histograms(run, stitched)
        pictures += check_pictures(run, uploaded, stitched)
    seen = {"rows": rows, "values": values, "pictures": pictures, "histograms": histograms}
    figures("wandb sync agrees", runs=len(logged), **seen)


def check_table(run: Logged, theirs: dict[int, dict[str, Any]]) -> None:
    """The rows that every door shows: each step once, all of its numbers, words and switches, and nothing else."""
    table = {int(row["trainer/step"]): row for row in open_metrics(run.folder).rows()}
    assert list(table) == sorted(theirs), run.name
    for step, want in theirs.items():
        objects = {name.removesuffix("._type") for name in want if name.endswith("._type")}
        shown = {
            name: value
            for name, value in want.items()
            if not name.startswith("_")
            and not isinstance(value, list | dict)
            and not any(name.startswith(f"{of}.") for of in objects)
        }
        shown.setdefault("trainer/step", step)
        assert_rows(f"{run.name}, step {step}", [table[step]], [shown])


def check_histograms(run: Logged, theirs: dict[int, dict[str, Any]]) -> int:
    want = [
        (step, name.removesuffix("._type"))
        for step, row in sorted(theirs.items())
        for name in sorted(row)
        if row[name] == "histogram"
    ]
    ours = open_metrics(run.folder).histograms()
    assert [(one.step, one.key) for one in ours] == want, run.name
    for one in ours:
        assert list(one.counts) == theirs[one.step][f"{one.key}.values"]
        assert list(one.edges) == theirs[one.step][f"{one.key}.bins"]
    return len(ours)


def check_pictures(run: Logged, uploaded: dict[str, Any], theirs: dict[int, dict[str, Any]]) -> int:
    """The pictures that we show, their captions and their bytes, are those that W&B has."""
    there: dict[str, str] = {}
    for name in run.ids():
        there |= uploaded[name]["media"]
    want: dict[tuple[int, str], tuple[str, str]] = {}
    for step, row in theirs.items():
        for name in [
            name.removesuffix("._type") for name, value in row.items() if value in ("image-file", "images/separated")
        ]:
            one, many = row.get(f"{name}.path"), row.get(f"{name}.filenames", [])
            captions = row.get(f"{name}.captions", [])
            if one:
                want[step, name] = one, row.get(f"{name}.caption", "")
            for number, file in enumerate(many):
                want[step, f"{name}/{number}"] = file, captions[number] if captions else ""
    ours = {(one.step, one.key): one for one in open_metrics(run.folder).media()}
    assert ours.keys() == want.keys(), run.name
    for key, (file, caption) in want.items():
        assert ours[key].caption == caption
        assert hashlib.sha256(ours[key].path.read_bytes()).hexdigest() == there[file]
    return len(ours)
