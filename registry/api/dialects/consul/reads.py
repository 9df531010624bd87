"""How a read of the catalog is answered: from memory or computed, at once or after a change.

Owns the headers of such answers, when the log is asked first, and the rows' selection by `filter`, `near` and
`node-meta`. Which rows and which topic an endpoint means is its own business.

On a log that this process shares with others an answer shows what this replica has applied, which may lag by
milliseconds. A read that wants more (`?consistent`, an index that this replica has not reached, the setting
`consistent_reads`, one of what a lock is made of) first learns how far the log is and waits for that, and fails as
Consul does without a leader.
Source: common.md §6, §8, §9, §11; `DESIGN.md` §3, Reads.
"""

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from registry.api.call import Call
from registry.api.dialects.consul.go.encode import pretty
from registry.api.dialects.consul.params import ReadOptions, node_meta, read_options
from registry.api.reply import Reply
from registry.core.reading import Contact, Question, State
from registry.errors import LogUnavailable, RequestError
from registry.model.filter import Selectors, compiled
from registry.model.node import Node
from registry.model.topic import COORDINATES, Topic

Row = TypeVar("Row")
# Parameters that no body depends on: when it is answered, how sure it is, whose it is. A datacenter is ours here.
_NOT_IN_KEY = frozenset(
    {"cached", "consistent", "datacenter", "dc", "index", "leader", "max_stale", "stale", "token", "wait"}
)
_CACHED_REMEMBERED = 4096  # ?cached requests whose next answer is a HIT
_ANSWERING = Contact(away=False, silent_seconds=0.0, reason="")
_FAILED = (
    b"X-Consul-Index: 1\r\nX-Consul-Knownleader: false\r\nX-Consul-Lastcontact: 0\r\n"
    b"X-Consul-Query-Backend: blocking-query\r\n"
)


async def answer(
    call: Call,
    topic: Topic,
    query: Callable[[State], Any],
    encode: Callable[[Any], bytes],
    *,
    options: ReadOptions | None = None,
    consistency: bool = True,
    cacheable: bool = False,
    only_if_different: bool = False,
    keep: bool = True,
    failing_index: bool = True,
    once: bool | None = None,
    newest: bool = False,
    as_it_is: bool = False,
    index_of_now: bool = False,
) -> Reply:
    """The answer to an index-bearing read, with its headers.

    Blocks when the request names an index: until the topic's index is over it, or the wait is over.

    Args:
        consistency: whether the answer names its read mode. cacheable: whether `?cached` means anything.
        only_if_different: a change that leaves the bytes as they were does not end the wait.
        keep: whether every change of the bytes touches the topic, so that they may be kept ready.
        failing_index: whether the headers of an index go with the error when the log cannot be asked.
        once: what `asked_first` said where the caller had to know before it could name the topic.
        newest: whether a read without a mode asks the log first, whatever the settings say.
        as_it_is: whether the bytes are no JSON, which a request may want laid out.
        index_of_now: whether a wait that came to its end shows the index of that moment, not that of its beginning.
    Raises:
        RequestError: `no-leader`, the log cannot be asked.
    """
    options = options or read_options(call)
    if once is None:
        once = await asked_first(call, options, failing_index=failing_index, newest=newest)
    # Coordinates order what is near and touch no topic but their own, so their index is part of the question.
    near = call.engine.state.index(COORDINATES) if call.query.value("near") else None
    question = Question(
        topic,
        (call.route, call.argument, call.query.without(_NOT_IN_KEY), near),
        query,
        encode if as_it_is else _laid_out(call, encode),
        keep=keep,
        only_if_different=only_if_different,
    )
    if options.min_index:
        found, waited = await call.engine.after(question, options.min_index, options.wait_seconds)
        if index_of_now and found.index <= options.min_index:
            found = call.engine.answer(question)
    else:
        found, waited = call.engine.answer(question), False
    contact = call.engine.contact() if call.engine.shared else _ANSWERING
    once = once or contact.away or near is not None
    headers = index_headers(found.index, options.mode if consistency else "", contact)
    ready = found if not options.min_index or found.index > options.min_index else None
    if cacheable and options.cached:
        hit = seen_before(call) and not waited
        headers += b"X-Cache: HIT\r\nAge: 0\r\n" if hit else b"X-Cache: MISS\r\n"
        return Reply(body=found.body, headers=headers, ready=ready if hit else None, once=once, waited=waited)
    return Reply(body=found.body, headers=headers, ready=ready, once=once, waited=waited)


