"""Where the published schemas lie.

They travel inside the wheel as `archiver/_schemas`; in a checkout they are the `schemas` folder beside the package.
Everybody who reads a table definition, a JSON Schema or a log dialect asks here, so the two places never differ.

>>> (schemas_folder() / "dialects" / "openai.chat.json").is_file()
True
"""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING

from archiver.errors import WorldError

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

__all__ = ["schemas_folder"]


def schemas_folder() -> Traversable:
    """Return the folder of the published schemas, in a wheel or in a checkout."""
    package = files("archiver")
    checkout = package / ".." / "schemas"
    for folder in (package / "_schemas", checkout):
        if folder.is_dir():
            return folder
    raise WorldError(
        "schemas-missing",
        "schemas: expected archiver/_schemas or a checkout's schemas folder, found neither",
        hint="install the program again, from where it came",
    )
