"""What holds for every command: JSON, silence, errors, exit statuses, interrupted runs, hostile names, speed."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
import pytest
from answer_schema import demand_published, validator
from pyarrow import ArrowException

from archiver.cli import answers, entry, schemas
from archiver.cli.commands import COMMANDS, GROUPS, program
from archiver.cli.entry import run
from archiver.cli.words import beside, columns, count, days_left, plain, size
from archiver.errors import BusyError, EvidenceError, LockError, UsageError, WorldError

ROOT = Path(__file__).resolve().parent.parent.parent
NOW = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """An archive of the samples, made once; tests that change something take a copy."""
    folder = tmp_path_factory.mktemp("made")
    shutil.copy(ROOT / "retention_policy.yaml", folder)
    shutil.copytree(ROOT / "tests" / "samples", folder / "tests" / "samples")
    assert _quiet_run(folder, "-q", "snapshot") == 0
    assert _quiet_run(folder, "-q", "trust", "export", "-o", str(folder / "handed-out.json")) == 0
    return folder


@pytest.fixture
def here(made, tmp_path, monkeypatch):
    """A copy of that archive, as the working folder."""
    shutil.copytree(made, tmp_path / "here", symlinks=True)
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "here"


def _quiet_run(folder, *arguments):
    return run(["-p", str(folder / "retention_policy.yaml"), *arguments], clock=lambda: NOW, environ={})


def _run(*arguments, environ=None):
    return run(list(arguments), clock=lambda: NOW, environ=environ or {})


def _answer(capsys, *arguments):
    status = _run(*arguments)
    captured = capsys.readouterr()
    found = json.loads(captured.out)
    assert found["exit"] == status
    return found


def _snapshot_id(folder):
    return next((folder / "archive" / "statements" / "snapshot").iterdir()).stem


def _commands(folder):
    """Every command with arguments that succeed."""
    trust = str(folder / "handed-out.json")
    proof = str(folder / "proof.json")
    return {
        "plan": ["plan"],
        "snapshot": ["snapshot"],
        "status": ["status"],
        "verify": ["verify"],
        "list": ["list", "items"],
        "show": ["show", _snapshot_id(folder)],
        "restore": ["restore", "--to", str(folder / "out")],
        "prove": ["prove", "gateway-logs/gateway/errors.jsonl", "0", "-o", proof],
        "check-proof": ["check-proof", proof, "--trust", trust],
        "trust show": ["trust", "show", trust],
        "trust export": ["trust", "export"],
        "catalog rebuild": ["catalog", "rebuild"],
        "doctor": ["doctor"],
    }


def _validated(command, found):
    demand_published(found, command)
    if found["error"] is None:
        named = validator(command.replace(" ", "-")).schema["properties"]
        assert set(found) == set(named), "no member that the schema does not name"


def test_every_command_answers_with_json_as_published(here, capsys):
    for command, arguments in _commands(here).items():
        found = _answer(capsys, "--json", *arguments)
        assert (command, found["command"], found["exit"], found["error"]) == (command, command, 0, None)
        assert found["archive"] == "eu-dsa-grok"
        _validated(command, found)


def test_init_answers_with_json_as_published(here, capsys):
    for path in ("keys", "archive", ".archiver"):
        shutil.rmtree(here / path)
    found = _answer(capsys, "init", "--json")
    _validated("init", found)
    assert found["made"]["demo_keys"] is False
    assert str(here / "keys" / "statement.pem") in found["back_up"]


def test_every_list_answers_with_json_as_published(here, capsys):
    for what in ("snapshots", "batches", "items", "statements"):
        found = _answer(capsys, "list", what, "--json")
        _validated("list", found)
        assert found[what]


def test_every_refusal_is_json_too(here, capsys):
    for command in COMMANDS:
        found = _answer(capsys, command, "--json", "--no-such-option")
        assert (found["exit"], found["error"]["code"]) == (2, "usage")
        if command not in GROUPS:
            _validated(command, found)


def test_no_command_at_all_is_help_for_people_and_json_for_programs(capsys):
    assert _run() == 2
    assert "Usage: archiver" in capsys.readouterr().err
    assert _answer(capsys, "--json")["error"]["code"] == "usage"
    assert _answer(capsys, "trust", "--json")["error"]["code"] == "usage"


def _every_command() -> set[str]:
    """Name every command that does something by itself, in groups too."""
    names = set()
    for name in COMMANDS:
        names |= _below(name, program.get_command(click.Context(program), name))
    return names


def _below(name: str, command: click.Command) -> set[str]:
    if not isinstance(command, click.Group):
        return {name}
    names = {name} if command.invoke_without_command else set()
    return names.union(*(_below(f"{name} {one}", inner) for one, inner in command.commands.items()))


def test_every_command_has_a_published_schema_and_every_schema_is_as_committed():
    assert _every_command() == set(answers.ANSWERS)
    published = schemas.published()
    assert {path.name for path in (ROOT / "schemas" / "cli").iterdir()} == {Path(name).name for name in published}
    for name, data in published.items():
        assert (ROOT / "schemas" / name).read_bytes() == data, "python -m archiver.cli.schemas schemas"


def test_json_and_quiet_may_stand_before_and_after_the_command(here, capsys):
    for arguments in (["--json", "-q", "status"], ["status", "--json", "-q"], ["-q", "status", "--json"]):
        assert _run(*arguments) == 0
        captured = capsys.readouterr()
        assert captured.err == ""
        assert json.loads(captured.out)["command"] == "status"


def test_quiet_is_silent_on_success(here, capsys):
    for command, arguments in _commands(here).items():
        assert _run("-q", *arguments) == 0
        captured = capsys.readouterr()
        assert captured.err == ""
        assert bool(captured.out) == (command in {"list", "show", "trust show", "trust export"})


def test_quiet_says_what_went_wrong(here, capsys):
    shutil.rmtree(here / "tests" / "samples" / "model_logs")
    assert _run("-q", "snapshot") == 3
    captured = capsys.readouterr()
    assert "model_logs" in captured.err
    assert captured.out == ""


def test_the_policy_comes_from_the_option_then_the_environment_then_the_folder(here, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert _run("-q", "status") == 2
    policy = str(here / "retention_policy.yaml")
    assert _run("-q", "status", environ={"ARCHIVER_POLICY": policy}) == 0
    assert _run("-q", "status", "-p", policy, environ={"ARCHIVER_POLICY": "nowhere.yaml"}) == 0
    assert _run("-q", "-p", policy, "status", environ={"ARCHIVER_POLICY": "nowhere.yaml"}) == 0


def test_the_archive_option_needs_no_policy(here, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    at = ["--archive", str(here / "archive"), "--trust", str(here / "handed-out.json")]
    for command in ("list", "verify"):
        found = _answer(capsys, command, "--json", *at)
        assert (found["exit"], found["archive"]) == (0, "eu-dsa-grok")
    assert _run("restore", *at, "--to", str(tmp_path / "out"), environ={"ARCHIVER_POLICY": "nowhere.yaml"}) == 0


def test_reading_leaves_the_archive_as_it_is(here):
    def state():
        return {path: path.lstat().st_mtime_ns for path in (here / "archive").rglob("*")}

    before = state()
    for command in ("list", "status", "plan"):
        assert _run("-q", *_commands(here)[command]) == 0
    auditor = ("--archive", str(here / "archive"), "--trust", str(here / "keys" / "trust.json"))
    for command in ("verify", "restore", "prove"):  # by the policy these are stated in the log
        assert _run("-q", *_commands(here)[command], *auditor) == 0
    assert before == state()


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (EvidenceError("forged", "a: expected b, found c"), 1),
        (UsageError("typo", "a: expected b, found c"), 2),
        (LockError("weak", "a: expected b, found c"), 4),
        (WorldError("down", "a: expected b, found c"), 5),
        (BusyError("busy", "a: expected b, found c"), 6),
        (OSError(28, "No space left on device", "/spool"), 5),
        (RuntimeError("a bug"), 5),
        (KeyboardInterrupt(), 130),
    ],
)
def test_every_kind_of_error_has_its_exit_status(here, capsys, monkeypatch, error, status):
    def fail(*_arguments):
        raise error

    monkeypatch.setattr(entry, "_answer", fail)
    found = _answer(capsys, "--json", "status")
    assert found["exit"] == status == _run("status")
    assert "Traceback" not in capsys.readouterr().err


def test_a_fault_is_one_clear_line_and_a_traceback_only_when_asked_for(here, capsys, monkeypatch):
    def fail(*_arguments):
        raise RuntimeError("a \x1b[31mbug")

    monkeypatch.setattr(entry, "_answer", fail)
    assert _run("status") == 5
    said = capsys.readouterr().err
    assert said.startswith("error: this is a fault in archiver: RuntimeError: a \\x1b[31mbug\n")
    assert _run("status", environ={"ARCHIVER_DEBUG": "1"}) == 5
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("problem", "code"),
    [
        (MemoryError(), "no-memory"),
        (MemoryError("malloc of size 64 failed"), "no-memory"),
        (RuntimeError("can't start new thread"), "no-threads"),
        (
            ArrowException("Unknown error: Failed to launch worker thread: Resource temporarily unavailable"),
            "no-threads",
        ),
        (ImportError("_compute.so: failed to map segment from shared object"), "not-loaded"),
    ],
)
def test_what_the_system_has_none_left_of_is_no_fault_of_this_program(here, capsys, monkeypatch, problem, code):
    def fail(*_arguments):
        raise problem

    monkeypatch.setattr(entry, "_answer", fail)
    found = _answer(capsys, "--json", "status")
    assert (found["exit"], found["error"]["code"]) == (5, code)
    assert str(problem) in found["error"]["message"]
    assert "fault" not in found["error"]["message"]


def test_a_thread_that_ends_is_one_line(here):
    code = """
