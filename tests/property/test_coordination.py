"""Random keys, sessions and transactions over HTTP: after each step everything is as a small model of them says.

`PROPERTY_EXAMPLES=n` runs n histories instead of the usual few, and new ones each time. Time is moved.
"""

import asyncio
import base64
import os
from contextlib import AsyncExitStack
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from registry import testing
from tests.contract.consul.exchange import Answer, Client
from tests.property.coordination_model import NEVER, Coordination, Failed, Lease, Op, Row

EXAMPLES = int(os.environ.get("PROPERTY_EXAMPLES", "80"))
STEPS = 30
# No sum of these comes near one of the limits below, so that nothing happens at the very moment of a deadline.
SECONDS = st.sampled_from([9.6, 18.2, 27.9])
TTLS = st.sampled_from(["", "", "10s", "15s"])
DELAYS = st.sampled_from([0, 4, 15, 100])

NO_SUCH_CHANGE, NO_SUCH_INDEX = -1, 10**9
STRANGER = "11111111-2222-3333-4444-555555555555"
OTHER, SERVICE, OF_NODE, OF_SERVICE = "other", "web", "disk", "web-up"
CHECKS_OF = {"here": ["serfHealth", "none"], OTHER: [OF_NODE, OF_SERVICE]}

NAMES = ["a", "a/b", "a/b/c", "ab", "ü/1"]
KEYS = st.sampled_from(NAMES)
BELOW = ["none", "ü", "a/b", "a/", "a"]
PREFIXES = st.sampled_from(BELOW)
VALUES = st.sampled_from([b"", b"1", b"2\xff"])
FLAGS = st.sampled_from([0, 0, 2**64 - 1])
AGAINST = st.sampled_from(["now", "now", "now", "now", "never", "newest", "none"])  # what a check-and-set compares with
STATUSES = st.sampled_from(["passing", "warning", "critical", "critical"])
WHO = st.sampled_from(["oldest", "newest", "oldest", "newest", "holder", "holder", "shouting", "ended", "nobody"])
WRITES = ["lock", "lock", "lock", "set", "cas", "unlock", "unlock", "delete", "delete-cas", "delete-tree"]
APT = dict.fromkeys(("unlock", "cas", "delete-cas", "get", "check-index", "check-session"), ("now",))
APT["lock"] = ("now", "newest")
READS = ["get", "get-or-empty", "get-tree", "check-index", "check-session", "check-not-exists"]

Draft = tuple[str, str, str, bytes, int, str, str]  # of an operation: who and what it is about depends on the moment
DRAFTS = st.tuples(st.sampled_from(WRITES * 2 + READS), KEYS, PREFIXES, VALUES, FLAGS, WHO, AGAINST)
READING_DRAFTS = st.tuples(st.sampled_from(READS), KEYS, PREFIXES, VALUES, FLAGS, WHO, AGAINST)


class Indexes:
    """Which index the server gave each change: one each, and to a later change a higher one."""

    def __init__(self) -> None:
        self._of = {NEVER: 1, NO_SUCH_CHANGE: NO_SUCH_INDEX}
        self._before = 1  # the newest index before this step

    def step(self) -> None:
        """What is learned from now on is of the next step."""
        self._before = max(index for index in self._of.values() if index != NO_SUCH_INDEX)

    def agree(self, change: int, index: int, where: str) -> None:
        """The server says that a change has this index."""
        if change not in self._of:
            assert index > self._before, f"{where}: index {index} of something new, after {self._before}"
            assert index not in self._of.values(), f"{where}: index {index} is of two changes"
            self._of[change] = index
        assert self._of[change] == index, where

    def __getitem__(self, change: int) -> int:
        """The index to send for a change; 0 for none, which is how a check-and-set says that there is no key."""
        return 0 if change == NEVER else self._of[change]


