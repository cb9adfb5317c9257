"""What a witness remembers, in a folder of its own: who it is, and the last head that it saw of each log.

    lock             held by flock(2) while it looks
    key.pem          its key, unless that lies elsewhere
    memory.json      name, vkey, and for each log origin, size, root, frontier, signed checkpoint, time
    conflicts/       signed checkpoints that contradict each other, where any were met

Laws: the memory is replaced as a whole, synced before anything that rests on it leaves this machine, and never goes
back; one that is not there, not whole or not its own is an error and never a fresh start.

>>> home = Home(Path("witness"))
>>> home.read().of("example/log")
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Annotated, Final, Literal

from archiver.errors import ArchiverError, BusyError, EvidenceError, UsageError, WorldError
from archiver.judge.growth import Conflict, Remembered
from archiver.late import dataclass
from archiver.model.checked import BaseModel, ConfigDict, Field, ValidationError
from archiver.model.instant import format_instant
from archiver.model.named_file import read_named
from archiver.model.statement_words import Count, Instant, Sha256
from archiver.proof import b64, canonical, checkpoint, cosignature, merkle, note
from archiver.proof.cosignature import WitnessKey
from archiver.proof.digest import sha256_hex
from archiver.writer.durable import replace_file, write_new

__all__ = ["Home", "Memory", "RememberedLog", "remembered_log"]

_MAX_MEMORY: Final = 1 << 24  # ten thousand logs
_FORMAT: Final = "urn:archiver:witness:v1"


class _Words(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", defer_build=True)


class RememberedLog(_Words):
    """The last head that was seen of a log."""

    origin: str
    size: Annotated[Count, Field(ge=1)]
    root: Sha256
    frontier: list[Sha256]
    checkpoint: str
    at: Instant

    @property
    def remembered(self) -> Remembered:
        """The signed head, and the tree to go on from."""
        return Remembered(b64.decode(self.checkpoint), self._tree())

    def _tree(self) -> merkle.Frontier:
        return merkle.Frontier.from_hashes(self.size, [bytes.fromhex(one) for one in self.frontier])

    def problem(self) -> str | None:
        """Say what contradicts itself."""
        try:
            tree = self._tree()
            text = note.parse_note(b64.decode(self.checkpoint)).text
            head = checkpoint.parse_text(text)
        except (ArchiverError, ValueError) as problem:
            return str(problem)
        said = {(self.origin, self.size, self.root), (head.origin, head.size, head.root.hex())}
        return None if said == {(self.origin, tree.size, tree.root().hex())} else "two heads in one"


class Memory(_Words):
    """Everything that a witness remembers."""

    format: Literal["urn:archiver:witness:v1"]
    name: str
    vkey: str
    logs: list[RememberedLog]

    @property
    def key(self) -> WitnessKey:
        """The witness's own key."""
        return cosignature.parse_witness_key(self.vkey)

    def of(self, origin: str) -> RememberedLog | None:
        """Return what is remembered of a log."""
        return next((one for one in self.logs if one.origin == origin), None)

    def with_log(self, fresh: RememberedLog) -> Memory:
        """Return the memory with a newer head; an older one is refused."""
        old = self.of(fresh.origin)
        if old is not None and (fresh.size, fresh.at) < (old.size, old.at):
            raise ValueError(f"{fresh.origin}: a memory of {old.size} entries never goes back to {fresh.size}")
        others = [one for one in self.logs if one.origin != fresh.origin]
        return self.model_copy(update={"logs": sorted([*others, fresh], key=lambda one: one.origin)})


@dataclass(frozen=True)
class Home:
    """The folder of one witness."""

    path: Path

    @property
    def key(self) -> Path:
        """Where its key lies unless somebody says otherwise."""
        return self.path / "key.pem"

    @property
    def _memory(self) -> Path:
        return self.path / "memory.json"

    def create(self, key: WitnessKey) -> None:
        """Begin a memory that knows nothing; raises `UsageError` where there is one."""
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        words = Memory(format=_FORMAT, name=key.name, vkey=str(key), logs=[])
        write_new(self._memory, _encode(words), mode=0o600)

    def refuse_existing(self) -> None:
        """Refuse to begin where a witness remembers something already."""
        if self._memory.exists():
            raise UsageError(
                "witness-exists",
                f"{self._memory}: expected no memory, found one",
                hint="a witness that forgets can be shown another history: make a new one elsewhere, with --home",
            )

    def demand(self) -> None:
        """Refuse a folder where no witness was made."""
        if not self._memory.exists():
            raise UsageError(
                "no-witness",
                f"{self._memory}: expected the memory of a witness, found none",
                hint="run `archiver witness init --name NAME`; what was lost is not begun again with the same key",
            )

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder alone; raises `BusyError`. The system lets go of it when the process dies."""
        self.demand()
        descriptor = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as problem:
                raise BusyError("run-busy", f"{self.path}: another look is under way", hint="wait for it") from problem
            yield
        finally:
            os.close(descriptor)

    def read(self) -> Memory:
        """Read the memory strictly; raises `EvidenceError("witness-memory")` for one that is not whole."""
        try:
            data = read_named(self._memory, _MAX_MEMORY)
            canonical.decode(data, limit=_MAX_MEMORY)
            memory = Memory.model_validate_json(data)
            if str(memory.key) != memory.vkey or memory.key.name != memory.name:
                raise self._damaged("a name and a vkey that are one")
        except OSError as problem:
            raise WorldError("witness-memory", f"{self._memory}: {problem.strerror}") from problem
        except (ValidationError, ArchiverError) as problem:
            raise self._damaged("it whole") from problem
        for log in memory.logs:
            if log.problem() is not None:
                raise self._damaged(f"size, root and checkpoint of {log.origin} to agree")
        return memory

    def remember(self, memory: Memory, log: RememberedLog) -> None:
        """Put a newer head into the memory, whole and synced."""
        replace_file(self._memory, _encode(memory.with_log(log)), mode=0o600)

    def keep(self, conflict: Conflict) -> list[Path]:
        """Keep both signed checkpoints of a fork; return where they are."""
        folder = self.path / "conflicts"
        folder.mkdir(mode=0o700, exist_ok=True)
        paths = []
        for data in (conflict.one, conflict.other):
            path = folder / f"{conflict.size:012d}-{sha256_hex(data)[:16]}"
            if not path.exists():
                write_new(path, data, mode=0o600)
            paths.append(path)
        return paths

    def _damaged(self, expected: str) -> EvidenceError:
        return EvidenceError(
            "witness-memory",
            f"{self._memory}: expected {expected}, found it damaged",
            hint="put back a copy of it, and name what was seen since with --seen; never begin anew with the same key",
        )


def remembered_log(signed: bytes, origin: str, tree: merkle.Frontier, at: datetime) -> RememberedLog:
    """Return what is to be remembered of a head."""
    return RememberedLog(
        origin=origin,
        size=tree.size,
        root=tree.root().hex(),
        frontier=[one.hex() for one in tree.hashes],
        checkpoint=b64.encode(signed),
        at=format_instant(at),
    )


def _encode(memory: Memory) -> bytes:
    return canonical.encode(memory.model_dump(mode="json"))
