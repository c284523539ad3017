"""Cloud Quotas v1 for Vertex AI: limits per metric and region, and requests for more that take a while.

A new project is granted a little of the small GPUs and none of the large ones. A request (quota preference) for more
reconciles for `APPROVAL_S` of the sandbox's time and is then granted, unless the scenario denies it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from arrcoc_core.sandbox.errors import ApiError
from arrcoc_core.sandbox.faults import QuotaDenied
from arrcoc_core.sandbox.policies import by_id, by_number
from arrcoc_core.sandbox.project import PROJECT_NUMBER
from arrcoc_core.sandbox.service import Call, Service, page

if TYPE_CHECKING:
    from arrcoc_core.sandbox.box import Box

SERVICE = "aiplatform.googleapis.com"
APPROVAL_S = 120.0

# metric after "aiplatform.googleapis.com/" -> what a new project has of it in each region
DEFAULTS: Mapping[str, int] = {
    "custom_model_training_cpus": 42,
    "custom_model_training_g2_cpus": 48,
    "custom_model_training_a2_cpus": 12,
    "custom_model_training_a3_cpus": 0,
    "custom_model_training_a4_cpus": 0,
    "custom_model_training_preemptible_cpus": 42,
    "custom_model_training_nvidia_t4_gpus": 1,
    "custom_model_training_nvidia_l4_gpus": 1,
    "custom_model_training_nvidia_p4_gpus": 0,
    "custom_model_training_nvidia_p100_gpus": 0,
    "custom_model_training_nvidia_v100_gpus": 0,
    "custom_model_training_nvidia_a100_gpus": 0,
    "restricted_image_training_nvidia_a100_80gb_gpus": 0,
    "custom_model_training_nvidia_h100_gpus": 0,
    "custom_model_training_nvidia_h100_mega_gpus": 0,
    "custom_model_training_nvidia_h200_gpus": 0,
    "custom_model_training_nvidia_b200_gpus": 0,
    "custom_model_training_preemptible_nvidia_t4_gpus": 1,
    "custom_model_training_preemptible_nvidia_l4_gpus": 1,
    "custom_model_training_preemptible_nvidia_v100_gpus": 0,
    "custom_model_training_preemptible_nvidia_a100_gpus": 0,
    "custom_model_training_preemptible_nvidia_a100_80gb_gpus": 0,
    "custom_model_training_preemptible_nvidia_h100_gpus": 0,
    "custom_model_training_preemptible_nvidia_h100_mega_gpus": 0,
    "custom_model_training_preemptible_nvidia_h200_gpus": 0,
    "custom_model_training_preemptible_nvidia_b200_gpus": 0,
}
# A metric that is none of a GPU: a client has to pick by name and not take whatever comes.
_OTHERS: Mapping[str, int] = {"online_prediction_requests_per_base_model": 300, "concurrent_pipeline_runs": 300}


class Quotas(Service):
    name = "cloudquotas"
    api = "cloudquotas.googleapis.com"
    clients = ("google.cloud.cloudquotas_v1:CloudQuotasClient",)

    def __init__(self, box: Box) -> None:
        super().__init__(box)
        self._limits = box.state.table("quota limits")
        self._preferences = box.state.messages("quota preferences", lambda: _types().QuotaPreference)
        self._pending = box.state.table("quota approvals")

    def limit(self, metric: str, region: str) -> int:
        """The limit in force; `metric` with or without the service's name."""
        self._approve()
        short = metric.rpartition("/")[2]
        held = self._limits.get(f"{short} {region}") or self._limits.get(f"{short} ")
        return int(held["value"]) if held is not None else {**DEFAULTS, **_OTHERS}.get(short, 0)

    def grant(self, metric: str, value: int, region: str = "") -> None:
        """Tests' and scenarios' own handle: a limit without a request; "" is every region."""
        self._limits.put(f"{metric.rpartition('/')[2]} {region}", {"value": value})

    def get_quota_info(self, request: Any, call: Call) -> Any:
        quota_id = request.name.rpartition("/")[2]
        return self._info(_metric(quota_id))

    def list_quota_infos(self, request: Any, call: Call) -> Any:
        service = request.parent.rpartition("/")[2]
        if service != SERVICE:
            raise ApiError("NOT_FOUND", f"The sandbox knows the quotas of {SERVICE} only, not of {service}.")
        metrics = sorted({**DEFAULTS, **_OTHERS})
        chosen, following = page(metrics, request.page_size, request.page_token, default=20)
        infos = [self._info(metric) for metric in chosen]
        return _types().ListQuotaInfosResponse(quota_infos=infos, next_page_token=following)

    def create_quota_preference(self, request: Any, call: Call) -> Any:
        wanted = request.quota_preference
        metric = _metric(wanted.quota_id)
        region = dict(wanted.dimensions).get("region", "")
        if wanted.service != SERVICE:
            raise ApiError("INVALID_ARGUMENT", f"Service {wanted.service} has no quota {wanted.quota_id}.")
        _check_region(region)
        parent = by_id(request.parent)
        key = f"{parent}/quotaPreferences/{request.quota_preference_id or f'{wanted.quota_id}-{region}'.lower()}"
        for name, held in self._preferences.items(f"{parent}/quotaPreferences/"):
            same = held.quota_id == wanted.quota_id and dict(held.dimensions) == dict(wanted.dimensions)
            if name == key or same:
                raise ApiError("ALREADY_EXISTS", f"The quota preference already exists: {by_number(name)}")
        wanted.name = by_number(key)
        wanted.create_time = self.box.clock.date()
        return self._ask(key, wanted, metric, region)

    def update_quota_preference(self, request: Any, call: Call) -> Any:
        wanted = request.quota_preference
        key = by_id(wanted.name)
        held = self._held(key)
        if wanted.etag and wanted.etag != held.etag:
            raise ApiError("ABORTED", "The etag does not match that of the quota preference.")
        held.quota_config.preferred_value = wanted.quota_config.preferred_value
        held.quota_config.annotations = dict(wanted.quota_config.annotations) or dict(held.quota_config.annotations)
        held.contact_email = wanted.contact_email or held.contact_email
        held.justification = wanted.justification or held.justification
        return self._ask(key, held, _metric(held.quota_id), dict(held.dimensions).get("region", ""))

    def get_quota_preference(self, request: Any, call: Call) -> Any:
        self._approve()
        return self._held(by_id(request.name))

    def list_quota_preferences(self, request: Any, call: Call) -> Any:
        from arrcoc_core.sandbox.filters import parse_filter

        self._approve()
        matches = parse_filter(request.filter)

        def look(one: Any) -> Any:
            known = {"service": one.service, "quotaId": one.quota_id, "quota_id": one.quota_id}
            known["reconciling"] = str(one.reconciling).lower()

            def values(path: tuple[str, ...]) -> list[str]:
                return [known[path[0]]] if path[0] in known else []

            return values

        held = [one for one in self._preferences.values(f"{by_id(request.parent)}/") if matches(look(one))]
        chosen, following = page(held, request.page_size, request.page_token, default=100)
        return _types().ListQuotaPreferencesResponse(quota_preferences=chosen, next_page_token=following)

    def _ask(self, key: str, wanted: Any, metric: str, region: str) -> Any:
        """Keep a request; more than what is granted has to be approved and needs somebody to write to."""
        now = self.limit(metric, region)
        value = wanted.quota_config.preferred_value
        if value > now and not wanted.contact_email:
            text = "contact_email is required to request a quota increase."
            raise ApiError("INVALID_ARGUMENT", text, violations=[("quota_preference.contact_email", text)])
        wanted.update_time = self.box.clock.date()
        wanted.etag = f"{self.box.state.next('etags'):016x}"
        wanted.quota_config.granted_value = now
        wanted.quota_config.trace_id = f"{self.box.state.next('traces'):016x}"
        wanted.reconciling = value > now
        if value > now:
            denied = self.box.faults.take(QuotaDenied, metric=metric, region=region) is not None
            due = self.box.clock.now() + self.box.clock.scaled(APPROVAL_S)
            self._pending.put(key, {"at": due, "denied": denied})
        else:
            wanted.quota_config.granted_value = value
            self.grant(metric, value, region)
            self._pending.delete(key)
        self._preferences.put(key, wanted)
        return wanted

    def _approve(self) -> None:
        """Decide the requests whose time has come."""
        for key, held in self._pending.items():
            if held["at"] > self.box.clock.now():
                continue
            preference = self._held(key)
            preference.reconciling = False
            if held["denied"]:
                preference.quota_config.state_detail = "The request was denied."
            else:
                value = preference.quota_config.preferred_value
                preference.quota_config.granted_value = value
                self.grant(_metric(preference.quota_id), value, dict(preference.dimensions).get("region", ""))
            preference.etag = f"{self.box.state.next('etags'):016x}"
            self._preferences.put(key, preference)
            self._pending.delete(key)

    def _held(self, key: str) -> Any:
        found = self._preferences.get(key)
        if found is None:
            raise ApiError("NOT_FOUND", f"Quota preference {by_number(key)} was not found.")
        return found

    def _info(self, metric: str) -> Any:
        """One row for what every region has, and one for each region that has something else."""
        from arrcoc_core.catalog import REGIONS

        types = _types()
        quota_id = _quota_id(metric)
        usual = self.limit(metric, "")
        values = {region: self.limit(metric, region) for region in REGIONS}
        rows = [
            types.DimensionsInfo(
                dimensions={"region": region}, details=types.QuotaDetails(value=value), applicable_locations=[region]
            )
            for region, value in values.items()
            if value != usual
        ]
        rest = [region for region, value in values.items() if value == usual]
        rows.append(types.DimensionsInfo(details=types.QuotaDetails(value=usual), applicable_locations=rest))
        title = metric.replace("_", " ").capitalize()
        return types.QuotaInfo(
            name=f"projects/{PROJECT_NUMBER}/locations/global/services/{SERVICE}/quotaInfos/{quota_id}",
            quota_id=quota_id,
            metric=f"{SERVICE}/{metric}",
            service=SERVICE,
            is_precise=True,
            container_type=types.QuotaInfo.ContainerType.PROJECT,
            dimensions=["region"],
            metric_display_name=title,
            quota_display_name=f"{title} per region",
            metric_unit="1",
            quota_increase_eligibility=types.QuotaIncreaseEligibility(is_eligible=True),
            dimensions_infos=rows,
        )


def _quota_id(metric: str) -> str:
    """custom_model_training_nvidia_l4_gpus -> CustomModelTrainingNvidiaL4GpusPerProjectPerRegion"""
    return "".join(word[0].upper() + word[1:] for word in metric.split("_")) + "PerProjectPerRegion"


def _metric(quota_id: str) -> str:
    for metric in (*DEFAULTS, *_OTHERS):
        if _quota_id(metric) == quota_id:
            return metric
    raise ApiError("NOT_FOUND", f"Quota {quota_id} of service {SERVICE} was not found.")


def _check_region(region: str) -> None:
    if region and not re.fullmatch(r"[a-z]+-[a-z]+\d+", region):
        text = f"Unknown region {region}"
        raise ApiError("INVALID_ARGUMENT", text, violations=[("quota_preference.dimensions", text)])


def _types() -> Any:
    from google.cloud import cloudquotas_v1

    return cloudquotas_v1
