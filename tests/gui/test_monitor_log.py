"""The log: line index, document of several attempts, reader in the background, view and search."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from pytestqt.qtbot import QtBot

from arrcoc_gui.monitor.line_index import LineIndex, LogDocument
from arrcoc_gui.monitor.log_pane import LogPane
from arrcoc_gui.monitor.log_reader import LogReader

STAMP = "2026-11-22T15:20:{:02d}.500Z "


def write(directory: Path, attempt: int, text: str, mode: str = "a") -> None:
    directory.mkdir(exist_ok=True)
    with (directory / f"attempt-{attempt}.log").open(mode, encoding="utf-8") as stream:
        stream.write(text)


class TestLineIndex:
    def test_grows_and_shows_a_last_piece_without_a_newline(self, tmp_path: Path) -> None:
        file = tmp_path / "log"
        file.write_bytes(b"one\ntwo\nthr")
        index = LineIndex(file)
        assert index.advance() and not index.advance()
        assert index.lines(0, 99) == [b"one", b"two", b"thr"]
        with file.open("ab") as stream:
            stream.write(b"ee\r\n\nfive\n")
        assert index.advance() and index.complete()
        assert index.lines(1, 99) == [b"two", b"three", b"", b"five"]

    def test_read_in_pieces_of_any_size(self, tmp_path: Path) -> None:
        file = tmp_path / "log"
        lines = [b"x" * (number * 37 % 90) for number in range(5000)]
        file.write_bytes(b"\n".join(lines) + b"\n")
        index = LineIndex(file)
        while not index.complete():
            index.advance(limit=1017)
        assert len(index) == 5000 and index.lines(0, 5000) == lines

    def test_a_file_that_was_replaced_is_read_anew(self, tmp_path: Path) -> None:
        file = tmp_path / "log"
        file.write_bytes(b"one\ntwo\nthree\n")
        index = LineIndex(file)
        index.advance()
        file.write_bytes(b"new\n")
        assert index.advance() and index.lines(0, 9) == [b"new"]

    def test_a_missing_file_has_no_lines(self, tmp_path: Path) -> None:
        index = LineIndex(tmp_path / "none")
        assert not index.advance() and len(index) == 0 and index.complete()

    def test_search_over_many_blocks_names_each_line_once(self, tmp_path: Path) -> None:
        file = tmp_path / "log"
        lines = [f"{number} {'needle needle' if number % 1000 == 7 else 'hay'} {'.' * 60}" for number in range(60_000)]
        file.write_text("\n".join(lines) + "\n")
        index = LineIndex(file)
        index.advance()
        hits = index.find(re.compile(b"NEEDLE", re.IGNORECASE), 0, len(index))
        assert hits == list(range(7, 60_000, 1000))
        assert index.find(re.compile(b"needle"), 8, 1008) == [1007]


class TestDocument:
    def test_attempts_follow_each_other_under_headings(self, tmp_path: Path) -> None:
        write(tmp_path / "logs", 2, STAMP.format(30) + "resumed\n")
        write(tmp_path / "logs", 1, STAMP.format(10) + "begun\nforeign line\n")
        write(tmp_path / "logs", 10, "tenth\n")
        document = LogDocument(tmp_path / "logs")
        document.advance()
        lines = document.lines(0, 99)
        assert [line.text for line in lines] == [
            "attempt 1",
            "begun",
            "foreign line",
            "attempt 2",
            "resumed",
            "attempt 10",
            "tenth",
        ]
        assert [line.number for line in lines] == list(range(7)) and len(document) == 7
        assert lines[1].time is not None and lines[2].time is None and lines[0].heading

    def test_line_of_a_time_and_hits_across_attempts(self, tmp_path: Path) -> None:
        write(tmp_path / "logs", 1, "".join(STAMP.format(s) + f"loss at {s}\nforeign\n" for s in range(20)))
        write(tmp_path / "logs", 2, "".join(STAMP.format(s) + f"loss at {s}\n" for s in range(30, 40)))
        document = LogDocument(tmp_path / "logs")
        document.advance()
        by_number = {line.number: line for line in document.lines(0, 999)}
        for line in by_number.values():
            if line.time is not None:
                assert document.line_at(line.time + 0.2) == line.number
        assert by_number[document.line_at(0.0)].number == 0
        hits = document.find("LOSS AT 3")
        assert [by_number[hit].text for hit in hits] == ["loss at 3"] + [f"loss at {n}" for n in range(30, 40)]

    def test_bytes_that_are_not_text_and_progress_bars(self, tmp_path: Path) -> None:
        (tmp_path / "logs").mkdir()
        (tmp_path / "logs" / "attempt-1.log").write_bytes(b"\xff\xfe\n10%\r50%\r100%\n" + b"y" * 100_000 + b"\n")
        document = LogDocument(tmp_path / "logs")
        document.advance()
        lines = document.lines(1, 9)
        assert lines[0].text == "\ufffd\ufffd" and lines[1].text == "100%" and len(lines[2].text) == 4000


class TestReader:
    def test_finds_new_lines_while_live(self, qtbot: QtBot, tmp_path: Path) -> None:
        reader = LogReader()
        with qtbot.waitSignal(reader.grown):
            reader.open(LogDocument(tmp_path / "logs"))
        reader.set_live(True)
        write(tmp_path / "logs", 1, "hello\n")
        qtbot.waitUntil(lambda: len(reader) == 2)
        write(tmp_path / "logs", 1, "again\n")
        qtbot.waitUntil(lambda: len(reader) == 3)
        assert reader.last_line is not None and reader.last_line.text == "again"
        reader.close()

    def test_a_million_lines(self, qtbot: QtBot, tmp_path: Path) -> None:
        """Only what is looked at is held, and the end, a hit and a time are found."""
        block = "".join(f"step {number:07d} loss 0.1234 lr 0.0003\n" for number in range(1_000_000))
        write(tmp_path / "logs", 1, block)
        pane = LogPane()
        qtbot.addWidget(pane)
        pane.resize(700, 400)
        pane.set_expanded(True)
        pane.show()
        pane.open(LogDocument(tmp_path / "logs"), live=False)
        qtbot.waitUntil(lambda: len(pane.reader) == 1_000_001, timeout=20_000)
        qtbot.waitUntil(lambda: pane.reader.line(1_000_000) is not None)
        assert pane.reader.line(1_000_000).text.startswith("step 0999999")
        assert pane.reader.line(500_000) is None
        pane.search.setText("0654321")
        qtbot.waitUntil(lambda: pane.hits.text() == "1 hit", timeout=20_000)
        pane.go_to_hit(1)
        assert pane.view.current_line == 654_322 and not pane.view.following
        qtbot.waitUntil(lambda: pane.reader.line(654_322) is not None)
        pane.close_reader()


class TestView:
    @pytest.fixture
    def pane(self, qtbot: QtBot, tmp_path: Path) -> LogPane:
        write(tmp_path / "logs", 1, "".join(STAMP.format(s) + f"line {s}\n" for s in range(60)))
        pane = LogPane()
        qtbot.addWidget(pane)
        pane.resize(600, 300)
        pane.set_expanded(True)
        pane.show()
        pane.open(LogDocument(tmp_path / "logs"), live=True)
        qtbot.waitUntil(lambda: pane.reader.line(60) is not None)
        yield pane
        pane.close_reader()

    def test_follows_until_scrolled_away(self, qtbot: QtBot, pane: LogPane, tmp_path: Path) -> None:
        bar = pane.view.verticalScrollBar()
        assert bar.value() == bar.maximum() and pane.follow.isChecked()
        bar.setValue(3)
        assert not pane.follow.isChecked()
        write(tmp_path / "logs", 1, "more\n")
        qtbot.waitUntil(lambda: len(pane.reader) == 62)
        assert bar.value() == 3
        qtbot.mouseClick(pane.follow, Qt.MouseButton.LeftButton)
        assert bar.value() == bar.maximum() and pane.follow.isChecked()

    def test_keys_choose_copy_and_ask_for_the_time(self, qtbot: QtBot, pane: LogPane) -> None:
        times: list[float] = []
        pane.time_wanted.connect(times.append)
        qtbot.keyClick(pane.view, Qt.Key.Key_Up)
        assert pane.view.current_line == 59 and pane.reader.line(59).time == times[-1]
        assert pane.view.accessibleDescription() == "line 58"
        qtbot.keyClick(pane.view, Qt.Key.Key_Up, Qt.KeyboardModifier.ShiftModifier)
        qtbot.keyClick(pane.view, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
        qtbot.waitUntil(lambda: QGuiApplication.clipboard().text() == "line 57\nline 58")

    def test_the_cursor_s_time_chooses_its_line(self, qtbot: QtBot, pane: LogPane) -> None:
        time = pane.reader.line(50).time
        pane.set_cursor_time(time + 0.1)
        qtbot.waitUntil(lambda: pane.view.current_line == 50)

    def test_search_walks_its_hits(self, qtbot: QtBot, pane: LogPane) -> None:
        pane.search.setText("LINE 1")
        qtbot.waitUntil(lambda: pane.hits.text() == "11 hits")
        qtbot.keyClick(pane.search, Qt.Key.Key_Return)
        assert pane.view.current_line == 2 and pane.hits.text() == "1 of 11"
        qtbot.keyClick(pane.search, Qt.Key.Key_Return, Qt.KeyboardModifier.ShiftModifier)
        assert pane.view.current_line == 20
        pane.search.setText("nowhere to be found")
        qtbot.waitUntil(lambda: pane.hits.text() == "no hit")

    def test_folded_it_shows_the_newest_line(self, pane: LogPane) -> None:
        pane.set_expanded(False)
        assert pane.last.whole == "line 59" and not pane.view.isVisible()
