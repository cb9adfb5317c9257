"""What the commands of `witness`, and `trust witness`, answer."""

from __future__ import annotations

from archiver.late import dataclass

__all__ = [
    "KeptCosignature",
    "KeptCosignatures",
    "LookedAtLog",
    "MadeWitness",
    "SeenLog",
    "ShownWitness",
    "TrustedWitness",
]


@dataclass(frozen=True)
class MadeWitness:
    """A new witness; `vkey_sha256` is to be read out to whoever is to trust it."""

    name: str
    vkey: str
    vkey_sha256: str
    home: str
    key_file: str


@dataclass(frozen=True)
class SeenLog:
    """The last head that a witness saw of a log, and when."""

    origin: str
    size: int
    root: str
    at: str


@dataclass(frozen=True)
class ShownWitness:
    """Who a witness is and what it remembers."""

    name: str
    vkey: str
    vkey_sha256: str
    home: str
    logs: list[SeenLog]


@dataclass(frozen=True)
class KeptCosignature:
    """A cosignature that is in the archive; `fresh` is false where one over this head was there before."""

    name: str
    size: int
    root: str
    at: str
    key: str
    fresh: bool


@dataclass(frozen=True)
class LookedAtLog:
    """What a witness cosigned; `before` is null at its first look. `unknown` says what a person should look at."""

    name: str
    vkey: str
    origin: str
    before: int | None
    size: int
    root: str
    at: str
    line: str
    cosigned: str
    unknown: list[str]
    file: str | None
    kept: KeptCosignature | None


@dataclass(frozen=True)
class KeptCosignatures:
    """The cosignatures of a file that are in the archive now."""

    cosignatures: list[KeptCosignature]


@dataclass(frozen=True)
class TrustedWitness:
    """A witness in a trust file, whose SHA-256 has changed."""

    name: str
    vkey: str
    vkey_sha256: str
    trust_file: str
    trust_sha256: str
