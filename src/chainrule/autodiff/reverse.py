"""Reverse mode: cotangents flow from the outputs back to what they were computed from.

The driver walks the recorded nodes in reverse of their creation, applies each one's VJP rules,
un-broadcasts what they return, and sums where paths meet. It never recurses.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any, TypeVar

import numpy as np

from chainrule.core.errors import ArgumentError, DtypeError, ShapeError
from chainrule.core.graph import Node, Primitive, ancestors
from chainrule.core.mode import mode, part, recording, scope_kept
from chainrule.core.tensor import Operand, Tensor, TensorLike, as_tensor, unknown
from chainrule.core.tree import leaves, rebuild, tree_map
from chainrule.core.types import FLOAT64, Shape, is_float
from chainrule.ops.creation import ones_like, zeros, zeros_like
from chainrule.ops.elementwise import add, identity, identity_p
from chainrule.ops.promotion import as_float, cast
from chainrule.ops.reduce import sum_bound
from chainrule.ops.shape import reshape, stack
from chainrule.ops.tuples import item_p

Result = TypeVar("Result")


def _is_tracked(node: Node) -> bool:
    return node.tracked


def unbroadcast(g: Tensor, shape: Shape) -> Tensor:
    """Sum a cotangent over the axes along which its value was broadcast from ``shape``."""
    extra = g.ndim - len(shape)
    stretched = [i + extra for i, n in enumerate(shape) if n == 1 and g.shape[i + extra] != 1]
    axes = (*range(extra), *stretched)
    return reshape(sum_bound(g, axes, False), shape)


def pull_back(
    outputs: Sequence[Tensor],
    cotangents: Sequence[Tensor],
    wanted: Collection[Tensor] | None = None,
    keep: bool = False,
) -> dict[Node, Tensor]:
    """Return the cotangents of the leaves that the outputs depend on.

    The backward pass is itself recorded where someone outside may differentiate it: where the
    cotangents, or other leaves than the wanted ones, are tracked.

    Args:
        outputs: where the cotangents come in.
        cotangents: one an output, of its shape and dtype.
        wanted: compute only what leads to these (default: all leaves, and record nothing).
        keep: return the cotangents of the nodes in between, too.
    """
    leaves_wanted = frozenset(wanted or ())
    if mode.rewriter is not None and any(y.data is None for y in outputs):
        outputs = mode.rewriter(outputs, list(leaves_wanted))
    nodes = ancestors(outputs, stop=leaves_wanted, follow=_is_tracked)
    record = False
    if wanted is not None:
        nodes = _leading_to(nodes, leaves_wanted)
        record = mode.recording and (
            any(g.tracked for g in cotangents) or _reaches_beyond(nodes, leaves_wanted)
        )
    found: dict[Node, Any] = {}
    needed = set(nodes)
    for output, cotangent in zip(outputs, cotangents, strict=True):
        if output in needed:
            _accumulate(found, output, cotangent)
    with recording(record), part("gradient"), scope_kept():
        for node in reversed(nodes):
            g = found.get(node)
            primitive = node.primitive
            if g is None or primitive is None or node in leaves_wanted:
                continue
            if not keep:
                del found[node]
            if node.data is None or mode.notebook is not None:
                origin = node.origin  # errors in a gradient are those of what is differentiated
                mode.scope = origin.scope if origin is not None else ()
                mode.source = origin.source if origin is not None else None
            _apply_rules(primitive, found, node, g, needed)
    return found


def _apply_rules(
    primitive: Primitive, found: dict[Node, Any], node: Node, g: Any, needed: Collection[Node]
) -> None:
    """Hand the cotangent of a node on to the arguments that need theirs."""
    inputs, attrs = node.inputs, node.attrs
    if primitive is item_p:
        _accumulate_item(found, inputs[0], attrs["index"], g)
    elif primitive.joint_vjp is not None:
        wanted = [x.tracked and x in needed for x in inputs]
        gs = primitive.joint_vjp(g, node, inputs, wanted, **attrs)
        for x, is_wanted, cotangent in zip(inputs, wanted, gs, strict=True):
            if is_wanted and cotangent is not None:
                _accumulate(found, x, cotangent)
    else:
        for x, rule in zip(inputs, primitive.vjp, strict=False):
            if rule is not None and x.tracked and x in needed:
                _accumulate(found, x, rule(g, node, *inputs, **attrs))


def _accumulate_item(found: dict[Node, Any], x: Node, index: int, g: Tensor) -> None:
    """Add a cotangent to one element of a tuple's."""
    parts = found.get(x)
    if parts is None:  # the type of a tuple is as long as the tuple: look at it once
        kinds: Any = x.type
        parts = found[x] = [None] * len(kinds.items)
    parts[index] = g if parts[index] is None else add(parts[index], g)


