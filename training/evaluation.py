"""Answer accuracy and cross-entropy on held-out questions at the hard top K, and the lines to read them against.

`eval/accuracy` and `eval/loss`: the base answers from the K tokens the selector ranks highest. An answer is right when
greedy decoding would begin with exactly it; what would come behind it is not judged.
`eval/accuracy_shuffled_question`: the same, but the selector reads another sample's question: what it has learned
about pictures alone.

The reference lines do not change while the selector learns, so each question is put to them once:

- `_full`: all N tokens. `_random`: K at random. `_uniform`: K on an even grid.
- `_teacher`: the K highest of what the selector imitates, the base's own attention; it needs a full pass first.

Where the budget goes by the relevance mass (Tokens.mass), K is each question's own: the selector's are counted by its
scores (`tokens/kept` is the mean), those of the lines by the teacher, so that they stay what they are.

Where several people answered a question, the base also answers it in its own words, and `eval/vqa_accuracy` is the
official accuracy of that (`vqa_accuracy.py`), with the same four reference lines; each costs a generation. In a set
of both kinds a question with one right answer counts in them, too, as 0 or 1.
A name behind another / is a type: of answer in `eval/vqa_accuracy/yes_no`, of question in
`eval/vqa_accuracy_by_question/how_many` and, where there is one right answer, in `eval/accuracy/colour_of_shape`.

The very first evaluation is a first look at a part of the questions, so that there is something to see at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from training.batches import Batch, Collate
from training.devices import World
from training.model.budget import Budget
from training.model.selector import allocate, random_selection, uniform_selection
from training.passes import Passes
from training.pictures import composite, weights_in_words
from training.samples import Samples
from training.tally import Tally, without_many_types
from training.tracking import Picture
from training.vqa_accuracy import vqa_accuracies

if TYPE_CHECKING:
    from training.model.prompts import Asked
    from training.model.seeing import Seen

CHUNK = 64  # questions per pass, where memory is no question
FIRST_LOOK = CHUNK
RANDOM_SEED = 0
KEPT, TOTAL = "tokens/kept", "tokens/total"  # visual tokens of a question, the mean over all
_CACHE_BYTES = 512 * 1024**2


@dataclass(frozen=True)
class _Chunk:
    """Some of the questions as the base sees them; `others` are those of the samples after each, about its picture."""

    batch: Batch
    seen: Seen
    asked: Asked
    others: Asked
    several: bool  # whether several people answered one of them, or one that another rank has in its turn


@dataclass
class Evaluator:
    """Evaluates on a fixed set of questions. With several ranks each takes its share, and all have to call `run`.

    `references`: the reference lines by metric name, once they are known; a resumed run gives them back.
    `chunk`: questions per pass.
    """

    passes: Passes
    samples: Samples
    collate: Collate
    budget: Budget
    pictures: int
    world: World
    chunk: int = CHUNK
    references: dict[str, float] = field(default_factory=dict)
    _chunks: dict[int, _Chunk] = field(default_factory=dict)
    _chunk_bytes: int = 0

    @torch.no_grad()
    def run(self, *, first_look: bool = False, last: bool = False) -> tuple[dict[str, float], tuple[Picture, ...]]:
        """The metrics of the selector as it is now, and pictures of the first questions (on rank 0).

        `first_look`: of the first `FIRST_LOOK` questions only, reference lines included. `last`: with every type of
        question, however many there are.
        """
        count = min(len(self.samples), FIRST_LOOK) if first_look else len(self.samples)
        tally, references, sizes = Tally(), Tally(), Tally()
        pictures: tuple[Picture, ...] = ()
        several = False
        model = self.passes.model
        model.selector.eval()
        chunks = -(-count // self.chunk)
        for first in range(0, chunks, self.world.size):
            # A rank for which none is left goes along with the others: a base that they share needs all of them.
            number, is_ours = (first + self.world.rank) % chunks, first + self.world.rank < chunks
            chunk = self._chunk(number)
            if not self.references:
                self._refer(number, chunk, references if is_ours else Tally())
            scores = model.scores(chunk.seen, chunk.asked)
            counts = self.budget.counts(scores, chunk.seen.present, chunk.batch.questions)
            kept = allocate(scores, counts, chunk.seen.present)
            reading = self.passes.read(chunk.seen, chunk.asked, kept)
            elsewhere = model.scores(chunk.seen, chunk.others)
            astray = self.passes.read(chunk.seen, chunk.asked, allocate(elsewhere, counts, chunk.seen.present))
            measured = tally if is_ours else Tally()
            measured.add("loss", reading.loss.tolist())
            measured.add("accuracy", reading.right.tolist())
            measured.add("accuracy_shuffled_question", astray.right.tolist())
            sizes.add(KEPT, counts.tolist() if is_ours else ())
            sizes.add(TOTAL, chunk.seen.present.sum(1).tolist() if is_ours else ())
            batch = chunk.batch
            several |= chunk.several
            right, kinds = reading.right.tolist(), batch.question_types
            self._score(chunk, kept, right, measured)
            alone = [row for row, people in enumerate(batch.people) if not people]
            measured.add_by_type("accuracy", [right[row] for row in alone], [kinds[row] for row in alone])
            if first == 0 and self.pictures:
                drawn = slice(0, min(self.pictures, len(chunk.asked)))
                _, weights = model.ways(chunk.seen[drawn], chunk.asked[drawn])
                if number == 0 and is_ours:
                    given = model.words(reading.guesses)
                    pictures = tuple(self._draw(chunk, scores, kept, given, weights.tolist()))
        model.selector.train()
        if not several:
            tally.forget("vqa_accuracy")
            references.forget("vqa_accuracy")
        means = tally.means(self.world)
        means = {f"eval/{name}": mean for name, mean in (means if last else without_many_types(means)).items()}
        if not self.references:
            lines = {f"eval/{name}": mean for name, mean in references.means(self.world).items()}
            if not first_look:
                self.references = lines
            means |= lines
        return {**means, **sizes.means(self.world), **self.references}, pictures

    def _chunk(self, number: int) -> _Chunk:
        """Chunk `number` after the frozen part of its way: kept for the next evaluation while there is room."""
        if _by_all(number in self._chunks, self.world):
            return self._chunks[number]
        count = len(self.samples)
        first, last = number * self.chunk, min((number + 1) * self.chunk, count)
        batch = self.collate([self.samples.get(index) for index in range(first, last)])
        after = self.collate([self.samples.get(last % count)])
        seen, asked = self.passes.see(batch)
        others = self.passes.model.ask([*batch.questions[1:], *after.questions], batch.answers, seen.grids)
        chunk = _Chunk(batch, seen, asked, others, _by_any(any(batch.people), self.world))
        if number not in self._chunks and self._chunk_bytes + seen.nbytes <= _CACHE_BYTES:
            self._chunks[number] = chunk
            self._chunk_bytes += seen.nbytes
        return chunk

    def _refer(self, number: int, chunk: _Chunk, tally: Tally) -> None:
        """Which answers of a chunk are right along each reference line."""
        present = chunk.seen.present
        full, teacher = self.passes.read_all(chunk.seen, chunk.asked)
        counts = self.budget.counts(teacher.log(), present, chunk.batch.questions)
        kept = {
            "full": present,
            "random": random_selection(present, counts, RANDOM_SEED + number).to(present.device),
            "uniform": uniform_selection(chunk.seen.grids, counts).to(present.device),
            "teacher": allocate(teacher, counts, present),
        }
        for name, tokens in kept.items():
            reading = full if name == "full" else self.passes.read(chunk.seen, chunk.asked, tokens)
            right = reading.right.tolist()
            tally.add(f"accuracy_{name}", right)
            tally.add(f"vqa_accuracy_{name}", self._scores_of(chunk, tokens, right))

    def _score(self, chunk: _Chunk, kept: Tensor, right: list[bool], tally: Tally) -> None:
        """The VQA accuracy of answers in the base's own words: over all, and of what several people answered by type of
        answer and by type of question."""
        scores, batch = self._scores_of(chunk, kept, right), chunk.batch
        tally.add("vqa_accuracy", scores)
        rows = [row for row, people in enumerate(batch.people) if people]
        values = [scores[row] for row in rows]
        tally.add_by_type("vqa_accuracy", values, [batch.answer_types[row] for row in rows])
        tally.add_by_type("vqa_accuracy_by_question", values, [batch.question_types[row] for row in rows])

    def _scores_of(self, chunk: _Chunk, kept: Tensor, right: list[bool]) -> list[float]:
        """Of each question that several people answered the VQA accuracy, of each other one whether it is `right`."""
        if not chunk.several:
            return list(map(float, right))
        asked = self.passes.model.ask(chunk.batch.questions, None, chunk.seen.grids)
        texts = self.passes.generate(chunk.seen, asked, kept, on_all_ranks=self.world.size > 1)
        return vqa_accuracies(texts, chunk.batch.people, right)

    def _draw(
        self, chunk: _Chunk, scores: Tensor, kept: Tensor, given: list[str], weights: list[list[float]]
    ) -> list[Picture]:
        """Pictures of the first questions, each with the answer that was given, its map and what was kept."""
        batch, drawn = chunk.batch, []
        for k, held in enumerate(weights):
            caption = (
                f"Q: {batch.questions[k]} | answer: {given[k]} | right: {batch.answers[k]} | "
                f"kept {int(kept[k].sum())}/{chunk.seen.counts[k]} | {weights_in_words(held)}"
            )
            rows, columns = chunk.seen.grids[k][0]  # of several pictures, the first
            relevance = scores[k, : rows * columns].float().reshape(rows, columns).cpu().numpy()
            indices = kept[k, : rows * columns].nonzero().flatten().tolist()
            image = composite(batch.pictures[batch.about[k][0]], relevance, indices)
            drawn.append(Picture.encode(f"pictures/{k}", image, caption))
        return drawn


def read_of(values: Mapping[str, float]) -> str:
    """ "8 of 64", from metrics: tokens read, and those there are."""
    return f"{round(values[KEPT], 1):g} of {round(values[TOTAL], 1):g}"


def _by_all(mine: bool, world: World) -> bool:
    """Whether it is so on every rank: who shares the base with others has to make every pass that they make."""
    return all(_votes(mine, world))


def _by_any(mine: bool, world: World) -> bool:
    """Whether it is so on one rank at least."""
    return any(_votes(mine, world))


def _votes(mine: bool, world: World) -> list[bool]:
    if world.size == 1:
        return [mine]
    import torch.distributed as dist

    votes = [False] * world.size
    dist.all_gather_object(votes, mine)
    return votes
