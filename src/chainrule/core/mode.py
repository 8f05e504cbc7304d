"""What operations and parameters do at the moment, thread by thread: record, trace, note."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from chainrule.core.graph import Node, known_data
from chainrule.core.origin import Origin, Part, Source, users_line

if TYPE_CHECKING:
    from chainrule.core.tensor import Parameter, Tensor


class Tracer:
    """What parameters ask instead of their own cells while it is installed.

    By default it changes nothing. ``compiler.trace`` lifts what is read to inputs.
    """

    def read(self, parameter: Parameter) -> Tensor:
        """Return the parameter's value."""
        return parameter._value

    def assign(self, parameter: Parameter, value: Tensor) -> None:
        """Set the parameter's value, which has its shape."""
        parameter._value = parameter._leaf(known_data(value.astype(parameter.dtype)))

    def read_grad(self, parameter: Parameter) -> Tensor | None:
        """Return the parameter's gradient."""
        return parameter._grad

    def assign_grad(self, parameter: Parameter, grad: Tensor | None) -> None:
        """Set the parameter's gradient."""
        parameter._grad = grad


class _Mode(threading.local):
    """What ``bind`` and ``Parameter`` do, thread by thread."""

    recording: bool = True
    #: Answers for the parameters; set while a graph is traced.
    tracer: Tracer | None = None
    #: What backward passes over traced values do first: ``(outputs, stop)`` to the outputs of
    #: an equal graph that is better to differentiate.
    rewriter: Callable[[Sequence[Tensor], Sequence[Node]], list[Tensor]] | None = None
    #: Where nodes that are evaluated are noted, each with its origin.
    notebook: list[Tensor] | None = None
    #: What goes into the ``Origin`` of nodes.
    scope: tuple[str, ...] = ()
    part: Part = "forward"
    source: Source | None = None
    #: Where nodes come from that are made in place of others.
    origin: Origin | None = None


mode = _Mode()


def current_origin() -> Origin:
    """Return where a node comes from that is made now."""
    return mode.origin or Origin(mode.source or users_line(), mode.scope, mode.part)


@contextmanager
def answering(tracer: Tracer | None) -> Iterator[None]:
    """Let a tracer answer for the parameters inside the block; ``None``: they themselves."""
    before = mode.tracer
    mode.tracer = tracer
    try:
        yield
    finally:
        mode.tracer = before


@contextmanager
def part(name: Part) -> Iterator[None]:
    """Say what the nodes that are made inside the block are for."""
    before = mode.part
    mode.part = name
    try:
        yield
    finally:
        mode.part = before


@contextmanager
def scope_kept() -> Iterator[None]:
    """Restore the scope and the line that nodes are made for when the block ends."""
    before = mode.scope, mode.source
    try:
        yield
    finally:
        mode.scope, mode.source = before


@contextmanager
def in_place_of(node: Node) -> Iterator[None]:
    """Give the nodes that are made inside the block the origin of the one that they replace."""
    before = mode.origin
    mode.origin = node.origin
    try:
        yield
    finally:
        mode.origin = before


@contextmanager
def no_grad() -> Iterator[None]:
    """Record nothing inside the block: no gradient will be asked for.

    >>> import chainrule as cr
    >>> w = cr.Parameter(2.0)
    >>> with cr.no_grad():
    ...     y = w * w
    >>> y.tracked
    False
    """
    with recording(False):
        yield


@contextmanager
def recording(on: bool) -> Iterator[None]:
    """Switch recording on or off inside the block."""
    before = mode.recording
    mode.recording = on
    try:
        yield
    finally:
        mode.recording = before
