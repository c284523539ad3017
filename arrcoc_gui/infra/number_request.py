"""Questions whose answer is a number: how much quota to ask for, and how many runs an agent may have at once."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QFormLayout, QWidget

from arrcoc_gui.infra.tables import Quota
from arrcoc_gui.theme import theme
from arrcoc_gui.widgets.card import text_label
from arrcoc_gui.widgets.inputs import SpinBox
from arrcoc_gui.widgets.question import Form

MOST_QUOTA = 4096
MOST_SLOTS = 64


class NumberRequest(Form):
    """One number, asked for beside how things stand now; `confirmed` carries it."""

    confirmed = Signal(int)

    def __init__(
        self,
        title: str,
        question: str,
        about: str,
        now: tuple[str, str],
        asked: tuple[str, str],
        most: int,
        agree: tuple[str, str],
        parent: QWidget | None = None,
    ) -> None:
        """now: what stands, and its value; asked: the number's label, and its name for those who listen; agree: as in
        `Form.lay_out`."""
        super().__init__(title, parent)
        self.count = SpinBox()
        self.count.setMinimumHeight(theme().px(30))
        self.count.setRange(1, most)
        self.count.setAccessibleName(asked[1])
        form = QFormLayout()
        form.setHorizontalSpacing(theme().px(14))
        form.addRow(now[0], text_label(now[1], "mono", wrap=False))
        form.addRow(asked[0], self.count)
        self.lay_out(question, about, [form], agree, self._confirm, harmless=False)
        self.count.setFocus()

    def _confirm(self) -> None:
        self.confirmed.emit(self.count.value())
        self.accept()


def quota_request(quota: Quota, parent: QWidget | None = None) -> NumberRequest:
    """How many of what, where. It costs nothing; Google may say no."""
    what = "vCPUs" if quota.gpu == "CPU" else f"{quota.gpu} GPUs"
    granted = "not known" if quota.limit is None else "no limit" if quota.limit < 0 else f"{quota.limit:,}"
    request = NumberRequest(
        "Request quota",
        f"Ask Google for {quota.kind} {what} in {quota.region}?",
        "A request costs nothing. Small numbers are often granted within minutes, others after days, and some are "
        "refused; Infra shows how it stands.",
        ("Granted now", granted),
        ("Ask for", f"How many {what}"),
        MOST_QUOTA,
        ("Request", "Request this quota"),
        parent,
    )
    request.count.setValue(max(quota.needed, (quota.limit or 0) + 1, 1))
    return request


def agent_request(queue: str, waiting: int, *, sandbox: bool, parent: QWidget | None = None) -> NumberRequest:
    """How many runs an agent on this machine may have at once, before it is started."""
    now = "It begins with what waits now. " if waiting else ""
    money = "In the sandbox nothing is paid." if sandbox else "Every run it takes rents a machine, which you pay for."
    return NumberRequest(
        "Start an agent",
        f"Start an agent of {queue} on this machine?",
        f"It takes runs from the queue and sees them to their end on Vertex AI. {now}{money} It goes on when this "
        "window closes, until it is stopped.",
        ("Waiting now", f"{waiting}"),
        ("Runs at once", "How many runs at once"),
        MOST_SLOTS,
        ("Start the agent", "Start the agent"),
        parent,
    )
