"""What a launch would do, before it does anything: `make_plan(resolved, facts) -> Plan`, pure and frozen.

The same object is the text of `arrcoc plan`, its JSON, the page in the app and what `launch` carries out. A plan
whose checks fail is still a plan (`ok` is False): it shows what is missing; launching it raises `PlanError` and
creates nothing. Only an experiment for a target that does not exist here has no plan at all. What a plan for the
cloud cannot know without asking (credentials, quota, whether the image is there) is the preflight's (preflight/).

Facts are gathered once; planning each point of a sweep then costs a few microseconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from arrcoc_core.errors import PlanError, TargetUnavailableError
from arrcoc_core.estimates import BASES, Estimate, estimate, workload
from arrcoc_core.experiment import Local, Vertex, WandbLaunch
from arrcoc_core.facts import Check, Facts
from arrcoc_core.formatting import UNKNOWN, about_money, duration, money, money_range
from arrcoc_core.resolved import ResolvedExperiment

if TYPE_CHECKING:
    from arrcoc_core.queue.planned import QueuePlan
    from arrcoc_core.vertex_planning import CloudPlan

RUN_FOLDER = "{run}"
"""Stands in `command` and `creates` for the run's folder, whose name is chosen at launch; in the cloud for its id."""

GB = 1e9
TINY_DISK_BYTES = 0.3 * GB
TINY_MEMORY_BYTES = 1.2 * GB
_FIRST_SETTINGS = "arrcoc setup   asks for the project and the region, and writes them there"
_TARGET_WORDS = {"vertex": "Vertex AI", "wandb-launch": "a W&B Launch queue"}


