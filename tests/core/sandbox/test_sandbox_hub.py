"""The Hub's protocol with the real huggingface_hub client: what is written comes back, what may not be is refused."""

from __future__ import annotations

import base64
import http.client
import json
import math
import os
import random
import struct
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import Message
from pathlib import Path

import pytest
from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi, close_session, snapshot_download
from huggingface_hub import constants as client_constants
from huggingface_hub.errors import (
    EntryNotFoundError,
    HfHubHTTPError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from arrcoc_core.sandbox import Sandbox, running, start
from arrcoc_core.sandbox.faults import LostAck, PermissionDenied, RateLimited, StorageFull, Unavailable

# The client's own: lfs.py hands httpx a file under a name that is out of use.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")


def ask(request: urllib.request.Request | str) -> tuple[int, bytes, Message]:
    """What plain HTTP gets: status, body, headers."""
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, answer.read(), answer.headers
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, refused.read(), refused.headers


CARD = b"---\nlicense: mit\ntags: [arr-coc]\nlibrary_name: arrcoc\n---\n# A model\n"


@dataclass
class Place:
    sandbox: Sandbox
    api: HfApi
    token: str
    url: str
    folder: Path
    count: int = 0

    def repository(self, **options: object) -> str:
        self.count += 1
        repo_id = f"sandbox/r{self.count}"
        self.api.create_repo(repo_id, **options)  # pyright: ignore[reportArgumentType]
        return repo_id

    def signed_in(self, role: str, **more: object) -> HfApi:
        return HfApi(endpoint=self.url, token=self.sandbox.box.service("huggingface").new_token(role, **more))

    def download(self, repo_id: str, **options: object) -> dict[str, bytes]:
        """Path -> content of every file, through a cache of its own."""
        self.count += 1
        cache = self.folder / f"cache{self.count}"
        root = Path(snapshot_download(repo_id, endpoint=self.url, token=self.token, cache_dir=cache, **options))  # pyright: ignore
        return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


@pytest.fixture
def with_xet(monkeypatch: pytest.MonkeyPatch) -> None:
    """The client as it is installed: large files go through Xet."""
    monkeypatch.setattr(client_constants, "HF_HUB_DISABLE_XET", False)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, sandbox_key: str) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("hub")
    (folder / "sandbox").mkdir()
    (folder / "sandbox/key.json").write_text(sandbox_key, encoding="utf-8")
    with running(folder / "sandbox", speed=100) as sandbox, pytest.MonkeyPatch.context() as patch:
        patch.setattr(client_constants, "HF_HUB_DISABLE_XET", True)
        endpoints = sandbox.endpoints
        token = Path(endpoints.keys["HF_TOKEN"]).read_text(encoding="utf-8").strip()
        url = endpoints.services["huggingface"]
        yield Place(sandbox, HfApi(endpoint=url, token=token), token, url, folder)
        close_session()


@pytest.fixture(autouse=True)
def no_faults(place: Place) -> Iterator[None]:
    yield
    place.sandbox.set_scenario([])


def test_the_key_file_is_for_its_owner_only(place: Place) -> None:
    file = Path(place.sandbox.endpoints.keys["HF_TOKEN"])
    assert file.stat().st_mode & 0o777 == 0o600
    assert place.token.startswith("hf_") and len(place.token) == 37
    for known in (place.sandbox.folder / "state.db", place.sandbox.folder / "requests.jsonl"):
        assert place.token.encode() not in known.read_bytes()


def test_who_am_i(place: Place) -> None:
    who = place.api.whoami()
    assert (who["name"], [org["name"] for org in who["orgs"]]) == ("sandbox", ["sandbox-org"])
    assert who["auth"]["accessToken"]["role"] == "write"
    fine = place.signed_in("fineGrained", scopes=[("sandbox/only", ["repo.content.read", "repo.write"])]).whoami()
    scoped = fine["auth"]["accessToken"]["fineGrained"]["scoped"]
    assert scoped[0]["entity"]["name"] == "sandbox/only" and "repo.write" in scoped[0]["permissions"]
    with pytest.raises(HfHubHTTPError, match="Invalid user token"):
        HfApi(endpoint=place.url, token="hf_" + "x" * 34).whoami()


