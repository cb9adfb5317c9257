"""What a process of this program is told first, the command's own and those that work beside it: what not to look for.

Nothing here changes what a command does. It would take a third longer to start and to end without.
"""

from __future__ import annotations

import atexit
import gc
import os

__all__ = ["begin"]


def begin() -> None:
    """Spare Python and pydantic what they would look for; before any module with models is loaded."""
    # Modules and records make objects by the hundred thousand and hardly a cycle: looking for cycles at every 700th is
    # an eighth of what it takes to start, and to look once at 200,000 of those that a snapshot of many files makes is
    # 0.04 s, in which its main thread does nothing else. A million are at most some 200 MB.
    gc.set_threshold(1_000_000, 20, 100)
    # Everything is closed where it was opened. At its end Python would look for cycles among all modules once more: a
    # tenth of what a command takes that has nothing to do.
    atexit.register(gc.freeze)
    # Arrow would give memory back to the system a hundredth of a second after it was used, and take it again for the
    # next few rows, cleared: a thirtieth of what it takes to verify logs. Within a second it is used again.
    os.environ.setdefault("MIMALLOC_PURGE_DELAY", "1000")
    # What a policy, a statement or a trust file must look like is not for plugins of other packages to change. Looking
    # for some among all that is installed would also be a twentieth of what it takes to start.
    os.environ["PYDANTIC_DISABLE_PLUGINS"] = "__all__"
