"""Many runs of W&B servers at once: what it costs, what is left alone, and what comes of a bad day."""

from __future__ import annotations

import itertools
import random
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from one_reader import OneReader
from run_writer import RunWriter

from arrcoc_core.metrics import open_metrics
from arrcoc_core.online.addresses import parse_run_path
from arrcoc_core.online.polling import Pace, Poller
from arrcoc_core.online.servers import Server
from arrcoc_core.sandbox import Sandbox, running
from arrcoc_core.sandbox.faults import Flaky, Outage, PermissionDenied, RateLimited, RequestQuota, Unavailable

Write = Callable[..., RunWriter]
QUICK = Pace(
    visible_s=0.02,
    busy_s=0.02,
    hidden_s=0.5,
    last_look_s=0.05,
    refused_s=0.4,
    first_pause_s=0.02,
    longest_pause_s=0.2,
    behind_after_s=0.3,
)


_WAYS = ("429", "500", "503", "cut", "lost", "half")


class Watching:
    """A poller, what it has said, and how to wait for something."""

    def __init__(self, server: Server, folder: Path, pace: Pace) -> None:
        self.lines: list[dict[str, Any]] = []
        self.poller = Poller(self.lines.append, pace=pace)
        self.server, self.folder = server, folder

    def watch(self, run: RunWriter, **how: Any) -> Path:
        directory = self.folder / run.run_id
        self.poller.watch(directory, self.server, parse_run_path(run.path), **how)
        return directory

    def of(self, directory: Path) -> list[dict[str, Any]]:
        return [line for line in list(self.lines) if line["run"] == str(directory)]

    def until(self, fits: Callable[[], object], within_s: float = 60.0) -> None:
        deadline = time.monotonic() + within_s
        while not fits():
            assert time.monotonic() < deadline, self.lines[-5:]
            time.sleep(0.005)


@pytest.fixture
def watching(server: Server, tmp_path: Path) -> Iterator[Callable[..., Watching]]:
    made: list[Watching] = []

    def make(pace: Pace = QUICK) -> Watching:
        made.append(Watching(server, tmp_path / f"watched-{len(made)}", pace))
        return made[-1]

    yield make
    for one in made:
        one.poller.close()


def rows(first: int, last: int) -> list[dict[str, float]]:
    return [{"trainer/step": i, "loss": 1 / (i + 1)} for i in range(first, last)]


def losses(directory: Path) -> list[tuple[int, float]]:
    series = open_metrics(directory, refresh=False).series("loss")
    return list(zip(series.step.tolist(), series.value.tolist(), strict=True))


def wanted(count: int) -> list[tuple[int, float]]:
    return [(i, 1 / (i + 1)) for i in range(count)]


@pytest.mark.timeout(1_800)
def test_fifty_runs_cost_a_fraction_of_a_request_each(
    write: Write, watching: Callable[..., Watching], full: bool, figures: Callable[..., None]
) -> None:
    polls = 2_000 if full else 30
    chance = random.Random(8)
    runs = [write(f"run-{i}") for i in range(50)]
    logged = [0] * 50
    one = watching()
    folders = [one.watch(run) for run in runs]
    began = time.process_time()
    while one.poller.looks < 50 * polls:
        for which in chance.sample(range(50), 5):
            count = chance.randrange(1, 4)
            runs[which].rows(rows(logged[which], logged[which] + count), summary=False)
            logged[which] += count
        time.sleep(0.1)
    spent = time.process_time() - began
    for i, folder in enumerate(folders):
        one.until(lambda folder=folder, i=i: losses(folder) == wanted(logged[i]))
    one.until(lambda: sum(line.get("rows", 0) for line in list(one.lines)) >= sum(logged))
    assert sum(line.get("rows", 0) for line in one.lines) == sum(logged)
    each = one.poller.requests / one.poller.looks
    figures(
        "online requests",
        runs=50,
        polls=one.poller.looks // 50,
        requests_per_poll_and_run=round(each, 3),
        rows=sum(logged),
        cpu_ms_per_poll_and_run=round(1000 * spent / one.poller.looks, 3),
    )
    assert each <= (1.2 if full else 0.5)


