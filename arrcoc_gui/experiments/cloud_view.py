"""The plan of an experiment for the cloud: its price, the ladder of places, the preflight row by row, the request."""

from __future__ import annotations

import json

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QFrame, QHBoxLayout, QPlainTextEdit, QPushButton, QScrollArea, QVBoxLayout, QWidget

from arrcoc_gui.cloud.resource_view import ResourceList
from arrcoc_gui.cloud.trouble_view import TroubleView
from arrcoc_gui.experiments.cloud_plan import LADDER_HEADERS, LADDER_RIGHT, CloudPlanView
from arrcoc_gui.theme import theme
from arrcoc_gui.widgets.card import empty, text_label
from arrcoc_gui.widgets.plain_table import PlainTable


class CloudPlanPane(QScrollArea):
    """`check_wanted`: look at the world now. `fix_wanted` carries the Fix a person wants run."""

    check_wanted = Signal()
    fix_wanted = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.view: CloudPlanView | None = None
        self.setWidgetResizable(True)
        self.setAccessibleName("Plan")
        self.setProperty("look", "bare")
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.price = text_label("", "title")
        self.notes = QVBoxLayout()
        self.notes.setSpacing(theme().px(2))
        self.trouble = TroubleView()
        self.trouble.fix_wanted.connect(self.fix_wanted)
        self.ladder = PlainTable(
            "Places, in the order they are tried",
            LADDER_HEADERS,
            right=LADDER_RIGHT,
            stretch=1,
            least=96,
            give_way=(4, 2),
        )
        self.preflight = ResourceList(
            "Preflight",
            "Looks at the account, quota, image and prices before anything is built or paid.",
            compact=True,
        )
        self.preflight.setProperty("look", "")
        self.preflight.fix_wanted.connect(self.fix_wanted)
        self.check = QPushButton("Check now")
        self.check.setAccessibleName("Check the cloud now; creates nothing")
        self.check.clicked.connect(self.check_wanted)
        self.show_request = QPushButton("Show the exact request")
        self.show_request.setProperty("look", "link")
        self.show_request.clicked.connect(self._toggle_request)
        self.request = QPlainTextEdit()
        self.request.setReadOnly(True)
        self.request.setProperty("look", "mono")
        self.request.setAccessibleName("The request of the first place, as JSON")
        self.copy = QPushButton("Copy")
        self.copy.setProperty("look", "quiet")
        self.copy.setAccessibleName("Copy the request")
        self.copy.clicked.connect(lambda: QGuiApplication.clipboard().setText(self.request.toPlainText()))
        self._lay_out()

    def show_plan(self, view: CloudPlanView) -> None:
        """Show a plan; the preflight of another experiment goes, that of the same one stays."""
        if view == self.view:
            return
        if self.view is None or self.view.name != view.name:
            self.preflight.clear_rows()
            self.trouble.show_trouble(None)
        self.view = view
        self.price.setText(view.headline())
        empty(self.notes)
        for words, look in view.notes():
            self.notes.addWidget(text_label(words, look))
        self.ladder.show_rows(view.ladder())
        requests = view.cloud.get("requests") or []
        self.request.setPlainText(json.dumps(requests[0], indent=2) if requests else "")
        self.show_request.setVisible(bool(requests))

    def set_checking(self, checking: bool) -> None:
        self.check.setEnabled(not checking)
        self.check.setText("Checking …" if checking else "Check now")

    def reveal(self, widget: QWidget) -> None:
        """Scroll to it once it has its place."""
        QTimer.singleShot(0, widget, lambda: self.ensureWidgetVisible(widget, 0, theme().px(12)))

    def _toggle_request(self) -> None:
        shown = self.request.isHidden()
        self.request.setVisible(shown)
        self.copy.setVisible(shown)
        self.show_request.setText("Hide the request" if shown else "Show the exact request")

    def _lay_out(self) -> None:
        px = theme().px
        body = QWidget()
        column = QVBoxLayout(body)
        column.setContentsMargins(px(4), px(10), px(8), px(8))
        column.setSpacing(px(8))
        column.addWidget(self.price)
        column.addLayout(self.notes)
        column.addWidget(text_label("Tried in this order", "label"))
        column.addWidget(self.ladder)
        column.addWidget(self.trouble)
        self.preflight.layout().setContentsMargins(0, px(4), 0, 0)
        self.preflight.head.addWidget(self.check)
        column.addWidget(self.preflight)
        row = QHBoxLayout()
        row.addWidget(self.show_request)
        row.addStretch(1)
        row.addWidget(self.copy)
        column.addLayout(row)
        self.request.setMinimumHeight(px(260))
        self.request.hide()
        self.copy.hide()
        column.addWidget(self.request)
        column.addStretch(1)
        self.setWidget(body)
