"""Options that several commands share; `--json`, `-q` and `-p` may stand before and after the command's name."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce, wraps
from typing import Any, TypeVar

import click

from archiver.cli.context import Run
from archiver.errors import UsageError
from archiver.late import dataclass

__all__ = ["REASON", "Place", "Target", "common", "reader", "with_policy"]

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True)
class Place:
    """Where a reader reads: `archive` as given with `--archive`, or None for the policy's destination."""

    archive: str | None
    trust: str | None
    endpoint: str | None
    region: str | None
    profile: str | None


def _json(context: click.Context, _: click.Parameter, value: bool) -> None:  # noqa: FBT001 - click's signature
    if value:
        _run(context).json = True


def _quiet(context: click.Context, _: click.Parameter, value: bool) -> None:  # noqa: FBT001 - click's signature
    if value:
        _run(context).talk.quiet = True


def _policy(context: click.Context, _: click.Parameter, value: str | None) -> None:
    if value == "":  # such as "$POLICY" in a cron job that does not set it: the policy of this folder was not meant
        raise UsageError(
            "usage", "--policy: expected a file, found an empty name", hint="name the policy, or leave -p out"
        )
    if value is not None:
        _run(context).policy_file = value


def _run(context: click.Context) -> Run:
    run: Run = context.find_root().obj
    return run


_JSON = click.option(
    "--json",
    is_flag=True,
    expose_value=False,
    is_eager=True,
    callback=_json,
    help="Answer with one JSON object on stdout.",
)
_QUIET = click.option(
    "-q", "--quiet", is_flag=True, expose_value=False, is_eager=True, callback=_quiet, help="Be silent on success."
)
_POLICY = click.option(
    "-p",
    "--policy",
    metavar="FILE",
    expose_value=False,
    callback=_policy,
    help="The policy; else $ARCHIVER_POLICY, else ./retention_policy.yaml.",
)
_READER = (
    click.option("--archive", metavar="LOCATION", help="Read this archive instead: a folder or s3://bucket/prefix."),
    click.option("--trust", metavar="FILE", help="The trust file that was handed over outside the archive."),
    click.option("--endpoint-url", metavar="URL", help="With --archive s3://: where the store answers."),
    click.option("--region", metavar="NAME", help="With --archive s3://: the region."),
    click.option("--profile", metavar="NAME", help="With --archive s3://: the credentials' profile."),
)

REASON = click.option("--reason", metavar="TEXT", help="Why; it is signed into the log. A policy may require it.")
"""For the commands of an operator that are stated in the log."""

Target = Callable[[F], F]


def common(function: F) -> F:
    """Give a command `--json` and `-q`."""
    return _JSON(_QUIET(function))


def with_policy(function: F) -> F:
    """Give a command `-p`, `--json` and `-q`."""
    return _POLICY(common(function))


def reader(function: F) -> F:
    """Give a command what all readers of an archive take; it is called with a `place`."""

    @wraps(function)
    def gathered(
        *arguments: object,
        archive: str | None,
        trust: str | None,
        endpoint_url: str | None,
        region: str | None,
        profile: str | None,
        **options: object,
    ) -> object:
        place = Place(archive, trust, endpoint_url, region, profile)
        return function(*arguments, place=place, **options)

    wrapped = reduce(lambda inner, option: option(inner), reversed(_READER), gathered)
    return with_policy(wrapped)  # type: ignore[return-value] # click's decorators keep the kind of what they decorate
