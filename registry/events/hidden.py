"""Secrets kept out of what is logged: passwords and tokens in URLs, and headers that carry them.

Owns what a secret looks like in text that someone else wrote. When in doubt it masks: a value whose name only looks
like that of a secret is masked too. The passwords in our own settings are `settings/secrets.py`.
Source: Consul's log shows `?token=` of a request as `<hidden>`.
"""

import re
from urllib.parse import unquote

HIDDEN = "<hidden>"
_SECRET = re.compile(r"token|passw|secret|api[-_]?key|credential", re.IGNORECASE)
_CREDENTIALS = re.compile(r"(://[^\s:@/?#'\"]*):[^\s?#'\"]*@")
_PARAMETER = re.compile(r"([?&;])([^=&;#\s'\"]+)=([^&;#\s'\"]+)")
_HEADER = re.compile(r"(?i)((?:authorization|x-consul-token|cookie)\b['\"]?\s*[:=]\s*[\[(]?\s*['\"]?)[^'\"\r\n]+")
_QUOTED = re.compile(r'"(?:\\.|[^"\\])*"|\'(?:\\.|[^\'\\])*\'')


def without_secrets(text: str) -> str:
    """The text with everything masked that may be a secret."""
    if "://" in text:
        text = _CREDENTIALS.sub(rf"\1:{HIDDEN}@", text)
    if "=" in text and ("?" in text or "&" in text):
        text = _PARAMETER.sub(_parameter, text)
    lowered = text.lower()
    if "authorization" in lowered or "token" in lowered or "cookie" in lowered:
        text = _HEADER.sub(rf"\1{HIDDEN}", text)
    return text


def without_values(text: str) -> str:
    """The text of a problem without what it quotes, which comes from the caller and may be a secret."""
    return without_secrets(_QUOTED.sub('"…"', text))


def _parameter(found: re.Match[str]) -> str:
    before, name, _ = found.groups()
    return f"{before}{name}={HIDDEN}" if _SECRET.search(unquote(name)) else found[0]
