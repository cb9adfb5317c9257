"""`verify.sh` lets openssl judge tokens at their own time, good ones and each kind of bad one."""

from __future__ import annotations

import shutil
import urllib.request
from datetime import UTC, datetime

import pytest
from authority import Authority
from cryptography import x509
from openssl_authority import OpensslAuthority
from tampered import laid_out
from test_verify_sh import check
from world import World

from archiver.model import trust
from archiver.proof import timestamp

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
ENDED = {"begin": datetime(2025, 1, 1, tzinfo=UTC), "end": datetime(2025, 2, 1, tzinfo=UTC)}


class Loopback:
    """`openssl ts` behind HTTP, as `World.stamp` asks an authority; its time is the machine's."""

    def __init__(self, folder, kind="ec"):
        self.count, self.server = 0, OpensslAuthority(folder, kind)
        self.certificate = x509.load_pem_x509_certificate((folder / "signer.pem").read_bytes())

    def stamp(self, imprint, nonce, moment):
        self.count += 1
        request = timestamp.write_request(timestamp.Request(imprint, nonce))
        with urllib.request.urlopen(self.server.url, request, timeout=20) as answer:
            return answer.read()

    def trust(self):
        return {"id": "loopback", "roots": [self.server.root.read_text()]}


@pytest.fixture(scope="module")
def loopback(tmp_path_factory):
    made = {kind: Loopback(tmp_path_factory.mktemp("tsa") / kind, kind) for kind in ("ec", "rsa")}
    yield made
    for one in made.values():
        one.server.close()


def outcome(world, folder, *authorities):
    words = world.trust().model_dump(mode="json")
    words["timestamps"]["tsas"] = [one.trust() for one in authorities]
    (folder / "trust.json").write_bytes(trust.TrustFile.model_validate(words).encode())
    laid_out(world, folder / "archive")
    return check(folder / "trust.json", folder)


@pytest.mark.parametrize("kind", ["ec", "rsa"])
def test_a_token_by_openssl_is_good(loopback, kind, tmp_path):
    world = World()
    world.stamp(loopback[kind])
    status, said = outcome(world, tmp_path, Authority(3), loopback[kind])
    assert (status, "over 8 entries" in said, "timestamps/" in said) == (3, True, False), said


def test_a_token_is_good_at_its_own_time_when_its_certificate_has_ended_since(tmp_path):
    ended, world = Authority(**ENDED), World()
    world.stamp(ended, seconds=int((datetime(2025, 1, 20, tzinfo=UTC) - world.store.now).total_seconds()))
    status, said = outcome(world, tmp_path, ended)
    assert (status, "stamped Jan 20 00:00:00 2025 GMT over 8 entries" in said) == (3, True), said


def test_a_token_made_after_its_certificate_had_ended_is_bad(tmp_path):
    ended, world = Authority(**ENDED), World()
    world.stamp(ended)
    status, said = outcome(world, tmp_path, ended)
    assert (status, "no good token over that checkpoint" in said) == (1, True), said


def test_a_fraction_of_a_second_is_read(tmp_path):
    exact, world = Authority(), World()
    honest = exact.stamp
    exact.stamp = lambda *args: honest(*args, fraction=".25")
    world.stamp(exact)
    status, said = outcome(world, tmp_path, exact)
    assert (status, "stamped Nov 22 09:00:05.25 2026 GMT over 8 entries" in said) == (3, True), said


def test_a_token_of_2044_is_good_then(tmp_path):
    late, world = Authority(begin=datetime(2044, 1, 1, tzinfo=UTC), end=datetime(2045, 1, 1, tzinfo=UTC)), World()
    world.stamp(late, seconds=int((datetime(2044, 2, 29, tzinfo=UTC) - world.store.now).total_seconds()))
    status, said = outcome(world, tmp_path, late)
    assert (status, "stamped Feb 29 00:00:00 2044 GMT over 8 entries" in said) == (3, True), said


def over_another(loopback):
    """the operator states a token that is over another checkpoint"""
    other = World(tell=False)
    other.put("README.txt", b"read me")
    other.begin()
    response = other.store.versions[other.stamp(loopback)][0].data
    world = World(response=lambda honest: response)
    world.stamp(loopback)
    return world


def of_another_request(loopback):
    """the operator states a token that answers another request over the same checkpoint"""
    world = World(request=lambda data: data[:-6] + bytes([data[-6] ^ 1]) + data[-5:])
    world.stamp(loopback)
    return world


def swapped(loopback):
    """somebody put the token of another checkpoint in the place of this one's"""
    world = World()
    first, second = world.stamp(loopback), world.stamp(loopback)
    world.change(second, world.store.versions[first][0].data)
    return world


def no_token(loopback):
    """the operator states something that is no token"""
    world = World(response=lambda honest: b"<html>sign in</html>")
    world.stamp(loopback)
    return world


@pytest.mark.parametrize("harm", [over_another, of_another_request, swapped, no_token])
def test_what_is_no_good_token_is_found(loopback, harm, tmp_path):
    status, said = outcome(harm(loopback["ec"]), tmp_path, loopback["ec"])
    assert (status, said.count("failed  timestamps/") > 0) == (1, True), said


def test_a_token_by_a_foreign_authority_is_not_called_good_or_bad(loopback, tmp_path):
    world = World()
    world.stamp(loopback["ec"])
    status, said = outcome(world, tmp_path, Authority())
    assert (status, "by an authority that is not in the trust file" in said, "stamped" in said) == (3, True, False)


def test_what_nobody_stated_is_a_stranger_and_no_bad_token(loopback, tmp_path):
    world = World()
    world.stamp(loopback["ec"])
    world.slip_in("timestamps/000000000003/evil-0123456789abcdef.tsr", b"rubbish")
    status, said = outcome(world, tmp_path, loopback["ec"])
    assert (status, "a stranger: timestamps/000000000003" in said) == (3, True), said
