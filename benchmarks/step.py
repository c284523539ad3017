"""Time of a step when the language model reads K of N visual tokens, beside the unmodified base in the same run.

At two shapes: the tiny base that ships, and Qwen3-VL-2B's widths, heads and grids with few of its layers and random
weights (speed does not ask what they hold; the vocabulary is cut, since logits are only computed for the answer).

- language model: forward and backward from the answer to the visual tokens, and the generation of some tokens;
- selector: texture array, scores, forward and backward;
- end to end: vision encoder, selector, language model, forward. The encoder is not reduced, and so is shown beside it.

The bars: of the share of the language model's time that the FLOP count says is saved, at least 85 % is; the selector
takes at most 3 % of the language model's time at K = N, scaled to all 28 layers. In each round every kind runs once,
in the other order than in the round before; times are compared within their round, and the median over the rounds
counts. So a machine that gets slower or faster meanwhile does so for both sides of a comparison. K = N/2 needs that
most: a time that is 10 % too long takes 10 % from the share saved there, but 3 % at N/4 and 1 % at N/8, for it is
weighed by what is left over what is saved. On the processor one thread computes and its own time is taken; on a GPU the
shape has all of its layers, and the most memory is shown.

    python benchmarks/step.py [--reduced] [--layers 2] [--rounds 9]
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np
import torch
from _report import finish, table
from torch import Tensor
from transformers import Qwen2VLImageProcessorPil, Qwen3VLConfig, Qwen3VLForConditionalGeneration

from training.flops import language_model_flops
from training.model import attention, pruning
from training.model.arrcoc_qwen import ArrCocQwen
from training.model.pruning import VisualTokens
from training.model.registry import Base, load_base
from training.model.seeing import look
from training.model.selector import Selector, SelectorConfig, uniform_selection
from training.model.texture import describe
from training.tiny.architecture import make_config
from training.tiny.tokenizer import make_tokenizer

SAVED = 0.85
SELECTOR = 0.03
LAYERS = 28  # of Qwen3-VL-2B's language model
VISION_LAYERS = 24
PARTS = (1, 2, 4, 8)
NEW_TOKENS = 8
QUESTION = "which colour is the circle"


@dataclass
class Shape:
    """A base, the selector before it, and what they are shown. `layers`: those of the whole base."""

    name: str
    model: ArrCocQwen
    plain: Qwen3VLForConditionalGeneration
    size: tuple[int, int]
    batch: int
    layers: int
    question: str


def tiny(batch: int) -> Shape:
    plain = load_base("tiny").model
    plain.set_attn_implementation("sdpa")
    model = ArrCocQwen.from_base("tiny")
    return Shape("tiny", model, plain, (64, 64), batch, model.base.model.config.text_config.num_hidden_layers, QUESTION)


def like_2b(layers: int, pixels: int, device: torch.device) -> Shape:
    """Qwen3-VL-2B with so many of its layers and as many of the vision encoder's, in bfloat16."""
    tokenizer = make_tokenizer()
    small = make_config(tokenizer)
    text = {
        "vocab_size": 4096,
        "hidden_size": 2048,
        "intermediate_size": 6144,
        "num_hidden_layers": layers,
        "num_attention_heads": 16,
        "num_key_value_heads": 8,
        "head_dim": 128,
        "max_position_embeddings": 262144,
        "pad_token_id": tokenizer.pad_token_id,
        "tie_word_embeddings": True,
        "rope_parameters": {
            "rope_type": "default",
            "rope_theta": 5e6,
            "mrope_section": [24, 20, 20],
            "mrope_interleaved": True,
        },
    }
    depth = min(layers, VISION_LAYERS)
    vision = {
        "depth": depth,
        "hidden_size": 1024,
        "intermediate_size": 4096,
        "num_heads": 16,
        "patch_size": 16,
        "spatial_merge_size": 2,
        "temporal_patch_size": 2,
        "out_hidden_size": 2048,
        "num_position_embeddings": 2304,
        "deepstack_visual_indexes": [5, 11, 17] if depth > 17 else [0],
    }
    ids = {name: getattr(small, name) for name in ("image_token_id", "video_token_id", "vision_start_token_id")}
    ids["vision_end_token_id"] = small.vision_end_token_id
    config = Qwen3VLConfig(text_config=text, vision_config=vision, tie_word_embeddings=True, **ids)

    def build() -> Qwen3VLForConditionalGeneration:
        torch.manual_seed(0)
        with torch.device(device):
            made = Qwen3VLForConditionalGeneration(config).to(torch.bfloat16).eval().requires_grad_(False)
        made.generation_config.pad_token_id = tokenizer.pad_token_id
        return made

    ours = build()
    attention.prepare(ours)
    images = Qwen2VLImageProcessorPil(patch_size=16, temporal_patch_size=2, merge_size=2)
    model = ArrCocQwen(Base("2b-shaped", "", ours, tokenizer, images), Selector(SelectorConfig.of(2048)))
    return Shape(f"2B, {layers} of {LAYERS} layers", model, build(), (pixels, pixels), 1, LAYERS, f"{QUESTION} " * 12)


