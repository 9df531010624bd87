"""A backup as a file: what is in it, that it comes back whole, and that nothing less than whole is taken."""

import gzip
import hashlib
import io
import json
import tarfile
import zlib
from collections.abc import Callable

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.archive import envelope, reading, state_bin
from registry.archive.contents import Contents, for_a_log
from registry.commands import RaiseLevel, SetMembers
from registry.errors import ArchiveDamaged
from registry.model.member import Member
from registry.state.snapshot import digest, restored
from registry.state.store import State
from tests.makers import World, deregister, register, register_local, register_ttl


def world(**more: str) -> World:
    """A server with a few rows."""
    made = World()
    made.apply(register("web", meta={"b": "1", **more}, tags=("x",)))
    made.apply(register("gone", on="n9"))
    made.apply(deregister(on="n9"))
    made.apply(register_local("web"))
    made.apply(register_ttl(service_id="web"))
    return made


def archive(state: State) -> bytes:
    contents = Contents(state)
    return b"".join(envelope.written(contents, contents.summary(), lambda done: None))


def back(data: bytes) -> reading.Backup:
    return reading.read(io.BytesIO(data), lambda done, size: None)


def members(data: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:gz") as tar:
        found = {}
        for member in tar:
            assert member.isreg()
            assert member.mode == 0o600
            file = tar.extractfile(member)
            assert file is not None
            found[member.name] = file.read()
        return found


def packed(**contents: bytes) -> bytes:
    """An archive of others, or one that somebody has unpacked, changed and packed again."""
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w:gz") as tar:
        for name, data in contents.items():
            member = tarfile.TarInfo(name.replace("_", "."))
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return whole.getvalue()


def repacked(data: bytes, change: Callable[[dict[str, bytes]], object], *, sums: bool = True) -> bytes:
    """The archive with some of its content changed, and its sums made anew to fit."""
    found = members(data)
    change(found)
    if sums:
        found["SHA256SUMS"] = b"".join(
            f"{hashlib.sha256(found[name]).hexdigest()}  {name}\n".encode() for name in ("meta.json", "state.bin")
        )
    return packed(**{name.replace(".", "_"): content for name, content in found.items()})


def test_a_state_comes_back_as_it_was() -> None:
    state = world().state
    found = back(archive(state))
    assert digest(found.state) == digest(state)
    assert found.summary == Contents(state).summary()
    assert (found.summary.nodes, found.summary.services, found.summary.checks) == (2, 3, 2)
    assert found.summary.index == state.applied


def test_the_empty_state_too() -> None:
    assert digest(back(archive(State())).state) == digest(State())


def test_a_large_state_comes_in_many_chunks() -> None:
    made = world()
    for number in range(600):
        made.apply(register(f"s{number}", meta={f"k{n}": str(n) * 500 for n in range(10)}))
    seen: list[int] = []
    contents = Contents(made.state)
    summary = contents.summary()
    data = b"".join(envelope.written(contents, summary, seen.append))
    assert len(list(contents.chunks())) > 3
    assert seen[-1] == summary.size
    assert digest(back(data).state) == digest(made.state)


def test_the_envelope_is_that_of_consuls_snapshots() -> None:
    """`consul snapshot save` looks at the names, at what meta.json says, and at both sums.

    Source: Consul's API, /v1/snapshot.
    """
    state = world().state
    found = members(archive(state))
    assert list(found) == ["meta.json", "state.bin", "SHA256SUMS"]
    sums = dict(line.split("  ")[::-1] for line in found["SHA256SUMS"].decode().splitlines())
    assert sums == {name: hashlib.sha256(found[name]).hexdigest() for name in ("meta.json", "state.bin")}
    meta = json.loads(found["meta.json"])
    assert meta["Version"] == 1
    assert meta["Index"] == state.applied
    assert meta["Size"] == len(found["state.bin"])
    assert meta["ID"] == f"{meta['Term']}-{state.applied}-{round(state.time * 1000)}"
    assert meta["Configuration"]["Servers"][0]["ID"] == state.server.id
    assert isinstance(meta["Peers"], str)


def test_the_same_state_gives_the_same_bytes() -> None:
    assert archive(world().state) == archive(world().state)


def test_the_digest_is_the_sum_of_the_content_alone() -> None:
    """Whoever serves it, and wherever its log stands: the same rows have the same digest."""
    first, second = world(), world()
    second.apply(RaiseLevel(2))
    second.apply(SetMembers((Member("r1"),), "r1"))
    second.state.indexes.floor = 9_000_000
    there = members(archive(second.state))
    assert Contents(first.state).summary().digest == hashlib.sha256(there["state.bin"]).hexdigest()
    assert Contents(second.state).summary()[2:] == Contents(first.state).summary()._replace(level=2)[2:]
    assert Contents(world(c="2").state).summary().digest != Contents(first.state).summary().digest


def test_who_served_it_does_not_come_along_but_the_level_does() -> None:
    made = world()
    made.apply(RaiseLevel(2))
    made.apply(SetMembers((Member("r1"),), "r1"))
    found = restored(for_a_log(back(archive(made.state)).state))
    assert (found.members, found.holder, found.level) == ((), "", 2)


def test_the_state_may_change_while_it_is_written() -> None:
    made = world()
    before = digest(made.state)
    contents = Contents(made.state)
    summary = contents.summary()
    made.apply(register("later"))
    data = b"".join(envelope.written(contents, summary, lambda done: None))
    assert digest(back(data).state) == before


def test_one_that_was_unpacked_and_packed_again_is_as_good() -> None:
    data = archive(world().state)
    assert back(repacked(data, lambda found: None)).summary == back(data).summary
    assert back(gzip.compress(gzip.decompress(data))).summary == back(data).summary


# Damage

SMALL = archive(world().state)


def refused(data: bytes) -> str:
    with pytest.raises(ArchiveDamaged) as raised:
        back(data)
    text = str(raised.value)
    assert "\n" not in text
    return text


HEAD = 12  # bytes before the deflated ones


def says(data: bytes) -> bytes:
    """What is in a gzip file; nothing when that cannot be told."""
    try:
        return gzip.decompress(data)
    except (OSError, EOFError, zlib.error):
        return b""


@pytest.mark.parametrize("bit", [0, 3, 7])
def test_every_flipped_bit_is_found(bit: int) -> None:
    """But for those that say the same: deflate may copy equal bytes from more than one place."""
    whole, harmless = gzip.decompress(SMALL), 0
    for place in range(len(SMALL)):
        damaged = bytearray(SMALL)
        damaged[place] ^= 1 << bit
        if place >= HEAD and says(bytes(damaged)) == whole:
            harmless += 1
        else:
            refused(bytes(damaged))
    assert harmless < 20


def test_every_missing_end_is_found() -> None:
    for length in range(len(SMALL)):
        refused(SMALL[:length])


@given(st.data())
def test_bytes_that_are_gone_doubled_or_others_are_found(data: st.DataObject) -> None:
    begin = data.draw(st.integers(0, len(SMALL) - 1))
    end = data.draw(st.integers(begin, min(len(SMALL), begin + 64)))
    between = data.draw(st.binary(max_size=64))
    changed = SMALL[:begin] + between + SMALL[end:]
    if changed[:HEAD] != SMALL[:HEAD] or says(changed) != gzip.decompress(SMALL):
        refused(changed)


@pytest.mark.parametrize("behind", [b"\0", b"x", SMALL], ids=["a zero", "a letter", "itself"])
def test_what_follows_its_end_is_found(behind: bytes) -> None:
    assert "something follows its end" in refused(SMALL + behind)


def test_every_changed_byte_of_its_state_is_found_though_all_else_was_packed_anew() -> None:
    state = members(SMALL)["state.bin"]
    for place in range(0, len(state), 7):
        changed = bytearray(state)
        changed[place] ^= 0x20
        refused(repacked(SMALL, lambda found, new=bytes(changed): found.update({"state.bin": new})))  # type: ignore[misc]


def test_sums_that_do_not_fit_are_found() -> None:
    for name in ("meta.json", "SHA256SUMS"):
        found = refused(repacked(SMALL, lambda all_, name=name: all_.update({name: all_[name] + b" "}), sums=False))  # type: ignore[misc]
        assert "SHA256SUMS" in found


def changed_meta(**keys: object) -> Callable[[dict[str, bytes]], None]:
    def change(found: dict[str, bytes]) -> None:
        meta = json.loads(found["meta.json"])
        own = {name: keys[name] for name in keys.keys() & meta["Registry"].keys()}
        meta |= {name: value for name, value in keys.items() if name not in own}
        if own:
            meta["Registry"] |= own
        found["meta.json"] = json.dumps(meta).encode()

    return change


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"Nodes": 7}, "not what it says it holds"),
        ({"Size": 7}, "state.bin has"),
        ({"Level": 99}, "newer program"),
        ({"Format": 2}, "format 2"),
        ({"Index": "x"}, "meta.json cannot be read"),
        ({"Registry": None}, "meta.json cannot be read"),
    ],
)
def test_what_it_says_of_itself_has_to_be_true(keys: dict[str, object], words: str) -> None:
    assert words in refused(repacked(SMALL, changed_meta(**keys)))


