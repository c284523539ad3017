"""What a person reads: problems with their steps, rows, keys that never show, addresses found on this machine."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from arrcoc_core.accounts.keys import LocalKey, find_keys
from arrcoc_core.cli.asking import repair
from arrcoc_core.cli.live_rows import LiveRows
from arrcoc_core.errors import CloudError, CloudScope, ConfigError
from arrcoc_core.infra.events import Event, Fix, Problem
from arrcoc_core.infra.repairs import problem_of
from arrcoc_core.infra.world import World, gcloud_account
from arrcoc_core.settings import load_settings


@pytest.mark.parametrize(
    ("scope", "command"),
    [
        ("api-disabled", "gcloud services enable iam.googleapis.com --project arrcoc-sandbox"),
        ("billing", "gcloud billing projects link arrcoc-sandbox --billing-account=<account id>"),
        ("permission", "gcloud projects add-iam-policy-binding arrcoc-sandbox --member=serviceAccount:owner@"),
        ("auth", "arrcoc sandbox start"),
    ],
)
def test_each_kind_of_error_has_its_steps(scope: CloudScope, command: str, world: World) -> None:
    problem = problem_of(CloudError("It failed.", scope=scope, data={"service": "iam.googleapis.com"}), world)
    assert problem.message == "It failed." and problem.cause
    assert any(fix.command.startswith(command) for fix in problem.fixes), problem.fixes
    text = problem.to_text()
    assert text.index("Cause:") < text.index("  1. ") < (text + "  2. ").index("  2. ")
    for fix in problem.fixes:
        assert fix.safe == fix.command.startswith("gcloud services enable"), "only this one is free and reversible"
        assert fix.runnable == (bool(fix.command) and "<" not in fix.command)


def test_a_remedy_of_any_error_becomes_steps_with_commands() -> None:
    problem = problem_of(ConfigError("No.", remedy="Check the file.\narrcoc setup   makes it\ngcloud auth login"))
    assert [(fix.text, fix.command) for fix in problem.fixes] == [
        ("Check the file.", ""),
        ("Makes it:", "arrcoc setup"),
        ("Run:", "gcloud auth login"),
    ]


def test_a_repair_runs_only_what_is_safe_without_asking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = tmp_path / "told"
    (tmp_path / "gcloud").write_text(f'#!/bin/sh\necho "$@" >> {told}\n', encoding="utf-8")
    (tmp_path / "gcloud").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    fixes = (
        Fix("", "gcloud auth application-default login"),
        Fix("", "gcloud services enable iam.googleapis.com", safe=True),
        Fix("", "gcloud billing projects link <project>", safe=True),
        Fix("", f"rm {told}", safe=True),
    )
    assert not repair(Problem("No.", "", fixes), asks=False, yes=False) and not told.exists()
    assert repair(Problem("No.", "", fixes), asks=False, yes=True)
    assert told.read_text("utf-8") == "services enable iam.googleapis.com\n"
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\nn\n"))
    assert repair(Problem("No.", "", fixes), asks=True, yes=False)
    assert told.read_text("utf-8").splitlines()[1:] == ["auth application-default login"]


def test_keys_are_found_where_their_tools_keep_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("WANDB_API_KEY", "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("NETRC", raising=False)

    def at(url: str) -> dict[str, LocalKey]:
        return find_keys(load_settings(tmp_path, {"ARRCOC_WANDB_BASE_URL": url}))

    assert "WANDB_API_KEY" not in at("https://api.wandb.ai")
    (tmp_path / ".netrc").write_text(
        "machine api.wandb.ai login user password the-public-one\n"
        "machine wandb.example.com:8080 login user password the-own-one\n",
        encoding="utf-8",
    )
    (tmp_path / ".netrc").chmod(0o600)
    public = at("https://api.wandb.ai")["WANDB_API_KEY"]
    own = at("https://wandb.example.com:8080")["WANDB_API_KEY"]
    assert (public.value, own.value) == ("the-public-one", "the-own-one") and public.where.startswith("~/.netrc")
    assert "WANDB_API_KEY" not in at("https://elsewhere.example.com")
    monkeypatch.setenv("WANDB_API_KEY", "from-the-environment")
    monkeypatch.setenv("HF_TOKEN", "hf_something")
    found = at("https://api.wandb.ai")
    assert found["WANDB_API_KEY"].value == "from-the-environment" and found["HF_TOKEN"].value == "hf_something"
    assert "from-the-environment" not in repr(found) and "hf_something" not in repr(found)
    assert found["WANDB_API_KEY"].fingerprint != public.fingerprint and len(public.fingerprint) == 12


def test_who_is_logged_in_with_gcloud(tmp_path: Path) -> None:
    environment = {"CLOUDSDK_CONFIG": str(tmp_path)}
    assert gcloud_account(environment) == ""
    (tmp_path / "configurations").mkdir()
    for name, address in (("default", "me@example.com"), ("work", "me@work.example.com")):
        (tmp_path / "configurations" / f"config_{name}").write_text(f"[core]\naccount = {address}\n", encoding="utf-8")
    assert gcloud_account(environment) == "me@example.com"
    (tmp_path / "active_config").write_text("work", encoding="utf-8")
    assert gcloud_account(environment) == "me@work.example.com"
    assert gcloud_account({**environment, "CLOUDSDK_CORE_ACCOUNT": "x@y.z"}) == "x@y.z"


def test_rows_in_a_pipe_are_one_line_for_each_end(capsys: pytest.CaptureFixture[str]) -> None:
    with LiveRows() as rows:
        for state in ("waiting", "checking", "missing", "creating", "created"):
            rows.tell(Event("a", "Bucket", state, "gs://a\x1b[31m", 0.0 if state == "waiting" else 1.25))
    assert capsys.readouterr().out.splitlines() == [
        "missing    Bucket    1.2 s  gs://a",
        "created    Bucket    1.2 s  gs://a",
    ]
