"""Rows of a data set of the Hub, or of a folder in its layout, by the `datasets` library: downloaded, or streamed.

Neither way is any code of the data set run, and pictures stay as they were encoded until a sample is asked for. Class
labels, which the library gives as numbers, are given by their names.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from arrcoc_core.errors import ConfigError, DataError, RunError
from training.rows import PICTURES, TEXTS, Row, check_columns

STREAM_WINDOW = 1024
"""Rows of a stream that are held at a time; they are shuffled among themselves. As encoded pictures, about 100 MB."""
_PER_READ = 16  # rows


class HubRows:
    """A split that is on this machine, or is brought here first."""

    window = 0
    folder = None

    def __init__(self, dataset: str, split: str, count: int) -> None:
        """`count`: the first so many rows; 0 = all."""
        self.title = f"{dataset} ({split})"
        rows = _open(dataset, split, streaming=False)
        check_columns(self.title, rows.column_names)
        rows = _undecoded(rows)
        self._rows = rows.select(range(min(count, len(rows)))) if count else rows

    def __len__(self) -> int:
        return len(self._rows)

    def row(self, index: int) -> Row:
        return _named(self._rows[index], self._rows.features, f"row {index:,} of {self.title}")


class StreamedRows:
    """A split that is read over the network while it is used, from its first row on, as often as it has to be.

    One window of rows is held. Going back, and going on after a stop, means to read again from the beginning, without
    decoding. Each process that prepares batches reads for itself.
    """

    window = STREAM_WINDOW
    folder = None

    def __init__(self, dataset: str, split: str, count: int) -> None:
        self.title = f"{dataset} ({split})"
        rows = _open(dataset, split, streaming=True)
        check_columns(self.title, rows.column_names)
        known = (rows.info.splits or {}).get(split)
        total = known.num_examples if known else 0
        if not (count or total):
            raise ConfigError(
                f"{self.title} does not say how many rows it has, and without that a stream has no epochs",
                remedy="Set data.max_train_samples, or data.streaming=False.",
            )
        self._count = min(count, total) if count and total else count or total
        self._rows = _undecoded(rows)
        self._held: list[Row] = []
        self._first = 0
        self._reader: Any = None

    def __len__(self) -> int:
        return self._count

    def row(self, index: int) -> Row:
        first = index // self.window * self.window
        if first != self._first or not self._held:
            self._hold(first)
        return _named(self._held[index - self._first], self._rows.features, f"row {index:,} of {self.title}")

    def _hold(self, first: int) -> None:
        """Read on to the window that begins with row `first`; from the beginning where it was passed already."""
        from datasets.exceptions import DatasetsError
        from httpx2 import HTTPError

        try:
            following = self._first + len(self._held)
            if self._reader is None or first < following:
                self._reader, following = self._read_from(first), first
            while following < first:
                following += sum(1 for _ in zip(range(min(self.window, first - following)), self._reader, strict=False))
            wanted = min(self.window, self._count - first)
            self._held = [row for _, row in zip(range(wanted), self._reader, strict=False)]
        except (OSError, HTTPError) as error:
            raise RunError(
                f"reading {self.title} failed at row {first:,}: {error}",
                remedy="Check the connection, and the data set's file; then start again: the run goes on from its last "
                "checkpoint.",
            ) from error
        except (ValueError, RuntimeError, DatasetsError) as error:  # of whatever parses the file
            # Not final, as a wrong configuration is: half a file that the network gave is no JSON either.
            raise RunError(
                f"{self.title} cannot be read at row {first:,} or soon after: {_cause(error)}",
                remedy="Start again: the run goes on from its last checkpoint. If it ends at the same row, repair that "
                "file of the data set, or take fewer rows (data.max_train_samples).",
            ) from error
        self._first = first
        if len(self._held) < wanted:
            raise ConfigError(
                f"{self.title} has only {first + len(self._held):,} rows, and {self._count:,} were asked for",
                remedy="Lower data.max_train_samples (for the held-out questions evaluation.samples).",
            )

    def _read_from(self, first: int) -> Any:
        rows = self._rows.skip(first) if first else self._rows
        # In batches: row by row the library would give each process of torch's loader rows of its own.
        for batch in rows.iter(batch_size=_PER_READ):
            names = list(batch)
            for values in zip(*batch.values(), strict=True):
                yield dict(zip(names, values, strict=True))


def _open(dataset: str, split: str, *, streaming: bool) -> Any:
    import datasets
    from datasets.exceptions import DatasetsError
    from httpx2 import HTTPError

    name, _, revision = dataset.partition("@") if not Path(dataset).is_dir() else (dataset, "", "")
    try:
        rows: Any = datasets.load_dataset(
            name,
            split=split,
            revision=revision or None,
            cache_dir=_cache_of(name),
            streaming=streaming,
            trust_remote_code=False,
        )
        return rows._resolve_features() if streaming and rows.column_names is None else rows
    except (OSError, ValueError, RuntimeError, HTTPError, DatasetsError) as error:
        raise ConfigError(
            f"cannot open split {split!r} of the data set {dataset!r}: {_cause(error)}",
            remedy="Check the name, the split, the connection, and the file where one is named. A data set that needs "
            'its own code is not supported; its converted copy often is: "name@refs/convert/parquet".',
        ) from error


def _cause(error: Exception) -> str:
    """What is wrong: the library's own "An error occurred while generating the dataset" only stands around it."""
    from datasets.exceptions import DatasetGenerationError

    within = error.__cause__ if isinstance(error, DatasetGenerationError) else None
    return str(within or error)


