"""WANDB_MODE: what it resolves to, why, and what a plan and a trainer get of it."""

from __future__ import annotations

import json
import time
from pathlib import Path

import keyring
import pytest
from keyring.backend import KeyringBackend

from arrcoc_core import Experiment, plan
from arrcoc_core.accounts.keys import find_keys
from arrcoc_core.accounts.mode import account_environment, wandb_mode
from arrcoc_core.accounts.remembering import WandbAccount, remember
from arrcoc_core.errors import PlanError
from arrcoc_core.settings import load_settings
from arrcoc_core.targets import AttemptKey, JobRequest
from arrcoc_core.targets.local import LocalTarget

KEY = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def netrc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A netrc with a key for W&B's own server."""
    path = tmp_path / "netrc"
    path.write_text(f"machine api.wandb.ai login user password {KEY}\n", encoding="utf-8")
    path.chmod(0o600)
    monkeypatch.setenv("NETRC", str(path))
    return path


def written(root: Path, text: str) -> Path:
    (root / ".training").write_text(text, encoding="utf-8")
    return root


def test_without_a_key_nothing_is_asked_and_runs_log_to_this_machine(project: Path) -> None:
    mode = wandb_mode(load_settings(project))
    assert (mode.online, mode.asked, mode.name) == (False, False, "offline")
    assert mode.why == "offline: no key for https://api.wandb.ai on this machine"
    made = plan("quickstart")
    assert made.ok and made.environment["WANDB_MODE"] == "offline" and made.secrets == {}
    assert ("W&B", True, mode.why) in [(check.name, check.ok, check.detail) for check in made.checks]


def test_a_key_makes_it_online_and_no_plan_holds_it(project: Path, netrc: Path) -> None:
    mode = wandb_mode(load_settings(project))
    assert mode.online and not mode.asked and mode.why.startswith("online at https://api.wandb.ai, with the key of ")
    made = plan("quickstart")
    assert made.ok and made.environment["WANDB_MODE"] == "online" and not made.warnings
    assert made.environment["WANDB_BASE_URL"] == "https://api.wandb.ai" and "WANDB_ENTITY" not in made.environment
    assert list(made.secrets) == ["WANDB_API_KEY"]
    assert KEY not in json.dumps(made.to_json()) + made.to_text() + str(made)


def test_the_key_is_that_of_the_server(project: Path, netrc: Path) -> None:
    written(project, "WANDB_BASE_URL=https://wandb.example.com/")
    mode = wandb_mode(load_settings(project))
    assert mode.why == "offline: no key for https://wandb.example.com on this machine"


def test_whose_the_key_is_is_remembered_by_its_fingerprint(project: Path, netrc: Path) -> None:
    settings = load_settings(project)
    key = find_keys(settings)["WANDB_API_KEY"]
    remember(settings, key, WandbAccount("ada", "lab", ("lab",), "https://api.wandb.ai"))
    mode = wandb_mode(settings)
    assert mode.why == "online as ada at https://api.wandb.ai"
    assert plan("quickstart").environment["WANDB_ENTITY"] == "lab"
    assert KEY not in (project / ".arrcoc" / "cache" / "accounts.json").read_text(encoding="utf-8")
    assert account_environment(load_settings(written(project, "WANDB_ENTITY=mine")), mode)["WANDB_ENTITY"] == "lab"
    assert plan("quickstart").environment["WANDB_ENTITY"] == "mine"
    netrc.write_text(netrc.read_text("utf-8").replace(KEY, KEY[::-1]), encoding="utf-8")
    assert "ada" not in wandb_mode(load_settings(project)).why


