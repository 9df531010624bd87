"""What a filter says once it has been read: a tree of comparisons joined by and, or and not.

Owns the shape of the tree. Reading text is `grammar.py`; what a comparison means for a row is `comparison.py`.
"""

from enum import StrEnum

from msgspec import Struct


class Operator(StrEnum):
    """The comparisons, by the names Consul's errors give them; `contains` is IN with its sides exchanged."""

    EQUAL = "Equal"
    NOT_EQUAL = "Not Equal"
    IN = "In"
    NOT_IN = "Not In"
    IS_EMPTY = "Is Empty"
    IS_NOT_EMPTY = "Is Not Empty"
    MATCHES = "Matches"
    NOT_MATCHES = "Not Matches"


class Match(Struct, frozen=True):
    """One comparison. `selector` is the path of names and keys; `value` the text it is compared with, if any."""

    selector: tuple[str, ...]
    operator: Operator
    value: str = ""


class Not(Struct, frozen=True):
    """True if its operand is false."""

    operand: "Expression"


class And(Struct, frozen=True):
    """True if all its operands are; there are at least two, evaluated from left to right."""

    operands: tuple["Expression", ...]


class Or(Struct, frozen=True):
    """True if any of its operands is; there are at least two, evaluated from left to right."""

    operands: tuple["Expression", ...]


Expression = Match | Not | And | Or
