"""A sandbox with its APIs on, for tests of its services."""

from __future__ import annotations

import pytest
from job_place import JobPlace

from arrcoc_core.sandbox import Sandbox
from arrcoc_core.sandbox.service_usage import TITLES

PROJECT = "projects/arrcoc-sandbox"


@pytest.fixture
def box(sandbox: Sandbox) -> Sandbox:
    """Every API is on, without a request having been made."""
    for api in TITLES:
        sandbox.box.service("serviceusage").switch(api, True)
    return sandbox


@pytest.fixture
def place(box: Sandbox) -> JobPlace:
    """A sandbox in which jobs can run."""
    return JobPlace(box)
