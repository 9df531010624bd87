"""The aiohttp adapter: connections in, bytes out. The only part of the edge that knows aiohttp.

`listener.py` makes a connection for each client, `connection.py` has its requests answered, `incoming.py` are their
bodies, `streamed.py` the answers that have no end, `heads.py` the heads that are known again. What a request means is
`api/edge.py`, how clients get in `api/ports.py`.
"""

from registry.api.server.listener import Listener

__all__ = ["Listener"]
