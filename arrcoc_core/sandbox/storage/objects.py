"""Objects: listing, reading, patching, deleting, composing and copying. What is written comes through `commit`."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from email.utils import format_datetime
from typing import Any
from urllib.parse import quote

from arrcoc_core.sandbox.storage.buckets import Buckets, etag, merge, page_token, read_token
from arrcoc_core.sandbox.storage.conditions import Conditions, conditions_of, number
from arrcoc_core.sandbox.storage.content import Contents, Hashes
from arrcoc_core.sandbox.storage.index import Index
from arrcoc_core.sandbox.storage.messages import Reply, Request, StorageError, invalid, json_reply
from arrcoc_core.sandbox.storage.world import World, written

_LONGEST_NAME = 1024
_MOST_SOURCES = 32
_WRITABLE = (
    "metadata",
    "contentType",
    "cacheControl",
    "contentDisposition",
    "contentEncoding",
    "contentLanguage",
    "customTime",
    "temporaryHold",
    "eventBasedHold",
)


class Objects:
    def __init__(self, index: Index, contents: Contents, buckets: Buckets, world: World) -> None:
        self._index = index
        self._contents = contents
        self._buckets = buckets
        self._world = world
        self.written: Callable[[str, str, str, int], None] = _unwatched
        """Told of each object that was uploaded, without the index's lock: bucket, name, file, size."""

    # -- reading

    def list(self, request: Request, bucket: str) -> Reply:
        self._buckets.held(bucket)
        prefix, delimiter = request.one("prefix") or "", request.one("delimiter")
        start, end = request.one("startOffset") or "", request.one("endOffset")
        after = read_token(request.one("pageToken"))
        limit = min(number(request, "maxResults") or 1000, 1000)
        if limit < 1:
            raise invalid("Invalid argument: maxResults")
        items, prefixes, last, more = list[dict[str, Any]](), list[str](), "", False
        for name, _, data in self._index.objects(bucket, max(prefix, start), after):
            if not name.startswith(prefix):
                break
            if end is not None and name >= end:
                break
            folder = _folder(name, prefix, delimiter)
            if folder is not None and (folder == after or (prefixes and folder == prefixes[-1])):
                continue
            if len(items) + len(prefixes) == limit:
                more = True
                break
            if folder is None:
                items.append(self._shown(data, request))
                last = name
                continue
            prefixes.append(folder)
            last = folder
            if folder == name and request.one("includeTrailingDelimiter") == "true":
                items.append(self._shown(data, request))
        answer: dict[str, Any] = {"kind": "storage#objects"}
        if items:
            answer["items"] = items
        if prefixes:
            answer["prefixes"] = prefixes
        if more:
            answer["nextPageToken"] = page_token(last)
        return json_reply(answer)

    def get(self, request: Request, bucket: str, name: str) -> Reply:
        _, data = self._live(request, bucket, name)
        conditions_of(request).check(data, reading=True)
        return json_reply(self._shown(data, request))

    def download(self, request: Request, bucket: str, name: str) -> Reply:
        with self._index.lock:  # the file stays readable when the object is replaced afterwards
            file, data = self._live(request, bucket, name)
            conditions_of(request).check(data, reading=True)
            content = self._contents.open(file)
        size = int(data["size"])
        hashes = [f"crc32c={data['crc32c']}"] + ([f"md5={data['md5Hash']}"] if "md5Hash" in data else [])
        headers = {
            "Content-Type": str(data.get("contentType") or "application/octet-stream"),
            "ETag": data["etag"],
            "Accept-Ranges": "bytes",
            "Last-Modified": format_datetime(datetime.fromisoformat(data["updated"]), usegmt=True),
            "X-Goog-Generation": data["generation"],
            "X-Goog-Metageneration": data["metageneration"],
            "X-Goog-Hash": ",".join(hashes),
            "X-Goog-Storage-Class": data["storageClass"],
            "X-Goog-Stored-Content-Encoding": data.get("contentEncoding", "identity"),
            "X-Goog-Stored-Content-Length": str(size),
        }
        for field, header in (
            ("cacheControl", "Cache-Control"),
            ("contentDisposition", "Content-Disposition"),
            ("contentEncoding", "Content-Encoding"),
            ("contentLanguage", "Content-Language"),
        ):
            if data.get(field):
                headers[header] = str(data[field])
        span = _span(request.headers.get("range"), size)
        if span is None:
            return Reply(200, headers, file=content, length=size)
        first, last = span
        if first >= size or first > last:
            content.close()
            refused = StorageError(
                416, "requestedRangeNotSatisfiable", "The requested range cannot be satisfied."
            ).reply(media=True)
            refused.headers["Content-Range"] = f"bytes */{size}"
            return refused
        content.seek(first)
        headers["Content-Range"] = f"bytes {first}-{last}/{size}"
        return Reply(206, headers, file=content, length=last - first + 1)

    # -- writing

    def patch(self, request: Request, bucket: str, name: str, *, whole: bool = False) -> Reply:
        wanted = {key: value for key, value in request.json().items() if key in _WRITABLE}
        with self._index.lock:
            file, data = self._live(request, bucket, name)
            conditions_of(request).check(data)
            if whole:
                data = {key: value for key, value in data.items() if key not in _WRITABLE}
            merge(data, wanted)
            data["metageneration"] = str(int(data["metageneration"]) + 1)
            data["updated"] = written(self._world.now())
            data["etag"] = _etag(data)
            self._index.put_object(bucket, name, file, data)
        return json_reply(self._shown(data, request))

    def delete(self, request: Request, bucket: str, name: str) -> Reply:
        with self._index.lock:
            file, data = self._live(request, bucket, name)
            conditions_of(request).check(data)
            if data.get("temporaryHold") or data.get("eventBasedHold"):
                raise StorageError(403, "forbidden", f"Object '{bucket}/{name}' is under active hold.")
            self._index.drop_object(bucket, name)
        self._contents.remove(file)
        return Reply(204)

    def compose(self, request: Request, bucket: str, name: str) -> Reply:
        self._buckets.held(bucket)
        wanted = request.json()
        sources: list[dict[str, Any]] = wanted.get("sourceObjects") or []
        if not sources:
            raise StorageError(400, "required", "You must provide at least one source component.")
        if len(sources) > _MOST_SOURCES:
            raise invalid(f"The number of source components provided ({len(sources)}) exceeds the maximum (32)")
        conditions_of(request).check(self._resource(bucket, name))
        hashes, parts = Hashes(), 0
        with self._index.lock:  # opened at once: a source deleted meanwhile stays readable
            opened = list[Any]()
            for source in sources:
                held = self._index.object(bucket, str(source.get("name", "")))
                wanted_generation = source.get("generation")
                if held is None or (wanted_generation and str(wanted_generation) != held[2]["generation"]):
                    raise StorageError(404, "notFound", f"Object {source.get('name')} not found.")
                conditions: dict[str, Any] = source.get("objectPreconditions") or {}
                needed = conditions.get("ifGenerationMatch")
                Conditions(generation=None if needed is None else int(needed)).check(held[2])
                parts += int(held[2].get("componentCount", 1))
                opened.append(self._contents.open(held[1]))
        file = self._contents.new_file()
        for content in opened:
            with content:
                self._contents.receive(file, content, hashes, at=hashes.size)
        given: dict[str, Any] = wanted.get("destination") or {}
        fields = {**given, "componentCount": parts}
        data = self.commit(bucket, name, fields, file, hashes, conditions_of(request))
        return json_reply(self._shown(data, request))

    def copy(self, request: Request, source: tuple[str, str], target: tuple[str, str]) -> dict[str, Any]:
        """Copy an object with its metadata, or with that of the request; the new resource."""
        self._buckets.held(target[0])
        wanted = request.json()
        with self._index.lock:
            held = self._index.object(*source)
            generation = request.one("sourceGeneration")
            if held is None or (generation and generation != held[2]["generation"]):
                raise _no_object(*source)
            conditions_of(request, "ifSource").check(held[2])
            conditions_of(request).check(self._resource(*target))
            content = self._contents.open(held[1])
        hashes, file = Hashes(), self._contents.new_file()
        with content:
            self._contents.receive(file, content, hashes)
        kept = {key: held[2][key] for key in (*_WRITABLE, "componentCount") if key in held[2]}
        fields = {**kept, **{key: value for key, value in wanted.items() if key in _WRITABLE}}
        return self.commit(target[0], target[1], fields, file, hashes, conditions_of(request))

    def copied(self, request: Request, source: tuple[str, str], target: tuple[str, str]) -> Reply:
        return json_reply(self._shown(self.copy(request, source, target), request))

    def rewritten(self, request: Request, source: tuple[str, str], target: tuple[str, str]) -> Reply:
        data = self.copy(request, source, target)
        size = str(data["size"])
        return json_reply(
            {
                "kind": "storage#rewriteResponse",
                "totalBytesRewritten": size,
                "objectSize": size,
                "done": True,
                "resource": self._shown(data, request),
            }
        )

    def moved(self, request: Request, bucket: str, source: str, target: str) -> Reply:
        with self._index.lock:
            data = self.copy(request, (bucket, source), (bucket, target))
            held = self._index.object(bucket, source)
            if held is not None and source != target:
                self._index.drop_object(bucket, source)
                self._contents.remove(held[1])
        return json_reply(self._shown(data, request))

    def commit(
        self,
        bucket: str,
        name: str,
        fields: Mapping[str, Any],
        file: str,
        hashes: Hashes,
        conditions: Conditions,
    ) -> dict[str, Any]:
        """Make a whole file the live object, if the preconditions hold now; the file is removed if they do not."""
        try:
            _check_name(name)
            for said, computed, what in (
                (fields.get("crc32c"), hashes.crc32c, "CRC32C"),
                (fields.get("md5Hash"), hashes.md5, "MD5 hash"),
            ):
                if said and said != computed:
                    raise invalid(f'Provided {what} "{said}" doesn\'t match calculated {what} "{computed}".')
            with self._index.lock:
                place = self._buckets.held(bucket)
                old = self._index.object(bucket, name)
                conditions.check(old[2] if old else None)
                now = written(self._world.now())
                data: dict[str, Any] = {
                    **{key: fields[key] for key in _WRITABLE if fields.get(key) is not None},
                    "kind": "storage#object",
                    "name": name,
                    "bucket": bucket,
                    "generation": str(self._index.next_generation()),
                    "metageneration": "1",
                    "size": str(hashes.size),
                    "crc32c": hashes.crc32c,
                    "storageClass": fields.get("storageClass") or place.get("storageClass", "STANDARD"),
                    "timeCreated": now,
                    "updated": now,
                    "timeStorageClassUpdated": now,
                }
                if "componentCount" in fields:
                    data["componentCount"] = fields["componentCount"]
                else:
                    data["md5Hash"] = hashes.md5
                data["id"] = f"{bucket}/{name}/{data['generation']}"
                data["etag"] = _etag(data)
                self._index.put_object(bucket, name, file, data)
        except StorageError:
            self._contents.remove(file)
            raise
        if old:
            self._contents.remove(old[1])
        return data

    def shown(self, data: Mapping[str, Any], request: Request) -> Reply:
        return json_reply(self._shown(data, request))

    def check_writable(self, bucket: str, name: str, conditions: Conditions) -> None:
        """Refuse an upload before its bytes are sent; `commit` checks again."""
        self._buckets.held(bucket)
        _check_name(name)
        conditions.check(self._resource(bucket, name))

    def _resource(self, bucket: str, name: str) -> dict[str, Any] | None:
        held = self._index.object(bucket, name)
        return held[2] if held else None

    def _live(self, request: Request, bucket: str, name: str) -> tuple[str, dict[str, Any]]:
        self._buckets.held(bucket)
        held = self._index.object(bucket, name)
        generation = request.one("generation")
        if held is None or (generation and generation != held[2]["generation"]):
            raise _no_object(bucket, name)
        return held[1], held[2]

    def _shown(self, data: Mapping[str, Any], request: Request) -> dict[str, Any]:
        place = f"b/{data['bucket']}/o/{quote(data['name'], safe='')}"
        return {
            **data,
            "selfLink": f"{request.base}/storage/v1/{place}",
            "mediaLink": f"{request.base}/download/storage/v1/{place}?generation={data['generation']}&alt=media",
        }