@dataclass(frozen=True, slots=True)
class Plan:
    resolved: ResolvedExperiment
    code: str
    """Hash of the code it was planned for: launching refuses any other."""
    target: str
    machine: str
    device: str
    """"cpu" or "cuda"."""
    workload: float
    """Seconds by the step model; see estimates.py."""
    estimate: Estimate
    command: tuple[str, ...]
    environment: Mapping[str, str]
    secrets: Mapping[str, str]
    """Name -> where its value will come from."""
    checks: tuple[Check, ...]
    warnings: tuple[str, ...] = ()
    cost_usd: float | None = 0.0
    """Expected dollars of the whole run, in the cloud on the first rung; None: not known."""
    image: str = "nothing to build"
    cloud: CloudPlan | None = None
    """Where, with what and at which price; None for a run on this machine."""
    endpoints: str = ""
    """The CLOUD_ENDPOINTS folder it was planned with: where the keys of its accounts are looked for."""
    at_once: int = 1
    """How many such jobs the quota has room for, as far as a preflight has looked."""
    queue: QueuePlan | None = None
    """The queue that it goes through; None: straight to where it runs."""

    @property
    def experiment(self) -> str:
        return self.resolved.name

    @property
    def fingerprint(self) -> str:
        return self.resolved.fingerprint

    @property
    def total_steps(self) -> int | None:
        """Optimizer steps; None where only the data set itself knows."""
        return self.resolved.total_steps

    @property
    def estimate_s(self) -> tuple[float, float]:
        """Lowest and highest expected duration in seconds."""
        return self.estimate.low_s, self.estimate.high_s

    @property
    def estimate_source(self) -> str:
        return self.estimate.source

    @property
    def cost_range(self) -> tuple[float, float] | None:
        """Lowest and highest expected dollars over all places it may run at; None: not known."""
        return (0.0, 0.0) if self.cloud is None else self.cloud.cost_range

    @property
    def creates(self) -> tuple[str, ...]:
        """What a launch makes."""
        hub = self.resolved.experiment.hub
        shown = "private" if hub.private else "public"
        here = (
            f"a row in the run store and the folder {RUN_FOLDER}",
            f"a snapshot of the code {self.code}",
            *((f"in the end, a commit in {hub.repo} on the Hub ({shown})",) if hub.repo else ()),
        )
        if self.cloud is None:
            return here
        item = () if self.queue is None else (f"one item in the queue {self.queue.title}",)
        return (
            *here,
            f"the image {self.cloud.image}, where it is not there yet",
            *item,
            f"one custom job at a time, and objects under {self.cloud.run_uri(RUN_FOLDER)}",
        )

    @property
    def uses(self) -> tuple[str, ...]:
        """What must be there before: `arrcoc setup` makes it."""
        if self.cloud is None:
            return ()
        queue = () if self.queue is None else (f"the queue {self.queue.title} at {self.queue.url}",)
        return (
            f"gs://{self.cloud.runs_bucket}, gs://{self.cloud.staging_bucket}",
            self.cloud.repository,
            f"{self.cloud.service_account}, {self.cloud.build_account}",
            *queue,
        )

    @property
    def ok(self) -> bool:
        return not any(check.failed for check in self.checks)

    @property
    def headline(self) -> str:
        """ "about 2 min · $0 · nothing to build"."""
        cost = "price unknown" if self.cost_usd is None else about_money(self.cost_usd)
        return f"{_about(self.estimate)} · {cost} · {self.image}"

    def require(self) -> None:
        """PlanError naming every failed check, when there is one."""
        failed = [check for check in self.checks if check.failed]
        if failed:
            where = "here" if self.cloud is None else "as it is written"
            raise PlanError(
                f"{self.experiment} cannot run {where}: " + "; ".join(check.detail for check in failed),
                remedy="\n".join(check.remedy for check in failed if check.remedy),
            )

    def to_json(self) -> dict[str, Any]:
        return {
            "experiment": self.experiment,
            "fingerprint": self.fingerprint,
            "code": self.code,
            "target": self.target,
            "machine": self.machine,
            "device": self.device,
            "total_steps": self.total_steps,
            "estimate_s": [round(self.estimate.low_s, 1), round(self.estimate.high_s, 1)],
            "estimate_source": self.estimate.source,
            "cost_usd": self.cost_usd,
            "cost_range": self.cost_range,
            "headline": self.headline,
            "image": self.image,
            "command": list(self.command),
            "environment": dict(self.environment),
            "secrets": dict(self.secrets),
            "endpoints": self.endpoints,
            "creates": list(self.creates),
            "uses": list(self.uses),
            "cloud": None if self.cloud is None else self.cloud.to_json(),
            "queue": None if self.queue is None else self.queue.to_json(),
            "hub": {"repo": self.resolved.experiment.hub.repo, "private": self.resolved.experiment.hub.private},
            "checks": [check._asdict() for check in self.checks],
            "warnings": list(self.warnings),
            "ok": self.ok,
        }

    def to_text(self) -> str:
        """The plan for a terminal."""
        cloud_rows: list[tuple[str, str]] = []
        if self.cloud is not None:
            from arrcoc_core.vertex_review import text_rows

            cloud_rows = text_rows(self.cloud)
        if self.queue is not None:
            standing = f": {self.queue.standing}" if self.queue.standing else ""
            cloud_rows.insert(0, ("queue", f"{self.queue.title}{standing}"))
        low, high = self.estimate_s
        time = f"{duration(low)} to {duration(high)}" if high else UNKNOWN
        rows = [
            ("target", f"{self.target}: {self.machine}"),
            ("steps", UNKNOWN if self.total_steps is None else f"{self.total_steps}"),
            ("time", f"{time}  ({self.estimate.source})"),
            ("cost", self._cost_words()),
            *cloud_rows,
            ("image", self.image if self.cloud is None else f"{self.cloud.image_tag}: {self.image}"),
            ("config", self.fingerprint),
            ("code", self.code),
            ("command", " ".join(self.command)),
            *((("environment" if i == 0 else ""), f"{k}={v}") for i, (k, v) in enumerate(self.environment.items())),
            *((("secrets" if i == 0 else ""), f"{k}: {v}") for i, (k, v) in enumerate(self.secrets.items())),
            *((("creates" if i == 0 else ""), text) for i, text in enumerate(self.creates)),
            *((("uses" if i == 0 else ""), text) for i, text in enumerate(self.uses)),
        ]
        lines = [f"{self.experiment}: {self.headline}", ""]
        lines += [f"  {label:<12} {text}" for label, text in rows]
        lines.append("")
        for check in self.checks:
            lines.append(f"  {'ok  ' if check.ok else 'FAIL'} {check.name}: {check.detail}")
            if not check.ok and check.remedy:
                lines += [f"       → {line}" for line in check.remedy.splitlines()]
        lines += [f"  note {warning}" for warning in self.warnings]
        return "\n".join(lines)

    def _cost_words(self) -> str:
        span = self.cost_range
        if span is None:
            return "not known: " + ("no price" if self.estimate.high_s else "nobody can say how long it takes")
        return money(self.cost_usd) if span[0] == span[1] else money_range(*span)


