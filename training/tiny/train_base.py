"""Train a tiny base: `python -m training.tiny.train_base`; those of the hard set with `--base hard`, `--base hardened`.

Fixed numbers of steps over pictures that never repeat, in stages:

- vision: what is in a cell has to be read from its 2 x 2 visual tokens. For the easy base the language model's own
  output layer reads each token alone, so that words and tokens mean the same and one token tells all; for the hard one
  a throw-away probe reads the mean of the four, and asks for row and column, too: words and tokens stay strangers and
  a token holds its own part of a thing, as in a large model.
- language: vision is frozen but for DeepStack's mergers, which only now are read; 12 questions about a picture stand
  behind it in one sequence, each of which sees the picture and itself only, and the language model learns to answer.
- both: vision and language learn to answer together (the hard base only).

The easy base learns with tokens hidden from three pictures in five; about a thing of which none is left the right
answer is "nothing". So it knows pictures of few tokens, as a real one knows pictures of many sizes, and does not guess
what it cannot see. The hard base never misses a token while it learns, as real ones do not: it is brittle. How much
of what a selector loses is this brittleness tells `--base hardened`: the hard base, trained on with tokens hidden.

Batches are pure functions of (seed, step), so the run is the same each time up to the order in which a processor
adds its numbers. The result, with tokenizer, processor, model card and the loss of each step, is a folder beside this
file.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

# Threads that wait by spinning take the processor from the ones they wait for; set before torch is loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import torch
import torch.nn.functional as F
from safetensors.torch import load_model
from torch import Tensor, nn
from transformers.utils import logging as transformers_logging

from training.tiny.architecture import make_model
from training.tiny.packing import IGNORED, Batch, Packing
from training.tiny.synthetic import CELLS, COLOUR_NAMES, EASY, HARD, SHAPES, Kind, Split
from training.tiny.tokenizer import HARD_WORDS, NOTHING, WORDS, make_image_processor, make_tokenizer

SEED = 0
BATCH = 16  # pictures
EVALUATION_BATCHES = 64  # 1,024 pictures with 12 questions each
LOG = "training_log.jsonl"

Row = dict[str, float | int | str]

_PROBED = (1 + len(SHAPES), 1 + len(COLOUR_NAMES), CELLS, CELLS)  # what a probe tells apart of each kind


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


@dataclass(frozen=True)
class Recipe:
    """One base: what it is asked, the words it knows, and how it learns.

    hide: tokens are hidden while the language model learns; probe: vision is read by a throw-away layer, not by the
    words; dropout: of attention; bf16: matrix products in bfloat16, weights in float32; start: the folder of the base
    whose weights it begins with, beside this file; none: from nothing.
    """

    name: str
    folder: str
    kinds: tuple[Kind, ...]
    words: tuple[str, ...]
    stages: tuple[Stage, ...]
    hide: bool
    probe: bool
    dropout: float
    bf16: bool
    start: str = ""


EASY_BASE = Recipe(
    "easy",
    "base",
    EASY,
    WORDS,
    (Stage("vision", 1000, 3e-3), Stage("language", 600, 2e-3)),
    hide=True,
    probe=False,
    dropout=0.2,
    bf16=False,
)
HARD_BASE = Recipe(
    "hard",
    "hard_base",
    HARD,
    HARD_WORDS,
    (Stage("vision", 1000, 3e-3), Stage("language", 1000, 2e-3), Stage("both", 700, 1.5e-3)),
    hide=False,
    probe=True,
    dropout=0.0,
    bf16=True,
)
HARDENED_BASE = replace(
    HARD_BASE,
    name="hardened",
    folder="hardened_base",
    stages=(Stage("both", 400, 1e-3),),
    hide=True,
    probe=False,
    start=HARD_BASE.folder,
)
RECIPES = {recipe.name: recipe for recipe in (EASY_BASE, HARD_BASE, HARDENED_BASE)}


class Trainer:
    """The base being trained; `train()` yields one log row a step."""

    def __init__(self, recipe: Recipe = EASY_BASE, seed: int = SEED) -> None:
        self.recipe, self.seed = recipe, seed
        self.tokenizer = make_tokenizer(recipe.words)
        self.processor = make_image_processor()
        self.model = make_model(self.tokenizer, seed, recipe.dropout)
        if recipe.start:
            load_model(self.model, Path(__file__).parent / recipe.start / "model.safetensors", strict=False)
        self.packing = Packing(self.tokenizer, self.processor, self.model.model, recipe.kinds)
        self._probe = nn.Linear(self.model.config.text_config.hidden_size, sum(_PROBED)) if recipe.probe else None

    def train(self, stages: tuple[Stage, ...] | None = None) -> Iterator[Row]:
        """Run the stages one after the other; rows hold step, stage, loss and accuracy (0..1)."""
        self.model.train()
        first = 0
        for stage in stages or self.recipe.stages:
            yield from self._train_stage(stage, first)
            first += stage.steps
        self.model.eval()

    def _train_stage(self, stage: Stage, first: int) -> Iterator[Row]:
        vision, language = self.model.model.visual, self.model.model.language_model
        vision.requires_grad_(stage.name != "language")
        for part in (language.layers, vision.deepstack_merger_list):
            part.requires_grad_(stage.name != "vision")
        parameters = [p for p in self.model.parameters() if p.requires_grad]
        if self._probe is not None and stage.name == "vision":
            parameters += self._probe.parameters()
        optimizer = torch.optim.AdamW(parameters, betas=(0.9, 0.98), weight_decay=0.02)
        loss_of = self.vision_loss if stage.name == "vision" else self.language_loss
        hide = self.recipe.hide and stage.name != "vision"
        for k in range(stage.steps):
            torch.manual_seed(1_000_000 * self.seed + first + k)  # for dropout: it too depends on seed and step alone
            for group in optimizer.param_groups:
                group["lr"] = stage.rate(k)
            with torch.autocast("cpu", torch.bfloat16, enabled=self.recipe.bf16):
                loss, right = loss_of(self.batch("base", first + k, hide=hide))
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
        """Cross-entropy of what is in each cell; and which readings of a thing have shape and colour right."""
        features = self.model.model.get_image_features(batch.pixel_values, batch.grid, return_dict=True)
        losses, right = [], []
        for logits, labels in self._readings(torch.stack(features.pooler_output), batch):
            losses.append(F.cross_entropy(logits.float().flatten(0, 1), labels.flatten()))
            right.append((logits.argmax(-1) == labels, labels > 0))
        (shape, there), (colour, _) = right[:2]
        return torch.stack(losses).sum(), (shape & colour)[there]

    def _readings(self, tokens: Tensor, batch: Batch) -> Iterator[tuple[Tensor, Tensor]]:
        """Logits [B, M, names] and labels [B, M] of shape and colour: of the M = 64 tokens, or, with a probe, of the
        M = 16 cells, and then of row and column, too."""
        if self._probe is None:
            words = self.model.lm_head(self.model.model.language_model.norm(tokens))
            for names, labels in zip((SHAPES, COLOUR_NAMES), batch.cells.unbind(1), strict=True):
                yield words[..., self.tokenizer.convert_tokens_to_ids([NOTHING, *names])], labels
            return
        size, side = len(tokens), round(tokens.shape[1] ** 0.5) // CELLS  # tokens a side of a cell
        means = tokens.unflatten(1, (CELLS, side, CELLS, side)).mean((2, 4)).flatten(1, 2)
        number = torch.arange(CELLS)
        labels = [
            *batch.cells.unflatten(2, (CELLS, side, CELLS, side))[:, :, :, 0, :, 0].flatten(2).unbind(1),
            number.repeat_interleave(CELLS).expand(size, -1),
            number.repeat(CELLS).expand(size, -1),
        ]
        yield from zip(self._probe(means).split(_PROBED, -1), labels, strict=True)

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
        return F.cross_entropy(logits.float(), targets), (logits.argmax(-1) == targets)[answers]

    @torch.no_grad()
    def accuracy(self, split: Split = "validation", batches: int = EVALUATION_BATCHES) -> float:
        """Share of right answers, 0..1, to 12 questions about each picture of the first batches of a split."""
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
    recipe = trainer.recipe
    size = sum(parameter.numel() for parameter in trainer.model.parameters())
    pictures = EVALUATION_BATCHES * BATCH
    stages = "; ".join(f"{s.name} {s.steps:,} steps at {s.learning_rate:g}" for s in recipe.stages)
    kinds = "two kinds of question" if recipe.kinds == EASY else "four kinds of question, two of them about places"
    begin = f"from the weights of `{recipe.start}`" if recipe.start else "from nothing"
    hidden = (
        """From three pictures in five some tokens were hidden, and "nothing" was the right answer about what could not
  be seen."""
        if recipe.hide
        else "No token was ever hidden from it."
    )
    limits = (
        """it learned with tokens hidden, so it bears their loss better than a base that never did; what is
  measured on it says nothing about how a real base bears it."""
        if recipe.hide
        else """it never missed a token while it learned, so it is brittle when some are left out; what is measured on
  it compares selectors with each other, and says nothing about how a real base bears the loss of tokens."""
    )
    return f"""# The {recipe.name} tiny base

