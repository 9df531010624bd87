"""Keys: what is read, listed, written and deleted, and how keys are spelled. Source: kv.md §1 to §4."""

import base64
import gzip
from typing import Any

import pytest

from tests.contract.consul.exchange import Client
from tests.contract.consul.keys import delete, entry, names, put, session

pytestmark = pytest.mark.usefixtures("every_command")

NUMBERS = ("CreateIndex", "ModifyIndex", "LockIndex", "Flags")


def numbers(found: dict[str, Any]) -> tuple[int, ...]:
    return tuple(found[name] for name in NUMBERS)


async def test_a_key_is_read_as_it_was_written(consul: Client) -> None:
    assert await put(consul, "a/b?flags=42", b"test")
    answer = await consul.get("/v1/kv/a/b")
    index = answer.index
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    assert answer.body == (
        b'[{"LockIndex":0,"Key":"a/b","Flags":42,"Value":"dGVzdA==","CreateIndex":%d,"ModifyIndex":%d}]'
        % (index, index)
    )
    assert {name: one for name, one in answer.headers.items() if name.startswith("x-consul")} == {
        "x-consul-default-acl-policy": "allow",
        "x-consul-index": str(index),
        "x-consul-knownleader": "true",
        "x-consul-lastcontact": "0",
        "x-consul-query-backend": "blocking-query",
    }


async def test_an_empty_value_is_null(consul: Client) -> None:
    await put(consul, "k", b"")
    assert (await consul.get("/v1/kv/k")).json[0]["Value"] is None


async def test_any_bytes_are_a_value_and_flags_have_64_bits(consul: Client) -> None:
    value, flags = bytes(range(256)), 2**64 - 1
    await put(consul, f"k?flags={flags}", value)
    assert (await entry(consul, "k"))["Value"] == value
    assert b'"Flags":18446744073709551615' in (await consul.get("/v1/kv/k")).body


async def test_every_write_replaces_the_flags_and_keeps_the_time_of_creation(consul: Client) -> None:
    await put(consul, "k?flags=7", b"1")
    first = await entry(consul, "k")
    await put(consul, "k", b"2")
    second = await entry(consul, "k")
    assert numbers(first) == (first["CreateIndex"], first["CreateIndex"], 0, 7)
    assert numbers(second) == (first["CreateIndex"], second["ModifyIndex"], 0, 0)
    assert second["ModifyIndex"] > first["ModifyIndex"]


async def test_a_write_of_what_is_there_changes_nothing(consul: Client) -> None:
    await put(consul, "k?flags=3", b"v")
    first = await consul.get("/v1/kv/k")
    assert await put(consul, "k?flags=3", b"v")
    assert (await consul.get("/v1/kv/k")).lasting() == first.lasting()
    await put(consul, "k?flags=4", b"v")
    assert (await consul.get("/v1/kv/k")).index > first.index


async def test_a_key_that_comes_back_begins_anew(consul: Client) -> None:
    await put(consul, "k?flags=9", b"old")
    old = await entry(consul, "k")
    await delete(consul, "k")
    await put(consul, "k", b"new")
    new = await entry(consul, "k")
    assert (new["Flags"], new["CreateIndex"]) == (0, new["ModifyIndex"])
    assert new["CreateIndex"] > old["CreateIndex"]


@pytest.mark.parametrize("target", ["none", "none?raw", "none?recurse", "none?keys", "?recurse"])
async def test_what_is_not_there_is_an_empty_404_with_an_index(consul: Client, target: str) -> None:
    answer = await consul.get(f"/v1/kv/{target}")
    assert (answer.status, answer.body, answer.index) == (404, b"", 1)
    assert "content-type" not in answer.headers
    assert answer.headers["x-consul-knownleader"] == "true"


async def test_the_names_of_all_keys_are_an_empty_list_where_there_are_none(consul: Client) -> None:
    answer = await consul.get("/v1/kv/?keys")
    assert (answer.status, answer.text, answer.index) == (200, "[]", 1)
    await put(consul, "k")
    await delete(consul, "k")
    assert (await consul.get("/v1/kv/?keys&separator=/")).text == "[]"


async def test_the_plain_value(consul: Client) -> None:
    await put(consul, "k", b"<b>\xff")
    answer = await consul.get("/v1/kv/k?raw&pretty")
    assert (answer.status, answer.body, answer.index) == (200, b"<b>\xff", (await consul.get("/v1/kv/k")).index)
    assert answer.headers["content-type"] == "text/plain"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-security-policy"] == "sandbox"
    await put(consul, "k", b"")
    empty = await consul.get("/v1/kv/k?raw")
    assert (empty.status, empty.body, empty.headers["content-type"]) == (200, b"", "text/plain")


