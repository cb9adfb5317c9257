"""What the doctor looks at of sources that lie elsewhere: do they answer, and may these credentials read them.

Nothing is written there, and no query is put: a bucket is listed until its first object, which is opened; of a database
the columns of the query are asked for.

>>> [item.found for item in source_items(policy)]
['so it is']
"""

from __future__ import annotations

from collections.abc import Iterator

from archiver.errors import UsageError
from archiver.flows.doctor.items import Item, State
from archiver.model.policy import Policy, Source
from archiver.sources.base import ReadProblem, SourceUnavailable
from archiver.sources.location import location

__all__ = ["source_items"]

_RIGHTS = "allow s3:ListBucketVersions, s3:GetObject, s3:GetObjectVersion and the two for tags, and nothing else"


def source_items(policy: Policy) -> Iterator[Item]:
    """Look at every source that is no folder and no pipe."""
    for source in policy.sources:
        if source.ended is None and source.path is None and source.received is None:
            yield _reached(source)
            if source.query is None:
                yield from _same_credentials(policy, source)


def _reached(source: Source) -> Item:
    subject, expected = f"source {source.id}", "a place that can be listed and read"
    place = location(source)
    try:
        first = next((found for found in place.walk() if found.content), None)
        if first is None:
            return Item("source", State.UNKNOWN, subject, expected, "nothing is there", "check bucket and prefix")
        if source.query is None:
            with place.open(first) as opened:
                opened.read(1)
    except (SourceUnavailable, UsageError) as problem:
        return Item("source", State.FAILED, subject, expected, problem.message, problem.hint)
    except ReadProblem as problem:
        return Item("source", State.FAILED, subject, expected, problem.problem.detail, _RIGHTS)
    return Item("source", State.OK, subject, expected, "so it is")


def _same_credentials(policy: Policy, source: Source) -> Iterator[Item]:
    """Say where a source is read with what the archive is written with: a reader needs no power to write."""
    for one in policy.destinations:
        if one.path is None and one.ended is None and one.profile == source.profile and one.endpoint == source.endpoint:
            found = f"those that the archive {one.id} is written with"
            remedy = f"name a `profile` of its own for the source: {_RIGHTS}"
            expected = "credentials that can read it and nothing else"
            yield Item("source-credentials", State.NOTE, f"source {source.id}", expected, found, remedy)