@pytest.mark.parametrize("kind", ["model", "dataset", "space"])
def test_a_folder_comes_back_as_it_went(place: Place, kind: str, tmp_path: Path) -> None:
    repo_id = place.repository(repo_type=kind, space_sdk="static" if kind == "space" else None)
    files = {
        "README.md": CARD,
        "config.json": b"{}",
        "empty": b"",
        "weights.safetensors": os.urandom(200_000),
        "in a folder/ünïcode & 100%.txt": "Grüße".encode(),
    }
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    commit = place.api.upload_folder(repo_id=repo_id, folder_path=tmp_path, repo_type=kind)
    info = place.api.repo_info(repo_id, repo_type=kind, files_metadata=True)
    assert info.sha == commit.oid and info.private is False
    assert {file.rfilename: file.size for file in info.siblings or ()} == {
        ".gitattributes": 1586,
        **{name: len(content) for name, content in files.items()},
    }
    assert [file.rfilename for file in info.siblings or () if file.lfs] == ["weights.safetensors"]
    found = place.download(repo_id, repo_type=kind)
    assert {name: content for name, content in found.items() if name != ".gitattributes"} == files
    # nothing has changed: no commit
    again = place.api.upload_folder(repo_id=repo_id, folder_path=tmp_path, repo_type=kind)
    assert again.oid == commit.oid
    if kind == "model":
        assert info.tags == ["arr-coc"] and info.library_name == "arrcoc"  # pyright: ignore


def test_a_long_file_goes_in_parts(place: Place) -> None:
    repo_id = place.repository()
    content = os.urandom(17 * 1024 * 1024)
    place.sandbox.set_scenario([Unavailable(method="storage.part"), LostAck(method="storage.complete")])
    place.api.upload_file(path_or_fileobj=content, path_in_repo="long.bin", repo_id=repo_id)
    asked = [row["method"] for row in place.sandbox.requests()]
    assert asked.count("storage.part") == 4  # three parts, one of them again
    assert place.download(repo_id, allow_patterns=["long.bin"])["long.bin"] == content


def test_what_is_kept_already_is_not_sent_again(place: Place) -> None:
    first, second, content = place.repository(), place.repository(), os.urandom(1000)
    for repo_id in (first, second):
        before = len(place.sandbox.requests())
        place.api.upload_file(path_or_fileobj=content, path_in_repo="a.bin", repo_id=repo_id)
        asked = [row["method"] for row in place.sandbox.requests()[before:]]
        assert ("storage.put" in asked) == (repo_id == first)


