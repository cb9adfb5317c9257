"""Sizes as people write them in a policy: bytes, or a whole number with a binary unit.

>>> parse_size("512MiB")
536870912
>>> format_size(536870912)
'512MiB'

Decimal units are refused rather than guessed: half of the world reads GB as 10^9 and the other half as 2^30.
"""

from __future__ import annotations

from typing import Final

from archiver.late import pattern

__all__ = ["SIZE_PATTERN", "format_size", "parse_size"]

SIZE_PATTERN: Final = r"^(0|[1-9][0-9]{0,15})(B|KiB|MiB|GiB|TiB|PiB)?$"
_UNITS: Final = {"B": 0, "KiB": 10, "MiB": 20, "GiB": 30, "TiB": 40, "PiB": 50}
_SIZE = pattern(r"(0|[1-9][0-9]{0,15})(B|KiB|MiB|GiB|TiB|PiB)?")
_DECIMAL = pattern(r"([0-9]+)\s*([kKmMgGtTpP])[iI]?[bB]?")
_LARGEST: Final = 1 << 53  # beyond it a JSON number is not exact


def parse_size(value: int | str) -> int:
    """Return a number of bytes; raises `ValueError` whose text is what to write instead."""
    if isinstance(value, str):
        found = _SIZE.fullmatch(value)
        if found is None:
            raise ValueError(_instead(value))
        value = int(found[1]) << _UNITS[found[2] or "B"]
    if not 0 <= value < _LARGEST:
        raise ValueError("a number of bytes from 0 to 8PiB")
    return value


def format_size(size: int) -> str:
    """Spell a size in the largest unit that leaves no remainder."""
    unit = next(
        name for name, shift in reversed(_UNITS.items()) if (size % (1 << shift) == 0 and size >> shift) or not shift
    )
    return f"{size >> _UNITS[unit]}{unit}"


def _instead(text: str) -> str:
    found = _DECIMAL.fullmatch(text.strip())
    if found is None:
        return "a number of bytes, or a whole number with KiB, MiB, GiB or TiB, such as 512MiB"
    unit = found[2].upper()
    return f"{int(found[1])}{unit}iB ({unit}B is read in two ways, so it is not accepted)"
