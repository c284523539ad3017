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
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers import PreTrainedTokenizerBase, Qwen3VLForConditionalGeneration
from transformers.utils import logging as transformers_logging

from training.tiny.architecture import make_model
from training.tiny.synthetic import COLOUR_NAMES, QUESTIONS, SHAPES, Picture, Split, cell_labels, picture, questions
from training.tiny.tokenizer import MERGE_SIZE, NOTHING, make_image_processor, make_tokenizer

SEED = 0
BATCH = 16  # pictures
WHOLE_PICTURES = 0.4  # share of those from which no token is hidden
EVALUATION_PICTURES = 256  # with 12 questions each
BASE = Path(__file__).parent / "base"


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


STAGES = (Stage("vision", 1000, 3e-3), Stage("language", 2200, 2e-3))


@dataclass(frozen=True)
class Batch:
    """`pixel_values` [B*256, 48]; `cells` [B, 2, 64] (shape, colour, 0 = nothing) of each visual token;
    `input_ids` and `targets` [B, S], -100 where nothing is asked; `positions` [3, S]; `mask` [B, 1, S, S], true
    where a row may look at a column."""

    pixel_values: Tensor
    grid: Tensor
    cells: Tensor
    input_ids: Tensor
    targets: Tensor
    positions: Tensor
    mask: Tensor


class Trainer:
    """The base being trained; `train()` yields one log row a step."""

    def __init__(self, seed: int = SEED) -> None:
        self.seed = seed
        self.tokenizer = make_tokenizer()
        self.processor = make_image_processor()
        self.model = make_model(self.tokenizer, seed)

    def train(self, stages: tuple[Stage, ...] = STAGES) -> Iterator[dict[str, float | int | str]]:
        """Run the stages one after the other; rows hold step, stage, loss and accuracy (0..1)."""
        self.model.train()
        first = 0
        for stage in stages:
            yield from self._train_stage(stage, first)
            first += stage.steps
        self.model.eval()

    def _train_stage(self, stage: Stage, first: int) -> Iterator[dict[str, float | int | str]]:
        vision, language = self.model.model.visual, self.model.model.language_model
        vision.requires_grad_(stage.name == "vision")
        for part in (language.layers, vision.deepstack_merger_list):
            part.requires_grad_(stage.name == "language")
        parameters = [p for p in self.model.parameters() if p.requires_grad]
        optimizer = torch.optim.AdamW(parameters, betas=(0.9, 0.98), weight_decay=0.02)
        loss_of = {"vision": self.vision_loss, "language": self.language_loss}[stage.name]
        for k in range(stage.steps):
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
        """The pictures number step * size and following of a split, with their questions; `hide` some tokens."""
        numbers = range(step * size, (step + 1) * size)
        pictures = [picture(split, self.seed, number) for number in numbers]
        pixels = self.processor(images=[p.pixels for p in pictures], return_tensors="pt", device="cpu")
        layout = packed_layout(self.tokenizer, self.model)
        visible = np.stack([visible_tokens(self.seed, n) if hide else np.ones((8, 8), bool) for n in numbers])
        rows = [layout.fill(self.tokenizer, p, v) for p, v in zip(pictures, visible, strict=True)]
        ids, targets = (torch.stack(column) for column in zip(*rows, strict=True))
        cells = torch.from_numpy(np.stack([cell_labels(p.things) for p in pictures])).unflatten(2, (4, 4))
        seen = torch.ones(ids.shape, dtype=torch.bool)
        seen[ids == self.model.config.image_token_id] = torch.from_numpy(visible).flatten()
        return Batch(
            pixels.pixel_values,
            pixels.image_grid_thw,
            cells.repeat_interleave(2, 2).repeat_interleave(2, 3).flatten(2),
            ids,
            targets,
            layout.positions,
            layout.mask & seen[:, None, None],
        )

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
        asked = batch.targets != -100
        logits, targets = self.model.lm_head(hidden[asked]), batch.targets[asked]
        answers = targets != self.tokenizer.eos_token_id
        return F.cross_entropy(logits, targets), (logits.argmax(-1) == targets)[answers]

    @torch.no_grad()
    def accuracy(self, split: Split = "validation", pictures: int = EVALUATION_PICTURES) -> float:
        """Share of right answers, 0..1, to all 12 questions about each of the first `pictures` of a split."""
        self.model.eval()
        right = [self.language_loss(self.batch(split, k))[1] for k in range(math.ceil(pictures / BATCH))]
        return torch.cat(right).float().mean().item()

    def save(self, folder: Path) -> None:
        """Weights (float32), configuration, tokenizer and image processor in the Hub's format."""
        self.model.save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)
        self.processor.save_pretrained(folder)


