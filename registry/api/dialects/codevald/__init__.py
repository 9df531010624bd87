"""CodeValdCortex's agent runtime: REST under `/api/v1`.

Source: dialects.md §4.
"""

from registry.api.dialects.codevald import agents, lifecycle, status, tasks
from registry.api.dialects.codevald.routes import WORDS, endpoint
from registry.api.rest import RestDialect

AREAS = (agents, lifecycle, tasks, status)  # whose endpoints are in the table by now


def codevald(allow_write_from: tuple[str, ...] = ()) -> RestDialect:
    """The dialect of the main listener. `DELETE /api/v1/agents/{id}` is OptiInfra's variant's, which goes before it.

    Args:
        allow_write_from: networks that may write; none named: all.
    """
    return RestDialect("codevald", endpoint, WORDS, owned=("/api/v1",), allow_write_from=allow_write_from)
