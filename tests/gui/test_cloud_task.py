"""CloudTask: real child processes; what they say, how they end, and that none of them is left."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import psutil
import pytest
import shiboken6
from PySide6.QtCore import QObject
from pytestqt.qtbot import QtBot

from arrcoc_gui.cloud_task import CloudTask, Ending, cloud_tasks, end_cloud_tasks

SLOW_MS = 30_000


class Ear:
    """Hears one task."""

    def __init__(self, task: CloudTask) -> None:
        self.task = task
        self.lines: list[dict[str, Any]] = []
        self.endings: list[Ending] = []
        task.said.connect(self.lines.append)
        task.ended.connect(self.endings.append)


def script(tmp_path: Path, code: str) -> Ear:
    """A child that runs `code` instead of the command line."""
    return Ear(CloudTask(tmp_path, ["-c", code], program=sys.executable))


def run(qtbot: QtBot, ear: Ear) -> Ending:
    ear.task.start()
    qtbot.waitUntil(lambda: bool(ear.endings), timeout=SLOW_MS)
    assert len(ear.endings) == 1
    return ear.endings[0]


def test_the_command_line_speaks_in_lines_or_in_one_object(project: Path, qtbot: QtBot) -> None:
    # One indented object over many lines.
    ear = Ear(CloudTask(project, ["plan", "quickstart"]))
    assert run(qtbot, ear).ok
    assert [line["experiment"] for line in ear.lines] == ["quickstart"]
    # One object a line.
    ear = Ear(CloudTask(project, ["plan", "quickstart", "--events"]))
    assert run(qtbot, ear).ok
    assert [sorted(line) for line in ear.lines] == [["plan"], ["done", "ok"]]


def test_a_refusal_is_message_and_numbered_fixes(project: Path, qtbot: QtBot) -> None:
    ending = run(qtbot, Ear(CloudTask(project, ["plan", "nothing_like_it"])))
    assert ending.code == 2 and ending.trouble is not None
    assert "nothing_like_it" in ending.trouble.message and not ending.trouble.message.startswith("error")


def test_lines_that_come_in_pieces_and_noise_between_them(tmp_path: Path, qtbot: QtBot) -> None:
    code = (
        "import sys,time\n"
        "w=sys.stdout\n"
        'w.write(\'{"type": "reso\'); w.flush(); time.sleep(.2)\n'
        'w.write(\'urce", "resource": "a"}\\nnot json\\n{"type": "done"\'); w.flush(); time.sleep(.1)\n'
        "w.write('}')"
    )
    ear = script(tmp_path, code)
    assert run(qtbot, ear).ok
    assert ear.lines == [{"type": "resource", "resource": "a"}, {"type": "done"}]


def test_a_crash_is_an_error_with_the_tail_and_without_secrets(
    tmp_path: Path, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_API_KEY", "local-thisisnotforanyone")
    code = (
        "import os,sys\n"
        "print('the key is', os.environ['WANDB_API_KEY'], file=sys.stderr)\n"
        "print('token hf_" + "a" * 30 + "', file=sys.stderr, flush=True)\n"
        "os.abort()"
    )
    ending = run(qtbot, script(tmp_path, code))
    assert not ending.ok and ending.trouble is not None
    assert "ended in the middle" in ending.trouble.message
    assert "the key is (secret)" in ending.trouble.cause and "token (secret)" in ending.trouble.cause
    assert "notforanyone" not in ending.trouble.as_text() and "aaaa" not in ending.trouble.as_text()


def test_a_program_that_is_not_there(tmp_path: Path, qtbot: QtBot) -> None:
    ear = Ear(CloudTask(tmp_path, [], program="/no/such/program"))
    ending = run(qtbot, ear)
    assert ending.code == 127 and ending.trouble is not None


def test_an_error_line_is_the_trouble(tmp_path: Path, qtbot: QtBot) -> None:
    code = (
        "import json,sys\n"
        "print(json.dumps({'type': 'resource', 'resource': 'apis', 'error': {'message': 'its own'}}))\n"
        "print(json.dumps({'type': 'error', 'error': {'message': 'No project.', 'fixes': "
        "[{'text': 'Name one', 'command': 'arrcoc setup --project P'}]}}))\n"
        "sys.exit(2)"
    )
    ear = script(tmp_path, code)
    ending = run(qtbot, ear)
    assert ending.trouble is not None and ending.trouble.message == "No project."
    assert [line["resource"] for line in ear.lines] == ["apis"]


def test_cancel_ends_it_even_where_it_does_not_listen(tmp_path: Path, qtbot: QtBot) -> None:
    code = "import signal,time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint('{}', flush=True)\ntime.sleep(60)"
    ear = script(tmp_path, code)
    ear.task.start()
    qtbot.waitUntil(lambda: bool(ear.lines), timeout=SLOW_MS)
    ear.task.cancel()
    qtbot.waitUntil(lambda: bool(ear.endings), timeout=SLOW_MS)
    assert ear.endings[0].cancelled and ear.endings[0].trouble is None and not ear.endings[0].ok


def test_nothing_is_left_at_the_end(tmp_path: Path, qtbot: QtBot) -> None:
    ears = [script(tmp_path, "print('{}', flush=True)\nimport time\ntime.sleep(60)") for _ in range(2)]
    for ear in ears:
        ear.task.start()
    qtbot.waitUntil(lambda: all(ear.lines for ear in ears), timeout=SLOW_MS)
    ears[0].task.drop()
    assert cloud_tasks()
    end_cloud_tasks()
    assert cloud_tasks() == []
    assert [child for child in psutil.Process().children() if "time.sleep(60)" in " ".join(child.cmdline())] == []
    # Nobody is told about what was dropped.
    assert [ear.endings for ear in ears] == [[], []]


def test_one_that_goes_with_its_page_in_the_middle_tells_nobody(qtbot: QtBot, tmp_path: Path) -> None:
    page = QObject()
    task = CloudTask(tmp_path, ["-c", "import time; time.sleep(60)"], page, program=sys.executable)
    ended: list[object] = []
    task.ended.connect(ended.append)
    task.start()
    qtbot.waitUntil(lambda: task.running)
    shiboken6.delete(page)
    qtbot.wait(50)
    assert ended == [] and task not in cloud_tasks()
