"""What the agent says about itself, and what it can be told: reload, leave, tokens, the log as it is written.

Its members are in `members.py`, its figures in `metrics.py`. Source: agent.md §3; api-docs/agent.
"""

import asyncio
import os
import platform
import threading
from datetime import UTC, datetime
from pathlib import Path

from msgspec import Raw

import registry
from registry.api.call import Call
from registry.api.dialects.consul.agent import members
from registry.api.dialects.consul.agent import metrics as agent_metrics
from registry.api.dialects.consul.agent.debug_config import debug_config
from registry.api.dialects.consul.agent.host import host_facts
from registry.api.dialects.consul.go.encode import encoded, in_order
from registry.api.dialects.consul.replicas import TERM, host_port, leader, replicas
from registry.api.dialects.consul.routes import endpoint
from registry.api.reply import Reply, text_reply
from registry.core.reading import State
from registry.errors import InvalidRequest, LogError, PermissionDenied, SettingsError
from registry.model.server import Server

PARTS = (agent_metrics, members)  # named so that their endpoints are in the table

_LEVELS = {"TRACE": "trace", "DEBUG": "debug", "INFO": "info", "WARN": "warn", "ERR": "error", "ERROR": "error"}
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "i686": "386", "armv7l": "arm"}
_TERM = str(TERM)
_COORDINATE = Raw(b'{"Vec":[0,0,0,0,0,0,0,0],"Error":1.5,"Adjustment":0,"Height":0.00001}')  # of a lone server
_POOL = {
    "coordinate_resets": "0", "encrypted": "false", "event_queue": "0", "event_time": "1", "failed": "0",
    "health_score": "0", "intent_queue": "0", "left": "0", "member_time": "1", "members": "1", "query_queue": "0",
    "query_time": "1",
}  # fmt: skip


@endpoint("GET", "/v1/agent/self", source="api-docs/agent#read-configuration")
async def show_self(call: Call) -> Reply:
    """Configuration, statistics and membership of this agent; 200 and a JSON object of objects."""
    state, settings = call.engine.state, call.server.settings
    server = state.server
    build_date = await asyncio.to_thread(_build_date)
    return Reply(
        body=encoded(in_order({
            "Config": in_order({
                "Datacenter": server.datacenter,
                "PrimaryDatacenter": server.datacenter,
                "NodeName": server.node,
                "NodeID": server.id,
                "Revision": registry.__version__,
                "Server": True,
                "Version": _version(server),
                "BuildDate": build_date,
            }),
            "DebugConfig": debug_config(settings, server, call.server.addresses),
            "Coord": _COORDINATE,
            "Member": members.own_member(server),
            "Stats": _statistics(state),
            "Meta": server.meta,
        }))
    )  # fmt: skip


def _statistics(state: State) -> dict[str, dict[str, str]]:
    server, checks = state.server, state.local_checks()
    ttls = sum(check.runs is not None and check.runs.ttl_ns > 0 for check in checks)
    running = sum(check.runs is not None for check in checks) - ttls
    index, servers = str(state.applied), replicas(state)
    voters = " ".join(f"{{Suffrage:Voter ID:{one.id} Address:{host_port(one.address, one.port)}}}" for one in servers)
    return {
        "agent": {
            "check_monitors": str(running),
            "check_ttls": str(ttls),
            "checks": str(len(checks)),
            "services": str(len(state.local_ids)),
        },
        "build": {"prerelease": "", "revision": registry.__version__, "version": _version(server),
                  "version_metadata": ""},
        "consul": {"acl": "disabled", "bootstrap": "true", "known_datacenters": "1", "leader": "true",
                   "leader_addr": leader(state), "server": "true"},
        "raft": {
            "applied_index": index, "commit_index": index, "fsm_pending": "0", "last_contact": "0",
            "last_log_index": index, "last_log_term": _TERM, "last_snapshot_index": "0", "last_snapshot_term": "0",
            "latest_configuration": f"[{voters}]",
            "latest_configuration_index": "0", "num_peers": str(len(servers) - 1), "protocol_version": "3",
            "protocol_version_max": "3", "protocol_version_min": "0", "snapshot_version_max": "1",
            "snapshot_version_min": "0", "state": "Leader", "term": _TERM,
        },
        "runtime": _runtime(),
        "serf_lan": {**_POOL, "members": str(len(servers))},
    }  # fmt: skip


