"""Draws docs/demo.svg, the README's picture: the last scenes of a real `coexist demo`.

Run it when the demo's output has changed:

    .venv/bin/python docs/demo_picture.py
"""

from __future__ import annotations

import io
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

from coexistence.demo import performance

PICTURE = Path(__file__).with_name("demo.svg")
WIDTH = 84
FROM, TO = "5. ", "Next"

# Rich's own template names web fonts; a picture in a repository fetches nothing.
TEMPLATE = """\
<svg viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{
  font-family: ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace;
  font-size: {char_height}px; line-height: {line_height}px;
}}
.{unique_id}-title {{ font: bold 18px sans-serif; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}"/>
</clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""


def _terminal() -> Console:
    return Console(
        record=True, width=WIDTH, file=io.StringIO(), force_terminal=True, color_system="truecolor"
    )


def draw() -> str:
    """Return the picture of a demo that is played now."""
    stage = _terminal()
    performance.play(stage, performance.no_pause)
    lines = Text.from_ansi(stage.export_text(styles=True)).split("\n")
    first = next(i for i, line in enumerate(lines) if line.plain.startswith(FROM))
    last = next(i for i, line in enumerate(lines) if line.plain.startswith(TO))
    canvas = _terminal()
    canvas.print(Text("$ coexist demo"), Text("..."), *lines[first:last], sep="\n", end="")
    return canvas.export_svg(
        title="coexist demo", theme=MONOKAI, code_format=TEMPLATE, unique_id="demo"
    )


if __name__ == "__main__":
    PICTURE.write_text(draw(), encoding="utf-8")
