"""OptiInfra's agent registry: REST under `/agents`, and the variant that some of its agents speak.

Source: dialects.md §3.
"""

from registry.api.dialects.optiinfra import agents, variant
from registry.api.dialects.optiinfra.routes import WORDS, endpoint
from registry.api.rest import RestDialect

AREAS = (agents, variant)  # whose endpoints are in the table by now


def optiinfra(allow_write_from: tuple[str, ...] = ()) -> RestDialect:
    """The dialect of the main listener.

    Args:
        allow_write_from: networks that may write; none named: all.
    """
    return RestDialect("optiinfra", endpoint, WORDS, owned=("/agents",), allow_write_from=allow_write_from)
