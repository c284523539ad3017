"""Batches for training a base: 12 questions about a picture in one sequence, some of its tokens perhaps hidden.

A batch is a pure function of (split, seed, step).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import PreTrainedTokenizerBase, Qwen2VLImageProcessorPil, Qwen3VLModel

from training.tiny.synthetic import (
    CELLS,
    EASY,
    IMAGE_SIZE,
    PLACES,
    QUESTIONS,
    Kind,
    Question,
    Split,
    cell_labels,
    picture,
    questions,
)
from training.tiny.tokenizer import MERGE_SIZE, NOTHING, PATCH_SIZE

IGNORED = -100  # the target of a column in which nothing is to be guessed
WHOLE_PICTURES = 0.4  # share of those from which no token is hidden
ONLY_PLACES = 0.5  # share of the pictures of the hard set that are asked about places alone, which are learned last

_PATCHES = IMAGE_SIZE // PATCH_SIZE  # a side
_TOKENS = _PATCHES // MERGE_SIZE  # a side
_TOKENS_PER_CELL = _TOKENS // CELLS  # a side


@dataclass(frozen=True)
class Batch:
    """B pictures with their questions, in sequences of length S.

    pixel_values: [B * 256, 48]; grid: [B, 3]; cells: [B, 2, 64], what is in each visual token's cell (shape, colour;
    0 = nothing); input_ids and targets: [B, S]; positions: [3, S]; mask: bool [B, 1, S, S], true where a row may
    look at a column.
    """

    pixel_values: Tensor
    grid: Tensor
    cells: Tensor
    input_ids: Tensor
    targets: Tensor
    positions: Tensor
    mask: Tensor


class Packing:
    """How a picture and its questions stand in one sequence; each question sees the picture and itself only.

    Each stands, by its positions, directly behind the picture, as if it were alone.
    """

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        processor: Qwen2VLImageProcessorPil,
        model: Qwen3VLModel,
        kinds: tuple[Kind, ...] = EASY,
    ) -> None:
        self._tokenizer, self._processor, self._kinds = tokenizer, processor, kinds
        self._ids: dict[str, list[int]] = {}
        self._image = model.config.image_token_id
        picture_ids = "<|im_start|><|vision_start|>" + "<|image_pad|>" * _TOKENS**2 + "<|vision_end|>"
        self._head = torch.tensor(self._words(picture_ids))
        longest = self._lines(questions(picture("base", 0, 0).things, kinds), whole())
        self._slot = max(len(self._words(line)) for line in longest)
        self._positions = self._make_positions(model)
        self._mask = self._make_mask()

    def batch(self, split: Split, seed: int, step: int, size: int, *, hide: bool) -> Batch:
        """The pictures number step * size and following, with their questions; `hide`: some of their tokens."""
        numbers = range(step * size, (step + 1) * size)
        pictures = [picture(split, seed, number) for number in numbers]
        pixels = self._processor(images=[one.pixels for one in pictures], return_tensors="pt", device="cpu")
        visible = [visible_tokens(seed, number) if hide else whole() for number in numbers]
        asked = [
            self._asked(questions(one.things, self._kinds), seed, k) for one, k in zip(pictures, numbers, strict=True)
        ]
        rows = [self._row(some, tokens) for some, tokens in zip(asked, visible, strict=True)]
        ids, targets = (torch.stack(column) for column in zip(*rows, strict=True))
        seen = torch.ones(ids.shape, dtype=torch.bool)
        seen[ids == self._image] = torch.from_numpy(np.stack(visible)).flatten()
        cells = np.stack([cell_labels(one.things) for one in pictures]).reshape(size, 2, CELLS, CELLS)
        cells = cells.repeat(_TOKENS_PER_CELL, 2).repeat(_TOKENS_PER_CELL, 3).reshape(size, 2, -1)
        return Batch(
            pixels["pixel_values"],
            pixels["image_grid_thw"],
            torch.from_numpy(cells),
            ids,
            targets,
            self._positions,
            self._mask & seen[:, None, None],
        )

    def _asked(self, all_of_them: tuple[Question, ...], seed: int, number: int) -> tuple[Question, ...]:
        """Those that stand behind a picture: all of the easy set, 12 of the hard one."""
        if len(all_of_them) == QUESTIONS:
            return all_of_them
        rng = np.random.default_rng((5, seed, number))
        if rng.random() < ONLY_PLACES:
            all_of_them = tuple(question for question in all_of_them if question.kind in PLACES)
        return tuple(all_of_them[k] for k in rng.permutation(len(all_of_them))[:QUESTIONS])

    def _row(self, asked: tuple[Question, ...], visible: NDArray[np.bool_]) -> tuple[Tensor, Tensor]:
        """Ids and targets [S]; a target stands where the next token is to be guessed."""
        ids = torch.full((len(self._head) + QUESTIONS * self._slot,), self._tokenizer.pad_token_id)
        targets = torch.full_like(ids, IGNORED)
        ids[: len(self._head)] = self._head
        for k, line in enumerate(self._lines(asked, visible)):
            words = self._words(line)
            start = len(self._head) + k * self._slot
            end = start + len(words)
            ids[start:end] = torch.tensor(words)
            targets[end - 2], targets[end - 1] = words[-1], self._tokenizer.eos_token_id
        return ids, targets

    def _lines(self, asked: tuple[Question, ...], visible: NDArray[np.bool_]) -> list[str]:
        """Question and answer of each; "nothing" about a thing of which no token is visible."""
        lines = []
        for question in asked:
            row, column = question.thing.row * _TOKENS_PER_CELL, question.thing.column * _TOKENS_PER_CELL
            there = visible[row : row + _TOKENS_PER_CELL, column : column + _TOKENS_PER_CELL].any()
            lines.append(f"{question.text} {question.answer if there else NOTHING}")
        return lines

    def _words(self, text: str) -> list[int]:
        if text not in self._ids:
            self._ids[text] = self._tokenizer(text).input_ids
        return self._ids[text]

    def _make_positions(self, model: Qwen3VLModel) -> Tensor:
        """[3, S] by the model's own rule for one question behind the picture."""
        alone = torch.cat([self._head, self._head.new_full((self._slot,), self._tokenizer.unk_token_id)])[None]
        grid = torch.tensor([[1, _PATCHES, _PATCHES]])
        is_image = (alone == self._image).int()
        positions, _ = model.get_rope_index(alone, mm_token_type_ids=is_image, image_grid_thw=grid)
        shared, own = positions[:, 0].split([len(self._head), self._slot], 1)
        return torch.cat([shared, own.repeat(1, QUESTIONS)], 1)

    def _make_mask(self) -> Tensor:
        """Bool [1, 1, S, S]: causal, to the picture and to one's own slot."""
        slots = torch.arange(1, QUESTIONS + 1).repeat_interleave(self._slot)
        segment = torch.cat([torch.zeros(len(self._head), dtype=torch.long), slots])
        related = (segment[None] == 0) | (segment[:, None] == segment[None])
        return torch.tril(related)[None, None]


def whole() -> NDArray[np.bool_]:
    """All 8 x 8 tokens."""
    return np.ones((_TOKENS, _TOKENS), bool)


def visible_tokens(seed: int, index: int) -> NDArray[np.bool_]:
    """Which of a picture's 8 x 8 tokens the language model may see: whole cells go, then single tokens."""
    rng = np.random.default_rng((4, seed, index))
    if rng.random() < WHOLE_PICTURES:
        return whole()
    cells = rng.random((CELLS, CELLS)) < rng.uniform(0.05, 1)
    tokens = rng.random((_TOKENS, _TOKENS)) < rng.choice([0.4, 0.7, 1.0])
    return cells.repeat(_TOKENS_PER_CELL, 0).repeat(_TOKENS_PER_CELL, 1) & tokens
