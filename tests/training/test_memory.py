"""What is proposed when memory runs out: it fits, it is the largest that does, and a step stays the same step."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from itertools import product
from pathlib import Path

import pytest
import torch
from small_experiment import SMALL

from arrcoc_core.estimates import BASES
from arrcoc_core.experiment import Objective
from arrcoc_core.memory import MARGIN, SHAPES, Fit, fitting, question_bytes, weights_bytes
from training.memory import Room, is_out_of_memory, memory_of, shape_of, stored_shape
from training.model.registry import TINY_FOLDER, load_base

MakeRun = Callable[..., Path]


def test_what_is_proposed_fits_and_is_the_most_that_does() -> None:
    """4 GB; a question takes `each` bytes, and `less` of them when activations are recomputed."""
    limit = 4e9
    for case in product((1, 2, 6, 8, 48), (1, 2, 3, 4), (False, True), (0.5e9, 3.9e9), (0.1e9, 0.4e9, 2e9), (1.0, 0.3)):
        batch, accumulation, checkpointing, fixed, each, less = case

        def per_question(recompute: bool, each: float = each, less: float = less) -> float:
            return each * less if recompute else each

        def fits(size: int, recompute: bool, fixed: float = fixed, of: Callable[[bool], float] = per_question) -> bool:
            return fixed + size * MARGIN * of(recompute) <= limit

        fit = fitting(
            batch, accumulation, checkpointing=checkpointing, fixed=fixed, per_question=per_question, limit=limit
        )
        divisors = [size for size in range(1, batch + 1) if batch * accumulation % size == 0]
        if fit is None:
            assert not any(fits(size, True) for size in divisors if size < batch or not checkpointing), case
            continue
        assert fit.batch_size * fit.accumulation == batch * accumulation, case
        assert fits(fit.batch_size, fit.checkpointing), case
        assert fit.checkpointing or not checkpointing, case  # what is on stays on
        assert (fit.batch_size, fit.checkpointing) != (batch, checkpointing), case
        may_stay = fit.checkpointing > checkpointing
        larger = [size for size in divisors if fit.batch_size < size and (size < batch or may_stay)]
        assert not any(fits(size, fit.checkpointing) for size in larger), case


def test_sizes_of_the_base_that_is_stored() -> None:
    base = load_base("tiny")
    shape, value_bytes = stored_shape(TINY_FOLDER)
    assert shape.parameters == sum(parameter.numel() for parameter in base.model.parameters())
    assert value_bytes == next(base.model.parameters()).element_size()
    assert shape == shape_of(base.model.config.to_dict(), shape.parameters)
    assert shape.whole == base.model.get_input_embeddings().weight.numel()  # one matrix is embeddings and head


def test_a_base_in_shares_leaves_room() -> None:
    """8B in bf16: 17.5 GB do not go into 16 GB; in four shares each GPU holds less than half of it."""
    assert {name: shape.parameters for name, shape in SHAPES.items()} == {n: b.parameters for n, b in BASES.items()}
    shape = SHAPES["Qwen/Qwen3-VL-8B-Instruct"]
    assert weights_bytes(shape, 2) == pytest.approx(17.5e9, rel=0.01)
    assert 4e9 < weights_bytes(shape, 2, 4) < 8e9
    passing = question_bytes(shape, 1024, 64, 2)
    kept = question_bytes(shape, 1024, 64, 2, through=True)
    assert question_bytes(shape, 1024, 64, 2, through=True, checkpointing=True) < 0.3 * kept
    assert question_bytes(shape, 1024, 64, 2, checkpointing=True) == passing < 0.1 * kept


def test_which_errors_say_that_memory_ran_out() -> None:
    with pytest.raises(RuntimeError) as refused:
        torch.empty(1 << 60, dtype=torch.uint8)
    assert is_out_of_memory(refused.value) and is_out_of_memory(MemoryError())
    assert is_out_of_memory(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"))
    assert not is_out_of_memory(RuntimeError("shapes do not match")) and not is_out_of_memory(ValueError("memory"))


def room(total: float, batch: int, accumulation: int = 1, objective: Objective = "distil") -> Room:
    small = SMALL.train.but(batch_size=batch, gradient_accumulation_steps=accumulation, objective=objective)
    made = Room.of(SMALL.but(train=small), TINY_FOLDER, 64, torch.device("cpu"))  # type: ignore[arg-type]
    made.total = total
    return made


def test_a_failure_shows_that_a_question_takes_more_than_was_thought() -> None:
    """By the estimate all 16 fit; they did not, and so fewer are proposed."""
    tight = room(1e9, 16, 3)
    tight.fixed = 0.5e9
    assert tight.needed < tight.usable
    fit = tight.fit()
    assert fit == Fit(12, 4, False)
    told = tight.error(torch.OutOfMemoryError("CUDA out of memory."))
    assert told.exit_code == 2
    assert "16 questions a pass" in told.message and "CUDA out of memory" in told.message
    assert "--set train.batch_size=12 --set train.gradient_accumulation_steps=4" in told.remedy


def test_an_objective_that_goes_back_through_the_language_model_takes_more() -> None:
    """It keeps the activations of all layers, unless they are recomputed."""
    plain, through = room(1e9, 1), room(1e9, 1, objective="noise-gate")
    assert through.per_question(checkpointing=False) > 1.5 * plain.per_question(checkpointing=False)
    assert through.per_question(checkpointing=True) < 1.3 * plain.per_question(checkpointing=True)


def test_nothing_fits() -> None:
    full = room(1e9, 1)
    full.fixed = 1e9
    assert full.fit() is None
    assert "Not even one question" in full.error(MemoryError()).remedy
    assert memory_of(torch.device("cpu")) > 0


LIMITED = """
import resource, runpy, sys
sys.argv = ["training.train", sys.argv[1]]
import torch, transformers, training.evaluation, training.model.arrcoc_qwen
mapped = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (mapped + 600_000_000,) * 2)
runpy.run_module("training.train", run_name="__main__")
"""


@pytest.mark.long
def test_an_allocator_that_gives_no_more(make_run: MakeRun, pytestconfig: pytest.Config) -> None:
    """1,500 questions a pass in 0.6 GB."""
    run = make_run("data.max_train_samples=1500", "train.batch_size=1500", "train.gradient_accumulation_steps=1")
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(run)],
        cwd=pytestconfig.rootpath,
        env={**os.environ, "WANDB_MODE": "disabled"},  # its service cannot live in so little
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 2, done.stdout + done.stderr
    assert "out of memory: 1500 questions a pass" in done.stderr and "Traceback" not in done.stderr
    proposed = re.search(r"train.batch_size=(\d+) --set train.gradient_accumulation_steps=(\d+)", done.stderr)
    assert proposed is not None, done.stderr
    batch, accumulation = map(int, proposed.groups())
    assert batch * accumulation == 1500 and 20 < batch < 1000
