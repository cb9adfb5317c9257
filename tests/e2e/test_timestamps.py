"""Runs that are stamped by real authorities, `openssl ts` behind HTTP, on the machine's own clock."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from answer_schema import demand_published
from cryptography import x509
from openssl_authority import OpensslAuthority
from trusted_lists import GRANTED, service, trusted_list

from archiver.cli import run
from archiver.errors import Exit, UsageError, WorldError
from archiver.flows.status.status import status
from archiver.flows.timestamps.timestamp import stamp
from archiver.judge.verify import verify
from archiver.model.policy_yaml import PolicyError
from archiver.model.statement import parse_statement
from archiver.proof import dsse
from archiver.stores.folder import FolderStore
from tests.e2e.conftest import Organisation, fill

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")


@pytest.fixture(scope="module")
def authorities(tmp_path_factory) -> Iterator[list[OpensslAuthority]]:
    made = [OpensslAuthority(tmp_path_factory.mktemp("tsa") / kind, kind) for kind in ("rsa", "ec")]
    yield made
    for one in made:
        one.close()


@pytest.fixture
def tsa(authorities) -> list[OpensslAuthority]:
    for one in authorities:
        one.mood = "well"
    return authorities


@pytest.fixture
def stamped(tmp_path, tsa) -> Organisation:
    """An organisation of today whose policy requires both authorities."""
    now = datetime.now(UTC).replace(microsecond=0)
    until = (now + timedelta(days=400)).strftime("%Y-%m-%dT%H:%M:%SZ")
    place = Organisation(tmp_path / "organisation", now=now - timedelta(hours=1), until=until)
    fill(place)
    named = ", ".join(f'{{url: "{one.url}", roots: "{one.root}"}}' for one in tsa)
    place.write_policy(lambda text: f"{text}timestamps: {{required: 2, authorities: [{named}]}}\n")
    return place


def again(place, **options):
    """Stamp by `archiver timestamp`, now."""
    options = {"again": False, "before": None, **options}
    return stamp(place.policy, clock=place.clock, random=place.random, environ={}, listener=place.listener, **options)


def judged(place, trust=None, clock=None):
    store = FolderStore(place.archive, location=str(place.archive), clock=place.clock)
    return verify(store, trust or place.trust.read_bytes(), clock=clock or place.clock)


def bad(report):
    return {finding.code for finding in report.findings if finding.severity != "note"}


def test_a_run_is_stamped_at_its_start_and_end_by_every_authority(stamped, tsa):
    done = stamped.take()
    assert (done.reasons, [(one.pending, one.problem) for one in done.timestamps]) == ((), [(0, None)] * 2)
    report = judged(stamped)
    assert (bad(report), len(report.timestamps)) == (set(), 4)
    assert {token.result for token in report.timestamps} == {"ok"}
    assert all(batch.not_after is not None for batch in report.batches)
    for one in tsa:
        mine = f"127.0.0.1_{one.server.server_address[1]}"
        for token in report.timestamps:
            if token.authority == mine:
                data = stamped.archive / "log" / "checkpoints" / f"{token.log_size:012d}"
                assert "Verification: OK" in one.verify(stamped.archive / token.key, data)


def test_a_national_list_says_which_tokens_are_qualified(stamped, tsa, capsys):
    stamped.take()
    listed = x509.load_pem_x509_certificate((tsa[0].folder / "middle.pem").read_bytes())
    issued = (datetime.now(UTC) + timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    national = stamped.root / "de.xml"
    national.write_bytes(trusted_list(service(listed, (GRANTED, "2017-06-01T00:00:00Z")), issued=issued))
    words = ["--archive", str(stamped.archive), "--trust", str(stamped.trust), "--trusted-list", str(national)]
    capsys.readouterr()
    assert run(["--json", "verify", *words], clock=stamped.clock, environ={}) == 0
    said = json.loads(capsys.readouterr().out)
    demand_published(said, "verify")
    mine = f"127.0.0.1_{tsa[0].server.server_address[1]}"
    assert {(one["authority"] == mine, one["qualified"]) for one in said["timestamps"]} == {
        (True, "yes"),
        (False, "unknown"),
    }
    assert [(one["sequence"], one["signature_checked"]) for one in said["trusted_lists"]] == [(312, False)]


def test_the_list_of_the_issuer_is_kept_and_what_does_not_answer_is_said(stamped):
    stamped.take()
    kept = next(stamped.archive.glob("timestamps/*/*.revocation"))
    signer, middle, root = json.loads(kept.read_bytes())["certificates"]
    assert (len(signer["crls"]), signer["ocsp"], len(signer["missing"])) == (1, [], 1)
    assert middle["missing"] == ["it names no list and no service"]
    assert root["missing"] == ["it is the root"]


def test_tokens_pass_in_2040_and_a_second_run_goes_on(stamped):
    stamped.take()
    stamped.now -= timedelta(hours=1)
    stamped.take()
    report = judged(stamped, clock=lambda: datetime(2040, 1, 1, tzinfo=UTC))
    assert "timestamp-invalid" not in bad(report)
    assert {token.result for token in report.timestamps} == {"ok"}
    second = [batch for batch in report.batches if batch.not_before]
    assert second


@pytest.mark.parametrize("mood", ["down", "garbage", "late", "rejection"])
def test_an_authority_that_fails_leaves_pending_what_the_next_stamp_makes_up_for(stamped, tsa, mood):
    stamped.take()
    stamped.now -= timedelta(hours=1)
    tsa[0].mood = mood
    done = stamped.take()
    first, second = done.timestamps
    assert (first.pending > 0, bool(first.problem), second.pending, done.status) == (True, True, 0, "complete")
    assert (int(done.exit), any("authorities must stamp" in reason for reason in done.reasons)) == (3, True)
    assert bad(judged(stamped)) == {"timestamp-missing"}
    assert [one.pending > 0 for one in status(stamped.policy, clock=stamped.clock).timestamps] == [True, False]
    tsa[0].mood = "well"
    made = again(stamped)
    assert (int(made.exit), [one.pending for one in made.stamps]) == (0, [0, 0])
    assert bad(judged(stamped)) == set()
    assert {one.pending for one in status(stamped.policy, clock=stamped.clock).timestamps} == {0}


def test_renewing_stamps_everything_once_more_or_only_what_ends_before_a_date(stamped):
    stamped.take()
    assert again(stamped).stamps[0].gen_time is None  # nothing is pending
    assert again(stamped, again=True, before="2020-01-01T00:00:00Z").stamps == ()
    renewed = again(stamped, again=True, before="2100-01-01T00:00:00Z")
    assert all(one.gen_time for one in renewed.stamps)
    assert (bad(judged(stamped)), len(judged(stamped).timestamps)) == (set(), 6)


def test_a_revoked_certificate_stamps_nothing(tmp_path, stamped):
    lost = OpensslAuthority(tmp_path / "lost")
    try:
        lost.revoke()
        text = (stamped.root / "retention_policy.yaml").read_text()
        stamped.write_policy(lambda text: f'{text}timestamps: {{required: 1, authorities: [{{url: "{lost.url}", '
                             f'roots: "{lost.root}"}}]}}\n')  # fmt: skip
        done = stamped.take()
    finally:
        lost.close()
    assert text
    assert "revoked" in str(done.timestamps[0].problem)
    assert bad(judged(stamped)) == {"timestamp-missing"}


def test_an_authority_whose_clock_is_wrong_is_not_believed(stamped):
    stamped.now += timedelta(days=2)
    done = stamped.take()
    assert "expected a time within 300 s" in str(done.timestamps[0].problem)
    assert not list(stamped.archive.glob("timestamps/*/*"))


def test_an_hour_later_a_run_that_goes_on_stamps_again(stamped):
    from archiver.flows.session import open_session
    from archiver.flows.timestamps.authorities import authorities_of
    from archiver.flows.timestamps.stamping import Stamper

    stamped.take()
    with (
        open_session(stamped.policy, clock=stamped.clock, random=stamped.random, environ={}, listener=stamped.listener)
        as session,
        Stamper(session, authorities_of(stamped.policy)) as stamper,
    ):  # fmt: skip
        stamper.start()
        stamper.finish()
        before = session.catalog.log_size()
        stamper._asked_at -= timedelta(hours=1)
        stamper.poll()
        stamper.finish()
        assert session.catalog.log_size() == before + 2


class Killed(BaseException):
    """The process is killed here."""


@pytest.mark.parametrize("step", [0, 1, 5, 6, 8, 11, 13])
def test_a_kill_while_a_token_is_stored_leaves_nothing_behind(stamped, tsa, monkeypatch, step):
    stamped.take()
    real, done = FolderStore.put, []

    def put(store, *arguments, **named):
        if len(done) == step // 2 and step % 2 == 0:
            raise Killed
        kept = real(store, *arguments, **named)
        if len(done) == step // 2:
            raise Killed  # it was done, and nobody was told
        done.append(kept)
        return kept

    with monkeypatch.context() as patched:
        patched.setattr(FolderStore, "put", put)
        with pytest.raises(Killed):
            again(stamped, again=True)
    assert again(stamped).exit == 0
    assert bad(judged(stamped)) == set()


def lost_between(place, monkeypatch, puts):
    """Kill a stamp after so many puts, and lose the state folder with its journal; a while passes."""
    real, done = FolderStore.put, []

    def put(store, *arguments, **named):
        if len(done) == puts:
            raise Killed
        done.append(real(store, *arguments, **named))
        return done[-1]

    with monkeypatch.context() as patched:
        patched.setattr(FolderStore, "put", put)
        with pytest.raises(Killed):
            again(place, again=True)
    shutil.rmtree(place.policy.state)
    before = time.time() - 3600
    for path in place.archive.glob("timestamps/*/*"):
        os.utime(path, (before, before))


def of_kind(place, kind):
    return sorted((place.archive / "statements" / kind).glob("*.json"))


@pytest.mark.parametrize(("puts", "entered", "incidents"), [(1, 0, 1), (2, 0, 1), (3, 1, 0), (4, 1, 0)])
def test_a_token_whose_state_folder_was_lost_is_entered_or_named(stamped, monkeypatch, puts, entered, incidents):
    stamped.take()
    tokens = len(of_kind(stamped, "timestamp"))
    lost_between(stamped, monkeypatch, puts)
    stamped.now -= timedelta(hours=1)
    done = stamped.take()
    assert (done.reasons, int(done.exit)) == ((), 0)
    assert (bad(judged(stamped)), len(of_kind(stamped, "incident"))) == (set(), incidents)
    assert len(of_kind(stamped, "timestamp")) == tokens + entered + 4  # two at the start of the run, two at its end
    assert {token.result for token in judged(stamped).timestamps} == {"ok"}
    named = {key for one in of_kind(stamped, "timestamp") for key in subjects(one)}
    left = {str(path.relative_to(stamped.archive)) for path in stamped.archive.glob("timestamps/*/*")} - named
    assert len(left) == (puts if incidents else 0)
    stamped.now -= timedelta(hours=1)
    stamped.take()
    assert len(of_kind(stamped, "incident")) == incidents  # named once


def subjects(path):
    return [one.name for one in parse_statement(dsse.open_envelope(path.read_bytes()).payload).subject]


@pytest.mark.parametrize("forged", ["tsr", "tsq", "other authority", "other checkpoint"])
def test_a_token_that_is_not_good_is_named_and_never_entered(stamped, monkeypatch, forged):
    stamped.take()
    lost_between(stamped, monkeypatch, 3)
    known = {key for one in of_kind(stamped, "timestamp") for key in subjects(one)}
    parts = [
        path
        for path in stamped.archive.glob("timestamps/*/*")
        if str(path.relative_to(stamped.archive)) not in known
    ]  # fmt: skip
    assert len(parts) == 3
    for path in parts:
        if path.suffix == f".{forged}":
            path.write_bytes(path.read_bytes()[:-1] + b"\0")
            before = time.time() - 3600
            os.utime(path, (before, before))
        if forged == "other authority":
            path.rename(path.with_name(f"x{path.name}"))
        if forged == "other checkpoint":
            other = path.parent.with_name("000000000002")
            other.mkdir(exist_ok=True)
            path.rename(other / path.name)
    tokens = len(of_kind(stamped, "timestamp"))
    stamped.now -= timedelta(hours=1)
    stamped.take()
    assert (len(of_kind(stamped, "timestamp")), len(of_kind(stamped, "incident"))) == (tokens + 4, 1)
    assert {finding.code for finding in judged(stamped).findings if finding.severity == "failed"} == set()


def test_the_doctor_asks_every_authority(stamped, tsa):
    from archiver.flows.doctor.items import exit_of
    from archiver.flows.doctor.timestamps import timestamp_items

    stamped.now += timedelta(hours=1)
    tsa[0].mood = "down"
    found = list(timestamp_items(stamped.policy, random=stamped.random, now=stamped.clock()))
    assert [(item.state.value, item.code) for item in found] == [("failed", "timestamp"), ("ok", "timestamp")]
    (soon,) = list(timestamp_items(stamped.policy, random=stamped.random, now=stamped.clock()))[:1]
    assert soon.remedy
    assert exit_of(found) == Exit.WORLD


def test_every_object_of_a_token_is_locked(stamped):
    stamped.take()
    locked = {json.loads(line)["key"] for line in (stamped.archive / ".locks.jsonl").read_bytes().splitlines()}
    stored = {str(path.relative_to(stamped.archive)) for path in stamped.archive.glob("timestamps/*/*")}
    assert (len(stored), stored - locked) == (12, set())


def test_an_archive_that_gets_authorities_later_names_them_in_its_trust_file(tmp_path, tsa, filled):
    filled.take()
    named = f'{{url: "{tsa[1].url}", roots: "{tsa[1].root}"}}'
    filled.write_policy(lambda text: f"{text}timestamps: {{required: 0, authorities: [{named}]}}\n")
    filled.now = datetime.now(UTC)
    filled.take()
    (authority,) = json.loads(filled.trust.read_bytes())["timestamps"]["tsas"]
    assert authority["roots"] == [tsa[1].root.read_text()]


@pytest.mark.parametrize(
    "words",
    [
        "{required: 1, authorities: []}",
        '{required: 0, authorities: [{url: "ftp://x", roots: "r"}]}',
        '{required: 0, authorities: [{url: "https://user:secret@x/", roots: "r"}]}',
        '{required: 0, authorities: [{url: "https://x/?key=1", roots: "r"}]}',
        '{required: 0, authorities: [{url: "https://x/a", roots: "r"}, {url: "https://x/a", roots: "s"}]}',
    ],
)
def test_a_policy_that_cannot_be_kept_or_would_tell_a_secret_is_refused(organisation, words):
    organisation.write_policy(lambda text: f"{text}timestamps: {words}\n")
    with pytest.raises(PolicyError) as problem:
        assert organisation.policy
    assert "secret" not in str(problem.value)


def test_roots_that_are_not_there_are_refused_before_anything_is_done(organisation):
    organisation.write_policy(
        lambda text: f'{text}timestamps: {{required: 0, authorities: [{{url: "https://x", roots: "r"}}]}}\n'
    )
    with pytest.raises(UsageError) as problem:
        organisation.take()
    assert problem.value.code == "timestamp-roots"
    assert not (organisation.root / "keys").exists()  # keys without a trust file could neither be used nor made again
    assert not (organisation.root / ".archiver" / "demo-keys").exists()


def test_nothing_but_http_is_asked():
    from archiver.signing.tsa import http_fetch

    with pytest.raises(WorldError):
        http_fetch("file:///etc/passwd", None, "", 10)


def test_the_command_answers_as_published_and_says_what_to_do(stamped, tsa, capsys):

    from archiver.cli.entry import run

    stamped.set_up()
    stamped.later(hours=1)
    policy = ("-p", str(stamped.root / "retention_policy.yaml"))

    def call(*words):
        status = run([*policy, "--json", *words], clock=stamped.clock, random=stamped.random, environ={})
        answer = json.loads(capsys.readouterr().out)
        demand_published(answer, " ".join(words[:2] if words[1:2] == ("renew",) else words[:1]))
        return status, answer

    assert [one["pending"] for one in call("snapshot")[1]["timestamps"]] == [0, 0]
    assert [one["pending"] for one in call("status")[1]["timestamps"]] == [0, 0]
    assert call("timestamp")[0] == 0
    status, renewed = call("timestamp", "renew")
    assert (status, all(one["gen_time"] for one in renewed["timestamps"])) == (0, True)
    assert call("timestamp", "renew", "--before", "soon")[0] == 2
    status, verified = call("verify")
    assert (status, {token["result"] for token in verified["timestamps"]}) == (0, {"ok"})
    tsa[0].mood = "down"
    status, failed = call("timestamp", "renew")
    assert (status, failed["timestamps"][0]["gen_time"], bool(failed["timestamps"][0]["problem"])) == (3, None, True)
    stamped.write_policy()
    assert run([*policy, "timestamp"], clock=stamped.clock, random=stamped.random, environ={}) == 2
    assert "name them: timestamps:" in capsys.readouterr().err
