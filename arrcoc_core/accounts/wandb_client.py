"""One way to ask a W&B server: its GraphQL endpoint, with the errors translated and its rate limits kept.

wandb's own `Api` needs about four requests for one look at a run, and half a second to be imported. Here a look is one
POST to `/graphql`, authorised as wandb does it (Basic, user "api"). Errors are `CloudError`s whose scope says what can
be done: "auth", "permission", "not-found", "invalid" (the server does not know a field, as an old one), "unavailable"
(429, 5xx), "offline". After a 429, or where the server says that nothing is left of the quota, `limits.wait_s` tells
how long to leave it alone; whoever polls looks there, and others wait inside `execute`.

A client belongs to one thread at a time; it keeps its connection open.
"""

from __future__ import annotations

import random
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from arrcoc_core.accounts.addresses import wandb_url
from arrcoc_core.accounts.keys import LocalKey, find_key
from arrcoc_core.accounts.logins import login as login
from arrcoc_core.accounts.logins import wandb_login, wandb_reach
from arrcoc_core.cloud.endpoints import load_endpoints
from arrcoc_core.errors import CloudError, CloudScope

if TYPE_CHECKING:
    from arrcoc_core.settings import Settings

TIMEOUT_S = 20.0
PATIENCE_S = 30.0
"""How long trouble that passes is retried: a person may be waiting."""
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.2, 8.0
_LIMITED_S = 5.0
"""How long to leave a server alone that answers 429 and does not say how long."""
OF_WANDB: Mapping[str, str] = {"account": "W&B"}
"""In the data of its errors: whose account they are about."""
_NO_GRAPHQL = frozenset({301, 302, 303, 307, 308, 404, 405})
"""What a web server answers that does not know /graphql; W&B's own 404, of something it does not find, says so."""
_PASSES: frozenset[CloudScope] = frozenset({"unavailable", "offline"})
_SCOPES: Mapping[int, CloudScope] = {401: "auth", 403: "permission", 404: "not-found", 409: "conflict"}


@dataclass
class Limits:
    """What the server said last about how much may be asked of it."""

    remaining: int | None = None
    """`RateLimit-Remaining`: units left of the present window."""
    resets_at: float = 0.0
    """`RateLimit-Reset`: monotonic time at which the next window begins."""
    not_before: float = 0.0
    """Monotonic time before which nothing is to be asked."""

    @property
    def wait_s(self) -> float:
        return max(0.0, self.not_before - time.monotonic())

    @property
    def share_s(self) -> float:
        """Seconds between requests at which what is left lasts until the next window; 0 where nothing is known."""
        if self.remaining is None:
            return 0.0
        return max(0.0, self.resets_at - time.monotonic()) / max(1, self.remaining)


