"""The configuration in force, as `/v1/agent/self` shows it: Consul's flat map, made from our settings.

Keys are Consul's; what this registry has no setting for, but Consul's clients look at, says what is the case
here. A password in the store's URL is not shown. Source: agent.md §3.1.
"""

from collections.abc import Sequence
from typing import Any

from registry import __version__
from registry.api.dialects.consul.agent.members import SERF_PORT
from registry.api.dialects.consul.replicas import host_port
from registry.model import duration
from registry.model.server import Server

_OWN_META = "consul-"  # metadata that nobody configured begins so
_OFF = -1  # how Consul shows a port that is not served


def debug_config(settings: Any, server: Server, listening: Sequence[tuple[str, int]]) -> dict[str, Any]:
    """The map, by Consul's names.

    Args:
        settings: `registry.settings.Settings`. server: who the log says we are. listening: host and port
        of each listener, the main one first.
    """
    return {**_identity(settings, server), **_network(settings, server, listening), **_operation(settings)}


def _identity(settings: Any, server: Server) -> dict[str, Any]:
    return {
        "Bootstrap": True,
        "BootstrapExpect": 0,
        "Datacenter": server.datacenter,
        "NodeID": server.id,
        "NodeMeta": {key: value for key, value in server.meta.items() if not key.startswith(_OWN_META)},
        "NodeName": server.node,
        "PrimaryDatacenter": server.datacenter,
        "Revision": __version__,
        "ServerMode": True,
        "ServerName": "",
        "TaggedAddresses": dict(server.tagged_addresses),
        "Version": server.service_meta.get("version", ""),
        "VersionPrerelease": "",
    }


def _network(settings: Any, server: Server, listening: Sequence[tuple[str, int]]) -> dict[str, Any]:
    serf = f"tcp://{host_port(server.address, SERF_PORT)}"
    return {
        "AdvertiseAddrLAN": server.address,
        "AdvertiseAddrWAN": server.address,
        "AllowWriteHTTPFrom": list(settings.allow_write_http_from),
        "BindAddr": settings.bind,
        "ClientAddrs": [settings.bind],
        "ConnectSidecarMaxPort": settings.sidecar_max_port,
        "ConnectSidecarMinPort": settings.sidecar_min_port,
        "DNSAddrs": [],
        "DNSPort": _OFF,
        "GRPCAddrs": [],
        "GRPCPort": _OFF,
        "GRPCTLSPort": _OFF,
        "HTTPAddrs": [f"tcp://{host_port(host, port)}" for host, port in listening],
        "HTTPBlockEndpoints": list(settings.block_endpoints),
        "HTTPMaxHeaderBytes": settings.max_header_bytes,
        "HTTPPort": listening[0][1] if listening else settings.http_port,
        "HTTPResponseHeaders": dict(settings.response_headers),
        "HTTPSAddrs": [],
        "HTTPSPort": _OFF,
        "HTTPUseCache": settings.use_cache,
        "SerfAdvertiseAddrLAN": serf,
        "SerfAdvertiseAddrWAN": "",
        "SerfBindAddrLAN": serf,
        "SerfPortLAN": SERF_PORT,
        "SerfPortWAN": _OFF,
        "ServerPort": server.service_port,
        "TranslateWANAddrs": settings.translate_wan_addrs,
    }


def _operation(settings: Any) -> dict[str, Any]:
    return {
        "ACLsEnabled": False,
        "CheckOutputMaxSize": settings.check_output_max_bytes,
        "CheckUpdateInterval": _duration(settings.check_update_interval_seconds),
        "ConnectEnabled": False,
        "DataDir": settings.data_dir,
        "DefaultQueryTime": _duration(settings.default_query_seconds),
        "DevMode": settings.dev,
        "EnableDebug": False,
        "EnableLocalScriptChecks": settings.enable_local_script_checks or settings.enable_script_checks,
        "EnableRemoteScriptChecks": settings.enable_script_checks,
        "KVMaxValueSize": settings.kv_max_value_bytes,
        "Logging": {"LogJSON": settings.log_format == "json", "LogLevel": settings.log_level.upper()},
        "MaxQueryTime": _duration(settings.max_query_seconds),
        "StoreURL": settings.shown_store_url,
        "Telemetry": {
            "Disable": False,
            "DisableHostname": settings.telemetry_disable_hostname,
            "PrometheusRetentionTime": _duration(settings.prometheus_retention_seconds),
        },
        "TxnMaxReqLen": settings.txn_max_request_bytes,
        "UIConfig": {"Enabled": False, "Dir": "", "ContentPath": "/ui/"},
    }


def _duration(seconds: float) -> str:
    return duration.text(round(seconds * 1e9))
