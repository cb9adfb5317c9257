"""The values of `retention_policy.yaml`: what a name, an instant, a size, a glob or the place of a key may be.

Each is a type that checks one value by itself. A refusal is a `policy` error that says what was expected and what to
write. Annotations are no texts here, see `statement_words`.
"""

import re
from datetime import date, datetime
from typing import TYPE_CHECKING, Annotated, Any, Final
from urllib.parse import urlsplit

from archiver.model.checked import AfterValidator, Field, PlainValidator, WithJsonSchema
from archiver.model.glob import BadGlobError, check_glob
from archiver.model.hold import INSTANT_PATTERN, NotAnInstantError, parse_offset_instant
from archiver.model.key_uri import BadKeyUriError, parse_key_uri, parse_recipient
from archiver.model.policy_yaml import show
from archiver.model.regular import MAX_PATTERN, glob_pattern, matching, problem_of
from archiver.model.size import SIZE_PATTERN, parse_size

if TYPE_CHECKING:
    from pydantic_core import PydanticCustomError

__all__ = [
    "ONCE",
    "ArchiveName",
    "Day",
    "Dialect",
    "Glob",
    "Id",
    "Instant",
    "KeyFileUri",
    "KeyUri",
    "MatterId",
    "Passphrase",
    "Pattern",
    "RecipientKey",
    "Size",
    "SizeOfBatch",
    "Text",
    "Value",
    "WebAddress",
    "must_be",
]

LARGEST_BATCH: Final = 4 << 30  # one put_object takes at most 5 GiB; Parquet may need a little more than the raw bytes


def _problem(text: str, instead: str = "") -> "PydanticCustomError":
    from pydantic_core import PydanticCustomError  # noqa: PLC0415 - most policies have no mistake

    return PydanticCustomError("policy", "{text}", {"text": text, "instead": instead})


def _expected(expected: str, found: object, instead: str = "") -> "PydanticCustomError":
    return _problem(f"expected {expected}, found {show(found)}", instead)


def _named(pattern: str, words: str) -> AfterValidator:
    compiled = re.compile(pattern)

    def check(text: str) -> str:
        if compiled.fullmatch(text) is None:
            raise _expected(words, text)
        return text

    return AfterValidator(check)


def _text(text: str) -> str:
    if not text.strip():
        raise _expected("some text", text)
    return text


def _day(text: str) -> str:
    try:
        if date.fromisoformat(text).isoformat() == text:
            return text
    except ValueError:
        pass  # refused below, like other spellings of a day
    raise _expected("a day as YYYY-MM-DD", text, '"2026-01-08"')


def _instant(value: object) -> datetime:
    if not isinstance(value, str):
        raise _expected("an instant in quotes", value, '"2027-01-01T12:00:00Z"')
    try:
        return parse_offset_instant(value)
    except NotAnInstantError as problem:
        raise _problem(f"found {show(value)}: {problem}", problem.instead) from problem


