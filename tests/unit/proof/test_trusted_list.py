"""A national list says yes, no or unknown of an authority at a time, and is refused where it is none."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from datetime import UTC, datetime

import pytest
from authority import Authority
from hypothesis import given
from hypothesis import strategies as st
from trusted_lists import GRANTED, PLAIN, QTST, TYPES, WITHDRAWN, service, trusted_list

from archiver.errors import EvidenceError
from archiver.proof.trusted_list import read_list

ONE = Authority()
PATH = (ONE.certificate, ONE.middle, ONE.root)
EARLY, LATE = "2017-06-01T00:00:00Z", "2026-11-22T09:00:05Z"
NOW = datetime(2026, 11, 22, 9, 0, 5, tzinfo=UTC)


def standing(*services, path=PATH, moment=NOW, **scheme):
    return read_list(trusted_list(*services, **scheme)).standing(path, moment)


@pytest.mark.parametrize("certificate", [ONE.certificate, ONE.middle, ONE.root], ids=["own", "issuer", "root"])
def test_a_granted_service_is_a_yes_by_any_certificate_of_the_path(certificate):
    found = standing(service(certificate, (GRANTED, EARLY)))
    words = f'granted since {EARLY} to "Qualified timestamps" of Example Trust'
    assert (found.answer, found.why) == ("yes", words)


def test_another_certificate_of_the_same_key_and_subject_is_the_same_authority():
    renewed = Authority(end=datetime(2029, 6, 1, tzinfo=UTC)).certificate
    assert renewed != ONE.certificate
    assert standing(service(renewed, (GRANTED, EARLY))).answer == "yes"


@pytest.mark.parametrize(
    ("periods", "answer"),
    [
        ([(GRANTED, LATE)], "yes"),
        ([(GRANTED, "2026-11-22T09:00:06Z")], "no"),
        ([(WITHDRAWN, "2026-11-22T09:00:06Z"), (GRANTED, EARLY)], "yes"),
        ([(WITHDRAWN, LATE), (GRANTED, EARLY)], "no"),
        ([(GRANTED, "2026-11-23T00:00:00Z"), (WITHDRAWN, "2020-01-01T00:00:00Z"), (GRANTED, EARLY)], "no"),
        ([(GRANTED, EARLY, PLAIN)], "no"),
        ([(GRANTED, "2026-11-23T00:00:00Z"), (GRANTED, EARLY, PLAIN)], "no"),
        ([(GRANTED, "2017-06-01T02:00:00+02:00")], "yes"),
        ([("http://uri.etsi.org/TrstSvc/Svcstatus/eSigDir-1999-93-EC-TrustedList/Svcstatus/accredited", EARLY)], "no"),
        ([(GRANTED.upper(), EARLY)], "no"),
    ],
)
def test_the_status_is_that_of_the_time_of_the_token(periods, answer):
    assert standing(service(ONE.certificate, *periods)).answer == answer


def test_one_granted_service_is_enough():
    both = [service(ONE.middle, (WITHDRAWN, EARLY)), service(ONE.certificate, (GRANTED, EARLY))]
    assert [standing(*both).answer, standing(*reversed(both)).answer] == ["yes", "yes"]


@pytest.mark.parametrize(
    "services",
    [
        [],
        [service(Authority(1).certificate, (GRANTED, EARLY))],
        [service(ONE.certificate, (GRANTED, EARLY, TYPES + "CA/QC"))],
    ],
    ids=["none", "another authority", "another trade"],
)
def test_what_the_list_does_not_name_is_unknown(services):
    assert standing(*services).answer == "unknown"


@pytest.mark.parametrize(("issued", "answer"), [(LATE, "unknown"), ("2026-11-22T09:00:06Z", "yes")])
def test_a_list_says_nothing_about_times_after_its_issue(issued, answer):
    assert standing(service(ONE.certificate, (GRANTED, EARLY)), issued=issued).answer == answer


def test_a_list_is_named_by_number_country_and_digest():
    data = trusted_list()
    digest = hashlib.sha256(data).hexdigest()
    assert (str(read_list(data)), read_list(data).sha256) == (f"list 312 of DE, SHA-256 {digest[:8]}", digest)


@pytest.mark.parametrize("named", [b"U-F-8", b"rot13", b"idna", b"ISO-8859-1"])
def test_a_list_is_read_as_utf_8_whatever_it_says(named):
    assert read_list(trusted_list().replace(b"UTF-8", named)).sequence == 312


def test_what_only_looks_like_a_service_is_none():
    """The same elements in another place, or in another namespace, as extensions of real lists have them."""
    good = service(ONE.certificate, (GRANTED, EARLY))
    elsewhere = f"<TSPInformationExtensions><Extension>{good}</Extension></TSPInformationExtensions>"
    other = good.replace("<TSPService>", '<TSPService xmlns="http://uri.etsi.org/02231/v2/other#">')
    assert standing(other, more=elsewhere).answer == "unknown"


BAD = {
    "nothing": b"",
    "no XML": b"not a list",
    "cut off": trusted_list()[:-20],
    "another document": b"<html/>",
    "another namespace": trusted_list().replace(b"02231/v2#", b"02231/v3#"),
    "a document type": trusted_list(before="<!DOCTYPE x>"),
    "entities": trusted_list(before='<!DOCTYPE x [<!ENTITY a "b">]>', sequence="&a;"),
    "an outside entity": trusted_list(before='<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>', sequence="&a;"),
    "no number": trusted_list(sequence="many"),
    "no date of issue": trusted_list(issued="yesterday"),
    "a date without zone": trusted_list(issued="2026-12-01T00:00:00"),
    "a date of a service that is none": trusted_list(service(ONE.certificate, (GRANTED, "soon"))),
    "elements without end": trusted_list(more="<x>" * 100),
    "a certificate that is no base64": trusted_list(service(ONE.certificate, (GRANTED, EARLY))).replace(b"MII", b"!!!"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_list_is_refused(name):
    with pytest.raises(EvidenceError) as caught:
        read_list(BAD[name], name="de.xml")
    assert (caught.value.code, caught.value.message.startswith("de.xml: expected a list")) == ("trusted-list", True)


@given(st.integers(0, 10_000), st.integers(0, 255))
def test_any_byte_that_is_another_one_gives_a_list_or_a_refusal(place, value):
    data = bytearray(trusted_list(service(ONE.certificate, (GRANTED, EARLY, QTST))))
    data[place % len(data)] = value
    with suppress(EvidenceError):
        assert read_list(bytes(data)).standing(PATH, NOW).answer in ("yes", "no", "unknown")