def _undecoded(rows: Any) -> Any:
    import datasets

    for column in PICTURES:
        feature = (rows.features or {}).get(column)
        if isinstance(feature, datasets.Image):
            rows = rows.cast_column(column, datasets.Image(decode=False))
        elif isinstance(getattr(feature, "feature", None), datasets.Image):
            rows = rows.cast_column(column, datasets.List(datasets.Image(decode=False)))
        elif isinstance(feature, list) and isinstance(feature[0], datasets.Image):
            rows = rows.cast_column(column, [datasets.Image(decode=False)])
    return rows


def _named(row: Row, features: Any, where: str) -> Row:
    """The row with the names of class labels in its texts. `features`: of the set, None where it does not say."""
    known = features or {}
    return {
        column: _names(held, known[column], f"{column} in {where}") if column in TEXTS and column in known else held
        for column, held in row.items()
    }


def _names(held: Any, feature: Any, where: str) -> Any:
    """A value with the names of class labels in the place of their numbers, however deep they lie."""
    import datasets

    if held is None:
        return None
    if isinstance(feature, datasets.ClassLabel):
        return _name(held, feature, where)
    if isinstance(feature, dict):
        return {key: _names(held[key], inner, where) for key, inner in feature.items()}
    inner = feature[0] if isinstance(feature, list) else getattr(feature, "feature", None)
    return held if inner is None else [_names(one, inner, where) for one in held]


def _name(label: int, feature: Any, where: str) -> str | None:
    if label == -1:  # how the library says that there is none
        return None
    if not 0 <= label < feature.num_classes:
        raise DataError(
            f"the {where} is the class label {label}, and there are {feature.num_classes} of them, from 0 on",
            remedy="Repair the data set, or write its texts as texts.",
        )
    return feature.int2str(label)


def _cache_of(name: str) -> str | None:
    """Where the prepared copy of a folder is kept: apart for each state of its files. None: where `datasets` keeps it.

    The library itself knows a folder by its name alone, and would go on with the old rows after an edit.
    """
    import datasets

    if not Path(name).is_dir():
        return None
    folder = Path(name).resolve()
    state = [str(folder)]
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        facts = path.stat()
        state.append(f"{path.relative_to(folder)} {facts.st_size} {facts.st_mtime_ns}")
    digest = hashlib.sha256("\n".join(state).encode()).hexdigest()
    return str(Path(datasets.config.HF_DATASETS_CACHE) / f"folder-{digest[:16]}")
