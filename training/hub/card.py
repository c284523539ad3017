"""README.md of a repository: the model card, made of the record and of nothing else.

Its head is the Hub's own format, written by the Hub's own `ModelCard`; the numbers in it and in the table are those of
the record, digit by digit. No time stands in it: the same run gives the same bytes, and a second upload does nothing.
"""

from __future__ import annotations

import re
from typing import Any

from huggingface_hub import EvalResult, ModelCard, ModelCardData

from arrcoc_core.references import ACCURACY, VQA_ACCURACY, judged_by, references_of
from arrcoc_core.resolved import TINY
from training.hub.record import Record

CURVES = "curves.png"
LICENCE = "mit"
_TASK = "visual-question-answering"
_LONGEST_CAPTION = 240
_MEASURES = {VQA_ACCURACY: "official VQA accuracy", ACCURACY: "right answers"}


def make_card(record: Record, repo: str, *, best: bool = False, wandb: str = "", has_curves: bool = True) -> str:
    """Markdown. `best`: not the end of the run but its best evaluation so far; `wandb`: the run's page there."""
    card: Any = ModelCard(f"---\n{_head(record, repo).to_yaml()}\n---\n{_body(record, repo, best, wandb, has_curves)}")
    return str(card)


def _head(record: Record, repo: str) -> ModelCardData:
    data = record.experiment["data"]
    name, _, revision = record.dataset.partition("@")
    results: list[EvalResult] | None = None
    judged = judged_by(record.summary)
    if judged in record.summary:
        result = EvalResult(
            task_type=_TASK,
            dataset_type=name,
            dataset_name=name,
            dataset_split=data["split_val"],
            dataset_revision=revision or None,
            metric_type="accuracy",
            metric_name=f"{_MEASURES[judged]} from {record.keep} visual tokens",
            metric_value=record.summary[judged],
        )
        results = [result]
    return ModelCardData(
        license=LICENCE,
        library_name="arrcoc",
        pipeline_tag=_TASK,
        base_model=record.base if record.base not in TINY else None,
        base_model_relation="adapter" if record.base not in TINY else None,
        datasets=[name] if revision else None,
        tags=["arrcoc", "visual-token-selection", "qwen3-vl"],
        model_name=repo.rpartition("/")[2],
        eval_results=results,
    )


def _body(record: Record, repo: str, best: bool, wandb: str, has_curves: bool) -> str:
    total = record.summary.get("tokens/total")
    budget = f"{record.keep} of {total:g}" if total else f"{record.keep}"
    parts = [
        f"# {_plain(record.name)}: {budget} visual tokens",
        _opening(record, budget, best),
        f"![Accuracy and training loss over the optimizer steps]({CURVES})" if has_curves else "",
        _accuracies(record),
        _pictures(record),
        _loading(record, repo),
        _facts(record, budget, wandb),
        _licence(record),
        _everything(record),
    ]
    return "\n".join(f"\n{part}\n" for part in parts if part)


def _opening(record: Record, budget: str, best: bool) -> str:
    judged = judged_by(record.summary)
    accuracy, full = record.summary.get(judged), record.summary.get(f"{judged}_full")
    said = (
        f"A selector for {_base(record)}: for each question it chooses which {budget} visual tokens of a picture the "
        "language model reads. The base itself is frozen and unchanged, and is not in this repository."
    )
    if accuracy is not None:
        against = f" (all tokens: {_percent(full)})" if full is not None else ""
        by = ", by the official VQA accuracy" if judged == VQA_ACCURACY else ""
        said += f" With them {_percent(accuracy)} of the held-out questions are answered right{against}{by}."
    if best:
        said += (
            f"\n\nThis is the best evaluation so far of a run that goes on: step {record.step:,} of "
            f"{record.total_steps:,}."
        )
    return said


def _accuracies(record: Record) -> str:
    tables = [table for measure in _MEASURES if (table := _table(record, measure))]
    return "\n\n".join(["## Accuracy", *tables]) if tables else ""


