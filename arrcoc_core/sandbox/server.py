"""Both servers over one box. `python -m arrcoc_core.sandbox.server FOLDER --speed N` is the detached process.

The ports of the last start are taken again where they are free, so that a client made before a restart goes on.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import signal
import threading
from pathlib import Path
from typing import Any

from arrcoc_core.processes import stamp
from arrcoc_core.sandbox.box import Box, write_json
from arrcoc_core.sandbox.grpc_server import GrpcServer
from arrcoc_core.sandbox.http_server import HttpServer

SERVER_FILE = "server.json"
SETTINGS = """# The sandbox's own account: it replaces that of the project while the sandbox is in use.
GCP_PROJECT_ID=arrcoc-sandbox
GCP_ROOT_RESOURCE_REGION=us-central1
HF_HUB_REPO_ID=sandbox/arr-coc-0-1
"""


class Server:
    """Running from the moment it is made, until `end`."""

    def __init__(self, folder: Path, *, speed: float = 1.0) -> None:
        self._ended = False
        self.box = Box(folder, speed=speed)
        before = _before(folder)
        self._http = _listen(self.box, int(before.get("port", 0)))
        self.box.url = f"http://127.0.0.1:{self._http.server_address[1]}"
        self._grpc = GrpcServer(self.box, int(before.get("grpc_port", 0)))
        self.box.grpc_address = f"127.0.0.1:{self._grpc.port}"
        settings = folder / ".training"
        if not settings.exists():
            settings.write_text(SETTINGS, encoding="utf-8")
        self.box.start()
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.05,), name="sandbox http", daemon=True)
        self._thread.start()
        ports = {"port": self._http.server_address[1], "grpc_port": self._grpc.port}
        write_json(folder / SERVER_FILE, {**ports, "pid": os.getpid(), "stamp": stamp(os.getpid()), "speed": speed})

    def end(self, *, kill: bool = False) -> None:
        """Stop; with `kill`, leave the folder as SIGKILL would. A second time does nothing."""
        if self._ended:
            return
        self._ended = True
        self._http.end()
        self._thread.join()
        self._grpc.end()
        self.box.close(kill=kill)


def _before(folder: Path) -> dict[str, Any]:
    try:
        held: dict[str, Any] = json.loads((folder / SERVER_FILE).read_text(encoding="utf-8"))
        return held
    except (FileNotFoundError, ValueError):
        return {}


def _listen(box: Box, port: int) -> HttpServer:
    try:
        return HttpServer(box, port)
    except OSError:  # somebody else has it by now
        return HttpServer(box)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--speed", type=float, default=1.0)
    arguments = parser.parse_args()
    folder: Path = arguments.folder
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:  # another one serves this folder
            return
        ended = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda _number, _frame: ended.set())
        server = Server(folder, speed=arguments.speed)
        ended.wait()
        server.end()


if __name__ == "__main__":
    main()
