"""The quota that a GPU in a region needs, asked for where it is not granted; what comes of it is Google's decision.

A request made here is marked with our label in its annotations. Setup raises no request that somebody else made, nor
asks again after a refusal: `arrcoc infra --request` does, because then a person has decided so. Requests cannot be
taken back; granted quota costs nothing.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from arrcoc_core.cloud.calling import call
from arrcoc_core.cloud.names import OWNER_LABEL
from arrcoc_core.errors import CloudError
from arrcoc_core.infra.events import Fix, Problem
from arrcoc_core.infra.needs import Amount, GpuNeed
from arrcoc_core.infra.quotas import SERVICE, QuotaRequest, Quotas, read_quotas
from arrcoc_core.infra.resource import Say, Status

if TYPE_CHECKING:
    from arrcoc_core.infra.world import World


@dataclass(frozen=True)
class GpuQuota:
    need: GpuNeed
    insist: bool = False
    """Ask again after a refusal, and raise requests of others."""
    needs: tuple[str, ...] = ("apis",)

    @property
    def key(self) -> str:
        return f"quota-{self.need.gpu}-{self.need.region}".lower()

    @property
    def title(self) -> str:
        return f"Quota for {self.need.gpu} in {self.need.region}"

    def where(self, world: World) -> str:
        return ", ".join(f"{amount.value} {_called(amount)}" for amount in self.need.amounts)

    def page(self, world: World) -> str:
        return "iam-admin/quotas"

    def check(self, world: World) -> Status:
        return self._status(world, self._read(world))

    def ensure(self, world: World, say: Say) -> Status:
        quotas, asked = self._read(world), False
        for amount in self._lacking(quotas):
            request = quotas.request(amount.metric, self.need.region)
            if not quotas.quota_id(amount.metric) or not self._may_ask(world, request, amount):
                continue
            if not world.contact and not world.caller:
                return Status("note", "an e-mail address is needed to ask for it", _no_contact())
            say(f"asking for {amount.value} {_called(amount)}")
            self._ask(world, quotas, amount, request)
            asked = True
        status = self._status(world, self._read(world))
        # A listing may lag behind a request that has just been made.
        return Status("pending", status.detail) if asked and status.state == "missing" else status

    def destroy(self, world: World, say: Say) -> Status:
        return Status("ok", "granted quota stays: it costs nothing")

    def _read(self, world: World) -> Quotas:
        return read_quotas(world.cloud, [amount.metric for amount in self.need.amounts])

    def _lacking(self, quotas: Quotas) -> list[Amount]:
        region = self.need.region
        return [one for one in self.need.amounts if not quotas.enough(one.metric, region, one.value)]

    def _status(self, world: World, quotas: Quotas) -> Status:
        lacking = self._lacking(quotas)
        if not lacking:
            return Status("ok", "granted")
        unknown = [one for one in lacking if not quotas.quota_id(one.metric)]
        if unknown:
            return Status("unknown", f"Google names no such quota: {', '.join(one.metric for one in unknown)}")
        texts: list[str] = []
        askable, pending, refused = False, False, False
        for amount in lacking:
            limit = quotas.limit(amount.metric, self.need.region)
            text = f"{_called(amount)}: {'not known' if limit is None else limit} granted"
            request = quotas.request(amount.metric, self.need.region)
            if request is not None and request.wanted >= amount.value:
                text += f", {_said(request)}"
                pending = pending or request.state == "pending"
                refused = refused or request.state in ("denied", "partly granted")
            texts.append(text)
            askable = askable or self._may_ask(world, request, amount)
        detail = "; ".join(texts)
        if askable:
            return Status("missing", detail)
        if refused:
            return Status("note", detail, self._refused(world))
        if pending:
            return Status("pending", detail)
        return Status("note", detail, self._not_asked(world))

    def _may_ask(self, world: World, request: QuotaRequest | None, amount: Amount) -> bool:
        if not (self.insist or (world.request_quota and not self.need.example)):
            return False
        if request is None:
            return True
        if request.state == "pending" and request.wanted >= amount.value:
            return False
        if self.insist:
            return True
        # Granted, and still too little: the quota was lowered since, or more is needed now.
        ours = request.annotations.get(OWNER_LABEL) == world.names.owner
        return ours and request.wanted < amount.value

    def _ask(self, world: World, quotas: Quotas, amount: Amount, request: QuotaRequest | None) -> None:
        client = world.cloud.quotas()
        quota_id = quotas.quota_id(amount.metric)
        wanted = {
            "service": SERVICE,
            "quota_id": quota_id,
            "dimensions": {"region": self.need.region},
            "quota_config": {"preferred_value": amount.value, "annotations": world.names.labels},
            "contact_email": world.contact or world.caller,
            "justification": "Training of a vision-language model on Vertex AI custom jobs.",
        }
        try:
            if request is not None:
                changed = {**wanted, "name": request.name, "etag": request.etag}
                call(client.update_quota_preference, request={"quota_preference": changed})
                return
            call(
                client.create_quota_preference,
                request={
                    "parent": f"{world.project_path}/locations/global",
                    "quota_preference_id": f"arrcoc-{_mark(quota_id, self.need.region)}",
                    "quota_preference": wanted,
                },
            )
        except CloudError as error:
            # Asked for already: by a first try whose answer was lost, or by the row of another GPU (vCPUs are shared).
            if error.scope != "conflict":
                raise

    def _refused(self, world: World) -> Problem:
        place = f"{self.need.gpu}={max(a.value for a in self.need.amounts if a.gpu == self.need.gpu)}"
        return Problem(
            f"Google has not granted the quota for {self.need.gpu} in {self.need.region}.",
            "New projects often get none for some GPUs at first; a project that has been billed for a while gets more.",
            (
                Fix("See which regions have quota that is granted:", "arrcoc infra"),
                Fix("Ask again, or elsewhere:", f"arrcoc infra --request {place}@{self.need.region}"),
                Fix(f"Or in the console: {world.cloud.console('iam-admin/quotas')}"),
            ),
        )

    def _not_asked(self, world: World) -> Problem:
        place = f"{self.need.gpu}={max(a.value for a in self.need.amounts if a.gpu == self.need.gpu)}"
        return Problem(
            f"The quota for {self.need.gpu} in {self.need.region} is not enough, and has not been asked for here.",
            "",
            (Fix("Ask for it:", f"arrcoc infra --request {place}@{self.need.region}"),),
        )


def gpu_quotas(world: World) -> tuple[GpuQuota, ...]:
    return tuple(GpuQuota(need) for need in world.needs)


def _called(amount: Amount) -> str:
    return f"{'vCPU' if amount.gpu == 'CPU' else amount.gpu} {amount.kind}"


def _said(request: QuotaRequest) -> str:
    detail = f" ({request.detail})" if request.detail else ""
    if request.state == "partly granted":
        return f"granted {request.granted} of {request.wanted}{detail}"
    return f"{request.state}{detail}" if request.state != "pending" else f"{request.wanted} asked for, pending{detail}"


def _mark(quota_id: str, region: str) -> str:
    """One request for each quota and region: the same name each time makes asking twice harmless."""
    return hashlib.sha256(f"{quota_id} {region}".encode()).hexdigest()[:16]


def _no_contact() -> Problem:
    return Problem(
        "Google wants an e-mail address with a quota request, and the credentials do not say one.",
        "",
        (Fix("Name one:", "arrcoc setup --contact <your address>"),),
    )
