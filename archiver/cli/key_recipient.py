"""`archiver key recipient`: the key that opens what is kept in quarantine, made far from the machine that archives."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from archiver.cli.context import Answer, Run
from archiver.cli.group import Group
from archiver.cli.options import common
from archiver.cli.words import columns
from archiver.errors import Exit, UsageError

if TYPE_CHECKING:
    from archiver.cli.answers_keys import RecipientShown
    from archiver.proof.wrapping import Recipient

__all__ = ["recipient_group"]

_PUBLIC = b"-----BEGIN PUBLIC KEY-----"


@click.group("recipient", cls=Group)
@common
def recipient_group() -> None:
    """Make or show the key of a recipient, who alone can open what a policy keeps in quarantine."""


@recipient_group.command("make")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--passphrase", metavar="REF", help="Where the passphrase is that is to seal it: env:NAME or file:PATH.")
@common
@click.pass_obj
def make_command(run: Run, file: Path, passphrase: str | None) -> Answer:
    """Make a new X25519 key: the private half in FILE, the public half beside it with the ending .pub."""
    from archiver.signing.file import passphrase_from  # noqa: PLC0415 - loaded when called
    from archiver.signing.recipient import create_recipient, public_pem, write_public  # noqa: PLC0415

    public = file.with_suffix(".pub")
    if public == file:
        raise UsageError("usage", f"{file}: expected a name for the private half, found the ending of the public one")
    if public.exists():
        hint = "it may be the public half of a key that is in use: name another file"
        raise UsageError("key-exists", f"{public}: expected no file, found one", hint=hint)
    recipient = create_recipient(file, passphrase_from(passphrase, run.environ))
    # A crash here leaves a private key without its public half, which `show` prints.
    write_public(public, str(public_pem(recipient)))
    members = _words(recipient, "X25519", str(file), str(public))
    sealed = "sealed with the passphrase" if passphrase else "NOT sealed with a passphrase: whoever reads it can open"
    text = [
        *columns([("key", recipient.keyid), ("private", f"{file}, {sealed}"), ("public", str(public))]),
        "",
        f"the private half opens what is sealed for it, and nothing else does: keep two copies of {file}, far from the",
        "machine that archives and from each other",
        f"the public half goes to that machine, into the policy, below a matter:  recipient: {public.name}",
        f"to open later:  archiver verify --open {file}" + (f" --open-passphrase {passphrase}" if passphrase else ""),
    ]
    return Answer(Exit.OK, members, "\n".join(text), asked_for=True)


@recipient_group.command("show")
@click.argument("key")
@click.option("--passphrase", metavar="REF", help="Where the passphrase of a private key is: env:NAME or file:PATH.")
@common
@click.pass_obj
def show_command(run: Run, key: str, passphrase: str | None) -> Answer:
    """Show the id and the public half of KEY: a public or private key file, pkcs11:... or awskms:...

    Of a private key nothing but its public half is shown.
    """
    from archiver.cli.sealed import key_named  # noqa: PLC0415 - loaded when called
    from archiver.model.key_uri import FileKey, place_of  # noqa: PLC0415
    from archiver.signing.recipient import open_recipient, public_of, public_pem  # noqa: PLC0415

    where = key_named(key)
    if isinstance(where, FileKey) and not _is_public(where.path):
        recipient = public_of(where.path, passphrase, run.environ)
    else:
        recipient = open_recipient(where)
    pem, means = public_pem(recipient), _means(recipient)
    members = _words(recipient, means, place_of(where), None)
    text = [*columns([("key", recipient.keyid), ("kind", means), ("lies in", place_of(where))]), ""]
    text += pem.splitlines() if pem else ["it has no public half: the service seals for it, and opens"]
    return Answer(Exit.OK, members, "\n".join(text), asked_for=True)


def _is_public(path: Path) -> bool:
    from archiver.model.named_file import read_named  # noqa: PLC0415 - loaded when called
    from archiver.proof.keys import MAX_PEM  # noqa: PLC0415

    try:
        return read_named(path, MAX_PEM).startswith(_PUBLIC)
    except OSError:
        return False  # said where it is read as a private key, with mode and all


def _means(recipient: Recipient) -> str:
    from archiver.proof.wrapping import RsaRecipient, X25519Recipient  # noqa: PLC0415 - loaded when called

    if isinstance(recipient, X25519Recipient):
        return "X25519"
    return f"RSA {recipient.public.key_size}" if isinstance(recipient, RsaRecipient) else "AWS KMS"


def _words(recipient: Recipient, kind: str, place: str, public_file: str | None) -> RecipientShown:
    from archiver.cli.answers_keys import RecipientShown  # noqa: PLC0415 - loaded when called
    from archiver.signing.recipient import public_pem  # noqa: PLC0415

    return RecipientShown(recipient.keyid, kind, place, public_pem(recipient), public_file)
