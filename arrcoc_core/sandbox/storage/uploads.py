"""The three ways to send an object: as it is (media), with its metadata (multipart), in pieces (resumable).

A resumable upload is a file that grows; how much of it counts stands in the index. It survives a broken connection
(what came counts in steps of 256 KiB) and a restart of the server. Its preconditions hold for the last piece.
"""

from __future__ import annotations

import email.parser
import email.policy
import json
import re
import secrets
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from arrcoc_core.sandbox.storage.conditions import Conditions, conditions_of
from arrcoc_core.sandbox.storage.content import PIECE, Contents, Hashes
from arrcoc_core.sandbox.storage.index import Index
from arrcoc_core.sandbox.storage.messages import Reply, Request, StorageError, invalid
from arrcoc_core.sandbox.storage.objects import Objects

_RANGE = re.compile(r"bytes (?:(\d+)-(\d+)|\*)/(\d+|\*)")


class Uploads:
    def __init__(self, index: Index, contents: Contents, objects: Objects) -> None:
        self._index = index
        self._contents = contents
        self._objects = objects
        self._hashes: dict[str, Hashes] = {}  # of uploads under way; computed again from the file after a restart

    def media(self, request: Request, bucket: str) -> Reply:
        name = request.one("name") or ""
        conditions = conditions_of(request)
        self._objects.check_writable(bucket, name, conditions)
        hashes, file = Hashes(), self._contents.new_file()
        self._contents.receive(file, request.body, hashes)
        self._check_whole(request, file, hashes)
        fields = {
            "contentType": request.headers.get("content-type", "application/octet-stream"),
            **_said_hashes(request),
        }
        if request.one("contentEncoding"):
            fields["contentEncoding"] = str(request.one("contentEncoding"))
        data = self._objects.commit(bucket, name, fields, file, hashes, conditions)
        self._objects.written(bucket, name, file, hashes.size)
        return self._objects.shown(data, request)

    def multipart(self, request: Request, bucket: str) -> Reply:
        parts = list[bytes]()
        while piece := request.body.read(PIECE):
            parts.append(piece)
            self._contents.throttle.take(len(piece))
        fields, kind, content = _split(request.headers.get("content-type", ""), b"".join(parts))
        name = request.one("name") or str(fields.get("name") or "")
        conditions = conditions_of(request)
        self._objects.check_writable(bucket, name, conditions)
        hashes, file = Hashes(), self._contents.new_file()
        self._contents.path(file).write_bytes(content)
        hashes.update(content)
        fields = {"contentType": kind, **fields, **_said_hashes(request)}
        data = self._objects.commit(bucket, name, fields, file, hashes, conditions)
        self._objects.written(bucket, name, file, hashes.size)
        return self._objects.shown(data, request)

    def start(self, request: Request, bucket: str) -> Reply:
        fields = request.json()
        name = request.one("name") or str(fields.get("name") or "")
        conditions = conditions_of(request)
        self._objects.check_writable(bucket, name, conditions)
        kind = request.headers.get("x-upload-content-type")
        upload_id = secrets.token_urlsafe(48)
        length = request.headers.get("x-upload-content-length")
        upload = {
            "bucket": bucket,
            "name": name,
            "fields": {**({"contentType": kind} if kind else {}), **fields, **_said_hashes(request)},
            "conditions": conditions.to_json(),
            "file": self._contents.new_file(),
            "received": 0,
            "total": int(length) if length else None,
            "object": None,
        }
        self._index.put_upload(upload_id, upload)
        self._hashes[upload_id] = Hashes()
        place = f"{request.base}/upload/storage/v1/b/{quote(bucket, safe='')}/o"
        return Reply(
            200,
            {
                "Location": f"{place}?uploadType=resumable&upload_id={upload_id}",
                "X-GUploader-UploadID": upload_id,
                "Content-Type": "text/plain; charset=utf-8",
            },
        )

    def resume(self, request: Request, upload_id: str) -> Reply:
        """A piece, or the question how far the upload has come."""
        upload = self._index.upload(upload_id)
        if upload is None:
            raise StorageError(404, "notFound", "Not Found")
        if upload["object"] is not None:
            return self._objects.shown(upload["object"], request)
        match = _RANGE.fullmatch(request.headers.get("content-range", ""))
        stated = request.headers.get("content-length")
        if match is None:
            if "content-range" in request.headers or stated is None:
                raise invalid("Failed to parse Content-Range header.")
            first, last, total = 0, int(stated) - 1, int(stated)  # the whole object in one request
        else:
            total = None if match[3] == "*" else int(match[3])
            if match[1] is None:
                if total is None or total != upload["received"]:
                    return _incomplete(upload["received"])
                return self._finish(request, upload_id, upload)
            first, last = int(match[1]), int(match[2])
        length = last - first + 1
        if stated is not None and length != int(stated):
            raise invalid(f"Invalid request. The Content-Length {stated} does not fit the Content-Range.")
        received = int(upload["received"])
        if first > received:
            return StorageError(503, "backendError", f"Invalid request. Expected bytes from {received} on.").reply()
        if total is None and length % PIECE:
            raise invalid(
                f"Invalid request. There were {length} byte(s) in the request body, not a multiple of 256 KiB."
            )
        _skip(request, received - first)
        hashes = self._hashes_of(upload_id, upload)
        wanted = max(last + 1 - received, 0)
        came = self._contents.receive(upload["file"], request.body, hashes, at=received)
        if came < wanted:  # the connection broke: what counts is what Google would have kept
            upload["received"] = (received + came) // PIECE * PIECE
            del self._hashes[upload_id]
            self._index.put_upload(upload_id, upload)
            raise ConnectionAbortedError("the sender has gone")
        upload["received"] = received + came
        if total is None or upload["received"] < total:
            self._index.put_upload(upload_id, upload)
            return _incomplete(upload["received"])
        return self._finish(request, upload_id, upload)

    def cancel(self, _: Request, upload_id: str) -> Reply:
        upload = self._index.upload(upload_id)
        if upload is None:
            raise StorageError(404, "notFound", "Not Found")
        self._index.drop_upload(upload_id)
        self._hashes.pop(upload_id, None)
        if upload["object"] is None:
            self._contents.remove(upload["file"])
        return Reply(499)

    def _finish(self, request: Request, upload_id: str, upload: dict[str, Any]) -> Reply:
        hashes = self._hashes_of(upload_id, upload)
        self._hashes.pop(upload_id, None)
        fields = {**upload["fields"], **_said_hashes(request)}
        with self._index.lock:
            try:
                data = self._objects.commit(
                    upload["bucket"], upload["name"], fields, upload["file"], hashes, Conditions(*upload["conditions"])
                )
            except StorageError:
                self._index.drop_upload(upload_id)
                raise
            self._index.put_upload(upload_id, {**upload, "object": data})
        self._objects.written(upload["bucket"], upload["name"], upload["file"], hashes.size)
        return self._objects.shown(data, request)

    def _hashes_of(self, upload_id: str, upload: Mapping[str, Any]) -> Hashes:
        held = self._hashes.get(upload_id)
        if held is not None and held.size == upload["received"]:
            return held
        hashes, left = Hashes(), int(upload["received"])
        if left:
            with self._contents.open(upload["file"]) as content:
                while left and (piece := content.read(min(PIECE, left))):
                    hashes.update(piece)
                    left -= len(piece)
        self._hashes[upload_id] = hashes
        return hashes

    def _check_whole(self, request: Request, file: str, hashes: Hashes) -> None:
        length = request.headers.get("content-length")
        if length is not None and hashes.size < int(length):
            self._contents.remove(file)
            raise ConnectionAbortedError("the sender has gone")


