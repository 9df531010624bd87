"""Writes of prepared queries. Source: event_query_coordinate.md §B; the rules are in `state/prepared.py`."""

from msgspec import Struct

from registry.model.prepared import PreparedQuery


class PutPrepared(Struct, frozen=True, gc=False, omit_defaults=True, tag="put-prepared"):
    """Store a query under its id: a new one, or else in place of one that must exist.

    `problem` says what is wrong with its template, "" for nothing. It is found at the edge, but other faults, which
    only the state can find, are reported first.
    """

    query: PreparedQuery
    new: bool = False
    problem: str = ""


class DeletePrepared(Struct, frozen=True, gc=False, omit_defaults=True, tag="delete-prepared"):
    """Remove the query with this id, which must exist."""

    query_id: str
