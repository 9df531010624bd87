"""The words for errors: one table from the reason of an error to Consul's status and text.

A reason that stands for a whole family of rules carries the rule's text as `problem`. A value may be
`headers`, whole header lines that go with the answer.
Source: common.md §7 and the lists of errors in each area's contract.
"""

from string import Formatter
from typing import Any

from registry.api.dialects.consul.go.text import quoted
from registry.api.reply import Reply, text_reply
from registry.errors import LogError, LogUnavailable, RequestError

# `{id!q}` is Go's quoted form.
TABLE: dict[str, tuple[int, str]] = {
    # Parameters of many endpoints
    "body-broken": (400, "The request's body did not arrive as announced"),
    "cache-control": (400, "Invalid Cache-Control header."),
    "cached-conflict": (400, "Cannot specify ?cached with ?consistent, conflicting semantics."),
    "consistency-conflict": (400, "Cannot specify ?stale with ?consistent, conflicting semantics."),
    "datacenter": (500, "No path to datacenter"),
    "enterprise": (400, "Invalid {where}: {name!q} - {what} a Consul Enterprise feature"),
    "filter-selector": (500, "Failed to create boolean expression evaluator: {problem}"),
    "filter-syntax": (500, "Failed to create boolean expression evaluator: {problem}"),
    "index": (400, "Invalid index"),
    "max-stale": (400, "Invalid max_stale value {value!q}"),
    "no-leader": (500, "No cluster leader"),
    "query-escape": (500, ""),
    "wait": (400, "Invalid wait time"),
    # Bodies
    "body": (413, "Request body({size} bytes) too large, max size: {limit} bytes."),
    "body-limit": (413, "Request body({size} bytes) too large, max size: {limit} bytes. See max_body_bytes."),
    "body-slow": (408, "The request's body did not go on for {seconds:g}s, after {size} bytes (request_body_seconds)"),
    "decode": (400, "Request decode failed: {problem}"),
    "duration": (400, "Request decode failed: {problem}"),
    # Reads of the catalog and of health
    "check-state": (400, "Missing check state"),
    "gateway-name": (400, "Missing gateway name"),
    "node-name": (400, "Missing node name"),
    "passing": (400, "Invalid value for ?passing"),
    "missing-session": (400, "Missing session"),
    "peer-and-group": (400, "peer-name and sameness-group are mutually exclusive"),
    "sameness-group": (500, "sameness groups are not supported in consul CE"),
    "service-name": (400, "Missing service name"),
    # Registering through the agent
    "check-invalid": (400, "Invalid check: {problem}"),
    "check-name": (400, "Missing check name"),
    "check-status": (400, "Bad check status"),
    "os-service": (500, "not implemented"),
    "scripts-disabled": (
        500,
        "Scripts are disabled on this agent from remote calls; to enable, configure 'enable_script_checks' to true",
    ),
    "scripts-disabled-in-files": (
        500,
        "Scripts are disabled on this agent; to enable, configure 'enable_script_checks' or "
        "'enable_local_script_checks' to true",
    ),
    "service-address": (400, "Invalid service address"),
    "service-check-status": (400, "Status for checks must 'passing', 'warning', 'critical'"),
    "service-invalid": (400, "Validation failed: {problem}"),
    "service-meta": (400, "Invalid Service Meta: {problem}"),
    "service-weights": (400, "Invalid Weights: {problem}"),
    "sidecar-check-invalid": (400, "Invalid check in sidecar_service: {problem}"),
    "sidecar-invalid": (400, "Failed Validation: {problem}"),
    "sidecar-meta": (400, "Invalid SidecarService: {problem}"),
    "sidecar-ports": (
        500,
        "no port provided for sidecar_service and none left in the configured range [{low}, {high}]",
    ),
    "sidecar-ports-disabled": (500, "no port provided for sidecar_service and auto-assignment disabled in config"),
    "tagged-address": (500, "Service tagged address {tag!q} must be a valid {family} address"),
    # Ids, results and maintenance through the agent
    "check": (404, "Unknown check ID {id!q}. Ensure that the check ID is passed, not the check name."),
    "check-service": (404, "ServiceID {id!q} does not exist"),
    "check-update-status": (400, "Invalid check status: '{status}'"),
    "enable": (400, "Invalid value for enable: {value!q}"),
    "enable-missing": (400, "Missing value for enable"),
    "not-ttl": (500, "CheckID {id!q} does not have associated TTL"),
    "service": (404, "Unknown service ID {id!q}. Ensure that the service ID is passed, not the service name."),
    "service-id": (400, "Missing service ID"),
    # Writes of the catalog
    "catalog-address": (500, "Must provide address if SkipNodeUpdate is not set"),
    "catalog-node": (500, "Must provide node"),
    "catalog-node-id": (500, "Bad node ID: {problem}"),
    "catalog-peer": (500, "cannot register requests with PeerName in them"),
    "catalog-service-address": (500, "Invalid service address"),
    "catalog-service-invalid": (500, "{problem}"),
    "catalog-service-name": (500, "Must provide service name (Service.Service)"),
    "catalog-service-name-with-id": (500, "Must provide service name (Service.Service) when service ID is provided"),
    "check-node": (500, "Node '{node}' for check '{check}' doesn't match register request node '{request_node}'"),
    "check-service-unknown": (500, "Unknown service ID '{service}' for check ID '{check}'"),
    "check-without-id": (
        500,
        "failed inserting check on node {node!q}: failed health check lookup: "
        "index error: object is missing a value for this index",
    ),
    "node-reserved": (
        500,
        "failed inserting node: Error while renaming Node ID: {id!q}: "
        "Node name {name} is reserved by node {owner} with name {owner_name} ({address})",
    ),
    "node-reserved-rename": (
        500,
        "failed inserting node: Error while renaming Node ID: {id!q} ({own_address}): "
        "Node name {name} is reserved by node {owner} with name {owner_name} ({address})",
    ),
    "stored-meta": (
        500,
        "failed inserting service: Invalid Service Meta for node {node} and serviceID {service}: {problem}",
    ),
    # Keys
    "key-flags": (400, "Conflicting flags: {query}\n"),
    "key-name": (400, "Missing key name"),
    "key-value": (
        413,
        "Request body({size} bytes) too large, max size: {limit} bytes. "
        "See https://developer.hashicorp.com/docs/agent/config/config-files#kv_max_value_size.",
    ),
    "session-invalid": (500, "raft apply failed: invalid session {session!q}"),
    "session-missing": (500, "raft apply failed: missing session"),
    "unsigned": (500, "strconv.ParseUint: parsing {text!q}: {problem}"),
    # Sessions
    "session": (404, "Session id '{id}' not found"),
    "session-behavior": (500, "Invalid Behavior setting '{behavior}'"),
    "session-check-critical": (500, "apply failed: Check '{check}' is in critical state"),
    "session-check-empty": (
        500,
        "apply failed: failed check lookup: index error: object is missing a value for this index",
    ),
    "session-check-missing": (500, "apply failed: Missing check '{check}' registration"),
    "session-node": (500, "apply failed: Missing node registration"),
    "session-node-name": (500, "Must provide Node"),
    "session-ttl": (500, "Session TTL '{ttl}' invalid: {problem}"),
    "session-ttl-range": (500, "Invalid Session TTL '{ns}', must be between [{least}={most}]"),
    # The agent's own rows and the agent itself
    "acl-disabled": (401, "ACL support disabled"),
    "agent-check-filter": (500, "{problem}"),
    "agent-service": (404, "unknown service ID: {id}"),
    "health-service-id": (500, "Missing serviceID"),
    "health-service-name": (500, "Missing service Name"),
    "join": (500, "{problem}"),
    "log-level": (400, "Unknown log level: {level}"),
    "member": (500, "agent: No node found with name '{name}'"),
    "segment": (500, "Network segments are not supported in this version of Consul"),
    "segment-wan": (400, "Cannot provide a segment with wan=true"),
    "wan-off": (500, "WAN Federation is disabled"),
    # The servers, and snapshots
    "autopilot-body": (400, "Error parsing autopilot config: {problem}"),
    "autopilot-cas": (400, "Error parsing cas value: strconv.ParseUint: parsing {text!q}: {problem}"),
    "keyring": (500, "{count} occurred:\n{problems}\n"),
    "keyring-local": (400, "Error parsing local-only: strconv.ParseBool: parsing {text!q}: invalid syntax"),
    "keyring-local-use": (400, "Invalid use of local-only: local-only can only be set for list requests"),
    "keyring-relay": (400, "Error parsing relay factor: strconv.Atoi: parsing {text!q}: {problem}"),
    "keyring-relay-range": (400, "Invalid relay-factor: Relay factor must be in range: [0, 5]"),
    "raft-peer-alive": (500, "{name} is a live server: it leaves when its process is stopped"),
    "raft-peer-both": (400, "Must specify only one of ?id or ?address"),
    "raft-peer-last": (500, "need at least one voter in configuration: {{[]}}"),
    "raft-peer-missing": (
        400,
        "Must specify either ?id with the server's ID or ?address with IP:port of peer to remove",
    ),
    "raft-peer-unknown": (500, "{what} {value!q} was not found in the Raft configuration"),
    "raft-transfer": (500, "the store chooses the leader: another server leads when this one is stopped"),
    "raft-transfer-alone": (500, "cannot find peer"),
    "raft-transfer-unknown": (500, "Could not find address for server id {id}"),
    "snapshot": (500, "{problem}"),
    "snapshot-stale": (500, "stale not allowed for restore"),
    # Transactions
    "txn-body-long": (
        413,
        "Request body too large, max size: {limit} bytes. "
        "See https://developer.hashicorp.com/docs/agent/config/config-files#txn_max_req_len.",
    ),
    "txn-body-size": (
        413,
        "Request body({size} bytes) too large, max size: {limit} bytes. "
        "See https://developer.hashicorp.com/docs/agent/config/config-files#txn_max_req_len.",
    ),
    "txn-decode": (400, "Failed to parse body: {problem}"),
    "txn-operations": (413, "Transaction contains too many operations ({count} > {limit})"),
    "txn-value": (413, "Value for key {key!q} is too large ({size} > {limit} bytes)"),
    # User events, prepared queries, coordinates
    "coordinates-disabled": (401, "Coordinate support disabled"),
    "coordinate-invalid": (500, "invalid coordinate"),
    "coordinate-size": (500, "incompatible coordinate"),
    "coordinate-missing": (400, "Request decode failed: the coordinate is missing"),
    "event-filter": (500, "Invalid {kind} filter: {problem}"),
    "event-name": (400, "Missing name"),
    "event-size": (500, "error broadcasting event: user event exceeds configured limit of 512 bytes before encoding"),
    "event-size-encoded": (
        500,
        "error broadcasting event: encoded user event exceeds configured limit of 512 bytes after encoding",
    ),
    "event-tag-filter": (500, "Cannot provide tag filter without service filter"),
    "query-connect": (500, "Error parsing 'connect' value: strconv.ParseBool: parsing {text!q}: invalid syntax"),
    "query-id": (500, "{lead}failed prepared query lookup: index error: {problem}"),
    "query-invalid": (500, "Invalid prepared query: {problem}"),
    "query-limit": (500, "Bad limit: strconv.Atoi: parsing {text!q}: {problem}"),
    "query-missing": (404, "Query not found"),
    "query-new-id": (500, "ID must be empty when creating a new prepared query"),
    "query-template-by-id": (500, "prepared query templates can only be resolved up by name, not by ID"),
    "query-render": (500, "{problem}"),
    "prepared-catch-all": (500, "raft apply failed: a query template with an empty name already exists"),
    "prepared-missing": (500, "Cannot modify non-existent prepared query: '{id}'"),
    "prepared-name": (500, "raft apply failed: name '{name}' aliases an existing query name"),
    "prepared-name-is-id": (500, "raft apply failed: name '{name}' aliases an existing query ID"),
    "prepared-session": (500, "raft apply failed: invalid session {session!q}"),
    "prepared-template": (500, "raft apply failed: failed compiling template: {problem}"),
    # Pages of the interface
    "peer-name": (500, "must provide PeerName"),
    "metrics-proxy": (404, "Metrics proxy is not enabled"),
    "service-kind": (400, "Missing service kind"),
    "service-kind-unknown": (400, "Unsupported service kind {kind!q}"),
    # The server itself
    "name-limit": (413, "A name of {size} characters is too long, at most {limit} are taken (max_name_characters)"),
    "parked-readers": (429, "Too many blocking queries: {current} wait, at most {limit} may (max_parked_readers)"),
    "pending-writes": (429, "Rate limit reached, try again later"),
}