@dataclass(frozen=True)
class PackedLayout:
    """One picture and 12 questions in one sequence of length S; each question's slot sees the picture and itself.

    `head`: ids before the first slot; `slot`: its length; `positions` [3, S]: each question stands directly behind
    the picture, as if it were alone; `mask` [1, 1, S, S], true where a row may look at a column.
    """

    head: Tensor
    slot: int
    positions: Tensor
    mask: Tensor

    def fill(
        self, tokenizer: PreTrainedTokenizerBase, shown: Picture, visible: NDArray[np.bool_]
    ) -> tuple[Tensor, Tensor]:
        """Ids and targets [S] for a picture's questions; targets stand where the next token is to be guessed."""
        ids = torch.full((len(self.head) + QUESTIONS * self.slot,), tokenizer.pad_token_id)
        targets = torch.full_like(ids, -100)
        ids[: len(self.head)] = self.head
        for k, question in enumerate(questions(shown.things)):
            thing = question.thing
            there = visible[2 * thing.row : 2 * thing.row + 2, 2 * thing.column : 2 * thing.column + 2].any()
            words = _words(tokenizer, f"{question.text} : {question.answer if there else NOTHING}")
            start = len(self.head) + k * self.slot
            end = start + len(words)
            ids[start:end] = torch.tensor(words)
            targets[end - 2], targets[end - 1] = words[-1], tokenizer.eos_token_id
        return ids, targets


def visible_tokens(seed: int, index: int) -> NDArray[np.bool_]:
    """Which of picture `index`'s 8 x 8 tokens the language model may see: whole cells go, then single tokens."""
    rng = np.random.default_rng((4, seed, index))
    if rng.random() < WHOLE_PICTURES:
        return np.ones((8, 8), bool)
    cells = rng.random((4, 4)) < rng.uniform(0.05, 1)
    tokens = rng.random((8, 8)) < rng.choice([0.4, 0.7, 1.0])
    return cells.repeat(2, 0).repeat(2, 1) & tokens


@cache
def packed_layout(tokenizer: PreTrainedTokenizerBase, model: Qwen3VLForConditionalGeneration) -> PackedLayout:
    """The layout for 64 x 64 pictures; positions come from the model's own rule for a single question."""
    side = model.config.vision_config.num_position_embeddings**0.5 / MERGE_SIZE
    tokens = round(side * side)
    turn = "<|im_start|><|vision_start|>" + "<|image_pad|>" * tokens + "<|vision_end|>"
    head = torch.tensor(_words(tokenizer, turn))
    slot = max(len(_words(tokenizer, q.text + " : " + q.answer)) for q in questions(picture("base", SEED, 0).things))
    alone = torch.cat([head, head.new_full((slot,), tokenizer.unk_token_id)])[None]
    grid = torch.tensor([[1, round(side * MERGE_SIZE), round(side * MERGE_SIZE)]])
    is_image = (alone == model.config.image_token_id).int()
    positions, _ = model.model.get_rope_index(alone, mm_token_type_ids=is_image, image_grid_thw=grid)
    own = positions[:, 0, len(head) :]
    segment = torch.cat([torch.zeros(len(head)), torch.arange(QUESTIONS).repeat_interleave(slot) + 1])
    visible = (segment[None] == 0) | (segment[:, None] == segment[None])
    return PackedLayout(
        head,
        slot,
        torch.cat([positions[:, 0, : len(head)], own.repeat(1, QUESTIONS)], 1),
        torch.tril(visible)[None, None],
    )


@cache
def _words(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    return tokenizer(text).input_ids


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
    with (arguments.out / "training_log.jsonl").open("w") as log:
        for row in trainer.train():
            log.write(json.dumps(row) + "\n")
            done = int(row["step"]) + 1
            if done % 20 == 0:
                spent = time.monotonic() - started
                left = spent / done * (total - done) / 60
                print(
                    f"{row['stage']} step {done}/{total}  loss {row['loss']:.4f}  "
                    f"accuracy {row['accuracy']:.3f}  {spent / 60:.1f} min, about {left:.1f} min left",
                    flush=True,
                )
                log.flush()
            if done % 200 == 0:
                trainer.save(arguments.out)
    trainer.save(arguments.out)
    print(f"held-out accuracy {trainer.accuracy():.4%} in {(time.monotonic() - started) / 60:.1f} min")


if __name__ == "__main__":
    main()
