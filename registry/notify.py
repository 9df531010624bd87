"""Telling whoever started this process how it is: the protocol of systemd's `sd_notify`.

Owns the one datagram. Without a `NOTIFY_SOCKET` in the environment nobody wants to know, and nothing happens.
Source: sd_notify(3).
"""

import os
import socket
import time

VARIABLE = "NOTIFY_SOCKET"


def ready() -> None:
    """Requests are answered from now on, also after a reload."""
    _tell("READY=1")


def reloading() -> None:
    """The configuration is being read again; `ready` ends it."""
    _tell(f"RELOADING=1\nMONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")


def stopping() -> None:
    """The end has begun."""
    _tell("STOPPING=1")


def _tell(state: str) -> None:
    """Send it and forget it: a listener that has gone is no trouble of ours."""
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
