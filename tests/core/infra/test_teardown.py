"""Teardown against the sandbox: what goes on keeps everything, and only what is labelled ours goes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from arrcoc_core.errors import ConfigError
from arrcoc_core.infra import run_teardown
from arrcoc_core.infra.live import live_jobs
from arrcoc_core.infra.running import Outcome
from arrcoc_core.infra.teardown import find_live, find_ours
from arrcoc_core.infra.world import World
from arrcoc_core.sandbox import Sandbox
from arrcoc_core.sandbox.faults import PermissionDenied, Unavailable
from arrcoc_core.sandbox.images import publish

PROJECT = "arrcoc-sandbox"
SetUp = Callable[..., Outcome]


def start_job(world: World, image: str, region: str, labels: dict[str, str]) -> str:
    """A job that sleeps."""
    spec = {
        "machine_spec": {
            "machine_type": "g2-standard-8",
            "accelerator_type": "NVIDIA_L4",
            "accelerator_count": 1,
        },
        "replica_count": 1,
        "container_spec": {"image_uri": image, "command": ["python", "main.py"]},
        "disk_spec": {"boot_disk_type": "pd-ssd", "boot_disk_size_gb": 100},
    }
    job = {
        "display_name": "a job",
        "labels": labels,
        "job_spec": {"worker_pool_specs": [spec], "scheduling": {"strategy": "SPOT"}},
    }
    parent = f"projects/{PROJECT}/locations/{region}"
    made = world.cloud.jobs(region).create_custom_job(request={"parent": parent, "custom_job": job})
    return str(made.name)


def test_nothing_goes_while_a_job_of_ours_does(world: World, sandbox: Sandbox, set_up: SetUp) -> None:
    assert set_up(world).ok
    digest = publish(sandbox.box, f"{world.names.image}:abc", {"/app/main.py": "import time; time.sleep(60)"})
    image = f"{world.names.image}@{digest}"
    start_job(world, image, "us-central1", {"arrcoc_owner": "somebody"})
    assert not find_live(world), "jobs of others are not ours"
    job = start_job(world, image, "europe-west4", {"arrcoc_owner": "mine", "arrcoc_run": "a-run"})
    (live,) = find_live(world).jobs
    assert (live.run, live.job, live.region, live.gpu, live.count) == ("a-run", job, "europe-west4", "L4", 1)
    before = len(sandbox.changes())
    with pytest.raises(ConfigError, match="while runs go on: a-run"):
        run_teardown(world, on_event=lambda _: None)
    assert len(sandbox.changes()) == before
    assert find_ours(world, with_checkpoints=True), "they can still be listed"


def test_a_region_that_does_not_answer_is_not_taken_for_empty(
    world: World, sandbox: Sandbox, set_up: SetUp, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox.set_scenario([PermissionDenied(method="ListCustomJobs")])
    with pytest.raises(Exception, match="Not permitted"):
        live_jobs(world, ["us-central1"])


def test_never_set_up_there_is_nothing(sandbox: Sandbox, world: World) -> None:
    for api in ("artifactregistry", "iam", "secretmanager", "aiplatform"):
        sandbox.box.service("serviceusage").switch(f"{api}.googleapis.com", False)
    assert find_ours(world, with_checkpoints=True) == [] and not find_live(world)
    assert run_teardown(world, with_checkpoints=True, on_event=lambda _: None).events == ()


def test_a_failure_on_the_way_leaves_the_rest_for_the_next_time(sandbox: Sandbox, world: World, set_up: SetUp) -> None:
    assert set_up(world).ok
    sandbox.set_scenario([PermissionDenied(method="SetIamPolicy", times=None)])
    outcome = run_teardown(world, on_event=lambda _: None)
    states = {event.resource: event.state for event in outcome.events}
    assert outcome.exit_code == 1 and states["training-roles"] == "failed"
    assert "training-account" not in [event.resource for event in outcome.events if event.state == "removed"]
    assert states["staging-bucket"] == "removed" and states["runs-bucket"] == "kept"
    sandbox.set_scenario([Unavailable(method="DeleteServiceAccount", times=2)])
    outcome = run_teardown(world, on_event=lambda _: None)
    assert outcome.ok, [event.error for event in outcome.failed]
    left = find_ours(world, with_checkpoints=False)
    assert [item.resource.key for item in left] == ["runs-bucket"] and not left[0].removed
    policy = world.cloud.projects().get_iam_policy(request={"resource": f"projects/{PROJECT}"})
    assert "mine-train" not in str(policy) and "mine-build" not in str(policy)


def test_the_same_names_under_another_owner_are_left(sandbox: Sandbox, world: World, set_up: SetUp) -> None:
    """Somebody relabelled everything: by name it is ours, by label it is not."""
    assert set_up(world).ok
    other = replace(world, names=replace(world.names, owner="other"))
    assert find_ours(other, with_checkpoints=True) == []
    before = len(sandbox.changes())
    assert run_teardown(other, with_checkpoints=True, on_event=lambda _: None).ok
    assert len(sandbox.changes()) == before


def test_many_objects_and_a_full_repository_go(sandbox: Sandbox, world: World, set_up: SetUp) -> None:
    assert set_up(world).ok
    bucket = world.cloud.storage().bucket(world.names.staging_bucket)
    for number in range(40):
        bucket.blob(f"builds/{number}").upload_from_string(b"x" * 10)
    publish(sandbox.box, f"{world.names.image}:abc", {"/app/main.py": "print(1)"})
    items = {item.resource.key: item for item in find_ours(world, with_checkpoints=True)}
    assert items["staging-bucket"].size_bytes == 400
    repository = items["repository"]
    assert repository.size_bytes and repository.usd_per_month
    outcome = run_teardown(world, with_checkpoints=True, on_event=lambda _: None)
    assert outcome.ok and find_ours(world, with_checkpoints=True) == []
