"""Globs on an item's path: `*`, `?` and `[]` stay within a component, `**` stands for whole components.

>>> bool(compile_glob("**/*.jsonl")(b"2026/01/08.jsonl"))
True

Laws: the whole path is matched, case-sensitive, with no normalisation of any kind; names that begin with a dot are
names like others; `**` is a component of its own and stands for any number of components, none included, at the end
for at least one. A backslash is an ordinary character: write `[*]` for a star. Bytes that are not UTF-8 count as one
character each, matched by `?`, `*` and `[!...]`.

Every star but the last of its component is matched as early as possible and never taken back (the same for `**`), so
that a hostile pattern or name takes polynomial, not exponential, time.
"""

from __future__ import annotations

import re
from collections.abc import Callable

__all__ = ["BadGlobError", "Matcher", "check_glob", "compile_glob"]

Matcher = Callable[[bytes], bool]

_ANY_COMPONENTS = r"(?:[^/]+/)*?"


class BadGlobError(ValueError):
    """A glob that cannot match anything or is not well-formed; `instead` is what to write."""

    def __init__(self, problem: str, instead: str) -> None:
        """Say what is wrong and what to write."""
        super().__init__(problem)
        self.instead = instead


def compile_glob(glob: str) -> Matcher:
    """Return a function that says whether a path, as raw bytes, matches; raises `BadGlobError`."""
    check_glob(glob)
    if glob == "**":
        return bool
    pattern = re.compile(_translate(glob), re.DOTALL)
    return lambda path: pattern.fullmatch(path.decode("utf-8", "surrogateescape")) is not None


def check_glob(glob: str) -> None:
    """Refuse a glob that can match no path, with what was probably meant."""
    if not glob:
        raise BadGlobError("an empty glob matches nothing", '"**" for everything')
    if glob.startswith("/"):
        raise BadGlobError("globs are relative to the location", f'"{glob.lstrip("/") or "**"}"')
    if glob.endswith("/"):
        raise BadGlobError("a path never ends with a slash", f'"{glob.rstrip("/")}/**" for all that is below')
    for component in glob.split("/"):
        if component in {"", ".", ".."}:
            raise BadGlobError(f"a path never has the component {component!r}", "the path without it")
        if "**" in component and component != "**":
            single = re.sub(r"\*+", "*", component)
            raise BadGlobError(
                "** stands alone between slashes", f'"{glob.replace(component, single)}" or "**/{single}"'
            )
        _component(component)


def _translate(glob: str) -> str:
    """Return the regular expression of a glob: runs of components, with any number of components between the runs."""
    runs: list[list[str]] = [[]]
    for component in glob.split("/"):
        if component != "**":
            runs[-1].append(_component(component))
        elif runs[-1] or len(runs) == 1:
            runs.append([])
    first, *middle = ["/".join(run) for run in runs]
    if not middle:
        return first
    *middle, last = middle
    head = first + "/" if first else ""
    body = "".join(f"(?>{_ANY_COMPONENTS}{run}/)" for run in middle)
    tail = _ANY_COMPONENTS + last if last else ".+"
    return head + body + tail


def _component(text: str) -> str:
    """Return the regular expression of one component, which matches no slash."""
    parts: list[str] = [""]  # between stars
    place = 0
    while place < len(text):
        character = text[place]
        if character == "*":
            parts.append("")
        elif character == "?":
            parts[-1] += "[^/]"
        elif character == "[":
            expression, place = _class(text, place)
            parts[-1] += expression
        else:
            parts[-1] += re.escape(character)
        place += 1
    if len(parts) == 1:
        return parts[0]
    first, *middle, last = parts
    return first + "".join(f"(?>[^/]*?{part})" for part in middle if part) + "[^/]*" + last


def _class(text: str, start: int) -> tuple[str, int]:
    """Return the expression of the character class that begins at `start`, and where it ends."""
    body_at = start + 2 if text[start + 1 : start + 2] in ("!", "^") else start + 1
    end = text.find("]", body_at + 1)  # a ] in first place is a member
    if end < 0:
        raise BadGlobError("[ is never closed", f'"{text[:start]}[[]{text[start + 1 :]}" for the character itself')
    members = []
    place = body_at
    while place < end:
        low = text[place]
        high = text[place + 2] if text[place + 1] == "-" and place + 2 < end else low
        if high < low:
            raise BadGlobError(f"the range {low}-{high} runs backwards", f"{high}-{low}")
        members.append(f"{re.escape(low)}-{re.escape(high)}")
        place += 3 if text[place + 1] == "-" and place + 2 < end else 1
    negated = "^" if body_at == start + 2 else ""
    return f"(?:(?!/)[{negated}{''.join(members)}])", end
