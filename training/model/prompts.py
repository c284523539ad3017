"""Questions about pictures as the language model reads them: ids, 3-D positions, and what is to be guessed where.

A prompt is the base's own chat template around one or several pictures and one question; a picture stands in it as
one placeholder id for each of its visual tokens. Rows are padded on the left, so that answers end in the same column.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from arrcoc_core.errors import ConfigError
from training.model.registry import Base
from training.model.texture import Grids

IGNORED = -100  # the target of a column in which nothing is to be guessed


@dataclass(frozen=True)
class Asked:
    """B prompts of S columns, with the answers (but for their last token) behind them when these were given.

    input_ids: int64 [B, S]; the pictures are placeholder ids, one for each of their tokens.
    attention_mask: int64 [B, S], 0 at padding on the left.
    position_ids: int64 [4, B, S]: plain text position, then time, row and column, of the *full* sequence.
    visual: bool [B, S], true at the columns of the pictures.
    targets: int64 [B, S], the token to be guessed after this column, -100 where none is.
    answer_column: int64 [B], the column from which the first token of the answer is guessed.
    question_ids: int64 [B, T] and question_mask: bool [B, T]: what stands behind the pictures, padded on the right.
    """

    input_ids: Tensor
    attention_mask: Tensor
    position_ids: Tensor
    visual: Tensor
    targets: Tensor
    answer_column: Tensor
    question_ids: Tensor
    question_mask: Tensor

    def __len__(self) -> int:
        return len(self.input_ids)

    def __getitem__(self, rows: Tensor | slice) -> Asked:
        """Some of the rows, or all in another order."""
        return Asked(
            *(
                value[:, rows] if name == "position_ids" else value[rows]
                for name, value in ((field.name, getattr(self, field.name)) for field in fields(self))
            )
        )


def ask(base: Base, questions: Sequence[str], answers: Sequence[str] | None, grids: Sequence[Grids]) -> Asked:
    """Prompts for `questions`, each about the pictures whose (rows, columns) of visual tokens `grids` has for it.

    With `answers` the rows end in the answer's tokens but the last, and `targets` hold all of them, without an end
    mark: the answer is right when each of its tokens is the most likely one, which is what greedy decoding would
    have written. Without, `targets` are all -100. Raises ConfigError for a prompt longer than the base can read.
    """
    tokenizer, device = base.tokenizer, base.device
    config = base.model.config
    texts = [_prompt(base, text, held) for text, held in zip(questions, grids, strict=True)]
    prompts = [tokenizer(text, add_special_tokens=False).input_ids for text in texts]
    endings = [tokenizer(text, add_special_tokens=False).input_ids for text in answers or [""] * len(prompts)]
    lengths = [len(p) + max(len(a) - 1, 0) for p, a in zip(prompts, endings, strict=True)]
    width = max(lengths)
    _check_length(width, config.text_config.max_position_embeddings, questions[lengths.index(width)])
    ids = torch.full((len(prompts), width), tokenizer.pad_token_id)
    mask, targets = torch.zeros_like(ids), torch.full_like(ids, IGNORED)
    answer_column = torch.zeros(len(prompts), dtype=torch.long)
    for row, (prompt, answer) in enumerate(zip(prompts, endings, strict=True)):
        line = prompt + answer[:-1]
        ids[row, width - len(line) :] = torch.tensor(line)
        mask[row, width - len(line) :] = 1
        answer_column[row] = width - max(len(answer), 1)
        if answer:
            targets[row, width - len(answer) :] = torch.tensor(answer)
    visual = ids == config.image_token_id
    ends = [_end_of_pictures(p, config.vision_end_token_id, len(g)) for p, g in zip(prompts, grids, strict=True)]
    behind = [prompt[end:] for prompt, end in zip(prompts, ends, strict=True)]
    length = max(map(len, behind))
    question_ids = torch.tensor([line + [tokenizer.pad_token_id] * (length - len(line)) for line in behind])
    question_mask = torch.arange(length)[None] < torch.tensor([len(line) for line in behind])[:, None]
    asked = (ids, mask, _positions(base, ids, mask, visual, grids), visual, targets, answer_column)
    return Asked(*(value.to(device) for value in (*asked, question_ids, question_mask)))


def template(base: Base) -> str:
    """A whole prompt with {question} in the question's place and one placeholder in the picture's."""
    return _prompt(base, "{question}", ((1, 1),))


def _prompt(base: Base, question: str, grids: Grids) -> str:
    content = [*({"type": "image"} for _ in grids), {"type": "text", "text": question}]
    text = base.tokenizer.apply_chat_template(
        [{"role": "user", "content": content}], tokenize=False, add_generation_prompt=True
    )
    placeholder = base.tokenizer.convert_ids_to_tokens(base.model.config.image_token_id)
    parts = text.split(placeholder, len(grids))
    runs = [placeholder * (rows * columns) for rows, columns in grids]
    return "".join(part + run for part, run in zip(parts, [*runs, ""], strict=True))


def _end_of_pictures(prompt: list[int], end: int, pictures: int) -> int:
    """The column behind the last of a prompt's pictures; they are the first that end in it."""
    column = 0
    for _ in range(pictures):
        column = prompt.index(end, column) + 1
    return column


def _check_length(length: int, limit: int, question: str) -> None:
    if length > limit:
        raise ConfigError(
            f"the prompt of {question!r} is {length:,} tokens long with its pictures, and the base reads at most "
            f"{limit:,}",
            remedy="Make the pictures smaller (data.image_size), or show fewer at a time.",
        )


def _positions(base: Base, ids: Tensor, mask: Tensor, visual: Tensor, grids: Sequence[Grids]) -> Tensor:
    """The model's own 3-D positions of the full rows, under the plain ones it wants as row 0: [4, B, S].

    They depend only on where the pictures begin and on their sizes, so one row of each kind is computed.
    """
    merge = base.model.config.vision_config.spatial_merge_size
    positions = torch.zeros(4, *ids.shape, dtype=torch.long)
    known: dict[tuple[int, bytes, Grids], Tensor] = {}
    for row, held in enumerate(grids):
        start = int(mask[row].argmax())
        key = (start, visual[row].numpy().tobytes(), held)
        if key not in known:
            patches = torch.tensor([[1, rows * merge, columns * merge] for rows, columns in held])
            line = ids[row : row + 1, start:]
            spatial, _ = base.model.model.get_rope_index(
                line, mm_token_type_ids=visual[row : row + 1, start:].int(), image_grid_thw=patches
            )
            known[key] = torch.cat([torch.arange(line.shape[1])[None], spatial[:, 0]])
        positions[:, row, start:] = known[key]
    return positions
