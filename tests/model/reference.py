"""A second registry in plain dictionaries, slow and simple: what the state must agree with.

Written from the contract, not from the state: every step of a command makes new tables, and the indexes follow from
comparing the tables before and after it (common.md §8.3), where the state counts them as it goes. Sidecars and
rows of files are not in it.
"""

from hashlib import blake2b
from typing import Any

from registry.commands import (
    Command,
    Deregister,
    DeregisterLocal,
    DeregisterLocalCheck,
    ExpireTtl,
    Reap,
    Register,
    RegisterLocal,
    RegisterLocalCheck,
    SetMaintenance,
    SetMembers,
    StartServer,
    UpdateCheck,
)
from registry.model.check import Check
from registry.model.node import Node
from registry.model.service import Instance

Row = dict[str, Any]
Key = tuple[str, str]

NODE_FIELDS = ("name", "id", "address", "datacenter", "tagged_addresses", "meta")
SERVICE_FIELDS = (
    "kind", "id", "name", "tags", "address", "tagged_addresses", "port", "meta", "weights", "enable_tag_override",
    "proxy", "native",
)  # fmt: skip
ONLY_THE_AGENT_COMPARES = ("socket_path", "locality")
CHECK_FIELDS = (
    "node", "id", "name", "status", "notes", "output", "service_id", "service_name", "service_tags", "definition",
)  # fmt: skip
QUIET = frozenset({"local", "runs", "since"})
ONLY_THE_AGENT_SHOWS = ("type", "interval", "timeout", "exposed_port")


class Refused(Exception):
    """The command is refused; nothing changed."""


class Tables:
    """The rows at one moment, by folded names."""

    def __init__(self, other: "Tables | None" = None) -> None:
        self.nodes: dict[str, Row] = dict(other.nodes) if other else {}
        self.services: dict[Key, Row] = dict(other.services) if other else {}
        self.checks: dict[Key, Row] = dict(other.checks) if other else {}

    def on(self, node: str) -> dict[Key, Row]:
        return {key: row for key, row in self.services.items() if key[0] == node}

    def names(self) -> set[str]:
        return {row["name"].lower() for row in self.services.values()}

    def without_service(self, key: Key) -> None:
        del self.services[key]
        owned = [one for one, row in self.checks.items() if (one[0], row["service_id"].lower()) == key]
        for one in owned:
            del self.checks[one]

    def without_node(self, node: str) -> None:
        for table in (self.services, self.checks):
            for key in [key for key in table if key[0] == node]:
                del table[key]
        del self.nodes[node]


def fields_of(row: Node | Instance | Check, names: tuple[str, ...]) -> Row:
    return {name: getattr(row, name) for name in names}


def changed(before: dict[Any, Row], after: dict[Any, Row]) -> set[Any]:
    """The keys of rows that came, went or were written."""
    return {key for key in before.keys() | after.keys() if seen(before.get(key)) != seen(after.get(key))}


def seen(row: Row | None) -> Row | None:
    """The row without what moves no index."""
    return {name: value for name, value in row.items() if name not in QUIET} if row is not None else None


