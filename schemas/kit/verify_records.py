"""What the statements are about: every row of every batch, every line of `items` along its parts, counts and locks.

A part of `verify.py`. It needs pyarrow to open the Parquet objects. Numbers in comments are sections of FORMAT.md.
"""

import hashlib
import io
import re
from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from datetime import datetime, timezone
from functools import lru_cache
from itertools import accumulate

import pyarrow as pa
import pyarrow.parquet as pq
from verify_bytes import FORMS, Fault, Tree, canonical, fits, item_of, leaf_of, parse, require, sha256
from verify_derived import check_derived
from verify_footer import keys_of

CONTENT = ("captured", "unchanged", "changed_during_read", "damaged")
REASONS = {
    "changed_during_read": {"changed-during-read"}, "excluded": {"exclude", "include"},
    "damaged": {"truncated", "corrupt", "trailing-garbage", "too-large", "window-too-large"},
}  # fmt: skip
UNJUDGED = "kept, it could not be judged by ((?:keywords |select:)[0-9a-f]{16}): ([a-z-]+(?:, [a-z-]+)*)"
COLUMNS = ["item", "offset", "raw", "withheld", "record"]
TABLES = {  # SHA-256 over a line `name type nullable` for each column, as schemas/tables/*.json list them
    ("items", 1): "61bab328008dac57055ace159a4cddc6fbd2b5dc626e3cd2afb596959f26c0ee",
    ("documents", 1): "fd3738aa7a78cad2e386c177904b23b10ac5a1cd0855150c41ad628c35834ce1",
    ("model_logs", 1): "ef9db49a430afa88281c4e4db1aa9204cdf06c14b3426e56dec41636257b2d6d",
    ("model_logs", 2): "18b77a17df117514e29a81b2579dd08151c64741785c9e58c51a7dc40d35daad",
}
EVIDENCE = [
    "record uint64 False", "item dictionary<values=string, indices=int32, ordered=0> False", "offset uint64 False",
    "raw large_binary True", "withheld struct<length: uint64, sha256: fixed_size_binary[32]> True",
]  # fmt: skip
METADATA = ("archive_id", "table", "table_version", "merkle_root")


def check_records(verifier):
    """Make checks 7 and 6, and what of 5 and 8 needs the records."""
    records = Records(verifier)
    records.check_batches()
    records.check_lines()
    records.check_counts()
    check_derived(verifier)
    Locks(records).check()


def open_parquet(path, said):
    """9 Open a batch's object; ValueError unless it has the published columns and the metadata that is stated."""
    try:
        file, sink = pq.ParquetFile(path, page_checksum_verification=True), io.BytesIO()
        schema = file.schema_arrow.remove_metadata()
        pq.write_table(schema.empty_table(), sink)
        same = file.schema.equals(pq.ParquetFile(sink).schema)
    except (pa.ArrowException, OSError) as error:
        raise ValueError(f"no readable Parquet object: {error}") from error
    columns = [f"{one.name} {one.type} {one.nullable}" for one in schema]
    require(same, "other Parquet readers would see other columns")
    require(columns[:5] == EVIDENCE, "not the five columns of evidence")
    require(len({name.lower() for name in schema.names}) == len(columns), "two columns of one name")
    published = TABLES.get((said["table"], said["table_version"]))
    require(published in (None, sha256("\n".join(columns).encode())), "not exactly the published columns")
    stated = {"format": "1", "batch": said["id"], **{name: str(said[name]) for name in METADATA}}
    metadata = {name: value.decode("utf-8", "replace") for name, value in (file.metadata.metadata or {}).items()}
    metadata.pop(b"ARROW:schema", None)
    require(fits(metadata.pop(b"archiver.salt", None), "hex"), "no salt")
    wrong = [name for name, value in stated.items() if metadata.pop(f"archiver.{name}".encode(), None) != value]
    require(not metadata and set(wrong) <= {"merkle_root"}, "other metadata")
    require(not wrong, "another root in the metadata", "record-root")
    groups = [file.metadata.row_group(place).num_rows for place in range(file.metadata.num_row_groups)]
    counted = min(groups, default=0) >= 0 and file.metadata.num_rows == sum(groups) == said["records"]
    require(counted, "another number of rows", "record-order")
    return file


