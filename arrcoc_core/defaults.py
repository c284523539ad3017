"""The built-in default of every field, as an experiment: small enough to train on two CPU cores in about a minute.

`.training` overrides them, an experiment overrides both. They are also what a field means that a stored experiment
of an older version does not have, unless `ABSENT` says otherwise.
"""

from collections.abc import Mapping

from arrcoc_core.experiment import (
    Checkpoints,
    Data,
    Evaluation,
    Experiment,
    Hub,
    Local,
    Logging,
    Model,
    Tokens,
    Train,
)

DEFAULTS = Experiment(
    name="default",
    model=Model(base="tiny", revision="", freeze_base=True, features="both", balance="learned"),
    tokens=Tokens(keep=8, share=0.0, mass=0.0),
    data=Data(
        dataset="synthetic",
        split_train="train",
        split_val="validation",
        max_train_samples=9600,
        streaming=False,
        bad_pictures="error",
        image_size=64,
        resize="square",
        min_pixels=0,
        prompt="{question}",
        max_seq_length=64,
        num_workers=0,
        prefetch_factor=2,
        feature_cache_gb=0.0,
    ),
    train=Train(
        learning_rate=2e-3,
        weight_decay=0.01,
        warmup_ratio=0.05,
        batch_size=48,
        gradient_accumulation_steps=1,
        epochs=1,
        bf16=False,
        gradient_checkpointing=False,
        seed=1,
        objective="distil",
        first_share=0.4,
        selections=4,
        budgets=(),
    ),
    evaluation=Evaluation(every_n_steps=50, samples=256, pictures=4),
    checkpoints=Checkpoints(save_every_n_steps=50, save_total_limit=3),
    logging=Logging(every_n_steps=1),
    hub=Hub(repo="", private=True, at_best=False),
    compute=Local(device="auto", gpus=1, shard_base="auto", max_parallel=1, max_preemptions=20, max_failures=3),
)

VERTEX_DEFAULTS: Mapping[str, object] = {
    "count": 1,
    "machines": 1,
    "shard_base": "auto",
    "spot": True,
    "regions": (),
    "fallback": ("flex",),
    "max_wait_minutes": 30,
    "max_hours": 168.0,
    "max_cost_usd": 0.0,
    "max_stockouts": 20,
    "max_preemptions": 20,
    "max_failures": 3,
}
"""Of the cloud machine. Its GPU has none: naming it is a decision about money."""

ABSENT: Mapping[str, object] = {
    "model.revision": "",
    "model.features": "both",
    "model.balance": "learned",
    "tokens.share": 0.0,
    "tokens.mass": 0.0,
    "data.streaming": False,
    "data.bad_pictures": "error",
    "data.resize": "square",
    "data.min_pixels": 0,
    "data.prompt": "{question}",
    "train.objective": "distil",
    "train.first_share": 0.4,
    "train.selections": 4,
    "train.budgets": (),
}
"""Path of each identity field that came after the first version -> the value that behaves as before it existed.

Such a value is left out of the config fingerprint, so that the fingerprints of older runs stay what they were.
"""
