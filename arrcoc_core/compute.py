"""Where an experiment runs, as a value: this machine, Vertex AI, or a W&B Launch queue before it.

    far = Experiment(name="far", compute=Vertex(gpu="L4", regions=("europe-west4",)))

A target is told from the others by its `kind`. What of it is left out comes from `.training`, else from the built-in
default, as with every other field of an experiment (`experiment.py`). None of it changes the result.
"""

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from arrcoc_core.values import INHERIT, Count, Text, Value, Whole, value

GpuName = Literal["T4", "L4", "V100", "A100", "A100-80GB", "H100", "H100-MEGA", "H200", "B200"]
Fallback = Literal["flex", "on-demand"]
Device = Literal["auto", "cpu", "cuda"]
ShardBase = Literal["auto", "always", "never"]


@value
class Local(Value):
    """This machine: a supervised process that outlives the app and resumes by itself."""

    kind: Literal["local"] = "local"
    """Tells the targets apart; leave it as it is."""

    device: Device = INHERIT
    """"auto" takes a GPU when there is one; "cuda" without a GPU is an error before the first step."""

    gpus: Count = INHERIT
    """GPUs to use where the device is "cuda"."""

    shard_base: ShardBase = INHERIT
    """Whether the GPUs of a machine hold the base's layers together: "auto" where one cannot hold them alone."""

    max_parallel: Count = INHERIT
    """Runs of one sweep that train at the same time."""

    max_preemptions: Whole = INHERIT
    """Times a run may be killed from outside and resumed before it counts as failed."""

    max_failures: Whole = INHERIT
    """Times a run may fail by itself and be tried again."""

    if TYPE_CHECKING:

        def but(
            self,
            *,
            device: Device = ...,
            gpus: int = ...,
            shard_base: ShardBase = ...,
            max_parallel: int = ...,
            max_preemptions: int = ...,
            max_failures: int = ...,
        ) -> "Local": ...


@value
class Vertex(Value):
    """Google Vertex AI."""

    kind: Literal["vertex"] = "vertex"
    """Tells the targets apart; leave it as it is."""

    gpu: GpuName = INHERIT
    """GPU type."""

    count: Annotated[int, Field(ge=1, le=16)] = INHERIT
    """GPUs in each machine; which counts there are is in `arrcoc costs`."""

    machines: Annotated[int, Field(ge=1, le=64)] = INHERIT
    """Machines that train together, each with `count` GPUs."""

    shard_base: ShardBase = INHERIT
    """Whether the GPUs of a machine hold the base's layers together: "auto" where one cannot hold them alone."""

    spot: bool = INHERIT
    """Use spot capacity: cheaper, and the run is resumed after each preemption. False: on demand."""

    regions: tuple[Text, ...] = INHERIT
    """Regions to try, in this order; empty = the one of `.training`."""

    fallback: tuple[Fallback, ...] = INHERIT
    """What to try, in this order and in each region, when the regions have no capacity; each at its own price."""

    max_wait_minutes: Count = INHERIT
    """Minutes a job may wait for a machine before the next place is tried."""

    max_hours: Annotated[float, Field(gt=0)] = INHERIT
    """Hours one attempt may take."""

    max_cost_usd: Annotated[float, Field(ge=0)] = INHERIT
    """Dollars the run may cost: a launch that could cost more is refused, a run that does is cancelled; 0 = no cap."""

    max_stockouts: Whole = INHERIT
    """Times no capacity may be found before the run counts as failed."""

    max_preemptions: Whole = INHERIT
    """Times the run may be preempted and resumed before it counts as failed."""

    max_failures: Whole = INHERIT
    """Times the run may fail by itself and be tried again."""

    if TYPE_CHECKING:

        def but(
            self,
            *,
            gpu: GpuName = ...,
            count: int = ...,
            machines: int = ...,
            shard_base: ShardBase = ...,
            spot: bool = ...,
            regions: tuple[str, ...] = ...,
            fallback: tuple[Fallback, ...] = ...,
            max_wait_minutes: int = ...,
            max_hours: float = ...,
            max_cost_usd: float = ...,
            max_stockouts: int = ...,
            max_preemptions: int = ...,
            max_failures: int = ...,
        ) -> "Vertex": ...


@value
class WandbLaunch(Value):
    """A W&B Launch queue whose agent submits to Vertex AI."""

    kind: Literal["wandb-launch"] = "wandb-launch"
    """Tells the targets apart; leave it as it is."""

    queue: Text = INHERIT
    """Name of the queue."""

    vertex: Vertex = Vertex()
    """The machine the queue's jobs run on."""

    if TYPE_CHECKING:

        def but(self, *, queue: str = ..., vertex: Vertex = ...) -> "WandbLaunch": ...


Compute = Local | Vertex | WandbLaunch

TARGETS: dict[str, type[Value]] = {"local": Local, "vertex": Vertex, "wandb-launch": WandbLaunch}
"""The members of the `compute` union by their `kind`."""