import threading
from archiver.cli import entry
entry.run = lambda _: threading.Thread(target=lambda: 1 / 0).start()
entry.main()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == "warning: a thread of this command ended: ZeroDivisionError: division by zero\n"


def test_names_cannot_speak_to_the_terminal(here, capsys):
    nasty = "a\x1b]0;owned\x07\u202egpj.exe\u0085\n=cmd.txt"
    (here / "tests" / "samples" / "documents" / nasty).write_text("x")
    (here / "tests" / "samples" / "documents" / "link").symlink_to("\x1b[2J")
    assert _run("snapshot") == 0
    assert _run("list", "items") == 0
    assert _run("restore", "--to", "out\x1b[31m") == 0
    captured = capsys.readouterr()
    for text in (captured.out, captured.err):
        assert all(letter.isprintable() or letter == "\n" for letter in text)
    assert "owned" in captured.out


def test_a_pipe_that_closes_ends_quietly(here):
    command = f"{sys.executable} -m archiver list items | true; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, check=False, cwd=here)
    assert done.returncode in (0, 141)
    assert b"Traceback" not in done.stderr
    assert b"BrokenPipe" not in done.stderr


FULL = ">/dev/full"
"""A disk that has no room for the answer."""


@pytest.mark.parametrize(
    ("arguments", "where"),
    [
        ("--json status", FULL),
        ("trust export", FULL),
        ("list items", FULL),
        ("--json list items", FULL),
        ("custody --format csv trust-and-safety/README.txt", FULL),
        ("--json restore", FULL),
    ],
)
def test_an_answer_that_cannot_be_written_is_the_fault_of_the_disk(here, arguments, where):
    done = subprocess.run(
        ["bash", "-c", f"{sys.executable} -m archiver {arguments} {where}"], capture_output=True, check=False, cwd=here
    )
    told = "error: stdout: expected to write the answer there, found: No space left on device\nhint: make room,"
    assert (done.returncode, told in done.stderr.decode()) == (5, True)
    assert b"Traceback" not in done.stderr


