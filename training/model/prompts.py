"""Questions about pictures as the language model reads them: ids, 3-D positions, and what is to be guessed where.

A prompt is the base's own chat template around one picture and one question; the picture stands in it as one
placeholder id for each of its N visual tokens. Rows are padded on the left, so that answers end in the same column.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from training.model.registry import Base

IGNORED = -100  # the target of a column in which nothing is to be guessed


@dataclass(frozen=True)
class Asked:
    """B prompts of S columns, with the answers (but for their last token) behind them when these were given.

    input_ids: int64 [B, S]; the picture is N placeholder ids in each row.
    attention_mask: int64 [B, S], 0 at padding on the left.
    position_ids: int64 [4, B, S]: plain text position, then time, row and column, of the *full* sequence.
    visual: bool [B, S], true at the N columns of the picture.
    targets: int64 [B, S], the token to be guessed after this column, -100 where none is.
    answer_column: int64 [B], the column from which the first token of the answer is guessed.
    question_ids: int64 [B, T] and question_mask: bool [B, T]: what stands behind the picture, padded on the right.
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


def ask(base: Base, questions: Sequence[str], answers: Sequence[str] | None, grid: tuple[int, int]) -> Asked:
    """Prompts for `questions` about one picture each, of `grid` (rows, columns) visual tokens.

    With `answers` the rows end in the answer's tokens but the last, and `targets` hold all of them, without an end
    mark: the answer is right when each of its tokens is the most likely one, which is what greedy decoding would
    have written. Without, `targets` are all -100.
    """
    tokenizer, device = base.tokenizer, base.device
    config = base.model.config
    count = grid[0] * grid[1]
    prompts = [tokenizer(_prompt(base, text, count), add_special_tokens=False).input_ids for text in questions]
    endings = [tokenizer(text, add_special_tokens=False).input_ids for text in answers or [""] * len(prompts)]
    width = max(len(p) + max(len(a) - 1, 0) for p, a in zip(prompts, endings, strict=True))
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
    behind = [prompt[_end_of_picture(prompt, config.vision_end_token_id) :] for prompt in prompts]
    length = max(map(len, behind))
    question_ids = torch.tensor([line + [tokenizer.pad_token_id] * (length - len(line)) for line in behind])
    question_mask = torch.arange(length)[None] < torch.tensor([len(line) for line in behind])[:, None]
    asked = (ids, mask, _positions(base, ids, mask, visual, grid), visual, targets, answer_column)
    return Asked(*(value.to(device) for value in (*asked, question_ids, question_mask)))


def template(base: Base) -> str:
    """A whole prompt with {question} in the question's place and one placeholder in the picture's."""
    return _prompt(base, "{question}", 1)


def _prompt(base: Base, question: str, count: int) -> str:
    content = [{"type": "image"}, {"type": "text", "text": question}]
    text = base.tokenizer.apply_chat_template(
        [{"role": "user", "content": content}], tokenize=False, add_generation_prompt=True
    )
    placeholder = base.tokenizer.convert_ids_to_tokens(base.model.config.image_token_id)
    return text.replace(placeholder, placeholder * count, 1)


def _end_of_picture(prompt: list[int], end: int) -> int:
    return prompt.index(end) + 1


def _positions(base: Base, ids: Tensor, mask: Tensor, visual: Tensor, grid: tuple[int, int]) -> Tensor:
    """The model's own 3-D positions of the full rows, under the plain ones it wants as row 0: [4, B, S].

    They depend only on where the picture begins and ends, so one row of each length is computed.
    """
    merge = base.model.config.vision_config.spatial_merge_size
    patches = torch.tensor([[1, grid[0] * merge, grid[1] * merge]])
    positions = torch.zeros(4, *ids.shape, dtype=torch.long)
    known: dict[tuple[int, int], Tensor] = {}
    for row in range(len(ids)):
        start = int(mask[row].argmax())
        key = (start, int(visual[row].to(torch.uint8).argmax()))
        if key not in known:
            line = ids[row : row + 1, start:]
            spatial, _ = base.model.model.get_rope_index(
                line, mm_token_type_ids=visual[row : row + 1, start:].int(), image_grid_thw=patches
            )
            known[key] = torch.cat([torch.arange(line.shape[1])[None], spatial[:, 0]])
        positions[:, row, start:] = known[key]
    return positions
