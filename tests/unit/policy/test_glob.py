"""Globs on paths."""

from __future__ import annotations

import time

import pytest

from archiver.model.glob import BadGlobError, check_glob, compile_glob


@pytest.mark.parametrize(
    ("glob", "path", "matches"),
    [
        ("**", b"a", True),
        ("**", b"a/b/c", True),
        ("**", b".hidden/.x", True),
        ("*", b"a", True),
        ("*", b".a", True),
        ("*", b"a/b", False),
        ("*.txt", b"a.txt", True),
        ("*.txt", b"a.TXT", False),
        ("*.txt", b"d/a.txt", False),
        ("**/*.txt", b"a.txt", True),
        ("**/*.txt", b"d/e/a.txt", True),
        ("d/**", b"d", False),
        ("d/**", b"d/a", True),
        ("d/**", b"de/a", False),
        ("d/**/a", b"d/a", True),
        ("d/**/a", b"d/x/y/a", True),
        ("d/**/a", b"d/xa", False),
        ("**/d/**", b"d/a", True),
        ("**/d/**", b"x/d/a", True),
        ("**/d/**", b"x/d", False),
        ("**/**", b"a/b", True),
        ("**/a/**/b/**/c", b"a/b/a/b/x/c", True),
        ("**/a/b", b"a/a/b", True),
        ("**/~$*", b"~$report.docx", True),
        ("**/~$*", b"x/~$report.docx", True),
        ("a*b*c", b"abbc", True),
        ("a*b*c", b"ac", False),
        ("*ab", b"aab", True),
        ("a?c", b"abc", True),
        ("a?c", b"a/c", False),
        ("?", "é".encode(), True),
        ("?", b"\xff", True),
        ("[!a]", b"\xff", True),
        ("[!a]", b"a", False),
        ("[!a]", b"/", False),
        ("a[!b]c", b"a/c", False),
        ("[a-c]x", b"bx", True),
        ("[a-c]x", b"dx", False),
        ("[]]", b"]", True),
        ("[!]]", b"]", False),
        ("[a-]", b"-", True),
        ("[*]", b"*", True),
        ("[*]", b"a", False),
        ("[[]x]", b"[x]", True),
        ("a\\*", b"a\\b", True),
        ("a.b", b"axb", False),
        ("a\nb/**", b"a\nb/c", True),
        ("**", b"a\nb", True),
        ("é", "é".encode(), True),
        ("é", "e\u0301".encode(), False),  # no normalisation
    ],
)
def test_a_glob_matches_whole_paths(glob, path, matches):
    assert compile_glob(glob)(path) is matches


@pytest.mark.parametrize(
    ("glob", "instead"),
    [
        ("", '"**" for everything'),
        ("/a/**", '"a/**"'),
        ("a/", '"a/**" for all that is below'),
        ("a//b", "the path without it"),
        ("./a", "the path without it"),
        ("a/../b", "the path without it"),
        ("a**", '"a*" or "**/a*"'),
        ("**.txt", '"*.txt" or "**/*.txt"'),
        ("***", '"*" or "**/*"'),
        ("a[b", '"a[[]b" for the character itself'),
        ("[z-a]", "a-z"),
    ],
)
def test_a_glob_that_matches_nothing_is_refused_with_what_to_write(glob, instead):
    with pytest.raises(BadGlobError) as refused:
        check_glob(glob)
    assert refused.value.instead == instead


def test_a_hostile_glob_on_a_hostile_name_ends_soon():
    glob = "/".join(["**", "*a*a*a*a*a*a*a*a*b"] * 8)
    started = time.perf_counter()
    assert compile_glob(glob)(b"/".join([b"a" * 200] * 20)) is False
    assert time.perf_counter() - started < 5
