"""Who calls: Application Default Credentials, and which command repairs them.

A person's credentials belong to no project. Most services answer them only when the call says whose quota it uses, and
the project that gcloud once wrote into them may be another one, whose APIs are off: so calls name the project that is
worked in. Service accounts have a project of their own.
"""

from __future__ import annotations

import warnings
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


def find_identity(endpoints: Endpoints, project: str = "") -> Identity:
    """The credentials to call with; they are not tried out. CloudError with scope "auth" when there are none.

    `project` is the one whose quota a person's calls use; "" leaves it to the credentials.
    """
    import google.auth
    from google.auth.exceptions import DefaultCredentialsError

    library: Any = google.auth  # untyped
    try:
        if endpoints.credentials is not None:
            found = _from_key(endpoints.credentials)
            named = found.project_id
        else:
            with warnings.catch_warnings():
                # What it warns of, credentials without a quota project, is put right below.
                warnings.filterwarnings("ignore", message="Your application has authenticated using end user")
                found, named = library.default(scopes=SCOPES)
            found = _using_quota_of(found, project)
    except (DefaultCredentialsError, OSError, ValueError) as error:
        raise _no_credentials(error) from error
    if not endpoints.is_google:
        found = _asking_for_no_locations(found)
    return Identity(found, named, str(getattr(found, "service_account_email", "") or ""))


def check_identity(identity: Identity) -> None:
    """Ask for a token now: CloudError with scope "auth" when they are revoked or expired, "offline" without network."""
    from google.auth.transport.requests import Request

    from arrcoc_core.cloud.calling import translated

    with translated("credentials"):
        identity.credentials.refresh(Request())


def _using_quota_of(credentials: Any, project: str) -> Any:
    """A person's credentials for calls that use the project's quota; any others as they are."""
    from google.oauth2.credentials import Credentials

    person: Any = Credentials  # untyped
    return credentials.with_quota_project(project) if project and isinstance(credentials, person) else credentials


def _from_key(path: str) -> Any:
    """The credentials in a service account's key file."""
    from google.oauth2 import service_account

    library: Any = service_account  # untyped
    return library.Credentials.from_service_account_file(path, scopes=SCOPES)


def _asking_for_no_locations(credentials: Any) -> Any:
    """The credentials without google-auth's look-up of their allowed locations.

    It goes to Google's own address in a thread of its own, whatever the endpoints are. (A subclass, because clients
    copy their credentials.)
    """

    def not_required(_self: object) -> bool:
        return False

    kind: type[Any] = credentials.__class__
    credentials.__class__ = type(kind.__name__, (kind,), {"_is_regional_access_boundary_lookup_required": not_required})
    return credentials


def _no_credentials(error: Exception) -> CloudError:
    said = str(error)
    if "GOOGLE_APPLICATION_CREDENTIALS" in said or ".json" in said:
        return CloudError(
            f"The file with Google credentials cannot be used: {said.splitlines()[0]}",
            scope="auth",
            remedy=f"unset GOOGLE_APPLICATION_CREDENTIALS   forgets it; or let it name a key file that exists\n{LOGIN}",
        )
    return CloudError(
        "There are no Google credentials on this machine.",
        scope="auth",
        remedy=LOGIN,
    )