def account_of(line):
    """8.1 Return the account of a log of which a selection is kept, if a line has one."""
    if (line["status"], line["reason"]) != ("recorded", "selected") or fits(line["detail"], "selecting"):
        return None
    account = parse((line["detail"] or "").encode(), "selection")
    by_reason, by_rule = account["unjudged"], account["passed_over"]
    named = [[one["reason"] for one in by_reason], [(one["rule"], one["reason"]) for one in by_rule]]
    require(all(names == sorted(set(names)) for names in named), "an account out of order")
    for unit in ("records", "bytes"):
        kept = account["kept"][unit]
        require(kept + sum(one[unit] for one in by_rule) == account[unit], "an account that does not add up")
        require(sum(one[unit] for one in by_reason) <= kept, "more that could not be judged than was kept")
    require(account["bytes"] == line["size"], "an account of another size")
    return account


def amounts(account):
    """Return the numbers of an account by what they are of."""
    rule = account["select"]
    kept, found = account["kept"], Counter({(rule, name): account[name] for name in ("items", "records", "bytes")})
    for one in (*account["unjudged"], *account["passed_over"], {"rule": "kept", "reason": "", **kept}):
        for unit in ("records", "bytes"):
            found[rule, one.get("rule"), one["reason"], unit] += one[unit]
    return found


def line_of(raw):
    """8 Return a line of `items`."""
    require(raw.endswith(b"\n"), "no end of line")
    line = parse(raw[:-1], "line", 8 << 20)
    content, within = line["status"] in CONTENT, "members" in line["item"]
    require(content == bool(line["parts"]), "content without parts, or parts without content")
    require(not content or None not in (line["table"], line["size"], line["sha256"]), "content without size or digest")
    require(within or (line["kind"] != "inner" and line["status"] != "damaged"), "kind and members")
    elsewhere = line["kind"] == "object" and line["status"] != "absent"
    require(("object" in line) == elsewhere and not (elsewhere and line["file"]), "kind and object")
    if elsewhere:
        store = line["object"].get("store")
        require(fits(store, "reason") and (f"of_{store}" not in FORMS or fits(line["object"], f"of_{store}")), "object")
    require(line["reason"] in REASONS.get(line["status"], {line["reason"]}), "reason")
    account_of(line)
    require(line["reason"] != "include" or line["detail"] == "include", "detail")
    marks = [mark["mark"] for mark in line.get("marks", [])]
    require(marks == sorted(set(marks)) and ("marks" in line) == bool(marks), "marks in another order, or none of them")
    require(content or not marks, "marks without content")
    return line