def _unwatched(bucket: str, name: str, file: str, size: int) -> None:
    """Nobody wants to be told."""


def _folder(name: str, prefix: str, delimiter: str | None) -> str | None:
    if not delimiter:
        return None
    at = name.find(delimiter, len(prefix))
    return None if at < 0 else name[: at + len(delimiter)]


def _span(header: str | None, size: int) -> tuple[int, int] | None:
    """First and last byte of a Range header; None: the whole object. A malformed one is ignored, as HTTP says."""
    match = re.fullmatch(r"bytes=(\d*)-(\d*)", header or "")
    if match is None or match[0] == "bytes=-":
        return None
    if not match[1]:
        return max(size - int(match[2]), 0), size - 1
    return int(match[1]), min(int(match[2]) if match[2] else size - 1, size - 1)


def _check_name(name: str) -> None:
    if not name:
        raise StorageError(400, "required", "Required")
    too_long = len(name.encode()) > _LONGEST_NAME
    if too_long or re.search(r"[\r\n]", name) or name in (".", "..") or name.startswith(".well-known/acme-challenge/"):
        raise invalid(f"Invalid object name: {name[:80]}")


def _no_object(bucket: str, name: str) -> StorageError:
    return StorageError(404, "notFound", f"No such object: {bucket}/{name}")


def _etag(data: Mapping[str, Any]) -> str:
    return etag(f"{data['generation']}/{data['metageneration']}")
