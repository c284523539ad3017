"""How long training stands still for a checkpoint in Cloud Storage: written in the background against plainly.

    python benchmarks/checkpoint.py

The state is the real one at the shapes of Qwen3-VL-2B: the selector and AdamW's moments, about 24 MB. It goes through
Google's own client library to the sandbox's Storage, which takes 50 MB a second. The loop trains the selector on random
pictures. In each round one checkpoint is written in the background and one plainly, by the same code and into the same
bucket: the plain way is the call that packs, hashes, uploads, commits and verifies, while the loop waits.

The bar is on the time the loop waits. How much the steps themselves are slowed down while one is on its way is printed
beside it: that cost depends on the cores there are, and on the service running on this machine too.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

import torch
from _report import finish, table

from arrcoc_core.cloud.objects import Objects
from arrcoc_core.sandbox import start, stop
from arrcoc_core.sandbox.faults import SlowDown
from training.checkpoints import Checkpoint, save
from training.gcs import GcsStore
from training.model.selector import Selector, SelectorConfig
from training.model.texture import CHANNELS, Texture
from training.saving import Saver

HIDDEN_2B = 2048
BYTES_PER_S = 50e6
SHARE = 0.2
BUCKET = "arrcoc-benchmark"


class Training:
    """Steps of the real selector and optimizer on random inputs."""

    def __init__(self, hidden: int) -> None:
        self.selector = Selector(SelectorConfig.of(hidden))
        self.optimizer = torch.optim.AdamW(self.selector.parameters())
        pictures, tokens, words = 2, 256, 16
        self._tokens = torch.randn(pictures, tokens, hidden)
        self._texture = Texture(
            torch.randn(pictures, tokens, CHANNELS), torch.rand(pictures, tokens), torch.rand(pictures, tokens)
        )
        self._question = torch.randn(pictures, words, hidden)
        self._mask = torch.ones(pictures, words, dtype=torch.bool)
        self.steps = 0

    def step(self) -> float:
        """One optimizer step; how long it took."""
        began = time.perf_counter()
        self.selector(self._tokens, self._texture, self._question, self._mask).square().mean().backward()
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.steps += 1
        return time.perf_counter() - began

    def checkpoint(self) -> Checkpoint:
        optimizer = {"adamw": self.optimizer.state_dict()}
        return Checkpoint(self.steps, dict(self.selector.state_dict()), optimizer, {"summary": {}})

    @property
    def state_bytes(self) -> int:
        held = [*self.selector.parameters()]
        held += [value for state in self.optimizer.state.values() for value in state.values()]
        return sum(tensor.numel() * tensor.element_size() for tensor in held)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--reduced", action="store_true", help="a small state and one round: to see that it runs")
    reduced = parser.parse_args().reduced
    torch.set_num_threads(1)
    training = Training(128 if reduced else HIDDEN_2B)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "sandbox"
        sandbox = start(folder, scenario=[SlowDown(bytes_per_s=BYTES_PER_S)])
        try:
            storage = sandbox.cloud().storage()
            storage.create_bucket(BUCKET, location="us-central1")
            background, plain = (
                GcsStore(Objects(storage, f"gs://{BUCKET}/{way}/checkpoints")) for way in ("background", "plain")
            )
            saver = Saver(background, limit=2, say=lambda _: None, saved=lambda _: None)
            undisturbed = [training.step() for _ in range(8)][3:]
            waited, blocked, beside = [], [], []
            for number in range(1 + (1 if reduced else 5)):  # the first one finds nothing warm
                training.step()
                before = saver.stood_still_s
                saver.save(training.checkpoint())
                waited.append(saver.stood_still_s - before)
                while not saver.wait(0.0):
                    beside.append(training.step())
                saver.check()
                training.step()
                whole = training.checkpoint()
                began = time.perf_counter()
                save(plain, whole, limit=2)
                blocked.append(time.perf_counter() - began)
                undisturbed += [training.step() for _ in range(3)]
                if number == 0:
                    waited, blocked, beside = [], [], []
        finally:
            stop(folder)
    wait_s, block_s = sum(waited) / len(waited), sum(blocked) / len(blocked)
    step_s = sum(undisturbed) / len(undisturbed)
    slow_s = (sum(beside) - step_s * len(beside)) / len(waited)
    table(
        ("a checkpoint", "the loop waits", "and is slowed by"),
        [
            ("plainly", f"{block_s:.3f} s", ""),
            ("in the background", f"{wait_s:.3f} s", f"{slow_s:.3f} s over {len(beside) / len(waited):.1f} steps"),
        ],
    )
    bars = {} if reduced else {"waits": SHARE}
    ratios = {"waits": wait_s / block_s, "waits and slow-down": (wait_s + max(0.0, slow_s)) / block_s}
    more = {"state_mb": round(training.state_bytes / 1e6, 1), "mb_per_s": BYTES_PER_S / 1e6}
    return finish("checkpoint", ratios, bars, more=more)


if __name__ == "__main__":
    sys.exit(main())
