"""Objects of Cloud Storage below one folder: created once, replaced, read, listed and deleted, each call retried.

    run = Objects(cloud.storage(), "gs://bucket/runs/some-run")
    mine = run.put_if_absent("attempts/1/claim.json", data)

`put_if_absent` is a conditional write (`if_generation_match=0`). When the answer to one that was carried out is lost,
the second try finds the object there: it is ours when its metadata bears the token that this call put on it.
"""

from __future__ import annotations

import base64
import uuid
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

from arrcoc_core.cloud.calling import PATIENCE_S, call
from arrcoc_core.errors import CloudError, ConfigError

T = TypeVar("T")

TIMEOUT_S = 60.0
"""How long one request may be silent."""
_TOKEN = "arrcoc-token"
_LISTED = "items(name,size,crc32c,generation),nextPageToken"


class Stored(NamedTuple):
    """What a listing tells of an object; `name` is relative to the folder."""

    name: str
    size: int
    crc32c: str
    generation: int


class Objects:
    """The folder `uri` (`gs://bucket/a/b`). Safe to use from several threads. Raises CloudError throughout."""

    def __init__(self, storage: Any, uri: str, *, patience_s: float = PATIENCE_S) -> None:
        """`storage`: a google.cloud.storage Client; `patience_s`: how long transient errors of a call are retried."""
        bucket, prefix = split_uri(uri)
        self.uri = uri.rstrip("/")
        self.patience_s = patience_s
        self._storage = storage
        self._bucket: Any = storage.bucket(bucket)
        self._prefix = f"{prefix}/" if prefix else ""

    def put_if_absent(self, name: str, data: bytes) -> bool:
        """Create an object. False, and nothing changed, when the name is taken by another than this call."""
        token = uuid.uuid4().hex
        blob = self._blob(name)
        blob.metadata = {_TOKEN: token}
        try:
            self._call(blob.upload_from_string, data, content_type=_type(name), if_generation_match=0)
        except CloudError as error:
            if error.scope != "conflict":
                raise
            return self._token(name) == token
        return True

    def replace(self, name: str, data: bytes) -> None:
        """Write an object, whether it is there or not."""
        self._call(self._blob(name).upload_from_string, data, content_type=_type(name))

    def get(self, name: str) -> bytes:
        """Its bytes, checked against its CRC32C. Raises KeyError when absent."""
        blob = self._blob(name)

        def download(**options: Any) -> bytes:
            from google.cloud.storage.exceptions import DataCorruption  # pyright: ignore[reportMissingTypeStubs]

            try:
                return blob.download_as_bytes(**options)
            except DataCorruption as error:
                raise CloudError(f"{self.uri}/{name} arrived damaged: {error}", scope="unavailable") from None

        try:
            return self._call(download)
        except CloudError as error:
            if error.scope == "not-found":
                raise KeyError(name) from error
            raise

    def listing(self, below: str = "", *, after: str = "") -> list[Stored]:
        """What lies below `below` ("stream/"), sorted by name; `after`: from this name on."""

        def read(**options: Any) -> list[Stored]:
            found = self._storage.list_blobs(
                self._bucket,
                prefix=f"{self._prefix}{below}",
                start_offset=f"{self._prefix}{after}" if after else None,
                fields=_LISTED,
                **options,
            )
            return [
                Stored(blob.name.removeprefix(self._prefix), blob.size, blob.crc32c, blob.generation) for blob in found
            ]

        return self._call(read)

    def delete(self, name: str) -> None:
        """Remove it; an absent one is no error."""
        try:
            self._call(self._blob(name).delete)
        except CloudError as error:
            if error.scope != "not-found":
                raise

    def _token(self, name: str) -> str:
        blob = self._blob(name)
        try:
            self._call(blob.reload)
        except CloudError as error:
            if error.scope == "not-found":
                return ""
            raise
        metadata: dict[str, Any] = blob.metadata or {}
        return str(metadata.get(_TOKEN, ""))

    def _blob(self, name: str) -> Any:
        return self._bucket.blob(f"{self._prefix}{name}")

    def _call(self, method: Callable[..., T], *arguments: Any, **named: Any) -> T:
        return call(method, *arguments, patience_s=self.patience_s, timeout_s=TIMEOUT_S, **named)


def split_uri(uri: str) -> tuple[str, str]:
    """`gs://bucket/a/b` as ("bucket", "a/b"). ConfigError when it is none."""
    scheme, _, rest = uri.partition("://")
    bucket, _, path = rest.partition("/")
    if scheme != "gs" or not bucket:
        raise ConfigError(f"{uri!r} is no place in Cloud Storage.", remedy="Write it as gs://BUCKET/FOLDER.")
    return bucket, path.strip("/")


def crc32c(data: bytes) -> str:
    """The checksum of these bytes as Cloud Storage writes it."""
    import google_crc32c

    library: Any = google_crc32c  # untyped
    return base64.b64encode(library.Checksum(data).digest()).decode()


def _type(name: str) -> str:
    return "application/json" if name.endswith(".json") else "application/octet-stream"