def _runtime() -> dict[str, str]:
    """Go's words for the process; what runs side by side in it are tasks and threads."""
    machine = platform.machine()
    return {
        "arch": _ARCHITECTURES.get(machine, machine),
        "cpu_count": str(os.cpu_count() or 1),
        "goroutines": str(len(asyncio.all_tasks()) + threading.active_count()),
        "max_procs": str(len(os.sched_getaffinity(0))),
        "os": platform.system().lower(),
        "version": f"python{platform.python_version()}",
    }


@endpoint("GET", "/v1/agent/host", source="api-docs/agent#host")
async def show_host(call: Call) -> Reply:
    """The machine: memory, processors, system, disk; 200 and a JSON object."""
    now_ns = round(call.engine.clock.now() * 1e9)
    return Reply(body=await asyncio.to_thread(host_facts, call.server.settings.data_dir, now_ns))


@endpoint("GET", "/v1/agent/version", source="api-docs/agent#version")
async def show_version(call: Call) -> Reply:
    """The version of Consul that we answer as, and our own; 200 and a JSON object."""
    build_date = await asyncio.to_thread(_build_date)
    return Reply(
        body=encoded(in_order({
            "SHA": registry.__version__, "BuildDate": build_date,
            "HumanVersion": _version(call.engine.state.server), "FIPS": "",
        }))
    )  # fmt: skip


def _version(server: Server) -> str:
    return server.service_meta.get("version", "")


def _build_date() -> str:
    """When this package was written to the disk; reads the file system."""
    written = Path(registry.__file__).stat().st_mtime
    return datetime.fromtimestamp(int(written), UTC).isoformat().replace("+00:00", "Z")


@endpoint("GET", "/v1/agent/monitor", source="api-docs/agent#stream-logs")
async def follow_log(call: Call) -> Reply:
    """The log as it is written, line by line, until the client goes.

    Query: loglevel (default INFO), logjson (presence). A client that is too slow loses lines and is told how
    many. Errors: InvalidRequest for a level that is none.
    """
    word = call.query.value("loglevel") or "INFO"
    level = _LEVELS.get(word.upper())
    if level is None:
        raise InvalidRequest("log-level", level=word)
    listener = call.server.events.listen(level, as_json="logjson" in call.query)
    return Reply(content_type=None, stream=listener.chunks())


@endpoint("PUT", "/v1/agent/reload", source="api-docs/agent#reload-agent")
async def reload(call: Call) -> Reply:
    """Read the configuration files again; 200 and no body, or 500 when they cannot be used as they are.

    What is wrong with them names files, so it goes into the log and not into the answer.
    """
    try:
        await call.server.reload()
    except (SettingsError, LogError) as error:
        call.server.events.agent.error("Reload failed; nothing changed", error=str(error))
        return text_reply(500, "Reload failed; nothing changed. The server's log says why")
    return Reply()


@endpoint("PUT", "/v1/agent/leave", source="api-docs/agent#graceful-leave-and-shutdown")
async def leave(call: Call) -> Reply:
    """Answer, then shut down as on a signal."""
    call.server.events.agent.info("Leaving on request", remote=call.remote)
    call.server.stop()
    return Reply()


@endpoint("PUT", "/v1/agent/token/{kind}", source="api-docs/agent#update-acl-tokens")
async def set_token(call: Call) -> Reply:
    """Give the agent a token: refused, since access control is off. Errors: PermissionDenied."""
    raise PermissionDenied("acl-disabled")
