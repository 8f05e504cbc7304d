"""Softmax, its logarithm, and the logarithm of its denominator; accurate for the smallest shares.

All three are taken relative to the largest element, so that nothing overflows, and the sum of
exponentials is taken without the largest element's own, which is 1: ``log1p(rest)`` keeps what
``log(1 + rest)`` would round away.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from chainrule.core.graph import Primitive, Rule, example
from chainrule.core.tensor import Tensor, TensorLike, bind
from chainrule.core.types import Array, ArrayType, normalize_axes, normalize_axis
from chainrule.ops.promotion import as_float
from chainrule.ops.reduce import EXAMPLES, Axis, reduced_shape, reduced_type, spread, sum_bound

#: Elements of a block of rows: what is made of them on the way stays in the cache.
_BLOCK = 16384


def _rows(x: Array, axes: Sequence[int]) -> Array:
    """Bring the axes to the end, as one: shape (rows, n)."""
    kept = [i for i in range(x.ndim) if i not in axes]
    if kept + list(axes) != list(range(x.ndim)):
        x = x.transpose(kept + list(axes))
    n = math.prod(x.shape[len(kept) :])
    return x.reshape(math.prod(x.shape[: len(kept)]), n)


def _from_rows(rows: Array, axes: Sequence[int], like: Array) -> Array:
    """Undo ``_rows``."""
    order = [i for i in range(like.ndim) if i not in axes] + list(axes)
    moved = rows.reshape([like.shape[i] for i in order])
    if order == list(range(like.ndim)):
        return moved
    return moved.transpose(sorted(range(like.ndim), key=order.__getitem__))


def _exponentials(x: Array, top: Array) -> tuple[Array, Array]:
    """Return ``d = x - top`` and exp of that difference before it was rounded.

    Where ``d = -80``, its rounding alone would cost exp 32 units in the last place. The rounding
    error δ is known exactly (Knuth's two-sum), and ``exp(d + δ) = exp(d) (1 + δ)``.
    """
    d = x - top
    e: Array = np.exp(d)
    back = d - x
    error = d - back
    np.subtract(x, error, out=error)
    np.add(back, top, out=back)
    np.subtract(error, back, out=error)
    if not math.isfinite(np.add.reduce(error, None)):
        error[np.isnan(error)] = 0  # at infinities, where e is 0 or NaN already
    np.multiply(error, e, out=error)
    np.add(e, error, out=e)
    return d, e


def _parts(x: Array) -> tuple[Array, Array, Array, Array, tuple[Array, Array]]:
    """Return of rows what softmax and its like are made of.

    Returns:
        The largest element, ``d`` and ``exp(d)`` of the difference to it, the sum of exp(d) of all
        others, and where the largest stands.
    """
    at = np.arange(len(x)), x.argmax(1)
    top = x[at][:, None]
    d, e = _exponentials(x, top)
    own = e[at]
    e[at] = 0
    rest = np.add.reduce(e, 1, keepdims=True)
    rest += (own - 1)[:, None]  # 0, or NaN where the largest element is not finite
    e[at] = own
    return top, d, e, rest, at


def _by_blocks(fill: Callable[..., None], result: Array, *given: Array) -> Array:
    """Call ``fill(rows of the result, *rows given)`` for blocks of rows that fit into the cache."""
    x = given[0]
    if x.size:
        step = max(1, _BLOCK // x.shape[1])
        with np.errstate(invalid="ignore", over="ignore", under="ignore"):
            for start in range(0, len(x), step):
                block = slice(start, start + step)
                fill(result[block], *[array[block] for array in given])
    return result


def _fill_logsumexp(result: Array, x: Array) -> None:
    top, _, _, rest, _ = _parts(x)
    # Beside an infinity (or where all are -inf) the largest element is the answer.
    result[:] = np.where(np.isfinite(top), top + np.log1p(rest), top)


def _fill_softmax(result: Array, x: Array) -> None:
    _, _, e, rest, _ = _parts(x)
    np.divide(e, 1 + rest, out=result)


def _fill_log_softmax(result: Array, x: Array) -> None:
    _, d, _, rest, _ = _parts(x)
    np.subtract(d, np.log1p(rest), out=result)


def _fill_residual(result: Array, x: Array, g: Array) -> None:
    _, _, p, rest, at = _parts(x)
    total = 1 + rest
    p /= total
    others = np.subtract(np.add.reduce(g, 1, keepdims=True), g)
    others *= p
    np.subtract(1, p, out=p)
    p[at] = (rest / total)[:, 0]  # the only share that may be close to 1
    np.multiply(g, p, out=result)
    result -= others


def _logsumexp(x: Array, *, axes: Sequence[int], keepdims: bool) -> Array:
    rows = _rows(x, axes)
    total = _by_blocks(_fill_logsumexp, np.full((len(rows), 1), -np.inf, x.dtype), rows)
    return total.reshape(reduced_shape(x.shape, axes, keepdims))


def _along(fill: Callable[..., None]) -> Callable[..., Array]:
    """Return the evaluation of an operation that keeps the shape, from what it does with rows."""

    def evaluate(*given: Array, axes: Sequence[int]) -> Array:
        rows = [_rows(array, axes) for array in given]
        return _from_rows(_by_blocks(fill, np.empty_like(rows[0]), *rows), axes, given[0])

    return evaluate


def _logsumexp_into(out: Array, x: Array, *, axes: Sequence[int], keepdims: bool) -> None:
    rows = _rows(x, axes)
    out.fill(-np.inf)
    _by_blocks(_fill_logsumexp, out.reshape(len(rows), 1), rows)


def _along_into(fill: Callable[..., None]) -> Callable[..., None]:
    """Return the evaluation into a given array, in C order or as ``_along`` makes it."""

    def into(out: Array, *given: Array, axes: Sequence[int]) -> None:
        rows = [_rows(array, axes) for array in given]
        own = _rows(out, axes)
        if np.may_share_memory(own, out):
            _by_blocks(fill, own, *rows)
        elif out.size:
            np.copyto(
                out, _from_rows(_by_blocks(fill, np.empty_like(rows[0]), *rows), axes, given[0])
            )

    return into


_EXAMPLES = (
    example((2, 3), axes=(1,)),
    example((2, 3), axes=(0,)),
    example((2, 3, 2), axes=(0, 2)),
    example((), axes=()),
    example((0, 3), axes=(1,)),
)


def _keep_type(x: ArrayType, *, axes: Sequence[int]) -> ArrayType:
    return x


def _sum(x: Tensor, axes: Sequence[int]) -> Tensor:
    return sum_bound(x, axes, True)


def _pull_softmax(g: Tensor, p: Tensor, axes: Sequence[int]) -> Tensor:
    """Return ``p ⊙ (g - Σ g p)``: the Jacobian of softmax is symmetric."""
    return p * (g - _sum(g * p, axes))


def _push_log_softmax(
    ts: Sequence[Tensor], ans: Tensor, x: Tensor, *, axes: Sequence[int]
) -> Tensor:
    return ts[0] - _sum(ts[0] * softmax_bound(x, axes), axes)


def _residual_vjps() -> tuple[Rule, Rule]:
    def by_x(u: Tensor, ans: Tensor, x: Tensor, g: Tensor, *, axes: Sequence[int]) -> Tensor:
        return -_sum(g, axes) * _pull_softmax(u, softmax_bound(x, axes), axes)

    def by_g(u: Tensor, ans: Tensor, x: Tensor, g: Tensor, *, axes: Sequence[int]) -> Tensor:
        return _push_log_softmax([u], ans, x, axes=axes)

    return by_x, by_g


def _push_residual(
    ts: Sequence[Tensor | None], ans: Tensor, x: Tensor, g: Tensor, *, axes: Sequence[int]
) -> Tensor:
    terms = []
    if ts[0] is not None:
        terms.append(-_sum(g, axes) * _pull_softmax(ts[0], softmax_bound(x, axes), axes))
    if ts[1] is not None:
        terms.append(residual_bound(x, ts[1], axes))
    return terms[0] if len(terms) == 1 else terms[0] + terms[1]


logsumexp_p: Primitive = Primitive(
    "logsumexp",
    eval=_logsumexp,
    type_rule=reduced_type,
    into=_logsumexp_into,
    vjp=(lambda g, ans, x, *, axes, keepdims: spread(g, x, axes) * softmax_bound(x, axes),),
    jvp=lambda ts, ans, x, *, axes, keepdims: sum_bound(
        ts[0] * softmax_bound(x, axes), axes, keepdims
    ),
    examples=EXAMPLES,
)

softmax_p: Primitive = Primitive(
    "softmax",
    eval=_along(_fill_softmax),
    into=_along_into(_fill_softmax),
    type_rule=_keep_type,
    vjp=(lambda g, ans, x, *, axes: _pull_softmax(g, ans, axes),),
    jvp=lambda ts, ans, x, *, axes: _pull_softmax(ts[0], ans, axes),
    examples=_EXAMPLES,
)

log_softmax_p: Primitive = Primitive(
    "log_softmax",
    eval=_along(_fill_log_softmax),
    into=_along_into(_fill_log_softmax),
    type_rule=_keep_type,
    vjp=(lambda g, ans, x, *, axes: residual_bound(x, g, axes),),
    jvp=_push_log_softmax,
    examples=_EXAMPLES,
)


#: ``y = g - softmax(x) Σ g``: the cotangent of logits. For the cross-entropy of one-hot rows,
#: ``g = -y``, it is the lecture's δ = a - y. Where a share is close to 1, what it lacks to 1 is the
#: sum of the others, and not a difference of rounded numbers.
softmax_residual_p: Primitive = Primitive(
    "softmax_residual",
    eval=_along(_fill_residual),
    into=_along_into(_fill_residual),
    type_rule=lambda x, g, *, axes: x,
    vjp=_residual_vjps(),
    jvp=_push_residual,
    examples=(
        example((2, 3), (2, 3), axes=(1,)),
        example((2, 3), (2, 3), axes=(0,)),
        example((2, 3, 2), (2, 3, 2), axes=(0, 2)),
        example((), (), axes=()),
        example((0, 3), (0, 3), axes=(1,)),
    ),
)


def residual_bound(x: Tensor, g: Tensor, axes: Sequence[int]) -> Tensor:
    """Return ``g - softmax(x) Σ g``, with the axes already normalized."""
    return bind(softmax_residual_p, x, g, axes=tuple(axes))


def softmax_bound(x: Tensor, axes: Sequence[int]) -> Tensor:
    """Apply the primitive with its axes already normalized."""
    return bind(softmax_p, x, axes=tuple(axes))


def logsumexp(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Logarithm of a sum of exponentials: ``y = log Σ exp(x)``, without overflow.

    Args:
        x: array of any shape.
        axis: axis or axes (default: all).
        keepdims: keep the reduced axes with size 1.

    >>> logsumexp([-1000.0, 1000.0])
    Tensor(1000., dtype=float32)
    """
    x = as_float(x)
    return bind(logsumexp_p, x, axes=normalize_axes(axis, x.ndim), keepdims=keepdims)


def softmax(x: TensorLike, axis: int = -1) -> Tensor:
    """Softmax: ``yᵢ = exp(xᵢ) / Σⱼ exp(xⱼ)``, without overflow.

    Args:
        x: logits.
        axis: the axis over which the result sums to 1.

    >>> softmax([0.0, 0.0])
    Tensor([0.5, 0.5], dtype=float32)
    """
    x = as_float(x)
    return softmax_bound(x, (normalize_axis(axis, x.ndim),))


def log_softmax(x: TensorLike, axis: int = -1) -> Tensor:
    """Logarithm of softmax: ``yᵢ = xᵢ - log Σⱼ exp(xⱼ)``, also where it is close to 0.

    Args:
        x: logits.
        axis: the axis over which the shares sum to 1.

    >>> log_softmax([0.0, 1000.0])
    Tensor([-1000.,     0.], dtype=float32)
    >>> log_softmax([100.0, 70.0])
    Tensor([-9.357623e-14, -3.000000e+01], dtype=float32)
    """
    x = as_float(x)
    return bind(log_softmax_p, x, axes=(normalize_axis(axis, x.ndim),))