async def test_only_one_key_is_given_plainly(consul: Client) -> None:
    await put(consul, "k")
    assert (await consul.get("/v1/kv/k?raw&recurse")).json == (await consul.get("/v1/kv/k")).json
    assert (await consul.get("/v1/kv/k?raw&keys&recurse")).json == ["k"]


async def test_values_are_packed_and_indented_where_that_is_asked_for(consul: Client) -> None:
    await put(consul, "k", b"x" * 3000)
    packed = await consul.get("/v1/kv/k?raw", "Accept-Encoding: gzip")
    assert gzip.decompress(packed.body) == b"x" * 3000
    assert (await consul.get("/v1/kv/k?pretty=0")).text.startswith('[\n    {\n        "LockIndex": 0,\n')
    assert (await consul.send("PUT /v1/kv/k?pretty", body=b"")).text == "true\n"


# Prefixes


async def test_a_prefix_is_bytes_and_the_order_that_of_bytes(consul: Client) -> None:
    keys = ["b", "B", "a/z", "a", "a-z", "_", "é", "10", "9", "ab"]
    for key in keys:
        await put(consul, "o/" + "".join(f"%{byte:02x}" for byte in key.encode()))
    assert await names(consul, "o/?keys") == [f"o/{key}" for key in sorted(keys, key=str.encode)]
    assert await names(consul, "o/a?keys") == ["o/a", "o/a-z", "o/a/z", "o/ab"]
    assert [one["Key"] for one in (await consul.get("/v1/kv/o/a?recurse=false")).json] == await names(
        consul, "o/a?keys"
    )
    assert (await consul.get("/v1/kv/O?keys")).status == 404


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("?keys&separator=/", ["bar", "baz", "foo", "foo/", "zip"]),
        ("foo?keys&separator=/", ["foo", "foo/"]),
        ("foo/?keys&separator=/", ["foo/", "foo/1", "foo/2/", "foo/3"]),
        ("foo/?keys&separator=", ["foo/", "foo/1", "foo/2//x", "foo/2/y", "foo/3"]),
        ("foo/?keys&separator=//", ["foo/", "foo/1", "foo/2//", "foo/2/y", "foo/3"]),
        ("foo/?keys&seperator=/", ["foo/", "foo/1", "foo/2/", "foo/3"]),
        ("foo/?keys&separator=//&seperator=/", ["foo/", "foo/1", "foo/2//", "foo/2/y", "foo/3"]),
        ("ba?keys&separator=a", ["bar", "baz"]),
    ],
)
async def test_keys_are_cut_behind_the_first_separator_after_the_prefix(
    consul: Client, query: str, expected: list[str]
) -> None:
    for key in ("bar", "baz", "foo", "foo%2F", "foo/1", "foo/2%2F%2Fx", "foo/2/y", "foo/3", "zip"):
        await put(consul, key)
    assert await names(consul, query) == expected


async def test_a_hundred_keys_are_listed_named_and_deleted_together(consul: Client) -> None:
    for number in range(100):
        await put(consul, f"many/{number}", b"%d" % number)
    await put(consul, "other")
    found = (await consul.get("/v1/kv/many?recurse")).json
    assert {one["Key"]: base64.b64decode(one["Value"]) for one in found} == {
        f"many/{number}": b"%d" % number for number in range(100)
    }
    assert len(await names(consul, "many/?keys")) == 100
    assert await delete(consul, "many/?recurse=no")
    assert (await consul.get("/v1/kv/many/?recurse")).status == 404
    assert await names(consul, "?keys") == ["other"]
    assert await delete(consul, "?recurse")
    assert await names(consul, "?keys") == []


# Check and set


async def test_cas_writes_over_the_index_it_names_only(consul: Client) -> None:
    assert not await put(consul, "k?cas=1")
    assert await put(consul, "k?cas=0", b"first")
    assert not await put(consul, "k?cas=0", b"again")
    index = await consul.index("/v1/kv/k")
    assert not await put(consul, f"k?cas={index - 1}", b"stale")
    assert await put(consul, f"k?cas={index}&cas=1&flags=5", b"second")
    found = await entry(consul, "k")
    assert (found["Value"], found["Flags"]) == (b"second", 5)
    assert found["ModifyIndex"] > index


