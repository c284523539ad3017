"""ARR-COC on VQAv2: a Qwen3-VL of 2B, and one of 8B, reads 200 of a picture's 800 or so visual tokens.

Pictures of MS COCO have about 640 x 480 px, which are 300 tokens; `min_pixels` shows them to the base at 1056 x 800 px,
825 tokens, so that details are there to be left out. Set it to 0 for their own size, and `keep` to match.

The rows are streamed: the whole set is some 80 GB. What is printed is the official VQA accuracy (`eval/vqa_accuracy`)
beside the exact matches, each with all tokens, random ones, an even grid and the base's own attention as lines to read
it against. The first look, before the first step, warns when the base writes its answers otherwise than the data set.

`arrcoc plan vqav2_2b` shows the price before anything is paid for (`arrcoc --sandbox plan vqav2_2b` without an
account). The tag "example" keeps `arrcoc setup` from asking Google for A100s that you may never use:
`arrcoc infra --request A100=1@us-central1` does, or take the tag away. More `regions` find spot capacity sooner, and
each needs its quota.

`vqav2_rivals` and `vqav2_8b_rivals` train the same selector in our way and in those of its published rivals;
`arrcoc compare` then sets them beside each other and the rules, at equal budgets.
"""

from arrcoc_core import Checkpoints, Data, Evaluation, Experiment, Logging, Model, Tokens, Train, Vertex, sweep

vqav2_2b = Experiment(
    name="vqav2_2b",
    model=Model(base="Qwen/Qwen3-VL-2B-Instruct", freeze_base=True),
    tokens=Tokens(keep=200),
    data=Data(
        # The branch with the set's parquet copy; which commit it is is looked up once and kept for the whole run.
        dataset="HuggingFaceM4/VQAv2@refs/convert/parquet",
        split_train="train",
        split_val="validation",
        max_train_samples=256_000,
        streaming=True,
        bad_pictures="skip",
        image_size=1024,
        resize="dynamic",
        min_pixels=800_000,
        # As LLaVA-1.5 asks for short answers (Liu et al., "Improved Baselines with Visual Instruction Tuning"), and as
        # VQAv2's are written: the official accuracy reads "Yes." and "two" as "yes" and "2", but exact matches, and the
        # rewards of "rloo" and the gates, are of the data's own tokens.
        prompt="{question}\nAnswer the question using a single word or phrase, in lower case, numbers as digits.",
        max_seq_length=64,
        num_workers=4,
        prefetch_factor=4,
    ),
    train=Train(
        learning_rate=5e-4,
        weight_decay=0.01,
        warmup_ratio=0.05,
        batch_size=16,
        gradient_accumulation_steps=4,
        epochs=1,
        bf16=True,
        gradient_checkpointing=False,
        seed=1,
        objective="distil+rloo",
        first_share=0.4,
        selections=4,
        budgets=(50, 100, 200),
    ),
    evaluation=Evaluation(every_n_steps=500, samples=2_048, pictures=8),
    checkpoints=Checkpoints(save_every_n_steps=50, save_total_limit=3),
    logging=Logging(every_n_steps=5),
    compute=Vertex(gpu="A100", spot=True, regions=("us-central1",), max_cost_usd=60),
    tags=("vqav2", "2b", "example"),
    notes="200 of about 825 visual tokens on VQAv2; 2,048 held-out questions, official VQA accuracy.",
)

vqav2_8b = vqav2_2b.but(
    name="vqav2_8b",
    model=vqav2_2b.model.but(base="Qwen/Qwen3-VL-8B-Instruct"),
    train=vqav2_2b.train.but(batch_size=8, gradient_accumulation_steps=8),
    compute=Vertex(gpu="A100-80GB", spot=True, regions=("us-central1",), max_cost_usd=250),
    tags=("vqav2", "8b", "example"),
    notes="As vqav2_2b, with the 8B base on a GPU with 80 GB.",
)

# The rivals' gradients go back through the language model, whose activations are then held: smaller passes, as many
# questions a step.
vqav2_rivals = sweep(
    vqav2_2b.but(train=vqav2_2b.train.but(batch_size=8, gradient_accumulation_steps=8)),
    {
        "train.objective": ["distil+rloo", "distil", "noise-gate", "soft-gate", "bernoulli-gate"],
        "train.seed": [1, 2],
    },
    name="vqav2_rivals",
)
vqav2_8b_rivals = sweep(
    vqav2_8b.but(train=vqav2_8b.train.but(batch_size=4, gradient_accumulation_steps=16)),
    {
        "train.objective": ["distil+rloo", "distil", "noise-gate", "soft-gate", "bernoulli-gate"],
        "train.seed": [1, 2],
    },
    name="vqav2_8b_rivals",
)
