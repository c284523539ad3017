"""The two hashes: what changes them, what does not, and that those of older versions stay."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from arrcoc_core.defaults import ABSENT, DEFAULTS
from arrcoc_core.experiment import Experiment, Vertex
from arrcoc_core.identity import IDENTITY_PATHS, code_hash, fingerprint, job_files
from arrcoc_core.paths import known_paths, with_path
from arrcoc_core.resolved import flat
from arrcoc_core.values import Site

FIRST_FINGERPRINT = "764d2a46fc60"
"""Of these values, from the first version on. When a field is added, `ABSENT` keeps it what it is."""

FIRST_VALUES = {
    "model.base": "tiny",
    "model.freeze_base": True,
    "tokens.keep": 8,
    "data.dataset": "synthetic",
    "data.split_train": "train",
    "data.split_val": "validation",
    "data.max_train_samples": 9600,
    "data.image_size": 64,
    "data.max_seq_length": 64,
    "train.learning_rate": 2e-3,
    "train.weight_decay": 0.01,
    "train.warmup_ratio": 0.05,
    "train.batch_size": 48,
    "train.gradient_accumulation_steps": 1,
    "train.epochs": 1,
    "train.bf16": False,
    "train.gradient_checkpointing": False,
    "train.seed": 1,
    "evaluation.every_n_steps": 50,
    "evaluation.samples": 256,
    "evaluation.pictures": 4,
}

OTHER: dict[type, Callable[[object], object]] = {
    bool: lambda old: not old,
    int: lambda old: old + 1,  # type: ignore[operator]
    float: lambda old: old / 2,  # type: ignore[operator]
    str: lambda old: f"{old}x",
    tuple: lambda old: (*old, "x"),  # type: ignore[misc]
}
SITE = Site("set", "", 0)


OTHERS = {
    "model.base": "Qwen/Qwen3-VL-2B-Instruct",
    "compute.device": "cuda",
    "compute.shard_base": "always",
    "data.resize": "dynamic",
    "data.bad_pictures": "skip",
    "hub.repo": "me/arr-coc",
    "model.features": "vision",
    "model.balance": "fixed",
    "tokens.share": 0.125,
    "tokens.mass": 0.9,
    "train.objective": "rloo",
    "train.budgets": (4, 8),
}
"""Where not any value of the same type is allowed."""


def _other(path: str) -> Experiment:
    """DEFAULTS with one value changed."""
    if path in OTHERS:
        return with_path(DEFAULTS, path, OTHERS[path], SITE)
    old = flat(DEFAULTS)[path]
    return with_path(DEFAULTS, path, OTHER[type(old)](old), SITE)


def _first() -> Experiment:
    experiment = DEFAULTS
    for path, value in FIRST_VALUES.items():
        experiment = with_path(experiment, path, value, SITE)
    return experiment


def test_the_fingerprint_of_the_first_version_stays() -> None:
    assert fingerprint(_first()) == FIRST_FINGERPRINT


@pytest.mark.parametrize("path", [path for path in flat(DEFAULTS) if path not in ("model.freeze_base", "compute.kind")])
def test_what_changes_the_result_and_only_that_is_identity(path: str) -> None:
    assert path in known_paths()
    assert (fingerprint(_other(path)) != fingerprint(DEFAULTS)) == (path in IDENTITY_PATHS)


def test_identity_is_the_result_and_not_the_place() -> None:
    assert set(IDENTITY_PATHS) == set(FIRST_VALUES) | set(ABSENT)
    assert fingerprint(DEFAULTS.but(name="x", compute=Vertex(gpu="L4"), notes="n")) == fingerprint(DEFAULTS)


def test_a_whole_number_and_the_same_fraction_are_one_value() -> None:
    assert fingerprint(with_path(DEFAULTS, "train.weight_decay", 0, SITE)) == fingerprint(
        with_path(DEFAULTS, "train.weight_decay", 0.0, SITE)
    )


def test_a_field_that_came_later_is_left_out_where_it_means_absent() -> None:
    """`evaluation.pictures`, seen as a field that was added with 4 as "as before"."""
    absent = {**ABSENT, "evaluation.pictures": 4}
    before = fingerprint(DEFAULTS, absent)
    assert before != fingerprint(DEFAULTS)
    assert fingerprint(_other("evaluation.pictures"), absent) == fingerprint(_other("evaluation.pictures"))


def _project(root: Path) -> Path:
    for name, text in {
        "training/train.py": "print(1)",
        "training/tiny/base.safetensors": "weights",
        "training/__pycache__/train.cpython-311.pyc": "cache",
        "training/.train.py.swp": "editor",
        "training/train.py~": "editor",
        "arrcoc_core/__init__.py": "",
        "arrcoc_core/experiment.py": "types",
        "arrcoc_core/planning.py": "not part of the job",
        "experiments/a.py": "",
        "requirements.lock": "torch==2",
        "notes.txt": "",
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def test_job_files_are_what_a_job_needs(tmp_path: Path) -> None:
    _project(tmp_path)
    expected = [
        "arrcoc_core/__init__.py",
        "arrcoc_core/experiment.py",
        "requirements.lock",
        "training/tiny/base.safetensors",
        "training/train.py",
    ]
    assert [path.as_posix() for path in job_files(tmp_path)] == expected
    (tmp_path / "Dockerfile").touch()
    assert Path("Dockerfile") in job_files(tmp_path)


def test_the_code_hash_follows_names_and_contents_and_nothing_else(tmp_path: Path) -> None:
    _project(tmp_path)
    first = code_hash(tmp_path)
    (tmp_path / "notes.txt").write_text("more")
    (tmp_path / "experiments/a.py").write_text("x = 1")
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    assert code_hash(tmp_path) == first
    file = tmp_path / "training/train.py"
    before = file.stat()
    file.write_text("print(2)")
    edited = code_hash(tmp_path)
    assert edited != first
    file.write_text("print(1)")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert code_hash(tmp_path) == first
    file.rename(tmp_path / "training/main.py")
    assert code_hash(tmp_path) not in (first, edited)


def test_the_job_files_of_this_project_are_enough_to_read_an_experiment(tmp_path: Path) -> None:
    repository = Path(__file__).resolve().parents[2]
    for path in job_files(repository):
        if path.parts[0] == "arrcoc_core":
            (tmp_path / path).parent.mkdir(exist_ok=True)
            (tmp_path / path).write_bytes((repository / path).read_bytes())
    code = (
        "import arrcoc_core.stored, arrcoc_core.errors, arrcoc_core.experiment, sys;"
        f"assert sys.modules['arrcoc_core'].__file__.startswith({str(tmp_path)!r});"
        "from arrcoc_core.experiment import Tokens\n"
        "try: Tokens(kep=1)\n"
        "except arrcoc_core.errors.ExperimentError: print('ok')"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stdout == "ok\n", done.stderr
