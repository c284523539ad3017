"""The experiment of these tests: 12 steps of 8 questions, a checkpoint at each of them."""

from __future__ import annotations

from arrcoc_core import Checkpoints, Data, Evaluation, Experiment, Local, Logging, Model, Tokens, Train

SMALL = Experiment(
    name="small",
    model=Model(base="tiny"),
    tokens=Tokens(keep=4),
    data=Data(
        dataset="synthetic",
        split_train="train",
        split_val="validation",
        max_train_samples=96,
        image_size=64,
        max_seq_length=64,
        num_workers=0,
        prefetch_factor=2,
    ),
    train=Train(
        learning_rate=1e-3,
        weight_decay=0.01,
        warmup_ratio=0.1,
        batch_size=4,
        gradient_accumulation_steps=2,
        epochs=1,
        bf16=False,
        gradient_checkpointing=False,
        seed=7,
    ),
    evaluation=Evaluation(every_n_steps=5, samples=24, pictures=1),
    checkpoints=Checkpoints(save_every_n_steps=1, save_total_limit=2),
    logging=Logging(every_n_steps=1),
    compute=Local(device="cpu", gpus=1),
)
