"""Check 3: honest stamps give brackets that hold for ever; every false one is named, and counts for nothing."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta

import pytest
from attack import Refusing
from authority import Authority
from cryptography.hazmat.primitives.hashes import SHA256
from trusted_lists import GRANTED, service, trusted_list
from world import FIRST, MEMO, World

from archiver.judge.report import to_text
from archiver.judge.verify import Options
from archiver.model import layout, trust
from archiver.model.finding import Severity
from archiver.proof import der
from archiver.proof.trusted_list import read_list

DAYS = 2 * 86_400


def trusted(world, *authorities, required=1, delay=DAYS, key=None, **more):
    words = world.trust().model_dump(mode="json")
    words["timestamps"] = {
        "required": required,
        "max_delay_s": delay,
        "tsas": [{**authority.trust(), **more} for authority in authorities],
    }
    words["statement_keys"][0].update(key or {})
    return trust.parse_trust(trust.TrustFile.model_validate(words).encode())


def stamped(*authorities, **bends):
    """The story of two snapshots, stamped at its end by each authority in turn."""
    world = World(**bends)
    for authority in authorities:
        world.stamp(authority)
    return world


def found(report):
    return {(finding.code, finding.severity.value) for finding in report.findings}


def codes(report):
    return {finding.code for finding in report.findings if finding.severity is not Severity.NOTE}


def test_a_stamped_archive_is_ok_and_every_batch_has_an_upper_bound():
    world = stamped(Authority())
    report = world.verify(trusted(world, Authority()))
    assert (report.verdict.value, codes(report)) == ("ok", set())
    assert {batch.not_after for batch in report.batches} == {"2026-11-22T09:00:05Z"}
    (token,) = report.timestamps
    assert (token.result, token.trusted_as, token.qualified) == ("ok", "authority-0", "unknown")


def test_stamps_before_and_after_make_a_bracket():
    world = World(tell=False)
    world.put(layout.README, b"read me\n")
    world.begin()
    world.stamp(Authority(), seconds=-20)
    world.stamp(Authority(1), seconds=-10)
    world.documents(FIRST, 0, [(MEMO, 0, b"x")])
    world.stamp(Authority(), seconds=40)
    (batch,) = world.verify(trusted(world, Authority(), Authority(1))).batches
    assert (batch.not_before, batch.not_after) == ("2026-11-21T08:59:50Z", "2026-11-21T09:00:40Z")


def test_tokens_stay_good_when_their_certificates_have_ended_and_that_is_noted():
    world = stamped(Authority())
    report = world.verify(trusted(world, Authority()), clock=lambda: datetime(2040, 1, 1, tzinfo=UTC))
    assert "timestamp-invalid" not in {finding.code for finding in report.findings}
    assert ("timestamp-unproven", "note") in found(report)
    assert {batch.not_after for batch in report.batches} == {"2026-11-22T09:00:05Z"}


@pytest.mark.parametrize("begins", ["log/checkpoints/", "log/entries/", "timestamps/", "statements/timestamp/"])
def test_what_is_not_handed_out_is_unknown_and_accuses_no_authority(begins):
    world = stamped(Authority())
    whole, trust_file = world.store, trusted(world, Authority())
    assert int(world.verify(trust_file).exit) == 0
    for name in [one for one in whole.versions if one.startswith(begins)]:
        report = world.verify(trust_file, store=Refusing(whole, name))
        assert ([one for one in report.findings if one.severity is Severity.FAILED], int(report.exit)) == ([], 3), name


def test_a_later_token_in_time_renews_the_older_ones():
    old = Authority(end=datetime(2026, 12, 1, tzinfo=UTC))
    world = stamped(old, Authority(1))
    late = {"clock": lambda: datetime(2029, 1, 1, tzinfo=UTC)}
    assert "certificate" not in str(world.verify(trusted(world, old, Authority(1)), **late).findings)
    alone = stamped(old)
    assert "certificate of an older one ended" in str(alone.verify(trusted(alone, old), **late).findings)


def test_without_authorities_in_the_trust_file_tokens_are_a_note():
    world = stamped(Authority())
    report = world.verify(world.trust())
    assert (report.verdict.value, found(report)) == ("ok", {("timestamp-unproven", "note")})
    assert {batch.not_after for batch in report.batches} == {None}


def test_a_token_by_a_foreign_authority_is_unknown_and_counts_for_nothing():
    world = stamped(Authority(5))
    report = world.verify(trusted(world, Authority()))
    assert found(report) >= {("timestamp-invalid", "unknown"), ("timestamp-missing", "unknown")}
    assert (int(report.exit), report.batches[0].not_after) == (3, None)


def test_what_is_demanded_and_not_there_is_missing():
    world = World()
    report = world.verify(trusted(world, Authority()))
    assert (codes(report), int(report.exit)) == ({"timestamp-missing"}, 3)


def test_two_tokens_of_one_authority_are_not_two_authorities():
    world = stamped(Authority(), Authority())
    assert codes(world.verify(trusted(world, Authority(), required=2))) == {"timestamp-missing"}
    both = stamped(Authority(), Authority(1))
    assert codes(both.verify(trusted(both, Authority(), Authority(1), required=2))) == set()


def test_a_token_that_comes_later_than_demanded_is_missing():
    world = World()
    world.stamp(Authority(), seconds=7200)
    assert codes(world.verify(trusted(world, Authority(), delay=3600))) == {"timestamp-missing"}
    assert "timestamp-missing" in codes(
        world.verify(trusted(world, Authority(), delay=DAYS // 2))
    )  # the first day's entries
    assert codes(world.verify(trusted(world, Authority()))) == set()


def test_a_statement_that_says_it_is_younger_than_its_stamp_is_late():
    world = World()
    world.stamp(Authority(), seconds=-3600)
    report = world.verify(trusted(world, Authority()))
    assert "timestamp-late" in codes(report)
    assert int(report.exit) == 1


def test_clocks_may_be_five_minutes_apart():
    world = World()
    world.stamp(Authority(), seconds=-300)
    assert codes(world.verify(trusted(world, Authority()))) == set()


def test_a_back_dated_statement_shows_behind_its_bracket():
    world = stamped(Authority())
    world.store.now -= timedelta(days=1)
    world.incident("data/x", None, b"x")
    report = world.verify(trusted(world, Authority()))
    assert "older by their own words" in str(report.findings)


def test_a_stolen_key_cannot_back_date_behind_its_end():
    world = stamped(Authority())
    ended = {"valid_until": "2026-11-22T10:00:00Z"}
    assert codes(world.verify(trusted(world, Authority(), key=ended))) == {"statement-key-expired"}  # the stamp's own
    world.store.now += timedelta(days=1)
    world.stamp(Authority())
    honest = world.verify(trusted(world, Authority(), key=ended))
    assert {one.subject.split("/")[1] for one in honest.findings if one.code == "statement-key-expired"} == {
        "timestamp"
    }
    world.store.now -= timedelta(days=1)  # the thief sets the clock back
    world.incident("data/x", None, b"x")
    report = world.verify(trusted(world, Authority(), key=ended))
    (stolen,) = [one for one in report.findings if one.subject.startswith("statements/incident")]
    assert (stolen.code, stolen.severity.value) == ("statement-key-expired", "failed")


def test_authorities_that_contradict_each_other_are_not_believed():
    world = World(tell=False)
    world.put(layout.README, b"read me\n")
    world.begin()
    world.stamp(Authority(), seconds=7200)
    world.documents(FIRST, 0, [(MEMO, 0, b"x")])
    world.stamp(Authority(1), seconds=10)
    report = world.verify(trusted(world, Authority(), Authority(1)))
    assert ("timestamp-invalid", "failed") in found(report)


@pytest.mark.parametrize(
    ("qualified", "expected"),
    [
        ({"certificates": ["signer"], "valid_from": "2026-01-01T00:00:00Z", "valid_until": None}, "yes"),
        (
            {"certificates": ["middle"], "valid_from": "2026-01-01T00:00:00Z", "valid_until": "2027-01-01T00:00:00Z"},
            "yes",
        ),
        (
            {"certificates": ["middle"], "valid_from": "2026-01-01T00:00:00Z", "valid_until": "2026-06-01T00:00:00Z"},
            "no",
        ),
        ({"certificates": ["middle"], "valid_from": "2026-12-01T00:00:00Z", "valid_until": None}, "no"),
        ({"certificates": ["other"], "valid_from": "2026-01-01T00:00:00Z", "valid_until": None}, "no"),
        (None, "unknown"),
    ],
)
def test_qualified_is_what_the_trust_file_has_from_a_trusted_list(qualified, expected):
    authority = Authority()
    names = {
        "signer": authority.certificate.fingerprint(SHA256()).hex(),
        "middle": authority.middle.fingerprint(SHA256()).hex(),
        "other": "00" * 32,
    }
    if qualified:
        listed = [names[one] for one in qualified["certificates"]]
        qualified = {**qualified, "certificates": listed, "source": "EU trusted list 312"}
    world = stamped(authority)
    (token,) = world.verify(trusted(world, authority, **({"qualified": qualified} if qualified else {}))).timestamps
    assert token.qualified == expected


def test_qualified_is_what_national_lists_say_of_the_time_of_the_token():
    """An older list without the service and a newer one with it; a list issued before the token says nothing."""
    world, listed = stamped(Authority()), service(Authority().certificate, (GRANTED, "2017-06-01T00:00:00Z"))
    old, new = trusted_list(sequence="311", issued="2026-11-30T00:00:00Z"), trusted_list(listed)
    stale = trusted_list(listed, sequence="300", issued="2026-11-01T00:00:00Z")
    given = {
        (): None,
        (old,): "names no",
        (stale,): "not after the token",
        (old, new): "granted since",
        (stale, new): "list 312",
    }
    answers = ["unknown", "unknown", "unknown", "yes", "yes"]
    for answer, (lists, words) in zip(answers, given.items(), strict=True):
        read = tuple(read_list(one) for one in lists)
        report = world.verify(trusted(world, Authority()), options=Options(lists=read))
        (token,) = report.timestamps
        assert (token.qualified, words is None or words in token.qualified_by) == (answer, True)
        assert [one.sha256 for one in report.trusted_lists] == [hashlib.sha256(one).hexdigest() for one in lists]
        assert to_text(report).count("its own signature was not checked") == len(lists)


def test_the_trust_file_s_own_word_on_an_authority_comes_before_lists():
    ended = {"certificates": ["00" * 32], "valid_from": "2026-01-01T00:00:00Z", "valid_until": None, "source": "mine"}
    world, lists = (
        stamped(Authority()),
        (read_list(trusted_list(service(Authority().root, (GRANTED, "2017-06-01T00:00:00Z")))),),
    )
    report = world.verify(trusted(world, Authority(), qualified=ended), options=Options(lists=lists))
    assert [(one.qualified, one.qualified_by) for one in report.timestamps] == [("no", "the trust file: mine")]


def test_a_token_that_is_not_good_is_qualified_by_nobody():
    world = stamped(Authority(5))
    lists = (read_list(trusted_list(service(Authority(5).root, (GRANTED, "2017-06-01T00:00:00Z")))),)
    report = world.verify(trusted(world, Authority()), options=Options(lists=lists))
    assert [(one.qualified, one.qualified_by) for one in report.timestamps] == [("unknown", None)]


def swapped(world):
    """the token of another checkpoint stands in the place of this one's"""
    first = world.stamp(Authority())
    second = world.stamp(Authority())
    world.change(second, world.store.versions[first][0].data)


