"""Where things are: locations and key files as absolute paths, and the rule that nothing eats itself.

A path is relative to the policy's folder; `file:///a%20b` is absolute and percent-encoded. The archive, the state
folder, the private keys and their passphrase lie outside every source, because a source is read whole and its copies
can never be deleted; and the secrets lie outside the archive, which is handed to auditors. Links are resolved before
comparing; nothing is created and nothing needs to exist.

>>> _overlap("s3://evidence/archive", "s3://evidence")
True
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final
from urllib.parse import unquote_to_bytes, urlsplit

from archiver.late import dataclass, pattern
from archiver.model.key_uri import FileKey, KeyUri, TokenKey, parse_key_uri, resolve_key_uri
from archiver.model.policy_sql import faults, is_database
from archiver.model.policy_words import DestinationWords, PolicyWords, SourceWords
from archiver.model.policy_yaml import Document, Location, Problem, dotted

__all__ = ["PIPE", "Places", "resolve"]

PIPE: Final = "-"
"""The location of a source that is a pipe."""

_SCHEME = pattern(r"([A-Za-z][A-Za-z0-9+.-]*):(?://|$)")
_BUCKET = pattern(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/([^/].*)?)?")
_S3_ONLY: Final = ("endpoint", "region", "profile")


_Folder = tuple[Location, str, Path]  # where the policy names it, what it is, where it is


@dataclass(frozen=True)
class Places:
    """Absolute paths; None for what is no folder or file."""

    sources: tuple[Path | None, ...]
    destinations: tuple[Path | None, ...]
    statement_key: KeyUri
    log_key: KeyUri
    post_quantum: KeyUri | None
    passphrase: str | None
    state: Path


def resolve(words: PolicyWords, base: Path, document: Document, problems: list[Problem]) -> Places:
    """Return where everything is, and add to `problems` what cannot be."""
    finder = _Finder(base, document, problems)
    passphrase = words.keys.passphrase
    if passphrase and passphrase.startswith("file:"):
        passphrase = f"file:{finder.path(passphrase.removeprefix('file:'))}"
    places = Places(
        sources=tuple(finder.source(source, ("sources", number)) for number, source in enumerate(words.sources)),
        destinations=tuple(
            finder.destination(one, ("destinations", number)) for number, one in enumerate(words.destinations)
        ),
        statement_key=resolve_key_uri(parse_key_uri(words.keys.statement), base),
        log_key=resolve_key_uri(parse_key_uri(words.keys.log), base),
        post_quantum=_second(words, base),
        passphrase=passphrase,
        state=finder.path(words.state),
    )
    finder.keep_apart(places)
    finder.keep_buckets_apart(words)
    return places


class _Finder:
    def __init__(self, base: Path, document: Document, problems: list[Problem]) -> None:
        self._base = base
        self._document = document
        self._problems = problems
        self._reals: dict[Path, Path] = {}  # each path is compared with many, and links are followed step by step

    def path(self, text: str) -> Path:
        return self._base / text

    def source(self, words: SourceWords, place: Location) -> Path | None:
        if words.location == PIPE and (words.include != ["**"] or words.exclude):
            self._refuse((*place, "include"), "what comes through a pipe has no name to choose by", '["**"]')
        for member, text, instead in faults(words):
            self._refuse((*place, member), text, instead)
        if words.location == PIPE or is_database(words.location):
            self._only_for_buckets(words, place)
            return None
        return self._place(words, place, "a folder, as a path or file://")

    def destination(self, words: DestinationWords, place: Location) -> Path | None:
        return self._place(words, place, '"./archive"')

    def _place(self, words: SourceWords | DestinationWords, place: Location, instead: str) -> Path | None:
        at = (*place, "location")
        scheme = _SCHEME.match(words.location)
        if scheme and scheme[1] == "s3":
            if not _BUCKET.fullmatch(words.location):
                self._refuse(
                    at, f'expected s3://bucket/prefix, found "{words.location}"', '"s3://my-bucket/eu-dsa-grok"'
                )
            return None
        if scheme and scheme[1] != "file":
            self._refuse(at, f"expected a path, file:// or s3://, found {scheme[1]}://", instead)
        self._only_for_buckets(words, place)
        return self._local(words.location, at)

    def _only_for_buckets(self, words: SourceWords | DestinationWords, place: Location) -> None:
        for key in _S3_ONLY:
            if getattr(words, key) is not None:
                self._refuse((*place, key), f"{key} belongs to an s3:// location", "it left out")

    def keep_apart(self, places: Places) -> None:
        """Refuse what would archive itself, and secrets where others read."""
        archives: list[_Folder] = [
            (("destinations", number, "location"), "the archive", path)
            for number, path in enumerate(places.destinations)
            if path is not None
        ]
        state: _Folder = (("state",), "the state folder", places.state)
        sources: list[_Folder] = [
            (("sources", number, "location"), "the source", path)
            for number, path in enumerate(places.sources)
            if path is not None
        ]
        for source in sources:
            for folder in (*archives, state):
                self._keep_source_apart(source, folder)
        for number, (place, _, archive) in enumerate(archives):
            for _, _, other in archives[:number]:
                if self._within(other, archive) or self._within(archive, other):
                    self._refuse(place, f"it and the destination {other} lie in each other", "another disk")
            if self._within(state[2], archive) or self._within(archive, state[2]):
                self._refuse(place, "the archive and the state folder lie in each other", "two folders side by side")
        self._keep_secrets(places, [*sources, *archives])

    def keep_buckets_apart(self, words: PolicyWords) -> None:
        """Refuse a source that lies in the prefix of the archive, or the other way round."""
        for number, source in enumerate(words.sources):
            for one in words.destinations:
                if one.endpoint == source.endpoint and _overlap(source.location, one.location):
                    text = f"it and the destination {one.location} lie in each other"
                    self._refuse(("sources", number, "location"), text, "another bucket, or a prefix beside it")

    def _keep_source_apart(self, source: _Folder, folder: _Folder) -> None:
        if self._within(source[2], folder[2]):
            self._refuse(source[0], f"the source lies inside {folder[1]}", "a folder outside it")
        elif self._within(folder[2], source[2]):
            self._refuse(
                source[0], f"{folder[1]} lies inside this source, which would take itself", "a narrower folder"
            )

    def _keep_secrets(self, places: Places, readable: list[_Folder]) -> None:
        secrets: list[_Folder] = []
        named = (("statement", places.statement_key), ("log", places.log_key), ("post_quantum", places.post_quantum))
        for name, key in named:
            if isinstance(key, FileKey):
                secrets.append((("keys", name), f"the private {name} key", key.path))
            elif isinstance(key, TokenKey) and key.pin_source.startswith("file:"):
                secrets.append((("keys", name), "the PIN", Path(key.pin_source.removeprefix("file:"))))
        if places.passphrase and places.passphrase.startswith("file:"):
            secrets.append((("keys", "passphrase"), "the passphrase", Path(places.passphrase.removeprefix("file:"))))
        for place, what, secret in secrets:
            for folder in readable:
                if self._within(secret, folder[2]):
                    self._refuse(place, f"{what} lies inside {folder[1]} {folder[2]}", "a path outside of it")
        if self._same_key(places.statement_key, places.log_key):
            text = "expected two keys, found one: the log key is used for nothing else"
            self._refuse(("keys", "log"), text, '"file:keys/log.pem"')

    def _same_key(self, one: KeyUri, other: KeyUri) -> bool:
        if isinstance(one, FileKey) and isinstance(other, FileKey):
            return self._real(one.path) == self._real(other.path)
        return one == other

    def _within(self, inner: Path, outer: Path) -> bool:
        return self._real(inner).is_relative_to(self._real(outer))

    def _real(self, path: Path) -> Path:
        if path not in self._reals:
            self._reals[path] = Path(os.path.realpath(path))
        return self._reals[path]

    def _local(self, location: str, place: Location) -> Path:
        if not location.startswith("file:"):
            return self.path(location)
        parts = urlsplit(location)
        if parts.netloc not in {"", "localhost"} or not parts.path.startswith("/") or parts.query or parts.fragment:
            self._refuse(place, f'expected file:///absolute/path, found "{location}"', '"file:///srv/evidence"')
        return self.path(os.fsdecode(unquote_to_bytes(parts.path)).replace("\0", "") or "/")

    def _refuse(self, place: Location, text: str, instead: str) -> None:
        self._problems.append(Problem(self._document.mark(place), dotted(place), text, instead))


def _overlap(one: str, other: str) -> bool:
    """Say whether two locations are in one bucket, and one of their prefixes begins with the other."""
    if not (one.startswith("s3://") and other.startswith("s3://")):
        return False
    first, second = f"{one.removesuffix('/')}/", f"{other.removesuffix('/')}/"
    return first.startswith(second) or second.startswith(first)


def _second(words: PolicyWords, base: Path) -> KeyUri | None:
    uri = words.keys.post_quantum
    return None if uri is None else resolve_key_uri(parse_key_uri(uri), base)
