"""The services a sandbox has, in the order in which they start."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from arrcoc_core.sandbox.box import Box
    from arrcoc_core.sandbox.service import Service

SERVICES = (
    "resource_manager:ResourceManager",
    "service_usage:ServiceUsage",
    "iam:Iam",
    "secret_manager:SecretManager",
    "quotas:Quotas",
    "artifact_registry:ArtifactRegistry",
    "billing:Billing",
    "tokens:Tokens",
    "storage.raw:StorageService",
    "logging_service:Logs",
    "vertex.jobs:Jobs",
    "cloud_build.builds:CloudBuild",
    "hub.service:Hub",
    "wandb.service:WandbService",
)


def make_services(box: Box) -> dict[str, Service]:
    """One of each, by its name. None of these modules imports a client library."""
    made: dict[str, Service] = {}
    for entry in SERVICES:
        module, name = entry.split(":")
        service: Service = getattr(importlib.import_module(f"arrcoc_core.sandbox.{module}"), name)(box)
        made[service.name] = service
    return made
