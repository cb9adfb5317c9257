"""Who outside has seen the log (FORMAT.md 13.6 and 17): cosignatures in a folder, judged from FORMAT.md alone."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ed25519
from evidence import Bad, ed25519_key, unbase64

Witness = tuple[str, bytes, ed25519.Ed25519PublicKey]
Finding = tuple[str, str, str, str]

KEY = re.compile(r"log/cosignatures/([0-9]{12})/([0-9a-f]{8})")
LAST = 253_402_300_799


def witness_key(vkey: str) -> Witness:
    """Return name, key hash and key of a witness."""
    name, _, rest = vkey.partition("+")
    short, _, encoded = rest.partition("+")
    typed = unbase64(encoded)
    if not name or typed[:1] != b"\x04":
        raise Bad("vkey of no witness")
    mark = hashlib.sha256(name.encode("utf-8") + b"\n" + typed).digest()[:4]
    if mark.hex() != short:
        raise Bad("key hash of another key")
    return name, mark, ed25519_key(typed[1:])


def read_witnesses(vkeys: list[str], logs: list[str]) -> list[Witness]:
    """Read the witnesses of a trust file, each key once and none a log's."""
    taken = {unbase64(vkey.split("+", 2)[2])[1:] for vkey in logs}
    found = []
    for vkey in vkeys:
        found.append(witness_key(vkey))
        public = found[-1][2].public_bytes_raw()
        if public in taken:
            raise Bad("a witness's key is a log's, or given twice")
        taken.add(public)
    return found


def judge(
    witnesses: list[Witness], texts: dict[int, bytes], origin: str, keys: set[str], read: Callable[[str], bytes | None]
) -> Iterator[Finding]:
    """Yield what is to be said; `texts` are those of the good checkpoints, by their sizes."""
    if not witnesses:
        return
    now, newest = datetime.now(UTC), {}
    for key in sorted(keys):
        found = KEY.fullmatch(key)
        own = [one for one in witnesses if found and one[1].hex() == found[2]]
        if not found or not own:
            continue
        size = int(found[1])
        if size not in texts:
            yield "log-witness-invalid", key, "unknown", "no checkpoint of this size"
            continue
        times, tried = good_times(read(key) or b"", own, texts[size])
        early = [time for _, time in times if time > now.timestamp() + 300]
        if not times or early:
            words = "a time to come" if times else "no good line"
            yield "log-witness-invalid", key, "failed" if tried and not times else "unknown", words
        for name, time in times:
            if time not in early:
                newest[name] = max(newest.get(name, (0, 0)), (size, time))
    ordered = sorted(newest.values(), reverse=True)
    if not texts:
        return
    if len(ordered) < len(witnesses):
        yield "log-witness-missing", origin, "unknown", f"{len(ordered)} of {len(witnesses)}"
    elif ordered[-1][0] < max(texts):
        late = now - datetime.fromtimestamp(ordered[-1][1], UTC) > timedelta(hours=168)
        yield "log-witness-behind", origin, "unknown" if late else "note", f"{ordered[-1][0]} of {max(texts)}"


def good_times(data: bytes, own: list[Witness], text: bytes) -> tuple[list[tuple[str, int]], bool]:
    """Return who cosigned a text when, and whether any line tried to."""
    good, tried = [], False
    if len(data) > 65_536 or not data.endswith(b"\n"):
        return good, tried
    for line in data[:-1].split(b"\n"):
        words = line.decode("utf-8", "replace").split(" ")
        try:
            if len(words) != 3 or words[0] != "\u2014":
                return [], False  # such lines and nothing else
            signature = unbase64(words[2])
        except Bad:
            return [], False
        for name, mark, public in own:
            if (name, mark) == (words[1], signature[:4]):
                tried = True
                time = int.from_bytes(signature[4:12], "big")
                signed = b"cosignature/v1\ntime %d\n" % time + text
                if len(signature) == 76 and 0 < time <= LAST and holds(public, signature[12:], signed):
                    good.append((name, time))
    return good, tried


def holds(public: ed25519.Ed25519PublicKey, signature: bytes, signed: bytes) -> bool:
    try:
        public.verify(signature, signed)
    except InvalidSignature:
        return False
    return True
