"""Certificates of both sides and signed tokens (dialects.md §5.6)."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from registry import testing
from registry.errors import SettingsError
from registry.testing import EPOCH_SECONDS
from tests.contract.hive.hive import Hive, pb
from tests.contract.hive.test_server import SERVING, health
from tests.replicas.certificates import MISSING, PROGRAM, Certificates, certificates

Code = grpc.StatusCode
WORKER = "spiffe://neural-hive.local/ns/prod/sa/worker"
AUDIENCE = "service-registry.neural-hive.local"
KEY = ec.generate_private_key(ec.SECP256R1())


def token(key: Any = KEY, kid: str | None = None, algorithm: str = "ES256", **changed: Any) -> str:
    claims = {"sub": WORKER, "aud": AUDIENCE, "exp": EPOCH_SECONDS + 60, **changed}
    kept = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode(kept, key, algorithm=algorithm, headers={"kid": kid} if kid else None)


def key_file(folder: Path, *, as_set: bool) -> str:
    file = folder / "keys"
    if as_set:
        shown = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(KEY.public_key()))
        file.write_text(json.dumps({"keys": [{**shown, "kid": "one", "alg": "ES256"}]}))
    else:
        file.write_bytes(KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return str(file)


@pytest.fixture(params=[False, True], ids=["pem", "jwks"])
async def guarded(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[tuple[Hive, str | None]]:
    """A registry that asks for tokens, and the id of the key that it knows."""
    rules = ("Register=spiffe://neural-hive.local/*/sa/worker", "Get*=spiffe://neural-hive.local/*")
    async with testing.server(
        grpc_port=0, grpc_jwt_keys_file=key_file(tmp_path, as_set=request.param), grpc_allow=rules,
        hive_code_metrics=True, shutdown_grace_seconds=0.1,
    ) as server:  # fmt: skip
        hive = Hive(server)
        await hive.know_agents()
        yield hive, "one" if request.param else None
        await hive.close()


REGISTER = pb.RegisterRequest(agent_type=pb.WORKER, capabilities=["c"])


async def test_who_shows_a_valid_token_may_do_what_is_allowed(guarded: tuple[Hive, str | None]) -> None:
    hive, kid = guarded
    hive.metadata = (("authorization", f"Bearer {token(kid=kid)}"),)
    agent_id = (await hive.call("Register", REGISTER)).agent_id
    assert (await hive.get(agent_id)).agent_id == agent_id
    refusal = await hive.refused("ListAgents", pb.ListAgentsRequest())
    assert (refusal.code, "ListAgents" in refusal.details) == (Code.PERMISSION_DENIED, True)
    other = WORKER.replace("worker", "orchestrator")
    hive.metadata = (("authorization", f"Bearer {token(kid=kid, sub=other)}"),)
    assert (await hive.refused("Register", REGISTER)).code is Code.PERMISSION_DENIED
    assert await hive.status(agent_id) == "HEALTHY"


@pytest.mark.parametrize(
    ("authorization", "said"),
    [
        ("", "bearer token"),
        ("Basic x", "bearer token"),
        ("Bearer nonsense", ""),
        ({"aud": "somebody.else"}, ""),
        ({"aud": None}, "aud"),
        ({"exp": EPOCH_SECONDS - 1}, "expired"),
        ({"exp": None}, "exp"),
        ({"nbf": EPOCH_SECONDS + 5}, "not valid yet"),
        ({"sub": "spiffe://elsewhere/ns/prod/sa/worker"}, "trust domain"),
        ({"sub": None}, "sub"),
        ({"key": ec.generate_private_key(ec.SECP256R1())}, ""),
        ({"kid": "another"}, ""),
    ],
)
async def test_who_shows_no_valid_token_is_turned_away(
    guarded: tuple[Hive, str | None], authorization: str | dict[str, Any], said: str
) -> None:
    hive, kid = guarded
    if isinstance(authorization, dict):
        if "kid" in authorization and kid is None:
            return  # one key without an id is every id's
        authorization = f"Bearer {token(**{'kid': kid, **authorization})}"
    hive.metadata = (("authorization", authorization),) if authorization else ()
    refusal = await hive.refused("Register", REGISTER)
    assert refusal.code is Code.UNAUTHENTICATED
    assert said in refusal.details
    assert hive.server.engine.state.records() == []
    assert await health(hive) == SERVING
    failures = 'grpc_auth_failures_total{method="Register",reason="unauthenticated"} 1.0'
    assert failures in (await hive.rest.get("/metrics")).text


OTHER = ec.generate_private_key(ec.SECP384R1())
RSA = rsa.generate_private_key(public_exponent=65_537, key_size=2048)


def shown(key: Any, **more: str) -> dict[str, Any]:
    """A key as an entry of a key set."""
    kind = jwt.algorithms.RSAAlgorithm if key is RSA else jwt.algorithms.ECAlgorithm
    return {**json.loads(kind.to_jwk(key.public_key())), **more}


@pytest.mark.parametrize(
    ("keys", "key", "algorithm", "kid", "admitted"),
    [
        ([shown(KEY), shown(OTHER)], KEY, "ES256", None, True),
        ([shown(KEY), shown(OTHER)], OTHER, "ES384", "any", True),
        ([shown(KEY, kid="a"), shown(OTHER, kid="b")], KEY, "ES256", None, True),
        ([shown(KEY, kid="a"), shown(OTHER, kid="b")], KEY, "ES256", "b", False),
        ([shown(KEY, kid="a"), shown(OTHER)], KEY, "ES256", "c", False),
        ([shown(RSA, kid="a")], RSA, "PS384", "a", True),
        ([shown(RSA, kid="a", alg="RS256")], RSA, "RS384", "a", False),
        ([shown(KEY, use="x509-svid"), shown(OTHER, use="jwt-svid")], KEY, "ES256", None, False),
        ([{"kty": "odd"}, shown(KEY)], KEY, "ES256", None, True),
    ],
)  # fmt: skip
async def test_any_key_of_a_set_that_may_have_signed_counts(
    tmp_path: Path, keys: list[dict[str, Any]], key: Any, algorithm: str, kid: str | None, admitted: bool
) -> None:
    """A token need not name its key, nor a key its algorithm (JWT-SVID §3, RFC 7517 §4)."""
    file = tmp_path / "keys"
    file.write_text(json.dumps({"keys": keys}))
    async with testing.server(grpc_port=0, grpc_jwt_keys_file=str(file), shutdown_grace_seconds=0.1) as server:
        hive = Hive(server)
        hive.metadata = (("authorization", f"Bearer {token(key, kid, algorithm)}"),)
        if admitted:
            assert await hive.listed() == []
        else:
            assert (await hive.refused("ListAgents", pb.ListAgentsRequest())).code is Code.UNAUTHENTICATED
        await hive.close()


@pytest.mark.parametrize(
    "keys", ['{"keys": []}', '{"keys": [{"kty": "odd"}]}', '{"keys": 1}', '{"keys": [1]}', "{}", "{"]
)
async def test_a_set_without_a_key_for_tokens_stops_the_start(tmp_path: Path, keys: str) -> None:
    file = tmp_path / "keys"
    file.write_text(keys)
    with pytest.raises(SettingsError, match="grpc_jwt_keys_file"):
        async with testing.server(grpc_port=0, grpc_jwt_keys_file=str(file)):
            pass


@pytest.mark.parametrize(
    ("settings", "setting"),
    [
        ({"grpc_cert_file": "here"}, "grpc_key_file"),
        ({"grpc_client_ca_file": "here"}, "grpc_cert_file"),
        ({"grpc_cert_file": "/nowhere", "grpc_key_file": "/nowhere"}, "grpc_key_file"),
        ({"grpc_cert_file": __file__, "grpc_key_file": __file__}, "grpc_cert_file"),
        ({"grpc_jwt_keys_file": "/nowhere"}, "grpc_jwt_keys_file"),
        ({"grpc_jwt_keys_file": __file__}, "grpc_jwt_keys_file"),
        ({"grpc_allow": ("*=*",)}, "grpc_allow"),
    ],
)
async def test_files_that_cannot_be_used_stop_the_start(settings: dict[str, Any], setting: str) -> None:
    with pytest.raises(SettingsError, match=setting):
        async with testing.server(grpc_port=0, **settings):
            pass


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    if PROGRAM is None:
        pytest.skip(MISSING)
    return certificates(tmp_path_factory.mktemp("certificates"))


async def test_authorities_that_are_none_stop_the_start(files: Certificates) -> None:
    with pytest.raises(SettingsError, match="grpc_client_ca_file"):
        async with testing.server(
            grpc_port=0, grpc_cert_file=str(files.certificate), grpc_key_file=str(files.key),
            grpc_client_ca_file=__file__,
        ):  # fmt: skip
            pass


async def test_callers_must_show_a_certificate_where_authorities_are_given(files: Certificates) -> None:
    authority, certificate, key = (one.read_bytes() for one in files)
    async with testing.server(
        grpc_port=0, grpc_cert_file=str(files.certificate), grpc_key_file=str(files.key),
        grpc_client_ca_file=str(files.authority), shutdown_grace_seconds=0.1,
    ) as server:  # fmt: skip
        known = grpc.ssl_channel_credentials(authority, key, certificate)
        for credentials, expected in ((known, SERVING), (grpc.ssl_channel_credentials(authority), None)):
            hive = Hive(server)
            await hive.channel.close()
            hive.channel = grpc.aio.secure_channel(hive.target, credentials)
            if expected is not None:
                assert await health(hive) == expected
            else:
                with pytest.raises(grpc.aio.AioRpcError) as refused:
                    await health(hive)
                assert refused.value.code() is Code.UNAVAILABLE
            await hive.close()
