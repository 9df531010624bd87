"""How the network failures of this machine read in Consul's outputs, which are those of Go.

Owns the sentences for errors of sockets and of TLS. What stands before and after them belongs to each type;
what is wrong with a certificate is said by x509.py.
Source: agent.md §8.3; the packages net, crypto/tls and strconv of Go.
"""

import errno
import os
import ssl

DEADLINE = "context deadline exceeded"
UNKNOWN_AUTHORITY = "certificate signed by unknown authority"
_NOT_TLS = frozenset({"WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG", "UNEXPECTED_MESSAGE"})
_ESCAPES = {
    "\\": "\\\\", '"': '\\"', "\a": "\\a", "\b": "\\b", "\f": "\\f",
    "\n": "\\n", "\r": "\\r", "\t": "\\t", "\v": "\\v",
}  # fmt: skip
_LAST_ASCII, _LAST_SHORT = 0x7F, 0xFFFF


def quoted(text: str) -> str:
    """The text as Go's %q shows it."""
    return f'"{"".join(_quoted(character) for character in text)}"'


def _quoted(character: str) -> str:
    if (escape := _ESCAPES.get(character)) is not None:
        return escape
    if character.isprintable():
        return character
    number = ord(character)
    if number <= _LAST_ASCII:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number <= _LAST_SHORT else f"\\U{number:08x}"


def errno_text(error: OSError) -> str:
    """What the system says about the error, as Go spells it."""
    if error.errno is None:
        return str(error)
    if error.errno not in errno.errorcode:
        return error.strerror or str(error)
    said = os.strerror(error.errno)
    return said[:1].lower() + said[1:]


def refused_text(why: str) -> str:
    """The certificate of the other side is refused."""
    return f"tls: failed to verify certificate: x509: {why}"


def tls_text(error: BaseException, path: str = "") -> str:
    """What went wrong in a TLS handshake. `path`: the ends of the connection, as `ours->theirs`."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return refused_text(UNKNOWN_AUTHORITY)
    if isinstance(error, ssl.SSLEOFError) or not isinstance(error, ssl.SSLError):
        return peer_text(error, path)
    reason = error.reason or ""
    if reason in _NOT_TLS:
        return "tls: first record does not look like a TLS handshake"
    words = reason.removeprefix("SSLV3_").removeprefix("TLSV1_").removeprefix("TLSV13_")
    if "ALERT_" in words:
        return f"remote error: tls: {words.removeprefix('ALERT_').lower().replace('_', ' ')}"
    return f"tls: {words.lower().replace('_', ' ') or error}"


def peer_text(error: BaseException, path: str = "") -> str:
    """What went wrong with a connection that had been made. `path`: its ends, as `ours->theirs`."""
    if isinstance(error, EOFError | ssl.SSLEOFError):
        return "EOF"
    if isinstance(error, ssl.SSLError):  # whose number is none of the system's
        return tls_text(error)
    if isinstance(error, OSError) and error.errno is not None:
        doing = "write" if error.errno == errno.EPIPE else "read"
        return f"{doing} tcp {path}: {doing}: {errno_text(error)}" if path else f"{doing}: {errno_text(error)}"
    return "EOF" if isinstance(error, ConnectionError) else str(error)
