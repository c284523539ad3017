"""A message that ends before it is whole changes nothing: its sender was killed while writing it."""

from __future__ import annotations

import socket
from urllib.parse import urlsplit

from arrcoc_core.sandbox import Sandbox


def test_a_message_that_is_cut_off_changes_nothing(sandbox: Sandbox) -> None:
    client = sandbox.cloud().storage()
    bucket = client.create_bucket("cut-off", location="us-central1")
    before = bucket.get_iam_policy(requested_policy_version=3)
    body = b'{"bindings": []}'
    for sent in (b"", body[:5]):
        address = urlsplit(sandbox.endpoints.services["storage"])
        with socket.create_connection((address.hostname, address.port)) as raw:
            head = (
                f"PUT {address.path}/storage/v1/b/cut-off/iam HTTP/1.1\r\nHost: {address.netloc}\r\n"
                f"Authorization: Bearer {client._credentials.token}\r\n"
                f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
            )
            raw.sendall(head.encode() + sent)
            raw.shutdown(socket.SHUT_WR)
            assert raw.recv(1000) == b"", "no answer to what was not a request"
    after = bucket.get_iam_policy(requested_policy_version=3)
    assert after.bindings == before.bindings and after.etag == before.etag
