"""Proof files (16): one record, or the records of a range of bytes, each with its place in the log."""

import hashlib
import re

from verify_bytes import (
    FORMS,
    check_members,
    checkpoint_of,
    fits,
    item_of,
    leaf,
    leaf_of,
    open_envelope,
    parse,
    public_key,
    require,
    root_over,
    sha256,
    signed_by,
    unbase64,
)  # fmt: skip


def check_proof(data, trust):
    """Check a proof; return words about what it proves."""
    single = b'"format":"urn:archiver:proof:v1"' in data[:64]
    proof = parse(data, "proof" if single else "range", 1 << 27)
    end, words, whole = proof["offset"], [], hashlib.sha256()
    for group in [{**proof, "rows": [proof]}] if single else proof["groups"]:
        said, place = check_proven(group, trust)
        leaves, start = [], end
        for row in group["rows"]:
            raw = unbase64(row["raw"])
            leaves.append(
                leaf_of(proof["item"], end, len(raw), bytes.fromhex(row["salt"]), hashlib.sha256(raw).digest())
            )
            end += len(raw)
            whole.update(raw)
        path = [bytes.fromhex(one) for one in group["hashes"]]
        root = root_over(0, said["records"], group["record"], leaves, path)
        require(root.hex() == said["merkle_root"] and not path, "the records are not those of the batch")
        require(item_of(proof["item"])["source"] == said["source"], "an item of another source")
        last = group["record"] + len(leaves) - 1
        words.append(f"bytes {start} to {end} are records {group['record']} to {last} of batch {said['id']}, {place}")
    require(words and (single or end - proof["offset"] == proof["length"]), "records of another length than it says")
    return [f"item    {proof['item']}", *words, f"SHA-256 of bytes {proof['offset']} to {end}: {whole.hexdigest()}"]


def check_proven(group, trust):
    """Return what the batch statement of a proof says, and words about its place in the log."""
    envelope = unbase64(group["statement"])
    keyid, signature, raw, payload = open_envelope(envelope)
    said, subjects = payload["predicate"], [(one["name"], one["digest"]["sha256"]) for one in payload["subject"]]
    own = {name: value for name, value in said.items() if name == "id" or name not in FORMS["common"]}
    require(payload["predicateType"] == "urn:archiver:batch:v1" and fits(own, "+batch"), "no statement about a batch")
    require(fits({name: said.get(name) for name in FORMS["common"]}, "common"), "members that all statements have")
    check_members("batch", said, subjects)
    require(all(said[name] == trust[name] for name in ("archive", "archive_id")), "another archive")
    trusted = next(
        (one for one in trust["statement_keys"] if one["keyid"] == keyid and "statement" in one["roles"]), None
    )
    require(trusted, "a key that is not in the trust file")
    require(signed_by(public_key(trusted["pem"], keyid), signature, raw), "the signature")
    text, _, checkpoint = group["tlog_proof"].partition("\n\n")
    first, index, *path = text.split("\n")
    require(first == "c2sp.org/tlog-proof@v1" and re.fullmatch(r"index (0|[1-9][0-9]{0,15})", index), "the tlog-proof")
    heads = [(log, head) for log in trust["logs"] if (head := checkpoint_of(checkpoint.encode(), log, more=True))]
    require(heads, "no log of the trust file signed its checkpoint")
    (log, (size, root)), index = heads[0], int(index[6:])
    entry = f'{{"key":"statements/batch/{said["id"]}.json","sha256":"{sha256(envelope)}"}}'
    hashes = [unbase64(one) for one in path]
    require(root_over(0, size, index, [leaf(entry.encode())], hashes) == root and not hashes, "not in the log")
    require(
        log["seen"] is None or log["seen"]["size"] != size or log["seen"]["root"] == root.hex(), "a fork of the log"
    )
    ends = [trusted["valid_until"], trusted["revoked"] and trusted["revoked"]["since"]]
    require(said["at"] >= (trusted["valid_from"] or ""), "a key that was not valid yet")
    if any(ends):
        raise UnprovenError(
            f"its key ended {min(one for one in ends if one)}: that the statement is older is only a claim"
        )
    return said, f"entry {index} of {size} of the log {log['origin']}, made {said['at']} as its maker says"


class UnprovenError(ValueError):
    """It may be so, and nothing shows it."""