def test_a_state_of_a_newer_format_is_refused() -> None:
    def change(found: dict[str, bytes]) -> None:
        at = len(state_bin.MAGIC) + 1
        found["state.bin"] = found["state.bin"][:at] + b"\x02" + found["state.bin"][at + 1 :]

    assert "format 2" in refused(repacked(SMALL, change))


@pytest.mark.parametrize(
    "chunk",
    [b"", b"\xc1", msgspec.msgpack.encode([("z", {})]), msgspec.msgpack.encode([("n", {"name": 5})]), b"\x02abc"],
    ids=["nothing", "no value", "no such row", "no such node", "half a chunk"],
)
def test_what_is_no_state_is_refused_though_every_sum_is_right(chunk: bytes) -> None:
    def change(found: dict[str, bytes]) -> None:
        found["state.bin"] = b"".join(state_bin.written([chunk] if chunk else []))
        meta = json.loads(found["meta.json"])
        found["meta.json"] = json.dumps({**meta, "Size": len(found["state.bin"])}).encode()

    refused(repacked(SMALL, change))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty"),
        (b"garbage", "no gzip"),
        (gzip.compress(b"garbage"), "cut off"),
        (gzip.compress(b"garbage" * 500), "no meta.json"),
        (packed(other=b"x"), "'other' where meta.json should be"),
        (packed(meta_json=b'{"Version":1,"Index":5}'), "snapshot of Consul"),
        (packed(meta_json=b"[]"), "meta.json cannot be read"),
        (packed(meta_json=b"x" * 2_000_000), "far too long"),
    ],
    ids=["nothing", "no-gzip", "cut", "no-meta", "another-file", "consuls", "no-object", "endless"],
)
def test_files_of_others_are_refused_with_a_reason(data: bytes, words: str) -> None:
    assert words in refused(data)


def test_a_small_file_cannot_make_us_hold_a_large_one() -> None:
    """A chunk that claims to be 4 GiB is refused before it is read."""

    def change(found: dict[str, bytes]) -> None:
        found["state.bin"] = found["state.bin"][:12] + b"\xff\xff\xff\xff" + found["state.bin"][16:]

    assert "too long" in refused(repacked(SMALL, change))


def test_the_head_is_one_that_every_gzip_reads() -> None:
    assert gzip.decompress(SMALL) == zlib.decompress(SMALL, 31)
