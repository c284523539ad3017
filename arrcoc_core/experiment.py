"""An experiment as a value: what a researcher writes in `experiments/`, and what `training/` reads.

    from arrcoc_core import Experiment, Tokens

    small = Experiment(name="small", tokens=Tokens(keep=4))
    wider = small.but(name="wider", tokens=small.tokens.but(keep=8))

Every field may be left out: it then comes from `.training`, else from the built-in default (`resolving.py`).
`model`, `tokens`, `data`, `train` and `evaluation` decide the result and are the experiment's identity; the other
sections say where it runs (`compute.py`) and what it leaves behind (`identity.py`).
"""

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

# Also by these names here, where the experiments' other parts are.
from arrcoc_core.compute import TARGETS as TARGETS
from arrcoc_core.compute import Compute as Compute
from arrcoc_core.compute import Local as Local
from arrcoc_core.compute import Vertex as Vertex
from arrcoc_core.compute import WandbLaunch as WandbLaunch
from arrcoc_core.values import INHERIT, Count, Text, Value, Whole, value

BaseName = Literal[
    "tiny",
    "tiny-hard",
    "tiny-hardened",
    "Qwen/Qwen3-VL-2B-Instruct",
    "Qwen/Qwen3-VL-4B-Instruct",
    "Qwen/Qwen3-VL-8B-Instruct",
    "Qwen/Qwen3-VL-30B-A3B-Instruct",
]
Features = Literal["both", "texture", "vision"]
Balance = Literal["learned", "fixed"]
Resize = Literal["square", "dynamic"]
BadPictures = Literal["error", "skip"]
Objective = Literal[
    "distil",
    "distil+rloo",
    "rloo",
    "saliency",
    "saliency+rloo",
    "noise-gate",
    "soft-gate",
    "bernoulli-gate",
    "straight-through",
]

Share = Annotated[float, Field(ge=0, lt=1)]
Prompt = Annotated[str, Field(pattern=r"^[^{}]*\{question\}[^{}]*$", max_length=2000)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._/,+=-]*$", max_length=120)]
Revision = Annotated[str, Field(pattern=r"^([A-Za-z0-9][A-Za-z0-9._/-]*)?$", max_length=120)]
Repo = Annotated[str, Field(pattern=r"^([A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+)?$", max_length=120)]


@value
class Model(Value):
    """The base that stays as it is; only the selector in front of it learns."""

    base: BaseName = INHERIT
    """Base model: "tiny", "tiny-hard" and "tiny-hardened" ship with the repository and run on a CPU; the others are
    Qwen3-VL from the Hub."""

    revision: Revision = INHERIT
    """Revision of the base on the Hub, best a commit; "" = the newest, which is then kept for the whole run."""

    freeze_base: Literal[True] = INHERIT
    """Always True: the base's parameters are never updated."""

    features: Features = INHERIT
    """What the selector sees of a picture: the vision encoder's tokens and the texture array, or one of them alone."""

    balance: Balance = INHERIT
    """Weights of the three ways of knowing: learned for each picture and question, or equal and fixed."""

    if TYPE_CHECKING:

        def but(
            self,
            *,
            base: BaseName = ...,
            revision: str = ...,
            freeze_base: Literal[True] = ...,
            features: Features = ...,
            balance: Balance = ...,
        ) -> "Model": ...


@value
class Tokens(Value):
    """The budget: how much of each picture the language model reads."""

    keep: Count = INHERIT
    """K, visual tokens the language model reads per picture, at most the picture's N; with `mass` it may read fewer."""

    share: Annotated[float, Field(ge=0, le=1)] = INHERIT
    """Share of each picture's own N to keep, in the place of `keep`; 0 = `keep` counts."""

    mass: Share = INHERIT
    """Keep as few as hold this share of the relevance, at most `keep`; 0 = always the whole budget."""

    if TYPE_CHECKING:

        def but(self, *, keep: int = ..., share: float = ..., mass: float = ...) -> "Tokens": ...


