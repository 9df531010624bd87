"""What a worker is given at its birth."""

import socket
from typing import NamedTuple


class Place(NamedTuple):
    """A worker's place among the workers: its number from 1, how many there are, their ports, its end of the line."""

    number: int
    workers: int
    ports: tuple[int, ...]
    line: socket.socket
