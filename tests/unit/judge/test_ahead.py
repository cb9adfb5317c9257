"""The next value is made while the present one is looked at."""

from __future__ import annotations

import threading

import pytest

from archiver.judge.ahead import ahead


def test_values_come_in_their_order_and_one_ahead():
    made = []
    second = threading.Event()

    def values():
        for number in range(4):
            made.append(number)
            if number == 1:
                second.set()
            yield number

    found = ahead(values())
    assert next(found) == 0
    assert second.wait(10)
    assert list(found) == [1, 2, 3]
    assert made == [0, 1, 2, 3]


def test_what_goes_wrong_comes_behind_what_went_well():
    def values():
        yield 1
        raise OSError("gone")

    found = ahead(values())
    assert next(found) == 1
    with pytest.raises(OSError, match="gone"):
        next(found)


def test_who_stops_early_leaves_no_thread_behind():
    before = threading.enumerate()
    found = ahead(iter(range(1, 100)))
    next(found)
    begun = [thread for thread in threading.enumerate() if thread not in before and thread.name.startswith("ahead")]
    assert begun != []
    found.close()
    for thread in begun:
        thread.join(30)
    assert [thread for thread in begun if thread.is_alive()] == []
