"""`archiver witness`: somebody outside looks at the log, remembers it, and cosigns it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from archiver.cli.context import Answer, Run
from archiver.cli.group import Group
from archiver.cli.options import Place, common, reader, with_policy
from archiver.cli.words import columns, count, indented, short
from archiver.errors import Exit, UsageError

if TYPE_CHECKING:
    from archiver.cli.answers_witness import KeptCosignature
    from archiver.flows.witness.memory import Home
    from archiver.flows.witness.witness import Added, Looked
    from archiver.model.key_uri import KeyUri
    from archiver.proof.cosignature import WitnessKey

__all__ = ["command"]

_FILE = click.Path(path_type=Path)
_HOME = click.option(
    "--home",
    type=_FILE,
    default="witness",
    envvar="ARCHIVER_WITNESS",
    show_default=True,
    metavar="FOLDER",
    help="The witness's own folder, with its memory; else $ARCHIVER_WITNESS.",
)
_KEY = click.option(
    "--key", metavar="KEY", help="The witness's key: a file, pkcs11:.. or awskms:..; else key.pem in its folder."
)
_PASSPHRASE = click.option(
    "--passphrase", metavar="PLACE", help="Where the key's passphrase is: env:NAME or file:PATH."
)
_MOST = 20  # remarks that are spelled out; all of them are in --json
_MAX_NOTE = 1_000_000


@click.group("witness", cls=Group)
@common
def command() -> None:
    """See the log from outside, so that nobody with all its keys can rewrite it unseen.

    The authority or a counsel runs `init` once and `look` every day or week, on their own machine, with read access to
    the archive alone. The operator gives `add` what `look` wrote. `archiver verify` says who has seen what.
    """


@command.command("init")
@click.option("--name", required=True, metavar="NAME", help="Whom it signs for, such as counsel.example/grok.")
@_HOME
@_KEY
@_PASSPHRASE
@common
@click.pass_obj
def init_command(run: Run, name: str, home: Path, key: str | None, passphrase: str | None) -> Answer:
    """Make a witness's key and an empty memory, and print what others need to know it by.

    A key that is there already is taken, if no witness remembers anything in this folder.
    """
    from archiver.cli.answers_witness import MadeWitness  # noqa: PLC0415 - loaded when called
    from archiver.flows.witness.memory import Home  # noqa: PLC0415
    from archiver.flows.witness.witness import begin  # noqa: PLC0415
    from archiver.model.key_uri import FileKey  # noqa: PLC0415
    from archiver.proof.note import is_name  # noqa: PLC0415
    from archiver.signing.open import create_log_signer, open_log_signer  # noqa: PLC0415

    if not is_name(name):
        raise UsageError(
            "usage",
            f"--name {name!r}: expected a name without spaces, control characters or +",
            hint="take one that nobody else has, such as counsel.example/grok",
        )
    place = Home(home)
    place.refuse_existing()
    found = _key(key, place)
    is_new = isinstance(found, FileKey) and not found.path.exists()
    signer = (create_log_signer if is_new else open_log_signer)(found, passphrase, run.environ)
    made = begin(place, name, signer)
    run.talk.say(f"made {home}; keep it on a disk that survives, and its key to yourself")
    run.talk.say("give the vkey to the auditor and to the operator: archiver trust witness VKEY")
    return Answer(
        Exit.OK, MadeWitness(made.name, str(made), made.fingerprint, str(home), str(found)), _who(made), asked_for=True
    )


@command.command("show")
@_HOME
@common
@click.pass_obj
def show_command(run: Run, home: Path) -> Answer:
    """Show who this witness is, and what it has seen last of each log."""
    from archiver.cli.answers_witness import SeenLog, ShownWitness  # noqa: PLC0415 - loaded when called
    from archiver.flows.witness.memory import Home  # noqa: PLC0415

    place = Home(home)
    with place.locked():
        memory = place.read()
    run.talk.say(f"memory of {home}")
    rows = [
        (one.origin, count(one.size, "entry", "entries"), f"root {short(one.root)}", f"at {one.at}")
        for one in memory.logs
    ]
    text = "\n".join([_who(memory.key), "", "has seen", *(indented(columns(rows)) or ["  no log yet"])])
    logs = [SeenLog(one.origin, one.size, one.root, one.at) for one in memory.logs]
    members = ShownWitness(memory.name, memory.vkey, memory.key.fingerprint, str(home), logs)
    return Answer(Exit.OK, members, text, asked_for=True)


@command.command("look")
@_HOME
@_KEY
@_PASSPHRASE
@click.option(
    "--seen",
    type=_FILE,
    multiple=True,
    metavar="FILE",
    help="A checkpoint or report that the log must go on from, too.",
)
@click.option("--put", is_flag=True, help="Put the cosignature into the archive, too; needs write access.")
@click.option("-o", "--output", type=_FILE, metavar="FILE", help="Write the cosigned checkpoint here.")
@reader
@click.pass_obj
def look_command(
    run: Run,
    /,
    *,
    home: Path,
    key: str | None,
    passphrase: str | None,
    seen: tuple[Path, ...],
    put: bool,
    output: Path | None,
    place: Place,
) -> Answer:
    """Look at the log of an archive, and cosign it when it goes on from everything that was seen before.

    New entries are hashed onto the tree that this witness remembers, and must give every root that the log signed
    since. Their statements must be there and signed. What contradicts is kept and never cosigned.
    """
    from archiver.cli.answers_witness import LookedAtLog  # noqa: PLC0415 - loaded when called
    from archiver.cli.files import read_seen, read_trust, refuse_existing, write_output  # noqa: PLC0415
    from archiver.cli.opening import introduce  # noqa: PLC0415
    from archiver.cli.reading import open_place  # noqa: PLC0415
    from archiver.flows.witness.memory import Home  # noqa: PLC0415
    from archiver.flows.witness.witness import look, put_line  # noqa: PLC0415
    from archiver.signing.open import open_log_signer  # noqa: PLC0415

    if place.archive is None or place.trust is None:
        raise UsageError(
            "usage",
            "witness look: expected --archive LOCATION and --trust FILE, found neither policy nor both of these",
            hint="a witness brings its own trust file and goes by nobody's policy",
        )
    if output is not None:
        refuse_existing(output)
    data, trusted = read_trust(Path(place.trust))
    known = tuple(read_seen(path, data) for path in seen)
    store = open_place(run, place)
    run.archive = trusted.archive
    introduce(run, places=[("", store.destination)])
    folder = Home(home)
    folder.demand()
    signer = open_log_signer(_key(key, folder), passphrase, run.environ)
    looked = look(folder, store, trusted, signer, seen=known, clock=run.clock, listener=run.talk.hear)
    if output is not None:
        write_output(output, looked.cosigned)
        run.talk.say(f"wrote {output}; give it to the operator: archiver witness add {output}")
    kept = _kept(put_line(store, trusted, looked)) if put else None
    run.talk.say()
    members = LookedAtLog(
        name=looked.key.name,
        vkey=str(looked.key),
        origin=looked.origin,
        before=looked.before,
        size=looked.size,
        root=looked.root,
        at=looked.at,
        line=str(looked.line).rstrip(),
        cosigned=looked.cosigned.decode(),
        unknown=list(looked.unknown),
        file=None if output is None else str(output),
        kept=kept,
    )
    status = Exit.INCOMPLETE if looked.unknown else Exit.OK
    return Answer(
        status,
        members,
        "\n".join(_looked(looked, kept, written=put or output is not None)),
        asked_for=output is None and not put,
    )


@command.command("add")
@click.argument("file", type=_FILE)
@with_policy
@click.pass_obj
def add_command(run: Run, file: Path) -> Answer:
    """Keep in the archive what a witness has cosigned; done by the operator, with the file that `look` wrote."""
    from archiver.cli.answers_witness import KeptCosignatures  # noqa: PLC0415 - loaded when called
    from archiver.cli.files import read_input  # noqa: PLC0415
    from archiver.cli.opening import open_policy  # noqa: PLC0415
    from archiver.flows.session import open_session  # noqa: PLC0415
    from archiver.flows.witness.witness import add  # noqa: PLC0415

    data = read_input(file, "a cosigned checkpoint", limit=_MAX_NOTE)
    policy = open_policy(run)
    with open_session(
        policy, clock=run.clock, random=run.random, environ=run.environ, listener=run.talk.hear
    ) as session:
        added = add(session, data)
    text = [line for one in added for line in _added(_kept(one))]
    return Answer(Exit.OK, KeptCosignatures([_kept(one) for one in added]), "\n".join(text))


def _key(text: str | None, home: Home) -> KeyUri:
    """Read where the witness's key lies: a URI as in a policy, or the name of a file."""
    from archiver.model.key_uri import BadKeyUriError, FileKey, parse_key_uri  # noqa: PLC0415 - loaded when called

    if text is None or not text.startswith(("file:", "pkcs11:", "awskms:")):
        return FileKey(home.key if text is None else Path(text))
    try:
        return parse_key_uri(text)
    except BadKeyUriError as problem:
        raise UsageError("usage", f"--key: {problem}", hint=f"write {problem.instead}") from problem


