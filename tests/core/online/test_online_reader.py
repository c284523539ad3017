"""One run of a W&B server, a look at a time: every row once, none missing, each look at the price of what is new."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from one_reader import OneReader
from run_writer import RunWriter

from arrcoc_core.metrics import open_metrics
from arrcoc_core.online.reader import CATCH_UP_PAGE, PAGE

Write, Read = Callable[..., RunWriter], Callable[..., OneReader]


def rows(first: int, last: int, scale: float = 1.0) -> list[dict[str, float]]:
    return [{"trainer/step": i, "train/loss": scale / (i + 1)} for i in range(first, last)]


def steps(directory: Path) -> list[int]:
    return open_metrics(directory, refresh=False).series("trainer/step").step.tolist()


def test_each_look_is_one_request_and_asks_for_what_is_new(write: Write, read: Read) -> None:
    run = write()
    reader = read(run)
    metrics = open_metrics(reader.directory, refresh=False)
    loss = metrics.series("train/loss")
    total = 0
    for count in (0, 1, 3, 0, 40):
        run.rows(rows(total, total + count))
        total += count
        sent = reader.connection.client.requests
        look = reader.look()
        assert reader.connection.client.requests == sent + 1
        assert (look.rows, look.steps, look.more) == (count, total, False)
        metrics.refresh()
        assert loss.step.tolist() == list(range(total))
    assert loss.value.tolist() == [1 / (i + 1) for i in range(total)]
    assert reader.reader.ask().window.first == total - 1
    run.end()
    look = reader.look()
    assert (look.state, look.ended) == ("finished", True)
    assert list(metrics.rows()) == [{"trainer/step": i, "train/loss": 1 / (i + 1)} for i in range(total)]


def test_a_run_without_trainer_step_goes_by_its_own_step(write: Write, read: Read) -> None:
    run = write()
    run.rows([{"loss": 0.5}, {"loss": 0.25}])
    reader = read(run)
    reader.all()
    metrics = open_metrics(reader.directory, refresh=False)
    assert metrics.series("loss").step.tolist() == [0, 1]
    assert list(metrics.rows()) == [{"trainer/step": 0, "loss": 0.5}, {"trainer/step": 1, "loss": 0.25}]


def test_a_resumed_run_holds_every_step_once_and_the_last_write_wins(write: Write, read: Read) -> None:
    run = write()
    run.rows(rows(0, 50))
    reader = read(run)
    reader.all()
    run.rows(rows(30, 60, scale=2.0))  # what a resumed trainer logs again, behind what is there
    reader.all()
    metrics = open_metrics(reader.directory, refresh=False)
    assert steps(reader.directory) == list(range(60))
    assert metrics.series("train/loss").value.tolist() == [(2.0 if i >= 30 else 1.0) / (i + 1) for i in range(60)]


def test_a_long_history_comes_whole_in_large_pages(write: Write, read: Read, full: bool) -> None:
    count = 60_000 if full else 24_000
    run = write()
    for first in range(0, count, 6_000):
        run.rows(rows(first, first + 6_000))
    reader = read(run)
    looks = reader.all()
    assert sum(look.rows for look in looks) == count
    assert len(looks) <= 3 + count // CATCH_UP_PAGE
    assert steps(reader.directory) == list(range(count))


@pytest.mark.parametrize("gap", [7, 100, 40_000, 10**9])
def test_steps_with_gaps_are_found_however_wide(write: Write, read: Read, gap: int) -> None:
    """A server samples a window that holds too much: first wide gaps, then a part without any, then gaps again."""
    wide = [{"_step": i * gap, "x": i} for i in range(60)]
    start = 60 * gap
    dense = [{"_step": start + i, "x": 60 + i} for i in range(3 * PAGE)]
    late = [{"_step": start + 3 * PAGE + i * gap, "x": 60 + 3 * PAGE + i} for i in range(20)]
    run = write()
    run.rows([*wide, *dense, *late])
    reader = read(run)
    looks = reader.all()
    x = open_metrics(reader.directory, refresh=False).series("x")
    assert x.value.tolist() == list(range(60 + 3 * PAGE + 20))
    assert x.step.tolist() == [row["_step"] for row in (*wide, *dense, *late)]
    assert len(looks) < 80
    run.rows([{"_step": start + 3 * PAGE + 25 * gap, "x": -1}])
    assert sum(look.rows for look in reader.all()) == 1


def test_a_run_that_was_rewound_is_begun_again(write: Write, read: Read) -> None:
    run = write()
    run.rows(rows(0, 20))
    reader = read(run)
    reader.all()
    metrics = open_metrics(reader.directory, refresh=False)
    loss = metrics.series("train/loss")
    assert len(loss) == 20
    run.rewind(4)
    run.began = 9_000.0
    run.rows(rows(5, 10, scale=3.0))  # fewer rows than before: for some looks there is nothing where the newest was
    looks = [reader.look() for _ in range(6)]
    assert any(look.anew for look in looks)
    metrics.refresh()
    assert loss.value.tolist() == [(3.0 if i > 4 else 1.0) / (i + 1) for i in range(10)]
    run.rewind(4)
    run.began = 20_000.0
    run.rows(rows(5, 40, scale=4.0))  # more rows than before: another row stands where the newest was
    assert sum(reader.look().anew for _ in range(2)) == 1
    reader.all()
    metrics.refresh()
    assert loss.value.tolist() == [(4.0 if i > 4 else 1.0) / (i + 1) for i in range(40)]


def test_a_run_that_was_deleted_and_made_anew_is_begun_again(
    write: Write, read: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = write()
    run.rows(rows(0, 20))
    reader = read(run)
    reader.all()
    run.delete()
    again = write(began=5_000.0)
    again.rows(rows(0, 20, scale=5.0))
    assert any(look.anew for look in (*reader.all(), *reader.all()))
    loss = open_metrics(reader.directory, refresh=False).series("train/loss")
    assert loss.value.tolist() == [5.0 / (i + 1) for i in range(20)]
    assert loss.time[0] == 5_000.0


def test_two_readers_of_one_cache_count_every_row_once(write: Write, read: Read) -> None:
    run = write()
    a, b = read(run), read(run)
    counted: list[int] = []

    def look(reader: OneReader) -> None:
        for _ in range(40):
            counted.append(reader.look().rows)

    threads = [threading.Thread(target=look, args=(reader,)) for reader in (a, b)]
    for thread in threads:
        thread.start()
    for first in range(0, 300, 10):
        run.rows(rows(first, first + 10))
    for thread in threads:
        thread.join()
    counted += [one.rows for one in a.all()]
    assert sum(counted) == 300
    assert steps(a.directory) == list(range(300))


def test_a_deleted_cache_is_made_again(write: Write, read: Read) -> None:
    import shutil

    run = write()
    run.rows(rows(0, 30))
    reader = read(run)
    reader.all()
    shutil.rmtree(reader.directory)
    run.rows(rows(30, 35))
    reader.all()
    assert steps(reader.directory) == list(range(35))


def test_system_metrics_come_whole_once_and_then_as_they_are_sampled(write: Write, read: Read) -> None:
    run = write()
    run.system([{"_timestamp": 100.0 + i, "system.cpu": float(i), "system.gpu.0.temp": 50} for i in range(30)])
    reader = read(run)
    reader.reader.system = True
    reader.all()
    metrics = open_metrics(reader.directory, refresh=False)
    assert metrics.system_names == ["cpu", "gpu.0.temp"]
    assert metrics.system("cpu").value.tolist() == list(range(30))
    for i in range(30, 36):
        run.system([{"_timestamp": 100.0 + i, "system.cpu": float(i)}])
        reader.reader._system_at = 0.0  # it is asked for every two seconds
        ask = reader.reader.ask()
        assert (ask.system, ask.events) == (True, 0)
        assert reader.look().system == ("cpu",)
    metrics.refresh()
    assert metrics.system("cpu").value.tolist() == list(range(36))
    assert metrics.system("cpu").time.tolist() == [100.0 + i for i in range(36)]


def test_the_console_comes_line_by_line_also_where_a_line_is_written_over(write: Write, read: Read) -> None:
    run = write()
    run.lines([f"line {i}" for i in range(2_500)])
    reader = read(run)
    reader.reader.console = True
    reader.all()

    def texts() -> list[str]:
        return [line.text for line in open_metrics(reader.directory, refresh=False).console()]

    assert texts() == [f"line {i}" for i in range(2_500)]
    run.lines(["10 %"])
    reader.look()
    for share in (20, 30, 100):
        run.lines([f"{share} %"], at=2_500)
        assert reader.look().rows == 0
        assert texts()[-1] == f"{share} %"
    run.lines(["trouble"], error=True)
    reader.look()
    run.lines([f"after {i}" for i in range(300)])  # more than a look asks for: the rest comes at once
    reader.all()
    assert texts() == [*(f"line {i}" for i in range(2_500)), "100 %", "trouble", *(f"after {i}" for i in range(300))]
    streams = [line.stream for line in open_metrics(reader.directory, refresh=False).console()]
    assert streams.count("stderr") == 1


def test_pictures_are_fetched_when_they_are_wanted(write: Write, read: Read) -> None:
    from arrcoc_core.online.pictures import fetch_pictures

    run = write()
    names = [f"media/images/p_{i}.png" for i in range(3)]
    run.rows([{"p": {"_type": "image-file", "path": name, "caption": f"c{i}"}} for i, name in enumerate(names)])
    for name in names[:2]:
        run.file(name, name.encode())
    reader = read(run)
    assert reader.look().media == 3
    media = open_metrics(reader.directory, refresh=False).media()
    assert [(one.step, one.key, one.caption) for one in media] == [(0, "p", "c0"), (1, "p", "c1"), (2, "p", "c2")]
    assert not any(one.path.exists() for one in media)

    def fetch(which: int) -> list[Path]:
        client = reader.connection.client
        return fetch_pictures(client, reader.reader.path, reader.directory, [media[which].path])

    assert fetch(0) == [media[0].path]
    assert media[0].path.read_bytes() == names[0].encode()
    assert fetch(0) == []  # it is there
    assert fetch(2) == []  # the server does not have it yet
    run.file(names[2], b"late")
    assert fetch(2) == [media[2].path]
    assert not media[1].path.exists()