class Records:
    """The batches of an archive that are there, and what their lines say."""

    def __init__(self, verifier):
        self.verifier, self.find, self.expect = verifier, verifier.find, verifier.expect
        self.batches = {one.said["id"]: one for one in verifier.of("batch")}
        self.batch_of = {name: one for one in self.batches.values() for name in one.subjects}
        self.readable, self.content = set(), set()
        self.sealed = {one.said["batch"]: one.said for one in reversed(list(verifier.of("sealed")))}  # the first counts
        self.summed = set()  # items of several rows, some withheld, whose SHA-256 nobody can compute here
        self.partial = set()  # snapshots of whose lines some could not be read, or not looked at
        self.tallies, self.sources = defaultdict(Counter), defaultdict(set)
        self.marked = defaultdict(set)
        self.named = defaultdict(set)  # batch to the batches of items, and sources, of the lines that name it
        self.file, self.group = lru_cache(maxsize=4)(self.open), lru_cache(maxsize=4)(self.read_group)

    def open(self, batch):
        """Open a batch; return it, and the number of the first row of each of its groups, and of the row behind all."""
        one = self.batches[batch]
        file = open_parquet(self.verifier.root / next(iter(one.subjects)), one.said)
        groups = range(file.metadata.num_row_groups)
        return file, list(accumulate((file.metadata.row_group(group).num_rows for group in groups), initial=0))

    def read_group(self, batch, group):
        file, starts = self.file(batch)
        table = file.read_row_group(group, columns=COLUMNS)
        require(len(table) == starts[group + 1] - starts[group], f"other rows in group {group}", "record-order")
        return list(zip(*(table[name].to_pylist() for name in COLUMNS), strict=True))

    def rows(self, batch, first, count):
        """Yield item text, offset, raw, withheld and number of some rows."""
        starts = self.file(batch)[1]
        for group in range(bisect_right(starts, first) - 1, bisect_left(starts, first + count)):
            start = starts[group]
            yield from self.group(batch, group)[max(first - start, 0) : first + count - start]

    def check_batches(self):
        for name, one in self.batch_of.items():
            if name not in self.verifier.good:
                continue
            try:
                keys = keys_of(self.verifier.path(name))
                require(len(keys) == len(set(keys)), "a key of the metadata more than once")
                self.check_batch(one.said)
                self.readable.add(one.said["id"])
            except (ValueError, TypeError, pa.ArrowException, OSError) as error:
                self.find(getattr(error, "code", "record-schema"), name, str(error).partition("\n")[0])

    def check_batch(self, said):
        salt = bytes.fromhex(self.file(said["id"])[0].metadata.metadata[b"archiver.salt"].decode())
        salts, tree, texts, total = hashlib.shake_256(salt).digest(16 * said["records"]), Tree(), set(), 0
        hidden = [0, 0]  # withheld rows and their bytes
        for place, (text, offset, raw, withheld, record) in enumerate(self.rows(said["id"], 0, said["records"])):
            whole = record == place and (raw is None) == (withheld is not None)
            require(whole, f"row {place}: number, or raw and withheld", "record-order")
            length, digest = (len(raw), hashlib.sha256(raw).digest()) if raw is not None else withheld.values()
            hidden = [hidden[0] + 1, hidden[1] + length] if raw is None else hidden
            tree.add(leaf_of(text, offset, length, salts[16 * place : 16 * place + 16], digest))
            texts.add(text)
            total += length
        self.check_sealed(said["id"], hidden)
        try:
            items = list(map(item_of, texts))
        except ValueError as error:
            raise Fault("item-malformed", str(error)) from error
        require(tree.root().hex() == said["merkle_root"], "the records have another root", "record-root")
        counted = (len(texts), total) == (said["items"], said["raw_bytes"])
        require(counted, "items or raw_bytes are not those of the rows", "statement-number")
        for item in items:
            own = said["table"] != "items" or item.get("version") == said["snapshot"]
            require(item["source"] == said["source"] and own, "an item of another source", "item-malformed")

    def check_lines(self):
        """Read the lines of all snapshots; their offsets go on from batch to batch (7.1)."""
        ends = {}
        for identity, one in sorted(self.batches.items()):
            if one.said["table"] == "items" and identity not in self.readable:
                self.partial.add(one.said["snapshot"])
            elif one.said["table"] == "items":
                before = f"{identity[:-8]}{one.said['number'] - 1:08d}"
                self.read_lines(identity, one, ends, ends.get(before) if one.said["number"] else 0)
        if self.summed:
            self.find("item-sealed", "items with withheld records", f"{len(self.summed)} not hashed as a whole", "note")
        for mark, items in sorted(self.marked.items()):
            self.find("item-marked", f"mark {mark}", f"{len(items)} items have it", "note")

    def check_sealed(self, batch, hidden):
        """7 Compare the withheld rows of a batch with what the statement about its sealed object says."""
        stated = self.sealed.get(batch)
        name = next(iter(self.batches[batch].subjects))
        same = stated is None or [stated["rows"], stated["raw_bytes"]] == hidden
        words = f"{hidden[0]} rows of {hidden[1]} bytes are withheld"
        if self.expect(same, "sealed-differs", name, words) and stated:
            self.find("record-sealed", name, f"{words}; not opened: {stated['key']}", "note")

    def read_lines(self, identity, one, ends, position):
        name, snapshot = next(iter(one.subjects)), one.said["snapshot"]
        for _, offset, raw, withheld, record in self.rows(identity, 0, one.said["records"]):
            self.expect(position in (None, offset), "item-parts", name, f"row {record}: gap or overlap")
            position = ends[identity] = offset + (len(raw) if raw is not None else withheld["length"])
            subject = f"{name} row {record}"
            if not self.expect(raw is not None, "item-sha256", subject, "the line is withheld", "unknown"):
                self.partial.add(snapshot)
                continue
            try:
                line = line_of(raw)
            except ValueError as error:
                self.find("item-malformed", subject, str(error))
                self.partial.add(snapshot)
                continue
            self.count(snapshot, line)
            for mark in line.get("marks", []):
                self.marked[mark["mark"]].add(canonical(line["item"]))
            try:
                self.follow(one, subject, line)
            except ValueError as error:
                self.find("item-parts", subject, str(error))

    def follow(self, one, subject, line):
        """8 Follow the parts of a line to its bytes; ValueError where they do not lead there."""
        item, position, digest = canonical(line["item"]), 0, hashlib.sha256()
        identity = sha256(canonical([line["item"], line["parts"], line["sha256"], line["size"]]).encode())
        whole = identity not in self.content
        for part in line["parts"]:
            self.named[part["batch"]].add((one.said["id"], line["item"]["source"]))
            batch = self.batches.get(part["batch"])
            require(batch and batch.index < one.index and batch.said["table"] == line["table"], "no such batch before")
            require(part["first"] + part["count"] <= batch.said["records"], "rows outside the batch")
            if not whole or part["batch"] not in self.readable:
                whole = False  # looked at already, or the batch has its own finding
                continue
            wanted = canonical(part["of"]) if "of" in part else item
            for text, offset, raw, withheld, _ in self.rows(part["batch"], part["first"], part["count"]):
                require(text == wanted and offset == position, f"a row of another item, gap or overlap at {offset}")
                require(raw is None or "sealed" not in part, "a sealed part whose bytes are here")
                position += len(raw) if raw is not None else withheld["length"]
                digest.update(raw or b"")
                if raw is None:
                    whole = False
                    self.withheld(part, subject, line, identity, withheld["sha256"])
        if line["parts"] and whole:
            self.content.add(identity)
            same = (position, digest.hexdigest()) == (line["size"], line["sha256"])
            self.expect(same, "item-sha256", subject, f"its {position} bytes have SHA-256 {digest.hexdigest()}")

    def withheld(self, part, subject, line, identity, digest):
        """8 Say what a withheld row leaves unknown of its item: nothing, where that is this one row."""
        alone = [one["count"] for one in line["parts"]] == [1]
        self.expect(not alone or digest.hex() == line["sha256"], "item-sha256", subject, "another digest is withheld")
        sealed = part["batch"] in self.sealed
        self.expect(sealed, "item-sha256", subject, "bytes are withheld", "unknown")
        if sealed and not alone:
            self.summed.add(identity)

    def count(self, snapshot, line):
        """Tally what the statement of a snapshot says of its lines: items without members."""
        source, size, status = line["item"]["source"], line["size"] or 0, line["status"]
        self.sources[snapshot].add(source)
        tally = self.tallies[snapshot, source]
        if account := account_of(line):
            tally.update(amounts(account | {"items": 1}))
        if "members" in line["item"]:
            select = line["item"]["members"][-1]
            if select.startswith("select:") and line["parts"]:
                tally.update({("kept", select[7:]): size})
            return
        tally.update([status, *(["seen"] if status != "absent" else [])])
        if status == "excluded":
            tally.update({("items", line["detail"] or ""): 1, ("bytes", line["detail"] or ""): size})
        if line["parts"]:
            tally.update({"bytes": size, "new_bytes": size if status != "unchanged" else 0})
            if said := re.fullmatch(UNJUDGED, line["detail"] or ""):
                tally.update({("items", *said.groups()): 1, ("bytes", *said.groups()): size})

    def check_counts(self):
        for one in self.verifier.of("snapshot"):
            said = one.said
            if said["status"] == "aborted" or said["id"] in self.partial:
                continue
            strange = self.sources[said["id"]] - {source["id"] for source in said["sources"]}
            self.expect(not strange, "snapshot-counts", one.key, f"lines of other sources: {sorted(strange)}")
            for source in said["sources"]:
                stated = Counter(source["counts"]) + Counter(bytes=source["bytes"], new_bytes=source["new_bytes"])
                for selected in source.get("selected", ()):
                    stated.update(amounts(selected))
                    stated.update({("kept", selected["select"]): selected["kept"]["bytes"]})
                for rule in source["excluded"]:
                    stated.update({("items", rule["rule"]): rule["items"], ("bytes", rule["rule"]): rule["bytes"]})
                for kept in source.get("unjudged", ()):
                    names = (kept["rule"], kept["reason"])
                    stated.update({("items", *names): kept["items"], ("bytes", *names): kept["bytes"]})
                found = +self.tallies[said["id"], source["id"]]
                self.expect(
                    found == +stated, "snapshot-counts", one.key, f"{source['id']}: its lines give {dict(found)}"
                )


