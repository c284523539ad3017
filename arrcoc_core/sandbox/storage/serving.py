"""A Storage server with a port of its own, in threads of this process.

    with serving(folder) as address:
        client = storage.Client(credentials=AnonymousCredentials(), project="p", client_options={"api_endpoint": address})
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Generator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from arrcoc_core.sandbox.storage.messages import Reply, Request
from arrcoc_core.sandbox.storage.service import Storage
from arrcoc_core.sandbox.storage.world import World


@contextlib.contextmanager
def serving(folder: Path, world: World | None = None, port: int = 0) -> Generator[str, None, None]:
    storage = Storage(folder, world)

    class Handler(_Handler):
        service = storage

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        storage.close()


class _Body:
    def __init__(self, stream: Any, length: int) -> None:
        self._stream = stream
        self._left = length

    def read(self, size: int, /) -> bytes:
        piece = self._stream.read(min(size, self._left))
        self._left -= len(piece)
        return piece


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    service: Storage

    def handle_one_request(self) -> None:
        self.raw_requestline = self.rfile.readline(65537)
        if not self.raw_requestline or not self.parse_request():
            self.close_connection = True
            return
        parts = urlsplit(self.path)
        body = _Body(self.rfile, int(self.headers.get("content-length", "0")))
        request = Request(
            self.command,
            parts.path,
            {key: tuple(values) for key, values in parse_qs(parts.query, keep_blank_values=True).items()},
            {key.lower(): value for key, value in self.headers.items()},
            body,
            f"http://{self.headers.get('host')}",
        )
        try:
            reply = self.service.handle(request)
            while body.read(1 << 16):
                pass
            self._send(reply)
        except (ConnectionError, TimeoutError):
            self.close_connection = True

    def _send(self, reply: Reply) -> None:
        lines = [f"HTTP/1.1 {reply.status} -"]
        length = reply.length if reply.file else len(reply.body)
        lines += [f"{name}: {value}" for name, value in {**reply.headers, "Content-Length": str(length)}.items()]
        self.wfile.write("\r\n".join([*lines, "", ""]).encode("latin-1") + reply.body)
        if reply.file:
            with reply.file as content:
                while length and (piece := content.read(min(1 << 18, length))):
                    self.service.contents.throttle.take(len(piece))
                    self.wfile.write(piece)
                    length -= len(piece)

    def log_message(self, format: str, *args: Any) -> None:
        """Said nowhere: the sandbox records requests itself."""