def test_a_key_of_this_shell_only_is_worth_a_note(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    made = plan("quickstart")
    assert made.environment["WANDB_MODE"] == "online"
    assert ["only in this shell's environment" in warning for warning in made.warnings] == [True]


@pytest.mark.parametrize("word", ["offline", "dryrun", "disabled", "Offline"])
def test_offline_holds_whatever_key_there_is(project: Path, netrc: Path, word: str) -> None:
    written(project, f"SEED=3\nWANDB_MODE={word}")
    made = plan("quickstart")
    assert made.environment["WANDB_MODE"] == "offline" and made.secrets == {}
    assert "offline: WANDB_MODE=offline (.training:2 WANDB_MODE)" in made.to_text()


def test_online_without_a_key_is_a_failed_check_with_its_repair(project: Path) -> None:
    written(project, "WANDB_MODE=online\nWANDB_BASE_URL=https://wandb.example.com")
    made = plan("quickstart")
    assert [check.name for check in made.checks if not check.ok] == ["W&B"]
    with pytest.raises(PlanError, match=r"WANDB_MODE=online \(.training:1 WANDB_MODE\), and there is no key") as raised:
        made.require()
    assert "wandb login --relogin --host https://wandb.example.com" in raised.value.remedy


class Drawer(KeyringBackend):
    """A keyring like the system's own, in this process."""

    priority = 1.0  # pyright: ignore[reportAssignmentType]

    def __init__(self) -> None:
        super().__init__()
        self.held: dict[tuple[str, str], str] = {}

    def get_password(self, service: str, username: str) -> str | None:
        return self.held.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.held[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        del self.held[service, username]


def test_a_key_may_be_in_the_keyring(project: Path) -> None:
    before = keyring.get_keyring()
    keyring.set_keyring(Drawer())
    try:
        keyring.set_password("wandb", "wandb.example.com:8080", KEY)
        assert find_keys(load_settings(project)) == {}
        settings = load_settings(written(project, "WANDB_BASE_URL=https://wandb.example.com:8080"))
        found = find_keys(settings)["WANDB_API_KEY"]
        assert (found.value, found.where) == (KEY, "the keyring (wandb, wandb.example.com:8080)")
        assert wandb_mode(settings).online
    finally:
        keyring.set_keyring(before)


def test_a_trainer_here_gets_the_key_of_the_moment_in_its_environment_and_nowhere_else(
    project: Path, netrc: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = plan("quickstart")
    netrc.write_text(netrc.read_text("utf-8").replace(KEY, KEY[::-1]), encoding="utf-8")  # changed since the launch
    tell = "import os; print('has', os.environ.get('WANDB_API_KEY'), os.environ['WANDB_MODE'])"

    def started(name: str, environment: dict[str, str]) -> str:
        directory = tmp_path / name
        (directory / "code").mkdir(parents=True)
        command = (made.command[0], "-c", tell, str(directory))
        request = JobRequest(directory, command, environment, made.to_json())
        target = LocalTarget()
        handle = target.submit(request, AttemptKey(name, 1))
        while target.observe(handle).kind == "alive":
            time.sleep(0.02)
        assert KEY[::-1] not in json.dumps(handle)
        return (directory / "logs" / "attempt-1.log").read_text(encoding="utf-8").strip()

    assert started("one", dict(made.environment)) == f"has {KEY[::-1]} online"
    monkeypatch.setenv("WANDB_API_KEY", "of-the-supervisor-s-shell")
    assert started("two", {**made.environment, "WANDB_MODE": "offline"}) == "has None offline"


def test_a_sandbox_s_account_is_its_own(project: Path, netrc: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = project / "box"
    folder.mkdir()
    (folder / "wandb.key").write_text("f" * 40, encoding="utf-8")
    services = {"wandb": "http://127.0.0.1:9", "huggingface": "http://127.0.0.1:10"}
    endpoints = {"name": "sandbox", "services": services, "keys": {"WANDB_API_KEY": str(folder / "wandb.key")}}
    (folder / "endpoints.json").write_text(json.dumps(endpoints), encoding="utf-8")
    (folder / ".training").write_text("HF_HUB_REPO_ID=sandbox/arr-coc-0-1\n", encoding="utf-8")
    written(project, f"WANDB_ENTITY=my-team\nHF_HUB_REPO_ID=me/mine\nCLOUD_ENDPOINTS={folder}")
    settings = load_settings(project)
    assert settings.get("WANDB_ENTITY") == "" and settings.get("HF_HUB_REPO_ID") == "sandbox/arr-coc-0-1"
    assert find_keys(settings)["WANDB_API_KEY"].value == "f" * 40 and "HF_TOKEN" not in find_keys(settings)
    made = plan(Experiment(name="here"))
    assert made.environment["WANDB_BASE_URL"] == "http://127.0.0.1:9"
    assert made.environment["HF_ENDPOINT"] == "http://127.0.0.1:10"
    assert made.endpoints == str(folder) and "my-team" not in json.dumps(made.to_json())