class CoordinationMachine(RuleBasedStateMachine):
    """One registry, its client, and what it ought to hold."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.stack = AsyncExitStack()
        self.model = Coordination()
        self.indexes = Indexes()
        self.highest: dict[str, int] = {}  # prefix → the index that was last read with it
        self.begun: list[str] = []  # every session that there ever was
        self.consul: Client

    @initialize()
    def start(self) -> None:
        self.runner.run(self._start())
        self.model.nodes = {self.consul.server.engine.state.server.node: {"serfHealth": "passing"}}
        self.join()
        self.begin(OTHER, {0, 1}, "10s", 4, False)
        self.write("lock", "a", "", b"1", 0, "newest", "")
        self.begin("here", set(), "15s", 100, True)
        self.write("lock", "a/b", "", b"1", 0, "newest", "")

    async def _start(self) -> None:
        self.consul = Client(await self.stack.enter_async_context(testing.server()))
        self.stack.push_async_callback(self.consul.close)
        await self.consul.know_commands()

    def teardown(self) -> None:
        try:
            self.runner.run(self.stack.aclose())
        finally:
            self.runner.close()

    def read(self, target: str) -> Answer:
        return self.runner.run(self.consul.get(target))

    def put(self, target: str, body: Any = None) -> Answer:
        return self.runner.run(self.consul.put(target, body))

    # Keys

    @rule(verb=st.sampled_from(WRITES), key=KEYS, prefix=PREFIXES, value=VALUES, flags=FLAGS, who=WHO, against=AGAINST)
    def write(self, verb: str, key: str, prefix: str, value: bytes, flags: int, who: str, against: str) -> None:
        """A write by itself, likely to be of a key that it can be done to."""
        key = self.apt_key(verb, key, against)
        op = Op(verb, key, value, flags)
        match verb:
            case "set":
                query = f"?flags={flags}"
            case "cas":
                op.index = self.change_of(key, against)
                query = f"?cas={self.indexes[op.index]}&flags={flags}"
            case "lock" | "unlock":
                op.session = self.party(who, key)
                query = f"?{'acquire' if verb == 'lock' else 'release'}={op.session}&flags={flags}"
            case "delete-cas":
                op.index = self.change_of(key, against)
                query = f"?cas={self.indexes[op.index]}"
            case "delete-tree":
                op.key, query = "" if against == "none" else prefix, "?recurse"
            case _:
                query = ""
        method = "DELETE" if verb.startswith("delete") else "PUT"
        answer = self.runner.run(self.consul.send(f"{method} /v1/kv/{quote(op.key)}{query}", body=value))
        try:
            wanted = 200, "true" if self.model.alone(op) else "false"
        except Failed as failed:
            wanted = 500, f"raft apply failed: {failed}"
        assert (answer.status, answer.text) == wanted

    def apt_key(self, verb: str, key: str, against: str) -> str:
        """Another key where the operation could hardly be done to this one."""
        apt = {
            "unlock": [name for name, row in self.model.rows.items() if row.holder],
            "lock": list(self.model.delays),
        }.get(verb, list(self.model.rows))
        return apt[NAMES.index(key) % len(apt)] if apt and against in APT.get(verb, ()) else key

    def change_of(self, key: str, against: str) -> int:
        """What a check-and-set is to compare with."""
        row = self.model.rows.get(key)
        choices = {"now": row.modified if row else NEVER, "newest": self.model.keys_changed, "none": NO_SUCH_CHANGE}
        return choices.get(against, NEVER)

    def party(self, who: str, key: str = "") -> str:
        """The id of a session, mostly of one that there is."""
        alive = list(self.model.leases) or [STRANGER]  # in the order in which they began
        row = self.model.rows.get(key)
        match who:
            case "holder":
                return row.holder if row is not None and row.holder else alive[-1]
            case "shouting":
                return alive[-1].upper()
            case "ended":
                return next((one for one in self.begun if one not in self.model.leases), STRANGER)
            case "nobody":
                return ""
        return alive[0] if who == "oldest" else alive[-1]

    # Transactions

    @rule(drafts=st.lists(DRAFTS, min_size=1, max_size=5))
    def transact(self, drafts: list[Draft]) -> None:
        ops = [self.op_of(draft) for draft in drafts]
        answer = self.put("/v1/txn", [{"KV": self.sent(op)} for op in ops])
        shown, failures = self.model.transact(ops)
        assert answer.status == (409 if failures else 200), answer.text
        if failures:
            assert answer.json["Results"] is None
            found = answer.json["Errors"]
            assert [one["OpIndex"] for one in found] == [place for place, _ in failures], (found, failures)
            for one, (_, text) in zip(found, failures, strict=True):
                assert one["What"].startswith(text), (one, text)
            return
        assert answer.json["Errors"] is None
        self.same_rows([one["KV"] for one in answer.json["Results"]], shown, "the transaction")

    @rule(drafts=st.lists(READING_DRAFTS, min_size=1, max_size=4))
    def transact_reads(self, drafts: list[Draft]) -> None:
        self.transact(drafts)

    def op_of(self, draft: Draft) -> Op:
        """An operation that has a good chance to take place."""
        verb, key, prefix, value, flags, who, against = draft
        op = Op(verb, prefix if verb.endswith("-tree") else self.apt_key(verb, key, against))
        if verb in ("set", "cas", "lock", "unlock"):
            op.value, op.flags = value, flags
        if verb in ("cas", "delete-cas", "check-index"):
            op.index = self.change_of(op.key, against)
        if verb in ("lock", "unlock", "check-session"):
            op.session = self.party("holder" if against == "now" and verb != "lock" else who, op.key)
        return op

    def sent(self, op: Op) -> dict[str, Any]:
        value = base64.b64encode(op.value).decode()
        index = self.indexes[op.index]
        return {"Verb": op.verb, "Key": op.key, "Value": value, "Flags": op.flags, "Index": index,
                "Session": op.session}  # fmt: skip

    # Sessions

    @rule(
        node=st.sampled_from(["here", OTHER, OTHER]), chosen=st.sets(st.integers(0, 1)), ttl=TTLS,
        delay=DELAYS, deletes=st.booleans(),
    )  # fmt: skip
    def begin(self, node: str, chosen: set[int], ttl: str, delay: int, deletes: bool) -> None:
        bound = [CHECKS_OF[node][place] for place in sorted(chosen)]
        name = node if node == OTHER else self.consul.server.engine.state.server.node
        body: dict[str, Any] = {
            "Node": name, "TTL": ttl, "LockDelay": f"{delay}s", "Behavior": "delete" if deletes else "release",
            "NodeChecks": [check for check in bound if check != OF_SERVICE],
        }  # fmt: skip
        if OF_SERVICE in bound:
            body["ServiceChecks"] = [{"ID": OF_SERVICE}]
        answer = self.put("/v1/session/create", body)
        if refusal := self.model.refusal(name, bound):
            assert (answer.status, answer.text) == (500, f"apply failed: {refusal}")
            return
        assert answer.status == 200, answer.text
        lease_id: str = answer.json["ID"]
        seconds = float(ttl.removesuffix("s") or 0)
        self.begun.append(lease_id)
        self.model.begin(lease_id, name, tuple(bound), deletes=deletes, ttl=seconds, delay=float(delay))

    @rule(who=WHO, key=KEYS)
    def destroy(self, who: str, key: str) -> None:
        party = self.party(who, key) or STRANGER
        answer = self.put(f"/v1/session/destroy/{party}")
        assert (answer.status, answer.text) == (200, "true")
        self.model.end(party)

    @rule(who=WHO)
    def renew(self, who: str) -> None:
        party = self.party(who) or STRANGER
        answer = self.put(f"/v1/session/renew/{party}")
        if not self.model.renew(party):
            assert (answer.status, answer.text) == (404, f"Session id '{party}' not found")
            return
        assert answer.status == 200
        self.same_leases(answer.json, [party.lower()], "renew")

    @rule(key=KEYS, value=VALUES, seconds=SECONDS)
    def take_over(self, key: str, value: bytes, seconds: float) -> None:
        """A holder goes, and another session tries to lock its key: at once and later."""
        key = self.apt_key("unlock", key, "now")
        self.destroy("holder", key)
        self.write("lock", key, "", value, 0, "newest", "never")
        self.pass_time(seconds)
        self.write("lock", key, "", value, 0, "newest", "never")

    @rule(seconds=SECONDS)
    def pass_time(self, seconds: float) -> None:
        self.runner.run(self.consul.server.advance(seconds))
        self.model.pass_time(seconds)

    # What sessions hang on

    @rule()
    def join(self) -> None:
        """The other node is there with all that is on it, and all is well."""
        checks = [
            {"CheckID": OF_NODE, "Name": OF_NODE, "Status": "passing"},
            {"CheckID": OF_SERVICE, "Name": OF_SERVICE, "ServiceID": SERVICE, "Status": "passing"},
        ]
        self.runner.run(self.consul.register(OTHER, Service={"Service": SERVICE}, Checks=checks))
        self.model.nodes[OTHER] = {OF_NODE: "passing", OF_SERVICE: "passing"}

    @rule(check=st.sampled_from(CHECKS_OF[OTHER]), status=STATUSES)
    def report(self, check: str, status: str) -> None:
        if check in self.model.nodes.get(OTHER, {}):
            owner = {"ServiceID": SERVICE} if check == OF_SERVICE else {}
            row = {"CheckID": check, "Name": check, "Status": status, **owner}
            self.runner.run(self.consul.add(OTHER, Check=row))
            self.model.set_check(OTHER, check, status)

    @rule(what=st.sampled_from(["node", "service", "check"]))
    def leave(self, what: str) -> None:
        if OTHER not in self.model.nodes:
            return
        more = {"node": {}, "service": {"ServiceID": SERVICE}, "check": {"CheckID": OF_NODE}}[what]
        self.runner.run(self.consul.deregister(OTHER, **more))
        if what == "node":
            self.model.drop_node(OTHER)
        else:
            self.model.drop_checks(OTHER, [OF_SERVICE if what == "service" else OF_NODE])

    # What must hold after each

    @rule(prefix=st.one_of(PREFIXES, st.just("")), separator=st.sampled_from(["", "/", "b"]))
    def read_below(self, prefix: str, separator: str) -> None:
        """Both kinds of list of a prefix, which show no more than what is below it."""
        change = self.model.change_under(prefix)
        entries = self.read(f"/v1/kv/{quote(prefix)}?recurse")
        self.same_answer(entries, self.model.under(prefix), change, f"all below {prefix!r}")
        keys = self.read(f"/v1/kv/{quote(prefix)}?keys&separator={quote(separator)}")
        wanted = self.model.folded(prefix, separator)
        assert (keys.status, keys.text and keys.json) == ((200, wanted) if wanted or not prefix else (404, ""))
        self.indexes.agree(change, keys.index, f"the keys below {prefix!r}")

    @rule(key=KEYS, who=WHO)
    def read_one(self, key: str, who: str) -> None:
        """A key as bytes, one session, and those of each node."""
        row = self.model.rows.get(key)
        answer = self.read(f"/v1/kv/{quote(key)}?raw")
        assert (answer.status, answer.body) == ((404, b"") if row is None else (200, row.value))

        party = self.party(who) or STRANGER
        alone = self.read(f"/v1/session/info/{party}")
        self.same_leases(alone.json, [one for one in (party.lower(),) if one in self.model.leases], "info")
        for node in self.model.nodes:
            there = [one for one, lease in self.model.leases.items() if lease.node == node]
            self.same_leases(self.read(f"/v1/session/node/{node}").json, there, node)
        self.indexes.agree(self.model.leases_changed, alone.index, "info")

    @invariant()
    def everything_is_as_the_model_says(self) -> None:
        if not hasattr(self, "consul"):
            return
        everything = self.read("/v1/kv/?recurse")
        self.same_answer(everything, self.model.under(""), self.model.keys_changed, "everything")
        for key in NAMES:
            row = self.model.rows.get(key)
            change = row.modified if row is not None else self.model.keys_changed
            self.same_answer(self.read(f"/v1/kv/{quote(key)}"), [(key, row)] if row is not None else [], change, key)
        for prefix in ("", *BELOW):
            index = self.read(f"/v1/kv/{quote(prefix)}?keys").index
            self.indexes.agree(self.model.change_under(prefix), index, f"the index below {prefix!r}")
            assert index >= self.highest.get(prefix, 1), f"the index below {prefix!r} went back"
            self.highest[prefix] = index
        sessions = self.read("/v1/session/list")
        assert sessions.status == 200
        self.same_leases(sessions.json, list(self.model.leases), "all sessions")
        self.indexes.agree(self.model.leases_changed, sessions.index, "all sessions")
        self.indexes.step()

    def same_answer(self, answer: Answer, rows: list[tuple[str, Row]], change: int, where: str) -> None:
        assert answer.status == (200 if rows else 404), (where, answer.text)
        self.same_rows(answer.json if rows else [], rows, where)
        self.indexes.agree(change, answer.index, where)

    def same_rows(self, found: list[dict[str, Any]], rows: list[tuple[str, Row]], where: str) -> None:
        assert [shown(one) for one in found] == [expected(key, row) for key, row in rows], where
        for one, (key, row) in zip(found, rows, strict=True):
            if row.created == NEVER:  # nothing there: a transaction echoes what it was asked
                assert (one["CreateIndex"], one["ModifyIndex"]) == (0, self.indexes[row.modified])
                continue
            self.indexes.agree(row.created, one["CreateIndex"], f"{where}: the creation of {key!r}")
            self.indexes.agree(row.modified, one["ModifyIndex"], f"{where}: the last change of {key!r}")

    def same_leases(self, found: list[dict[str, Any]], wanted: list[str], where: str) -> None:
        leases = {one: self.model.leases[one] for one in sorted(wanted)}
        plain = [{k: v for k, v in one.items() if k not in ("CreateIndex", "ModifyIndex")} for one in found]
        assert plain == [session_shown(one, lease) for one, lease in leases.items()], where
        for one, lease in zip(found, leases.values(), strict=True):
            self.indexes.agree(lease.created, one["CreateIndex"], where)
            assert one["ModifyIndex"] == one["CreateIndex"]


def shown(entry: dict[str, Any]) -> dict[str, Any]:
    """An entry as it was answered, without the indexes."""
    return {key: one for key, one in entry.items() if key not in ("CreateIndex", "ModifyIndex")}


def expected(key: str, row: Row) -> dict[str, Any]:
    """The entry that the model makes of a row."""
    value = base64.b64encode(row.value).decode() if row.value else None
    holder = {"Session": row.holder} if row.holder else {}
    return {"LockIndex": row.locked, "Key": key, "Flags": row.flags, "Value": value, **holder}


def session_shown(lease_id: str, lease: Lease) -> dict[str, Any]:
    """The session that the model makes of a lease."""
    return {
        "ID": lease_id, "Name": "", "Node": lease.node, "LockDelay": int(lease.delay_seconds * 1e9),
        "Behavior": "delete" if lease.deletes else "release",
        "TTL": f"{lease.ttl_seconds:.0f}s" if lease.ttl_seconds else "",
        "NodeChecks": [check for check in lease.checks if check != OF_SERVICE],
        "ServiceChecks": [{"ID": OF_SERVICE, "Namespace": ""}] if OF_SERVICE in lease.checks else None,
    }  # fmt: skip


CoordinationMachine.TestCase.settings = settings(
    settings.get_profile("here"), max_examples=EXAMPLES, stateful_step_count=STEPS, deadline=None,
    suppress_health_check=list(HealthCheck),
)  # fmt: skip


@pytest.mark.slow
@pytest.mark.timeout(max(60, EXAMPLES * 4))
class TestCoordination(CoordinationMachine.TestCase):
    """Keys, sessions and transactions do what the contract says, whatever comes in what order."""
