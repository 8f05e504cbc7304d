"""What defines an elementwise primitive: one partial derivative an argument serves both modes.

``partials`` holds, for each argument, ``(g, ans, *xs)`` to ``g`` times the partial derivative;
being elementwise, it is its own transpose, and so serves both as the VJP and as the JVP.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from functools import reduce
from typing import Any

from chainrule.core.graph import Example, Primitive, Rule, example
from chainrule.core.tensor import Tensor
from chainrule.core.types import ArrayType, Dtype, broadcast_shapes

#: What elementwise primitives of so many arguments are tried on.
EXAMPLES: dict[int, tuple[Example, ...]] = {
    1: (example((2, 3)), example(()), example((0, 3))),
    2: (
        example((2, 3), (2, 3)),
        example((2, 3), (3,)),
        example((2, 1), (1, 3)),
        example((), (2,)),
        example((), ()),
        example((0, 3), (1, 3)),
    ),
}


def elementwise(
    name: str,
    eval: Rule,
    *partials: Rule | None,
    arity: int | None = None,
    result: Dtype | None = None,
    domain: tuple[float, float] = (-2.0, 2.0),
    examples: Sequence[Example] | None = None,
    symbol: str = "",
    into: Rule | None = None,
    lower: Rule | None = None,
) -> Primitive:
    """Define an elementwise primitive.

    Args:
        name: unique name.
        eval: the NumPy function; it broadcasts.
        partials: for each argument, ``(g, ans, *xs)`` to ``g · ∂ans/∂x`` (none for an operation
            whose result is an integer or bool).
        arity: number of arguments, where there are no partials to count.
        result: dtype of the result (default: that of the last argument).
        domain: open interval from which the arguments may come.
        examples: where the standard ones (shapes that broadcast, 0-d, zero-size) do not fit.
        symbol: how to write it in a formula.
        into: ``eval`` into a given array (see ``Primitive``); a ufunc needs none.
        lower: its native code (see ``Primitive``).
    """

    def type_rule(*types: ArrayType, **attrs: Any) -> ArrayType:
        return ArrayType(broadcast_shapes(*[x.shape for x in types]), result or types[-1].dtype)

    def jvp(ts: Sequence[Tensor | None], ans: Tensor, *xs: Tensor, **attrs: Any) -> Tensor:
        terms = [
            partial(t, ans, *xs, **attrs)
            for t, partial in zip(ts, partials, strict=True)
            if t is not None and partial is not None
        ]
        total: Tensor = reduce(operator.add, terms)
        return total

    return Primitive(
        name,
        eval=eval,
        type_rule=type_rule,
        vjp=partials or (None,) * (arity or 1),
        jvp=jvp,
        domain=domain,
        examples=EXAMPLES[arity or len(partials)] if examples is None else examples,
        symbol=symbol,
        is_elementwise=True,
        into=into,
        lower=lower,
    )
