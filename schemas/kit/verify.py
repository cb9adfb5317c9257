#!/usr/bin/env python3
"""Verify an evidence archive, a kit or a proof, offline: the standard library, cryptography, and pyarrow for records.

    python3 verify.py --trust trust.json [FOLDER]      a kit, or a copy of an archive; else the folder of this program
    python3 verify.py --trust trust.json --proof FILE  a proof of one record, or of a range of bytes

It follows FORMAT.md, whose sections are the numbers in the comments, and shares no line with the program that made the
archive. It believes the trust file that you bring and nothing that it finds, the kit's own list of contents included.
Compare a copy that came with a kit with a published one before you run it, `verify_*.py` beside it too.
Exit status: 0 whole, 1 missing, changed or forged, 2 wrong usage, 3 something could not be checked, 4 locks alone.
Not looked at: silence between snapshots, and index columns, which anyone can derive from the records.
"""

import argparse
import hashlib
import re
import sys
from collections import defaultdict, namedtuple
from datetime import datetime, timezone
from pathlib import Path

sys.dont_write_bytecode = True  # a kit stays as it was handed over
sys.path.insert(0, str(Path(__file__).resolve().parent))  # python3 -I does not look beside the program

try:
    from verify_bytes import (  # noqa: I001
        FORMS, KEY, Tree, check_members, checkpoint_of, fits, leaf, open_envelope, parse, public_key, require, sha256,
        signed_by,
    )  # fmt: skip
    from verify_cosigned import check_second, check_witnesses, open_trust
    from verify_proof import UnprovenError, check_proof
except ImportError as error:  # nothing can be checked, and nothing is known: Python itself would say 1, as of a forgery
    advice = ": python3 -m pip install cryptography" if error.name == "cryptography" else ""
    print(f"verify.py: {error}{advice}", file=sys.stderr)
    sys.exit(3)

FAILED, UNKNOWN = "failed", "unknown"
Statement = namedtuple("Statement", "index key kind said subjects keyid")
Asked = namedtuple("Asked", "batches kit seen locks witnesses", defaults=((), None, None, True, None))


