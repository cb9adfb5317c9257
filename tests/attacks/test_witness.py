"""What a witness catches that nobody else can: an operator who holds every key and rewrites, forks or cuts the log."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from attack import folder_of, open_payload, renamed
from world import ORIGIN, World, signers

from archiver.errors import BusyError, EvidenceError, UsageError, WorldError
from archiver.events import silent
from archiver.flows.witness.memory import Home
from archiver.flows.witness.witness import begin, look, put_line
from archiver.judge.log import Seen
from archiver.judge.report import to_json
from archiver.judge.verify import Options, WitnessResult
from archiver.model import layout
from archiver.model.finding import Severity
from archiver.proof import checkpoint, dsse, entry, merkle
from archiver.proof.cosignature import WitnessKey, cosign
from archiver.proof.digest import sha256_hex

NOW = datetime(2026, 11, 22, 11, tzinfo=UTC)
COUNSEL = signers(9)[1]


@pytest.fixture
def home(tmp_path):
    """The folder of a witness that has seen nothing yet."""
    made = Home(tmp_path / "witness")
    begin(made, "counsel", COUNSEL)
    return made


def see(home, world, *, now=NOW, store=None, trusted=None, seen=(), signer=COUNSEL):
    return look(
        home,
        store or world.store,
        trusted or world.trust(),
        signer,
        seen=seen,
        clock=lambda: now,
        listener=silent,
    )


def known(home):
    return [(one.size, one.root) for one in home.read().logs]


def twin(world):
    """The same archive once more, for its operator to go on with in another way."""
    return world.told_again()


def grow(world, text, times=1):
    for number in range(times):
        world.slip_in(f"data/{text}{number}", text.encode())
        world.incident(f"data/{text}{number}", "v1", text.encode())


def refused(code, home, world, **options):
    """The witness signs nothing, forgets nothing, and says why."""
    before = known(home)
    with pytest.raises(EvidenceError) as caught:
        see(home, world, **options)
    assert (caught.value.code, known(home)) == (code, before)
    return caught.value


# honest logs


def test_a_witness_follows_a_log_that_grows(home):
    world = World()
    first = see(home, world)
    grow(world, "more", 3)
    second = see(home, world, now=NOW + timedelta(hours=1))
    assert [(one.before, one.size, one.unknown) for one in (first, second)] == [(None, 8, ()), (8, 11, ())]
    assert known(home) == [(11, world.tree.root().hex())]


def test_a_second_look_reads_nothing_that_was_seen_before(home):
    world = World()
    see(home, world)
    for position in range(7):  # the last one goes with the remembered head
        world.remove(layout.entry_key(position))
        world.remove(layout.checkpoint_key(position + 1))
    grow(world, "more")
    assert see(home, world, now=NOW + timedelta(hours=1)).size == 9


def test_what_is_as_it_should_be_is_read_and_not_listed(home, monkeypatch):
    world, asked = World(), []
    real = type(world.store).list
    monkeypatch.setattr(type(world.store), "list", lambda self, prefix="": asked.append(prefix) or real(self, prefix))
    see(home, world)
    assert set(asked) == {layout.CHECKPOINTS, layout.COSIGNATURES}


@pytest.mark.parametrize(("size", "said"), [(0, ["no witness"]), (5, ["first 5 entries"]), (8, [])])
def test_a_report_says_what_no_witness_has_seen(size, said):
    world = World()
    looked = {"name": "counsel", "vkey": "v", "size": size, "at": "2026-11-22T11:00:00Z" if size else None}
    report = replace(world.verify(), witnesses=(WitnessResult(**looked),))
    found = [line for line in to_json(report)["does_not_prove"] if "everybody" in line]
    assert [words in line for words, line in zip(said, found, strict=True)] == [True] * len(said)


def test_a_log_that_stands_still_is_cosigned_anew(home):
    world = World()
    assert [see(home, world, now=NOW + timedelta(hours=hour)).size for hour in (0, 1)] == [8, 8]


def test_what_was_cosigned_is_accepted_by_an_auditor_who_demands_it(home):
    world = World()
    looked = see(home, world)
    kept = put_line(world.store, world.trust(), looked)
    report = world.verify(world.trust(witnesses=[str(looked.key)]))
    assert (kept.fresh, report.verdict, report.witnesses[0].size) == (True, "ok", 8)
    assert report.witnesses[0].at == "2026-11-22T11:00:00Z"


def test_a_cosignature_is_kept_once(home):
    world = World()
    first = put_line(world.store, world.trust(), see(home, world))
    again = put_line(world.store, world.trust(), see(home, world, now=NOW + timedelta(hours=1)))
    assert (again.fresh, again.at, len(world.store.versions[first.key])) == (False, first.at, 1)


def test_a_cosignature_goes_beside_rubbish_under_its_key(home):
    world = World()
    looked = see(home, world)
    key = layout.cosignature_key(8, looked.key.key_hash)
    world.slip_in(key, b"rubbish")
    assert put_line(world.store, world.trust(), looked).fresh
    assert world.verify(world.trust(witnesses=[str(looked.key)])).verdict == "ok"


def test_as_many_witnesses_as_are_demanded_must_have_seen_the_log(home):
    world = World()
    looked = see(home, world)
    put_line(world.store, world.trust(), looked)
    other = str(type(looked.key)("authority", signers(8)[1].public_bytes))
    trusted = world.trust(witnesses=[str(looked.key), other])
    codes = {}
    for demanded in (None, 2, 1, 0, 3):
        report = world.verify(trusted, options=Options(witnesses=demanded))
        codes[demanded] = [one.code for one in report.findings if "witness" in one.code]
    missing = ["log-witness-missing"]
    assert codes == {None: missing, 2: missing, 1: [], 0: [], 3: missing}


@pytest.mark.parametrize(("demanded", "behind"), [(1, []), (2, ["5, seen at 2026-11-22T09:00:00Z"])])
def test_what_so_many_have_seen_is_what_counts(home, demanded, behind):
    world = World()
    looked = see(home, world)
    put_line(world.store, world.trust(), looked)
    key, text = WitnessKey("authority", signers(8)[1].public_bytes), World.signed(world, 5, root_of(world, 5)).decode()
    line = cosign(text.partition("\n\n")[0] + "\n", int(NOW.timestamp()) - 7200, "authority", signers(8)[1])
    world.put(layout.cosignature_key(5, key.key_hash), str(line).encode())
    report = world.verify(world.trust(witnesses=[str(looked.key), str(key)]), options=Options(witnesses=demanded))
    found = [one.actual.partition(";")[0] for one in report.findings if one.code == "log-witness-behind"]
    assert (found, [one.size for one in report.witnesses]) == (behind, [8, 5])


def root_of(world, size):
    return merkle.root_of([merkle.leaf_hash(data) for data in world.entries[:size]])


def test_a_copy_in_a_folder_is_witnessed_like_a_bucket(home, tmp_path):
    world = World()
    store = folder_of(world, tmp_path / "copy")
    assert see(home, world, store=store).root == see(home, world).root


# an operator with all keys


def test_two_forks_shown_to_two_auditors_are_caught_by_one_witness(home):
    world = World()
    other = twin(world)
    grow(world, "for the one", 2)
    grow(other, "for the other", 2)
    # Each auditor for himself finds nothing wrong.
    assert (world.verify().exit, other.verify().exit) == (other.verify().exit, world.verify().exit)
    assert not [one for fork in (world, other) for one in fork.verify().findings if one.severity is Severity.FAILED]
    looked = see(home, world)
    put_line(world.store, world.trust(), looked)
    problem = refused("log-fork", home, other)
    trusted = world.trust(witnesses=[str(looked.key)])
    assert "log-witness-missing" in {one.code for one in other.verify(trusted).findings}
    # What is kept convicts the operator without the witness's word: two heads, one size, one key, two roots.
    kept = [checkpoint.open_signed(path.read_bytes(), world.vkey) for path in (home.path / "conflicts").iterdir()]
    assert {(one.origin, one.size) for one in kept} == {(ORIGIN, 10)}
    assert len({one.root for one in kept}) == 2
    assert all(str(path) in problem.hint for path in (home.path / "conflicts").iterdir())


def test_a_cosignature_does_not_help_the_other_fork(home):
    world = World()
    other = twin(world)
    grow(world, "for the one")
    grow(other, "for the other")
    looked = see(home, world)
    put_line(other.store, world.trust(), looked)
    report = other.verify(world.trust(witnesses=[str(looked.key)]))
    assert {"log-witness-invalid", "log-witness-missing"} <= {one.code for one in report.findings}
    assert report.exit == 1


def test_a_fork_that_has_grown_beyond_what_was_seen_is_caught(home):
    world = World()
    other = twin(world)
    grow(world, "for the one")
    see(home, world)
    grow(other, "for the other", 5)
    refused("log-fork", home, other)


def test_a_log_that_was_made_anew_with_all_keys_is_caught(home):
    see(home, World())
    anew = World(root=lambda honest, _size: honest)  # told once more, and signed once more
    assert anew.verify().verdict == "ok"
    refused("log-fork", home, anew)


def test_a_log_whose_end_was_cut_off_is_caught(home):
    world = World()
    shorter = twin(world)
    grow(world, "gone")
    see(home, world)
    refused("log-rollback", home, shorter)
    seen = Seen(world.tree.size, world.tree.root())
    assert "log-rollback" in {one.code for one in shorter.verify(options=Options(seen=seen)).findings}


def test_a_cosigned_checkpoint_over_a_log_that_was_cut_off_is_said(home):
    world = World()
    shorter = twin(world)
    grow(world, "gone")
    looked = see(home, world)
    put_line(shorter.store, world.trust(), looked)
    codes = {one.code for one in shorter.verify(world.trust(witnesses=[str(looked.key)])).findings}
    assert {"log-witness-invalid", "log-witness-missing"} <= codes


def test_a_second_signed_root_beyond_what_was_seen_is_caught(home):
    world = World()
    see(home, world)
    grow(world, "more")
    other = checkpoint.sign(checkpoint.Checkpoint(ORIGIN, 9, b"\x07" * 32), world.log_signer)
    world.slip_in(layout.checkpoint_key(9), other)
    refused("log-fork", home, world)
    assert len(list((home.path / "conflicts").iterdir())) == 2


def test_a_signed_root_that_the_entries_do_not_make_is_not_cosigned(home):
    refused("log-root", home, World(root=lambda root, size: b"\x01" * 32 if size == 6 else root))


def test_a_size_without_checkpoint_is_not_cosigned(home):
    world = World()
    world.remove(layout.checkpoint_key(4))
    refused("log-checkpoint-gap", home, world)


@pytest.mark.parametrize("harm", ["entry", "statement", "other statement"])
def test_what_is_not_all_there_is_not_cosigned(home, harm):
    world = World()
    see(home, world)
    grow(world, "more")
    key = entry.decode(world.entries[-1]).key
    if harm == "entry":
        world.remove(layout.entry_key(8))
    elif harm == "statement":
        world.remove(key)
    else:
        world.change(key, b"{}")
    refused("log-root" if harm == "entry" else "statement-missing", home, world)


def test_litter_over_an_entry_and_its_statement_changes_nothing(home):
    world = World()
    for key in (layout.entry_key(7), layout.checkpoint_key(8), entry.decode(world.entries[-1]).key):
        world.slip_in(key, b"rubbish")
    world.mark_deleted(layout.entry_key(6))
    world.slip_in(layout.checkpoint_key(9), b"rubbish")
    assert see(home, world).root == world.tree.root().hex()


def test_a_statement_by_a_key_of_nobody_is_seen_and_said(home):
    world = World()
    identity = "20261123T090000Z-cccccc"
    world.enter_payload(renamed(world, identity), "snapshot", identity, signers(3)[0])
    looked = see(home, world)
    assert (looked.size, len(looked.unknown)) == (9, 1)


def test_a_statement_with_a_bad_signature_is_not_cosigned(home):
    world = World()
    payload = open_payload(world, layout.statement_key("snapshot", "20261121T090000Z-aaaaaa"))
    words = json.loads(dsse.seal(payload, world.signer))
    words["signatures"][0]["sig"] = json.loads(dsse.seal(b"{}", world.signer))["signatures"][0]["sig"]
    data = json.dumps(words, separators=(",", ":"), sort_keys=True).encode()
    key = layout.statement_key("snapshot", "20261123T090000Z-cccccc")
    world.put(key, data)
    world.append(entry.encode(key, sha256_hex(data)))
    refused("signature-invalid", home, world)


def test_somebody_else_s_log_is_none(home):
    stranger = World(tell=False)
    stranger.signer, stranger.log_signer = signers(2)
    stranger.story()
    refused("log-missing", home, stranger, trusted=World().trust())


@pytest.mark.parametrize("size", [8, 5])
def test_what_others_have_seen_must_lie_on_the_way(home, size):
    world = World()
    refused("log-fork", home, world, seen=(Seen(size, b"\x07" * 32),))
    refused("log-rollback", home, world, seen=(Seen(9, world.tree.root()),))
    assert see(home, world, seen=(Seen(8, world.tree.root()),)).size == 8


# the witness's own machine


@pytest.mark.parametrize("call", ["link", "replace"])
@pytest.mark.parametrize("done", [False, True], ids=["before", "after"])
def test_a_look_that_is_killed_leaves_a_whole_memory_and_goes_on(home, monkeypatch, call, done):
    world = World()
    see(home, world)
    grow(world, "more")
    real = getattr(os, call)

    def killed(*arguments, **options):
        if done:
            real(*arguments, **options)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(os, call, killed)
        with pytest.raises(KeyboardInterrupt):
            see(home, world, now=NOW + timedelta(hours=1))
    assert known(home)[0][0] == (9 if (call, done) == ("replace", True) else 8)
    assert see(home, world, now=NOW + timedelta(hours=2)).size == 9


def test_a_signature_never_leaves_before_the_memory_is_durable(home, monkeypatch):
    world = World()

    def full(*arguments, **options):
        raise OSError(28, "no space left")

    monkeypatch.setattr("archiver.writer.durable.os.fsync", full)
    with pytest.raises(WorldError):
        see(home, world)
    monkeypatch.undo()
    assert known(home) == []


@pytest.mark.parametrize("part", [0, 1, 0.5, -1])
def test_a_memory_that_is_half_there_is_no_fresh_start(home, part):
    see(home, World())
    path = home.path / "memory.json"
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * part)] if isinstance(part, float) else data[:part])
    with pytest.raises(EvidenceError) as caught:
        see(home, World())
    assert caught.value.code == "witness-memory"


@pytest.mark.parametrize("member", ["size", "root", "frontier", "checkpoint", "origin"])
def test_a_memory_that_contradicts_itself_is_refused(home, member):
    see(home, World())
    path = home.path / "memory.json"
    words = json.loads(path.read_bytes())
    other = {"size": 9, "root": "00" * 32, "frontier": ["00" * 32], "checkpoint": "AAAA", "origin": "other"}
    words["logs"][0][member] = other[member]
    path.write_bytes(json.dumps(words, sort_keys=True, separators=(",", ":")).encode())
    with pytest.raises(EvidenceError) as caught:
        see(home, World())
    assert caught.value.code == "witness-memory"


def test_a_memory_that_is_gone_is_no_fresh_start(home):
    see(home, World())
    (home.path / "memory.json").unlink()
    with pytest.raises(UsageError, match="memory of a witness"):
        see(home, World())


def test_a_memory_is_not_begun_twice(home):
    with pytest.raises(UsageError):
        begin(home, "counsel", COUNSEL)


def test_a_memory_from_an_old_copy_is_said_where_the_archive_shows_it(home):
    world = World()
    put_line(world.store, world.trust(), see(home, world))
    old = (home.path / "memory.json").read_bytes()
    grow(world, "more")
    looked = see(home, world)
    key = put_line(world.store, world.trust(), looked).key
    (home.path / "memory.json").write_bytes(old)
    again = see(home, world)
    assert (again.size, [one.split(":")[0] for one in again.unknown]) == (9, [key])
    assert see(home, world).unknown == ()


def test_a_memory_never_goes_back(home):
    world = World()
    before = see(home, world) and home.read()
    grow(world, "more")
    see(home, world)
    with pytest.raises(ValueError, match="never goes back"):
        home.remember(home.read(), before.logs[0])


def test_a_clock_that_went_back_signs_nothing(home):
    world = World()
    see(home, world)
    with pytest.raises(WorldError) as caught:
        see(home, world, now=NOW - timedelta(seconds=1))
    assert caught.value.code == "clock-behind"


def test_another_key_than_the_memory_s_signs_nothing(home):
    with pytest.raises(UsageError) as caught:
        see(home, World(), signer=signers(7)[1])
    assert caught.value.code == "key-mismatch"


def test_two_looks_at_once_are_refused(home):
    with home.locked(), pytest.raises(BusyError):
        see(home, World())


def test_a_witness_without_a_hold_to_lock_to_puts_nothing(home):
    world = World()
    looked = see(home, world)
    with pytest.raises(UsageError) as caught:
        put_line(world.store, world.trust(holds=[]), looked)
    assert caught.value.code == "no-hold"
