"""Banners: what went wrong, with what to do about it, above the page until dismissed. At most three, newest first."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from arrcoc_gui.theme import theme

MOST = 3


class Banner(QFrame):
    """A message that can be selected and copied, its remedy below it, and a way to dismiss it."""

    def __init__(self, message: str, remedy: str = "", *, look: str = "banner", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.message, self.remedy = message, remedy
        self.setProperty("look", look)
        self.setAccessibleName(f"{message} {remedy}".strip())
        texts = QVBoxLayout()
        texts.setSpacing(2)
        for text, role in ((message, ""), (remedy, "muted")):
            if text:
                label = QLabel(text)
                label.setProperty("look", role)
                label.setWordWrap(True)
                label.setTextFormat(Qt.TextFormat.PlainText)
                label.setTextInteractionFlags(
                    Qt.TextInteractionFlag.TextSelectableByMouse | Qt.TextInteractionFlag.TextSelectableByKeyboard
                )
                label.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
                label.setAccessibleName(text)
                texts.addWidget(label)
        copy = self._button("Copy", "Copy this message")
        copy.clicked.connect(lambda: QGuiApplication.clipboard().setText(f"{message}\n{remedy}".strip()))
        self.dismiss = self._button("Dismiss", "Dismiss this message")
        self.dismiss.clicked.connect(self.deleteLater)
        layout = QHBoxLayout(self)
        edge = theme().px(8)
        layout.setContentsMargins(theme().px(12), edge, edge, edge)
        layout.addLayout(texts, stretch=1)
        for button in (copy, self.dismiss):
            layout.addWidget(button, alignment=Qt.AlignmentFlag.AlignTop)

    def _button(self, title: str, name: str) -> QPushButton:
        button = QPushButton(title)
        button.setProperty("look", "quiet")
        button.setAccessibleName(name)
        return button


class BannerStack(QWidget):
    """The place for banners; takes no room while it is empty."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._layout = QVBoxLayout(self)
        self._layout.setSpacing(6)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self.hide()

    @property
    def banners(self) -> list[Banner]:
        return [child for child in self.findChildren(Banner) if not child.property("gone")]

    def show_problem(self, message: str, remedy: str = "", *, look: str = "banner") -> Banner:
        """Add a banner on top; one with the same text is already there: it stays the only one."""
        for banner in self.banners:
            if (banner.message, banner.remedy) == (message, remedy):
                return banner
        if len(self.banners) >= MOST:
            self._drop(self.banners[0])
        banner = Banner(message, remedy, look=look, parent=self)
        banner.dismiss.clicked.connect(lambda: self._drop(banner))
        self._layout.insertWidget(0, banner)
        edge = theme().px(10)
        self._layout.setContentsMargins(edge, edge, edge, 0)
        self.show()
        return banner

    def _drop(self, banner: Banner) -> None:
        banner.setProperty("gone", True)
        banner.hide()
        banner.deleteLater()
        if not self.banners:
            self.hide()
