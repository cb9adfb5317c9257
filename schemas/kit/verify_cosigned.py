"""The trust file (15), and what stands beside a checkpoint: lines by witnesses (13.6) and by a second key (13.7).

A part of `verify.py`. It needs the standard library and cryptography. Numbers in comments are sections of FORMAT.md.
"""

import hashlib
import re

from cryptography.exceptions import InvalidSignature
from verify_bytes import Fault, checkpoint_of, note_key, parse, public_key, require, unbase64, verifies

FAILED, UNKNOWN = "failed", "unknown"


def open_trust(data):
    """Return a trust file; `Fault` where a key in it is one that nobody should use."""
    trust = parse(data, "trust", 1 << 20, any_layout=True)
    require(trust["logs"] and all(log["keys"] for log in trust["logs"]), "no log, or one without keys")
    require(trust["statement_keys"] and all(key["roles"] for key in trust["statement_keys"]), "no key, or no role")
    require(all(log.get("post_quantum") != [] for log in trust["logs"]), "no post-quantum key")
    require(all(tsa["id"] and tsa["roots"] for tsa in trust["timestamps"]["tsas"]), "an authority without name or root")
    try:
        check_keys(trust)
    except ValueError as error:
        raise Fault("trust-key-refused", str(error)) from error
    return trust


def check_keys(trust):
    vkeys = [(log["origin"], key["vkey"]) for log in trust["logs"] for key in log["keys"]]
    require(all(note_key(vkey, 1)[0] == origin for origin, vkey in vkeys), "a vkey that does not name its log")
    for log in trust["logs"]:
        for key in log.get("post_quantum", []):
            second_key(key["vkey"], log["origin"])
    witnesses = [note_key(vkey, 4)[2].public_bytes_raw() for vkey in trust["witnesses"]]
    known = {note_key(vkey, 1)[2].public_bytes_raw() for _, vkey in vkeys}
    require(len({*witnesses}) == len(witnesses) and not known & {*witnesses}, "a witness twice, or with a log's key")
    for key in trust["statement_keys"]:
        public_key(key["pem"], key["keyid"])


def cosigned_at(data, text, name, mark, public):
    """13.6 Return when a witness cosigned a checkpoint's text; None where it has no line, ValueError for a bad one."""
    start, times = f"\u2014 {name} ".encode(), []
    for line in data.split(b"\n"):
        signature = unbase64(line[len(start) :].decode("ascii")) if line.startswith(start) else b""
        if signature[:4] == mark:
            time = int.from_bytes(signature[4:12], "big")
            good = verifies(public, signature[12:], b"cosignature/v1\ntime %d\n%s" % (time, text))
            times.append(time if good else 0)
    require(not times or any(times), "no good line of the witness")
    return max(times, default=None)


def second_key(vkey, origin):
    """13.7 Return key hash and key bytes of the log's second key."""
    name, short, encoded = vkey.split("+", 2) if vkey.count("+") > 1 else ("", "", "")
    typed, kind = unbase64(encoded), b"\xffurn:archiver:ml-dsa-65:v1"
    mark = hashlib.sha256(name.encode("utf-8") + b"\n" + typed).digest()[:4]
    good = name == origin and mark.hex() == short and typed.startswith(kind) and len(typed) == len(kind) + 1952
    require(good, "vkey of another log, algorithm or key")
    return mark, typed[len(kind) :]


def second_good(data, text, vkey, origin):
    """13.7 Tell whether a good line of the second key over a checkpoint's text is among these."""
    from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA65PublicKey  # releases before 48 have none

    start, (mark, public) = f"\u2014 {origin} ".encode(), second_key(vkey, origin)
    for line in data.split(b"\n"):
        try:
            signature = unbase64(line[len(start) :].decode("ascii")) if line.startswith(start) else b""
            if signature[:4] == mark:
                MLDSA65PublicKey.from_public_bytes(public).verify(signature[4:], text, b"urn:archiver:checkpoint:v1")
                return True
        except (ValueError, InvalidSignature):
            continue
    return False


def check_second(verifier, newest, roots):
    """13.7 Demand the second signature over the newest checkpoint where the trust file names its key."""
    if "post_quantum" not in verifier.log:
        return
    origin = verifier.log["origin"]
    try:
        covered = covered_size(verifier, roots)
    except ImportError as error:
        verifier.find("log-post-quantum-missing", origin, f"not looked at: {error}", UNKNOWN)
        return
    words = f"the newest is over {covered} of {newest} entries"
    verifier.expect(covered >= newest, "log-post-quantum-missing", origin, words, UNKNOWN)


def covered_size(verifier, roots):
    """13.7 Return the largest size over whose checkpoint a second key of the trust file has a good line."""
    covered, origin = 0, verifier.log["origin"]
    for named in verifier.log["post_quantum"]:
        mark = named["vkey"].split("+")[1]
        for key in [key for key in verifier.keys if re.fullmatch(f"log/cosignatures/[0-9]{{12}}/{mark}", key)]:
            size, text = int(key[17:29]), verifier.read(f"log/checkpoints/{key[17:29]}", 4096).partition(b"\n\n")[0]
            last = size if named["to_size"] is None else named["to_size"]
            if covered < size in roots and named["from_size"] <= size <= last:
                good = second_good(verifier.read(key, 65_536), text + b"\n", named["vkey"], origin)
                covered = size if good else covered
    return covered


def check_witnesses(verifier):
    """17 Say how far as many witnesses of the trust file as are demanded have seen the log, and when."""
    trust, asked, newest = verifier.trust["witnesses"], verifier.asked.witnesses, len(verifier.entries)
    demanded = len(trust) if asked is None else asked
    seen = sorted(head for vkey in trust if (head := witnessed(verifier, *note_key(vkey, 4))))
    origin, words = verifier.log["origin"], f"{len(seen)} of {demanded}"
    if verifier.expect(len(seen) >= demanded, "log-witness-missing", origin, words, UNKNOWN) and demanded:
        size, time = seen[-demanded]
        late = size < newest and time < verifier.now.timestamp() - 168 * 3600
        verifier.expect(not late, "log-witness-behind", origin, f"seen up to {size} of {newest}, long ago", UNKNOWN)


def witnessed(verifier, name, mark, public):
    """13.6 Return the largest size that a witness has a good line over, and its time; None where there is none."""
    heads = []
    for key in [key for key in verifier.keys if re.fullmatch(f"log/cosignatures/[0-9]{{12}}/{mark.hex()}", key)]:
        size, checkpoint = int(key[17:29]), verifier.read(f"log/checkpoints/{key[17:29]}", 4096)
        head = checkpoint_of(checkpoint, verifier.log)
        known, text = head is not None and head[0] == size, checkpoint.partition(b"\n\n")[0] + b"\n"
        try:
            time = cosigned_at(verifier.read(key, 65_536), text, name, mark, public)
        except ValueError as error:
            verifier.find("log-witness-invalid", key, str(error), FAILED if known else UNKNOWN)
            continue
        good = time and known and time <= verifier.now.timestamp() + 300
        if verifier.expect(good, "log-witness-invalid", key, "no line, no checkpoint, or a time to come", UNKNOWN):
            heads.append((size, time))
    return max(heads, default=None)
