"""A quarantine: no byte of it in the archive, all of it in a sealed object, and back with the recipient's key alone."""

from __future__ import annotations

import functools
import gzip
import io
import json
import os
import shutil
import subprocess
import sys
import zipfile
from hashlib import sha256
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from key_places import PIN
from other_verifiers import others_say
from shell import Shell

from archiver.cli import run
from archiver.errors import WorldError
from archiver.events import silent
from archiver.flows import sealing
from archiver.flows.hold.approve import admit, approve
from archiver.flows.hold.extend import Instrument
from archiver.flows.hold.release import make_request, release
from archiver.flows.session import whoami
from archiver.flows.snapshot import snapshot
from archiver.model.statement_holds import encode_request
from archiver.proof import keys
from archiver.signing.file import create_p256
from archiver.stores.folder import FolderStore

SECRET = b"a letter to counsel, in words that stand nowhere else\n"
IMAGE = b"\xff\xd8\xff an image that somebody knows" * 50_000
WORDS = (SECRET, IMAGE[:40], b"counsel\0\0", b"secret-7", b"zipped-secret")
RULES = """\
sensitive:
  - {mark: privileged, reason: letters to counsel, handling: quarantine, paths: ["legal/**"]}
  - {mark: ncii_suspected, reason: known images, handling: quarantine, hashes: ./known.sha256}
"""


def recipient(folder: Path, name: str) -> Path:
    private = X25519PrivateKey.from_private_bytes(sha256(name.encode()).digest())
    file = folder / f"{name}.pem"
    file.write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    file.chmod(0o600)
    public = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (folder / f"{name}.pub").write_bytes(public)
    return file


def with_quarantine(text: str, safe: str = "{id: safe, location: ./safe, seals: true}") -> str:
    text = text.replace("    hold:\n", "    recipient: keeper.pub\n    hold:\n", 1)
    return text.replace("limits:", f"  - {safe}\n{RULES}limits:")


@pytest.fixture
def place(organisation):
    files = {
        organisation.papers / "legal" / "a.eml": SECRET,
        organisation.papers / "legal" / "empty": b"",
        organisation.papers / "legal" / "two-rows.bin": b"counsel" + bytes(8_388_608) + b"tail",
        organisation.papers / "plain" / "memo.txt": b"nothing special",
        organisation.papers / "plain" / "image.jpg": IMAGE,
        organisation.logs / "legal" / "chat.jsonl": b"".join(
            b'{"request_id":"secret-%d","model":"m"}\n' % number for number in range(20)
        ),
        organisation.logs / "open.jsonl": b'{"request_id":"r","model":"m"}\n',
        organisation.logs / "legal" / "old.jsonl.gz": gzip.compress(b'{"request_id":"zipped-secret"}\n', mtime=0),
    }
    for path, data in files.items():
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)
    recipient(organisation.root, "keeper")
    recipient(organisation.root, "stranger")
    (organisation.root / "known.sha256").write_text(f"{sha256(IMAGE).hexdigest()}\n")
    organisation.write_policy(with_quarantine)
    return organisation


@pytest.fixture
def shell(place, capsys):
    place.take()
    return Shell(place, capsys)


EVERY = ("--include-marked", "privileged", "--include-marked", "ncii_suspected", "--reason", "the court")


def everything(folder: Path) -> bytes:
    """Return all bytes that any file of an archive has, its Parquet columns decoded."""
    found = [path.read_bytes() for path in folder.rglob("*") if path.is_file()]
    for path in folder.rglob("*.parquet"):
        found += [repr(column.to_pylist()).encode() for column in pq.read_table(path).columns]
    return b"\n".join(found)


def codes(answer, *severities):
    return sorted({one["code"] for one in answer["findings"] if one["severity"] in severities})


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_no_byte_of_it_is_in_the_archive_or_in_the_state_folder(shell):
    for folder in (shell.place.archive, shell.place.root / ".archiver", shell.place.root / "safe"):
        found = everything(folder)
        assert [word for word in WORDS if word in found] == []


def test_the_archive_verifies_without_the_key_and_says_what_was_not_checked(shell):
    status, answer, _ = shell("verify", "--no-record")
    assert (status, answer["verdict"], codes(answer, "failed", "unknown")) == (0, "ok", [])
    assert {"record-sealed", "item-sealed", "item-marked"} <= set(codes(answer, "note"))
    said = next(one for one in answer["findings"] if one["code"] == "item-sealed")
    assert said["actual"].startswith("not computed for 2 items of several records")