async def test_delete_with_an_index(consul: Client) -> None:
    assert await delete(consul, "none?cas=0")
    assert await delete(consul, "none?cas=123")
    await put(consul, "k")
    index = await consul.index("/v1/kv/k")
    assert not await delete(consul, "k?cas=0")
    assert not await delete(consul, f"k?cas={index - 1}")
    assert await delete(consul, f"k?cas={index}")
    assert await delete(consul, "k")
    assert (await consul.get("/v1/kv/k")).status == 404


async def test_delete_looks_neither_at_locks_nor_at_a_body(consul: Client) -> None:
    holder = await session(consul)
    await put(consul, f"k?acquire={holder}")
    assert (await consul.send("DELETE /v1/kv/k?acquire=x&release=y", body=b"{")).text == "true"
    assert (await consul.get("/v1/kv/k")).status == 404


# Spelling


@pytest.mark.parametrize(
    ("path", "key"),
    [
        ("%2Fx", "/x"),
        ("a%2F%2Fb", "a//b"),
        ("a%2Fb%20c", "a/b c"),
        ("plus+sign", "plus+sign"),
        ("per%25cent", "per%cent"),
        ("%C3%BCn%2Fi", "ün/i"),
        ("colon:at@comma,semi;", "colon:at@comma,semi;"),
        ("a%2F..%2Fb", "a/../b"),
        ("dir/", "dir/"),
        ("%ff", "�"),
        ("%e2%82", "��"),
    ],
)
async def test_a_key_is_what_the_path_says_decoded_once(consul: Client, path: str, key: str) -> None:
    await put(consul, path, b"here")
    assert [one["Key"] for one in (await consul.get(f"/v1/kv/{path}")).json] == [key]
    assert await names(consul, "?keys") == [key]
    assert (await consul.get(f"/v1/kv/{path}?raw")).body == b"here"
    assert await delete(consul, path)
    assert await names(consul, "?keys") == []


async def test_keys_that_are_no_text_are_different_keys(consul: Client) -> None:
    for path in ("%ff", "%fe", "%EF%BF%BD"):
        await put(consul, path, path.encode())
    for path in ("%ff", "%fe", "%EF%BF%BD"):
        assert (await consul.get(f"/v1/kv/{path}?raw")).body == path.encode()
    await delete(consul, "%fe")
    assert await names(consul, "?keys") == ["�", "�"]
    assert (await consul.get("/v1/kv/%ff?raw")).body == b"%ff"


async def test_what_would_have_to_be_mended_is_no_key(consul: Client) -> None:
    for path, location in (("//x", "/v1/kv/x"), ("/a/./b", "/v1/kv/a/b"), ("//a%20b", "/v1/kv/a%2520b")):
        answer = await consul.send(f"PUT /v1/kv{path}", body=b"v")
        assert (answer.status, answer.headers["location"]) == (301, location)
    for path in ("a%00b", "a%0a", "%C2%A0"):
        answer = await consul.send(f"PUT /v1/kv/{path}", body=b"v")
        assert (answer.status, answer.body) == (400, b"")
    assert await names(consul, "?keys") == []


async def test_a_key_has_no_limit_of_its_own(consul: Client) -> None:
    key = "k" * 5000
    assert await put(consul, key)
    assert await names(consul, "?keys") == [key]


# What is known again


async def test_a_read_that_was_answered_from_memory_is_not_after_a_change(consul: Client) -> None:
    """`get` asks twice and compares, so the second answer of each of these comes from memory."""
    await put(consul, "a/k", b"1")
    for target in ("/v1/kv/a/k?raw", "/v1/kv/a/?recurse", "/v1/kv/a/?keys"):
        hits = consul.server.engine.topics.hits
        await consul.get(target)
        assert consul.server.engine.topics.hits > hits
    await put(consul, "a/k", b"2")
    await put(consul, "a/l", b"3")
    assert (await consul.get("/v1/kv/a/k?raw")).body == b"2"
    assert len((await consul.get("/v1/kv/a/?recurse")).json) == 2
    await delete(consul, "a/k")
    assert (await consul.get("/v1/kv/a/k?raw")).status == 404
    assert await names(consul, "a/?keys") == ["a/l"]


async def test_a_missing_key_shows_the_index_of_the_table_of_now(consul: Client) -> None:
    await put(consul, "a")
    first = await consul.index("/v1/kv/none")
    waiting = await consul.follow("/v1/kv/none")
    assert await consul.index("/v1/kv/none") == first
    await put(consul, "b")
    assert await consul.index("/v1/kv/none") > first
    assert not waiting.done()
    waiting.cancel()
