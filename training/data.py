"""Pictures with questions and answers.

`open_samples` gives a training and a validation set as sequences of `Sample`:

- "synthetic", "synthetic-hard": made on the spot (`training.tiny.synthetic`). The splits "train" and "validation" are
  separate streams of pictures that never meet, nor those the base was trained on. The pictures of a set are the same
  for every experiment. In training four questions in a row are about one picture, and change with the epoch; in
  validation there is one question about each picture, always the same. The hard set asks about places, too.
- a data set of the Hub, or a folder in its layout (`training/hub_rows.py`), downloaded or streamed. It is pinned: the
  newest commit, or that of `name@revision`, is looked up once and kept for the whole run.
- VQAv2 in its own format, or records in JSON (`training/file_rows.py`).

Which columns a row has to have is in `training/rows.py`, how pictures are scaled in `training/shaping.py`. Code of a
data set is never run.
"""

from __future__ import annotations

import os
import re
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from arrcoc_core.errors import ConfigError
from arrcoc_core.experiment import Data
from arrcoc_core.resolved import SYNTHETIC, SYNTHETIC_SAMPLES
from training.file_rows import open_files
from training.hub_rows import HubRows, StreamedRows
from training.rows import RowSamples
from training.samples import Sample, Samples
from training.shaping import Sizing

if TYPE_CHECKING:
    from training.tiny.synthetic import Picture as SyntheticPicture

Split = str

_COMMIT = re.compile(r"[0-9a-f]{40}")
HARD = "synthetic-hard"
SYNTHETIC_SEED = 0  # of the pictures and validation questions; the experiment's seed decides the order


def pin(dataset: str) -> str:
    """The data set with the commit that a run stays with: `name@commit`. Synthetic sets and local ones as they are.

    A branch or a tag behind the @ is looked up, too: it may name something else tomorrow. A commit is not.
    """
    name, _, revision = dataset.partition("@")
    if dataset in SYNTHETIC or Path(dataset).exists() or _COMMIT.fullmatch(revision):
        return dataset
    if Path(dataset).is_absolute():
        raise ConfigError(
            f"the data set {dataset} is not on this machine",
            remedy="Check the path; a job in the cloud sees no folder of yours: take a data set of the Hub there.",
        )
    from httpx2 import HTTPError
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HFValidationError

    try:
        api = HfApi(endpoint=os.environ.get("HF_ENDPOINT") or None)
        return f"{name}@{api.dataset_info(name, revision=revision or None).sha}"
    except (OSError, HTTPError, HFValidationError) as error:
        raise ConfigError(
            f"cannot look up the data set {dataset!r}: {error}",
            remedy='Check the name and the connection, or pin it yourself as "name@COMMIT" to use a downloaded copy. '
            "A local one is given by its whole path.",
        ) from error


def open_samples(
    data: Data, dataset: str, count_val: int, token_side: int = 1, least: int = 0
) -> tuple[Samples, Samples]:
    """Training and validation set. `dataset` is the pinned name; `count_val` the most questions to validate on.

    `token_side`: pixels a side of one visual token of the base, which both sides of a picture are multiples of.
    `least`: visual tokens that a question has to have; a picture too small for that is a bad one.
    Raises ConfigError when the set, a split or a column is not there.
    """
    if data.split_train == data.split_val:
        raise ConfigError(
            f"data.split_train and data.split_val are both {data.split_train!r}",
            remedy="Evaluate on questions that training does not see: choose another split.",
        )
    sizing = Sizing(data.resize, data.image_size, data.min_pixels, token_side)
    if dataset in SYNTHETIC:
        train_count = data.max_train_samples or SYNTHETIC_SAMPLES
        return (
            Synthetic(data.split_train, train_count, sizing, together=4, hard=dataset == HARD),
            Synthetic(data.split_val, count_val, sizing, together=1, hard=dataset == HARD),
        )
    train, validation = (
        _open(data, dataset, split, count, sizing, least)
        for split, count in ((data.split_train, data.max_train_samples), (data.split_val, count_val))
    )
    return train, validation


def _open(data: Data, dataset: str, split: Split, count: int, sizing: Sizing, least: int) -> RowSamples:
    rows = open_files(dataset, split, count, data.bad_pictures)
    if rows is None:
        rows = (StreamedRows if data.streaming else HubRows)(dataset, split, count)
    elif data.streaming:
        raise ConfigError(
            f"data.streaming is for data sets of the Hub, and {dataset} is on this machine",
            remedy="Set data.streaming=False: its pictures are read one by one as they are needed anyway.",
        )
    return RowSamples(rows, sizing, data.bad_pictures, least)


class Synthetic:
    """Made when asked for, about half a millisecond each. Without `together` the question never changes."""

    window = 0

    def __init__(self, split: Split, count: int, sizing: Sizing, *, together: int, hard: bool = False) -> None:
        """`hard`: places are asked about, too."""
        if split not in ("train", "validation"):
            raise ConfigError(
                f"the synthetic set has no split {split!r}",
                remedy='Use "train" and "validation".',
            )
        self.together = together
        self._split, self._count, self._sizing, self._hard = split, count, sizing, hard

    def __len__(self) -> int:
        return self._count

    def get(self, index: int, draw: int = 0) -> Sample:
        from training.tiny import synthetic

        number, k = divmod(index, self.together)
        shown = _synthetic_picture(self._split, number)
        seed = (SYNTHETIC_SEED, number, draw if self.together > 1 else 0)
        asked_for = synthetic.questions(shown.things, synthetic.HARD if self._hard else synthetic.EASY)
        asked = asked_for[np.random.default_rng(seed).permutation(len(asked_for))[k]]
        return Sample(
            (self._sizing(shown.pixels),),
            (number,),
            asked.text,
            asked.answer,
            question_type=asked.kind,
            region=synthetic.region(asked.thing),
        )


@lru_cache(maxsize=4)
def _synthetic_picture(split: Split, number: int) -> SyntheticPicture:
    """The same for all of the questions about it, which are asked for one after the other."""
    from training.tiny import synthetic

    return synthetic.picture(split, SYNTHETIC_SEED, number)  # type: ignore[arg-type]