def test_a_lost_record_is_still_what_a_full_disk_is_told_of(here):
    next(here.glob("archive/data/documents/*/*.parquet")).unlink()
    done = subprocess.run(
        ["bash", "-c", f"{sys.executable} -m archiver verify {FULL}"], capture_output=True, check=False, cwd=here
    )
    assert (done.returncode, b"No space left on device" in done.stderr) == (1, True)


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_a_stream_that_was_never_opened_changes_no_exit_status_and_no_file(here, closed):
    (here / "tests" / "samples" / "documents" / "new.txt").write_text("new")
    for command in ("snapshot", "list items", "--json verify"):
        done = subprocess.run(
            ["bash", "-c", f"{sys.executable} -m archiver {command} {closed}"],
            check=False,
            cwd=here,
            capture_output=True,
        )
        assert (command, done.returncode, b"Traceback" in done.stderr) == (command, 0, False)
    assert _quiet_run(here, "-q", "verify") == 0


def test_a_stderr_that_closes_does_not_stop_a_snapshot(here):
    (here / "tests" / "samples" / "documents" / "new.txt").write_text("new")
    command = f"{sys.executable} -m archiver snapshot 2>&1 >/dev/null | true; exit ${{PIPESTATUS[0]}}"
    subprocess.run(["bash", "-c", command], check=True, cwd=here)
    assert len(list((here / "archive" / "statements" / "snapshot").iterdir())) == 2


