"""Waiting for keys and prefixes: who is released by what, and with which index. Source: kv.md §3.

Time stands still unless a test moves it, so whatever is answered was answered because of a write.
"""

import asyncio

import pytest

from tests.contract.consul.exchange import Answer, Client
from tests.contract.consul.keys import delete, end, names, put, session

pytestmark = pytest.mark.usefixtures("every_command")


async def still_waits(consul: Client, *watchers: "asyncio.Task[Answer]") -> bool:
    await consul.server.advance(0)
    return not any(one.done() for one in watchers)


# Indexes


async def test_the_index_of_a_key_is_its_own_and_of_a_missing_one_the_tables(consul: Client) -> None:
    await put(consul, "a")
    own = await consul.index("/v1/kv/a")
    assert await consul.index("/v1/kv/none") == own
    await put(consul, "b")
    assert await consul.index("/v1/kv/a") == own
    newest = await consul.index("/v1/kv/b")
    assert await consul.index("/v1/kv/none") == newest > own
    await consul.register("n")
    await session(consul)
    assert await consul.index("/v1/kv/none") == newest
    await delete(consul, "a")
    assert await consul.index("/v1/kv/a") == await consul.index("/v1/kv/none") > newest


async def test_the_index_of_a_prefix_is_that_of_what_is_or_was_under_it(consul: Client) -> None:
    await put(consul, "p/a")
    await put(consul, "p/b")
    newest = await consul.index("/v1/kv/p/b")
    await put(consul, "z")
    table = await consul.index("/v1/kv/z")
    for form in ("recurse", "keys", "keys&separator=/"):
        assert await consul.index(f"/v1/kv/p/?{form}") == newest
        assert await consul.index(f"/v1/kv/?{form}") == table
        assert await consul.index(f"/v1/kv/q/?{form}") == table
    await delete(consul, "p/b")
    deleted = await consul.index("/v1/kv/p/?keys")
    assert deleted > table
    await delete(consul, "p/b")
    await put(consul, "z", b"2")
    assert await consul.index("/v1/kv/p/?keys") == deleted


async def test_a_deleted_tree_leaves_one_mark_at_its_top(consul: Client) -> None:
    await put(consul, "q/a")
    await put(consul, "q/b/c")
    await delete(consul, "q/?recurse")
    deleted = await consul.index("/v1/kv/q/?recurse")
    await put(consul, "other")
    table = await consul.index("/v1/kv/other")
    assert await consul.index("/v1/kv/q/?recurse") == deleted < table
    assert await consul.index("/v1/kv/q?recurse") == deleted
    assert await consul.index("/v1/kv/q/b/?recurse") == table


async def test_a_mark_is_forgotten_after_a_quarter_of_an_hour(consul: Client) -> None:
    if consul.server.engine.shared:
        pytest.skip("the housekeeper would look at the store 3,800 times")
    await put(consul, "q/a")
    await delete(consul, "q/a")
    await consul.server.advance(890)
    await put(consul, "other", b"1")
    assert await consul.index("/v1/kv/q/?keys") < await consul.index("/v1/kv/other")
    await consul.server.advance(60)
    await put(consul, "other", b"2")
    assert await consul.index("/v1/kv/q/?keys") == await consul.index("/v1/kv/other")


# One key


async def test_only_its_own_changes_release_who_waits_for_a_key(consul: Client) -> None:
    await put(consul, "foo/test", b"1")
    watcher = await consul.follow("/v1/kv/foo/test")
    await put(consul, "foo/test2")
    await put(consul, "foo")
    await put(consul, "foo/test", b"1")
    await put(consul, "foo/test?cas=1", b"refused")
    await delete(consul, "foo/none")
    assert await still_waits(consul, watcher)
    await put(consul, "foo/test", b"2")
    answer = await watcher
    assert answer.lasting() == (await consul.get("/v1/kv/foo/test")).lasting()


@pytest.mark.parametrize("target", ["k", "k?raw", "?recurse", "?keys"])
async def test_every_kind_of_change_releases(consul: Client, target: str) -> None:
    holder = await session(consul, LockDelay="0s")
    for change in ("k", "k?flags=1", f"k?acquire={holder}", f"k?release={holder}", f"k?acquire={holder}"):
        watcher = await consul.follow(f"/v1/kv/{target}")
        assert await put(consul, change)
        assert (await watcher).lasting() == (await consul.get(f"/v1/kv/{target}")).lasting()
    watcher = await consul.follow(f"/v1/kv/{target}")
    await end(consul, holder)
    assert (await watcher).lasting() == (await consul.get(f"/v1/kv/{target}")).lasting()


