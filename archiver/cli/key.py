"""`archiver key`: the keys of an archive, their successors, and their ends."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, TypedDict

import click

from archiver.cli.context import Answer, Run
from archiver.cli.group import Group
from archiver.cli.key_end import DRY_RUN, counted, hand_out, plan, retire_command, revoke_command, successor
from archiver.cli.key_recipient import recipient_group
from archiver.cli.options import common, with_policy
from archiver.cli.timestamp import say_at_end, taken
from archiver.cli.words import columns, count, indented, short
from archiver.errors import Exit, UsageError

if TYPE_CHECKING:
    from archiver.cli.answers_keys import KeyWords
    from archiver.events import Listener
    from archiver.flows.key.facts import KeyFact
    from archiver.flows.key.rotate import Rotated
    from archiver.model.key_uri import KeyUri
    from archiver.model.policy import Policy

__all__ = ["command"]


@click.group("key", cls=Group)
@common
def command() -> None:
    """Show keys, give one a successor, and end one that somebody else may have."""


command.add_command(recipient_group)
command.add_command(revoke_command)
command.add_command(retire_command)


class _Words(TypedDict):
    """What every flow is given."""

    clock: Callable[[], datetime]
    random: Callable[[int], bytes]
    environ: dict[str, str]
    listener: Listener


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
@DRY_RUN
@with_policy
@click.pass_obj
def rotate_command(run: Run, role: str, uri: str | None, reason: str, *, dry_run: bool) -> Answer:
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
    to = successor(policy, uri)
    if dry_run:
        return _planned(run, policy, role)
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
        dry_run=False,
        effect=None,
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


def _planned(run: Run, policy: Policy, role: str) -> Answer:
    """Say what a rotation would do, and do nothing."""
    from archiver.cli.answers_keys import RotatedKey  # noqa: PLC0415 - loaded when called
    from archiver.flows.key.effect import effect_of  # noqa: PLC0415
    from archiver.flows.session import trust_path  # noqa: PLC0415
    from archiver.model.trust import digest_of  # noqa: PLC0415

    fact = next((one for one in _known(policy) if (one.role, one.state) == (role, "current")), None)
    if fact is None:
        hint = "make one first: archiver key post-quantum" if role == "post-quantum" else "see `archiver key list`"
        raise UsageError("no-such-key", f"{role} key: expected one in place, found none", hint=hint)
    effect = effect_of(policy, fact.keyid, None, clock=run.clock, listener=run.talk.hear)
    path, place = trust_path(policy), _words(fact, policy).place
    members = RotatedKey(
        role=role,  # type: ignore[arg-type] # one of the three choices
        dry_run=True,
        effect=counted(effect),
        old=fact.keyid,
        new=None,
        place=place or "",
        set_aside=None,
        finished=False,
        sizes=[],
        statements=[],
        timestamps=[],
        trust_file=str(path),
        trust_sha256=digest_of(path.read_bytes()),
        log=None,
    )
    return Answer(Exit.OK, members, "\n".join([*plan(effect, None), "", "nothing was done"]), asked_for=True)


def _sizes(done: Rotated) -> list[tuple[str, str]]:
    if done.role == "post-quantum":  # the old one may have been lost before it signed so many
        return [("from size", f"{size:,} entries of {origin} on, the new key signs") for origin, size in done.sizes]
    return [("last size", f"{size:,} entries of {origin} are signed by the old key") for origin, size in done.sizes]


def _rotated(done: Rotated, digest: str, uri: str | None) -> list[str]:
    rows = [
        ("old key", f"{short(done.old)}, retired" if done.finished else f"{short(done.old)}, still in place"),
        ("new key", f"{short(done.new)}, {done.place}"),
        *_sizes(done),
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
    return [*lines, "", *hand_out(digest)]


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
    text = [f"{place}: signs the log's head from now on; back it up", "", *hand_out(digest)]
    return Answer(Exit.OK, SecondKey(place, vkeys, str(trust_path(policy)), digest), "\n".join(text))
