"""Who calls: Application Default Credentials, and which command repairs them."""

from __future__ import annotations

from typing import Any, NamedTuple

from arrcoc_core.cloud.endpoints import Endpoints
from arrcoc_core.errors import CloudError

SCOPES = ("https://www.googleapis.com/auth/cloud-platform",)
LOGIN = "gcloud auth application-default login"


class Identity(NamedTuple):
    credentials: Any
    """google.auth.credentials.Credentials"""
    project: str | None
    """The project the credentials name; None where they name none."""
    account: str
    """E-mail address, or "" where the credentials do not tell."""


def find_identity(endpoints: Endpoints) -> Identity:
    """The credentials to call with; they are not tried out. CloudError with scope "auth" when there are none."""
    import google.auth
    from google.auth.exceptions import DefaultCredentialsError

    library: Any = google.auth  # untyped
    try:
        if endpoints.credentials is not None:
            found = _from_key(endpoints.credentials)
            project = found.project_id
        else:
            found, project = library.default(scopes=SCOPES)
    except (DefaultCredentialsError, OSError, ValueError) as error:
        raise _no_credentials(error) from error
    if not endpoints.is_google:
        found.__class__ = _without_locations(type(found))
    return Identity(found, project, str(getattr(found, "service_account_email", "") or ""))


def check_identity(identity: Identity) -> None:
    """Ask for a token now: CloudError with scope "auth" when they are revoked or expired, "offline" without network."""
    from google.auth.transport.requests import Request

    from arrcoc_core.cloud.calling import translated

    with translated("credentials"):
        identity.credentials.refresh(Request())


def _from_key(path: str) -> Any:
    """The credentials in a service account's key file."""
    from google.oauth2 import service_account

    library: Any = service_account  # untyped
    return library.Credentials.from_service_account_file(path, scopes=SCOPES)


def _without_locations(kind: type[Any]) -> type[Any]:
    """`kind` without google-auth's look-up of its allowed locations.

    It goes to Google's own address in a thread of its own, whatever the endpoints are. (A subclass, because clients
    copy their credentials.)
    """

    def not_required(_self: object) -> bool:
        return False

    return type(kind.__name__, (kind,), {"_is_regional_access_boundary_lookup_required": not_required})


def _no_credentials(error: Exception) -> CloudError:
    said = str(error)
    if "GOOGLE_APPLICATION_CREDENTIALS" in said or ".json" in said:
        return CloudError(
            f"The file with Google credentials cannot be used: {said.splitlines()[0]}",
            scope="auth",
            remedy=f"unset GOOGLE_APPLICATION_CREDENTIALS   or let it name a key file that exists\n{LOGIN}",
        )
    return CloudError(
        "There are no Google credentials on this machine.",
        scope="auth",
        remedy=LOGIN,
    )
