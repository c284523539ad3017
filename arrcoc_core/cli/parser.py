"""The commands and their options, as one argparse tree.

Nothing here imports a command: `load_command` does, by name, when its turn comes. `Command` rows are the single list
from which the parser, the help page and the shell completion are made.
"""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

Handler = Callable[[argparse.Namespace], int]

# name -> module and function below arrcoc_core.cli
COMMANDS = {
    "home": "home:home",
    "list": "experiments:list_experiments",
    "show": "show:show",
    "new": "experiments:new",
    "plan": "plan:show_plan",
    "launch": "launch:launch_experiment",
    "runs": "runs:list_runs",
    "monitor": "monitor:monitor",
    "metrics": "metrics:metrics",
    "logs": "logs:logs",
    "cancel": "cancel:cancel",
    "watch": "watch:watch",
    "adopt": "adopt:adopt",
    "queue": "queue:queue",
    "agent": "agent:agent",
    "upload": "upload:upload",
    "sync": "sync:sync",
    "diff": "diff:diff",
    "compare": "compare:compare",
    "explain": "explain:explain",
    "costs": "costs:costs",
    "setup": "setup:setup",
    "accounts": "accounts:accounts",
    "infra": "infra:infra",
    "teardown": "teardown:teardown",
    "sandbox": "sandbox:sandbox",
    "gui": "gui:gui",
    "completion": "completion:completion",
}
RUN_HELP = "a run id or the start of one, an experiment's name (its latest run), or 'latest'"
ONLINE_HELP = "; or entity/project/run, or the address of its page, at W&B"


class Parser(argparse.ArgumentParser):
    """argparse with a nearest-match hint for a misspelt command."""

    def error(self, message: str) -> NoReturn:
        if self.prog == "arrcoc" and "invalid choice" in message and "'" in message:
            import difflib

            typed = message.split("'")[1]
            near = difflib.get_close_matches(typed, COMMANDS, n=1)
            hint = f"Did you mean 'arrcoc {near[0]}'?" if near else "'arrcoc --help' lists the commands."
            message = f"there is no command '{typed}'. {hint}"
        super().error(message)


def load_command(name: str) -> Handler:
    """The function that carries out a command; imports its module."""
    module, function = COMMANDS[name].split(":")
    handler: Handler = getattr(importlib.import_module(f"arrcoc_core.cli.{module}"), function)
    return handler