def test_the_archive_verifies_with_the_key_byte_by_byte(shell):
    status, answer, _ = shell("verify", "--no-record", "--open", shell.place.root / "keeper.pem")
    assert (status, codes(answer, "failed", "unknown")) == (0, [])
    assert not {"record-sealed", "item-sealed"} & set(codes(answer, "note"))


def test_a_restore_without_the_key_says_what_it_could_not_restore(shell, tmp_path):
    status, answer, _ = shell("restore", "--to", tmp_path / "out", "--decoded", *EVERY)
    assert (status, answer["counts_not_restored"]) == (3, {"withheld": 7})
    assert sorted(tree(tmp_path / "out")) == ["logs/open.jsonl", "papers/plain/memo.txt"]


def test_a_restore_with_the_key_gives_every_byte_back(shell, tmp_path):
    key = shell.place.root / "keeper.pem"
    status, answer, _ = shell("restore", "--to", tmp_path / "out", *EVERY, "--open", key)
    assert (status, answer["counts_not_restored"]) == (0, {})
    assert tree(tmp_path / "out" / "papers") == tree(shell.place.papers)
    assert tree(tmp_path / "out" / "logs") == tree(shell.place.logs)


def test_an_auditor_names_the_place_and_the_key(shell, tmp_path):
    where = ("--archive", shell.place.archive, "--trust", shell.place.trust)
    sealed = ("--sealed", shell.place.root / "safe", "--open", shell.place.root / "keeper.pem")
    assert shell("verify", *where, *sealed, policy=False)[0] == 0
    status, _, _ = shell("restore", "--to", tmp_path / "a", *where, *sealed, *EVERY[:4], policy=False)
    assert (status, (tmp_path / "a/papers/legal/a.eml").read_bytes()) == (0, SECRET)


def test_a_proof_of_a_withheld_record_wants_the_key(shell, tmp_path):
    item, asked = "papers/legal/a.eml", EVERY[:2] + EVERY[4:]
    status, answer, _ = shell("prove", item, "0", "-o", tmp_path / "a", *asked)
    assert (status, answer["error"]["code"], (tmp_path / "a").exists()) == (3, "withheld", False)
    key = ("--open", shell.place.root / "keeper.pem")
    assert shell("prove", item, "0", "-o", tmp_path / "b", *asked, *key)[0] == 0
    assert shell("check-proof", tmp_path / "b", "--trust", shell.place.trust, policy=False)[0] == 0


def test_a_kit_takes_withheld_records_along_unasked_and_its_program_knows_them(shell, tmp_path):
    assert shell("audit-kit", "-o", tmp_path / "kit")[0] == 0
    kit = [sys.executable, str(tmp_path / "kit" / "verify.py"), "--trust", str(shell.place.trust), "--no-locks"]
    done = subprocess.run(kit, capture_output=True, text=True, check=False)
    assert (done.returncode, "record-sealed" in done.stdout, "unknown" in done.stdout) == (0, True, False), done.stdout


def test_what_is_unchanged_stays_and_a_log_that_grew_is_sealed_on(shell):
    log = shell.place.logs / "legal" / "chat.jsonl"
    with log.open("ab") as file:
        file.write(b'{"request_id":"secret-later"}\n')
    done = shell.place.take()
    assert [one.exposed + one.open_before for one in done.tallies] == [0, 0]
    assert b"secret-later" not in everything(shell.place.archive)
    assert shell("verify", "--no-record", "--open", shell.place.root / "keeper.pem")[0] == 0


def zipped(**members: bytes) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name), data)
    return made.getvalue()


def test_what_is_inside_a_container_in_quarantine_is_sealed_with_it(place, capsys, tmp_path):
    (place.papers / "legal" / "bundle.zip").write_bytes(zipped(letter=b"deep " + SECRET, other=b"a second letter"))
    done = place.take()
    assert (int(done.exit), [word for word in (SECRET, b"a second letter") if word in everything(place.archive)]) == (
        0,
        [],
    )
    shell, key = Shell(place, capsys), place.root / "keeper.pem"
    assert shell("verify", "--no-record", "--open", key)[0] == 0
    status, _, _ = shell("restore", "--to", tmp_path / "out", "--decoded", *EVERY, "--open", key)
    found = tree(tmp_path / "out" / "papers.decoded")
    assert (status, sorted(found.values())) == (0, [b"a second letter", b"deep " + SECRET])