def flipped(world):
    """one byte of a token was changed in the store"""
    key = world.stamp(Authority())
    data = bytearray(world.store.versions[key][0].data)
    data[len(data) // 2] ^= 1
    world.change(key, bytes(data))


def gone(world):
    """a token was deleted"""
    world.remove(world.stamp(Authority()))


def other_request(world):
    """the kept request was changed"""
    key = world.stamp(Authority()).replace(".tsr", ".tsq")
    world.change(key, world.store.versions[key][0].data[:-1] + b"\0")


@pytest.mark.parametrize("harm", [swapped, flipped, gone, other_request])
def test_what_others_do_to_tokens_is_a_failure(harm):
    world = World()
    harm(world)
    report = world.verify(trusted(world, Authority()))
    assert ("timestamp-invalid", "failed") in found(report), harm.__doc__
    assert int(report.exit) == 1


BENDS = [
    (
        "the nonce of the request is another",
        {"request": lambda data: data[:-6] + bytes([data[-6] ^ 1]) + data[-5:]},
        {},
    ),
    ("the response is no DER", {"response": lambda data: data[:-1]}, {}),
    ("the statement states another time", {}, {"gen_time": "2026-11-22T08:00:00Z"}),
    ("the statement states another serial number", {}, {"serial": "99"}),
    ("the statement states another policy", {}, {"policy": "1.2.3"}),
    ("the statement states another root", {}, {"log_root": "00" * 32}),
    ("the statement states another imprint", {}, {"imprint": "00" * 32}),
    ("the statement states a checkpoint that is not there yet", {}, {"log_size": 40}),
    ("the statement states another authority", {}, {"authority": "other.example.com"}),
]


@pytest.mark.parametrize(("bends", "edit"), [pytest.param(*case[1:], id=case[0]) for case in BENDS])
def test_what_the_operator_signs_about_a_token_must_be_so(bends, edit):
    world = World(**bends)
    world.stamp(Authority(), **edit)
    report = world.verify(trusted(world, Authority()))
    assert ("timestamp-invalid", "failed") in found(report)
    assert report.batches[0].not_after is None


def test_a_token_over_another_checkpoint_bounds_nothing_newer():
    world = World()
    world.stamp(Authority(), size=3)
    report = world.verify(trusted(world, Authority(), required=0))
    assert [batch.not_after for batch in report.batches] == ["2026-11-22T09:00:05Z", None, None, None]


@pytest.mark.parametrize(
    "authority",
    [
        Authority(usage=None),
        Authority(end=datetime(2026, 11, 1, tzinfo=UTC)),
        Authority(begin=datetime(2026, 12, 1, tzinfo=UTC)),
        Authority(nonce=1),
    ],
    ids=["no usage", "expired at genTime", "not yet valid", "changed nonce"],
)
def test_tokens_that_are_not_good_count_for_nothing(authority):
    world = stamped(authority)
    report = world.verify(trusted(world, authority))
    assert ("timestamp-invalid", "failed") in found(report)
    assert ("timestamp-missing", "unknown") in found(report)


def test_a_root_that_is_no_root_makes_the_trust_file_useless():
    world = stamped(Authority())
    words = world.trust().model_dump(mode="json")
    words["timestamps"]["tsas"] = [{"id": "x", "roots": ["no certificate"]}]
    report = world.verify(trust.TrustFile.model_validate(words))
    assert codes(report) == {"trust-key-refused"}


def test_a_fraction_of_a_second_does_not_make_a_bracket_narrower():
    authority = Authority()
    honest = authority.stamp
    authority.stamp = lambda *args: honest(*args, fraction=".5")
    world = stamped(authority)
    assert world.verify(trusted(world, authority)).batches[0].not_after == "2026-11-22T09:00:06Z"


def test_a_critical_extension_that_nobody_knows_is_refused():
    authority = Authority()
    honest = authority.stamp
    unknown = der.write(der.SEQUENCE, der.write_oid("1.2.3"), der.write(der.BOOLEAN, b"\xff"), der.write(der.OCTETS))
    authority.stamp = lambda *args: honest(*args, extensions=der.write(der.context(1), unknown))
    world = stamped(authority)
    assert ("timestamp-invalid", "failed") in found(world.verify(trusted(world, authority)))


def test_a_time_that_rounds_up_beyond_all_years_is_refused():
    world = World(response=lambda _: None)
    authority = Authority(gen_time=datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC))
    world.bends["response"] = lambda _: authority.stamp(
        hashlib.sha256(world.store.versions[layout.checkpoint_key(world.tree.size)][-1].data).digest(),
        1000 + world.ids,
        authority.bends["gen_time"],
        fraction=".5",
    )
    world.stamp(authority)
    report = world.verify(trusted(world, Authority()))
    assert ("timestamp-invalid", "failed") in found(report)
    assert int(report.exit) == 1


@pytest.mark.parametrize("at", ["9999-12-31T23:59:59Z", "9999-12-31T23:56:00Z"])
def test_a_statement_of_the_end_of_all_years_is_late_and_stops_nothing(at):
    world = World(incident=lambda words: {**words, "at": at})
    world.stamp(Authority())
    world.incident("data/none", None, b"")
    world.stamp(Authority())
    report = world.verify(trusted(world, Authority()))
    assert {code for code, severity in found(report) if severity == "failed"} == {"timestamp-late"}
    assert int(report.exit) == 1


def test_a_statement_of_the_first_century_has_no_stamp_in_time():
    world = World(incident=lambda words: {**words, "at": "0009-01-01T00:00:00Z"})
    world.incident("data/none", None, b"")
    world.stamp(Authority())
    report = world.verify(trusted(world, Authority()))
    assert ("timestamp-missing", "unknown") in found(report)
    assert int(report.exit) == 3
