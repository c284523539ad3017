"""The one table of settings: every key, what it fills, its built-in default, and its line in `.training.starter`."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import get_args

from arrcoc_core.compute import GpuName
from arrcoc_core.defaults import DEFAULTS, VERTEX_DEFAULTS
from arrcoc_core.paths import SWITCHES

Setting = str | int | float | bool


@dataclass(frozen=True)
class Key:
    """`path` is the experiment field the key is the default of; keys without one are accounts, names and machines."""

    name: str
    group: str
    help: str
    path: str = ""
    builtin: Setting = ""
    allowed: str = "text"
    parse: Callable[[str], Setting | None] = str
    """Text -> value, or None where it is not allowed. Unused where `path` is set: the field has its own checker."""

    @property
    def default(self) -> Setting:
        if not self.path:
            return self.builtin
        section, _, name = self.path.partition(".")
        return getattr(getattr(DEFAULTS, section), name)

    @property
    def starter_line(self) -> str:
        """`KEY=default`, as the starter holds it."""
        text = str(self.default).lower() if isinstance(self.default, bool) else _number(self.default)
        return f"{self.name}={text}"


def _matching(pattern: str) -> Callable[[str], str | None]:
    return lambda text: text if re.fullmatch(pattern, text) else None


def _gpu(text: str) -> str | None:
    return text if text in get_args(GpuName) else None


_MODES = {"online": "online", "offline": "offline", "run": "online", "dryrun": "offline", "disabled": "offline"}
"""Words that W&B knows for WANDB_MODE -> ours. `disabled` would leave nothing to look at: it counts as offline."""


def _mode(text: str) -> str | None:
    return _MODES.get(text.lower())


def _count(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and 1 <= int(text) <= 16 else None


def _switch(text: str) -> bool | None:
    return SWITCHES.get(text.lower())


def _number(value: Setting) -> str:
    if isinstance(value, float):
        plain = repr(value)
        mantissa, exponent = f"{value:e}".split("e")
        short = f"{mantissa.rstrip('0').rstrip('.')}e{int(exponent)}"
        return short if len(short) < len(plain) else plain
    return str(value)


_ACCOUNT, _WHERE, _MODEL, _TRAIN, _DATA = (
    "Account and names",
    "Where it runs",
    "Model and token budget",
    "Training",
    "Data",
)
_LABEL = r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?"

_TABLE = (
    Key(
        "GCP_PROJECT_ID",
        _ACCOUNT,
        "Google Cloud project to run in; empty: nothing in the cloud",
        allowed="a project id, such as my-project-123",
        parse=_matching(r"[a-z]([a-z0-9-]{4,28})[a-z0-9]"),
    ),
    Key(
        "GCP_ROOT_RESOURCE_REGION",
        _ACCOUNT,
        "Google Cloud region of buckets, images and jobs",
        builtin="us-central1",
        allowed="a region, such as us-central1",
        parse=_matching(r"[a-z]+-[a-z]+[0-9]+"),
    ),
    Key(
        "WANDB_ENTITY",
        _ACCOUNT,
        "W&B user or team; empty: your default one",
        allowed="a user or team name",
        parse=_matching(r"[A-Za-z0-9_.-]+"),
    ),
    Key(
        "WANDB_PROJECT",
        _ACCOUNT,
        "W&B project the runs are in",
        builtin="arr-coc-0-1",
        allowed="a project name of letters, digits and . _ -",
        parse=_matching(r"[A-Za-z0-9_.-]{1,128}"),
    ),
    Key(
        "WANDB_BASE_URL",
        _ACCOUNT,
        "address of the W&B server",
        builtin="https://api.wandb.ai",
        allowed="an address that starts with https:// or http://",
        parse=_matching(r"https?://[^\s/]+\S*"),
    ),
    Key(
        "WANDB_MODE",
        _ACCOUNT,
        "online or offline; empty: online where this machine has a key for the W&B server",
        allowed="online or offline",
        parse=_mode,
    ),
    Key(
        "HF_HUB_REPO_ID",
        _ACCOUNT,
        "repository on the Hugging Face Hub for results, owner/name; empty: no upload",
        path="hub.repo",
    ),
    Key("HF_HUB_PRIVATE", _ACCOUNT, "only its owner may see that repository: true or false", path="hub.private"),
    Key(
        "PROJECT_NAME",
        _ACCOUNT,
        "name that everything created in the cloud carries",
        builtin="arr-coc-0-1",
        allowed="lower-case letters, digits and -, a letter first, at most 63",
        parse=_matching(_LABEL),
    ),
    Key(
        "TRAINING_GPU",
        _WHERE,
        f"GPU on Vertex AI: {', '.join(get_args(GpuName))}; empty: this machine",
        allowed=f"one of {', '.join(get_args(GpuName))}",
        parse=_gpu,
    ),
    Key(
        "TRAINING_GPU_NUMBER",
        _WHERE,
        "GPUs in the machine, 1 to 16",
        builtin=int(str(VERTEX_DEFAULTS["count"])),
        allowed="a whole number from 1 to 16",
        parse=_count,
    ),
    Key(
        "TRAINING_GPU_IS_PREEMPTIBLE",
        _WHERE,
        "spot capacity, cheaper and resumed after a preemption: true or false",
        builtin=bool(VERTEX_DEFAULTS["spot"]),
        allowed="true or false",
        parse=_switch,
    ),
    Key(
        "WANDB_LAUNCH_QUEUE_NAME",
        _WHERE,
        "W&B Launch queue to submit through; empty: straight to Vertex AI",
        allowed="a queue name of letters, digits and . _ -",
        parse=_matching(r"[A-Za-z0-9_.-]+"),
    ),
    Key(
        "CLOUD_ENDPOINTS",
        _WHERE,
        "folder of a sandbox to use instead of Google Cloud; empty: Google Cloud",
        allowed="a folder",
    ),
    Key("BASE_MODEL", _MODEL, "tiny (ships with the code), or a Qwen/Qwen3-VL-…-Instruct", path="model.base"),
    Key(
        "FREEZE_BASE_MODEL",
        _MODEL,
        "always true: only the selector in front of the base learns",
        path="model.freeze_base",
    ),
    Key("NUM_VISUAL_TOKENS", _MODEL, "K, visual tokens the language model reads per picture", path="tokens.keep"),
    Key("LEARNING_RATE", _TRAIN, "peak learning rate", path="train.learning_rate"),
    Key("WEIGHT_DECAY", _TRAIN, "weight decay of AdamW", path="train.weight_decay"),
    Key("WARMUP_RATIO", _TRAIN, "share of the steps over which the learning rate rises", path="train.warmup_ratio"),
    Key("BATCH_SIZE", _TRAIN, "questions per forward pass on each device", path="train.batch_size"),
    Key(
        "GRADIENT_ACCUMULATION_STEPS",
        _TRAIN,
        "forward passes per optimizer step",
        path="train.gradient_accumulation_steps",
    ),
    Key("NUM_EPOCHS", _TRAIN, "passes over the training questions", path="train.epochs"),
    Key("BF16", _TRAIN, "compute in bfloat16: true or false", path="train.bf16"),
    Key(
        "GRADIENT_CHECKPOINTING",
        _TRAIN,
        "less memory for more time: true or false",
        path="train.gradient_checkpointing",
    ),
    Key("SEED", _TRAIN, "seed of data order, noise and first parameters", path="train.seed"),
    Key("EVAL_EVERY_N_STEPS", _TRAIN, "optimizer steps between two evaluations", path="evaluation.every_n_steps"),
    Key("EVAL_SAMPLES", _TRAIN, "held-out questions per evaluation", path="evaluation.samples"),
    Key("SAVE_EVERY_N_STEPS", _TRAIN, "optimizer steps between two checkpoints", path="checkpoints.save_every_n_steps"),
    Key("SAVE_TOTAL_LIMIT", _TRAIN, "checkpoints kept on disk", path="checkpoints.save_total_limit"),
    Key("LOGGING_STEPS", _TRAIN, "optimizer steps between two points of the curves", path="logging.every_n_steps"),
    Key("DATASET_NAME", _DATA, "synthetic (no download), or a data set on the Hub, owner/name", path="data.dataset"),
    Key("DATASET_SPLIT_TRAIN", _DATA, "split to train on", path="data.split_train"),
    Key("DATASET_SPLIT_VAL", _DATA, "split to evaluate on", path="data.split_val"),
    Key("MAX_TRAIN_SAMPLES", _DATA, "questions per epoch; 0: all", path="data.max_train_samples"),
    Key("IMAGE_SIZE", _DATA, "side of the square pictures are scaled to, in pixels", path="data.image_size"),
    Key("MAX_SEQ_LENGTH", _DATA, "longest question with its answer, in text tokens", path="data.max_seq_length"),
    Key("NUM_WORKERS", _DATA, "processes that prepare batches; 0: in the trainer itself", path="data.num_workers"),
    Key("PREFETCH_FACTOR", _DATA, "batches each worker prepares ahead", path="data.prefetch_factor"),
)

KEYS: Mapping[str, Key] = {key.name: key for key in _TABLE}
"""Every key of `.training`, in the order of the starter."""

SETTING_PATHS: Mapping[str, str] = {key.name: key.path for key in _TABLE if key.path}
"""Key -> the experiment field it is the default of."""

STANDARD_NAMES: Mapping[str, str] = {
    "CLOUDSDK_CORE_PROJECT": "GCP_PROJECT_ID",
    "GOOGLE_CLOUD_PROJECT": "GCP_PROJECT_ID",
    "CLOUDSDK_COMPUTE_REGION": "GCP_ROOT_RESOURCE_REGION",
    "GOOGLE_CLOUD_REGION": "GCP_ROOT_RESOURCE_REGION",
    "WANDB_ENTITY": "WANDB_ENTITY",
    "WANDB_PROJECT": "WANDB_PROJECT",
    "WANDB_BASE_URL": "WANDB_BASE_URL",
    "WANDB_MODE": "WANDB_MODE",
}
"""Environment names that W&B's and Google's own tools read, and the key each one overrides; the last one set wins."""

REFUSED: Mapping[str, str] = {
    "WANDB_API_KEY": "it is a secret; W&B keeps it itself after `wandb login`",
    "HF_TOKEN": "it is a secret; the Hub keeps it itself after `hf auth login`",
    "HUGGING_FACE_HUB_TOKEN": "it is a secret; the Hub keeps it itself after `hf auth login`",
    "GOOGLE_APPLICATION_CREDENTIALS": (
        "it points at a secret; Google keeps it itself after `gcloud auth application-default login`"
    ),
}
"""Keys that people try and that must not be here, each with the reason."""


def looks_secret(name: str) -> bool:
    """Whether a key's name says that its value is a secret."""
    return bool(re.search(r"(TOKEN|SECRET|PASSWORD|PASSWD|API_?KEY|PRIVATE_?KEY|CREDENTIAL)S?$", name.upper()))
