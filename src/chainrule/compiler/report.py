"""What ``explain()`` returns: a dictionary for programs, and a text for people."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from chainrule.compiler.compilation import Compilation
    from chainrule.compiler.function import CompiledFunction

_SHOWN_KERNELS = 40
_WIDTH = 98

#: What each engine is, in words.
ENGINES = {"numpy": "NumPy, kernel by kernel", "native": "machine code"}


class Explanation(dict[str, Any]):
    """What was compiled and why; ``print`` shows it as text."""

    def __str__(self) -> str:
        return "\n".join(_text(self))

    __repr__ = __str__

    def _repr_html_(self) -> str:
        import html

        return f"<pre>{html.escape(str(self))}</pre>"


def explanation(function: CompiledFunction) -> Explanation:
    """Say what a compiled function consists of.

    Returns:
        ``function``, ``engine``, and ``compilations``: for each its ``reasons``, ``signature``,
        ``rows`` and ``rows_shown`` (those of the figures: what ran most), ``seconds`` by stage,
        ``nodes_before`` (as traced), ``nodes_rewritten`` (after the rewrites), ``nodes_after``
        (kernels, into which these are fused), ``rewrites`` by name, ``kernels`` (name, operations,
        flops, bytes), ``flops``, ``bytes``, ``arena_bytes`` and ``naive_bytes`` (every
        intermediate value in a buffer of its own), ``pull_backs`` (the same for each gradient that
        was taken from outside).
    """
    return Explanation(
        function=getattr(function, "__name__", type(function).__name__),
        engine="numpy",
        compilations=[_describe(c) for c in function.compilations],
    )


def _describe(compilation: Compilation) -> dict[str, Any]:
    # What ran most often; of those, what has most rows.
    rows, instance = max(compilation.instances.items(), key=lambda item: (item[1].runs, item[0]))
    executor = instance.executor
    kernels = [
        {
            "name": kernel.name,
            "operations": [node.primitive.name for node in kernel.nodes if node.primitive],
            "flops": kernel.flops,
            "bytes": kernel.bytes,
        }
        for kernel in executor.kernels
    ]
    return {
        "reasons": list(compilation.reasons),
        "signature": _signature(compilation),
        "rows": "any" if compilation.rows else "fixed",
        "rows_shown": rows if compilation.rows else None,
        "seconds": dict(compilation.seconds),
        "nodes_before": len(instance.graph.nodes),
        "nodes_rewritten": len(instance.optimized.nodes),
        "nodes_after": len(kernels),
        "rewrites": dict(compilation.rewrites.most_common()),
        "kernels": kernels,
        "flops": sum(kernel["flops"] for kernel in kernels),
        "bytes": sum(kernel["bytes"] for kernel in kernels),
        "arena_bytes": executor.memory.arena_bytes,
        "naive_bytes": executor.memory.naive_bytes,
        "in_place": executor.memory.in_place,
        "parameters_read": [slot.name for slot in compilation.first.read],
        "parameters_written": [slot.name for slot in compilation.first.written],
        "pull_backs": [explanation(pull) for pull in compilation.pulls.values()],
    }


def _signature(compilation: Compilation) -> dict[str, str]:
    found = {leaf.name: str(leaf) for leaf in compilation.call.leaves}
    for i in compilation.rows:
        leaf = compilation.call.leaves[i]
        found[leaf.name] = leaf.described(True)
    return found


def _text(found: dict[str, Any]) -> list[str]:
    compilations = found["compilations"]
    count = len(compilations)
    if not count:
        return [f"{found['function']} is not compiled yet: it was not called."]
    times = "once" if count == 1 else f"{count} times"
    lines = [f"{found['function']}: compiled {times}. Engine: {ENGINES[found['engine']]}."]
    if found.get("why_not_native"):
        lines += textwrap.wrap(f"Not machine code: {found['why_not_native']}.", _WIDTH)
    for i, each in enumerate(compilations):
        lines += ["", *_compilation(i + 1, each)]
        for pull in each["pull_backs"]:
            lines += ["", *[f"    {line}".rstrip() for line in _text(pull)]]
    return lines


def _compilation(number: int, each: dict[str, Any]) -> list[str]:
    signature = [f"{name}: {kind}" for name, kind in each["signature"].items()]
    at = "" if each["rows_shown"] is None else f", n = {each['rows_shown']} below"
    kernels = "1 kernel" if each["nodes_after"] == 1 else f"{each['nodes_after']} kernels"
    stages = ", ".join(f"{name} {seconds * 1e3:.1f}" for name, seconds in each["seconds"].items())
    arena, naive = each["arena_bytes"], each["naive_bytes"]
    share = f" ({arena / naive:.0%})" if naive else ""
    lines = [
        *_wrapped(f"Compilation {number} for ", signature),
        *_wrapped("  why         ", each["reasons"]),
        f"  rows        {'any number n' if each['rows'] == 'any' else 'as many as these'}{at}",
        f"  time        {sum(each['seconds'].values()) * 1e3:.1f} ms: {stages}",
        f"  nodes       {each['nodes_before']} traced, {each['nodes_rewritten']} after rewriting, "
        f"{kernels} after fusion",
        f"  work        {_number(each['flops'])} floating-point operations, "
        f"{_bytes(each['bytes'])} moved",
        f"  memory      arena {_bytes(arena)}, of {_bytes(naive)} if every value had its own"
        f"{share}; {each['in_place']} in place",
    ]
    if each["rewrites"]:
        counts = [f"{name} {count}" for name, count in each["rewrites"].items()]
        lines += _wrapped("  rewrites    ", counts)
    lines.append("  kernels     operations, bytes")
    for kernel in each["kernels"][:_SHOWN_KERNELS]:
        lines.append(
            f"    {_number(kernel['flops']):>8} {_bytes(kernel['bytes']):>9}  {kernel['name']}"
        )
    hidden = len(each["kernels"]) - _SHOWN_KERNELS
    if hidden > 0:
        lines.append(f"    and {hidden} more")
    return lines


def _wrapped(head: str, parts: list[str], width: int = _WIDTH) -> list[str]:
    lines, line = [], head
    for i, part in enumerate(parts):
        piece = part + ("," if i < len(parts) - 1 else "")
        if len(line) + len(piece) + 1 > width and line.strip():
            lines.append(line.rstrip())
            line = " " * len(head)
        line += piece + " "
    return [*lines, line.rstrip()]


def _number(n: float) -> str:
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if n >= size:
            return f"{n / size:.3g} {unit}"
    return f"{n:.0f}"


def _bytes(n: float) -> str:
    for size, unit in ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB")):
        if n >= size:
            return f"{n / size:.3g} {unit}"
    return f"{n:.0f} B"
