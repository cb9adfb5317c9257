"""`archiver key`: the keys of an archive, their successors, and their ends."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, TypedDict

import click

from archiver.cli.context import Answer, Run
from archiver.cli.options import common, with_policy
from archiver.cli.timestamp import say_at_end, taken
from archiver.cli.words import columns, count, indented, short
from archiver.errors import Exit, UsageError

if TYPE_CHECKING:
    from archiver.cli.answers_keys import KeyWords
    from archiver.events import Listener
    from archiver.flows.key.end import Ended
    from archiver.flows.key.facts import KeyFact
    from archiver.flows.key.rotate import Rotated
    from archiver.model.key_uri import KeyUri
    from archiver.model.policy import Policy

__all__ = ["command"]


@click.group("key")
@common
def command() -> None:
    """Show keys, give one a successor, and end one that somebody else may have."""


class _Words(TypedDict):
    """What every flow is given."""

    clock: Callable[[], datetime]
    random: Callable[[int], bytes]
    environ: dict[str, str]
    listener: Listener


_REASON = click.option("--reason", required=True, metavar="TEXT", help="Why; it is signed and stays in the log.")


# list, show


@command.command("list")
@with_policy
@click.pass_obj
def list_command(run: Run) -> Answer:
    """List all keys: for what, how they stand, and where the log says so."""
    from archiver.cli.answers_keys import KeysListed  # noqa: PLC0415 - loaded when called
    from archiver.cli.opening import open_policy  # noqa: PLC0415

    policy = open_policy(run)
    facts = _known(policy)
    head = ("key", "role", "state", "added", "ended", "")
    rows = [head, *((short(one.keyid), one.role, one.state, *_spelled(one)) for one in facts)]
    return Answer(
        Exit.OK,
        KeysListed([_words(one, policy) for one in facts]),
        "\n".join([*columns(rows), "", "what to do when one is lost or stolen: archiver key show KEY"]),
        asked_for=True,
    )


@command.command("show")
@click.argument("key")
@with_policy
@click.pass_obj
def show_command(run: Run, key: str) -> Answer:
    """Show one key by the first digits of its id, and what to do when it is lost or stolen."""
    from archiver.cli.answers_keys import ShownKey  # noqa: PLC0415 - loaded when called
    from archiver.cli.key_advice import if_lost, if_stolen  # noqa: PLC0415
    from archiver.cli.opening import open_policy  # noqa: PLC0415
    from archiver.flows.key.facts import find_key  # noqa: PLC0415

    policy = open_policy(run)
    fact = find_key(_known(policy), key)
    words = _words(fact, policy)
    members = ShownKey(words, fact.public, if_lost(fact), if_stolen(fact))
    added, ended, more = _spelled(fact)
    rows = [
        ("key", fact.keyid),
        ("role", fact.role),
        ("state", fact.state),
        *([("lies in", words.place)] if words.place else []),
        ("added", added),
        ("ended", ended),
        *([("", more)] if more else []),
        *([("reason", fact.reason)] if fact.reason else []),
    ]
    text = [
        *columns(rows),
        "",
        *fact.public.splitlines(),
        "",
        "if it is lost",
        *indented(members.if_lost),
        "",
        "if somebody else may have it",
        *indented(members.if_stolen),
    ]
    return Answer(Exit.OK, members, "\n".join(text), asked_for=True)


def _known(policy: Policy) -> list[KeyFact]:
    from archiver.flows.key.end import known_keys  # noqa: PLC0415 - loaded when called

    return known_keys(policy)


def _spelled(fact: KeyFact) -> tuple[str, str, str]:
    """Spell where a key began and ended, and what else is worth a word."""
    more = ""
    if fact.sizes is not None:
        more = f"signs from {fact.sizes[0]:,} entries on"
        if fact.sizes[1] is not None:
            more = f"signed up to {count(fact.sizes[1], 'entry', 'entries')}"
    elif fact.revoked_since is not None:
        more = f"not to be believed since {fact.revoked_since}"
    elif fact.valid_until is not None:
        more = f"valid until {fact.valid_until}"
    added = "with the archive" if fact.added is None else f"entry {fact.added[0]}, {fact.added[1]}"
    return added, "" if fact.ended is None else f"entry {fact.ended[0]}, {fact.ended[1]}", more


def _words(fact: KeyFact, policy: Policy) -> KeyWords:
    from archiver.cli.answers_keys import KeyEntry, KeyWords  # noqa: PLC0415 - loaded when called
    from archiver.model.key_uri import FileKey, place_of  # noqa: PLC0415

    places: dict[str, KeyUri] = {"statement": policy.keys.statement_key, "log": policy.keys.log_key}
    if policy.keys.post_quantum is not None:
        places["post-quantum"] = FileKey(policy.keys.post_quantum)
    return KeyWords(
        keyid=fact.keyid,
        role=fact.role,  # type: ignore[arg-type] # of the model's roles
        state=fact.state,  # type: ignore[arg-type] # of the flow's states
        place=place_of(places[fact.role]) if fact.state == "current" and fact.role in places else None,
        added=None if fact.added is None else KeyEntry(*fact.added),
        ended=None if fact.ended is None else KeyEntry(*fact.ended),
        reason=fact.reason,
        valid_until=fact.valid_until,
        revoked_since=fact.revoked_since,
        from_size=None if fact.sizes is None else fact.sizes[0],
        to_size=None if fact.sizes is None else fact.sizes[1],
    )


# rotate


@command.command("rotate")
@click.argument("role", type=click.Choice(["statement", "log", "post-quantum"]))
@click.option(
    "--to", "uri", metavar="URI", help="Where the new key lies; left out, a new file takes the old one's place."
)
@click.option("--reason", default="rotation", show_default=True, metavar="TEXT", help="Why; it is signed.")
@with_policy
@click.pass_obj
def rotate_command(run: Run, role: str, uri: str | None, reason: str) -> Answer:
    """Give the statement key or the log key a successor that the old one certifies, and retire the old one.

    A run that was stopped is finished by the same command. Stop other writers before, and hand the trust file out
    afterwards. The successor of a post-quantum key is named by the trust file alone, and needs nothing of the old one:
    it may be lost.
    """
    from archiver.cli.answers_keys import LogSizes, RotatedKey  # noqa: PLC0415 - loaded when called
    from archiver.cli.answers_shared import Position  # noqa: PLC0415
    from archiver.cli.opening import open_policy  # noqa: PLC0415
    from archiver.flows.key.post_quantum import rotate_post_quantum  # noqa: PLC0415
    from archiver.flows.key.rotate import rotate  # noqa: PLC0415
    from archiver.flows.session import trust_path  # noqa: PLC0415
    from archiver.model.trust import digest_of  # noqa: PLC0415

    policy = open_policy(run)
    to = _to(policy, uri)
    words = _Words(clock=run.clock, random=run.random, environ=run.environ, listener=run.talk.hear)
    if role == "post-quantum":
        done = rotate_post_quantum(policy, to, **words)
    else:
        done = rotate(policy, role, to, reason, **words)
    say_at_end(run, done.timestamps)
    path = trust_path(policy)
    digest = digest_of(path.read_bytes())
    members = RotatedKey(
        role=done.role,  # type: ignore[arg-type] # one of the three choices
        old=done.old,
        new=done.new,
        place=done.place,
        set_aside=done.set_aside,
        finished=done.finished,
        sizes=[LogSizes(*one) for one in done.sizes],
        statements=list(done.statements),
        timestamps=taken(done.timestamps.stamps).timestamps,
        trust_file=str(path),
        trust_sha256=digest,
        log=Position(done.log_size, done.root),
    )
    return Answer(done.timestamps.exit, members, "\n".join(_rotated(done, digest, uri)))


def _to(policy: Policy, uri: str | None) -> KeyUri | None:
    """Read where a successor lies."""
    from archiver.model.key_uri import BadKeyUriError, parse_key_uri, resolve_key_uri  # noqa: PLC0415

    try:
        return None if uri is None else resolve_key_uri(parse_key_uri(uri), policy.path.parent)
    except BadKeyUriError as problem:
        raise UsageError("key-uri", f"--to: {problem}", hint=f"write {problem.instead}") from problem


def _rotated(done: Rotated, digest: str, uri: str | None) -> list[str]:
    rows = [
        ("old key", f"{short(done.old)}, retired" if done.finished else f"{short(done.old)}, still in place"),
        ("new key", f"{short(done.new)}, {done.place}"),
        *(("last size", f"{size:,} entries of {origin} are signed by the old key") for origin, size in done.sizes),
        *(("statement", one) for one in done.statements),
        ("log", f"{count(done.log_size, 'entry', 'entries')}, root {short(done.root)}"),
    ]
    made = "made" if done.role == "post-quantum" else "certified"
    lines = [f"the {done.role} key has a successor" if done.finished else f"a new {done.role} key is {made}"]
    lines += indented(columns(rows))
    if not done.finished:
        return [
            *lines,
            "",
            f'now write in the policy, under keys:  {done.role.replace("-", "_")}: "{uri}"',
            f"then finish it: archiver key rotate {done.role}",
        ]
    if done.set_aside is not None:
        lines += [
            "",
            f"the old key lies in {done.set_aside}; it signs nothing any more: destroy it, and its copies, when",
            "the auditor has the new trust file; back up the new key now",
        ]
    return [*lines, "", *_hand_out(digest)]


def _hand_out(digest: str) -> list[str]:
    from archiver.model.trust import groups  # noqa: PLC0415 - loaded when called

    digits = groups(digest).split(" ")
    return [
        "hand the trust file out again, by another way than the archive: archiver trust export -o FILE",
        "the operator's own copy now has the SHA-256",
        f"  {' '.join(digits[:4])}",
        f"  {' '.join(digits[4:])}",
    ]


# post-quantum


@command.command("post-quantum")
@with_policy
@click.pass_obj
def post_quantum_command(run: Run) -> Answer:
    """Make the ML-DSA-65 key that the policy names, and have every run sign the log's head with it, too.

    It is for the day on which elliptic curves are broken: who can forge every other signature cannot forge this one.
    Hand the trust file out afterwards; with it, a copy of the archive without this signature is not ok.
    """
    from archiver.cli.answers_keys import SecondKey  # noqa: PLC0415 - loaded when called
    from archiver.cli.opening import open_policy  # noqa: PLC0415
    from archiver.flows.key.post_quantum import add_post_quantum  # noqa: PLC0415
    from archiver.flows.session import trust_path  # noqa: PLC0415
    from archiver.model.trust import digest_of  # noqa: PLC0415

    policy = open_policy(run)
    _, trust = add_post_quantum(policy, clock=run.clock, random=run.random, environ=run.environ, listener=run.talk.hear)
    digest, place = digest_of(trust.encode()), str(policy.keys.post_quantum)
    vkeys = [key.vkey for log in trust.logs for key in log.post_quantum or ()]
    text = [f"{place}: signs the log's head from now on; back it up", "", *_hand_out(digest)]
    return Answer(Exit.OK, SecondKey(place, vkeys, str(trust_path(policy)), digest), "\n".join(text))


# revoke, retire


@command.command("revoke")
@click.argument("key")
@click.option(
    "--since",
    "text",
    required=True,
    metavar="T",
    help="Since when somebody else may have it, such as 2027-03-01T09:00:00Z.",
)
@click.option("--to", "uri", metavar="URI", help="Where its successor lies, when it is the statement key in place.")
@_REASON
@with_policy
@click.pass_obj
def revoke_command(run: Run, key: str, text: str, uri: str | None, reason: str) -> Answer:
    """End a key that somebody else may have, in the log and in the trust file.

    What it signed counts afterwards only where a timestamp shows that it is older. The statement key in place gets a
    successor that does not rest on it; the log key is rotated instead.
    """
    from archiver.model.hold import NotAnInstantError, parse_offset_instant  # noqa: PLC0415 - loaded when called

    try:
        since = parse_offset_instant(text)
    except NotAnInstantError as problem:
        hint = f"write {problem.instead}" if problem.instead else ""
        raise UsageError("not-an-instant", f"--since: expected an instant, {problem}", hint=hint) from problem
    return _end(run, key, since, reason, uri)


@command.command("retire")
@click.argument("key")
@_REASON
@with_policy
@click.pass_obj
def retire_command(run: Run, key: str, reason: str) -> Answer:
    """End a key in good order, such as that of an approver who leaves; what it signed before stays good."""
    return _end(run, key, None, reason, None)


def _end(run: Run, key: str, since: datetime | None, reason: str, uri: str | None) -> Answer:
    from archiver.cli.answers_keys import EndedKey  # noqa: PLC0415 - loaded when called
    from archiver.cli.answers_shared import Position  # noqa: PLC0415
    from archiver.cli.opening import open_policy  # noqa: PLC0415
    from archiver.flows.key.end import end_key  # noqa: PLC0415
    from archiver.flows.session import trust_path  # noqa: PLC0415
    from archiver.model.trust import digest_of  # noqa: PLC0415

    policy = open_policy(run)
    done = end_key(
        policy,
        key,
        since,
        reason,
        to=_to(policy, uri),
        clock=run.clock,
        random=run.random,
        environ=run.environ,
        listener=run.talk.hear,
    )
    say_at_end(run, done.timestamps)
    path = trust_path(policy)
    digest = digest_of(path.read_bytes())
    members = EndedKey(
        keyid=done.keyid,
        role=done.role,  # type: ignore[arg-type] # of the model's roles
        state=done.state,  # type: ignore[arg-type] # one of the two
        since=done.since,
        finished=done.finished,
        statements=list(done.statements),
        timestamps=taken(done.timestamps.stamps).timestamps,
        trust_file=str(path),
        trust_sha256=digest,
        log=Position(done.log_size, done.root),
    )
    return Answer(done.timestamps.exit, members, "\n".join(_ended(done, digest, uri)))


def _ended(done: Ended, digest: str, uri: str | None) -> list[str]:
    if not done.finished:
        return [
            f"{short(done.keyid)} has a successor in the trust file, and is not revoked yet",
            "",
            f'now write in the policy, under keys:  {done.role.replace("-", "_")}: "{uri}"',
            "then say the same command again without --to",
        ]
    lines = [f"the {done.role} key {short(done.keyid)} is {done.state}"]
    if done.role == "post-quantum":
        lines += ["  the trust file has forgotten it; its successor's signature covers everything before it"]
        return [*lines, "", *_hand_out(digest)]
    lines += [f"  statement {one}" for one in done.statements] or ["  the log said so already"]
    if done.since is not None:
        lines.append(f"  what it signed counts only where a timestamp shows that it is older than {done.since}")
    return [*lines, "", *_hand_out(digest)]
