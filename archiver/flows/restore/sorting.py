"""Every line of a snapshot, sorted into what a restore has to do and what is only to be said.

>>> sort_lines(pipes.lines(wanted, may_be_gone), choice, plan, account)
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Final

from archiver.errors import Exit
from archiver.flows.restore.account import Account, kind_of, why
from archiver.flows.restore.choice import Choice
from archiver.flows.restore.plain import Plain, plain_or_lines, runs
from archiver.flows.restore.plan import Plan
from archiver.model.items import CONTENT_STATUSES, ItemLine

__all__ = ["sort_lines"]

_AT_ONCE: Final = 1000


def sort_lines(lines: Iterator[bytes], choice: Choice, plan: Plan, account: Account) -> None:
    """Sort the lines of the snapshot; when this ends without an error, every line of it was checked."""
    while some := list(islice(lines, _AT_ONCE)):
        for plain, few in plain_or_lines(some):
            if plain is not None and choice.knows_plain:
                _sort_plain(plain, choice, plan)
            else:
                for raw in few:
                    _sort(ItemLine.parse(raw), choice, plan, account)


def _sort_plain(plain: Plain, choice: Choice, plan: Plan) -> None:
    for is_taken, few in runs(choice.takes_plain(plain)):
        if is_taken:
            choice.matched = True
            plan.add_plain(plain.cut(few.start, few.stop))


def _sort(line: ItemLine, choice: Choice, plan: Plan, account: Account) -> None:
    if choice.source not in (None, line.item.source):
        return
    takes = choice.takes(line)
    if line.item.members and (line.status == "recorded" or not choice.decoded):
        return  # a folder or link inside a container: what it holds has names of its own
    if line.kind == "directory" and line.status not in ("absent", "excluded"):
        plan.add_folder(line, chosen=takes)
        if takes and line.status == "failed":
            account.missing(line, "failed", why(line), Exit.INCOMPLETE)
    elif not takes:
        return
    elif line.status in CONTENT_STATUSES:
        if choice.allows(line, account):
            plan.add_file(line)
    else:
        status = Exit.INCOMPLETE if line.status == "failed" else Exit.OK
        reason = kind_of(line).replace(" ", "-") if line.status == "recorded" else line.status
        account.missing(line, reason, why(line), status)
    choice.matched = choice.matched or takes
