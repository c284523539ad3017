"""Whatever is wrong before a launch in the cloud: one message with its repair, exit code 2, nothing created.

Against one sandbox that `arrcoc setup` has made ready once; each case breaks one thing of it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from ready_sandbox import ready_sandbox

from arrcoc_core.cli import main
from arrcoc_core.cloud.names import Names
from arrcoc_core.sandbox import Sandbox
from arrcoc_core.sandbox.faults import (
    ApiDisabled,
    BillingDisabled,
    BucketTaken,
    Fault,
    NoNetwork,
    PermissionDenied,
    RevokedCredentials,
    Unavailable,
)
from arrcoc_core.settings import load_settings

EXPERIMENT = """
from arrcoc_core import Experiment, Vertex

far = Experiment(name="far", compute=Vertex({}))
"""


@dataclass(frozen=True)
class Said:
    code: int
    out: str
    err: str

    @property
    def failed(self) -> list[str]:
        """Names of the rows that failed, with what they say and what to do."""
        return [line.split("FAIL ", 1)[1] for line in self.out.splitlines() if line.strip().startswith("FAIL ")]


Arrcoc = Callable[..., Said]


@pytest.fixture(scope="module")
def ready(make_project: Callable[[], Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Sandbox, Path]]:
    """A sandbox in which everything is set up, and a project that points at it."""
    root = make_project()
    with ready_sandbox(root, tmp_path_factory.mktemp("sandbox")) as sandbox:
        yield sandbox, root


@pytest.fixture
def box(ready: tuple[Sandbox, Path]) -> Iterator[Sandbox]:
    sandbox = ready[0]
    yield sandbox
    sandbox.set_scenario([])


@pytest.fixture
def arrcoc(ready: tuple[Sandbox, Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Arrcoc:
    """The command line in the project, with one experiment `far` on the machine given."""
    _, root = ready
    monkeypatch.chdir(root)

    def call(*arguments: str, compute: str = 'gpu="L4"', **environment: str) -> Said:
        (root / "experiments" / "far.py").write_text(EXPERIMENT.format(compute))
        with monkeypatch.context() as patch:
            for name, value in environment.items():
                patch.setenv(name, value)
            code = main(arguments)
        return Said(code, *capsys.readouterr())

    return call


def assert_refused(box: Sandbox, root: Path, ask: Callable[..., Said], *, said: str, repair: str) -> list[Said]:
    """Both `plan` and `launch` say it, with the repair, and end with 2; nothing was created anywhere."""
    before = len(box.changes())
    answers: list[Said] = []
    for command in (("plan", "far"), ("launch", "far", "--yes")):  # no launch where the plan says yes
        answers.append(answer := ask(*command))
        text = answer.out + answer.err
        assert answer.code == 2, text
        assert said in text and repair in text, text
        assert "Traceback" not in text
    assert len(box.changes()) == before, box.changes()[before:]
    runs = root / ".arrcoc" / "runs"
    assert not runs.exists() or not list(runs.iterdir())
    return answers


def test_when_nothing_is_wrong_every_row_is_fine(box: Sandbox, arrcoc: Arrcoc) -> None:
    before = len(box.changes())
    answer = arrcoc("plan", "far")
    assert answer.code == 0, answer.out + answer.err
    assert answer.failed == []
    rows = [line.split()[0] for line in answer.out.partition("Preflight")[2].splitlines()[1:] if line[2:3].strip()]
    assert rows[:-1] == ["ok"] * 12, answer.out  # the price may be old by the day this runs
    assert "is to be built first" in answer.out
    assert len(box.changes()) == before


@pytest.mark.parametrize(
    ("scenario", "row", "said", "repair"),
    [
        ([RevokedCredentials()], "credentials", "revoked or have expired", "gcloud auth application-default login"),
        ([NoNetwork()], "credentials", "cannot be reached", "arrcoc sandbox start"),
        ([BillingDisabled()], "billing", "off", "gcloud billing projects link arrcoc-sandbox"),
        ([ApiDisabled(service="aiplatform")], "GPU quota", "aiplatform", "gcloud services enable aiplatform"),
        (
            [PermissionDenied(permission="aiplatform.customJobs.create")],
            "roles",
            "roles/aiplatform.user",
            "gcloud projects",
        ),
        ([PermissionDenied(method="GetProject")], "project", "may not see it", "gcloud projects list"),
    ],
    ids=[
        "credentials-expired",
        "no-network",
        "billing-off",
        "api-down",
        "role-missing",
        "wrong-project",
    ],
)
def test_what_the_cloud_says_no_to(
    box: Sandbox,
    ready: tuple[Sandbox, Path],
    arrcoc: Arrcoc,
    scenario: Sequence[Fault],
    row: str,
    said: str,
    repair: str,
) -> None:
    box.set_scenario(scenario)
    for answer in assert_refused(box, ready[1], arrcoc, said=said, repair=repair):
        assert [failed.split("  ")[0] for failed in answer.failed] == [row], answer.out


@pytest.mark.parametrize(
    ("environment", "said", "repair"),
    [
        ({}, "There are no Google credentials on this machine", "gcloud auth application-default login"),
        ({"GOOGLE_APPLICATION_CREDENTIALS": "/nowhere/key.json"}, "/nowhere/key.json", "unset GOOGLE_APPLICATION"),
    ],
    ids=["none", "file-not-there"],
)
def test_no_credentials_for_google_itself(
    box: Sandbox,
    ready: tuple[Sandbox, Path],
    arrcoc: Arrcoc,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    environment: dict[str, str],
    said: str,
    repair: str,
) -> None:
    """The same without a sandbox; nothing of this asks the network."""
    monkeypatch.delenv("ARRCOC_CLOUD_ENDPOINTS")
    here = {"HOME": str(tmp_path), "CLOUDSDK_CONFIG": str(tmp_path), "NO_GCE_CHECK": "true"}
    here |= {"ARRCOC_GCP_PROJECT_ID": "my-project-123", **environment}
    for answer in assert_refused(box, ready[1], lambda *words: arrcoc(*words, **here), said=said, repair=repair):
        assert [failed.split("  ")[0] for failed in answer.failed] == ["credentials"]


def test_no_credentials(box: Sandbox, ready: tuple[Sandbox, Path], arrcoc: Arrcoc) -> None:
    folder = ready[0].folder
    held = json.loads((folder / "endpoints.json").read_text())
    key = Path(held["credentials"])
    hidden = key.rename(key.with_name("hidden.json"))
    try:
        assert_refused(box, ready[1], arrcoc, said="credentials", repair="arrcoc sandbox start")
    finally:
        hidden.rename(key)


def test_an_api_that_was_turned_off(box: Sandbox, ready: tuple[Sandbox, Path], arrcoc: Arrcoc) -> None:
    services = box.cloud().services()
    name = "projects/arrcoc-sandbox/services/aiplatform.googleapis.com"
    services.disable_service(request={"name": name}).result(timeout=30)
    try:
        for answer in assert_refused(box, ready[1], arrcoc, said="off: aiplatform", repair="arrcoc setup"):
            assert [failed.split("  ")[0] for failed in answer.failed] == ["APIs"]
    finally:
        services.enable_service(request={"name": name}).result(timeout=30)


def test_a_bucket_whose_name_is_somebody_elses(box: Sandbox, ready: tuple[Sandbox, Path], arrcoc: Arrcoc) -> None:
    name = Names.of(load_settings(ready[1])).runs_bucket
    box.set_scenario([BucketTaken(name=name, times=None)])
    for answer in assert_refused(box, ready[1], arrcoc, said="is not ours", repair="another PROJECT_NAME"):
        assert [failed.split("  ")[0] for failed in answer.failed] == ["buckets"]


def test_no_quota_proposes_what_there_is(box: Sandbox, ready: tuple[Sandbox, Path], arrcoc: Arrcoc) -> None:
    quotas = box.box.service("cloudquotas")
    metric = "custom_model_training_preemptible_nvidia_l4_gpus"
    with box.box.state.transaction():
        quotas.grant(metric, 0, "us-central1")
        quotas.grant(metric, 4, "us-east4")
    try:
        here = assert_refused(
            box, ready[1], arrcoc, said="1 needed, 0 granted", repair="arrcoc infra --request L4=1@us-central1"
        )
        for answer in here:
            assert 'You have 4 L4 (spot) in us-east4: regions=("us-east4",)' in answer.out
            assert 'gpu="T4"' in answer.out
            assert [failed.split("  ")[0] for failed in answer.failed] == ["GPU quota"]
        # With a second region that has some, the launch goes there, and says which place was left out.
        both = arrcoc("plan", "far", compute='gpu="L4", regions=("us-central1", "us-east4")')
        assert both.code == 0 and "left out: us-central1: 1 needed, 0 granted" in both.out
    finally:
        with box.box.state.transaction():
            quotas.grant(metric, 1, "us-central1")


def test_gpus_without_the_vcpus_that_go_with_them(box: Sandbox, ready: tuple[Sandbox, Path], arrcoc: Arrcoc) -> None:
    quotas = box.box.service("cloudquotas")
    with box.box.state.transaction():
        quotas.grant("custom_model_training_preemptible_cpus", 4, "us-central1")
    try:
        answers = assert_refused(box, ready[1], arrcoc, said="8 needed, 4 granted", repair="arrcoc setup")
        assert [failed.split("  ")[0] for failed in answers[0].failed] == ["CPU quota"]
    finally:
        with box.box.state.transaction():
            quotas.grant("custom_model_training_preemptible_cpus", 42, "us-central1")


@pytest.mark.parametrize(
    ("compute", "said", "repair"),
    [
        ('gpu="L4", regions=("us-centrall1",)', "no region 'us-centrall1'", "us-central1"),
        ('gpu="H200", count=4', "H200", "count=8"),
        ('gpu="L4", max_cost_usd=0.01', "could cost more than compute.max_cost_usd = $0.01", "Raise max_cost_usd"),
    ],
    ids=["unknown-region", "impossible-count", "budget"],
)
def test_what_needs_no_cloud_to_be_wrong(
    box: Sandbox, ready: tuple[Sandbox, Path], arrcoc: Arrcoc, compute: str, said: str, repair: str
) -> None:
    asked = len(box.requests())
    assert_refused(box, ready[1], lambda *words: arrcoc(*words, compute=compute), said=said, repair=repair)
    assert len(box.requests()) == asked, "nobody was asked"


def test_a_sandbox_that_is_not_there(box: Sandbox, ready: tuple[Sandbox, Path], arrcoc: Arrcoc, tmp_path: Path) -> None:
    elsewhere = {"ARRCOC_CLOUD_ENDPOINTS": str(tmp_path), "ARRCOC_GCP_PROJECT_ID": "my-project-123"}
    assert_refused(
        box,
        ready[1],
        lambda *words: arrcoc(*words, **elsewhere),
        said="no endpoints.json",
        repair="arrcoc sandbox start",
    )


def test_a_project_that_was_never_set_up(
    sandbox: Sandbox, ready: tuple[Sandbox, Path], arrcoc: Arrcoc, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = assert_refused(sandbox, ready[1], arrcoc, said="aiplatform", repair="arrcoc setup")
    assert [failed.split("  ")[0] for failed in answers[0].failed] == ["APIs"]
    assert "skipped because of APIs" in answers[0].out


def test_what_cannot_be_found_out_stops_nothing(box: Sandbox, arrcoc: Arrcoc) -> None:
    box.set_scenario([PermissionDenied(method="GetProjectBillingInfo"), PermissionDenied(method="ListQuotaInfos")])
    answer = arrcoc("plan", "far")
    assert answer.code == 0, answer.out
    unknown = [line.split("?    ")[1].split("  ")[0] for line in answer.out.splitlines() if line.startswith("  ?    ")]
    assert unknown[:3] == ["billing", "GPU quota", "CPU quota"]


def test_a_service_that_fails_for_a_moment_is_asked_again(box: Sandbox, arrcoc: Arrcoc) -> None:
    box.set_scenario([Unavailable(method="GetProject", times=1), Unavailable(method="BatchGetServices", times=1)])
    answer = arrcoc("plan", "far")
    assert answer.code == 0 and answer.failed == [], answer.out


def test_a_launch_asks_what_it_may_cost_before_anything_is_made(
    box: Sandbox, ready: tuple[Sandbox, Path], arrcoc: Arrcoc
) -> None:
    before = len(box.changes())
    answer = arrcoc("launch", "far")
    assert answer.code == 2 and "This costs $" in answer.err and "arrcoc launch far --yes" in answer.err
    assert len(box.changes()) == before and not (ready[1] / ".arrcoc" / "runs").exists()


def test_events_are_one_object_a_line_in_the_order_of_the_rows(box: Sandbox, arrcoc: Arrcoc) -> None:
    box.set_scenario([BillingDisabled()])
    answer = arrcoc("--json", "launch", "far", "--events")
    lines = [json.loads(line) for line in answer.out.splitlines()]
    assert answer.code == 2
    assert [next(iter(line)) for line in lines] == ["plan", "checking", *["check"] * 13, "done"]
    assert [line["check"]["name"] for line in lines[2:-1]] == lines[1]["checking"]
    assert lines[0]["plan"]["cloud"]["rungs"][0]["region"] == "us-central1"
    assert lines[-1] == {"done": True, "ok": False}
    refused = arrcoc("--json", "plan", "far", "--events", compute='gpu="H200", count=4')
    (line,) = [json.loads(line) for line in refused.out.splitlines()]
    assert "H200" in line["error"]["message"] and line["error"]["fixes"] and refused.code == 2


def test_json_is_one_object_with_the_rows_in_it(box: Sandbox, ready: tuple[Sandbox, Path], arrcoc: Arrcoc) -> None:
    whole = json.loads(arrcoc("--json", "plan", "far").out)
    assert whole["ok"] and len(whole["preflight"]) == 13 and whole["cloud"]["requests"]
    box.set_scenario([BillingDisabled()])
    broken = arrcoc("--json", "plan", "far")
    assert broken.code == 2 and json.loads(broken.out)["ok"] is False
    refused = arrcoc("--json", "launch", "far")
    assert refused.code == 2 and refused.out == "" and "billing" in refused.err and "gcloud billing" in refused.err
    asked = len(box.requests())
    alone = arrcoc("plan", "far", "--no-preflight")
    assert alone.code == 0 and "Preflight" not in alone.out and len(box.requests()) == asked
