"""Consul's agent configuration in JSON: which of its keys are honoured, which refuse the start, which warn.

Owns what a key means for us. A key is honoured by naming it in a row of `settings/table.py`; the tables here
hold the rest. Reading the file and putting files together is `settings/files.py`.

A key whose neglect would leave open what its author meant to close refuses the start. Any other key
that nothing here acts on is named in a warning, unless it asks for what is so anyway.

**Source**: Consul's agent configuration reference (docs/agent/config/config-files).
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from registry.errors import SettingsError
from registry.settings.files import DEFINITIONS, Contents
from registry.settings.rows import Row
from registry.settings.table import ROWS

NO_ACL = "access control is not built: everything would be allowed"
NO_TLS = "TLS is not built: requests and answers would travel in the clear"
NO_GOSSIP_KEY = "encryption between servers is not built"
NO_ENROLMENT = "handing out certificates and tokens is not built"

# Keys, or the sections above them, whose neglect would weaken security.
REFUSED = {
    "acl.enabled": NO_ACL,
    "acl_datacenter": NO_ACL,
    "audit.enabled": "the audit log is not built",
    "auto_config.enabled": NO_ENROLMENT,
    "auto_config.authorization.enabled": NO_ENROLMENT,
    "auto_encrypt.allow_tls": NO_ENROLMENT,
    "auto_encrypt.tls": NO_ENROLMENT,
    "ca_file": NO_TLS,
    "ca_path": NO_TLS,
    "cert_file": NO_TLS,
    "default_intention_policy": "intentions are not built: everything would be allowed",
    "encrypt": NO_GOSSIP_KEY,
    "key_file": NO_TLS,
    "ports.https": NO_TLS,
    "tls": NO_TLS,
    "tls_cipher_suites": NO_TLS,
    "tls_min_version": NO_TLS,
    "tls_prefer_server_cipher_suites": NO_TLS,
    "verify_incoming": NO_TLS,
    "verify_incoming_https": NO_TLS,
    "verify_incoming_rpc": NO_TLS,
    "verify_outgoing": NO_TLS,
    "verify_server_hostname": NO_TLS,
}

# Keys with the value that describes what we are and do anyway.
ALREADY_SO = {
    "bootstrap": True,
    "bootstrap_expect": 1,
    "connect.enabled": False,
    "default_intention_policy": "allow",
    "disable_anonymous_signature": True,
    "disable_remote_exec": True,
    "disable_update_check": True,
    "enable_debug": False,
    "enable_syslog": False,
    "server": True,
    "ui": False,
    "ui_config.enabled": False,
}


def _unless_every_address(value: Any) -> Any:
    """`bind_addr` is what Consul advertises by default, but for the addresses that mean every one."""
    return "" if value in ("0.0.0.0", "::", "[::]") else value


def _log_format(value: Any) -> Any:
    return {True: "json", False: ""}.get(value, value) if isinstance(value, bool) else value


def _enabled_port(value: Any) -> Any:
    if isinstance(value, int) and value <= 0:
        raise ValueError("the HTTP interface cannot be turned off")
    return value


TRANSLATIONS: dict[str, Callable[[Any], Any]] = {
    "bind_addr": _unless_every_address,
    "log_json": _log_format,
    "ports.http": _enabled_port,
}

HONOURED: dict[str, tuple[Row, int]] = {
    key: (row, rank) for row in ROWS.values() for rank, key in enumerate(row.consul)
}


def take_consul(document: Mapping[str, Any], path: str, found: Contents) -> None:
    """Add what one file of Consul's agent configuration says to `found`.

    Raises:
        SettingsError: a value that cannot be used, or a key that must not be neglected.
    """
    for key, value in _leaves(document):
        if key in DEFINITIONS:
            found.define(key, value, path)
        elif key in HONOURED:
            _take_honoured(key, value, f"{path}: {key}", found)
        elif reason := _refusal(key, value):
            raise SettingsError(f"{path}: {key}", reason)
        elif not _asks_for_nothing(key, value):
            found.unhonoured.append(f"{path}: {key}")


def _take_honoured(key: str, value: Any, where: str, found: Contents) -> None:
    row, rank = HONOURED[key]
    if key in TRANSLATIONS:
        try:
            value = TRANSLATIONS[key](value)
        except ValueError as problem:
            raise SettingsError(where, str(problem)) from None
    found.set(row, value, where, rank)


def _leaves(section: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """The keys of a document with the sections above them, lower case as Consul compares them.

    A section may stand in a list, which is what HCL becomes when it is turned into JSON.
    """
    for name, value in section.items():
        key = above + name.lower()
        if value is None:
            continue
        parts = value if isinstance(value, list) else [value]
        if key in DEFINITIONS or key in HONOURED or not all(isinstance(part, dict) for part in parts):
            yield key, value
        elif not parts or parts == [{}]:
            yield key, {}
        else:
            for part in parts:
                yield from _leaves(part, key + ".")


def _refusal(key: str, value: Any) -> str:
    """Why this key must not be neglected; empty where neglecting it does no harm."""
    if ALREADY_SO.get(key) == value:
        return ""
    if not (value > 0 if isinstance(value, int | float) else value):
        return ""
    sections = [key]
    while "." in sections[-1]:
        sections.append(sections[-1].rpartition(".")[0])
    return next((REFUSED[section] for section in sections if section in REFUSED), "")


def _asks_for_nothing(key: str, value: Any) -> bool:
    """Whether a key that is not honoured wants nothing, nothing more than is so, or a port we do not open."""
    if value in ("", [], {}) or (key in ALREADY_SO and ALREADY_SO[key] == value):
        return True
    off = isinstance(value, int) and value <= 0
    return off and (key in REFUSED or key.startswith(("ports.", "tls.")))
