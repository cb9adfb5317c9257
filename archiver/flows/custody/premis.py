"""A chain of custody as PREMIS 3: the item and what holds it are objects, links are events, people and tools agents.

PREMIS (Preservation Metadata: Implementation Strategies) is what archives exchange such facts in; its schema is the
Library of Congress's, version 3.0. An event whose kind the Library's list of event types has bears that word.

>>> to_premis(chain, str).startswith("<?xml")
True
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final
from xml.etree.ElementTree import Element, SubElement, indent, register_namespace, tostring

from archiver.flows.custody.chain import Chain
from archiver.flows.custody.events import Event

__all__ = ["NAMESPACE", "to_premis"]

NAMESPACE: Final = "http://www.loc.gov/premis/v3"
_XSI: Final = "http://www.w3.org/2001/XMLSchema-instance"
_TYPES: Final = "http://id.loc.gov/vocabulary/preservation/eventType"
_KNOWN: Final = {
    "policy": "policy assignment",
    "collected": "capture",
    "stored": "ingestion",
    "held": "policy assignment",
    "released": "policy assignment",
    "accessed": "dissemination",
    "verified": "validation",
    "checked": "fixity check",
}
"""Kinds of links and the words that the Library of Congress has for them."""

_STATEMENT, _ITEM, _OBJECT = "archiver statement key", "archiver item", "archiver batch"


def to_premis(chain: Chain, plain: Callable[[str], str]) -> str:
    """Return the chain as one XML document; `plain` escapes what XML cannot hold."""
    register_namespace("premis", NAMESPACE)
    register_namespace("xsi", _XSI)
    root = Element(_name("premis"), {"version": "3.0"})
    maker = _Maker(plain)
    batches = {name for event in chain.events for name in event.objects}
    maker.item(root, chain, batches)
    for batch in sorted(batches):
        maker.batch(root, chain, batch)
    for number, event in enumerate(chain.events, start=1):
        maker.event(root, chain, number, event)
    maker.agents(root, chain.events)
    indent(root)
    document: bytes = tostring(root, encoding="utf-8", xml_declaration=True)
    return document.decode("utf-8") + "\n"


class _Maker:
    def __init__(self, plain: Callable[[str], str]) -> None:
        self._plain = plain

    def item(self, root: Element, chain: Chain, batches: Iterable[str]) -> None:
        """Add the item itself: a file when its bytes were ever kept, else something that is only spoken of."""
        file = chain.sha256 is not None
        category = "premis:file" if file else "premis:intellectualEntity"
        found = SubElement(root, _name("object"), {f"{{{_XSI}}}type": category})
        self.pair(found, "objectIdentifier", _ITEM, chain.item)
        if file:
            self.characteristics(found, chain.sha256, chain.size, "unknown")
        self.text(found, "originalName", "!".join([f"{chain.source}/{chain.path}", *chain.members]))
        if not file:
            return
        for batch in sorted(batches):
            relation = SubElement(found, _name("relationship"))
            self.text(relation, "relationshipType", "structural")
            self.text(relation, "relationshipSubType", "is included in")
            self.pair(relation, "relatedObjectIdentifier", _OBJECT, batch)

    def batch(self, root: Element, chain: Chain, batch: str) -> None:
        """Add a Parquet object that holds its bytes or a line about it."""
        found = SubElement(root, _name("object"), {f"{{{_XSI}}}type": "premis:file"})
        self.pair(found, "objectIdentifier", _OBJECT, batch)
        stored = next((one for one in chain.events if one.kind == "stored" and one.objects == (batch,)), None)
        self.characteristics(found, None if stored is None else stored.sha256, None, "Apache Parquet")

    def characteristics(self, parent: Element, sha256: str | None, size: int | None, form: str) -> None:
        """Add digest, size and format."""
        found = SubElement(parent, _name("objectCharacteristics"))
        if sha256 is not None:
            fixity = SubElement(found, _name("fixity"))
            self.text(fixity, "messageDigestAlgorithm", "SHA-256")
            self.text(fixity, "messageDigest", sha256)
            self.text(fixity, "messageDigestOriginator", "archiver")
        if size is not None:
            self.text(found, "size", str(size))
        designation = SubElement(SubElement(found, _name("format")), _name("formatDesignation"))
        self.text(designation, "formatName", form)

    def event(self, root: Element, chain: Chain, number: int, event: Event) -> None:
        """Add a link: what happened, when by its signer and by timestamps, its outcome, who, and to what."""
        found = SubElement(root, _name("event"))
        # One statement may say several things of an item, and what was found just now is in no statement.
        self.pair(found, "eventIdentifier", _STATEMENT, f"{event.statement or 'just now'}#{number}")
        known = _KNOWN.get(event.kind)
        kind = self.text(found, "eventType", known or event.kind)
        if known is not None:
            kind.attrib.update({"authority": "eventType", "authorityURI": _TYPES})
        self.text(found, "eventDateTime", event.at)
        entry = None if event.entry is None else f"log entry {event.entry} of {chain.origin}"
        before = None if event.not_before is None else f"not before {event.not_before}, by timestamps"
        after = None if event.not_after is None else f"not after {event.not_after}, by timestamps"
        why = None if event.why is None else f"reason: {event.why}"
        for words in (event.what, why, entry, before, after):
            if words:
                self.text(SubElement(found, _name("eventDetailInformation")), "eventDetail", words)
        if event.verdict is not None or event.sha256 is not None:
            outcome = SubElement(found, _name("eventOutcomeInformation"))
            self.text(outcome, "eventOutcome", event.verdict or "stated")
            if event.sha256 is not None:
                note = SubElement(outcome, _name("eventOutcomeDetail"))
                self.text(note, "eventOutcomeDetailNote", f"SHA-256 {event.sha256}")
        self.agent_of(found, "person", _person(event), "implementer")
        self.agent_of(found, "software", event.tool, "executing program")
        for kind_of, value in ((_ITEM, chain.item), *((_OBJECT, one) for one in event.objects)):
            self.pair(found, "linkingObjectIdentifier", kind_of, value)

    def agent_of(self, parent: Element, kind: str, value: str, role: str) -> None:
        """Link an agent."""
        found = self.pair(parent, "linkingAgentIdentifier", kind, value)
        self.text(found, "linkingAgentRole", role)

    def agents(self, root: Element, events: Iterable[Event]) -> None:
        """Add everybody and everything that acted."""
        people = {_person(event): event for event in events}
        for person in sorted(people):
            found = SubElement(root, _name("agent"))
            self.pair(found, "agentIdentifier", "person", person)
            self.text(found, "agentName", people[person].user)
            self.text(found, "agentType", "person")
            self.text(found, "agentNote", f"on the machine {people[person].host}, by its own account")
        for tool in sorted({event.tool for event in events}):
            found = SubElement(root, _name("agent"))
            self.pair(found, "agentIdentifier", "software", tool)
            name, _, version = tool.rpartition(" ")
            self.text(found, "agentName", name)
            self.text(found, "agentType", "software")
            self.text(found, "agentVersion", version)

    def pair(self, parent: Element, name: str, kind: str, value: str) -> Element:
        """Add an identifier: its type and its value."""
        found = SubElement(parent, _name(name))
        self.text(found, f"{name}Type", kind)
        self.text(found, f"{name}Value", value)
        return found

    def text(self, parent: Element, name: str, value: str) -> Element:
        """Add an element that holds a text."""
        found = SubElement(parent, _name(name))
        found.text = self._plain(value)
        return found


def _person(event: Event) -> str:
    return f"{event.user}@{event.host}" + (f" ({event.principal})" if event.principal else "")


def _name(local: str) -> str:
    return f"{{{NAMESPACE}}}{local}"