def _who(key: WitnessKey) -> str:
    from archiver.model.trust import groups  # noqa: PLC0415 - loaded when called

    digits = groups(key.fingerprint).split(" ")
    rows = [
        ("witness", key.name),
        ("vkey", str(key)),
        ("SHA-256", " ".join(digits[:4])),
        ("", " ".join(digits[4:])),
    ]
    return "\n".join(
        [*columns(rows), "", "read the SHA-256 of the vkey out, on the telephone, to whoever is to trust it"]
    )


def _looked(looked: Looked, kept: KeptCosignature | None, *, written: bool) -> list[str]:
    new = looked.size - (looked.before or 0)
    rows = [
        ("log", looked.origin),
        ("seen before", "nothing, this is the first look" if looked.before is None else f"{looked.before:,} entries"),
        ("seen now", f"{count(looked.size, 'entry', 'entries')}, {new:,} of them new"),
        ("root", looked.root),
        ("cosigned", f"{looked.at} by {looked.key.name}"),
    ]
    lines = [*columns(rows)]
    if kept is not None:
        lines += ["", *_added(kept)]
    if looked.unknown:
        more = len(looked.unknown) - _MOST
        lines += ["", "needs a look:", *indented(looked.unknown[:_MOST])]
        lines += [f"  and {more:,} more, with --json"] if more > 0 else []
    if looked.before is None:
        lines += ["", "compare the root with others who have seen this log: a first look has nothing to go on from"]
    return lines if written else [*lines, "", *looked.cosigned.decode().rstrip().split("\n")]


def _kept(added: Added) -> KeptCosignature:
    from archiver.cli.answers_witness import KeptCosignature  # noqa: PLC0415 - loaded when called

    return KeptCosignature(added.name, added.size, added.root, added.at, added.key, added.fresh)


def _added(one: KeptCosignature) -> list[str]:
    what = "is kept" if one.fresh else "was kept before"
    return [
        f"{one.name} has seen {count(one.size, 'entry', 'entries')} at {one.at}; this {what}",
        *indented(columns([("root", one.root), ("object", one.key)])),
    ]
