"""W&B and the Hub as rows of setup, infra and teardown: made, read back, kept, and each wrong thing told once."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import close_session

from arrcoc_core.accounts import hub_account, wandb_account
from arrcoc_core.accounts.mode import wandb_mode
from arrcoc_core.accounts.wandb_client import WandbClient
from arrcoc_core.cli import main
from arrcoc_core.errors import CloudError
from arrcoc_core.infra import World
from arrcoc_core.infra.hub_rows import HubAccountRow, HubRepository
from arrcoc_core.infra.resource import Status
from arrcoc_core.infra.wandb_rows import WandbAccountRow, WandbProject
from arrcoc_core.sandbox import Sandbox, running
from arrcoc_core.sandbox.faults import NoLaunch, NoNetwork, PermissionDenied, RevokedCredentials, Unavailable
from arrcoc_core.settings import Settings, load_settings

KEYS = ("GOOGLE_", "CLOUDSDK_", "ARRCOC_", "WANDB_")


@pytest.fixture(scope="module")
def box(
    make_project: Callable[[], Path], tmp_path_factory: pytest.TempPathFactory, sandbox_key: str
) -> Iterator[tuple[Sandbox, Path]]:
    """A sandbox that only W&B and the Hub are used of, and a project without experiments that points at it."""
    root, folder = make_project(), tmp_path_factory.mktemp("outside")
    for path in (root / "experiments").glob("*.py"):
        path.unlink()
    (folder / "key.json").write_text(sandbox_key, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch, running(folder, speed=100) as sandbox:
        for name in [one for one in os.environ if one.startswith(KEYS)]:
            patch.delenv(name)
        patch.setenv("ARRCOC_CLOUD_ENDPOINTS", str(folder))
        yield sandbox, root
        close_session()


@pytest.fixture
def given(box: tuple[Sandbox, Path], monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Settings]]:
    """Settings of the project, without Google Cloud, with these in the sandbox's own `.training`."""
    sandbox, root = box
    monkeypatch.chdir(root)
    own = sandbox.folder / ".training"

    def make(**values: str) -> Settings:
        lines = [f"{key}={value}" for key, value in {"HF_HUB_REPO_ID": "", **values}.items()]
        own.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        return load_settings(root)

    make()
    yield make
    sandbox.set_scenario([])
    (root / ".arrcoc" / "cache" / "accounts.json").unlink(missing_ok=True)


def look(row: Any, settings: Settings) -> Status:
    return row.check(World.of(settings, request_quota=False))


def told(capsys: pytest.CaptureFixture[str]) -> dict[str, dict[str, Any]]:
    """The last event of each row of a command with --json."""
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    return {line["resource"]: line for line in lines if line["type"] == "resource"}


def asked(sandbox: Sandbox, service: str) -> list[str]:
    return [one for one in sandbox.changes() if one.startswith(f"{service}.")]


def test_who_am_i_at_w_and_b(box: tuple[Sandbox, Path], given: Callable[..., Settings]) -> None:
    sandbox, root = box
    settings = given()
    assert "with the key of" in wandb_mode(settings).why
    account = wandb_account.who(settings)
    assert (account.user, account.entity, account.url) == ("sandbox", "sandbox", sandbox.endpoints.services["wandb"])
    assert account.may_write("sandbox-team") and account.may_write("") and not account.may_write("others")
    assert wandb_mode(settings).why == f"online as sandbox at {account.url}", "remembered, without asking again"
    assert wandb_mode(settings).entity == "sandbox"
    key = (sandbox.folder / "wandb.key").read_text("utf-8").strip()
    assert key not in (root / ".arrcoc" / "cache" / "accounts.json").read_text("utf-8")


def test_who_am_i_on_the_hub(given: Callable[..., Settings]) -> None:
    account = hub_account.who(given())
    assert (account.user, account.orgs, account.role) == ("sandbox", ("sandbox-org",), "write")
    assert account.may_write("sandbox/x") and account.may_write("sandbox-org/x") and not account.may_write("others/x")


def test_what_a_token_may_write() -> None:
    whole = hub_account.HubAccount("ada", ("lab",), "read", "https://hub")
    assert not whole.may_write("ada/x")
    fine = replace(whole, role="fineGrained", scoped=frozenset({"lab", "ada/only"}))
    assert fine.may_write("ada/only") and fine.may_write("lab/any") and not fine.may_write("ada/other")


