"""Several ranks are started, signalled and ended as one, and their own exit code comes through."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

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
