"""A proxy on loopback, in front of a real store, that does harm to the requests that a test names.

Everything else goes through as it came, signatures included: the client is the product's own, on a real wire. A fault
happens in one of two ways, as in life: the store never saw the request (`kept` False), or it did what was asked and the
answer was lost (`kept` True).

>>> proxy.arm("PUT data/", Fault("503", answer=(503, "SlowDown")))
"""

from __future__ import annotations

import http.client
import os
import re
import signal
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self
from urllib.parse import parse_qs, unquote, urlsplit

__all__ = ["Answer", "Asked", "Fault", "FaultProxy"]

_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "expect"}


@dataclass(frozen=True)
class Answer:
    """What the store said; a fault may say something else."""

    status: int
    headers: dict[str, str]
    body: bytes

    def with_header(self, name: str, value: str | None) -> Answer:
        headers = {one: found for one, found in self.headers.items() if one.lower() != name.lower()}
        return replace(self, headers=headers if value is None else {**headers, name: value})


@dataclass(frozen=True)
class Asked:
    """A request in the words in which a test names it: `PUT data/...`, `GET log/entries/000000000001`, `LIST log/`."""

    method: str
    key: str
    part: str

    def __str__(self) -> str:
        method = "LIST" if self.part == "versions" else self.method
        return f"{method} {self.key}" + (f"?{self.part}" if self.part not in ("", "versions") else "")


@dataclass(frozen=True)
class Fault:
    """What happens to a request. `cut` is one of "before", "in the request", "in the answer".

    `answer` is a refusal, `edit` changes what the store said, `lie` is said in the place of the store.
    """

    name: str
    kept: bool = False
    answer: tuple[int, str] | None = None
    cut: str | None = None
    kill: bool = False
    silent: bool = False
    edit: Callable[[Asked, Answer], Answer] | None = None
    lie: Answer | None = None


@dataclass
class _Armed:
    where: re.Pattern[str]
    fault: Fault
    once_each: bool
    happened: list[str] = field(default_factory=list)


@dataclass
class FaultProxy:
    """One proxy; `asked` is every request that came, `victim` the process that a fault kills."""

    target: str
    bucket: str = ""
    prefix: str = ""
    victim: int | None = None
    asked: list[str] = field(default_factory=list)
    _armed: _Armed | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __enter__(self) -> Self:
        host = urlsplit(self.target)
        self._server = _Server(("127.0.0.1", 0), _handler(self, str(host.hostname), int(host.port or 80)))
        serve = self._server.serve_forever
        self._thread = threading.Thread(target=serve, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.hang_up()
        self._server.server_close()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def arm(self, where: str, fault: Fault, *, once_each: bool = False) -> None:
        """Do this to every request that matches; with `once_each`, only when it comes for the first time."""
        with self._lock:
            self.asked.clear()
            self._armed = _Armed(re.compile(where), fault, once_each)

    def disarm(self) -> list[str]:
        """Do nothing any more; return the requests that it happened to."""
        with self._lock:
            happened = self._armed.happened if self._armed else []
            self._armed = None
            return happened

    def fault_of(self, asked: Asked) -> Fault | None:
        """Note a request, and say what is to happen to it."""
        with self._lock:
            self.asked.append(str(asked))
            armed = self._armed
            if armed is None or not armed.where.match(str(asked)):
                return None
            if armed.once_each and str(asked) in armed.happened:
                return None
            armed.happened.append(str(asked))
            return armed.fault

    def parse(self, method: str, path: str) -> Asked:
        """Name a request by its key below the prefix and by the part that is asked for."""
        split = urlsplit(path)
        words = parse_qs(split.query, keep_blank_values=True)
        key = unquote(split.path).removeprefix(f"/{self.bucket}").lstrip("/")
        part = next((one for one in ("versions", "retention", "legal-hold", "object-lock") if one in words), "")
        if part == "versions":
            key = words.get("prefix", [""])[0]
        return Asked(method, key.removeprefix(f"{self.prefix}/"), part)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, *arguments: object) -> None:
        super().__init__(*arguments)  # type: ignore[arg-type]
        self.open: set[socket.socket] = set()

    def hang_up(self) -> None:
        for one in list(self.open):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)


