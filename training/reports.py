"""What a training makes known while it goes on: evaluations, rows of metrics, the summary, and the best selector yet.

`summary` holds the newest value of every metric. A checkpoint carries it, and a resumed run takes it up again.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from training.evaluation import KEPT, TOTAL, Evaluator, read_of
from training.hub.publisher import Publisher
from training.progress import Clock, Story
from training.results import Results
from training.tracking import NoTracker, Row, Tracker


@dataclass
class Reports:
    """`total`: optimizer steps of the whole training. With several ranks all of them have to call `evaluate`."""

    story: Story
    tracker: Tracker | NoTracker
    evaluator: Evaluator
    clock: Clock
    results: Results
    publisher: Publisher
    total: int
    summary: dict[str, float] = field(default_factory=dict)

    def evaluate(self, step: int) -> Row:
        """The selector after `step` on the held-out questions, said in a line, not yet reported."""
        self.story.progress("evaluating", step, eta_s=self.clock.left(step))
        had_references = bool(self.evaluator.references)
        with self.clock.evaluating():
            values, pictures = self.evaluator.run(first_look=step == 0, last=step == self.total)
        self.story.say(
            f"step {step}/{self.total}: {values['eval/accuracy']:.1%} right from {read_of(values)} tokens, "
            f"loss {values['eval/loss']:.3f}; "
            f"when the selector reads another question {values['eval/accuracy_shuffled_question']:.1%}"
        )
        references = self.evaluator.references
        if references and not had_references:
            shown = ", ".join(f"{name.split('_')[-1]} {v:.1%}" for name, v in sorted(references.items()))
            count = len(self.evaluator.samples)
            self.story.say(f"reference lines on all {count:,} held-out questions: {shown}")
        return Row(step, values, pictures)

    def report(self, row: Row) -> None:
        """Log a row; after an evaluation also leave the summary, and send off a selector that is the best so far."""
        self.tracker.log(row)
        self.summary.update(row.values)
        if row.pictures or "eval/accuracy" in row.values:
            self.story.summary(self.summary)
        if self.results.history.add(row) and row.step < self.total:
            self.publisher.send_best(row.step, lambda folder: self.results.leave(folder, row.step, self.summary))

    def tokens(self) -> dict[str, float]:
        """How many visual tokens a question kept, and had, at the last evaluation."""
        return {name: self.summary[name] for name in (KEPT, TOTAL)}
