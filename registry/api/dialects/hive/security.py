"""Who may call: certificates of both sides, and signed tokens that name a SPIFFE id.

Owns reading keys and certificates from files, and judging a token. Health and reflection need no token.
Source: dialects.md §5.6; https://github.com/spiffe/spiffe/blob/main/standards/JWT-SVID.md
"""

import json
from collections.abc import Callable
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import grpc

from registry.errors import PermissionDenied, SettingsError

_ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]


class Tokens:
    """What callers must show: a token that one of our keys signed, for our audience, of somebody who may."""

    def __init__(
        self,
        keys: dict[str, Any],
        *,
        audience: str,
        trust_domain: str,
        rules: tuple[str, ...],
        now: Callable[[], float],
    ) -> None:
        """Args:
        keys: by their ids, "" for one without.
        rules: `<method>=<SPIFFE id>`, both patterns with `*`; none: whoever has a token may call everything.
        """
        self._keys = keys
        self._audience = audience
        self._prefix = f"spiffe://{trust_domain}/"
        self._rules = [tuple(rule.split("=", 1)) for rule in rules]
        self._now = now

    def admit(self, method: str, authorization: str) -> None:
        """Let a caller pass.

        Raises:
            PermissionDenied: `token`, it shows none that is valid; `token-method`, this method is not for it.
        """
        subject = str(self._claims(authorization)["sub"])
        if not subject.startswith(self._prefix):
            raise PermissionDenied("token", problem="the subject is of another trust domain")
        allowed = not self._rules or any(
            fnmatchcase(method, rule[0]) and fnmatchcase(subject, rule[1]) for rule in self._rules
        )
        if not allowed:
            raise PermissionDenied("token-method", subject=subject, method=method)

    def _claims(self, authorization: str) -> dict[str, Any]:
        import jwt  # only where tokens are asked for

        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise PermissionDenied("token", problem="a bearer token is required")
        try:
            kid = jwt.get_unverified_header(token).get("kid", "")
            key = self._keys[kid] if kid in self._keys else self._keys[""]
            claims: dict[str, Any] = jwt.decode(
                token, key, algorithms=_ALGORITHMS, audience=self._audience,
                options={"require": ["sub", "aud", "exp"], "verify_exp": False, "verify_nbf": False,
                         "verify_iat": False},
            )  # fmt: skip
            expires, begins = float(claims["exp"]), float(claims.get("nbf", 0))
        except KeyError:
            raise PermissionDenied("token", problem="nobody knows the key that signed it") from None
        except (jwt.PyJWTError, TypeError, ValueError) as error:
            raise PermissionDenied("token", problem=str(error)) from None
        if not begins <= self._now() < expires:
            raise PermissionDenied("token", problem="the token has expired, or is not valid yet")
        return claims


def tokens_of(settings: Any, now: Callable[[], float]) -> Tokens | None:
    """What the settings ask callers to show; None when it is nothing. Reads a file.

    Raises:
        SettingsError: the keys cannot be read, or PyJWT is missing.
    """
    if not settings.grpc_jwt_keys_file:
        if settings.grpc_allow:
            raise SettingsError("grpc_allow", "needs grpc_jwt_keys_file: without tokens nobody is known")
        return None
    domain = settings.grpc_trust_domain
    audience = settings.grpc_jwt_audience or f"service-registry.{domain}"
    return Tokens(
        _keys(settings.grpc_jwt_keys_file), audience=audience, trust_domain=domain, rules=settings.grpc_allow, now=now,
    )  # fmt: skip


def _keys(path: str) -> dict[str, Any]:
    """The keys of a PEM file, or of a JSON Web Key Set."""
    try:
        import jwt
    except ImportError:
        raise SettingsError("grpc_jwt_keys_file", "needs PyJWT: pip install 'registry[grpc]'") from None
    data = _read("grpc_jwt_keys_file", path)
    try:
        if data.lstrip().startswith(b"{"):
            found = jwt.PyJWKSet.from_dict(json.loads(data)).keys
            return {key.key_id or "": key for key in found}
        from cryptography.hazmat.primitives.serialization import load_pem_public_key

        return {"": load_pem_public_key(data)}
    except (jwt.PyJWTError, ValueError) as error:
        raise SettingsError("grpc_jwt_keys_file", f"{path}: {error}") from None


def credentials_of(settings: Any) -> Any:
    """The server's credentials; None for plain text. Reads files.

    With a bundle of authorities callers must show a certificate that one of them has signed.

    Raises:
        SettingsError: a file cannot be read, or one of two is missing.
    """
    certificate, key, authorities = settings.grpc_cert_file, settings.grpc_key_file, settings.grpc_client_ca_file
    if not certificate and not key and not authorities:
        return None
    if not certificate or not key:
        missing = "grpc_key_file" if certificate else "grpc_cert_file"
        raise SettingsError(missing, "is needed, as certificate and key belong together")
    pair = _read("grpc_key_file", key), _read("grpc_cert_file", certificate)
    bundle = _read("grpc_client_ca_file", authorities) if authorities else None
    return grpc.ssl_server_credentials([pair], root_certificates=bundle, require_client_auth=bundle is not None)


def _read(setting: str, path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise SettingsError(setting, f"{path}: {error.strerror}") from None
