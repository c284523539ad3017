"""A result as text: of a run (`result_text`) and of a sweep (`sweep_text`)."""

from __future__ import annotations

import textwrap

from arrcoc_core.cli.terminal import STATE_STYLES, paint, paint_state, printable, table, width
from arrcoc_core.formatting import literal
from arrcoc_core.results import NextStep, ResultSummary
from arrcoc_core.sweep_results import SweepSummary


def result_text(result: ResultSummary) -> str:
    """Sentence, references, teacher, selector, how to load it and what next; what is not known is left out."""
    headline = paint(printable(result.sentence), STATE_STYLES.get(result.state))
    blocks = [headline + (f"\n{result.change[0].upper()}{result.change[1:]}." if result.change else "")]
    if result.rows:
        rows = [(row.label, row.text, paint(row.note, "muted")) for row in result.rows]
        blocks.append(table((result.measure, "", "what it is"), rows, right=(1,)))
    if result.state == "succeeded":
        blocks.append(_wrap(result.teacher_note))
    if result.selector_path is not None:
        snippet = textwrap.indent(result.load_snippet, "  ")
        blocks.append(f"The selector: {result.selector_path}\nTo load it:\n{snippet}")
    blocks.append(next_text(result.next_step))
    return "\n\n".join(blocks)


def sweep_text(sweep: SweepSummary) -> str:
    """The swept fields and the metric, one row a run, the best marked."""
    headers = ("", *sweep.fields, sweep.metric.rsplit("/", 1)[-1], "state", "run")
    rows = [
        (
            paint("best", "good") if row.best else "",
            *(literal(value) for value in row.values),
            row.text,
            paint_state(row.state),
            row.run_id,
        )
        for row in sweep.rows
    ]
    numeric = tuple(range(1, len(sweep.fields) + 2))
    return f"{sweep.sentence}\n\n{table(headers, rows, right=numeric)}"


def next_text(step: NextStep) -> str:
    return f"Next: {step.text}\n  {paint(step.command, 'accent')}"


def _wrap(text: str) -> str:
    return textwrap.fill(text, min(100, width()))