def build_parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="arrcoc",
        description="Declare a vision-language experiment as a Python value, launch it, watch it learn.",
        epilog="'arrcoc' alone says how things stand. "
        "Exit codes: 0 done, 1 the job failed, 2 wrong usage or configuration.",
    )
    parser.set_defaults(command="home", json=False, sandbox=False)
    _json(parser)
    parser.add_argument("--sandbox", action="store_true", help="use the sandbox on this machine instead of the cloud")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", parser_class=Parser)

    def add(name: str, summary: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=summary, description=summary[0].upper() + summary[1:] + ".")
        command.set_defaults(command=name)
        command.add_argument("--sandbox", action="store_true", default=argparse.SUPPRESS, help=argparse.SUPPRESS)
        return command

    command = add("list", "list the experiments found in experiments/")
    _json(command)

    command = add("show", "show an experiment's values and where each comes from, or what a run came to")
    _named(command, "name", "any", f"an experiment, or a run{ONLINE_HELP}", nargs="?")
    _sets(command)
    _json(command)

    command = add("new", "write a small experiment file to start from and open it in your editor")
    command.add_argument("name", metavar="NAME", help="name of the new experiment")
    _named(
        command,
        "--from",
        "experiment",
        "the experiment to vary (default: quickstart)",
        default="quickstart",
        dest="source",
    )
    command.add_argument("--no-open", action="store_true", help="only write the file")

    command = add("plan", "show what a launch would do: steps, time, cost, environment; changes nothing")
    _named(command, "name", "experiment", "an experiment (default: default)", nargs="?")
    _sets(command)
    command.add_argument("--no-preflight", action="store_true", help="ask nobody: leave out what only the cloud knows")
    _events(command)
    _json(command)

    command = add("launch", "start an experiment, or every point of a sweep, in the background")
    _named(command, "name", "experiment", "an experiment or a sweep (default: default)", nargs="?")
    _sets(command)
    command.add_argument("-w", "--watch", action="store_true", help="follow it until it ends; exit code 1 if it fails")
    command.add_argument("-d", "--detach", action="store_true", help="do not wait for a cloud job to be submitted")
    command.add_argument("-y", "--yes", action="store_true", help="do not ask whether it may cost what it costs")
    _events(command)
    _json(command)

    command = add("runs", "list the runs, newest first")
    command.add_argument("-n", "--limit", type=_positive, default=None, metavar="N", help="only the newest N")
    command.add_argument("--online", action="store_true", help="those of a project at W&B, whoever logged them")
    command.add_argument("--all", action="store_true", help="both: this project's and those at W&B, in one table")
    command.add_argument("--project", metavar="P", help="project at W&B; default: WANDB_PROJECT of .training")
    command.add_argument("--entity", metavar="E", help="user or team at W&B; default: WANDB_ENTITY, else your own")
    command.add_argument("--projects", action="store_true", help="list the projects at W&B instead")
    _json(command)

    command = add("monitor", "watch a run: state, progress, time left, curves, log")
    _run_argument(command, optional=True, extra=ONLINE_HELP)
    _json(command, "print its present state once, as JSON")

    command = add("metrics", "print a run's metrics, one row a step")
    _run_argument(command, extra=ONLINE_HELP)
    form = command.add_mutually_exclusive_group()
    form.add_argument("--csv", action="store_true", help="as CSV: trainer/step first, columns sorted")
    _json(form)

    command = add("logs", "print what a run has logged")
    _run_argument(command, extra=ONLINE_HELP)
    command.add_argument("-f", "--follow", action="store_true", help="go on until the run ends")
    _json(command, "one JSON object a line")

    command = add("cancel", "stop a run, a sweep, or everything")
    _run_argument(command, optional=True, extra="; or a sweep's name")
    command.add_argument("--all", action="store_true", help="every run that has not ended")
    command.add_argument("-y", "--yes", action="store_true", help="do not ask")

    command = add("watch", "drive the runs in the cloud in this terminal and say what happens to them")
    _json(command, "one JSON object for each event")

    command = add("adopt", "follow a run that was launched on another machine; without a name, list those")
    command.add_argument("run", metavar="RUN", nargs="?", default=None, help="the id of the run")
    _json(command)

    command = add("queue", "show a W&B Launch queue: its items, what they wait for, its agents")
    _queue_argument(command)
    command.add_argument("--remove", metavar="ITEM", help="take an item out of the queue: its id, or its run's")
    command.add_argument("-y", "--yes", action="store_true", help="do not ask")
    _json(command)

    command = add("agent", "take runs from a W&B Launch queue and see them to their end on Vertex AI")
    _queue_argument(command)
    command.add_argument("--slots", type=_positive, default=1, metavar="N", help="runs at once (default: 1)")
    act = command.add_mutually_exclusive_group()
    act.add_argument("--once", action="store_true", help="take what waits now, and end when that has ended")
    act.add_argument("-d", "--detach", action="store_true", help="in the background, until it is stopped")
    act.add_argument("--status", action="store_true", help="say what the agent of this machine does")
    act.add_argument("--stop", action="store_true", help="end the agent of this machine; its runs go on")
    _json(command, "with --status: print JSON for programs")

    command = add("upload", "upload a run's selector and its card to the Hugging Face Hub")
    _run_argument(command)
    command.add_argument("--repo", metavar="OWNER/NAME", help="default: the experiment's, else HF_HUB_REPO_ID")
    shown = command.add_mutually_exclusive_group()
    shown.add_argument("--private", action="store_true", default=None, help="only its owner may see it")
    shown.add_argument("--public", dest="private", action="store_false", help="everybody may see it")
    _json(command, "one JSON object a line")

    command = add("sync", "upload runs that were logged offline to W&B, with their true steps")
    action = command.add_argument("runs", metavar="RUN", nargs="*", help=RUN_HELP)
    action.names_kind = "run"  # pyright: ignore[reportAttributeAccessIssue]
    command.add_argument("--all", action="store_true", help="every run that was logged offline and is not there yet")
    command.add_argument("--entity", help="default: where it was logged to, else WANDB_ENTITY, else your own")
    command.add_argument("--project", help="default: where it was logged to, else WANDB_PROJECT")
    _json(command, "one JSON object a line")

    command = add("diff", "compare two experiments or runs: values that differ, results side by side")
    _named(command, "a", "any", f"an experiment or a run{ONLINE_HELP}")
    _named(command, "b", "any", "another")
    _json(command)

    command = add("compare", "measure trained selectors against each other and the rules, at several budgets")
    action = command.add_argument("runs", metavar="RUN", nargs="+", help=f"{RUN_HELP}; or a sweep: all of its runs")
    action.names_kind = "run"  # pyright: ignore[reportAttributeAccessIssue]
    command.add_argument("--budgets", metavar="B,B", help="shares of N, or K: default 1/2,1/4,1/8,1/16")
    command.add_argument("--samples", type=_positive, metavar="N", help="held-out questions: default 1024")
    command.add_argument("--seeds", type=_positive, metavar="N", help="draws of the rules that draw: default 3")
    command.add_argument("--rules", metavar="R,R", help="only these rules, such as random,uniform,teacher")
    command.add_argument("--search", type=int, metavar="N", help="passes a question for the best subset; 0: none")
    command.add_argument("--device", choices=("auto", "cpu", "cuda"), help="default: a GPU, if there is one")
    command.add_argument("--out", metavar="DIR", help="where table, plot and figures go: default beside the first run")

    command = add("explain", "answer a question about a picture, and show why those tokens were read")
    _run_argument(command, extra="; or a selector's folder, or owner/name on the Hub")
    command.add_argument("pictures", metavar="PICTURE", nargs="+", help="PNG or JPEG; several if it is about them all")
    command.add_argument("question", metavar="QUESTION")
    command.add_argument("--keep", type=_positive, metavar="K", help="visual tokens to read; default: as in training")
    command.add_argument("--max-answer-tokens", type=_positive, metavar="N", help="tokens after which it is cut off")
    command.add_argument("--device", metavar="DEVICE", help="cpu, or cuda:1; default: a GPU, if there is one")
    command.add_argument("--out", metavar="FILE", default="explained.png", help="the figure (default: %(default)s)")

    command = add("costs", "print what each machine of Vertex AI costs an hour, with the date of the prices")
    command.add_argument("--gpu", default=None, metavar="GPU", help="only machines with this GPU, such as L4")
    command.add_argument("--region", default=None, metavar="REGION", help="default: the one of .training")
    command.add_argument("--refresh", action="store_true", help="ask Google's price list for today's prices first")
    _json(command)

    command = add("setup", "make what training needs in the cloud, at W&B and on the Hub; what is there stays")
    command.add_argument("--dry-run", action="store_true", help="only show what would be made")
    command.add_argument("-y", "--yes", action="store_true", help="do not ask; free and reversible repairs are run")
    command.add_argument("--project", metavar="P", help="Google Cloud project; written to .training")
    command.add_argument("--region", metavar="R", help="its region; written to .training")
    command.add_argument("--copy-keys", action="store_true", help="copy the W&B key and Hub token to Secret Manager")
    command.add_argument("--contact", metavar="EMAIL", help="address that goes with a quota request")
    command.add_argument("--no-quota", action="store_true", help="request no GPU quota")
    command.add_argument("--list", choices=("projects", "regions", "keys"), help="what can be chosen, as JSON lines")
    _json(command, "one JSON object a line; never asks")

    command = add("accounts", "show who this machine is signed in as, at W&B, on the Hub and at Google")
    _json(command, "one JSON object a line")

    command = add("infra", "show what is in the cloud, the GPU quotas, and what it costs a month to keep")
    command.add_argument("--request", metavar="GPU=N[@REGION]", help="ask Google for this quota, such as L4=2")
    command.add_argument("--on-demand", action="store_true", help="ask for on-demand GPUs instead of spot")
    command.add_argument("--contact", metavar="EMAIL", help="address that goes with a quota request")
    _json(command, "one JSON object a line")

    command = add("teardown", "remove from the cloud exactly what is ours")
    command.add_argument("--dry-run", action="store_true", help="only list it, with sizes and prices")
    command.add_argument("--with-checkpoints", action="store_true", help="the runs bucket too: checkpoints and results")
    command.add_argument("--cancel-runs", action="store_true", help="cancel runs that go on")
    command.add_argument("--confirm", metavar="NAME", help="PROJECT_NAME, for scripts; else it is asked for")
    command.add_argument("--confirm-checkpoints", metavar="BUCKET", help="the runs bucket, with --with-checkpoints")
    _json(command, "one JSON object a line; never asks")

    command = add("sandbox", "start or stop the sandbox: Google Cloud's services on this machine, for rehearsal")
    command.add_argument("act", choices=("start", "stop", "status", "reset"), help="reset empties it")
    command.add_argument("--speed", type=_speed, metavar="N", help="let its time pass N times as fast")
    command.add_argument("--scenario", type=Path, metavar="FILE", help="a Python file that says which faults come")
    _json(command)

    command = add("gui", "open the desktop app")
    _named(command, "--experiment", "experiment", "the experiment to select", default=None)

    command = add("completion", "print a completion script for your shell")
    command.add_argument("shell", nargs="?", choices=("bash", "zsh", "fish", "tcsh"), help="the shell")
    command.add_argument("--names", choices=("experiment", "run", "any"), help=argparse.SUPPRESS)
    command.epilog = 'For bash: eval "$(arrcoc completion bash)" in ~/.bashrc.'
    return parser


