"""A timestamp authority that nobody here wrote: `openssl ts` behind HTTP on loopback, root, intermediate and signer.

It also gives out the intermediate's revocation list, which its signer's certificate names. `mood` is how it answers:
`well`, `down` (503), `garbage`, `late` (the answer to another request), `rejection`.
"""

from __future__ import annotations

import subprocess
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

CONFIG = """\
[req]
distinguished_name = name
prompt = no
[name]
CN = unused
[root]
basicConstraints = critical, CA:true
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[middle]
basicConstraints = critical, CA:true, pathlen:0
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
[signer]
basicConstraints = critical, CA:false
keyUsage = critical, digitalSignature
extendedKeyUsage = critical, timeStamping
crlDistributionPoints = URI:{url}/list.crl
authorityInfoAccess = OCSP;URI:{url}/down
[ca]
default_ca = middle_ca
[middle_ca]
database = {folder}/index.txt
default_md = sha256
default_crl_days = 30
[tsa]
default_tsa = authority
[authority]
serial = {folder}/serial
crypto_device = builtin
signer_cert = {folder}/signer.pem
certs = {folder}/middle.pem
signer_key = {folder}/signer.key
signer_digest = sha256
default_policy = 1.3.6.1.4.1.99999.1
digests = sha256
accuracy = secs:1
ess_cert_id_alg = sha256
"""


@dataclass
class OpensslAuthority:
    """The authority under way."""

    folder: Path
    kind: str = "ec"
    mood: str = "well"
    asked: int = 0
    server: ThreadingHTTPServer = field(init=False)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.folder.mkdir()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        (self.folder / "authority.cnf").write_text(CONFIG.format(folder=self.folder, url=self.url))
        (self.folder / "serial").write_text("01\n")
        (self.folder / "index.txt").write_text("")
        self._certificates()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    @property
    def root(self) -> Path:
        return self.folder / "root.pem"

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def answer(self, request: bytes) -> bytes:
        with self.lock:  # openssl counts serial numbers in a file
            self.asked += 1
            query, reply = self.folder / "query.tsq", self.folder / "reply.tsr"
            if self.mood != "late" or not query.exists():
                query.write_bytes(request)
            self._run("ts", "-reply", "-config", "authority.cnf", "-queryfile", "query.tsq", "-out", "reply.tsr")
            return reply.read_bytes()

    def verify(self, response: Path, data: Path) -> str:
        """Let openssl verify a stored token as an auditor would, with the root alone."""
        return self._run("ts", "-verify", "-in", str(response), "-data", str(data), "-CAfile", "root.pem")

    def revoke(self) -> None:
        """Put the signer on the intermediate's list."""
        self._run(
            "ca", "-config", "authority.cnf", "-cert", "middle.pem", "-keyfile", "middle.key", "-revoke", "signer.pem"
        )
        self._list()

    def _certificates(self) -> None:
        for name in ("root", "middle", "signer"):
            if self.kind == "rsa":
                self._run("genrsa", "-out", f"{name}.key", "2048")
            else:
                self._run("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", f"{name}.key")
        self._run("req", "-x509", "-new", "-key", "root.key", "-subj", "/O=Test/CN=Test root", "-days", "3650",
                  "-config", "authority.cnf", "-extensions", "root", "-out", "root.pem")  # fmt: skip
        for name, issuer, serial in (("middle", "root", "2"), ("signer", "middle", "3")):
            self._run("req", "-new", "-key", f"{name}.key", "-subj", f"/O=Test/CN=Test {name}",
                      "-config", "authority.cnf", "-out", f"{name}.csr")  # fmt: skip
            self._run("x509", "-req", "-in", f"{name}.csr", "-CA", f"{issuer}.pem", "-CAkey", f"{issuer}.key",
                      "-set_serial", serial, "-days", "1000", "-extfile", "authority.cnf", "-extensions", name,
                      "-out", f"{name}.pem")  # fmt: skip
        self._list()

    def _list(self) -> None:
        self._run("ca", "-config", "authority.cnf", "-gencrl", "-cert", "middle.pem", "-keyfile", "middle.key",
                  "-out", "list.pem")  # fmt: skip
        self._run("crl", "-in", "list.pem", "-outform", "DER", "-out", "list.crl")

    def _run(self, *arguments: str) -> str:
        done = subprocess.run(["openssl", *arguments], cwd=self.folder, capture_output=True, text=True, check=True)
        return done.stdout + done.stderr


def _handler(authority: OpensslAuthority) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            request = self.rfile.read(int(self.headers["Content-Length"]))
            if authority.mood == "down" or self.path == "/down":
                self.send_error(503)
                return
            body = b"<html>sign in</html>" if authority.mood == "garbage" else authority.answer(request)
            self._send(bytes.fromhex("30053003020102") if authority.mood == "rejection" else body)

        def do_GET(self) -> None:
            self._send((authority.folder / "list.crl").read_bytes())

        def _send(self, body: bytes) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    return Handler
