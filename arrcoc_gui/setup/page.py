"""The Setup page: where to, which keys, and the list of resources with live progress.

Project and region come with the price of a GPU and the quota granted there. A dry run shows what is missing and
changes nothing; Set up creates it after one question. Keys are copied to Secret Manager only where their box was
ticked; their values never pass through here.
"""

from __future__ import annotations

from typing import Any

from PySide6.QtWidgets import QGridLayout, QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from arrcoc_gui.actions import Action
from arrcoc_gui.cloud.account import Account
from arrcoc_gui.cloud.loads import Load
from arrcoc_gui.cloud.page import CloudPage
from arrcoc_gui.cloud.resource_view import ResourceList
from arrcoc_gui.cloud.trouble_view import TroubleView
from arrcoc_gui.cloud_task import Ending
from arrcoc_gui.setup.choices import (
    REGION_HEADERS,
    REGION_RIGHT,
    KeyFound,
    RegionOffer,
    gpus_of,
    region_rows,
)
from arrcoc_gui.state import AppState
from arrcoc_gui.theme import theme
from arrcoc_gui.widgets.card import Card, empty, text_label
from arrcoc_gui.widgets.combo import ComboBox
from arrcoc_gui.widgets.inputs import CheckBox
from arrcoc_gui.widgets.plain_table import PlainTable
from arrcoc_gui.widgets.question import Role, ask

ABOUT = (
    "Creates what training needs: on Vertex AI in your own project, at W&B its project and Launch queue, on the Hub "
    "the repository of results. What is there already is left as it is; it can be stopped and run again at any time."
)

GOOGLE = (
    "Creates buckets, a Docker repository, two service accounts and their roles in {project} ({region}), and asks "
    "Google for the GPU quota your experiments need. Keeping them costs cents a month; nothing is rented."
)
OTHERS = (
    "At W&B: the project, and the Launch queue where an experiment names one. On the Hub: the repository, where one is "
    "named. These are free."
)
ONLY_OTHERS = f"{OTHERS}\n\nWithout a Google Cloud project nothing is made there: runs stay on this machine."


