"""What a run leaves when it has ended: the selector that was learned, and the exit code for whoever comes to ask."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from arrcoc_core.experiment import Experiment
from training.progress import utc_now

if TYPE_CHECKING:
    from training.model.arrcoc_qwen import ArrCocQwen

FOUND_IN = "ARRCOC_RESULT_FOUND_IN"
"""Variable with the folder in which the result is found later, where that is not the one it is written to."""


def result_place(directory: Path) -> str:
    """Where to look for the result of the run in `directory`."""
    return os.environ.get(FOUND_IN) or str(directory / "result")


def leave_result(model: ArrCocQwen, directory: Path, experiment: Experiment, summary: Mapping[str, float]) -> None:
    """Write the selector, what to know about it and how to load it; the marker DONE last."""
    model.save_pretrained(directory)
    lines = "\n".join(
        f"| {name} | {summary[name]:.4g} |" for name in sorted(summary) if name.startswith(("eval/", "tokens/"))
    )
    readme = f"""# Selector of {experiment.name}

Keeps {experiment.tokens.keep} visual tokens per picture for {experiment.model.base}, which itself is unchanged.

```python
from training.model.arrcoc_qwen import ArrCocQwen
model = ArrCocQwen.from_pretrained({result_place(directory.parent)!r})
print(model.answer(picture, question, keep={experiment.tokens.keep}).text)  # picture: RGB array or PIL image
```

| metric | value |
|---|---|
{lines}
"""
    (directory / "README.md").write_text(readme, encoding="utf-8")
    (directory / "DONE").write_text(f"{utc_now()}\n", encoding="utf-8")


def leave_exit_code(directory: Path, code: int) -> None:
    """The last act: tell whoever started this, also when they are gone and another has taken their place."""
    attempt = os.environ.get("ARRCOC_ATTEMPT")
    if attempt and directory.is_dir():
        marker = directory / "logs" / f"attempt-{attempt}.exit"
        marker.parent.mkdir(exist_ok=True)
        temporary = marker.with_suffix(".partial")
        temporary.write_text(str(code), encoding="utf-8")
        temporary.replace(marker)