def _accumulate(found: dict[Node, Any], x: Node, g: Tensor) -> None:
    """Add a cotangent to those that have come to ``x`` on other paths."""
    shape = x.type.shape if x.data is None else x.data.shape
    if (g.type.shape if g.data is None else g.data.shape) != shape:
        g = unbroadcast(g, shape)
    before = found.get(x)
    found[x] = g if before is None else add(before, g)


def _leading_to(nodes: list[Node], wanted: frozenset[Node]) -> list[Node]:
    """Keep the nodes that depend on a wanted one; the others need no cotangent."""
    kept: set[Node] = set()
    for node in nodes:
        if node in wanted or not kept.isdisjoint(node.inputs):
            kept.add(node)
    return [node for node in nodes if node in kept]


def _reaches_beyond(nodes: list[Node], wanted: frozenset[Node]) -> bool:
    """Whether a tracked value takes part that the wanted leaves do not account for."""
    inside = set(nodes)
    for node in nodes:
        if node in wanted:
            if any(x.tracked for x in node.inputs):  # the variable stands for a tracked value
                return True
        elif node.primitive is None or any(x.tracked and x not in inside for x in node.inputs):
            return True
    return False


# The functions that users call ---------------------------------------------------------------


def fresh(x: TensorLike) -> Tensor:
    """Return ``x`` as a new variable to differentiate by, so that no other use of it counts."""
    x = as_float_checked(x)
    if x.data is None:
        variable = unknown(x.type, identity_p, (x,))
    elif mode.notebook is not None:
        variable = identity(x)
    elif x.tracked:
        variable = Tensor(x.data, identity_p, (x,))
    else:
        variable = Tensor(x.data)
    variable.tracked = True
    return variable


def as_float_checked(x: TensorLike) -> Tensor:
    """Return ``x`` as a float tensor; only Python's own numbers may be integers."""
    tensor = as_tensor(x)
    if is_float(tensor.dtype):
        return tensor
    if isinstance(x, int) and not isinstance(x, bool):
        return as_float(tensor)
    raise DtypeError(
        "argument to differentiate by",
        f"dtype {tensor.dtype}",
        "floats",
        "Convert it first, for example with x.astype('float32').",
    )


def _argnums(argnums: int | Sequence[int], count: int) -> list[int]:
    numbers = [argnums] if isinstance(argnums, int) else list(argnums)
    for i in numbers:
        if not -count <= i < count:
            raise ArgumentError(
                "argnums", str(argnums), f"positions of the {count} arguments given"
            )
    return [i % count for i in numbers]


def freshen(args: Sequence[Any], argnums: Sequence[int]) -> tuple[list[Any], list[Tensor]]:
    """Replace the leaves of the chosen arguments by fresh variables; return those too."""
    new = list(args)
    variables: list[Tensor] = []
    for i in argnums:
        mine = [fresh(leaf) for leaf in leaves(args[i])]
        new[i] = rebuild(args[i], mine)
        variables += mine
    return new, variables


def release(x: Tensor, variables: Collection[Tensor]) -> Tensor:
    """Cut a result off from its recording unless someone outside may differentiate it."""
    if x.data is None or not x.tracked:
        return x
    wanted = frozenset(variables)
    nodes = ancestors([x], stop=wanted, follow=_is_tracked)
    if mode.recording and _reaches_beyond(nodes, wanted):
        return x
    if mode.notebook is None:
        return Tensor(x.data)
    cut = identity(x)
    cut.tracked = False
    return cut


