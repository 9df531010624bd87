"""Writes: one frozen struct each, one noun per file, and their bytes (`codec.py`)."""

from registry.commands.catalog import Deregister, Register
from registry.commands.check import DeregisterLocalCheck, ExpireTtl, Reap, RegisterLocalCheck, UpdateCheck
from registry.commands.local import DeregisterLocal, LocalService, RegisterLocal, ReplaceFileRows, SetMaintenance
from registry.commands.members import SetMembers
from registry.commands.server import RaiseLevel, StartServer

Command = (
    Register
    | Deregister
    | RegisterLocal
    | DeregisterLocal
    | SetMaintenance
    | ReplaceFileRows
    | RegisterLocalCheck
    | DeregisterLocalCheck
    | UpdateCheck
    | ExpireTtl
    | Reap
    | StartServer
    | RaiseLevel
    | SetMembers
)

__all__ = [
    "Command",
    "Deregister",
    "DeregisterLocal",
    "DeregisterLocalCheck",
    "ExpireTtl",
    "LocalService",
    "RaiseLevel",
    "Reap",
    "Register",
    "RegisterLocal",
    "RegisterLocalCheck",
    "ReplaceFileRows",
    "SetMaintenance",
    "SetMembers",
    "StartServer",
    "UpdateCheck",
]
