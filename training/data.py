"""Pictures with questions and answers.

`open_samples` gives a training and a validation set as sequences of `Sample`:

- "synthetic": made on the spot (`training.tiny.synthetic`). The splits "train" and "validation" are separate streams
  of pictures that never meet, nor those the base was trained on. The pictures of a set are the same for every
  experiment. In training four questions in a row are about one picture, and change with the epoch; in validation there
  is one question about each picture, always the same.
- a data set of the Hub, or a folder on this machine in the same layout, with the columns `image`, `question` and one of
  `multiple_choice_answer`, `answer`, `answers` (texts, or records with a text under `answer`). It is pinned: the
  newest commit, or that of `name@revision`, is looked up once and kept for the whole run.
  Code of a data set is never run.

Pictures are scaled to a square of `image_size` pixels.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections import Counter
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from arrcoc_core.errors import ConfigError
from arrcoc_core.experiment import Data
from arrcoc_core.resolved import SYNTHETIC_SAMPLES
from training.samples import Sample, Samples
from training.shaping import resized

if TYPE_CHECKING:
    from training.tiny.synthetic import Picture as SyntheticPicture

Split = str

_COMMIT = re.compile(r"[0-9a-f]{40}")
SYNTHETIC_SEED = 0  # of the pictures and validation questions; the experiment's seed decides the order


def pin(dataset: str) -> str:
    """The data set with the commit that a run stays with: `name@commit`. Synthetic sets and folders as they are.

    A branch or a tag behind the @ is looked up, too: it may name something else tomorrow. A commit is not.
    """
    name, _, revision = dataset.partition("@")
    if dataset == "synthetic" or Path(dataset).is_dir() or _COMMIT.fullmatch(revision):
        return dataset
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HFValidationError, HTTPError

    try:
        api = HfApi(endpoint=os.environ.get("HF_ENDPOINT") or None)
        return f"{name}@{api.dataset_info(name, revision=revision or None).sha}"
    except (OSError, HTTPError, HFValidationError) as error:
        raise ConfigError(
            f"cannot look up the data set {dataset!r}: {error}",
            remedy='Check the name and the connection, or pin it yourself as "name@COMMIT" to use a downloaded copy.',
        ) from error


def open_samples(data: Data, dataset: str, count_val: int) -> tuple[Samples, Samples]:
    """Training and validation set. `dataset` is the pinned name; `count_val` the most questions to validate on.

    Raises ConfigError when the set, a split or a column is not there.
    """
    if data.split_train == data.split_val:
        raise ConfigError(
            f"data.split_train and data.split_val are both {data.split_train!r}",
            remedy="Evaluate on questions that training does not see: choose another split.",
        )
    sizes = data.max_train_samples, count_val
    if dataset == "synthetic":
        train_count = data.max_train_samples or SYNTHETIC_SAMPLES
        return (
            Synthetic(data.split_train, train_count, data.image_size, together=4),
            Synthetic(data.split_val, count_val, data.image_size, together=1),
        )
    train, validation = (
        HubSamples(dataset, split, count, data.image_size)
        for split, count in zip((data.split_train, data.split_val), sizes, strict=True)
    )
    return train, validation


class Synthetic:
    """Made when asked for, about half a millisecond each. Without `together` the question never changes."""

    def __init__(self, split: Split, count: int, image_size: int, *, together: int) -> None:
        if split not in ("train", "validation"):
            raise ConfigError(
                f"the synthetic set has no split {split!r}",
                remedy='Use "train" and "validation".',
            )
        self.together = together
        self._split, self._count, self._image_size = split, count, image_size

    def __len__(self) -> int:
        return self._count

    def get(self, index: int, draw: int = 0) -> Sample:
        from training.tiny import synthetic

        number, k = divmod(index, self.together)
        shown = _synthetic_picture(self._split, number)
        seed = (SYNTHETIC_SEED, number, draw if self.together > 1 else 0)
        asked = synthetic.questions(shown.things)[np.random.default_rng(seed).permutation(synthetic.QUESTIONS)[k]]
        return Sample(
            (resized(shown.pixels, self._image_size),), (number,), asked.text, asked.answer, question_type=asked.kind
        )


@lru_cache(maxsize=4)
def _synthetic_picture(split: Split, number: int) -> SyntheticPicture:
    """The same for all of the questions about it, which are asked for one after the other."""
    from training.tiny import synthetic

    return synthetic.picture(split, SYNTHETIC_SEED, number)  # type: ignore[arg-type]


class HubSamples:
    """A map-style set of the `datasets` library; pictures are decoded when asked for."""

    together = 1

    def __init__(self, dataset: str, split: Split, count: int, image_size: int) -> None:
        """`count`: the first so many questions; 0 = all."""
        import datasets

        name, _, revision = dataset.partition("@") if not Path(dataset).is_dir() else (dataset, "", "")
        try:
            rows = datasets.load_dataset(
                name, split=split, revision=revision or None, cache_dir=_cache_of(name), trust_remote_code=False
            )
        except (OSError, ValueError, RuntimeError) as error:
            raise ConfigError(
                f"cannot open split {split!r} of the data set {dataset!r}: {error}",
                remedy="Check the name, the split and the connection. A data set that needs its own code is not "
                'supported; its converted copy often is: "name@refs/convert/parquet".',
            ) from error
        missing = {"image", "question"} - set(rows.column_names)
        self._answer = next((c for c in ("multiple_choice_answer", "answer", "answers") if c in rows.column_names), "")
        if missing or not self._answer:
            raise ConfigError(
                f"the data set {dataset!r} has the columns {', '.join(rows.column_names)}",
                remedy="Needed are image, question, and one of multiple_choice_answer, answer, answers.",
            )
        self._rows = rows.select(range(min(count, len(rows)))) if count else rows
        self._image_size = image_size

    def __len__(self) -> int:
        return len(self._rows)

    def get(self, index: int, draw: int = 0) -> Sample:
        row = self._rows[index]
        picture = np.asarray(row["image"].convert("RGB"), dtype=np.uint8)
        return Sample((resized(picture, self._image_size),), (index,), row["question"], _one_answer(row[self._answer]))


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


def _one_answer(held: Any) -> str:
    """The answer to learn: of several, the one most people gave (the first of them at a tie)."""
    if isinstance(held, str):
        return held
    texts = [answer["answer"] if isinstance(answer, dict) else str(answer) for answer in held]
    return Counter(texts).most_common(1)[0][0]
