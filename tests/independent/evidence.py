"""Bytes in, value or `Bad` out: what schemas/FORMAT.md says of single objects, written from it alone.

Canonical JSON and the forms of statements, lines and trust file; item text; table schemas; Merkle trees; keys,
envelopes and checkpoints. It shares no line with the project that it checks. Numbers are sections of FORMAT.md.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from itertools import product
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, utils


class Bad(Exception):  # noqa: N818 - it is said of bytes, not of a program
    """Bytes that are not as FORMAT.md says."""


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


# 2 Encoding: canonical JSON, base64, instants


def canonical(value: Any) -> str:
    """Write JSON as RFC 8785 does."""
    if isinstance(value, dict):
        names = sorted(value, key=lambda name: name.encode("utf-16-be", "surrogatepass"))
        return "{" + ",".join(f"{canonical(name)}:{canonical(value[name])}" for name in names) + "}"
    if isinstance(value, list):
        return "[" + ",".join(canonical(one) for one in value) + "]"
    if isinstance(value, float):
        return number(value)
    return json.dumps(value, ensure_ascii=False)


def number(value: float) -> str:
    """Write a double as ECMAScript does; 2 speaks of integers alone, but an unknown kind may hold others."""
    if value == 0:
        return "0"
    sign, digits, exponent = Decimal(repr(value)).normalize().as_tuple()
    text, point = "".join(map(str, digits)), len(digits) + int(exponent)
    if 0 < point <= 21:
        body = text.ljust(point, "0") if len(text) <= point else f"{text[:point]}.{text[point:]}"
    elif -6 < point <= 0:
        body = "0." + "0" * -point + text
    else:
        body = text[0] + ("." + text[1:] if text[1:] else "") + f"e{point - 1:+d}"
    return "-" * sign + body


def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({name for name, _ in pairs}) != len(pairs):
        raise Bad("a member is given twice")
    return dict(pairs)


def refuse(what: str) -> Any:
    raise Bad(f"{what} is no JSON")


def check_values(value: Any, depth: int = 0) -> None:
    """Refuse nesting deeper than 64 and integers of 2^53 or more."""
    if isinstance(value, (dict, list)):
        if depth == 64:
            raise Bad("nested deeper than 64")
        for one in value.values() if isinstance(value, dict) else value:
            check_values(one, depth + 1)
    elif isinstance(value, (int, float)) and not abs(value) < 2**53:
        raise Bad("a number of 2^53 or more")


def parse(data: bytes, *, any_layout: bool = False) -> Any:
    """Read JSON, which is canonical but in the trust file."""
    try:
        value = json.loads(data.decode("utf-8"), object_pairs_hook=once, parse_constant=refuse)
        check_values(value)
        if not any_layout and canonical(value).encode("utf-8") != data:
            raise Bad("not canonical JSON")
    except (ValueError, RecursionError) as error:  # ValueError: also UTF-8 that is none, and lone surrogates
        raise Bad(f"not JSON: {error}") from error
    return value


def unbase64(text: str) -> bytes:
    try:
        data = base64.b64decode(text, validate=True)
    except ValueError as error:
        raise Bad("not base64") from error
    if base64.b64encode(data).decode() != text:
        raise Bad("base64 with another spelling")
    return data


def is_base64(value: Any) -> bool:
    try:
        return type(value) is str and unbase64(value) is not None
    except Bad:
        return False


def instant(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)


def is_instant(value: Any) -> bool:
    if type(value) is not str or not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z", value):
        return False
    try:
        return instant(value) is not None
    except ValueError:
        return False


# Forms: a dict has exactly these members, a list any number of one form, a tuple is a choice, else a test or a constant


def pattern(regex: str) -> Any:
    return lambda value: type(value) is str and re.fullmatch(regex, value) is not None


def misfit(value: Any, form: Any, at: str = "it") -> str | None:
    """Return the first place where a value is not of a form."""
    if isinstance(form, dict):
        if type(value) is not dict or set(value) != set(form):
            return at
        return next((bad for name in form if (bad := misfit(value[name], form[name], f"{at}.{name}"))), None)
    if isinstance(form, list):
        if type(value) is not list:
            return at
        return next((bad for n, one in enumerate(value) if (bad := misfit(one, form[0], f"{at}[{n}]"))), None)
    if isinstance(form, tuple):
        return None if any(misfit(value, one) is None for one in form) else at
    fits = form(value) if callable(form) else type(value) is type(form) and value == form
    return None if fits else at


def some(form: Any) -> Any:
    """Demand a list with at least one of a form."""
    return lambda value: misfit(value, [form]) is None and value != []


def demand(value: Any, form: Any) -> None:
    if bad := misfit(value, form):
        raise Bad(f"{bad} is not as the format says")


def is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value < 2**53


def is_positive(value: Any) -> bool:
    return is_count(value) and value > 0


def is_integer(value: Any) -> bool:
    return type(value) is int


def is_text(value: Any) -> bool:
    return type(value) is str


def is_flag(value: Any) -> bool:
    return type(value) is bool


COUNT, POSITIVE, INTEGER, TEXT, FLAG = is_count, is_positive, is_integer, is_text, is_flag
INSTANT, BASE64 = is_instant, is_base64
HEX = pattern(r"[0-9a-f]{64}")
DECIMAL = pattern(r"-?(0|[1-9][0-9]*)")
ARCHIVE, ARCHIVE_ID = pattern(r"[a-z0-9][a-z0-9.-]{0,62}"), pattern(r"[0-9a-f]{32}")
SOURCE, MATTER = pattern(r"[a-z0-9][a-z0-9-]{0,62}"), pattern(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
STAMP_TEXT, TABLE_TEXT = r"[0-9]{8}T[0-9]{6}Z-[0-9a-f]{6}", r"[a-z][a-z0-9_]{0,62}"
STAMP, TABLE = pattern(STAMP_TEXT), pattern(TABLE_TEXT)
BATCH_ID = pattern(f"{STAMP_TEXT}-{TABLE_TEXT}-[0-9]{{8}}")
FILE_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}"

# 10 to 13 Envelope, statements, locks, entries; 15 trust file

ENVELOPE = {
    "payload": BASE64,
    "payloadType": "application/vnd.in-toto+json",
    "signatures": [{"keyid": HEX, "sig": BASE64}],
}
PAYLOAD = {
    "_type": "https://in-toto.io/Statement/v1",
    "subject": [{"name": TEXT, "digest": {"sha256": HEX}}],
    "predicateType": TEXT,
    "predicate": lambda value: type(value) is dict,
}
COMMON = {
    "archive": ARCHIVE, "archive_id": ARCHIVE_ID, "id": TEXT, "at": INSTANT,
    "by": {
        "tool": TEXT, "version": TEXT, "host": TEXT, "user": TEXT,
        "principal": (TEXT, None), "clock_offset_s": (INTEGER, None),
    },
}  # fmt: skip
HOLD = {"retain_until": INSTANT, "mode": "COMPLIANCE", "legal_hold": FLAG}
RECEIPT = {
    "store": ("s3", "folder"), "endpoint": (TEXT, None), "bucket": TEXT, "key": TEXT, "version": (TEXT, None),
    "etag": (TEXT, None), "size": COUNT, "sha256": (HEX, None), "basis": ("store", "signed-payload", "read-back"),
    "mode": ("COMPLIANCE", "GOVERNANCE", "NONE", None), "retain_until": (INSTANT, None), "legal_hold": (FLAG, None),
    "request_id": (TEXT, None), "read_back_at": INSTANT,
}  # fmt: skip
COUNTED = ("seen", "captured", "unchanged", "changed_during_read", "failed", "excluded", "recorded", "absent")
ACCOUNT = {
    "select": pattern(r"[0-9a-f]{16}"), "records": COUNT, "bytes": COUNT, "kept": {"records": COUNT, "bytes": COUNT},
    "unjudged": [{"reason": pattern(r"[a-z][a-z0-9-]{0,62}"), "records": POSITIVE, "bytes": COUNT}],
    "passed_over": [{"rule": pattern(r"(?s).+"), "reason": pattern(r"(?s).+"), "records": POSITIVE, "bytes": COUNT}],
}  # fmt: skip
ACCOUNTED = {
    "id": SOURCE, "location": TEXT, "device": (TEXT, None), "bytes": COUNT, "new_bytes": COUNT,
    "counts": dict.fromkeys(COUNTED, COUNT),
    "excluded": [{"rule": TEXT, "reason": TEXT, "items": POSITIVE, "bytes": COUNT}],
}  # fmt: skip
PERHAPS = {
    "selected": some(ACCOUNT | {"items": POSITIVE}),
    "unjudged": some({"rule": TEXT, "reason": TEXT, "items": POSITIVE, "bytes": COUNT}),
}
MORE = [tuple(one for one in some if one) for some in product(*((None, one) for one in PERHAPS.items()))]
UNJUDGED = r"kept, it could not be judged by ((?:keywords |select:)[0-9a-f]{16}): ([a-z-]+(?:, [a-z-]+)*)"
KINDS: dict[str, dict[str, Any]] = {
    "archive": {
        "id": STAMP, "origin": TEXT, "log_vkey": TEXT, "format": 1, "hash": "sha-256", "tree": "rfc6962",
        "leaf": "archiver-leaf-v1", "keys": [{"keyid": HEX, "role": ("statement", "log", "approver"), "pem": TEXT}],
        "policy_sha256": HEX, "demo_keys": FLAG, "continues": ({"origin": TEXT, "size": COUNT, "root": HEX}, None),
    },
    "policy": {
        "id": STAMP, "revision": POSITIVE, "sha256": HEX, "previous": (HEX, None), "expected_every_hours": COUNT,
        "matters": [{"id": MATTER, **HOLD, "instrument": (HEX, None)}], "changes": [TEXT],
        "sources": [{"id": SOURCE, "kind": ("documents", "model_logs"), "location": TEXT, "matters": [MATTER]}],
    },
    "batch": {
        "id": BATCH_ID, "source": (SOURCE, ""), "snapshot": STAMP, "table": TABLE,
        "table_version": COUNT, "number": COUNT,
        "records": POSITIVE, "items": POSITIVE, "raw_bytes": COUNT, "merkle_root": HEX, "collected_from": INSTANT,
        "collected_to": INSTANT, "parquet_writer": TEXT, "encryption": "none",
        "policy_sha256": HEX, "matters": [MATTER], "hold": HOLD, "receipts": [RECEIPT],
    },
    "snapshot": {
        "id": STAMP, "previous": (STAMP, None), "started": INSTANT, "finished": INSTANT, "log_size_at_start": COUNT,
        "status": ("complete", "incomplete", "aborted"),
        "sources": [tuple(ACCOUNTED | dict(more) for more in MORE)],
        "batches": lambda value: type(value) is dict and all(TABLE(name) and POSITIVE(n) for name, n in value.items()),
    },
    "receipt": {"id": STAMP, "receipts": [RECEIPT]},
    "sealed": {
        "id": BATCH_ID, "batch": BATCH_ID, "destination": SOURCE, "key": TEXT, "sha256": HEX, "size": COUNT,
        "rows": POSITIVE, "raw_bytes": COUNT, "recipients": [{"matter": MATTER, "keyid": HEX}], "receipt": RECEIPT,
    },
    "derivation": {
        "id": STAMP, "batch": BATCH_ID, "batch_sha256": HEX, "statement_sha256": HEX, "table": TABLE,
        "table_version": POSITIVE, "rows": POSITIVE, "size": COUNT, "dialects": HEX, "parquet_writer": TEXT,
    },
    "hold": {
        "id": STAMP, "matter": MATTER, "instrument": HEX, "scope": ("all", "sources", "batches"), "from": INSTANT,
        "to": INSTANT, "mode": "COMPLIANCE", "legal_hold": True, "counts": {
            "objects": COUNT, "bytes": COUNT, "below": COUNT, "earliest": (INSTANT, None), "latest": (INSTANT, None),
        },
    },
    "approval": {"id": STAMP, "keyid": HEX, "kind": "release", "sha256": HEX},
    "release": {
        "id": STAMP, "matter": MATTER, "instrument": HEX, "request": HEX, "log_size": COUNT,
        "approvals": [{"id": STAMP, "keyid": HEX}], "counts": {"objects": COUNT, "bytes": COUNT},
    },
    "verification": {
        "id": STAMP, "what": pattern("(?s).+"), "why": (TEXT, None), "verdict": ("ok", "partial", "failed"),
        "counts": lambda value: type(value) is dict and all(COUNT(one) for one in value.values()),
    },
    "access": {
        "id": STAMP, "what": pattern("(?s).+"), "why": (TEXT, None), "verdict": ("begun", "ok", "partial", "failed"),
        "counts": lambda value: type(value) is dict and all(COUNT(one) for one in value.values()),
    },
    "key": {
        "id": STAMP, "action": ("add", "retire", "revoke"), "role": ("statement", "log", "approver"), "keyid": HEX,
        "pem": (TEXT, None), "vkey": (TEXT, None), "reason": pattern("(?s).{1,2000}"),
        "compromised_since": (INSTANT, None),
    },
    "timestamp": {
        "id": STAMP, "authority": pattern("[A-Za-z0-9][A-Za-z0-9._-]{0,99}"), "url": TEXT, "log_size": POSITIVE,
        "log_root": HEX, "imprint": HEX, "gen_time": INSTANT, "serial": pattern("0|-?[1-9][0-9]{0,79}"),
        "policy": pattern(r"[0-2](\.(0|[1-9][0-9]{0,39})){1,40}"), "certificate_until": INSTANT,
    },
    "incident": {
        "id": STAMP, "what": TEXT, "decision": ("adopted", "not evidence", "unexplained"),
        "objects": [{"key": TEXT, "version": (TEXT, None), "sha256": HEX}],
    },
}  # fmt: skip
MODES = {"NONE": 0, "GOVERNANCE": 1, "COMPLIANCE": 2}
LOCK = {"key": TEXT, "legal_hold": FLAG, "mode": tuple(MODES), "retain_until": (INSTANT, None)}
ENTRY_KEY = r"statements/([a-z][a-z0-9-]{0,62})/([A-Za-z0-9][A-Za-z0-9._-]{0,199})\.json"
ENTRY = {"key": pattern(ENTRY_KEY), "sha256": HEX}
AUTHORITY = {"id": pattern("(?s).+"), "roots": [TEXT]}
QUALIFIED = {"certificates": [HEX], "valid_from": INSTANT, "valid_until": (INSTANT, None), "source": TEXT}


def is_authority(value: Any) -> bool:
    """An authority of the trust file; `qualified` alone may be absent (15)."""
    try:
        demand(value, AUTHORITY | ({"qualified": QUALIFIED} if "qualified" in value else {}))
    except (Bad, TypeError):
        return False
    return len(value["roots"]) > 0


TRUST = {
    "version": 1, "archive": ARCHIVE, "archive_id": ARCHIVE_ID,
    "logs": [{
        "origin": TEXT, "keys": [{"vkey": TEXT, "from_size": COUNT, "to_size": (COUNT, None)}],
        "seen": ({"size": COUNT, "root": HEX}, None),
    }],
    "statement_keys": [{
        "keyid": HEX, "pem": TEXT, "roles": [("statement", "approver")], "valid_from": (INSTANT, None),
        "valid_until": (INSTANT, None), "revoked": ({"since": INSTANT, "reason": TEXT}, None),
    }],
    "timestamps": {"required": COUNT, "max_delay_s": COUNT, "tsas": [is_authority]},
    "holds": [{"matter": MATTER, "until": INSTANT, "mode": "COMPLIANCE", "legal_hold": FLAG}],
    "max_silence_hours": (POSITIVE, None), "witnesses": [TEXT],
}  # fmt: skip

# 5 and 8 Item text and lines of items

MEMBER = r"gzip|zstd|select:[0-9a-f]{16}|[a-z][a-z0-9]{0,15}:(?:0|[1-9][0-9]{0,15}):(.*)"
REASONS = {
    "changed_during_read": {"changed-during-read"}, "excluded": {"exclude", "include"},
    "damaged": {"truncated", "corrupt", "trailing-garbage", "too-large", "window-too-large"},
}  # fmt: skip
ESCAPED_BYTE = re.compile(rb"%|[\x00-\x1f\x7f]")


def is_escaped(text: Any) -> bool:
    """Tell whether a name is spelt in the one way that section 5 allows."""
    if type(text) is not str or re.search(r"%(?![0-9A-F]{2})", text):
        return False
    name = re.sub(rb"%(..)", lambda found: bytes([int(found[1], 16)]), text.encode("utf-8"))
    plain = ESCAPED_BYTE.sub(lambda found: b"%%%02X" % found[0][0], name)
    again = plain.decode("utf-8", "surrogateescape")  # bytes that are not UTF-8 become DC80 to DCFF
    return "".join(f"%{ord(sign) - 0xDC00:02X}" if 0xDC80 <= ord(sign) <= 0xDCFF else sign for sign in again) == text


def item_fault(item: Any) -> str | None:
    if type(item) is not dict or not {"path", "source"} <= set(item) <= {"path", "source", "members", "version"}:
        return "members"
    path, source, members = item["path"], item["source"], item.get("members", ["gzip"])
    if not is_escaped(path) or any(part in ("", ".", "..") for part in path.split("/")):
        return "path"
    if type(item.get("version", "")) is not str:
        return "version"
    if not SOURCE(source) and not (source == "" and path == "items" and set(item) == {"path", "source", "version"}):
        return "source"
    if type(members) is not list or not members or not all(type(one) is str for one in members):
        return "members"
    found = [re.fullmatch(MEMBER, one, re.DOTALL) for one in members]
    return None if all(one and is_escaped(one[1] or "") for one in found) else "members"


@lru_cache(maxsize=100_000)
def text_fault(text: str) -> str | None:
    try:
        return item_fault(parse(text.encode("utf-8")))
    except Bad as error:
        return str(error)


LINE_FILE = {
    "dev": DECIMAL, "ino": DECIMAL, "nlink": COUNT, "mode": COUNT, "uid": COUNT, "gid": COUNT,
    "owner": (TEXT, None), "group": (TEXT, None), "atime_ns": (DECIMAL, None), "mtime_ns": (DECIMAL, None),
    "ctime_ns": (DECIMAL, None), "btime_ns": (DECIMAL, None), "link_target": (is_escaped, None),
    "holes": lambda value: misfit(value, [[COUNT]]) is None and len(value) <= 10**4 and all(len(v) == 2 for v in value),
    "xattrs": lambda value: type(value) is dict and all(is_escaped(k) and is_base64(v) for k, v in value.items()),
}  # fmt: skip
TEXTS = lambda form: lambda value: type(value) is dict and all(map(form, value.values()))  # noqa: E731
OBJECT_READ = {"at": INSTANT, "headers": TEXTS(is_escaped), "tags": (TEXTS(TEXT), None)}
OBJECTS = {
    "s3": {
        "store": "s3", "key": is_escaped, "version": (TEXT, None), "latest": FLAG, "deleted": FLAG,
        "etag": (TEXT, None), "modified": (INSTANT, None), "storage_class": (TEXT, None), "owner": (TEXT, None),
        "read": (OBJECT_READ, None),
    },
    "sql": {
        "store": "sql", "system": TEXT, "server": TEXT, "query": TEXT,
        "columns": [{"name": TEXT, "type": (TEXT, None)}],
        "isolation": (TEXT, None), "snapshot": (TEXT, None), "plan": (TEXT, None), "rows": (COUNT, None),
        "began": INSTANT, "ended": (INSTANT, None),
    },
    "pipe": {"store": "pipe", "began": INSTANT, "ended": (INSTANT, None)},
}  # fmt: skip
CONTENT = ("captured", "unchanged", "changed_during_read", "damaged")
PART = {"batch": BATCH_ID, "first": COUNT, "count": POSITIVE}
OF, SEALED = {"of": lambda value: item_fault(value) is None}, {"sealed": lambda value: value is True}
LINE = {
    "item": lambda value: item_fault(value) is None, "table": ("documents", "model_logs", None),
    "kind": ("file", "directory", "symlink", "fifo", "socket", "device", "object", "message", "inner"),
    "status": (*CONTENT, "failed", "excluded", "recorded", "absent"),
    "reason": (pattern(r"[a-z][a-z0-9-]{0,62}"), None),
    "detail": (TEXT, None), "errno": (COUNT, None), "basis": ("read", "stat", "etag", None), "size": (COUNT, None),
    "sha256": (HEX, None), "parts": [(PART, PART | OF, PART | SEALED, PART | OF | SEALED)],
    "observed_at": INSTANT, "file": (LINE_FILE, None),
}  # fmt: skip
MARK = {
    "by": pattern(r"(?s:(?:path|where|moderation):.+)|hashes:[0-9a-f]{64}"), "handling": ("mark", "quarantine"),
    "mark": ("csam_suspected", "ncii_suspected", "personal", "privileged"), "reason": lambda v: is_text(v) and v != "",
}  # fmt: skip
MARKED = LINE | {
    "marks": lambda value: (
        misfit(value, [(MARK, MARK | {"records": POSITIVE})]) is None and ordered([one["mark"] for one in value])
    )
}


def ordered(names: list[str]) -> bool:
    """Say whether there are names, each once and in their order."""
    return bool(names) and names == sorted(set(names))


def line_fault(raw: bytes, line: Any) -> str | None:
    """Say what of one line of `items` is not as section 8 says."""
    if len(raw) > 8 << 20:
        return "longer than 8 MiB"
    elsewhere = line.get("object") if type(line) is dict else None
    form = MARKED if type(line) is dict and "marks" in line else LINE
    if bad := misfit(line, form if elsewhere is None else form | {"object": lambda _: True}, "line"):
        return bad
    if (elsewhere is not None) != (line["kind"] == "object" and line["status"] != "absent"):
        return "kind and object"
    if elsewhere is not None:
        store = elsewhere.get("store") if type(elsewhere) is dict else None
        if line["file"] or not pattern(r"[a-z][a-z0-9-]{0,62}")(store):
            return "object"
        if bad := store in OBJECTS and misfit(elsewhere, OBJECTS[store], "object"):
            return bad
    if "marks" in line and line["status"] not in CONTENT:
        return "marks without content"
    content = line["status"] in CONTENT
    if content != bool(line["parts"]) or (content and None in (line["table"], line["size"], line["sha256"])):
        return "content without parts, or parts without content"
    if "members" not in line["item"] and (line["kind"] == "inner" or line["status"] == "damaged"):
        return "kind and members"
    if line["status"] in REASONS and line["reason"] not in REASONS[line["status"]]:
        return "reason"
    if line["reason"] == "include" and line["detail"] != "include":
        return "detail"
    try:
        account_of(line)
    except Bad as error:
        return str(error)
    return None


def account_of(line: dict[str, Any]) -> dict[str, Any] | None:
    """Return what was kept and passed over of a log of which a selection is kept; the innermost line has it."""
    if (line["status"], line["reason"]) != ("recorded", "selected"):
        return None
    if re.fullmatch(r"select:[0-9a-f]{16}", line["detail"] or ""):
        return None
    account: dict[str, Any] = parse((line["detail"] or "").encode("utf-8"))
    demand(account, ACCOUNT)
    for unit in ("records", "bytes"):
        if account[unit] != account["kept"][unit] + sum(one[unit] for one in account["passed_over"]):
            raise Bad("kept and passed over are not all")
        if account["kept"][unit] < sum(one[unit] for one in account["unjudged"]):
            raise Bad("more was kept unjudged than was kept")
    if account["bytes"] != line["size"]:
        raise Bad("an account of another size")
    for name in ("unjudged", "passed_over"):
        keys = [(one.get("rule", ""), one["reason"]) for one in account[name]]
        if keys != sorted(set(keys)):
            raise Bad("an account out of order")
    return account


def sum_of(accounts: list[dict[str, Any]]) -> dict[str, Any]:
    """Add accounts under one rule up."""
    total: dict[str, Any] = {"select": accounts[0]["select"], "items": len(accounts)}
    for unit in ("records", "bytes"):
        total[unit] = sum(one[unit] for one in accounts)
    total["kept"] = {unit: sum(one["kept"][unit] for one in accounts) for unit in ("records", "bytes")}
    for name in ("unjudged", "passed_over"):
        rows: dict[tuple[str, str], dict[str, Any]] = {}
        for row in [row for one in accounts for row in one[name]]:
            words = {key: value for key, value in row.items() if type(value) is str}
            into = rows.setdefault((row.get("rule", ""), row["reason"]), {**words, "records": 0, "bytes": 0})
            into["records"] += row["records"]
            into["bytes"] += row["bytes"]
        total[name] = [rows[key] for key in sorted(rows)]
    return total


# 7 Tables

STRING, LIST = pa.string(), pa.list_(pa.field("element", pa.string()))
US, NS = pa.timestamp("us", tz="UTC"), pa.timestamp("ns", tz="UTC")
DECIMAL = pa.decimal128(38, 24)
DIGEST = pa.struct([pa.field("length", pa.uint64()), pa.field("sha256", pa.binary(32))])
EVIDENCE = [
    pa.field("record", pa.uint64(), nullable=False),
    pa.field("item", pa.dictionary(pa.int32(), STRING), nullable=False),
    pa.field("offset", pa.uint64(), nullable=False), pa.field("raw", pa.large_binary()), pa.field("withheld", DIGEST),
]  # fmt: skip
INDEX: dict[tuple[str, int], list[tuple[str, pa.DataType]]] = {
    ("items", 1): [
        *((name, STRING) for name in ("item_text", "status", "kind")), ("size", pa.uint64()),
        *((name, STRING) for name in ("sha256", "mime")),
        *((name, US) for name in ("modified", "changed", "accessed", "born")), ("owner", STRING), ("custodian", STRING),
    ],
    ("documents", 1): [
        ("path", STRING), ("name", STRING), ("size", pa.uint64()), ("sha256", STRING), ("mime", STRING),
        ("modified", US), ("custodian", STRING), ("matters", LIST), ("collected_at", US),
    ],
    ("model_logs", 1): [
        *((name, STRING) for name in ("dialect", "parse_status", "parse_error", "content_status")),
        ("source_offset", pa.uint64()), ("event_time", NS),
        *((f"event_time_{name}", STRING) for name in ("raw", "unit", "basis")),
        *((f"{name}_id", STRING) for name in ("request", "trace", "span", "session", "user", "end_user")),
        ("service_name", STRING),
        *((f"gen_ai_{name}", STRING) for name in ("operation_name", "provider_name", "conversation_id", "request_model",
                                                  "response_model", "response_id")),
        ("gen_ai_request_max_tokens", pa.int64()), ("gen_ai_request_temperature", pa.float64()),
        ("gen_ai_request_top_p", pa.float64()), ("gen_ai_request_stream", pa.bool_()),
        ("gen_ai_response_finish_reasons", LIST),
        *((f"gen_ai_usage_{name}_tokens", pa.int64())
          for name in ("input", "output", "reasoning_output", "cache_read_input")),
        ("http_response_status_code", pa.int64()), ("error_type", STRING), ("error_message", STRING),
    ],
}  # fmt: skip
INDEX["model_logs", 2] = [
    *INDEX["model_logs", 1], ("event_count", pa.int64()), ("parent_span_id", STRING), ("previous_response_id", STRING),
    *((name, STRING) for name in ("org_id", "api_key_hash", "client_address", "user_agent", "host_name")),
    *((f"log_{name}", STRING) for name in ("iostream", "tag", "group", "stream")),
    *((f"k8s_{name}", STRING) for name in ("namespace", "pod", "pod_uid", "container", "container_id", "node")),
    ("kafka_topic", STRING), ("kafka_partition", pa.int64()), ("kafka_offset", pa.int64()), ("kafka_key", STRING),
    ("gen_ai_output_type", STRING), ("gen_ai_request_choice_count", pa.int64()),
    *((f"gen_ai_request_{name}", pa.float64()) for name in ("top_k", "frequency_penalty", "presence_penalty")),
    ("gen_ai_request_seed", pa.int64()), ("gen_ai_request_stop_sequences", LIST),
    ("gen_ai_usage_cache_creation_input_tokens", pa.int64()),
    *((f"openai_response_{name}", STRING) for name in ("system_fingerprint", "service_tier")),
    ("http_request_method", STRING), ("http_request_target", STRING),
    *((f"{name}_body_size", pa.int64()) for name in ("request", "response")), ("cost_usd", DECIMAL),
    ("moderation_flagged", pa.bool_()), ("media_uri", STRING), ("media_respects_moderation", pa.bool_()),
]  # fmt: skip
NUMBERS = pa.list_(pa.field("element", pa.uint64()))


def lists(*members: str | tuple[str, pa.DataType]) -> pa.DataType:
    """Return a list of structs; a member without a type is a string."""
    named = [(one, STRING) if isinstance(one, str) else one for one in members]
    return pa.list_(pa.field("element", pa.struct(named)))


PARTS = lists("kind", "text", "reason")
CALLS = lists("id", "name", "arguments", "reason")
MESSAGES = lists("role", ("parts", PARTS), ("tool_calls", CALLS), "tool_call_id", "finish_reason")
MEDIA = lists(
    "direction", "kind", "place", "mime", "uri", "file_id", ("inline", pa.bool_()), ("size", pa.uint64()), "sha256",
    ("respects_moderation", pa.bool_()), "reason",
)  # fmt: skip
CATEGORIES = lists("name", ("flagged", pa.bool_()), ("score", pa.float64()), ("applied_input_types", LIST))
VERDICTS = lists("direction", "model", ("flagged", pa.bool_()), ("categories", CATEGORIES))
LISTS = [  # 7.6
    ("gen_ai_system_instructions", PARTS), ("gen_ai_input_messages", MESSAGES), ("gen_ai_output_messages", MESSAGES),
    ("media", MEDIA), ("moderation", VERDICTS), ("attributes", lists("key", "place", "value_json")),
    ("lists_error", STRING),
]  # fmt: skip
DERIVED: dict[tuple[str, int], list[pa.Field]] = {  # 7.7
    ("model_log_events", 1): [
        pa.field("batch", pa.dictionary(pa.int32(), STRING), nullable=False),
        pa.field("record", pa.uint64(), nullable=False), pa.field("event", pa.uint64()), pa.field("pointer", STRING),
        pa.field("records", NUMBERS),
        *(pa.field(*column) for column in INDEX["model_logs", 2] if column[0] != "source_offset"),
        *(pa.field(*column) for column in LISTS),
    ],
}  # fmt: skip
PHYSICAL = {  # of each leaf column: physical type, logical type in the words of the Parquet library
    pa.uint64(): ("INT64", "Int(bitWidth=64, isSigned=false)"), STRING: ("BYTE_ARRAY", "String"),
    pa.dictionary(pa.int32(), STRING): ("BYTE_ARRAY", "String"), pa.large_binary(): ("BYTE_ARRAY", "None"),
    pa.int64(): ("INT64", "None"), pa.float64(): ("DOUBLE", "None"), pa.bool_(): ("BOOLEAN", "None"),
    DECIMAL: ("FIXED_LEN_BYTE_ARRAY", "Decimal(precision=38, scale=24)"),
    pa.binary(32): ("FIXED_LEN_BYTE_ARRAY", "None"), US: ("INT64", "microseconds"), NS: ("INT64", "nanoseconds"),
}  # fmt: skip


def leaf_columns(field: pa.Field, above: tuple[str, int, int] = ("", 0, 0)) -> list[tuple[str, pa.DataType, int, int]]:
    """Return path, type and highest definition and repetition level of a field's columns in Parquet."""
    path, definition, repetition = f"{above[0]}{field.name}", above[1] + field.nullable, above[2]
    if pa.types.is_list(field.type):
        return leaf_columns(field.type.value_field, (f"{path}.list.", definition + 1, repetition + 1))
    if pa.types.is_struct(field.type):
        return [leaf for one in field.type for leaf in leaf_columns(one, (f"{path}.", definition, repetition))]
    return [(path, field.type, definition, repetition)]


