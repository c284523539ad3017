"""What a plan needs to know of the world, gathered once: the machine, the project, the code, and the past.

Nothing here imports torch or asks the network. What takes time (nvidia-smi) is asked once per boot and kept.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from arrcoc_core.accounts.mode import OFFLINE, WandbMode, account_environment, wandb_mode
from arrcoc_core.cloud.names import Names

if TYPE_CHECKING:
    from arrcoc_core.catalog import Machine as CloudMachine
    from arrcoc_core.catalog import Price, Prices, Provisioning
    from arrcoc_core.settings import Settings

PASSED_ON = (
    "CUDA_VISIBLE_DEVICES",
    "OMP_NUM_THREADS",
    "HF_HOME",
    "HF_HUB_CACHE",
    "HF_HUB_OFFLINE",
)
"""Standard variables that a run takes from the shell it was launched in; none of them is a secret."""

NEEDED_PACKAGES = ("torch", "transformers", "safetensors", "wandb")
_HISTORY = 200
LATEST = 5
"""Past runs of a base on a machine that an estimate takes into account."""


class Check(NamedTuple):
    """One thing a plan or a preflight has looked at. `remedy` is what to do where it is not `ok`.

    What could not be found out (`unknown`) and what was not looked at because something before it failed (`skipped`)
    are not `ok`, and have not failed either.
    """

    name: str
    ok: bool
    detail: str
    remedy: str = ""
    unknown: bool = False
    skipped: bool = False

    @property
    def failed(self) -> bool:
        return not (self.ok or self.unknown or self.skipped)


@dataclass(frozen=True, slots=True)
class Gpu:
    name: str
    memory_bytes: int


@dataclass(frozen=True, slots=True)
class Machine:
    cores: int
    memory_bytes: int
    gpus: tuple[Gpu, ...]
    system: str
    python: str

    def name(self, device: str) -> str:
        """What a run's duration depends on: the CPU or the GPUs it uses."""
        if device == "cuda" and self.gpus:
            return self.gpus[0].name if len(self.gpus) == 1 else f"{len(self.gpus)} x {self.gpus[0].name}"
        return f"{self.cores} {platform.machine()} cores"


@dataclass(frozen=True, slots=True)
class PastRun:
    """A run that succeeded in one attempt: what its step model said, and how long it took (on a rented machine)."""

    base: str
    fingerprint: str
    machine: str
    workload: float
    seconds: float


@dataclass(frozen=True)
class CloudFacts:
    """The account of `.training`, and the prices known here. Nobody was asked for any of it."""

    names: Names
    endpoints: str
    """The CLOUD_ENDPOINTS folder, absolute; "": Google's own."""
    prices: Prices
    today: date
    quotes: dict[object, Price] = field(default_factory=dict[object, "Price"], init=False, repr=False, compare=False)
    """Prices looked up before: the points of a sweep share them."""

    def quote(self, machine: CloudMachine, region: str, provisioning: Provisioning, machines: int) -> Price:
        """What so many machines cost an hour there."""
        key = machine.machine_type, machine.gpu, region, provisioning, machines
        found = self.quotes.get(key)
        if found is None:
            from arrcoc_core.catalog import price

            found = self.quotes[key] = price(
                machine, region, provisioning, machines=machines, prices=self.prices, today=self.today
            )
        return found


