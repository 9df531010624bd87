"""Values of any declared type: every field of every struct, filled or left out.

A command or a field that is added later is covered without a word here.
"""

from typing import Any

import msgspec.inspect
from hypothesis import strategies as st

scalars = (
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | st.text(max_size=3)
)
json_values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)


def values(of: msgspec.inspect.Type) -> st.SearchStrategy[Any]:
    """Values of a type as `msgspec.inspect` describes it."""
    match of:
        case msgspec.inspect.StructType(cls=cls, fields=fields):
            return st.builds(cls, **{field.name: values(field.type) for field in fields})
        case msgspec.inspect.UnionType(types=types):
            return st.one_of([values(one) for one in types])
        case msgspec.inspect.DictType(key_type=key, value_type=value):
            return st.dictionaries(values(key), values(value), max_size=2)
        case msgspec.inspect.VarTupleType(item_type=item):
            return st.lists(values(item), max_size=2).map(tuple)
        case msgspec.inspect.TupleType(item_types=items):
            return st.tuples(*[values(one) for one in items])
        case msgspec.inspect.StrType():
            return st.text(max_size=4)
        case msgspec.inspect.BytesType():
            return st.binary(max_size=4)
        case msgspec.inspect.LiteralType(values=some):
            return st.sampled_from(some)
        case msgspec.inspect.IntType():
            return st.integers(-(2**63), 2**64 - 1)
        case msgspec.inspect.FloatType():
            return st.floats(allow_nan=False)
        case msgspec.inspect.BoolType():
            return st.booleans()
        case msgspec.inspect.NoneType():
            return st.none()
        case msgspec.inspect.AnyType():
            return json_values
    raise TypeError(f"no values of {of!r} are known")
