"""Routes of the JSON API to what answers them. Each has Google's own name, such as "storage.objects.insert"."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote

from arrcoc_core.sandbox.storage.buckets import Buckets
from arrcoc_core.sandbox.storage.content import Contents, Throttle
from arrcoc_core.sandbox.storage.index import Index
from arrcoc_core.sandbox.storage.messages import Reply, Request, StorageError, json_reply
from arrcoc_core.sandbox.storage.objects import Objects
from arrcoc_core.sandbox.storage.uploads import Uploads
from arrcoc_core.sandbox.storage.world import World

_BUCKETS = re.compile(r"/storage/v1/b")
_BUCKET = re.compile(r"/storage/v1/b/([^/]+)")
_POLICY = re.compile(r"/storage/v1/b/([^/]+)/iam(/testPermissions)?")
_OBJECTS = re.compile(r"/storage/v1/b/([^/]+)/o")
_OBJECT = re.compile(r"(?:/download)?/storage/v1/b/([^/]+)/o/([^/]+)")
_COMPOSE = re.compile(r"/storage/v1/b/([^/]+)/o/([^/]+)/compose")
_COPY = re.compile(r"/storage/v1/b/([^/]+)/o/([^/]+)/(copyTo|rewriteTo)/b/([^/]+)/o/([^/]+)")
_MOVE = re.compile(r"/storage/v1/b/([^/]+)/o/([^/]+)/moveTo/o/([^/]+)")
_UPLOAD = re.compile(r"(?:/resumable)?/upload/storage/v1/b/([^/]+)/o")
_ACCOUNT = re.compile(r"/storage/v1/projects/([^/]+)/serviceAccount")


class Route(NamedTuple):
    name: str
    """Google's name of the method; "" where there is none."""
    bucket: str
    object: str
    mutating: bool
    answer: Callable[[Request], Reply]


