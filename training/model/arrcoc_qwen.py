"""`ArrCocQwen`: a frozen Qwen3-VL that reads a picture with K of its N visual tokens, chosen for the question.

    model = ArrCocQwen.from_pretrained("result")  # or from the Hub: "owner/name"
    print(model.answer(picture, "what colour is the circle ?").text)

Shapes: B questions, each about one or several pictures; N visual tokens, of the question that has most of them; D the
base's embedding width. What is kept is bool [B, N], and questions may keep different numbers. Nothing here ever changes
the base.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor, nn

from arrcoc_core.errors import ConfigError
from training.decoding import as_rgb
from training.model import prompts, pruning, seeing
from training.model.attention import Attention, Recorder, recording
from training.model.budget import Budget
from training.model.download import find_selector
from training.model.files import CONFIG, WEIGHTS
from training.model.processing import Processor
from training.model.prompts import IGNORED, Asked
from training.model.registry import Base, load_base, weights_id
from training.model.seeing import AnyPicture, Seen
from training.model.selector import WAYS, Balance, Features, Selector, SelectorConfig, allocate
from training.model.selector_files import load_selector, read_base
from training.model.texture import Grids

MAX_ANSWER_TOKENS = 32


@dataclass(frozen=True)
class Answer:
    """`text` of the answer; `kept`: indices of the tokens read, ascending, row-major; `relevance` [rows, columns].

    Of several pictures the tokens are numbered one picture after the other, and `relevance` is [N].
    """

    text: str
    kept: tuple[int, ...]
    relevance: NDArray


@dataclass(frozen=True)
class PictureShown:
    """One picture as the selector looked at it, [rows, columns] of its visual tokens.

    maps: [3, rows, columns], what each of `selector.WAYS` says, normalised; scores: what is made of them; kept: bool.
    """

    maps: NDArray
    scores: NDArray
    kept: NDArray


@dataclass(frozen=True)
class Explanation:
    """Why these tokens were read: for each way of knowing its weight (together 1), for each picture its maps."""

    question: str
    answer: str
    weights: dict[str, float]
    pictures: tuple[PictureShown, ...]


@dataclass(frozen=True)
class Reading:
    """What the language model made of B questions.

    loss: [B], nats a token, cross-entropy of the right answer; right: bool [B], greedy decoding begins with exactly it;
    guesses: int64 [B, A], the most likely token at each place of the answer, -100 where there is none.
    """

    loss: Tensor
    right: Tensor
    guesses: Tensor


class ArrCocQwen:
    """A base and the selector that goes before it.

    `processor`: how pictures and questions were prepared in training; None for a selector that was not trained yet,
    and for results of older versions.
    """

    def __init__(self, base: Base, selector: Selector, processor: Processor | None = None) -> None:
        self.base = base
        self.processor = processor
        self.selector: nn.Module = selector.to(base.device)

    @classmethod
    def from_base(
        cls,
        name: str,
        revision: str = "",
        *,
        seed: int = 0,
        features: Features = "both",
        balance: Balance = "learned",
        device: torch.device | str = "cpu",
        dtype: torch.dtype | None = None,
        attention: Attention = "sdpa",
    ) -> ArrCocQwen:
        """A new selector, its weights drawn from `seed`, before the base `name`; errors are those of `load_base`.

        `features` and `balance`: parts to leave out, see `SelectorConfig`. `attention`: "flash" where flash_attn is
        installed, see `attention.prepare`.
        """
        base = load_base(name, revision, device=device, dtype=dtype, kind=attention)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            selector = Selector(SelectorConfig.of(base.hidden_size, features, balance))
        return cls(base, selector)

    @classmethod
    def from_pretrained(
        cls,
        place: str | Path,
        revision: str | None = None,
        *,
        device: torch.device | str = "cpu",
        dtype: torch.dtype | None = None,
        attention: Attention = "sdpa",
    ) -> ArrCocQwen:
        """What `save_pretrained` wrote, with the base that it names, at the commit it was trained with.

        `place`: a folder, or a repository of the Hub ("owner/name"); `revision` is which state of the repository: a
        commit, a branch, or a tag, which each run's id is. Raises ConfigError when it is no selector, its files are
        damaged, or the base has other weights than in training.
        """
        folder = find_selector(place, revision)
        named, selector = read_base(folder), load_selector(folder)
        named.check(folder)
        base = load_base(named.name, named.revision, device=device, dtype=dtype, kind=attention)
        width = selector.config.hidden
        if width != base.hidden_size:
            raise ConfigError(
                f"the selector in {folder} is for a base of width {width}, and {base.title} has {base.hidden_size}",
                remedy="Name the base that it was trained with.",
            )
        return cls(base, selector, Processor.load(folder))

    def save_pretrained(self, folder: str | Path) -> None:
        """Write the selector's weights, a config that names the base, whose own weights are not copied, and how
        pictures and questions are prepared, where that is known."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        save_file({name: value.contiguous() for name, value in self.selector.state_dict().items()}, folder / WEIGHTS)
        base = {"base": self.base.name, "base_revision": self.base.revision}
        weights = weights_id(self.base.name, self.base.revision)
        config = {**base, "base_weights": weights, "selector": self.selector.config.to_dict()}
        (folder / CONFIG).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
        if self.processor is not None:
            self.processor.save(folder, self.base)

    def answer(
        self,
        picture: AnyPicture | Sequence[AnyPicture],
        question: str,
        keep: int | None = None,
        max_tokens: int = MAX_ANSWER_TOKENS,
    ) -> Answer:
        """Answer a question about a picture (uint8 [H, W, 3] or PIL), or several, with `keep` of the visual tokens.

        Both are prepared as in training, and left out, `keep` is what the selector was trained for. A model without a
        `processor` has to be told `keep`, and the base's image processor chooses the size at which it reads.
        `max_tokens`: of the answer, which ends there at the latest. Pictures may be grey or have an alpha channel, and
        are turned as their EXIF says. Raises ConfigError for what is no picture, and for a `keep` that cannot be.
        """
        seen, asked, kept = self._chosen(picture, question, keep)
        text = self.generate(seen, asked, kept, max_tokens=max_tokens)[0]
        with torch.no_grad():
            scores = self.scores(seen, asked)[0].cpu().numpy()
        grids = seen.grids[0]
        relevance = scores.reshape(grids[0]) if len(grids) == 1 else scores
        return Answer(text, tuple(kept[0].nonzero().flatten().tolist()), relevance)

    @torch.no_grad()
    def explain(
        self,
        picture: AnyPicture | Sequence[AnyPicture],
        question: str,
        keep: int | None = None,
        max_tokens: int = MAX_ANSWER_TOKENS,
    ) -> Explanation:
        """`answer`, with what it was chosen by: the three ways' maps and weights, the scores, and what was kept."""
        seen, asked, kept = self._chosen(picture, question, keep)
        maps, weights = self.ways(seen, asked)
        scores = self.scores(seen, asked)
        shown, begin = [], 0
        for rows, columns in seen.grids[0]:
            part = slice(begin, begin + rows * columns)
            begin = part.stop
            own = (value[..., part].unflatten(-1, (rows, columns)) for value in (maps[0], scores[0], kept[0]))
            shown.append(PictureShown(*(value.cpu().numpy() for value in own)))
        held = dict(zip(WAYS, weights[0].tolist(), strict=True))
        answer = self.generate(seen, asked, kept, max_tokens=max_tokens)[0]
        return Explanation(question, answer, held, tuple(shown))

    def _chosen(
        self, picture: AnyPicture | Sequence[AnyPicture], question: str, keep: int | None
    ) -> tuple[Seen, Asked, Tensor]:
        """One question about one or several pictures, prepared as in training, and what is kept of them."""
        pictures = [as_rgb(one) for one in ([picture] if isinstance(picture, Image.Image | np.ndarray) else picture)]
        if not pictures:
            raise ConfigError(f"there is no picture to ask {question!r} about", remedy="Give one, or several.")
        if keep is not None and keep < 1:
            raise ConfigError(f"cannot keep {keep} visual tokens", remedy="Keep at least 1.")
        budget = None if keep is None else Budget(keep)
        if self.processor is not None:
            budget = budget or self.processor.budget
            question = self.processor.question(self.base, question)
            seen = self.look([self.processor.picture(one) for one in pictures])
        else:
            seen = self.look(pictures, scale=True)
        if budget is None:
            raise ConfigError("this selector does not say how many tokens it was trained to keep", remedy="Give keep=…")
        seen = seen.about([range(len(pictures))])
        asked = self.ask([question], None, seen.grids)
        with torch.no_grad():
            scores = self.scores(seen, asked)
        return seen, asked, allocate(scores, budget.counts(scores, seen.present, [question]), seen.present)

    def look(self, pictures: Sequence[AnyPicture], *, scale: bool = False) -> Seen:
        """The vision encoder's pass and the texture, once a picture; good for any number of questions and uses.

        Pictures stay as large as they are, unless the image processor may `scale` them.
        """
        return seeing.look(self.base, pictures, scale=scale)

    def ask(self, questions: Sequence[str], answers: Sequence[str] | None, grids: Sequence[Grids]) -> Asked:
        """Prompts about pictures of `grids` (a Seen's); with `answers`, also what is to be guessed."""
        return prompts.ask(self.base, questions, answers, grids)

    def scores(self, seen: Seen, asked: Asked, selector: nn.Module | None = None) -> Tensor:
        """Relevance of each visual token to each question: [B, N], float32, with gradient to the selector.

        In the padding of `seen` it is `selector.NOWHERE`, which a softmax and a top K pass over.

        `selector`: a wrapped one to call instead (DistributedDataParallel). Only the question is read of `asked`, so
        scores for other questions about the same pictures are `scores(seen, asked[permutation])`.
        """
        question = self.base.model.get_input_embeddings()(asked.question_ids)
        return (selector or self.selector)(
            seen.tokens.embeddings, seen.texture, question, asked.question_mask, seen.places
        )

    def ways(self, seen: Seen, asked: Asked) -> tuple[Tensor, Tensor]:
        """What `scores` are made of: the maps of the three ways of knowing, normalised, [B, 3, N], and their weights
        for each question [B, 3]."""
        question = self.base.model.get_input_embeddings()(asked.question_ids)
        inputs = (seen.tokens.embeddings, seen.texture, question, asked.question_mask, seen.places)
        return cast(Selector, self.selector).ways(*inputs)

    @torch.no_grad()
    def read(self, seen: Seen, asked: Asked, kept: Tensor) -> Reading:
        """The answers with only the tokens `kept` (bool [B, N]): a true pass over as many tokens."""
        return _judge(*pruning.run(self.base.model, asked, seen.tokens, kept))

    @torch.no_grad()
    def read_all(self, seen: Seen, asked: Asked, layer: int | None = None) -> tuple[Reading, Tensor]:
        """The answers with all N tokens, and the teacher from the same pass.

        The teacher is the answer position's attention to each visual token, mean over all layers (or of the one
        `layer`) and heads, scaled to sum to 1: [B, N], float32, 0 in the padding of `seen`. It needs this full pass;
        that is what it costs.
        """
        recorder = Recorder(asked.answer_column, layer)
        with recording(self.base.model):
            output = pruning.run(self.base.model, asked, seen.tokens, seen.present, recorder=recorder)
        mean = recorder.mean
        attention = mean.new_zeros(seen.present.shape).masked_scatter(seen.present, mean[asked.visual])
        return _judge(*output), attention / attention.sum(1, keepdim=True)

    @torch.no_grad()
    def generate(
        self,
        seen: Seen,
        asked: Asked,
        kept: Tensor,
        *,
        on_all_ranks: bool = False,
        max_tokens: int = MAX_ANSWER_TOKENS,
    ) -> list[str]:
        """Greedy answers as text, of at most `max_tokens`, with only the tokens `kept`. `asked` is without answers.

        `on_all_ranks`: each of them generates now, and goes along until the last has its answers: they may share the
        base.
        """
        short = pruning.shorten(asked, kept)
        del short["targets"]
        ids = self.base.model.generate(
            **short,
            mm_encoder_outputs=pruning.pack(seen.tokens, kept),
            max_new_tokens=max_tokens,
            do_sample=False,
            synced_gpus=on_all_ranks,
        )
        texts = self.base.tokenizer.batch_decode(ids[:, short["input_ids"].shape[1] :], skip_special_tokens=True)
        return [text.strip() for text in texts]

    def words(self, guesses: Tensor) -> list[str]:
        """Text of a Reading's guesses."""
        tokenizer = self.base.tokenizer
        return [tokenizer.decode(row[row != IGNORED], skip_special_tokens=True).strip() for row in guesses]


def _judge(logits: Tensor, targets: Tensor) -> Reading:
    asked = targets != IGNORED
    losses = F.cross_entropy(logits.float().transpose(1, 2), targets, ignore_index=IGNORED, reduction="none")
    guesses = logits.argmax(-1)
    right = ((guesses == targets) | ~asked).all(1)
    return Reading(losses.sum(1) / asked.sum(1).clamp_min(1), right, guesses.masked_fill(~asked, IGNORED))
