"""What is wrong with the certificate of a target, in the words and in the order of Go.

Owns the few fields that those words need, and the second handshake that fetches them: OpenSSL refuses a
certificate without letting it be seen. It decides nothing; that the certificate is refused stands already.
Source: RFC 5280; the package crypto/x509 of Go, Certificate.Verify and its errors.
"""

import ipaddress
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import NamedTuple

from registry.checks.gotext import UNKNOWN_AUTHORITY

_CONSTRUCTED_CONTEXT = {0: 0xA0, 3: 0xA3}  # tags of the version and of the extensions
_UTC_TIME = 0x17
_SUBJECT_ALT_NAME = bytes.fromhex("551d11")  # 2.5.29.17
_COMMON_NAME = bytes.fromhex("550403")  # 2.5.4.3
_DNS_NAME, _IP_ADDRESS = 0x82, 0x87
_LONG_LENGTH = 0x80
_PURPOSE = 26  # X509_V_ERR_INVALID_PURPOSE


class Certificate(NamedTuple):
    """What the texts say of a certificate. `names` is None where it has no list of alternative names at all."""

    not_before: datetime
    not_after: datetime
    common_name: str
    names: tuple[str, ...] | None
    addresses: tuple[str, ...]


def problem(certificate: Certificate, host: str, now: datetime, verify_code: int = 0) -> str:
    """Why the certificate of a server that was to be `host` is refused. `verify_code`: what OpenSSL has against it."""
    at = f"current time {_shown(now)} is"
    if now < certificate.not_before:
        return f"certificate has expired or is not yet valid: {at} before {_shown(certificate.not_before)}"
    if now > certificate.not_after:
        return f"certificate has expired or is not yet valid: {at} after {_shown(certificate.not_after)}"
    if not _named(certificate, host):
        return _other_name(certificate, host)
    return "certificate specifies an incompatible key usage" if verify_code == _PURPOSE else UNKNOWN_AUTHORITY


def read(der: bytes) -> Certificate:
    """The certificate in these bytes.

    Raises:
        ValueError: it is none.
    """
    try:
        fields = _items(_content(_content(der)))
        tag, _ = first = next(fields)
        if tag != _CONSTRUCTED_CONTEXT[0]:
            fields = iter([first, *fields])  # of version 1, which does not say so
        _, _, _, validity, subject = (next(fields) for _ in range(5))  # serial, algorithm, issuer
        not_before, not_after = (_time(*item) for item in _items(validity[1]))
        names: tuple[str, ...] | None = None
        addresses: tuple[str, ...] = ()
        for tag, extensions in fields:
            if tag == _CONSTRUCTED_CONTEXT[3]:
                names, addresses = _alternative_names(extensions)
        return Certificate(not_before, not_after, _common_name(subject[1]), names, addresses)
    except (IndexError, StopIteration, UnicodeDecodeError) as error:
        raise ValueError("not a certificate") from error


def matches(pattern: str, host: str) -> bool:
    """Whether a name of a certificate, with `*` for its first label perhaps, is that of the host."""
    wanted, given = host.lower().rstrip(".").split("."), pattern.lower().rstrip(".").split(".")
    if len(wanted) != len(given):
        return False
    return (given[0] == "*" and len(given) > 1 and wanted[1:] == given[1:]) or wanted == given


def _named(certificate: Certificate, host: str) -> bool:
    if (address := _address(host)) is not None:
        return address in certificate.addresses
    return any(matches(name, host) for name in certificate.names or ())


def _other_name(certificate: Certificate, host: str) -> str:
    if _address(host) is not None:
        if not certificate.addresses:
            return f"cannot validate certificate for {host} because it doesn't contain any IP SANs"
        valid = ", ".join(certificate.addresses)
    elif certificate.names is None and matches(certificate.common_name, host):
        return "certificate relies on legacy Common Name field, use SANs instead"
    else:
        valid = ", ".join(certificate.names or ())
    if not valid:
        return f"certificate is not valid for any names, but wanted to match {host}"
    return f"certificate is valid for {valid}, not {host}"


def _address(host: str) -> str | None:
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        return None


def _shown(when: datetime) -> str:
    return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _items(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The elements in a piece of DER, each with its tag."""
    at = 0
    while at < len(data):
        tag, length = data[at], data[at + 1]
        at += 2
        if length & _LONG_LENGTH:
            size = length & ~_LONG_LENGTH
            length = int.from_bytes(data[at : at + size])
            at += size
        if at + length > len(data):
            raise IndexError(at)
        yield tag, data[at : at + length]
        at += length


def _content(data: bytes) -> bytes:
    return next(_items(data))[1]


def _time(tag: int, text: bytes) -> datetime:
    form = "%y%m%d%H%M%SZ" if tag == _UTC_TIME else "%Y%m%d%H%M%SZ"
    return datetime.strptime(text.decode("ascii"), form).replace(tzinfo=UTC)


def _common_name(subject: bytes) -> str:
    found = ""
    for _, group in _items(subject):
        for _, attribute in _items(group):
            (_, kind), (_, value) = _items(attribute)
            if kind == _COMMON_NAME:
                found = value.decode("utf-8", "replace")
    return found


def _alternative_names(extensions: bytes) -> tuple[tuple[str, ...] | None, tuple[str, ...]]:
    for _, extension in _items(_content(extensions)):
        (_, kind), *_, (_, value) = _items(extension)
        if kind == _SUBJECT_ALT_NAME:
            found = list(_items(_content(value)))
            names = tuple(name.decode("utf-8", "replace") for tag, name in found if tag == _DNS_NAME)
            return names, tuple(str(ipaddress.ip_address(name)) for tag, name in found if tag == _IP_ADDRESS)
    return None, ()
