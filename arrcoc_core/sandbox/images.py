"""Container images as a folder of files and a config: what builds make, registries name and jobs run.

`RUN` is never run, so an image holds what was copied into it. Its digest is a real one: sha256 of a manifest that holds
the hash of every file, so equal images have equal digests.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from arrcoc_core.sandbox.errors import ApiError

if TYPE_CHECKING:
    from arrcoc_core.sandbox.box import Box

_URI = re.compile(
    r"(?P<place>[a-z0-9-]+)-docker\.pkg\.dev/(?P<project>[^/]+)/(?P<repository>[^/]+)/(?P<image>[^:@]+)"
    r"(?:@(?P<digest>sha256:[0-9a-f]{64})|:(?P<tag>[\w][\w.-]{0,127}))?"
)


@dataclass
class Config:
    """What a Dockerfile says apart from files."""

    workdir: str = "/"
    env: dict[str, str] = field(default_factory=dict[str, str])
    entrypoint: list[str] = field(default_factory=list[str])
    cmd: list[str] = field(default_factory=list[str])
    user: str = ""
    labels: dict[str, str] = field(default_factory=dict[str, str])


class Reference(NamedTuple):
    repository: str
    """Full resource name."""
    image: str
    version: str
    """A digest, or a tag."""


def parse_reference(uri: str) -> Reference | None:
    """None for what is not an image of Artifact Registry."""
    match = _URI.fullmatch(uri)
    if match is None:
        return None
    repository = f"projects/{match['project']}/locations/{match['place']}/repositories/{match['repository']}"
    return Reference(repository, match["image"], match["digest"] or match["tag"] or "latest")


class Images:
    def __init__(self, box: Box) -> None:
        self._box = box
        self._folder = box.data("images")

    def keep(self, tree: Path, config: Config) -> tuple[str, int, dict[str, Any]]:
        """Keep the files under `tree` as an image; its digest, size in bytes and manifest. `tree` is moved."""
        layer, size = _layer(tree)
        held = json.dumps(asdict(config), sort_keys=True).encode()
        manifest = {
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": {
                "mediaType": "application/vnd.oci.image.config.v1+json",
                "digest": f"sha256:{hashlib.sha256(held).hexdigest()}",
                "size": len(held),
            },
            "layers": [
                {"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": layer, "size": size},
            ],
        }
        digest = f"sha256:{hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()}"
        target = self._place(digest)
        if not target.exists():
            whole = target.with_name(f"{target.name}.partial")
            shutil.rmtree(whole, ignore_errors=True)
            whole.mkdir(parents=True)
            shutil.move(tree, whole / "files")
            (whole / "config.json").write_bytes(held)
            os.replace(whole, target)
        return digest, size, manifest

    def config(self, digest: str) -> Config:
        return Config(**json.loads((self._place(digest) / "config.json").read_text(encoding="utf-8")))

    def unpack(self, digest: str, folder: Path) -> None:
        """The image's files under `folder`, which must not exist yet."""
        shutil.copytree(self._place(digest) / "files", folder, symlinks=True)

    def resolve(self, uri: str) -> str | None:
        """The digest of an image that Artifact Registry has now."""
        if parse_reference(uri) is None:
            return None
        manifest: dict[str, Any] | None = self._box.service("artifactregistry").manifest(uri)
        return str(manifest["digest"]) if manifest and self._place(manifest["digest"]).exists() else None

    def push(self, uri: str, tree: Path, config: Config) -> str:
        """Keep an image and name it `uri` (with its tag) in Artifact Registry; its digest."""
        reference = parse_reference(uri)
        if reference is None or "@" in uri or not uri.endswith(f":{reference.version}"):
            raise ApiError("INVALID_ARGUMENT", f"invalid image name {uri}: it needs a tag")
        digest, size, manifest = self.keep(tree, config)
        with self._box.state.transaction():
            self._box.service("artifactregistry").put_image(
                uri.rpartition(":")[0], digest, tags=[reference.version], size=size, manifest=manifest
            )
        return digest

    def _place(self, digest: str) -> Path:
        return self._folder / digest.removeprefix("sha256:")


def publish(box: Box, uri: str, files: dict[str, str], config: Config | None = None) -> str:
    """Put an image of a few text files (absolute path -> content) into the registry, without a build; its digest."""
    tree = box.data("images") / f"publish.{os.getpid()}"
    shutil.rmtree(tree, ignore_errors=True)
    for name, content in files.items():
        path = tree / name.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    return Images(box).push(uri, tree, config or Config(workdir="/app"))


def _layer(tree: Path) -> tuple[str, int]:
    """A hash over every file's path, mode and content, and their bytes together."""
    found, size = hashlib.sha256(), 0
    for path in sorted(path for path in tree.rglob("*") if path.is_file()):
        content = path.read_bytes()
        size += len(content)
        mode, content_hash = path.stat().st_mode & 0o111, hashlib.sha256(content).hexdigest()
        found.update(f"{path.relative_to(tree).as_posix()} {mode:o} {content_hash}\n".encode())
    return f"sha256:{found.hexdigest()}", size
