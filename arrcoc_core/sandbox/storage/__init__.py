"""Cloud Storage's JSON API on loopback, for the real client library: preconditions are atomic, uploads resumable.

`Storage` answers requests; it knows nothing of sockets. `serving.serve` gives it a port of its own.
"""
