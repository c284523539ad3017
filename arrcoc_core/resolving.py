"""`resolve(experiment, settings)`: every field concrete, every value with its source, the rules between fields checked.

A field left out comes from `.training` or the environment, else from the built-in default. Pure: nothing is read but
its two arguments. It runs for each point of a sweep and at each keystroke of the app, so what depends on the settings
alone is derived once.
"""

import os
from collections.abc import Mapping
from typing import Any, NamedTuple, cast

from arrcoc_core.defaults import DEFAULTS, VERTEX_DEFAULTS
from arrcoc_core.errors import ExperimentError
from arrcoc_core.experiment import SECTIONS, Experiment, Local, Tokens, Vertex, WandbLaunch
from arrcoc_core.resolved import (
    CONTEXT,
    PIXELS_PER_TOKEN,
    QWEN_CONTEXT,
    QWEN_PIXELS_PER_TOKEN,
    SYNTHETIC,
    SYNTHETIC_SPLITS,
    TINY,
    ResolvedExperiment,
    share_of,
    visual_tokens,
)
from arrcoc_core.settings import Settings
from arrcoc_core.settings_keys import SETTING_PATHS
from arrcoc_core.values import INHERIT, Site, Source, Value, field_names, unchecked, written

__all__ = ["ResolvedExperiment", "resolve"]

_DEFAULT = Source("default", "")


class _Inherited(NamedTuple):
    """What a field left out becomes, by section and field."""

    values: Mapping[str, Mapping[str, Any]]
    sources: Mapping[str, Mapping[str, Source]]
    compute: Value
    compute_sources: Mapping[str, Source]


def resolve(experiment: Experiment, settings: Settings) -> ResolvedExperiment:
    """The experiment that is planned, stored and trained. Raises ExperimentError where fields contradict each other."""
    inherited = settings.memo.get("inherited")
    if inherited is None:
        inherited = settings.memo["inherited"] = _inherited(settings)
    sections: dict[str, tuple[Value, Value, dict[str, Source]]] = settings.memo.setdefault("sections", {})
    state = experiment.__dict__
    fields = dict(state)
    sources: dict[str, Source] = {}
    for name in _TOP:
        site = state["_written"].get(name)
        sources[name] = _source(site, settings) if site else _DEFAULT
    for section in SECTIONS:
        held = state[section]
        known = sections.get(section)
        # The points of a sweep share every section that is not swept.
        if known is None or known[0] is not held:
            known = sections[section] = (held, *_section(section, held, inherited, settings))
        fields[section] = known[1]
        sources.update(known[2])
    try:
        compute, compute_sources = _compute(state["compute"], inherited, settings, sections)
    except ExperimentError as error:
        site = state["_written"].get("compute")
        if site:
            error.file, error.line = site.file or None, site.line or None
        raise
    fields["compute"] = compute
    sources.update(compute_sources)
    if chosen := state["_written"].get("compute"):
        sources["compute.kind"] = _source(chosen, settings)
    made = unchecked(Experiment, fields, state["_written"], state["_owner"])
    _check(made, sources)
    if made.tokens.share:
        keep = share_of(visual_tokens(made.model.base, made.data.image_size), made.tokens.share)
        held = made.tokens.__dict__
        fields["tokens"] = unchecked(Tokens, {**held, "keep": keep}, held["_written"], held["_owner"])
        sources["tokens.keep"] = sources["tokens.share"]
        made = unchecked(Experiment, fields, state["_written"], state["_owner"])
    return ResolvedExperiment(made, sources)


_TOP = ("name", "tags", "notes")
_PATHS = {section: {name: f"{section}.{name}" for name in field_names(cls)} for section, cls in SECTIONS.items()}


def _section(section: str, held: Value, inherited: _Inherited, settings: Settings) -> tuple[Value, dict[str, Source]]:
    """A section with nothing left out, and the source of each of its fields."""
    values, origins = inherited.values[section], inherited.sources[section]
    sites = written(held)
    state = held.__dict__
    fields: dict[str, Any] = {}
    sources: dict[str, Source] = {}
    for name, path in _PATHS[section].items():
        inside = state[name]
        if inside is INHERIT:
            fields[name] = values[name]
            sources[path] = origins[name]
        else:
            fields[name] = inside
            sources[path] = _source(sites.get(name), settings)
    return unchecked(type(held), fields, sites, state["_owner"]), sources


def _compute(
    held: Any, inherited: _Inherited, settings: Settings, known: dict[str, Any]
) -> tuple[Value, Mapping[str, Source]]:
    if held is INHERIT:
        return inherited.compute, inherited.compute_sources
    cached = known.get("compute")
    if cached is None or cached[0] is not held:
        cached = known["compute"] = (held, *_target(held, "compute.", settings))
    return cached[1], cached[2]


