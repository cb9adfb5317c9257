"""A kit is checked by its own programs, with nothing of ours, no network, and the auditor's trust file alone."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from archiver.cli import run
from archiver.errors import Exit, UsageError
from archiver.events import silent
from archiver.flows.kit.kit import Choice, make_kit
from archiver.flows.reading import open_reading

OFFLINE = ["unshare", "-rn"] if subprocess.run(["unshare", "-rn", "true"], check=False).returncode == 0 else []


def kit_of(place, to: Path, *batches: str, since: str | None = None):
    with open_reading(place.policy, None, clock=place.clock, listener=silent) as reading:
        return make_kit(reading, to, Choice(batches, since), clock=place.clock, listener=silent)


def check(kit: Path, trust: Path, *words: str) -> tuple[int, str]:
    """Run the kit's program as a stranger would: isolated, in an empty network namespace, in an empty environment."""
    program = [*OFFLINE, sys.executable, "-I", str(kit / "verify.py"), "--trust", str(trust), *words]
    done = subprocess.run(program, capture_output=True, text=True, check=False, env={}, timeout=120)
    assert done.stderr == ""
    return done.returncode, done.stdout


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """An organisation with two snapshots, a log that grew and a kit of all of it, which no test changes."""
    import importlib.util

    spec = importlib.util.spec_from_file_location("kit_organisation", Path(__file__).parent / "conftest.py")
    world = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = world
    spec.loader.exec_module(world)
    place = world.Organisation(tmp_path_factory.mktemp("kit") / "organisation")
    world.fill(place)
    place.take()
    (place.papers / "jdoe" / "memo.txt").write_bytes(b"changed\n")
    with (place.logs / "chat.jsonl").open("ab") as log:
        log.write(b'{"request_id":"later"}\n')
    place.take()
    place.made = kit_of(place, place.root / "kit")
    return place


@pytest.fixture
def kit(shared, tmp_path) -> Path:
    return Path(shutil.copytree(shared.root / "kit", tmp_path / "kit"))


def batches_of(place, table: str) -> list[str]:
    return sorted(path.stem for path in place.archive.glob(f"data/{table}/*/*.parquet"))


def test_a_whole_kit_is_whole_but_for_locks_that_no_copy_has(shared):
    status, said = check(shared.root / "kit", shared.trust)
    assert (status, re.findall(r"^(?:failed|unknown) (\S+)", said, re.MULTILINE)) == (3, ["lock-unknown"])
    assert check(shared.root / "kit", shared.trust, "--no-locks")[0] == 0


def test_the_inventory_names_every_other_file(shared):
    kit = shared.root / "kit"
    done = subprocess.run(["sha256sum", "-c", "--quiet", "inventory.sha256"], cwd=kit, check=False)
    named = {line.split("  ")[1] for line in (kit / "inventory.sha256").read_text().splitlines()}
    there = {path.relative_to(kit).as_posix() for path in kit.rglob("*") if path.is_file()}
    assert (done.returncode, there - named, named - there) == (0, {"inventory.sha256"}, set())
    assert shared.made.files == len(there)


def test_the_readme_says_what_to_type_and_leaves_no_blank(shared):
    text = (shared.root / "kit" / "README.txt").read_text()
    assert ("<<" in text, "verify.py --trust trust.json" in text, shared.made.programs["verify.py"] in text) == (
        False,
        True,
        True,
    )


def test_a_kit_is_its_archive_and_nothing_else(shared):
    kit, archive = shared.root / "kit" / "archive", shared.archive
    there = {path.relative_to(kit).as_posix() for path in kit.rglob("*") if path.is_file()}
    ours = {path.relative_to(archive).as_posix() for path in archive.rglob("*") if path.is_file()}
    assert there == ours - {".locks.jsonl"}
    assert all((kit / name).read_bytes() == (archive / name).read_bytes() for name in there)


