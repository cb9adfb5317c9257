"""A national list of trust services (ETSI TS 119 612), which says whether an authority was qualified at a time.

Laws: a list speaks of times up to its own issue and of no later ones; a service has at any time the type and the status
of its newest period that had begun; only type QTST with status granted is a yes; an authority that no timestamp service
of the list stands for is unknown, as another country's list may name it. XML with a document type is refused, so there
are no entities. The list's own signature is not checked: whoever brings the list vouches for it, by its SHA-256.

>>> read_list(data).standing(path, moment)
Standing(answer='yes', why='granted since 2017-06-01T00:00:00Z to "Qualified timestamps" of Example Trust GmbH')
"""

from __future__ import annotations

import hashlib
from base64 import b64decode
from collections.abc import Iterable
from dataclasses import field
from datetime import UTC, datetime
from typing import Final, Literal
from xml.parsers import expat

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from archiver.errors import EvidenceError
from archiver.late import dataclass
from archiver.proof.timestamp_signature import UNREADABLE

__all__ = ["GRANTED", "MAX_LIST", "QTST", "Period", "Service", "Standing", "TrustedList", "read_list"]

MAX_LIST: Final = 64 << 20
"""Bytes of a list: the largest of the Member States have some ten megabytes."""
QTST: Final = "http://uri.etsi.org/TrstSvc/Svctype/TSA/QTST"
GRANTED: Final = "http://uri.etsi.org/TrstSvc/TrustedList/Svcstatus/granted"
_STAMPING: Final = "http://uri.etsi.org/TrstSvc/Svctype/TSA"  # all types of services that make timestamps begin so
_SPACE: Final = "http://uri.etsi.org/02231/v2# "
_DEEPEST: Final = 64  # elements in each other; a list has some twelve
_LONGEST: Final = 1 << 20  # characters of a text that is looked at; a certificate has some thousands


@dataclass(frozen=True)
class Standing:
    """What a list says of an authority at a time, and in what words."""

    answer: Literal["yes", "no", "unknown"]
    why: str


@dataclass(frozen=True)
class Period:
    """From when on a service had a type and a status."""

    since: datetime
    type: str
    status: str


@dataclass(frozen=True)
class Service:
    """A service that makes timestamps: its certificates as DER, and its periods, the present one first."""

    name: str
    provider: str
    certificates: tuple[bytes, ...]
    periods: tuple[Period, ...]

    def at(self, moment: datetime) -> Period | None:
        """Return the period that a moment lies in, None before the first."""
        begun = [one for one in self.periods if one.since <= moment]
        return max(begun, key=lambda one: one.since, default=None)

    def stands_for(self, path: Iterable[x509.Certificate]) -> bool:
        """Say whether a certificate of a path is one of its own, or has subject and key of one (5.5.3)."""
        identities = {one for data in self.certificates for one in _identities(data)}
        return any(not identities.isdisjoint(_identities(one.public_bytes(Encoding.DER))) for one in path)


@dataclass(frozen=True)
class TrustedList:
    """One list: whose it is, its number, when it was issued, its timestamp services."""

    sha256: str
    territory: str
    sequence: int
    issued: datetime
    services: tuple[Service, ...]

    def __str__(self) -> str:
        """Name it shortly; a report that names it so has the whole digest elsewhere."""
        return f"list {self.sequence} of {self.territory}, SHA-256 {self.sha256[:8]}"

    def standing(self, path: Iterable[x509.Certificate], moment: datetime) -> Standing:
        """Say how an authority stood at a moment, by the certificates of its path."""
        if moment >= self.issued:
            return Standing("unknown", f"issued {_spelled(self.issued)}, not after the token")
        certificates = list(path)
        named = [one for one in self.services if one.stands_for(certificates)]
        if not named:
            return Standing("unknown", "the list names no timestamp service with a certificate of this authority")
        found = [(service, service.at(moment)) for service in named]
        for service, period in found:
            if period is not None and (period.type, period.status) == (QTST, GRANTED):
                return Standing("yes", f"granted since {_spelled(period.since)} to {_title(service)}")
        service, period = found[0]
        if period is None:
            return Standing("no", f"not listed yet then: {_title(service)}")
        kind = "" if period.type == QTST else "not as a qualified one, "
        status = period.status.rpartition("/")[2]
        return Standing("no", f"{kind}{status} since {_spelled(period.since)}: {_title(service)}")


def read_list(data: bytes, *, name: str = "trusted list") -> TrustedList:
    """Read a list; raises `EvidenceError("trusted-list")` for all that is none."""
    if len(data) > MAX_LIST:
        raise _refuse(name, f"more than {MAX_LIST} bytes")
    reader = _Reader()
    try:
        reader.parser.Parse(data, True)  # noqa: FBT003 - the whole of it
        return reader.found(hashlib.sha256(data).hexdigest())
    except expat.ExpatError as problem:
        raise _refuse(name, f"no XML: {problem}") from problem
    except ValueError as problem:
        raise _refuse(name, f"{problem}, line {reader.parser.CurrentLineNumber}") from problem