@pytest.mark.timeout(1_800)
def test_a_poll_costs_the_same_however_long_the_history_is(
    write: Write, read: Callable[..., OneReader], full: bool, figures: Callable[..., None]
) -> None:
    sizes = (1_000, 1_000_000 if full else 30_000)
    readers: list[OneReader] = []
    runs = [write(f"long-{size}") for size in sizes]
    for run, size in zip(runs, sizes, strict=True):
        for first in range(0, size, 10_000):
            run.rows(rows(first, min(size, first + 10_000)))
        readers.append(read(run, f"long-{size}"))
        readers[-1].all()
    cost: list[list[float]] = [[], []]
    for turn in range(300 if full else 80):
        for which in (0, 1):
            at = sizes[which] + 3 * turn
            runs[which].rows(rows(at, at + 3), summary=False)
            began = time.process_time()
            assert readers[which].look().rows == 3
            cost[which].append(time.process_time() - began)
    short, long = (statistics.median(one) for one in cost)
    figures(
        "online cost of a poll",
        rows=list(sizes),
        cpu_ms=[round(1000 * short, 2), round(1000 * long, 2)],
        ratio=round(long / short, 2),
        at_most=1.3,
    )
    assert long <= 1.3 * short


def test_what_has_ended_is_left_alone_and_what_nobody_sees_is_looked_at_seldom(
    write: Write, watching: Callable[..., Watching]
) -> None:
    one = watching()
    ended, hidden, seen = write("ended"), write("hidden"), write("seen")
    ended.rows(rows(0, 3))
    ended.end()
    folder = one.watch(ended)
    one.until(lambda: one.poller.looks == 2)  # one more than the one that saw its end, for what came with that
    time.sleep(0.4)
    assert one.poller.looks == 2
    assert any(line.get("done") for line in one.of(folder))
    began = time.monotonic()
    one.watch(hidden, visible=False)
    one.until(lambda: one.poller.looks == 5)
    assert time.monotonic() - began > 2 * QUICK.hidden_s * 0.7
    one.watch(seen)
    counted = one.poller.looks
    one.until(lambda: one.poller.looks - counted > 15, 10)
    # Seen again: it has been resumed, and is looked at at once.
    ended.rows(rows(3, 5))
    one.watch(ended)
    one.until(lambda: losses(folder) == wanted(5))


def test_a_run_that_its_store_expects_back_is_still_looked_at(write: Write, watching: Callable[..., Watching]) -> None:
    one = watching()
    run = write()
    run.rows(rows(0, 3))
    run.end(1)
    folder = one.watch(run, expected=True)
    one.until(lambda: any(line.get("state") == "failed" for line in one.of(folder)))
    run.rows(rows(3, 6))
    one.until(lambda: losses(folder) == wanted(6))


def test_a_run_that_is_waited_for_is_there_as_soon_as_it_logs(write: Write, watching: Callable[..., Watching]) -> None:
    one = watching(replace(QUICK, hidden_s=3600, last_look_s=3600))
    there = parse_run_path(write("another").path)
    folder = one.folder / "late"
    one.poller.watch(folder, one.server, replace(there, run_id="late"), visible=True, expected=True)
    time.sleep(0.2)  # some looks find nothing
    run = write("late")
    run.rows(rows(0, 3))
    one.until(lambda: losses(folder) == wanted(3), within_s=20)


@pytest.mark.timeout(900)
def test_a_day_of_429_500_cut_connections_and_an_outage_of_a_minute_loses_nothing(
    write: Write, tmp_path: Path, server: Server, full: bool, figures: Callable[..., None], sandbox_key: str
) -> None:
    """The outage takes a second here, in the sandbox's own time a minute."""
    folder = tmp_path / "bad-day"
    folder.mkdir()
    (folder / "key.json").write_text(sandbox_key, encoding="utf-8")
    count = 2_000 if full else 300
    with running(folder, speed=40) as box:
        one = Watching(Server(server.root, str(folder)), tmp_path / "watched", QUICK)
        runs = [write(f"run-{i}", where=box) for i in range(3)]
        box.set_scenario(
            [
                Outage(seconds=60, service="wandb", after_calls=120),
                RateLimited(method="ArrcocLooks", times=2, retry_after_s=1),
                Flaky(
                    share=0.25, kinds=("429", "500", "503", "cut", "lost", "half"), seed=5, service="wandb", times=None
                ),
            ]
        )
        folders = [one.watch(run) for run in runs]
        behind = threading.Event()

        def watch_age() -> None:
            while not behind.wait(0.1):
                one.lines.extend(one.poller.behind())

        age = threading.Thread(target=watch_age)
        age.start()
        chance = random.Random(3)
        logged = 0
        while logged < count:
            step = chance.randrange(1, 12)
            for run in runs:
                run.rows(rows(logged, logged + step), summary=False)
            logged += step
            time.sleep(0.01)
        for path in folders:
            one.until(lambda path=path: losses(path) == wanted(logged), 90)
        behind.set()
        age.join()
        one.poller.close()
        faults = {type(fault).__name__: taken for fault, taken in box.box.faults.all()}
    assert sum(line.get("rows", 0) for line in one.lines) == 3 * logged  # none twice
    late = [line for line in one.lines if line.get("behind_s", 0) > QUICK.behind_after_s]
    assert late, "nobody was told that the runs are behind"
    assert any("cannot be reached" in line["offline"] for line in late)
    assert one.lines[-1]["offline"] == "" or one.lines[-1]["behind_s"] < 1
    assert all(faults[name] for name in ("Outage", "RateLimited", "Flaky"))
    figures(
        "online bad day",
        rows=3 * logged,
        lost=0,
        twice=0,
        faults=faults,
        requests=one.poller.requests,
        behind_at_most_s=max(line["behind_s"] for line in late),
    )