class WandbClient:
    def __init__(
        self,
        url: str,
        key: str | LocalKey = "",
        *,
        timeout_s: float = TIMEOUT_S,
        sandbox: bool = False,
    ) -> None:
        """`key`: the API key; "" asks as nobody, which a server answers only for public projects.

        `sandbox`: the server is one of endpoints that bring their own key, which changes what repairs a wrong one.
        """
        self.url = url
        self.limits = Limits()
        self.requests = 0
        """Requests sent so far, retries included."""
        self.server_time: float | None = None
        """The server's own clock when it answered last, in Unix seconds; None: it has not told."""
        found = key if isinstance(key, LocalKey) else None
        self._key = found.value if found is not None else str(key)
        self._login = wandb_login(url, found, sandbox=sandbox)
        self._reach = wandb_reach(url, sandbox=sandbox)
        self.timeout_s = timeout_s
        """Of one request, in seconds."""
        self._session: Any = None

    @staticmethod
    def of(settings: Settings, *, timeout_s: float = TIMEOUT_S) -> WandbClient:
        """The one of the settings' server and this machine's key. CloudError (scope "auth") where there is no key."""
        endpoints, url = load_endpoints(str(settings.get("CLOUD_ENDPOINTS"))), wandb_url(settings)
        sandbox = "wandb" in endpoints.services
        key = find_key("WANDB_API_KEY", url, endpoints)
        if key is None:
            text = f"There is no W&B key for {url} on this machine."
            raise CloudError(text, scope="auth", remedy=wandb_login(url, None, sandbox=sandbox), data=OF_WANDB)
        return WandbClient(url, key, timeout_s=timeout_s, sandbox=sandbox)

    def execute(
        self, query: str, variables: Mapping[str, Any] | None = None, *, patience_s: float = PATIENCE_S
    ) -> dict[str, Any]:
        """The `data` of the answer. What passes is asked again for `patience_s` (0: once); CloudError."""
        deadline = time.monotonic() + patience_s
        pause = _FIRST_PAUSE_S
        while True:
            try:
                return self._once(query, variables or {})
            except CloudError as error:
                wait = max(pause * random.uniform(0.5, 1.0), self.limits.wait_s)
                if error.scope not in _PASSES or time.monotonic() + wait > deadline:
                    raise
            time.sleep(wait)
            pause = min(pause * 2, _LONGEST_PAUSE_S)

    def get(self, address: str) -> bytes:
        """The content of a file that the server named by a URL, without the key where that is another host's."""
        import requests

        own = address.startswith(f"{self.url}/")
        self.requests += 1
        try:
            answer = self._opened().get(address, timeout=self.timeout_s, auth=self._auth() if own else _nobody)
        except requests.RequestException as error:
            raise self._offline(error) from error
        if answer.status_code != 200:
            raise self._refused(answer)
        return bytes(answer.content)

    def close(self) -> None:
        if self._session is not None:
            self._session.close()
            self._session = None

    def _once(self, query: str, variables: Mapping[str, Any]) -> dict[str, Any]:
        import requests

        self.requests += 1
        body = {"query": query, "variables": variables}
        try:
            answer = self._opened().post(
                f"{self.url}/graphql", json=body, timeout=self.timeout_s, auth=self._auth(), allow_redirects=False
            )
        except requests.RequestException as error:
            raise self._offline(error) from error
        self._note_limits(answer)
        self.server_time = _moment(answer.headers.get("Date")) or self.server_time
        if answer.status_code in _NO_GRAPHQL and not _errors(answer):
            raise self._no_wandb(f"it answered {answer.status_code} to /graphql")
        if answer.status_code != 200:
            raise self._refused(answer)
        try:
            held: dict[str, Any] = answer.json()
            errors: list[dict[str, Any]] = held.get("errors") or []
        except (ValueError, AttributeError) as error:
            raise self._no_wandb("its answer is not GraphQL's") from error
        if errors:
            raise self._of_errors(errors)
        if "data" not in held:
            raise self._no_wandb("its answer is not GraphQL's")
        return held["data"] or {}

    def not_taken(self, said: str = "") -> CloudError:
        """The error of a key that the server does not take."""
        text = f"{self.url} does not take this machine's W&B key{said}"
        return CloudError(text, scope="auth", remedy=self._login, data=OF_WANDB)

    def _no_wandb(self, why: str) -> CloudError:
        return CloudError(
            f"{self.url} is no W&B server: {why}.",
            scope="invalid",
            remedy="WANDB_BASE_URL in .training is the address of its API, such as https://api.wandb.ai",
            data=OF_WANDB,
        )

    def _opened(self) -> Any:
        if self._session is None:
            import requests

            self._session = requests.Session()
        return self._session

    def _auth(self) -> Any:
        # Without it, requests would take one from ~/.netrc, of whatever machine bears the host's name.
        return ("api", self._key) if self._key else _nobody

    def _note_limits(self, answer: Any) -> None:
        """By the IETF draft "RateLimit header fields", as wandb's own clients read them; seconds from now."""
        headers = answer.headers
        remaining, reset = _number(headers.get("RateLimit-Remaining")), _number(headers.get("RateLimit-Reset"))
        self.limits.remaining = None if remaining is None else int(remaining)
        self.limits.resets_at = time.monotonic() + (reset or 0.0)
        if answer.status_code == 429:
            wait = _number(headers.get("Retry-After")) or reset or _LIMITED_S
        elif remaining is not None and remaining <= 0 and reset:
            wait = reset
        else:
            return
        self.limits.not_before = time.monotonic() + wait

    def _offline(self, error: Exception) -> CloudError:
        text = f"{self.url} cannot be reached: {type(error).__name__}"
        return CloudError(text, scope="offline", remedy=self._reach, data=OF_WANDB)

    def _refused(self, answer: Any) -> CloudError:
        status = int(answer.status_code)
        scope = _SCOPES.get(status, "unavailable" if status == 429 or status >= 500 else "invalid")
        said = _said(answer)
        if scope == "auth":
            return self.not_taken(said)
        if status == 429:
            wait = f"{self.limits.wait_s:.0f}"
            text = f"{self.url} is asked too often (429): {wait} s to wait"
            return CloudError(text, scope="unavailable", data={**OF_WANDB, "retry_after_s": wait})
        return CloudError(f"{self.url} answered {status}{said}", scope=scope, data=OF_WANDB)

    def _of_errors(self, errors: list[dict[str, Any]]) -> CloudError:
        """By the words that W&B's servers use: an error of GraphQL has no code of its own."""
        text = "; ".join(str(error.get("message", "")) for error in errors)
        low = text.lower()
        scope: CloudScope = "invalid"
        if "permission" in low or "not allowed" in low or "forbidden" in low:
            scope = "permission"
        elif "not logged in" in low or "unauthenticated" in low or "invalid api key" in low:
            return self.not_taken(f": {text}")
        elif "not found" in low or "could not find" in low or "does not exist" in low:
            scope = "not-found"
        elif "already exists" in low or "duplicate" in low:
            scope = "conflict"
        return CloudError(f"{self.url}: {text}", scope=scope, data=OF_WANDB)


def _nobody(request: Any) -> Any:
    return request


def _number(text: str | None) -> float | None:
    try:
        return None if text is None else max(0.0, float(text))
    except ValueError:
        return None


def _moment(date: str | None) -> float | None:
    """A date as HTTP writes it, to the second."""
    from email.utils import parsedate_to_datetime

    try:
        return None if date is None else parsedate_to_datetime(date).timestamp()
    except ValueError:
        return None


def _errors(answer: Any) -> list[Any]:
    """The errors of an answer that is GraphQL's."""
    try:
        held: Any = answer.json()
        return held.get("errors") or []
    except (ValueError, AttributeError):
        return []


def _said(answer: Any) -> str:
    """What the body says, on one line."""
    try:
        held: Any = answer.json()
        errors: Any = held.get("errors") or held.get("error") or held.get("message")
        text = "; ".join(str(error.get("message", error)) for error in errors) if isinstance(errors, list) else errors  # pyright: ignore
    except (ValueError, AttributeError):
        text = str(answer.text)
    line = " ".join(str(text or "").split())[:200]
    return f": {line}" if line else ""