def test_what_has_a_listed_member_inside_it_is_sealed_with_it_and_says_which(place, capsys):
    inner = zipped(image=IMAGE)
    (place.papers / "plain" / "bundle.zip").write_bytes(zipped(deep=inner, other=b"nothing special at all"))
    (place.papers / "plain" / "other.zip").write_bytes(zipped(memo=b"nothing special either"))
    assert int(place.take().exit) == 0
    assert IMAGE not in everything(place.archive)
    assert inner not in everything(place.archive)
    assert b"nothing special at all" in everything(place.archive)
    items = Shell(place, capsys)("list", "items", "--mark", "ncii_suspected")[1]["items"]
    deep = "papers/plain/bundle.zip!zip:0:deep"
    assert {one["item"]: one["marks"][0]["reason"].partition("; ")[2] for one in items} == {
        "papers/plain/image.jpg": "",
        "papers/plain/bundle.zip": "inside it: zip:0:deep!zip:0:image",
        deep: "inside it: zip:0:image",
        f"{deep}!zip:0:image": "",
    }
    place.later(hours=1)
    assert [one.marked["ncii_suspected"] for one in place.take().tallies[:1]] == [4]  # also when it is not read again


def test_a_compressed_log_whose_content_is_listed_is_sealed_with_it(place):
    content = b'{"request_id":"zipped-and-listed"}\n'
    (place.logs / "plain.jsonl.gz").write_bytes(gzip.compress(content, mtime=0))
    (place.root / "known.sha256").write_text(f"{sha256(content).hexdigest()}\n")
    done = place.take()
    assert (int(done.exit), done.tallies[1].marked["ncii_suspected"]) == (0, 2)
    assert gzip.compress(content, mtime=0) not in everything(place.archive)


def test_bytes_that_were_kept_before_the_rule_are_said_to_be_in_the_open(place, capsys):
    place.write_policy()
    place.take()
    place.write_policy(with_quarantine)
    done = place.take()
    assert [one.open_before for one in done.tallies] == [4, 3]
    assert int(done.exit) == 0


@pytest.mark.parametrize("damage", ["gone", "other bytes", "cut", "of another batch"])
def test_a_sealed_object_that_is_not_as_it_was_is_found_without_the_key(shell, damage):
    files = sorted((shell.place.root / "safe" / "sealed").iterdir())
    one = files[0]
    data = one.read_bytes()
    one.chmod(0o600)
    one.parent.chmod(0o700)
    one.unlink()
    if damage != "gone":
        one.write_bytes({"other bytes": data[:-1] + b"x", "cut": data[:-100]}.get(damage, files[1].read_bytes()))
    status, answer, _ = shell("verify", "--no-record", "--sealed", shell.place.root / "safe")
    assert (status, codes(answer, "failed")) == (1, ["sealed-missing" if damage == "gone" else "sealed-sha256"])
    assert shell("verify", "--no-record")[0] == 0  # the archive itself is whole
    status, answer, _ = shell(
        "restore", "--to", shell.place.root / "out", *EVERY, "--open", shell.place.root / "keeper.pem"
    )
    assert (status, [one["status"] for one in answer["not_restored"]].count("captured") > 0) == (1, True)


def test_a_key_that_opens_nothing_is_said_and_takes_nothing_away(shell, tmp_path):
    status, answer, _ = shell("verify", "--no-record", "--open", shell.place.root / "stranger.pem")
    assert (status, codes(answer, "failed", "unknown")) == (3, ["sealed-key"])
    status, answer, _ = shell("restore", "--to", tmp_path / "o", *EVERY, "--open", shell.place.root / "stranger.pem")
    assert (status, answer["counts_not_restored"]) == (3, {"withheld": 6})


@pytest.mark.parametrize("key", ["keys/statement.pem", "keeper.pub", "nothing.pem"])
def test_what_is_no_recipients_key_is_refused(shell, key):
    status, answer, _ = shell("verify", "--no-record", "--open", shell.place.root / key)
    assert status == 2
    assert answer["error"]["code"] in ("recipient-kind", "recipient-unreadable", "key-missing", "key-mode")


