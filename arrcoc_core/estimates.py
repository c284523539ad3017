"""How long a run will take: a step model, corrected by what this machine did before.

`workload` is what the step model says, in seconds on a reference machine (2 x86 cores for "tiny", the GPU in use for
the others). When runs of the same base have succeeded on this machine, the estimate is that number times the ratio
they showed, from the lowest to the highest of the latest few; otherwise it is a wide range around the model, and
says so. Either way it says where it comes from.

The step model of "tiny" is measured. That of the Qwen3-VL bases counts floating-point operations: 2 for each parameter
and token of a forward pass through the language model and the vision tower, at `SUSTAINED_SHARE` of the device's peak.
"""

from __future__ import annotations

from typing import NamedTuple

from arrcoc_core.experiment import Experiment
from arrcoc_core.facts import Facts, Machine
from arrcoc_core.resolved import ResolvedExperiment

SUSTAINED_SHARE = 0.35
"""Share of the peak that training and evaluation of such models sustain; an assumption, until a run corrects it."""


class Base(NamedTuple):
    """Parameters that one token passes through, all parameters, those of the vision tower, and the download."""

    active: float
    parameters: float
    vision: float
    download_bytes: float


BASES = {
    "Qwen/Qwen3-VL-2B-Instruct": Base(1.72e9, 2.13e9, 0.41e9, 4.3e9),
    "Qwen/Qwen3-VL-4B-Instruct": Base(4.02e9, 4.44e9, 0.42e9, 8.9e9),
    "Qwen/Qwen3-VL-8B-Instruct": Base(8.19e9, 8.77e9, 0.58e9, 17.6e9),
    "Qwen/Qwen3-VL-30B-A3B-Instruct": Base(3.35e9, 31.1e9, 0.54e9, 62.2e9),
}
"""From the model cards and configurations on the Hub."""

PEAK_FLOPS = {"T4": 65e12, "L4": 121e12, "A10": 125e12, "A100": 312e12, "H100": 989e12, "H200": 989e12, "B200": 2250e12}
"""Dense bfloat16 (T4: float16) peak by the makers' data sheets, by the longest name that occurs in the GPU's."""

CORE_FLOPS = 25e9
"""Sustained by one CPU core in float32."""

TINY_SETUP_S = 8.0
TINY_SAMPLE_S = 0.0038
TINY_EVALUATED_SAMPLE_S = 0.0036
"""Start, one trained and one evaluated question of 64 px on 2 x86 cores with torch 2.13, from processor times."""

TEXT_TOKENS = 32
"""Text tokens of a typical question with its answer."""
SETUP_S = 60.0
"""Loading a Qwen3-VL from disk."""


class Estimate(NamedTuple):
    low_s: float
    high_s: float
    source: str


def workload(resolved: ResolvedExperiment, machine: Machine, device: str) -> float:
    """Seconds that the step model expects; 0.0 where only the data set itself knows how many steps there are."""
    experiment = resolved.experiment
    steps = resolved.total_steps
    if steps is None:
        return 0.0
    train, evaluation = experiment.train, experiment.evaluation
    trained = steps * train.batch_size * train.gradient_accumulation_steps
    # Before the first step, every so often, and after the last.
    evaluated = (-(-steps // evaluation.every_n_steps) + 1) * evaluation.samples
    base = BASES.get(experiment.model.base)
    if base is None:
        pixels = (experiment.data.image_size / 64) ** 2
        return TINY_SETUP_S + pixels * (trained * TINY_SAMPLE_S + evaluated * TINY_EVALUATED_SAMPLE_S)
    seen = resolved.visual_tokens
    whole = 2 * (base.active * (seen + TEXT_TOKENS) + base.vision * 4 * seen)
    kept = 2 * base.active * (experiment.tokens.keep + TEXT_TOKENS)
    # Training: one full pass (the teacher) and one at the budget. Evaluation: full, selector, random, uniform, teacher.
    operations = trained * (whole + kept) + evaluated * (whole + 4 * kept)
    return SETUP_S + operations / _speed(machine, device, experiment)


def estimate(resolved: ResolvedExperiment, facts: Facts, device: str, expected_s: float) -> Estimate:
    """A range of seconds around `expected_s`, the workload."""
    if expected_s <= 0.0:
        return Estimate(0.0, 0.0, "unknown: only the data set itself knows its size")
    base, machine = resolved.experiment.model.base, facts.machine.name(device)
    ratios = facts.ratios(base, machine)
    if ratios:
        runs = "your last run" if len(ratios) == 1 else f"your last {len(ratios)} runs"
        return Estimate(
            0.9 * min(ratios) * expected_s, 1.1 * max(ratios) * expected_s, f"{runs} of {base} on {machine}"
        )
    how = "measured on 2 cores" if base not in BASES else f"operations at {SUSTAINED_SHARE:.0%} of the peak"
    return Estimate(0.6 * expected_s, 1.7 * expected_s, f"step model ({how}); no run of {base} on {machine} yet")


def _speed(machine: Machine, device: str, experiment: Experiment) -> float:
    """Floating-point operations per second."""
    if device != "cuda" or not machine.gpus:
        return machine.cores * CORE_FLOPS
    name = machine.gpus[0].name
    known = max((model for model in PEAK_FLOPS if model in name), key=len, default="T4")
    gpus = min(len(machine.gpus), getattr(experiment.compute, "gpus", 1))
    return PEAK_FLOPS[known] * SUSTAINED_SHARE * gpus
