"""What takes a run out of this window: its pages at W&B and on the Hub, and the uploads to both.

Opening and copying happen at once; an upload shows something to others, so it is asked about first (not when one that
failed is begun again). `actions` is for menus, keys, palette and the button in the header.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from PySide6.QtWidgets import QMessageBox, QWidget

from arrcoc_gui.actions import Action
from arrcoc_gui.links import Link, copy_text, open_web
from arrcoc_gui.monitor.run_links import hub_link, sync_obstacle, upload_obstacle, wandb_link
from arrcoc_gui.monitor.run_view import RunView
from arrcoc_gui.monitor.transfers import Kind, Transfer, Transfers
from arrcoc_gui.widgets.question import Role, ask

if TYPE_CHECKING:
    from arrcoc_gui.state import AppState

NO_RUN = "no run is selected"
SYNC_TEXT = (
    "What it has logged and W&B does not have goes there: rows with the steps they were logged at, pictures, console "
    "log. Nothing is sent twice."
)
UPLOAD_TEXT = (
    "Its selector goes to {where}, with a model card made from the run. It is private or public as the experiment says."
)


class Outward:
    """`run` gives the run in focus, None where there is none (or a sweep as a whole)."""

    def __init__(self, state: AppState, transfers: Transfers, run: Callable[[], RunView | None], page: QWidget) -> None:
        self._state = state
        self._transfers = transfers
        self._run = run
        self._page = page
        self.box: QMessageBox | None = None
        transfers.ended.connect(self._ended)

    def actions(self, scope: str) -> list[Action]:
        """Open, copy, upload."""

        def act(name: str, title: str, keys: tuple[str, ...], run: Callable[[], object], why: Callable[[], str]):
            return Action(
                id=f"{scope}.{name}",
                title=title,
                keys=keys,
                run=run,
                scope=scope,
                menu="Run",
                enabled=lambda: not why(),
                why=why,
            )

        at_wandb, on_hub = lambda: self._link(wandb_link), lambda: self._link(hub_link)
        return [
            act("wandb", "Open in W&B", ("W",), lambda: self._open(at_wandb()), lambda: at_wandb().why),
            act("hub", "Open on the Hub", ("U",), lambda: self._open(on_hub()), lambda: on_hub().why),
            act("copy-wandb", "Copy the link to W&B", (), lambda: self._copy(at_wandb()), lambda: at_wandb().why),
            act("copy-hub", "Copy the link to the Hub", (), lambda: self._copy(on_hub()), lambda: on_hub().why),
            act("upload", "Upload to the Hub…", (), self.ask_upload, lambda: self._obstacle(upload_obstacle)),
            act("sync", "Sync to W&B…", (), self.ask_sync, lambda: self._obstacle(sync_obstacle)),
        ]

    def ask_upload(self) -> None:
        """Ask whether the run's selector is to go to the Hub."""
        run = self._run()
        if run is not None:
            known = run.upload.repo if run.upload is not None else ""
            text = UPLOAD_TEXT.format(
                where=known or "the repository of the experiment, else HF_HUB_REPO_ID of .training"
            )
            self._ask(run, "upload", f"Upload {run.experiment} to the Hub?", text)

    def ask_sync(self) -> None:
        """Ask whether what an offline run has logged is to go to W&B."""
        run = self._run()
        if run is not None:
            self._ask(run, "sync", f"Upload {run.experiment} to W&B?", SYNC_TEXT)

    def again(self, kind: Kind) -> None:
        """Begin an upload again that has failed or was stopped."""
        run = self._run()
        if run is not None:
            self._transfers.begin(run.id, kind)

    def stop(self) -> None:
        """Stop what goes on of the run in focus; nothing of it is lost."""
        run = self._run()
        if run is not None:
            self._transfers.cancel(run.id)

    def dismiss(self) -> None:
        run = self._run()
        if run is not None:
            self._transfers.dismiss(run.id)

    def _ask(self, run: RunView, kind: Kind, title: str, text: str) -> None:
        def answered(answer: str) -> None:
            if answer == "go":
                self._transfers.begin(run.id, kind)

        if run.sandbox:
            text += "\n\nIn the sandbox: nothing leaves this machine."
        self.box = ask(title, text, "Not now", [("Upload", "go", Role.AcceptRole)], answered, self._page)
        self.box.destroyed.connect(self._gone)

    def _gone(self) -> None:
        self.box = None

    def _ended(self, run_id: str, transfer: Transfer) -> None:
        if transfer.state == "done":
            self._state.notice.emit(f"{run_id}: {transfer.words()}")
        self._state.poll()

    def _link(self, of: Callable[[RunView], Link]) -> Link:
        run = self._run()
        return Link(why=NO_RUN) if run is None else of(run)

    def _obstacle(self, of: Callable[[RunView], str]) -> str:
        run = self._run()
        if run is None:
            return NO_RUN
        return "an upload goes on" if self._transfers.going_on(run.id) else of(run)

    def _open(self, link: Link) -> None:
        if not open_web(link.url):
            self._state.notice.emit(f"No browser could be opened. The page is {link.url}")

    def _copy(self, link: Link) -> None:
        copy_text(link.url)
        self._state.notice.emit(f"Copied {link.url}")