def test_a_run_that_dies_at_the_safe_goes_on_and_seals_nothing_twice(place, capsys, monkeypatch, verified):
    place.set_up()

    def fail(*_: object) -> None:
        raise WorldError("store-down", "the safe does not answer")

    with monkeypatch.context() as broken:
        broken.setattr(sealing, "check_receipt", fail)
        with pytest.raises(WorldError, match="safe"):
            place.take()
    assert not list((place.archive / "data").rglob("*.parquet"))
    with monkeypatch.context() as broken:
        broken.setattr(sealing, "enter_sealed", fail)
        broken.setattr("archiver.flows.deliver.enter_sealed", fail)
        with pytest.raises(WorldError, match="safe"):
            place.take()
    place.take()
    verified(place)
    shell = Shell(place, capsys)
    assert shell("verify", "--no-record", "--open", place.root / "keeper.pem")[0] == 0
    names = [path.name for path in (place.root / "safe" / "sealed").iterdir()]
    assert sorted(names) == sorted(f"{one.batch}.sealed" for one in shell.stated("sealed"))
    assert not list((place.root / ".archiver" / "spool").iterdir())


def test_a_hold_that_grows_raises_the_locks_of_sealed_objects(place):
    place.take()
    place.until = "2028-01-01T12:00:00Z"
    place.write_policy(with_quarantine)
    place.take()
    safe = FolderStore(place.root / "safe", location="safe", clock=place.clock)
    for version in safe.list("sealed/"):
        assert safe.stat(version.key, version.version).lock.retain_until.year == 2028


def test_nothing_is_said_of_items_before_what_is_sealed_is_held(place, monkeypatch):
    place.take()
    accounts = set(place.archive.glob("data/items/**/*.parquet"))
    monkeypatch.setattr(snapshot, "raise_sealed_locks", lambda _session: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        place.take()
    assert set(place.archive.glob("data/items/**/*.parquet")) == accounts


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (lambda text: text.replace(", seals: true", "").replace("./safe", "./other"), "a destination that seals"),
        (lambda text: text.replace("    recipient: keeper.pub\n", ""), "a recipient for the matter CASE-1"),
        (lambda text: text.replace("./safe", "./archive"), "lie in each other"),
        (
            lambda text: text.replace("sensitive:", "  - {id: two, location: ./two, seals: true}\nsensitive:"),
            "seals already",
        ),
    ],
    ids=["no safe", "no recipient", "the same place", "two safes"],
)
def test_a_quarantine_that_cannot_be_is_refused(place, capsys, edit, said):
    place.write_policy(lambda text: edit(with_quarantine(text)))
    status, answer, _ = Shell(place, capsys)("plan")
    assert (status, said in answer["error"]["message"]) == (2, True)


def test_a_public_key_that_is_none_stops_the_run_before_it_begins(place, capsys):
    place.set_up()
    (place.root / "keeper.pub").write_text("something\n")
    status, answer, _ = Shell(place, capsys)("snapshot")
    assert (status, answer["error"]["code"], "key recipient make" in answer["error"]["hint"]) == (
        2,
        "recipient-refused",
        True,
    )


def test_the_private_key_is_in_no_answer_and_the_loss_of_it_is_said_first(place, capsys):
    secret = (place.root / "keeper.pem").read_text().splitlines()[1]
    place.set_up()
    shell = Shell(place, capsys)
    _, _, said = shell("snapshot")
    assert "whoever loses its private half loses these bytes" in said
    _, answer, said = shell("verify", "--open", place.root / "keeper.pem")
    assert secret not in repr(answer) + said + everything(place.archive).decode("latin-1")
    place.later(hours=1)
    assert "whoever loses" not in shell("snapshot")[2]


def test_the_doctor_looks_at_recipients_and_at_the_place_that_seals(shell):
    def look():
        return {one["code"]: (one["state"], one["found"]) for one in shell("doctor")[1]["items"]}

    found = look()
    assert [found[code][0] for code in ("recipient", "sealing-store", "sealed-objects")] == ["ok", "ok", "ok"]
    next((shell.place.root / "safe" / "sealed").iterdir()).unlink()
    (shell.place.root / "keeper.pub").write_text("something\n")
    found = look()
    assert [found[code][0] for code in ("recipient", "sealed-objects")] == ["failed", "failed"]
    assert shell("doctor")[0] == 5


def test_verifiers_that_share_no_line_with_this_one_agree(shell, tmp_path):
    assert others_say(shell.place.archive, shell.place.trust) == [(set(), 0), (set(), 0)]


