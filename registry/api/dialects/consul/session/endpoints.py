"""Sessions: begun, renewed, ended and looked at. What they hold is `/v1/kv`.

Source: session.md; api-docs/session.
"""

from collections.abc import Callable, Iterable

from registry.api.call import Call
from registry.api.dialects.consul.go.encode import encoded
from registry.api.dialects.consul.params import read_options, refuse_enterprise, refuse_foreign_datacenter
from registry.api.dialects.consul.reads import answer, failing_with_index
from registry.api.dialects.consul.routes import endpoint
from registry.api.dialects.consul.session import wire
from registry.api.dialects.consul.session.bodies import new_session, session_body
from registry.api.reply import Reply
from registry.commands import EndSession
from registry.core.reading import State
from registry.errors import InvalidRequest, RequestError
from registry.model.duration import SECOND
from registry.model.names import fold
from registry.model.session import Session
from registry.model.topic import SESSION, SESSIONS, Topic

_ID_CHARACTERS = 36  # of a UUID; whatever is longer is no session


@endpoint("PUT", "/v1/session/create", source="api-docs/session#create-session")
async def create(call: Call) -> Reply:
    """Begin a session, on this node and bound to its health unless the body says otherwise; 200 and its id.

    Errors: `decode`, those of `new_session`, and the state's: no such node, no such check, a critical one.
    """
    refuse_enterprise(call)
    body = await session_body(call)
    refuse_foreign_datacenter(call)
    shortest_ns = round(call.server.settings.session_ttl_min_seconds * SECOND)
    session, ttl_ns = new_session(body, call.engine.state.server.node, shortest_ns)
    await call.engine.sessions.create(session, ttl_ns)
    return Reply(body=encoded({"ID": session.id}))


@endpoint("PUT", "/v1/session/destroy/{id}", source="api-docs/session#delete-session")
async def destroy(call: Call) -> Reply:
    """End a session and let go of what it holds; 200 and `true`, also where there is none of this id.

    Errors: `missing-session`.
    """
    _check_id(call)
    if len(call.argument) <= _ID_CHARACTERS:
        await call.engine.propose(EndSession(call.argument))
    return Reply(body=b"true")


@endpoint("PUT", "/v1/session/renew/{id}", source="api-docs/session#renew-session")
async def renew(call: Call) -> Reply:
    """Give a session its whole TTL again; 200 and a JSON array of it.

    Query: dc; read mode and blocking are looked at as for a read, and do nothing. Errors: those of `read_options`,
    `missing-session`, `session`: there is none of this id (any more).
    """
    read_options(call)
    _check_id(call)
    return Reply(body=wire.sessions([await call.engine.sessions.renew(call.argument)]))


@endpoint("GET", "/v1/session/info/{id}", source="api-docs/session#read-session")
async def read(call: Call) -> Reply:
    """One session; 200 and a JSON array of it, or an empty one.

    Query: dc, read mode, blocking. Woken by this session alone. Errors: `missing-session`.
    """
    session_id = fold(call.argument)

    def the_one(state: State) -> Iterable[Session]:
        session = state.sessions.rows.get(session_id)
        return () if session is None else (session,)

    return await _sessions(call, "missing-session", (SESSION, session_id), the_one, index_of_now=True)


@endpoint("GET", "/v1/session/node/{node}", source="api-docs/session#list-sessions-for-node")
async def list_of_node(call: Call) -> Reply:
    """The sessions of a node, given by name; 200 and a JSON array, maybe empty.

    Query: dc, read mode, blocking. Woken by any session. Errors: `node-name`.
    """
    node = fold(call.argument)

    def of_node(state: State) -> Iterable[Session]:
        rows = state.sessions.rows
        return (rows[one] for one in sorted(state.sessions.by_node.get(node, ())))

    return await _sessions(call, "node-name", SESSIONS, of_node)


@endpoint("GET", "/v1/session/list", source="api-docs/session#list-sessions")
async def list_all(call: Call) -> Reply:
    """All sessions; 200 and a JSON array, maybe empty. Query: dc, read mode, blocking. Woken by any session."""
    return await _sessions(
        call, "", SESSIONS, lambda state: (state.sessions.rows[one] for one in sorted(state.sessions.rows))
    )


async def _sessions(
    call: Call,
    missing: str,
    topic: Topic,
    query: Callable[[State], Iterable[Session]],
    *,
    index_of_now: bool = False,
) -> Reply:
    """The answer; a lock is decided by such a read, so one without a mode asks a shared log first."""
    options = read_options(call)
    refuse_enterprise(call)
    if missing and not call.argument:
        raise InvalidRequest(missing)
    try:
        refuse_foreign_datacenter(call)
    except RequestError as error:
        raise failing_with_index(error) from None
    return await answer(
        call, topic, query, wire.sessions,
        options=options, consistency=False, newest=True, index_of_now=index_of_now,
    )  # fmt: skip


def _check_id(call: Call) -> None:
    """What comes before a write to the session in the path.

    Raises:
        InvalidRequest: `enterprise`, `missing-session`, `datacenter`.
    """
    refuse_enterprise(call)
    if not call.argument:
        raise InvalidRequest("missing-session")
    refuse_foreign_datacenter(call)
