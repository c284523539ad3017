"""Weights & Biases' server: runs, their history, files and logs, Launch queues and artifacts, for wandb's own clients.

schema.py, schema_launch.py, schema_artifacts.py   what is served, as GraphQL says it
graphql.py                                         a request to its answer; what the schema lacks is refused
accounts.py                                        who calls, and what of whose
runs.py, lines.py                                  a run, and the streams of lines it grows by
files.py, storage.py                               a run's files, and the addresses they are moved at
launch/                                            queues, items, agents
artifacts/                                         as far as Launch's jobs need them
service.py                                         HTTP to all of these

The names of operations and fields are those that wandb 0.31 asks for (its `apis/`, `sdk/` and wandb-core), and the
words of refusals those that its users report; the server itself is closed source.
"""
