"""Results of benchmarks as one SVG, drawn with nothing but text: bars for each contest, and the scaling line.

>>> picture([contest_result, line_result])[:5]
'<svg '
"""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import Any, Final

__all__ = ["picture"]

_WIDTH: Final = 760
_BAR: Final = 13
_LINE: Final = 11
_COLOURS: Final = {
    "archiver": "#1f6f5c",
    "bucket": "#6fa596",
    "restic": "#b08a3e",
    "borg": "#7b6ba8",
    "duckdb": "#b08a3e",
    "pyarrow": "#7b6ba8",
    "polars": "#a8606b",
    "tar": "#8a8f98",
    "cp": "#b9bec6",
}
_NAMES: Final = {
    "bucket": "archiver to Ceph",
    "cp": "sha256sum and cp",
    "tar": "tar, zstd and sha256sum",
    "duckdb": "duckdb COPY, no hashes",
}
_STYLE: Final = "text{font:12px sans-serif;fill:#555} .h{font-weight:bold} .s{font-size:10px}"
_LEFT, _RIGHT = 96, 150


def picture(results: list[dict[str, Any]]) -> str:
    """Return one SVG of all results, the newest date and its machine below."""
    pieces: list[str] = []
    top = 8
    for told in results:
        drawn, height = _contest(told, top) if told["kind"] == "contest" else _line(told, top)
        pieces += drawn
        top += height + 18
    last = max(results, key=lambda told: told["at"])
    here = last["machine"]
    words = f"{last['at'][:10]}, {here['processor']}, {here['cores']} cores; {_versions(results)}"
    pieces.append(_text(8, top + 6, words, "s"))
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {top + 14}" role="img">'
    title = "<title>Seconds of the clock, this program beside others</title>"
    ground = f'<rect width="{_WIDTH}" height="{top + 14}" fill="#fff"/>'
    return "\n".join([head, title, f"<style>{_STYLE}</style>", ground, *pieces, "</svg>"]) + "\n"


def _contest(told: dict[str, Any], top: int) -> tuple[list[str], int]:
    corpus = told["corpus"]
    files = "1 file" if corpus["files"] == 1 else f"{corpus['files']:,} files"
    words = f"{corpus['name']}: {files}, {corpus['bytes'] / 1e6:,.0f} MB"
    pieces = [_text(8, top + 12, f"{words} (seconds, median of {told['rounds']})", "h")]
    longest = max(seconds for _, _, seconds in _bars(told))
    place, before = top + 22, ""
    for job, name, seconds in _bars(told):
        if job != before:
            place += 6 if before else 0
            pieces.append(_text(8, place + 10, job))
            before = job
        width = max(1.0, (_WIDTH - _LEFT - _RIGHT) * seconds / longest)
        fill = _COLOURS.get(name, "#999")
        pieces.append(f'<rect x="{_LEFT}" y="{place}" width="{width:.1f}" height="{_BAR - 2}" fill="{fill}"/>')
        pieces.append(_text(_LEFT + width + 5, place + 9, f"{seconds:.2f} {_NAMES.get(name, name)}", "s"))
        place += _BAR
    return pieces, place - top


def _bars(told: dict[str, Any]) -> Iterator[tuple[str, str, float]]:
    """Yield (job, name, seconds), job by job."""
    jobs = dict.fromkeys(job for result in told["results"].values() for job in result["jobs"])
    for job in jobs:
        for name, result in told["results"].items():
            if job in result["jobs"]:
                yield job, name, result["jobs"][job]["wall_s"]["median"]


def _line(told: dict[str, Any], top: int) -> tuple[list[str], int]:
    height, width = 150, _WIDTH - _LEFT - _RIGHT
    points = told["points"]
    most = max(one["corpus"]["bytes"] for one in points)
    longest = max(one["jobs"][job]["wall_s"]["median"] for one in points for job in told["lines"])
    residual = max(found["wall_s"]["residual"] for found in told["lines"].values())
    factors = ", ".join(f"{one['factor']}x" for one in points)
    words = f"{points[0]['corpus']['name']}: {factors} of {points[0]['corpus']['bytes'] / 1e6:,.0f} MB"
    pieces = [_text(8, top + 12, f"{words}, at most {residual:.0%} off a straight line", "h")]
    floor = top + 26 + height
    pieces.append(f'<path d="M{_LEFT} {top + 26}V{floor}H{_LEFT + width}" fill="none" stroke="#bbb"/>')
    pieces.append(_text(8, top + 36, f"{longest:.1f} s", "s"))
    names: list[tuple[float, str]] = []
    for job, colour in zip(told["lines"], ("#1f6f5c", "#b08a3e", "#7b6ba8", "#a8606b"), strict=False):
        places = [
            (
                _LEFT + width * one["corpus"]["bytes"] / most,
                floor - height * one["jobs"][job]["wall_s"]["median"] / longest,
            )
            for one in points
        ]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        pieces.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.5"/>')
        pieces += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.5" fill="{colour}"/>' for x, y in places]
        names.append((places[-1][1] + 4, job))
    below = float(floor)
    for place, job in sorted(names, reverse=True):  # from below, none upon another
        below = min(place, below - _LINE)
        pieces.append(_text(_LEFT + width + 6, below, job, "s"))
    return pieces, height + 26


def _versions(results: list[dict[str, Any]]) -> str:
    """Name the versions of all that take part anywhere."""
    names = {"archiver", "python"}.union(*(told.get("results", {}) for told in results))
    versions = {name: number for told in results for name, number in told["versions"].items() if name in names}
    return ", ".join(
        number if number.startswith(name) else f"{name} {number}" for name, number in sorted(versions.items())
    )


def _text(x: float, y: float, words: str, kind: str = "") -> str:
    named = f' class="{kind}"' if kind else ""
    return f'<text x="{x:.1f}" y="{y:.1f}"{named}>{escape(words)}</text>'
