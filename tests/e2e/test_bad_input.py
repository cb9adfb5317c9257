"""What a person may type wrong: one clear message, a status of DESIGN section 7, JSON as published, nothing written."""

from __future__ import annotations

import json
import os
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest
from answer_schema import demand_published

from archiver.cli import answers
from archiver.cli.entry import run
from tests.e2e.conftest import Organisation

NOW = datetime(2026, 11, 23, 15, 0, 0, tzinfo=UTC)
ORDER = ["--instrument", "{root}/order.txt"]
AT = ["--archive", "{root}/archive", "--trust", "{root}/trust.json"]
READERS = {
    "status": ["status"],
    "verify": ["verify"],
    "list": ["list", "items"],
    "show": ["show", "any"],
    "restore": ["restore", "--to", "{root}/out"],
    "prove": ["prove", "logs/chat.jsonl", "0", "-o", "{root}/out"],
    "custody": ["custody", "logs/chat.jsonl"],
    "audit-kit": ["audit-kit", "-o", "{root}/out"],
    "declare": ["declare", "-o", "{root}/out"],
    "witness look": ["witness", "look", "--home", "{root}/witness", "-o", "{root}/out"],
}
BY_POLICY = {
    "init": ["init"],
    "plan": ["plan"],
    "snapshot": ["snapshot"],
    "trust export": ["trust", "export"],
    "trust witness": ["trust", "witness", "vkey"],
    "witness add": ["witness", "add", "{root}/order.txt"],
    "timestamp": ["timestamp"],
    "timestamp renew": ["timestamp", "renew"],
    "hold show": ["hold", "show"],
    "hold extend": ["hold", "extend", "CASE-1", "--until", "2028-01-01T00:00:00Z", "--yes", *ORDER],
    "hold request": ["hold", "request", "CASE-1", *ORDER, "-o", "{root}/out"],
    "hold release": ["hold", "release", "CASE-1", "--dry-run", "-o", "{root}/out"],
    "hold admit": ["hold", "admit", "{root}/order.txt"],
    "key list": ["key", "list"],
    "key show": ["key", "show", "ab"],
    "key rotate": ["key", "rotate", "statement"],
    "key retire": ["key", "retire", "ab", "--reason", "why"],
    "key revoke": ["key", "revoke", "ab", "--reason", "why", "--since", "2026-11-01T00:00:00Z"],
    "key post-quantum": ["key", "post-quantum"],
    "derive": ["derive"],
    "doctor": ["doctor"],
    "doctor policy": ["doctor", "policy", "writer"],
    "catalog rebuild": ["catalog", "rebuild"],
    **{name: words for name, words in READERS.items() if name != "witness look"},
}
WITHOUT_EITHER = {
    "check-proof": ["check-proof", "{root}/garbage", "--trust", "{root}/trust.json"],
    "trust show": ["trust", "show", "{root}/garbage"],
    "witness init": ["witness", "init", "--name", "a name", "--home", "{root}/out"],
    "witness show": ["witness", "show", "--home", "{root}/absent"],
    "key recipient make": ["key", "recipient", "make", "{root}/order.txt"],
    "key recipient show": ["key", "recipient", "show", "{root}/garbage"],
    "hold approver": ["hold", "approver", "{root}/order.txt"],
    "hold approve": ["hold", "approve", "{root}/garbage", "--key", "{root}/absent", "--name", "n", "-o", "{root}/out"],
}
EVERY = {**WITHOUT_EITHER, **BY_POLICY, **READERS}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """One small archive with its trust file, another one's trust file, and things that are no files of ours."""
    folder = tmp_path_factory.mktemp("bad-input")
    places = [Organisation(folder / name, seed=number) for number, name in enumerate(("place", "other"))]
    for place in places:
        (place.papers / "memo.txt").write_bytes(b"keep everything\n")
        (place.logs / "chat.jsonl").write_bytes(b'{"a":1}\n{"a":2}\n')
        place.take()
        assert (
            _run("-q", "-p", f"{place.root}/retention_policy.yaml", "trust", "export", "-o", f"{place.root}/trust.json")
            == 0
        )
    root = places[0].root
    (root / "other.json").write_bytes((places[1].root / "trust.json").read_bytes())
    (root / "order.txt").write_bytes(b"an order\n")
    (root / "garbage").write_bytes(bytes(range(256)) * 9)
    (root / "nothing").write_bytes(b"")
    (root / "nested").write_bytes(b"[" * 100_000)
    (root / "object").write_bytes(b"{}")
    (root / "folder").mkdir()
    (root / "loop").symlink_to("loop")
    os.mkfifo(root / "pipe")
    return root


