"""Every line of a snapshot, sorted into what a restore has to do and what is only to be said.

>>> sort_lines(pipes.lines(wanted, may_be_gone), choice, plan, account)
"""

from __future__ import annotations

from collections.abc import Iterator

from archiver.errors import Exit
from archiver.flows.restore.account import Account, kind_of, why
from archiver.flows.restore.choice import Choice
from archiver.flows.restore.plain import plain_of_usual
from archiver.flows.restore.plan import Plan
from archiver.model.items import CONTENT_STATUSES, ItemLine

__all__ = ["sort_lines"]


def sort_lines(lines: Iterator[bytes], choice: Choice, plan: Plan, account: Account) -> None:
    """Sort the lines of the snapshot; when this ends without an error, every line of it was checked."""
    for raw in lines:
        plain = plain_of_usual(raw)
        takes = None if plain is None else choice.takes_plain(plain)
        if plain is not None and takes is not None:
            if takes:
                choice.matched = True
                plan.add_plain(plain, raw)
            continue
        line = ItemLine.parse(raw)
        if choice.source not in (None, line.item.source):
            continue
        takes = choice.takes(line)
        if line.item.members and (line.status == "recorded" or not choice.decoded):
            continue  # a folder or link inside a container: what it holds has names of its own
        if line.kind == "directory" and line.status not in ("absent", "excluded"):
            plan.add_folder(line, chosen=takes)
            if takes and line.status == "failed":
                account.missing(line, "failed", why(line), Exit.INCOMPLETE)
        elif not takes:
            continue
        elif line.status in CONTENT_STATUSES:
            if choice.allows(line, account):
                plan.add_file(line)
        else:
            status = Exit.INCOMPLETE if line.status == "failed" else Exit.OK
            reason = kind_of(line).replace(" ", "-") if line.status == "recorded" else line.status
            account.missing(line, reason, why(line), status)
        choice.matched = choice.matched or takes
