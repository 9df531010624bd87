"""The urls of HTTP checks: read as Go reads them, with Go's words for those it cannot.

Owns what is refused, and how a url is shown and sent. Nothing is connected here.
Source: agent.md §8.3; Go's net/url and net/http.
"""

import re
from base64 import b64encode
from collections.abc import Callable
from typing import NamedTuple
from urllib.parse import quote, unquote_to_bytes, urljoin

from registry.checks.dial import Address, DialError, is_ip, is_name, split
from registry.checks.gotext import quoted

_PORTS = {"http": 80, "https": 443}
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*\Z")
_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2}).{0,2}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_PORT = re.compile(r":[0-9]*\Z")
_NOT_IN_HOST = re.compile(r"[ \\^`{|}]")
_ASCII_ESCAPE = re.compile(r"%[0-7][0-9A-Fa-f]")  # in a host only other characters are escaped
_USER = re.compile(r"[A-Za-z0-9._~!$&'()*+,;=:%@-]*\Z")
_PLAIN_PATH = re.compile(r"[A-Za-z0-9._~!$&'()*+,;=:@/\[\]%-]*\Z")
_KEPT_IN_PATH = "$&+,/:;=@~"  # when a path has to be escaped
_KEPT_IN_HOST = "!$&'()*+,;=:[]<>\"%~"
_SENT_AS_IT_IS = "%/?:@!$&'()*+,;=-._~[]#\""


class UrlError(Exception):
    """The url cannot be used; the text is the whole of Go's error."""


