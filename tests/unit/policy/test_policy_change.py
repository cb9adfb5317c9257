"""A hold grows and never shrinks; what else changes is said."""

# ruff: noqa: E501 - a message stands on one line, as a person sees it

from __future__ import annotations

from dataclasses import replace

import pytest

from archiver.errors import Exit
from archiver.model.instant import format_instant
from archiver.model.policy_change import MAX_CHANGES, MatterFacts, PolicyFacts, SourceFacts, compare
from archiver.model.policy_yaml import PolicyError
from archiver.model.statement import By, MatterWords, PolicyPredicate, SourceWords

SECOND_MATTER = """  - id: B
    title: b
    authority: b
    issued: "2026-01-08"
    hold: {stated_as: "for long", retain_until: "2030-01-01T00:00:00Z", mode: compliance, legal_hold: true}
sources:
"""


def facts(policy, *, text=True):
    """Return what a signed statement about this policy says."""
    return PolicyFacts(
        archive=policy.archive,
        revision=1,
        sha256=policy.sha256,
        matters=tuple(
            MatterFacts(one.id, one.hold.retain_until, "COMPLIANCE", legal_hold=True) for one in policy.matters
        ),
        sources=tuple(SourceFacts(one.id, one.kind, one.location, one.matters) for one in policy.sources),
        expected_every_hours=policy.expected_every_hours,
        text=policy.text if text else None,
    )


def test_the_same_policy_changes_nothing(bench):
    change = compare(facts(bench.read()), bench.read())
    assert (change.refusals, change.changes) == ((), ())
    change.require(bench.read())


def test_the_facts_are_those_of_the_signed_statement(bench):
    policy = bench.read()
    predicate = PolicyPredicate(
        archive=policy.archive,
        archive_id="0" * 32,
        id="20261123T120000Z-000000",
        at="2026-11-23T12:00:00Z",
        by=By(tool="archiver", version="1", host="h", user="u", principal=None, clock_offset_s=None),
        revision=1,
        sha256=policy.sha256,
        previous=None,
        matters=[
            MatterWords(
                id=one.id,
                retain_until=format_instant(one.hold.retain_until),
                mode=one.hold.lock_mode,
                legal_hold=True,
                instrument=None,
            )
            for one in policy.matters
        ],
        sources=[
            SourceWords(id=one.id, kind=one.kind, location=one.location, matters=list(one.matters))
            for one in policy.sources
        ],
        expected_every_hours=24,
        changes=[],
    )
    assert PolicyFacts.of(predicate, policy.text) == facts(policy)


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("archive: eu-dsa-grok", "archive: other",
         "2:10: archive: expected the archive eu-dsa-grok, found other: an archive never changes its name; write eu-dsa-grok"),
        ('"2027-01-01T12:00:00Z"', '"2027-01-01T11:59:59Z"',
         ('10:21: matters[0].hold.retain_until: expected 2027-01-01T12:00:00Z or later, found 2027-01-01T11:59:59Z: '
         'a hold is never shortened; write "2027-01-01T12:00:00Z" or later')),
    ],
)  # fmt: skip
def test_what_weakens_a_hold_is_refused_with_its_line(bench, old, new, line):
    policy = bench.read(old, new)
    with pytest.raises(PolicyError) as refused:
        compare(facts(bench.read()), policy).require(policy)
    assert (refused.value.code, refused.value.exit_status) == ("policy-weakened", Exit.USAGE)
    assert refused.value.message == f"{bench.path}:{line}"


def test_a_matter_that_is_gone_is_refused(bench):
    change = compare(facts(bench.read("sources:\n", SECOND_MATTER)), bench.read())
    assert [str(one) for one in change.refusals] == [
        "4:3: matters: the matter B is gone; a matter stays until a signed release; write it again"
    ]


