"""Jobs in the sandbox: real processes behind the real JobService client."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from google.api_core import exceptions as api
from job_place import ACCOUNT, BUCKET, PARENT, JobPlace

from arrcoc_core import catalog
from arrcoc_core.sandbox.faults import InternalError, LostAck, Preempt, QuotaExceeded, Stockout
from arrcoc_core.sandbox.vertex.shapes import problem, quota_metrics

STEPS = """
for step in range(0, 100, 10):
    put("files/progress.json", json.dumps({"step": step}))
print("all steps done")
"""
SHOW = "print(json.dumps(dict(os.environ)))"
FOREVER = "print('began', flush=True); time.sleep(60)"


def test_a_job_runs_with_the_environment_of_vertex_and_none_of_ours(
    place: JobPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("WANDB_API_KEY", "HF_TOKEN", "GOOGLE_APPLICATION_CREDENTIALS", "PYTHONPATH"):
        monkeypatch.setenv(name, "of the developer's own shell")
    job = place.run(SHOW)
    assert job.state.name == "JOB_STATE_SUCCEEDED" and job.create_time <= job.start_time <= job.end_time
    found: dict[str, str] = json.loads(place.printed(job.name)[0])
    shell = {"PWD", "OLDPWD", "SHLVL", "_", "LC_CTYPE"}
    basics = {"PATH", "HOME", "TMPDIR", "LANG", "PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE"}
    assert set(found) - shell - basics == {
        *("AIP_CHECKPOINT_DIR", "AIP_MODEL_DIR", "AIP_TENSORBOARD_LOG_DIR", "CLOUD_ML_JOB_ID", "CLOUD_ML_PROJECT_ID"),
        *("CLOUD_ML_REGION", "CLUSTER_SPEC", "ARRCOC_RUN_ID", "ARRCOC_CLOUD_ENDPOINTS", "ARRCOC_STAND_IN_DEVICE"),
        *place.sandbox.box.machine_environment(ACCOUNT),
    }
    assert found["AIP_CHECKPOINT_DIR"] == f"gs://{BUCKET}/runs/r/checkpoints/"
    assert found["CLOUD_ML_JOB_ID"] == job.name.rpartition("/")[2]
    assert Path(found["HOME"]).is_relative_to(place.sandbox.folder)
    assert "key.json" not in json.dumps(found) and "developer" not in json.dumps(found)


def test_a_failing_job_says_so_in_googles_words(place: JobPlace) -> None:
    job = place.run("sys.exit(3)")
    assert job.state.name == "JOB_STATE_FAILED"
    assert "The replica workerpool0-0 exited with a non-zero status of 3." in job.error.message
    assert "https://" in job.error.message or "http://" in job.error.message


def test_a_job_with_retries_is_started_again(place: JobPlace) -> None:
    job = place.run("print('try'); sys.exit(1)", disable_retries=False)
    assert job.state.name == "JOB_STATE_FAILED"
    assert place.printed(job.name).count("try") == 4


def test_a_command_that_is_not_there_fails_the_job(place: JobPlace) -> None:
    job = place.job("")
    job["job_spec"]["worker_pool_specs"][0]["container_spec"]["command"] = ["no-such-program"]
    assert "status of 127" in place.wait(place.create(job)).error.message


def test_preemption_strikes_at_its_step_and_only_spot(place: JobPlace) -> None:
    place.sandbox.set_scenario([Preempt(at_step=40, times=2)])
    for _ in range(2):
        job = place.run(STEPS)
        assert job.state.name == "JOB_STATE_FAILED" and job.start_time
        assert "was preempted" in job.error.message and job.error.code == 8
        assert json.loads(place.bucket.blob("runs/r/files/progress.json").download_as_bytes())["step"] == 40
    assert place.run(STEPS).state.name == "JOB_STATE_SUCCEEDED"
    place.sandbox.set_scenario([Preempt(at_step=40)])
    assert place.run(STEPS, strategy="STANDARD").state.name == "JOB_STATE_SUCCEEDED"


def test_preemption_knows_runs_and_attempts_and_checkpoints(place: JobPlace) -> None:
    place.sandbox.set_scenario([Preempt(at_step=40, run="another"), Preempt(at_step=40, attempt=2)])
    assert place.run(STEPS).state.name == "JOB_STATE_SUCCEEDED"
    place.sandbox.set_scenario([Preempt(at_step=40, run="r", attempt=1)])
    job = place.run("put('checkpoints/step-00000050/COMMITTED', ''); time.sleep(30)")
    assert "was preempted" in job.error.message


def test_a_preempted_trainer_gets_sigterm_before_sigkill(place: JobPlace) -> None:
    place.sandbox.set_scenario([Preempt(at_step=10)])
    job = place.run(
        """
