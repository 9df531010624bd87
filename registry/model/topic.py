"""Topics: the units of change that watchers wait on and that ready answers live on.

A topic is a plain (kind, name) tuple, because one write makes a dozen of them; names are folded. The
state owns the index of each (`State.index`) and says after each command which ones it altered and which
ones it woke. This file only names the kinds.
"""

Topic = tuple[str, str]

# Whole tables. The comment says what wakes them; the index of each is in `state/indexes.py`.
NODES: Topic = ("nodes", "")  # node rows
SERVICES: Topic = ("services", "")  # service rows
SERVICES_BY_NODE: Topic = ("services-by-node", "")  # service and node rows: a node-meta selector
SERVICES_FILTERED: Topic = ("services-filtered", "")  # service and node rows: a filter sees both
CHECKS: Topic = ("checks", "")  # check rows
CHECKS_BY_NODE: Topic = ("checks-by-node", "")  # check and node rows: a node-meta selector
CATALOG: Topic = ("catalog", "")  # any row: the pages of the interface
GATEWAYS: Topic = ("gateways", "")  # nothing yet: no config entry binds a gateway
PEERS: Topic = ("peers", "")  # nothing yet: there are no peers
LOCAL_SERVICES: Topic = ("local-services", "")  # rows written through the agent's interface
LOCAL_CHECKS: Topic = ("local-checks", "")
SESSIONS: Topic = ("sessions", "")  # a session begins or ends
PREPARED: Topic = ("prepared", "")  # prepared queries
EVENTS: Topic = ("events", "")  # user events; their index is no index of the log
COORDINATES: Topic = ("coordinates", "")
USAGE: Topic = ("usage", "")  # service and node rows; its index moves when there are more or fewer instances
MEMBERS: Topic = ("members", "")  # the replicas, the housekeeper, and the server's identity

# One per name.
SERVICE = "service"  # rows of one service name and the node rows under them: catalog/service
HEALTH = "health"  # the same and their checks: health/service
CONNECT = "connect"  # rows reached through the mesh under a name: catalog/connect
CONNECT_HEALTH = "connect-health"  # the same and their checks: health/connect
NODE = "node"  # one node row and its service rows
MISSING_NODE = "missing-node"  # a name or a prefix of an id that no node has, until one does
NODE_PAGE = "node-page"  # one node row, its service rows and its check rows: the interface's page
NODE_CHECKS = "node-checks"  # check rows of one node
SERVICE_CHECKS = "service-checks"  # check rows of one service name
SERVICE_CHECKS_BY_NODE = "service-checks-by-node"  # the same and the node rows
STATE = "state"  # check rows in one state, entering, leaving or changing
STATE_BY_NODE = "state-by-node"
LOCAL_SERVICE = "local-service"  # one local row, by exact id: agent/service/:id
SESSION = "session"  # one session, by id
PREPARED_ONE = "prepared-query"  # one prepared query, by id
COORDINATE = "coordinate"  # one node's
KEY = "key"  # one key of the KV store; its bytes are the characters of the name
KEYS_UNDER = "keys-under"  # all keys with a prefix; of these only the ones that are watched are ever touched


def of_key(key: bytes) -> Topic:
    """The topic of one key."""
    return (KEY, key.decode("latin-1"))


def of_prefix(prefix: bytes) -> Topic:
    """The topic of all keys with this prefix."""
    return (KEYS_UNDER, prefix.decode("latin-1"))


def key_of(name: str) -> bytes:
    """The key or prefix that the name of a topic of the KV store stands for."""
    return name.encode("latin-1")
