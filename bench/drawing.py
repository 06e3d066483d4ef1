"""A drawing in SVG: text, bars and lines whose colors follow the reader's choice of light or dark."""

from __future__ import annotations

from collections.abc import Sequence
from xml.sax.saxutils import escape

# Each color has a contrast of 4.5 at least with the background that it is drawn on.
STYLE = """
text { font: 12px sans-serif; fill: #1f2328; } .title { font-weight: bold; } .end { text-anchor: end; }
.middle { text-anchor: middle; } .ground { fill: #ffffff; } .ours { fill: #0a58ca; } .other { fill: #6b7280; }
line, polyline { fill: none; stroke-width: 2; } .range { stroke: #1f2328; stroke-width: 1.5; }
.grid { stroke: #d0d7de; stroke-width: 1; } .first { stroke: #0a58ca; } .second { stroke: #b3460b; }
.third { stroke: #1a7f37; } .fourth { stroke: #8250df; } text.first { fill: #0a58ca; } text.second { fill: #b3460b; }
text.third { fill: #1a7f37; } text.fourth { fill: #8250df; } text { stroke: none !important; }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3; } .ground { fill: #0d1117; } .ours { fill: #58a6ff; } .other { fill: #8b949e; }
.range { stroke: #e6edf3; } .grid { stroke: #30363d; } .first { stroke: #58a6ff; } .second { stroke: #ffa657; }
.third { stroke: #56d364; } .fourth { stroke: #d2a8ff; } text.first { fill: #58a6ff; } text.second { fill: #ffa657; }
text.third { fill: #56d364; } text.fourth { fill: #d2a8ff; }
}
"""


class Drawing:
    """What is drawn, from the top left corner, in pixels."""

    def __init__(self, width: int, title: str) -> None:
        self._width, self._title = width, title
        self._parts: list[str] = []

    def text(self, x: float, y: float, text: str, kind: str = "") -> None:
        self._parts.append(f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}">{escape(text)}</text>')

    def bar(self, x: float, y: float, width: float, height: float, kind: str) -> None:
        self._parts.append(f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height}" class="{kind}"/>')

    def line(self, x: float, y: float, to_x: float, to_y: float, kind: str) -> None:
        self._parts.append(f'<line x1="{x:.1f}" y1="{y:.1f}" x2="{to_x:.1f}" y2="{to_y:.1f}" class="{kind}"/>')

    def curve(self, points: Sequence[tuple[float, float]], kind: str) -> None:
        placed = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        self._parts.append(f'<polyline points="{placed}" class="{kind}"/>')

    def finished(self, height: float) -> str:
        """The text of the file."""
        size = f'width="{self._width}" height="{height:.0f}" viewBox="0 0 {self._width} {height:.0f}"'
        head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img"><title>{escape(self._title)}</title>'
        ground = f'<rect width="{self._width}" height="{height:.0f}" class="ground"/>'
        return "\n".join([head, f"<style>{STYLE}</style>", ground, *self._parts, "</svg>\n"])