def test_openssl_makes_a_key_with_a_passphrase_that_opens(place, capsys, tmp_path, monkeypatch):
    made = tmp_path / "made.pem"
    base = ["openssl", "genpkey", "-algorithm", "X25519", "-aes256", "-pass", "pass:correct horse", "-out", str(made)]
    subprocess.run(base, check=True, capture_output=True)
    made.chmod(0o600)
    public = ["openssl", "pkey", "-in", str(made), "-passin", "pass:correct horse", "-pubout"]
    (place.root / "keeper.pub").write_bytes(subprocess.run(public, check=True, capture_output=True).stdout)
    place.take()
    shell = Shell(place, capsys)
    (tmp_path / "words").write_text("correct horse\n")
    (tmp_path / "words").chmod(0o600)
    status, answer, _ = shell("verify", "--no-record", "--open", made)
    assert (status, answer["error"]["code"]) == (2, "recipient-passphrase")
    reference = f"file:{tmp_path / 'words'}"
    assert shell("verify", "--no-record", "--open", made, "--open-passphrase", reference)[0] == 0


def test_what_is_sealed_for_a_key_service_and_for_a_token_opens_with_each(place, capsys, key_service, token):
    """Two runs, one for each kind of recipient; whoever has the one opens what was sealed for it and says so."""
    environ = {"ARCHIVER_PIN": PIN}
    service, in_token = key_service.make("one", bytes(range(32))), token.uri("seal")
    for uri in (service, in_token):
        place.write_policy(lambda text, uri=uri: with_quarantine(text).replace("keeper.pub", f'"{uri}"'))
        (place.papers / "legal" / f"{len(uri)}.txt").write_bytes(SECRET + uri.encode())
        place.take()
    shell = Shell(place, capsys, environ)
    stated = shell.stated("sealed")
    assert len({one.recipients[0].keyid for one in stated}) == 2
    shown = [shell("key", "recipient", "show", uri)[1] for uri in (service, in_token)]
    assert {one["keyid"] for one in shown} == {one.recipients[0].keyid for one in stated}
    assert [(one["kind"], one["public"] is None) for one in shown] == [("AWS KMS", True), ("RSA 2048", False)]
    for uri in (service, in_token):
        status, answer, _ = shell("verify", "--no-record", "--open", uri)
        assert (status, codes(answer, "failed", "unknown")) == (0, [])
    key_service.says["Decrypt"] = "AccessDeniedException"
    status, answer, _ = shell("verify", "--no-record", "--open", service)
    assert (status, codes(answer, "failed")) == (3, [])
    assert any("AccessDenied" in one["actual"] and "kms:Decrypt" in one["hint"] for one in answer["findings"])
    wrong = in_token.replace("env:ARCHIVER_PIN", "env:NOTHING")
    status, answer, _ = shell("verify", "--no-record", "--open", wrong)
    assert (status, answer["error"]["code"]) == (2, "pin-missing")
    status, answer, _ = shell("verify", "--no-record", "--open", token.uri("seal-2"))
    assert (status, codes(answer, "failed", "unknown")) == (3, ["sealed-key"])
    key_service.says["Encrypt"] = "AccessDeniedException"
    place.write_policy(lambda text: with_quarantine(text).replace("keeper.pub", f'"{service}"'))
    status, answer, _ = shell("snapshot")
    assert (status, answer["error"]["code"]) == (5, "kms-failed")


