"""The hard set, on two processor cores: contents and places, 64 visual tokens, a base that never missed one of them.

`arrcoc launch hard_seeds`, then `arrcoc compare hard_seeds`: the selector against its teacher, the rules, and the best
subset that a search finds. `hard_objectives` are other ways to train it, the published rivals among them;
`hard_features` and `hard_balance` leave parts of it out; the base of `hard_base` did miss tokens while it learned.
docs/science.md has the tables.
"""

from arrcoc_core import Data, Evaluation, Experiment, Model, Tokens, Train, sweep

hard = Experiment(
    name="hard",
    model=Model(base="tiny-hard"),
    tokens=Tokens(keep=4),
    data=Data(dataset="synthetic-hard", max_train_samples=96_000),
    train=Train(
        learning_rate=2e-3,
        batch_size=48,
        epochs=1,
        objective="distil+rloo",
        first_share=0.4,
        selections=4,
        budgets=(4, 8),
        seed=0,
    ),
    evaluation=Evaluation(every_n_steps=250, samples=256, pictures=4),
    tags=("tiny", "science"),
)

seeds = [0, 1, 2, 3, 4]
hard_seeds = sweep(hard, {"train.seed": seeds}, name="hard_seeds")
hard_objectives = sweep(
    hard,
    {
        "train.objective": [
            "distil",
            "rloo",
            "saliency",
            "noise-gate",
            "soft-gate",
            "bernoulli-gate",
            "straight-through",
        ]
    },
    name="hard_objectives",
)
hard_features = sweep(hard, {"model.features": ["texture", "vision"], "train.seed": seeds}, name="hard_features")
hard_base = sweep(hard, {"model.base": ["tiny-hardened"], "train.seed": seeds}, name="hard_base")
hard_balance = sweep(hard, {"model.balance": ["fixed"], "train.seed": seeds}, name="hard_balance")
