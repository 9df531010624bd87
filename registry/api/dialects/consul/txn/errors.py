"""What an operation of a transaction fails with, in Consul's words. Source: txn.md §4, §5."""

from registry.api.dialects.consul.errors import TABLE, formatted
from registry.api.dialects.consul.go.text import quoted
from registry.api.dialects.consul.kv.wire import key_text
from registry.commands import CheckOp, NodeOp, ServiceOp
from registry.errors import RequestError

RowOp = NodeOp | ServiceOp | CheckOp

_NO_INDEX = "index error: object is missing a value for this index"
_MISSING_BY_VERB = {"check-index": "failed to check index, ", "check-session": "failed to check session, "}
_VERBS = {"cas": "set", "delete-cas": "delete"}

TEXTS = {
    "key-exists": "key {key!q} exists",
    "key-held": "failed to lock key {key!q}, lock is already held",
    "key-index": "failed index check for key {key!q}, current modify index {current} != {index}",
    "key-lock-delay": "failed to lock key {key!q} due to lock delay",
    "key-missing": "{lead}key {key!q} doesn't exist",
    "key-not-held": "failed to unlock key {key!q}, lock isn't held, or is held by another session",
    "key-session": "failed session check for key {key!q}, current session {current!q} != {session!q}",
    "key-stale": "failed to {does} key {key!q}, index is stale",
    "row-node-missing": "Missing node registration",
    "row-service-missing": "Missing service registration",
    "session-invalid": "invalid session {session!q}",
    "session-missing": "missing session",
    "txn-key": "Must provide key",
    "txn-row-missing": "{row} doesn't exist",
    "txn-row-stale": "failed to {does} {row}, index is stale",
    "txn-verb": "unknown {kind} operation: {verb}",
}
# What the catalog's own writes put before these, which say the same otherwise.
_PREFIXES = {
    "node-reserved": "failed inserting node: ",
    "node-reserved-rename": "failed inserting node: ",
    "stored-meta": "failed inserting service: ",
}


def what(error: RequestError) -> str:
    """The text for one operation."""
    values = dict(error.values)
    reason = error.reason
    if reason == "check-without-id":
        lead = "failed check lookup: " if values.get("reading") else "failed health check lookup: "
        return lead + _NO_INDEX
    if "key" in values:
        values["key"] = key_text(values["key"])  # type: ignore[arg-type]
    verb = values.get("verb", "")
    op = values.get("op")
    if isinstance(op, RowOp):
        verb, values["row"] = op.verb, _row(op)
    values.setdefault("lead", _MISSING_BY_VERB.get(str(verb), ""))
    values["does"] = _VERBS.get(str(verb), verb)
    template = TEXTS.get(reason) or TABLE[reason][1].removeprefix(_PREFIXES.get(reason, ""))
    return formatted(template, values)


def _row(op: RowOp) -> str:
    match op:
        case NodeOp(node=node):
            return f"node {quoted(node.name)}"
        case ServiceOp(service=service):
            return f"service {quoted(service.id)} on node {quoted(service.node)}"
        case CheckOp(check=check):
            return f"check {quoted(check.id)} on node {quoted(check.node)}"
