"""Artifacts of W&B, as far as Launch's jobs need them: logged by a run or by hand, named by alias, read back.

store.py       sequences, versions and aliases
views.py       how GraphQL shows them; mutations.py: how it changes them
"""
