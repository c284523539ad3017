"""Only the values change: everything else in the file stays, byte for byte."""

from __future__ import annotations

from pathlib import Path

import pytest

from arrcoc_core.errors import SettingsError
from arrcoc_core.settings import load_settings
from arrcoc_core.settings_writer import settings_file, with_values, write_settings

STARTER = Path(__file__).resolve().parents[2] / ".training.starter"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("GCP_PROJECT_ID=", "GCP_PROJECT_ID=new-one"),
        ("GCP_PROJECT_ID=old-one", "GCP_PROJECT_ID=new-one"),
        ("  export  GCP_PROJECT_ID =  old-one   # mine", "  export  GCP_PROJECT_ID =  new-one   # mine"),
        ("GCP_PROJECT_ID='old-one'\t# mine", "GCP_PROJECT_ID='new-one'\t# mine"),
        ('GCP_PROJECT_ID="old-one"', 'GCP_PROJECT_ID="new-one"'),
        ("GCP_PROJECT_ID=# nothing yet", "GCP_PROJECT_ID=new-one # nothing yet"),
        ("GCP_PROJECT_ID=   # nothing yet", "GCP_PROJECT_ID=new-one   # nothing yet"),
        ("GCP_PROJECT_ID=new-one  ", "GCP_PROJECT_ID=new-one  "),
    ],
)
def test_a_line_keeps_all_but_its_value(line: str, expected: str) -> None:
    text = f"# top\n\n{line}\r\nSEED=7 # kept\n   \n# GCP_PROJECT_ID=in a comment\nlast=1"
    assert with_values(text, {"GCP_PROJECT_ID": "new-one"}) == text.replace(line + "\r\n", expected + "\r\n", 1)


def test_a_key_that_is_not_there_comes_last_with_the_files_own_line_end() -> None:
    assert with_values("SEED=7", {"GCP_PROJECT_ID": "a-project"}) == "SEED=7\nGCP_PROJECT_ID=a-project\n"
    assert with_values("SEED=7\r\n", {"GCP_PROJECT_ID": "a-project"}) == "SEED=7\r\nGCP_PROJECT_ID=a-project\r\n"
    assert with_values("\ufeffSEED=7\n", {"SEED": "8"}) == "\ufeffSEED=8\n"


def test_from_the_starter_and_read_back(tmp_path: Path) -> None:
    file = tmp_path / ".training"
    wanted = {"GCP_PROJECT_ID": "my-project-1", "GCP_ROOT_RESOURCE_REGION": "europe-west4"}
    assert write_settings(file, wanted, starter=STARTER)
    settings = load_settings(tmp_path, {})
    assert {key: settings.get(key) for key in wanted} == wanted
    kept = [line for line in STARTER.read_text("utf-8").splitlines() if not line.startswith(tuple(wanted))]
    assert [line for line in file.read_text("utf-8").splitlines() if not line.startswith(tuple(wanted))] == kept
    assert not write_settings(file, wanted, starter=STARTER), "nothing to change, nothing written"
    assert [path.name for path in tmp_path.iterdir()] == [".training"]


def test_a_link_and_the_files_mode_stay(tmp_path: Path) -> None:
    real = tmp_path / "real"
    real.write_text("GCP_PROJECT_ID=old-one\n", "utf-8")
    real.chmod(0o600)
    (tmp_path / ".training").symlink_to(real)
    assert write_settings(tmp_path / ".training", {"GCP_PROJECT_ID": "new-one"})
    assert (tmp_path / ".training").is_symlink() and real.read_text("utf-8") == "GCP_PROJECT_ID=new-one\n"
    assert real.stat().st_mode & 0o777 == 0o600


def test_a_value_that_is_not_allowed_changes_nothing(tmp_path: Path) -> None:
    file = tmp_path / ".training"
    with pytest.raises(SettingsError, match="GCP_PROJECT_ID must be a project id"):
        write_settings(file, {"GCP_PROJECT_ID": "No Project"}, starter=STARTER)
    assert not file.exists()
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(SettingsError, match="not UTF-8"):
        write_settings(file, {"GCP_PROJECT_ID": "a-project"})
    assert file.read_bytes() == b"\xff\xfe"


def test_with_a_sandbox_its_own_file_is_written(tmp_path: Path) -> None:
    box = tmp_path / "box"
    settings = load_settings(tmp_path, {"ARRCOC_CLOUD_ENDPOINTS": str(box)})
    assert settings_file(tmp_path, settings) == box / ".training"
    assert settings_file(tmp_path, load_settings(tmp_path, {})) == tmp_path / ".training"
