"""Show or clear the compiled code that is kept on disk."""

from __future__ import annotations

import argparse

from chainrule.cli.terminal import console, plural
from chainrule.native import cache, jit


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    parser.add_argument(
        "--clear", action="store_true", help="remove all entries; they are compiled again on use"
    )


def run(arguments: argparse.Namespace) -> None:
    """Print the state of the cache, or what was removed from it."""
    out = console()
    if arguments.clear:
        removed, size = cache.clear()
        out.print(f"{plural(removed, 'entry', 'entries')} removed, {in_bytes(size)}")
        return
    state = cache.status()
    lines = {
        "folder": str(state.folder or "none"),
        "entries": f"{state.entries:,}",
        "size": f"{in_bytes(state.size)} of {in_bytes(state.limit)}",
        "hits": f"{state.hits:,} (and {plural(state.misses, 'module')} compiled)",
    }
    for name, value in lines.items():
        out.print(f"{name:9}{value}", markup=False)
    notes = list(state.notes)
    if not jit.is_available():
        notes.append(f"No native code: {jit.why_not()}")
    for note in notes:
        out.print(note, markup=False)


def in_bytes(count: int) -> str:
    """Return a number of bytes shortly, in powers of 1024: ``256 MiB``, ``1.5 KiB``."""
    value, units = float(count), ("bytes", "KiB", "MiB", "GiB", "TiB")
    for unit in units:
        if round(value, 1) < 1024 or unit == units[-1]:
            break
        value /= 1024
    return f"{value:.1f}".removesuffix(".0") + f" {unit}"