def test_large_files_go_through_xet_where_it_is_installed(place: Place, with_xet: None, tmp_path: Path) -> None:
    repo_id = place.repository()
    smooth = b"".join(struct.pack("<f", math.sin(index / 50)) for index in range(60_000))
    files = {
        "floats.safetensors": smooth,  # compressed in groups of bytes
        "text.bin": b"the same words again and again, " * 20_000,
        "noise.bin": os.urandom(300_000),
        "mixed.bin": os.urandom(150_000) + smooth + b"abc" * 50_000,  # chunks that are there already
        "config.json": b"{}",
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    before = len(place.sandbox.requests())
    place.api.upload_folder(repo_id=repo_id, folder_path=tmp_path)
    asked = [row["method"] for row in place.sandbox.requests()[before:]]
    assert {"xet.token", "xet.xorb", "xet.shard"} <= set(asked) and "lfs.batch" not in asked
    place.sandbox.set_scenario([Unavailable(method="xet.shard")])
    place.api.upload_file(path_or_fileobj=smooth + os.urandom(90_000), path_in_repo="more.bin", repo_id=repo_id)
    found = place.download(repo_id, ignore_patterns=["more.bin", ".gitattributes"])
    assert found == files
    with pytest.raises(RepositoryNotFoundError):
        place.signed_in("write", user="stranger").upload_file(
            path_or_fileobj=os.urandom(9000), path_in_repo="x.bin", repo_id=place.repository(private=True)
        )


LOADING = """
from datasets import load_dataset
from transformers import AutoConfig
print(AutoConfig.from_pretrained("sandbox/tiny-model", revision="v1").hidden_size)
print(load_dataset("sandbox/rows", split="train")["q"][:])
print(next(iter(load_dataset("sandbox/rows", split="train", streaming=True))))
"""


@pytest.mark.long
def test_transformers_and_datasets_load_from_it(place: Place, tmp_path: Path) -> None:
    import pyarrow
    import pyarrow.parquet

    pyarrow.parquet.write_table(pyarrow.table({"q": ["a", "b"], "n": [1, 2]}), tmp_path / "rows.parquet")
    place.api.create_repo("sandbox/tiny-model", private=True)
    place.api.create_repo("sandbox/rows", repo_type="dataset", private=True)
    config = b'{"model_type": "bert", "hidden_size": 24}'
    place.api.upload_file(path_or_fileobj=config, path_in_repo="config.json", repo_id="sandbox/tiny-model")
    place.api.create_tag("sandbox/tiny-model", tag="v1")
    place.api.upload_file(
        path_or_fileobj=tmp_path / "rows.parquet",
        path_in_repo="data/train-00000-of-00001.parquet",
        repo_id="sandbox/rows",
        repo_type="dataset",
    )
    environment = {**os.environ, "HF_ENDPOINT": place.url, "HF_TOKEN": place.token, "HF_HOME": str(tmp_path / "home")}
    done = subprocess.run(
        [sys.executable, "-c", LOADING], env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.stdout.splitlines() == ["24", "['a', 'b']", "{'q': 'a', 'n': 1}"], done.stderr


def test_what_goes_wrong_is_said(place: Place) -> None:
    repo_id = place.repository()
    place.sandbox.set_scenario([StorageFull(method="storage.put")])
    with pytest.raises(RuntimeError) as failed:
        place.api.upload_file(path_or_fileobj=os.urandom(100), path_in_repo="a.bin", repo_id=repo_id)
    assert "Insufficient storage" in str(failed.value.__cause__)
    place.sandbox.set_scenario([PermissionDenied(entity="sandbox-org")])
    with pytest.raises(HfHubHTTPError, match="403"):
        place.api.create_repo("sandbox-org/closed")
    place.sandbox.set_scenario([RateLimited(service="huggingface", method="tree", retry_after_s=0)])
    assert place.api.list_repo_files(repo_id) == [".gitattributes"]  # the client has waited and asked again
    assert [row["method"] for row in place.sandbox.requests()].count("tree") >= 2


def test_revisions_branches_and_tags(place: Place) -> None:
    repo_id = place.repository()
    shas = [
        place.api.upload_file(path_or_fileobj=text, path_in_repo="a.txt", repo_id=repo_id).oid  # pyright: ignore
        for text in (b"one", b"two")
    ]
    place.api.create_tag(repo_id, tag="v1", revision=shas[0], tag_message="the first")
    place.api.create_branch(repo_id, branch="next/one", revision="v1")
    with pytest.raises(HfHubHTTPError, match="409"):
        place.api.create_branch(repo_id, branch="next/one")
    place.api.upload_file(path_or_fileobj=b"three", path_in_repo="b.txt", repo_id=repo_id, revision="next/one")
    assert place.download(repo_id, revision="v1")["a.txt"] == b"one"
    assert place.download(repo_id, revision=shas[0][:8])["a.txt"] == b"one"
    assert place.download(repo_id)["a.txt"] == b"two"
    assert set(place.download(repo_id, revision="next/one")) == {".gitattributes", "a.txt", "b.txt"}
    refs = place.api.list_repo_refs(repo_id)
    assert {ref.name for ref in refs.branches} == {"main", "next/one"}
    assert [(ref.name, ref.target_commit) for ref in refs.tags] == [("v1", shas[0])]
    titles = [commit.title for commit in place.api.list_repo_commits(repo_id)]
    assert titles == ["Upload a.txt with huggingface_hub"] * 2 + ["initial commit"]
    place.api.delete_tag(repo_id, tag="v1")
    place.api.delete_branch(repo_id, branch="next/one")
    with pytest.raises(RevisionNotFoundError):
        place.api.model_info(repo_id, revision="v1")


def test_a_commit_that_names_its_parent_is_refused_where_the_branch_has_moved(place: Place) -> None:
    repo_id = place.repository()
    parent = place.api.model_info(repo_id).sha
    add = [CommitOperationAdd("a.txt", b"a"), CommitOperationAdd("b/c.txt", b"c")]
    made = place.api.create_commit(repo_id, add, commit_message="first", parent_commit=parent)
    with pytest.raises(HfHubHTTPError, match="412") as refused:
        late = [CommitOperationAdd("d.txt", b"d")]
        place.api.create_commit(repo_id, late, commit_message="late", parent_commit=parent)
    assert "A commit has happened since" in str(refused.value)
    drop = [CommitOperationDelete("b/", is_folder=True), CommitOperationDelete("a.txt")]
    place.api.create_commit(repo_id, drop, commit_message="drop", parent_commit=made.oid[:8])
    assert place.api.list_repo_files(repo_id) == [".gitattributes"]
    # one wrong change, and none of the commit is there
    head = place.api.model_info(repo_id).sha
    wrong = [CommitOperationAdd("e.txt", b"e"), CommitOperationDelete("nowhere")]
    with pytest.raises(EntryNotFoundError):
        place.api.create_commit(repo_id, wrong, commit_message="wrong")
    assert place.api.model_info(repo_id).sha == head


def test_trees_have_pages_and_paths_have_their_last_commit(place: Place) -> None:
    repo_id = place.repository()
    add = [CommitOperationAdd(f"folder/{index}.txt", b"x") for index in range(5)]
    first = place.api.create_commit(repo_id, add, commit_message="five").oid
    second = place.api.upload_file(path_or_fileobj=b"y", path_in_repo="folder/3.txt", repo_id=repo_id).oid  # pyright: ignore
    hub = place.sandbox.box.service("huggingface")
    hub.tree_page = 2
    try:
        found = {entry.path: entry for entry in place.api.list_repo_tree(repo_id, recursive=True, expand=True)}
    finally:
        hub.tree_page = 1000
    assert list(found) == [".gitattributes", "folder", *(f"folder/{index}.txt" for index in range(5))]
    assert found["folder/2.txt"].last_commit.oid == first  # pyright: ignore
    assert found["folder/3.txt"].last_commit.oid == found["folder"].last_commit.oid == second  # pyright: ignore
    flat = [entry.path for entry in place.api.list_repo_tree(repo_id, "folder")]
    assert flat == [f"folder/{index}.txt" for index in range(5)]
    some = place.api.get_paths_info(repo_id, ["folder", "folder/1.txt", "nowhere"])
    assert [entry.path for entry in some] == ["folder", "folder/1.txt"]


def test_private_repositories_are_not_there_for_others(place: Place) -> None:
    repo_id = place.repository(private=True)
    place.api.upload_file(path_or_fileobj=b"{}", path_in_repo="config.json", repo_id=repo_id)
    nobody, stranger = HfApi(endpoint=place.url, token=False), place.signed_in("write", user="stranger")
    for api in (nobody, stranger):
        with pytest.raises(RepositoryNotFoundError) as refused:
            api.model_info(repo_id)
        assert refused.value.response.status_code == (401 if api is nobody else 404)
        with pytest.raises(RepositoryNotFoundError):
            api.upload_file(path_or_fileobj=b"x", path_in_repo="x", repo_id=repo_id)
        with pytest.raises(RepositoryNotFoundError):
            api.hf_hub_download(repo_id, "config.json", cache_dir=place.folder / "theirs")
    assert repo_id not in [model.id for model in nobody.list_models()]
    place.api.update_repo_settings(repo_id, private=False)
    assert nobody.model_info(repo_id).private is False
    with pytest.raises(HfHubHTTPError, match="403"):
        stranger.upload_file(path_or_fileobj=b"x", path_in_repo="x", repo_id=repo_id)


def test_tokens_do_no_more_than_their_role(place: Place) -> None:
    repo_id = place.repository(private=True)
    reader = place.signed_in("read")
    assert reader.model_info(repo_id).private
    with pytest.raises(HfHubHTTPError, match="403"):
        reader.create_repo("sandbox/by-a-reader")
    with pytest.raises(HfHubHTTPError, match="403"):
        place.api.create_repo("others/not-mine")
    place.api.create_repo("sandbox-org/ours", exist_ok=True)
    scoped = place.signed_in("fineGrained", scopes=[(repo_id, ["repo.content.read", "repo.write"])])
    scoped.upload_file(path_or_fileobj=b"x", path_in_repo="x", repo_id=repo_id)
    with pytest.raises(HfHubHTTPError, match="403"):
        scoped.upload_file(path_or_fileobj=b"x", path_in_repo="x", repo_id=place.repository())


def test_names(place: Place) -> None:
    repo_id = place.repository()
    with pytest.raises(HfHubHTTPError, match="409"):
        place.api.create_repo(repo_id)
    assert place.api.create_repo(repo_id, exist_ok=True).repo_id == repo_id
    place.api.create_repo(repo_id, repo_type="dataset")  # as really: names are per type
    assert place.api.repo_exists(repo_id, repo_type="dataset") and not place.api.repo_exists(repo_id, repo_type="space")
    place.api.move_repo(repo_id, f"{repo_id}-moved")
    assert not place.api.repo_exists(repo_id) and place.api.repo_exists(f"{repo_id}-moved")
    place.api.delete_repo(f"{repo_id}-moved")
    with pytest.raises(RepositoryNotFoundError):
        place.api.delete_repo(f"{repo_id}-moved")
    assert place.api.repo_exists(repo_id, repo_type="dataset")


def test_ranges_and_missing_files(place: Place) -> None:
    repo_id = place.repository()
    content = os.urandom(10_000)
    place.api.upload_file(path_or_fileobj=content, path_in_repo="a.bin", repo_id=repo_id)
    place.api.upload_file(path_or_fileobj=b"0123456789", path_in_repo="a.txt", repo_id=repo_id)
    for name, whole in (("a.bin", content), ("a.txt", b"0123456789")):
        request = urllib.request.Request(
            f"{place.url}/{repo_id}/resolve/main/{name}",
            headers={"Authorization": f"Bearer {place.token}", "Range": "bytes=5-7"},
        )
        status, found, headers = ask(request)
        assert (status, found) == (206, whole[5:8])
        assert headers["Content-Range"] == f"bytes 5-7/{len(whole)}"
    assert ask(f"{place.url}/storage/get/{'0' * 64}?expires=9999999999&signature=0")[0] == 403
    assert place.api.file_exists(repo_id, "a.bin") and not place.api.file_exists(repo_id, "b.bin")
    with pytest.raises(EntryNotFoundError):
        place.api.hf_hub_download(repo_id, "b.bin", cache_dir=place.folder / "missing")
    with pytest.raises(RevisionNotFoundError):
        place.api.hf_hub_download(repo_id, "a.bin", revision="nowhere", cache_dir=place.folder / "missing")


def test_a_card_that_cannot_be_read_is_refused(place: Place) -> None:
    repo_id = place.repository()
    with pytest.raises(ValueError, match="Invalid metadata"):
        place.api.upload_file(path_or_fileobj=b"---\na: [\n---\n", path_in_repo="README.md", repo_id=repo_id)
    lines = (
        b'{"key":"header","value":{"summary":"x"}}\n{"key":"lfsFile","value":{"path":"a","algo":"sha256","oid":"0"}}'
    )
    request = urllib.request.Request(
        f"{place.url}/api/models/{repo_id}/commit/main",
        data=lines,
        headers={"Authorization": f"Bearer {place.token}", "Content-Type": "application/x-ndjson"},
    )
    status, _, headers = ask(request)
    assert status == 400 and "does not exist" in headers["X-Error-Message"]


def test_a_page_for_browsers(place: Place) -> None:
    repo_id = place.repository()
    place.api.upload_file(path_or_fileobj=CARD, path_in_repo="README.md", repo_id=repo_id)
    status, content, _ = ask(f"{place.url}/{repo_id}")
    assert status == 200 and all(text in content.decode() for text in ("# A model", "README.md", "initial commit"))
    assert ask(f"{place.url}/sandbox/nothing")[0] == 404


def test_a_kill_loses_nothing_acknowledged(place: Place) -> None:
    repo_id = place.repository()
    content = os.urandom(5000)
    place.sandbox.set_scenario([LostAck(method="commit")])
    with pytest.raises(Exception, match=r"disconnected|reset|closed"):
        place.api.upload_file(path_or_fileobj=content, path_in_repo="a.bin", repo_id=repo_id)
    close_session()
    place.sandbox.restart()
    assert place.sandbox.endpoints.services["huggingface"] == place.url
    assert place.api.whoami()["name"] == "sandbox"
    assert place.download(repo_id)["a.bin"] == content  # it was done, and only the answer was lost
    assert len(list(place.api.list_repo_commits(repo_id))) == 2


@pytest.mark.long
def test_a_server_killed_while_it_is_written_to_keeps_every_commit_it_has_answered(tmp_path: Path) -> None:
    sandbox = start(tmp_path / "sandbox", speed=100)
    try:
        endpoints = sandbox.endpoints
        token = Path(endpoints.keys["HF_TOKEN"]).read_text(encoding="utf-8").strip()
        api = HfApi(endpoint=endpoints.services["huggingface"], token=token)
        api.create_repo("sandbox/kept")
        acknowledged: dict[str, bytes] = {}
        chance = random.Random(4)
        for number in range(5):
            killer = threading.Timer(chance.uniform(0.05, 0.6), sandbox.kill)
            killer.start()
            for file in range(100):
                name, content = f"{number}-{file}.txt", os.urandom(20_000)
                if not commit_one(f"{api.endpoint}/api/models/sandbox/kept/commit/main", token, name, content):
                    break  # the server is gone
                acknowledged[name] = content
            killer.join()
            close_session()
            sandbox.revive()
        root = Path(snapshot_download("sandbox/kept", endpoint=api.endpoint, token=token, cache_dir=tmp_path / "got"))
        assert len(acknowledged) > 5
        assert {name: (root / name).read_bytes() for name in acknowledged} == acknowledged
    finally:
        close_session()
        sandbox.stop()


def commit_one(url: str, token: str, name: str, content: bytes) -> bool:
    """Without the client, which would try again for half a minute. Whether it was answered."""
    change = {"content": base64.b64encode(content).decode(), "encoding": "base64", "path": name}
    lines = [{"key": "header", "value": {"summary": name}}, {"key": "file", "value": change}]
    body = "\n".join(map(json.dumps, lines)).encode()
    try:
        return ask(urllib.request.Request(url, body, {"Authorization": f"Bearer {token}"}))[0] == 200
    except (OSError, http.client.HTTPException):
        return False
