"""The list of commands. A command's module is loaded when the command is called, so that `--help` loads none."""

from __future__ import annotations

from importlib import import_module
from typing import Final

import click

from archiver import __version__
from archiver.cli.group import Group
from archiver.cli.options import with_policy

__all__ = ["COMMANDS", "GROUPS", "program"]

COMMANDS: Final[dict[str, tuple[str, str]]] = {
    "init": ("init", "Make keys and the trust file of a new archive."),
    "plan": ("plan", "Show what a snapshot would take and pass over, and why."),
    "snapshot": ("snapshot", "Collect, sign, lock and log everything the policy names."),
    "status": ("status", "Say how the archive stands, and as of when."),
    "verify": ("verify", "Check the whole archive against the trust file."),
    "list": ("listing", "List snapshots, batches, items or statements."),
    "show": ("show", "Show a snapshot, a batch or another statement."),
    "derive": ("derive", "Read archived logs with other dialects, into tables of their own."),
    "restore": ("restore", "Write the archived files to a new folder."),
    "prove": ("prove", "Make a proof of one record, to be checked offline."),
    "custody": ("custody", "Print the chain of custody of one item."),
    "declare": ("declare", "Fill in a declaration of true copy and custody to sign."),
    "check-proof": ("check_proof", "Check a proof of one record, offline."),
    "audit-kit": ("audit_kit", "Make a folder that an auditor can check without this program."),
    "trust": ("trust", "Show a trust file, or write the one to hand out."),
    "witness": ("witness", "See the log from outside, remember it, and cosign it."),
    "timestamp": ("timestamp", "Stamp what is pending, or everything anew."),
    "hold": ("hold", "Show, extend and, on two approvals, release holds."),
    "key": ("key", "Show keys, give one a successor, end one that is lost or stolen."),
    "doctor": ("doctor", "Look at everything that could break the promise, and try it."),
    "catalog": ("catalog", "Rebuild the local index from the store."),
}
"""Name of each command: module in this folder, and its line in `--help`."""

GROUPS: Final = ("trust", "witness", "timestamp", "hold", "key", "doctor", "catalog")
"""Commands that have commands of their own."""

_EPILOG: Final = (
    "Exit status: 0 done, 1 evidence missing or changed, 2 usage or policy, 3 incomplete or unknown, "
    "4 lock too weak, 5 storage, network or disk, 6 another run is at work."
)


class _Commands(Group):
    """Loads a command when it is called, and words the list without loading any."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        if cmd_name not in COMMANDS:
            return None
        module = import_module(f"archiver.cli.{COMMANDS[cmd_name][0]}")
        command: click.Command = module.command
        return command

    def lines(self, ctx: click.Context) -> list[tuple[str, str]]:  # noqa: ARG002 - of any group
        return [(name, line) for name, (_, line) in COMMANDS.items()]


@click.group(
    cls=_Commands, epilog=_EPILOG, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(__version__, prog_name="archiver", message="%(prog)s %(version)s")
@with_policy
def program() -> None:
    """Keep documents and model logs under legal hold, so that anyone can prove later that nothing was lost or changed.

    Begin with `archiver plan`, then `archiver snapshot`, then `archiver verify`.
    """
