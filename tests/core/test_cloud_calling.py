"""What errors of Google's libraries become, in the wording that Google's services use."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import requests
from google.api_core import exceptions as api
from google.auth import exceptions as auth
from urllib3.exceptions import ProtocolError

from arrcoc_core.cloud.calling import translate
from arrcoc_core.cloud.clients import Cloud
from arrcoc_core.cloud.endpoints import GOOGLE


def answer(kind: type[Any], message: str, reason: str = "", **metadata: str) -> Any:
    from google.rpc.error_details_pb2 import ErrorInfo

    return kind(message, error_info=ErrorInfo(reason=reason, metadata=metadata))


@pytest.mark.parametrize(
    ("error", "scope"),
    [
        (
            answer(
                api.TooManyRequests,
                "The following quota metrics exceed quota limits: "
                "aiplatform.googleapis.com/custom_model_training_preemptible_nvidia_l4_gpus",
            ),
            "quota",
        ),
        (
            answer(
                api.TooManyRequests,
                "Quota exceeded for quota metric 'Read requests' and limit 'Read requests per minute'",
                "RATE_LIMIT_EXCEEDED",
            ),
            "unavailable",
        ),
        (
            answer(api.ResourceExhausted, "Quota exceeded", "RATE_LIMIT_EXCEEDED", quota_unit="1/min/{project}"),
            "unavailable",
        ),
        (
            answer(api.TooManyRequests, "The project exceeded the rate limit for creating and deleting buckets."),
            "unavailable",
        ),
        (
            answer(
                api.FailedPrecondition,
                "Billing account for project '1027' is not found. Billing must be enabled for activation of "
                "service(s) 'aiplatform.googleapis.com' to proceed.",
            ),
            "billing",
        ),
        (
            answer(api.Forbidden, "The billing account for the owning project is disabled in state absent"),
            "billing",
        ),
        (answer(api.NotFound, "Secret [projects/my-billing-test/secrets/n-hf-token] not found."), "not-found"),
        (answer(api.Forbidden, "Caller does not have permission", "USER_PROJECT_DENIED"), "permission"),
    ],
)
def test_what_a_service_says_is_told_apart(error: Exception, scope: str) -> None:
    assert translate(error, "a call").scope == scope


def test_messages_are_words_without_addresses_and_data() -> None:
    spoken = translate(api.BadRequest("POST https://x.googleapis.com/v1/a?$alt=json: Name is missing."), "create it")
    assert spoken.message == "create it: Name is missing."
    revoked = translate(auth.RefreshError("invalid_grant: Token has been revoked.", {"error": "invalid_grant"}))
    assert revoked.message.endswith("expired: invalid_grant: Token has been revoked.")
    cut = translate(requests.ConnectionError(ProtocolError("Connection aborted.", OSError("closed"))))
    assert cut.message == "Google Cloud cannot be reached: Connection aborted."


def test_a_persons_calls_use_the_quota_of_the_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recwarn: pytest.WarningsRecorder
) -> None:
    """Without it Google counts them for a project of its own, in which every API is off."""
    person = {
        "type": "authorized_user",
        "client_id": "764086051850-6qr4p6gpi6hn506pt8ejuq83di341hur.apps.googleusercontent.com",
        "client_secret": "none",
        "refresh_token": "none",
    }
    key = tmp_path / "person.json"
    key.write_text(json.dumps(person), encoding="utf-8")
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(key))
    assert Cloud(GOOGLE, "my-project").identity.credentials.quota_project_id == "my-project"
    key.write_text(json.dumps({**person, "quota_project_id": "another"}), encoding="utf-8")
    assert Cloud(GOOGLE, "my-project").identity.credentials.quota_project_id == "my-project"
    assert Cloud(GOOGLE).identity.credentials.quota_project_id == "another"
    assert not [found for found in recwarn if "quota project" in str(found.message)]
