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
from PIL import Image, UnidentifiedImageError

from arrcoc_core.errors import ArrcocError, ConfigError, render
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
    parser.add_argument("--out", default="explained.png", help="the figure's file (%(default)s)")
    given = parser.parse_args(arguments)
    try:
        _explain(given.place, given.images, given.question, given.keep, Path(given.out))
    except ArrcocError as error:
        print(render(error), file=sys.stderr)
        return 2
    return 0


def _explain(place: str, images: list[str], question: str, keep: int | None, out: Path) -> None:
    from training.model.arrcoc_qwen import ArrCocQwen

    pictures = [_open(image) for image in images]
    result = Path(place) / "result"
    model = ArrCocQwen.from_pretrained(result if result.is_dir() else place)
    explanation = model.explain(pictures, question, keep)
    figure(pictures, explanation).save(out)
    kept = sum(int(shown.kept.sum()) for shown in explanation.pictures)
    total = sum(shown.kept.size for shown in explanation.pictures)
    print(
        f"{explanation.answer}  (read {kept} of {total} tokens; {weights_in_words(list(explanation.weights.values()))})"
    )
    print(f"figure: {out}")


def _open(image: str) -> np.ndarray:
    try:
        return np.asarray(Image.open(image).convert("RGB"), dtype=np.uint8)
    except (OSError, UnidentifiedImageError) as error:
        raise ConfigError(
            f"{image} cannot be read as a picture: {error}", remedy="Give a PNG or JPEG file that is whole."
        ) from error


if __name__ == "__main__":
    sys.exit(main())
