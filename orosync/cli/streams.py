"""What the command reads and writes: standard input, output and error, and text that is safe on a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, TextIO

import attrs


class Misused(Exception):
    """The command line, or what it leads to, cannot be used: its words are for the user."""


@attrs.frozen
class Streams:
    """Standard input (None where the shell has closed it, ``<&-``), output and error."""

    stdin: TextIO | None
    stdout: TextIO
    stderr: TextIO

    def tell(self, text: str) -> None:
        """A line on standard error. If it cannot be written, the exit code still says how it ended."""
        with suppress(OSError):
            print(text, file=self.stderr, flush=True)

    def answer(self, text: str) -> None:
        """One or more lines on standard output. A reader that has enough (``| head``) is no fault; raises Misused where
        the answer is lost for another reason."""
        self.emit(text)

    def emit(self, text: str) -> bool:
        """As ``answer``, for a line of many: False when nobody reads any more."""
        try:
            print(text, file=self.stdout, flush=True)
        except BrokenPipeError:
            return False
        except OSError as error:
            raise Misused(f"the answer cannot be written to standard output ({error.strerror})") from None
        return True

    def progress(self, text: str) -> None:
        """How far something has come: a line on standard error that the next one overwrites; "" removes it. Only for
        a person at a terminal."""
        with suppress(OSError, ValueError):
            if self.stderr.isatty():
                print(f"\r\x1b[K{text}", end="", file=self.stderr, flush=True)


def line(text: str) -> str:
    """``text`` as one line of printable characters: no control sequence reaches the terminal."""
    return "".join(character if character.isprintable() else repr(character)[1:-1] for character in text)


def table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str] = ()) -> list[str]:
    """Rows with the same keys as lines: a head, then a line for each; ``columns``: only these of them."""
    keys = columns or list(rows[0])
    return aligned([[key.upper() for key in keys], *([line(str(row[key])) for key in keys] for row in rows)])


def aligned(cells: Sequence[Sequence[str]]) -> list[str]:
    """Rows of cells as lines in which columns stand below one another."""
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells]
