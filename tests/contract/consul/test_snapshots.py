"""Snapshots saved and restored while the registry serves. Source: status_operator_snapshot_ui.md part C."""

import asyncio
import gzip
import hashlib
import io
import json
import tarfile
from typing import Any

import pytest

from registry import testing
from registry.archive import envelope, reading
from registry.archive.contents import Contents
from tests.contract.consul.agent import register, told
from tests.contract.consul.exchange import Answer, Client, read_answer
from tests.contract.consul.replicas import pair
from tests.contract.consul.test_operator import said

SNAPSHOT = "/v1/snapshot"
FILE = "failed to read snapshot file: "
CONSULS_META = {
    "Version": 1, "ID": "2-12-1", "Index": 12, "Term": 2, "Peers": "", "Configuration": {"Servers": []},
    "ConfigurationIndex": 1, "Size": 3,
}  # fmt: skip

pytestmark = pytest.mark.usefixtures("every_command")


async def saved(consul: Client, query: str = "", *headers: str) -> bytes:
    """A snapshot, unpacked by nobody."""
    answer = await consul.send(f"GET {SNAPSHOT}{query}", *headers)
    assert answer.status == 200, answer.text
    return unchunked(answer)


def unchunked(answer: Answer) -> bytes:
    """The body of an answer that was sent in chunks."""
    assert answer.headers["transfer-encoding"] == "chunked"
    body, at = b"", 0
    while (end := answer.body.index(b"\r\n", at)) and (size := int(answer.body[at:end], 16)):
        body += answer.body[end + 2 : end + 2 + size]
        at = end + 2 + size + 2
    return body


async def restored(consul: Client, archive: bytes) -> None:
    """A restore that has to succeed."""
    answer = await consul.put(SNAPSHOT, archive)
    assert said(answer) == (200, "")
    assert answer.headers["content-type"] == "application/octet-stream"


