"""IAM admin v1 (gRPC only): service accounts and who may act as them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from arrcoc_core.sandbox.errors import ApiError
from arrcoc_core.sandbox.policies import PolicyMethods
from arrcoc_core.sandbox.project import OWNER, PROJECT
from arrcoc_core.sandbox.service import Call, Service, merge_mask, page

if TYPE_CHECKING:
    from arrcoc_core.sandbox.box import Box

_ACCOUNT_ID = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])")
_LIMITS = (("display_name", 100), ("description", 256))


class Iam(PolicyMethods, Service):
    name = "iam"
    api = "iam.googleapis.com"
    clients = ("google.cloud.iam_admin_v1:IAMClient",)
    grpc = ("google.iam.admin.v1.IAM",)

    def __init__(self, box: Box) -> None:
        super().__init__(box)
        self._table = box.state.messages("service accounts", _account)

    def exists(self, email: str) -> bool:
        return email == OWNER or self._table.get(email) is not None

    def account(self, email: str) -> Any:
        """The account's message; None where there is none."""
        return self._table.get(email)

    def create_service_account(self, request: Any, call: Call) -> Any:
        if not (6 <= len(request.account_id) <= 30 and _ACCOUNT_ID.fullmatch(request.account_id)):
            text = (
                "The account ID should be between 6 and 30 characters long, lower-case letters, digits and dashes, and "
                "begin with a letter."
            )
            raise ApiError("INVALID_ARGUMENT", text, violations=[("account_id", text)])
        email = f"{request.account_id}@{PROJECT}.iam.gserviceaccount.com"
        if self.exists(email):
            raise ApiError(
                "ALREADY_EXISTS",
                f"Service account {request.account_id} already exists within project projects/{PROJECT}.",
            )
        _check(request.service_account)
        number = self.box.state.next("service accounts")
        made = _account()(
            name=f"projects/{PROJECT}/serviceAccounts/{email}",
            project_id=PROJECT,
            unique_id=str(104_000_000_000_000_000_000 + number * 7_919),
            email=email,
            display_name=request.service_account.display_name,
            description=request.service_account.description,
            oauth2_client_id=str(104_000_000_000_000_000_000 + number * 7_919),
            etag=self._etag(),
        )
        self._table.put(email, made)
        return made

    def get_service_account(self, request: Any, call: Call) -> Any:
        return self._held(request.name)

    def list_service_accounts(self, request: Any, call: Call) -> Any:
        from google.cloud import iam_admin_v1

        found, following = page(self._table.values(), request.page_size, request.page_token, default=20, limit=100)
        return iam_admin_v1.ListServiceAccountsResponse(accounts=found, next_page_token=following)

    def patch_service_account(self, request: Any, call: Call) -> Any:
        held = self._held(request.service_account.name)
        _check(request.service_account)
        paths = set(request.update_mask.paths)
        if not paths or paths - {"display_name", "description"}:
            raise ApiError(
                "INVALID_ARGUMENT", "update_mask may name display_name and description, and must not be empty"
            )
        merge_mask(held, request.service_account, request.update_mask)
        held.etag = self._etag()
        self._table.put(held.email, held)
        return held

    def enable_service_account(self, request: Any, call: Call) -> Any:
        self._switch(request.name, disabled=False)

    def disable_service_account(self, request: Any, call: Call) -> Any:
        self._switch(request.name, disabled=True)

    def delete_service_account(self, request: Any, call: Call) -> Any:
        held = self._held(request.name)
        self._table.delete(held.email)
        self.box.policies.drop(held.name)
        self.box.policies.forget(held.email, held.unique_id)

    def policy_of(self, resource: str) -> str:
        return str(self._held(resource).name)

    def _switch(self, name: str, *, disabled: bool) -> None:
        held = self._held(name)
        held.disabled = disabled
        self._table.put(held.email, held)

    def _held(self, name: str) -> Any:
        """By `projects/…/serviceAccounts/…`, the last part of which is an e-mail or a unique id."""
        key = name.rpartition("/")[2]
        found = self._table.get(key)
        if found is None:
            found = next((one for one in self._table.values() if one.unique_id == key), None)
        if found is None:
            raise ApiError("NOT_FOUND", f"Unknown service account: {key}", reason="ACCOUNT_NOT_FOUND")
        return found

    def _etag(self) -> bytes:
        return f"BwY{self.box.state.next('etags'):06}".encode()


def _check(account: Any) -> None:
    for field, limit in _LIMITS:
        if len(getattr(account, field).encode()) > limit:
            text = f"{field} has a maximum of {limit} UTF-8 bytes."
            raise ApiError("INVALID_ARGUMENT", text, violations=[(f"service_account.{field}", text)])


def _account() -> Any:
    from google.cloud.iam_admin_v1 import ServiceAccount

    return ServiceAccount