def _handler(proxy: FaultProxy, host: str, port: int) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def setup(self) -> None:
            super().setup()
            self.server.open.add(self.connection)
            self.backend = http.client.HTTPConnection(host, port, timeout=60)

        def finish(self) -> None:
            self.backend.close()
            self.server.open.discard(self.connection)
            with suppress(OSError):
                super().finish()

        def handle(self) -> None:
            with suppress(OSError):  # the client went away, or was killed
                super().handle()

        def log_message(self, *_: object) -> None:
            pass

        def do(self) -> None:
            asked = proxy.parse(self.command, self.path)
            fault = proxy.fault_of(asked)
            length = int(self.headers.get("Content-Length") or 0)
            if fault is None:
                self._answer(self._forward(self.rfile.read(length)))
            else:
                self._harm(fault, asked, length)

        do_GET = do_PUT = do_HEAD = do_POST = do_DELETE = do  # noqa: N815 - the names that http.server calls

        def _harm(self, fault: Fault, asked: Asked, length: int) -> None:
            if fault.cut == "before":
                self._cut()
                return
            if fault.cut == "in the request":
                self.rfile.read(length // 2)
                self._cut()
                return
            body = self.rfile.read(length)
            answer = self._forward(body) if fault.kept or fault.edit or fault.cut else None
            if fault.kill:
                assert proxy.victim is not None
                os.kill(proxy.victim, signal.SIGKILL)
                self._cut()
            elif fault.silent:
                self.connection.recv(1)  # until the client has lost its patience
            elif fault.cut and answer is not None:
                self._answer(answer, share=0.5)
                self._cut()
            elif fault.answer is not None:
                self._answer(_refusal(*fault.answer))
            elif fault.lie is not None:
                self._answer(fault.lie)
            elif fault.edit is not None and answer is not None:
                self._answer(fault.edit(asked, answer))

        def _cut(self) -> None:
            self.close_connection = True
            with suppress(OSError):
                self.connection.shutdown(socket.SHUT_RDWR)

        def _forward(self, body: bytes) -> Answer:
            self.backend.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                if name.lower() not in _HOP:
                    self.backend.putheader(name, value)
            if body or self.command in ("PUT", "POST"):
                self.backend.putheader("Content-Length", str(len(body)))
            self.backend.endheaders(body)
            found = self.backend.getresponse()
            headers = {name: value for name, value in found.getheaders() if name.lower() not in _HOP}
            if self.command == "HEAD" and found.getheader("Content-Length"):
                headers["Content-Length"] = str(found.getheader("Content-Length"))
            return Answer(found.status, headers, found.read())

        def _answer(self, answer: Answer, share: float = 1.0) -> None:
            """Send an answer, or the first part of it: of its head where it has no body."""
            lines = [f"HTTP/1.1 {answer.status} {http.client.responses.get(answer.status, 'X')}"]
            lines += [f"{name}: {value}" for name, value in answer.headers.items()]
            if self.command != "HEAD":
                lines.append(f"Content-Length: {len(answer.body)}")
            head = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
            body = b"" if self.command == "HEAD" else answer.body
            if share < 1.0:
                whole = head + body
                sent = whole[: int(len(head) + len(body) * share)] if body else head[: int(len(head) * share)]
                self.wfile.write(sent)
            else:
                self.wfile.write(head + body)

    return Handler


def _refusal(status: int, code: str) -> Answer:
    body = f"<Error><Code>{code}</Code><Message>made by a test</Message></Error>".encode()
    return Answer(status, {"Content-Type": "application/xml", "x-amz-request-id": "made-by-a-test"}, body)
