"""Train a selector: `python -m training.train RUN`, where RUN is a directory with an `experiment.json`, or its `gs://`.

In Cloud Storage (`gs://bucket/runs/ID`) this process watches over one that trains in a scratch directory, and streams
what that leaves (training/vertex_job.py). In the foreground and without the run store: `python training/train.py NAME`,
with the name of an experiment.

What happens, in order: wandb is started, the frozen base loaded, the data opened, the newest whole checkpoint (if there
is one) taken up; then the loop: one optimizer step, sometimes an evaluation, one metrics row, sometimes a checkpoint,
which is written in the background.
The objective (`training/objectives/`) is first of all to imitate the frozen language model's own attention to the
picture at the position of the answer; what is evaluated is whether it answers right from the K tokens the selector
keeps.

Order, noise and learning rate of a step are pure functions of (seed, step, place in the step), so that a resumed run
goes on exactly as if it had never stopped, and on another number of processes with the same samples in the same order.

Left in RUN: progress.json and summary.json while it runs, checkpoints/, wandb/, and in the end result/ with the
selector, which then goes to the Hub where that is asked for (training/hub/). Exit codes: 0 done; 1 an error; 2 the
configuration cannot work here; 75 stopped by SIGTERM or SIGINT after a checkpoint (start it again to go on); 76 in the
cloud, when another job trains this attempt; 77 stopped for good on its page at W&B, after a checkpoint; 78 the loss or
the gradient was not a number at the same step as in an attempt before.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

if not __package__:  # run as a file: this folder must not be where modules are looked up, its parent must
    sys.path[0] = str(Path(__file__).resolve().parents[1])

# Before torch is loaded: threads that spin while they wait slow a busy machine down tenfold.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import gc
import math
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from arrcoc_core.encoding import encode
from arrcoc_core.errors import ArrcocError, CheckpointError, ConfigError, RunError, render
from arrcoc_core.references import judged_by, said_by
from arrcoc_core.resolved import TINY
from arrcoc_core.stored import load_experiment
from training.checkpoints import Checkpoint, latest
from training.cost import Cost
from training.devices import (
    World,
    agreed,
    available_threads,
    choose_device,
    join_world,
    leave_world,
    make_repeatable,
    ranks_to_start,
    shard_base_of,
)
from training.foreground import foreground_run
from training.gcs import open_store
from training.hub.publisher import Publisher
from training.progress import Clock, Story, duration
from training.ranks import end_with_parent, run_ranks
from training.results import Results, leave_exit_code, result_place
from training.saving import Saver, is_disk_full
from training.signals import StopRequest
from training.soundness import Watch, remembered
from training.tracking import NoTracker, Row, Tracker

if TYPE_CHECKING:
    import torch

    from training.memory import Room

LAST_ROWS_S = 6.0  # how long a stopped trainer waits for W&B to have every row; a machine may be about to go
MOST_GRADIENT = 1.0  # norm to which the gradient of a step is clipped


def main() -> int:
    """Train the run, or the experiment, named on the command line; its exit code."""
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        asked = sys.argv[1:] in (["-h"], ["--help"])
        usage = "usage: python -m training.train RUN_DIRECTORY | gs://BUCKET/runs/ID | EXPERIMENT_NAME"
        print(usage, file=sys.stdout if asked else sys.stderr)
        return 0 if asked else 2
    if sys.argv[1].startswith("gs://"):
        from training.vertex_job import run_in_cloud

        return run_in_cloud(sys.argv[1])
    end_with_parent()
    gc.disable()  # until all is loaded: the libraries make millions of objects that stay
    stop, world = StopRequest(), World.from_environment()
    code, directory = 1, Path(sys.argv[1])
    try:
        if not (directory / "experiment.json").is_file():
            directory = foreground_run(sys.argv[1])
        code = train_on_all_devices(directory.resolve(), stop, world)
    except ArrcocError as error:
        print(render(error), file=sys.stderr, flush=True)
        code = error.exit_code
    finally:
        if world.size == 1:
            leave_exit_code(directory, code)
    return code


def train_on_all_devices(directory: Path, stop: StopRequest, world: World) -> int:
    """Train here, or start one process for each GPU and wait for them."""
    count = ranks_to_start(load_experiment(directory).experiment.compute, world)
    if count > 1:
        return run_ranks([sys.executable, "-m", "training.train", str(directory)], count)
    needs: list[Room] = []
    try:
        return train(directory, stop, world, needs)
    except (RuntimeError, MemoryError, OSError) as error:
        from training.memory import is_out_of_memory

        if needs and is_out_of_memory(error):
            raise needs[0].error(error) from error
        if is_disk_full(error):
            raise RunError(
                f"no room to write: {error}",
                remedy="Make room there and start the run again: it goes on from the newest checkpoint.",
            ) from error
        raise


def train(directory: Path, stop: StopRequest, world: World, needs: list[Room]) -> int:
    """The whole training of a run's directory, from its last checkpoint on. Returns the exit code.

    `needs`: gets what is known of the memory that it takes, for whoever has to explain that there is too little.
    """
    story = Story(directory, silent=world.rank > 0)
    story.progress("starting")
    resolved = load_experiment(directory)
    experiment = resolved.experiment
    data, training = experiment.data, experiment.train
    run_id = os.environ.get("ARRCOC_RUN_ID", directory.name)
    attempt = os.environ.get("ARRCOC_ATTEMPT", "1")
    story.say(f"run {run_id}, attempt {attempt}: {experiment.name}, configuration {resolved.fingerprint}")
    tracker = NoTracker()
    if world.rank == 0:
        config = encode(experiment)
        tracker = Tracker(run_id, directory, config, say=story.say, stopped=lambda: stop.cancel("its page at W&B"))
        if tracker.url:
            story.say(f"logging to {tracker.url}")

    # Where: the device, and what was saved by an attempt before this one.
    import torch

    store = open_store(directory)
    saved = latest(store, story.say)
    if saved and saved.state["fingerprint"] != resolved.fingerprint:
        raise CheckpointError(
            f"the checkpoint at step {saved.step} belongs to configuration {saved.state['fingerprint']}, "
            f"this run is {resolved.fingerprint}",
            remedy="experiment.json was changed after the run began: launch a new run instead.",
        )
    device = choose_device(experiment.compute, world, story.say)
    as_before = saved is not None and saved.state.get("ranks", world.size) == world.size
    threads = saved.state["threads"] if saved and as_before else available_threads(world)
    make_repeatable(threads, device)
    join_world(world, device)
    on = f"{threads} processor thread{'s' if threads > 1 else ''}" if device.type == "cpu" else str(device)
    several = f", {world.size} ranks" if world.size > 1 else ""
    story.say(f"computing on {on}{several}{' in bfloat16' if training.bf16 else ''}")

    # What: the frozen base with a new selector in front of it.
    story.progress("loading model")
    from training.memory import Room
    from training.model.budget import Budget
    from training.model.processing import Processor
    from training.model.recompute import recompute_layers
    from training.model.registry import find_folder, parameters_hash, pin_base, token_side
    from training.objectives import find_objective
    from training.passes import Passes, new_model
    from training.sharding import held_bytes, load_shared, wants_sharding

    name = experiment.model.base
    keep_to = saved.state.get("base_revision", "") if saved else experiment.model.revision
    pinned = agreed(lambda: pin_base(name, keep_to), world)
    room = Room.of(experiment, find_folder(name, pinned), resolved.visual_tokens, device)
    needs.append(room)
    shard = shard_base_of(experiment.compute)
    shared, why = wants_sharding(shard, world, room.needed, room.usable if device.type == "cuda" else None)

    if why:
        story.say(why)
    if shared:
        room.shares = world.on_this_machine
        encoder_too = not data.feature_cache_gb  # what is found there makes the ranks' passes differ
        model = load_shared(
            lambda: new_model(experiment, pinned, torch.device("cpu")), world, device, encoder_too=encoder_too
        )
        held, all_bytes = held_bytes(model.base.model)
        story.say(f"this rank holds {held / 1e6:,.1f} of the base's {all_bytes / 1e6:,.1f} MB")
    else:
        model = new_model(experiment, pinned, device)
    if training.gradient_checkpointing:
        recompute_layers(model.base.model)
    base_hash = parameters_hash(model.base.model)
    if saved and saved.state["base"] != base_hash:
        raise CheckpointError(
            f"the checkpoint at step {saved.step} was trained with a base {name} of other parameters",
            remedy="Restore the base's files, or launch a new run.",
        )
    parameters = [p for p in model.selector.parameters() if p.requires_grad]
    story.say(
        f"base {model.base.title}: {_count(model.base.model.parameters())} parameters, frozen, "
        f"sha256 {base_hash[:16]}…; selector: {_count(parameters)} parameters to learn"
    )
    optimizer = torch.optim.AdamW(parameters, lr=training.learning_rate, weight_decay=training.weight_decay)

    # From what: pictures, questions and answers, and how many steps they make.
    story.progress("preparing data")
    from training.batches import Collate, Forwards, Order, load_batches
    from training.data import open_samples, pin
    from training.evaluation import Evaluator, read_of
    from training.noise import noise_seeds
    from training.pace import Pace
    from training.reports import Reports
    from training.shaping import Sizing

    dataset = saved.state["dataset"] if saved else agreed(lambda: pin(data.dataset), world)
    budget = Budget.of(experiment.tokens)
    samples, held_out = open_samples(
        data, dataset, experiment.evaluation.samples, token_side(name), budget.least(training.budgets)
    )
    per_step = training.batch_size * training.gradient_accumulation_steps
    if per_step % world.size:
        raise ConfigError(
            f"{per_step} questions per optimizer step cannot be shared out evenly among {world.size} devices",
            remedy="Make train.batch_size x train.gradient_accumulation_steps a multiple of the number of devices.",
        )
    order = Order(len(samples), per_step, training.seed, samples.together, samples.window)
    total = story.total_steps = order.steps_per_epoch * training.epochs
    collate = Collate.of(model.base.tokenizer, data)
    story.say(
        f"data {dataset}: {len(samples):,} questions to train on ({data.split_train}), {len(held_out):,} held out "
        f"({data.split_val}); {total:,} steps of {per_step} questions"
    )
    objective = find_objective(training.objective, training.first_share)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: rate(step, total, training.warmup_ratio))
    passes = Passes(model, training.bf16)
    evaluator = Evaluator(passes, held_out, collate, budget, experiment.evaluation.pictures, world)
    if name not in TINY:  # what fits in training is to fit here, too
        evaluator.chunk = min(evaluator.chunk, training.batch_size)
    sizing = Sizing(data.resize, data.image_size, data.min_pixels, token_side(name))
    model.processor = Processor(sizing, sizing.most_tokens, data.max_seq_length, budget, data.prompt)
    results = Results(run_id, resolved, model, saved, total_steps=total, dataset=dataset, base_sha256=base_hash)
    publisher = Publisher(directory, experiment.hub, story.say, first=world.rank == 0)

    cost = Cost.from_environment()
    clock = Clock(total, experiment.evaluation.every_n_steps)
    reports = Reports(story, tracker, evaluator, clock, results, publisher, total)
    summary = reports.summary

    saver = Saver(
        store,
        limit=experiment.checkpoints.save_total_limit,
        say=story.say,
        saved=lambda whole: tracker.mark_saved(whole.rows),
    )

    def checkpoint(step: int, unevaluated: dict[str, float] | None = None) -> None:
        if world.rank == 0:
            state = {
                "fingerprint": resolved.fingerprint,
                "base": base_hash,
                "threads": threads,
                "ranks": world.size,
                "dataset": dataset,
                "references": evaluator.references,
                "summary": summary,
                "base_revision": model.base.revision,
                "history": results.history.state(),
                "unevaluated": unevaluated,
            }
            tensors = {"adamw": optimizer.state_dict(), "schedule": scheduler.state_dict()}
            saver.save(Checkpoint(step, model.selector.state_dict(), tensors, state, tracker.rows_to_save()))

    def save_before(error: ArrcocError, step: int, unevaluated: dict[str, float] | None = None) -> None:
        """Of an error that is to end this attempt, such as a damaged picture: what was learned up to `step` is kept.

        `unevaluated`: metrics of that step, whose evaluation is still to be made.
        """
        if saver.newest < step:
            checkpoint(step, unevaluated)
        saver.wait()
        if world.rank == 0:
            error.remedy += (
                f"\nStep {step} is saved: once the data are put right, start this run again and it goes on from there. "
                "With another value in the experiment it is a new run."
            )
        tracker.finish(summary, error.exit_code, within_s=LAST_ROWS_S)

    room.settle(device)

    # From where: the last checkpoint, or step 0 with the reference lines.
    if saved:
        first = saver.newest = saved.step
        model.selector.load_state_dict(saved.selector)
        optimizer.load_state_dict(saved.optimizer["adamw"])
        scheduler.load_state_dict(saved.optimizer["schedule"])
        evaluator.references.update(saved.state["references"])
        summary.update(saved.state["summary"])
        tracker.log_again(saved.rows)
        story.say(f"going on after step {first}; {len(saved.rows)} rows logged again")
        if not as_before:
            story.say(
                f"{saved.state['ranks']} ranks had come so far, now there are {world.size}: the same samples in the "
                "same order, sums rounded differently"
            )
        if unevaluated := saved.state.get("unevaluated"):
            row = reports.evaluate(first)
            reports.report(Row(first, {**unevaluated, **row.values}, row.pictures))
    else:
        first = 0
        reports.report(reports.evaluate(0))

    gc.enable()

    # The loop.
    batches = load_batches(
        samples,
        Forwards(order, training.batch_size, world, first, total),
        collate,
        workers=data.num_workers,
        prefetch=data.prefetch_factor,
    )
    cache = None
    if data.feature_cache_gb:
        from training.feature_cache import FeatureCache, identity_of

        of = identity_of(base_hash, training.bf16, device.type, model.base.image_processor.to_json_string())
        cache = FeatureCache(model.look, of, data.feature_cache_gb * 1e9, device, story.say, ranks=world.size)
        passes = replace(passes, look_up=cache.look)
    pace = Pace(model, device, world, sizing.most_tokens)
    share = per_step // world.size
    forwards = -(-share // training.batch_size)
    workers = f"{data.num_workers} loader process{'' if data.num_workers == 1 else 'es'}"
    ahead = f", {data.prefetch_factor} batches ahead in each" if data.num_workers else " (batches are made in between)"
    recomputed = "; activations recomputed" if training.gradient_checkpointing else ""
    story.say(
        f"{forwards} forward pass{'' if forwards == 1 else 'es'} of at most {training.batch_size} questions a step, "
        f"seed {training.seed}; {workers}{ahead}{recomputed}"
    )
    for step in range(first + 1, total + 1):
        saver.check()
        if stop.agreed():
            if stop.seconds_left > 2 * saver.write_s:
                checkpoint(step - 1)
            whole = saver.wait(stop.seconds_left)
            onward = "for good" if stop.for_good else "start it again to go on"
            story.say(f"stopped by {stop.name} after step {step - 1}; {onward}")
            if not whole or saver.newest < step - 1:
                story.say("there was no time for a last checkpoint: the one before it is where it goes on")
            tracker.finish(summary, stop.exit_code, within_s=min(LAST_ROWS_S, stop.seconds_left))
            leave_world(world)
            return stop.exit_code
        pace.begin()
        learning_rate = scheduler.get_last_lr()[0]
        numbers = [number for _, number in order.of_step(step - 1)]
        watch = Watch(step, data.split_train)
        loss = 0.0
        for n in range(forwards):
            begin = world.rank * share + n * training.batch_size  # its first question's place in the step
            try:
                batch = pace.next(batches)
                mean = passes.loss(
                    batch,
                    objective,
                    budget.in_step(step, training.budgets),
                    seeds=noise_seeds(training.seed, step, begin, len(batch.questions)),
                    progress=step / total,
                    selections=training.selections,
                    recompute=training.gradient_checkpointing,
                )
            except ArrcocError as error:
                save_before(error, step - 1)
                raise
            part = mean * len(batch.questions) / per_step
            part.backward()
            watch.see(n, part.item(), numbers[begin : begin + len(batch.questions)])
            loss += part.item()
        loss = sum_over_ranks(parameters, loss, world)
        gradient = torch.nn.utils.clip_grad_norm_(parameters, MOST_GRADIENT).item()
        if unsound := watch.error(loss, gradient, numbers):
            reports.report(Row(step, {"train/loss": loss, "train/learning_rate": learning_rate}))
            saver.wait()
            unsound = remembered(unsound, step, saver.newest, store, world)
            tracker.finish(summary, unsound.exit_code, within_s=LAST_ROWS_S)
            raise unsound
        optimizer.step()
        scheduler.step()
        optimizer.zero_grad()
        seconds = clock.stepped(pace.seconds())
        learned = {"train/loss": loss, "train/learning_rate": learning_rate, **pace.facts(seconds, per_step)}
        learned |= cost.values if cost else {}

        row = None
        if step % experiment.evaluation.every_n_steps == 0 or step == total:
            try:
                row = reports.evaluate(step)
            except ArrcocError as error:
                save_before(error, step, unevaluated=learned)
                raise
        if row or step == 1 or step % experiment.logging.every_n_steps == 0:
            evaluated = row.values if row else {}
            values = {**learned, **reports.tokens(), **evaluated}
            reports.report(Row(step, values, row.pictures if row else ()))
        story.progress("training", step, samples_per_s=per_step / seconds, eta_s=clock.left(step))
        if not row and clock.worth_a_line(step):
            story.say(f"step {step}/{total}: loss {loss:.4f}, {duration(clock.left(step))} left")
        if step % experiment.checkpoints.save_every_n_steps == 0 or step == total:
            checkpoint(step)

    if cache:
        story.say(f"feature cache: {cache.hits:,} of {cache.hits + cache.misses:,} looks; {cache.nbytes / 1e9:.2f} GB")

    # The end: the base as it was, the selector with what it takes to load it.
    story.progress("saving", total, eta_s=0.0)
    saver.wait()
    unchanged = parameters_hash(model.base.model) == base_hash
    summary["base/unchanged"] = float(unchanged)
    story.say(f"base {'unchanged' if unchanged else 'CHANGED'}: sha256 {base_hash}")
    if not unchanged:
        raise RunError("the frozen base's parameters changed during training", remedy="This is a defect: report it.")
    story.summary(summary)
    tracker.finish(summary, 0)
    if world.rank == 0:  # last: who finds the result complete finds every row and the whole summary, too
        results.leave(directory / "result", total, summary)
    judged = judged_by(summary)
    right = f"{summary[judged]:.1%} right from {read_of(summary)} tokens{said_by(judged)}"
    story.say(f"done: {right}; the selector is in {result_place(directory)}")
    leave_world(world)
    if publisher.wanted:
        story.progress("uploading", total, eta_s=0.0)
        publisher.finish(stop, is_best=results.history.is_best(summary))
    story.progress("done", total, eta_s=0.0)
    return 0


def rate(step: int, total: int, warmup_ratio: float) -> float:
    """Share of the peak learning rate in step `step` (from 0): linear up over the warm-up, then a cosine to 0."""
    warmup = round(total * warmup_ratio)
    if step < warmup:
        return (step + 1) / warmup
    return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, total - warmup)))


def sum_over_ranks(parameters: list[torch.nn.Parameter], loss: float, world: World) -> float:
    """Add up the gradients, and the loss, of the ranks' shares of a step. Only the selector has gradients."""
    if world.size == 1:
        return loss
    import torch
    import torch.distributed as dist

    flat = torch.cat([p.grad.flatten() for p in parameters] + [parameters[0].new_tensor([loss])])
    dist.all_reduce(flat)
    for parameter, part in zip(parameters, flat.split([p.numel() for p in parameters] + [1]), strict=False):
        parameter.grad.copy_(part.view_as(parameter))
    return flat[-1].item()


def _count(parameters: Iterable[torch.nn.Parameter]) -> str:
    return f"{sum(parameter.numel() for parameter in parameters):,}"


if __name__ == "__main__":
    sys.exit(main())
