"""Secret Manager v1. The values lie in the sandbox's own state and nowhere else: they are never recorded or logged."""

from __future__ import annotations

import importlib
import re
from typing import TYPE_CHECKING, Any

from arrcoc_core.sandbox.errors import ApiError
from arrcoc_core.sandbox.policies import PolicyMethods, by_id, by_number
from arrcoc_core.sandbox.service import Call, Service, merge_mask, page

if TYPE_CHECKING:
    from arrcoc_core.sandbox.box import Box

_LARGEST = 65536


class SecretManager(PolicyMethods, Service):
    name = "secretmanager"
    api = "secretmanager.googleapis.com"
    clients = ("google.cloud.secretmanager_v1:SecretManagerServiceClient",)
    needs_billing = True

    def __init__(self, box: Box) -> None:
        super().__init__(box)
        self._secrets = box.state.messages("secrets", lambda: _types().Secret)
        self._versions = box.state.messages("secret versions", lambda: _types().SecretVersion)
        self._payloads = box.state.messages("secret payloads", lambda: _types().SecretPayload)

    def create_secret(self, request: Any, call: Call) -> Any:
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,255}", request.secret_id):
            text = "Secret ID must be letters, digits, hyphens and underscores, at most 255."
            raise ApiError("INVALID_ARGUMENT", text, violations=[("secret_id", text)])
        if "replication" not in request.secret:
            text = "Field [secret.replication] is required."
            raise ApiError("INVALID_ARGUMENT", text, violations=[("secret.replication", text)])
        key = f"{by_id(request.parent)}/secrets/{request.secret_id}"
        if self._secrets.get(key) is not None:
            raise ApiError("ALREADY_EXISTS", f"Secret [{by_number(key)}] already exists.")
        made = request.secret
        made.name = by_number(key)
        made.create_time = self.box.clock.date()
        made.etag = self._etag()
        self._secrets.put(key, made)
        return made

    def get_secret(self, request: Any, call: Call) -> Any:
        return self._secret(request.name)

    def list_secrets(self, request: Any, call: Call) -> Any:
        from arrcoc_core.sandbox.filters import parse_filter

        matches = parse_filter(request.filter)
        held = [one for one in self._secrets.values(f"{by_id(request.parent)}/secrets/") if matches(_looked_up(one))]
        found, following = page(held, request.page_size, request.page_token, default=25000, limit=25000)
        answer = _types().ListSecretsResponse(secrets=found, next_page_token=following)
        answer.total_size = len(held)
        return answer

    def update_secret(self, request: Any, call: Call) -> Any:
        held = self._secret(request.secret.name)
        self._same_etag(held, request.secret.etag)
        merge_mask(held, request.secret, request.update_mask)
        held.etag = self._etag()
        self._secrets.put(by_id(held.name), held)
        return held

    def delete_secret(self, request: Any, call: Call) -> Any:
        held = self._secret(request.name)
        self._same_etag(held, request.etag)
        key = by_id(held.name)
        self._secrets.delete(key)
        self.box.policies.drop(key)
        for version, _ in self._versions.items(f"{key}/versions/"):
            self._versions.delete(version)
            self._payloads.delete(version)
        self.box.state.table("secret counts").delete(key)

    def add_secret_version(self, request: Any, call: Call) -> Any:
        key = by_id(self._secret(request.parent).name)
        payload = request.payload
        if not payload.data:
            text = "Secret payload must not be empty."
            raise ApiError("INVALID_ARGUMENT", text, violations=[("payload.data", text)])
        if len(payload.data) > _LARGEST:
            raise ApiError("INVALID_ARGUMENT", f"The secret payload is larger than {_LARGEST} bytes.")
        checksum = _crc32c(payload.data)
        if "data_crc32c" in payload and payload.data_crc32c != checksum:
            raise ApiError("INVALID_ARGUMENT", "The checksum of the secret payload does not match its data.")
        counts = self.box.state.table("secret counts")
        number = int((counts.get(key) or {"last": 0})["last"]) + 1
        counts.put(key, {"last": number})
        made = _types().SecretVersion(
            name=f"{by_number(key)}/versions/{number}",
            create_time=self.box.clock.date(),
            state=_types().SecretVersion.State.ENABLED,
            etag=self._etag(),
            client_specified_payload_checksum="data_crc32c" in payload,
        )
        name = f"{key}/versions/{number}"
        self._versions.put(name, made)
        self._payloads.put(name, _types().SecretPayload(data=payload.data, data_crc32c=checksum))
        return made

    def get_secret_version(self, request: Any, call: Call) -> Any:
        return self._version(request.name)[1]

    def list_secret_versions(self, request: Any, call: Call) -> Any:
        from arrcoc_core.sandbox.filters import parse_filter

        matches = parse_filter(request.filter)
        held = [one for one in self._numbered(by_id(self._secret(request.parent).name)) if matches(_looked_up(one))]
        found, following = page(held, request.page_size, request.page_token, default=25000, limit=25000)
        answer = _types().ListSecretVersionsResponse(versions=found, next_page_token=following)
        answer.total_size = len(held)
        return answer

    def access_secret_version(self, request: Any, call: Call) -> Any:
        secret = by_id(request.name.partition("/versions/")[0])
        self.box.policies.require(call.caller, "secretmanager.versions.access", request.name, secret)
        key, held = self._version(request.name)
        if held.state != _types().SecretVersion.State.ENABLED:
            raise ApiError("FAILED_PRECONDITION", f"Secret Version [{held.name}] is in {held.state.name} state.")
        return _types().AccessSecretVersionResponse(name=held.name, payload=self._payloads.get(key))

    def enable_secret_version(self, request: Any, call: Call) -> Any:
        return self._set_state(request, "ENABLED")

    def disable_secret_version(self, request: Any, call: Call) -> Any:
        return self._set_state(request, "DISABLED")

    def destroy_secret_version(self, request: Any, call: Call) -> Any:
        return self._set_state(request, "DESTROYED")

    def policy_of(self, resource: str) -> str:
        return by_id(self._secret(resource).name)

    def _set_state(self, request: Any, state: str) -> Any:
        key, held = self._version(request.name)
        self._same_etag(held, request.etag)
        states = _types().SecretVersion.State
        if held.state == states.DESTROYED:
            raise ApiError("FAILED_PRECONDITION", f"Secret Version [{held.name}] is in DESTROYED state.")
        held.state = states[state]
        held.etag = self._etag()
        if state == "DESTROYED":
            held.destroy_time = self.box.clock.date()
            self._payloads.delete(key)
        self._versions.put(key, held)
        return held

    def _secret(self, name: str) -> Any:
        held = self._secrets.get(by_id(name))
        if held is None:
            raise ApiError("NOT_FOUND", f"Secret [{by_number(by_id(name))}] not found.")
        return held

    def _version(self, name: str) -> tuple[str, Any]:
        secret, _, number = by_id(name).partition("/versions/")
        if number == "latest":
            self._secret(secret)
            held = self._numbered(secret)
            if held:
                return by_id(held[0].name), held[0]
        found = self._versions.get(f"{secret}/versions/{number}")
        if found is None:
            raise ApiError(
                "NOT_FOUND",
                f"Secret [{by_number(secret)}] not found or has no versions."
                if number == "latest"
                else f"Secret Version [{by_number(by_id(name))}] not found.",
            )
        return by_id(name), found

    def _numbered(self, secret: str) -> list[Any]:
        """Newest first."""
        held = self._versions.values(f"{secret}/versions/")
        return sorted(held, key=lambda one: -int(one.name.rpartition("/")[2]))

    def _same_etag(self, held: Any, etag: str) -> None:
        if etag and etag != held.etag:
            raise ApiError("FAILED_PRECONDITION", f"Etag mismatch: {held.name} was changed by another request.")

    def _etag(self) -> str:
        return f'"{0x16000000000000 + self.box.state.next("etags"):x}"'


def _looked_up(message: Any) -> Any:
    def look(path: tuple[str, ...]) -> list[str]:
        if path[0] == "labels":
            labels = dict(message.labels)
            return [labels[path[1]]] if len(path) > 1 and path[1] in labels else list(labels) if len(path) == 1 else []
        if path == ("name",):
            return [message.name]
        if path == ("state",):
            return [message.state.name]
        return []

    return look


def _crc32c(data: bytes) -> int:
    library: Any = importlib.import_module("google_crc32c")
    return int(library.value(data))


def _types() -> Any:
    from google.cloud import secretmanager_v1

    return secretmanager_v1