def test_a_kit_of_chosen_batches_says_how_many_it_has_not(shared, tmp_path):
    wanted = batches_of(shared, "documents")[0]
    made = kit_of(shared, tmp_path / "kit", wanted)
    assert (made.batches, made.left_out, made.exit) == (1, 5, Exit.OK)
    status, said = check(tmp_path / "kit", shared.trust, "--no-locks")
    assert (status, "not in this kit: 5 of 6 batches" in said) == (3, True)
    assert check(tmp_path / "kit", shared.trust, "--no-locks", "--batch", wanted)[0] == 0


def test_a_kit_since_an_instant_has_what_was_stated_since(shared, tmp_path):
    made = kit_of(shared, tmp_path / "kit", since="2026-11-23T14:00:00Z")
    assert (made.batches, made.left_out) == (3, 3)
    assert json.loads((tmp_path / "kit" / "kit.json").read_bytes())["batches"] == [
        one
        for table in ("documents", "model_logs", "items")
        for one in batches_of(shared, table)
        if one[9:13] == "1400"
    ]


def test_what_is_not_in_a_kit_cannot_be_hidden_by_what_it_says_of_itself(shared, kit):
    """The maker loses a batch and says that it was not asked for: never ok, and failed for whoever asked for it."""
    lost = batches_of(shared, "model_logs")[0]
    next((kit / "archive").glob(f"data/*/*/{lost}.parquet")).unlink()
    assert check(kit, shared.trust, "--no-locks")[0] == 1
    words = json.loads((kit / "kit.json").read_bytes())
    words["batches"] = sorted(path.stem for path in (kit / "archive").glob("data/*/*/*.parquet"))
    (kit / "kit.json").write_bytes(json.dumps(words, sort_keys=True, separators=(",", ":")).encode())
    status, said = check(kit, shared.trust, "--no-locks")
    assert (status, "not in this kit: 1 of 6 batches" in said) == (3, True)
    assert check(kit, shared.trust, "--no-locks", "--batch", lost)[0] == 1
    assert check(kit, shared.trust, "--no-locks", "--batch", f"{lost[:-8]}00000099")[0] == 1


def test_objects_exchanged_in_a_kit_are_found(shared, kit):
    one, other = (next((kit / "archive").glob(f"data/{table}/*/*.parquet")) for table in ("documents", "model_logs"))
    data = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(data)
    status, said = check(kit, shared.trust, "--no-locks")
    assert (status, len(re.findall("failed object-(?:sha256|size)", said))) == (1, 2)


def test_a_kit_made_anew_with_other_keys_fails_for_whoever_has_the_trust_file(shared, organisations, tmp_path):
    forged = organisations(seed=7)
    shutil.copytree(shared.papers, forged.papers, dirs_exist_ok=True)
    forged.take()
    kit_of(forged, tmp_path / "kit")
    assert check(tmp_path / "kit", forged.trust, "--no-locks")[0] == 0
    status, said = check(tmp_path / "kit", shared.trust, "--no-locks")
    assert (status, "failed log-signature" in said) == (1, True)


def test_statements_of_another_archive_are_not_believed_under_its_own_keys(shared, kit, organisations, tmp_path):
    """Somebody with an honest archive of the same operator's keys puts its statements into this one's log."""
    other = organisations(seed=9)
    shutil.copytree(shared.root / "keys", other.root / "keys", dirs_exist_ok=True)
    theirs = next((kit / "archive" / "statements" / "batch").iterdir())
    ours = next((kit / "archive" / "statements" / "snapshot").iterdir())
    ours.write_bytes(theirs.read_bytes())
    status, said = check(kit, shared.trust, "--no-locks")
    assert (status, "failed statement-differs" in said) == (1, True)


def test_a_log_cut_back_to_an_honest_older_state_is_found_by_whoever_kept_a_later_checkpoint(shared, kit):
    archive = kit / "archive"
    newest = max((archive / "log" / "checkpoints").iterdir())
    seen = kit.parent / "seen"
    shutil.copy(newest, seen)
    statement = archive / json.loads(max((archive / "log" / "entries").iterdir()).read_bytes())["key"]
    for path in (newest, max((archive / "log" / "entries").iterdir()), statement):
        path.unlink()
    assert check(kit, shared.trust, "--no-locks")[0] == 3
    status, said = check(kit, shared.trust, "--no-locks", "--seen", str(seen))
    assert (status, "failed log-rollback" in said) == (1, True)


