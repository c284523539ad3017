"""ARR-COC on a frozen Qwen3-VL: which visual tokens a question needs, learned from the model's own attention.

`arrcoc_qwen.ArrCocQwen` is the whole; below it, in the order in which a picture passes through them: `registry`
(bases by name), `prompts` (questions to ids and positions), `seeing` (pictures to tokens and texture), `selector`
(the part that is trained), `budget` (how many tokens are kept), `pruning` (the language model over kept tokens),
`attention` (the teacher). What the selector is trained on is in `training/objectives/`.
"""
