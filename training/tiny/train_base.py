"""Train the tiny base from nothing: `python -m training.tiny.train_base`.

Two stages, each a fixed number of steps over pictures that never repeat:

1. vision: every visual token is read through the language model's own output layer and has to name the shape and
   the colour in its cell, or "nothing". Vision and word embeddings learn; the layers between do not take part.
2. language: vision is frozen but for DeepStack's mergers, which only now are read; all 12 questions about a
   picture stand behind it in one sequence, each of which sees the picture and itself only, and the language model
   learns to answer. From three pictures in five, tokens are hidden; about a thing of which none is left the right
   answer is "nothing". So the base knows pictures of few tokens, as a real one knows pictures of many sizes, and
   does not guess what it cannot see.

Batches are pure functions of (seed, step), so the run is the same each time up to the order in which a processor
adds its numbers. The result, with tokenizer, processor, model card and the loss of each step, is `base/`.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

# Threads that wait by spinning take the processor from the ones they wait for; set before torch is loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers.utils import logging as transformers_logging

from training.tiny.architecture import make_model
from training.tiny.packing import IGNORED, Batch, Packing
from training.tiny.synthetic import COLOUR_NAMES, SHAPES, Split
from training.tiny.tokenizer import NOTHING, make_image_processor, make_tokenizer

SEED = 0
BATCH = 16  # pictures
EVALUATION_BATCHES = 64  # 1,024 pictures with 12 questions each
BASE = Path(__file__).parent / "base"
LOG = "training_log.jsonl"

Row = dict[str, float | int | str]


@dataclass(frozen=True)
class Stage:
    """`steps` optimizer steps at `learning_rate`, which rises over the first of them and falls over the last."""

    name: str
    steps: int
    learning_rate: float
    warmup: int = 100
    decay: float = 0.4  # share of the steps

    def rate(self, step: int) -> float:
        """Learning rate of step `step` (0-based)."""
        left = (self.steps - step) / max(1, round(self.decay * self.steps))
        return self.learning_rate * min(1.0, (step + 1) / self.warmup, left)


STAGES = (Stage("vision", 1000, 3e-3), Stage("language", 600, 2e-3))


class Trainer:
    """The base being trained; `train()` yields one log row a step."""

    def __init__(self, seed: int = SEED) -> None:
        self.seed = seed
        self.tokenizer = make_tokenizer()
        self.processor = make_image_processor()
        self.model = make_model(self.tokenizer, seed)
        self.packing = Packing(self.tokenizer, self.processor, self.model.model)

    def train(self, stages: tuple[Stage, ...] = STAGES) -> Iterator[Row]:
        """Run the stages one after the other; rows hold step, stage, loss and accuracy (0..1)."""
        self.model.train()
        first = 0
        for stage in stages:
            yield from self._train_stage(stage, first)
            first += stage.steps
        self.model.eval()

    def _train_stage(self, stage: Stage, first: int) -> Iterator[Row]:
        vision, language = self.model.model.visual, self.model.model.language_model
        vision.requires_grad_(stage.name == "vision")
        for part in (language.layers, vision.deepstack_merger_list):
            part.requires_grad_(stage.name == "language")
        parameters = [p for p in self.model.parameters() if p.requires_grad]
        optimizer = torch.optim.AdamW(parameters, betas=(0.9, 0.98), weight_decay=0.02)
        loss_of = {"vision": self.vision_loss, "language": self.language_loss}[stage.name]
        for k in range(stage.steps):
            torch.manual_seed(1_000_000 * self.seed + first + k)  # for dropout: it too depends on seed and step alone
            for group in optimizer.param_groups:
                group["lr"] = stage.rate(k)
            loss, right = loss_of(self.batch("base", first + k, hide=stage.name == "language"))
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(parameters, 1.0)
            optimizer.step()
            accuracy = right.float().mean().item()
            yield {"step": first + k, "stage": stage.name, "loss": loss.item(), "accuracy": accuracy}

    def batch(self, split: Split, step: int, *, hide: bool = False, size: int = BATCH) -> Batch:
        """Batch number `step` of a split."""
        return self.packing.batch(split, self.seed, step, size, hide=hide)

    def vision_loss(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Cross-entropy of shape and colour; and which tokens on a thing have both right."""
        features = self.model.model.get_image_features(batch.pixel_values, batch.grid, return_dict=True)
        tokens = torch.stack(features.pooler_output)
        words = self.model.lm_head(self.model.model.language_model.norm(tokens))
        losses, right = [], []
        for names, labels in zip((SHAPES, COLOUR_NAMES), batch.cells.unbind(1), strict=True):
            logits = words[..., self.tokenizer.convert_tokens_to_ids([NOTHING, *names])]
            losses.append(F.cross_entropy(logits.flatten(0, 1), labels.flatten()))
            right.append(logits.argmax(-1) == labels)
        return losses[0] + losses[1], (right[0] & right[1])[batch.cells[:, 0] > 0]

    def language_loss(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Cross-entropy of the answer and the end mark behind it; and which answers are right, [B * 12]."""
        features = self.model.model.get_image_features(batch.pixel_values, batch.grid, return_dict=True)
        size = len(batch.input_ids)
        hidden = self.model.model(
            input_ids=batch.input_ids,
            mm_encoder_outputs={"image": features},
            attention_mask=batch.mask,
            position_ids=batch.positions[:, None].expand(-1, size, -1),
            use_cache=False,
        ).last_hidden_state
        asked = batch.targets != IGNORED
        logits, targets = self.model.lm_head(hidden[asked]), batch.targets[asked]
        answers = targets != self.tokenizer.eos_token_id
        return F.cross_entropy(logits, targets), (logits.argmax(-1) == targets)[answers]

    @torch.no_grad()
    def accuracy(self, split: Split = "validation", batches: int = EVALUATION_BATCHES) -> float:
        """Share of right answers, 0..1, to all 12 questions about each picture of the first batches of a split."""
        self.model.eval()
        right = [self.language_loss(self.batch(split, step))[1] for step in range(batches)]
        return torch.cat(right).float().mean().item()

    def save(self, folder: Path) -> None:
        """Weights (float32), configuration, tokenizer and image processor in the Hub's format."""
        self.model.save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)
        self.processor.save_pretrained(folder)


