"""Who may call: certificates of both sides, and signed tokens that name a SPIFFE id.

Owns reading keys and certificates from files, and judging a token. Health and reflection need no token.
Source: dialects.md §5.6; https://github.com/spiffe/spiffe/blob/main/standards/JWT-SVID.md
"""

import json
import ssl
from collections.abc import Callable
from contextlib import suppress
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import grpc

from registry.errors import PermissionDenied, SettingsError

_ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
_NO_TOKENS = ("enc", "x509-svid")  # what a key of a set may be for beside signing them; SPIRE keeps both in one bundle


class Tokens:
    """What callers must show: a token that one of our keys signed, for our audience, of somebody who may."""

    def __init__(
        self,
        keys: list[tuple[str, Any]],
        *,
        audience: str,
        trust_domain: str,
        rules: tuple[str, ...],
        now: Callable[[], float],
    ) -> None:
        """Args:
        keys: each behind its id, "" for one without.
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
        token = token.strip()
        if scheme.lower() != "bearer" or not token:
            raise PermissionDenied("token", problem="a bearer token is required")
        try:
            claims = self._signed(token)
            expires, begins = float(claims["exp"]), float(claims.get("nbf", 0))
        except (jwt.PyJWTError, TypeError, ValueError) as error:
            raise PermissionDenied("token", problem=str(error)) from None
        if not begins <= self._now() < expires:
            raise PermissionDenied("token", problem="the token has expired, or is not valid yet")
        return claims

    def _signed(self, token: str) -> dict[str, Any]:
        """What a token says that one of our keys has signed.

        Raises:
            PermissionDenied: `token`, none of them has. jwt.PyJWTError: it is not as it must be.
        """
        import jwt

        problem = "nobody knows the key that signed it"
        for key in self._candidates(jwt.get_unverified_header(token).get("kid", "")):
            try:
                claims: dict[str, Any] = jwt.decode(
                    token, key, algorithms=_ALGORITHMS, audience=self._audience,
                    options={"require": ["sub", "aud", "exp"], "verify_exp": False, "verify_nbf": False,
                             "verify_iat": False},
                )  # fmt: skip
                return claims
            except (jwt.InvalidSignatureError, jwt.InvalidKeyError, jwt.InvalidAlgorithmError, TypeError) as error:
                problem = str(error)
        raise PermissionDenied("token", problem=problem)

    def _candidates(self, kid: str) -> list[Any]:
        """The keys that may have signed: those of the id, else those without one; a token need not name any."""
        named = [key for known, key in self._keys if known == kid]
        if not kid:
            return [key for _, key in self._keys]
        return named or [key for known, key in self._keys if not known]


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


def _keys(path: str) -> list[tuple[str, Any]]:
    """The keys of a PEM file, or of a JSON Web Key Set, each behind its id."""
    try:
        import jwt
    except ImportError:
        raise SettingsError("grpc_jwt_keys_file", "needs PyJWT: pip install 'registry[grpc]'") from None
    data = _read("grpc_jwt_keys_file", path)
    try:
        if data.lstrip().startswith(b"{"):
            return _key_set(json.loads(data)["keys"])
        from cryptography.hazmat.primitives.serialization import load_pem_public_key

        return [("", load_pem_public_key(data))]
    except (jwt.PyJWTError, ValueError, TypeError, LookupError, AttributeError) as error:
        raise SettingsError("grpc_jwt_keys_file", f"{path}: {error}") from None


def _key_set(entries: list[dict[str, Any]]) -> list[tuple[str, Any]]:
    """The keys of a set that tokens may be signed with; one that names no algorithm is for any of its kind.

    Raises:
        ValueError: there are none.
    """
    import jwt

    found: list[tuple[str, Any]] = []
    for entry in entries:
        if entry.get("use") not in _NO_TOKENS:
            with suppress(jwt.PyJWTError):  # of a kind that no token of ours is signed with
                key = jwt.PyJWK.from_dict(entry)
                found.append((key.key_id or "", key if "alg" in entry else key.key))
    if not found:
        raise ValueError("it has no key for tokens")
    return found


def credentials_of(settings: Any) -> Any:
    """The server's credentials; None for plain text. Reads files.

    With a bundle of authorities callers must show a certificate that one of them has signed.

    Raises:
        SettingsError: a file cannot be read or used, or one of two is missing.
    """
    certificate, key, authorities = settings.grpc_cert_file, settings.grpc_key_file, settings.grpc_client_ca_file
    if not certificate and not key and not authorities:
        return None
    if not certificate or not key:
        missing = "grpc_key_file" if certificate else "grpc_cert_file"
        raise SettingsError(missing, "is needed, as certificate and key belong together")
    pair = _read("grpc_key_file", key), _read("grpc_cert_file", certificate)
    bundle = _read("grpc_client_ca_file", authorities) if authorities else None
    _try(certificate, key, authorities)
    return grpc.ssl_server_credentials([pair], root_certificates=bundle, require_client_auth=bundle is not None)


def _try(certificate: str, key: str, authorities: str) -> None:
    """Load what grpcio would refuse without saying which file is to blame."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(certificate, key, password=lambda: b"")
    except ssl.SSLError as error:
        raise SettingsError("grpc_cert_file", f"{certificate} with {key}: {error.reason or error}") from None
    try:
        if authorities:
            context.load_verify_locations(authorities)
    except ssl.SSLError as error:
        raise SettingsError("grpc_client_ca_file", f"{authorities}: {error.reason or error}") from None


def _read(setting: str, path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise SettingsError(setting, f"{path}: {error.strerror}") from None
