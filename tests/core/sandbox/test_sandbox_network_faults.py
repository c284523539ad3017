"""Faults of the network and of busy servers, at the wire: what any service that reads HTTP by itself is put through."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import requests

from arrcoc_core.sandbox import Sandbox
from arrcoc_core.sandbox.faults import (
    CutConnection,
    Flaky,
    InternalError,
    Latency,
    LostAck,
    NoNetwork,
    Outage,
    RateLimited,
    RequestQuota,
    Unavailable,
)

Ask = Callable[..., requests.Response]


@pytest.fixture
def ask(box: Sandbox) -> Ask:
    """One request to Storage as the owner: buckets are listed, or one is made of that name."""
    token = box.box.service("tokens").token("owner@arrcoc-sandbox.iam.gserviceaccount.com")
    url = f"{box.endpoints.services['storage']}/storage/v1/b?project=arrcoc-sandbox"

    def request(bucket: str = "") -> requests.Response:
        headers = {"Authorization": f"Bearer {token}"}
        if bucket:
            return requests.post(url, json={"name": bucket}, headers=headers, timeout=20)
        return requests.get(url, headers=headers, timeout=20)

    assert request().status_code == 200
    return request


def test_rate_limits_say_how_long_to_wait(box: Sandbox, ask: Ask) -> None:
    box.set_scenario([RateLimited(service="storage", retry_after_s=7, times=2)])
    for _ in range(2):
        refused = ask()
        assert refused.status_code == 429
        assert (refused.headers["Retry-After"], refused.headers["RateLimit-Remaining"]) == ("7", "0")
    assert ask().status_code == 200
    box.set_scenario([RateLimited(service="storage", for_s=30)])  # of its time: 0.3 s here
    assert [ask().status_code for _ in range(3)] == [429, 429, 429]
    box.box.closing.wait(0.35)
    assert ask().status_code == 200
    box.set_scenario([RequestQuota(service="storage", limit=2, per_s=600)])
    answers = [ask() for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert [answer.headers["RateLimit-Remaining"] for answer in answers] == ["1", "0", "0"]
    assert 500 < int(answers[2].headers["Retry-After"]) <= 600
    box.set_scenario([RateLimited(service="wandb", times=None), Unavailable(service="huggingface", times=None)])
    assert ask().status_code == 200  # another service's


def test_connections_end_before_in_and_after(box: Sandbox, ask: Ask) -> None:
    box.set_scenario([CutConnection(service="storage", after_bytes=5)])
    with pytest.raises(requests.ConnectionError):
        ask("cut-in-the-request")
    box.set_scenario([CutConnection(service="storage", side="answer", after_bytes=20)])
    with pytest.raises(requests.exceptions.ChunkedEncodingError, match="20 bytes read"):
        ask("cut-in-the-answer")
    box.set_scenario([LostAck(service="storage", method=None)])
    with pytest.raises(requests.ConnectionError):
        ask("lost")
    assert [held["name"] for held in ask().json()["items"]] == ["cut-in-the-answer", "lost"]
    box.set_scenario([InternalError(service="storage"), NoNetwork(service="storage", times=1)])
    with pytest.raises(requests.ConnectionError):
        ask()
    assert ask().status_code == 500


def test_an_outage_lasts_and_ends_once(box: Sandbox, ask: Ask) -> None:
    box.set_scenario([Outage(service="storage", seconds=60, after_calls=1)])  # 0.6 s here
    assert ask().status_code == 200
    for _ in range(2):
        with pytest.raises(requests.ConnectionError):
            ask()
    box.restart()
    with pytest.raises(requests.ConnectionError):  # it goes on over a restart
        ask()
    box.box.closing.wait(0.65)
    assert [ask().status_code for _ in range(3)] == [200, 200, 200]


def test_flaky_is_drawn_from_its_seed(box: Sandbox, ask: Ask) -> None:
    def seen() -> list[str]:
        found: list[str] = []
        for _ in range(30):
            try:
                found.append(str(ask().status_code))
            except requests.RequestException as error:
                found.append(type(error).__name__)
        return found

    scenario = [Flaky(service="storage", share=0.5, seed=0, kinds=("429", "500", "503", "cut", "lost", "half"))]
    box.set_scenario(scenario)
    first = seen()
    box.set_scenario(scenario)
    assert seen() == first
    assert {"200", "429", "500", "503", "ConnectionError", "ChunkedEncodingError"} == set(first)
    assert 8 <= first.count("200") <= 22
    assert [fault["taken"] for fault in box.status()["scenario"]] == [30 - first.count("200")]


def test_latency_is_real_time(box: Sandbox, ask: Ask) -> None:
    box.set_scenario([Latency(service="storage", seconds=0.2)])
    assert ask().elapsed.total_seconds() >= 0.2
