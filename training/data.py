"""Pictures with questions and answers, and the order in which training sees them.

`open_samples` gives a training and a validation set as sequences of `Sample`:

- "synthetic": made on the spot (`training.tiny.synthetic`). The splits "train" and "validation" are separate streams
  of pictures that never meet, nor those the base was trained on. The pictures of a set are the same for every
  experiment. In training four questions in a row are about one picture, and change with the epoch; in validation there
  is one question about each picture, always the same.
- a data set of the Hub, or a folder on this machine in the same layout, with the columns `image`, `question` and one of
  `multiple_choice_answer`, `answer`, `answers` (texts, or records with a text under `answer`). It is pinned:
  `name@revision` says which revision, else the newest one is looked up once and kept for the whole run.
  Code of a data set is never run.

Pictures are scaled to a square of `image_size` pixels. A picture that several questions of a batch are about is in it
once. The order is a pure function of (seed, step, rank), whatever loads it: `num_workers` processes, or the trainer
itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from arrcoc_core.errors import ConfigError
from arrcoc_core.experiment import Data
from arrcoc_core.resolved import SYNTHETIC_SAMPLES
from training.devices import World
from training.signals import ignore_in_worker

if TYPE_CHECKING:
    from PIL import Image
    from transformers import PreTrainedTokenizerBase

T = TypeVar("T", covariant=True)
Split = str

SYNTHETIC_SEED = 0  # of the pictures and validation questions; the experiment's seed decides the order


@dataclass(frozen=True, slots=True)
class Sample:
    """`picture`: uint8 [image_size, image_size, 3], RGB; `picture_id` is the same for the same picture of a set."""

    picture: NDArray[np.uint8]
    picture_id: int
    question: str
    answer: str


class Samples(Protocol):
    """A set of questions, `together` of which follow each other about the same picture."""

    together: int

    def __len__(self) -> int: ...

    def get(self, index: int, draw: int = 0) -> Sample:
        """Question number `index`; `draw` says how often the set was gone through before."""
        ...


def pin(dataset: str) -> str:
    """The data set with the revision that a run stays with: `name@revision`. Synthetic sets and folders as they are."""
    if dataset == "synthetic" or Path(dataset).is_dir() or "@" in dataset:
        return dataset
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HFValidationError, HTTPError

    try:
        return f"{dataset}@{HfApi().dataset_info(dataset).sha}"
    except (OSError, HTTPError, HFValidationError) as error:
        raise ConfigError(
            f"cannot look up the data set {dataset!r}: {error}",
            remedy='Check the name and the connection, or pin it yourself as "name@revision" to use a downloaded copy.',
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
        shown = synthetic.picture(self._split, SYNTHETIC_SEED, number)  # type: ignore[arg-type]
        seed = (SYNTHETIC_SEED, number, draw if self.together > 1 else 0)
        asked = synthetic.questions(shown.things)[np.random.default_rng(seed).permutation(synthetic.QUESTIONS)[k]]
        return Sample(resized(shown.pixels, self._image_size), number, asked.text, asked.answer)


class HubSamples:
    """A map-style set of the `datasets` library; pictures are decoded when asked for."""

    together = 1

    def __init__(self, dataset: str, split: Split, count: int, image_size: int) -> None:
        """`count`: the first so many questions; 0 = all."""
        import datasets

        name, _, revision = dataset.partition("@") if not Path(dataset).is_dir() else (dataset, "", "")
        try:
            rows = datasets.load_dataset(name, split=split, revision=revision or None)
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
        return Sample(resized(picture, self._image_size), index, row["question"], _one_answer(row[self._answer]))


def resized(picture: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """The picture [H, W, 3] scaled to [side, side, 3]; the very same array when it has that size."""
    if picture.shape[:2] == (side, side):
        return picture
    from PIL import Image

    scaled: Image.Image = Image.fromarray(picture).resize((side, side), Image.Resampling.BICUBIC)
    return np.asarray(scaled, dtype=np.uint8)


@dataclass(frozen=True)
class Batch:
    """`pictures`: uint8 [image_size, image_size, 3] each; `about`: for each question the place of its picture."""

    pictures: list[NDArray[np.uint8]]
    about: list[int]
    questions: list[str]
    answers: list[str]


@dataclass(frozen=True)
class Collate:
    """Samples to a batch; text is cut so that question and answer have at most `max_seq_length` tokens together.

    The question is cut at its end, and the answer only where it leaves no room for one token of the question.
    """

    tokenizer: PreTrainedTokenizerBase
    max_seq_length: int

    def __call__(self, samples: Sequence[Sample]) -> Batch:
        texts = [self._fit(sample.question, sample.answer) for sample in samples]
        pictures = {sample.picture_id: sample.picture for sample in samples}
        places = {picture_id: place for place, picture_id in enumerate(pictures)}
        return Batch(
            list(pictures.values()),
            [places[sample.picture_id] for sample in samples],
            [question for question, _ in texts],
            [answer for _, answer in texts],
        )

    def _fit(self, question: str, answer: str) -> tuple[str, str]:
        answer, used = self._cut(answer, self.max_seq_length - 1)
        question, _ = self._cut(question, self.max_seq_length - used)
        return question, answer

    def _cut(self, text: str, most: int) -> tuple[str, int]:
        """The beginning of `text` that makes at most `most` tokens, and how many these are."""
        offsets = self.tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]
        if len(offsets) <= most:
            return text, len(offsets)
        return text[: offsets[most - 1][1]], most


@dataclass(frozen=True)
class Order:
    """Which samples each optimizer step sees: a new permutation in each epoch, filled up at its end from its start.

    What is permuted are runs of `together` samples, so that a picture with several questions is looked at once.
    """

    count: int
    per_step: int
    seed: int
    together: int = 1

    @property
    def steps_per_epoch(self) -> int:
        return -(-self.count // self.per_step)

    def of_step(self, step: int) -> list[tuple[int, int]]:
        """(epoch, index) of each sample of step `step`, counted from 0."""
        epoch, k = divmod(step, self.steps_per_epoch)
        places = (k * self.per_step + np.arange(self.per_step)) % self.count
        order = _permutation(self.count, self.together, self.seed, epoch)
        return [(epoch, index) for index in order[places].tolist()]


@lru_cache(maxsize=2)
def _permutation(count: int, together: int, seed: int, epoch: int) -> NDArray[np.int64]:
    runs = np.random.default_rng((seed, epoch)).permutation(-(-count // together))
    order = (runs[:, None] * together + np.arange(together)).ravel()
    return order[order < count]


@dataclass(frozen=True)
class Forwards:
    """The forward passes of one rank from step `first` to `last` (exclusive), each a list of (epoch, index).

    The samples of a step are shared out evenly among the ranks, so that the result does not hang on their number;
    each rank goes through its share in passes of at most `batch_size`.
    """

    order: Order
    batch_size: int
    world: World
    first: int
    last: int

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        share = self.order.per_step // self.world.size
        for step in range(self.first, self.last):
            mine = self.order.of_step(step)[self.world.rank * share : (self.world.rank + 1) * share]
            for start in range(0, share, self.batch_size):
                yield mine[start : start + self.batch_size]

    def __len__(self) -> int:
        share = self.order.per_step // self.world.size
        return (self.last - self.first) * -(-share // self.batch_size)


def load_batches(
    samples: Samples, forwards: Forwards, collate: Callable[[Sequence[Sample]], T], *, workers: int, prefetch: int
) -> Iterator[T]:
    """One collated batch for each forward pass, prepared `prefetch` ahead in each of `workers` processes."""
    import torch
    from torch.utils.data import DataLoader

    loader: DataLoader[Any] = DataLoader(
        _Keyed(samples),  # type: ignore[arg-type]
        batch_sampler=forwards,  # type: ignore[arg-type]
        collate_fn=collate,
        num_workers=workers,
        prefetch_factor=prefetch if workers else None,
        worker_init_fn=ignore_in_worker,
        generator=torch.Generator(),  # its own, so that loading leaves the global noise alone
    )
    return iter(loader)


@dataclass(frozen=True)
class _Keyed:
    """Samples by (epoch, index), as the loader asks for them."""

    samples: Samples

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, key: tuple[int, int]) -> Sample:
        epoch, index = key
        return self.samples.get(index, draw=epoch)


def _one_answer(held: Any) -> str:
    """The answer to learn: of several, the one most people gave (the first of them at a tie)."""
    if isinstance(held, str):
        return held
    texts = [answer["answer"] if isinstance(answer, dict) else str(answer) for answer in held]
    return Counter(texts).most_common(1)[0][0]