class Reference:
    """The tables, the indexes, and what each command does to them."""

    def __init__(self) -> None:
        self.tables = Tables()
        self.nodes = self.services = self.checks = self.extinct_service = self.extinct_node = 0
        self.node: dict[str, int] = {}
        self.service: dict[str, int] = {}
        self.here = ""
        self.start: StartServer | None = None
        self.members: list[str] = []

    def apply(self, index: int, command: Command) -> None:
        """Raises:
        Refused: as the state should.
        """
        match command:
            case StartServer():
                self.here, self.start = command.node.lower(), command
            case Register():
                self._register(index, command)
            case Deregister():
                self._deregister(index, command)
            case RegisterLocal():
                self._register_local(index, command)
            case DeregisterLocal(service_id=service_id):
                self._remove_local(index, service_id)
            case SetMaintenance():
                self._set_maintenance(index, command)
            case RegisterLocalCheck(check=check):
                if check.service_id and self._local_service(check.service_id) is None:
                    raise Refused
                after = Tables(self.tables)
                self._put_local_check(after, index, check)
                self._commit(index, after)
            case DeregisterLocalCheck(check_id=check_id):
                after = Tables(self.tables)
                del after.checks[self._local_check(check_id)]
                self._commit(index, after)
            case UpdateCheck():
                self._update(index, command)
            case SetMembers(members=members):
                self.members = [member.id for member in members]
            case ExpireTtl():
                self._expire(index, command)
            case Reap():
                self._reap(index, command)
        self._restore(index)

    # The catalog

    def _register(self, index: int, command: Register) -> None:
        node, key = command.node, command.node.name.lower()
        after, old = Tables(self.tables), self.tables.nodes.get(key)
        self._check_the_checks(command, key)
        created = index if old is None else old["create"]
        writes = old is None or not (command.skip_node_update or self._is_same_node(node, old))
        if writes and node.id:
            other = next((k for k, row in after.nodes.items() if row["id"].lower() == node.id.lower() != ""), None)
            alive = after.checks.get((key, "serfhealth"), {"status": "critical"})["status"] != "critical"
            if other is not None and other != key:
                if other == self.here or (old is not None and alive):
                    raise Refused
                created = after.nodes[other]["create"]
            elif other is None and old is not None and old["id"] and alive:
                raise Refused
        else:
            other = None
        if command.service is not None and "bad key" in (command.service.meta or {}):
            raise Refused
        if any(not check.id for check in command.checks):
            raise Refused
        if other is not None and other != key:
            after.without_node(other)
            self._commit(index, after)
            after = Tables(self.tables)
        if writes:
            after.nodes[key] = {**fields_of(node, NODE_FIELDS), "create": created, "modify": index}
        if command.service is not None:
            self._put_service(after, index, key, command.service)
        self._commit(index, after)
        for check in command.checks:
            after = Tables(self.tables)
            self._put_check(after, index, key, check)
            self._commit(index, after)

    def _check_the_checks(self, command: Register, key: str) -> None:
        known = {service for node, service in self.tables.services if node == key} | {""}
        if command.service is not None:
            known.add(command.service.id.lower())
        for check in command.checks:
            if check.node.lower() != key or check.service_id.lower() not in known:
                raise Refused

    def _is_same_node(self, node: Node, old: Row) -> bool:
        new = fields_of(node, NODE_FIELDS)
        return {**new, "name": new["name"].lower()} == {
            **{name: old[name] for name in NODE_FIELDS},
            "name": old["name"].lower(),
        }

    def _put_service(self, after: Tables, index: int, node: str, service: Instance, *, local: bool = False) -> None:
        names = SERVICE_FIELDS + (ONLY_THE_AGENT_COMPARES if local else ())
        key, new = (node, service.id.lower()), fields_of(service, SERVICE_FIELDS + ONLY_THE_AGENT_COMPARES)
        old = after.services.get(key)
        if old is not None and all(new[name] == old[name] for name in names) and old["local"] >= local:
            return
        local = local or (old is not None and old["local"])
        after.services[key] = {**new, "local": local, "create": old["create"] if old else index, "modify": index}

    def _with_owner(self, after: Tables, node: str, check: Check) -> Row:
        new = fields_of(check, CHECK_FIELDS + ONLY_THE_AGENT_SHOWS)
        owner = after.services.get((node, check.service_id.lower()))
        return {**new, "service_name": owner["name"], "service_tags": owner["tags"]} if owner is not None else new

    def _put_check(self, after: Tables, index: int, node: str, check: Check) -> None:
        key, new = (node, check.id.lower()), self._with_owner(after, node, check)
        old = after.checks.get(key)
        if old is None:
            hidden: Row = {"local": False, "runs": None, "since": 0}
        elif all(new[name] == old[name] for name in CHECK_FIELDS):
            return
        else:
            since = (old["since"] or index) if check.status == "critical" and old["local"] else 0
            hidden = {"local": old["local"], "runs": old["runs"], "since": since}
        after.checks[key] = {**new, **hidden, "create": old["create"] if old else index, "modify": index}

    def _deregister(self, index: int, command: Deregister) -> None:
        after, node = Tables(self.tables), command.node.lower()
        if command.service_id:
            if (node, command.service_id.lower()) in after.services:
                after.without_service((node, command.service_id.lower()))
        elif command.check_id:
            after.checks.pop((node, command.check_id.lower()), None)
        elif node in after.nodes:
            after.without_node(node)
        self._commit(index, after)

    # The agent

    def _local_service(self, service_id: str) -> Key | None:
        row = self.tables.services.get((self.here, service_id.lower()))
        return (self.here, service_id.lower()) if row is not None and row["local"] and row["id"] == service_id else None

    def _local_check(self, check_id: str) -> Key:
        row = self.tables.checks.get((self.here, check_id.lower()))
        if row is None or not row["local"] or row["id"] != check_id:
            raise Refused
        return self.here, check_id.lower()

    def _register_local(self, index: int, command: RegisterLocal) -> None:
        after, service = Tables(self.tables), command.service.service
        self._put_service(after, index, self.here, service, local=True)
        sent = {check.id.lower() for check in command.service.checks}
        for key, row in list(after.checks.items()):
            mine = key[0] == self.here and row["service_id"].lower() == service.id.lower()
            if command.replace_checks and mine and key[1] not in sent:
                del after.checks[key]
        self._commit(index, after)
        for check in command.service.checks:
            after = Tables(self.tables)
            self._put_local_check(after, index, check)
            self._commit(index, after)

    def _put_local_check(self, after: Tables, index: int, check: Check) -> None:
        key, new = (self.here, check.id.lower()), self._with_owner(after, self.here, check)
        owner = after.services.get((self.here, check.service_id.lower()))
        new = {**new, "node": self._own_name(), "service_id": owner["id"] if owner else ""}
        old = after.checks.get(key)
        modify = create = index
        if old is not None:
            create = old["create"]
        if old is not None and old["local"]:
            new.update(status=old["status"], output=old["output"])
            if all(new[name] == old[name] for name in CHECK_FIELDS + ONLY_THE_AGENT_SHOWS):
                modify = old["modify"]
        after.checks[key] = {**new, "local": True, "runs": check.runs, "since": 0, "create": create, "modify": modify}

    def _own_name(self) -> str:
        assert self.start is not None
        return self.start.node

    def _remove_local(self, index: int, service_id: str) -> None:
        key = self._local_service(service_id)
        if key is None:
            raise Refused
        after = Tables(self.tables)
        after.without_service(key)
        self._commit(index, after)

    def _set_maintenance(self, index: int, command: SetMaintenance) -> None:
        after, check_id, owner = Tables(self.tables), "_node_maintenance", None
        if command.service_id is not None:
            owner = self._local_service(command.service_id)
            check_id = f"_service_maintenance:{command.service_id}"
            if owner is None:
                raise Refused
        key = (self.here, check_id.lower())
        old = after.checks.get(key)
        if not command.enable:
            if old is not None and old["local"]:
                del after.checks[key]
        elif old is None or not old["local"]:
            check = Check(node=self._own_name(), id=check_id, status="critical", type="maintenance")
            row = fields_of(check, CHECK_FIELDS + ONLY_THE_AGENT_SHOWS)
            if owner is not None:
                service = after.services[owner]
                row.update(service_id=service["id"], service_name=service["name"], service_tags=service["tags"])
            what = "Node" if owner is None else "Service"
            text = f"Maintenance mode is enabled for this {what.lower()}, but no reason was provided. "
            row.update(
                name=f"{what} Maintenance Mode", notes=command.reason or text + "This is a default message.",
                local=True, runs=None, since=0, create=old["create"] if old else index, modify=index,
            )  # fmt: skip
            after.checks[key] = row
        self._commit(index, after)

    def _update(self, index: int, command: UpdateCheck) -> None:
        key = self._local_check(command.check_id)
        old = self.tables.checks[key]
        if command.create_index in (0, old["create"]) and self._may_say(command.runner, key[1]):
            if command.ttl and not (old["runs"] and old["runs"].ttl_ns):
                raise Refused
            self._take(index, key, command.status, command.output)

    def _may_say(self, runner: str, check: str) -> bool:
        """Whether a result is nobody's in particular, or that of the member with the greatest hash for the check."""
        if not runner or not self.members:
            return True
        hashes = {one: blake2b(f"check\0{check}".encode(), key=one.encode(), digest_size=8) for one in self.members}
        return runner == max(self.members, key=lambda one: hashes[one].digest())

    def _expire(self, index: int, command: ExpireTtl) -> None:
        try:
            key = self._local_check(command.check_id)
        except Refused:
            return
        old = self.tables.checks[key]
        if old["create"] != command.create_index or not (old["runs"] and old["runs"].ttl_ns):
            return
        last = f" (last output before timeout follows): {command.last_output}" if command.last_output else ""
        self._take(index, key, "critical", old["output"] if old["status"] == "critical" else f"TTL expired{last}")

    def _take(self, index: int, key: Key, status: str, output: str) -> None:
        after = Tables(self.tables)
        old = after.checks[key]
        same = (old["status"], old["output"]) == (status, output)
        since = (old["since"] or index) if status == "critical" else 0
        modify = old["modify"] if same else index
        new = {**old, "status": status, "output": output, "since": since, "modify": modify}
        owner = after.services.get((key[0], old["service_id"].lower()))
        if not same and owner is not None:
            new.update(service_name=owner["name"], service_tags=owner["tags"])
        after.checks[key] = new
        self._commit(index, after)

    def _reap(self, index: int, command: Reap) -> None:
        try:
            old = self.tables.checks[self._local_check(command.check_id)]
        except Refused:
            return
        if old["since"] == command.critical_index and old["service_id"]:
            after = Tables(self.tables)
            after.without_service((self.here, old["service_id"].lower()))
            self._commit(index, after)

    # What follows by itself

    def _restore(self, index: int) -> None:
        """The server's own rows, where they are missing."""
        if self.start is None:
            return
        after, start = Tables(self.tables), self.start
        if self.here not in after.nodes:
            for key, row in self.tables.nodes.items():
                if row["id"].lower() == start.id.lower():
                    after.nodes[key] = {**row, "id": "", "modify": index}
            own = Node(
                name=start.node, id=start.id, address=start.address, datacenter=start.datacenter,
                tagged_addresses=start.tagged_addresses, meta=start.meta,
            )  # fmt: skip
            after.nodes[self.here] = {**fields_of(own, NODE_FIELDS), "create": index, "modify": index}
        if (self.here, "consul") not in after.services:
            consul = Instance(node=start.node, id="consul", name="consul", tags=(), port=start.service_port, meta={})
            self._put_service(after, index, self.here, consul)
        if (self.here, "serfhealth") not in after.checks:
            health = Check(
                node=start.node, id="serfHealth", name="Serf Health Status", status="passing",
                output="Agent alive and reachable",
            )  # fmt: skip
            self._put_check(after, index, self.here, health)
        self._commit(index, after)

    def _commit(self, index: int, after: Tables) -> None:
        """Make these the tables; every index follows from what is different in them."""
        before, self.tables = self.tables, after
        nodes, services = changed(before.nodes, after.nodes), changed(before.services, after.services)
        checks = changed(before.checks, after.checks)
        gone = {key: row for key, row in before.checks.items() if key not in after.checks}
        if nodes or services:
            self.nodes = index
        if services or any(not row["service_id"] for row in gone.values()):
            self.services = index
        if checks or before.services.keys() - after.services.keys():
            self.checks = index
        for node in nodes | {key[0] for key in services}:
            self.node[node] = index
        for node in before.nodes.keys() - after.nodes.keys():
            del self.node[node]
            self.extinct_node = index
        self._commit_names(index, before, nodes, services, checks)

    def _commit_names(self, index: int, before: Tables, nodes: set[str], services: set[Key], checks: set[Key]) -> None:
        after = self.tables
        moved = {row["name"].lower() for node in nodes for row in after.on(node).values()}
        for tables in (before, after):
            moved |= {tables.services[key]["name"].lower() for key in services if key in tables.services}
            for node, key in checks:
                check = tables.checks.get((node, key))
                if check is None:
                    continue
                owner = tables.services.get((node, check["service_id"].lower()))
                spoken_for = [owner] if owner else [] if check["service_id"] else list(after.on(node).values())
                moved |= {row["name"].lower() for row in spoken_for}
        for name in moved & after.names():
            self.service[name] = index
        for name in before.names() - after.names():
            del self.service[name]
            self.extinct_service = index
