"""The questions the monitor asks before it acts."""

from __future__ import annotations

from PySide6.QtWidgets import QMessageBox, QWidget

from arrcoc_gui.monitor.run_words import CancelQuestion
from arrcoc_gui.widgets.question import Answer, Role, ask


def ask_cancel(question: CancelQuestion, answered: Answer, parent: QWidget) -> QMessageBox:
    """Ask whether to cancel; `answered` hears "run", "sweep" or "" (keep running)."""
    acts = [("Cancel this run", "run", Role.DestructiveRole)]
    if question.rest > 1:
        acts.append((f"Cancel the sweep ({question.rest} runs)", "sweep", Role.DestructiveRole))
    return ask(question.title, question.text, "Keep running", acts, answered, parent)


def ask_cancel_sweep(name: str, rest: int, done: int, answered: Answer, parent: QWidget) -> QMessageBox:
    """Ask whether to cancel what is left of a sweep; `answered` hears "sweep" or ""."""
    text = (
        f"{rest} of its runs have not ended: those that run write a checkpoint and end, those in the queue never "
        f"start. The {done} ended ones keep their results."
    )
    acts = [("Cancel the sweep", "sweep", Role.DestructiveRole)]
    return ask(f"Cancel the sweep {name}?", text, "Keep running", acts, answered, parent)


def ask_launch(title: str, text: str, answered: Answer, parent: QWidget) -> QMessageBox:
    """Ask whether to launch; `answered` hears "launch" or ""."""
    return ask(title, text, "Not now", [("Launch", "launch", Role.AcceptRole)], answered, parent)