def schema_fault(file: pq.ParquetFile, fields: list[pa.Field], *, whole: bool) -> str | None:
    """Compare the Arrow schema and the Parquet columns with those of a table version."""
    found = list(file.schema_arrow)[: None if whole else len(fields)]
    if found != fields or len({name.lower() for name in file.schema_arrow.names}) != len(file.schema_arrow.names):
        return "columns, types or order"
    for number_, (path, kind, definition, repetition) in enumerate(
        leaf for field in fields for leaf in leaf_columns(field)
    ):
        column = file.schema.column(number_)
        physical, logical = PHYSICAL[kind]
        levels = (column.max_definition_level, column.max_repetition_level)
        if (column.path, column.physical_type, levels) != (path, physical, (definition, repetition)):
            return f"Parquet column {column.path}"
        if logical not in str(column.logical_type) or (
            "seconds" in logical and "isAdjustedToUTC=true" not in str(column.logical_type)
        ):
            return f"Parquet type of {column.path}"
    return None


# 6 and 13.1 Merkle trees


class Tree:
    """An RFC 6962 tree that grows: the roots of its perfect subtrees, largest first."""

    def __init__(self) -> None:
        self.peaks: list[tuple[int, bytes]] = []

    def add(self, leaf: bytes) -> None:
        size = 1
        while self.peaks and self.peaks[-1][0] == size:
            leaf = hashlib.sha256(b"\x01" + self.peaks.pop()[1] + leaf).digest()
            size *= 2
        self.peaks.append((size, leaf))

    def root(self) -> bytes:
        node = self.peaks[-1][1]
        for _, left in reversed(self.peaks[:-1]):
            node = hashlib.sha256(b"\x01" + left + node).digest()
        return node