def members(archive: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as tar:
        return {one.name: file.read() for one in tar if (file := tar.extractfile(one)) is not None}


def packed(contents: dict[str, bytes]) -> bytes:
    """These files as an archive, as somebody else would make it."""
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w") as tar:
        for name, data in contents.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return gzip.compress(whole.getvalue())


def with_sums(contents: dict[str, bytes]) -> dict[str, bytes]:
    sums = "".join(f"{hashlib.sha256(data).hexdigest()}  {name}\n" for name, data in contents.items())
    return {**contents, "SHA256SUMS": sums.encode()}


async def key(consul: Client, name: str) -> str | None:
    """The value of a key, which may be given with parameters; None for one that is not there."""
    answer = await consul.get(f"/v1/kv/{name}{'' if '?' in name else '?'}raw")
    return answer.text if answer.status == 200 else None


async def session(consul: Client, **body: Any) -> str:
    found: str = (await consul.put("/v1/session/create", {"Checks": [], "NodeChecks": [], **body})).json["ID"]
    return found


async def test_what_a_snapshot_is(consul: Client) -> None:
    await consul.put("/v1/kv/a", b"1")
    answer = await consul.send(f"GET {SNAPSHOT}")
    assert answer.headers["content-type"] == "application/x-gzip"
    assert answer.headers["x-consul-knownleader"] == "true"
    assert "x-consul-effective-consistency" not in answer.headers
    assert answer.index == consul.server.engine.state.applied
    found = members(unchunked(answer))
    assert list(found) == ["meta.json", "state.bin", "SHA256SUMS"]
    meta = json.loads(found["meta.json"])
    assert (meta["Version"], meta["Index"], meta["Size"]) == (1, answer.index, len(found["state.bin"]))
    assert found["SHA256SUMS"] == with_sums({name: found[name] for name in ("meta.json", "state.bin")})["SHA256SUMS"]
    packed_again = await saved(consul, "", "Accept-Encoding: gzip")
    assert members(gzip.decompress(packed_again)) == found
    assert said(await consul.send(f"GET {SNAPSHOT}?dc=nowhere")) == (500, "No path to datacenter")
    assert members(await saved(consul, "?stale&consistent&index=x&wait=x")) == found, "no parameters of reads"


async def test_everything_is_again_as_it_was(consul: Client) -> None:
    await consul.put("/v1/kv/a", b"1")
    await register(consul, Name="web", Port=80, Check={"TTL": "10s", "CheckID": "ttl"})
    await consul.register("n1", Service={"Service": "db"})
    await consul.put("/v1/operator/autopilot/configuration", {"MinQuorum": 3})
    before = (await consul.get("/v1/kv/a")).json
    archive = await saved(consul)
    await consul.put("/v1/kv/a", b"2")
    await consul.put("/v1/kv/b", b"3")
    await told(consul, "/v1/agent/service/deregister/web")
    await consul.deregister("n1")
    await consul.put("/v1/operator/autopilot/configuration", {})
    await restored(consul, archive)
    assert (await consul.get("/v1/kv/a")).json == before
    assert await key(consul, "b") is None
    assert set((await consul.get("/v1/catalog/services")).json) == {"consul", "db", "web"}
    assert (await consul.get("/v1/agent/services")).json["web"]["Port"] == 80
    assert (await consul.get("/v1/operator/autopilot/configuration")).json["MinQuorum"] == 3
    assert (await consul.get("/v1/operator/usage")).json["Usage"]["dc1"]["ServiceInstances"] == 3


async def test_the_next_write_gets_an_index_above_any_ever_used(consul: Client) -> None:
    archive = await saved(consul)
    await consul.put("/v1/kv/a", b"1")
    highest = (await consul.get("/v1/kv/a")).index
    await restored(consul, archive)
    await consul.put("/v1/kv/a", b"2")
    [entry] = (await consul.get("/v1/kv/a")).json
    assert entry["ModifyIndex"] > highest


async def test_every_blocking_query_returns(consul: Client) -> None:
    await consul.put("/v1/kv/a", b"1")
    archive = await saved(consul)
    readers = [
        await consul.follow(target)
        for target in ("/v1/kv/a", "/v1/kv/none", "/v1/kv/?keys", "/v1/catalog/services", "/v1/health/service/web",
                       "/v1/session/list", "/v1/operator/usage")
    ]  # fmt: skip
    far = await consul.watch("/v1/kv/a?index=999999999999")
    await restored(consul, archive)
    done, _ = await asyncio.wait([*readers, far], timeout=5)
    assert len(done) == len(readers) + 1


async def test_sessions_have_their_time_anew_and_locks_their_holders(consul: Client) -> None:
    await consul.put("/v1/kv/free", b"")
    holder = await session(consul, TTL="10s")
    assert (await consul.put(f"/v1/kv/lock?acquire={holder}", b"")).json is True
    archive = await saved(consul)
    await consul.server.advance(19)
    await restored(consul, archive)
    await consul.server.advance(19)
    assert (await consul.get("/v1/kv/lock")).json[0]["Session"] == holder
    await consul.server.advance(3)
    assert "Session" not in (await consul.get("/v1/kv/lock")).json[0]


async def test_the_command_line_and_a_running_server_read_each_others_archives(consul: Client) -> None:
    """`registry restore` takes what GET gives, PUT takes what `registry backup` writes."""
    await consul.put("/v1/kv/a", b"1")
    found = reading.read(io.BytesIO(await saved(consul)), lambda done, size: None)
    assert found.summary.index == consul.server.engine.state.applied
    contents = Contents(found.state)
    archive = b"".join(envelope.written(contents, contents.summary(), lambda done: None))
    await consul.put("/v1/kv/a", b"2")
    await restored(consul, archive)
    assert await key(consul, "a") == "1"


async def test_events_are_those_that_this_server_has_heard(consul: Client) -> None:
    """Consul's agents keep them in memory; no snapshot holds them, and their numbers never go back."""
    await consul.put("/v1/event/fire/before", b"")
    archive = await saved(consul)
    await consul.put("/v1/event/fire/after", b"")
    await restored(consul, archive)
    await consul.put("/v1/event/fire/last", b"")
    events = (await consul.get("/v1/event/list")).json
    assert [(one["Name"], one["LTime"]) for one in events] == [("before", 1), ("after", 2), ("last", 3)]


async def test_lock_delays_are_dropped(consul: Client) -> None:
    first, second = await session(consul, LockDelay="60s"), await session(consul)
    await consul.put(f"/v1/kv/lock?acquire={first}", b"")
    await consul.put(f"/v1/session/destroy/{first}")
    assert (await consul.put(f"/v1/kv/lock?acquire={second}", b"")).json is False
    await restored(consul, await saved(consul))
    assert (await consul.put(f"/v1/kv/lock?acquire={second}", b"")).json is True


async def test_a_ttl_check_has_its_period_anew(consul: Client) -> None:
    await register(consul, Name="web", Check={"TTL": "10s", "CheckID": "ttl", "Status": "passing"})
    archive = await saved(consul)
    await consul.server.advance(9)
    await restored(consul, archive)
    await consul.server.advance(9)
    assert (await consul.get("/v1/agent/checks")).json["ttl"]["Status"] == "passing"
    await consul.server.advance(2)
    assert (await consul.get("/v1/agent/checks")).json["ttl"]["Status"] == "critical"


async def test_a_snapshot_of_another_server_becomes_this_ones(consul: Client) -> None:
    """It stays the node it is: what the other server's agent had registered is its own from now on."""
    async with testing.server(store="memory:", node="other", advertise="10.0.0.9", node_meta={"a": "b"}) as server:
        other = Client(server)
        await register(other, Name="web", Check={"TTL": "10s", "CheckID": "ttl", "Status": "passing"})
        await other.register("n1", Service={"Service": "db"})
        await other.put("/v1/kv/a", b"1")
        node_session = await session(other)
        archive = await saved(other)
        await other.close()
    own = (await consul.get("/v1/catalog/node/test-node")).json["Node"]
    await restored(consul, archive)
    config = (await consul.send("GET /v1/agent/self")).json["Config"]
    assert (config["NodeName"], config["NodeID"]) == ("test-node", own["ID"])
    assert [one["Node"] for one in (await consul.get("/v1/catalog/nodes")).json] == ["n1", "test-node"]
    node = (await consul.get("/v1/catalog/node/test-node")).json
    assert {**node["Node"], "CreateIndex": 0, "ModifyIndex": 0} == {**own, "CreateIndex": 0, "ModifyIndex": 0}
    assert sorted(node["Services"]) == ["consul", "web"]
    checks = (await consul.get("/v1/health/node/test-node")).json
    assert sorted(one["CheckID"] for one in checks) == ["serfHealth", "ttl"]
    assert (await consul.get(f"/v1/session/info/{node_session}")).json[0]["Node"] == "test-node"
    assert await told(consul, "/v1/agent/check/warn/ttl") == (200, "")
    assert await told(consul, "/v1/agent/service/deregister/web") == (200, "")
    assert (await consul.get("/v1/health/service/consul?passing")).json[0]["Node"]["Node"] == "test-node"


async def test_a_body_of_any_size_in_chunks(consul: Client) -> None:
    """Consul's own clients send it so; values that do not pack make it larger than any limit of other bodies."""
    piece = hashlib.sha256(b"x").digest()
    values = {}
    for number in range(8):
        value = b"".join(hashlib.sha256(piece + bytes([number, count % 256, count // 256])).digest()
                         for count in range(15_000))  # fmt: skip
        values[f"big{number}"] = value
        assert (await consul.put(f"/v1/kv/big{number}", value)).status == 200
    archive = await saved(consul)
    assert len(archive) > 3 << 20
    await consul.send("DELETE /v1/kv/?recurse")
    reader, writer = await asyncio.open_connection(consul.server.host, consul.server.port)
    writer.write(f"PUT {SNAPSHOT} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n".encode())
    for at in range(0, len(archive), 100_000):
        chunk = archive[at : at + 100_000]
        writer.write(b"%x\r\n%b\r\n" % (len(chunk), chunk))
        await writer.drain()
    writer.write(b"0\r\n\r\n")
    assert said(await read_answer(reader)) == (200, "")
    writer.close()
    assert (await consul.get("/v1/kv/big7?raw")).body == values["big7"]


async def refused(consul: Client, archive: bytes, text: str) -> None:
    """The archive is refused with this text, and nothing has changed."""
    applied = consul.server.engine.state.applied
    answer = await consul.put(SNAPSHOT, archive)
    assert said(answer) == (500, text)
    assert consul.server.engine.state.applied == applied


@pytest.mark.parametrize(
    ("archive", "text"),
    [
        (b"", "failed to decompress snapshot: EOF"),
        (b"\x1f\x8b\x08", "failed to decompress snapshot: unexpected EOF"),
        (b"this is no snapshot", "failed to decompress snapshot: gzip: invalid header"),
        (gzip.compress(b"x" * 100), FILE + "failed reading snapshot: unexpected EOF"),
        (gzip.compress(b"x" * 512), FILE + "failed reading snapshot: archive/tar: invalid tar header"),
        (gzip.compress(b""), FILE + 'failed checking integrity of snapshot: file missing for "meta.json"'),
        (packed({"x": b""}), FILE + 'unexpected file "x" in snapshot'),
        (packed({"meta.json": b""}), FILE + "failed to decode snapshot metadata: unexpected end of JSON input"),
        (
            packed({"SHA256SUMS": b"00  x\n"}),
            FILE + 'failed checking integrity of snapshot: list missing hash for "x"',
        ),
    ],
    ids=["empty", "cut", "text", "no tar", "bad tar", "no files", "another file", "no metadata", "no hash"],
)
async def test_what_is_no_snapshot(consul: Client, archive: bytes, text: str) -> None:
    await refused(consul, archive, text)


async def test_a_damaged_snapshot_changes_nothing(consul: Client) -> None:
    await consul.put("/v1/kv/a", b"1")
    archive = await saved(consul)
    contents = members(archive)
    unsound = FILE + "failed checking integrity of snapshot: "
    plain = gzip.decompress(archive)
    state = FILE + "failed to read or write snapshot data: unexpected EOF"
    meta = FILE + "failed to read snapshot metadata: unexpected EOF"
    await refused(consul, archive[:-4], "unexpected EOF")
    await refused(consul, archive + b"more", "gzip: invalid header")
    await refused(consul, gzip.compress(plain[:520]), meta)
    await refused(consul, gzip.compress(plain[:1800]), state)
    await refused(consul, gzip.compress(plain + b"x"), "1 unread uncompressed bytes remain")
    await refused(
        consul, packed({**contents, "state.bin": contents["state.bin"] + b"x"}),
        unsound + 'hash check failed for "state.bin"',
    )  # fmt: skip
    del contents["SHA256SUMS"]
    await refused(consul, packed(contents), unsound + 'file missing for "meta.json"')
    for name in ("meta.json", "state.bin"):
        missing = {one: data for one, data in contents.items() if one != name}
        sums = with_sums(contents)["SHA256SUMS"]
        await refused(consul, packed({**missing, "SHA256SUMS": sums}), unsound + f'hash check failed for "{name}"')
    assert await key(consul, "a") == "1"


async def test_the_order_of_the_files_does_not_count(consul: Client) -> None:
    await consul.put("/v1/kv/a", b"1")
    contents = members(await saved(consul))
    await consul.put("/v1/kv/a", b"2")
    await restored(consul, packed(dict(reversed(contents.items()))))
    assert await key(consul, "a") == "1"


async def test_a_snapshot_of_consuls_own_is_refused_before_anything_changes(consul: Client) -> None:
    archive = packed(with_sums({"meta.json": json.dumps(CONSULS_META).encode(), "state.bin": b"abc"}))
    text = "it is a snapshot of Consul's own; only backups of this registry can be restored; nothing was changed"
    await refused(consul, archive, FILE + text)


async def test_a_state_that_is_not_what_its_metadata_say(consul: Client) -> None:
    contents = members(await saved(consul))
    meta = json.loads(contents["meta.json"])
    for change in ({"Size": meta["Size"] + 1}, {"Registry": {**meta["Registry"], "Nodes": 7}}):
        changed = with_sums({"meta.json": json.dumps({**meta, **change}).encode(), "state.bin": contents["state.bin"]})
        answer = await consul.put(SNAPSHOT, packed(changed))
        assert answer.status == 500
        assert answer.text.endswith("; nothing was changed")


async def test_what_is_looked_at_before_the_body(consul: Client) -> None:
    archive = await saved(consul)
    for query in ("stale", "stale&consistent&index=x"):
        assert said(await consul.put(f"{SNAPSHOT}?{query}", archive)) == (500, "stale not allowed for restore")
    assert said(await consul.put(f"{SNAPSHOT}?dc=nowhere", archive)) == (500, "No path to datacenter")


async def test_all_replicas_take_up_what_one_is_given() -> None:
    async with pair() as (one, two):
        await one.know_commands()
        await one.server.advance(1)
        await one.put("/v1/kv/a", b"1")
        await two.caught_up(one)
        archive = await saved(two)
        await one.put("/v1/kv/a", b"2")
        await two.caught_up(one)
        reader = await one.follow("/v1/kv/a")
        await restored(two, archive)
        assert await key(two, "a") == "1"
        assert (await reader).status == 200
        assert await key(one, "a") == "1"
        assert [len((await each.get("/v1/status/peers")).json) for each in (one, two)] == [2, 2]
        assert await told(one, "/v1/kv/a", b"3") == (200, "true")


async def test_a_restore_is_answered_when_this_replica_shows_it() -> None:
    async with pair() as (one, two):
        await one.know_commands()
        await one.put("/v1/kv/a", b"1")
        await two.caught_up(one)
        archive = await saved(two)
        await one.put("/v1/kv/a", b"2")
        await two.caught_up(one)
        two.wire.hold()
        sender = Client(two.server)
        restoring = asyncio.create_task(restored(sender, archive))
        while said(await one.send("GET /v1/kv/a?raw"))[1] != "1":  # noqa: ASYNC110 - another replica
            await asyncio.sleep(0)
        assert await key(two, "a?stale&") == "2"
        assert not restoring.done()
        two.wire.let_go()
        await restoring
        assert await key(two, "a?stale&") == "1"
        await sender.close()


async def test_a_replica_without_the_store_saves_what_it_knows_when_told_so() -> None:
    async with pair() as (one, two):
        await one.know_commands()
        await one.put("/v1/kv/a", b"1")
        await two.caught_up(one)
        two.wire.cut()
        assert said(await two.send(f"GET {SNAPSHOT}")) == (500, "No cluster leader")
        archive = await saved(two, "?stale")
        two.wire.mend()
        await restored(one, archive)
        assert await key(one, "a") == "1"
