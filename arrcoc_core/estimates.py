"""How long a run will take: a step model, corrected by what this machine did before.

`workload` is what the step model says, in seconds on a reference machine (2 x86 cores for "tiny", the GPU in use for
the others). When runs of the same base have succeeded on this machine, the estimate is that number times the ratio
they showed, from the lowest to the highest of the latest few; otherwise it is a wide range around the model, and
says so. Either way it says where it comes from.

The step model of "tiny" is measured. That of the Qwen3-VL bases counts floating-point operations: 2 for each parameter
and token of a forward pass through the language model and the vision tower, at `SUSTAINED_SHARE` of the device's peak;
which passes an objective and an evaluation make stands in `_operations`. For "tiny" the objectives take about as long:
2,000 steps of 48 questions, distilled and then with four selections each, took 420 s of a processor, 4.4 ms a question.

On Vertex AI (`vertex_workload`) the machine is one of the catalogue: its GPUs and machines share every step, and the
minutes in which a job starts are counted, since the machine is paid for from the moment it is there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from arrcoc_core.experiment import Experiment
from arrcoc_core.facts import Facts, Machine
from arrcoc_core.resolved import SYNTHETIC, ResolvedExperiment

if TYPE_CHECKING:
    from arrcoc_core import catalog

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

PEAK_FLOPS = {
    "T4": 65e12,
    "L4": 121e12,
    "V100": 125e12,
    "A10": 125e12,
    "A100": 312e12,
    "H100": 989e12,
    "H200": 989e12,
    "B200": 2250e12,
}
"""Dense bfloat16 (T4, V100: float16) peak by the makers' data sheets, by the longest name that occurs in the GPU's."""

CORE_FLOPS = 25e9
"""Sustained by one CPU core in float32."""

TINY_SETUP_S = 8.0
TINY_SAMPLE_S = 0.0038
TINY_EVALUATED_SAMPLE_S = 0.0036
"""Start, one trained and one evaluated question of 64 px on 2 x86 cores with torch 2.13, from processor times."""

TINY_GPU_PASS_S = 0.05
"""One forward and backward pass of "tiny" on any GPU: hundreds of small kernels, whose launches cost more than they
compute. An assumption, until a run corrects it."""
TINY_GPU_EVALUATED_PASS_S = 0.10
"""One batch of held-out questions in its five ways of reading (full, selector, random, uniform, teacher); likewise."""

JOB_START_S = 240.0
"""A Vertex AI job from its machine to the trainer's first line: boot, drivers, 8 GB of image. An assumption."""
DOWNLOAD_BYTES_PER_S = 150e6
"""From the Hub to a machine in the cloud: every job fetches its base anew. An assumption."""

TEXT_TOKENS = 32
"""Text tokens of a typical question with its answer."""
ANSWER_TOKENS = 4
"""Tokens of an answer that is generated: VQAv2's are a word or two, and the mark at its end. An assumption."""
SETUP_S = 60.0
"""Loading a Qwen3-VL from disk."""


class Estimate(NamedTuple):
    low_s: float
    high_s: float
    source: str


def workload(resolved: ResolvedExperiment, machine: Machine, device: str) -> float:
    """Seconds that the step model expects; 0.0 where only the data set itself knows how many steps there are."""
    work = _questions(resolved)
    if work is None:
        return 0.0
    experiment = resolved.experiment
    if experiment.model.base not in BASES:
        pixels = (experiment.data.image_size / 64) ** 2
        return TINY_SETUP_S + pixels * (work.trained * TINY_SAMPLE_S + work.evaluated * TINY_EVALUATED_SAMPLE_S)
    return SETUP_S + _operations(resolved, work) / _speed(machine, device, experiment)