_CLOSING = frozenset({"key-value", "txn-body-long", "txn-body-size"})  # nobody reads the body that it is about

_UNAVAILABLE = "The registry's store cannot take writes: {reason}. Nothing was changed; try again."
_UNKNOWN = "The registry's store did not answer: {reason}. The write may have been done; look before you try again."


class _GoFormatter(Formatter):
    def convert_field(self, value: Any, conversion: Any) -> Any:
        return quoted(str(value)) if conversion == "q" else super().convert_field(value, conversion)


_formatter = _GoFormatter()


def formatted(template: str, values: dict[str, Any]) -> str:
    """A text of the table, or of one like it, with its values."""
    return _formatter.vformat(template, (), values)


def reply_for(error: RequestError | LogError) -> Reply:
    """The answer that Consul gives for an error, in plain text."""
    if not isinstance(error, RequestError):
        return _store_reply(error)
    status, text = worded(error)
    headers = error.values.get("headers", b"")
    assert isinstance(headers, bytes)
    reply = text_reply(status, text, headers)
    reply.close = error.reason in _CLOSING
    return reply


def worded(error: RequestError) -> tuple[int, str]:
    """Consul's status and text for an error."""
    status, template = TABLE.get(error.reason, (error.status, error.reason))
    return status, formatted(template, error.values)


def _store_reply(error: LogError) -> Reply:
    """503, since Consul's clients try again on it; the text says whether that is safe."""
    if isinstance(error, LogUnavailable) and not error.unknown:
        return text_reply(503, _UNAVAILABLE.format(reason=_clause(error)))
    return text_reply(503, _UNKNOWN.format(reason=_clause(error)))


def _clause(error: LogError) -> str:
    """Why, to stand within a sentence."""
    return str(error).strip().rstrip(".")