# 12 Locks, 11.7 to 11.9 holds, approvals and releases


def read_locks(data):
    """Return mode, date and legal hold of each key: the highest of its lines; a line of another form counts nothing."""
    locks = defaultdict(lambda: ("NONE", "", False))
    for raw in data.splitlines(keepends=True):
        try:
            require(raw.endswith(b"\n"), "an unfinished line")
            line = parse(raw[:-1], "object")
        except ValueError:
            continue
        mode, until, hold = locks[line["key"]] if fits(line.get("key"), "text") else ("NONE", "", False)
        if fits(line, "let_go"):
            locks[line["key"]] = (mode, until, False)
        elif fits(line, "lock") and (line["mode"] == "NONE") == (line["retain_until"] is None):
            best = max(mode, line["mode"], key=["NONE", "GOVERNANCE", "COMPLIANCE"].index)
            locks[line["key"]] = (best, max(until, line["retain_until"] or ""), hold or line["legal_hold"])
    return locks


class Locks:
    """What binds the objects of a log, and what a folder recorded about them."""

    def __init__(self, records):
        self.records, self.verifier = records, records.verifier
        self.trust, self.of, self.find = self.verifier.trust, self.verifier.of, self.verifier.find
        self.now = f"{self.verifier.now:%Y-%m-%dT%H:%M:%SZ}"
        self.scopes = {one.key: self.scope(one) for one in self.of("hold")}
        faults = [(one, self.fault(one)) for one in self.of("release")]
        self.released = [one.said for one, fault in faults if not fault]
        for one, fault in faults:
            self.verifier.expect(not fault, "release-invalid", one.key, fault)

    def scope(self, hold):
        """Return the keys that the report of a hold names, None for all."""
        if hold.said["scope"] == "all":
            return None
        reports = (self.verifier.read(name) for name in hold.subjects if name.startswith("reports/"))
        return {parse(line, "object").get("key") for data in reports for line in data.splitlines()}

    def fault(self, release):
        """Say why a release has no effect (11.9)."""
        said, roots = release.said, self.verifier.grown
        before = {one.said["id"]: one for one in self.of("approval") if one.index < release.index}
        named = [before[one["id"]] for one in said["approvals"] if one["id"] in before]
        over = ("release", said["request"])
        good = [
            one for one in named if one.said["keyid"] == one.keyid and (one.said["kind"], one.said["sha256"]) == over
        ]
        if len({one.keyid for one in good} - {release.keyid}) < 2:
            return "fewer than two approvals"
        data = self.verifier.read(
            next((name for name, digest in release.subjects.items() if digest == said["request"]), "")
        )
        try:
            require(sha256(data) == said["request"], "its request is not stored")
            request = parse(data, "request")
        except ValueError as error:
            return str(error)
        same = ("archive", "archive_id", "matter", "instrument", "log_size")
        own = all(request[name] == said[name] for name in same) and request["origin"] == self.verifier.log["origin"]
        size = said["log_size"]
        stood = 0 < size <= min(len(roots), release.index) and roots[size - 1].hex() == request["log_root"]
        return "" if own and stood else "its request is about something else"

    def until(self, key, index, batch):
        """Return the date that an object must be locked to (12, a to d)."""
        of = set(batch.said["matters"]) if batch else None
        serves = lambda matter: of is None or matter in of
        dates = [one["until"] for one in self.trust["holds"] if serves(one["matter"])]
        for hold in self.of("hold"):
            scope = self.scopes[hold.key]
            reaches = hold.index <= index or not key.startswith("data/") or scope is None or key in scope
            dates += [hold.said["to"]] if reaches and serves(hold.said["matter"]) else []
        policies = [one for one in self.of("policy") if one.index <= index] or self.of("policy")[:1]
        if not batch:
            return max(
                dates + [one["retain_until"] for policy in policies for one in policy.said["matters"]], default=""
            )
        for _, policy, _ in self.held_again(batch):
            dates += [one["retain_until"] for one in policy["matters"] if one["id"] in of]
        return max([*dates, batch.said["hold"]["retain_until"]])

    def held_again(self, batch):
        """Yield entry, policy and source of each list of items that names a batch in a later, not aborted snapshot."""
        aborted = {one.said["id"] for one in self.of("snapshot") if one.said["status"] == "aborted"}
        policies = {one.said["sha256"]: one.said for one in self.of("policy")}
        for name, source in self.records.named[batch.said["id"]]:
            one = self.records.batches[name]
            if one.said["snapshot"] not in {batch.said["snapshot"], *aborted} and one.said["policy_sha256"] in policies:
                yield one.index, policies[one.said["policy_sha256"]], source

    def may_be_off(self, index, batch):
        """Tell whether valid releases let the legal hold of an object go off (12)."""
        policies = [one.said for one in self.of("policy")]
        matters = {one["id"] for policy in policies for one in policy["matters"]}
        matters |= {one.said["matter"] for one in self.of("hold")}
        own = batch.said["matters"] if batch else matters
        held = {(matter, index) for matter in own}
        for entry, policy, source in self.held_again(batch) if batch else ():
            held |= {(matter, entry) for one in policy["sources"] if one["id"] == source for matter in one["matters"]}
        let_go = lambda matter, entry: any(one["matter"] == matter and entry < one["log_size"] for one in self.released)
        return bool(own) and all(let_go(*one) for one in held)

    def check(self):
        for key in self.verifier.gone:
            batch, index = self.records.batch_of.get(key), self.verifier.owner.get(key, 0)
            may = batch or key.startswith("derived/")
            if may and self.until(key, index, batch) < self.now and self.may_be_off(index, batch):
                self.find("object-disposed", key, "released, its date has passed, and it is not there any more", "note")
            else:
                self.find("object-missing", key)
        path = self.verifier.root / ".locks.jsonl"
        if not self.verifier.asked.locks:
            return
        if not path.is_file() or path.is_symlink():
            self.find("lock-unknown", "locks", "a copy has none; ask the store itself", "unknown")
            return
        locks = read_locks(path.read_bytes())
        for key, index in sorted(self.verifier.owner.items()):
            if self.verifier.path(key):
                self.check_lock(key, index, locks[key])

    def check_lock(self, key, index, lock):
        batch, (mode, date, hold) = self.records.batch_of.get(key), lock
        until = self.until(key, index, batch)
        if mode == "NONE":
            at = next((one.said["at"] for one in self.of_index(index)), "")
            written = (
                f"{datetime.fromtimestamp((self.verifier.root / key).stat().st_mtime, timezone.utc):%Y-%m-%dT%H:%M:%SZ}"
            )
            late = hold and until <= self.now and max(at, written) >= until
            words = (
                ("lock-date", "the legal hold alone: its date had passed", "unknown")
                if late
                else ("lock-missing", "", "failed")
            )
            self.find(words[0], key, *words[1:])
            return
        self.verifier.expect(mode == "COMPLIANCE", "lock-mode", key, mode)
        self.verifier.expect(date >= until, "lock-date", key, f"{date}, the hold lasts until {until}")
        self.verifier.expect(hold or self.may_be_off(index, batch), "lock-hold", key)

    def of_index(self, index):
        return [one for one in self.verifier.statements if one.index == index]
