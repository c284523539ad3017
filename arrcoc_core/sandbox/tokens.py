"""Who calls: the OAuth token endpoint, the metadata server of the machines, and whose a token is.

Three kinds of bearer are known: tokens that this endpoint gave for a key's signed assertion, tokens of the metadata
server, and assertions signed by the key itself, which Google's libraries send instead of asking for a token. Nothing
else is accepted. Tokens are not kept: they are signed by a secret in the sandbox's state.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from arrcoc_core.sandbox import dispatch
from arrcoc_core.sandbox.errors import ApiError, DropConnection
from arrcoc_core.sandbox.faults import NoNetwork
from arrcoc_core.sandbox.project import OWNER, PROJECT, PROJECT_NUMBER
from arrcoc_core.sandbox.service import Call, RawService

if TYPE_CHECKING:
    from arrcoc_core.sandbox.box import Box
    from arrcoc_core.sandbox.exchange import Exchange

KEY_FILE = "key.json"
LIFETIME_S = 3599
FLAVOR = {"Metadata-Flavor": "Google"}


class Tokens(RawService):
    name = "tokens"

    def __init__(self, box: Box) -> None:
        super().__init__(box)
        self._secret = b""
        self._key: Any = None
        self._verified: dict[str, str] = {}

    def start(self) -> None:
        """Make the key file where there is none, and let it name this port."""
        from arrcoc_core.sandbox.box import write_json

        table = self.box.state.table("tokens")
        held = table.get("secret")
        if held is None:
            held = {"secret": secrets.token_hex(32)}
            table.put("secret", held)
        self._secret = bytes.fromhex(held["secret"])
        path = self.box.folder / KEY_FILE
        if path.exists():
            key: dict[str, str] = json.loads(path.read_text(encoding="utf-8"))
        else:
            key = new_key()
        key["token_uri"] = f"{self.box.url}/token"
        write_json(path, key)
        path.chmod(0o600)
        self._key = _public_key(key["private_key"])

    def serve(self, exchange: Exchange) -> None:
        if exchange.path == "/token":
            self._give(exchange)
        else:
            self._metadata(exchange)

    def caller(self, header: str) -> str:
        """Whose bearer that is; "" without one. UNAUTHENTICATED for one that is not ours."""
        if not header:
            return ""
        token = header.partition(" ")[2].strip()
        known = self._verified.get(token)
        if known is None:
            known = self._read(token)
            if len(self._verified) > 1000:
                self._verified.clear()
            self._verified[token] = known
        return known

    def token(self, account: str) -> str:
        """An access token for a service account."""
        body = f"{base64.urlsafe_b64encode(account.encode()).decode()}.{secrets.token_hex(8)}"
        return f"ya29.sandbox.{body}.{self._sign(body)}"

    def _sign(self, body: str) -> str:
        return hmac.new(self._secret, body.encode(), hashlib.sha256).hexdigest()[:32]

    def _read(self, token: str) -> str:
        if token.startswith("ya29.sandbox."):
            body, _, signature = token.removeprefix("ya29.sandbox.").rpartition(".")
            if hmac.compare_digest(signature, self._sign(body)):
                return base64.urlsafe_b64decode(body.split(".")[0]).decode()
        elif token.count(".") == 2:
            return str(self._assertion(token)["iss"])
        raise _invalid()

    def _assertion(self, token: str) -> dict[str, Any]:
        """The claims of a JWT signed with the key of key.json. UNAUTHENTICATED where it is not."""
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import padding

        try:
            signed, _, signature = token.rpartition(".")
            self._key.verify(_decode(signature), signed.encode(), padding.PKCS1v15(), hashes.SHA256())
            claims: dict[str, Any] = json.loads(_decode(signed.partition(".")[2]))
        except (InvalidSignature, ValueError):
            raise _invalid() from None
        if claims["exp"] < time.time():
            raise _invalid()
        return claims

    def _give(self, exchange: Exchange) -> None:
        form = parse_qs(exchange.read().decode())
        self._refuse(exchange, "token")
        try:
            claims = self._assertion(form.get("assertion", [""])[0])
        except ApiError:
            exchange.json(400, {"error": "invalid_grant", "error_description": "Invalid JWT Signature."})
            return
        token = self.token(claims["iss"])
        exchange.json(200, {"access_token": token, "expires_in": LIFETIME_S, "token_type": "Bearer"})

    def _refuse(self, exchange: Exchange, method: str) -> None:
        self.box.record(Call("tokens", method, False, "", "", "rest"))
        if self.box.faults.take(NoNetwork, service=self.name):
            raise DropConnection
        if dispatch.revoked(self.box, self):
            raise _Revoked

    def _metadata(self, exchange: Exchange) -> None:
        account = OWNER
        path = exchange.path
        if path.startswith("/machine/"):
            account, _, path = path.removeprefix("/machine/").partition("/")
            path = f"/{path}"
        if path in ("/", ""):  # the libraries' ping
            exchange.send(200, b"computeMetadata/\n", {**FLAVOR, "Content-Type": "application/text"})
            return
        if exchange.headers.get("Metadata-Flavor") != "Google":
            exchange.send(403, b"Missing Metadata-Flavor:Google header.", FLAVOR)
            return
        path = path.removeprefix("/computeMetadata/v1").rstrip("/")
        own = f"/instance/service-accounts/{account}"
        path = path.replace("/instance/service-accounts/default", own)
        scopes = ["https://www.googleapis.com/auth/cloud-platform"]
        texts = {
            "/project/project-id": PROJECT,
            "/project/numeric-project-id": PROJECT_NUMBER,
            "/universe/universe-domain": "googleapis.com",
            f"{own}/email": account,
            f"{own}/scopes": "\n".join(scopes),
            "": "instance/\nproject/\n",
        }
        if path == f"{own}/token":
            self._refuse(exchange, "metadata token")
            held = {"access_token": self.token(account), "expires_in": LIFETIME_S, "token_type": "Bearer"}
            exchange.json(200, held, FLAVOR)
        elif path == own:
            exchange.json(200, {"aliases": ["default"], "email": account, "scopes": scopes}, FLAVOR)
        elif path in texts:
            exchange.send(200, texts[path].encode(), {**FLAVOR, "Content-Type": "application/text"})
        else:
            exchange.send(404, b"not found", FLAVOR)


class _Revoked(ApiError):
    """The token endpoint's own form of error (RFC 6749), not google.rpc.Status."""

    def __init__(self) -> None:
        super().__init__("INVALID_ARGUMENT", "Token has been expired or revoked.")

    def to_json(self) -> bytes:
        return json.dumps({"error": "invalid_grant", "error_description": self.message}).encode()


def new_key() -> dict[str, str]:
    """A service account's key file, as Google's console makes it, but for the address of the token endpoint."""
    return {
        "type": "service_account",
        "project_id": PROJECT,
        "private_key_id": secrets.token_hex(20),
        "private_key": _private_key(),
        "client_email": OWNER,
        "client_id": "104221833015427776121",
        "universe_domain": "googleapis.com",
    }


def _private_key() -> str:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    form, plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, form, plain).decode()


def _public_key(text: str) -> Any:
    from cryptography.hazmat.primitives import serialization

    # Our own file: proving its numbers prime at each start would take longer than the start.
    return serialization.load_pem_private_key(text.encode(), None, unsafe_skip_rsa_key_validation=True).public_key()


def _decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _invalid() -> ApiError:
    return ApiError(
        "UNAUTHENTICATED",
        "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid "
        "authentication credential.",
        reason="ACCESS_TOKEN_TYPE_UNSUPPORTED",
    )
