"""What a rule kept and passed over of a log: the account in the log's line of `items`, and the sum in the statement.

An account is canonical JSON in the `detail` of a line with the status `recorded` and the reason `selected`. The law:
records and bytes of the log are those that were kept and those that were passed over, by every rule and reason. What
was kept because it could not be judged is counted by reason, too, and is part of what was kept.

>>> Account.parse(Account("0123456789abcdef", 2, 20, Amount(1, 12)).encode()).kept.bytes
12
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Annotated, Final, TypeVar

from archiver.errors import EvidenceError
from archiver.late import dataclass, pattern
from archiver.model.checked import Field, ValidationError
from archiver.model.items import ItemLine
from archiver.model.statement_words import Count, Words
from archiver.model.unjudged import said_of
from archiver.proof import canonical

__all__ = [
    "SELECTED",
    "Account",
    "Amount",
    "KeptRecords",
    "PassedOver",
    "Selected",
    "Sum",
    "Unjudged",
    "account_of",
    "is_kept_whole",
    "selected_by",
    "sentence",
    "told",
]

SELECTED: Final = "selected"
"""Reason of a log of which a selection is kept, in the inner item that its account names."""
_Key = TypeVar("_Key")
_MEMBER: Final = pattern(r"select:([0-9a-f]{16})")
_MAX_DETAIL: Final = 1 << 16
_Select = Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
_Positive = Annotated[int, Field(ge=1, lt=1 << 53)]


class KeptRecords(Words):
    """What was kept."""

    records: Count
    bytes: Count


class Unjudged(Words):
    """What was kept because it could not be judged, by the reason."""

    reason: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,62}$")]
    records: _Positive
    bytes: Count


class PassedOver(Words):
    """What one condition of the rule passed over."""

    rule: Annotated[str, Field(min_length=1)]
    reason: Annotated[str, Field(min_length=1)]
    records: _Positive
    bytes: Count


class AccountWords(Words):
    """An account, as it stands in a line."""

    select: _Select
    records: Count
    bytes: Count
    kept: KeptRecords
    unjudged: list[Unjudged]
    passed_over: list[PassedOver]


class Selected(AccountWords):
    """The accounts of all logs of a source under one rule; part of a `snapshot` statement."""

    items: _Positive


@dataclass(frozen=True)
class Amount:
    """Records and bytes."""

    records: int = 0
    bytes: int = 0

    def __add__(self, other: Amount) -> Amount:
        """Return the sum."""
        return Amount(self.records + other.records, self.bytes + other.bytes)


@dataclass(frozen=True)
class Account:
    """What became of the records of one log, or of several under one rule.

    `select` are the sixteen digits that name the rule; `passed_over` is by rule and reason, `unjudged` by reason.
    """

    select: str
    records: int
    bytes: int
    kept: Amount = Amount()
    unjudged: Mapping[str, Amount] = field(default_factory=dict)
    passed_over: Mapping[tuple[str, str], Amount] = field(default_factory=dict)

    def __add__(self, other: Account) -> Account:
        """Return the sum of two accounts under one rule."""
        return Account(
            self.select,
            self.records + other.records,
            self.bytes + other.bytes,
            self.kept + other.kept,
            _merged(self.unjudged, other.unjudged),
            _merged(self.passed_over, other.passed_over),
        )

    @property
    def adds_up(self) -> bool:
        """Say whether what was kept and what was passed over is all of it, and no part more than the whole."""
        total = sum(self.passed_over.values(), self.kept)
        unjudged = sum(self.unjudged.values(), Amount())
        whole = total == Amount(self.records, self.bytes)
        return whole and unjudged.records <= self.kept.records and unjudged.bytes <= self.kept.bytes

    def words(self) -> AccountWords:
        """Return the account in the words of a line."""
        return AccountWords.model_validate(self._members())

    def summed(self, items: int) -> Selected:
        """Return the account in the words of a statement."""
        return Selected.model_validate({**self._members(), "items": items})

    def _members(self) -> dict[str, object]:
        return {
            "select": self.select,
            "records": self.records,
            "bytes": self.bytes,
            "kept": {"records": self.kept.records, "bytes": self.kept.bytes},
            "unjudged": [
                {"reason": reason, "records": one.records, "bytes": one.bytes}
                for reason, one in sorted(self.unjudged.items())
            ],
            "passed_over": [
                {"rule": rule, "reason": reason, "records": one.records, "bytes": one.bytes}
                for (rule, reason), one in sorted(self.passed_over.items())
            ],
        }

    def encode(self) -> str:
        """Return the `detail` of a line."""
        return canonical.encode(self.words().model_dump(mode="json")).decode()

    @staticmethod
    def parse(detail: str) -> Account:
        """Read the `detail` of a line strictly; raises `EvidenceError("item-malformed")`."""
        value = canonical.decode(detail.encode("utf-8", "surrogatepass"), limit=_MAX_DETAIL)
        try:
            words = AccountWords.model_validate(value)
        except ValidationError as problem:
            raise _malformed(f"{problem.errors(include_url=False)[0]['msg']}, found {detail[:160]}") from problem
        account = Account(
            words.select,
            words.records,
            words.bytes,
            Amount(words.kept.records, words.kept.bytes),
            {one.reason: Amount(one.records, one.bytes) for one in words.unjudged},
            {(one.rule, one.reason): Amount(one.records, one.bytes) for one in words.passed_over},
        )
        if account.encode() != detail:
            raise _malformed(f"one entry for each rule and reason, in order, found {detail[:160]}")
        if not account.adds_up:
            raise _malformed(f"kept and passed over to be all of the log, found {detail[:160]}")
        return account


class Sum:
    """The accounts of many logs, one for each rule."""

    def __init__(self) -> None:
        """Begin with no logs."""
        self._accounts: dict[str, tuple[Account, int]] = {}

    def add(self, account: Account) -> None:
        """Add the account of a log."""
        before, items = self._accounts.get(account.select, (None, 0))
        self._accounts[account.select] = (account if before is None else before + account, items + 1)

    def words(self) -> list[Selected]:
        """Return what a statement says of them."""
        return [account.summed(items) for _, (account, items) in sorted(self._accounts.items())]


def sentence(one: AccountWords) -> str:
    """Say an account for people."""
    kept = f"{one.kept.records:,} of {one.records:,} records kept, {one.kept.bytes:,} of {one.bytes:,} bytes"
    unjudged = ", ".join(f"{by.records:,} {by.reason}" for by in one.unjudged)
    passed = ", ".join(f"{by.records:,} by {by.rule} ({by.reason})" for by in one.passed_over)
    words = f"{kept}; passed over: {passed or 'none'}"
    return f"{words}; kept because they could not be judged: {unjudged}" if unjudged else words


def told(line: ItemLine) -> str | None:
    """Return the detail of a line for people: an account as a sentence, all else as it stands."""
    account = account_of(line) if line.reason == SELECTED else None
    return line.detail if account is None else f"{line.reason}: {sentence(account.words())}"


def selected_by(line: ItemLine) -> str | None:
    """Return the sixteen digits of the rule that selected from a log, None for any other line."""
    if line.status != "recorded" or line.reason != SELECTED or line.detail is None:
        return None
    found = _MEMBER.fullmatch(line.detail)
    return found[1] if found else Account.parse(line.detail).select


def is_kept_whole(line: ItemLine, member: str = "") -> bool:
    """Say whether an item was kept whole because nothing could be selected from it, by this rule if one is named."""
    said = said_of(line.detail)
    return said is not None and said[0].startswith("select:") and member in ("", said[0])


def account_of(line: ItemLine) -> Account | None:
    """Return the account of a log of which a selection is kept, None for any other line.

    A compressed log has its account in the line of its decoded stream and names the selection alone. Raises
    `EvidenceError("item-malformed")`.
    """
    if line.status != "recorded" or line.reason != SELECTED:
        return None
    if line.detail is None:
        raise _malformed("one, found none")
    if _MEMBER.fullmatch(line.detail):
        return None
    account = Account.parse(line.detail)
    if line.size != account.bytes:
        raise _malformed(f"an account of {line.size} bytes, found one of {account.bytes}")
    return account


def _merged(one: Mapping[_Key, Amount], other: Mapping[_Key, Amount]) -> dict[_Key, Amount]:
    return {key: one.get(key, Amount()) + other.get(key, Amount()) for key in {**one, **other}}


def _malformed(found: str) -> EvidenceError:
    return EvidenceError("item-malformed", f"items line, account of a selection: expected {found}")
