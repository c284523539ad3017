"""The HTTP server: one loopback port for every service, told apart by the first part of the path.

`/<service>/v1/…` is a GAPIC service's REST; a RawService reads the rest by itself; `/computeMetadata` and `/machine`
are the machines' metadata server, `/token` the OAuth token endpoint, `/control` the sandbox's own handle.
"""

from __future__ import annotations

import html
import re
import socket
from collections.abc import Iterable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from arrcoc_core.sandbox import control, dispatch
from arrcoc_core.sandbox.errors import ApiError, DropConnection
from arrcoc_core.sandbox.exchange import REASONS, Body, Exchange
from arrcoc_core.sandbox.faults import SlowDown
from arrcoc_core.sandbox.rest import operation, parse_request, to_json
from arrcoc_core.sandbox.routes import define
from arrcoc_core.sandbox.service import Call, RawService, Service

if TYPE_CHECKING:
    from arrcoc_core.sandbox.box import Box

_IDENTITY = re.compile(r"/(?:token|computeMetadata|machine)(?:/|$)")


class HttpServer(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, box: Box, port: int = 0) -> None:
        self.box = box
        self._open: set[socket.socket] = set()
        super().__init__(("127.0.0.1", port), _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        import traceback

        self.box.log(f"connection of {client_address}: {traceback.format_exc()}")

    def end(self) -> None:
        """Stop and close what is open: kept-alive connections would go on being served."""
        self.shutdown()
        self.server_close()
        for connection in list(self._open):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:  # it has just ended by itself
                continue


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: HttpServer  # pyright: ignore[reportIncompatibleVariableOverride]
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        box = self.server.box
        path, _, query = self.path.partition("?")
        stream = Body(self.rfile, self.headers)  # pyright: ignore[reportArgumentType]
        exchange = Exchange(
            verb=self.command, path=path, query=query, headers=self.headers, stream=stream, write=self._answer
        )
        exchange.begin = self._begin
        try:
            self._serve(box, exchange, path, query)
        except ApiError as error:
            headers = {"Content-Type": "application/json", **error.headers}
            self._answer(error.http_status, headers, [error.to_json()])
        except (DropConnection, EOFError, ConnectionError):
            self._drop()
        except Exception:  # noqa: BLE001 - a fault of the sandbox is an answer too, and stands in its log
            import traceback

            box.log(f"{self.command} {path}: {traceback.format_exc()}")
            error = ApiError("INTERNAL", f"The sandbox failed; see {box.folder / 'log.txt'}")
            self._answer(500, {"Content-Type": "application/json"}, [error.to_json()])
        if not stream.ended:
            self.close_connection = True  # what is left of the body would be read as the next request

    do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_GET

    def _serve(self, box: Box, exchange: Exchange, path: str, query: str) -> None:
        if path.startswith("/control/"):
            control.serve(box, exchange)
            return
        if path.startswith("/console/"):
            exchange.send(200, _page(path).encode(), {"Content-Type": "text/html; charset=utf-8"})
            return
        if _IDENTITY.match(path):
            box.service("tokens").serve(exchange)
            return
        name, _, rest = path[1:].partition("/")
        service = box.services.get(name)
        if service is None or service.grpc:
            raise ApiError("NOT_FOUND", f"The sandbox has no service '{name}' over REST.")
        exchange.path = f"/{rest}"
        exchange.base = f"{box.url}/{name}"
        if service.google:
            exchange.caller = box.service("tokens").caller(self.headers.get("Authorization", ""))
        if isinstance(service, RawService):
            try:
                service.serve(exchange)
            except ApiError as error:
                exchange.before_answer = None  # what the scenario lets be done and lost was not done
                service.refuse(exchange, error)
            return
        body, status = self._rest(box, service, exchange, query)
        exchange.send(status, body, {"Content-Type": "application/json; charset=UTF-8"})

    def _rest(self, box: Box, service: Service, exchange: Exchange, query: str) -> tuple[bytes, int]:
        body = exchange.read()
        pairs = parse_qsl(query, keep_blank_values=True)
        polled = operation(box, service, exchange, dict(pairs))
        if polled is not None:
            return to_json(polled, pairs), 200
        found = define(service.clients).find(exchange.verb, exchange.path)
        if found is None:
            raise ApiError("NOT_FOUND", f"No such method: {exchange.verb} {exchange.path}")
        route, values = found
        request = parse_request(route, values, pairs, body)
        message = dispatch.answer(box, service, route.method, request, caller=exchange.caller, transport="rest")
        return to_json(message, pairs), 200

    def _begin(self, exchange: Exchange, method: str, mutating: bool, project: str) -> Call:
        box = self.server.box
        name = self.path[1:].partition("/")[0]
        service = box.services[name]
        call = Call(name, method, mutating, exchange.caller, project, "rest")
        exchange.before_answer = lambda: dispatch.end(box, call)
        dispatch.begin(box, service, call)
        exchange.headers_added = call.headers
        if call.cut is not None:
            exchange.cut(call.cut)
        slow = box.faults.peek(SlowDown, service=name) if name != "storage" else None  # Storage has its own brake
        exchange.slow_down(slow.bytes_per_s if slow else None, box.closing)
        return call

    def _answer(self, status: int, headers: Mapping[str, str], chunks: Iterable[bytes]) -> None:
        """Head and the first chunk in one write: two small ones would wait for an acknowledgement."""
        parts = iter(chunks)
        first = next(parts, b"")
        given = {"Content-Length": str(len(first)), "X-Content-Type-Options": "nosniff", **headers}
        given.setdefault("Date", self.date_time_string())
        reason = REASONS.get(status) or self.responses.get(status, ("", ""))[0]
        lines = [f"HTTP/1.1 {int(status)} {reason}", *(f"{name}: {value}" for name, value in given.items()), "", ""]
        head = "\r\n".join(lines).encode("latin-1")
        if self.command == "HEAD":
            self.wfile.write(head)
            return
        self.wfile.write(head + first)
        for part in parts:
            self.wfile.write(part)

    def _drop(self) -> None:
        self.close_connection = True
        try:
            self.connection.shutdown(socket.SHUT_RDWR)
        except OSError:  # the client was first
            return

    def log_message(self, format: str, *args: object) -> None:
        """Requests are recorded by `Box.record`."""


def _page(path: str) -> str:
    """Where a link to Google's console leads in the sandbox."""
    what = html.escape(path.removeprefix("/console/"))
    return (
        "<!doctype html><title>arrcoc sandbox</title><h1>This is the sandbox</h1>"
        f"<p>On Google Cloud this link opens <code>{what}</code> in the console. Nothing here is real or costs "
        "anything.</p>"
    )