def test_a_server_that_names_a_time_is_left_alone_until_then(
    box: Sandbox, write: Write, watching: Callable[..., Watching]
) -> None:
    run = write()
    one = watching()
    folder = one.watch(run)
    one.until(lambda: one.poller.looks > 2)
    before = len(box.requests())
    box.set_scenario([RateLimited(method="ArrcocLooks", times=1, retry_after_s=2)])
    one.until(lambda: box.box.faults.all()[0][1] == 1)
    run.rows(rows(0, 4))
    one.until(lambda: losses(folder) == wanted(4))
    asked = [row["at"] for row in box.requests()[before:] if row["method"] == "ArrcocLooks"]
    assert max(after - before for before, after in itertools.pairwise(asked)) > 1.9


def test_a_quota_that_runs_low_is_spread_over_what_is_left_of_its_window(
    box: Sandbox, write: Write, watching: Callable[..., Watching]
) -> None:
    """20 requests in 2 s are allowed. Asked for every 0.02 s, nothing is refused, and looks go on to the end."""
    run = write()
    box.set_scenario([RequestQuota(limit=20, per_s=2.0, service="wandb")])
    one = watching()
    folder = one.watch(run)
    began = time.monotonic()
    one.until(lambda: one.poller.looks > 35)
    assert time.monotonic() - began > 1.9
    assert not any(line.get("offline") for line in one.of(folder))


def test_one_run_that_is_refused_keeps_no_other_from_being_read(
    box: Sandbox, write: Write, watching: Callable[..., Watching]
) -> None:
    good = [write(f"good-{i}") for i in range(6)]
    gone = write("gone")
    closed = write("closed", entity="sandbox-team")
    gone.delete()
    box.set_scenario([PermissionDenied(entity="sandbox-team")])
    one = watching()
    folders = [one.watch(run) for run in (*good, gone, closed)]
    for run in good:
        run.rows(rows(0, 5))
    for folder in folders[:6]:
        one.until(lambda folder=folder: losses(folder) == wanted(5))
    time.sleep(1.0)  # some tries of those that are refused
    for folder, said in ((folders[6], "has no run gone"), (folders[7], "sandbox-team")):
        errors = [line for line in one.of(folder) if "error" in line]
        assert len(errors) == 1, "said once, however often it is tried"
        assert said in errors[0]["error"]
        assert errors[0]["remedy"]
    box.set_scenario([])
    closed.rows(rows(0, 2))
    one.until(lambda: losses(folders[7]) == wanted(2))


