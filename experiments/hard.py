"""The hard set, on two processor cores: contents and places, 64 visual tokens, a base that never missed one of them.

`arrcoc launch hard_seeds`, then `arrcoc compare hard_seeds`: the selector against its teacher, the rules, and the best
subset that a search finds. `hard_rivals` and `hard_parts` are what it is held against; see docs/science.md.
"""

from arrcoc_core import Data, Evaluation, Experiment, Model, Tokens, Train, sweep

hard = Experiment(
    name="hard",
    model=Model(base="tiny-hard"),
    tokens=Tokens(keep=4),
    data=Data(dataset="synthetic-hard", max_train_samples=48_000),
    train=Train(
        learning_rate=2e-3,
        batch_size=48,
        objective="distil+rloo",
        first_share=0.4,
        selections=4,
        budgets=(4, 8),
        seed=0,
    ),
    evaluation=Evaluation(every_n_steps=250, samples=256),
    tags=("tiny", "science"),
)

hard_seeds = sweep(hard, {"train.seed": [0, 1, 2, 3, 4]}, name="hard_seeds")
