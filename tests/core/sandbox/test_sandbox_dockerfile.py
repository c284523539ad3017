"""The Dockerfile interpreter: stages, variables, patterns, ignored files."""

from __future__ import annotations

from pathlib import Path

import pytest

from arrcoc_core.sandbox.cloud_build.dockerfile import BuildError, Stage, build, read_instructions
from arrcoc_core.sandbox.images import Config


def built(tmp_path: Path, text: str, files: dict[str, str] | None = None, **given: str) -> Stage:
    context = tmp_path / "context"
    for name, content in {"Dockerfile": text, **(files or {})}.items():
        (context / name).parent.mkdir(parents=True, exist_ok=True)
        (context / name).write_text(content)
    target = given.pop("target", "")
    return build(
        context,
        context / "Dockerfile",
        tmp_path / "work",
        target=target,
        arguments=given,
        pull=lambda name, tree: Config() if name == "scratch" else None,
        say=lambda _: None,
    )


def held(stage: Stage) -> list[str]:
    return sorted(path.relative_to(stage.tree).as_posix() for path in stage.tree.rglob("*") if path.is_file())


def test_lines_comments_and_continuations() -> None:
    text = '# a comment\nFROM scratch\n\nRUN a && \\\n  # inside\n  b\nCMD ["x"]\n'
    assert [tuple(row) for row in read_instructions(text)] == [
        (2, "FROM", "scratch"),
        (4, "RUN", "a && b"),
        (7, "CMD", '["x"]'),
    ]


def test_copy_of_files_folders_and_patterns(tmp_path: Path) -> None:
    files = {"a.py": "a", "b.py": "b", "c.txt": "c", "d/e/f": "f", "d/g": "g"}
    text = """FROM scratch
WORKDIR /app
COPY a.py renamed.py
COPY *.py all/
COPY d ./d2
COPY c.txt /etc/
COPY ["a.py", "b.py", "list/"]
"""
    assert held(built(tmp_path, text, files)) == [
        "app/all/a.py",
        "app/all/b.py",
        "app/d2/e/f",
        "app/d2/g",
        "app/list/a.py",
        "app/list/b.py",
        "app/renamed.py",
        "etc/c.txt",
    ]


def test_dockerignore(tmp_path: Path) -> None:
    files = {".dockerignore": "secret\n*.log\n!keep.log\n**/cache", "secret/key": "k", "a.log": "", "keep.log": ""}
    stage = built(tmp_path, "FROM scratch\nCOPY . /app\n", {**files, "in/cache/x": "", "in/y": ""})
    assert held(stage) == ["app/.dockerignore", "app/Dockerfile", "app/in/y", "app/keep.log"]
    with pytest.raises(BuildError, match=r"excluded by .dockerignore"):
        built(tmp_path / "two", "FROM scratch\nCOPY secret /\n", files)


def test_variables(tmp_path: Path) -> None:
    text = """ARG BASE=scratch
FROM ${BASE} AS first
ARG NAME=world
ARG UNSET
ENV GREETING="hello $NAME" PLACE=/srv/${UNSET:-none} OLD=\\$kept
ENV LEGACY all the rest
WORKDIR $PLACE
LABEL who="$NAME"
"""
    stage = built(tmp_path, text, NAME="you")
    assert stage.config.env == {
        "GREETING": "hello you",
        "PLACE": "/srv/none",
        "OLD": "$kept",
        "LEGACY": "all the rest",
    }
    assert stage.config.workdir == "/srv/none" and stage.config.labels == {"who": "you"}


def test_stages(tmp_path: Path) -> None:
    text = """FROM scratch AS one
COPY a /a
ENV X=1
FROM one AS two
RUN make /made
FROM scratch
COPY --from=one /a /b
COPY --from=two /made /made
"""
    stage = built(tmp_path, text, {"a": "a"})
    assert held(stage) == ["b"] and stage.config.env == {}
    two = built(tmp_path / "again", text, {"a": "a"}, target="two")
    assert held(two) == ["a"] and two.config.env == {"X": "1"} and two.has_run
    with pytest.raises(BuildError, match="stat /nothing"):
        built(tmp_path / "wrong", "FROM scratch AS one\nFROM scratch\nCOPY --from=one /nothing /x\n")


def test_entrypoints_and_commands(tmp_path: Path) -> None:
    stage = built(tmp_path, 'FROM scratch\nCMD ["a"]\nENTRYPOINT ["python", "-m", "x"]\nCMD run it\n')
    assert stage.config.entrypoint == ["python", "-m", "x"] and stage.config.cmd == ["/bin/sh", "-c", "run it"]
