"""A command with commands of its own: its list says each in a whole sentence, and a slip is told what is like it."""

from __future__ import annotations

import click

__all__ = ["Group"]

_WHOLE = 1_000  # letters: as long as a sentence gets, where click would cut it at the end of the line


class Group(click.Group):
    """Made with `@click.group("hold", cls=Group)`."""

    def lines(self, ctx: click.Context) -> list[tuple[str, str]]:
        """Name of each command, and its line in `--help`."""
        found = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        return [(name, command.get_short_help_str(_WHOLE)) for name, command in found if command is not None]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List them."""
        with formatter.section("Commands"):
            formatter.write_dl(self.lines(ctx))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that was meant."""
        name = args[0]
        if not name.startswith("-") and self.get_command(ctx, name) is None:
            from difflib import get_close_matches  # noqa: PLC0415 - for a slip

            like = ", ".join(map(repr, get_close_matches(name, self.list_commands(ctx))))
            ctx.fail(f"No such command {name!r}" + (f" (did you mean {like}?)" if like else ""))
        return super().resolve_command(ctx, args)
