"""How the network failures of this machine read in Consul's outputs, which are those of Go.

Owns the sentences for errors of sockets and of TLS. What stands before and after them belongs to each type.
Source: agent.md §8.3; the packages net, crypto/tls and crypto/x509 of Go.
"""

import errno
import json
import os
import ssl

DEADLINE = "context deadline exceeded"
_NOT_TLS = frozenset({"WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG", "UNEXPECTED_MESSAGE"})
_EXPIRED = frozenset({9, 10})  # X509_V_ERR_CERT_NOT_YET_VALID, X509_V_ERR_CERT_HAS_EXPIRED
_OTHER_NAME = frozenset({62, 64})  # X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH


def quoted(text: str) -> str:
    """The text as Go's %q shows it."""
    return json.dumps(text, ensure_ascii=False)


def errno_text(error: OSError) -> str:
    """What the system says about the error, as Go spells it."""
    if error.errno is None:
        return str(error)
    if error.errno not in errno.errorcode:
        return error.strerror or str(error)
    said = os.strerror(error.errno)
    return said[:1].lower() + said[1:]


def tls_text(error: BaseException, server_name: str) -> str:
    """What went wrong in a TLS handshake with a server that was to have this name."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"tls: failed to verify certificate: x509: {_certificate_text(error, server_name)}"
    if isinstance(error, ssl.SSLEOFError) or not isinstance(error, ssl.SSLError):
        return peer_text(error)
    reason = error.reason or ""
    if reason in _NOT_TLS:
        return "tls: first record does not look like a TLS handshake"
    words = reason.removeprefix("SSLV3_").removeprefix("TLSV1_").removeprefix("TLSV13_")
    if "ALERT_" in words:
        return f"remote error: tls: {words.removeprefix('ALERT_').lower().replace('_', ' ')}"
    return f"tls: {words.lower().replace('_', ' ') or error}"


def _certificate_text(error: ssl.SSLCertVerificationError, server_name: str) -> str:
    if error.verify_code in _EXPIRED:
        return "certificate has expired or is not yet valid"
    if error.verify_code in _OTHER_NAME:
        return f"certificate is valid for other names, not {server_name}"
    return "certificate signed by unknown authority"


def peer_text(error: BaseException) -> str:
    """What went wrong with a connection that had been made."""
    if isinstance(error, EOFError | ssl.SSLEOFError):
        return "EOF"
    if isinstance(error, OSError) and error.errno is not None:
        return f"read: {errno_text(error)}"
    return "EOF" if isinstance(error, ConnectionError) else str(error)
