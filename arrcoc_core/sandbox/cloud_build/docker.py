"""Build steps with the docker builder: what `docker build`, `pull`, `tag` and `push` do to the build's own images."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from arrcoc_core.sandbox.cloud_build.dockerfile import BuildError, build
from arrcoc_core.sandbox.images import Config, Images, parse_reference

BUILDERS = ("gcr.io/cloud-builders/docker", "docker")
_VALUED = {
    *("tag", "file", "target", "build-arg", "cache-from", "cache-to", "platform", "progress", "label", "network"),
    *("output", "secret", "ssh", "add-host", "memory"),
}
_SWITCHES = {"pull", "no-cache", "quiet", "rm", "force-rm", "squash", "load", "push"}
_SHORT = {"-t": "tag", "-f": "file", "-q": "quiet"}


class Built(NamedTuple):
    tree: Path
    config: Config


class Docker:
    """The docker of one build: a step's command line, and the images that there are so far."""

    def __init__(self, images: Images, work: Path, say: Callable[[str], None]) -> None:
        self._images = images
        self._work = work
        self._say = say
        self.held: dict[str, Built] = {}
        self.pushed: dict[str, str] = {}
        """Images pushed by a step: name -> digest."""
        self._number = 0

    def run(self, arguments: Sequence[str], folder: Path) -> None:
        """`docker ARGUMENTS` in `folder`. BuildError where it would fail."""
        command, *rest = list(arguments) or [""]
        if command == "buildx" and rest[:1] == ["build"]:
            command, rest = "build", rest[1:]
        if command == "build":
            self._build(rest, folder)
        elif command == "pull" and len(rest) == 1:
            self.pull(rest[0])
        elif command == "tag" and len(rest) == 2:
            self.held[rest[1]] = self._known(rest[0])
        elif command == "push" and len(rest) == 1:
            self.push(rest[0])
        else:
            raise BuildError(f"the sandbox knows no 'docker {' '.join(arguments)}'")

    def shell(self, script: str) -> None:
        """A script of the docker builder's shell, of which `docker pull … || true` is understood."""
        for line in re.split(r"&&|;|\n", script):
            match = re.fullmatch(r"\s*docker pull (\S+)\s*(\|\|\s*(?:true|exit 0)\s*)?", line)
            if match is None:
                raise BuildError(f"the sandbox does not run '{line.strip()}' (it knows docker pull IMAGE || true)")
            try:
                self.pull(match[1])
            except BuildError as missing:
                if not match[2]:
                    raise
                self._say(str(missing))

    def pull(self, name: str) -> None:
        digest = self._images.resolve(name)
        if digest is None:
            raise BuildError(f"Error response from daemon: manifest for {name} not found: manifest unknown")
        tree = self._fresh()
        self._images.unpack(digest, tree)
        self.held[name] = Built(tree, self._images.config(digest))
        self._say(f"Status: Downloaded newer image for {name}")

    def push(self, name: str) -> str:
        """The digest. ApiError NOT_FOUND without the repository."""
        built = self._known(name)
        digest = self._images.push(name, built.tree, built.config)
        self.pushed[name] = digest
        return digest

    def _build(self, arguments: Sequence[str], folder: Path) -> None:
        options, places = _options(arguments)
        if len(places) != 1:
            raise BuildError('"docker build" requires exactly 1 argument.')
        context = (folder / places[0]).resolve()
        if not context.is_dir():
            raise BuildError(f'unable to prepare context: path "{places[0]}" not found')
        file = options.get("file", ["Dockerfile"])[-1]
        pairs = [item.partition("=") for item in options.get("build-arg", [])]
        given = {name: value for name, _, value in pairs}
        stage = build(
            context,
            folder / file if "file" in options else context / file,
            self._fresh(),
            target=options.get("target", [""])[-1],
            arguments=given,
            pull=self._base,
            say=self._say,
        )
        for name in options.get("tag", []):
            self.held[name] = Built(stage.tree, stage.config)
            self._say(f"Successfully tagged {name}")

    def _base(self, name: str, tree: Path) -> Config | None:
        """The files of an image that a Dockerfile starts from; None for one of another registry."""
        if name == "scratch":
            return Config()
        if parse_reference(name) is None:
            return None
        digest = self._images.resolve(name)
        if digest is None:
            raise BuildError(f"pull access denied for {name}, repository does not exist or may require authorization")
        tree.rmdir()
        self._images.unpack(digest, tree)
        return self._images.config(digest)

    def _known(self, name: str) -> Built:
        built = self.held.get(name)
        if built is None:
            raise BuildError(f"An image does not exist locally with the tag: {name}")
        return built

    def _fresh(self) -> Path:
        self._number += 1
        return self._work / f"image{self._number}"


def _options(arguments: Sequence[str]) -> tuple[dict[str, list[str]], list[str]]:
    options: dict[str, list[str]] = {}
    places: list[str] = []
    left = list(arguments)
    while left:
        word = left.pop(0)
        if not word.startswith("-") or word == "-":
            places.append(word)
            continue
        name, equals, value = word.partition("=")
        name = _SHORT.get(name, name.removeprefix("--"))
        if name in _VALUED:
            if not equals and not left:
                raise BuildError(f"flag needs an argument: {word}")
            options.setdefault(name, []).append(value if equals else left.pop(0))
        elif name not in _SWITCHES:
            raise BuildError(f"unknown flag: {word}")
    return options, places
