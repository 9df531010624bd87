"""The urls of HTTP checks: read as Go reads them, with Go's words for those it cannot.

Owns what is refused, and how a url is shown and sent. Nothing is connected here.
Source: agent.md §8.3; Go's net/url and net/http.
"""

import os
import re
from collections.abc import Callable
from typing import NamedTuple
from urllib.parse import quote, unquote_to_bytes, urljoin

from registry.checks.dial import DialError, is_ip, is_name, split
from registry.checks.gotext import quoted

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
    """A url taken to pieces. `host` is without the brackets of IPv6 and the port; `opaque` has none at all."""

    scheme: str
    user: str
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
    """A url that can be asked: as it is sent, and what of it decides about the connection.

    `named` is what the target is told it is called, when that is not what is connected to.
    """

    text: str
    scheme: str
    host: str
    named: str = ""


def read(text: str, verb: str) -> Url:
    """The url of a check. `verb` is how the method is spelt in texts.

    Raises:
        UrlError: Go would not send it.
    """

    def wrong(why: str) -> UrlError:
        return UrlError(f"{verb} {quoted(shown(text))}: {why}")

    parts = parse(text)
    if parts.scheme not in ("http", "https"):
        raise wrong(f"unsupported protocol scheme {quoted(parts.scheme)}")
    if parts.opaque or not parts.authority:
        raise wrong("http: no Host in request URL")
    host = _ascii(parts.host)
    if parts.port:
        try:
            split(f"x:{parts.port}")
        except DialError as error:
            raise wrong(str(error)) from None
    if host and not is_ip(host) and not is_name(host):
        raise wrong(f"dial tcp: lookup {host}: no such host")
    where = parts._replace(host=host or "127.0.0.1").authority  # no host is this machine
    path = quote(_escaped(parts.path) or "/", safe=_SENT_AS_IT_IS)
    user = f"{quote(parts.user, safe=_SENT_AS_IT_IS)}@" if parts.user else ""
    sent = f"{parts.scheme}://{user}{where}{path}{quote(parts.query, safe=_SENT_AS_IT_IS)}"
    return Url(sent, parts.scheme, host, "" if host else f":{parts.port}")


def _ascii(host: str) -> str:
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
    rest = text.partition("#")[0]
    scheme, colon, after = rest.partition(":")
    if colon and _SCHEME.match(scheme):
        scheme, rest = scheme.lower(), after
    else:
        scheme = ""
    rest, mark, query = rest.partition("?")
    if not rest.startswith("/"):
        if not scheme and ":" in rest.partition("/")[0]:
            raise wrong("first path segment in URL cannot contain colon")
        return Parts(scheme, "", "", "", rest, mark + query, opaque=True)
    authority, path = "", rest
    if rest.startswith("//") and (scheme or not rest.startswith("///")):
        authority, slash, path = rest[2:].partition("/")
        path = slash + path
    user, at, place = authority.rpartition("@")
    host, port = _host_and_port(place, wrong)
    if at and not _USER.match(user):
        raise wrong("net/url: invalid userinfo")
    if escape := _ESCAPE.search(path):
        raise wrong(f"invalid URL escape {quoted(escape[0])}")
    return Parts(scheme, user, host, port, path, mark + query)


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


def shown(text: str) -> str:
    """The url as errors show it: a password is not for everybody's eyes."""
    try:
        parts = parse(text)
    except UrlError:
        return text
    scheme = f"{parts.scheme}:" if parts.scheme else ""
    if parts.opaque:
        return f"{scheme}{parts.path}{parts.query}"
    name, colon, _ = parts.user.partition(":")
    user = f"{name}:***@" if colon else f"{name}@" if name else ""
    there = user or parts.authority or (parts.scheme and parts.path)
    place = f"//{user}{quote(parts.authority, safe=_KEPT_IN_HOST)}" if there else ""
    mark, fragment = text.partition("#")[1:]
    return f"{scheme}{place}{_escaped(parts.path)}{parts.query}{mark}{fragment}"


def joined(base: str, where: str) -> str:
    """Where a redirect leads.

    Raises:
        UrlError: it is no url.
    """
    parse(where)
    return urljoin(base, where)


def proxy_for(url: Url) -> str | None:
    """The proxy that the environment names for the url. Never for this machine itself. Source: Go's httpproxy."""
    host = url.host.strip("[]").lower()
    if host in ("", "localhost") or (is_ip(host) and (host.startswith("127.") or host == "::1")):
        return None
    name = f"{url.scheme}_proxy"
    proxy = os.environ.get(name.upper()) or os.environ.get(name)
    if not proxy or _excepted(host, os.environ.get("NO_PROXY") or os.environ.get("no_proxy") or ""):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"


def _excepted(host: str, exceptions: str) -> bool:
    for each in (word.strip().lower() for word in exceptions.split(",")):
        if each == "*" or (each and (host == each.lstrip(".") or host.endswith("." + each.lstrip(".")))):
            return True
    return False
