"""Who we are at the store, asked while a session opens: what statements say in `by.principal`.

Laws: nobody waits longer than a second for it, and nothing fails for want of it: a store that does not say, refuses the
question or takes too long leaves null; what is written down is a name that the store gave, never a secret, and one that
a statement can carry.

>>> asked = ask_principal(stores)
>>> asked()
'arn:aws:iam::123456789012:user/archiver-writer'
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Final

from archiver.stores.base import Store

__all__ = ["ask_principal"]

PATIENCE_S: Final = 1.0
_MOST: Final = 2048  # an ARN has at most so many characters


def ask_principal(stores: Sequence[Store]) -> Callable[[], str | None]:
    """Ask the first store that knows such a thing, in the background; return what waits for the answer, a little."""
    ask = next((found for store in stores if (found := getattr(store, "account", None)) is not None), None)
    if ask is None:
        return lambda: None
    answers: list[str | None] = []
    # a daemon, so that a question which nobody answers does not hold up the end of the program
    thread = threading.Thread(target=lambda: answers.append(ask()), name="principal", daemon=True)
    thread.start()

    def answer() -> str | None:
        thread.join(PATIENCE_S)
        return _name(answers[0]) if answers else None

    return answer


def _name(account: str | None) -> str | None:
    """Return the principal of an account and a principal; the account's number is a part of it."""
    name = (account or "").rpartition(", ")[2]
    return name if 0 < len(name) <= _MOST and name.isprintable() else None