def test_a_server_that_takes_no_large_request_is_asked_in_smaller_ones(
    write: Write, watching: Callable[..., Watching], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some servers bound the cost of a query. The bound is put in front of the real answers here."""
    import requests

    post = requests.Session.post

    def bounded(self: requests.Session, url: str, **more: Any) -> requests.Response:
        if more["json"].get("query", "").count("project(") <= 4:
            return post(self, url, **more)
        refused = requests.Response()
        refused.status_code, refused._content = 400, b'{"errors": [{"message": "query is too complex"}]}'
        return refused

    monkeypatch.setattr(requests.Session, "post", bounded)
    runs = [write(f"run-{i}") for i in range(15)]
    one = watching()
    folders = [one.watch(run) for run in runs]
    for run in runs:
        run.rows(rows(0, 3))
    for folder in folders:
        one.until(lambda folder=folder: losses(folder) == wanted(3))
    assert not any("error" in line for line in one.lines)
    sent, looked = one.poller.requests, one.poller.looks
    one.until(lambda: one.poller.looks > looked + 150)
    assert (one.poller.requests - sent) <= 0.6 * (one.poller.looks - looked)


@pytest.mark.parametrize("unknown", ["useImprovedPagination", "historyTail", "eventsTail", "logLines"])
def test_what_an_older_server_does_not_know_is_not_asked_for(
    write: Write, watching: Callable[..., Watching], monkeypatch: pytest.MonkeyPatch, unknown: str
) -> None:
    """The sandbox is a newer one: what an older one does not know is refused in front of it, by W&B's words."""
    import requests

    post = requests.Session.post

    def older(self: requests.Session, url: str, **more: Any) -> requests.Response:
        if unknown not in more["json"].get("query", ""):
            return post(self, url, **more)
        refused = requests.Response()
        refused.status_code = 400
        refused._content = f'{{"errors": [{{"message": "Cannot query field {unknown}"}}]}}'.encode()
        return refused

    monkeypatch.setattr(requests.Session, "post", older)
    run = write()
    run.lines([f"line {i}" for i in range(30)])
    run.system([{"_timestamp": 1.0, "system.cpu": 2.0}])
    run.rows(rows(0, 2))
    run.rows([{"_step": 50_000, "trainer/step": 2, "loss": 1 / 3}])
    one = watching()
    folder = one.watch(run, console=True, system=True)
    metrics = open_metrics(folder, refresh=False)

    def came() -> bool:
        metrics.refresh()
        lines, samples = len(metrics.console()), len(metrics.system("cpu"))
        return (lines, samples) == (30 * (unknown != "logLines"), 1 * (unknown != "eventsTail"))

    one.until(lambda: losses(folder) == wanted(3) and came())
    assert not any("error" in line for line in one.of(folder))


def test_the_newest_pictures_come_by_themselves_and_others_when_they_are_asked_for(
    write: Write, watching: Callable[..., Watching]
) -> None:
    run = write()
    names = [f"media/images/p_{i}.png" for i in range(12)]
    for name in names:
        run.file(name, name.encode())
    run.rows([{"p": {"_type": "image-file", "path": name}} for name in names])
    one = watching()
    folder = one.watch(run)
    one.until(lambda: sum(len(line.get("pictures", ())) for line in one.of(folder)) == 8)
    media = open_metrics(folder, refresh=False).media()
    assert [one.path.exists() for one in media] == [False] * 4 + [True] * 8
    one.poller.want_pictures(folder, [media[0].path.relative_to(folder.resolve())])
    one.until(media[0].path.exists)
    assert not media[1].path.exists()


def test_a_key_that_is_put_right_is_used_without_a_restart(
    box: Sandbox, write: Write, watching: Callable[..., Watching]
) -> None:
    run = write()
    run.rows(rows(0, 3))
    path = Path(box.endpoints.keys["WANDB_API_KEY"])
    key = path.read_text(encoding="utf-8")
    path.write_text("0" * 40, encoding="utf-8")
    try:
        one = watching()
        folder = one.watch(run)
        one.until(lambda: any("error" in line for line in one.of(folder)))
        line = next(line for line in one.of(folder) if "error" in line)
        assert "key" in line["error"]
        assert line["remedy"]
        path.write_text(key, encoding="utf-8")
        one.until(lambda: losses(folder) == wanted(3))
    finally:
        path.write_text(key, encoding="utf-8")


def test_a_busy_server_is_asked_less_and_less(box: Sandbox, write: Write, watching: Callable[..., Watching]) -> None:
    run = write()
    one = watching()
    folder = one.watch(run)
    one.until(lambda: one.poller.looks > 2)
    box.set_scenario([Unavailable(method="ArrcocLooks", times=None)])
    sent, began = one.poller.requests, time.monotonic()
    one.until(lambda: one.poller.requests - sent >= 12)
    assert time.monotonic() - began > 0.8  # every 0.02 s, twelve would have come in a quarter of a second
    assert one.poller.behind()[0]["behind_s"] > QUICK.behind_after_s
    run.rows(rows(0, 2))
    box.set_scenario([])
    one.until(lambda: losses(folder) == wanted(2) and one.poller.behind() == [])
