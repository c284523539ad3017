"""Uploads from this machine: `arrcoc upload`, `run.upload()`, and what the doors say of a run that is on the Hub."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hub_place import REPO
from huggingface_hub import HfApi, close_session
from result_maker import RUN, SUMMARY, make_result

from arrcoc_core import RunError, get_run
from arrcoc_core.cli import main
from arrcoc_core.errors import ConfigError
from arrcoc_core.hub import read_upload
from arrcoc_core.records import Event
from arrcoc_core.sandbox import Sandbox
from arrcoc_core.settings import state_dir
from arrcoc_core.store import Store

Add = Callable[..., Path]


@pytest.fixture
def add(project: Path) -> Add:
    """A run in the store of the project; with a result, unless `ended` is False."""

    def make(run_id: str = RUN, *assignments: str, ended: bool = True, endpoints: str = "") -> Path:
        runs = state_dir(project) / "runs"
        if ended:
            run = make_result(runs, *assignments, run_id=run_id)
            (run / "plan.json").write_text(json.dumps({"endpoints": endpoints}))
        created = {"experiment": "small", "fingerprint": "f" * 12, "code": "c" * 12, "target": "local"}
        events = [Event(run_id, "created", time.time(), data=created)]
        if ended:
            events.append(Event(run_id, "ended", time.time(), data={"state": "succeeded"}))
        with Store(state_dir(project) / "store.db") as store:
            store.append(events)
        return runs / run_id

    return make


@pytest.mark.long
def test_a_run_of_the_sandbox_goes_to_its_hub(
    project: Path, sandbox: Sandbox, add: Add, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = add(endpoints=str(sandbox.folder))
    add("goes-on", ended=False)
    monkeypatch.delenv("ARRCOC_CLOUD_ENDPOINTS")  # what was rehearsed in a sandbox stays in it
    assert get_run(RUN).uploaded is None and get_run(RUN).hub_url == ""
    assert main(["upload", RUN]) == 0
    url = f"{sandbox.endpoints.services['huggingface']}/{REPO}"
    said = capsys.readouterr().out
    assert f"{RUN} is on the Hub: {url}" in said and f"tag {RUN}" in said

    token = Path(sandbox.endpoints.keys["HF_TOKEN"]).read_text().strip()
    api = HfApi(endpoint=sandbox.endpoints.services["huggingface"], token=token)
    info = api.model_info(REPO)
    assert info.private
    card = info.card_data
    assert card is not None and card.eval_results[0].metric_value == SUMMARY["eval/accuracy"]  # type: ignore[union-attr]
    upload = get_run(RUN).uploaded
    assert upload is not None and (upload.state, upload.revision, upload.fraction) == ("done", info.sha, 1.0)
    assert get_run(RUN).hub_url == url == get_run(RUN).to_json()["hub_url"]
    assert main(["show", RUN]) == 0
    assert f"hub      {url}, commit {info.sha}" in capsys.readouterr().out

    assert main(["upload", RUN, "--public", "--json"]) == 0
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [told[0]["state"], told[-1]["state"]] == ["uploading", "done"] and told[-1]["url"] == url
    assert not api.model_info(REPO).private
    assert get_run(RUN).upload("sandbox/another", private=True).url.endswith("/sandbox/another")
    assert token not in "".join(path.read_text(errors="replace") for path in run.rglob("*") if path.is_file())

    with pytest.raises(RunError, match="may not write to stranger/x") as refused:
        get_run(RUN).upload("stranger/x")
    assert "HF_HUB_REPO_ID" in refused.value.remedy and f"arrcoc upload {RUN}" in refused.value.remedy
    assert main(["show", RUN]) == 0
    assert "hub      upload failed: this token may not write" in capsys.readouterr().out
    assert main(["upload", "goes-on"]) == 1
    assert "goes-on has no result to upload" in capsys.readouterr().err
    close_session()


def test_without_a_repository_or_a_token_it_says_what_to_do(
    project: Path, add: Add, capsys: pytest.CaptureFixture[str]
) -> None:
    add()
    assert main(["upload", RUN]) == 2
    assert "--repo OWNER/NAME" in capsys.readouterr().err
    with pytest.raises(ConfigError, match="No repository is named"):
        get_run(RUN).upload()
    with pytest.raises(RunError, match="no token of the Hugging Face Hub") as lacking:
        get_run(RUN).upload("me/arr-coc")
    assert "hf auth login" in lacking.value.remedy
    upload = get_run(RUN).uploaded
    assert upload is not None and upload.state == "skipped"


def test_an_upload_that_tells_nothing_any_more_was_interrupted(tmp_path: Path) -> None:
    assert read_upload(tmp_path) is None
    at = datetime(2026, 11, 22, 15, 20, tzinfo=UTC)
    held = {"state": "uploading", "repo": REPO, "done_bytes": 5, "total_bytes": 10, "at": at.isoformat()}
    (tmp_path / "upload.json").write_text(json.dumps(held))
    live = read_upload(tmp_path, at + timedelta(seconds=30))
    assert live is not None and (live.state, live.fraction, live.remedy) == ("uploading", 0.5, "")
    dead = read_upload(tmp_path, at + timedelta(seconds=90))
    assert dead is not None and (dead.state, dead.detail) == ("failed", "it was interrupted")
    assert dead.remedy == f"arrcoc upload {tmp_path.name}" and dead.to_json()["at"] == "2026-11-22T15:20:00.000Z"
    (tmp_path / "upload.json").write_text("{}")
    assert read_upload(tmp_path) is not None