class Verifier:
    """One verification: what was found, and the checks of 17 in the order in which they need each other."""

    def __init__(self, root, trust, now, asked):
        self.root, self.trust, self.now, self.asked, self.log = root, trust, now, asked, trust["logs"][0]
        self.findings, self.entries, self.grown, self.statements = [], [], [], []
        found = (path for path in root.rglob("*") if path.is_symlink() or not path.is_dir())
        names = {path.relative_to(root).as_posix() for path in found}
        self.keys = {name for name in names if not name.startswith(".")}
        self.owner = {"README.txt": 0}  # key to the entry that it belongs to; a key that has none is a stranger
        self.waiting = set()  # keys of what is not in the log yet, or has its own finding: no strangers
        self.explained, self.left_out, self.gone, self.good, self.roots, self.stamps = set(), set(), [], {}, {}, None

    def find(self, code, subject, words="", severity=FAILED):
        self.findings.append((severity, code, subject, words))

    def expect(self, good, code, subject, words="", severity=FAILED):
        """Say a finding unless it is good; return whether it is."""
        if not good:
            self.find(code, subject, words, severity)
        return bool(good)

    def path(self, key):
        """Return the file of a key; a link or a folder in its place has no content."""
        path = self.root / key
        return path if key in self.keys and path.is_file() and not path.is_symlink() else None

    def read(self, key, limit=1 << 26):
        path = self.path(key)
        return path.read_bytes() if path and path.stat().st_size <= limit else b""

    def of(self, kind):
        return [one for one in self.statements if one.kind == kind]

    # Check 2: checkpoints, entries, one running root, tiles

    def check_log(self):
        names = sorted(key for key in self.keys if re.fullmatch(r"log/checkpoints/(?!0{12})[0-9]{12}", key))
        for log in self.trust["logs"]:  # which of the logs this is, only its checkpoints say
            self.log, heads = log, {int(key[-12:]): checkpoint_of(self.read(key, 4096), log) for key in names}
            roots = {size: head[1] for size, head in heads.items() if head and head[0] == size}
            if roots:
                break
        newest, seen = max(roots, default=0), [head for head in (self.log["seen"], self.asked.seen) if head]
        self.expect(roots, "log-missing", "log/checkpoints", "no good checkpoint", FAILED if seen else UNKNOWN)
        for head in seen:
            words = f"{newest} entries, {head['size']} were seen before"
            if self.expect(newest >= head["size"], "log-rollback", self.log["origin"], words) and head["size"] in roots:
                same = roots[head["size"]].hex() == head["root"]
                self.expect(
                    same, "log-fork", self.log["origin"], f"another root of {head['size']} entries was seen before"
                )
        ended = max(key["to_size"] or 0 for key in self.log["keys"])
        self.expect(
            not roots or newest >= ended, "log-rollback", self.log["origin"], f"an ended key signed {ended} entries"
        )
        self.roots = roots
        check_second(self, newest, roots)
        self.check_tiles(*self.read_entries(newest, roots))
        ahead = self.check_tail(newest)
        for size in set(heads) if not roots else set(range(1, newest + 1)) | (set(heads) & {newest + min(ahead, 1)}):
            key = f"log/checkpoints/{size:012d}"
            if self.expect(size in roots, "log-signature" if size in heads else "log-checkpoint-gap", key):
                self.owner[key] = size - 1
            self.waiting.add(key)

    def check_tail(self, newest):
        """Say which entries no checkpoint covers yet, and return their number; what they name is no stranger."""
        ahead = 0
        while entry := self.entry(waits := f"log/entries/{newest + ahead:012d}", tail=True):
            subjects = open_envelope(self.read(entry["key"]))[3]["subject"]
            self.waiting |= {waits, entry["key"]} | {one["name"] for one in subjects}
            self.find("log-tail-unfinished", waits, "no checkpoint covers it", UNKNOWN)
            ahead += 1
        return ahead

    def entry(self, key, tail=False):
        try:
            entry = parse(self.read(key, 1024), "entry", 1024)
        except ValueError as error:
            return None if tail else self.find("log-entry-missing", key, str(error))
        return entry if not tail or self.is_stated(entry) else None

    def is_stated(self, entry):
        """Tell whether an entry names a stored statement of this archive by a key of the trust file (13.2)."""
        try:
            keyid, signature, raw, payload = open_envelope(data := self.read(entry["key"]))
        except ValueError:
            return False
        own = payload["predicate"].get("archive_id") == self.trust["archive_id"] and sha256(data) == entry["sha256"]
        pems = [one["pem"] for one in self.trust["statement_keys"] if one["keyid"] == keyid]
        return own and any(signed_by(public_key(pem, keyid), signature, raw) for pem in pems)

    def read_entries(self, newest, roots):
        tree, leaves, stored = Tree(), [], []
        for index in range(newest):
            key = f"log/entries/{index:012d}"
            data, entry = self.read(key, 1024), self.entry(key)
            self.owner[key] = index
            self.entries.append(entry)
            leaves.append(leaf(data))
            stored.append(len(data).to_bytes(2, "big") + data)
            tree.add(leaves[-1])
            self.grown.append(tree.root())
            same = None in self.entries or roots.get(index + 1, tree.root()) == tree.root()
            self.expect(same, "log-root", f"log/checkpoints/{index + 1:012d}", "the entries have another root")
        return stored, leaves

    def check_tiles(self, stored, leaves):
        levels = {"entries": (stored, 256)}
        for level in range(6):
            levels[str(level)] = (leaves, 256 ** (level + 1))
            leaves = [Tree(leaves[n : n + 256]).root() for n in range(0, len(leaves) - 255, 256)]
        for key in [key for key in self.keys if re.fullmatch(r"log/tile/(entries|[0-5])/(x[0-9]{3}/)*[0-9]{3}", key)]:
            level, _, place = key[9:].partition("/")
            number = int(place.replace("x", "").replace("/", ""))
            tile = levels[level][0][256 * number : 256 * number + 256]
            if len(tile) == 256:
                self.owner[key] = (number + 1) * levels[level][1] - 1
                self.expect(self.read(key) == b"".join(tile), "log-tile", key, "not what the entries give")

    # Check 3: tokens, before the statements whose keys have an end

    def check_times(self):
        try:
            from verify_times import read_tokens
        except ImportError as error:
            asked = self.trust["timestamps"]["required"] or any(key.startswith("timestamps/") for key in self.keys)
            self.expect(not asked, "nothing-checked", "timestamps", f"not looked at: {error}", UNKNOWN)
        else:
            try:
                self.stamps = read_tokens(self)
            except ValueError as error:
                self.find("trust-key-refused", "timestamps", str(error))

    # Check 4: the statement of each entry

    def check_statements(self):
        known = set()
        for index, entry in enumerate(self.entries):
            key = entry["key"] if entry else ""
            if not entry or not self.expect(self.path(key), "statement-missing", key):
                continue
            data = self.read(key)
            self.owner.setdefault(key, index)
            if not self.expect(sha256(data) == entry["sha256"], "statement-differs", key):
                continue
            try:
                statement = self.open_statement(index, key, data)
            except ValueError as error:
                self.find("statement-malformed", key, str(error))
                continue
            if statement and self.expect(key not in known, "statement-duplicate", f"log/entries/{index:012d}", key):
                known.add(key)
                self.check_order(statement)
                self.statements.append(statement)

    def open_statement(self, index, key, data):
        """Return a good statement, None where it has a finding; ValueError where it is malformed."""
        keyid, signature, raw, payload = open_envelope(data)
        said, (kind, identity) = payload["predicate"], re.fullmatch(KEY, key).groups()
        subjects = [(one["name"], one["digest"]["sha256"]) for one in payload["subject"]]
        known = f"+{kind}" in FORMS and payload["predicateType"] == f"urn:archiver:{kind}:v1"
        require(re.fullmatch(f"urn:archiver:{kind}:v[1-9][0-9]*", payload["predicateType"]), "another kind")
        require(fits({name: said.get(name) for name in FORMS["common"]}, "common"), "members that all statements have")
        require(said["id"] == identity and subjects, "another id, or no subject")
        require(fits(identity, "batch_id" if kind in ("batch", "sealed") else "stamp"), "no id of that kind")
        if not self.key_good(index, key, kind, (keyid, signature, raw), said["at"]):
            return None
        same = all(said[name] == self.trust[name] for name in ("archive", "archive_id"))
        if not self.expect(same, "statement-archive", key):
            return None
        if self.expect(known, "statement-kind-unknown", key, "of a later edition", UNKNOWN):
            self.formed(kind, payload)
        return Statement(index, key, kind if known else "", said, dict(subjects), keyid)

    def formed(self, kind, payload):
        """Demand exactly the members and types of a kind of statement (11)."""
        said, subjects = payload["predicate"], [(one["name"], one["digest"]["sha256"]) for one in payload["subject"]]
        own = {name: value for name, value in said.items() if name == "id" or name not in FORMS["common"]}
        require(fits(own, f"+{kind}"), f"not exactly the members and types of a {kind}")
        check_members(kind, said, subjects)

    def bracket(self, index):
        """Return between which instants an entry was made, by good tokens; an open side is empty (14.3)."""
        return self.stamps.bracket(index) if self.stamps else ("", "")

    def key_good(self, index, key, kind, signed, at):
        keyid, signature, raw = signed
        role = "approver" if kind == "approval" else "statement"
        trusted = next((one for one in self.trust["statement_keys"] if one["keyid"] == keyid), None)
        facts = [one.said for one in self.of("key") if one.said["role"] != "log" and one.said["keyid"] == keyid]
        added = [one for one in facts if one["action"] == "add"]
        added += [named for one in self.of("archive") for named in one.said["keys"] if named["keyid"] == keyid]
        chained = [one["pem"] for one in added if one["role"] == role and one["pem"]]
        named = role in trusted["roles"] if trusted else chained
        if not self.expect(named, "statement-key-unknown", key, f"no key of the trust file with the role {role}"):
            return False
        good = signed_by(public_key(trusted["pem"] if trusted else chained[0], keyid), signature, raw)
        if not self.expect(good, "statement-signature", key):
            return False
        gone = any(one["action"] != "add" for one in facts)  # 11.13: what it signs after its end fails
        if not self.expect(not gone, "statement-key-expired", key, "the log has the end of its key before"):
            return False
        if not self.expect(trusted, "statement-key-unknown", key, "only the archive names its key", UNKNOWN):
            return True
        ends = [trusted["valid_until"], trusted["revoked"] and trusted["revoked"]["since"]]
        end = min((one for one in ends if one), default=None)
        low, high = self.bracket(index)
        late = at < (trusted["valid_from"] or "") or (end is not None and (at >= end or low >= end))
        words = "" if late else "no timestamp proves that it is older than the end of its key"
        proven = not late and (not end or "" < high < end)
        self.expect(proven, "statement-key-expired", key, words, FAILED if late else UNKNOWN)
        return not late

    def check_revoked(self):
        """11.13 Doubt what a revoked key signed before, unless the trust file has its end."""
        ended = {one["keyid"] for one in self.trust["statement_keys"] if one["revoked"]}
        for fact in self.of("key"):
            if fact.said["action"] == "revoke" and fact.said["role"] != "log" and fact.said["keyid"] not in ended:
                for one in self.statements:
                    since = fact.said["compromised_since"]
                    proven = not since or "" < self.bracket(one.index)[1] < since
                    doubt = one.keyid == fact.said["keyid"] and one.index < fact.index and not proven
                    self.expect(not doubt, "statement-key-expired", one.key, "its key was revoked later", UNKNOWN)

    def check_order(self, one):
        """11 Compare with the statements before."""
        policies, said, good = (
            [s.said for s in self.of("policy")],
            one.said,
            (one.kind == "archive") == (one.index == 0),
        )
        last = policies[-1] if policies else {"revision": 0, "sha256": None}
        if one.kind == "archive":
            vkeys = {(log["origin"], key["vkey"]) for log in self.trust["logs"] for key in log["keys"]}
            self.expect((said["origin"], said["log_vkey"]) in vkeys, "statement-archive", one.key, "origin or log key")
        elif one.kind == "policy":
            good = good and (said["revision"], said["previous"]) == (last["revision"] + 1, last["sha256"])
            good = good and (not policies) == (one.index == 1)
        elif one.kind == "batch":
            ended = {s.said["id"] for s in self.of("snapshot")}
            good = said["policy_sha256"] in {policy["sha256"] for policy in policies} and said["snapshot"] not in ended
        elif one.kind == "snapshot":
            ended = {s.said["id"] for s in self.of("snapshot")} | {None}
            begun = [s.said["origin"] for s in self.of("archive")] == [self.log["origin"]]  # another log may be shorter
            good = said["previous"] in ended and (not begun or said["log_size_at_start"] <= one.index)
        self.expect(good, "statement-number", one.key, "it does not go on from what the log has before")

    # Check 5: subjects and receipts

    def is_left_out(self, batch):
        """Tell whether the caller did not ask for a batch, or a kit does not claim to have it."""
        if self.asked.batches:
            return batch not in self.asked.batches
        return (
            self.asked.kit is not None
            and self.asked.kit["batches"] is not None
            and batch not in self.asked.kit["batches"]
        )

    def check_objects(self):
        stated, sizes = defaultdict(set), defaultdict(set)
        for one in self.statements:
            met = one.said["objects"] if one.kind == "incident" else []  # being named there makes nothing evidence
            self.explained |= {(thing["key"], thing["sha256"]) for thing in met if thing["version"] is None}
            if one.kind == "batch" and self.is_left_out(one.said["id"]):
                self.left_out.add(one.said["id"])
                self.owner.update(dict.fromkeys(one.subjects, one.index))
                continue
            tables = list(one.subjects)[:1] if one.kind == "derivation" and self.is_left_out(one.said["batch"]) else []
            self.owner.update(dict.fromkeys(tables, one.index))  # it goes with its batch (16.1)
            for name, digest in one.subjects.items():
                if name in tables:
                    continue
                if name not in {thing["key"] for thing in met} and one.kind != "key":
                    self.owner.setdefault(name, one.index)
                    if one.kind or re.match("(data|derived|policies|instruments|reports|timestamps)/", name):
                        stated[name].add(digest)
            if one.kind == "derivation" and not tables:
                sizes[next(iter(one.subjects))].add(one.said["size"])
            for receipt in one.said["receipts"] if one.kind in ("batch", "receipt") else []:
                sizes[receipt["key"]].add(receipt["size"])
                stated[receipt["key"]] |= {receipt["sha256"]} - {None}
        self.gone = sorted(name for name in stated if not self.path(name))
        for name in sorted(set(stated) - set(self.gone)):
            with self.path(name).open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            sized = sizes[name] <= {size := self.path(name).stat().st_size}
            if self.expect(sized, "object-size", name, f"found {size} bytes, another size than stated") and self.expect(
                stated[name] == {digest}, "object-sha256", name, f"found {digest}"
            ):
                self.good[name] = digest

    # Check 8, as far as statements go

    def check_completeness(self):
        numbers, snapshots = defaultdict(list), {one.said["id"]: one for one in self.of("snapshot")}
        doubt = FAILED if len(self.statements) == len(self.entries) else UNKNOWN  # a statement has its own finding
        for one in self.of("batch"):
            numbers[one.said["snapshot"], one.said["table"]].append(one.said["number"])
        for (snapshot, table), found in sorted(numbers.items()):
            self.expect(sorted(found) == list(range(len(found))), "batch-gap", f"{snapshot}-{table}", "", doubt)
            self.expect(snapshot in snapshots, "snapshot-unfinished", snapshot, "batches without an account", UNKNOWN)
        for identity, one in snapshots.items():
            found = {table: len(numbers[snapshot, table]) for snapshot, table in numbers if snapshot == identity}
            self.expect(one.said["batches"] == found, "snapshot-counts", one.key, f"the log has {found}", doubt)
        for kind in ("archive", "snapshot"):
            empty = FAILED if self.log["seen"] or self.asked.seen else UNKNOWN
            self.expect(self.of(kind), "nothing-checked", kind, "the log has none", empty)
        for key in sorted(self.keys - set(self.owner) - self.waiting):
            known = re.fullmatch(r"log/cosignatures/[0-9]{12}/[0-9a-f]{8}", key)
            named = any(key == met and sha256(self.read(key)) == digest for met, digest in self.explained)
            self.expect(known or named, "stranger-key", key, "nothing in the log speaks of it", UNKNOWN)

    def run(self):
        self.check_log()
        check_witnesses(self)
        self.check_times()
        self.check_statements()
        self.check_revoked()
        self.check_objects()
        try:
            from verify_records import check_records
        except ImportError as error:
            advice = "; python3 -m pip install pyarrow" if error.name == "pyarrow" else ""
            self.find("nothing-checked", "records and locks", f"not looked at: {error}{advice}", UNKNOWN)
            for name in self.gone:
                self.find("object-missing", name)
        else:
            check_records(self)
        self.check_completeness()
        batches = {one.said["id"] for one in self.of("batch")}
        for name in sorted(set(self.asked.batches) - batches):
            self.find("statement-missing", f"batch {name}", "the log does not know it")
        if self.left_out and not self.asked.batches:
            words = f"not in this kit: {len(self.left_out)} of {len(batches)} batches"
            self.find("batch-left-out", "kit.json", words, UNKNOWN)
        made = [(one.index, one.key, one.kind, one.said["at"]) for one in self.statements if one.kind]
        judged = self.stamps.judge(made, self.trust["timestamps"], self.now) if self.stamps else ()
        for code, subject, severity in judged:
            self.expect(severity == "note", code, subject, "", severity)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, default=Path(__file__).resolve().parent)
    parser.add_argument("--trust", type=Path, required=True, help="the trust file that you were given by another way")
    parser.add_argument("--proof", type=Path, help="a proof file")
    parser.add_argument("--batch", action="append", default=[], metavar="ID", help="only these batches; the log wholly")
    parser.add_argument("--seen", type=Path, help="a checkpoint seen before: the log may only have grown")
    parser.add_argument("--require-witnesses", type=int, metavar="N", help="how many must have seen the log; else all")
    parser.add_argument("--no-locks", action="store_true", help="do not ask a copy for locks; ask the store itself")
    return parser.parse_args()


