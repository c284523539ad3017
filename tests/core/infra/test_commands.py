"""The commands as a program and as a person meet them."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from arrcoc_core.cli import main
from arrcoc_core.cli.choosing import _ask_project
from arrcoc_core.infra.world import World
from arrcoc_core.sandbox import Sandbox
from arrcoc_core.sandbox.faults import RevokedCredentials
from arrcoc_core.sandbox.images import publish
from arrcoc_core.settings import load_settings
from tests.core.infra.test_teardown import start_job

EXPERIMENT = """
from arrcoc_core import Experiment, Vertex

cloud = Experiment(name="cloud", compute=Vertex(gpu="L4", spot=True, fallback=()))
"""
OWNER = "arr-coc-0-1"


@pytest.fixture
def cloud_project(project: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with one experiment, for the cloud, pointed at the sandbox."""
    monkeypatch.setenv("ARRCOC_CLOUD_ENDPOINTS", str(sandbox.folder))  # `project` has cleared it
    monkeypatch.setenv("HOME", str(project / "home"))
    monkeypatch.delenv("HF_TOKEN", raising=False)
    for path in (project / "experiments").glob("*.py"):
        path.unlink()
    (project / "experiments" / "cloud.py").write_text(EXPERIMENT, encoding="utf-8")
    return project


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_infra_tells_rows_and_tables_as_they_come(
    cloud_project: Path, sandbox: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--json", "setup", "--yes"]) == 0
    made = len(sandbox.changes())
    capsys.readouterr()
    assert main(["--json", "infra"]) == 0
    told = lines(capsys)
    loaded = {line["table"]: line for line in told if line["type"] == "table" and line["state"] != "loading"}
    assert {table: line["state"] for table, line in loaded.items()} == dict.fromkeys(
        ("quotas", "costs", "jobs"), "loaded"
    )
    quota = next(line for line in told if line["type"] == "quota" and line["needed"])
    assert (quota["gpu"], quota["region"], quota["kind"], quota["limit"]) == ("L4", "us-central1", "spot", 1)
    assert {line["resource"] for line in told if line["type"] == "cost"} == {
        "staging-bucket",
        "runs-bucket",
        "repository",
    }
    assert told[-1]["type"] == "done" and told[-1]["ok"]
    assert main(["--json", "infra", "--request", "A100=4@europe-west4"]) == 0
    asked = [line for line in lines(capsys) if line["type"] == "resource"][-1]
    assert asked["resource"] == "quota-a100-europe-west4" and asked["state"] == "requested"
    assert len(sandbox.changes()) == made + 2, "4 A100 and the 48 vCPUs that go with them"
    assert main(["infra"]) == 0
    text = capsys.readouterr().out
    assert re.search(r"^A100 +europe-west4 +spot +\d +0 +4: (pending|granted)$", text, re.M)
    assert "a month, before free tiers" in text and re.search("granted as well\nGPU", text)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["setup", "--region", "us-centrl1"], "Did you mean us-central1?"),
        (["setup", "--project", "No Project"], "GCP_PROJECT_ID must be a project id"),
        (["infra", "--request", "L4"], "L4=2@us-central1"),
        (["infra", "--request", "K80=1"], "has no GPU 'K80'"),
        (["infra", "--request", "L4=1@mars-east1"], "no region 'mars-east1'"),
    ],
)
def test_what_is_typed_wrong_is_said(
    arguments: list[str], words: str, cloud_project: Path, sandbox: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    assert words in capsys.readouterr().err and sandbox.changes() == []


def test_without_a_project_setup_says_how_to_name_one(
    cloud_project: Path, sandbox: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    (sandbox.folder / ".training").write_text("WANDB_MODE=offline\n", encoding="utf-8")
    for command in (["setup", "--yes"], ["infra"], ["teardown"]):
        assert main(command) == 2
        assert "arrcoc setup --project" in capsys.readouterr().err


def test_what_a_form_offers(cloud_project: Path, sandbox: Sandbox, capsys: pytest.CaptureFixture[str]) -> None:
    sandbox.box.service("serviceusage").switch("cloudresourcemanager.googleapis.com", True)
    assert main(["setup", "--list", "projects"]) == 0
    assert [line["value"] for line in lines(capsys)] == ["arrcoc-sandbox"]
    assert main(["setup", "--list", "regions"]) == 0
    first = lines(capsys)[0]
    assert (first["region"], first["gpu"]) == ("us-central1", "L4") and first["spot_usd_per_h"] < first["usd_per_h"]
    assert main(["setup", "--list", "keys"]) == 0
    assert [(line["variable"], line["found"]) for line in lines(capsys)] == [
        ("WANDB_API_KEY", True),  # the sandbox brings its own keys
        ("HF_TOKEN", True),
    ]
    assert sandbox.changes() == []


def test_teardown_cancels_what_goes_on_when_told_to(
    cloud_project: Path, sandbox: Sandbox, world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--json", "setup", "--yes"]) == 0
    image = f"us-central1-docker.pkg.dev/arrcoc-sandbox/{OWNER}/trainer"
    digest = publish(sandbox.box, f"{image}:abc", {"/app/main.py": "import time; time.sleep(60)"})
    start_job(world, f"{image}@{digest}", "us-central1", {"arrcoc_owner": OWNER, "arrcoc_run": "a-run"})
    before = len(sandbox.changes())
    capsys.readouterr()
    assert main(["--json", "teardown", "--confirm", OWNER]) == 2
    told = lines(capsys)
    assert [line["run"] for line in told if line["type"] == "live"] == ["a-run"]
    assert "--cancel-runs" in json.dumps(told[-1]["error"]) and len(sandbox.changes()) == before
    assert main(["--json", "teardown", "--confirm", OWNER, "--cancel-runs"]) == 0
    assert lines(capsys)[-1]["ok"]


def test_setup_asks_a_person_and_writes_the_answers_into_the_sandboxs_file(
    cloud_project: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = sandbox.folder / ".training"
    own.write_text("# mine\nGCP_PROJECT_ID=   # which one?\n", encoding="utf-8")
    monkeypatch.setenv("WANDB_API_KEY", "a-persons-own")  # which the sandbox does not get: it has its own
    key = (sandbox.folder / "wandb.key").read_text(encoding="utf-8").strip()
    declined = {
        "Google Cloud project": "arrcoc-sandbox",
        "Region [us-central1]": "",
        "Copy the W&B API key": "n",
        "Copy the Hugging Face token": "n",
        "Make or change": "n",
    }
    code, text = talk([sys.executable, "-m", "arrcoc_core.cli", "setup"], declined)
    assert code == 0 and sandbox.changes() == [], text
    assert "GCP_ROOT_RESOURCE_REGION=us-central1" in own.read_text("utf-8"), "a default was chosen, too"
    own.write_text("# mine\nGCP_PROJECT_ID=   # which one?\n", encoding="utf-8")
    answers = {
        "Google Cloud project": "arrcoc-sandbox",
        "Region [us-central1]": "europe-west4",
        "Copy the W&B API key": "y",
        "Copy the Hugging Face token": "y",
        "Make or change": "y",
    }
    code, text = talk([sys.executable, "-m", "arrcoc_core.cli", "setup"], answers)
    assert code == 0, text
    assert "L4 spot" in text and "things made" in text and key not in text
    written = own.read_text("utf-8")
    assert written == "# mine\nGCP_PROJECT_ID=arrcoc-sandbox   # which one?\nGCP_ROOT_RESOURCE_REGION=europe-west4\n"
    assert not (cloud_project / ".training").exists()
    assert "secretmanager.AddSecretVersion" in sandbox.changes()
    made = len(sandbox.changes())
    code, text = talk([sys.executable, "-m", "arrcoc_core.cli", "teardown"], {f"Type {OWNER} to remove": "something"})
    assert code == 2 and "that is not the name" in text and len(sandbox.changes()) == made


def test_setup_without_a_project_asks_for_none_and_puts_the_name_on_the_hub_right(
    cloud_project: Path, sandbox: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    own = sandbox.folder / ".training"
    own.write_text("HF_HUB_REPO_ID=YOUR_USERNAME/mine  # whose?\n", encoding="utf-8")
    answers = {
        "Google Cloud project (none: an empty line)": "",
        "HF_HUB_REPO_ID is YOUR_USERNAME/mine: make it sandbox/mine?": "y",
        "Make or change 2 things?": "y",
    }
    code, text = talk([sys.executable, "-m", "arrcoc_core.cli", "setup"], answers)
    assert code == 0 and "2 things made" in text, text
    assert own.read_text("utf-8") == "HF_HUB_REPO_ID=sandbox/mine  # whose?\n"
    made = [change for change in sandbox.changes() if not change.startswith(("wandb.", "huggingface."))]
    assert made == []
    sandbox.set_scenario([RevokedCredentials()])  # Google's: who uses W&B alone may have none
    assert _ask_project(load_settings(cloud_project), needed=False) == ""
    assert "Without a project, runs stay on this machine" in capsys.readouterr().out


def talk(command: list[str], answers: dict[str, str]) -> tuple[int, str]:
    """Run a command on a terminal of its own, answering each question when it comes."""
    terminal, end = pty.openpty()
    environment = {**os.environ, "COLUMNS": "160", "LINES": "60", "TERM": "xterm"}
    child = subprocess.Popen(command, stdin=end, stdout=end, stderr=end, env=environment, start_new_session=True)
    os.close(end)
    text, answered = "", 0
    deadline = time.monotonic() + 60
    left = dict(answers)
    while time.monotonic() < deadline:
        ready, _, _ = select.select([terminal], [], [], 0.2)
        if ready:
            try:
                data = os.read(terminal, 65536)
            except OSError:  # its end
                break
            if not data:
                break
            text += data.decode("utf-8", "replace")
        for question, answer in list(left.items()):
            if question in text[answered:]:
                del left[question]
                answered = len(text)
                os.write(terminal, f"{answer}\n".encode())
    os.close(terminal)
    return child.wait(timeout=20), text
