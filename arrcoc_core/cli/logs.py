"""`arrcoc logs RUN [-f]`: what a run has written, with its attempts in order."""

from __future__ import annotations

import argparse
import json
import sys

from arrcoc_core.cli.find import any_run
from arrcoc_core.cli.terminal import printable


def logs(arguments: argparse.Namespace) -> int:
    run = any_run(arguments.run)
    for line in run.logs(follow=arguments.follow):
        text = printable(line.rstrip("\n"))
        sys.stdout.write((json.dumps({"text": text}, ensure_ascii=False) if arguments.json else text) + "\n")
        if arguments.follow:
            sys.stdout.flush()
    return 0