def _incomplete(received: int) -> Reply:
    return Reply(308, {"Range": f"bytes=0-{received - 1}"} if received else {})


def _skip(request: Request, size: int) -> None:
    while size > 0 and (piece := request.body.read(min(size, PIECE))):
        size -= len(piece)


def _said_hashes(request: Request) -> dict[str, str]:
    """What the sender says the content's hashes are: x-goog-hash: crc32c=…,md5=…"""
    found = dict[str, str]()
    for part in request.headers.get("x-goog-hash", "").split(","):
        kind, _, value = part.strip().partition("=")
        if kind in ("crc32c", "md5"):
            found["crc32c" if kind == "crc32c" else "md5Hash"] = value
    return found


def _split(kind: str, body: bytes) -> tuple[dict[str, Any], str, bytes]:
    """Metadata, content type and content of a multipart/related body."""
    match = re.search(r'boundary="?([^";]+)"?', kind)
    if match is None:
        raise invalid("Missing boundary in multipart content-type.")
    mark = b"--" + match[1].encode()
    pieces = (b"\r\n" + body).split(b"\r\n" + mark)
    if len(pieces) != 4 or not pieces[3].startswith(b"--"):
        raise invalid("Malformed multipart body.")
    sections = [piece.lstrip(b" \t").removeprefix(b"\r\n").partition(b"\r\n\r\n") for piece in pieces[1:3]]
    try:
        fields: Any = json.loads(sections[0][2] or b"{}")
    except ValueError:
        raise invalid("Metadata part is not valid JSON.") from None
    head = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(sections[1][0] + b"\r\n\r\n", headersonly=True)
    return fields, str(head.get("content-type", "application/octet-stream")), sections[1][2]
