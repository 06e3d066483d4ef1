"""A drawing in SVG: groups of bars whose colors follow the reader's choice of light or dark."""

from __future__ import annotations

from collections.abc import Sequence
from xml.sax.saxutils import escape

LINE, BAR, RIGHT = 17, 12, 70
"""The height of a line and of a bar, and what is left for figures at the right, in pixels."""

# Each color has a contrast of 4.5 at least with the background that it is drawn on.
STYLE = """
text { font: 12px sans-serif; fill: #1f2328; } .title { font-weight: bold; } .end { text-anchor: end; }
.ground { fill: #ffffff; } .ours { fill: #0a58ca; } .other { fill: #6b7280; } .added { fill: #b3460b; }
line { stroke: #1f2328; stroke-width: 1.5; }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3; } .ground { fill: #0d1117; } .ours { fill: #58a6ff; } .other { fill: #8b949e; }
.added { fill: #ffa657; } line { stroke: #e6edf3; }
}
"""


class Drawing:
    """Groups of bars, one below the other. ``y`` is how far down it has come, in pixels."""

    def __init__(self, width: int, title: str) -> None:
        self.y = 8.0
        self._width, self._title = width, title
        self._parts: list[str] = []

    def text(self, x: float, y: float, text: str, kind: str = "") -> None:
        self._parts.append(f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}">{escape(text)}</text>')

    def bars(
        self,
        title: str,
        bars: Sequence[tuple[str, Sequence[float], Sequence[str]]],
        ranges: Sequence[tuple[float, float]] = (),
        left: float = 150,
    ) -> None:
        """A group: for each bar its name, the lengths of its parts and their colors. ``ranges``: a line over each."""
        self.y += LINE + 6
        self.text(left, self.y, title, "title")
        most = max([sum(parts) for _, parts, _ in bars] + [high for _, high in ranges])
        scale = (self._width - left - RIGHT) / (most or 1)
        for number, (name, parts, kinds) in enumerate(bars):
            self.y += LINE
            self.text(left - 8, self.y, name, "end")
            x = left
            for part, kind in zip(parts, kinds, strict=True):
                size = f'width="{part * scale:.1f}" height="{BAR}"'
                self._parts.append(f'<rect x="{x:.1f}" y="{self.y - BAR + 1:.1f}" {size} class="{kind}"/>')
                x += part * scale
            if ranges:
                low, high = (left + value * scale for value in ranges[number])
                middle = self.y - BAR / 2 + 1
                self._parts.append(f'<line x1="{low:.1f}" y1="{middle:.1f}" x2="{high:.1f}" y2="{middle:.1f}"/>')
                x = max(x, high)
            self.text(x + 6, self.y, three_digits(sum(parts)))

    def finished(self, height: float) -> str:
        """The text of the file."""
        size = f'width="{self._width}" height="{height:.0f}" viewBox="0 0 {self._width} {height:.0f}"'
        head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img"><title>{escape(self._title)}</title>'
        ground = f'<rect width="{self._width}" height="{height:.0f}" class="ground"/>'
        return "\n".join([head, f"<style>{STYLE}</style>", ground, *self._parts, "</svg>\n"])


def three_digits(value: float) -> str:
    """As many as count."""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"
