"""How long and how strongly an object must be locked (FORMAT.md, 11.9 and 12): what a log and a trust file demand.

Statements are those of `verifier.py`: good ones, in the order of the log. It shares no line with the project.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from typing import Any

from evidence import ARCHIVE, ARCHIVE_ID, COUNT, HEX, INSTANT, LOCK, MATTER, MODES, TEXT, Bad, demand, misfit, parse

REQUEST = {
    "format": "urn:archiver:release-request:v1", "archive": ARCHIVE, "archive_id": ARCHIVE_ID, "origin": TEXT,
    "matter": MATTER, "instrument": HEX, "log_size": COUNT, "log_root": HEX, "batches": COUNT, "objects": COUNT,
    "bytes": COUNT, "at": INSTANT,
}  # fmt: skip
UNLOCKED = (MODES["NONE"], "", False)
Lock = tuple[int, str, bool]


def read_locks(data: bytes) -> dict[str, Lock]:
    """Take the highest of each member of all lines of a key; a line of another form counts for nothing."""
    locks: dict[str, Lock] = {}
    for raw in data.splitlines(keepends=True):
        try:
            line = parse(raw.removesuffix(b"\n"))
        except Bad:
            continue
        before = locks.get(line["key"], UNLOCKED) if isinstance(line, dict) and TEXT(line.get("key")) else UNLOCKED
        if not raw.endswith(b"\n"):
            continue
        if misfit(line, {"key": TEXT, "released": True}) is None:
            locks[line["key"]] = (before[0], before[1], False)
        elif misfit(line, LOCK) is None and (line["mode"] == "NONE") == (line["retain_until"] is None):
            mode, until = max(before[0], MODES[line["mode"]]), max(before[1], line["retain_until"] or "")
            locks[line["key"]] = (mode, until, before[2] or line["legal_hold"])
    return locks


class Holds:
    """What binds the objects of one log."""

    def __init__(
        self,
        statements: list[Any],
        trust: dict[str, Any],
        read: Callable[[str], bytes | None],
        log: tuple[str, list[bytes]],
    ) -> None:
        self.trust, self.read, self.log = trust, read, log
        self.policies, self.approvals, self.holds, releases, self.snapshots = (
            [one for one in statements if one.kind == kind]
            for kind in ("policy", "approval", "hold", "release", "snapshot")
        )
        self.named: dict[str, set[tuple[int, str]]] = {}  # batch to entries, sources of lines that name it
        self.lists = {one.index: one.predicate for one in statements if one.kind == "batch"}
        faults = [(one, self.release_fault(one)) for one in releases]
        self.invalid = [(one.key, fault) for one, fault in faults if fault]
        self.releases = [one.predicate for one, fault in faults if not fault]
        self.scopes = {one.key: self.scope(one) for one in self.holds}

    def release_fault(self, release: Any) -> str | None:
        """Say why a release has no effect (11.9)."""
        said, size = release.predicate, release.predicate["log_size"]
        by_id = {one.predicate["id"]: one for one in self.approvals if one.index < release.index}
        signers = {
            one.keyid
            for one in (by_id.get(approval["id"]) for approval in said["approvals"])
            if one
            and one.predicate["keyid"] == one.keyid != release.keyid
            and (one.predicate["kind"], one.predicate["sha256"]) == ("release", said["request"])
        }
        if len(signers) < 2:
            return "fewer than two approvals"
        name = next((name for name, digest in release.subjects.items() if digest == said["request"]), "")
        data = self.read(name) or b""
        if hashlib.sha256(data).hexdigest() != said["request"]:
            return "the request is not stored"
        try:
            request = parse(data)
            demand(request, REQUEST)
        except Bad as error:
            return f"request: {error}"
        origin, roots = self.log
        own = {name: said[name] for name in ("archive", "archive_id", "matter", "instrument", "log_size")}
        if any(request[name] != value for name, value in own.items()) or request["origin"] != origin:
            return "the request is about something else"
        if not 0 < size <= len(roots) or roots[size - 1].hex() != request["log_root"]:
            return "the log had another root"
        return None

    def scope(self, hold: Any) -> set[str] | None:
        """Return the keys that the report of a hold names, None for all."""
        if hold.predicate["scope"] == "all":
            return None
        reports = [self.read(name) or b"" for name in hold.subjects if name.startswith("reports/")]
        found = [line for data in reports for line in data.splitlines()]
        return {line["key"] for line in map(parse, found) if isinstance(line, dict) and TEXT(line.get("key"))}

    def until(self, key: str, index: int, batch: Any) -> str:
        """Return the date that an object must be locked to (12, a to d)."""
        of = set(batch.predicate["matters"]) if batch else None
        dates = [one["until"] for one in self.trust["holds"] if of is None or one["matter"] in of]
        for hold in self.holds:
            scope = self.scopes[hold.key]
            reaches = hold.index <= index or not key.startswith("data/") or scope is None or key in scope
            if reaches and (of is None or hold.predicate["matter"] in of):
                dates.append(hold.predicate["to"])
        if of is None:
            policies = [one for one in self.policies if one.index <= index] or self.policies[:1]
            return max([*dates, *(m["retain_until"] for one in policies for m in one.predicate["matters"])], default="")
        for _, policy, _ in self.later(batch):
            dates += [one["retain_until"] for one in policy["matters"] if one["id"] in of]
        return max([*dates, batch.predicate["hold"]["retain_until"]])

    def may_be_off(self, index: int, batch: Any) -> bool:
        """Tell whether valid releases let the legal hold of an object go off."""
        return (not batch or bool(batch.predicate["matters"])) and all(
            any(one["matter"] == matter and entry < one["log_size"] for one in self.releases)
            for matter, entry in self.holding(index, batch)
        )

    def holding(self, index: int, batch: Any) -> Iterator[tuple[str, int]]:
        """Yield the matters that hold an object, and the entry since which."""
        if batch:
            stated = set(batch.predicate["matters"])
        else:
            stated = {one["id"] for policy in self.policies for one in policy.predicate["matters"]}
            stated |= {one.predicate["matter"] for one in self.holds}
        yield from ((matter, index) for matter in stated)
        for entry, policy, source in self.later(batch) if batch else ():
            matters = [one["matters"] for one in policy["sources"] if one["id"] == source]
            yield from ((matter, entry) for of_source in matters for matter in of_source)

    def later(self, batch: Any) -> Iterator[tuple[int, dict[str, Any], str]]:
        """Yield entry, policy and source of the lines of later snapshots, none of them aborted, that name a batch."""
        aborted = {one.predicate["id"] for one in self.snapshots if one.predicate["status"] == "aborted"}
        for index, source in self.named.get(batch.predicate["id"], ()):
            said = self.lists[index]
            if said["snapshot"] != batch.predicate["snapshot"] and said["snapshot"] not in aborted:
                for policy in self.policies:
                    if policy.index < index and policy.predicate["sha256"] == said["policy_sha256"]:
                        yield index, policy.predicate, source
