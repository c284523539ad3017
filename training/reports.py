"""What a training makes known while it goes on: evaluations, rows of metrics, the summary, and the best selector yet.

`summary` holds the newest value of every metric. A checkpoint carries it, and a resumed run takes it up again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from arrcoc_core.references import ACCURACY, FULL, VQA_ACCURACY
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
    warned: bool = False

    def evaluate(self, step: int) -> Row:
        """The selector after `step` on the held-out questions, said in a line, not yet reported."""
        self.story.progress("evaluating", step, eta_s=self.clock.left(step))
        had_references = bool(self.evaluator.references)
        with self.clock.evaluating():
            values, pictures = self.evaluator.run(first_look=step == 0, last=step == self.total)
        by_people = f", VQA accuracy {values[VQA_ACCURACY]:.1%}" if VQA_ACCURACY in values else ""
        self.story.say(
            f"step {step}/{self.total}: {values[ACCURACY]:.1%} right from {read_of(values)} tokens{by_people}, "
            f"loss {values['eval/loss']:.3f}; "
            f"when the selector reads another question {values['eval/accuracy_shuffled_question']:.1%}"
        )
        references = self.evaluator.references
        if references and not had_references:
            count = len(self.evaluator.samples)
            self.story.say(f"reference lines on all {count:,} held-out questions: {lines_of(ACCURACY, references)}")
            if by_people:
                self.story.say(f"by the VQA accuracy: {lines_of(VQA_ACCURACY, references)}")
        if not (self.warned or had_references) and (warning := written_otherwise(values)):
            self.warned = True
            self.story.say(warning)
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


def lines_of(judged: str, references: Mapping[str, float]) -> str:
    """ "full 100.0%, random 24.1%": the reference lines of one kind of accuracy."""
    own = {name.removeprefix(f"{judged}_"): v for name, v in references.items() if name.startswith(f"{judged}_")}
    return ", ".join(f"{name} {value:.1%}" for name, value in sorted(own.items()))


def written_otherwise(values: Mapping[str, float]) -> str:
    """A warning where the base knows the answers and does not write them as the data set does; else "".

    Then exact matches say little, and an objective that rewards the answer's tokens ("rloo", the gates) rewards what
    the base would not write.
    """
    exact, by_people = values[FULL], values.get(f"{VQA_ACCURACY}_full", 0.0)
    if exact >= by_people / 2:
        return ""
    return (
        f"WARNING: with all tokens {by_people:.1%} of the answers are right by the VQA accuracy, and only {exact:.1%} "
        'begin exactly as the data set writes them: the base writes its answers otherwise, as "Yes" for "yes". '
        "Exact matches then say little, and an objective that rewards the data's own spelling rewards the wrong thing. "
        'Say in data.prompt how answers are written ("… in lower case, numbers as digits") and launch that instead; '
        "the captions of the pictures show both."
    )
