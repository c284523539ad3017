"""Upload the result of a run: `python -m training.hub.upload RUN [--repo OWNER/NAME] [--public | --private]`.

A process of its own, which imports no torch: whatever happens in it, the trainer and the doors go on. It may be killed
at any moment and started again. What becomes of it is in RUN/upload.json (state.py) and in its exit code: 0 done, 1
failed, 3 skipped, 75 stopped by SIGTERM or SIGINT. The token is the one that the Hub's own tools use (HF_TOKEN, or the
file of `hf auth login`), the address HF_ENDPOINT, else the Hub itself.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from arrcoc_core.errors import ArrcocError
from training.hub.record import Record, load_record
from training.hub.state import UploadState
from training.progress import utc_now
from training.ranks import end_with_parent
from training.results import DONE
from training.signals import STOPPED_EXIT_CODE

SKIPPED_EXIT_CODE = 3
PLACEHOLDER = "YOUR_USERNAME"
"""Stands in examples where the owner's name belongs."""
BEAT_S = 5.0
_REPO = re.compile(r"[\w.-]+/[\w.-]+")
_LOCK = ".upload.lock"
_HUB = "https://huggingface.co"
_TIMEOUT_S = 60.0  # of one request that says nothing


def main() -> int:
    end_with_parent()
    _quiet_client()
    return upload(read_arguments(), _end_on_signals)


def upload(arguments: argparse.Namespace, on_begin: Callable[[UploadState], None] = lambda _: None) -> int:
    """The whole upload; its exit code. `on_begin` is called once there is a state that can be ended."""
    run: Path = arguments.run
    folder: Path = run / arguments.folder
    if not (folder / DONE).is_file():
        print(f"{folder} holds no complete result", file=sys.stderr)
        return 1
    record = load_record(run, folder)
    repo = arguments.repo or str(record.experiment.get("hub", {}).get("repo", ""))
    with _alone(run) as alone:
        if not alone:
            print(f"another process uploads {run.name} just now", file=sys.stderr)
            return 1
        state = UploadState(run, repo, _say_event if arguments.events else lambda _: None)
        on_begin(state)
        threading.Thread(target=_beat, args=(state,), daemon=True).start()
        return _upload(record, folder, repo, arguments, state)


def _upload(record: Record, folder: Path, repo: str, arguments: argparse.Namespace, state: UploadState) -> int:
    say = _nothing if arguments.events else _say
    again = f"arrcoc upload {record.run}"
    token, reason, remedy = _ready(repo)
    if reason:
        say(f"nothing is uploaded to the Hub: {reason}")
        state.ended("skipped", reason, f"{remedy}\nThen: {again}" if remedy else again)
        return SKIPPED_EXIT_CODE
    try:
        pushed = _push(record, folder, repo, token, arguments, state)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is told in the run's folder and in the log
        known = isinstance(error, ArrcocError)
        detail = error.message if known else f"{type(error).__name__}: {error}"
        remedy = error.remedy if known else ""
        say(f"the upload to {repo} failed: {detail}")
        state.ended("failed", detail, f"{remedy}\nThen: {again}" if remedy else again)
        return 1
    say(f"uploaded to {pushed.url}, commit {pushed.revision}{f'; {pushed.note}' if pushed.note else ''}")
    state.done(pushed.url, pushed.revision, pushed.note)
    return 0


def _push(
    record: Record, folder: Path, repo: str, token: str, arguments: argparse.Namespace, state: UploadState
) -> Any:
    from training.hub.client import Repository
    from training.hub.package import make_package

    chosen = arguments.private is not None
    private = arguments.private if chosen else bool(record.experiment.get("hub", {}).get("private", True))
    package = make_package(
        record,
        folder,
        repo,
        best=arguments.best,
        also_best=arguments.also_best,
        wandb=str(_wandb_place(arguments.run).get("url") or ""),
    )
    endpoint = os.environ.get("HF_ENDPOINT", "").rstrip("/") or _HUB
    repository = Repository(repo, endpoint=endpoint, token=token, patience_s=arguments.patience)
    return repository.push(package, private=private, chosen=chosen, on_progress=state.progress)


def _ready(repo: str) -> tuple[str, str, str]:
    """The token; or why nothing can be uploaded, and what to do about it."""
    if not repo:
        return "", "no repository is named", "HF_HUB_REPO_ID in .training, or Hub(repo=...), is where it would go."
    if PLACEHOLDER in re.sub("-", "_", repo).upper():
        return "", f"{repo} still has {PLACEHOLDER} in it", "Write your own name there: HF_HUB_REPO_ID in .training."
    if not _REPO.fullmatch(repo):
        return "", f"{repo!r} is no repository's name", "Write it as owner/name."
    from huggingface_hub import constants, get_token

    if constants.HF_HUB_OFFLINE:
        return "", "HF_HUB_OFFLINE is set: the Hub is not to be asked for anything", "Unset HF_HUB_OFFLINE."
    token = get_token()
    if not token:
        job = "\nFor jobs in the cloud: arrcoc setup --copy-keys"
        return "", "there is no token of the Hugging Face Hub here", f"hf auth login{job}"
    return token, "", ""


def _wandb_place(run: Path) -> dict[str, Any]:
    """Where the run is at W&B; {} where it never was to log there."""
    try:
        return json.loads((run / "wandb.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}


def _quiet_client() -> None:
    """No bars and no hints in the log, and no request that waits for ever."""
    import httpx2
    from huggingface_hub.utils import disable_progress_bars, logging, set_client_factory

    disable_progress_bars()
    logging.set_verbosity_error()
    set_client_factory(lambda: httpx2.Client(follow_redirects=True, timeout=_TIMEOUT_S))


@contextmanager
def _alone(run: Path) -> Iterator[bool]:
    """Whether no other process uploads this run; and none will until this is over."""
    with (run / _LOCK).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True


def _beat(state: UploadState) -> None:
    """Keep telling that it goes on: who is killed tells nothing more."""
    while state.beat():
        time.sleep(BEAT_S)


def _end_on_signals(state: UploadState) -> None:
    """Told to end: say so and end at once. The commit is one request, so there is nothing to tidy up."""

    def end(number: int, _frame: FrameType | None) -> None:
        state.ended("failed", f"it was stopped by {signal.Signals(number).name}", f"arrcoc upload {state.run}")
        os._exit(STOPPED_EXIT_CODE)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)


def read_arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Upload the result of a run to the Hugging Face Hub.")
    parser.add_argument("run", type=lambda text: Path(text).resolve(), help="the run's folder")
    parser.add_argument("--folder", default="result", help="which of its results, relative to it")
    parser.add_argument("--best", action="store_true", help="it is the best so far of a run that goes on")
    parser.add_argument("--also-best", action="store_true", help="it is the run's end and its best evaluation, too")
    parser.add_argument("--repo", default="", help="owner/name; default: the experiment's")
    shown = parser.add_mutually_exclusive_group()
    shown.add_argument("--private", dest="private", action="store_true", default=None)
    shown.add_argument("--public", dest="private", action="store_false")
    parser.add_argument("--patience", type=float, default=300.0, help="seconds in which trouble that passes is met")
    parser.add_argument("--events", action="store_true", help="print every state as JSON, one a line")
    return parser.parse_args(given)


def _say(line: str) -> None:
    print(f"{utc_now()} {line}", flush=True)


def _nothing(_line: str) -> None:
    """What would be said is in the events."""


def _say_event(held: dict[str, Any]) -> None:
    print(json.dumps(held), flush=True)


if __name__ == "__main__":
    sys.exit(main())
