"""`arrcoc show NAME`: an experiment's values and where each comes from; or what a run, here or at W&B, came to."""

from __future__ import annotations

import argparse
import dataclasses
from typing import TYPE_CHECKING

from arrcoc_core.cli.chosen import Chosen, choose_any, split_sets
from arrcoc_core.cli.experiments import paint_status
from arrcoc_core.cli.hub_view import hub_lines
from arrcoc_core.cli.terminal import paint, paint_state, printable, say, say_json, table
from arrcoc_core.errors import ConfigError
from arrcoc_core.formatting import clock, duration, literal, money
from arrcoc_core.overview import changed_paths
from arrcoc_core.results import elapsed_s

if TYPE_CHECKING:
    from arrcoc_core.api import Run
    from arrcoc_core.online.run import OnlineRun


def show(arguments: argparse.Namespace) -> int:
    name, sets = split_sets(arguments.name, arguments.sets)
    if name is None:
        raise ConfigError("Show what?", remedy="arrcoc show NAME; 'arrcoc list' and 'arrcoc runs' list the names.")
    chosen = choose_any(name, sets)
    if sets and not (isinstance(chosen, Chosen) and chosen.entry is not None):
        raise ConfigError("A run has its values already: --set is for experiments.")
    if not isinstance(chosen, Chosen):
        _show_online(chosen, arguments.json)
    elif chosen.entry is None and chosen.run is not None:
        _show_run(chosen.run, arguments.json)
    else:
        _show_experiment(chosen, arguments.json)
    return 0


def _show_online(run: OnlineRun, as_json: bool) -> None:
    from arrcoc_core.cli.online_view import show_online

    if as_json:
        say_json({**run.to_json(), "config": run.config, "notes": run.notes, "behind_s": run.behind_s})
    else:
        show_online(run)


def _show_experiment(chosen: Chosen, as_json: bool) -> None:
    resolved, entry = chosen.resolved, chosen.entry
    assert entry is not None
    changed = changed_paths(resolved)
    values = resolved.values()
    if as_json:
        say_json(
            {
                "name": resolved.name,
                "file": entry.file,
                "line": entry.line,
                "fingerprint": resolved.fingerprint,
                "target": resolved.experiment.compute.kind,
                "status": chosen.status,
                "total_steps": resolved.total_steps,
                "values": [
                    {
                        "path": path,
                        "value": value,
                        "source": resolved.sources[path].kind,
                        "detail": resolved.sources[path].detail,
                        "changed": path in changed,
                    }
                    for path, value in values.items()
                    if path in resolved.sources
                ],
            }
        )
        return
    where = paint(f"{entry.file}:{entry.line}", "muted")
    say(f"{paint(resolved.name, 'bold')}  {where}  {resolved.fingerprint}  {paint_status(chosen.status)}\n")
    rows: list[tuple[str, ...]] = []
    for path, value in values.items():
        if path not in resolved.sources or path == "name":
            continue
        source = resolved.sources[path]
        style = "bold" if path in changed else None
        origin = paint(f"{source.kind}  {source.detail}".rstrip(), "muted")
        rows.append(("*" if path in changed else "", paint(path, style), paint(literal(value), style), origin))
    say(table(("", "value of", "is", "from"), rows))
    say(paint("\n* not the built-in default", "muted"))


def _show_run(run: Run, as_json: bool) -> None:
    from arrcoc_core.cli.monitor import outcome, snapshot
    from arrcoc_core.results import summarize

    if as_json:
        say_json({**snapshot(run), "result": dataclasses.asdict(summarize(run))})
        return
    say(f"{paint(run.id, 'bold')}  {paint_state(run.state)}  {run.target}  {money(run.cost_usd)}\n")
    if run.attempts:
        say(_attempts(run) + "\n")
    if run.target != "local":
        from arrcoc_core.cli.cloud_view import cloud_line, remedy_lines

        say("\n".join([cloud_line(run), *remedy_lines(run)]) + "\n")
    say(f"launched {clock(run.created_at)}, took {duration(elapsed_s(run))}, config {run.fingerprint}, code {run.code}")
    say(f"files    {run.directory}")
    if run.link:
        say(f"console  {printable(run.link)}")
    for line in hub_lines(run.uploaded):
        say(line)
    say()
    say(outcome(run))


def _attempts(run: Run) -> str:
    """One row an attempt; in the cloud with its place and its dollars."""
    cloud = run.target != "local"
    rows: list[tuple[str, ...]] = []
    for attempt in run.attempts:
        where: tuple[str, ...] = ()
        if cloud:
            from arrcoc_core.cli.cloud_view import place

            where = place(attempt), money(attempt.cost_usd)
        took = attempt.ended_at - attempt.started_at if attempt.ended_at is not None else None
        rows.append(
            (
                f"attempt {attempt.n}",
                paint_state(attempt.state),
                *where,
                clock(attempt.started_at),
                duration(took.total_seconds()) if took is not None else "",
                attempt.cause,
            )
        )
    headers = ("where", "cost") if cloud else ()
    return table(("", "state", *headers, "started", "took", "cause"), rows, right=(3,) if cloud else ())