class SetupPage(CloudPage):
    """See the module's docstring."""

    needs_project = False

    def __init__(self, state: AppState, parent: QWidget | None = None) -> None:
        super().__init__(state, "Setup", ABOUT, parent)
        self.projects = Load(state.root, self)
        self.regions = Load(state.root, self)
        self.keys = Load(state.root, self)
        self.project = ComboBox()
        self.project.setEditable(True)
        self.project.setAccessibleName("Project")
        self.project.lineEdit().setPlaceholderText("project id, such as my-project-123")
        self.project.lineEdit().setAccessibleName("Project")
        self.gpu = ComboBox()
        self.gpu.setAccessibleName("GPU whose price and quota is shown")
        self.table = PlainTable("Regions", REGION_HEADERS, right=REGION_RIGHT, stretch=5, most=6, give_way=(5, 4, 2))
        self.loading = text_label("", "muted")
        self.list_trouble = TroubleView()
        self.list_trouble.fix_wanted.connect(self.ask_fix)
        self.rehearse = QPushButton("Rehearse in the sandbox")
        self.rehearse.setAccessibleName("Rehearse in the sandbox")
        self.rehearse.clicked.connect(state.sandbox.turn_on)
        self.key_boxes: dict[str, CheckBox] = {}
        self.resources = ResourceList(
            "Resources", "A dry run lists what there is and what is missing, and changes nothing."
        )
        self.resources.fix_wanted.connect(self.ask_fix)
        self.dry_run = QPushButton("Dry run")
        self.dry_run.setAccessibleName("Dry run: look, change nothing")
        self.dry_run.clicked.connect(self.start_dry_run)
        self.set_up = QPushButton("Set up…")
        self.set_up.setProperty("look", "primary")
        self.set_up.setAccessibleName("Set up; asks first")
        self.set_up.clicked.connect(self.ask_set_up)
        self.change = QPushButton("Change")
        self.change.setProperty("look", "quiet")
        self.change.setAccessibleName("Change project and region")
        self.change.clicked.connect(lambda: self.fold(False))
        self.summary = text_label("", "")
        self._folded = False
        self._keys_shown: list[KeyFound] = []
        self._fill()
        for load in (self.projects, self.regions, self.keys):
            load.changed.connect(self._show_choices)
        self.project.lineEdit().editingFinished.connect(self._project_chosen)
        self.project.activated.connect(lambda _: self._project_chosen())
        self.gpu.currentIndexChanged.connect(lambda _: self._show_regions())
        self._asked_project = ""

    def actions(self) -> list[Action]:  # type: ignore[override] - the page's own actions, not QWidget's
        idle = lambda: not self.busy  # noqa: E731
        make = lambda **k: Action(scope="setup", menu="Cloud", **k)  # noqa: E731
        return [
            make(id="setup.dry", title="Setup: dry run", keys=("D",), run=self.start_dry_run, enabled=idle),
            make(id="setup.run", title="Set up", keys=("Ctrl+Return",), run=self.ask_set_up, enabled=idle),
            make(
                id="setup.cancel",
                title="Stop the setup",
                keys=("Ctrl+.",),
                run=self.ask_cancel,
                enabled=lambda: self.busy,
            ),
        ]

    def focus_first(self) -> None:
        (self.dry_run if self.dry_run.isEnabled() else self.cancel).setFocus()

    def shutdown(self) -> None:
        for load in (self.projects, self.regions, self.keys):
            load.drop()
        super().shutdown()

    # -- what is chosen

    def account_known(self, account: Account) -> None:
        """The project of `.training`, until another one is chosen."""
        self.project.setEditText(account.project)
        self._asked_project = account.project

    def refresh(self) -> None:
        """Load the choices anew."""
        self.projects.load(["setup", "--list", "projects"])
        self.keys.load(["setup", "--list", "keys"])
        self._load_regions()

    @property
    def chosen_project(self) -> str:
        """The id in the field; the list shows titles beside ids."""
        return self.project.currentText().strip().split(" ")[0]

    @property
    def chosen_region(self) -> str:
        return self.table.current_key or (self.account.region if self.account is not None else "")

    def _load_regions(self) -> None:
        project = self.chosen_project
        self.regions.load(["setup", "--list", "regions", *(["--project", project] if project else [])])

    def _project_chosen(self) -> None:
        project = self.chosen_project
        if project and project != self._asked_project:
            self._asked_project = project
            self._load_regions()

    def fold(self, folded: bool) -> None:
        """What was chosen as one line, so that there is room for what is done; or the whole form again."""
        self._folded = folded
        self.form.setVisible(not folded)
        self.summary.setVisible(folded)
        self.change.setVisible(folded)
        self.key_card.setVisible(bool(self._keys_shown) and not folded)
        self.summary.setText(" · ".join(part for part in (self.chosen_project, self.chosen_region) if part))

    # -- acting

    def start_dry_run(self) -> None:
        """Look at everything, change nothing."""
        self._start(["--dry-run"], risky=False)

    def ask_set_up(self) -> None:
        """Ask once, with what will happen, then create."""
        if self.busy:
            return
        project, region = self.chosen_project, self.chosen_region
        others = self.account is not None and self.account.others
        if not project and not others:
            self.project.setFocus()
            self.state.notice.emit("Choose the project first")
            return
        copied = [key.title for key in self._keys_shown if self._ticked(key)]
        keys = f"\n\nCopies to Secret Manager: {', '.join(copied)}." if copied else "\n\nNo key is copied."
        text = f"{GOOGLE.format(project=project, region=region)}{keys}" if project else ONLY_OTHERS
        if project and others:
            text = f"{text}\n\n{OTHERS}"
        where = "in the sandbox" if self.state.sandbox.on else f"in {project}" if project else "at W&B and on the Hub"
        acts = [("Set up", "go", Role.AcceptRole)]
        self._keep(ask(f"Set up {where}?", text, "Not now", acts, self._set_up, self))

    def _set_up(self, answer: str) -> None:
        if answer != "go":
            return
        ticked = [key for key in self._keys_shown if self._ticked(key)]
        self._start(["--yes", *(["--copy-keys"] if ticked else [])], risky=True)

    def _start(self, more: list[str], *, risky: bool) -> None:
        if self.busy:
            return
        project, region = self.chosen_project, self.chosen_region
        arguments = ["setup", *more]
        arguments += ["--project", project] if project else []
        arguments += ["--region", region] if region else []
        self.resources.expect()
        self.fold(True)
        self.begin(arguments, self._said, self._ended, risky=risky)

    def _said(self, line: dict[str, Any]) -> None:
        self.resources.apply(line)
        if line.get("type") == "settings" and line.get("written"):
            changed = ", ".join(line.get("changes") or {})
            self.state.notice.emit(f"Wrote {changed} to .training" if changed else ".training is as it was")

    def _ended(self, ending: Ending) -> None:
        self.resources.stop("stopped" if ending.cancelled else "not reached")
        self.state.accounts_changed.emit()
        failed = [row for row in self.resources.rows.troubles() if row.state == "failed"]
        if failed:
            self.reveal(self.resources.lines_by_key[failed[0].key])
        if ending.ok and self.resources.rows:
            self.state.notice.emit(f"Setup: {self.resources.rows.sentence()}")

    def set_busy(self, busy: bool) -> None:
        for button in (self.dry_run, self.set_up, self.change):
            button.setEnabled(not busy)

    # -- showing

    def _ticked(self, key: KeyFound) -> bool:
        return key.found and self.key_boxes[key.variable].isChecked()

    def _show_choices(self) -> None:
        typed = self.project.currentText()
        entries = [
            (str(line.get("value", "")), str(line.get("title") or ""))
            for line in self.projects.of_type("choice")
            if line.get("what") == "project"
        ]
        words = [f"{value}  ({title})" if title and title != value else value for value, title in entries]
        if words != [self.project.itemText(i) for i in range(self.project.count())]:
            self.project.blockSignals(True)
            self.project.clear()
            self.project.addItems(words)
            self.project.setEditText(typed or (entries[0][0] if len(entries) == 1 else ""))
            self.project.blockSignals(False)
            if not typed and len(entries) == 1:
                self._project_chosen()
        self._show_regions()
        self._show_keys()
        self.list_trouble.show_trouble(self.regions.trouble or self.projects.trouble or self.keys.trouble)
        self.rehearse.setVisible(self.list_trouble.trouble is not None and not self.state.sandbox.on)

    def _show_regions(self) -> None:
        offers = [RegionOffer.of(line) for line in self.regions.of_type("region")]
        gpus = gpus_of(offers)
        if gpus != [self.gpu.itemText(i) for i in range(self.gpu.count())]:
            kept = self.gpu.currentText()
            self.gpu.blockSignals(True)
            self.gpu.clear()
            self.gpu.addItems(gpus)
            self.gpu.setCurrentIndex(max(self.gpu.findText(kept or "L4"), 0))
            self.gpu.blockSignals(False)
        rows = region_rows(offers, self.gpu.currentText())
        self.table.show_rows(rows)
        self.table.setVisible(bool(rows))
        if not self.table.current_key and self.account is not None:
            self.table.select_key(self.account.region)
        loading = self.regions.state == "loading" and not rows
        self.loading.setText("Asking for prices and quota …" if loading else "")
        self.loading.setVisible(loading)

    def _show_keys(self) -> None:
        found = [KeyFound.of(line) for line in self.keys.of_type("key")]
        if found == self._keys_shown:
            return
        self._keys_shown = found
        empty(self._key_lines)
        self.key_boxes.clear()
        for key in found:
            box = CheckBox(key.words)
            box.setEnabled(key.found)
            box.setAccessibleName(f"Copy {key.title} to Secret Manager")
            self.key_boxes[key.variable] = box
            self._key_lines.addWidget(box)
            # The command copies all keys that were found: they are one consent.
            box.toggled.connect(self._tick_together)
        self.key_card.setVisible(bool(found) and not self._folded)

    def _tick_together(self, on: bool) -> None:
        for key in self._keys_shown:
            if key.found and self.key_boxes[key.variable].isChecked() != on:
                self.key_boxes[key.variable].setChecked(on)

    def _fill(self) -> None:
        px = theme().px
        where = self.where = Card("Where")
        where.head.addWidget(self.change)
        form = QGridLayout()
        form.setHorizontalSpacing(px(12))
        form.setVerticalSpacing(px(8))
        form.setColumnStretch(1, 3)
        form.setColumnStretch(3, 1)
        for column, (words, field) in enumerate((("Project", self.project), ("GPU", self.gpu))):
            label = text_label(words, "muted", wrap=False)
            label.setBuddy(field)
            form.addWidget(label, 0, 2 * column)
            form.addWidget(field, 0, 2 * column + 1)
        self.form = QWidget()
        inside = QVBoxLayout(self.form)
        inside.setContentsMargins(0, 0, 0, 0)
        inside.setSpacing(px(10))
        inside.addLayout(form)
        inside.addWidget(self.loading)
        inside.addWidget(self.table)
        where.lines.addWidget(self.summary)
        where.lines.addWidget(self.form)
        where.lines.addWidget(self.list_trouble)
        row = QHBoxLayout()
        row.addWidget(self.rehearse)
        row.addStretch(1)
        where.lines.addLayout(row)
        self.key_card = Card("Keys for the jobs")
        self.key_card.lines.addWidget(
            text_label(
                "A job needs these to log to W&B and to reach the Hub. Ticked, they are copied to Secret Manager in "
                "your project, where only the training account can read them. Nothing is copied unless you tick it.",
                "muted",
            )
        )
        self._key_lines = QHBoxLayout()
        self._key_lines.setSpacing(px(24))
        self.key_card.lines.addLayout(self._key_lines)
        self.key_card.hide()
        self.rehearse.hide()
        self.table.hide()
        self.fold(False)
        for card in (where, self.key_card, self.resources):
            self.body.addWidget(card)
        self.buttons.insertWidget(0, self.dry_run)
        self.buttons.insertWidget(1, self.set_up)