def test_without_pyarrow_what_needs_it_is_said_and_not_passed_over(shared, kit):
    (kit / "verify_records.py").unlink()
    status, said = check(kit, shared.trust, "--no-locks")
    assert (status, "records and locks" in said) == (3, True)


@pytest.mark.parametrize(
    "words",
    [["--trust", "nowhere"], ["nowhere"], ["--proof", "nowhere"], ["--seen", "nowhere"], ["--trust", "."]],
    ids=" ".join,
)
def test_a_file_that_is_not_there_is_wrong_usage_and_no_finding(shared, kit, words):
    program = [sys.executable, "-I", str(kit / "verify.py"), "--trust", str(shared.trust), *words]
    done = subprocess.run(program, capture_output=True, text=True, check=False, env={}, cwd=kit.parent)
    assert (done.returncode, "verify.py: " in done.stderr, "Traceback" in done.stderr) == (2, True, False)


def test_no_kit_is_made_where_something_is(shared, tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(UsageError) as refused:
        kit_of(shared, tmp_path)
    assert refused.value.code == "target-not-empty"


def test_a_batch_that_the_log_does_not_know_is_refused(shared, tmp_path):
    with pytest.raises(UsageError) as refused:
        kit_of(shared, tmp_path / "kit", "20260101T000000Z-aaaaaa-documents-00000000")
    assert (refused.value.code, (tmp_path / "kit").exists()) == ("no-such-batch", False)


def test_a_missing_object_is_said_and_the_kit_is_still_made(filled, tmp_path):
    filled.take()
    key = next(filled.archive.glob("data/model_logs/*/*.parquet"))
    key.unlink()
    made = kit_of(filled, tmp_path / "kit")
    assert (made.missing, made.exit) == ((key.relative_to(filled.archive).as_posix(),), Exit.INTEGRITY)
    assert check(tmp_path / "kit", filled.trust, "--no-locks")[0] == 1


def test_a_log_that_fails_is_not_handed_out(filled, tmp_path):
    from archiver.errors import EvidenceError

    filled.take()
    (filled.archive / "log" / "entries" / "000000000003").write_bytes(b"{}")
    with pytest.raises(EvidenceError) as refused:
        kit_of(filled, tmp_path / "kit")
    assert (refused.value.code, (tmp_path / "kit").exists()) == ("log-entry-missing", False)


def test_the_command_answers_as_published(shared, tmp_path, capsys):
    to = tmp_path / "kit"
    trust = str(shared.trust)
    status = run(["audit-kit", "-o", str(to), "--archive", str(shared.archive), "--trust", trust, "--json"])
    answer = json.loads(capsys.readouterr().out)
    assert (status, answer["batches"], answer["left_out"], answer["missing"]) == (0, 6, 0, [])
    assert run(["audit-kit", "-o", str(to), "--archive", str(shared.archive), "--trust", trust]) == 2
    assert run(["audit-kit", "-o", str(to), "--since", "yesterday", "--archive", str(shared.archive)]) == 2


def test_the_shell_program_of_a_kit_finds_nothing_wrong_and_says_what_it_did_not_look_at(shared, kit, tmp_path):
    wanted = batches_of(shared, "documents")[0]
    kit_of(shared, tmp_path / "partial", wanted)
    for folder, words in ((kit, "the records: rows"), (tmp_path / "partial", "not in this kit: 5 batches")):
        program = [*OFFLINE, "sh", str(folder / "verify.sh"), str(shared.trust)]
        done = subprocess.run(program, capture_output=True, text=True, check=False, timeout=120)
        assert (done.returncode, words in done.stdout, "a stranger" in done.stdout) == (3, True, False), done.stdout