def _target(held: Value, prefix: str, settings: Settings) -> tuple[Value, dict[str, Source]]:
    """A compute target with nothing left out."""
    sites = written(held)
    fields: dict[str, Any] = {}
    sources: dict[str, Source] = {}
    for name in field_names(type(held)):
        inside = getattr(held, name)
        path = prefix + name
        if isinstance(inside, Vertex):
            fields[name], more = _target(inside, f"{path}.", settings)
            sources.update(more)
        elif inside is not INHERIT:
            fields[name] = inside
            sources[path] = _source(sites.get(name), settings)
        else:
            fields[name], sources[path] = _target_default(held, name, path, settings)
    made = unchecked(type(held), fields, sites, held.__dict__["_owner"])
    if isinstance(made, Vertex) and sources[f"{prefix}fallback"] is _DEFAULT:
        from arrcoc_core.catalog.rules import fitting_fallback

        made.__dict__["fallback"] = fitting_fallback(made)
    return made, sources


_TARGET_KEYS: Mapping[tuple[type[Value], str], str] = {
    (Vertex, "gpu"): "TRAINING_GPU",
    (Vertex, "count"): "TRAINING_GPU_NUMBER",
    (Vertex, "spot"): "TRAINING_GPU_IS_PREEMPTIBLE",
    (WandbLaunch, "queue"): "WANDB_LAUNCH_QUEUE_NAME",
}


def _target_default(held: Value, name: str, path: str, settings: Settings) -> tuple[Any, Source]:
    if isinstance(held, Local):
        return getattr(DEFAULTS.compute, name), _DEFAULT
    key = _TARGET_KEYS.get((type(held), name))
    if key is None:
        return VERTEX_DEFAULTS[name], _DEFAULT
    if settings.get(key) == "":
        raise ExperimentError(
            f"{path} is not set: neither in the experiment nor as {key} in .training.",
            field=path,
            remedy=f"Write {type(held).__name__}({name}=...), or set {key}.",
        )
    return settings.get(key), settings.source(key)


def _inherited(settings: Settings) -> _Inherited:
    values: dict[str, dict[str, Any]] = {}
    sources: dict[str, dict[str, Source]] = {}
    for section, cls in SECTIONS.items():
        values[section] = {name: getattr(getattr(DEFAULTS, section), name) for name in field_names(cls)}
        sources[section] = dict.fromkeys(values[section], _DEFAULT)
    for key, path in SETTING_PATHS.items():
        section, _, name = path.partition(".")
        values[section][name] = settings.get(key)
        sources[section][name] = settings.source(key)
    target = _settings_target(settings)
    compute, compute_sources = _target(target, "compute.", settings)
    if not isinstance(target, Local):
        compute_sources["compute.kind"] = settings.source("TRAINING_GPU")
    return _Inherited(values, sources, compute, compute_sources)


def _settings_target(settings: Settings) -> Value:
    """Where an experiment runs that does not say: the machine of `.training`, else here."""
    if settings.get("TRAINING_GPU") == "":
        return Local()
    return WandbLaunch() if settings.get("WANDB_LAUNCH_QUEUE_NAME") else Vertex()


def _source(site: Site | None, settings: Settings) -> Source:
    """What a person reads about a call: its kind and file:line, the file relative to the project."""
    if site is None:
        return _DEFAULT
    names: dict[Site, Source] = settings.memo.setdefault("names", {})
    known = names.get(site)
    if known is None:
        known = names[site] = Source(site.kind, _where(site, settings))
    return known


def _where(site: Site, settings: Settings) -> str:
    if not site.line:
        return site.file
    file = site.file
    if settings.root is not None and file.startswith(f"{settings.root}{os.sep}"):
        file = file[len(str(settings.root)) + 1 :].replace(os.sep, "/")
    return f"{file}:{site.line}"


