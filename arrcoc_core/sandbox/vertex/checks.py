"""What Vertex AI refuses in a CustomJob beyond missing fields: INVALID_ARGUMENT, naming the field."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from arrcoc_core.sandbox.errors import ApiError
from arrcoc_core.sandbox.images import Images
from arrcoc_core.sandbox.service import plain
from arrcoc_core.sandbox.vertex.shapes import DISKS, HYPERDISK_ONLY, NOT_ON_DEMAND, REGIONS, flex_possible, problem

if TYPE_CHECKING:
    from arrcoc_core.sandbox.box import Box

_LONGEST_NAME = 128
_MOST_LABELS = 64
_MOST_POOLS = 4
_WEEK_S = 7 * 24 * 3600
_GB = (100, 64000)

STRATEGIES = {0: "on-demand", 1: "on-demand", 2: "spot", 3: "on-demand", 4: "spot", 6: "flex"}
"""Scheduling.Strategy -> provisioning; LOW_COST is the old name of SPOT, ON_DEMAND of STANDARD."""


def check_job(box: Box, job: Any, region: str) -> None:
    """`job` is a CustomJob (proto-plus)."""
    if region not in REGIONS:
        raise ApiError(
            "INVALID_ARGUMENT", f"Unsupported region for Vertex AI: {region}", violations=[("parent", region)]
        )
    if len(job.display_name) > _LONGEST_NAME:
        raise refused("custom_job.display_name", f"must be at most {_LONGEST_NAME} characters")
    check_labels(dict(job.labels))
    spec = job.job_spec
    provisioning = provisioning_of(job)
    _check_pools(box, spec, provisioning)
    _check_scheduling(spec.scheduling, provisioning)
    _check_account(box, str(spec.service_account))
    output = str(spec.base_output_directory.output_uri_prefix)
    if output and not re.fullmatch(r"gs://[a-z0-9][a-z0-9._-]{1,61}[a-z0-9](/.*)?", output):
        raise refused("job_spec.base_output_directory", f"'{output}' is not a Cloud Storage URI (gs://bucket/path)")


def provisioning_of(job: Any) -> str:
    """ "spot", "flex" or "on-demand"."""
    number = int(job.job_spec.scheduling.strategy)
    if number not in STRATEGIES:
        raise refused("job_spec.scheduling.strategy", f"{number} is not supported")
    return STRATEGIES[number]


def check_labels(labels: dict[str, str]) -> None:
    if len(labels) > _MOST_LABELS:
        raise refused("labels", f"at most {_MOST_LABELS} labels are allowed")
    for key, value in labels.items():
        if not re.fullmatch(r"[a-z][a-z0-9_-]{0,62}", key) or not re.fullmatch(r"[a-z0-9_-]{0,63}", value):
            raise refused(
                "labels", f"'{key}: {value}' is not valid: lowercase letters, digits, '_' and '-', at most 63"
            )


def refused(field: str, why: str) -> ApiError:
    return ApiError("INVALID_ARGUMENT", f"Invalid value for {field}: {why}.", violations=[(field, why)])


def _check_pools(box: Box, spec: Any, provisioning: str) -> None:
    pools = list(spec.worker_pool_specs)
    if not 1 <= len(pools) <= _MOST_POOLS:
        raise refused("job_spec.worker_pool_specs", f"1 to {_MOST_POOLS} pools are allowed, and not {len(pools)}")
    images = Images(box)
    for number, pool in enumerate(pools):
        field = f"job_spec.worker_pool_specs[{number}]"
        if number and not pool.replica_count and not pool.machine_spec.machine_type:
            continue  # a pool that is left empty
        if pool.replica_count < 1 or (number == 0 and pool.replica_count != 1):
            wanted = "exactly 1" if number == 0 else "at least 1"
            raise refused(f"{field}.replica_count", f"must be {wanted}, and not {pool.replica_count}")
        _check_machine(field, pool.machine_spec, provisioning)
        _check_disk(field, pool)
        if pool.python_package_spec.package_uris or not pool.container_spec.image_uri:
            raise refused(f"{field}.container_spec", "image_uri is required (Python packages are not served here)")
        if images.resolve(pool.container_spec.image_uri) is None:
            raise refused(f"{field}.container_spec.image_uri", f"image '{pool.container_spec.image_uri}' not found")
        names = [variable.name for variable in pool.container_spec.env]
        for name in names:
            if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
                raise refused(f"{field}.container_spec.env", f"'{name}' is not a C identifier")
        if len(set(names)) < len(names):
            raise refused(f"{field}.container_spec.env", "a name is given twice")


def _check_machine(field: str, machine: Any, provisioning: str) -> None:
    if not machine.machine_type:
        raise refused(f"{field}.machine_spec.machine_type", "required")
    accelerator = machine.accelerator_type.name if int(machine.accelerator_type) else ""
    wrong = problem(machine.machine_type, accelerator, machine.accelerator_count)
    if wrong:
        raise refused(f"{field}.machine_spec", wrong.rstrip("."))
    if provisioning == "on-demand" and machine.machine_type in NOT_ON_DEMAND:
        raise refused(f"{field}.machine_spec", f"{machine.machine_type} needs the strategy SPOT or FLEX_START")
    if provisioning == "flex" and not flex_possible(accelerator):
        raise refused(
            f"{field}.machine_spec", f"{accelerator or 'a machine without GPU'} is not offered with FLEX_START"
        )


def _check_disk(field: str, pool: Any) -> None:
    disk = pool.disk_spec
    kind, size = str(disk.boot_disk_type), int(disk.boot_disk_size_gb)
    if kind and kind not in DISKS:
        raise refused(f"{field}.disk_spec.boot_disk_type", f"'{kind}' is not one of {', '.join(DISKS)}")
    if size and not _GB[0] <= size <= _GB[1]:
        raise refused(f"{field}.disk_spec.boot_disk_size_gb", f"{size} is not between {_GB[0]} and {_GB[1]}")
    if (pool.machine_spec.machine_type in HYPERDISK_ONLY) != (kind == "hyperdisk-balanced"):
        raise refused(
            f"{field}.disk_spec.boot_disk_type",
            f"'{kind or 'pd-ssd'}' is not supported for machine type {pool.machine_spec.machine_type}",
        )


def _check_scheduling(scheduling: Any, provisioning: str) -> None:
    held = plain(scheduling)
    if held.HasField("timeout") and not held.timeout.seconds > 0:
        raise refused("job_spec.scheduling.timeout", "must be positive")
    if held.HasField("timeout") and provisioning == "flex" and held.timeout.seconds > _WEEK_S:
        raise refused("job_spec.scheduling.timeout", "must be at most 7 days with FLEX_START")
    if held.HasField("max_wait_duration") and provisioning != "flex":
        raise refused("job_spec.scheduling.max_wait_duration", "is only supported with the strategy FLEX_START")


def _check_account(box: Box, account: str) -> None:
    if not account:
        return
    if not re.fullmatch(r"[^@\s]+@[^@\s]+\.gserviceaccount\.com", account):
        raise refused("job_spec.service_account", f"'{account}' is not the e-mail address of a service account")
    if box.service("iam").account(account) is None:
        raise ApiError(
            "INVALID_ARGUMENT",
            f"Service account {account} does not exist.",
            violations=[("job_spec.service_account", "does not exist")],
        )
