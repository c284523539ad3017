"""ARR-COC: declare a vision-language experiment as a Python value, launch it, watch it learn.

    from arrcoc_core import Experiment, Local, launch

    run = launch(Experiment(name="first", compute=Local()))
    print(run.wait().summary["eval/accuracy"])

Everything a script needs is a name of this package. Names are loaded when they are first used (PEP 562), so that an
experiment file costs the experiment types and nothing else.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from arrcoc_core.api import Attempt as Attempt
    from arrcoc_core.api import Progress as Progress
    from arrcoc_core.api import Run as Run
    from arrcoc_core.api import SweepRun as SweepRun
    from arrcoc_core.api import adopt as adopt
    from arrcoc_core.api import get_run as get_run
    from arrcoc_core.api import get_sweep as get_sweep
    from arrcoc_core.api import launch as launch
    from arrcoc_core.api import launch_sweep as launch_sweep
    from arrcoc_core.api import plan as plan
    from arrcoc_core.api import reconcile as reconcile
    from arrcoc_core.api import runs as runs
    from arrcoc_core.api import sweeps as sweeps
    from arrcoc_core.comparing import Compared as Compared
    from arrcoc_core.comparing import compare as compare
    from arrcoc_core.compute import Local as Local
    from arrcoc_core.compute import Vertex as Vertex
    from arrcoc_core.compute import WandbLaunch as WandbLaunch
    from arrcoc_core.discovery import Discovery as Discovery
    from arrcoc_core.discovery import discover as discover
    from arrcoc_core.errors import ArrcocError as ArrcocError
    from arrcoc_core.errors import CheckpointError as CheckpointError
    from arrcoc_core.errors import ConfigError as ConfigError
    from arrcoc_core.errors import DeviceError as DeviceError
    from arrcoc_core.errors import DuplicateExperimentError as DuplicateExperimentError
    from arrcoc_core.errors import ExperimentError as ExperimentError
    from arrcoc_core.errors import MetricsError as MetricsError
    from arrcoc_core.errors import NoProjectError as NoProjectError
    from arrcoc_core.errors import PlanError as PlanError
    from arrcoc_core.errors import RunError as RunError
    from arrcoc_core.errors import SettingsError as SettingsError
    from arrcoc_core.errors import StoreError as StoreError
    from arrcoc_core.errors import TargetUnavailableError as TargetUnavailableError
    from arrcoc_core.errors import UnknownExperimentError as UnknownExperimentError
    from arrcoc_core.errors import UnknownRunError as UnknownRunError
    from arrcoc_core.errors import WorldMovedError as WorldMovedError
    from arrcoc_core.experiment import Checkpoints as Checkpoints
    from arrcoc_core.experiment import Data as Data
    from arrcoc_core.experiment import Evaluation as Evaluation
    from arrcoc_core.experiment import Experiment as Experiment
    from arrcoc_core.experiment import Hub as Hub
    from arrcoc_core.experiment import Logging as Logging
    from arrcoc_core.experiment import Model as Model
    from arrcoc_core.experiment import Tokens as Tokens
    from arrcoc_core.experiment import Train as Train
    from arrcoc_core.metrics import Series as Series
    from arrcoc_core.online.listing import OnlineProject as OnlineProject
    from arrcoc_core.online.listing import ProjectRuns as ProjectRuns
    from arrcoc_core.online.listing import get_online_run as get_online_run
    from arrcoc_core.online.listing import online_projects as online_projects
    from arrcoc_core.online.listing import online_runs as online_runs
    from arrcoc_core.online.run import OnlineRun as OnlineRun
    from arrcoc_core.planning import Plan as Plan
    from arrcoc_core.resolving import ResolvedExperiment as ResolvedExperiment
    from arrcoc_core.resolving import resolve as resolve
    from arrcoc_core.settings import Settings as Settings
    from arrcoc_core.settings import load_settings as load_settings
    from arrcoc_core.variations import Sweep as Sweep
    from arrcoc_core.variations import sweep as sweep

_HOMES = {
    "api": ("Attempt Progress Run SweepRun adopt get_run get_sweep launch launch_sweep plan reconcile runs sweeps"),
    "compute": "Local Vertex WandbLaunch",
    "comparing": "Compared compare",
    "discovery": "Discovery discover",
    "errors": (
        "ArrcocError CheckpointError ConfigError DeviceError DuplicateExperimentError ExperimentError MetricsError "
        "NoProjectError PlanError RunError SettingsError StoreError TargetUnavailableError UnknownExperimentError "
        "UnknownRunError WorldMovedError"
    ),
    "experiment": "Checkpoints Data Evaluation Experiment Hub Logging Model Tokens Train",
    "metrics": "Series",
    "online.listing": "OnlineProject ProjectRuns get_online_run online_projects online_runs",
    "online.run": "OnlineRun",
    "planning": "Plan",
    "resolving": "ResolvedExperiment resolve",
    "settings": "Settings load_settings",
    "variations": "Sweep sweep",
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names.split()}

__version__ = "0.1.0"
__all__ = list(_HOME_OF)  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> object:
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module 'arrcoc_core' has no attribute {name!r}")
    from importlib import import_module

    found = getattr(import_module(f"arrcoc_core.{home}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME_OF})
