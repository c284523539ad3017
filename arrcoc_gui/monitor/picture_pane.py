"""The right pane of the monitor: what the selector looks at, step by step.

A sample selector, the picture with its relevance map, its caption in words (question, the answer given and
whether it is right, the right one, how many tokens were kept), and a slider over the steps that have a
picture. Moving the slider asks for the shared cursor (`step_wanted`); the page moves everything, this pane
included. Keys while the pane has the focus: Left and Right step, Home and End go to the ends, Up and Down
change the sample. Pictures are decoded in a background thread; the last `CACHE` stay decoded. A picture can be
logged a moment before its file is whole: it is tried again a few times before it is called unreadable. One that lies
on a server is asked for (`wanted`) and shown when `look_again` says that it has come.
"""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path

from PySide6.QtCore import QSize, Qt, QTimer, Signal
from PySide6.QtGui import QImage, QKeyEvent
from PySide6.QtWidgets import QHBoxLayout, QLabel, QSlider, QToolButton, QVBoxLayout, QWidget

from arrcoc_gui.background import run_in_background
from arrcoc_gui.monitor.captions import Caption
from arrcoc_gui.monitor.picture_view import PictureView
from arrcoc_gui.monitor.pictures import PREFIX, Picture, PictureAlbum, sample_words
from arrcoc_gui.theme import theme
from arrcoc_gui.widgets.combo import ComboBox

CACHE = 96
RETRY_MS = 400
RETRIES = 10