def _run(*arguments: str) -> int:
    return run(list(arguments), clock=lambda: NOW, environ={})


def _files(root: Path) -> dict[str, tuple[int, int]]:
    """Return everything there is, but for what SQLite writes beside a database that is read."""
    found = {str(path): path.lstat() for path in root.rglob("*") if not path.name.endswith(("-shm", "-wal"))}
    return {
        name: (about.st_mtime_ns, about.st_size) for name, about in found.items() if not stat.S_ISDIR(about.st_mode)
    }


@pytest.fixture
def refused(root, capsys, monkeypatch):
    """Run a command that must be refused, and return its answer."""
    monkeypatch.chdir(root)

    def refuse(command, *words):
        before = _files(root)
        status = _run("--json", *(word.format(root=root) for word in words))
        captured = capsys.readouterr()
        answer = json.loads(captured.out)
        command = command or answer["command"]
        demand_published(answer, command)
        assert (answer["command"], answer["exit"]) == (command, status)
        assert _files(root) == before
        assert "Traceback" not in captured.err
        assert all(letter.isprintable() or letter == "\n" for letter in captured.err)
        return answer

    return refuse


def _is_clear(answer: dict[str, object]) -> None:
    error = answer["error"]
    assert error["code"] not in ("fault", "system", "local-database")
    assert ("expected" in error["message"], bool(error["hint"])) == (True, True), error


def test_every_command_is_in_the_tables():
    assert set(EVERY) == set(answers.ANSWERS)


@pytest.mark.parametrize("command", EVERY)
def test_what_is_no_option_is_refused(refused, command):
    answer = refused(command, *EVERY[command], "--no-such-option")
    assert (answer["exit"], answer["error"]["code"]) == (2, "usage")


@pytest.mark.parametrize("command", WITHOUT_EITHER)
def test_commands_without_a_policy_refuse_what_they_are_given(refused, command):
    answer = refused(command, *EVERY[command])
    assert answer["exit"] in (1, 2)
    _is_clear(answer)


@pytest.mark.parametrize("name", ["absent", "folder", "garbage", ""])
@pytest.mark.parametrize("command", BY_POLICY)
def test_a_policy_that_is_none_is_refused(refused, command, name):
    policy = f"{{root}}/{name}" if name else ""
    answer = refused(command, *BY_POLICY[command], "-p", policy)
    assert answer["exit"] == 2
    _is_clear(answer)


@pytest.mark.parametrize(
    "place", ["{root}/absent", "{root}/garbage", "{root}/loop", "", "http://a/b", "s3://", "file:///no/such"]
)
@pytest.mark.parametrize("command", READERS)
def test_a_place_that_is_none_is_refused(refused, command, place):
    words = [*READERS[command], "--archive", place, "--trust", "{root}/trust.json"]
    answer = refused(command, *words)
    assert answer["exit"] == 2
    _is_clear(answer)


@pytest.mark.parametrize("command", [name for name in READERS if name != "witness look"])
def test_an_empty_place_is_no_archive_where_the_trust_file_has_seen_one(refused, command):
    words = [*READERS[command], "--archive", "{root}/folder", "--trust", "{root}/trust.json"]
    assert refused(command, *words)["exit"] == 1