@pytest.mark.parametrize(
    ("fault", "scope", "says", "repair"),
    [
        (
            RevokedCredentials(service="wandb", times=None),
            "auth",
            "does not take this machine's W&B key",
            "arrcoc sand",
        ),
        (NoNetwork(service="wandb"), "offline", "cannot be reached", "arrcoc sandbox start"),
        (Unavailable(service="wandb", times=None), "unavailable", "answered 503", ""),
    ],
)
def test_a_key_that_does_not_work_is_one_message(
    box: tuple[Sandbox, Path], given: Callable[..., Settings], fault: Any, scope: str, says: str, repair: str
) -> None:
    settings = given()
    wandb_account.who(settings)
    box[0].set_scenario([fault])
    with pytest.raises(CloudError, match=says) as raised:
        wandb_account.who(settings, patience_s=0)
    assert raised.value.scope == scope and repair in raised.value.remedy
    assert ("as sandbox" in wandb_mode(settings).why) is (scope != "auth"), "a key that is not taken is forgotten"


@pytest.mark.parametrize(
    ("fault", "scope", "says"),
    [
        (RevokedCredentials(service="huggingface", times=None), "auth", "does not take this machine's token"),
        (NoNetwork(service="huggingface"), "offline", "cannot be reached"),
    ],
)
def test_a_token_that_does_not_work_is_one_message(
    box: tuple[Sandbox, Path], given: Callable[..., Settings], fault: Any, scope: str, says: str
) -> None:
    box[0].set_scenario([fault])
    with pytest.raises(CloudError, match=says) as raised:
        hub_account.who(given())
    assert raised.value.scope == scope and "arrcoc sandbox start" in raised.value.remedy


@pytest.mark.parametrize(
    ("status", "body"), [(200, b"<html>hello</html>"), (200, b'{"ok": true}'), (200, b"[]"), (404, b""), (302, b"")]
)
def test_an_address_that_is_no_server_of_theirs(project: Path, status: int, body: bytes) -> None:
    class Site(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Site) as site:
        thread = threading.Thread(target=site.serve_forever)
        thread.start()
        address = f"http://127.0.0.1:{site.server_address[1]}"
        (project / ".training").write_text(f"WANDB_BASE_URL={address}\n", encoding="utf-8")
        client = WandbClient(address, "0" * 40)
        try:
            with pytest.raises(CloudError, match="is no W&B server") as raised:
                wandb_account.who(load_settings(project), client=client, patience_s=0)
        finally:
            client.close()
            site.shutdown()
            thread.join()
    assert "WANDB_BASE_URL in .training" in raised.value.remedy


