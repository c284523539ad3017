"""What Cloud Build refuses in a Build: INVALID_ARGUMENT in its own words."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from arrcoc_core.sandbox.errors import ApiError
from arrcoc_core.sandbox.project import OWNER, PROJECT, PROJECT_NUMBER
from arrcoc_core.sandbox.storage.messages import StorageError

if TYPE_CHECKING:
    from arrcoc_core.sandbox.box import Box

_LONGEST_S = 24 * 3600
_MOST_TAGS = 64
_TEMPLATE = re.compile(r"\$\$|\$(?:\{([A-Z_][A-Z0-9_]*)\}|([A-Z_][A-Z0-9_]*))")
_TAG = re.compile(r"[\w][\w.-]{0,127}")
_IMAGE = re.compile(r"[a-z0-9.-]+(?:/[A-Za-z0-9._-]+)+(?::[\w][\w.-]{0,127})?")


def check_build(box: Box, build: Any) -> str:
    """The e-mail of the account it runs as."""
    if not build.steps:
        raise refused("invalid build: build must contain at least one step")
    for number, step in enumerate(build.steps):
        if not step.name:
            raise refused(f"invalid build: invalid build step name at index {number}: required")
        for text in (*step.args, *step.env, step.dir, step.id):
            substituted(text, build)
    ids = [step.id for step in build.steps if step.id]
    if len(set(ids)) < len(ids):
        raise refused("invalid build: step ids must be unique")
    for name in build.images:
        if not _IMAGE.fullmatch(substituted(name, build)):
            raise refused(f'invalid build: invalid image name "{name}"')
    if len(build.tags) > _MOST_TAGS or not all(_TAG.fullmatch(tag) for tag in build.tags):
        raise refused(f"invalid build: invalid tags {list(build.tags)}")
    if build.timeout.total_seconds() > _LONGEST_S:
        raise refused("invalid build: build timeout must be at most 24h")
    account = _account(box, build)
    _check_source(box, build, account)
    return account


def substituted(text: str, build: Any) -> str:
    """`$PROJECT_ID` and the build's own `$_NAME` filled in; INVALID_ARGUMENT for any other."""
    known = {
        "PROJECT_ID": PROJECT,
        "PROJECT_NUMBER": PROJECT_NUMBER,
        "BUILD_ID": build.id,
        "LOCATION": "global",
        **dict(build.substitutions),
    }

    def value(match: re.Match[str]) -> str:
        if match[0] == "$$":
            return "$"
        name = match[1] or match[2]
        if name not in known:
            raise refused(
                f'generic::invalid_argument: key in the template "{name}" is not a valid built-in substitution'
            )
        return known[name]

    return _TEMPLATE.sub(value, text)


def refused(message: str) -> ApiError:
    return ApiError("INVALID_ARGUMENT", message, violations=[("build", message)])


def _account(box: Box, build: Any) -> str:
    if not build.service_account:
        return OWNER  # the project's default account, which may do everything
    match = re.fullmatch(r"projects/([^/]+)/serviceAccounts/([^/@]+@[^/]+)", build.service_account)
    if match is None:
        raise refused(f"invalid build: invalid service account {build.service_account}")
    if not box.service("iam").exists(match[2]):
        raise ApiError("NOT_FOUND", f"generic::not_found: Service account {match[2]} was not found.")
    logging, owned = build.options.logging.name, int(build.options.default_logs_bucket_behavior) == 1
    if not build.logs_bucket and not owned and logging not in ("CLOUD_LOGGING_ONLY", "NONE"):
        raise refused(
            "invalid argument: if 'build.service_account' is specified, the build must either (a) specify "
            "'build.logs_bucket', (b) use the REGIONAL_USER_OWNED_BUCKET build.options.default_logs_bucket_behavior "
            "option, or (c) use either CLOUD_LOGGING_ONLY / NONE logging options"
        )
    return match[2]


def _check_source(box: Box, build: Any, account: str) -> None:
    """The service looks at the object before it takes the build."""
    source = build.source.storage_source
    if not source.bucket and not source.object_:
        return
    if not source.object_:
        raise refused("invalid build: source.storage_source.object is required")
    try:
        box.service("storage").read(account, source.bucket, source.object_, int(source.generation))
    except StorageError as error:
        raise refused(f"could not resolve source: googleapi: Error {error.status}: {error.message}") from None