def test_a_recipients_key_is_made_shown_and_never_written_over(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def ask(*words):
        status = run(["--json", *words], clock=None, random=None, environ={"WORDS": "correct horse"})
        return status, json.loads(capsys.readouterr().out)

    status, made = ask("key", "recipient", "make", "counsel.pem", "--passphrase", "env:WORDS")
    assert (status, made["command"], made["public_file"]) == (0, "key recipient make", "counsel.pub")
    assert [oct(Path(name).stat().st_mode & 0o777) for name in ("counsel.pem", "counsel.pub")] == ["0o600", "0o644"]
    assert Path("counsel.pub").read_text() == made["public"]
    shown = [ask("key", "recipient", "show", "counsel.pub"),
             ask("key", "recipient", "show", "counsel.pem", "--passphrase", "env:WORDS")]  # fmt: skip
    assert [(status, one["keyid"]) for status, one in shown] == [(0, made["keyid"])] * 2
    for words, code in (
        (("make", "counsel.pem"), "key-exists"),
        (("make", "other.pub"), "usage"),
        (("show", "counsel.pem"), "recipient-passphrase"),
        (("show", "nothing"), "key-missing"),
        (("show", "awskms:nothing"), "usage"),
    ):
        status, answer = ask("key", "recipient", *words)
        assert (status, answer["error"]["code"]) == (2, code)


FLAGGED = b'{"id":"m-%d","model":"m","results":[{"flagged":true,"categories":{"sexual/minors":true,"hate":false}}]}\n'
CLEAN = b'{"id":"m-%d","model":"m","results":[{"flagged":false,"categories":{"sexual/minors":false,"hate":false}}]}\n'
BY_RECORD = """\
  - {mark: csam_suspected, reason: upstream moderation, handling: quarantine, moderation: ["sexual/*"]}
  - {mark: personal, reason: asked by a person, handling: mark, where: {request_id: ["person-*"]}, sources: [logs]}
"""


def by_record(text: str) -> str:
    return with_quarantine(text).replace("limits:", f"{BY_RECORD}limits:")


def test_flagged_records_are_withheld_one_by_one_and_their_log_says_how_many(place, capsys, tmp_path, verified):
    lines = [(FLAGGED if number % 7 == 3 else CLEAN) % number for number in range(30)]
    log, cut = place.logs / "moderation.jsonl", lines[3].replace(b"m-3", b"m-last")
    (place.logs / "plain.jsonl").write_bytes(b'{"request_id":"person-1"}\n{"request_id":"robot"}\n')
    (place.logs / "packed.jsonl.gz").write_bytes(gzip.compress(FLAGGED % 77, mtime=0))
    (place.logs / "pack.zip").write_bytes(zipped(**{"a.jsonl": FLAGGED % 78 + CLEAN % 79, "b.jsonl": CLEAN % 80}))
    log.write_bytes(b"".join(lines) + cut[:-40])  # somebody is writing the last one
    place.write_policy(by_record)
    done = place.take()
    assert (int(done.exit), done.reasons) == (0, ())
    assert done.tallies[1].marked == {"csam_suspected": 5, "personal": 1, "privileged": 3}
    found = everything(place.archive)
    hidden = [b'm-%d"' % number for number in (3, 10, 17, 24, 77, 78)] + [b"m-last"]
    assert [word for word in hidden if word in found] == []
    assert [number for number in (2, 4, 29, 79, 80) if b'm-%d"' % number not in found] == []
    shell, key = Shell(place, capsys), place.root / "keeper.pem"
    items = {one["path"]: one["marks"] for one in shell("list", "items", "--mark", "csam_suspected")[1]["items"]}
    assert [(one["by"], one["records"]) for one in items["moderation.jsonl"]] == [('moderation:["sexual/*"]', 4)]
    assert shell("verify", "--no-record")[0] == 0
    assert others_say(place.archive, place.trust) == [(set(), 0), (set(), 0)]
    assert shell("verify", "--no-record", "--open", key)[0] == 0

    log.write_bytes(b"".join(lines) + cut + FLAGGED % 99)  # it is written on
    place.take()
    again = place.take()
    assert again.tallies[1].marked == {"csam_suspected": 5, "personal": 1, "privileged": 3}
    found = everything(place.archive)
    assert [word for word in (*hidden, b"m-99") if word in found] == []
    items = {one["path"]: one["marks"] for one in shell("list", "items", "--mark", "csam_suspected")[1]["items"]}
    assert items["moderation.jsonl"][0]["records"] == 6
    every = (*EVERY[:4], "--include-marked", "csam_suspected", "--include-marked", "personal", *EVERY[4:])
    status, answer, _ = shell("restore", "--to", tmp_path / "shut", *every)
    assert (status, answer["counts_not_restored"]["withheld"] >= 2) == (3, True)
    assert not (tmp_path / "shut" / "logs" / "moderation.jsonl").exists()
    assert shell("restore", "--to", tmp_path / "out", *every, "--open", key)[0] == 0
    assert tree(tmp_path / "out" / "logs") == tree(place.logs)
    verified(place)


def test_a_rule_about_records_counts_for_selections_and_batches_of_events_and_marks_old_ones_when_they_are_read(
    place, capsys
):
    place.write_policy()
    (place.logs / "old.jsonl").write_bytes(b'{"request_id":"person-7"}\n')
    place.take()
    event = '{{"id":"0","message":"{{\\"request_id\\":\\"{}\\"}}"}}'
    events = ",".join(map(event.format, ("robot", "person-2")))
    cloud = f'{{"messageType":"DATA_MESSAGE","logGroup":"g","logStream":"s","logEvents":[{events}]}}\n'
    (place.logs / "cloud.jsonl").write_text(cloud)
    place.write_policy(by_record)
    assert place.take(rehash=True).tallies[1].marked["personal"] == 2


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ("moderation: [a], paths: [b]", "found paths and moderation"),
        ("where: {nothing: [a]}", "expected a column of model_logs"),
        ("moderation: [a], sources: [papers]", "this rule has none"),
    ],
)
def test_a_rule_about_records_that_can_find_none_is_refused(place, capsys, rule, said):
    text = f"  - {{mark: personal, reason: r, handling: mark, {rule}}}\n"
    place.write_policy(lambda policy: with_quarantine(policy).replace("limits:", f"{text}limits:"))
    status, answer, _ = Shell(place, capsys)("plan")
    assert (status, said in answer["error"]["message"]) == (2, True)


