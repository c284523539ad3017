"""A row that came from a server is the row that was in the `.wandb` file, whatever is in it."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from wandb_files import write_segment

from arrcoc_core.metrics import index, open_metrics
from arrcoc_core.metrics.cache import CacheWriter, begin_anew
from arrcoc_core.online.decoding import as_columns, flat_config, numbers_of, parse_events, parse_rows, plain_config

NAMES = st.sampled_from(["loss", "train/loss", "d", "h", "word", "_hidden", "ünï/ключ", "a.b"])
LEAVES = st.one_of(
    # wandb-core writes -0.0 as -0, which is the whole number 0 to all who read JSON: no file and no server has it.
    st.floats().map(lambda value: value or 0.0),
    st.integers(-(2**70), 2**70),
    st.booleans(),
    st.none(),
    st.text(max_size=8).filter(lambda text: text not in ("NaN", "Infinity", "-Infinity")),
    st.lists(st.integers(0, 9), max_size=3),
)
VALUES = st.recursive(LEAVES, lambda inner: st.dictionaries(NAMES, inner, min_size=1, max_size=3), max_leaves=4)
ROWS = st.lists(st.dictionaries(NAMES, VALUES, max_size=5), min_size=1, max_size=6)


def nested(row: dict[str, Any], above: tuple[str, ...] = ()) -> dict[tuple[str, ...], Any]:
    """A row as the items of a history record: nested objects become paths of keys."""
    items: dict[tuple[str, ...], Any] = {}
    for key, value in row.items():
        if isinstance(value, dict):
            items |= nested(value, (*above, key))
        else:
            items[*above, key] = value
    return items


def cached(directory: Path, rows: list[dict[str, Any]]) -> Path:
    """The rows in a cache, by way of the lines that a server sends."""
    cache = directory / "metrics"
    cache.mkdir(parents=True)
    writer = CacheWriter(cache, begin_anew(cache))
    lines = [json.dumps(row) for row in rows]
    writer.write_rows(as_columns(parse_rows(lines)), files=Path("files"), start=0.0, counted=0)
    writer.commit()
    return directory


@settings(max_examples=30, deadline=None)
@given(rows=ROWS)
def test_it_is_the_same_as_from_the_file(rows: list[dict[str, Any]], tmp_path_factory: Any) -> None:
    folder = tmp_path_factory.mktemp("rows")
    # Two paths may be spelled the same; which of them counts depends on their order, which a file does not keep.
    plain = [row for row in rows if len({".".join(path) for path in nested(row)}) == len(nested(row))]
    whole = [{**row, "_step": i, "_timestamp": 1_000.0 + i, "trainer/step": 2 * i} for i, row in enumerate(plain)]
    write_segment(folder / "file", [nested(row) for row in whole])
    want, got = open_metrics(folder / "file"), open_metrics(cached(folder / "server", whole), refresh=False)
    assert repr(list(got.rows())) == repr(list(want.rows()))
    assert got.names == want.names
    for name in want.names:
        a, b = got.series(name), want.series(name)
        assert [part.tobytes() for part in (a.step, a.value, a.time)] == [
            part.tobytes() for part in (b.step, b.value, b.time)
        ]


def test_the_three_words_that_json_lacks_are_numbers_quoted_or_not() -> None:
    lines = ['{"_step":0,"a":NaN,"b":Infinity,"c":-Infinity}', '{"_step":1,"a":"NaN","b":"Infinity","c":"-Infinity"}']
    numbers = as_columns(parse_rows(lines)).numbers
    assert all(math.isnan(value) for value in numbers["a"][1])
    assert numbers["b"][1].tolist() == [math.inf] * 2
    assert numbers["c"][1].tolist() == [-math.inf] * 2


def test_a_picture_of_a_run_of_somebody_else_stays_in_its_folder(tmp_path: Path) -> None:
    paths = ["media/images/a.png", "/etc/passwd", "../../escaped.png"]
    rows = [{"_step": i, "p": {"_type": "image-file", "path": path}} for i, path in enumerate(paths)]
    media = open_metrics(cached(tmp_path, rows), refresh=False).media()
    assert [one.path.relative_to(tmp_path.resolve()).as_posix() for one in media] == [
        "files/media/images/a.png",
        "files/passwd",
        "files/escaped.png",
    ]


def test_configuration_and_summary_lose_what_is_w_and_b_s_own() -> None:
    config = {"lr": {"value": 0.1, "desc": None}, "tokens": {"value": {"keep": 64}}, "_wandb": {"value": {"t": 1}}}
    assert plain_config(json.dumps(config)) == {"lr": 0.1, "tokens": {"keep": 64}}
    assert flat_config({"tokens": {"keep": 64}, "sizes": [1, 2]}) == {"tokens.keep": 64, "sizes": (1, 2)}
    described = {"h": {"_type": "histogram", "n": 1}, "p": {"_type": "image-file", "size": 3}}
    summary = {"_step": 9, "acc": 0.5, "word": "x", **described}
    assert numbers_of(summary) == {"acc": 0.5}


def test_system_metrics_have_the_names_of_the_file() -> None:
    lines = ['{"_timestamp":5.5,"system.cpu":1,"system.disk":{"/":{"usage":2}},"_runtime":1}']
    assert parse_events(lines) == {"cpu": [(5.5, 1.0)], "disk./.usage": [(5.5, 2.0)]}


def test_a_cache_of_an_older_version_is_read(tmp_path: Path) -> None:
    old = {"version": index.VERSION, "epoch": "e", "segments": [], "metrics": {}, "system": {}}
    (tmp_path / index.NAME).write_text(json.dumps(old))
    loaded = index.load(tmp_path)
    assert loaded is not None
    assert (loaded.epoch, loaded.remote, loaded.written) == ("e", None, None)
