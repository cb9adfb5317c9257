"""Git repositories: files, refs and a bundle that clones to the same refs; nothing of a hostile one is run."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from archiver.sources.unpack import repositories
from tests.e2e.test_containers import lines, restored, statuses

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
WORDS = {"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@example.com", "GIT_COMMITTER_NAME": "a",
         "GIT_COMMITTER_EMAIL": "a@example.com", "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1",
         "PATH": "/usr/bin:/bin", "GIT_AUTHOR_DATE": "@1 +0000", "GIT_COMMITTER_DATE": "@1 +0000"}  # fmt: skip


def git(folder: Path, *words: str) -> str:
    done = subprocess.run(["git", *words], cwd=folder, env=WORDS, check=True, capture_output=True, text=True)
    return done.stdout


@pytest.fixture
def place(organisation):
    (organisation.logs / "a.log").write_bytes(b"a line\n")
    return organisation


def repository(folder: Path, *words: str) -> Path:
    """Make one with a branch, a tag of its own, a symbolic ref, and a commit that no ref reaches."""
    folder.mkdir(parents=True)
    git(folder, "init", "--quiet", "--template=", "--initial-branch=main", *words)
    (folder / "a.txt").write_bytes(b"one\n")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "-m", "one")
    git(folder, "tag", "-a", "v1", "-m", "first")
    git(folder, "pack-refs", "--all")
    git(folder, "commit", "--quiet", "--allow-empty", "-m", "lost")
    git(folder, "reset", "--quiet", "--hard", "HEAD~1")
    git(folder, "branch", "topic")
    git(folder, "symbolic-ref", "refs/heads/alias", "refs/heads/topic")
    return folder


def inside(place, below: str = "code/.git/HEAD!") -> dict[str, tuple[str, str | None]]:
    return {name.removeprefix(below): words for name, words in statuses(place).items() if name.startswith(below)}


def test_a_repository_gives_refs_and_a_bundle_that_clones_to_them(place, tmp_path, verified):
    folder = repository(place.papers / "code")
    assert place.take().exit == 0
    verified(place)
    assert inside(place) == dict.fromkeys(("git:0:refs", "git:1:fsck", "git:2:all.bundle"), ("captured", None))
    back = restored(place, tmp_path / "back")
    (tmp_path / "b").write_bytes(back["code/.git/HEAD!/git:2:all.bundle"])
    git(tmp_path, "clone", "--quiet", "--mirror", "b", "clone")
    own = git(folder, "for-each-ref")
    assert (git(tmp_path / "clone", "for-each-ref"), len(own.splitlines())) == (own, 4)
    assert git(tmp_path / "clone", "rev-parse", "HEAD") == git(folder, "rev-parse", "HEAD")
    refs = back["code/.git/HEAD!/git:0:refs"]
    assert refs.splitlines()[:2] == [b"ref: refs/heads/main HEAD", b"ref: refs/heads/topic refs/heads/alias"]
    lost = git(folder, "rev-parse", "HEAD@{1}").strip()
    assert f"unreachable commit {lost}" in back["code/.git/HEAD!/git:1:fsck"].decode()
    assert lines(place)[f"code/.git/objects/{lost[:2]}/{lost[2:]}"].status == "captured"  # the files have it


def test_hashes_may_be_longer(tmp_path):
    folder = repository(tmp_path / "code", "--object-format=sha256")
    found = [
        (member.name, b"".join(member.blocks()))
        for member in repositories.repository(folder / ".git").members(tmp_path)
    ]
    assert [name for name, _ in found] == [b"refs", b"fsck", b"all.bundle"]
    (tmp_path / "b").write_bytes(found[2][1])
    assert len(git(tmp_path, "ls-remote", "b").splitlines()) == 5  # HEAD, three branches and the tag


def test_it_is_made_anew_when_the_refs_change_and_only_then(place, verified):
    folder = repository(place.papers / "code")
    place.take()
    place.later(minutes=1)
    place.take()
    assert {status for status, _ in inside(place).values()} == {"unchanged"}
    git(folder, "branch", "another")  # HEAD stays as it is
    place.take()
    made = inside(place)
    assert (made["git:0:refs"], made["git:2:all.bundle"]) == (("captured", None), ("captured", None))
    shutil.rmtree(folder / ".git" / "refs")
    place.take()
    assert {status for status, _ in inside(place).values()} == {"absent"}
    verified(place)


def test_a_bare_repository_can_be_the_source_itself(place):
    bare = place.papers
    bare.rmdir()
    repository(place.root / "work")
    git(place.root, "clone", "--quiet", "--bare", "work", "papers")
    place.take()
    assert set(inside(place, "HEAD!")) == {"git:0:refs", "git:1:fsck", "git:2:all.bundle"}


def test_nothing_of_a_hostile_repository_is_run(place, tmp_path):
    folder = repository(place.papers / "code")
    evil = tmp_path / "evil"
    run = f"touch {evil}"
    config = folder / ".git" / "config"
    config.write_text(
        f"""[core]
	repositoryformatversion = 1
	fsmonitor = {run}
	sshCommand = {run}
	pager = {run}
	hooksPath = hooks
	askPass = {run}
	gitProxy = {run}
	alternateRefsCommand = {run}