@pytest.mark.parametrize(
    "name", ["absent", "folder", "garbage", "nothing", "nested", "object", "loop", "a\x1b[31m\x07b"]
)
@pytest.mark.parametrize("command", ["status", "verify", "restore", "witness look", "check-proof", "trust show"])
def test_a_trust_file_that_is_none_is_refused(refused, command, name):
    words = {"check-proof": ["check-proof", "{root}/garbage", "--trust"], "trust show": ["trust", "show"]}
    words |= {one: [*reader, "--archive", "{root}/archive", "--trust"] for one, reader in READERS.items()}
    answer = refused(command, *words[command], f"{{root}}/{name}")
    if command == "verify" and answer["error"] is None:
        assert (answer["exit"], answer["verdict"]) == (1, "failed")  # bad bytes are a finding of check 1
    else:
        assert answer["exit"] in (1, 2)
        _is_clear(answer)


PIPE = {
    "-p": ["-p", "{root}/pipe", "plan"],
    "--trust": ["verify", "--archive", "{root}/archive", "--trust", "{root}/pipe"],
    "--seen": ["verify", *AT, "--seen", "{root}/pipe"],
    "--trusted-list": ["verify", *AT, "--trusted-list", "{root}/pipe"],
    "--trust of a reader": ["list", "items", "--archive", "{root}/archive", "--trust", "{root}/pipe"],
    "--trust of a proof": ["check-proof", "{root}/garbage", "--trust", "{root}/pipe"],
    "a proof": ["check-proof", "{root}/pipe", "--trust", "{root}/trust.json"],
    "a trust file": ["trust", "show", "{root}/pipe"],
    "--instrument": ["hold", "request", "CASE-1", "--instrument", "{root}/pipe", "-o", "{root}/out"],
    "a public key": ["hold", "admit", "{root}/pipe"],
    "a request": ["hold", "approve", "{root}/pipe", "--key", "{root}/absent", "-o", "{root}/out"],
    "a key": ["hold", "approve", "{root}/order.txt", "--key", "{root}/pipe", "-o", "{root}/out"],
    "a cosignature": ["witness", "add", "{root}/pipe"],
    "--seen of a witness": ["witness", "look", "--home", "{root}/out", *AT, "--seen", "{root}/pipe"],
    "--font": ["declare", "-o", "{root}/out", *AT, "--font", "{root}/pipe"],
    "--continues": ["init", "--continues", "{root}/archive", "--trust", "{root}/pipe"],
}


@pytest.mark.parametrize("kind", ["pipe", "device"])
@pytest.mark.parametrize("which", PIPE)
def test_a_pipe_or_a_device_in_place_of_a_file_is_refused_and_not_waited_for(refused, which, kind):
    words = PIPE[which] if kind == "pipe" else [word.replace("{root}/pipe", "/dev/zero") for word in PIPE[which]]
    answer = refused(None, *words)
    assert answer["exit"] == 2
    _is_clear(answer)


@pytest.mark.parametrize("name", ["absent", "folder", "garbage", "nothing", "object", "a\x1b[31m\x07b"])
def test_a_trusted_list_that_is_none_is_refused(refused, name):
    answer = refused("verify", "verify", *AT, "--trusted-list", f"{{root}}/{name}")
    assert answer["exit"] == 2
    _is_clear(answer)


@pytest.mark.parametrize("command", [name for name in READERS if name != "witness look"])
def test_the_trust_file_of_another_archive_finds_nothing(refused, command):
    words = [*READERS[command], "--archive", "{root}/archive", "--trust", "{root}/other.json"]
    assert refused(command, *words)["exit"] == 1


