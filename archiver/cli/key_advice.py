"""What to do when a key is lost, and when somebody else may have it.

>>> if_lost(fact)[0]
'put it back from your backup: nothing else needs to be done'
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from archiver.cli.words import short

if TYPE_CHECKING:
    from archiver.flows.key.facts import KeyFact

__all__ = ["if_lost", "if_stolen"]


def if_lost(fact: KeyFact) -> list[str]:
    """Say what to do when nobody has the key any more."""
    if fact.state in {"retired", "revoked"}:
        return ["nothing: it signs nothing any more, and what it signed is checked with its public key"]
    if fact.role == "post-quantum":
        return [
            "put it back from your backup, or give it a successor, which needs nothing of it:",
            "archiver key rotate post-quantum",
        ]
    if fact.role == "approver":
        return [
            f"archiver key retire {short(fact.keyid)} --reason TEXT",
            "then let the approver make another (archiver hold approver) and admit it (archiver hold admit)",
        ]
    return [
        "put it back from your backup: nothing else needs to be done",
        "without a backup this archive can be verified for ever, and never be continued: no new key can be made for",
        "it, because nobody could tell it from a forger's. Go on in a new archive that signs where the old one ended:",
        "  copy the policy to a fresh folder, with another destination and another state folder, and there",
        "  archiver init --continues OLD_LOCATION --trust OLD_TRUST_FILE",
        "then give both trust files to the auditor",
    ]


def if_stolen(fact: KeyFact) -> list[str]:
    """Say what to do when somebody else may have the key."""
    revoke = f"archiver key revoke {short(fact.keyid)} --since T --reason TEXT"
    handed = "archiver trust export, and hand the new trust file out at once, by telephone with its SHA-256"
    if fact.role == "post-quantum":
        return ["alone it signs nothing that counts: a head needs the log key's signature, too", revoke, handed]
    if fact.role == "log" and fact.state == "current":
        return [
            "archiver key rotate log --reason TEXT",
            handed,
            "whoever has the old key can sign another history up to the size where it ended; the trust file states",
            "what was seen, and a witness remembers it, so that such a history is found to be one",
        ]
    if fact.role == "log":
        return ["it signs no size after its last one; see that the auditor's trust file is the newest", handed]
    if fact.state == "current":
        return [revoke, "it gets a successor, which does not rest on it; back that up", handed]
    return [revoke, handed]