def vertex_workload(resolved: ResolvedExperiment, machine: catalog.Machine, machines: int = 1) -> float:
    """Seconds that the step model expects of a Vertex AI job, from its machine on; 0.0 as in `workload`."""
    work = _questions(resolved)
    if work is None:
        return 0.0
    experiment = resolved.experiment
    devices = machine.count * machines
    base = BASES.get(experiment.model.base)
    if base is None:
        batch = experiment.train.batch_size
        passes = -(-work.trained // (batch * devices))
        looks = -(-work.evaluated // (batch * devices))
        return JOB_START_S + TINY_SETUP_S + passes * TINY_GPU_PASS_S + looks * TINY_GPU_EVALUATED_PASS_S
    start = JOB_START_S + SETUP_S + base.download_bytes / DOWNLOAD_BYTES_PER_S
    return start + _operations(resolved, work) / (_peak(machine.gpu) * SUSTAINED_SHARE * devices)


def estimate(resolved: ResolvedExperiment, facts: Facts, device: str, expected_s: float) -> Estimate:
    """A range of seconds around `expected_s`, the workload."""
    how = "measured on 2 cores" if resolved.experiment.model.base not in BASES else _BY_OPERATIONS
    return _range(resolved, facts, facts.machine.name(device), expected_s, how)


def vertex_estimate(resolved: ResolvedExperiment, facts: Facts, machine_name: str, expected_s: float) -> Estimate:
    """A range of seconds around `expected_s`, the `vertex_workload`; `machine_name` is what past runs are known by."""
    how = "passes of the tiny model on a GPU" if resolved.experiment.model.base not in BASES else _BY_OPERATIONS
    return _range(resolved, facts, machine_name, expected_s, how)


_BY_OPERATIONS = f"operations at {SUSTAINED_SHARE:.0%} of the peak"


def _range(resolved: ResolvedExperiment, facts: Facts, machine: str, expected_s: float, how: str) -> Estimate:
    if expected_s <= 0.0:
        return Estimate(0.0, 0.0, "unknown: only the data set itself knows its size")
    base = resolved.experiment.model.base
    ratios = facts.ratios(base, machine)
    if ratios:
        runs = "your last run" if len(ratios) == 1 else f"your last {len(ratios)} runs"
        return Estimate(
            0.9 * min(ratios) * expected_s, 1.1 * max(ratios) * expected_s, f"{runs} of {base} on {machine}"
        )
    return Estimate(0.6 * expected_s, 1.7 * expected_s, f"step model ({how}); no run of {base} on {machine} yet")


class _Work(NamedTuple):
    """Questions that are trained on and evaluated, over the whole training."""

    trained: int
    evaluated: int


def _questions(resolved: ResolvedExperiment) -> _Work | None:
    steps = resolved.total_steps
    if steps is None:
        return None
    train, evaluation = resolved.experiment.train, resolved.experiment.evaluation
    # Evaluated before the first step, every so often, and after the last.
    return _Work(
        steps * train.batch_size * train.gradient_accumulation_steps,
        (-(-steps // evaluation.every_n_steps) + 1) * evaluation.samples,
    )


def _operations(resolved: ResolvedExperiment, work: _Work) -> float:
    """Floating-point operations of the whole training of a Qwen3-VL base.

    Of training the passes of the objective (`_trained_passes`); of an evaluation the selector's two (its own question,
    another's), and once the reference lines (all tokens, random, uniform, teacher: training/evaluation.py). Where
    people answered, each of these evaluations, and each reference line, also generates, which reads the kept tokens
    once more and then `ANSWER_TOKENS` one by one. The vision encoder reads every picture whole, each time.
    """
    experiment, seen = resolved.experiment, resolved.visual_tokens
    base, train = BASES[experiment.model.base], experiment.train
    token = 2 * base.active
    look = 2 * base.vision * 4 * seen
    budgets = train.budgets or (experiment.tokens.keep,)
    whole, trained_at = token * (seen + TEXT_TOKENS), token * (sum(budgets) / len(budgets) + TEXT_TOKENS)
    full, short = _trained_passes(experiment)
    training = work.trained * (look + full * whole + short * trained_at)
    kept = token * (experiment.tokens.keep + TEXT_TOKENS)
    written = token * ANSWER_TOKENS if experiment.data.dataset not in SYNTHETIC else 0.0
    generated = (kept + written, whole + written) if written else (0.0, 0.0)
    evaluated = work.evaluated * (look + 2 * kept + generated[0])
    referred = experiment.evaluation.samples * (whole + 3 * kept + generated[1] + 3 * generated[0])
    return training + evaluated + referred


def _trained_passes(experiment: Experiment) -> tuple[float, float]:
    """Passes of the language model for each trained question: over all tokens, and over K; means over the steps.

    By training/objectives/: "distil" is one pass over all, without a way back, since its teacher has no gradient;
    "rloo" one over K for each of train.selections, forward only. The others go back through the frozen base to its
    inputs: as many operations again as forward, since the weights need no gradient (Kaplan et al. 2020, arXiv
    2001.08361, counts twice as many for both), and once more where activations are computed anew.
    """
    train = experiment.train
    back = 3.0 if train.gradient_checkpointing else 2.0
    short_ones = {"rloo": float(train.selections), "straight-through": back}

    def passes(objective: str) -> tuple[float, float]:
        if objective in short_ones:
            return 0.0, short_ones[objective]
        return (1.0, 0.0) if objective == "distil" else (back, 0.0)

    first, _, then = train.objective.partition("+")
    if not then:
        return passes(first)
    share = train.first_share
    (full, short), (more_full, more_short) = passes(first), passes(then)
    return share * full + (1 - share) * more_full, share * short + (1 - share) * more_short


def _speed(machine: Machine, device: str, experiment: Experiment) -> float:
    """Floating-point operations per second."""
    if device != "cuda" or not machine.gpus:
        return machine.cores * CORE_FLOPS
    gpus = min(len(machine.gpus), getattr(experiment.compute, "gpus", 1))
    return _peak(machine.gpus[0].name) * SUSTAINED_SHARE * gpus


def _peak(gpu: str) -> float:
    """Of the GPU with that name; an unknown one is taken for the slowest."""
    return PEAK_FLOPS[max((model for model in PEAK_FLOPS if model in gpu), key=len, default="T4")]