@pytest.mark.parametrize("value", ["", os.fsdecode(b"../a\x1b[31m\xff"), "z" * 5_000])
@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("show", ["show", "{}"]),
        ("list", ["list", "{}"]),
        ("list", ["list", "items", "--snapshot", "{}"]),
        ("list", ["list", "batches", "--snapshot", "{}"]),
        ("list", ["list", "items", "--source", "{}"]),
        ("list", ["list", "items", "--status", "{}"]),
        ("list", ["list", "statements", "--kind", "{}"]),
        ("restore", ["restore", "{}", "--to", "out"]),
        ("restore", ["restore", "--source", "{}", "--to", "out"]),
        ("restore", ["restore", "--open-passphrase", "{}", "--to", "out"]),
        ("verify", ["verify", "--open-passphrase", "{}"]),
        ("verify", ["verify", "--sealed", "{}"]),
        ("prove", ["prove", "{}", "0", "-o", "out"]),
        ("prove", ["prove", "logs/{}", "0", "-o", "out"]),
        ("prove", ["prove", "logs/chat.jsonl", "{}", "-o", "out"]),
        ("custody", ["custody", "{}"]),
        ("custody", ["custody", "logs/{}"]),
        ("custody", ["custody", "logs/chat.jsonl", "--format", "{}"]),
        ("audit-kit", ["audit-kit", "-o", "out", "--batch", "{}"]),
        ("audit-kit", ["audit-kit", "-o", "out", "--since", "{}"]),
        ("declare", ["declare", "-o", "out", "--snapshot", "{}"]),
        ("declare", ["declare", "-o", "out", "--batch", "{}"]),
        ("declare", ["declare", "-o", "out", "--item", "{}"]),
        ("plan", ["plan", "--explain", "{}"]),
        ("snapshot", ["snapshot", "--source", "{}"]),
        ("snapshot", ["snapshot", "--yes-lock", "{}"]),
        ("verify", ["verify", "--only", "{}"]),
        ("verify", ["verify", "--sample", "{}"]),
        ("verify", ["verify", "--seen", "{}"]),
        ("trust witness", ["trust", "witness", "{}"]),
        ("timestamp", ["timestamp", "{}"]),
        ("timestamp renew", ["timestamp", "renew", "--before", "{}"]),
        ("hold show", ["hold", "show", "{}"]),
        (
            "hold extend",
            ["hold", "extend", "{}", "--yes", "--until", "2028-01-01T00:00:00Z", "--instrument", "order.txt"],
        ),
        ("hold extend", ["hold", "extend", "CASE-1", "--yes", "--until", "{}", "--instrument", "order.txt"]),
        ("hold extend", ["hold", "extend", "CASE-1", "--yes", "--until", "2028-01-01T00:00:00Z", "--instrument", "{}"]),
        ("hold request", ["hold", "request", "{}", "--instrument", "order.txt", "-o", "out"]),
        ("hold release", ["hold", "release", "{}", "--dry-run", "-o", "out"]),
        ("hold approver", ["hold", "approver", "out", "--passphrase", "{}"]),
        ("key show", ["key", "show", "{}"]),
        ("key rotate", ["key", "rotate", "{}"]),
        ("key retire", ["key", "retire", "{}", "--reason", "why"]),
        ("key revoke", ["key", "revoke", "ab", "--reason", "why", "--since", "{}"]),
        ("doctor", ["doctor", "{}"]),
        ("doctor policy", ["doctor", "policy", "{}"]),
        ("init", ["init", "--continues", "{}", "--trust", "trust.json"]),
    ],
)
def test_what_is_not_there_is_refused_and_nothing_is_written(refused, command, words, value):
    answer = refused(command, *(word.replace("{}", value) for word in words))
    assert answer["exit"] == 2
    assert answer["error"]["hint"]
    assert answer["error"]["code"] not in ("fault", "system", "local-database")


def test_an_output_that_cannot_be_written_is_told_with_a_hint(refused):
    answer = refused("trust export", "trust", "export", "-o", "garbage/out")
    assert (answer["exit"], answer["error"]["code"]) == (5, "output-unwritable")
    _is_clear(answer)