# 10 and 13.3 Keys, signatures, checkpoints

P, N256 = 2**255 - 19, 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def ed25519_key(raw: bytes) -> ed25519.Ed25519PublicKey:
    """Take a canonical point of the curve that is not of low order."""
    y, odd = int.from_bytes(raw, "little") & ~(1 << 255), raw[-1] >> 7 if len(raw) == 32 else 2
    d = -121665 * pow(121666, -1, P) % P
    square = (y * y - 1) * pow(d * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    x = x if x * x % P == square else x * pow(2, (P - 1) // 4, P) % P
    if odd == 2 or y >= P or x * x % P != square or (x == 0 and odd):
        raise Bad("no canonical encoding of a point")
    for _ in range(3):
        product = d * x * x * y * y
        x, y = 2 * x * y * pow(1 + product, -1, P) % P, (y * y + x * x) * pow(1 - product, -1, P) % P
    if x == 0 and y == 1:
        raise Bad("a point of low order")
    return ed25519.Ed25519PublicKey.from_public_bytes(raw)


def statement_key(pem: str, keyid: str) -> Any:
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    try:
        key = serialization.load_pem_public_key(pem.encode("utf-8"))
    except (ValueError, UnsupportedAlgorithm) as error:
        raise Bad("no public key") from error
    if key.public_bytes(serialization.Encoding.PEM, form).decode() != pem:
        raise Bad("PEM with another spelling")
    if sha256(key.public_bytes(serialization.Encoding.DER, form)) != keyid:
        raise Bad("keyid of another key")
    if isinstance(key, ed25519.Ed25519PublicKey):
        return ed25519_key(key.public_bytes_raw())
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise Bad("neither P-256 nor Ed25519")
    return key


def signature_good(key: Any, signature: bytes, payload: bytes) -> bool:
    signed = b"DSSEv1 28 application/vnd.in-toto+json %d %s" % (len(payload), payload)
    try:
        if isinstance(key, ed25519.Ed25519PublicKey):
            key.verify(signature, signed)
            return True
        r, s = utils.decode_dss_signature(signature)
        if utils.encode_dss_signature(r, s) != signature or not (0 < r < N256 and 0 < s <= N256 // 2):
            return False
        key.verify(signature, signed, ec.ECDSA(hashes.SHA256()))
    except (InvalidSignature, ValueError):
        return False
    return True


def spki(key: Any) -> str:
    """Return the keyid of a key."""
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return sha256(key.public_bytes(serialization.Encoding.DER, form))


def verifier_key(vkey: str, origin: str) -> tuple[bytes, ed25519.Ed25519PublicKey]:
    """Return key hash and key of a verifier key that names this origin."""
    name, _, rest = vkey.partition("+")
    short, _, encoded = rest.partition("+")
    public = unbase64(encoded)
    if name != origin or public[:1] != b"\x01":
        raise Bad("vkey of another log or algorithm")
    mark = hashlib.sha256(origin.encode("utf-8") + b"\n" + public).digest()[:4]
    if mark.hex() != short:
        raise Bad("key hash of another key")
    return mark, ed25519_key(public[1:])


def checkpoint_root(data: bytes, size: int, log: dict[str, Any]) -> bytes | None:
    """Return the root that a good checkpoint of this log and size signs."""
    text, _, last = data.partition(b"\n\n")
    lines, words = text.split(b"\n"), last.split(b" ")
    origin = log["origin"].encode("utf-8")
    if (
        len(lines) != 3
        or lines[:2] != [origin, b"%d" % size]
        or words[:2] != ["\u2014".encode(), origin]
        or len(words) != 3
    ):
        return None
    try:
        root, signature = unbase64(lines[2].decode("ascii")), unbase64(words[2].removesuffix(b"\n").decode("ascii"))
    except (Bad, UnicodeDecodeError):
        return None
    if not last.endswith(b"\n") or len(root) != 32:
        return None
    for key in log["keys"]:
        mark, public = verifier_key(key["vkey"], log["origin"])
        if key["from_size"] <= size <= (size if key["to_size"] is None else key["to_size"]) and signature[:4] == mark:
            try:
                public.verify(signature[4:], text + b"\n")
            except InvalidSignature:
                continue
            return root
    return None


def tile_key(level: int | str, number_: int) -> str:
    groups = [f"{number_ % 1000:03d}"]
    while number_ := number_ // 1000:
        groups.insert(0, f"x{number_ % 1000:03d}")
    return f"log/tile/{level}/" + "/".join(groups)


def leaf_hash(text: str, offset: int, length: int, salt: bytes, digest: bytes) -> bytes:
    head = (
        b"\x00" + hashlib.sha256(text.encode("utf-8")).digest() + offset.to_bytes(8, "big") + length.to_bytes(8, "big")
    )
    return hashlib.sha256(head + salt + digest).digest()


def read_trust(data: bytes) -> dict[str, Any]:
    """Read a trust file (15); whether its keys are good is another question."""
    if len(data) > 1 << 20:
        raise Bad("longer than 1 MiB")
    trust: dict[str, Any] = parse(data, any_layout=True)
    logs = trust.get("logs") if type(trust) is dict else None
    plain = [{n: v for n, v in log.items() if n != "post_quantum"} if type(log) is dict else log for log in logs or []]
    demand(trust | {"logs": plain} if logs else trust, TRUST)
    for log in trust["logs"]:
        if "post_quantum" in log:  # may be left out
            demand({"keys": log["post_quantum"]}, {"keys": TRUST["logs"][0]["keys"]})
            if not log["post_quantum"]:
                raise Bad("no key")
    if not trust["logs"] or not trust["statement_keys"] or not all(log["keys"] for log in trust["logs"]):
        raise Bad("no log or no key")
    if not all(key["roles"] for key in trust["statement_keys"]):
        raise Bad("a key without roles")
    return trust