def model_card(trainer: Trainer, accuracy: float) -> str:
    """README.md of the folder, in Markdown."""
    size = sum(parameter.numel() for parameter in trainer.model.parameters())
    pictures = EVALUATION_BATCHES * BATCH
    stages = "; ".join(f"{s.name} {s.steps:,} steps at {s.learning_rate:g}" for s in STAGES)
    return f"""# The tiny base

A Qwen3-VL (`Qwen3VLForConditionalGeneration`, unchanged) of {size:,} parameters in float32, trained from nothing by
`python -m training.tiny.train_base`, with a tokenizer of one token a word and 64 visual tokens a picture.

- **For**: trying and testing the selector on two processor cores, frozen, through the code that the real bases use.
  It knows eight shapes, eight colours and two kinds of question, and nothing of the world.
- **Data**: synthetic, made as it goes: split "base" of `training/tiny/synthetic.py`, seed {trainer.seed}. None of its
  pictures occurs in the splits "train" and "validation".
- **Training**: seed {trainer.seed}, {BATCH} pictures a step, AdamW; {stages}.
  From three pictures in five some tokens were hidden, and "nothing" was the right answer about what could not be
  seen. Loss and accuracy of every step are in `{LOG}`; a test runs the first steps again and compares.
- **Accuracy** with all 64 tokens: {accuracy:.2%} of the 12 questions about each of {pictures:,} held-out pictures.
- **Limits**: it learned with tokens hidden, so it bears their loss better than a base that never did; what is
  measured on it says nothing about how a real base bears it.
"""


def main() -> None:
    """Train, print progress, write `base/` (or the folder given)."""
    parser = argparse.ArgumentParser(description="Train the tiny frozen base from nothing.")
    parser.add_argument("--out", type=Path, default=BASE, help="folder to write (default: the one that ships)")
    parser.add_argument("--threads", type=int, default=2, help="processor cores to use")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    transformers_logging.disable_progress_bar()
    arguments.out.mkdir(parents=True, exist_ok=True)

    trainer = Trainer()
    total, started = sum(stage.steps for stage in STAGES), time.monotonic()
    with (arguments.out / LOG).open("w", encoding="utf-8") as log:
        for row in trainer.train():
            log.write(json.dumps(row) + "\n")
            done = int(row["step"]) + 1
            if done % 20 == 0:
                _print_progress(row, done, total, time.monotonic() - started)
                log.flush()
            if done % 200 == 0:
                trainer.save(arguments.out)  # so that a stopped run leaves something to look at
    trainer.save(arguments.out)
    accuracy = trainer.accuracy()
    (arguments.out / "README.md").write_text(model_card(trainer, accuracy), encoding="utf-8")
    print(f"held-out accuracy {accuracy:.2%} in {(time.monotonic() - started) / 60:.1f} min")


def _print_progress(row: Row, done: int, total: int, spent: float) -> None:
    left = spent / done * (total - done)
    print(
        f"{row['stage']} step {done}/{total}  loss {row['loss']:.4f}  accuracy {row['accuracy']:.3f}  "
        f"{spent / 60:.1f} min, about {left / 60:.1f} min left",
        flush=True,
    )


if __name__ == "__main__":
    main()
