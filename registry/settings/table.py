"""The settings of the server: each one is a row here and nowhere else.

A row gives its name, type, default, kind, help line, further environment variables and Consul's key for
it; flag, environment variable, file key and documentation follow from the row. Reading flags, the
environment and files is `settings/sources.py`. Nothing here acts on a setting.

Where the same thing is set twice: flag, then environment, then files (the later file wins), then default.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

from registry.errors import SettingsError
from registry.settings import kinds
from registry.settings.secrets import masked

T = TypeVar("T")

LISTENING = "Listening"
IDENTITY = "Identity"
STORE = "Store"
READS = "Reads"
CHECKS = "Checks"
HTTP = "HTTP"
LIMITS = "Limits"
AGENTS = "Agents"
OPERATION = "Operation"
FILES = "Files"


@dataclass(frozen=True)
class Row:
    """What is known of one setting besides its type and default.

    `more_variables` are names of ours besides `REGISTRY_<NAME>`, `aliases` names other programs use;
    `consul` are the keys of Consul's agent configuration that mean it, the one that counts first.
    """

    name: str
    group: str
    kind: kinds.Kind[Any]
    help: str
    default: Any
    more_variables: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    consul: tuple[str, ...] = ()
    reloadable: bool = False
    in_files: bool = True
    secret: bool = False  # its value may hold a password: it is shown masked only

    @property
    def flag(self) -> str:
        """The flag of `registry serve`."""
        return "--" + self.name.replace("_", "-")

    @property
    def variables(self) -> tuple[str, ...]:
        """Our environment variables for it; the first one that is set counts."""
        return (f"REGISTRY_{self.name.upper()}", *self.more_variables)


@dataclass(frozen=True)
class Definition:
    """A service or check written in a configuration file, as it stands there.

    Its keys are Consul's, in either of their spellings; the Consul dialect decodes them.
    """

    file: str
    kind: Literal["service", "check"]
    body: Mapping[str, Any]


@dataclass(frozen=True)
class Notice:
    """Something the operator should read in the log once there is one."""

    level: Literal["info", "warning"]
    event: str
    values: Mapping[str, Any]


@dataclass(frozen=True)
class Sources:
    """Where settings were read from, so that they can be read again."""

    flags: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)


def row(group: str, default: T, kind: kinds.Kind[T], text: str, **more: Any) -> T:
    """One setting: a field of `Settings` that carries its `Row`."""
    known = {"group": group, "kind": kind, "help": text, "default": default, **more}
    made: T = field(default_factory=lambda: default, metadata=known, repr=not more.get("secret"))
    return made


@dataclass(frozen=True, kw_only=True)
class Settings:
    """All settings of one server. Times are seconds, sizes bytes, as the names say.

    `Settings()` are the defaults; `sources.settings_from` reads the real ones.
    """

    # fmt: off
    bind: str = row(
        LISTENING, "127.0.0.1", kinds.ADDRESS, "IP address the HTTP interface listens on; 0.0.0.0 is every IPv4 one.",
        more_variables=("REGISTRY_HOST",), aliases=("CVXC_SERVER_HOST",), consul=("addresses.http", "client_addr"))
    http_port: int = row(
        LISTENING, 8500, kinds.PORT, "Port of the HTTP interface; 0 takes any free one.",
        more_variables=("REGISTRY_PORT",), aliases=("PORT", "CVXC_SERVER_PORT"), consul=("ports.http",))
    extra_http_ports: tuple[int, ...] = row(
        LISTENING, (), kinds.PORTS, "Further ports with the same routes, as 8080 and 8082 for OptiInfra's and "
        "CodeValdCortex's clients.")
    metrics_port: int | None = row(
        LISTENING, None, kinds.OPTIONAL_PORT, "One more, where a scraper looks for /metrics, usually 9090. Without it: "
        "none.", more_variables=("METRICS_PORT",))
    shape: str = row(
        LISTENING, "consul", kinds.SHAPE, "What the HTTP interface answers under /v1: consul, or fr0g, whose catalog "
        "is by ids.")
    fr0g_port: int | None = row(
        LISTENING, None, kinds.OPTIONAL_PORT, "Port that answers in fr0g's shape beside the others; 0 takes any free "
        "one. Without it: none.")
    advertise: str = row(
        LISTENING, "", kinds.ADDRESS, "IP address shown to clients as this server's. Without it: the bind address, "
        "or the first private one of the machine where that is every address.", consul=("advertise_addr", "bind_addr"))

    node: str = row(
        IDENTITY, "", kinds.TEXT, "Name of this server's node. Without it: the one the store knows, "
        "at the first start the host name. One that differs from the store's is refused.", consul=("node_name",))
    node_meta: Mapping[str, str] = row(
        IDENTITY, {}, kinds.NODE_META, "Metadata of this server's node.", consul=("node_meta",))
    datacenter: str = row(
        IDENTITY, "dc1", kinds.DATACENTER_NAME, "Name of the datacenter.", consul=("datacenter",))
    health_service_name: str = row(
        IDENTITY, "registry", kinds.TEXT, "What /health calls this service.")

    dev: bool = row(
        STORE, False, kinds.BOOLEAN, "Keep everything in memory, unless a store is named, and indent all JSON. "
        "The end of the process loses everything.")
    store: str = row(
        STORE, "", kinds.STORE_URL, "URL of the store: sqlite:///PATH or memory: for one process; for any number of "
        "them redis://[USER[:PASSWORD]@]HOST[:PORT][/DATABASE], rediss:// (TLS), "
        "redis+sentinel://HOST[:PORT],…/MASTER or redis+cluster://HOST[:PORT],… with the parameters namespace=registry "
        "(what its keys begin with), wait=0 (copies that must have a write before it is answered), window=2 (seconds "
        "that a changed store waits for its replicas), for TLS ca_certs, certfile, keyfile and check_hostname, for "
        "Sentinel sentinel_username and sentinel_password. Without it: registry.db in the data directory, or memory "
        "with dev.", aliases=("REDIS_URL",), secret=True)
    store_password_file: str = row(
        STORE, "", kinds.PATH, "File whose first line is the password of a Redis store, which then stands neither in "
        "its URL nor in the list of processes.")
    store_wait_seconds: float = row(
        STORE, 0.0, kinds.SECONDS, "How long the start waits for a store that does not answer; 0: it fails at once.")
    data_dir: str = row(
        STORE, "./data", kinds.PATH, "Directory of the store; one process holds it.", consul=("data_dir",))
    max_pending_writes: int = row(
        STORE, 20_000, kinds.COUNT, "Writes that may wait for the store before further ones are refused with 503; "
        "divided among the workers.")
    snapshot_min_bytes: int = row(
        STORE, 8 << 20, kinds.BYTES, "The log grows at least this much before a snapshot is taken and it is trimmed.")

    default_query_seconds: float = row(
        READS, 300.0, kinds.POSITIVE_SECONDS, "How long a blocking query waits when it does not say.",
        consul=("default_query_time",))
    max_query_seconds: float = row(
        READS, 600.0, kinds.POSITIVE_SECONDS, "The longest a blocking query may wait.", consul=("max_query_time",))
    answers_per_topic: int = row(
        READS, 32, kinds.COUNT, "Ready answers kept for each service, node or list; the least recently used goes.")
    answers_bytes: int = row(
        READS, 64 << 20, kinds.BYTES, "Memory for all ready answers together; divided among the workers.")
    use_cache: bool = row(
        READS, True, kinds.BOOLEAN, "Whether ?cached is listened to.", consul=("http_config.use_cache",))
    consistent_reads: bool = row(
        READS, False, kinds.BOOLEAN, "On a store that processes share (redis): ask it before every read that names no "
        "mode, so that each replica shows what any of them has acknowledged. Each read then costs a share of a round "
        "trip, and fails while the store is away.")
    translate_wan_addrs: bool = row(
        READS, False, kinds.BOOLEAN, "Show nodes of other datacenters with their WAN addresses.",
        consul=("translate_wan_addrs",))

    enable_script_checks: bool = row(
        CHECKS, False, kinds.BOOLEAN, "Let script checks be registered by files and by the API. Whoever reaches the "
        "API can then run programs on this machine.", consul=("enable_script_checks",))
    enable_local_script_checks: bool = row(
        CHECKS, False, kinds.BOOLEAN, "Let script checks be defined by files only.",
        consul=("enable_local_script_checks",))
    check_update_interval_seconds: float = row(
        CHECKS, 300.0, kinds.SECONDS, "How long a changed output with an unchanged status may stay unstored; a crash "
        "loses such a text, never a status. 0 stores it at once.", consul=("check_update_interval",))
    check_output_max_bytes: int = row(
        CHECKS, 4096, kinds.BYTES, "The most that is kept of a check's output.", consul=("check_output_max_size",))
    deregister_critical_minimum_seconds: float = row(
        CHECKS, 60.0, kinds.SECONDS, "Floor under DeregisterCriticalServiceAfter. A service is removed within a second "
        "of its due time.")
    sidecar_min_port: int = row(
        CHECKS, 21000, kinds.PORT, "First port given to a sidecar that names none.",
        consul=("ports.sidecar_min_port",))
    sidecar_max_port: int = row(
        CHECKS, 21255, kinds.PORT, "Last such port.", consul=("ports.sidecar_max_port",))

    session_ttl_min_seconds: float = row(
        CHECKS, 10.0, kinds.POSITIVE_SECONDS, "The shortest TTL that a session may have.", consul=("session_ttl_min",),
        reloadable=True)
    session_expiry_factor: float = row(
        CHECKS, 2.0, kinds.FACTOR, "A session that is not renewed for so many of its TTLs ends. Programs that know "
        "Consul count on 2; 1 ends it with its TTL.")
    kv_max_value_bytes: int = row(
        HTTP, 524_288, kinds.BYTES, "The largest value of a key.", consul=("limits.kv_max_value_size",),
        reloadable=True)
    txn_max_request_bytes: int = row(
        HTTP, 524_288, kinds.BYTES, "The largest body of a transaction.", consul=("limits.txn_max_req_len",),
        reloadable=True)
    max_header_bytes: int = row(
        HTTP, 1 << 20, kinds.BYTES, "The largest head of a request.", consul=("http_config.max_header_bytes",))
    block_endpoints: tuple[str, ...] = row(
        HTTP, (), kinds.PREFIXES, "Paths beginning with one of these answer 403.",
        consul=("http_config.block_endpoints",))
    response_headers: Mapping[str, str] = row(
        HTTP, {}, kinds.HEADERS, "Headers added to every answer.",
        consul=("http_config.response_headers", "http_api_response_headers"))
    allow_write_http_from: tuple[str, ...] = row(
        HTTP, (), kinds.NETWORKS, "Networks that writes are taken from; none named: every one.",
        consul=("http_config.allow_write_http_from",))

    max_connections_per_client: int | None = row(
        LIMITS, None, kinds.OPTIONAL_LIMIT, "Connections that one IP address may have; one more is answered 429 and "
        "closed. 0: any number. Without it: 200, or any number where the bind address is a loopback one. Each worker "
        "counts its own.", consul=("limits.http_max_conns_per_client",), reloadable=True)
    max_parked_readers: int = row(
        LIMITS, 50_000, kinds.COUNT, "Blocking queries that may wait at a time; a further one that would have to wait "
        "is answered 429. Divided among the workers.")
    max_body_bytes: int = row(
        LIMITS, 32 << 20, kinds.BYTES, "The largest body of a request that has no smaller limit of its own; a larger "
        "one is answered 413.", reloadable=True)
    max_name_characters: int = row(
        LIMITS, 1_024, kinds.COUNT, "The longest name or id of a node, a service or a check; a longer one is answered "
        "413. The limits of metadata are Consul's: 64 pairs, 128 characters a key, 512 bytes a value.")
    request_head_seconds: float = row(
        LIMITS, 10.0, kinds.POSITIVE_SECONDS, "How long the head of a request may take from its first byte to its "
        "last; then it is answered 408 and the connection closed.", aliases=("READ_TIMEOUT",), reloadable=True)
    request_body_seconds: float = row(
        LIMITS, 30.0, kinds.POSITIVE_SECONDS, "A body of which less than 1 KiB arrives in so long a time is answered "
        "408 and the connection closed.", reloadable=True)
    answer_stall_seconds: float = row(
        LIMITS, 30.0, kinds.POSITIVE_SECONDS, "A client that reads less than 1 KiB of its answer in so long a time is "
        "cut off.", aliases=("WRITE_TIMEOUT",), reloadable=True)
    keepalive_seconds: float = row(
        LIMITS, 3630.0, kinds.POSITIVE_SECONDS, "How long a connection may be idle; the default is longer than usual "
        "proxies keep theirs.", aliases=("IDLE_TIMEOUT",))
    metrics_max_labels: int = row(
        LIMITS, 1_000, kinds.COUNT, "How many names of services, and how many agents, have figures of their own in "
        "/metrics; further names are counted as other, further agents not shown.")

    optiinfra_heartbeat_seconds: float = row(
        AGENTS, 30.0, kinds.POSITIVE_SECONDS, "How often OptiInfra's agents are told to give a sign of life.",
        reloadable=True)
    optiinfra_ttl_seconds: float = row(
        AGENTS, 45.0, kinds.POSITIVE_SECONDS, "An agent of OptiInfra that is silent for so long is unreachable. This "
        "and the other times of agents are those of their registration.", reloadable=True)
    optiinfra_remove_seconds: float = row(
        AGENTS, 60.0, kinds.POSITIVE_SECONDS, "After so long in that state it is removed.", reloadable=True)
    optiinfra_redis_copies: bool = row(
        AGENTS, True, kinds.BOOLEAN, "Keep readable copies of OptiInfra's agents in the Redis of the store, as keys "
        "agent:<id> and the set agents:active; they are never read back.")
    hive_ttl_seconds: float = row(
        AGENTS, 60.0, kinds.POSITIVE_SECONDS, "An agent of the Hive that is silent for so long is unhealthy.",
        aliases=("HEARTBEAT_TIMEOUT", "HEARTBEAT_TIMEOUT_SECONDS"), reloadable=True)
    hive_remove_seconds: float = row(
        AGENTS, 240.0, kinds.POSITIVE_SECONDS, "After so long in that state it is removed.", reloadable=True)
    fr0g_ttl_seconds: float = row(
        AGENTS, 120.0, kinds.POSITIVE_SECONDS, "A fr0g service that is not registered again for so long is critical.",
        aliases=("SERVICE_TIMEOUT",), reloadable=True)
    fr0g_check_interval_seconds: float = row(
        AGENTS, 30.0, kinds.POSITIVE_SECONDS, "How often the check of a fr0g service runs that names no interval.",
        aliases=("HEALTH_CHECK_INTERVAL",), reloadable=True)
    codevald_max_agents: int = row(
        AGENTS, 100, kinds.LIMIT, "How many agents of CodeValdCortex there may be that are not stopped; 0: any number.",
        aliases=("CVXC_AGENT_MAX_INSTANCES",), reloadable=True)
    revival_seconds: float = row(
        AGENTS, 600.0, kinds.SECONDS, "For so long after its removal a sign of life brings an agent of OptiInfra or "
        "the Hive back.", reloadable=True)
    max_metadata_bytes: int = row(
        AGENTS, 64 << 10, kinds.BYTES, "The largest metadata of an agent in one request, as compact JSON; larger is "
        "answered 413.", reloadable=True)
    grpc_port: int | None = row(
        AGENTS, None, kinds.OPTIONAL_PORT, "Port of the Hive's registry over gRPC, usually 50051; 0 takes any free "
        "one. Without it: none. Needs the extra grpc.", more_variables=("GRPC_PORT",),
        aliases=("SERVICE_REGISTRY_PORT",))
    grpc_bind: str = row(
        AGENTS, "", kinds.ADDRESS, "IP address it listens on. Without it: that of the HTTP interface.",
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
        "characters, as Register=spiffe://neural-hive.local/*/sa/worker. None named: every token may call every one.")
    hive_watch_events: int = row(
        AGENTS, 10_000, kinds.COUNT, "Events that may wait for a reader of WatchAgents; one more cuts it off.",
        reloadable=True)
    hive_redis_prefix: str = row(
        AGENTS, "neural-hive:agents", kinds.TEXT, "Events of agents are published on <this>:events in the Redis of the "
        "store, notifications on <this>:notifications.", aliases=("ETCD_PREFIX",))
    hive_code_metrics: bool = row(
        AGENTS, False, kinds.BOOLEAN, "Add the metrics that the Hive's code has to those of its documentation.")
    max_task_bytes: int = row(
        AGENTS, 1 << 20, kinds.BYTES, "The largest body of a task for an agent; larger is answered 413.",
        reloadable=True)
    dialect_scope: str = row(
        AGENTS, "all", kinds.SCOPE, "Whether the lists of OptiInfra, CodeValdCortex and the Hive show all instances or "
        "their own: all or own.", reloadable=True)

    workers: int = row(
        OPERATION, 1, kinds.COUNT, "Processes that share the ports, each a whole replica on a core of its own, started "
        "again when it dies. More than 1 needs a store that processes can share (redis).")
    log_level: str = row(
        OPERATION, "info", kinds.LEVEL, "What is logged: debug, info, warn or error.", consul=("log_level",),
        reloadable=True)
    log_format: str = row(
        OPERATION, "console", kinds.LOG_FORMAT, "console for people, json for programs.", consul=("log_json",))
    access_log: str = row(
        OPERATION, "", kinds.PATH, "File that gets a line for each request, in the combined form of web servers "
        "with the seconds it took and its id; - is standard output. Opened again by a reload, so that it can be "
        "rotated. Without it: none.")
    slow_request_seconds: float = row(
        OPERATION, 0.5, kinds.POSITIVE_SECONDS, "A request that works longer than this, waiting aside, is logged.")
    shutdown_grace_seconds: float = row(
        OPERATION, 5.0, kinds.SECONDS, "How long requests under way may take to end once the server is told to stop.")
    prometheus_retention_seconds: float = row(
        OPERATION, 0.0, kinds.SECONDS, "Above 0, /v1/agent/metrics speaks Prometheus' format too, as /metrics does.",
        consul=("telemetry.prometheus_retention_time",))
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
        """The ports to listen on: the main one, those with the same routes, and that of the fr0g shape."""
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


def rows() -> tuple[Row, ...]:
    """Every setting, in the order of the documentation."""
    return tuple(Row(name=f.name, **f.metadata) for f in dataclasses.fields(Settings) if f.metadata)


ROWS = {known.name: known for known in rows()}