def make_plan(resolved: ResolvedExperiment, facts: Facts) -> Plan:
    """Plan one experiment. TargetUnavailableError when its target is not to be had here."""
    compute = resolved.experiment.compute
    if isinstance(compute, Vertex) and facts.cloud is not None:
        return _vertex_plan(resolved, compute, facts)
    if isinstance(compute, WandbLaunch) and facts.cloud is not None:
        return _queue_plan(resolved, compute, facts)
    if not isinstance(compute, Local):
        raise _unavailable(resolved, facts, compute.kind)
    device = _device(compute, facts)
    expected = workload(resolved, facts.machine, device)
    shared, warnings = facts.shared
    return Plan(
        resolved=resolved,
        code=facts.code_hash,
        target="local",
        machine=facts.machine.name(device),
        device=device,
        workload=expected,
        estimate=estimate(resolved, facts, device, expected),
        command=(facts.interpreter, "-m", "training.train", RUN_FOLDER),
        environment=facts.job_environment,
        secrets=facts.secrets,
        endpoints=facts.endpoints,
        checks=(*shared, _gpu_check(compute, facts), *_room_checks(resolved, facts, device)),
        warnings=(*warnings, *facts.notes_here),
    )


def _queue_plan(resolved: ResolvedExperiment, compute: WandbLaunch, facts: Facts) -> Plan:
    """The plan of the job itself, and the queue before it."""
    from arrcoc_core.queue.planned import QueuePlan
    from arrcoc_core.queue.shape import values_for

    plan = _vertex_plan(resolved, compute.vertex, facts, "compute.vertex.")
    assert plan.cloud is not None
    queue = QueuePlan(
        name=compute.queue,
        entity=facts.accounts.get("WANDB_ENTITY", ""),
        url=facts.accounts["WANDB_BASE_URL"],
        project=facts.accounts["WANDB_PROJECT"],
        values=values_for(compute.vertex, plan.cloud.region),
    )
    return replace(plan, target="wandb-launch", queue=queue)


def _vertex_plan(resolved: ResolvedExperiment, compute: Vertex, facts: Facts, prefix: str = "compute.") -> Plan:
    from arrcoc_core.catalog import counts_of, machine_for, machine_name
    from arrcoc_core.estimates import vertex_estimate, vertex_workload
    from arrcoc_core.memory import gpu_note
    from arrcoc_core.vertex_planning import plan_cloud
    from arrcoc_core.vertex_request import COMMAND
    from arrcoc_core.vertex_review import place_checks, place_notes

    rehearsal = facts.cloud is not None and bool(facts.cloud.endpoints)
    name = machine_name(compute.gpu, compute.count, compute.machines, sandbox=rehearsal)
    expected = vertex_workload(resolved, machine_for(compute.gpu, compute.count), compute.machines)
    span = vertex_estimate(resolved, facts, name, expected)
    cloud = plan_cloud(resolved, compute, facts, span)
    by_default = resolved.sources[f"{prefix}fallback"].kind == "default"
    gpus = counts_of(compute.gpu)
    tight = gpu_note(resolved.experiment, resolved.visual_tokens, compute.gpu, compute.count, compute.shard_base, gpus)
    memory_notes = (tight,) if tight else ()
    return Plan(
        resolved=resolved,
        code=facts.code_hash,
        target="vertex",
        machine=name,
        device="cuda",
        workload=expected,
        estimate=span,
        command=(*COMMAND, cloud.run_uri(RUN_FOLDER)),
        environment=cloud.environment,
        secrets={variable: f"Secret Manager, {where}" for variable, where in cloud.secrets.items()},
        checks=(*facts.shared_by_cloud_jobs, *place_checks(compute, cloud, span)),
        warnings=(*facts.shared[1], *memory_notes, *place_notes(compute, cloud, default_ladder=by_default)),
        endpoints=facts.endpoints,
        cost_usd=cloud.cost_usd,
        image="image built if it is not there",
        cloud=cloud,
    )


