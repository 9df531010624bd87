"""The words for errors: one table from the reason of an error to Consul's status and text.

A reason that stands for a whole family of rules carries the rule's text as `problem`. A value may be
`headers`, whole header lines that go with the answer.
Source: common.md §7 and the lists of errors in each area's contract.
"""

from string import Formatter
from typing import Any

from registry.api.dialects.consul.gotext import quoted
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
    # The server itself
    "name-limit": (413, "A name of {size} characters is too long, at most {limit} are taken (max_name_characters)"),
    "parked-readers": (429, "Too many blocking queries: {current} wait, at most {limit} may (max_parked_readers)"),
    "pending-writes": (429, "Rate limit reached, try again later"),
}

_UNAVAILABLE = "The registry's store cannot take writes: {reason}. Nothing was changed; try again."
_UNKNOWN = "The registry's store did not answer: {reason}. The write may have been done; look before you try again."


class _GoFormatter(Formatter):
    def convert_field(self, value: Any, conversion: Any) -> Any:
        return quoted(str(value)) if conversion == "q" else super().convert_field(value, conversion)


_formatted = _GoFormatter().vformat


def reply_for(error: RequestError | LogError) -> Reply:
    """The answer that Consul gives for an error, in plain text."""
    if not isinstance(error, RequestError):
        return _store_reply(error)
    status, text = worded(error)
    headers = error.values.get("headers", b"")
    assert isinstance(headers, bytes)
    return text_reply(status, text, headers)


def worded(error: RequestError) -> tuple[int, str]:
    """Consul's status and text for an error."""
    status, template = TABLE.get(error.reason, (error.status, error.reason))
    return status, _formatted(template, (), error.values)


def _store_reply(error: LogError) -> Reply:
    """503, since Consul's clients try again on it; the text says whether that is safe."""
    if isinstance(error, LogUnavailable) and not error.unknown:
        return text_reply(503, _UNAVAILABLE.format(reason=_clause(error)))
    return text_reply(503, _UNKNOWN.format(reason=_clause(error)))


def _clause(error: LogError) -> str:
    """Why, to stand within a sentence."""
    return str(error).strip().rstrip(".")
