"""Why a selector reads what it reads: `python -m training.explain RUN IMAGE "question" --out why.png`.

RUN is a run's directory, a folder with a selector, or a repository of the Hub. Several images may be given: the
question is then about all of them. The figure shows each picture, the map of each way of knowing with its weight, and
the scores with the tokens that were kept; the answer and the weights are printed.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from arrcoc_core.errors import ArrcocError, ConfigError, render
from training.decoding import read_picture
from training.devices import device_called
from training.pictures import figure, weights_in_words


def main(arguments: list[str] | None = None) -> int:
    """The command; its exit code: 0, or 2 when something given to it cannot be used."""
    parser = argparse.ArgumentParser(prog="python -m training.explain", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("place", metavar="RUN", help="a run's directory, a selector's folder, or owner/name")
    parser.add_argument(
        "images", metavar="IMAGE", nargs="+", help="a picture; several where the question is about them"
    )
    parser.add_argument("question")
    parser.add_argument("--keep", type=int, help="visual tokens to read; left out: as in training")
    parser.add_argument("--max-answer-tokens", type=int, help="tokens after which an answer is cut off")
    parser.add_argument("--device", default="auto", help="cpu, cuda, or auto: a GPU if there is one (%(default)s)")
    parser.add_argument("--out", type=Path, default="explained.png", help="the figure's file (%(default)s)")
    given = parser.parse_args(arguments)
    try:
        _explain(given)
    except ArrcocError as error:
        print(render(error), file=sys.stderr)
        return 2
    return 0


def _explain(given: argparse.Namespace) -> None:
    out: Path = given.out
    _check_out(out)
    longest = given.max_answer_tokens
    if longest is not None and longest < 1:
        raise ConfigError(f"--max-answer-tokens {longest}: an answer has at least 1", remedy="Leave it out.")
    pictures = [_open(image) for image in given.images]
    device = device_called(given.device)
    from training.model.arrcoc_qwen import MAX_ANSWER_TOKENS, ArrCocQwen

    result = Path(given.place) / "result"
    model = ArrCocQwen.from_pretrained(result if result.is_dir() else given.place, device=device)
    explanation = model.explain(pictures, given.question, given.keep, longest or MAX_ANSWER_TOKENS)
    try:
        figure(pictures, explanation).save(out)
    except OSError as error:
        raise ConfigError(f"the figure cannot be written: {error}", remedy="Give another file as --out.") from error
    kept = sum(int(shown.kept.sum()) for shown in explanation.pictures)
    total = sum(shown.kept.size for shown in explanation.pictures)
    print(
        f"{explanation.answer}  (read {kept} of {total} tokens; {weights_in_words(list(explanation.weights.values()))})"
    )
    print(f"figure: {out}")


def _check_out(out: Path) -> None:
    """Before all the work is done for it."""
    if not out.parent.is_dir():
        raise ConfigError(f"there is no folder {out.parent} for the figure", remedy="Make it, or give another --out.")
    if Image.registered_extensions().get(out.suffix.lower()) not in Image.SAVE:
        raise ConfigError(f"{out.name} does not say of which kind the figure is to be", remedy="Call it ….png.")


def _open(image: str) -> NDArray[np.uint8]:
    """As in training: RGB, the right way up."""
    picture, _ = read_picture(Path(image).absolute(), image)
    return np.asarray(picture)


if __name__ == "__main__":
    sys.exit(main())