@dataclass(frozen=True)
class Facts:
    root: Path
    state: Path
    interpreter: str
    machine: Machine
    free_disk_bytes: int
    code_hash: str
    has_training_file: bool
    """Whether there is a `.training` with the names of accounts."""
    accounts: Mapping[str, str]
    """WANDB_BASE_URL, WANDB_PROJECT, WANDB_ENTITY as far as it is known, HF_ENDPOINT where it is not the Hub's own."""
    logging: WandbMode = OFFLINE
    """Whether runs log to the W&B server, and why."""
    endpoints: str = ""
    """The CLOUD_ENDPOINTS folder, absolute; "": every service is at its own address."""
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    """Those of PASSED_ON that are set."""
    missing_packages: tuple[str, ...] = ()
    cached_models: frozenset[str] = frozenset()
    """Bases that need no download."""
    history: tuple[PastRun, ...] = ()
    """Newest first."""
    cloud: CloudFacts | None = None
    """None where no Google Cloud project is named."""

    @cached_property
    def job_environment(self) -> Mapping[str, str]:
        """What is set for a run, besides what every process of this user has."""
        return {
            "WANDB_MODE": self.logging.name,
            **self.accounts,
            **self.environment,
            "WANDB_X_TRANSACTION_LOG_FLUSH_INTERVAL": "0.1",
            "PYTHONUNBUFFERED": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
        }

    @cached_property
    def secrets(self) -> Mapping[str, str]:
        """What a run on this machine may use: named, never held."""
        return {"WANDB_API_KEY": f"{self.logging.key}, when the run starts"} if self.logging.key else {}

    @cached_property
    def shared(self) -> tuple[tuple[Check, ...], tuple[str, ...]]:
        """Checks and warnings that are the same for every experiment of this project, on this machine."""
        trainer = self.root / "training" / "train.py"
        checks = (
            Check("project", True, str(self.root)),
            Check("trainer", trainer.is_file(), "training/train.py", "restore training/ from the repository"),
            self._packages_check(),
            Check("code", True, self.code_hash),
            self._wandb_check(),
        )
        warnings = () if self.root == self.state.parent else (f"runs are kept in {self.state} (ARRCOC_HOME)",)
        return checks, warnings

    @cached_property
    def notes_here(self) -> tuple[str, ...]:
        """Warnings that are the same for every run on this machine, besides."""
        if not self.logging.fleeting:
            return ()
        return (
            "the W&B key is only in this shell's environment: where another shell takes the run up, it logs offline; "
            "wandb login keeps the key",
        )

    @cached_property
    def shared_by_cloud_jobs(self) -> tuple[Check, ...]:
        """Those of `shared` that count for a job elsewhere: its packages are in its image, its key is in a secret."""
        mode = Check("W&B", True, self.logging.why)
        return tuple(mode if check.name == "W&B" else check for check in self.shared[0] if check.name != "packages")

    def ratios(self, base: str, machine: str) -> tuple[float, ...]:
        """Seconds taken by seconds expected of the latest runs of a base on a machine, newest first."""
        return self._ratios.get((base, machine), ())

    @cached_property
    def _ratios(self) -> Mapping[tuple[str, str], tuple[float, ...]]:
        found: dict[tuple[str, str], tuple[float, ...]] = {}
        for run in self.history:
            key = run.base, run.machine
            if run.workload > 0 and len(found.get(key, ())) < LATEST:
                found[key] = (*found.get(key, ()), run.seconds / run.workload)
        return found

    def _wandb_check(self) -> Check:
        mode = self.logging
        if mode.online and not mode.key:
            return Check(
                "W&B",
                False,
                f"{mode.why}, and there is no key for it on this machine",
                f"{mode.login}\nOr leave WANDB_MODE empty: without a key runs then log to this machine.",
            )
        return Check("W&B", True, mode.why)

    def _packages_check(self) -> Check:
        if not self.missing_packages:
            return Check("packages", True, ", ".join(NEEDED_PACKAGES))
        missing = ", ".join(self.missing_packages)
        return Check("packages", False, f"not installed: {missing}", 'pip install -e ".[training]"')


def gather_facts(root: Path, settings: Settings) -> Facts:
    """Look at this machine and this project; some ten milliseconds."""
    from arrcoc_core.identity import code_hash
    from arrcoc_core.settings import state_dir

    state, mode = state_dir(root), wandb_mode(settings)
    return Facts(
        root=root,
        state=state,
        interpreter=sys.executable,
        machine=_machine(state),
        free_disk_bytes=shutil.disk_usage(_nearest_existing(state)).free,
        code_hash=code_hash(root),
        has_training_file=settings.exists,
        accounts=account_environment(settings, mode),
        logging=mode,
        endpoints=_endpoints(settings),
        environment={key: os.environ[key] for key in PASSED_ON if os.environ.get(key)},
        missing_packages=tuple(name for name in NEEDED_PACKAGES if find_spec(name) is None),
        cached_models=_cached_models(),
        history=_history(state),
        cloud=_cloud(settings, state),
    )


