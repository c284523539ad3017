"""Google Cloud on this machine: the real client libraries against services on loopback, with faults on request.

    with running(folder) as box:                      # in this process, for tests
        Cloud(box.endpoints, "arrcoc-sandbox").projects()

    sandbox = start(folder, speed=60)                 # a detached process, for people
    sandbox.set_scenario([Preempt(at_step=40)])
    stop(folder)

Whoever uses it sets `CLOUD_ENDPOINTS` to the folder; nothing else in arrcoc knows that it exists.
docs/sandbox.md says what is served and what is not.
"""

from arrcoc_core.sandbox.lifetime import Sandbox, reset, running, start, status, stop

__all__ = ["Sandbox", "reset", "running", "start", "status", "stop"]
