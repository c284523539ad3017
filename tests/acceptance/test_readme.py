"""The read-me says nothing that does not work: its experiment file, its script and its commands are carried out."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from arrcoc_core import runs
from arrcoc_core.cli.parser import build_parser, load_command

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
# The read-me's experiments leave out the data: here they read so little of it that each is over in seconds.
SMALL = {"ARRCOC_MAX_TRAIN_SAMPLES": "96", "ARRCOC_EVAL_SAMPLES": "16", "ARRCOC_EVAL_EVERY_N_STEPS": "1"}


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, flags=re.MULTILINE | re.DOTALL)


@pytest.mark.timeout(900)
def test_what_the_readme_shows_works(project: Path, tmp_path: Path) -> None:
    experiment, script = blocks("python")
    (commands,) = blocks("bash")
    for block in (experiment, script, commands):
        assert len(block.strip().splitlines()) <= 11
    shim = tmp_path / "arrcoc"
    shim.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m arrcoc_core.cli "$@"\n', encoding="utf-8")
    shim.chmod(0o755)
    environment = {**os.environ, **SMALL, "PATH": f"{tmp_path}:{os.environ['PATH']}"}

    def run(*command: str) -> str:
        done = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    (project / "experiments/mine.py").write_text(experiment, encoding="utf-8")
    (project / "script.py").write_text(script, encoding="utf-8")
    names = {row["name"] for row in json.loads(run("arrcoc", "list", "--json"))}
    assert {"mine", "longer", "budgets/keep-2,seed-0"} <= names
    assert "succeeded" in run(sys.executable, "script.py")
    for line in commands.strip().splitlines():
        command = line.split("#")[0].strip()
        if command == "arrcoc monitor":
            command += " --json"  # without it, it follows until the sweep has ended
        run("bash", "-c", command)
    assert all(left.wait(120).finished for left in runs(root=project))
    assert (project / "curves.csv").read_text(encoding="utf-8").startswith("trainer/step,eval/accuracy")


def test_the_way_to_the_cloud_is_written_as_the_command_line_reads_it() -> None:
    (commands,) = blocks("sh")
    for line in commands.strip().splitlines():
        words = line.split("#")[0].split()
        assert words[0] == "arrcoc"
        arguments = build_parser().parse_args(words[1:])
        assert load_command(arguments.command)


def test_links_and_commands_of_the_readme_exist() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        if "://" not in target and target != "docs/screenshot.png":
            assert (ROOT / target).exists(), target
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for command in re.findall(r"^make (\w+)", README, flags=re.MULTILINE):
        assert f"\n{command}:" in makefile