def _table(record: Record, measure: str) -> str:
    """One measure of the answers, by what chose the tokens; "" where it was not taken."""
    rows = [
        f"| {label} | {_percent(record.summary[name])} | {record.summary[name]!r} | {note} |"
        for name, label, note in references_of(measure)
        if name in record.summary
    ]
    head = f"| tokens chosen by | {_MEASURES[measure]} | exactly | what it is |\n|---|---:|---:|---|"
    return "\n".join([head, *rows]) if rows else ""


def _pictures(record: Record) -> str:
    shown = [f"![]({one.file})\n\n{_plain(one.caption)}" for one in record.pictures]
    if not shown:
        return ""
    about = "Left the picture, right what the selector found relevant to the question; kept tokens are outlined."
    return "\n\n".join(["## What it looks at", about, *shown])


def _loading(record: Record, repo: str) -> str:
    return f"""## Loading it

In a copy of the project that trained it (its `training` package has the code):

```python
from training.model.arrcoc_qwen import ArrCocQwen

model = ArrCocQwen.from_pretrained({repo!r}, revision={record.run!r})
answer = model.answer(picture, question)  # picture: RGB array or PIL image
print(answer.text, answer.kept)
```

`revision` names this run; without it the latest upload is loaded. Weights are safetensors, the base is fetched at the
commit below, and no code is run from either."""


def _facts(record: Record, budget: str, wandb: str) -> str:
    data, train = record.experiment["data"], record.experiment["train"]
    cost = record.summary.get("cost/usd")
    name, _, revision = record.dataset.partition("@")
    most = "at most " if data.get("resize") == "dynamic" else ""  # of the area
    rows = [
        ("base model", _base(record)),
        ("base revision", f"`{record.base_revision}`" if record.base_revision else ""),
        ("data", f"{_plain(name)}, splits {_plain(data['split_train'])} and {_plain(data['split_val'])}"),
        ("data revision", f"`{revision}`" if revision else ""),
        ("token budget", f"{budget} visual tokens a picture of {most}{data['image_size']} x {data['image_size']} px"),
        ("steps", f"{record.step:,} of {record.total_steps:,}, seed {train['seed']}"),
        ("run", f"`{record.run}`"),
        ("configuration", f"`{record.fingerprint}`"),
        ("code tree", f"`{record.code}`" if record.code else ""),
        ("W&B", f"[{wandb}]({wandb})" if wandb else ""),
        ("cost of the training", f"${cost:.2f}" if cost is not None else ""),
    ]
    return "## Training\n\n| | |\n|---|---|\n" + "\n".join(f"| {label} | {text} |" for label, text in rows if text)


def _licence(record: Record) -> str:
    base = "" if record.base in TINY else f" {_base(record)}, which is not in here, has a licence of its own."
    return f"## Licence\n\nThe selector: MIT.{base}"


def _everything(record: Record) -> str:
    rows = "\n".join(f"| {name} | {record.summary[name]!r} |" for name in sorted(record.summary))
    table = f"| metric | last value |\n|---|---:|\n{rows}"
    return f"<details><summary>Every number of the run</summary>\n\n{table}\n\n</details>"


def _base(record: Record) -> str:
    if record.base in TINY:
        return "the tiny Qwen3-VL that ships with arrcoc"
    return f"[{record.base}](https://huggingface.co/{record.base})"


def _percent(share: float | None) -> str:
    return "—" if share is None else f"{share * 100:.1f} %"


def _plain(text: str) -> str:
    """Text from a data set or a person as Markdown that shows it and does nothing else."""
    line = " ".join(str(text).split())
    line = line if len(line) <= _LONGEST_CAPTION else f"{line[:_LONGEST_CAPTION]}…"
    return re.sub(r"([\\`*_\[\]<>|#!&~$])", r"\\\1", line)