def test_a_release_lets_go_of_what_is_sealed_too_and_it_is_not_held_again(place, capsys, tmp_path):
    place.take()
    safe = FolderStore(place.root / "safe", location="safe", clock=place.clock)

    def held():
        return {safe.stat(one.key, one.version).lock.legal_hold for one in safe.list("sealed/")}

    place.until = "2028-01-01T12:00:00Z"  # above what the receipts of the sealed objects say
    place.write_policy(with_quarantine)
    place.take()
    words = {"clock": place.clock, "random": place.random, "environ": {}, "listener": silent}
    signers = [create_p256(tmp_path / f"approver-{name}.pem", None) for name in ("a", "b")]
    for signer in signers:
        admit(place.policy, keys.to_pem(signer.public), **words)
    consent = Instrument("consent.pdf", b"need not be kept\n")
    request = encode_request(make_request(place.policy, "CASE-1", consent, clock=place.clock, listener=silent))
    said = []
    for signer in signers:
        place.later(seconds=1)
        said.append(approve(request, signer, by=whoami(None), clock=place.clock, random=place.random)[1])
    assert held() == {True}
    let_go = functools.partial(release, place.policy, "CASE-1", consent, request, said, confirm=lambda _: None, **words)
    done = let_go()
    assert (held(), done.sealed, done.failures, int(done.exit)) == ({False}, len(list(safe.list("sealed/"))), (), 0)
    assert let_go().sealed == 0
    released = {one.key for one in safe.list("sealed/")}
    place.write_policy(lambda text: with_quarantine(text).replace("CASE-1", "CASE-2"))
    (place.papers / "legal" / "new.eml").write_bytes(b"of another matter")
    place.take()
    found = {one.key: safe.stat(one.key, one.version).lock.legal_hold for one in safe.list("sealed/")}
    assert {key for key, hold in found.items() if hold} == found.keys() - released != set()


@pytest.mark.parametrize("stored", [True, False])
def test_what_is_sealed_gets_its_statement_when_the_state_is_lost_before_it_is_entered(
    place, capsys, monkeypatch, stored
):
    place.set_up()

    def cut(session, batch):
        key = f"statements/sealed/{batch.id}.json"
        if stored:
            session.put(key, session.journal.kept(key))
        raise WorldError("store-unreachable", "the connection was cut")

    with monkeypatch.context() as broken:
        broken.setattr("archiver.flows.deliver.enter_sealed", cut)
        with pytest.raises(WorldError, match="cut"):
            place.take()
    shell = Shell(place, capsys)
    assert (list(shell.stated("sealed")), len(list(shell.stated("batch")))) == ([], 1)
    shutil.rmtree(place.root / ".archiver")
    for path in place.root.rglob("*"):
        if path.is_file():
            os.utime(path, (place.now.timestamp(), place.now.timestamp()))
    place.take()
    assert len({one.batch for one in shell.stated("sealed")}) == len(list((place.root / "safe" / "sealed").iterdir()))
    status, answer, _ = shell("verify", "--no-record", "--open", place.root / "keeper.pem")
    assert (status, codes(answer, "failed", "unknown")) == (0, [])
    assert len(list(shell.stated("incident"))) == (not stored)