def test_nothing_but_plain_text_is_written_off_a_terminal(here):
    environ = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = subprocess.run(
        [sys.executable, "-m", "archiver", "list", "items"], capture_output=True, check=True, cwd=here, env=environ
    )
    assert b"\x1b" not in done.stdout + done.stderr
    assert b"r\\xe9sum\\xe9" in done.stdout


def test_nothing_that_is_made_may_be_written_by_others_whatever_the_umask(here):
    for path in ("keys", "archive", ".archiver"):
        shutil.rmtree(here / path)
    command = f"umask 000; {sys.executable} -m archiver -q snapshot && {sys.executable} -m archiver -q restore --to out"
    subprocess.run(["sh", "-c", command], check=True, cwd=here)
    made = [path for top in ("keys", "archive", ".archiver") for path in (here / top).rglob("*")]
    assert [path for path in [here / "out", here / "archive", *made] if path.stat().st_mode & 0o002] == []


def test_help_is_quick_and_loads_nothing_heavy():
    heavy = ["pyarrow", "duckdb", "boto3", "botocore", "pydantic", "yaml", "rich", "cryptography", "sqlite3"]
    code = (
        "import sys\nfrom archiver.cli import run\nstatus = run(['--help'])\n"
        f"found = [name for name in {heavy!r} if name in sys.modules]\nassert not found, found"
    )
    best = min(_seconds(code) for _ in range(3))
    assert best < 1.0, "a tenth of a second here; more than a second anywhere says that something heavy is loaded"


_NEVER = [
    "pydantic",
    "importlib.metadata",
    "duckdb",
    "boto3",
    "botocore",
    "rich",
    "multiprocessing",
    "pyarrow.compute",
    "cryptography.x509",
]
_NO_READING = [
    "archiver.flows.snapshot.capture",
    "archiver.flows.snapshot.read_ahead",
    "archiver.sources.apart",
    "archiver.sources.decode",
    "archiver.sources.unpack",
    "csv",
    "dateutil",
    "mimetypes",
    "subprocess",
    "zstandard",
]
_PLAIN = """\
version: 1
archive: plain
matters:
  - {id: CASE-1, title: A case, authority: An authority, issued: "2026-01-08", instrument: null,
     hold: {stated_as: "until then", retain_until: "2100-01-01T00:00:00Z", mode: compliance, legal_hold: true}}
sources: [{id: papers, kind: documents, location: ./papers, matters: [CASE-1], include: ["**"]}]
destinations: [{id: vault, location: ./archive}]
"""
_NO_LOGS = ["archiver.model.dialect_file", "archiver.model.dialect_reference", "html.parser"]


