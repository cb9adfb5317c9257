r"""Where a signing key lies, as the policy names it: a file, a token (RFC 7512), a key service.

    file:keys/statement.pem
    pkcs11:token=archive;object=statement?module-path=/usr/lib/softhsm/libsofthsm2.so&pin-source=env:ARCHIVER_PIN
    awskms:arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab

Laws: a URI names places and never a secret: a PIN's place is `env:NAME` or `file:PATH`, `pin-value` is refused and not
repeated; an attribute that would be passed over is refused; each is given once.

>>> parse_key_uri("pkcs11:token=a;id=%01?module-path=/m.so&pin-source=env:PIN").id
b'\x01'
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Final, TypeAlias
from urllib.parse import quote, unquote, unquote_to_bytes, urlsplit

from archiver.late import dataclass, pattern

__all__ = [
    "BadKeyUriError",
    "FileKey",
    "KeyUri",
    "ServiceKey",
    "TokenKey",
    "parse_key_uri",
    "parse_recipient",
    "place_of",
    "public_place",
    "resolve_key_uri",
]

_EXAMPLE_FILE: Final = '"file:keys/statement.pem"'
_EXAMPLE_TOKEN: Final = '"pkcs11:token=NAME;object=NAME?module-path=/path/to/module.so&pin-source=env:NAME"'  # noqa: S105 - a place
_EXAMPLE_SERVICE: Final = '"awskms:arn:aws:kms:REGION:ACCOUNT:key/ID"'
_PIN_SOURCE: Final = pattern(r"env:[A-Za-z_][A-Za-z0-9_]*|file:.+")
_ARN: Final = pattern(
    r"arn:aws(?:-[a-z]+)*:kms:(?P<region>[a-z0-9-]+):[0-9]{12}:(?:key/[A-Za-z0-9-]+|alias/[A-Za-z0-9/_-]+)"
)
_BAD_ESCAPE: Final = pattern(r"%(?![0-9A-Fa-f]{2})")


class BadKeyUriError(ValueError):
    """A text is no key URI; `instead` says what to write."""

    def __init__(self, text: str, instead: str) -> None:
        """Say what was expected and found."""
        super().__init__(text)
        self.instead = instead


@dataclass(frozen=True)
class FileKey:
    """A key in a file."""

    path: Path

    def __str__(self) -> str:
        return f"file:{self.path}"


@dataclass(frozen=True)
class TokenKey:
    """A key in a token, by the token's label or serial number and the key's label or id."""

    module: Path
    pin_source: str
    token: str | None = None
    serial: str | None = None
    label: str | None = None
    id: bytes | None = None

    def __str__(self) -> str:
        token = [f"token {self.token}"] if self.token is not None else [f"serial {self.serial}"]
        key = [f"key {self.label}"] if self.label is not None else [f"key id {self.id.hex() if self.id else ''}"]
        return "pkcs11 " + ", ".join([*token, *key])


@dataclass(frozen=True)
class ServiceKey:
    """A key in AWS KMS, by its ARN."""

    arn: str
    region: str
    endpoint: str | None = None
    profile: str | None = None

    def __str__(self) -> str:
        return f"awskms {self.arn}"


KeyUri: TypeAlias = FileKey | TokenKey | ServiceKey


def parse_key_uri(text: str) -> KeyUri:
    """Read a key URI as it stands in a policy; raises `BadKeyUriError`, which never repeats a secret."""
    scheme, _, rest = text.partition(":")
    if scheme == "file" and rest:
        return FileKey(Path(rest))
    if scheme == "pkcs11":
        return _token(rest)
    if scheme == "awskms":
        return _service(rest)
    if re.match(r"[a-z0-9+-]+:", text) and scheme != "file":
        raise BadKeyUriError(f"expected file:, pkcs11: or awskms:, found {scheme}:", _EXAMPLE_FILE)
    raise BadKeyUriError("expected a key URI", f'"file:{"keys/statement.pem" if scheme == "file" else text}"')


def parse_recipient(text: str) -> KeyUri:
    """Read where a recipient's key lies: a path, or a key URI; raises `BadKeyUriError`."""
    return parse_key_uri(text) if text.startswith(("file:", "pkcs11:", "awskms:")) else FileKey(Path(text))


