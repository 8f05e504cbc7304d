"""Turn a terminal's text, with its colors, into an SVG picture.

Run a command in tmux, then:

    tmux capture-pane -e -p | python docs/terminal_svg.py TITLE > picture.svg
"""

import re
import sys

from rich.console import Console
from rich.text import Text


def main() -> None:
    """Read ANSI text from standard input and print SVG."""
    lines = sys.stdin.read().rstrip("\n").split("\n")
    text = Text.from_ansi("\n".join(lines))
    width = max(line.cell_len for line in text.split())
    console = Console(record=True, width=width, file=sys.stderr)
    console.print(text)
    svg = console.export_svg(title=sys.argv[1] if len(sys.argv) > 1 else "")
    # rich refers to fonts on the web; the picture must not load anything.
    svg = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)
    print(svg.replace("Fira Code", "ui-monospace, Menlo, Consolas, DejaVu Sans Mono"))


if __name__ == "__main__":
    main()