async def test_who_waits_for_a_missing_key_hears_only_of_that_key(consul: Client) -> None:
    first = await consul.get("/v1/kv/k")
    assert first.index > 0
    watcher = await consul.follow("/v1/kv/k")
    await put(consul, "other")
    await put(consul, "k/below")
    await delete(consul, "k")
    assert await still_waits(consul, watcher)
    await put(consul, "k", b"here")
    answer = await watcher
    assert (answer.status, answer.json[0]["Key"]) == (200, "k")
    assert answer.index > first.index


async def test_a_deletion_releases_with_a_404(consul: Client) -> None:
    holder = await session(consul, Behavior="delete")
    for change in ("k", "k?recurse", "?recurse"):
        await put(consul, "k")
        before = await consul.index("/v1/kv/k")
        watcher, plain = await consul.follow("/v1/kv/k"), await consul.follow("/v1/kv/k?raw")
        await delete(consul, change)
        for answer in (await watcher, await plain):
            assert (answer.status, answer.body) == (404, b"")
            assert answer.index == await consul.index("/v1/kv/none") > before
    await put(consul, f"k?acquire={holder}")
    watcher = await consul.follow("/v1/kv/k")
    await end(consul, holder)
    assert (await watcher).status == 404


# Prefixes


async def test_only_what_is_under_it_releases_who_waits_for_a_prefix(consul: Client) -> None:
    await put(consul, "p/in/a")
    await put(consul, "p/out")
    watchers = [await consul.follow(f"/v1/kv/p/in/?{form}") for form in ("recurse", "keys", "keys&separator=/")]
    await put(consul, "p/out", b"2")
    await put(consul, "p/in", b"2")
    await put(consul, "p/in/a")
    await delete(consul, "p/in/none")
    assert await still_waits(consul, *watchers)
    await put(consul, "p/in/b/c")
    for watcher, form in zip(watchers, ("recurse", "keys", "keys&separator=/"), strict=True):
        assert (await watcher).lasting() == (await consul.get(f"/v1/kv/p/in/?{form}")).lasting()


async def test_deletions_release_who_waits_for_a_prefix(consul: Client) -> None:
    for key in ("p/a", "p/b", "p/c/d", "p/c/e"):
        await put(consul, key)
    for change, left in (("p/a", ["p/b", "p/c/d", "p/c/e"]), ("p/c/?recurse", ["p/b"])):
        watcher, before = await consul.follow("/v1/kv/p/?keys"), await consul.index("/v1/kv/p/?keys")
        await delete(consul, change)
        answer = await watcher
        assert (answer.json, answer.index > before) == (left, True)
    watcher = await consul.follow("/v1/kv/p/?recurse")
    await delete(consul, "p/?recurse")
    assert (await watcher).status == 404


async def test_a_new_tree_releases_who_waits_for_it(consul: Client) -> None:
    await put(consul, "other")
    watcher, everything = await consul.follow("/v1/kv/new/?keys"), await consul.follow("/v1/kv/?keys")
    await put(consul, "new/a")
    assert (await watcher).json == ["new/a"]
    assert (await everything).json == await names(consul, "?keys")


# The wait


@pytest.mark.parametrize("target", ["k", "none", "k?raw", "?recurse", "?keys", "none/?recurse"])
async def test_the_end_of_the_wait_shows_what_is_there(consul: Client, target: str) -> None:
    await put(consul, "k")
    now = await consul.get(f"/v1/kv/{target}")
    sign = "&" if "?" in target else "?"
    for index in (now.index, 2**64 - 1):
        watcher = await consul.watch(f"/v1/kv/{target}{sign}index={index}&wait=250ms")
        await consul.server.advance(0.2)
        assert not watcher.done()
        await consul.server.advance(0.05)
        assert (await watcher).lasting() == now.lasting()
    assert (await consul.get(f"/v1/kv/{target}{sign}index={now.index - 1}")).lasting() == now.lasting()


async def test_a_hundred_watchers_of_one_prefix_are_released_by_one_write(consul: Client) -> None:
    await put(consul, "p/a", b"1")
    index = await consul.index("/v1/kv/p/?recurse")
    watchers = [await consul.watch(f"/v1/kv/p/?recurse&index={index}") for _ in range(100)]
    await put(consul, "p/b", b"2")
    answers = await asyncio.gather(*watchers)
    assert {answer.body for answer in answers} == {(await consul.get("/v1/kv/p/?recurse")).body}
    assert consul.parked == 0
