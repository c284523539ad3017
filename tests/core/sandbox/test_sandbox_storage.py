"""Storage through the real client: preconditions, hashes, ranges, listing, policies, and what survives a kill."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from google.api_core import exceptions as api

from arrcoc_core.cloud.clients import Cloud
from arrcoc_core.cloud.endpoints import load_endpoints
from arrcoc_core.sandbox import Sandbox, running
from arrcoc_core.sandbox.faults import BucketTaken, LostAck, SlowDown
from arrcoc_core.sandbox.project import OWNER

STORAGE_ERRORS = (api.PreconditionFailed, api.BadRequest)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with running(tmp_path_factory.mktemp("storage") / "sandbox", speed=100) as sandbox:
        yield sandbox


@pytest.fixture
def store(shared: Sandbox) -> Sandbox:
    shared.set_scenario([])
    return shared


@pytest.fixture
def bucket(store: Sandbox, request: pytest.FixtureRequest) -> Any:
    name = f"b-{abs(hash(request.node.name))}"
    return store.cloud().storage().create_bucket(name, location="us-central1")


def put(bucket: Any, name: str, content: bytes | str = b"x", **given: Any) -> Any:
    blob = bucket.blob(name)
    blob.upload_from_string(content, **given)
    return blob


def test_a_bucket_from_creation_to_deletion(store: Sandbox) -> None:
    client = store.cloud().storage()
    bucket = client.bucket("arrcoc-sandbox-made")
    bucket.labels = {"arrcoc_owner": "arrcoc"}
    bucket.iam_configuration.uniform_bucket_level_access_enabled = True
    bucket.add_lifecycle_delete_rule(age=30)
    client.create_bucket(bucket, location="us-central1")
    held = client.get_bucket("arrcoc-sandbox-made")
    assert held.labels == {"arrcoc_owner": "arrcoc"} and held.location == "US-CENTRAL1"
    assert held.iam_configuration.uniform_bucket_level_access_enabled
    assert next(iter(held.lifecycle_rules))["condition"] == {"age": 30}
    with pytest.raises(api.Conflict, match="you already own it"):
        client.create_bucket("arrcoc-sandbox-made")
    held.labels = {"arrcoc_owner": "arrcoc", "more": "1"}
    held.patch()
    with pytest.raises(api.PreconditionFailed):
        held.patch(if_metageneration_match=1)
    put(held, "an/object")
    with pytest.raises(api.Conflict, match="not empty"):
        held.delete()
    held.blob("an/object").delete()
    held.delete()
    with pytest.raises(api.NotFound):
        client.get_bucket("arrcoc-sandbox-made")


def test_a_name_that_somebody_else_has(store: Sandbox) -> None:
    store.set_scenario([BucketTaken(name="taken-by-them")])
    client = store.cloud().storage()
    with pytest.raises(api.Conflict, match="shared by all users"):
        client.create_bucket("taken-by-them")
    with pytest.raises(api.Forbidden):
        client.get_bucket("taken-by-them")


@pytest.mark.parametrize("name", ["ab", "Upper", "under google", "-dash"])
def test_names_that_no_bucket_may_have(store: Sandbox, name: str) -> None:
    http, base = raw(store)
    answer = http.post(f"{base}/storage/v1/b?project=arrcoc-sandbox", json={"name": name})
    assert answer.status_code == 400 and "Invalid bucket name" in answer.json()["error"]["message"]


def test_policies_carry_an_etag_that_goes_stale(bucket: Any) -> None:
    policy = bucket.get_iam_policy(requested_policy_version=3)
    policy.bindings.append({"role": "roles/storage.objectViewer", "members": ["allUsers"]})
    bucket.set_iam_policy(policy)
    with pytest.raises(api.PreconditionFailed):
        bucket.set_iam_policy(policy)
    assert bucket.get_iam_policy(requested_policy_version=3).bindings[-1]["members"] == {"allUsers"}
    with pytest.raises(api.BadRequest, match="does not exist"):
        policy = bucket.get_iam_policy(requested_policy_version=3)
        member = "serviceAccount:nobody@arrcoc-sandbox.iam.gserviceaccount.com"
        policy.bindings.append({"role": "roles/storage.objectUser", "members": [member]})
        bucket.set_iam_policy(policy)


def test_of_sixteen_who_create_an_object_one_wins(bucket: Any) -> None:
    won: list[str] = []

    def race(mark: str) -> None:
        try:
            put(bucket, "raced", mark, if_generation_match=0)
            won.append(mark)
        except api.PreconditionFailed:
            pass

    threads = [threading.Thread(target=race, args=(str(number),)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1 and bucket.blob("raced").download_as_text() == won[0]


Act = Callable[[Any, dict[str, int]], Any]
ACTS: dict[str, Act] = {
    "upload": lambda blob, given: blob.upload_from_string("new", **given),
    "patch": lambda blob, given: blob.patch(**given),
    "delete": lambda blob, given: blob.delete(**given),
    "compose": lambda blob, given: blob.compose([blob], if_generation_match=given["if_generation_match"]),
}


@pytest.mark.parametrize("act", ACTS)
def test_writes_keep_their_preconditions(bucket: Any, act: str) -> None:
    blob = put(bucket, "object", "old")
    with pytest.raises(api.PreconditionFailed):
        ACTS[act](blob, {"if_generation_match": blob.generation - 1})
    if act != "compose":
        with pytest.raises(api.PreconditionFailed):
            ACTS[act](blob, {"if_metageneration_match": 7, "if_generation_match": blob.generation})
        with pytest.raises(api.PreconditionFailed):
            ACTS[act](blob, {"if_generation_not_match": blob.generation})
    before = blob.generation
    assert bucket.blob("object").download_as_text() == "old"
    ACTS[act](blob, {"if_generation_match": before})
    after = bucket.get_blob("object")
    assert after is None if act == "delete" else (after.generation > before or act == "patch")


def test_reads_keep_their_preconditions(bucket: Any) -> None:
    blob = put(bucket, "object")
    assert blob.download_as_bytes(if_generation_match=blob.generation) == b"x"
    with pytest.raises(api.PreconditionFailed):
        bucket.blob("object").download_as_bytes(if_generation_match=1)
    with pytest.raises(api.NotModified):
        bucket.blob("object").reload(if_generation_not_match=blob.generation)
    old = blob.generation
    put(bucket, "object", "second")
    with pytest.raises(api.NotFound):
        bucket.blob("object", generation=old).download_as_bytes()


def test_hashes_and_generations_are_told_and_wrong_ones_refused(store: Sandbox, bucket: Any) -> None:
    blob = put(bucket, "object", b"hello")
    assert (blob.crc32c, blob.md5_hash, blob.metageneration) == ("mnG7TA==", "XUFAKrxLKna5cZ2REBfFkg==", 1)
    again = put(bucket, "object", b"hello")
    assert again.generation > blob.generation and again.etag != blob.etag
    http, base = raw(store)
    answer = http.get(f"{base}/storage/v1/b/{bucket.name}/o/object?alt=media")
    assert answer.headers["X-Goog-Hash"] == "crc32c=mnG7TA==,md5=XUFAKrxLKna5cZ2REBfFkg=="
    assert answer.headers["X-Goog-Generation"] == str(again.generation)
    url = f"{base}/upload/storage/v1/b/{bucket.name}/o?uploadType=media&name=bad"
    answer = http.post(url, data=b"hello", headers={"x-goog-hash": "crc32c=AAAAAA=="})
    assert answer.status_code == 400 and "doesn't match" in answer.json()["error"]["message"]
    assert bucket.get_blob("bad") is None


def test_ranges(bucket: Any) -> None:
    blob = put(bucket, "object", b"0123456789")
    assert blob.download_as_bytes(start=2, end=4) == b"234"
    assert blob.download_as_bytes(start=7) == b"789"
    assert blob.download_as_bytes(start=-3) == b"789"
    with pytest.raises(api.RequestRangeNotSatisfiable):
        blob.download_as_bytes(start=10)
    empty = put(bucket, "empty", b"")
    assert empty.download_as_bytes() == b""


def test_listing_by_prefix_folder_offset_and_page(bucket: Any) -> None:
    names = ["a/1", "a/2", "a/b/3", "a0", "b", "c/ä/4", "c/z"]
    for name in names[::-1]:
        put(bucket, name)
    client = bucket.client
    assert [blob.name for blob in client.list_blobs(bucket, page_size=2)] == sorted(names, key=str.encode)
    assert [blob.name for blob in client.list_blobs(bucket, prefix="a/", page_size=1)] == ["a/1", "a/2", "a/b/3"]
    assert [blob.name for blob in client.list_blobs(bucket, start_offset="a0", end_offset="c/z")] == names[3:5]
    for size in (1, 2, 10):
        listed = client.list_blobs(bucket, delimiter="/", page_size=size)
        assert [blob.name for blob in listed] == ["a0", "b"] and listed.prefixes == {"a/", "c/"}
    inner = client.list_blobs(bucket, prefix="a/", delimiter="/")
    assert [blob.name for blob in inner] == ["a/1", "a/2"] and inner.prefixes == {"a/b/"}


def test_compose_copy_rewrite_and_metadata(bucket: Any) -> None:
    parts = [put(bucket, f"part{number}", str(number)) for number in range(3)]
    whole = bucket.blob("whole")
    whole.compose(parts)
    assert whole.download_as_text() == "012" and whole.component_count == 3 and whole.md5_hash is None
    copied = bucket.copy_blob(whole, bucket, "copied", if_generation_match=0)
    assert copied.download_as_text() == "012"
    target = bucket.blob("rewritten")
    token, done, size = target.rewrite(whole)
    assert (token, done, size) == (None, 3, 3)
    target.metadata = {"step": "4"}
    target.patch()
    assert bucket.get_blob("rewritten").metadata == {"step": "4"}
    with pytest.raises(api.NotFound):
        bucket.blob("x").compose([bucket.blob("not there")])


def test_a_resumable_upload_survives_a_broken_connection_and_a_kill(store: Sandbox, bucket: Any) -> None:
    piece = 256 * 1024
    content = bytes(range(256)) * 4096  # 1 MiB
    http, base = raw(store)
    start = http.post(
        f"{base}/upload/storage/v1/b/{bucket.name}/o?uploadType=resumable&name=big&ifGenerationMatch=0", json={}
    )
    url = start.headers["Location"]

    def send(first: int, last: int, total: str) -> Any:
        headers = {"Content-Range": f"bytes {first}-{last - 1}/{total}"}
        return http.put(url, data=content[first:last], headers=headers)

    answer = send(0, piece, "*")
    assert (answer.status_code, answer.headers["Range"]) == (308, f"bytes=0-{piece - 1}")
    assert send(piece, piece + 1000, "*").status_code == 400  # no multiple of 256 KiB

    place = urlsplit(url)
    with socket.create_connection((str(place.hostname), int(place.port or 0))) as line:
        token = store.box.service("tokens").token(OWNER)
        line.sendall(
            f"PUT {place.path}?{place.query} HTTP/1.1\r\nHost: {place.netloc}\r\nAuthorization: Bearer {token}\r\n"
            f"Content-Length: {3 * piece}\r\nContent-Range: bytes {piece}-{4 * piece - 1}/{4 * piece}\r\n\r\n".encode()
            + content[piece : 2 * piece + 1000]  # and then the cable is pulled
        )

    def received() -> str:
        asked = http.put(url, data=b"", headers={"Content-Range": "bytes */*"})
        assert asked.status_code == 308
        return asked.headers["Range"]

    while received() == f"bytes=0-{piece - 1}":  # what came before the break is being noted
        time.sleep(0.01)
    assert received() == f"bytes=0-{2 * piece - 1}"
    store.restart(kill=True)
    assert received() == f"bytes=0-{2 * piece - 1}"
    assert bucket.get_blob("big") is None
    answer = send(2 * piece, 4 * piece, str(4 * piece))
    assert answer.status_code == 200 and answer.json()["size"] == str(4 * piece)
    assert send(2 * piece, 4 * piece, str(4 * piece)).json()["generation"] == answer.json()["generation"]
    assert bucket.blob("big").download_as_bytes() == content


def test_the_clients_own_resumable_upload(bucket: Any) -> None:
    content = b"0123456789abcdef" * 65536
    blob = bucket.blob("chunked", chunk_size=256 * 1024)
    blob.upload_from_string(content, if_generation_match=0)
    assert bucket.get_blob("chunked").size == len(content)
    with pytest.raises(api.PreconditionFailed):
        bucket.blob("chunked", chunk_size=256 * 1024).upload_from_string(content, if_generation_match=0)
    with bucket.blob("written").open("wb") as file:
        file.write(content)
    assert bucket.blob("written").download_as_bytes() == content


def test_a_kill_loses_no_object_and_leaves_no_part_of_one(store: Sandbox, bucket: Any) -> None:
    kept = put(bucket, "kept", b"bytes")
    stray = store.box.service("storage").storage.contents.new_file()
    folder = store.folder / "data" / "storage" / "contents"
    (folder / stray).write_bytes(b"half of something")
    store.restart(kill=True)
    assert bucket.blob("kept").download_as_bytes() == b"bytes"
    assert bucket.get_blob("kept").generation == kept.generation
    assert not (folder / stray).exists()


def test_an_object_replaced_while_it_is_read_is_read_whole(store: Sandbox, bucket: Any) -> None:
    old = bytes(3_000_000)
    put(bucket, "object", old)
    http, base = raw(store)
    answer = http.get(f"{base}/storage/v1/b/{bucket.name}/o/object?alt=media", stream=True)
    put(bucket, "object", b"new")
    assert answer.content == old


def test_a_lost_answer_of_a_conditional_write(store: Sandbox, bucket: Any) -> None:
    store.set_scenario([LostAck(method="objects.insert")])
    with pytest.raises(api.PreconditionFailed):  # the client has sent it again
        put(bucket, "once", "mine", if_generation_match=0)
    assert bucket.blob("once").download_as_text() == "mine"


def test_the_line_is_as_slow_as_the_scenario_says(store: Sandbox, bucket: Any) -> None:
    store.set_scenario([SlowDown(bytes_per_s=20e6)])
    began = time.monotonic()
    put(bucket, "slow", bytes(4_000_000))
    assert time.monotonic() - began >= 0.19


def test_a_service_account_may_do_what_its_roles_say(box: Sandbox) -> None:
    cloud = box.cloud()
    email = "reader@arrcoc-sandbox.iam.gserviceaccount.com"
    cloud.accounts().create_service_account(request={"name": "projects/arrcoc-sandbox", "account_id": "reader"})
    bucket = cloud.storage().create_bucket("arrcoc-sandbox-roles")
    put(bucket, "object")
    _, base = raw(box)
    bearer = {"Authorization": f"Bearer {box.box.service('tokens').token(email)}"}
    url = f"{base}/storage/v1/b/arrcoc-sandbox-roles/o/object"
    import requests

    refused = requests.get(url, headers=bearer, timeout=10)
    assert refused.status_code == 403 and "storage.objects.get" in refused.json()["error"]["message"]
    policy = bucket.get_iam_policy(requested_policy_version=3)
    policy.bindings.append({"role": "roles/storage.objectViewer", "members": [f"serviceAccount:{email}"]})
    bucket.set_iam_policy(policy)
    assert requests.get(url, headers=bearer, timeout=10).status_code == 200
    assert requests.delete(url, headers=bearer, timeout=10).status_code == 403
    assert requests.get(url, timeout=10).status_code == 401
    wanted = "permissions=storage.objects.get&permissions=storage.objects.delete"
    tested = requests.get(
        f"{base}/storage/v1/b/arrcoc-sandbox-roles/iam/testPermissions?{wanted}", headers=bearer, timeout=10
    )
    assert tested.json()["permissions"] == ["storage.objects.get"]


def test_requests_are_recorded_by_their_names(store: Sandbox, bucket: Any) -> None:
    put(bucket, "object").delete()
    names = [f"{row['service']}.{row['method']}" for row in store.requests()][-3:]
    assert names == ["storage.buckets.insert", "storage.objects.insert", "storage.objects.delete"]
    assert store.changes()[-1] == "storage.objects.delete"


def raw(sandbox: Sandbox) -> tuple[Any, str]:
    """A session with the owner's credentials, and the address of Storage."""
    endpoints = load_endpoints(str(sandbox.folder))
    client = Cloud(endpoints, "arrcoc-sandbox").storage()
    return client._http, endpoints.services["storage"]
