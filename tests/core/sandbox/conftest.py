"""A sandbox with its APIs on, for tests of its services."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from job_place import JobPlace

from arrcoc_core.sandbox import Sandbox, running
from arrcoc_core.sandbox.service_usage import TITLES

PROJECT = "projects/arrcoc-sandbox"


@pytest.fixture
def box(sandbox: Sandbox) -> Sandbox:
    """Every API is on, without a request having been made."""
    for api in TITLES:
        sandbox.box.service("serviceusage").switch(api, True)
    return sandbox


@pytest.fixture(scope="module")
def shared_place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JobPlace]:
    with running(tmp_path_factory.mktemp("jobs") / "sandbox", speed=100) as sandbox:
        for api in TITLES:
            sandbox.box.service("serviceusage").switch(api, True)
        yield JobPlace(sandbox)


@pytest.fixture
def place(shared_place: JobPlace) -> JobPlace:
    """A sandbox in which jobs can run, and none does. It is the module's: what a test leaves in it is cleared away."""
    shared_place.clear()
    return shared_place