@value
class Data(Value):
    """Pictures, questions and answers."""

    dataset: Text = INHERIT
    """"synthetic" (made from the seed, no download; "synthetic-hard" asks about places, too), a data set on the Hub
    ("owner/name", "owner/name@revision"), or the whole path of a folder or of a file of records on this machine
    (docs/data.md)."""

    split_train: Text = INHERIT
    """Name of the split to train on."""

    split_val: Text = INHERIT
    """Name of the split to evaluate on."""

    max_train_samples: Whole = INHERIT
    """Questions per epoch; 0 = all there are."""

    streaming: bool = INHERIT
    """Read a data set of the Hub while training instead of downloading it first; shuffled within windows of rows."""

    bad_pictures: BadPictures = INHERIT
    """What a picture that is missing or damaged does: "error" ends the run; "skip" asks a neighbouring question."""

    image_size: Annotated[int, Field(ge=16, le=4096)] = INHERIT
    """Side of the square every picture is scaled to, in pixels; where `resize` is "dynamic", of the largest area."""

    resize: Resize = INHERIT
    """"square" scales to `image_size` both ways; "dynamic" keeps the aspect ratio, with `image_size` squared pixels at
    most, both sides multiples of a visual token's side, so that N differs from picture to picture."""

    min_pixels: Annotated[int, Field(ge=0, le=4096 * 4096)] = INHERIT
    """Where `resize` is "dynamic": smaller pictures are scaled up to this many pixels; 0 = one visual token's."""

    prompt: Prompt = INHERIT
    """What the language model is asked: any text around "{question}"."""

    max_seq_length: Annotated[int, Field(ge=8)] = INHERIT
    """Longest question with its answer, in text tokens; longer ones are cut."""

    num_workers: Whole = INHERIT
    """Processes that prepare batches; 0 = in the trainer itself. Does not change the result."""

    prefetch_factor: Count = INHERIT
    """Batches each worker prepares ahead. Does not change the result."""

    feature_cache_gb: Annotated[float, Field(ge=0)] = INHERIT
    """Gigabytes of disk for what the frozen vision encoder made of pictures, kept between epochs; 0 = none. Does not
    change the result on a CPU; on a GPU its last bits, for a picture is then encoded alone and not in its batch."""

    if TYPE_CHECKING:

        def but(
            self,
            *,
            dataset: str = ...,
            split_train: str = ...,
            split_val: str = ...,
            max_train_samples: int = ...,
            streaming: bool = ...,
            bad_pictures: BadPictures = ...,
            image_size: int = ...,
            resize: Resize = ...,
            min_pixels: int = ...,
            prompt: str = ...,
            max_seq_length: int = ...,
            num_workers: int = ...,
            prefetch_factor: int = ...,
            feature_cache_gb: float = ...,
        ) -> "Data": ...


@value
class Train(Value):
    """How the selector learns."""

    learning_rate: Annotated[float, Field(gt=0, le=1)] = INHERIT
    """Peak learning rate of AdamW, per optimizer step."""

    weight_decay: Annotated[float, Field(ge=0, le=1)] = INHERIT
    """Weight decay of AdamW."""

    warmup_ratio: Share = INHERIT
    """Share of all optimizer steps over which the learning rate rises from 0 to its peak; 0 to below 1."""

    batch_size: Count = INHERIT
    """Questions per forward pass on each device."""

    gradient_accumulation_steps: Count = INHERIT
    """Forward passes per optimizer step."""

    epochs: Count = INHERIT
    """Passes over the training questions."""

    bf16: bool = INHERIT
    """Compute in bfloat16 where the device can; parameters of the selector stay in float32."""

    gradient_checkpointing: bool = INHERIT
    """Recompute activations in the backward pass: less memory, more time."""

    seed: Whole = INHERIT
    """Seed of the data order, the noise and the selector's first parameters."""

    objective: Objective = INHERIT
    """What the selector is trained on: "distil" imitates the base's own attention, "rloo" rewards right answers from K
    tokens, "a+b" is a first and then b; the others are rivals to compare with."""

    first_share: Annotated[float, Field(gt=0, lt=1)] = INHERIT
    """Share of the optimizer steps that the first of two objectives gets."""

    selections: Annotated[int, Field(ge=2, le=64)] = INHERIT
    """Selections of K tokens that "rloo" draws for each question."""

    budgets: tuple[Count, ...] = INHERIT
    """K of the training steps, taken in turn; empty = always tokens.keep. "distil" and "saliency" need none."""

    if TYPE_CHECKING:

        def but(
            self,
            *,
            learning_rate: float = ...,
            weight_decay: float = ...,
            warmup_ratio: float = ...,
            batch_size: int = ...,
            gradient_accumulation_steps: int = ...,
            epochs: int = ...,
            bf16: bool = ...,
            gradient_checkpointing: bool = ...,
            seed: int = ...,
            objective: Objective = ...,
            first_share: float = ...,
            selections: int = ...,
            budgets: tuple[int, ...] = ...,
        ) -> "Train": ...