@pytest.mark.parametrize(
    ("arguments", "heavy"),
    [
        (
            "status",
            [*_NEVER, "pyarrow", "subprocess", "tempfile", "concurrent.futures", "archiver.sources", "archiver.judge"],
        ),
        ("snapshot", [*_NEVER, *_NO_LOGS, "archiver.judge.reader", "archiver.signing.tsa"]),
        ("verify", [*_NEVER, *_NO_LOGS, "archiver.judge.sealed", "archiver.proof.timestamp", "archiver.sources"]),
        ("restore --to out", [*_NEVER, *_NO_LOGS, "archiver.proof.timestamp", "archiver.sources"]),
    ],
)
def test_a_command_that_finds_nothing_to_do_loads_nothing_that_it_does_not_need(here, arguments, heavy):
    assert _run("-q", "snapshot") == 0
    _loads_nothing_of(heavy, arguments, here)


def test_a_snapshot_of_plain_files_that_finds_nothing_new_loads_nothing_that_reads(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "papers").mkdir()
    (tmp_path / "papers" / "a.txt").write_text("one")
    (tmp_path / "retention_policy.yaml").write_text(_PLAIN)
    tomorrow = datetime.now(UTC) + timedelta(days=1)  # when the times of the file tell that it is as it was
    assert run(["-q", "snapshot"], clock=lambda: tomorrow, environ={}) == 0
    _loads_nothing_of(_NO_READING, "snapshot", tmp_path, tomorrow)


def test_a_snapshot_of_a_log_loads_no_reader_but_the_one_that_it_needs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "logs").mkdir()
    record = {"ts": "2026-01-08T11:22:33Z", "model": "m", "messages": [{"role": "user"}]}
    choices = [{"message": {"role": "assistant"}, "finish_reason": "stop"}]
    lines = [json.dumps({**record, "id": f"chatcmpl-{number}", "choices": choices}) for number in range(200)]
    (tmp_path / "logs" / "a.jsonl").write_text("\n".join(lines))
    source = "sources: [{id: chat, kind: model_logs, location: ./logs, dialect: openai.chat, "
    (tmp_path / "retention_policy.yaml").write_text(
        _PLAIN.replace("sources: [{id: papers, kind: documents, location: ./papers, ", source)
    )
    assert run(["-q", "init"], environ={}) == 0
    _loads_nothing_of(["pyarrow.compute", "duckdb", "dateutil", "pydoc"], "snapshot", tmp_path)
    assert run(["-q", "verify"], environ={}) == 0


def _loads_nothing_of(heavy, arguments, here, at=NOW):
    code = (
        f"import sys\nthere = set(sys.modules)\nfrom datetime import UTC, datetime\nfrom archiver import process\n"
        f"from archiver.cli import run\nprocess.begin()\n"
        f"status = run({['-q', *arguments.split()]!r}, clock=lambda: datetime.fromisoformat({at.isoformat()!r}))\n"
        f"print(status, [name for name in {heavy!r} if name in sys.modules and name not in there])"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, cwd=here)
    assert done.stdout == b"0 []\n", done.stdout + done.stderr


def _seconds(code):
    begun = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    return time.perf_counter() - begun


def test_every_command_explains_itself(capsys):
    for command in COMMANDS:
        assert _run(command, "--help") == 0
        out = capsys.readouterr().out
        assert "Usage: archiver" in out
        assert "--json" in out


