"""What the project needs in the cloud: one small class per resource, and three loops over their list.

    world = World.of(settings)
    run_setup(world, on_event=print)        check, then make what is missing; a second run changes nothing
    check_infra(world, on_event=print)      look, change nothing
    run_teardown(world, on_event=print)     remove exactly what carries our label

"Ours" is what carries the label `arrcoc_owner=<PROJECT_NAME>` (service accounts: their description). What has our
name without our label is `foreign` and is never touched. Every step can be interrupted and run again: each resource is
looked at before anything is done to it, and done with calls that may be repeated.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from arrcoc_core.infra.events import Event as Event
    from arrcoc_core.infra.running import Outcome as Outcome
    from arrcoc_core.infra.running import check_infra as check_infra
    from arrcoc_core.infra.running import run_setup as run_setup
    from arrcoc_core.infra.teardown import run_teardown as run_teardown
    from arrcoc_core.infra.world import World as World

_HOME_OF = {
    "Event": "events",
    "Outcome": "running",
    "World": "world",
    "check_infra": "running",
    "run_setup": "running",
    "run_teardown": "teardown",
}

__all__ = ["Event", "Outcome", "World", "check_infra", "run_setup", "run_teardown"]


def __getattr__(name: str) -> object:
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module 'arrcoc_core.infra' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"arrcoc_core.infra.{home}"), name)