def test_where_the_key_is_decides_what_repairs_it(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (project / ".training").write_text("WANDB_BASE_URL=http://127.0.0.1:9\n", encoding="utf-8")
    with pytest.raises(CloudError, match=r"no W&B key for http://127.0.0.1:9") as raised:
        wandb_account.who(load_settings(project))
    assert raised.value.remedy == "wandb login --relogin --host http://127.0.0.1:9"
    monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
    client = WandbClient.of(load_settings(project))
    assert client.not_taken().remedy.splitlines()[0].startswith("unset WANDB_API_KEY")
    with pytest.raises(CloudError, match="cannot be reached") as raised:
        wandb_account.who(load_settings(project), patience_s=0)
    assert "curl -I http://127.0.0.1:9" in raised.value.remedy


def test_setup_with_nothing_of_google_makes_project_and_repository_once(
    box: tuple[Sandbox, Path], given: Callable[..., Settings], capsys: pytest.CaptureFixture[str]
) -> None:
    sandbox, _ = box
    given(WANDB_PROJECT="made-here", HF_HUB_REPO_ID="sandbox-org/made-here", WANDB_LAUNCH_QUEUE_NAME="made-here")
    before = len(sandbox.changes())
    assert main(["--json", "setup", "--yes"]) == 0
    rows = told(capsys)
    google = [change for change in sandbox.changes()[before:] if not change.startswith(("wandb.", "huggingface."))]
    assert (
        google == [] and rows["google"]["state"] == "skipped" and "arrcoc setup --project" in rows["google"]["detail"]
    )
    made = {name: row["state"] for name, row in rows.items()}
    assert made == {
        "google": "skipped",
        "wandb-account": "ok",
        "wandb-project": "created",
        "wandb-queue-made-here": "created",
        "hub-account": "ok",
        "hub-repository": "created",
    }
    assert "sandbox, logs to sandbox" in rows["wandb-account"]["detail"]
    assert rows["wandb-project"]["console"].endswith("/sandbox/made-here")
    assert rows["hub-repository"]["detail"] == "sandbox-org/made-here: private"
    changes = len(sandbox.changes())
    assert main(["--json", "setup", "--yes"]) == 0
    assert {row["state"] for row in told(capsys).values()} == {"ok", "skipped"}
    assert len(sandbox.changes()) == changes, "the second time there was nothing to make"
    assert main(["--json", "infra"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    last = {line["resource"]: line["state"] for line in lines if line["type"] == "resource"}
    assert set(last.values()) == {"ok", "skipped"}
    (queue,) = [line for line in lines if line["type"] == "queue"]
    assert (queue["entity"], queue["name"], queue["headline"]) == ("sandbox", "made-here", "empty; no agent polls it")
    given(WANDB_MODE="offline", WANDB_LAUNCH_QUEUE_NAME="made-here", HF_HUB_REPO_ID="sandbox-org/made-here")
    assert main(["infra"]) == 0, "a queue is there wherever runs log"
    text = capsys.readouterr().out
    assert "W&B Launch queue" in text and "sandbox/made-here: empty; no agent polls it" in text


def test_teardown_takes_the_queue_and_keeps_what_holds_runs_and_results(
    given: Callable[..., Settings], capsys: pytest.CaptureFixture[str]
) -> None:
    names = {"WANDB_PROJECT": "kept", "HF_HUB_REPO_ID": "sandbox/kept", "WANDB_LAUNCH_QUEUE_NAME": "goes"}
    settings = given(**names)
    assert main(["--json", "setup", "--yes"]) == 0
    capsys.readouterr()
    assert main(["teardown", "--dry-run"]) == 0
    listed = capsys.readouterr().out
    assert "keep" in listed and "it holds your runs" in listed and "it holds your results" in listed
    assert main(["--json", "teardown", "--confirm", "arr-coc-0-1"]) == 0
    rows = told(capsys)
    assert {name: row["state"] for name, row in rows.items()} == {
        "wandb-queue-goes": "removed",
        "wandb-project": "kept",
        "hub-repository": "kept",
    }
    assert look(WandbProject(), settings).state == "ok" and look(HubRepository(), settings).state == "ok"
    assert main(["--json", "teardown", "--confirm", "arr-coc-0-1"]) == 0
    assert "removed" not in {row["state"] for row in told(capsys).values()}


def test_no_right_to_the_entity(
    box: tuple[Sandbox, Path], given: Callable[..., Settings], capsys: pytest.CaptureFixture[str]
) -> None:
    sandbox, _ = box
    given(WANDB_ENTITY="others", WANDB_PROJECT="theirs")
    before = len(asked(sandbox, "wandb"))
    assert main(["--json", "setup", "--yes"]) == 1
    rows = told(capsys)
    error = rows["wandb-account"]["error"]
    assert rows["wandb-account"]["state"] == "failed" and "sandbox may not write to others" in error["message"]
    assert "WANDB_ENTITY=sandbox in .training" in error["fixes"][0]["text"]
    assert rows["wandb-project"]["state"] == "skipped", "told once"
    assert len(asked(sandbox, "wandb")) == before
    given(WANDB_ENTITY="sandbox-team", WANDB_PROJECT="ours")
    assert main(["--json", "setup", "--yes"]) == 0
    assert told(capsys)["wandb-project"]["detail"].startswith("sandbox-team/ours")
    sandbox.set_scenario([PermissionDenied(entity="sandbox-team", times=None)])
    closed = given(WANDB_ENTITY="sandbox-team", WANDB_PROJECT="not-yet")
    with pytest.raises(CloudError) as raised:
        WandbProject().ensure(World.of(closed), print)
    assert raised.value.scope in ("permission", "not-found")


def test_your_username_is_put_right(
    box: tuple[Sandbox, Path], given: Callable[..., Settings], capsys: pytest.CaptureFixture[str]
) -> None:
    sandbox, _ = box
    given(HF_HUB_REPO_ID="YOUR_USERNAME/arr-coc-0-1", WANDB_MODE="offline")
    assert main(["--json", "setup"]) == 1
    row = told(capsys)["hub-repository"]
    assert row["state"] == "failed" and "still says YOUR_USERNAME" in row["error"]["message"]
    assert row["error"]["fixes"][0]["text"] == "Write HF_HUB_REPO_ID=sandbox/arr-coc-0-1 there."
    assert main(["--json", "setup", "--yes"]) == 0
    row = told(capsys)["hub-repository"]
    assert row["detail"].startswith("sandbox/arr-coc-0-1")
    assert "HF_HUB_REPO_ID=sandbox/arr-coc-0-1\n" in (sandbox.folder / ".training").read_text("utf-8")


def test_a_repository_that_results_cannot_go_to(box: tuple[Sandbox, Path], given: Callable[..., Settings]) -> None:
    sandbox, _ = box
    settings = given(HF_HUB_REPO_ID="sandbox/pictures")
    hub_account.hub_api(settings).create_repo("sandbox/pictures", repo_type="dataset")
    with pytest.raises(CloudError, match="it is a dataset") as raised:
        look(HubRepository(), settings)
    assert "HF_HUB_REPO_ID=sandbox/pictures-selector" in raised.value.remedy
    with pytest.raises(CloudError, match="others is neither this user nor an organisation") as raised:
        look(HubRepository(), given(HF_HUB_REPO_ID="others/x"))
    assert "HF_HUB_REPO_ID=sandbox/x" in raised.value.remedy
    token = sandbox.folder / "hub.token"
    write = token.read_text(encoding="utf-8")
    try:
        token.write_text(sandbox.box.service("huggingface").new_token("read"), encoding="utf-8")
        with pytest.raises(CloudError, match="it may read only") as raised:
            look(HubRepository(), given(HF_HUB_REPO_ID="sandbox/x"))
        assert "/settings/tokens" in raised.value.remedy
    finally:
        token.write_text(write, encoding="utf-8")


def test_a_public_repository_stays_public(given: Callable[..., Settings]) -> None:
    settings = given(HF_HUB_REPO_ID="sandbox/seen", HF_HUB_PRIVATE="false")
    assert HubRepository().ensure(World.of(settings), print).detail == "public"
    asking = given(HF_HUB_REPO_ID="sandbox/seen", HF_HUB_PRIVATE="true")
    assert look(HubRepository(), asking) == Status("ok", "public, although HF_HUB_PRIVATE asks for private")


def test_a_server_without_launch_says_so_and_the_rest_is_made(
    box: tuple[Sandbox, Path], given: Callable[..., Settings], capsys: pytest.CaptureFixture[str]
) -> None:
    box[0].set_scenario([NoLaunch(times=None)])
    given(WANDB_LAUNCH_QUEUE_NAME="none", WANDB_PROJECT="made-without-launch")
    assert main(["--json", "setup", "--yes"]) == 1
    rows = told(capsys)
    assert "has no Launch" in rows["wandb-queue-none"]["error"]["message"]
    assert rows["wandb-project"]["state"] == "created"


def test_what_does_not_answer_is_unknown_and_stops_nothing_else(
    box: tuple[Sandbox, Path], given: Callable[..., Settings]
) -> None:
    settings = given()
    box[0].set_scenario([NoNetwork(service="huggingface")])
    found = look(HubAccountRow(), given(HF_HUB_REPO_ID="sandbox/x"))
    assert found.state == "unknown" and found.problem is not None
    assert look(WandbAccountRow(), settings).state == "ok"


def test_accounts_says_who_is_signed_in_and_what_repairs_it(
    box: tuple[Sandbox, Path], given: Callable[..., Settings], capsys: pytest.CaptureFixture[str]
) -> None:
    given(HF_HUB_REPO_ID="sandbox/x")
    assert main(["accounts"]) == 0
    shown = capsys.readouterr().out
    assert "sandbox, logs to sandbox" in shown and "Runs log online as sandbox at http://" in shown
    box[0].set_scenario([RevokedCredentials(service="huggingface", times=None)])
    assert main(["--json", "accounts"]) == 1
    text = capsys.readouterr().out
    rows = {line["resource"]: line for line in map(json.loads, text.splitlines()) if line["type"] == "resource"}
    assert list(rows) == ["wandb-account", "hub-account"] and rows["wandb-account"]["state"] == "ok"
    error = rows["hub-account"]["error"]
    assert rows["hub-account"]["state"] == "failed" and error["fixes"][0]["command"] == "arrcoc sandbox start"
    assert '"mode": "online"' in text


def test_without_a_key_and_offline_are_notes(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = look(WandbAccountRow(), load_settings(project))
    assert found.state == "note" and found.problem is not None
    assert found.problem.fixes[0].command == "wandb login --relogin"
    (project / ".training").write_text("WANDB_MODE=offline\n", encoding="utf-8")
    assert look(WandbAccountRow(), load_settings(project)) == Status(
        "note", "WANDB_MODE=offline: runs log to this machine"
    )
    assert look(HubAccountRow(), load_settings(project)).state == "note"