def _cloud(settings: Settings, state: Path) -> CloudFacts | None:
    if not settings.get("GCP_PROJECT_ID"):
        return None
    from arrcoc_core.catalog import load_prices

    return CloudFacts(
        names=Names.of(settings),
        endpoints=_endpoints(settings),
        prices=load_prices(state),
        today=datetime.now(UTC).date(),
    )


def _endpoints(settings: Settings) -> str:
    folder = str(settings.get("CLOUD_ENDPOINTS"))
    return str(Path(folder).expanduser().resolve()) if folder else ""


def _machine(state: Path) -> Machine:
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return Machine(
        cores=_usable_cores(),
        memory_bytes=min(pages, _memory_limit()),
        gpus=_gpus(state),
        system=f"{platform.system()} {platform.machine()}",
        python=platform.python_version(),
    )


def _usable_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _memory_limit() -> int:
    """What the container grants, where there is one."""
    try:
        return int(Path("/sys/fs/cgroup/memory.max").read_text())
    except (OSError, ValueError):  # no control group, or "max"
        return sys.maxsize


def _gpus(state: Path) -> tuple[Gpu, ...]:
    """NVIDIA GPUs by nvidia-smi, which can take seconds: its answer is kept until the next boot."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return ()
    cache = state / "cache" / "gpus.json"
    boot = _boot()
    try:
        known = json.loads(cache.read_text())
        if boot and known["boot"] == boot and known["gpus"]:
            return tuple(Gpu(name, memory) for name, memory in known["gpus"])
    except (OSError, ValueError, KeyError, TypeError):
        pass  # not asked yet, or damaged: ask again
    query = [tool, "--query-gpu=name,memory.total", "--format=csv,noheader,nounits"]
    try:
        answer = subprocess.run(query, capture_output=True, text=True, timeout=20, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return ()  # the tool is there and the driver is not: no usable GPU
    rows = [line.rsplit(",", 1) for line in answer.splitlines() if "," in line]
    found = tuple(Gpu(name.strip(), int(float(memory)) * 2**20) for name, memory in rows)
    if state.is_dir() and boot:
        cache.parent.mkdir(exist_ok=True)
        partial = cache.with_name(f"gpus.{os.getpid()}.partial")
        partial.write_text(json.dumps({"boot": boot, "gpus": [[gpu.name, gpu.memory_bytes] for gpu in found]}))
        os.replace(partial, cache)
    return found


def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def _cached_models() -> frozenset[str]:
    """Models in the Hub's cache, by the names of its folders: `models--Qwen--Qwen3-VL-2B-Instruct`."""
    home = os.environ.get("HF_HOME") or str(Path.home() / ".cache" / "huggingface")
    cache = Path(os.environ.get("HF_HUB_CACHE") or Path(home) / "hub")
    if not cache.is_dir():
        return frozenset()
    folders = {path.parents[2].name for path in cache.glob("models--*/snapshots/*/*.safetensors")}
    return frozenset(name.removeprefix("models--").replace("--", "/") for name in folders)


def _history(state: Path) -> tuple[PastRun, ...]:
    path = state / "store.db"
    if not path.exists():
        return ()
    from arrcoc_core.store import Store

    # A rented machine's time counts, not the waiting for it; attempts that never had one do not count at all.
    query = """
        SELECT base, fingerprint, machine, workload, CASE target
            WHEN 'local' THEN ended_at - started_at
            ELSE (SELECT sum(a.ended_at - a.running_at) FROM attempts a WHERE a.run = runs.id)
        END AS seconds FROM runs
        WHERE state = 'succeeded' AND workload > 0 AND seconds > 0 AND 1 = (
            SELECT count(*) FROM attempts a WHERE a.run = runs.id AND (runs.target = 'local' OR a.running_at > 0)
        ) ORDER BY position DESC LIMIT ?"""
    with Store(path) as store:
        return tuple(PastRun(*row) for row in store.rows(query, (_HISTORY,)))


def _nearest_existing(path: Path) -> Path:
    while not path.exists():
        path = path.parent
    return path
