"""What a start refuses before it touches the store: ports that are taken, and a gRPC server that cannot run.

Binding here is a trial: the address is released at once. The real sockets are opened by `listening.py`.
"""

import importlib.util
import os
import socket

from registry.errors import SettingsError
from registry.settings import Settings

_FLAGS = {"http": "--bind, --http-port", "grpc": "--grpc-bind, --grpc-port"}
_GRPC_MODULES = ("grpc", "grpc_health", "grpc_reflection", "google.protobuf")


def refuse_taken_ports(settings: Settings) -> None:
    """Check that every port of the settings is free.

    Raises:
        OSError: one of them is not; names the address and the flags that change it.
    """
    for port in settings.http_ports:
        _refuse_taken(settings.bind, port, "http")
    if settings.grpc_port is not None:
        _refuse_taken(settings.grpc_bind or settings.bind, settings.grpc_port, "grpc")


def refuse_unusable_grpc(settings: Settings) -> None:
    """Check that the gRPC server, where the settings ask for one, can run.

    Raises:
        SettingsError: its port cannot be shared by workers, or a package that it needs is not installed.
    """
    if settings.grpc_port is None:
        return
    if settings.grpc_port == 0 and settings.workers > 1:
        raise SettingsError("grpc_port", "0 would be another port for each worker; name one")
    missing = [name for name in _GRPC_MODULES if not _installed(name)]
    if missing:
        raise SettingsError("grpc_port", f"{', '.join(missing)} is not installed; pip install 'registry[grpc]'")


def _refuse_taken(host: str, port: int, kind: str) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.create_server((host, port), family=family).close()
    except OSError as error:
        where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        raise OSError(f"cannot listen on {where} ({_FLAGS[kind]}): {os.strerror(error.errno or 0)}") from None


def _installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # of its parent
        return False
