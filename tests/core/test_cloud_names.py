"""Names that Google's services accept, whatever the project and PROJECT_NAME are called."""

from __future__ import annotations

import re

import pytest

from arrcoc_core.cloud.names import Names
from arrcoc_core.errors import SettingsError
from arrcoc_core.settings_writer import check_setting

LONGEST = "a23456789b123456789c123456789d123456789e123456789f123456789g123"


@pytest.mark.parametrize("project", ["my-project-123", "google-research-1", "p" + "0123456789" * 2 + "12345678x"])
@pytest.mark.parametrize("owner", ["a", "arr-coc-0-1", "goog-g00gle", LONGEST])
def test_every_name_is_one_that_its_service_takes(project: str, owner: str) -> None:
    names = Names(project, "us-central1", owner)
    buckets = {names.staging_bucket, names.runs_bucket}
    assert len(buckets) == 2
    for bucket in buckets:
        assert re.fullmatch(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]", bucket)
        assert not bucket.startswith("goog") and not re.search("g[o0]{2}g", bucket)
    accounts = {names.training_account, names.build_account}
    assert len(accounts) == 2
    for account in accounts:
        assert re.fullmatch(r"[a-z][a-z0-9-]{4,28}[a-z0-9]", account.partition("@")[0])
    assert re.fullmatch(r"[a-z][a-z0-9-]{0,62}", names.repository.rpartition("/")[2])


def test_two_long_names_stay_two() -> None:
    one, other = (Names("google-research-1", "us-central1", f"{LONGEST[:-1]}{last}") for last in "34")
    assert one.runs_bucket != other.runs_bucket and one.training_account != other.training_account


def test_a_name_begins_with_a_letter() -> None:
    """Accounts and repositories cannot begin with a digit."""
    check_setting("PROJECT_NAME", "a1")
    with pytest.raises(SettingsError, match="a letter first"):
        check_setting("PROJECT_NAME", "1a")
