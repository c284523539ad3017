"""The accuracies of a run, each with what it is: the same rows in the doors and on the card of the Hub.

Which of them says how good a selector is, and how that is said in words, is known here alone.
"""

from collections.abc import Container, Iterable, Mapping

from arrcoc_core.formatting import percent

ACCURACY = "eval/accuracy"
VQA_ACCURACY = "eval/vqa_accuracy"
"""Where several people answered each question: the official accuracy of what is answered in the base's own words."""
FULL = "eval/accuracy_full"
REFERENCES: tuple[tuple[str, str, str], ...] = (
    (ACCURACY, "this selector", "hard top-K of the visual tokens"),
    (FULL, "all tokens", "the frozen model reads every visual token"),
    ("eval/accuracy_uniform", "uniform", "the same budget, an even grid"),
    ("eval/accuracy_random", "random", "the same budget, drawn at random"),
    ("eval/accuracy_teacher", "teacher", "top-K of the frozen model's own attention, after a full pass"),
    ("eval/accuracy_shuffled_question", "another question", "the selector reads another sample's question"),
)
"""Metric, its name, what it is."""
NAMES: Mapping[str, str] = {VQA_ACCURACY: "VQA accuracy", ACCURACY: "accuracy"}
"""The metrics that a selector can be judged by, as they are called in words."""
_MARKS: Mapping[str, str] = {VQA_ACCURACY: "VQA", ACCURACY: ""}


def judged_by(values: Container[str]) -> str:
    """The metric that says how good a selector is, of those that an evaluation has: the accuracy that the data set's
    own benchmark reports, where there is one. `references_of` has its lines."""
    return VQA_ACCURACY if VQA_ACCURACY in values else ACCURACY


def all_judged_by(several: Iterable[Container[str]]) -> str:
    """The metric that several runs are compared by: the VQA accuracy only where each that was evaluated has it, since
    exact matches of one beside the VQA accuracy of another would say nothing."""
    found = {judged_by(values) for values in several if judged_by(values) in values}
    return VQA_ACCURACY if found == {VQA_ACCURACY} else ACCURACY


def references_of(judged: str) -> tuple[tuple[str, str, str], ...]:
    """The rows of `REFERENCES` by another accuracy; not every line is taken of it (none for another question)."""
    return tuple((name.replace(ACCURACY, judged, 1), label, note) for name, label, note in REFERENCES)


def accuracy_of(values: Mapping[str, float]) -> float | None:
    """How good a selector is, of 1; None before the first evaluation."""
    return values.get(judged_by(values))


def accuracy_text(values: Mapping[str, float]) -> str:
    """That as a short text: "98.4 %", "62.5 % VQA", and a dash where it is not known."""
    return f"{percent(accuracy_of(values))} {mark_of(values)}".rstrip()


def mark_of(values: Container[str]) -> str:
    """What stands beside a figure that is no share of exact matches: "VQA", else nothing."""
    return _MARKS[judged_by(values)]


def said_by(judged: str) -> str:
    """What follows a sentence that gives shares of right answers: nothing where exact matches are meant."""
    return f", by the {NAMES[judged]}" if judged == VQA_ACCURACY else ""
