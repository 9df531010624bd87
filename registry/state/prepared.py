"""Which prepared queries may be stored. Source: event_query_coordinate.md §B.2."""

from msgspec.structs import replace

from registry.commands import DeletePrepared, PutPrepared
from registry.errors import Conflict, InvalidRequest, NotFound
from registry.model.names import fold
from registry.model.prepared import PreparedQuery
from registry.state.rows import Rows


def put_prepared(rows: Rows, index: int, time: float, command: PutPrepared) -> None:
    """Store a query.

    Raises:
        NotFound: `prepared-missing`: it replaces nothing.
        Conflict: `prepared-name`, `prepared-name-is-id`, `prepared-catch-all`: its name is taken.
        InvalidRequest: `prepared-session`: it is bound to no session; `prepared-template`: its template is wrong.
    """
    query, table = command.query, rows.prepared
    old = table.rows.get(query.id)
    if old is None and not command.new:
        raise NotFound("prepared-missing", id=query.id)
    _refuse_name(rows, query)
    if query.session and fold(query.session) not in rows.sessions.rows:
        raise InvalidRequest("prepared-session", session=query.session)
    if command.problem:
        raise InvalidRequest("prepared-template", problem=command.problem)
    created = old.create_index if old is not None else index
    rows.put_prepared(index, replace(query, create_index=created, modify_index=index))


def delete_prepared(rows: Rows, index: int, time: float, command: DeletePrepared) -> None:
    """Remove a query.

    Raises:
        NotFound: `prepared-missing`.
    """
    query = rows.prepared.rows.get(fold(command.query_id))
    if query is None:
        raise NotFound("prepared-missing", id=command.query_id)
    rows.remove_prepared(index, query)


def _refuse_name(rows: Rows, query: PreparedQuery) -> None:
    table = rows.prepared
    if query.name:
        if table.names.get(fold(query.name), query.id) != query.id:
            raise Conflict("prepared-name", name=query.name)
        if fold(query.name) in table.rows and fold(query.name) != query.id:
            raise Conflict("prepared-name-is-id", name=query.name)
    elif query.is_template and table.templates.get("", query.id) != query.id:
        raise Conflict("prepared-catch-all")