A Qwen3-VL (`Qwen3VLForConditionalGeneration`, unchanged) of {size:,} parameters in float32, with a tokenizer of one
token a word and 64 visual tokens a picture, trained {begin} by
`python -m training.tiny.train_base --base {recipe.name}`.

- **For**: trying and testing the selector on two processor cores, frozen, through the code that the real bases use.
  It knows eight shapes, eight colours and {kinds}, and nothing of the world.
- **Data**: synthetic, made as it goes: split "base" of `training/tiny/synthetic.py`, seed {trainer.seed}. None of its
  pictures occurs in the splits "train" and "validation".
- **Training**: seed {trainer.seed}, {BATCH} pictures a step, AdamW; {stages}.
  {hidden}
  Loss and accuracy of every step are in `{LOG}`; a test runs the first steps again and compares.
- **Accuracy** with all 64 tokens: {accuracy:.2%} of 12 questions about each of {pictures:,} held-out pictures.
- **Limits**: {limits}
"""


def main() -> None:
    """Train, print progress, write the base's folder (or the one given)."""
    parser = argparse.ArgumentParser(description="Train a tiny frozen base.")
    parser.add_argument("--base", choices=list(RECIPES), default="easy", help="which one (default: easy)")
    parser.add_argument("--out", type=Path, help="folder to write (default: the one that ships)")
    parser.add_argument("--threads", type=int, default=2, help="processor cores to use")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    transformers_logging.disable_progress_bar()
    recipe = RECIPES[arguments.base]
    out = arguments.out or Path(__file__).parent / recipe.folder
    out.mkdir(parents=True, exist_ok=True)

    trainer = Trainer(recipe)
    total, started = sum(stage.steps for stage in recipe.stages), time.monotonic()
    with (out / LOG).open("w", encoding="utf-8") as log:
        for row in trainer.train():
            log.write(json.dumps(row) + "\n")
            done = int(row["step"]) + 1
            if done % 20 == 0:
                _print_progress(row, done, total, time.monotonic() - started)
                log.flush()
            if done % 200 == 0:
                trainer.save(out)  # so that a stopped run leaves something to look at
    trainer.save(out)
    accuracy = trainer.accuracy()
    (out / "README.md").write_text(model_card(trainer, accuracy), encoding="utf-8")
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
