"""Commands that enter statements outside a run have them stamped at their end, and are stopped by no authority."""

from __future__ import annotations

import json
import shutil
from datetime import timedelta

import pytest
from answer_schema import demand_published

from archiver.errors import WorldError
from archiver.events import silent
from archiver.flows.hold.approve import admit, approve
from archiver.flows.hold.extend import extend
from archiver.flows.hold.release import make_request, release
from archiver.flows.instrument import Instrument
from archiver.flows.key.end import end_key
from archiver.flows.key.rotate import rotate
from archiver.flows.session import whoami
from archiver.flows.timestamps import stamping
from archiver.model.instant import parse_instant
from archiver.model.statement_holds import encode_request
from archiver.proof import keys
from archiver.signing.file import create_p256
from tests.e2e.test_timestamps import again, authorities, bad, judged, stamped, tsa

__all__ = ["authorities", "stamped", "tsa"]

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")

ORDER = Instrument("order.pdf", b"an order\n")
YEAR = timedelta(days=365)


def words(place):
    return {"clock": place.clock, "random": place.random, "environ": {}, "listener": silent}


def longer(place):
    until = parse_instant(place.until) + YEAR
    return extend(place.policy, "CASE-1", until, ORDER, confirm=lambda _plan: None, **words(place))


def let_go(place):
    signers = [create_p256(place.root / f"approver-{name}.pem", None) for name in ("a", "b")]
    for signer in signers:
        admit(place.policy, keys.to_pem(signer.public), **words(place))
    asked = encode_request(make_request(place.policy, "CASE-1", ORDER, clock=place.clock, listener=silent))
    signed = [approve(asked, one, by=whoami(None), clock=place.clock, random=place.random)[1] for one in signers]
    return release(place.policy, "CASE-1", ORDER, asked, signed, confirm=lambda _plan: None, **words(place))


def admitted(place):
    return admit(place.policy, keys.to_pem(create_p256(place.root / "approver.pem", None).public), **words(place))


def retired(place):
    return end_key(place.policy, admitted(place).keyid, None, "gone", **words(place))


def revoked(place):
    return end_key(place.policy, admitted(place).keyid, place.clock() - timedelta(days=1), "stolen", **words(place))


COMMANDS = {
    "hold extend": longer,
    "hold release": let_go,
    "hold admit": admitted,
    "key rotate statement": lambda place: rotate(place.policy, "statement", None, "yearly", **words(place)),
    "key rotate log": lambda place: rotate(place.policy, "log", None, "yearly", **words(place)),
    "key retire": retired,
    "key revoke": revoked,
}


@pytest.mark.parametrize("command", ["hold extend", "hold release", "key rotate log"])
def test_what_a_command_enters_is_stamped_by_every_authority(stamped, command):
    stamped.take()
    done = COMMANDS[command](stamped)
    assert [(one.pending, one.problem, bool(one.gen_time)) for one in done.timestamps.stamps] == [(0, None, True)] * 2
    assert (done.timestamps.reasons, int(done.timestamps.exit)) == ((), 0)
    report = judged(stamped)
    assert {token.result for token in report.timestamps} == {"ok"}
    assert bad(report) == set()


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_is_done_without_an_authority_and_says_what_is_pending(stamped, tsa, command):
    stamped.take()
    tsa[0].mood = "down"
    done = COMMANDS[command](stamped)
    first, second = done.timestamps.stamps
    assert (first.pending > 0, first.gen_time, bool(first.problem), second.pending) == (True, None, True, 0)
    assert (len(done.timestamps.reasons), int(done.timestamps.exit)) == (1, 3)
    assert bad(judged(stamped)) == {"timestamp-missing"}
    tsa[0].mood = "well"
    assert {one.pending for one in again(stamped).stamps} == {0}
    assert bad(judged(stamped)) == set()


def test_roots_that_are_gone_stop_no_command(stamped, tsa):
    stamped.take()
    stamped.write_policy(
        lambda text: f'{text}timestamps: {{required: 1, authorities: [{{url: "{tsa[0].url}", roots: gone.pem}}]}}\n'
    )
    done = longer(stamped)
    assert (int(done.exit), done.failures) == (3, ())
    assert "gone.pem" in str(done.timestamps.stamps[0].problem)


def test_a_store_that_fails_while_a_token_is_asked_for_undoes_nothing(stamped, monkeypatch):
    stamped.take()

    def fails(*_: object) -> bytes:
        raise WorldError("network", "the connection is gone")

    monkeypatch.setattr(stamping, "signed_head", fails)
    done = longer(stamped)
    assert (int(done.exit), {one.problem for one in done.timestamps.stamps}) == (3, {"the connection is gone"})


def test_an_approver_who_comes_with_the_first_authority_is_in_the_trust_file_with_it(filled, tsa):
    filled.take()
    named = f'{{url: "{tsa[1].url}", roots: "{tsa[1].root}"}}'
    filled.write_policy(lambda text: f"{text}timestamps: {{required: 0, authorities: [{named}]}}\n")
    keyid = admitted(filled).keyid
    trust = json.loads(filled.trust.read_bytes())
    assert keyid in {one["keyid"] for one in trust["statement_keys"]}
    assert [one["roots"] for one in trust["timestamps"]["tsas"]] == [[tsa[1].root.read_text()]]


def test_the_commands_answer_as_published(stamped, capsys):

    from archiver.cli.entry import run

    stamped.take()
    order = stamped.root / "order.pdf"
    order.write_bytes(b"an order\n")
    until = (parse_instant(stamped.until) + YEAR).strftime("%Y-%m-%dT%H:%M:%SZ")
    policy = ("-p", str(stamped.root / "retention_policy.yaml"), "--json")
    for name, call in (
        ("hold-extend", ("hold", "extend", "CASE-1", "--until", until, "--instrument", str(order), "--yes")),
        ("key-rotate", ("key", "rotate", "log")),
    ):
        assert run([*policy, *call], clock=stamped.clock, random=stamped.random, environ={}) == 0
        heard = capsys.readouterr()
        answer = json.loads(heard.out)
        demand_published(answer, name)
        assert [one["pending"] for one in answer["timestamps"]] == [0, 0]
        assert heard.err.count("timestamp by 127.0.0.1") == 2
