"""What each command answers with `--json`, beside `command`, `archive`, `exit` and `error`.

Laws: the published schemas (`schemas/cli/`) are generated from these classes; members are only ever added. Sizes are
bytes, times RFC 3339 in UTC, digests lowercase hex. Names of items are spelled as in the archive.
"""

from __future__ import annotations

from typing import Final

from archiver.cli.answers_doctor import Doctored, PrintedPolicy
from archiver.cli.answers_reading import (
    Check,
    CheckedProof,
    Finding,
    ListedBatch,
    ListedItem,
    ListedSnapshot,
    ListedStatement,
    Listing,
    MadeProof,
    NotRestored,
    Remark,
    RestoredFiles,
    ShownStatement,
    ShownStatements,
    ShownTrust,
    Subject,
    Verified,
    VerifiedBatch,
    VerifiedSnapshot,
)
from archiver.cli.answers_shared import (
    Destination,
    Position,
)
from archiver.cli.answers_writing import (
    Attempt,
    BelowHold,
    Continued,
    Counts,
    ExplainedItem,
    ExportedTrust,
    Hold,
    Initialised,
    ItemTrouble,
    MadeKeys,
    Planned,
    PlannedRule,
    PlannedSource,
    Reading,
    RebuiltCatalog,
    SnapshotRule,
    SnapshotSource,
    Snapshotted,
    Standing,
)

__all__ = [
    "ANSWERS",
    "Attempt",
    "BelowHold",
    "Check",
    "CheckedProof",
    "Continued",
    "Counts",
    "Destination",
    "ExplainedItem",
    "ExportedTrust",
    "Finding",
    "Hold",
    "Initialised",
    "ItemTrouble",
    "ListedBatch",
    "ListedItem",
    "ListedSnapshot",
    "ListedStatement",
    "Listing",
    "MadeKeys",
    "MadeProof",
    "NotRestored",
    "Planned",
    "PlannedRule",
    "PlannedSource",
    "Position",
    "Reading",
    "RebuiltCatalog",
    "Remark",
    "RestoredFiles",
    "ShownStatement",
    "ShownStatements",
    "ShownTrust",
    "SnapshotRule",
    "SnapshotSource",
    "Snapshotted",
    "Standing",
    "Subject",
    "Verified",
    "VerifiedBatch",
    "VerifiedSnapshot",
]

ANSWERS: Final[dict[str, type]] = {
    "init": Initialised,
    "plan": Planned,
    "snapshot": Snapshotted,
    "status": Standing,
    "verify": Verified,
    "list": Listing,
    "show": ShownStatements,
    "restore": RestoredFiles,
    "prove": MadeProof,
    "check-proof": CheckedProof,
    "trust show": ShownTrust,
    "trust export": ExportedTrust,
    "catalog rebuild": RebuiltCatalog,
    "doctor": Doctored,
    "doctor policy": PrintedPolicy,
}
"""Every command and the class of its answer."""
