"""A Qwen3-VL of under one million parameters, and the synthetic pictures and questions it answers.

The same class and code path as the real bases, small enough to train and to prune on two CPU cores. Everything
here is made locally: pictures (`synthetic`), tokenizer and image processor (`tokenizer`), configuration
(`architecture`), weights (`train_base`, whose result is committed under `base/`).
"""
