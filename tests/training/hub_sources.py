"""A base and a data set on the sandbox's Hub, each of which can move on."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from hub_place import HubPlace
from safetensors.torch import load_file, save_file

from training.model.registry import HUB_NAMES, TINY_FOLDER
from training.tiny import synthetic

BASE = HUB_NAMES[0]
DATA = "sandbox/questions"
_FEATURES = {
    "image": {"_type": "Image"},
    "question": {"dtype": "string", "_type": "Value"},
    "answer": {"dtype": "string", "_type": "Value"},
}


def put_base(place: HubPlace, folder: Path) -> str:
    """The tiny base under the name of a real one; its first commit."""
    tree = folder / "base"
    shutil.copytree(TINY_FOLDER, tree, ignore=shutil.ignore_patterns("*.jsonl", "*.md"))
    place.api.create_repo("sandbox/base")
    place.api.upload_folder(repo_id="sandbox/base", folder_path=tree)
    hub = place.sandbox.box.service("huggingface")
    with place.sandbox.box.state.transaction():  # nobody of this sandbox belongs to the owner of the real ones
        hub.repositories.move(hub.repositories.find("model", "sandbox/base"), *BASE.split("/"))
    return str(place.api.model_info(BASE).sha)


def move_base_on(place: HubPlace, folder: Path) -> None:
    """Other weights, by a commit of its owner's."""
    weights = folder / "base" / "model.safetensors"
    save_file({name: value * 1.01 for name, value in load_file(weights).items()}, weights, {"format": "pt"})
    commit_as_owner(place, folder / "base")


def commit_as_owner(place: HubPlace, tree: Path) -> None:
    hub = place.sandbox.box.service("huggingface")
    with place.sandbox.box.state.transaction():
        hub.repositories.move(hub.repositories.find("model", BASE), "sandbox", "base")
    place.api.upload_folder(repo_id="sandbox/base", folder_path=tree)
    with place.sandbox.box.state.transaction():
        hub.repositories.move(hub.repositories.find("model", "sandbox/base"), *BASE.split("/"))


def put_data(place: HubPlace, answer: str = "") -> str:
    """Parquet files with 24 questions to train on and 8 to validate on; its commit. `answer`: to all of them."""
    place.api.create_repo(DATA, repo_type="dataset", exist_ok=True)
    for split, count in (("train", 24), ("validation", 8)):
        place.api.upload_file(
            path_or_fileobj=_parquet(split, count, answer),
            path_in_repo=f"data/{split}-00000-of-00001.parquet",
            repo_id=DATA,
            repo_type="dataset",
        )
    return str(place.api.dataset_info(DATA).sha)


def _parquet(split: str, count: int, answer: str) -> bytes:
    from PIL import Image

    rows: dict[str, list[object]] = {name: [] for name in _FEATURES}
    for index in range(count):
        shown = synthetic.picture(split, 7, index)  # type: ignore[arg-type]
        asked = synthetic.questions(shown.things)[0]
        png = io.BytesIO()
        Image.fromarray(shown.pixels).save(png, "PNG")
        rows["image"].append({"bytes": png.getvalue(), "path": None})
        rows["question"].append(asked.text)
        rows["answer"].append(answer or asked.answer)
    schema = pa.schema(
        [
            ("image", pa.struct([("bytes", pa.binary()), ("path", pa.string())])),
            ("question", pa.string()),
            ("answer", pa.string()),
        ],
        metadata={"huggingface": json.dumps({"info": {"features": _FEATURES}})},
    )
    sink = io.BytesIO()
    pq.write_table(pa.table(rows, schema=schema), sink)
    return sink.getvalue()
