"""The limits of service metadata.

Owns which pairs may be stored and the text that names the first one that may not. Metadata of nodes has
no limits in the catalog.
Source: Consul's docs/agent/config (node metadata); agent.md §6 step 5.
"""

import re
from collections.abc import Mapping

MAX_PAIRS, MAX_KEY_BYTES, MAX_VALUE_BYTES = 64, 128, 512
RESERVED_PREFIX = "consul-"

_MESH_GATEWAY = "mesh-gateway"
_MESH_GATEWAY_KEY = "consul-wan-federation"  # the one reserved key that a mesh gateway may set
_KEY = re.compile(r"[a-zA-Z0-9_-]+")


def meta_problem(meta: Mapping[str, str] | None, kind: str, *, reserved: bool = False) -> str | None:
    """What is wrong with the metadata of an instance of this kind, or None; `reserved` says that any key may be."""
    if not meta:
        return None
    if len(meta) > MAX_PAIRS:
        return f"Node metadata cannot contain more than {MAX_PAIRS} key/value pairs"
    for key, value in meta.items():
        problem = _pair_problem(key, value, kind, reserved)
        if problem is not None:
            return f"Couldn't load metadata pair ('{key}', '{value}'): {problem}"
    return None


def _pair_problem(key: str, value: str, kind: str, reserved: bool) -> str | None:
    if not key:
        return "Key cannot be blank"
    if _KEY.fullmatch(key) is None:
        return "Key contains invalid characters"
    if len(key) > MAX_KEY_BYTES:  # only ASCII by now
        return f"Key is too long (limit: {MAX_KEY_BYTES} characters)"
    reserved = reserved or (kind == _MESH_GATEWAY and key == _MESH_GATEWAY_KEY)
    if key.startswith(RESERVED_PREFIX) and not reserved:
        return f"Key prefix '{RESERVED_PREFIX}' is reserved for internal use"
    if len(value) > MAX_VALUE_BYTES // 4 and len(value.encode()) > MAX_VALUE_BYTES:
        return f"Value is too long (limit: {MAX_VALUE_BYTES} characters)"
    return None
