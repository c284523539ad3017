"""Who we are on the Hugging Face Hub, and which repositories we may write: found from the token alone.

    account = who(settings)     HubAccount(user="ada", orgs=("lab",), role="write", url="https://huggingface.co")
    account.may_write("lab/arr-coc-0-1")

A token that is wrong, a Hub that cannot be reached and an address that is none are each a CloudError with the command
that repairs it. `hub_api(settings)` is the Hub's own client for these settings, `hub_errors` translates its errors.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from arrcoc_core.accounts.addresses import hub_url
from arrcoc_core.accounts.keys import LocalKey, find_keys
from arrcoc_core.accounts.logins import hub_login, hub_reach
from arrcoc_core.cloud.endpoints import load_endpoints
from arrcoc_core.errors import CloudError, CloudScope, ConfigError

if TYPE_CHECKING:
    from arrcoc_core.settings import Settings

TIMEOUT_S = 20.0
PLACEHOLDER = "YOUR_USERNAME"
"""What people leave in HF_HUB_REPO_ID when they copy an example."""
_SCOPES: Mapping[int, CloudScope] = {401: "auth", 403: "permission", 404: "not-found", 409: "conflict"}


@dataclass(frozen=True, slots=True)
class HubAccount:
    user: str
    orgs: tuple[str, ...]
    """Organisations in which it may write."""
    role: str
    """Of the token: "read", "write" or "fineGrained"."""
    url: str
    scoped: frozenset[str] = field(default=frozenset())
    """Of a fine-grained token: owners ("ada") and repositories ("ada/model") whose content it may write."""

    def may_write(self, repo: str) -> bool:
        """Whether this token may make or change the repository "owner/name"."""
        owner = repo.partition("/")[0]
        if self.role == "fineGrained":
            return owner in self.scoped or repo in self.scoped
        return self.role != "read" and owner in (self.user, *self.orgs)


def who(settings: Settings) -> HubAccount:
    """The account of this machine's token at the Hub of the settings. CloudError."""
    url, key = hub_url(settings), find_keys(settings).get("HF_TOKEN")
    if key is None:
        repair = hub_login(url, None, sandbox=_is_sandbox(settings))
        raise CloudError(f"There is no token for {url} on this machine.", scope="auth", remedy=repair, data=_OF_HUB)
    with hub_errors(settings):
        held: dict[str, Any] = hub_api(settings).whoami()
        try:
            return _account(held, url)
        except (KeyError, TypeError, AttributeError) as error:
            raise _no_hub(url) from error


def hub_api(settings: Settings) -> Any:
    """huggingface_hub's HfApi for these settings. ConfigError where the package is not installed."""
    try:
        from huggingface_hub import HfApi
        from huggingface_hub.utils import get_session
    except ImportError as error:
        raise ConfigError(
            "The package huggingface_hub is not installed here.", remedy='pip install -e ".[training]"'
        ) from error
    # Its own client waits for ever for a server that accepts a connection and says nothing.
    get_session().timeout = TIMEOUT_S
    key = find_keys(settings).get("HF_TOKEN")
    return HfApi(endpoint=hub_url(settings), token=key.value if key is not None else False)


@contextmanager
def hub_errors(settings: Settings) -> Generator[None]:
    """Translate what the Hub's client raises inside."""
    import httpx2
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

    url = hub_url(settings)
    try:
        yield
    except HfHubHTTPError as error:
        raise _refused(error, url, find_keys(settings).get("HF_TOKEN"), settings) from error
    except OfflineModeIsEnabled as error:
        raise CloudError(
            f"{url} is not asked: HF_HUB_OFFLINE is set.", scope="offline", remedy="unset HF_HUB_OFFLINE", data=_OF_HUB
        ) from error
    except httpx2.HTTPError as error:
        text = f"{url} cannot be reached: {type(error).__name__}"
        raise CloudError(
            text, scope="offline", remedy=hub_reach(url, sandbox=_is_sandbox(settings)), data=_OF_HUB
        ) from error
    except ValueError as error:  # an answer that is no JSON
        raise _no_hub(url) from error


_OF_HUB = {"account": "the Hub"}


def _account(held: dict[str, Any], url: str) -> HubAccount:
    token: dict[str, Any] = held.get("auth", {}).get("accessToken") or {}
    orgs: list[dict[str, Any]] = held.get("orgs") or []
    fine: dict[str, list[dict[str, Any]]] = token.get("fineGrained") or {}
    return HubAccount(
        user=str(held["name"]),
        orgs=tuple(str(one["name"]) for one in orgs if one.get("roleInOrg") != "read"),
        role=str(token.get("role") or "write"),
        url=url,
        scoped=frozenset(
            str(one["entity"]["name"]) for one in fine.get("scoped", ()) if "repo.write" in one["permissions"]
        ),
    )


def _refused(error: Any, url: str, key: LocalKey | None, settings: Settings) -> CloudError:
    status = int(error.response.status_code) if error.response is not None else 0
    said = " ".join(str(getattr(error, "server_message", "") or "").split())[:200]
    more = f": {said}" if said else ""
    scope = _SCOPES.get(status, "unavailable" if status == 429 or status >= 500 else "invalid")
    if scope == "auth":
        text = f"{url} does not take this machine's token{more}"
        return CloudError(text, scope="auth", remedy=hub_login(url, key, sandbox=_is_sandbox(settings)), data=_OF_HUB)
    if status == 429:
        return CloudError(f"{url} is asked too often (429)", scope="unavailable", data=_OF_HUB)
    return CloudError(f"{url} answered {status}{more}", scope=scope, data=_OF_HUB)


def _no_hub(url: str) -> CloudError:
    text = f"{url} answered with something that is no Hub's"
    return CloudError(text, scope="invalid", remedy="unset HF_ENDPOINT   goes to the Hub itself", data=_OF_HUB)


def _is_sandbox(settings: Settings) -> bool:
    return "huggingface" in load_endpoints(str(settings.get("CLOUD_ENDPOINTS"))).services
