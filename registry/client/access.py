"""How the registry may be reached: the token, and the certificates of TLS.

Owns what a request carries and how the other side is known. It sends nothing itself.
"""

import ssl
from dataclasses import dataclass, field
from os import PathLike

Path = str | PathLike[str]


@dataclass(frozen=True, kw_only=True)
class Access:
    """Token and TLS of every request; the default is none, and the certificates this machine trusts.

    Attributes:
        token: of access control; sent as `X-Consul-Token`.
        bearer: send it as `Authorization: Bearer …` instead.
        ca_file: the authorities to trust (PEM) in place of the machine's.
        certificate: ours (PEM), where the server asks for one; with its key, unless `key` names another file.
        key: the private key of `certificate`, without a password.
        verify: false takes whatever certificate the server shows. Who sits in between can then read and change all.
    """

    token: str = field(default="", repr=False)
    bearer: bool = False
    ca_file: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    verify: bool = True

    @property
    def headers(self) -> dict[str, str]:
        """What every request carries."""
        if not self.token:
            return {}
        return {"Authorization": f"Bearer {self.token}"} if self.bearer else {"X-Consul-Token": self.token}

    def tls(self) -> ssl.SSLContext:
        """The TLS of an https url; reads files, so it is not for an event loop's thread.

        Raises:
            OSError: a file that is not there or holds no such thing (`ssl.SSLError` is one too).
        """
        context = ssl.create_default_context(cafile=self.ca_file)
        if not self.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if self.certificate is not None:
            context.load_cert_chain(self.certificate, self.key)
        return context
