"""Learns to read a picture with one sixteenth of its visual tokens, on two CPU cores in a few minutes.

It sets every field itself, so that it runs the same everywhere.
"""

from arrcoc_core import (
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

quickstart = Experiment(
    name="quickstart",
    model=Model(base="tiny", revision="", freeze_base=True, features="both", balance="learned"),
    tokens=Tokens(keep=4, share=0.0, mass=0.0),
    data=Data(
        dataset="synthetic",
        split_train="train",
        split_val="validation",
        max_train_samples=9_600,
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
    evaluation=Evaluation(every_n_steps=25, samples=1024, pictures=4),
    checkpoints=Checkpoints(save_every_n_steps=50, save_total_limit=3),
    logging=Logging(every_n_steps=1),
    hub=Hub(repo="", private=True, at_best=False),
    compute=Local(device="cpu", gpus=1, shard_base="auto", max_parallel=1, max_preemptions=20, max_failures=3),
    tags=("start-here",),
    notes="Reads 4 of 64 visual tokens per picture.",
)
