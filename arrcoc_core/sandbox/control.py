"""The sandbox's own handle, on the same port: what a test or `arrcoc sandbox` asks of a running one.

GET  /control/status      {"pid", "speed", "requests"}
GET  /control/requests    what was asked of the services so far
POST /control/scenario    [{"fault": "Preempt", …}, …]
POST /control/<service>   what a person would do on the service's web page (launch/web.py for "wandb")
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

from arrcoc_core.sandbox.errors import ApiError
from arrcoc_core.sandbox.faults import fault_from_json

if TYPE_CHECKING:
    from arrcoc_core.sandbox.box import Box
    from arrcoc_core.sandbox.exchange import Exchange


def serve(box: Box, exchange: Exchange) -> None:
    if (exchange.verb, exchange.path) == ("GET", "/control/status"):
        faults = [{**fault.to_json(), "taken": taken} for fault, taken in box.faults.all()]
        exchange.json(200, {"pid": os.getpid(), "speed": box.clock.speed, "scenario": faults})
    elif (exchange.verb, exchange.path) == ("GET", "/control/requests"):
        exchange.json(200, box.requests())
    elif (exchange.verb, exchange.path) == ("POST", "/control/scenario"):
        box.set_scenario([fault_from_json(held) for held in json.loads(exchange.read())])
        exchange.json(200, {})
    elif exchange.verb == "POST" and (service := box.services.get(exchange.path.removeprefix("/control/"))):
        exchange.json(200, service.control(json.loads(exchange.read())))
    else:
        raise ApiError("NOT_FOUND", f"The sandbox has no {exchange.path}")