def local_answer(call: Call, topic: Topic, query: Callable[[State], Any], encode: Callable[[Any], bytes]) -> Reply:
    """The answer to a read of the agent's own rows: no index, no blocking, ready all the same.

    Where the log may have to be asked (`newest_wanted`) that has been done.
    """
    key = (call.route, call.argument, call.query.without(_NOT_IN_KEY))
    found = call.engine.answer(Question(topic, key, query, _laid_out(call, encode)))
    return Reply(body=found.body, ready=found, once=_always_asks(call))


async def asked_first(call: Call, options: ReadOptions, *, failing_index: bool = True, newest: bool = False) -> bool:
    """Ask the log first where the read wants that; whether the same read has to ask again next time.

    Raises:
        RequestError: `no-leader`, it cannot be asked.
    """
    if not call.engine.shared:
        return False
    default = options.mode == "leader" and not options.cached
    asks = options.mode == "consistent" or (default and (newest or _always_asks(call)))
    if asks or options.min_index > call.engine.state.applied:
        try:
            await _confirm(call)
        except RequestError as error:
            raise failing_with_index(error) if failing_index else error from None
    return asks


async def newest_wanted(call: Call) -> None:
    """For reads without a mode: ask the log first where the settings want that of every default read.

    Raises:
        RequestError: `no-leader`, it cannot be asked.
    """
    if _always_asks(call):
        await _confirm(call)


def _always_asks(call: Call) -> bool:
    return call.engine.shared and bool(call.server.settings.consistent_reads)


async def _confirm(call: Call) -> None:
    try:
        await call.engine.confirm()
    except LogUnavailable as error:
        raise no_leader(error.reason) from None


def no_leader(reason: str) -> RequestError:
    """What a read fails with that wants to know more than this replica does while the store is away."""
    return RequestError("no-leader", because=reason)


def _laid_out(call: Call, encode: Callable[[Any], bytes]) -> Callable[[Any], bytes]:
    if "pretty" in call.query:
        return lambda rows: pretty(encode(rows), newline=True)
    if call.server.settings.pretty:
        return lambda rows: pretty(encode(rows), newline=False)
    return encode


def index_headers(index: int, mode: str, contact: Contact) -> bytes:
    """The header lines of an answer as of this index; it names its read mode where it is given one."""
    effective = b"X-Consul-Effective-Consistency: %b\r\n" % mode.encode() if mode else b""
    known, silent_ms = (b"false", int(contact.silent_seconds * 1000)) if contact.away else (b"true", 0)
    return (
        b"%bX-Consul-Index: %d\r\nX-Consul-Knownleader: %b\r\nX-Consul-Lastcontact: %d\r\n"
        b"X-Consul-Query-Backend: blocking-query\r\n" % (effective, index, known, silent_ms)
    )


def seen_before(call: Call) -> bool:
    """Whether the same `?cached` read was asked before: order, layout and mode of the answer are no part of it."""
    query = call.query
    key = (
        call.route,
        call.argument,
        *(tuple(query.values(name)) for name in ("tag", "node-meta")),
        query.value("filter"),
        query.value("peer"),
        "merge-central-config" in query,
    )
    seen = call.server.seen_cached
    if key in seen:
        seen.move_to_end(key)
        return True
    seen[key] = None
    if len(seen) > _CACHED_REMEMBERED:
        seen.popitem(last=False)
    return False


def failing_with_index(error: RequestError) -> RequestError:
    """Mark an error that comes after the parameters: its answer carries index headers (common.md §6)."""
    error.values["headers"] = _FAILED
    return error


def predicate(call: Call, selectors: Selectors) -> Callable[[Any], bool] | None:
    """The request's `filter` as a predicate over rows; None when it has none.

    Raises:
        InvalidRequest: `filter-syntax`, `filter-selector`.
    """
    text = call.query.value("filter")
    return compiled(text, selectors) if text else None


def nodes_matching(call: Call) -> Callable[[Node], bool] | None:
    """The request's `node-meta` as a predicate over nodes; None when it has none."""
    wanted = node_meta(call)
    if not wanted:
        return None
    return lambda node: node.meta is not None and all(node.meta.get(key) == value for key, value in wanted)


def selected(rows: Iterable[Row], *predicates: Callable[[Row], bool] | None) -> list[Row]:
    """The rows that pass every predicate given."""
    active = [one for one in predicates if one is not None]
    if not active:
        return list(rows)
    return [row for row in rows if all(one(row) for one in active)]