@value
class Evaluation(Value):
    """What is measured on held-out questions: always with the hard top K."""

    every_n_steps: Count = INHERIT
    """Optimizer steps between two evaluations; there is always one at step 0 and one at the end."""

    samples: Count = INHERIT
    """Held-out questions per evaluation."""

    pictures: Annotated[int, Field(ge=0, le=64)] = INHERIT
    """Pictures logged with their relevance map at each evaluation; 0 = none."""

    if TYPE_CHECKING:

        def but(self, *, every_n_steps: int = ..., samples: int = ..., pictures: int = ...) -> "Evaluation": ...


@value
class Checkpoints(Value):
    """What a resumed attempt starts from. Does not change the result."""

    save_every_n_steps: Count = INHERIT
    """Optimizer steps between two checkpoints; there is always one at the end."""

    save_total_limit: Count = INHERIT
    """Checkpoints kept on disk; older ones are deleted, the last good one never."""

    if TYPE_CHECKING:

        def but(self, *, save_every_n_steps: int = ..., save_total_limit: int = ...) -> "Checkpoints": ...


@value
class Logging(Value):
    """How often the trainer reports. Does not change the result."""

    every_n_steps: Count = INHERIT
    """Optimizer steps between two points of the training curves."""

    if TYPE_CHECKING:

        def but(self, *, every_n_steps: int = ...) -> "Logging": ...


@value
class Hub(Value):
    """Where the selector goes on the Hugging Face Hub. Does not change the result, and never fails a run."""

    repo: Repo = INHERIT
    """Repository that gets the selector when the run has ended, "owner/name"; "" = no upload."""

    private: bool = INHERIT
    """Only its owner may see the repository; False: everybody may."""

    at_best: bool = INHERIT
    """Upload also whenever the held-out accuracy is the best so far, while the training goes on."""

    if TYPE_CHECKING:

        def but(self, *, repo: str = ..., private: bool = ..., at_best: bool = ...) -> "Hub": ...


@value
class Experiment(Value):
    """Everything that defines one training, from the base model to where it runs."""

    name: Name
    """Unique in the project: letters, digits and . _ / , + = - ; what the lists and the command line call it."""

    model: Model = Model()
    """The frozen base."""

    tokens: Tokens = Tokens()
    """The budget of visual tokens."""

    data: Data = Data()
    """Pictures, questions and answers."""

    train: Train = Train()
    """How the selector learns."""

    evaluation: Evaluation = Evaluation()
    """What is measured on held-out questions."""

    checkpoints: Checkpoints = Checkpoints()
    """What a resumed attempt starts from."""

    logging: Logging = Logging()
    """How often the trainer reports."""

    hub: Hub = Hub()
    """Where the selector goes on the Hugging Face Hub."""

    compute: Annotated[Compute, Field(discriminator="kind")] = INHERIT
    """Where it runs: `Local()`, `Vertex(...)` or `WandbLaunch(...)`; left out: what `.training` says, else here."""

    tags: tuple[Text, ...] = ()
    """Words to find it by."""

    notes: str = ""
    """What a colleague should know about it."""

    if TYPE_CHECKING:

        def but(
            self,
            *,
            name: str = ...,
            model: Model = ...,
            tokens: Tokens = ...,
            data: Data = ...,
            train: Train = ...,
            evaluation: Evaluation = ...,
            checkpoints: Checkpoints = ...,
            logging: Logging = ...,
            hub: Hub = ...,
            compute: Compute = ...,
            tags: tuple[str, ...] = ...,
            notes: str = ...,
        ) -> "Experiment": ...


SECTIONS: dict[str, type[Value]] = {
    "model": Model,
    "tokens": Tokens,
    "data": Data,
    "train": Train,
    "evaluation": Evaluation,
    "checkpoints": Checkpoints,
    "logging": Logging,
    "hub": Hub,
}
"""The sections that are always there; `compute` is one of `TARGETS`."""