def place_of(key: KeyUri) -> str:
    """Return for people where a key lies."""
    return str(key.path) if isinstance(key, FileKey) else str(key)


def public_place(key: KeyUri) -> str | None:
    """Return where a key lies as others may look for it: no path and no account of this machine; None for a file."""
    if isinstance(key, ServiceKey):
        return f"awskms:{key.arn}"
    if isinstance(key, FileKey):
        return None
    names = {"token": key.token, "serial": key.serial, "object": key.label, "id": key.id}
    return "pkcs11:" + ";".join(f"{name}={quote(value)}" for name, value in names.items() if value is not None)


def resolve_key_uri(key: KeyUri, base: Path) -> KeyUri:
    """Return the key with its relative paths made relative to the policy's folder."""
    if isinstance(key, FileKey):
        return FileKey(base / key.path)
    if isinstance(key, TokenKey) and key.pin_source.startswith("file:"):
        return replace(key, pin_source=f"file:{base / key.pin_source.removeprefix('file:')}")
    return key


def _token(text: str) -> TokenKey:
    path, _, query = text.partition("?")
    attributes = _attributes(path, ";", {"token", "serial", "object", "id", "type"})
    options = _attributes(query, "&", {"module-path", "pin-source"})
    if attributes.get("type", "private") != "private":
        raise BadKeyUriError("expected type=private, found another type", _EXAMPLE_TOKEN)
    if not {"token", "serial"} & attributes.keys():
        raise BadKeyUriError("expected token=NAME or serial=NUMBER, found neither", _EXAMPLE_TOKEN)
    if not {"object", "id"} & attributes.keys():
        raise BadKeyUriError("expected object=NAME or id=%XX of the key, found neither", _EXAMPLE_TOKEN)
    module, pin = _text(options, "module-path") or "", _text(options, "pin-source") or ""
    if not module.startswith("/"):
        raise BadKeyUriError("expected module-path=/absolute/path of the token's library", _EXAMPLE_TOKEN)
    if _PIN_SOURCE.fullmatch(pin) is None:
        # What was found is not repeated: it may be the PIN.
        raise BadKeyUriError("expected pin-source=env:NAME or pin-source=file:PATH", _EXAMPLE_TOKEN)
    return TokenKey(
        module=Path(module),
        pin_source=pin,
        token=_text(attributes, "token"),
        serial=_text(attributes, "serial"),
        label=_text(attributes, "object"),
        id=unquote_to_bytes(attributes["id"]) if "id" in attributes else None,
    )


def _service(text: str) -> ServiceKey:
    arn, _, query = text.partition("?")
    found = _ARN.fullmatch(arn)
    if found is None:
        raise BadKeyUriError("expected the ARN of a KMS key", _EXAMPLE_SERVICE)
    options = _attributes(query, "&", {"endpoint", "profile"})
    endpoint = _text(options, "endpoint")
    if endpoint is not None and (urlsplit(endpoint).scheme not in {"http", "https"} or "@" in endpoint):
        raise BadKeyUriError("expected endpoint=https://HOST, without a password in it", _EXAMPLE_SERVICE)
    return ServiceKey(arn, found["region"], endpoint, _text(options, "profile"))


def _attributes(text: str, separator: str, known: set[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for one in text.split(separator) if text else []:
        name, equals, value = one.partition("=")
        if name == "pin-value":
            raise BadKeyUriError("expected the place of the PIN, never the PIN itself", "pin-source=env:NAME")
        if name not in known or not equals or not value or _BAD_ESCAPE.search(value):
            expected = ", ".join(f"{name}=" for name in sorted(known))
            raise BadKeyUriError(f"expected {expected} found something else", _EXAMPLE_TOKEN)
        if name in found:
            raise BadKeyUriError(f"expected {name}= once, found it twice", f"{name}= once")
        found[name] = value
    return found


def _text(attributes: dict[str, str], name: str) -> str | None:
    try:
        return unquote(attributes[name], errors="strict") if name in attributes else None
    except UnicodeDecodeError as problem:
        raise BadKeyUriError(f"expected {name}= in UTF-8, found other bytes", _EXAMPLE_TOKEN) from problem
