"""A store, or something before it, that says yes and does something else: each lie is seen, named, and mended.

As in the table of faults, the cells of one archive follow each other; the last one is the same command without lies.
"""

from __future__ import annotations

import pytest
from fault_column import behind_a_proxy, said_once
from fault_proxy import Answer, Fault, FaultProxy

LOCK, UNTIL, HOLD = "x-amz-object-lock-mode", "x-amz-object-lock-retain-until-date", "x-amz-object-lock-legal-hold"
NO_LOCK = b"<Error><Code>NoSuchObjectLockConfiguration</Code></Error>"


LISTED = b"<ListVersionsResult><IsTruncated>false</IsTruncated></ListVersionsResult>"
STORED_NOTHING = Fault("lie", lie=Answer(200, {"x-amz-version-id": "b" * 32, "ETag": '"b"'}, b""))


def header(name, value):
    return lambda _asked, answer: answer.with_header(name, value)


def of_another_version(_asked, answer):
    """The store says that it has stored a version, and has none of that id."""
    return answer.with_header("x-amz-version-id", "a" * 32)


def without_lock(asked, answer):
    """Neither HEAD nor anybody else knows of a lock."""
    if asked.part:
        return Answer(404, {}, NO_LOCK)
    return answer.with_header(LOCK, None).with_header(UNTIL, None).with_header(HOLD, None)


def shorter(_asked, answer):
    """A whole answer, as far as anybody can see, with fewer bytes."""
    return Answer(answer.status, answer.headers, answer.body[: len(answer.body) // 2])


def web_page(_asked, _answer):
    return Answer(200, {"Content-Type": "text/html"}, b"<html><body>please log in to the hotel's network</body></html>")


def nothing_listed(_asked, _answer):
    return Answer(200, {"Content-Type": "application/xml"}, LISTED)


PUT, HEAD = "PUT ", "HEAD ."
"""The next one that is due: what was stored in spite of a lie is found by the next run, and not put again."""
LOCK_OF = r"(HEAD .|GET .*\?(retention|legal-hold))"
LIES = {
    "a put that stored nothing": (PUT, STORED_NOTHING, "read-back-differs", 5),
    "a put answered with the id of no version": (PUT, of_another_version, "read-back-differs", 5),
    "a put answered with another ETag": (PUT, header("ETag", f'"{"0" * 32}"'), "read-back-differs", 5),
    "read back with another ETag": (HEAD, header("ETag", f'"{"0" * 32}"'), "read-back-differs", 5),
    "read back with another size": (HEAD, header("Content-Length", "7"), "read-back-differs", 5),
    "read back with another checksum": (HEAD, header("x-amz-checksum-sha256", "A" * 43 + "="), "read-back-differs", 5),
    "read back as another version": (HEAD, header("x-amz-version-id", "c" * 32), "read-back-differs", 5),
    "read back without a lock": (LOCK_OF, without_lock, "lock-not-applied", 4),
    "read back with an earlier date": (HEAD, header(UNTIL, "2020-01-01T00:00:00Z"), "lock-not-applied", 4),
    "read back in governance mode": (HEAD, header(LOCK, "GOVERNANCE"), "lock-not-applied", 4),
    "read back without the legal hold": (HEAD, header(HOLD, "OFF"), "lock-not-applied", 4),
    "a web page for a put": (PUT, web_page, "store-no-store", 5),
    "a web page for a listing": ("LIST data/", web_page, "store-no-store", 5),
    "a web page for an entry": ("GET log/entries/", web_page, "store-read-differs", 5),
    "an entry cut short": ("GET log/entries/", shorter, "store-read-differs", 5),
    "a checkpoint cut short": ("GET log/checkpoints/", shorter, "store-read-differs", 5),
    "a listing cut short": ("LIST log/", shorter, "store-error", 5),
    "an entry that is not listed": ("LIST log/entries/", nothing_listed, "log-entry-lost", 5),
}  # fmt: skip


@pytest.fixture(scope="module")
def begun():
    begun = []
    yield begun
    for column in begun:
        column.proxy.__exit__()


@pytest.fixture
def column(begun, organisations, ceph, monkeypatch):
    """The one archive that is lied about."""
    if not begun:
        begun.append(behind_a_proxy(organisations, ceph, monkeypatch, FaultProxy(ceph.endpoint).__enter__()))
    ceph.enter(monkeypatch)
    return begun[0]


@pytest.mark.parametrize(("where", "lie", "code", "status"), LIES.values(), ids=LIES)
def test_a_wrong_answer_is_seen(column, where, lie, code, status):
    column.proxy.arm(where, lie if isinstance(lie, Fault) else Fault("lie", edit=lie))
    ended = column.run()
    assert column.proxy.disarm(), "the lie was told"
    said_once(ended, code=code, status=status)


def test_then_the_same_command_makes_it_whole(column):
    column.make_whole()
