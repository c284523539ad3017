"""A resolved experiment: every value concrete, each with its source. It is what is planned, stored and trained."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from arrcoc_core.defaults import ABSENT, DEFAULTS, VERTEX_DEFAULTS
from arrcoc_core.encoding import SCHEMA, decode, encode
from arrcoc_core.errors import ExperimentError
from arrcoc_core.experiment import SECTIONS, Experiment, Vertex
from arrcoc_core.identity import fingerprint
from arrcoc_core.values import INHERIT, Source, Value, unchecked, written

SYNTHETIC = ("synthetic", "synthetic-hard")
"""Names of the data sets that are made on the spot."""

SYNTHETIC_SPLITS = ("train", "validation")

SYNTHETIC_SAMPLES = 20_000
"""Questions per epoch of the synthetic set where `max_train_samples` is 0."""

TINY = ("tiny", "tiny-hard", "tiny-hardened")
"""Names of the bases that ship with the code."""

PIXELS_PER_TOKEN: Mapping[str, int] = dict.fromkeys(TINY, 8)
"""Side of the square of pixels behind one visual token, by base; `QWEN_PIXELS_PER_TOKEN` for the others."""

QWEN_PIXELS_PER_TOKEN = 32

CONTEXT: Mapping[str, int] = dict.fromkeys(TINY, 1024)
"""Tokens that a base reads at most, by base (`max_position_embeddings`); `QWEN_CONTEXT` for the others."""

QWEN_CONTEXT = 262_144


def visual_tokens(base: str, image_size: int) -> int:
    """N: visual tokens of a square picture of `image_size` pixels, at the patch geometry of the base."""
    return (image_size // PIXELS_PER_TOKEN.get(base, QWEN_PIXELS_PER_TOKEN)) ** 2


def share_of(count: int, share: float) -> int:
    """How many of `count` tokens a share is: the nearest whole number, at least 1."""
    return max(1, int(share * count + 0.5))


@dataclass(frozen=True)
class ResolvedExperiment:
    """`experiment` holds no INHERIT; `sources` has an entry for every dotted path in it.

    `stored_fingerprint` is the one that was stored with it, if it was; `notes` say what reading an older version
    had to leave out or fill in.
    """

    experiment: Experiment
    sources: Mapping[str, Source]
    stored_fingerprint: str = ""
    notes: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return self.experiment.name

    @cached_property
    def fingerprint(self) -> str:
        """12 hex digits of what decides the result."""
        return self.stored_fingerprint or fingerprint(self.experiment)

    @property
    def visual_tokens(self) -> int:
        """N: visual tokens of one picture."""
        return visual_tokens(self.experiment.model.base, self.experiment.data.image_size)

    @property
    def total_steps(self) -> int | None:
        """Optimizer steps of the whole training; None where only the data set itself knows its size."""
        data, train = self.experiment.data, self.experiment.train
        samples = data.max_train_samples or (SYNTHETIC_SAMPLES if data.dataset in SYNTHETIC else 0)
        if not samples:
            return None
        return -(-samples // (train.batch_size * train.gradient_accumulation_steps)) * train.epochs

    def values(self) -> dict[str, Any]:
        """Dotted path -> concrete value, in the order of the source-like sheet."""
        return flat(self.experiment)

    def to_json(self) -> str:
        """As stored in `experiment.json`."""
        return json.dumps(
            {
                "schema": SCHEMA,
                "fingerprint": self.fingerprint,
                "experiment": encode(self.experiment),
                "sources": {path: list(source) for path, source in self.sources.items()},
            },
            indent=1,
        )

    @classmethod
    def from_json(cls, text: str) -> "ResolvedExperiment":
        """Read what this, an older or a later version stored; ExperimentError where it is not an experiment at all."""
        try:
            stored = json.loads(text)
            plain = dict(stored["experiment"])
            sources = {str(path): Source(str(kind), str(detail)) for path, (kind, detail) in stored["sources"].items()}
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ExperimentError(
                f"This is not a stored experiment: {type(error).__name__}: {error}.",
                remedy="It is damaged or was written by another program.",
            ) from None
        notes: list[str] = []
        if stored.get("schema", 0) > SCHEMA:
            notes.append(f"stored by a later version (schema {stored['schema']}; this one knows {SCHEMA})")
        experiment, more = decode(plain)
        notes.extend(more)
        experiment = _completed(experiment, sources, notes)
        return cls(experiment, sources, str(stored.get("fingerprint", "")), tuple(notes))


def flat(of: Value, prefix: str = "") -> dict[str, Any]:
    """Dotted path -> value of every field, sections opened up."""
    found: dict[str, Any] = {}
    for name in of.__dataclass_fields__:
        held = getattr(of, name)
        if isinstance(held, Value):
            found.update(flat(held, f"{prefix}{name}."))
        else:
            found[prefix + name] = held
    return found


def _completed(experiment: Experiment, sources: dict[str, Source], notes: list[str]) -> Experiment:
    """Fill what the version that stored it did not know yet: the meaning of "absent", else the built-in default."""
    fields = dict(experiment.__dict__)
    places = fields.pop("_written"), fields.pop("_owner")
    if fields["compute"] is INHERIT:
        fields["compute"] = DEFAULTS.compute
    for section in (*SECTIONS, "compute"):
        fields[section] = _whole(fields[section], f"{section}.", getattr(DEFAULTS, section), sources, notes)
    return unchecked(Experiment, fields, *places)


def _whole(held: Value, prefix: str, defaults: Value, sources: dict[str, Source], notes: list[str]) -> Value:
    """A section with nothing left out."""
    state: dict[str, Any] = {}
    for name in held.__dataclass_fields__:
        path, inside = prefix + name, getattr(held, name)
        if isinstance(inside, Value):
            inside = _whole(inside, f"{path}.", defaults, sources, notes)
        elif inside is INHERIT:
            default = VERTEX_DEFAULTS.get(name) if isinstance(held, Vertex) else getattr(defaults, name, None)
            inside = ABSENT.get(path, default)
            sources.setdefault(path, Source("default", "not stored"))
            notes.append(f"{path} was not stored; taken as {inside!r}")
        state[name] = inside
    return unchecked(type(held), state, written(held), ("", 0))
