"""`arrcoc accounts`: who this machine is signed in as, at W&B, on the Hub and at Google, and what repairs it where not.

Asks each of them and changes nothing. `arrcoc setup` makes what is missing there.
"""

from __future__ import annotations

import argparse

from arrcoc_core.cli.asking import show_problem
from arrcoc_core.cli.live_rows import LiveRows
from arrcoc_core.cli.terminal import paint, say, say_line


def accounts(arguments: argparse.Namespace) -> int:
    from arrcoc_core.accounts.mode import wandb_mode
    from arrcoc_core.infra.running import check_accounts
    from arrcoc_core.infra.world import World
    from arrcoc_core.settings import find_root, load_settings

    settings = load_settings(find_root())
    view = LiveRows(as_json=arguments.json)
    with view:
        outcome = check_accounts(World.for_accounts(settings), on_event=view.tell)
    mode = wandb_mode(settings)
    if arguments.json:
        say_line({"type": "wandb_mode", "mode": mode.name, "why": mode.why, "asked": mode.asked})
        say_line({"type": "done", "done": True, "ok": outcome.ok})
        return outcome.exit_code
    for event in outcome.events:
        if event.error is not None and event.state in ("failed", "foreign", "unknown"):
            show_problem(event.error)
        elif event.error is not None:
            for fix in event.error.fixes:
                say(f"  {event.title}: {fix.text} {paint(fix.command, 'accent')}".rstrip())
    say(f"Runs log {mode.why}.")
    return outcome.exit_code
