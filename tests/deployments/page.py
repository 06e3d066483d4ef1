"""docs/deployments.md: the configurations that it shows, by section and language."""

from __future__ import annotations

import re
from pathlib import Path

PAGE = Path(__file__).resolve().parents[2] / "docs" / "deployments.md"


def sections(text: str) -> dict[str, str]:
    """The text under each heading of the second level."""
    parts = re.split(r"^## (.+)$", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def blocks(section: str, language: str) -> list[str]:
    """The fenced blocks of ``language`` in a section."""
    return re.findall(rf"^```{language}\n(.*?)^```$", section, flags=re.MULTILINE | re.DOTALL)


def settings(block: str) -> dict[str, str]:
    """The lines NAME=VALUE of a block."""
    return dict(line.split("=", 1) for line in block.splitlines())
