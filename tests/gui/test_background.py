"""Work off the GUI thread: where its answers arrive, and that none is lost or comes too late."""

from __future__ import annotations

import threading

import shiboken6
from PySide6.QtCore import QObject, QThread
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from arrcoc_gui.background import background, run_in_background, shut_down_background


def test_result_arrives_on_the_gui_thread(qtbot: QtBot, qapp: QApplication) -> None:
    seen: list[object] = []
    worker: list[int] = []

    def work() -> int:
        worker.append(threading.get_ident())
        return 5

    run_in_background(work, lambda result: seen.append((result, QThread.currentThread() is qapp.thread())))
    qtbot.waitUntil(lambda: bool(seen))
    assert seen == [(5, True)]
    assert worker[0] != threading.get_ident()


def test_error_goes_to_its_handler_else_to_the_banner(qtbot: QtBot) -> None:
    def fail() -> None:
        raise ValueError("no")

    handled: list[Exception] = []
    lost: list[Exception] = []
    background().failed.connect(lost.append)
    run_in_background(fail, None, handled.append)
    qtbot.waitUntil(lambda: len(handled) == 1)
    assert lost == []
    run_in_background(fail)
    qtbot.waitUntil(lambda: len(lost) == 1)
    assert str(lost[0]) == "no"


def test_nobody_is_told_after_cancel_or_deletion(qtbot: QtBot) -> None:
    gate = threading.Event()
    seen: list[str] = []
    parent = QObject()
    cancelled = run_in_background(gate.wait, lambda _: seen.append("cancelled"))
    run_in_background(gate.wait, lambda _: seen.append("deleted"), parent=parent)
    run_in_background(gate.wait, lambda _: seen.append("wanted"))
    cancelled.cancel()
    shiboken6.delete(parent)
    gate.set()
    qtbot.waitUntil(lambda: not background().busy)
    assert seen == ["wanted"]


def test_shutdown_joins_and_names_what_hangs(qtbot: QtBot) -> None:
    gate = threading.Event()
    seen: list[object] = []
    run_in_background(gate.wait, seen.append, name="waiting for the gate")
    assert background().shutdown(50) == ["waiting for the gate"]
    refused = background_of_the_past = background()
    assert refused.busy == []
    gate.set()
    assert shut_down_background() == []
    qtbot.wait(20)
    assert seen == []
    assert background() is not background_of_the_past


def test_after_shutdown_work_is_refused(qtbot: QtBot) -> None:
    pool = background()
    pool.shutdown()
    task = pool.run(lambda: 1 / 0)
    assert task.cancelled
