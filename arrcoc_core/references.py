"""The accuracies of a run, each with what it is: the same rows in the doors and on the card of the Hub."""

from collections.abc import Container

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


def judged_by(values: Container[str]) -> str:
    """The metric that says how good a selector is, of those that an evaluation has: the accuracy that the data set's
    own benchmark reports, where there is one. Behind it, `_full` and the other names of `REFERENCES` are its lines."""
    return VQA_ACCURACY if VQA_ACCURACY in values else ACCURACY
