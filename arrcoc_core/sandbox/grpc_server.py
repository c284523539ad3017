"""The gRPC server: one loopback port, no TLS; the method's path says which service it is for."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from arrcoc_core.sandbox import dispatch
from arrcoc_core.sandbox.errors import CODES, ApiError, DropConnection
from arrcoc_core.sandbox.protos import empty, plain_class
from arrcoc_core.sandbox.routes import define
from arrcoc_core.sandbox.service import Service

if TYPE_CHECKING:
    from arrcoc_core.sandbox.box import Box


class GrpcServer:
    """Listens from the moment it is made; the object must be kept, or the server stops."""

    def __init__(self, box: Box, port: int = 0) -> None:
        import grpc

        library: Any = grpc
        self._server: Any = library.server(
            ThreadPoolExecutor(8, "sandbox grpc"), handlers=(_handler(box),), options=(("grpc.so_reuseport", 0),)
        )
        try:
            self.port = int(self._server.add_insecure_port(f"127.0.0.1:{port}"))
        except RuntimeError:  # somebody else listens on the port we had
            self.port = int(self._server.add_insecure_port("127.0.0.1:0"))
        self._server.start()

    def end(self) -> None:
        self._server.stop(grace=None).wait(5)


def _handler(box: Box) -> Any:
    import grpc

    by_name = {name: service for service in box.services.values() for name in service.grpc}

    class Handler(grpc.GenericRpcHandler):
        def service(self, handler_call_details: Any) -> Any:
            path: str = handler_call_details.method
            service = by_name.get(path.split("/")[1])
            method = define(service.clients).methods.get(path) if service is not None else None
            if service is None or method is None:
                return None  # UNIMPLEMENTED

            def run(request: Any, context: Any) -> Any:
                return _run(box, service, method, request, context)

            library: Any = grpc
            return library.unary_unary_rpc_method_handler(run, plain_class(method.request).FromString, _dump)

    return Handler()


def _run(box: Box, service: Service, method: Any, request: Any, context: Any) -> Any:
    import grpc

    caller = box.service("tokens").caller(dict(context.invocation_metadata()).get("authorization", ""))
    try:
        message = dispatch.answer(box, service, method, request, caller=caller, transport="grpc")
        return empty() if message is None else message
    except ApiError as error:
        context.set_trailing_metadata((("grpc-status-details-bin", error.to_status()),))
        code = next(code for code in grpc.StatusCode if code.value[0] == error.grpc_code)
        context.abort(code, error.message)
    except DropConnection:
        context.abort(grpc.StatusCode.UNAVAILABLE, "Socket closed")
    except Exception:  # gRPC tells the client; the log keeps where it came from
        import traceback

        box.log(f"{method.path}: {traceback.format_exc()}")
        raise
    raise AssertionError(CODES)


def _dump(message: Any) -> bytes:
    return message.SerializeToString()
