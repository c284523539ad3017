"""Starting, finding and ending a sandbox: as a detached process, or as threads of this one (tests)."""

from __future__ import annotations

import contextlib
import fcntl
import json
import shutil
import signal
import sys
import time
import urllib.request
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from arrcoc_core.cloud.endpoints import Endpoints, load_endpoints
from arrcoc_core.errors import ConfigError
from arrcoc_core.processes import alive, send, spawn_detached
from arrcoc_core.sandbox.faults import Fault, load_scenario
from arrcoc_core.sandbox.project import PROJECT

if TYPE_CHECKING:
    from arrcoc_core.cloud.clients import Cloud
    from arrcoc_core.sandbox.server import Server

SERVER_FILE = "server.json"
START_S = 15.0
STOP_S = 20.0


class Sandbox:
    """A running sandbox, wherever it runs."""

    def __init__(self, folder: Path, server: Server | None = None) -> None:
        self.folder = folder
        self._server = server

    @property
    def endpoints(self) -> Endpoints:
        return load_endpoints(str(self.folder))

    @property
    def box(self) -> Any:
        """Its insides; only where it runs in this process."""
        assert self._server is not None, "this sandbox runs in a process of its own"
        return self._server.box

    def cloud(self, region: str = "us-central1") -> Cloud:
        """Clients of the sandbox's project."""
        from arrcoc_core.cloud.clients import Cloud

        return Cloud(self.endpoints, PROJECT, region)

    def requests(self) -> list[dict[str, Any]]:
        """What was asked of the services: {"at", "service", "method", "mutating", "caller", "transport"} each."""
        return self._control("requests")

    def changes(self) -> list[str]:
        """ "service.method" of every request so far that could change something."""
        return [f"{row['service']}.{row['method']}" for row in self.requests() if row["mutating"]]

    def set_scenario(self, faults: Sequence[Fault]) -> None:
        """Another scenario, from now on."""
        self._control("scenario", [fault.to_json() for fault in faults])

    def status(self) -> dict[str, Any]:
        return self._control("status")

    def on_page(self, service: str, **asked: Any) -> Any:
        """Do what a person would do on the web page of a service: `on_page("wandb", do="push", queue=…, job=…)`."""
        return self._control(service, asked)

    def restart(self, *, kill: bool = True) -> None:
        """End it, with SIGKILL or what comes near it, and start it again on its folder, at the same speed."""
        self.kill() if kill else self.stop()
        self.revive()

    def revive(self) -> None:
        """Start it again on its folder."""
        if self._server is not None:
            from arrcoc_core.sandbox.server import Server

            self._server = Server(self.folder, speed=self._server.box.clock.speed)
        else:
            start(self.folder)

    def stop(self) -> None:
        if self._server is not None:
            self._server.end()
        else:
            stop(self.folder)

    def kill(self) -> None:
        """SIGKILL (in this process: what comes near it)."""
        if self._server is not None:
            self._server.end(kill=True)
        else:
            _end(self.folder, signal.SIGKILL)

    def _control(self, what: str, value: Any = None) -> Any:
        held = _held(self.folder)
        if held is None:
            raise ConfigError(f"No sandbox runs in {self.folder}.", remedy="arrcoc sandbox start")
        body = None if value is None else json.dumps(value).encode()
        return _ask(held["port"], what, body)


def start(folder: Path, *, speed: float | None = None, scenario: Path | Sequence[Fault] | None = None) -> Sandbox:
    """Start a sandbox as a process that outlives this one, and wait until it answers; one that runs is used.

    `speed` None is the one it had, 1 at first; a running one with another speed is started again.
    """
    folder = folder.expanduser().resolve()
    faults = load_scenario(scenario) if isinstance(scenario, Path) else scenario
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "starting").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        held = _held(folder)
        if held is not None and speed is not None and held["speed"] != speed:
            stop(folder)
        if _held(folder) is None:
            _spawn(folder, speed if speed is not None else _speed_before(folder))
    sandbox = Sandbox(folder)
    if faults is not None:
        sandbox.set_scenario(faults)
    return sandbox


def stop(folder: Path) -> bool:
    """End it in good order; its state stays. Whether one ran."""
    return _end(folder, signal.SIGTERM)


def reset(folder: Path) -> None:
    """Stop it and forget everything in it."""
    stop(folder)
    if (folder / SERVER_FILE).exists() or (folder / "state.db").exists():  # never a folder that is not a sandbox's
        shutil.rmtree(folder)


def status(folder: Path) -> dict[str, Any]:
    """{"running", "folder", "url", "pid", "speed", "scenario"}; only the first two where none runs."""
    held = _held(folder)
    if held is None:
        return {"running": False, "folder": str(folder)}
    known: dict[str, Any] = {"running": True, "folder": str(folder), "url": f"http://127.0.0.1:{held['port']}"}
    return {**known, **_ask(held["port"], "status")}


@contextlib.contextmanager
def running(
    folder: Path, *, speed: float = 1.0, scenario: Sequence[Fault] | None = None
) -> Generator[Sandbox, None, None]:
    """A sandbox in threads of this process, as long as the block lasts."""
    from arrcoc_core.sandbox.server import Server

    sandbox = Sandbox(folder, Server(folder, speed=speed))
    try:
        if scenario is not None:
            sandbox.set_scenario(scenario)
        yield sandbox
    finally:
        sandbox.stop()


def _spawn(folder: Path, speed: float) -> None:
    root = Path(__file__).resolve().parents[2]
    command = [sys.executable, "-m", "arrcoc_core.sandbox.server", str(folder), "--speed", str(speed)]
    spawn_detached(command, cwd=root, log=folder / "server.log")
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        held = _held(folder)
        if held is not None:
            with contextlib.suppress(OSError):
                _ask(held["port"], "status")
                return
        time.sleep(0.02)
    raise ConfigError(
        f"The sandbox did not start within {START_S:.0f} s.",
        remedy=f"cat {folder / 'server.log'}",
        file=str(folder / "server.log"),
    )


def _end(folder: Path, signum: signal.Signals) -> bool:
    held = _held(folder)
    if held is None:
        return False
    send(held["pid"], held["stamp"], signum)
    deadline = time.monotonic() + STOP_S
    while alive(held["pid"], held["stamp"]):
        if time.monotonic() > deadline:
            send(held["pid"], held["stamp"], signal.SIGKILL)
        time.sleep(0.02)
    return True


def _held(folder: Path) -> dict[str, Any] | None:
    """What server.json says, while its process lives."""
    try:
        held: dict[str, Any] = json.loads((folder / SERVER_FILE).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    return held if alive(held["pid"], held["stamp"]) else None


def _speed_before(folder: Path) -> float:
    try:
        return float(json.loads((folder / SERVER_FILE).read_text(encoding="utf-8"))["speed"])
    except (FileNotFoundError, ValueError, KeyError):
        return 1.0


def _ask(port: int, what: str, body: bytes | None = None) -> Any:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # no proxy between us and loopback
    with opener.open(
        urllib.request.Request(f"http://127.0.0.1:{port}/control/{what}", data=body), timeout=10
    ) as answer:
        return json.loads(answer.read())
