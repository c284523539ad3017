"""Facts of a machine and an account for tests of plans: made up, complete, the same on every machine."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from arrcoc_core.catalog import load_prices
from arrcoc_core.cloud.names import Names
from arrcoc_core.facts import CloudFacts, Facts, Machine

TODAY = date(2026, 11, 22)


def cloud_facts(root: Path) -> Facts:
    prices = load_prices(None)
    return Facts(
        root=root,
        state=root / ".arrcoc",
        interpreter="/venv/bin/python",
        machine=Machine(cores=2, memory_bytes=8 * 10**9, gpus=(), system="Linux x86_64", python="3.11.9"),
        free_disk_bytes=100 * 10**9,
        code_hash="c0dec0dec0de",
        has_training_file=True,
        accounts={"WANDB_PROJECT": "arr-coc-0-1", "WANDB_BASE_URL": "https://api.wandb.ai"},
        environment={"CUDA_VISIBLE_DEVICES": "0", "HF_HOME": "/home/me/hf"},
        missing_packages=("torch",),
        cloud=CloudFacts(
            names=Names(project="my-project-123", region="us-central1", owner="arr-coc-0-1"),
            endpoints="",
            prices=prices,
            today=min(TODAY, prices.as_of) if prices.as_of > TODAY else TODAY,
        ),
    )
