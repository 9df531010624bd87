"""Telling whoever started this process how far it is: the protocol of systemd's `sd_notify`.

Owns the one datagram. Without a `NOTIFY_SOCKET` in the environment nothing is sent.
Source: sd_notify(3).
"""

import os
import socket
import time

VARIABLE = "NOTIFY_SOCKET"


def ready() -> None:
    """Say that requests are answered from now on; also ends a reload."""
    _tell("READY=1")


def reloading() -> None:
    """Say that the configuration is being read again, until `ready`."""
    _tell(f"RELOADING=1\nMONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")


def stopping() -> None:
    """Say that the server has begun to shut down."""
    _tell("STOPPING=1")


def _tell(state: str) -> None:
    """Send a message without waiting; a listener that is gone does not matter."""
    address = os.environ.get(VARIABLE)
    if not address:
        return
    if address.startswith("@"):  # a name in the abstract namespace
        address = "\0" + address[1:]
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
            sender.setblocking(False)
            sender.sendto(state.encode(), address)
    except OSError:
        return