def _size(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise _expected("a size", value, "512MiB")
    try:
        return parse_size(value)
    except ValueError as problem:
        raise _problem(f"expected a size, found {show(value)}", str(problem)) from problem


def _glob(text: str) -> str:
    try:
        check_glob(text)
    except BadGlobError as problem:
        raise _problem(f"found {show(text)}: {problem}", problem.instead) from problem
    return text


def _regular(pattern: str) -> str:
    if not pattern or len(pattern) > MAX_PATTERN:
        raise _expected(f"a regular expression of 1 to {MAX_PATTERN} characters", pattern)
    problem = problem_of(pattern)
    if problem is not None:
        instead = "it in the dialect of RE2: no look-around, no back references"
        raise _problem(f"found {show(pattern)}, which is no regular expression: {problem}", instead)
    if any(matching(pattern, [""])):
        raise _problem(f"found {show(pattern)}, which is found in every text", "what must be there at least")
    return pattern


def _value(text: str) -> str:
    if not text or len(text) > MAX_PATTERN:
        raise _expected(f"a value of 1 to {MAX_PATTERN} characters", text, '"grok-*"')
    if problem_of(glob_pattern(text)) is not None:
        raise _problem(f"found {show(text)}: its [ ] is no set of characters", "[[] for the character itself")
    return text


def _key_uri(text: str) -> str:
    try:
        parse_key_uri(text)
    except BadKeyUriError as problem:
        # Of a URI nothing is repeated: somebody may have written the PIN into it.
        found = "" if ":" in text else f", found {show(text)}"
        raise _problem(f"{problem}{found}", problem.instead) from problem
    return text


def _recipient(text: str) -> str:
    try:
        parse_recipient(_text(text))
    except BadKeyUriError as problem:
        raise _problem(str(problem), problem.instead) from problem
    return text


def _key_file(text: str) -> str:
    if not _key_uri(text).startswith("file:"):
        raise _problem("expected a key file: tokens and services do not sign so yet", '"file:keys/post-quantum.pem"')
    return text


def _passphrase(text: str) -> str:
    if re.fullmatch(r"env:[A-Za-z_][A-Za-z0-9_]*|file:.+", text) is None:
        # What was found is not repeated: it may be the passphrase.
        raise _problem("expected the place of the passphrase, never the passphrase itself", "env:NAME or file:PATH")
    return text


def must_be(wanted: object, why: str) -> AfterValidator:
    """Accept one value alone, and say why."""

    def check(value: object) -> object:
        if value != wanted:
            raise _problem(
                f"expected {wanted if isinstance(wanted, str) else show(wanted)}, found {show(value)}: {why}"
            )
        return value

    return AfterValidator(check)


def _authority_url(value: str) -> str:
    """Refuse what is no address of the web, and what would put a secret into the signed policy."""
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise _expected("an address http:// or https://", value)
    if parts.username or parts.password or parts.query or parts.fragment:
        raise _expected("an address without user, password, query and fragment", "one with them",
                        "it without: the policy is archived, and everybody who gets the archive reads it")  # fmt: skip
    return value


def _once(names: list[str]) -> list[str]:
    for name in names:
        if names.count(name) > 1:
            raise _problem(f"found {name} twice", "it once")
    return names


def _batch(size: int) -> int:
    if not 0 < size <= LARGEST_BATCH:
        raise _problem(f"expected 1 to {LARGEST_BATCH} bytes (one put takes no more), found {size}", "512MiB")
    return size


def _pattern(pattern: str) -> Any:
    return Field(json_schema_extra={"pattern": pattern})


_ARCHIVE: Final = r"[a-z0-9][a-z0-9.-]{0,62}"
_ID: Final = r"[a-z0-9][a-z0-9-]{0,62}"
_MATTER: Final = r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}"
_DIALECT: Final = r"[a-z0-9][a-z0-9._-]{0,62}"

Text = Annotated[str, AfterValidator(_text), Field(json_schema_extra={"pattern": r"\S"})]
ArchiveName = Annotated[
    str, _named(_ARCHIVE, "1 to 63 of a-z 0-9 . - beginning with a letter or digit"), _pattern(f"^{_ARCHIVE}$")
]
Id = Annotated[str, _named(_ID, "1 to 63 of a-z 0-9 - beginning with a letter or digit"), _pattern(f"^{_ID}$")]
MatterId = Annotated[
    str, _named(_MATTER, "1 to 63 of A-Z a-z 0-9 . _ - beginning with a letter or digit"), _pattern(f"^{_MATTER}$")
]
Dialect = Annotated[str, _named(_DIALECT, "auto, or the name of a dialect in a-z 0-9 . _ -"), _pattern(f"^{_DIALECT}$")]
Day = Annotated[str, AfterValidator(_day), Field(json_schema_extra={"format": "date"})]
Instant = Annotated[
    datetime,
    PlainValidator(_instant),
    WithJsonSchema({"type": "string", "format": "date-time", "pattern": INSTANT_PATTERN}),
]
Size = Annotated[
    int,
    PlainValidator(_size),
    WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 0}, {"type": "string", "pattern": SIZE_PATTERN}]}),
]
Glob = Annotated[
    str, AfterValidator(_glob), Field(json_schema_extra={"minLength": 1, "pattern": "^[^/].*[^/]$|^[^/]$"})
]
Pattern = Annotated[str, AfterValidator(_regular), Field(json_schema_extra={"minLength": 1, "maxLength": MAX_PATTERN})]
Value = Annotated[str, AfterValidator(_value), Field(json_schema_extra={"minLength": 1, "maxLength": MAX_PATTERN})]
KeyUri = Annotated[str, AfterValidator(_key_uri), _pattern("^(file|pkcs11|awskms):.+")]
RecipientKey = Annotated[str, AfterValidator(_recipient), Field(json_schema_extra={"pattern": r"\S"})]
KeyFileUri = Annotated[str, AfterValidator(_key_file), _pattern("^file:.+")]
Passphrase = Annotated[
    str,
    AfterValidator(_passphrase),
    _pattern("^(env:[A-Za-z_][A-Za-z0-9_]*|file:.+)$"),
]
WebAddress = Annotated[Text, AfterValidator(_authority_url)]
SizeOfBatch = Annotated[Size, AfterValidator(_batch)]
ONCE: Final = AfterValidator(_once)
"""Of a list: no name stands in it twice."""
