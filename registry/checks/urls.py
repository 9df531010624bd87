"""The urls of HTTP checks: read as Go reads them, with Go's words for those it cannot.

Owns what is refused, and how a url is shown and sent. Nothing is connected here.
Source: agent.md §8.3; Go's net/url and net/http.
"""

import os
import re
from typing import NamedTuple
from urllib.parse import quote

from registry.checks.dial import is_ip
from registry.checks.gotext import quoted

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*\Z")
_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2}).{0,2}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_SENT_AS_IT_IS = "%/?:@!$&'()*+,;=-._~[]#\""
_MASK = re.compile(r"^([a-z]+://[^/?#:@]*):[^/?#@]*@")


class UrlError(Exception):
    """The url cannot be used; the text is the whole of Go's error."""


class Url(NamedTuple):
    """A url that can be asked: as it is sent, and what of it decides about the connection."""

    text: str
    scheme: str
    host: str


def read(text: str, verb: str) -> Url:
    """The url of a check. `verb` is how the method is spelt in texts.

    Raises:
        UrlError: Go would not send it.
    """
    scheme, host = _parsed(text)
    if scheme not in ("http", "https"):
        raise UrlError(f"{verb} {quoted(text)}: unsupported protocol scheme {quoted(scheme)}")
    if not host:
        raise UrlError(f"{verb} {quoted(text)}: http: no Host in request URL")
    return Url(quote(text.partition("#")[0], safe=_SENT_AS_IT_IS), scheme, host)


def _parsed(text: str) -> tuple[str, str]:
    def wrong(why: str) -> UrlError:
        return UrlError(f"parse {quoted(text)}: {why}")

    if _CONTROL.search(text):
        raise wrong("net/url: invalid control character in URL")
    if text.startswith(":"):
        raise wrong("missing protocol scheme")
    scheme, colon, rest = text.partition(":")
    if not colon or not _SCHEME.match(scheme):
        return "", ""
    authority = rest.removeprefix("//").partition("/")[0].partition("?")[0].partition("#")[0]
    host = authority.rpartition("@")[2] if rest.startswith("//") else ""
    if " " in host:
        raise wrong('invalid character " " in host name')
    name, port_colon, port = host.rpartition(":")
    if port_colon and "]" not in port and not (port == "" or (port.isascii() and port.isdigit())):
        raise wrong(f"invalid port {quoted(':' + port)} after host")
    if escape := _ESCAPE.search(rest.partition("?")[0]):
        raise wrong(f"invalid URL escape {quoted(escape[0])}")
    return scheme.lower(), (name if port_colon and "]" not in port else host)


def shown(text: str) -> str:
    """The url as errors show it: a password is not for everybody's eyes."""
    return _MASK.sub(r"\1:***@", text)


def proxy_for(url: Url) -> str | None:
    """The proxy that the environment names for the url. Never for this machine itself. Source: Go's httpproxy."""
    host = url.host.strip("[]").lower()
    if host == "localhost" or (is_ip(host) and (host.startswith("127.") or host == "::1")):
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