def value_and_grad(
    f: Callable[..., Any], argnums: int | Sequence[int] = 0, has_aux: bool = False
) -> Callable[..., Any]:
    """Return a function that computes ``f`` and its gradient, by reverse mode.

    Args:
        f: function whose result is one number (0-d).
        argnums: position or positions of the arguments to differentiate by. An argument may be a
            nested container of tensors; its gradient has the same structure.
        has_aux: whether ``f`` returns a pair of the number and something to hand through.

    Returns:
        A function of the same arguments that returns ``(value, gradient)``.

    Raises:
        ShapeError: the result of ``f`` is not one number.
        DtypeError: an argument to differentiate by does not hold floats.

    >>> value_and_grad(lambda x: x * x)(3.0)
    (Tensor(9., dtype=float32), Tensor(6., dtype=float32))
    """

    def evaluate(*args: Any, **options: Any) -> Any:
        numbers = _argnums(argnums, len(args))
        new, variables = freshen(args, numbers)
        with recording(True):
            result = f(*new, **options)
        value, aux = result if has_aux else (result, None)
        value = as_tensor(value)
        if value.shape != ():
            raise ShapeError(
                "result of the function to differentiate",
                f"shape {value.shape}",
                "one number, shape ()",
                "Reduce it with .sum() or .mean(), or use cr.jacobian.",
            )
        gradients = _gradients([value], [ones_like(value)], variables)
        parts, position = [], 0
        for i in numbers:
            count = len(leaves(args[i]))
            parts.append(rebuild(args[i], gradients[position : position + count]))
            position += count
        value = release(value, variables)
        aux = tree_map(lambda x: release(x, variables) if isinstance(x, Tensor) else x, aux)
        gradient = parts[0] if isinstance(argnums, int) else tuple(parts)
        return ((value, aux) if has_aux else value), gradient

    return evaluate


def _gradients(
    outputs: Sequence[Tensor], cotangents: Sequence[Tensor], variables: Sequence[Tensor]
) -> list[Tensor]:
    found = pull_back(outputs, cotangents, variables)
    return [found[v] if v in found else zeros_like(v) for v in variables]


def grad(f: Callable[..., Any], argnums: int | Sequence[int] = 0) -> Callable[..., Any]:
    """Return the gradient function of ``f``, by reverse mode: ``∇f``.

    Args:
        f: function whose result is one number (0-d).
        argnums: position or positions of the arguments to differentiate by.

    Returns:
        A function of the same arguments that returns the gradient, in the structure of the
        argument (for several ``argnums``, a tuple).

    Raises:
        ShapeError: the result of ``f`` is not one number.
        DtypeError: an argument to differentiate by does not hold floats.

    >>> grad(lambda x: x**3.0)(2.0)
    Tensor(12., dtype=float32)
    >>> grad(grad(lambda x: x**3.0))(2.0)
    Tensor(12., dtype=float32)
    """
    both = value_and_grad(f, argnums)

    def gradient(*args: Any, **options: Any) -> Any:
        return both(*args, **options)[1]

    return gradient


def vjp(f: Callable[..., Any], *xs: Any) -> tuple[Any, Callable[[Any], tuple[Any, ...]]]:
    """Evaluate ``f`` and return its pull-back: ``v ↦ vᵀ ∂f/∂x``.

    Args:
        f: function of tensors, or of nested containers of them, to the same.
        xs: where to evaluate it.

    Returns:
        The value of ``f``, and a function from a cotangent of that structure to one for each ``x``.

    >>> y, pull = vjp(lambda x: x * x, 3.0)
    >>> pull(1.0)
    (Tensor(6., dtype=float32),)
    """
    new, variables = freshen(xs, range(len(xs)))
    with recording(True):
        result = f(*new)
    outputs = [as_tensor(leaf) for leaf in leaves(result)]

    def pull(cotangent: Any) -> tuple[Any, ...]:
        given = match_leaves(leaves(cotangent), outputs, "cotangent")
        gradients = iter(_gradients(outputs, given, variables))
        return tuple(rebuild(x, [next(gradients) for _ in leaves(x)]) for x in xs)

    return rebuild(result, [release(y, variables) for y in outputs]), pull


