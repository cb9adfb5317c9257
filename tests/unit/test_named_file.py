"""Files that a person names are regular files; nothing else is opened, and nothing is waited for."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from archiver.errors import ArchiverError
from archiver.model.named_file import open_named, read_named
from archiver.model.policy_reading import load_policy


@pytest.fixture
def places(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # a socket's name is short
    (tmp_path / "file").write_bytes(b"12345")
    (tmp_path / "link").symlink_to("file")
    os.mkfifo("pipe")
    (tmp_path / "to-pipe").symlink_to("pipe")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("socket")
        yield tmp_path


@pytest.mark.parametrize("name", ["file", "link"])
def test_a_file_is_read_up_to_one_byte_beyond_the_limit(places, name):
    assert (read_named(Path(name), 5), read_named(Path(name), 3)) == (b"12345", b"1234")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("pipe", "a pipe, not a file"),
        ("to-pipe", "a pipe, not a file"),
        ("socket", "a socket, not a file"),
        ("/dev/null", "a device, not a file"),
        (".", "Is a directory"),
        ("absent", "No such file"),
        ("file/below", "Not a directory"),
    ],
)
def test_what_is_no_file_is_refused_in_words(places, name, words):
    with pytest.raises(OSError, match=words):
        open_named(Path(name))


def test_what_becomes_a_pipe_after_it_was_looked_at_is_refused_too(places, monkeypatch):
    honest = Path("file").stat()
    monkeypatch.setattr(Path, "stat", lambda *_, **__: honest)
    with pytest.raises(OSError, match="a pipe, not a file"):
        open_named(Path("pipe"))


def test_a_pipe_is_no_policy(places):
    with pytest.raises(ArchiverError, match="a pipe, not a file") as refused:
        load_policy(places / "pipe")
    assert (refused.value.code, int(refused.value.exit_status)) == ("policy-unreadable", 2)
