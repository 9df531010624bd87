"""The language of `filter=`: which rows a client wants, in words like `Meta.rack == r1 and "v2" in Tags`.

Owns reading, checking and running such an expression over rows of any shape. Which names it may use comes from
the dialect, as tables of selectors (`selectors.py`); what stands before the text of an error is the dialect's too.
"""

from registry.model.filter.grammar import parsed
from registry.model.filter.program import compiled
from registry.model.filter.selectors import (
    Field,
    Selectors,
    boolean,
    integer,
    mapping,
    objects,
    record,
    text,
    texts,
    unsigned,
)

__all__ = [
    "Field",
    "Selectors",
    "boolean",
    "compiled",
    "integer",
    "mapping",
    "objects",
    "parsed",
    "record",
    "text",
    "texts",
    "unsigned",
]
