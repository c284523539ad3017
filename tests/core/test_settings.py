"""`.training`: one table of keys, one line each in the starter, and nothing else counts."""

from __future__ import annotations

from pathlib import Path

import pytest

from arrcoc_core.defaults import DEFAULTS, VERTEX_DEFAULTS
from arrcoc_core.errors import NoProjectError, SettingsError, render
from arrcoc_core.experiment import Experiment, Local, Vertex, WandbLaunch
from arrcoc_core.resolving import resolve
from arrcoc_core.settings import find_root, load_settings, read_settings, state_dir
from arrcoc_core.settings_keys import KEYS, SETTING_PATHS
from arrcoc_core.values import Source

REPOSITORY = Path(__file__).resolve().parents[2]
STARTER = REPOSITORY / ".training.starter"

EDITED = {
    "BASE_MODEL": "Qwen/Qwen3-VL-2B-Instruct",
    "NUM_VISUAL_TOKENS": "3",
    "LEARNING_RATE": "1e-4",
    "WEIGHT_DECAY": "0.2",
    "WARMUP_RATIO": "0.25",
    "BATCH_SIZE": "7",
    "GRADIENT_ACCUMULATION_STEPS": "2",
    "NUM_EPOCHS": "5",
    "MAX_TRAIN_SAMPLES": "123",
    "SAVE_EVERY_N_STEPS": "11",
    "SAVE_TOTAL_LIMIT": "9",
    "EVAL_EVERY_N_STEPS": "13",
    "EVAL_SAMPLES": "99",
    "BF16": "true",
    "LOGGING_STEPS": "17",
    "SEED": "42",
    "DATASET_NAME": "HuggingFaceM4/VQAv2",
    "DATASET_SPLIT_TRAIN": "train[:1%]",
    "DATASET_SPLIT_VAL": "test",
    "MAX_SEQ_LENGTH": "77",
    "IMAGE_SIZE": "128",
    "NUM_WORKERS": "2",
    "PREFETCH_FACTOR": "4",
    "HF_HUB_REPO_ID": "me/arr-coc",
    "HF_HUB_PRIVATE": "no",
    "GRADIENT_CHECKPOINTING": "yes",
}
"""A value for each training key that is not its default."""


def _write(root: Path, text: str) -> Path:
    (root / ".training").write_text(text, encoding="utf-8")
    return root


def test_the_starter_holds_every_key_once_with_its_default_and_one_line_about_it() -> None:
    lines = STARTER.read_text(encoding="utf-8").splitlines()
    keys = [line.partition("=")[0] for line in lines if line and not line.startswith("#")]
    assert keys == list(KEYS)
    for key in KEYS.values():
        index = lines.index(key.starter_line)
        assert lines[index - 1] == f"# {key.help}"
    assert KEYS["WANDB_PROJECT"].default == "arr-coc-0-1"


def test_the_starter_as_it_is_changes_nothing(tmp_path: Path) -> None:
    plain = load_settings(tmp_path, {})
    copied = load_settings(_write(tmp_path, STARTER.read_text(encoding="utf-8")), {})
    assert copied.values == plain.values
    assert copied.exists and not plain.exists
    assert resolve(Experiment(name="default"), copied).experiment == DEFAULTS


def test_the_page_about_the_language_names_every_key() -> None:
    page = (REPOSITORY / "docs" / "language.md").read_text(encoding="utf-8")
    assert [key for key in KEYS if f"`{key}`" not in page] == []


def test_every_training_key_has_an_edited_value_here() -> None:
    assert set(EDITED) == set(SETTING_PATHS) - {"FREEZE_BASE_MODEL"}


@pytest.mark.parametrize("key", EDITED)
def test_each_training_key_edited_in_the_file_arrives_in_default(key: str, tmp_path: Path) -> None:
    starter = STARTER.read_text(encoding="utf-8")
    # Some values only go together with another one.
    together = {
        "BASE_MODEL": {"IMAGE_SIZE": "128"},
        "DATASET_SPLIT_TRAIN": {"DATASET_NAME": "a/b"},
        "DATASET_SPLIT_VAL": {"DATASET_NAME": "a/b"},
    }
    edits = {key: EDITED[key], **together.get(key, {})}
    lines = [
        f"{name}={edits[name]}" if (name := line.partition("=")[0]) in edits else line for line in starter.splitlines()
    ]
    text = "\n".join(lines)
    settings = load_settings(_write(tmp_path, text), {})
    resolved = resolve(Experiment(name="default"), settings)
    path = SETTING_PATHS[key]
    before = resolve(Experiment(name="default"), load_settings(tmp_path / "none", {})).values()[path]
    value = resolved.values()[path]
    assert value != before and type(value) is type(before)
    assert str(value).lower() == {"yes": "true", "no": "false", "1e-4": "0.0001"}.get(EDITED[key], EDITED[key].lower())
    source = resolved.sources[path]
    assert source.kind == ".training" and source.detail.endswith(key)


