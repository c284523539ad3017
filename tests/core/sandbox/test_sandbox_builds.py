"""Cloud Build in the sandbox through the real client: what is built, pushed, logged and refused."""

from __future__ import annotations

import io
import json
import tarfile
import time
from collections.abc import Iterator
from typing import Any

import pytest
from google.api_core import exceptions as api
from job_place import IMAGE, PARENT

from arrcoc_core.sandbox import Sandbox, running
from arrcoc_core.sandbox.faults import BuildFails
from arrcoc_core.sandbox.images import Images
from arrcoc_core.sandbox.service_usage import TITLES

BUILDER = "builder@arrcoc-sandbox.iam.gserviceaccount.com"
STAGING = "arrcoc-sandbox-staging"
DOCKERFILE = """
FROM python:3.11 AS dependencies
COPY pins.txt /
RUN pip install -r /pins.txt
FROM python:3.11
COPY --from=dependencies /venv /venv
ENV MODE=job \\
    PATH=/venv/bin:$PATH
WORKDIR /app
COPY . /app
USER 1000
ENTRYPOINT ["python", "-m", "training"]
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """A repository, a bucket and a build account with the roles it needs."""
    with running(tmp_path_factory.mktemp("builds") / "sandbox", speed=100) as sandbox:
        for name in TITLES:
            sandbox.box.service("serviceusage").switch(name, True)
        cloud = sandbox.cloud()
        cloud.registry().create_repository(parent=PARENT, repository_id="jobs", repository={"format": "DOCKER"})
        account = {"name": "projects/arrcoc-sandbox", "account_id": "builder"}
        cloud.accounts().create_service_account(request=account)
        bucket = cloud.storage().create_bucket(STAGING)
        policy = bucket.get_iam_policy(requested_policy_version=3)
        policy.bindings.append({"role": "roles/storage.objectUser", "members": [f"serviceAccount:{BUILDER}"]})
        bucket.set_iam_policy(policy)
        allow(sandbox, True)
        yield sandbox


@pytest.fixture
def box(built: Sandbox) -> Sandbox:
    built.set_scenario([])
    return built


def allow(sandbox: Sandbox, may: bool) -> None:
    client, name = sandbox.cloud().registry(), f"{PARENT}/repositories/jobs"
    policy = client.get_iam_policy(request={"resource": name})
    del policy.bindings[:]
    if may:
        policy.bindings.add(role="roles/artifactregistry.writer", members=[f"serviceAccount:{BUILDER}"])
    client.set_iam_policy(request={"resource": name, "policy": policy})


def source(sandbox: Sandbox, **files: str) -> dict[str, Any]:
    packed = io.BytesIO()
    held = {"Dockerfile": DOCKERFILE, "pins.txt": "torch", "training/__main__.py": "print('hello')", **files}
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, text in held.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(text.encode())
            archive.addfile(entry, io.BytesIO(text.encode()))
    sandbox.cloud().storage().bucket(STAGING).blob("contexts/c.tar.gz").upload_from_string(packed.getvalue())
    return {"storage_source": {"bucket": STAGING, "object_": "contexts/c.tar.gz"}}


def request(sandbox: Sandbox, *arguments: str, tag: str = "t1", **files: str) -> dict[str, Any]:
    image = f"{IMAGE}:{tag}"
    return {
        "source": source(sandbox, **files),
        "steps": [
            {"name": "gcr.io/cloud-builders/docker", "args": ["build", *arguments, "--tag", image, "."]},
        ],
        "images": [image],
        "service_account": f"projects/arrcoc-sandbox/serviceAccounts/{BUILDER}",
        "logs_bucket": f"gs://{STAGING}/builds",
        "options": {"logging": "GCS_ONLY"},
        "tags": ["ours", tag],
    }


def start(sandbox: Sandbox, build: dict[str, Any]) -> str:
    operation = sandbox.cloud().builds().create_build(project_id="arrcoc-sandbox", build=build)
    return str(operation.metadata.build.id)


def wait(sandbox: Sandbox, build_id: str, *states: str) -> Any:
    client = sandbox.cloud().builds()
    while True:
        build = client.get_build(project_id="arrcoc-sandbox", id=build_id)
        if build.status.name in (states or ("SUCCESS", "FAILURE", "TIMEOUT", "CANCELLED", "INTERNAL_ERROR")):
            return build
        time.sleep(0.02)


def log(sandbox: Sandbox, build_id: str) -> str:
    return str(sandbox.cloud().storage().bucket(STAGING).blob(f"builds/log-{build_id}.txt").download_as_text())


def test_a_build_makes_the_image_it_describes(box: Sandbox) -> None:
    build = wait(box, start(box, request(box)))
    assert build.status.name == "SUCCESS" and build.steps[0].timing.end_time >= build.steps[0].timing.start_time
    pushed = {image.name: image.digest for image in build.results.images}
    tag = box.cloud().registry().get_tag(name=f"{PARENT}/repositories/jobs/packages/trainer/tags/t1")
    assert tag.version.rpartition("/")[2] == pushed[f"{IMAGE}:t1"]
    images = Images(box.box)
    config = images.config(pushed[f"{IMAGE}:t1"])
    assert (config.workdir, config.user, config.entrypoint) == ("/app", "1000", ["python", "-m", "training"])
    assert config.env["MODE"] == "job"
    images.unpack(pushed[f"{IMAGE}:t1"], box.folder / "unpacked")
    assert (box.folder / "unpacked/app/training/__main__.py").read_text() == "print('hello')"
    said = log(box, build.id)
    assert "noted, not run in the sandbox" in said and said.endswith("DONE\n")


def test_equal_files_make_an_equal_digest_and_others_another(box: Sandbox) -> None:
    def digest(tag: str, **files: str) -> str:
        return str(wait(box, start(box, request(box, tag=tag, **files))).results.images[0].digest)

    assert digest("one") == digest("two") != digest("three", more="x")


def test_the_log_grows_and_the_operation_ends_with_the_build(box: Sandbox) -> None:
    operation = box.cloud().builds().create_build(project_id="arrcoc-sandbox", build=request(box))
    build_id = operation.metadata.build.id
    wait(box, build_id, "WORKING", "SUCCESS")
    assert operation.result(timeout=20).status.name == "SUCCESS"
    assert "FETCHSOURCE" in log(box, build_id) and "PUSH" in log(box, build_id)


@pytest.mark.parametrize(
    ("files", "arguments", "said"),
    [
        ({"Dockerfile": "FROM x\nCOPY missing /\n"}, (), "stat missing: file does not exist"),
        ({"Dockerfile": "FROM x\nCOPYY a b\n"}, (), "unknown instruction: COPYY"),
        ({"Dockerfile": "FROM x\nCOPY ../secret /\n"}, (), "forbidden path outside the build context"),
        ({"Dockerfile": "FROM x\nCOPY --from=other /a /b\n"}, (), "invalid from flag value other"),
        ({}, ("--target", "nothing"), 'target stage "nothing" could not be found'),
        ({}, ("--colour", "red"), "unknown flag: --colour"),
    ],
)
def test_a_wrong_dockerfile_fails_the_step(
    box: Sandbox, files: dict[str, str], arguments: tuple[str, ...], said: str
) -> None:
    build = wait(box, start(box, request(box, *arguments, **files)))
    assert build.status.name == "FAILURE" and "build step 0" in build.status_detail
    assert said in log(box, build.id)


def test_a_build_account_without_the_role_cannot_push(box: Sandbox) -> None:
    allow(box, False)
    build = wait(box, start(box, request(box)))
    allow(box, True)
    assert build.status.name == "FAILURE" and "artifactregistry.repositories.uploadArtifacts" in build.status_detail


@pytest.mark.parametrize("state", ["FAILURE", "TIMEOUT", "CANCELLED", "INTERNAL_ERROR"])
def test_the_scenario_ends_a_build(box: Sandbox, state: str) -> None:
    box.set_scenario([BuildFails(state=state)])
    assert wait(box, start(box, request(box))).status.name == state


def test_a_build_takes_no_longer_than_its_timeout(box: Sandbox) -> None:
    assert wait(box, start(box, {**request(box), "timeout": {"seconds": 3}})).status.name == "TIMEOUT"


def test_cancel_and_lists(box: Sandbox) -> None:
    client = box.cloud().builds()
    build_id = start(box, request(box, tag="cancelled"))
    assert client.cancel_build(project_id="arrcoc-sandbox", id=build_id).status.name == "CANCELLED"
    with pytest.raises(api.BadRequest, match="not in progress"):
        client.cancel_build(project_id="arrcoc-sandbox", id=build_id)

    def listed(text: str) -> list[str]:
        return [build.id for build in client.list_builds(project_id="arrcoc-sandbox", filter=text)]

    assert listed('tags="ours" AND tags="cancelled"') == [build_id]
    assert listed('tags="cancelled" AND (status="QUEUED" OR status="WORKING")') == []
    time.sleep(0.1)  # longer than its next step: it does not come back
    assert wait(box, build_id).status.name == "CANCELLED"


def test_a_killed_sandbox_goes_on_building(box: Sandbox) -> None:
    build_id = start(box, request(box))
    wait(box, build_id, "WORKING", "SUCCESS")
    box.restart(kill=True)
    assert wait(box, build_id).status.name == "SUCCESS"


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"steps": []}, "at least one step"),
    ({"images": ["not an image"]}, "invalid image name"),
    ({"tags": ["no spaces allowed"]}, "invalid tags"),
    ({"timeout": {"seconds": 90000}}, "at most 24h"),
    ({"logs_bucket": "", "options": {}}, "must either"),
    ({"steps": [{"name": "gcr.io/cloud-builders/docker", "args": ["build", "$HOME"]}]}, 'key in the template "HOME"'),
    ({"source": {"storage_source": {"bucket": STAGING, "object_": "nothing"}}}, "could not resolve source"),
]


def test_wrong_requests_are_refused(box: Sandbox) -> None:
    whole = request(box)
    before = len(list(box.cloud().builds().list_builds(project_id="arrcoc-sandbox")))
    for change, said in WRONG:
        with pytest.raises(api.BadRequest, match=said):
            start(box, {**json.loads(json.dumps(whole)), **change})
    with pytest.raises(api.NotFound, match="was not found"):
        account = "projects/arrcoc-sandbox/serviceAccounts/other@arrcoc-sandbox.iam.gserviceaccount.com"
        start(box, {**whole, "service_account": account})
    assert len(list(box.cloud().builds().list_builds(project_id="arrcoc-sandbox"))) == before