class PicturePane(QWidget):
    """See the module's docstring. `set_album` gives it pictures, `set_step` moves it."""

    step_wanted = Signal(object)  # float, or None for "the latest, and follow"
    wanted = Signal(object)  # Path of a picture that is shown and not on this machine

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._album = PictureAlbum()
        self._step: float | None = None
        self._shown: Picture | None = None
        self._images: OrderedDict[Path, QImage] = OrderedDict()
        self._loading: set[Path] = set()
        self._waiting = ""
        self._on_server = False
        self._tries = 0
        self._retry = QTimer(self, interval=RETRY_MS, singleShot=True)
        self._retry.timeout.connect(self._try_again)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAccessibleName("Evaluation pictures")
        self.sample = ComboBox()
        self.sample.setAccessibleName("Sample")
        self.sample.view().setAccessibleName("Samples")
        self.sample.setToolTip("Sample: the same questions are asked at every evaluation")
        self.sample.setSizeAdjustPolicy(ComboBox.SizeAdjustPolicy.AdjustToContents)
        self.sample.currentIndexChanged.connect(lambda _: self._refresh(steps_too=True))
        self.view = PictureView()
        self.question = _label("", "Question")
        # Room for two lines whatever the question: the picture must not change its size from step to step.
        self.question.setMinimumHeight(2 * self.question.fontMetrics().lineSpacing())
        self.question.setAlignment(Qt.AlignmentFlag.AlignBottom | Qt.AlignmentFlag.AlignLeft)
        self.answer = _label("", "Answer given")
        self.truth = _label("", "Right answer")
        self.kept = _label("muted", "Tokens kept")
        self.weights = _label("muted", "Weights of the ways of knowing")
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setAccessibleName("Step of the picture")
        self.slider.setMinimumHeight(theme().px(24))
        self.slider.valueChanged.connect(self._slid)
        self.back = _arrow("‹", "Picture of the evaluation before", lambda: self.move_by(-1))
        self.forward = _arrow("›", "Picture of the next evaluation", lambda: self.move_by(1))
        self._controls: tuple[QWidget, ...] = (self.sample, self.back, self.slider, self.forward)
        self.step_label = QLabel()
        self.step_label.setProperty("look", "small")
        self._lay_out()
        self.set_waiting("Pictures appear here at the first evaluation.")

    # -- what the page says

    def set_album(self, album: PictureAlbum) -> None:
        """Show another run's pictures, or the same run's with more."""
        self._album = album
        chosen = self.sample.currentData()
        samples = album.samples
        if [self.sample.itemData(i) for i in range(self.sample.count())] != samples:
            self.sample.blockSignals(True)
            self.sample.clear()
            for number, key in enumerate(samples):
                self.sample.addItem(sample_words(key, number, len(samples)), key)
            self.sample.setCurrentIndex(max(self.sample.findData(chosen), 0) if samples else -1)
            self.sample.blockSignals(False)
        self._refresh(steps_too=True)

    def set_on_server(self, on_server: bool) -> None:
        """Whether pictures of this run come from a server when they are looked at."""
        self._on_server = on_server

    def look_again(self) -> None:
        """Pictures have come: the one that is shown may be among them."""
        if self._shown is not None and self._shown.path not in self._images:
            self._tries = 0
            self._retry.stop()
            self._show_picture(self._shown)

    def set_step(self, step: float | None) -> None:
        """Show the pictures at `step`; None follows the latest."""
        if step != self._step:
            self._step = step
            self._refresh()

    def set_waiting(self, words: str) -> None:
        """What to say while there is no picture: the run's phase, or why there never will be one."""
        self._waiting = words
        if self._shown is None:
            self.view.set_message(words)

    # -- what the user does

    def move_by(self, by: int) -> None:
        """One evaluation forward or back; forward from the last one follows the newest again."""
        steps = self._album.steps(self.sample.currentData() or "")
        if steps:
            self._ask(min(max(self.slider.value() + by, 0), len(steps) - 1))

    def next_sample(self) -> None:
        """The next sample, going round."""
        if self.sample.count():
            self.sample.setCurrentIndex((self.sample.currentIndex() + 1) % self.sample.count())

    def keyPressEvent(self, event: QKeyEvent) -> None:
        key = event.key()
        if key in (Qt.Key.Key_Left, Qt.Key.Key_Right):
            self.move_by(-1 if key == Qt.Key.Key_Left else 1)
        elif key in (Qt.Key.Key_Home, Qt.Key.Key_End):
            self._ask(0 if key == Qt.Key.Key_Home else self.slider.maximum())
        elif key in (Qt.Key.Key_Up, Qt.Key.Key_Down):
            by = -1 if key == Qt.Key.Key_Up else 1
            self.sample.setCurrentIndex(min(max(self.sample.currentIndex() + by, 0), self.sample.count() - 1))
        else:
            super().keyPressEvent(event)

    # -- inside

    def _slid(self, position: int) -> None:
        self._ask(position)

    def _ask(self, position: int) -> None:
        steps = self._album.steps(self.sample.currentData() or "")
        if steps:
            self.step_wanted.emit(None if position >= len(steps) - 1 else float(steps[max(position, 0)]))

    def _refresh(self, *, steps_too: bool = False) -> None:
        key = self.sample.currentData() or ""
        picture = self._album.at(key, self._step)
        steps = self._album.steps(key)
        for widget in (
            self.sample,
            self.slider,
            self.back,
            self.forward,
            self.question,
            self.answer,
            self.truth,
            self.kept,
        ):
            widget.setVisible(bool(steps))
        self.slider.blockSignals(True)
        if steps_too:
            self.slider.setMaximum(max(len(steps) - 1, 0))
        if picture is not None:
            self.slider.setValue(steps.index(picture.step))
        self.slider.blockSignals(False)
        self.back.setEnabled(picture is not None and self.slider.value() > 0)
        self.forward.setEnabled(picture is not None and self.slider.value() < self.slider.maximum())
        if picture is not None and picture == self._shown:
            return
        self._shown = picture
        self.view.set_ours(key.startswith(PREFIX))
        self._tries = 0
        self._retry.stop()
        if picture is None:
            self._show_caption(Caption(""))
            self.step_label.setText("")
            self.view.set_message(self._waiting)
            self.view.show_image(None)
            return
        self._show_caption(picture.caption)
        self.step_label.setText(f"step {picture.step:,}")
        self.slider.setAccessibleDescription(f"step {picture.step}")
        self._show_picture(picture)

    def _show_picture(self, picture: Picture) -> None:
        image = self._images.get(picture.path)
        if image is not None:
            self._images.move_to_end(picture.path)
            self.view.show_image(image)
            return
        self.view.set_message("")
        if picture.path in self._loading:
            return
        self._loading.add(picture.path)
        path = picture.path
        run_in_background(
            lambda: QImage(str(path)), lambda image: self._loaded(path, image), parent=self, name=f"reading {path.name}"
        )

    def _loaded(self, path: Path, image: QImage) -> None:
        self._loading.discard(path)
        wanted = self._shown is not None and self._shown.path == path
        if image.isNull():
            if wanted:
                self._miss(path)
            return
        self._images[path] = image
        while len(self._images) > CACHE:
            self._images.popitem(last=False)
        if wanted:
            self.view.show_image(image)

    def _miss(self, path: Path) -> None:
        """It is not there, or not whole: on its way from a trainer, or on a server."""
        if self._on_server:
            if self._tries == 0:
                self.wanted.emit(path)
            self.view.set_message("The picture is on its way from W&B.")
            self.view.show_image(None)
        if self._tries < RETRIES:
            self._tries += 1
            self._retry.start()
        elif not self._on_server:
            self.view.set_message(f"The picture {path.name} cannot be read.")
            self.view.show_image(None)

    def _try_again(self) -> None:
        if self._shown is not None:
            self._show_picture(self._shown)

    def _show_caption(self, caption: Caption) -> None:
        role = {True: "good", False: "bad", None: "muted"}[caption.verdict]
        colors = theme()
        self.question.setText(caption.question)
        if caption.verdict is None:
            self.answer.setText("")
            self.truth.setText("")
        else:
            mark = "✓" if caption.verdict else "✕"
            color = getattr(colors, role)
            self.answer.setText(
                f"answer <b>{_safe(caption.answer)}</b> "
                f"<span style='color:{color}'>{mark} {caption.verdict_word}</span>"
            )
            self.truth.setText(f"right answer <b>{_safe(caption.truth)}</b>")
        self.answer.setAccessibleDescription(f"{caption.answer} is {caption.verdict_word}" if caption.truth else "")
        self.kept.setText(f"read {caption.kept} of {caption.total} tokens" if caption.total else "")
        self.weights.setText(caption.weights)
        self.weights.setVisible(bool(caption.weights))

    def _lay_out(self) -> None:
        px = theme().px
        title = QLabel("Pictures")
        title.setProperty("look", "label")
        top = QHBoxLayout()
        top.addWidget(title)
        top.addStretch(1)
        top.addWidget(self.sample)
        words = QVBoxLayout()
        words.setSpacing(px(2))
        words.addWidget(self.question)
        words.addWidget(self.answer)
        words.addWidget(self.truth)
        words.addWidget(self.kept)
        words.addWidget(self.weights)
        bottom = QHBoxLayout()
        bottom.setSpacing(px(6))
        for widget in (self.back, self.slider, self.forward, self.step_label):
            bottom.addWidget(widget, 1 if widget is self.slider else 0)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(px(12), px(10), px(12), px(10))
        layout.setSpacing(px(8))
        layout.addLayout(top)
        layout.addWidget(self.view, 1)
        layout.addLayout(words)
        layout.addLayout(bottom)

    def sizeHint(self) -> QSize:
        return QSize(theme().px(300), theme().px(500))


def _label(look: str, name: str) -> QLabel:
    label = QLabel()
    if look:
        label.setProperty("look", look)
    label.setWordWrap(True)
    label.setAccessibleName(name)
    return label


def _arrow(text: str, name: str, act: object) -> QToolButton:
    button = QToolButton()
    button.setProperty("look", "quiet")
    button.setText(text)
    button.setAccessibleName(name)
    button.setToolTip(name)
    button.clicked.connect(act)
    return button


def _safe(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;")