class Storage:
    def __init__(self, folder: Path, world: World) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.index = Index(folder / "index.sqlite")
        self.contents = Contents(folder / "contents", Throttle(world.bytes_per_s))
        self.contents.sweep(self.index.files())
        self.buckets = Buckets(self.index, world)
        self.objects = Objects(self.index, self.contents, self.buckets, world)
        self.uploads = Uploads(self.index, self.contents, self.objects)
        self._world = world

    def close(self) -> None:
        self.index.close()

    def handle(self, request: Request) -> Reply:
        """The answer to a request. ConnectionAbortedError when its sender has gone in the middle."""
        media = request.one("alt") == "media" and request.method == "GET"
        try:
            return self.route(request).answer(request)
        except StorageError as error:
            return error.reply(media=media)

    def route(self, request: Request) -> Route:
        method, path = request.method, request.path
        if match := _UPLOAD.fullmatch(path):
            return self._upload(request, unquote(match[1]))
        if match := _OBJECT.fullmatch(path):
            return self._object(request, unquote(match[1]), unquote(match[2]))
        if match := _OBJECTS.fullmatch(path):
            bucket = unquote(match[1])
            if method == "GET":
                return Route("storage.objects.list", bucket, "", False, _bound(self.objects.list, bucket))
        elif match := _COMPOSE.fullmatch(path):
            bucket, name = unquote(match[1]), unquote(match[2])
            if method == "POST":
                return Route("storage.objects.compose", bucket, name, True, _bound(self.objects.compose, bucket, name))
        elif match := _COPY.fullmatch(path):
            source, target = (unquote(match[1]), unquote(match[2])), (unquote(match[4]), unquote(match[5]))
            if method == "POST" and match[3] == "copyTo":
                return Route("storage.objects.copy", *target, True, _bound(self.objects.copied, source, target))
            if method == "POST":
                return Route("storage.objects.rewrite", *target, True, _bound(self.objects.rewritten, source, target))
        elif match := _MOVE.fullmatch(path):
            bucket, old, new = (unquote(part) for part in match.groups())
            if method == "POST":
                return Route("storage.objects.move", bucket, new, True, _bound(self.objects.moved, bucket, old, new))
        elif match := _POLICY.fullmatch(path):
            return self._policy(request, unquote(match[1]), match[2] is not None)
        elif match := _BUCKET.fullmatch(path):
            return self._bucket(request, unquote(match[1]))
        elif _BUCKETS.fullmatch(path):
            if method == "POST":
                return Route("storage.buckets.insert", "", "", True, self.buckets.insert)
            if method == "GET":
                return Route("storage.buckets.list", "", "", False, self.buckets.list)
        elif (match := _ACCOUNT.fullmatch(path)) and method == "GET":
            project = unquote(match[1])
            return Route("storage.projects.serviceAccount.get", "", "", False, _bound(self._account, project))
        raise StorageError(404, "notFound", "Not Found")

    def _upload(self, request: Request, bucket: str) -> Route:
        upload_id = request.one("upload_id")
        name, answers = "storage.objects.insert", request.one("uploadType")
        if upload_id is not None:
            if request.method == "DELETE":
                return Route("", bucket, "", True, _bound(self.uploads.cancel, upload_id))
            return Route(name, bucket, "", True, _bound(self.uploads.resume, upload_id))
        if request.method == "POST" and answers == "media":
            return Route(name, bucket, request.one("name") or "", True, _bound(self.uploads.media, bucket))
        if request.method == "POST" and answers == "multipart":
            return Route(name, bucket, "", True, _bound(self.uploads.multipart, bucket))
        if request.method == "POST" and answers == "resumable":
            return Route(name, bucket, "", True, _bound(self.uploads.start, bucket))
        raise StorageError(400, "badRequest", f"Invalid upload request, uploadType: {answers}")

    def _object(self, request: Request, bucket: str, name: str) -> Route:
        if request.method == "GET":
            answer = self.objects.download if request.one("alt") == "media" else self.objects.get
            return Route("storage.objects.get", bucket, name, False, _bound(answer, bucket, name))
        if request.method == "DELETE":
            return Route("storage.objects.delete", bucket, name, True, _bound(self.objects.delete, bucket, name))
        if request.method == "PATCH":
            return Route("storage.objects.patch", bucket, name, True, _bound(self.objects.patch, bucket, name))
        if request.method == "PUT":
            return Route(
                "storage.objects.update",
                bucket,
                name,
                True,
                _bound(self.objects.patch, bucket, name, whole=True),
            )
        raise StorageError(405, "methodNotAllowed", "Method Not Allowed")

    def _policy(self, request: Request, bucket: str, testing: bool) -> Route:
        if testing:
            return Route(
                "storage.buckets.testIamPermissions",
                bucket,
                "",
                False,
                _bound(self.buckets.get, bucket),
            )
        if request.method == "PUT":
            return Route("storage.buckets.setIamPolicy", bucket, "", True, _bound(self.buckets.set_policy, bucket))
        return Route("storage.buckets.getIamPolicy", bucket, "", False, _bound(self.buckets.get_policy, bucket))

    def _bucket(self, request: Request, bucket: str) -> Route:
        if request.method == "GET":
            return Route("storage.buckets.get", bucket, "", False, _bound(self.buckets.get, bucket))
        if request.method == "DELETE":
            return Route("storage.buckets.delete", bucket, "", True, _bound(self.buckets.delete, bucket))
        if request.method in ("PATCH", "PUT"):
            whole = request.method == "PUT"
            name = "storage.buckets.update" if whole else "storage.buckets.patch"
            return Route(name, bucket, "", True, _bound(self.buckets.patch, bucket, whole=whole))
        raise StorageError(405, "methodNotAllowed", "Method Not Allowed")

    def _account(self, _: Request, project: str) -> Reply:
        number = self._world.project_number(project)
        if number is None:
            raise StorageError(404, "notFound", f"The requested project was not found: {project}")
        address = f"service-{number}@gs-project-accounts.iam.gserviceaccount.com"
        return json_reply({"kind": "storage#serviceAccount", "email_address": address})


def _bound(answer: Callable[..., Reply], *rest: Any, **named: Any) -> Callable[[Request], Reply]:
    return lambda request: answer(request, *rest, **named)