def _device(compute: Local, facts: Facts) -> str:
    if compute.device == "auto":
        return "cuda" if facts.machine.gpus else "cpu"
    return compute.device


def _gpu_check(compute: Local, facts: Facts) -> Check:
    found = facts.machine.gpus
    if compute.device == "cpu" or (compute.device == "auto" and not found and compute.gpus == 1):
        return _NO_GPU_ASKED
    names = ", ".join(gpu.name for gpu in found) or "none"
    if compute.gpus <= len(found):
        return Check("gpu", True, f"{compute.gpus} of {len(found)} ({names})")
    return Check(
        "gpu",
        False,
        f"{compute.gpus} GPU asked for, {len(found)} here ({names})",
        'compute=Local(device="cpu") runs it on this machine\'s cores'
        if not found
        else f"compute=Local(gpus={len(found)})",
    )


_NO_GPU_ASKED = Check("gpu", True, "none asked for")


def _room_checks(resolved: ResolvedExperiment, facts: Facts, device: str) -> tuple[Check, Check]:
    base = BASES.get(resolved.experiment.model.base)
    disk, memory = TINY_DISK_BYTES, TINY_MEMORY_BYTES
    if base is not None:
        kept = resolved.experiment.checkpoints.save_total_limit + 1
        download = 0.0 if resolved.experiment.model.base in facts.cached_models else base.download_bytes
        # A checkpoint holds the selector (some 2M parameters) and its optimizer's two moments, in float32.
        disk = download + kept * 3 * 4 * 2.5e6 + GB
        memory = base.parameters * (2 if resolved.experiment.train.bf16 else 4) * 1.25
        if device == "cuda":
            memory = _on_each_gpu(resolved, facts)
    return (
        _enough("disk", disk, facts.free_disk_bytes, "free", "make room, or set ARRCOC_HOME to a larger disk"),
        _memory_check(memory, facts, device),
    )


def _on_each_gpu(resolved: ResolvedExperiment, facts: Facts) -> float:
    """Bytes that a training on GPUs here needs on each of them: with the base in shares only where that is needed."""
    from arrcoc_core.memory import USABLE, gpu_need

    experiment, compute = resolved.experiment, resolved.experiment.compute
    assert isinstance(compute, Local)
    whole = gpu_need(experiment, resolved.visual_tokens)
    assert whole is not None
    there = facts.machine.gpus[0].memory_bytes if facts.machine.gpus else 0
    if compute.gpus > 1 and compute.shard_base != "never" and whole.total > USABLE * there:
        shared = gpu_need(experiment, resolved.visual_tokens, compute.gpus)
        assert shared is not None
        return shared.total / USABLE
    return whole.total / USABLE


def _memory_check(needed: float, facts: Facts, device: str) -> Check:
    gpus = facts.machine.gpus
    if device == "cuda" and gpus:
        return _enough("memory", needed, gpus[0].memory_bytes, f"on the {gpus[0].name}", "take a smaller base")
    return _enough("memory", needed, facts.machine.memory_bytes, "in this machine", "take a smaller base")


def _enough(name: str, needed: float, there: float, where: str, remedy: str) -> Check:
    detail = f"{needed / GB:.1f} GB needed, {there / GB:.0f} GB {where}"
    return Check(name, True, detail) if needed <= there else Check(name, False, detail, remedy)


def _unavailable(resolved: ResolvedExperiment, facts: Facts, kind: str) -> TargetUnavailableError:
    words = _TARGET_WORDS.get(kind, kind)
    here = "or run it on this machine: compute=Local()"
    if not facts.has_training_file:
        return TargetUnavailableError(
            f"{resolved.name} is to run on {words}, which needs the project and names of a .training file, and there "
            "is none.",
            remedy=f"{_FIRST_SETTINGS}; {here}\n"
            f"arrcoc --sandbox plan {resolved.name}   shows the price without an account",
        )
    return TargetUnavailableError(
        f"{resolved.name} is to run on {words}, and GCP_PROJECT_ID in .training is empty.",
        remedy=f"arrcoc setup   asks for the project and writes it there; {here}",
    )


def _about(of: Estimate) -> str:
    if not of.high_s:
        return "time unknown"
    return f"about {duration((of.low_s * of.high_s) ** 0.5, short=True)}"
