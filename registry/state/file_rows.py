"""Instances and checks that are defined in configuration files: all of them are replaced by one command.

Owns which rows come and which leave. How each one is written is `state/local.py`. Source: `DESIGN.md` §3, one table.
"""

from collections.abc import Iterable

from registry.commands import RegisterLocal, ReplaceFileRows
from registry.errors import NotFound, RequestError
from registry.model.check import Check
from registry.model.names import fold
from registry.model.service import Instance, Local
from registry.state.local import local_unchanged, parts_of, write_registration
from registry.state.local_checks import same_local_check, write_local_check
from registry.state.rows import Rows
from registry.state.server import restore_own_rows
from registry.state.sidecars import with_sidecar

_FROM_FILE = Local("file")


def replace_file_rows(rows: Rows, index: int, time: float, command: ReplaceFileRows) -> None:
    """Make the rows of files exactly these; checks that stay keep their status. Ids are compared in any case.

    Raises:
        InvalidRequest: `sidecar-ports`, `sidecar-ports-disabled`; NotFound: `check-service`.
    """
    planned, leaving = _planned(rows, command)
    parts = [part for one in planned for part in parts_of(one)]
    kept_checks = {fold(check.id): None for part in parts for check in part.checks}
    kept_checks.update((fold(check.id), None) for check in command.checks)

    for instance in leaving:
        rows.remove_instance(index, instance)
    for check in _checks_of_files(rows):
        if fold(check.id) not in kept_checks:
            rows.remove_check(index, check)
    for one in planned:
        write_registration(rows, index, one, _FROM_FILE)
    for check in command.checks:
        write_local_check(rows, index, check, _FROM_FILE)
    restore_own_rows(rows, index)


def file_rows_refused(rows: Rows, command: ReplaceFileRows) -> bool:
    """Whether the command would be refused, for want of a port or of the service of a check."""
    try:
        _planned(rows, command)
    except RequestError:
        return True
    return False


def file_rows_unchanged(rows: Rows, command: ReplaceFileRows) -> bool:
    """Whether the rows of files are exactly these already."""
    services = {one.id: None for one in _rows_of_files(rows)}
    checks = {one.id: None for one in _checks_of_files(rows)}
    for one in command.services:
        for part in parts_of(one):
            services.pop(part.service.id, None)
            _drop_all(checks, part.checks)
    _drop_all(checks, command.checks)
    gone = bool(services or checks)
    return not gone and all(local_unchanged(rows, one, _FROM_FILE.origin) for one in command.services) and all(
        same_local_check(rows, one, rows.local_service(one.service_id), _FROM_FILE) for one in command.checks
    )  # fmt: skip


def _planned(rows: Rows, command: ReplaceFileRows) -> tuple[list[RegisterLocal], list[Instance]]:
    """The registrations with their sidecars complete, and the instances that leave.

    Raises:
        As `replace_file_rows`.
    """
    taken: dict[int, None] = {}
    planned = [with_sidecar(rows, one, taken) for one in command.services]
    parts = [part for one in planned for part in parts_of(one)]
    ids = {fold(part.service.id): None for part in parts}
    leaving = {instance.id: instance for instance in _rows_of_files(rows) if fold(instance.id) not in ids}
    staying = {fold(one): None for one in rows.local_ids if one not in leaving}
    for check in command.checks:
        service = fold(check.service_id)
        if service and service not in ids and service not in staying:
            raise NotFound("check-service", id=check.service_id)
    return planned, list(leaving.values())


def _drop_all(ids: dict[str, None], checks: Iterable[Check]) -> None:
    for check in checks:
        ids.pop(check.id, None)


def _rows_of_files(rows: Rows) -> list[Instance]:
    found = (rows.instances[node][key] for node, key in rows.local_ids.values())
    return [one for one in found if one.local is not None and one.local.origin == _FROM_FILE.origin]


def _checks_of_files(rows: Rows) -> list[Check]:
    found = (rows.checks[node][key] for node, key in rows.local_check_ids.values())
    return [one for one in found if one.local is not None and one.local.origin == _FROM_FILE.origin]