class Parts(NamedTuple):
    """A url taken to pieces. `host` is without the brackets of IPv6 and the port; `opaque` has none at all.

    `user` is None where there is no @.
    """

    scheme: str
    user: str | None
    host: str
    port: str
    path: str
    query: str
    opaque: bool = False

    @property
    def authority(self) -> str:
        """Host and port as they were written."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}" if self.port else host


class Url(NamedTuple):
    """A url that can be asked: where to connect to, and what is said there.

    `host` is empty for this machine, `authority` is what the target is told that it is called, `user` is the name and
    the password as they were written, None without any.
    """

    scheme: str
    host: str
    port: int
    authority: str
    target: str
    user: str | None

    @property
    def address(self) -> Address:
        """Where to connect to."""
        return Address(self.host, self.port)

    @property
    def absolute(self) -> str:
        """The whole of it, as a proxy is asked for it."""
        return f"{self.scheme}://{self.authority}{self.target}"


def read(text: str, verb: str) -> Url:
    """The url of a check. `verb` is how the method is spelt in texts.

    Raises:
        UrlError: Go would not send it.
    """

    def wrong(why: str) -> UrlError:
        return UrlError(f"{verb} {quoted(shown(text))}: {why}")

    parts = parse(text)
    if parts.scheme not in _PORTS:
        raise wrong(f"unsupported protocol scheme {quoted(parts.scheme)}")
    if parts.opaque or not parts.authority:
        raise wrong("http: no Host in request URL")
    host = ascii_name(parts.host).replace("%25", "%")  # which begins the zone of an address of IPv6
    try:
        port = split(f"x:{parts.port}").port if parts.port else _PORTS[parts.scheme]
    except DialError as error:
        raise wrong(str(error)) from None
    if host and not is_ip(host) and not is_name(host):
        raise wrong(f"dial tcp: lookup {host}: no such host")
    path = quote(_escaped(parts.path) or "/", safe=_SENT_AS_IT_IS)
    target = path + quote(parts.query, safe=_SENT_AS_IT_IS)
    authority = parts._replace(host=host.partition("%")[0]).authority
    return Url(parts.scheme, host, port, authority, target, parts.user)


def basic(user: str) -> str:
    """The header by which a name and a password are said, given as a url has them. Source: RFC 7617."""
    name, _, password = user.partition(":")
    return f"Basic {b64encode(unquote_to_bytes(name) + b':' + unquote_to_bytes(password)).decode()}"


def ascii_name(host: str) -> str:
    """The name as it is asked for: one with other letters in Punycode, if it can be."""
    if host.isascii():
        return host
    try:
        return host.encode("idna").decode("ascii")
    except UnicodeError:
        return host


def parse(text: str) -> Parts:
    """The pieces of a url.

    Raises:
        UrlError: it is none.
    """

    def wrong(why: str) -> UrlError:
        return UrlError(f"parse {quoted(text)}: {why}")

    if _CONTROL.search(text):
        raise wrong("net/url: invalid control character in URL")
    if text.startswith(":"):
        raise wrong("missing protocol scheme")
    rest, _, fragment = text.partition("#")
    scheme, colon, after = rest.partition(":")
    if colon and _SCHEME.match(scheme):
        scheme, rest = scheme.lower(), after
    else:
        scheme = ""
    rest, mark, query = rest.partition("?")
    if not rest.startswith("/"):
        if not scheme and ":" in rest.partition("/")[0]:
            raise wrong("first path segment in URL cannot contain colon")
        return Parts(scheme, None, "", "", rest, mark + query, opaque=True)
    authority, path = "", rest
    if rest.startswith("//") and (scheme or not rest.startswith("///")):
        authority, slash, path = rest[2:].partition("/")
        path = slash + path
    user, at, place = authority.rpartition("@")
    host, port = _host_and_port(place, wrong)
    if at and not _USER.match(user):
        raise wrong("net/url: invalid userinfo")
    if escape := _ESCAPE.search(path) or _ESCAPE.search(fragment):
        raise wrong(f"invalid URL escape {quoted(escape[0])}")
    return Parts(scheme, user if at else None, host, port, path, mark + query)


def _host_and_port(place: str, wrong: Callable[[str], UrlError]) -> tuple[str, str]:
    if place.startswith("["):
        host, bracket, port = place[1:].rpartition("]")
        if not bracket:
            raise wrong("missing ']' in host")
    else:
        host, colon, port = place.rpartition(":")
        host, port = (host, colon + port) if colon else (place, "")
    if port and not _PORT.match(port):
        raise wrong(f"invalid port {quoted(port)} after host")
    if found := _NOT_IN_HOST.search(host):
        raise wrong(f"invalid character {quoted(found[0])} in host name")
    if not place.startswith("[") and (found := _ESCAPE.search(host) or _ASCII_ESCAPE.search(host)):
        raise wrong(f"invalid URL escape {quoted(found[0])}")
    return host, port[1:]


def _escaped(path: str) -> str:
    """The path as it is, or with everything escaped if anything in it has to be."""
    return path if _PLAIN_PATH.match(path) else quote(unquote_to_bytes(path), safe=_KEPT_IN_PATH)


def shown(text: str, *, with_user: bool = True) -> str:
    """The url as errors show it: a password is not for everybody's eyes."""
    try:
        parts = parse(text)
    except UrlError:
        return text
    scheme = f"{parts.scheme}:" if parts.scheme else ""
    if parts.opaque:
        return f"{scheme}{parts.path}{parts.query}"
    name, colon, _ = (parts.user or "").partition(":")
    user = "" if parts.user is None or not with_user else f"{name}:***@" if colon else f"{name}@"
    there = user or parts.authority or (parts.scheme and parts.path)
    place = f"//{user}{quote(parts.authority, safe=_KEPT_IN_HOST)}" if there else ""
    mark, fragment = text.partition("#")[1:]
    return f"{scheme}{place}{_escaped(parts.path)}{parts.query}{mark}{fragment}"


def joined(base: str, where: str) -> str:
    """Where a redirect leads.

    Raises:
        UrlError: it is no url.
    """
    if parse(where).scheme:
        return where
    if where.startswith("//"):
        return f"{parse(base).scheme}:{where}"
    return urljoin(base, where)