def test_a_renamed_matter_is_a_matter_that_is_gone(bench):
    old = facts(bench.read())
    bench.base = bench.base.replace("EU-DSA-GROK", "EU-DSA-GROK-2")
    (refusal,) = compare(old, bench.read()).refusals
    assert (
        refusal.text
        == "the matter EU-DSA-GROK is gone; a matter stays until a signed release (renamed to EU-DSA-GROK-2?)"
    )


@pytest.mark.parametrize(
    ("old", "new", "lines"),
    [
        ('"2027-01-01T12:00:00Z"', '"2028-01-01T12:00:00Z"',
         ["matter EU-DSA-GROK: held until 2028-01-01T12:00:00Z, before until 2027-01-01T12:00:00Z"]),
        ("sources:\n", SECOND_MATTER, ["matter B added, held until 2030-01-01T00:00:00Z"]),
        ("./evidence/mail", "./elsewhere", ["source mail: at ./elsewhere, before at ./evidence/mail"]),
        ("kind: documents", "kind: model_logs", ["source mail: read as model_logs, before as documents"]),
        ("id: mail", "id: post",
         ["source post added: documents at ./evidence/mail for EU-DSA-GROK", "source mail removed (documents at ./evidence/mail)"]),
        ('include: ["**"]', 'include: ["**"]\n    exclude: [{glob: "**/*.tmp", reason: "scratch"}]',
         ["sources[mail].exclude: **/*.tmp, scratch added"]),
        ('include: ["**"]', 'include: ["a/**"]', ["sources[mail].include: a/** added", "sources[mail].include: ** removed"]),
        ('include: ["**"]', 'include: ["**"]\n    ended: {at: "2026-06-30T12:00:00Z", reason: "closed"}',
         ["sources[mail].ended.at: 2026-06-30T12:00:00Z, before left out", "sources[mail].ended.reason: closed, before left out"]),
        ("authority: European Commission", "authority: DG CONNECT",
         ["matters[EU-DSA-GROK].authority: DG CONNECT, before European Commission"]),
        ("authority: European Commission", "authority: European Commission\n    instrument: ./order.pdf",
         ["matters[EU-DSA-GROK].instrument: ./order.pdf, before left out"]),
        ("./archive", "./vault", ["destinations[vault].location: ./vault, before ./archive"]),
        ("version: 1\n", "version: 1 # as before\n",
         ["the text of the policy changed, but nothing that it says about matters and sources"]),
        ("version: 1\n", "version: 1\nexpected_every_hours: 12\n", ["expected every 12 hours, before every 24"]),
        ("version: 1\n", "version: 1\nlimits: {snapshot_bytes: 1GiB}\n",
         ["limits.snapshot_bytes: 1073741824, before 1099511627776"]),
    ],
)  # fmt: skip
def test_each_other_change_is_a_line(bench, old, new, lines):
    change = compare(facts(bench.read()), bench.read(old, new))
    assert change.refusals == ()
    assert list(change.changes) == lines


def test_without_the_earlier_text_the_statement_is_enough(bench):
    old = facts(bench.read(), text=False)
    change = compare(old, bench.read("./evidence/mail", "./elsewhere"))
    assert change.changes == ("source mail: at ./elsewhere, before at ./evidence/mail",)
    assert compare(old, bench.read('"2027-01-01T12:00:00Z"', '"2026-12-31T00:00:00Z"')).refusals


def test_an_earlier_text_that_cannot_be_read_any_more_is_no_obstacle(bench):
    old = replace(facts(bench.read()), sha256="0" * 64, text=b"version: 0\n")
    assert compare(old, bench.read()).refusals == ()


def test_the_lines_fit_into_a_statement(bench):
    rules = "".join(f'      - {{glob: "folder-{n}/**", reason: "{"x" * 30}"}}\n' for n in range(120))
    text = '    include: ["**"]\n'
    change = compare(facts(bench.read()), bench.read(text, f"{text}    exclude:\n{rules}"))
    assert sum(len(line.encode()) for line in change.changes) < MAX_CHANGES + 100
    assert change.changes[-1].startswith("and ")
    assert change.changes[-1].endswith(" more changes; the policies themselves show them")