def match_leaves(given: Sequence[Any], like: Sequence[Tensor], argument: str) -> list[Tensor]:
    """Return array-likes as tensors of the shapes and dtypes of ``like``."""
    found = [as_tensor(leaf, FLOAT64) for leaf in given]  # numbers keep their digits for the cast
    if [g.shape for g in found] != [y.shape for y in like]:
        raise ShapeError(
            argument, f"shapes {[g.shape for g in found]}", f"shapes {[y.shape for y in like]}"
        )
    return [cast(g, y.dtype) for g, y in zip(found, like, strict=True)]


def backward(self: Operand, gradient: TensorLike | None = None) -> None:
    """Add to every parameter's ``grad`` the gradient of this tensor by it.

    Args:
        self: usually a loss: one number.
        gradient: cotangent of this tensor (default 1, for one number).

    Raises:
        ShapeError: this tensor is not one number and no cotangent was given.
        ArgumentError: this tensor does not depend on a parameter.

    >>> import chainrule as cr
    >>> w = cr.Parameter(3.0)
    >>> (w * w).backward()
    >>> w.grad
    Tensor(6., dtype=float32)
    """
    output = self.tensor()
    if gradient is None and output.shape != ():
        raise ShapeError(
            "backward()",
            f"a tensor of shape {output.shape}",
            "one number, shape ()",
            "Reduce it with .sum() or .mean(), or give backward() a cotangent.",
        )
    if not output.tracked:
        raise ArgumentError(
            "backward()",
            "a tensor that was computed from no parameter, or inside cr.no_grad()",
            "one computed from a cr.Parameter",
            "For a function of plain tensors use cr.grad.",
        )
    seed = (
        ones_like(output) if gradient is None else match_leaves([gradient], [output], "gradient")[0]
    )
    found = pull_back([output], [seed])
    for node, g in found.items():
        if isinstance(node, Tensor) and node.cell is not None and node.primitive is None:
            cell = node.cell
            cell.grad = g if cell.grad is None else add(cell.grad, g)


def jacobian(f: Callable[..., Any], argnums: int = 0) -> Callable[..., Tensor]:
    """Return the function that computes the Jacobian: ``J[i..., j...] = ∂f[i...] / ∂x[j...]``.

    The graph is recorded once; there is one backward pass for each element of the result.

    Args:
        f: function of arrays to an array.
        argnums: position of the argument to differentiate by.

    Returns:
        A function of the same arguments; its result has the shape of ``f``'s followed by ``x``'s.

    Raises:
        ArgumentError: the argument is a container of several arrays.

    >>> jacobian(lambda x: x * x)([1.0, 2.0])
    Tensor([[2., 0.],
            [0., 4.]], dtype=float32)
    """

    def evaluate(*args: Any, **options: Any) -> Tensor:
        new, variables = freshen(args, _argnums(argnums, len(args)))
        if len(variables) != 1:
            raise ArgumentError(
                "argument to differentiate by",
                f"{len(variables)} arrays",
                "one array",
                "For a container use cr.grad, or join its arrays with cr.concatenate.",
            )
        (variable,) = variables
        with recording(True):
            y = as_tensor(f(*new, **options))
        rows = []
        for i in range(y.size):
            unit = np.zeros(y.size, y.dtype)
            unit[i] = 1
            rows += _gradients([y], [Tensor(unit.reshape(y.shape))], [variable])
        return _stack_rows(rows, y.shape, variable)

    return evaluate


def _stack_rows(rows: list[Tensor], shape: Shape, like: Tensor) -> Tensor:
    if not rows:
        return zeros((*shape, *like.shape), like.dtype)
    return reshape(stack(rows), (*shape, *like.shape))


def hessian(f: Callable[..., Any], argnums: int = 0) -> Callable[..., Tensor]:
    """Return the function that computes the Hessian: ``H[i..., j...] = ∂²f / ∂x[i...] ∂x[j...]``.

    Args:
        f: function of arrays to one number.
        argnums: position of the argument to differentiate by.

    >>> hessian(lambda x: (x * x).sum())([1.0, 2.0])
    Tensor([[2., 0.],
            [0., 2.]], dtype=float32)
    """
    return jacobian(grad(f, argnums), argnums)
