"""Pages on the web: which address is one, and the one way in which this app opens a browser.

Addresses come from servers and files, so that each is looked at before it is handed to the system: only http and https,
only with a host. Anything else (a file, a script, another program's scheme) is no page.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from PySide6.QtCore import QUrl
from PySide6.QtGui import QDesktopServices, QGuiApplication


@dataclass(frozen=True)
class Link:
    """A page of something. `why`: the reason why there is none, where there is none."""

    url: str = ""
    why: str = ""

    def __bool__(self) -> bool:
        return bool(self.url)


def web_address(text: str) -> str:
    """The address where it is one of a web page; "" where it is not."""
    text = text.strip()
    if any(character.isspace() or ord(character) < 32 for character in text):
        return ""
    try:
        parts = urlsplit(text)
        host = parts.hostname
    except ValueError:  # such as a bracket that is not closed
        return ""
    return text if parts.scheme in ("http", "https") and host else ""


def open_web(text: str) -> bool:
    """Open a page in the browser. False where the address is none, or there is no browser."""
    address = web_address(text)
    return bool(address) and QDesktopServices.openUrl(QUrl(address, QUrl.ParsingMode.StrictMode))


def copy_text(text: str) -> None:
    """Into the clipboard."""
    QGuiApplication.clipboard().setText(text)
