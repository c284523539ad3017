"""One sandbox: its folder, its memory, its services. Both servers (HTTP and gRPC) act on it."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from arrcoc_core.sandbox.clock import Clock
from arrcoc_core.sandbox.faults import Fault
from arrcoc_core.sandbox.happenings import Faults
from arrcoc_core.sandbox.operations import Operations
from arrcoc_core.sandbox.policies import Policies
from arrcoc_core.sandbox.service import Call, Service
from arrcoc_core.sandbox.services import make_services
from arrcoc_core.sandbox.state import State

REQUESTS = "requests.jsonl"


class Box:
    def __init__(self, folder: Path, *, speed: float = 1.0) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)  # it holds a key and the secrets that setup copies into it
        self.clock = Clock(speed)
        self.state = State(folder / "state.db")
        self.faults = Faults(folder / "faults.json", self.clock)
        self.operations = Operations(self.state, self.clock)
        self.policies = Policies(self)
        self.url = ""
        """Address of the HTTP server, without a path."""
        self.grpc_address = ""
        """host:port of the gRPC server."""
        self.closing = threading.Event()
        """Set when the sandbox ends: threads of services wait on it rather than sleep."""
        self._threads: list[threading.Thread] = []
        self._requests = (folder / REQUESTS).open("a", encoding="utf-8")
        self._writing = threading.Lock()
        self.services: dict[str, Service] = make_services(self)

    def service(self, name: str) -> Any:
        return self.services[name]

    @property
    def machine_folder(self) -> Path:
        """CLOUD_ENDPOINTS of a job: the same services, and no key file."""
        return self.folder / "machine"

    def machine_environment(self, account: str) -> dict[str, str]:
        """What makes a process find itself on a machine of the cloud that runs as that service account.

        Put over an environment without GOOGLE_APPLICATION_CREDENTIALS and NO_GCE_CHECK: a key file of the person's
        would win over the machine's account.
        """
        metadata = f"{self.url.removeprefix('http://')}/machine/{account}"
        return {
            "GCE_METADATA_HOST": metadata,
            "GCE_METADATA_IP": metadata,
            "CLOUDSDK_CONFIG": str(self.machine_folder),  # where the person's own login is not
            "ARRCOC_CLOUD_ENDPOINTS": str(self.machine_folder),
            "NO_PROXY": "127.0.0.1",
        }

    def data(self, name: str) -> Path:
        """A folder for files of a service."""
        path = self.folder / "data" / name
        path.mkdir(parents=True, exist_ok=True)
        return path

    def spawn(self, work: Callable[[], None], name: str = "sandbox work") -> threading.Thread:
        """A thread that is waited for when the sandbox stops; it watches `closing`."""
        thread = threading.Thread(target=work, name=name, daemon=True)
        self._threads = [known for known in self._threads if known.is_alive()] + [thread]
        thread.start()
        return thread

    def log(self, text: str) -> None:
        with self._writing, (self.folder / "log.txt").open("a", encoding="utf-8") as file:
            file.write(f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%fZ} {text}\n")

    def record(self, call: Call) -> None:
        """One line for each request: who asked which method, never what with."""
        row = {
            "at": self.clock.now(),
            "service": call.service,
            "method": call.method,
            "mutating": call.mutating,
            "caller": call.caller,
            "transport": call.transport,
        }
        with self._writing:
            self._requests.write(json.dumps(row) + "\n")
            self._requests.flush()

    def requests(self) -> list[dict[str, Any]]:
        with (self.folder / REQUESTS).open(encoding="utf-8") as file:
            return [json.loads(line) for line in file]

    def set_scenario(self, faults: Sequence[Fault]) -> None:
        self.faults.replace(faults)

    def start(self) -> None:
        """Once the ports are known."""
        self._write_endpoints()
        for service in self.services.values():
            service.start()

    def close(self, *, kill: bool = False) -> None:
        self.closing.set()
        for service in reversed(list(self.services.values())):
            service.kill() if kill else service.stop()
        for thread in self._threads:
            thread.join(timeout=10)
        self._requests.close()
        self.state.close()

    def _write_endpoints(self) -> None:
        services = {
            name: f"http://{self.grpc_address}" if service.grpc else f"{self.url}/{name}"
            for name, service in self.services.items()
        }
        held = {"name": "sandbox", "services": services, "console": f"{self.url}/console", "speed": self.clock.speed}
        self.machine_folder.mkdir(exist_ok=True)
        write_json(self.machine_folder / "endpoints.json", held)
        keys = {
            variable: str(self.folder / file)
            for service in self.services.values()
            for variable, file in service.key_files.items()
        }
        own = {"credentials": str(self.folder / "key.json"), "keys": keys}
        write_json(self.folder / "endpoints.json", {**held, **own})


def write_json(path: Path, value: Any) -> None:
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    partial.write_text(json.dumps(value, indent=1), encoding="utf-8")
    os.replace(partial, path)