Times = dict[str, dict[str, np.ndarray]]
"""Seconds in each round, by what was done and with how many tokens ("base", "K=N", "K=N/2", …)."""


def measure(shape: Shape, rounds: int) -> Times:
    model, device = shape.model, shape.model.base.device
    draw = np.random.default_rng(0)
    pictures = [draw.integers(0, 256, (*shape.size, 3), dtype=np.uint8) for _ in range(shape.batch)]
    seen = look(model.base, pictures)
    asked = model.ask([shape.question] * shape.batch, ["red"] * shape.batch, seen.grids)
    inputs = model.base.image_processor(images=pictures, do_resize=False, return_tensors="pt").to(device)
    whole = {
        "input_ids": asked.input_ids,
        "attention_mask": asked.attention_mask,
        "mm_token_type_ids": asked.visual.int(),
        "image_grid_thw": inputs["image_grid_thw"],
    }
    pixels = torch.from_numpy(np.stack(pictures)).to(device).permute(0, 3, 1, 2).float() / 255
    kept = {name: uniform_selection(seen.grids, count).to(device) for name, count in _budgets(seen.count).items()}

    def learning() -> VisualTokens:
        return VisualTokens(seen.tokens.embeddings.clone().requires_grad_(), seen.tokens.deepstack)

    def train_base() -> None:
        given = pruning.pack(learning(), seen.present)
        shape.plain(
            **whole, mm_encoder_outputs=given, use_cache=False, logits_to_keep=1
        ).logits.float().sum().backward()

    def train(keep: Tensor) -> None:
        logits, _ = pruning.run(model.base.model, asked, learning(), keep)
        logits.float().sum().backward()

    def score() -> None:
        describe(pixels, seen.grids[0][0])
        model.scores(seen, asked).sum().backward()

    options = {"max_new_tokens": NEW_TOKENS, "min_new_tokens": NEW_TOKENS, "do_sample": False}

    @torch.no_grad()
    def generate_base() -> None:
        shape.plain.generate(**whole, mm_encoder_outputs=pruning.pack(seen.tokens, seen.present), **options)

    @torch.no_grad()
    def generate(keep: Tensor) -> None:
        short = pruning.shorten(asked, keep)
        del short["targets"]
        model.base.model.generate(**short, mm_encoder_outputs=pruning.pack(seen.tokens, keep), **options)

    @torch.no_grad()
    def answer_base() -> None:
        shape.plain(**whole, pixel_values=inputs["pixel_values"], use_cache=False, logits_to_keep=1)

    @torch.no_grad()
    def answer(keep: Tensor) -> None:
        again = look(model.base, pictures)
        model.scores(again, asked)
        pruning.run(model.base.model, asked, again.tokens, keep)

    todo: dict[tuple[str, str], Callable[[], None]] = {
        ("train", "base"): train_base,
        ("generate", "base"): generate_base,
        ("end to end", "base"): answer_base,
        ("selector", "K=N"): score,
    }
    for name, keep in kept.items():
        todo["train", name] = lambda keep=keep: train(keep)
        todo["generate", name] = lambda keep=keep: generate(keep)
        todo["end to end", name] = lambda keep=keep: answer(keep)
    for act in todo.values():
        act()  # warm up
    taken: dict[tuple[str, str], list[float]] = {key: [] for key in todo}
    for number in range(rounds):
        for key, act in reversed(todo.items()) if number % 2 else todo.items():
            taken[key].append(_seconds(act, device))
    times: Times = {}
    for (what, which), seconds in taken.items():
        times.setdefault(what, {})[which] = np.array(seconds)
    return times