def _refuse(name: str, found: str) -> EvidenceError:
    return EvidenceError(
        "trusted-list",
        f"{name}: expected a list of trust services, ETSI TS 119 612, as XML, found {found}",
        hint="save the national list again, as its publisher gives it out, unchanged",
    )


@dataclass
class _Draft:
    """A service while it is read: texts by the last two names of their path, the present period first."""

    provider: str
    name: str = ""
    certificates: list[str] = field(default_factory=list)
    periods: list[dict[str, str]] = field(default_factory=list)


_SCHEME: Final = ("TrustServiceStatusList", "SchemeInformation")
_PROVIDER: Final = ("TrustServiceStatusList", "TrustServiceProviderList", "TrustServiceProvider")
_SERVICE: Final = (*_PROVIDER, "TSPServices", "TSPService")
_PRESENT: Final = (*_SERVICE, "ServiceInformation")
_PAST: Final = (*_SERVICE, "ServiceHistory", "ServiceHistoryInstance")
_MEMBERS: Final = ("ServiceTypeIdentifier", "ServiceStatus", "StatusStartingTime")


class _Reader:
    """Takes what is looked for out of the elements as they come, by their whole path and in the list's namespace."""

    def __init__(self) -> None:
        # The standard wants UTF-8; what else a declaration names would be looked up among Python's codecs.
        self.parser = expat.ParserCreate("UTF-8", namespace_separator=" ")
        self.parser.buffer_text = True
        self.parser.StartDoctypeDeclHandler = self._refuse_doctype
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._text
        self._path: list[str] = []
        self._words: list[str] = []
        self._length = 0
        self._scheme: dict[str, str] = {}
        self._provider = ""
        self._draft: _Draft | None = None
        self._services: list[Service] = []

    def found(self, sha256: str) -> TrustedList:
        """Return the list when all of it was read."""
        number = self._scheme.get("TSLSequenceNumber", "")
        if not (number.isascii() and number.isdigit()):
            raise ValueError("no sequence number")
        issued = _instant(self._scheme.get("ListIssueDateTime", ""))
        territory = self._scheme.get("SchemeTerritory") or "no territory"
        return TrustedList(sha256, territory, int(number[:18]), issued, tuple(self._services))

    def _refuse_doctype(self, *_: object) -> None:
        raise ValueError("a document type, which no list has")

    def _start(self, name: str, _: dict[str, str]) -> None:
        if len(self._path) == _DEEPEST:
            raise ValueError(f"more than {_DEEPEST} elements in each other")
        self._path.append(name.removeprefix(_SPACE) if name.startswith(_SPACE) else f"? {name}")
        if len(self._path) == 1 and self._path != ["TrustServiceStatusList"]:
            raise ValueError(f"the element {name[:100]}")
        self._words, self._length = [], 0
        here = tuple(self._path)
        if here == _PROVIDER:
            self._provider = ""
        elif here == _SERVICE:
            self._draft = _Draft(self._provider)
        elif self._draft is not None and here in (_PRESENT, _PAST):
            self._draft.periods.append({})

    def _text(self, words: str) -> None:
        self._length += len(words)
        if self._length <= _LONGEST:
            self._words.append(words)

    def _end(self, _: str) -> None:
        here, text = tuple(self._path), "".join(self._words).strip()
        self._words = []
        self._path.pop()
        if here[:-1] == _SCHEME:
            self._scheme.setdefault(here[-1], text)
        elif here == (*_PROVIDER, "TSPInformation", "TSPName", "Name"):
            self._provider = self._provider or text
        elif self._draft is not None:
            self._take(self._draft, here, text)

    def _take(self, draft: _Draft, here: tuple[str, ...], text: str) -> None:
        if here == (*_PRESENT, "ServiceName", "Name"):
            draft.name = draft.name or text
        elif here == (*_PRESENT, "ServiceDigitalIdentity", "DigitalId", "X509Certificate"):
            draft.certificates.append(text)
        elif here[:-1] in (_PRESENT, _PAST) and here[-1] in _MEMBERS:
            draft.periods[-1][here[-1]] = text
        elif here == _SERVICE:
            self._draft = None
            if any(one.get(_MEMBERS[0], "").startswith(_STAMPING) for one in draft.periods):
                self._services.append(_service(draft))


def _service(draft: _Draft) -> Service:
    periods = [Period(_instant(one.get(_MEMBERS[2], "")), one.get(_MEMBERS[0], ""), one.get(_MEMBERS[1], ""))
               for one in draft.periods]  # fmt: skip
    certificates = tuple(b64decode("".join(one.split()), validate=True) for one in draft.certificates)
    return Service(draft.name, draft.provider, certificates, tuple(periods))


def _instant(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"a time without zone, {text[:40]}")
    return moment.astimezone(UTC)


def _identities(data: bytes) -> set[bytes]:
    """Return what a certificate may be known by: its bytes, and subject with key where it can be read."""
    try:
        certificate = x509.load_der_x509_certificate(data)
        public = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return {data, certificate.subject.public_bytes() + public}
    except UNREADABLE:
        return {data}


def _spelled(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _title(service: Service) -> str:
    return f'"{service.name or "a service without name"}" of {service.provider or "a provider without name"}'
