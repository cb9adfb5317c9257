"""The independent verifier judges stamped archives as the project does: honest ones, and each kind of harm."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from authority import Authority
from world import World

from archiver.model import trust as trust_file

sys.path.insert(0, str(Path(__file__).resolve().parent))  # the verifier stands alone
from verifier import UNKNOWN, Archive, check_trust

HOUR = 3600


def stamped(tsa, **stamp):
    world = World()
    world.stamp(tsa, **stamp)
    return world


def bent(**bends):
    world = World(**bends)
    world.stamp(Authority())
    return world


def harmed(change, kind="tsr"):
    world = World()
    key = world.stamp(Authority()).replace(".tsr", f".{kind}")
    world.change(key, change(world.store.versions[key][0].data))
    return world


def contradicted():
    world = World()
    world.stamp(Authority(), seconds=2 * HOUR)
    world.incident("data/x", None, b"x")
    world.stamp(Authority(1), seconds=10)
    return world


CASES = {
    "honest": lambda: stamped(Authority()),
    "rsa": lambda: stamped(Authority(kind="rsa")),
    "two": contradicted,
    "foreign": lambda: stamped(Authority(5)),
    "nonce": lambda: stamped(Authority(nonce=1)),
    "imprint": lambda: stamped(Authority(imprint=b"\1" * 32)),
    "usage": lambda: stamped(Authority(usage=None)),
    "signature": lambda: stamped(Authority(signature=b"\0" * 70)),
    "rejected": lambda: stamped(Authority(status=2)),
    "back-dated": lambda: stamped(Authority(), seconds=-HOUR),
    "older checkpoint": lambda: stamped(Authority(), size=3),
    "flipped": lambda: harmed(lambda data: data[:-9] + bytes([data[-9] ^ 1]) + data[-8:]),
    "cut": lambda: harmed(lambda data: data[:-1]),
    "request": lambda: harmed(lambda data: data[:-1] + b"\0", "tsq"),
    "no tokens": World,
    "wrong words": lambda: stamped(Authority(), serial="99"),
    "bent request": lambda: bent(request=lambda data: data[:-6] + bytes([data[-6] ^ 1]) + data[-5:]),
}


@pytest.mark.parametrize("required", [0, 1, 2])
@pytest.mark.parametrize("case", CASES)
def test_both_verifiers_say_the_same_of_times(case, required, tmp_path):
    world = CASES[case]()
    world.write_folder(tmp_path)
    words = world.trust().model_dump(mode="json")
    tsas = [Authority().trust(), Authority(1).trust()]
    words["timestamps"] = {"required": required, "max_delay_s": 48 * HOUR, "tsas": tsas}
    data = trust_file.TrustFile.model_validate(words).encode()
    trusted, _, problem = check_trust(data)
    assert trusted is not None, problem
    theirs = Archive(tmp_path, trusted)
    theirs.verify()
    ours = world.verify(data).findings
    wanted = {"timestamp-invalid", "timestamp-late", "timestamp-missing"}
    assert {one[:1] + one[2:3] for one in theirs.findings if one[0] in wanted} == {
        (one.code, one.severity.value) for one in ours if one.code in wanted
    }


def test_a_key_that_ended_is_good_for_what_was_stamped_before(tmp_path):
    world = stamped(Authority())
    world.write_folder(tmp_path)
    words = world.trust().model_dump(mode="json")
    words["statement_keys"][0]["valid_until"] = "2026-11-22T10:00:00Z"
    words["timestamps"]["tsas"] = [Authority().trust()]
    theirs = Archive(tmp_path, check_trust(json.dumps(words).encode())[0])
    theirs.verify()
    expired = [one for one in theirs.findings if one[0] == "statement-key-expired"]
    assert [(one[1].split("/")[1], one[2]) for one in expired] == [("timestamp", UNKNOWN)]
