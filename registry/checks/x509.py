"""What is wrong with the certificate of a target, in the words and in the order of Go.

Owns the words and the few fields that they need. It decides nothing; that the certificate is refused stands already.
Source: RFC 5280; the package crypto/x509 of Go, Certificate.Verify and its errors.
"""

import contextlib
import ipaddress
from datetime import UTC, datetime
from typing import NamedTuple

from registry.checks.gotext import UNKNOWN_AUTHORITY

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
    """The certificate in these bytes. The first time it takes long: the library is loaded then.

    Raises:
        ValueError: it is none.
    """
    from cryptography import x509  # 8 MB that nobody needs before a certificate is refused

    found = x509.load_der_x509_certificate(der)
    common = found.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    names: tuple[str, ...] | None = None
    addresses: tuple[str, ...] = ()
    with contextlib.suppress(x509.ExtensionNotFound):
        listed = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        names = tuple(listed.get_values_for_type(x509.DNSName))
        addresses = tuple(map(str, listed.get_values_for_type(x509.IPAddress)))
    common_name = str(common[-1].value) if common else ""
    return Certificate(found.not_valid_before_utc, found.not_valid_after_utc, common_name, names, addresses)


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
