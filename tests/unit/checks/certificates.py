"""An authority that signs what a test asks for, with the `openssl` of the machine."""

import ssl
import subprocess
from pathlib import Path
from typing import NamedTuple

_KEY = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes"
_CONFIGURATION = """
[ca]
default_ca = all
[all]
new_certs_dir = {folder}
database = {folder}/index.txt
rand_serial = yes
default_md = sha256
policy = policy
unique_subject = no
[policy]
commonName = optional
[leaf]
basicConstraints = CA:FALSE
extendedKeyUsage = {usage}
"""


class Certificate(NamedTuple):
    """A certificate and its key, in files."""

    file: str
    key: str

    def context(self, *protocols: str) -> ssl.SSLContext:
        """What a server needs to show it."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.file, self.key)
        if protocols:
            context.set_alpn_protocols(protocols)
        return context

    @property
    def der(self) -> bytes:
        return ssl.PEM_cert_to_DER_cert(Path(self.file).read_text())


def _openssl(*arguments: str) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)


def self_signed(folder: Path, name: str = "cert", common_name: str = "localhost", names: str = "") -> Certificate:
    """A certificate that nobody but itself vouches for; `names` as openssl writes subjectAltName."""
    made = Certificate(str(folder / f"{name}.pem"), str(folder / f"{name}-key.pem"))
    extension = ("-addext", f"subjectAltName={names}") if names else ()
    _openssl("req", "-x509", *_KEY.split(), "-days", "2", "-subj", f"/CN={common_name}", *extension,
             "-keyout", made.key, "-out", made.file)  # fmt: skip
    return made


class Authority:
    """Vouches for the certificates that it makes."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._folder = folder
        self._own = self_signed(folder, "authority", "The authority")
        (folder / "index.txt").touch()
        self.file = self._own.file

    def sign(
        self,
        name: str,
        names: str = "DNS:localhost,IP:127.0.0.1",
        *,
        common_name: str = "x",
        years: tuple[int, int] = (2024, 2049),
        usage: str = "serverAuth",
    ) -> Certificate:
        """A certificate that is valid from one New Year to another."""
        made = Certificate(*(str(self._folder / f"{name}{end}") for end in (".pem", "-key.pem")))
        asked, configuration = self._folder / f"{name}.csr", self._folder / f"{name}.cnf"
        alternative = f"subjectAltName = {names}\n" if names else ""
        configuration.write_text(_CONFIGURATION.format(folder=self._folder, usage=usage) + alternative)
        _openssl("req", *_KEY.split(), "-subj", f"/CN={common_name}", "-keyout", made.key, "-out", str(asked))
        _openssl("ca", "-batch", "-notext", "-config", str(configuration), "-extensions", "leaf",
                 "-cert", self._own.file, "-keyfile", self._own.key, "-in", str(asked), "-out", made.file,
                 "-startdate", f"{years[0]}0101000000Z", "-enddate", f"{years[1]}0101000000Z")  # fmt: skip
        return made