def _seconds(act: Callable[[], None], device: torch.device) -> float:
    if device.type != "cuda":
        began = time.process_time()
        act()
        return time.process_time() - began
    torch.cuda.synchronize(device)
    began = time.perf_counter()
    act()
    torch.cuda.synchronize(device)
    return time.perf_counter() - began


def report(shape: Shape, times: Times) -> tuple[dict[str, float], dict[str, object]]:
    """Print the table; the two ratios that have bars, and the numbers behind them."""
    config = shape.model.base.model.config
    rows, columns = (side // _token_side(shape) for side in shape.size)
    count = rows * columns
    text = shape.model.ask([shape.question], ["red"], [((rows, columns),)]).input_ids.shape[1] - count
    flops = {name: language_model_flops(config, kept, text) for name, kept in _budgets(count).items()}
    own, whole = times["train"], times["end to end"]
    lines, shares, missed = [], {}, 0.0
    for name, operations in {"base": flops["K=N"], **flops}.items():
        promised, saved = 1 - operations / flops["K=N"], 1 - _ratio(own[name], own["base"])
        if promised:
            shares[name] = saved / promised
            missed = max(missed, 1 - shares[name])
        lines.append(
            [
                name,
                *(f"{np.median(times[what][name]) * 1e3:.1f}" for what in ("train", "generate", "end to end")),
                f"{_ratio(own['base'], own[name]):.2f}x",
                f"{flops['K=N'] / operations:.2f}x",
                f"{_ratio(whole['base'], whole[name]):.2f}x",
                f"{shares[name]:.0%}" if promised else "",
            ]
        )
    print(f"\n{shape.name}: N = {count}, {text} of text, {shape.batch} questions; milliseconds, medians of the rounds")
    headers = (
        "",
        "forward+backward",
        f"{NEW_TOKENS} tokens",
        "end to end",
        "faster",
        "by FLOPs",
        "end to end",
        "saved",
    )
    table(headers, lines)
    share = _ratio(times["selector"]["K=N"], own["K=N"]) * config.text_config.num_hidden_layers / shape.layers
    milliseconds = np.median(times["selector"]["K=N"]) * 1e3
    print(f"selector {milliseconds:.1f} ms: {share:.2%} of all {shape.layers} layers at K = N")
    return {"saving_missed": missed, "selector_share": share}, {"saved_of_promised": shares}


def _ratio(one: np.ndarray, other: np.ndarray) -> float:
    """Of times that were taken beside each other."""
    return float(np.median(one / other))


def _budgets(count: int) -> dict[str, int]:
    return {f"K=N/{part}" if part > 1 else "K=N": count // part for part in PARTS}


def _token_side(shape: Shape) -> int:
    vision = shape.model.base.model.config.vision_config
    return vision.patch_size * vision.spatial_merge_size


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reduced", action="store_true", help="smaller pictures, one layer, one round")
    parser.add_argument("--layers", type=int, default=2, help="layers of the language model and the vision encoder")
    parser.add_argument("--rounds", type=int, default=9, help="runs of each kind")
    given = parser.parse_args()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if device.type == "cpu":
        torch.set_num_threads(1)
    layers = LAYERS if device.type == "cuda" else given.layers
    rounds = given.rounds
    pixels = 1024
    if given.reduced:
        layers, rounds, pixels = 1, 1, 256
    small = tiny(4 if given.reduced else 32)
    report(small, measure(small, rounds))
    large = like_2b(layers, pixels, device)
    times = measure(large, rounds)
    ratios, more = report(large, times)
    if device.type == "cuda":
        print(f"most memory: {torch.cuda.max_memory_allocated(device) / 1e9:.2f} GB")
    return finish("step", ratios, {"saving_missed": 1 - SAVED, "selector_share": SELECTOR}, more=more)


if __name__ == "__main__":
    sys.exit(main())
