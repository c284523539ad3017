"""The accuracies of a run, each with what it is: the same rows in the doors and on the card of the Hub."""

ACCURACY = "eval/accuracy"
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
