"""Looking at the first of many versions lets go of the rest at once."""

from __future__ import annotations

from types import SimpleNamespace

from archiver.writer.place import first_under


def test_a_listing_that_is_not_read_to_its_end_is_closed():
    closed = []

    def listing(prefix):
        try:
            yield f"{prefix}1"
            yield f"{prefix}2"
        finally:
            closed.append(prefix)

    assert first_under(SimpleNamespace(list=listing), "log/") == "log/1"
    assert closed == ["log/"]


def test_nothing_is_there():
    assert first_under(SimpleNamespace(list=lambda _: iter(())), "log/") is None
