"""Samples in order, and the batches made of them.

The order is a pure function of (seed, step, place in the step), whatever loads it: `num_workers` processes, or the
trainer itself.
A picture that several questions of a batch are about is in it once.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from arrcoc_core.errors import ArrcocError
from arrcoc_core.experiment import Data
from training.devices import World
from training.samples import Sample, Samples
from training.shaping import asked, cut
from training.shared_buffers import Packed, SharedBuffers, keep_freed_memory
from training.signals import ignore_in_worker

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

T = TypeVar("T")


@dataclass(frozen=True)
class Batch:
    """B questions, and each picture that any of them is about once.

    pictures: uint8 [H, W, 3] each, of any sizes; about: for each question the places of its pictures, in its order.
    questions, answers: texts. people: what several people answered, () where there is one right answer.
    question_types, answer_types: "" where the set does not say.
    """

    pictures: list[NDArray[np.uint8]]
    about: list[tuple[int, ...]]
    questions: list[str]
    answers: list[str]
    people: list[tuple[str, ...]]
    question_types: list[str]
    answer_types: list[str]


@dataclass(frozen=True)
class Collate:
    """Samples to a batch; text is cut so that question and answer have at most `max_seq_length` tokens together.

    The question is cut at its end, and the answer only where it leaves no room for one token of the question.
    `prompt` is put around the question afterwards.
    """

    tokenizer: PreTrainedTokenizerBase
    max_seq_length: int
    prompt: str = "{question}"

    @staticmethod
    def of(tokenizer: PreTrainedTokenizerBase, data: Data) -> Collate:
        """As the experiment's `data` says: the trainer, the comparison and quick validation ask the same questions."""
        return Collate(tokenizer, data.max_seq_length, data.prompt)

    def __call__(self, samples: Sequence[Sample]) -> Batch:
        texts = self._fit(samples)
        pictures = {
            picture_id: picture
            for sample in samples
            for picture_id, picture in zip(sample.picture_ids, sample.pictures, strict=True)
        }
        places = {picture_id: place for place, picture_id in enumerate(pictures)}
        return Batch(
            list(pictures.values()),
            [tuple(places[picture_id] for picture_id in sample.picture_ids) for sample in samples],
            [question for question, _ in texts],
            [answer for _, answer in texts],
            [sample.answers for sample in samples],
            [sample.question_type for sample in samples],
            [sample.answer_type for sample in samples],
        )

    def _fit(self, samples: Sequence[Sample]) -> list[tuple[str, str]]:
        """Question and answer of each, cut; all at once, for a tokenizer's call costs more than its text."""
        most = self.max_seq_length
        answers = cut(self.tokenizer, [sample.answer for sample in samples], [most - 1] * len(samples))
        questions = cut(self.tokenizer, [sample.question for sample in samples], [most - used for _, used in answers])
        return [
            (asked(self.prompt, question), answer)
            for (question, _), (answer, _) in zip(questions, answers, strict=True)
        ]


@dataclass(frozen=True)
class Order:
    """Which samples each optimizer step sees: a new permutation in each epoch, filled up at its end from its start.

    What is permuted are runs of `together` samples, so that a picture with several questions is looked at once. With
    a `window` samples stay within theirs, and windows follow each other, as a stream needs it.
    """

    count: int
    per_step: int
    seed: int
    together: int = 1
    window: int = 0

    @property
    def steps_per_epoch(self) -> int:
        return -(-self.count // self.per_step)

    def of_step(self, step: int) -> list[tuple[int, int]]:
        """(epoch, index) of each sample of step `step`, counted from 0."""
        epoch, k = divmod(step, self.steps_per_epoch)
        places = (k * self.per_step + np.arange(self.per_step)) % self.count
        order = _permutation(self.count, self.together, self.window, self.seed, epoch)
        return [(epoch, index) for index in order[places].tolist()]


@lru_cache(maxsize=2)
def _permutation(count: int, together: int, window: int, seed: int, epoch: int) -> NDArray[np.int64]:
    rng = np.random.default_rng((seed, epoch))
    if window:
        return np.lexsort((rng.random(count), np.arange(count) // window))
    runs = rng.permutation(-(-count // together))
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
    """One collated batch for each forward pass, prepared `prefetch` ahead in each of `workers` processes.

    Raises what a sample raised, as it was raised, when its batch is due.
    """
    import torch
    from torch.utils.data import DataLoader

    # One for each batch under way, for the one just come, the one in use, and the one that its user had before.
    shared = SharedBuffers(workers * prefetch + 3) if workers and sys.platform == "linux" else None
    loader: DataLoader[Any] = DataLoader(
        _Passes(samples, collate, shared),  # type: ignore[arg-type]
        sampler=_Asked(forwards, shared),  # type: ignore[arg-type]
        batch_size=None,  # a pass at a time
        collate_fn=_as_it_is,
        num_workers=workers,
        prefetch_factor=prefetch if workers else None,
        worker_init_fn=_begin_worker,
        multiprocessing_context="fork" if shared else None,
        generator=torch.Generator(),  # its own, so that loading leaves the global noise alone
    )
    return _raised(iter(loader), shared)  # which starts the processes


def _raised(batches: Iterator[T | ArrcocError | Packed], shared: SharedBuffers | None) -> Iterator[T]:
    for made in batches:
        batch: T | ArrcocError = shared.unpack(made) if shared and isinstance(made, Packed) else made  # type: ignore[assignment]
        if isinstance(batch, ArrcocError):
            del batches  # the error's traceback holds this frame, which must not hold the loader's processes
            raise batch
        yield batch


Pass = tuple[int | None, list[tuple[int, int]]]
"""The shared buffer that a batch goes to, and (epoch, index) of its samples."""


@dataclass(frozen=True)
class _Asked:
    """What the loader asks for. Whichever process a batch falls to, it finds there a buffer that is free."""

    forwards: Forwards
    shared: SharedBuffers | None

    def __iter__(self) -> Iterator[Pass]:
        for keys in self.forwards:
            yield self.shared.take() if self.shared else None, keys

    def __len__(self) -> int:
        return len(self.forwards)


@dataclass(frozen=True)
class _Passes(Generic[T]):
    """A batch of samples, or the first error among them, in the buffer that was asked for.

    An error is handed on as a value: the loader would make one text of it and its traceback in a worker.
    """

    samples: Samples
    collate: Callable[[Sequence[Sample]], T]
    shared: SharedBuffers | None

    def __getitem__(self, wanted: Pass) -> T | ArrcocError | Packed:
        buffer, keys = wanted
        try:
            made = self.collate([self.samples.get(index, draw=epoch) for epoch, index in keys])
        except ArrcocError as error:
            made = error
        return made if self.shared is None or buffer is None else self.shared.pack(made, buffer)


def _as_it_is(made: T) -> T:
    return made


def _begin_worker(worker: int) -> None:
    ignore_in_worker(worker)
    gc.freeze()  # what the trainer has made: to look through it would copy its pages
    keep_freed_memory()