def _named(
    parser: argparse.ArgumentParser,
    flag: str,
    kind: str,
    summary: str,
    *,
    nargs: str | None = None,
    default: str | None = None,
    dest: str | None = None,
) -> None:
    """An argument whose completions are names found at completion time; `kind` is read by `completion`."""
    options: dict[str, str | None] = {"default": default, "nargs": nargs, "help": summary, "metavar": "NAME"}
    if dest is not None:
        options["dest"] = dest
    action = parser.add_argument(flag, **options)  # pyright: ignore[reportArgumentType]
    action.names_kind = kind  # pyright: ignore[reportAttributeAccessIssue]


def _run_argument(parser: argparse.ArgumentParser, *, optional: bool = False, extra: str = "") -> None:
    action = parser.add_argument(
        "run", metavar="RUN", nargs="?" if optional else None, default=None, help=RUN_HELP + extra
    )
    action.names_kind = "run"  # pyright: ignore[reportAttributeAccessIssue]


def _queue_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--queue",
        metavar="NAME",
        default="",
        help="default: WANDB_LAUNCH_QUEUE_NAME of .training, else vertex-ai-queue",
    )


def _sets(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--set",
        dest="sets",
        action="extend",
        nargs="+",
        default=[],
        metavar="PATH=VALUE",
        help="change a value for this once, as in tokens.keep=4; may be repeated",
    )


def _events(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--events", action="store_true", help="print what happens, one JSON object a line")


def _json(parser: argparse._ActionsContainer, summary: str = "print JSON for programs") -> None:  # pyright: ignore[reportPrivateUsage]
    # Suppressed default: a command must not undo `arrcoc --json COMMAND`.
    parser.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help=summary)


def _speed(text: str) -> float:
    try:
        found = float(text)
    except ValueError:
        found = 0.0
    if not 0.01 <= found <= 100_000:
        raise argparse.ArgumentTypeError(f"give a number from 0.01 to 100000, not {text!r}")
    return found


def _positive(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise argparse.ArgumentTypeError(f"give a whole number from 1 up, not {text!r}")
    return int(text)
