"""What results need on the Hugging Face Hub: a token that may write, and the repository that HF_HUB_REPO_ID names.

The repository holds people's results: setup makes it, private or public as set, and nothing of ours ever removes it or
shows it to more people than before. A `YOUR_USERNAME` that was left in its name is a missing prerequisite, and the row
says the line that puts it right.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from arrcoc_core.accounts.addresses import hub_url
from arrcoc_core.accounts.hub_account import PLACEHOLDER, HubAccount, hub_api, hub_errors, who
from arrcoc_core.errors import CloudError, ConfigError
from arrcoc_core.infra.repairs import problem_of
from arrcoc_core.infra.resource import Resource, Say, Status
from arrcoc_core.infra.wandb_rows import UNREACHED

if TYPE_CHECKING:
    from arrcoc_core.infra.world import World
    from arrcoc_core.settings import Settings

_AFTER = Status("note", "after Hub account")
_OTHERS = ("dataset", "space")


class HubAccountRow:
    key = "hub-account"
    title = "Hub account"
    needs: tuple[str, ...] = ()

    def where(self, world: World) -> str:
        return hub_url(world.given)

    def page(self, world: World) -> str:
        return f"{hub_url(world.given)}/settings/tokens" if "HF_TOKEN" in world.keys else ""

    def check(self, world: World) -> Status:
        if "HF_TOKEN" not in world.keys and not world.given.get("HF_HUB_REPO_ID"):
            return Status("note", "no token on this machine: nothing is uploaded, and public models can be loaded")
        try:
            account = who(world.given)
        except CloudError as error:
            if error.scope in UNREACHED:
                return Status("unknown", error.message, problem_of(error, world))
            raise
        orgs = f", in {', '.join(account.orgs)}" if account.orgs else ""
        return Status("ok", f"{account.user}{orgs}; the token may {_RIGHTS.get(account.role, account.role)}")

    def ensure(self, world: World, say: Say) -> Status:
        return self.check(world)

    def destroy(self, world: World, say: Say) -> Status:
        return Status("ok", "an account is its owner's")


_RIGHTS = {"read": "read only", "write": "read and write", "fineGrained": "what it was given"}


class HubRepository:
    key = "hub-repository"
    title = "Hub repository"
    needs: tuple[str, ...] = ("hub-account",)
    stays = "it holds your results; its page on the Hub can delete it"

    def where(self, world: World) -> str:
        return str(world.given.get("HF_HUB_REPO_ID"))

    def page(self, world: World) -> str:
        return f"{hub_url(world.given)}/{self.where(world)}"

    def check(self, world: World) -> Status:
        settings, repo = world.given, self.where(world)
        try:
            account = who(settings)
        except (CloudError, ConfigError):
            return _AFTER
        shown = check_repository(settings, account, repo)
        wanted = "private" if settings.get("HF_HUB_PRIVATE") else "public"
        if not shown:
            return Status("missing", wanted)
        # Who may see results is a person's to change: setup decides only for a repository that it makes.
        return Status("ok", shown if shown == wanted else f"{shown}, although HF_HUB_PRIVATE asks for {wanted}")

    def ensure(self, world: World, say: Say) -> Status:
        settings, repo = world.given, self.where(world)
        with hub_errors(settings):
            private = bool(settings.get("HF_HUB_PRIVATE"))
            hub_api(settings).create_repo(repo, repo_type="model", private=private, exist_ok=True)
        return self.check(world)

    def destroy(self, world: World, say: Say) -> Status:
        return Status("ok", self.stays)


def check_repository(settings: Settings, account: HubAccount, repo: str) -> str:
    """ "private" or "public"; "" where there is none yet. CloudError where results cannot go there."""
    if PLACEHOLDER in repo:
        raise unnamed(settings, account)
    held = _found(settings, repo, "model")
    if held is None:
        other = next((kind for kind in _OTHERS if _found(settings, repo, kind) is not None), "")
        if other:
            raise taken(repo, other, account)
    if not account.may_write(repo):
        raise may_not_write(account, repo)
    return "" if held is None else "private" if held.private else "public"


def hub_rows(world: World) -> tuple[Resource, ...]:
    """The rows of the Hub; the repository's only where one is named."""
    if world.settings is None:
        return ()
    repository = (HubRepository(),) if world.settings.get("HF_HUB_REPO_ID") else ()
    return (HubAccountRow(), *repository)


def is_placeholder(settings: Settings) -> bool:
    return PLACEHOLDER in str(settings.get("HF_HUB_REPO_ID"))


def real_name(settings: Settings, account: HubAccount) -> str:
    """HF_HUB_REPO_ID with the account's own name where YOUR_USERNAME stands."""
    return str(settings.get("HF_HUB_REPO_ID")).replace(PLACEHOLDER, account.user)


def unnamed(settings: Settings, account: HubAccount) -> CloudError:
    """The error of a YOUR_USERNAME that was left where it was."""
    where = settings.source("HF_HUB_REPO_ID").detail
    return CloudError(
        f"HF_HUB_REPO_ID still says {PLACEHOLDER} ({where}): results have nowhere to go.",
        scope="invalid",
        remedy=f"Write HF_HUB_REPO_ID={real_name(settings, account)} there.\narrcoc setup   offers to write it",
        data={"account": "the Hub"},
    )


def taken(repo: str, kind: str, account: HubAccount) -> CloudError:
    """The error of a name that something else than a model bears."""
    owner, _, name = repo.partition("/")
    return CloudError(
        f"{repo} is there already, and it is a {kind}: results go to a model repository.",
        scope="conflict",
        remedy=f"Write another name into .training, such as HF_HUB_REPO_ID={owner or account.user}/{name}-selector",
        data={"account": "the Hub"},
    )


def may_not_write(account: HubAccount, repo: str) -> CloudError:
    """The error of a token that may not write there, which says what would do."""
    owner, _, name = repo.partition("/")
    mine = (account.user, *account.orgs)
    if owner in mine:
        return CloudError(
            f"The token of {account.user} may not write to {repo}: it may {_RIGHTS.get(account.role, account.role)}.",
            scope="permission",
            remedy=f"Make a token with write access: {account.url}/settings/tokens\nhf auth login --force",
            data={"account": "the Hub"},
        )
    return CloudError(
        f"{account.user} may not write to {repo} on the Hub: {owner} is neither this user nor an organisation of it.",
        scope="permission",
        remedy=f"Write HF_HUB_REPO_ID={account.user}/{name} into .training"
        + (f", or one of {', '.join(account.orgs)}." if account.orgs else "."),
        data={"account": "the Hub"},
    )


def _found(settings: Settings, repo: str, kind: str) -> Any:
    """The repository, as far as it can be seen; None where there is none of that kind."""
    try:
        with hub_errors(settings):
            return hub_api(settings).repo_info(repo, repo_type=kind)
    except CloudError as error:
        if error.scope != "not-found":
            raise
        return None