def verdict(findings):
    failed = [code for severity, code, _, _ in findings if severity == FAILED]
    if failed:
        return 4 if all(code.startswith("lock-") for code in failed) else 1
    return 3 if any(severity == UNKNOWN for severity, _, _, _ in findings) else 0


def seen_head(path, trust):
    heads = [head for log in trust["logs"] if (head := checkpoint_of(path.read_bytes(), log, more=True))]
    require(heads, f"{path}: no checkpoint that a log of the trust file signed")
    return {"size": heads[0][0], "root": heads[0][1].hex()}


def show(*words):
    print("".join(one if one.isprintable() else ascii(one)[1:-1] for one in " ".join(words)))


def refused(error):
    print(f"verify.py: {error}", file=sys.stderr)
    return 2


def main():
    asked = arguments()
    try:
        data = asked.trust.read_bytes()
        show("trust file ", str(asked.trust), "SHA-256", sha256(data))
        trust = open_trust(data)
    except ValueError as error:
        show("failed", getattr(error, "code", "trust-unreadable"), str(asked.trust), str(error))
        return 1
    except OSError as error:
        return refused(error)
    try:
        if asked.proof:
            for line in check_proof(asked.proof.read_bytes(), trust):
                show(line)
            return 0
        next(asked.folder.iterdir(), None)  # it is there, and a folder
        kit = asked.folder / "kit.json"
        claims = parse(kit.read_bytes(), "kit", 1 << 26) if kit.exists() else None
        root = asked.folder / "archive" if claims or (asked.folder / "archive").is_dir() else asked.folder
        seen = seen_head(asked.seen, trust) if asked.seen else None
    except ValueError as error:
        show("unproven" if isinstance(error, UnprovenError) else "failed", str(asked.proof or asked.folder), str(error))
        return 3 if isinstance(error, UnprovenError) else 1
    except OSError as error:
        return refused(error)
    wanted = Asked(asked.batch, claims, seen, not asked.no_locks, asked.require_witnesses)
    verifier = Verifier(root, trust, datetime.now(timezone.utc), wanted)
    verifier.run()
    for severity, code, subject, words in verifier.findings:
        show(severity, code, subject, words)
    status, root = verdict(verifier.findings), verifier.grown[-1].hex() if verifier.grown else "none"
    show(f"log         {len(verifier.entries)} entries, root {root}, {verifier.log['origin']}")
    show(f"looked at   {len(verifier.statements)} statements, {len(verifier.good)} objects")
    show(f"left out    {len(verifier.left_out)} batches")
    show({0: "OK", 1: "FAILED", 3: "PARTIAL", 4: "FAILED, locks alone"}[status], f"exit status {status}")
    return status


if __name__ == "__main__":
    try:
        sys.exit(main())
    except OSError as error:  # on the way: of what could not be read nothing is known
        print(f"verify.py: {error}", file=sys.stderr)
        sys.exit(3)
