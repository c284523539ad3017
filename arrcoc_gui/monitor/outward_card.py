"""In the result: where the run is at W&B and on the Hub, and what brings it there."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtWidgets import QHBoxLayout, QPushButton, QWidget

from arrcoc_gui.actions import Action
from arrcoc_gui.monitor.run_links import hub_link, wandb_link
from arrcoc_gui.monitor.run_view import RunView
from arrcoc_gui.theme import theme
from arrcoc_gui.widgets.card import Card, text_label
from arrcoc_gui.widgets.labels import as_written

SHORT = {"wandb": "Open in W&B", "sync": "Sync to W&B…", "hub": "Open on the Hub", "upload": "Upload…"}
"""The actions that have a button here, by the end of their ids."""


class OutwardCard(Card):
    """`offer` gives it the actions; `show_run` says how things stand."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("W&B and the Hub", parent)
        self._actions: dict[str, Action] = {}
        self.buttons: dict[str, QPushButton] = {}
        self.wandb = text_label("")
        self.hub = text_label("")
        for words, names in ((self.wandb, ("wandb", "sync")), (self.hub, ("hub", "upload"))):
            row = QHBoxLayout()
            row.setSpacing(theme().px(8))
            for name in names:
                button = QPushButton(as_written(SHORT[name]))
                button.setAccessibleName(SHORT[name].rstrip("…"))
                button.clicked.connect(lambda _=False, name=name: self._actions[name].run())
                self.buttons[name] = button
                row.addWidget(button)
            row.addStretch(1)
            self.lines.addWidget(words)
            self.lines.addLayout(row)

    def offer(self, actions: Sequence[Action]) -> None:
        self._actions = {action.id.rsplit(".", 1)[-1]: action for action in actions}

    def show_run(self, run: RunView) -> None:
        link = wandb_link(run)
        self.wandb.setText(f"At W&B: {link.url}" if link else f"Not at W&B: {link.why}.")
        upload = run.upload
        self.hub.setText(upload.words() if upload is not None else f"Not on the Hub: {hub_link(run).why}.")
        for name, button in self.buttons.items():
            action = self._actions.get(name)
            button.setVisible(action is not None and action.enabled())
            button.setToolTip(action.title if action is not None else "")
