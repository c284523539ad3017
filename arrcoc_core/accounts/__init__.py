"""Accounts outside of Google Cloud: Weights & Biases and the Hugging Face Hub. Where they are, and with which keys.

wandb_url(settings)              the W&B server of the settings, or the sandbox's
find_keys(settings)              the keys of this machine, as W&B and the Hub themselves keep them
WandbClient.of(settings)         one GraphQL request at a time, with retries and rate limits
"""
