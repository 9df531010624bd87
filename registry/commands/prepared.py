"""Writes of prepared queries. Source: event_query_coordinate.md §B; the rules are in `state/prepared.py`."""

from msgspec import Struct

from registry.model.prepared import PreparedQuery


class PutPrepared(Struct, frozen=True, gc=False, omit_defaults=True, tag="put-prepared"):
    """Store a query under its id: a new one, or else in place of the one that must be there.

    `problem` is what is wrong with its template, found before it is known whether anything else is; "" for nothing.
    """

    query: PreparedQuery
    new: bool = False
    problem: str = ""


class DeletePrepared(Struct, frozen=True, gc=False, omit_defaults=True, tag="delete-prepared"):
    """Remove the query of this id, which must be there."""

    query_id: str
