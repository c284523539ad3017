"""Runs on a W&B server, read-only: whoever logged them, as the same `RunMetrics` and `Series` as runs of this machine.

    GraphQL ──queries──▶ looks ──decoding──▶ rows ──cache──▶ columns ──mapped──▶ `RunMetrics`, `Series`

A `Reader` reads one run into a column cache, a look at a time, each costing what is new. A `Poller` looks at many of
them, in threads of the follow child (arrcoc_core/metrics/follow.py). docs/wandb.md tells it to users.
"""
