"""`arrcoc` alone: what runs, what ended, what needs you, and one next step."""

from __future__ import annotations

import argparse
import dataclasses

from arrcoc_core.cli.terminal import paint, progress_bar, say, say_json
from arrcoc_core.standing import HomeSummary, home_summary


def home(arguments: argparse.Namespace) -> int:
    from arrcoc_core.api import reconcile, runs
    from arrcoc_core.discovery import discover
    from arrcoc_core.settings import find_root

    root = find_root()
    reconcile(root)
    summary = home_summary(runs(root=root), discover(root))
    if arguments.json:
        say_json(dataclasses.asdict(summary))
    else:
        say(_text(summary))
    return 0


def _text(summary: HomeSummary) -> str:
    blocks: list[list[str]] = []
    if summary.running:
        lines = [paint("Running", "bold")]
        for line in summary.running:
            bar = progress_bar(line.fraction, 20) + "  " if line.fraction is not None else ""
            lines.append(f"  {bar}{line.text}")
        blocks.append(lines)
    if summary.recent:
        lines = [paint("Results", "bold")]
        for result in summary.recent:
            tone = {"failed": "bad", "cancelled": "muted"}.get(result.state)
            change = paint(f" {result.change}.", "muted") if result.change else ""
            lines.append("  " + paint(result.sentence, tone) + change)
        blocks.append(lines)
    if summary.needs_user:
        lines = [paint("Needs you", "bold")]
        for item in summary.needs_user:
            lines += [f"  {paint(item.text, 'warn')}", f"    → {item.remedy}"]
        blocks.append(lines)
    step = summary.next_step
    blocks.append([paint("Next", "bold"), f"  {step.text}", f"    {paint(step.command, 'accent')}"])
    return "\n\n".join("\n".join(block) for block in blocks)
