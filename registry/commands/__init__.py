"""Writes: one frozen struct each, one noun per file, and their bytes (`codec.py`)."""

from registry.commands.agents import FinishTask, MoveAgent, RegisterAgent, RemoveAgent, SubmitTask, UpdateAgent
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
    | RegisterAgent
    | UpdateAgent
    | MoveAgent
    | RemoveAgent
    | SubmitTask
    | FinishTask
)

__all__ = [
    "Command",
    "Deregister",
    "DeregisterLocal",
    "DeregisterLocalCheck",
    "ExpireTtl",
    "FinishTask",
    "LocalService",
    "MoveAgent",
    "RaiseLevel",
    "Reap",
    "Register",
    "RegisterAgent",
    "RegisterLocal",
    "RegisterLocalCheck",
    "RemoveAgent",
    "ReplaceFileRows",
    "SetMaintenance",
    "SetMembers",
    "StartServer",
    "SubmitTask",
    "UpdateAgent",
    "UpdateCheck",
]
