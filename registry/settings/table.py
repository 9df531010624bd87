"""The settings of the server: each one is a row here and nowhere else.

What a row holds, and what follows from it, is `settings/rows.py`; reading flags, the environment and files is
`settings/sources.py`. Nothing here acts on a setting.

Where the same thing is set twice: flag, then environment, then files (the later file wins), then default.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field

from registry.errors import SettingsError
from registry.settings import kinds
from registry.settings.rows import (
    AGENTS,
    CHECKS,
    FILES,
    HTTP,
    IDENTITY,
    LIMITS,
    LISTENING,
    OPERATION,
    READS,
    STORE,
    Definition,
    Notice,
    Row,
    Sources,
    row,
)
from registry.settings.secrets import masked


@dataclass(frozen=True, kw_only=True)
class Settings:
    """All settings of one server. Times are in seconds and sizes in bytes, as the names say.

    `Settings()` has the defaults; `sources.settings_from` reads the real ones.
    """

    # fmt: off
    bind: str = row(
        LISTENING, "127.0.0.1", kinds.ADDRESS, "IP address the HTTP interface listens on; 0.0.0.0 is every IPv4 one.",
        more_variables=("REGISTRY_HOST",), aliases=("CVXC_SERVER_HOST",), consul=("addresses.http", "client_addr"))
    http_port: int = row(
        LISTENING, 8500, kinds.PORT, "Port of the HTTP interface; 0 takes any free one.",
        more_variables=("REGISTRY_PORT",), aliases=("PORT", "CVXC_SERVER_PORT"), consul=("ports.http",))
    extra_http_ports: tuple[int, ...] = row(
        LISTENING, (), kinds.PORTS, "Further ports with the same routes, such as 8080 and 8082 for clients of "
        "OptiInfra and CodeValdCortex.")
    metrics_port: int | None = row(
        LISTENING, None, kinds.OPTIONAL_PORT, "An additional port for scrapers of /metrics, usually 9090. Without it: "
        "none.", more_variables=("METRICS_PORT",))
    shape: str = row(
        LISTENING, "consul", kinds.SHAPE, "What the HTTP interface answers under /v1: consul, or fr0g, whose catalog "
        "is keyed by id.")
    fr0g_port: int | None = row(
        LISTENING, None, kinds.OPTIONAL_PORT, "An additional port that answers in fr0g's shape; 0 takes any free one. "
        "Without it: none.")
    advertise: str = row(
        LISTENING, "", kinds.ADDRESS, "IP address shown to clients as this server's. Without it: the bind address or, "
        "if that means every address, the machine's first private one.", consul=("advertise_addr", "bind_addr"))

    node: str = row(
        IDENTITY, "", kinds.TEXT, "Name of this server's node; refused if the store knows another. Without it: the one "
        "the store knows, at the first start the host name.", consul=("node_name",))
    node_meta: Mapping[str, str] = row(
        IDENTITY, {}, kinds.NODE_META, "Metadata of this server's node.", consul=("node_meta",))
    datacenter: str = row(
        IDENTITY, "dc1", kinds.DATACENTER_NAME, "Name of the datacenter.", consul=("datacenter",))
    health_service_name: str = row(IDENTITY, "registry", kinds.TEXT, "The name of the service that /health reports.")

    dev: bool = row(
        STORE, False, kinds.BOOLEAN, "Keep everything in memory, unless a store is named, and indent all JSON. All "
        "data is lost when the process ends.")
    store: str = row(
        STORE, "", kinds.STORE_URL, "URL of the store: sqlite:///PATH or memory: for one process; for any number of "
        "them redis://[USER[:PASSWORD]@]HOST[:PORT][/DATABASE], rediss:// (TLS), "
        "redis+sentinel://HOST[:PORT],…/MASTER or redis+cluster://HOST[:PORT],… with the parameters namespace=registry "
        "(what its keys begin with), wait=0 (copies that must have a write before it is answered), window=2 (seconds "
        "that a changed store waits for its replicas), for TLS ca_certs, certfile, keyfile and check_hostname, for "
        "Sentinel sentinel_username and sentinel_password. Without it: registry.db in the data directory, or memory "
        "with dev.", aliases=("REDIS_URL",), secret=True)
    store_password_file: str = row(
        STORE, "", kinds.PATH, "File whose first line is the password of a Redis store, which then appears neither in "
        "its URL nor in the list of processes.")
    store_wait_seconds: float = row(
        STORE, 0.0, kinds.SECONDS, "How long the start waits for a store that does not answer; 0 fails at once.")
    data_dir: str = row(
        STORE, "./data", kinds.PATH, "Directory of the store; only one process can use it at a time.",
        consul=("data_dir",))
    max_pending_writes: int = row(
        STORE, 20_000, kinds.COUNT, "Writes that may wait for the store before further ones are refused with 503; "
        "divided among the workers.")
    snapshot_min_bytes: int = row(
        STORE, 8 << 20, kinds.BYTES, "The log grows by at least this much before a snapshot is taken and the log is "
        "trimmed.")

    default_query_seconds: float = row(
        READS, 300.0, kinds.POSITIVE_SECONDS, "How long a blocking query waits if it does not say.",
        consul=("default_query_time",))
    max_query_seconds: float = row(
        READS, 600.0, kinds.POSITIVE_SECONDS, "The longest a blocking query may wait.", consul=("max_query_time",))
    answers_per_topic: int = row(
        READS, 32, kinds.COUNT, "Ready answers kept for each service, node or list; the least recently used is dropped "
        "first.")
    answers_bytes: int = row(
        READS, 64 << 20, kinds.BYTES, "Memory for all ready answers together; divided among the workers.")
    use_cache: bool = row(READS, True, kinds.BOOLEAN, "Whether ?cached is honoured.", consul=("http_config.use_cache",))
    consistent_reads: bool = row(
        READS, False, kinds.BOOLEAN, "On a store that processes share (redis): ask it before every read that names no "
        "mode, so that each replica shows what any of them has acknowledged. Such a read costs part of a round trip, "
        "and fails while the store is away.")
    translate_wan_addrs: bool = row(
        READS, False, kinds.BOOLEAN, "Show nodes of other datacenters with their WAN addresses.",
        consul=("translate_wan_addrs",))
    disable_coordinates: bool = row(
        READS, False, kinds.BOOLEAN, "Take and show no network coordinates: what is asked of them is answered 401.",
        consul=("disable_coordinates",))

    enable_script_checks: bool = row(
        CHECKS, False, kinds.BOOLEAN, "Accept script checks from files and from the API. Anyone who can reach the API "
        "can then run programs on this machine.", consul=("enable_script_checks",))
    enable_local_script_checks: bool = row(
        CHECKS, False, kinds.BOOLEAN, "Accept script checks from files only.", consul=("enable_local_script_checks",))
    check_update_interval_seconds: float = row(
        CHECKS, 300.0, kinds.SECONDS, "How long a changed output with an unchanged status may stay unstored; a crash "
        "loses such a text, never a status. 0 stores it at once.", consul=("check_update_interval",))
    check_output_max_bytes: int = row(
        CHECKS, 4096, kinds.BYTES, "The longest output of a check that is kept.", consul=("check_output_max_size",))
    deregister_critical_minimum_seconds: float = row(
        CHECKS, 60.0, kinds.SECONDS, "Lower bound of DeregisterCriticalServiceAfter. A service is removed within a "
        "second of its due time.")
    sidecar_min_port: int = row(
        CHECKS, 21000, kinds.PORT, "First port of the range for sidecars that name none.",
        consul=("ports.sidecar_min_port",))
    sidecar_max_port: int = row(
        CHECKS, 21255, kinds.PORT, "Last port of that range.", consul=("ports.sidecar_max_port",))

    session_ttl_min_seconds: float = row(
        CHECKS, 10.0, kinds.POSITIVE_SECONDS, "The shortest TTL that a session may have.", consul=("session_ttl_min",),
        reloadable=True)
    session_expiry_factor: float = row(
        CHECKS, 2.0, kinds.FACTOR, "A session that is not renewed ends after this many times its TTL. Programs written "
        "for Consul rely on 2; 1 ends it with its TTL.")
    kv_max_value_bytes: int = row(
        HTTP, 524_288, kinds.BYTES, "The largest value of a key.", consul=("limits.kv_max_value_size",),
        reloadable=True)
    txn_max_request_bytes: int = row(
        HTTP, 524_288, kinds.BYTES, "The largest body of a transaction.", consul=("limits.txn_max_req_len",),
        reloadable=True)
    max_header_bytes: int = row(
        HTTP, 1 << 20, kinds.BYTES, "The largest head of a request: its first line and its headers.",
        consul=("http_config.max_header_bytes",))
    block_endpoints: tuple[str, ...] = row(
        HTTP, (), kinds.PREFIXES, "Paths that begin with one of these are answered 403.",
        consul=("http_config.block_endpoints",))
    response_headers: Mapping[str, str] = row(
        HTTP, {}, kinds.HEADERS, "Headers added to every answer.",
        consul=("http_config.response_headers", "http_api_response_headers"))
    allow_write_http_from: tuple[str, ...] = row(
        HTTP, (), kinds.NETWORKS, "Networks from which writes are accepted. Without it: all.",
        consul=("http_config.allow_write_http_from",))

    max_connections_per_client: int | None = row(
        LIMITS, None, kinds.OPTIONAL_LIMIT, "Connections that one IP address may have; a further one is answered 429 "
        "and closed. 0: any number. Without it: 200, or any number if the bind address is a loopback one. Each worker "
        "counts its own.", consul=("limits.http_max_conns_per_client",), reloadable=True)
    max_parked_readers: int = row(
        LIMITS, 50_000, kinds.COUNT, "Blocking queries that may wait at the same time; a further one that would have "
        "to wait is answered 429. Divided among the workers.")
    max_body_bytes: int = row(
        LIMITS, 32 << 20, kinds.BYTES, "The largest body of a request that has no smaller limit of its own; a larger "
        "one is answered 413.", reloadable=True)
    max_name_characters: int = row(
        LIMITS, 1_024, kinds.COUNT, "The longest name or id of a node, a service or a check; a longer one is answered "
        "413. The limits of metadata are Consul's: 64 pairs, 128 characters a key, 512 bytes a value.")
    request_head_seconds: float = row(
        LIMITS, 10.0, kinds.POSITIVE_SECONDS, "How long the head of a request may take from its first byte to its last "
        "before it is answered 408 and the connection is closed.", aliases=("READ_TIMEOUT",), reloadable=True)
    request_body_seconds: float = row(
        LIMITS, 30.0, kinds.POSITIVE_SECONDS, "If less than 1 KiB of a body arrives in this time, the request is "
        "answered 408 and the connection is closed.", reloadable=True)
    answer_stall_seconds: float = row(
        LIMITS, 30.0, kinds.POSITIVE_SECONDS, "A client that reads less than 1 KiB of its answer in this time is "
        "disconnected.", aliases=("WRITE_TIMEOUT",), reloadable=True)
    keepalive_seconds: float = row(
        LIMITS, 3630.0, kinds.POSITIVE_SECONDS, "How long a connection may be idle; the default is longer than common "
        "proxies keep theirs.", aliases=("IDLE_TIMEOUT",))
    metrics_max_labels: int = row(
        LIMITS, 1_000, kinds.COUNT, "How many service names, and how many agents, have metrics of their own in "
        "/metrics; further names are counted as other, further agents are not shown.")

    optiinfra_heartbeat_seconds: float = row(
        AGENTS, 30.0, kinds.POSITIVE_SECONDS, "How often OptiInfra's agents are told to give a sign of life.",
        reloadable=True)
    optiinfra_ttl_seconds: float = row(
        AGENTS, 45.0, kinds.POSITIVE_SECONDS, "An agent of OptiInfra that is silent for this long is unreachable. This "
        "and the other times of agents are fixed when an agent registers.", reloadable=True)
    optiinfra_remove_seconds: float = row(
        AGENTS, 60.0, kinds.POSITIVE_SECONDS, "After this long in that state it is removed.", reloadable=True)
    optiinfra_redis_copies: bool = row(
        AGENTS, True, kinds.BOOLEAN, "Keep readable copies of OptiInfra's agents in the Redis of the store, as keys "
        "agent:<id> and the set agents:active; they are never read back.")
    hive_ttl_seconds: float = row(
        AGENTS, 60.0, kinds.POSITIVE_SECONDS, "An agent of the Hive that is silent for this long is unhealthy.",
        aliases=("HEARTBEAT_TIMEOUT", "HEARTBEAT_TIMEOUT_SECONDS"), reloadable=True)
    hive_remove_seconds: float = row(
        AGENTS, 240.0, kinds.POSITIVE_SECONDS, "After this long in that state it is removed.", reloadable=True)
    fr0g_ttl_seconds: float = row(
        AGENTS, 120.0, kinds.POSITIVE_SECONDS, "A fr0g service that is not registered again within this time is "
        "critical.", aliases=("SERVICE_TIMEOUT",), reloadable=True)
    fr0g_check_interval_seconds: float = row(
        AGENTS, 30.0, kinds.POSITIVE_SECONDS, "How often the check of a fr0g service runs if it names no interval.",
        aliases=("HEALTH_CHECK_INTERVAL",), reloadable=True)
    codevald_max_agents: int = row(
        AGENTS, 100, kinds.LIMIT, "How many agents of CodeValdCortex may exist that are not stopped; 0: any number.",
        aliases=("CVXC_AGENT_MAX_INSTANCES",), reloadable=True)
    revival_seconds: float = row(
        AGENTS, 600.0, kinds.SECONDS, "For this long after its removal, a sign of life brings an agent of OptiInfra or "
        "the Hive back.", reloadable=True)
    max_metadata_bytes: int = row(
        AGENTS, 64 << 10, kinds.BYTES, "The largest metadata of an agent in one request, as compact JSON; more is "
        "answered 413.", reloadable=True)
    grpc_port: int | None = row(
        AGENTS, None, kinds.OPTIONAL_PORT, "Port of the Hive's registry over gRPC, usually 50051; 0 takes any free "
        "one. Without it: none. Needs the extra grpc.", more_variables=("GRPC_PORT",),
        aliases=("SERVICE_REGISTRY_PORT",))
    grpc_bind: str = row(
        AGENTS, "", kinds.ADDRESS, "IP address of that port. Without it: that of the HTTP interface.",
        aliases=("SERVICE_REGISTRY_HOST",))
    grpc_cert_file: str = row(
        AGENTS, "", kinds.PATH, "PEM file with the certificate of the gRPC server. Without it: plain text.")
    grpc_key_file: str = row(AGENTS, "", kinds.PATH, "PEM file with its key.")
    grpc_client_ca_file: str = row(
        AGENTS, "", kinds.PATH, "PEM file with authorities; callers over gRPC must show a certificate that one of "
        "them has signed.")
    grpc_jwt_keys_file: str = row(
        AGENTS, "", kinds.PATH, "PEM file with a public key, or JSON Web Key Set; each call over gRPC must bring a "
        "token that one of these keys has signed, with a SPIFFE id as its subject. Without it: none is asked for.")
    grpc_jwt_audience: str = row(
        AGENTS, "", kinds.TEXT, "Audience of such tokens. Without it: service-registry.<trust domain>.",
        aliases=("SPIFFE_JWT_AUDIENCE",))
    grpc_trust_domain: str = row(
        AGENTS, "neural-hive.local", kinds.TEXT, "SPIFFE trust domain of such tokens.",
        aliases=("SPIFFE_TRUST_DOMAIN",))
    grpc_allow: tuple[str, ...] = row(
        AGENTS, (), kinds.RULES, "Who may call which method over gRPC: METHOD=SPIFFE ID, where * stands for any "
        "characters, for example Register=spiffe://neural-hive.local/*/sa/worker. Without it: every token may call "
        "every method.")
    hive_watch_events: int = row(
        AGENTS, 10_000, kinds.COUNT, "Events that may wait for a reader of WatchAgents; one more disconnects it.",
        reloadable=True)
    hive_redis_prefix: str = row(
        AGENTS, "neural-hive:agents", kinds.TEXT, "Events of agents are published on <this>:events in the Redis of the "
        "store, notifications on <this>:notifications.", aliases=("ETCD_PREFIX",))
    hive_code_metrics: bool = row(
        AGENTS, False, kinds.BOOLEAN, "Add the metrics that the Hive's code has to those of its documentation.")
    max_task_bytes: int = row(
        AGENTS, 1 << 20, kinds.BYTES, "The largest body of a task for an agent; more is answered 413.", reloadable=True)
    dialect_scope: str = row(
        AGENTS, "all", kinds.SCOPE, "Whether the lists of OptiInfra, CodeValdCortex and the Hive show all instances or "
        "only their own: all or own.", reloadable=True)

    workers: int = row(
        OPERATION, 1, kinds.COUNT, "Processes that share the ports, each a whole replica on a core of its own, "
        "restarted when it dies. More than 1 needs a store that processes can share (redis).")
    log_level: str = row(
        OPERATION, "info", kinds.LEVEL, "What is logged: debug, info, warn or error.", consul=("log_level",),
        reloadable=True)
    log_format: str = row(
        OPERATION, "console", kinds.LOG_FORMAT, "console for people, json for programs.", consul=("log_json",))
    access_log: str = row(
        OPERATION, "", kinds.PATH, "File that gets a line for each request, in the combined format of web servers plus "
        "its duration in seconds and its id; - is standard output. A reload opens it again, so that it can be rotated. "
        "Without it: none.")
    slow_request_seconds: float = row(
        OPERATION, 0.5, kinds.POSITIVE_SECONDS, "A request that is worked on for longer than this, not counting waits, "
        "is logged.")
    shutdown_grace_seconds: float = row(
        OPERATION, 5.0, kinds.SECONDS, "How long requests under way may take to finish once the server is told to "
        "stop.")
    prometheus_retention_seconds: float = row(
        OPERATION, 0.0, kinds.SECONDS, "Above 0, /v1/agent/metrics also speaks Prometheus' format, as /metrics always "
        "does.", consul=("telemetry.prometheus_retention_time",))
    telemetry_disable_hostname: bool = row(
        OPERATION, False, kinds.BOOLEAN, "Leave the host name out of the names in /v1/agent/metrics.",
        consul=("telemetry.disable_hostname",))

    config_file: tuple[str, ...] = row(
        FILES, (), kinds.PATHS, "Configuration file: .toml with the keys of this table, .json with Consul's.",
        in_files=False)
    config_dir: tuple[str, ...] = row(
        FILES, (), kinds.PATHS, "Directory whose .toml and .json files are read in the order of their names, "
        "after all named files.", in_files=False)
    # fmt: on

    definitions: tuple[Definition, ...] = ()
    notices: tuple[Notice, ...] = ()
    sources: Sources = field(default=Sources(), repr=False)  # may hold the password of a store

    def __post_init__(self) -> None:
        if self.sidecar_min_port > self.sidecar_max_port:
            raise SettingsError("sidecar_min_port", f"{self.sidecar_min_port} is above sidecar_max_port")

    @property
    def http_ports(self) -> tuple[int, ...]:
        """The ports to listen on: the main one, those with the same routes, and last that of the fr0g shape."""
        optional = tuple(port for port in (self.metrics_port, self.fr0g_port) if port is not None)
        return (self.http_port, *self.extra_http_ports, *optional)

    @property
    def store_url(self) -> str:
        """The store to open: the one that is named, else memory or a file in the data directory."""
        if self.store:
            return self.store
        return "memory:" if self.dev else f"sqlite:///{self.data_dir}/registry.db"

    @property
    def shown_store_url(self) -> str:
        """The same without its password."""
        return masked(self.store_url)

    @property
    def pretty(self) -> bool:
        """Whether JSON is indented without being asked, as Consul's -dev does."""
        return self.dev


# every setting by its name, in the order of the documentation
ROWS = {one.name: Row(name=one.name, **one.metadata) for one in dataclasses.fields(Settings) if one.metadata}
