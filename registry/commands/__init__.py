"""Writes: one frozen struct each, one noun per file, and their bytes (`codec.py`)."""

from registry.commands.agents import FinishTask, MoveAgent, RegisterAgent, RemoveAgent, SubmitTask, UpdateAgent
from registry.commands.autopilot import SetAutopilot
from registry.commands.catalog import Deregister, Register
from registry.commands.check import DeregisterLocalCheck, ExpireTtl, Reap, RegisterLocalCheck, UpdateCheck
from registry.commands.coordinate import PutCoordinate
from registry.commands.event import FireEvent
from registry.commands.keys import ChangeKey, KeyOp
from registry.commands.local import DeregisterLocal, LocalService, RegisterLocal, ReplaceFileRows, SetMaintenance
from registry.commands.members import SetMembers
from registry.commands.prepared import DeletePrepared, PutPrepared
from registry.commands.server import RaiseLevel, StartServer
from registry.commands.session import CreateSession, EndSession
from registry.commands.transaction import CheckOp, NodeOp, ServiceOp, Transact

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
    | ChangeKey
    | CreateSession
    | EndSession
    | Transact
    | PutPrepared
    | DeletePrepared
    | FireEvent
    | PutCoordinate
    | SetAutopilot
)

__all__ = [
    "CheckOp",
    "Command",
    "CreateSession",
    "DeletePrepared",
    "Deregister",
    "DeregisterLocal",
    "DeregisterLocalCheck",
    "EndSession",
    "ExpireTtl",
    "FinishTask",
    "FireEvent",
    "KeyOp",
    "LocalService",
    "MoveAgent",
    "NodeOp",
    "PutCoordinate",
    "PutPrepared",
    "RaiseLevel",
    "Reap",
    "Register",
    "RegisterAgent",
    "RegisterLocal",
    "RegisterLocalCheck",
    "RemoveAgent",
    "ReplaceFileRows",
    "ServiceOp",
    "SetAutopilot",
    "SetMaintenance",
    "SetMembers",
    "StartServer",
    "SubmitTask",
    "Transact",
    "UpdateAgent",
    "UpdateCheck",
    "ChangeKey",
]