import signal
signal.signal(signal.SIGTERM, lambda *_: (print("asked to end", flush=True), sys.exit(75)))
put("attempts/1/heartbeat.json", json.dumps({"step": 10}))
time.sleep(30)
"""
    )
    assert "was preempted" in job.error.message and "asked to end" in place.printed(job.name)


def test_stockout_ends_a_spot_job_before_it_ran_and_lets_flex_wait(place: JobPlace) -> None:
    place.sandbox.set_scenario([Stockout(region="us-central1", times=2), Stockout(region="us-east1", times=None)])
    said = "Resources are insufficient in region: us-central1. Please try a different region"
    job = place.run()
    assert job.state.name == "JOB_STATE_FAILED" and not job.start_time
    assert job.error.code == 8 and job.error.message.startswith(said)
    name = place.create(place.job(strategy="FLEX_START", max_wait_duration={"seconds": 100}))
    assert place.wait(name, "JOB_STATE_QUEUED", "JOB_STATE_FAILED").state.name == "JOB_STATE_QUEUED"
    assert place.wait(name).error.message.startswith(said)
    assert place.run().state.name == "JOB_STATE_SUCCEEDED"


def test_an_internal_error_strikes_a_running_job(place: JobPlace) -> None:
    place.sandbox.set_scenario([InternalError()])
    job = place.run(FOREVER)
    assert (job.error.code, job.error.message) == (13, "Internal error occurred for the current attempt.")
    assert job.start_time


def test_quota_counts_what_runs_in_a_region(place: JobPlace) -> None:
    first = place.create(place.job(FOREVER))
    with pytest.raises(api.TooManyRequests) as refused:
        place.create(place.job())
    metric = "aiplatform.googleapis.com/custom_model_training_preemptible_nvidia_l4_gpus"
    assert f"The following quota metrics exceed quota limits: {metric}" in refused.value.message
    assert refused.value.reason == "QUOTA_EXCEEDED" and refused.value.metadata["quota_location"] == "us-central1"
    place.jobs.cancel_custom_job(name=first)
    place.wait(first, "JOB_STATE_CANCELLED")
    place.sandbox.box.service("cloudquotas").grant("custom_model_training_preemptible_cpus", 4)
    with pytest.raises(api.TooManyRequests, match="preemptible_cpus"):
        place.create(place.job())
    assert place.run(strategy="STANDARD").state.name == "JOB_STATE_SUCCEEDED"
    place.sandbox.set_scenario([QuotaExceeded(metric="aiplatform.googleapis.com/custom_model_training_g2_cpus")])
    with pytest.raises(api.TooManyRequests, match="g2_cpus"):
        place.create(place.job(strategy="STANDARD"))


def test_cancel_ends_a_job_wherever_it_is(place: JobPlace) -> None:
    running = place.create(place.job(FOREVER))
    place.wait(running, "JOB_STATE_RUNNING")
    place.jobs.cancel_custom_job(name=running)
    job = place.wait(running, "JOB_STATE_CANCELLED")
    assert job.end_time and job.error.code == 1
    waiting = place.create(place.job())
    place.jobs.cancel_custom_job(name=waiting)
    assert place.wait(waiting).state.name == "JOB_STATE_CANCELLED"
    with pytest.raises(api.BadRequest, match="cannot be cancelled"):
        place.jobs.cancel_custom_job(name=waiting)


def test_lists_are_filtered_and_paged_and_jobs_deleted(place: JobPlace) -> None:
    names = [place.run("sys.exit(1)" if number == 1 else "").name for number in range(3)]
    client = place.jobs

    def listed(text: str, **given: Any) -> list[str]:
        return [job.name for job in client.list_custom_jobs(request={"parent": PARENT, "filter": text, **given})]

    assert listed("", page_size=1) == names[::-1]
    assert listed('labels.arrcoc_run="r" AND state="JOB_STATE_FAILED"') == [names[1]]
    assert listed('labels.arrcoc_run="other" OR (labels.arrcoc_attempt=1 AND NOT state="JOB_STATE_FAILED")') == [
        names[2],
        names[0],
    ]
    with pytest.raises(api.BadRequest, match="Unsupported filter field"):
        listed('colour="red"')
    client.delete_custom_job(name=names[0]).result(timeout=10)
    with pytest.raises(api.NotFound):
        client.get_custom_job(name=names[0])


def test_a_lost_answer_leaves_one_job_that_its_label_finds(place: JobPlace) -> None:
    place.sandbox.set_scenario([LostAck(method="CreateCustomJob")])
    with pytest.raises(Exception, match=r"Connection|Remote"):
        place.create(place.job(FOREVER))
    found = list(place.jobs.list_custom_jobs(request={"parent": PARENT, "filter": 'labels.arrcoc_run="r"'}))
    assert len(found) == 1


def test_a_restart_finds_running_jobs_again(place: JobPlace) -> None:
    name = place.create(place.job("print('began', flush=True); time.sleep(0.6); print('ended'); sys.exit(0)"))
    place.wait(name, "JOB_STATE_RUNNING")
    place.sandbox.restart(kill=True)
    assert place.wait(name).state.name == "JOB_STATE_SUCCEEDED"
    assert place.printed(name) == ["began", "ended"]


def test_jobs_of_a_stopped_sandbox_have_failed_internally(place: JobPlace) -> None:
    name = place.create(place.job(FOREVER))
    place.wait(name, "JOB_STATE_RUNNING")
    place.sandbox.restart(kill=False)
    assert place.wait(name).error.code == 13


def test_two_machines_know_each_other_and_the_primary_ends_the_job(place: JobPlace) -> None:
    job = place.job("print(os.environ['CLUSTER_SPEC'], flush=True); time.sleep(int(sys.argv[1]))", arguments=("0",))
    chief = job["job_spec"]["worker_pool_specs"][0]
    worker = {**chief, "container_spec": {**chief["container_spec"], "args": ["60"]}}
    job["job_spec"]["worker_pool_specs"].append(worker)
    place.sandbox.box.service("cloudquotas").grant("custom_model_training_preemptible_nvidia_l4_gpus", 2)
    done = place.wait(place.create(job))
    assert done.state.name == "JOB_STATE_SUCCEEDED", done.error.message
    specs = [json.loads(line) for line in place.printed(done.name)]
    assert {spec["task"]["type"] for spec in specs} <= {"workerpool0", "workerpool1"}
    cluster = specs[0]["cluster"]
    assert len(set(cluster["workerpool0"] + cluster["workerpool1"])) == 2


def test_a_job_that_takes_too_long_is_stopped(place: JobPlace) -> None:
    job = place.run(FOREVER, timeout={"seconds": 60})
    assert job.state.name == "JOB_STATE_FAILED" and job.error.code == 4


def _machine(**values: Any) -> Any:
    return lambda job: job["job_spec"]["worker_pool_specs"][0]["machine_spec"].update(values)


def _spec(**values: Any) -> Any:
    return lambda job: job["job_spec"].update(values)


def _container(**values: Any) -> Any:
    return lambda job: job["job_spec"]["worker_pool_specs"][0]["container_spec"].update(values)


WRONG: list[tuple[Any, str]] = [
    (lambda job: job.pop("display_name"), "display_name"),
    (lambda job: job["labels"].update({"Bad": "x"}), "labels"),
    (_machine(accelerator_count=2), "requires exactly 1"),
    (_machine(machine_type="n1-standard-4"), "not supported for machine type"),
    (_machine(machine_type="a3-highgpu-1g", accelerator_type="NVIDIA_H100_80GB"), "a3-highgpu-1g"),
    (_container(image_uri="us-central1-docker.pkg.dev/arrcoc-sandbox/jobs/trainer:other"), "not found"),
    (_container(env=[{"name": "no name", "value": "x"}]), "C identifier"),
    (_spec(service_account="other@arrcoc-sandbox.iam.gserviceaccount.com"), "does not exist"),
    (_spec(base_output_directory={"output_uri_prefix": "/tmp/x"}), "gs://"),
    (_spec(scheduling={"strategy": "SPOT", "max_wait_duration": {"seconds": 60}}), "only supported with"),
]


def test_wrong_requests_are_refused_as_google_does(place: JobPlace) -> None:
    image = place.job()
    for spoil, said in WRONG:
        job = json.loads(json.dumps(image))
        if said == "a3-highgpu-1g":
            job["job_spec"]["scheduling"]["strategy"] = "STANDARD"
        spoil(job)
        with pytest.raises(api.BadRequest, match=said):
            place.create(job)
    assert list(place.jobs.list_custom_jobs(parent=PARENT)) == []


def test_an_unknown_region_is_refused(place: JobPlace) -> None:
    with pytest.raises(api.BadRequest, match="Unsupported region"):
        place.jobs.create_custom_job(parent=PARENT.replace("us-central1", "mars-north1"), custom_job=place.job())


def test_the_catalogue_agrees_with_what_the_service_takes() -> None:
    for machine in catalog.MACHINES:
        kind, count = machine.accelerator_type, machine.count
        assert problem(machine.machine_type, kind, count) == ""
        for way in machine.provisioning:
            drawn = quota_metrics(machine.machine_type, kind, count, preemptible=way != "on-demand")
            gpu, cpu = catalog.gpu_quota(machine.gpu, way), catalog.cpu_quota(machine, way)
            assert drawn == {gpu: count, cpu: machine.vcpus}


def test_nothing_of_a_job_is_left_running(place: JobPlace) -> None:
    """Not even what has left its process group."""
    import psutil

    job = place.run(
        """
import subprocess
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True)
"""
    )
    folder = str(place.sandbox.folder)
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        left = [process for process in psutil.process_iter() if _home(process).startswith(folder)]
        if not left:
            break
        time.sleep(0.02)
    assert job.state.name == "JOB_STATE_SUCCEEDED" and left == []


def _home(process: Any) -> str:
    import psutil

    try:
        return str(process.environ().get("HOME", ""))
    except (psutil.Error, ProcessLookupError):
        return ""