def _check(experiment: Experiment, sources: Mapping[str, Source]) -> None:
    """The rules between fields."""
    base, size, keep = experiment.model.base, experiment.data.image_size, experiment.tokens.keep
    side = PIXELS_PER_TOKEN.get(base, QWEN_PIXELS_PER_TOKEN)
    if size % side:
        lower, upper = size // side * side, -(-size // side) * side
        raise _contradiction(
            experiment,
            "data.image_size",
            f"data.image_size = {size} is not a multiple of the {side} pixels of one visual token of {base}.",
            f"Use {f'{lower} or ' if lower else ''}{upper}.",
            sources,
        )
    n = (size // side) ** 2
    if keep > n and not experiment.tokens.share:  # a share decides what `keep` will be
        raise _contradiction(
            experiment,
            "tokens.keep",
            f"tokens.keep = {keep} is more than the {n} visual tokens of a picture"
            f" ({size} px, {side} px per token of {base}).",
            f"Keep at most {n}, or raise data.image_size.",
            sources,
        )
    if experiment.train.budgets and (experiment.tokens.share or experiment.tokens.mass):
        raise _contradiction(
            experiment,
            "train.budgets",
            f"train.budgets = {experiment.train.budgets!r} are numbers, tokens.share or tokens.mass go otherwise.",
            "Leave one of them out.",
            sources,
        )
    if max(experiment.train.budgets, default=0) > n:
        raise _contradiction(
            experiment,
            "train.budgets",
            f"train.budgets = {experiment.train.budgets!r}: a picture has only {n} visual tokens.",
            "Take smaller ones, or raise data.image_size.",
            sources,
        )
    data, context = experiment.data, CONTEXT.get(base, QWEN_CONTEXT)
    if n + data.max_seq_length > context:
        # What the prompt's template adds, and questions about several pictures, are counted with the questions
        # themselves (training/model/prompts.py).
        room = context - n
        raise _contradiction(
            experiment,
            "data.max_seq_length" if room >= 8 else "data.image_size",
            f"data.max_seq_length = {data.max_seq_length:,} text tokens and the {n:,} visual tokens of a picture of"
            f" {size} px are more than the {context:,} that {base} can read.",
            f"Allow at most {room:,} text tokens, or lower data.image_size." if room >= 8 else "Lower data.image_size.",
            sources,
        )
    if data.split_train == data.split_val:
        raise _contradiction(
            experiment,
            "data.split_val",
            f"data.split_train and data.split_val are both {data.split_val!r}.",
            "Evaluate on questions that training does not see: choose another split.",
            sources,
        )
    if data.dataset in SYNTHETIC:
        for path, split in (("data.split_train", data.split_train), ("data.split_val", data.split_val)):
            if split not in SYNTHETIC_SPLITS:
                message = f"{path} = {split!r}: the synthetic set has no such split."
                raise _contradiction(experiment, path, message, 'It has "train" and "validation".', sources)
        if data.streaming:
            message = "data.streaming = True: the synthetic set is made on the spot."
            remedy = "Leave it out, or take a data set of the Hub."
            raise _contradiction(experiment, "data.streaming", message, remedy, sources)
    if data.min_pixels and data.resize == "square":
        message = f'data.min_pixels = {data.min_pixels} has no meaning where data.resize is "square".'
        raise _contradiction(
            experiment, "data.min_pixels", message, 'Set data.resize="dynamic", or leave it out.', sources
        )
    if data.min_pixels > size**2:
        message = f"data.min_pixels = {data.min_pixels} is more than the most, data.image_size squared: {size**2}."
        raise _contradiction(experiment, "data.min_pixels", message, "Lower it, or raise data.image_size.", sources)
    if base == "tiny" and data.dataset == "synthetic-hard":
        message = f'data.dataset = {data.dataset!r}: the base "tiny" knows no words for places.'
        raise _contradiction(experiment, "data.dataset", message, 'Take model.base = "tiny-hard".', sources)
    if base in TINY and experiment.model.revision:
        raise _contradiction(
            experiment,
            "model.revision",
            f"model.revision = {experiment.model.revision!r}: {base} ships with the code and has no revisions.",
            "Leave it out, or take a base from the Hub.",
            sources,
        )
    compute = experiment.compute
    if isinstance(compute, Local) and compute.device == "cpu" and compute.gpus > 1:
        raise _contradiction(
            experiment,
            "compute.gpus",
            f'compute.gpus = {compute.gpus} and compute.device = "cpu" contradict each other.',
            'Use device="cuda", or leave gpus out.',
            sources,
        )
    if isinstance(compute, Vertex):
        _check_vertex(experiment, compute, "compute.", sources)
    elif isinstance(compute, WandbLaunch):
        _check_vertex(experiment, compute.vertex, "compute.vertex.", sources)


def _check_vertex(experiment: Experiment, vertex: Vertex, prefix: str, sources: Mapping[str, Source]) -> None:
    """The rules between a cloud machine's fields; the catalogue is loaded only where there is one."""
    from arrcoc_core.catalog.rules import contradictions

    train = experiment.train
    per_step = train.batch_size * train.gradient_accumulation_steps
    chosen = {name for name in field_names(Vertex) if sources[prefix + name].kind != "default"}
    for field, message, remedy in contradictions(vertex, per_step, chosen, prefix):
        raise _contradiction(experiment, prefix + field, message, remedy, sources)


def _contradiction(
    experiment: Experiment, path: str, message: str, remedy: str, sources: Mapping[str, Source]
) -> ExperimentError:
    """The error of a rule between fields, at the place where the value was written."""
    section, _, name = path.rpartition(".")
    held: Any = experiment
    for step in section.split("."):
        held = getattr(held, step)
    site = written(cast(Value, held)).get(name)
    if site is not None:
        return ExperimentError(message, field=path, remedy=remedy, file=site.file or None, line=site.line or None)
    source = sources[path]
    made = written(experiment).get("name", Site("here", "", 0))
    origin = f" It comes from {source.detail}." if source.detail else " It is the built-in default."
    return ExperimentError(message + origin, field=path, remedy=remedy, file=made.file or None, line=made.line or None)