def test_quotes_comments_spaces_and_export(tmp_path: Path) -> None:
    text = (
        "\ufeff# a comment\r\n"
        'WANDB_PROJECT = "my-project"  # mine\n'
        "export WANDB_ENTITY='me'\n"
        "BATCH_SIZE=8 # small\n"
        "SEED=\n"
        "HF_HUB_REPO_ID= # not yet\n"
        "   \n"
    )
    settings = load_settings(_write(tmp_path, text), {})
    assert settings.get("WANDB_PROJECT") == "my-project" and settings.get("WANDB_ENTITY") == "me"
    assert settings.get("BATCH_SIZE") == 8 and settings.get("SEED") == DEFAULTS.train.seed
    assert settings.get("HF_HUB_REPO_ID") == ""
    assert settings.source("BATCH_SIZE") == Source(".training", ".training:4 BATCH_SIZE")
    assert settings.source("SEED") == Source("default", "")


WRONG = {
    "unknown": ("\n\nBATCHSIZE=4", 3, "Unknown key 'BATCHSIZE' in line 3", "BATCH_SIZE"),
    "lower case": ("seed=4", 1, "Unknown key 'seed'", "SEED"),
    "far off": ("QQQQ=4", 1, "Unknown key 'QQQQ'", ".training.starter"),
    "no value": ("SEED", 1, "Line 1 of .training is not KEY=VALUE", ""),
    "twice": ("SEED=1\nSEED=2", 2, "SEED stands twice in .training: in lines 1 and 2", ""),
    "text": ("SEED=many", 1, "SEED in line 1 must be a whole number, at least 0; got 'many'", ""),
    "fraction": ("BATCH_SIZE=1.5", 1, "BATCH_SIZE in line 1 must be a whole number, at least 1; got '1.5'", ""),
    "negative": ("LEARNING_RATE=-1", 1, "LEARNING_RATE in line 1 must be above 0 and at most 1; got '-1'", ""),
    "not a number": ("LEARNING_RATE=nan", 1, "LEARNING_RATE in line 1 must be a finite number", ""),
    "switch": ("BF16=maybe", 1, "BF16 in line 1 must be true or false; got 'maybe'", ""),
    "base": ("BASE_MODEL=tinny", 1, "BASE_MODEL in line 1 must be 'tiny'", "Did you mean 'tiny'?"),
    "frozen": ("FREEZE_BASE_MODEL=false", 1, "only the selector learns", "true"),
    "gpu": ("TRAINING_GPU=A10", 1, "TRAINING_GPU in line 1 must be one of T4, L4, V100, A100", ""),
    "gpus": ("TRAINING_GPU_NUMBER=0", 1, "a whole number from 1 to 16; got '0'", ""),
    "repo": ("HF_HUB_REPO_ID=YOUR_USERNAME", 1, "HF_HUB_REPO_ID in line 1 must be owner/name", ""),
    "address": ("WANDB_BASE_URL=api.wandb.ai", 1, "starts with https://", ""),
    "quotes": ('WANDB_PROJECT="open', 1, "the quotes do not match", ""),
    "secret": ("WANDB_API_KEY=0123456789", 1, "WANDB_API_KEY does not belong in .training: it is a secret", "Remove"),
    "other secret": ("MY_TOKEN=0123456789", 1, "MY_TOKEN does not belong in .training: secrets are never", "Remove"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_line_says_what_is_wrong_and_where(case: str, tmp_path: Path) -> None:
    text, line, message, remedy = WRONG[case]
    with pytest.raises(SettingsError) as caught:
        load_settings(_write(tmp_path, text), {})
    error = caught.value
    assert message in error.message and remedy in error.remedy
    assert (error.file, error.line, error.exit_code) == (str(tmp_path / ".training"), line, 2)
    assert "0123456789" not in render(error)


def test_an_unreadable_file_says_so(tmp_path: Path) -> None:
    (tmp_path / ".training").mkdir()
    with pytest.raises(SettingsError, match=r"Cannot read \.training: Is a directory"):
        load_settings(tmp_path, {})
    (tmp_path / ".training").rmdir()
    (tmp_path / ".training").write_bytes(b"SEED=\xff\xfe\n")
    with pytest.raises(SettingsError, match="not UTF-8 text") as caught:
        load_settings(tmp_path, {})
    assert "cp .training.starter .training" in caught.value.remedy
    (tmp_path / ".training").unlink()
    (tmp_path / ".training").symlink_to(tmp_path / "gone")
    with pytest.raises(SettingsError, match="No such file"):
        load_settings(tmp_path, {})


def test_only_our_own_names_override(tmp_path: Path) -> None:
    _write(tmp_path, "SEED=3\nWANDB_ENTITY=file\nGCP_PROJECT_ID=from-file")
    stray = {"SEED": "9", "BATCH_SIZE": "1", "HF_TOKEN": "secret", "WANDB_API_KEY": "secret", "ARRCOC_HOME": "/x"}
    settings = load_settings(tmp_path, stray)
    assert settings.get("SEED") == 3 and settings.get("BATCH_SIZE") == DEFAULTS.train.batch_size
    assert "secret" not in map(str, settings.values.values())
    environment = {"ARRCOC_SEED": "5", "WANDB_ENTITY": "shell", "GOOGLE_CLOUD_PROJECT": "from-shell"}
    settings = load_settings(tmp_path, environment)
    assert settings.get("SEED") == 5 and settings.source("SEED") == Source("environment", "ARRCOC_SEED")
    assert settings.get("WANDB_ENTITY") == "shell" and settings.get("GCP_PROJECT_ID") == "from-shell"
    settings = load_settings(tmp_path, {**environment, "ARRCOC_WANDB_ENTITY": "mine"})
    assert settings.get("WANDB_ENTITY") == "mine"


def test_a_wrong_override_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="SEED in the environment must be a whole number") as caught:
        load_settings(tmp_path, {"ARRCOC_SEED": "x"})
    assert caught.value.where == "ARRCOC_SEED"
    with pytest.raises(SettingsError, match="ARRCOC_SEEED in the environment is not a setting"):
        load_settings(tmp_path, {"ARRCOC_SEEED": "1"})


def test_the_machine_of_the_file(tmp_path: Path) -> None:
    def compute(text: str) -> object:
        return resolve(Experiment(name="default"), load_settings(_write(tmp_path, text), {})).experiment.compute

    assert isinstance(compute(""), Local)
    assert compute("TRAINING_GPU=L4\nTRAINING_GPU_NUMBER=2\nTRAINING_GPU_IS_PREEMPTIBLE=false") == Vertex(
        gpu="L4", **{**VERTEX_DEFAULTS, "count": 2, "spot": False}
    )
    assert compute("TRAINING_GPU=L4\nWANDB_LAUNCH_QUEUE_NAME=q") == WandbLaunch(
        queue="q", vertex=Vertex(gpu="L4", **VERTEX_DEFAULTS)
    )


def test_the_root_is_found_upwards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NoProjectError, match="No project at or above") as caught:
        find_root(tmp_path)
    assert caught.value.exit_code == 2
    (tmp_path / "experiments" / "deep").mkdir(parents=True)
    (tmp_path / "pyproject.toml").touch()
    monkeypatch.chdir(tmp_path / "experiments" / "deep")
    monkeypatch.delenv("ARRCOC_HOME", raising=False)
    assert find_root() == tmp_path
    assert state_dir(tmp_path) == tmp_path / ".arrcoc" and not state_dir(tmp_path).exists()
    monkeypatch.setenv("ARRCOC_HOME", str(tmp_path / "elsewhere"))
    assert state_dir(tmp_path) == tmp_path / "elsewhere"


def test_reading_a_file_gives_only_what_it_sets(tmp_path: Path) -> None:
    _write(tmp_path, "\nSEED=4")
    assert read_settings(tmp_path / ".training") == {"SEED": (4, 2)}