class _Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def enforcing(here, monkeypatch):
    """The same archive, in a store that says that it enforces locks, and a policy that wants to be sure above 1 KiB."""
    from archiver.stores.folder import FolderStore

    destination = FolderStore.destination.fget

    def enforced(self):
        from dataclasses import replace

        return replace(destination(self), enforces_locks=True)

    monkeypatch.setattr(FolderStore, "destination", property(enforced))
    policy = here / "retention_policy.yaml"
    policy.write_text(policy.read_text().replace("confirm_above_bytes: 100GiB", "confirm_above_bytes: 1KiB"))
    (here / "tests" / "samples" / "documents" / "big.txt").write_bytes(b"x" * 5000)
    for path in (here / "tests" / "samples").rglob("*"):
        os.utime(path, (0, 0), follow_symlinks=False)
    return here


def test_much_into_an_enforcing_store_is_not_locked_without_a_person(enforcing, capsys):
    found = _answer(capsys, "snapshot", "--json", "-q")
    assert (found["exit"], found["error"]["code"]) == (2, "confirm-needed")
    assert _run("-q", "snapshot", "--yes-lock", "2KiB") == 2
    assert "lock-not-agreed" in _answer(capsys, "-q", "--json", "snapshot", "--yes-lock", "2KiB")["error"]["code"]
    assert _run("-q", "snapshot", "--yes-lock", "1GiB") == 0


@pytest.mark.parametrize(("typed", "status"), [("eu-dsa-grok\n", 0), ("yes\n", 2), ("", 2)])
def test_a_person_types_the_name_of_the_archive(enforcing, monkeypatch, typed, status):
    terminal = _Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    stdin = _Terminal(typed)
    monkeypatch.setattr(sys, "stdin", stdin)
    assert _run("snapshot") == status
    assert "nobody could undo that" in terminal.getvalue()
    assert "type the archive's name (eu-dsa-grok)" in terminal.getvalue()


def test_bars_are_drawn_on_a_terminal_and_taken_away(here, monkeypatch):
    terminal = _Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(sys, "stdin", _Terminal())
    monkeypatch.setenv("TERM", "xterm")
    assert _run("verify") == 0
    assert "\x1b[" in terminal.getvalue()


def test_sizes_counts_and_days_are_spelled_for_people():
    assert [size(number) for number in (0, 1, 1023, 1024, 5 << 30)] == [
        "0 bytes",
        "1 byte",
        "1,023 bytes",
        "1.0 KiB",
        "5.0 GiB",
    ]
    assert (count(1, "batch"), count(2, "batch"), count(1000, "item")) == ("1 batch", "2 batches", "1,000 items")
    end = datetime(2027, 1, 1, 12, 0, 0, tzinfo=UTC)
    assert days_left(end, NOW) == "39 days left"
    assert days_left(end, end) == "passed"
    assert days_left(end, datetime(2027, 1, 1, 11, 0, 0, tzinfo=UTC)) == "less than a day left"
    assert days_left(end, datetime(2027, 1, 4, 12, 0, 0, tzinfo=UTC)) == "passed 3 days ago"


def test_escaped_text_is_printable_and_plain_text_is_left_alone():
    assert plain("résumé 文件.txt") == "résumé 文件.txt"
    assert plain("a\x1b[0m\x7f\u202e\udcff\n") == "a\\x1b[0m\\x7f\\u202e\\xff\\n"


def test_one_very_long_name_does_not_push_the_reasons_of_all_others_off_the_screen():
    rows = [("a", "failed"), ("b" * 400, "absent"), ("c" * 7, "failed")]
    assert columns(rows, widest=10) == ["a           failed", f"{'b' * 400}  absent", "ccccccc     failed"]


@pytest.mark.parametrize(
    ("why", "said"),
    [
        ("a/b.txt: Permission denied", "Permission denied"),
        ("b.txt: Permission denied", "Permission denied"),
        ("c/b.txt: Permission denied", "c/b.txt: Permission denied"),
        ("vanished", "vanished"),
        ("b.txt: ", "b.txt: "),
        ("", ""),
    ],
)
def test_a_name_stands_once_in_a_line_about_it(why, said):
    assert beside("papers/a/b.txt", why) == said