[extensions]
	partialClone = origin
[remote "origin"]
	url = ext::sh -c "{run}"
	promisor = true
	uploadpack = {run}
[uploadpack]
	packObjectsHook = {run}
[protocol "ext"]
	allow = always
[alias]
	fsck = !{run}
	bundle = !{run}
[gpg]
	program = {run}
[include]
	path = /dev/zero
""",
        encoding="utf-8",
    )
    for name in ("reference-transaction", "post-index-change", "fsmonitor-watchman", "pre-auto-gc"):
        hook = folder / ".git" / "hooks" / name
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(f"#!/bin/sh\n{run}\n", encoding="utf-8")
        hook.chmod(0o755)
    content = next(path for path in (folder / ".git" / "objects").glob("??/*") if b"one" in raw(path))
    content.unlink()  # a promised object, which git would ask the remote for
    place.take()
    assert not evil.exists()
    found = inside(place)
    assert (found["git:0:refs"], found["git:1:fsck"]) == (("captured", None), ("captured", None))
    assert found["git:2:fsck"] == found["git:3:all.bundle"] == ("failed", "corrupt")


def raw(path: Path) -> bytes:
    import zlib

    return zlib.decompress(path.read_bytes())[:20]


def test_a_ref_that_leads_nowhere_is_said_and_the_others_are_in_the_bundle(place):
    folder = repository(place.papers / "code")
    (folder / ".git/refs/heads/gone").write_text("ab" * 20 + "\n", encoding="ascii")
    (folder / ".git/refs/heads/odd").write_text("?\n", encoding="ascii")
    (folder / ".git/refs/heads/link").symlink_to("/etc/hostname")
    place.take()
    found = {name: line for name, line in lines(place).items() if "HEAD!git" in name}
    wrong = [line.detail for line in found.values() if line.status == "failed"]
    assert found["code/.git/HEAD!git:2:all.bundle"].status == "captured"
    assert any("1 refs lead to objects that are not there: refs/heads/gone" in words for words in wrong)
    assert any("refs/heads/odd" in words for words in wrong)
    assert any("refs/heads/link" in words for words in wrong)


def test_without_git_and_without_commits_the_files_are_kept(place, monkeypatch):
    (place.papers / "code").mkdir()
    git(place.papers / "code", "init", "--quiet", "--template=")
    with monkeypatch.context() as patch:
        patch.setattr("shutil.which", lambda _name: None)
        assert place.take().tallies[0].closed == {"unsupported": 1}
    assert inside(place) == {"git:0:refs": ("captured", None), "git:1:": ("failed", "unsupported")}
    place.take()
    assert inside(place)["git:1:fsck"] == ("captured", None)
    place.write_policy(lambda text: text.replace('include: ["**"]', 'include: ["**"]\n    unpack: [zip]', 1))
    place.take(rehash=True)
    assert {status for status, _ in inside(place).values()} == {"absent"}
