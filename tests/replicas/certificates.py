"""A certificate authority for one test and a certificate of 127.0.0.1, made by openssl."""

import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

PROGRAM = shutil.which("openssl")
MISSING = "there is no openssl on the PATH"


class Certificates(NamedTuple):
    """Files in PEM."""

    authority: Path
    certificate: Path
    key: Path

    @property
    def options(self) -> list[str]:
        """The words with which redis-server takes them; clients need no certificate."""
        return [
            "--tls-ca-cert-file", str(self.authority), "--tls-cert-file", str(self.certificate),
            "--tls-key-file", str(self.key), "--tls-auth-clients", "no",
        ]  # fmt: skip


def certificates(folder: Path) -> Certificates:
    """A new authority, and what it says about this machine."""
    folder.mkdir(parents=True, exist_ok=True)
    made = Certificates(folder / "authority.pem", folder / "server.pem", folder / "server.key")
    key = folder / "authority.key"
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    _openssl("req", "-x509", *curve, "-keyout", key, "-out", made.authority, "-subj", "/CN=tests")
    _openssl(
        "req", "-x509", *curve, "-keyout", made.key, "-out", made.certificate, "-subj", "/CN=127.0.0.1",
        "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost", "-CA", made.authority, "-CAkey", key,
    )  # fmt: skip
    return made


def _openssl(*words: str | Path) -> None:
    assert PROGRAM is not None, MISSING
    subprocess.run([PROGRAM, *map(str, words)], check=True, capture_output=True)
