"""The image: what its tag depends on, what Cloud Build gets to see, and a Dockerfile that keeps to the rules."""

from __future__ import annotations

import io
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest

from arrcoc_core.cloud.names import Names
from arrcoc_core.errors import CloudError, RunError
from arrcoc_core.identity import job_files
from arrcoc_core.image import image_tag, start_build, write_context
from arrcoc_core.image.building import build_request, cancel_build, poll_build
from arrcoc_core.sandbox import Sandbox

ROOT = Path(__file__).resolve().parents[2]
NAMES = Names("my-project", "us-central1", "arr-coc-0-1")


@pytest.fixture
def code(tmp_path: Path) -> Path:
    for path in job_files(ROOT):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / path, tmp_path / path)
    return tmp_path


@pytest.mark.parametrize(
    "edited", ["training/train.py", "requirements.lock", "Dockerfile", "arrcoc_core/experiment.py"]
)
def test_an_edit_of_the_job_is_another_image(code: Path, edited: str) -> None:
    before = image_tag(code)
    (code / edited).write_text((code / edited).read_text() + "\n# edited\n")
    assert image_tag(code) != before


@pytest.mark.parametrize("edited", ["experiments/mine.py", "arrcoc_gui/app.py", "arrcoc_core/cli/home.py", "README.md"])
def test_an_edit_of_anything_else_is_not(code: Path, edited: str) -> None:
    before = image_tag(code)
    (code / edited).parent.mkdir(parents=True, exist_ok=True)
    (code / edited).write_text("# new\n")
    assert image_tag(code) == before


def test_the_context_is_the_job_files_and_the_same_bytes_each_time(code: Path) -> None:
    first = write_context(code)
    for path in code.rglob("*"):
        if path.is_file():
            path.touch()
    assert write_context(code) == first
    with tarfile.open(fileobj=io.BytesIO(first)) as archive:
        assert [Path(name) for name in archive.getnames()] == list(job_files(code))
        assert {(entry.mtime, entry.uid, entry.uname) for entry in archive.getmembers()} == {(0, 0, "")}


def test_code_that_is_not_what_the_tag_says_is_not_built(code: Path) -> None:
    with pytest.raises(RunError, match="not 000000000000"):
        start_build(None, NAMES, "000000000000", code)  # type: ignore[arg-type]  # it asks nobody before this


def test_the_dockerfile_passes_its_linter() -> None:
    done = subprocess.run(
        [str(Path(sys.executable).with_name("hadolint")), "--no-color", str(ROOT / "Dockerfile")],
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout) == (0, "")


def test_the_image_is_small_pinned_and_not_root() -> None:
    text = (ROOT / "Dockerfile").read_text()
    bases = re.findall(r"^FROM (\S+)", text, re.M)
    assert len(set(bases)) == 1 and re.fullmatch(r"python:3\.11\.\d+-slim-\w+", bases[0])
    assert re.findall(r"^USER (\S+)", text, re.M)[-1] != "root" and "ADD " not in text
    # The packages come before the code: an edit of the code does not install torch again.
    assert text.index("requirements.lock") < text.index("COPY . /app")


def test_the_image_holds_the_pins_of_a_job_and_nothing_of_the_app() -> None:
    script = re.search(r"sed -nE '([^']*)'", (ROOT / "Dockerfile").read_text())
    assert script is not None
    done = subprocess.run(
        ["sed", "-nE", script[1], str(ROOT / "requirements.lock")], capture_output=True, text=True, check=True
    )
    pins = dict(line.split("==") for line in done.stdout.splitlines())
    assert {"torch", "wandb", "pydantic", "google-cloud-storage"} <= set(pins)
    assert not {"pyside6-essentials", "pytest", "ruff", "pyright"} & set(pins)


def test_the_build_pushes_packages_and_image_as_the_build_account() -> None:
    request = build_request(NAMES, "0123456789ab", ("bucket", "contexts/x.tar.gz", 7), "feedfeedfeed")
    from google.cloud.devtools.cloudbuild_v1 import Build

    build = Build(request)
    assert list(build.images) == [
        "us-central1-docker.pkg.dev/my-project/arr-coc-0-1/trainer:packages-feedfeedfeed",
        "us-central1-docker.pkg.dev/my-project/arr-coc-0-1/trainer:0123456789ab",
    ]
    assert build.service_account.endswith("/arr-coc-0-1-build@my-project.iam.gserviceaccount.com")
    assert build.source.storage_source.generation == 7 and build.timeout.seconds == 45 * 60


def test_a_build_that_is_not_to_be_found_counts_as_stopped(sandbox: Sandbox) -> None:
    cloud: Any = sandbox.cloud()
    service = f"projects/{cloud.project}/services/cloudbuild.googleapis.com"
    cloud.services().enable_service(request={"name": service}).result()
    handle = {"project": cloud.project, "id": "00000000-0000-4000-8000-000000000000"}
    with pytest.raises(CloudError) as gone:
        poll_build(cloud, handle)
    assert gone.value.scope == "not-found"
    cancel_build(cloud, handle)
