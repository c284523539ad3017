"""Several ranks are started, signalled and ended as one, and their own exit code comes through."""

from __future__ import annotations

import multiprocessing
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist

from training.devices import World
from training.train import sum_over_ranks

AGREE = """
import os, signal, sys, torch.distributed as dist
from training.signals import StopRequest
stop = StopRequest()
dist.init_process_group("gloo")
if dist.get_rank() == 1:
    os.kill(os.getpid(), signal.SIGTERM)
ended = stop.agreed()
dist.barrier()
dist.destroy_process_group()
os._exit(75 if ended else 1)
"""


def run_ranks(code: str, count: int, cwd: Path) -> int:
    launcher = "import sys; from training.ranks import run_ranks; sys.exit(run_ranks(sys.argv[2:], int(sys.argv[1])))"
    command = [sys.executable, "-c", launcher, str(count), sys.executable, "-c", code]
    return subprocess.run(command, cwd=cwd, timeout=120).returncode


def test_a_signal_to_one_rank_stops_all(pytestconfig: pytest.Config) -> None:
    assert run_ranks(AGREE, 2, pytestconfig.rootpath) == 75


@pytest.mark.parametrize("code", [0, 2])
def test_the_exit_code_comes_through(pytestconfig: pytest.Config, code: int) -> None:
    waits = f"import os, time; os.environ['RANK'] == '0' and time.sleep({60 if code else 0}); raise SystemExit({code})"
    assert run_ranks(waits, 2, pytestconfig.rootpath) == code


def gradients(rank: int, size: int, folder: Path, told: Any) -> None:
    """One rank's share of a step of 8 questions, and what `sum_over_ranks` makes of its gradients."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    layer = torch.nn.Linear(3, 2)
    questions = torch.randn(8, 3).chunk(size)[rank]
    if size > 1:
        dist.init_process_group("gloo", init_method=f"file://{folder / 'meet'}", rank=rank, world_size=size)
    loss = layer(questions).square().sum() / 8
    loss.backward()
    whole = sum_over_ranks(list(layer.parameters()), loss.item(), World(rank, size))
    if size > 1:
        dist.destroy_process_group()
    told.put((whole, [p.grad.tolist() for p in layer.parameters() if p.grad is not None]))


def test_gradients_and_losses_of_two_ranks_add_up_to_those_of_one(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")  # which has torch loaded already
    told, ranks = context.Queue(), []
    for rank, size in ((0, 1), (0, 2), (1, 2)):
        ranks.append(context.Process(target=gradients, args=(rank, size, tmp_path, told)))
        ranks[-1].start()
        if size == 1:
            alone = told.get(timeout=60)
    both = [told.get(timeout=60) for _ in range(2)]
    for process in ranks:
        process.join(60)
    assert [process.exitcode for process in ranks] == [0, 0, 0]
    assert both[0] == both[1]
    for loss, (weight, bias) in both:
        assert loss == pytest.approx(alone[0], rel=1e-6)
        assert torch.tensor(weight).allclose(torch.tensor(alone[1][0]), rtol=1e-6)
        assert torch.tensor(bias).allclose(torch.tensor(alone[1][1]), rtol=1e-6)
