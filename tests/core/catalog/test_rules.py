"""What an experiment may ask of Vertex AI is checked where it was written, before anything else is looked at."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from arrcoc_core.catalog import MACHINES
from arrcoc_core.catalog.rules import FLEX_MAX_HOURS, fallback_note
from arrcoc_core.errors import ExperimentError
from arrcoc_core.experiment import Experiment, Train, Vertex, WandbLaunch
from arrcoc_core.paths import with_assignments
from arrcoc_core.resolving import resolve
from arrcoc_core.settings import Settings, load_settings

HERE = Path(__file__)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(tmp_path, {})


@pytest.mark.parametrize(
    ("vertex", "field", "message", "remedy"),
    [
        (Vertex(gpu="A100", count=3), "count", "no machine with 3 A100", "count=4"),
        (Vertex(gpu="H200", count=1), "count", "only one with 8", "count=8"),
        (Vertex(gpu="H100", count=2, spot=False), "spot", "spot and flex-start only", "count=8 for on demand"),
        (Vertex(gpu="T4", fallback=("flex",)), "fallback", '"flex" but as spot and on demand', "fallback=()"),
        (
            Vertex(gpu="V100", fallback=("on-demand", "flex")),
            "fallback",
            'not offered as "flex"',
            "fallback=('on-demand',)",
        ),
        (Vertex(gpu="H100", fallback=("on-demand",)), "fallback", 'not offered as "on-demand"', "fallback=()"),
        (Vertex(gpu="L4", max_hours=200.0, fallback=("flex",)), "fallback", "at most 168 hours", "max_hours=168"),
        (Vertex(gpu="L4", regions=("us-centrl1",)), "regions", "no region 'us-centrl1'", "us-central1"),
        (Vertex(gpu="L4", regions=("us-east1", "nowhere")), "regions", "no region 'nowhere'", "L4 is in us-central1"),
        (Vertex(gpu="L4", regions=("us-east1", "us-east1")), "regions", "names us-east1 twice", "once"),
        (Vertex(gpu="H100", count=8, machines=5), "machines", "cannot be shared equally by 40 GPUs", "multiple of"),
        (Vertex(gpu="A100", count=16, machines=2), "machines", "48 questions of an optimizer step", "multiple of"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_at_its_line(
    settings: Settings, vertex: Vertex, field: str, message: str, remedy: str
) -> None:
    for compute, prefix in ((vertex, "compute."), (WandbLaunch(queue="q", vertex=vertex), "compute.vertex.")):
        with pytest.raises(ExperimentError) as raised:
            resolve(Experiment(name="x", compute=compute), settings)
        error = raised.value
        assert error.field == prefix + field and f"{prefix}{field}" in error.message
        assert message in error.message and remedy in error.remedy
        assert error.exit_code == 2 and error.file == str(HERE)
        line = HERE.read_text(encoding="utf-8").splitlines()[(error.line or 0) - 1]
        assert "Vertex(" in line or "resolve(" in line


def test_a_value_from_the_command_line_or_the_settings_is_named_as_such(tmp_path: Path, settings: Settings) -> None:
    experiment = Experiment(name="x", compute=Vertex(gpu="A100"))
    with pytest.raises(ExperimentError, match="no machine with 5 A100"):
        resolve(with_assignments(experiment, ["compute.count=5"]), settings)
    (tmp_path / ".training").write_text("TRAINING_GPU=A100\nTRAINING_GPU_NUMBER=5\n")
    with pytest.raises(ExperimentError, match=r"comes from .training:2 TRAINING_GPU_NUMBER"):
        resolve(Experiment(name="x"), load_settings(tmp_path, {}))


def test_the_default_ladder_fits_the_machine_and_says_what_it_left_out(settings: Settings) -> None:
    def fallback(vertex: Vertex) -> tuple[str, ...]:
        resolved = resolve(Experiment(name="x", compute=vertex), settings)
        assert isinstance(resolved.experiment.compute, Vertex)
        return resolved.experiment.compute.fallback

    assert fallback(Vertex(gpu="L4")) == ("flex",) and fallback(Vertex(gpu="T4")) == ()
    assert fallback(Vertex(gpu="L4", max_hours=FLEX_MAX_HOURS + 1)) == ()
    assert fallback(Vertex(gpu="T4", fallback=("on-demand",))) == ("on-demand",)
    assert fallback_note(Vertex(gpu="L4", count=1, max_hours=1.0)) == ""
    assert "not offered for V100" in fallback_note(Vertex(gpu="V100", count=1, max_hours=1.0))
    assert "168 hours" in fallback_note(Vertex(gpu="L4", count=1, max_hours=500.0))


def test_every_machine_of_the_catalogue_can_be_asked_for(settings: Settings) -> None:
    for machine in MACHINES:
        vertex = Vertex(gpu=machine.gpu, count=machine.count, spot=True)
        resolved = resolve(Experiment(name="x", compute=vertex), settings).experiment.compute
        assert isinstance(resolved, Vertex) and set(resolved.fallback) <= set(machine.provisioning)
    two = Vertex(gpu="H100", count=8, machines=2, regions=("us-central1", "europe-west4"), max_cost_usd=500.0)
    assert resolve(Experiment(name="x", train=Train(batch_size=32), compute=two), settings)


def test_a_local_experiment_does_not_load_the_catalogue(project: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from arrcoc_core import Experiment, Local, resolve, load_settings;"
        "resolve(Experiment(name='x', compute=Local()), load_settings(Path('.')));"
        "print([name for name in sys.modules if 'catalog' in name])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=project)
    assert done.stdout.strip() == "[]"
