"""L-BFGS: a quasi-Newton method for functions of all samples at once."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from chainrule.core.errors import ArgumentError, ChainruleError
from chainrule.core.mode import no_grad, recording
from chainrule.core.tensor import Parameter, Tensor, as_tensor
from chainrule.core.types import FLOAT64, Array
from chainrule.ops import reduce
from chainrule.ops.creation import zeros_like
from chainrule.ops.elementwise import abs
from chainrule.ops.promotion import cast
from chainrule.ops.shape import concatenate, reshape, slice_axis
from chainrule.optim.arguments import positive, whole
from chainrule.optim.line_search import StrongWolfe, Trial
from chainrule.optim.optimizer import Optimizer, by_path, check_arrays, checked, differentiate
from chainrule.optim.schedules import Rate


class LBFGS(Optimizer):
    """L-BFGS: Newton's step, with a Hessian that is guessed from the last steps' gradients.

    ``d = -H g``, ``w ← w + a d``; ``s = a d`` and ``y = g(w + a d) - g(w)`` are kept, and ``H`` is
    the matrix that the last ``history_size`` pairs give by the BFGS formula, starting from
    ``(s·y / y·y) I``. It is never written out: ``H g`` is two loops over the pairs. ``a`` satisfies
    the strong Wolfe conditions: ``f(w + a d) ≤ f(w) + c₁ a g·d`` and ``|g(w + a d)·d| ≤ c₂ |g·d|``.

    The line search evaluates the loss several times for each change, and compares the values:
    ``minimize`` takes the loss as a function, and ``fit`` must get all samples in one batch
    (``batch_size`` at least their number). An epoch is then one call of ``minimize``: up to
    ``max_iter`` changes. Layers that draw at random (``Dropout``) make every evaluation another
    function; leave them out. Weights are penalized by the loss itself (``l2=``): decoupled weight
    decay and clipping would break the line search, so neither is offered.

    Args:
        learning_rate: the step a that the line search tries first.
        max_iter: changes in one call of ``minimize``.
        max_eval: evaluations in one call (default: 5/4 of ``max_iter``, and at least 25).
        history_size: pairs (s, y) to keep.
        tolerance_grad: stop when no element of the gradient is larger.
        tolerance_change: stop when a change promises, moves every parameter, or lowers the loss, by
            less than this.
        c1: c₁: how much of the promised fall is enough.
        c2: c₂, above c₁: how much of the slope may be left.

    Raises:
        ArgumentError: a number out of range.

    >>> import chainrule as cr
    >>> w = cr.Parameter([-1.5, 2.0])
    >>> rosenbrock = lambda: (1.0 - w[0]) ** 2 + 100.0 * (w[1] - w[0] ** 2) ** 2
    >>> optimizer = LBFGS(max_iter=100)
    >>> loss = optimizer.minimize(rosenbrock, [w])
    >>> bool((cr.abs(w - 1.0) < 1e-3).min())
    True

    Source: Nocedal and Wright, "Numerical optimization", 2nd edition, algorithms 7.4 and 7.5.
    """

    name = "lbfgs"
    full_batch = True
    is_traceable = False  # how far it goes depends on what it finds
    options = ()
    arguments = (
        *("max_iter", "max_eval", "history_size", "tolerance_grad", "tolerance_change"),
        *("c1", "c2"),
    )

    def __init__(
        self,
        learning_rate: Rate = 1.0,
        max_iter: int = 20,
        max_eval: int | None = None,
        history_size: int = 10,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        *,
        c1: float = 1e-4,
        c2: float = 0.9,
    ) -> None:
        super().__init__(learning_rate)
        self.max_iter = whole("max_iter", max_iter)
        default = max(25, self.max_iter * 5 // 4)
        self.max_eval = default if max_eval is None else whole("max_eval", max_eval, least=2)
        self.history_size = whole("history_size", history_size)
        self.tolerance_grad = checked("tolerance_grad", tolerance_grad)
        self.tolerance_change = checked("tolerance_change", tolerance_change)
        self.c1 = checked("c1", positive("c1", c1), below=1.0)
        self.c2 = checked("c2", c2, below=1.0)
        if self.c1 >= self.c2:
            raise ArgumentError("c2", repr(c2), f"a number above c1 ({self.c1:g}) and below 1")
        #: How often the loss was evaluated so far.
        self.evaluations = 0
        #: The pairs (s, y), oldest first, each a vector over all parameters.
        self._pairs: list[tuple[Tensor, Tensor]] = []
        self._parameters: list[Parameter] = []

    @property
    def parameters(self) -> list[Parameter]:
        """The parameters that it has changed so far."""
        return list(self._parameters)

    def apply(self, parameters: Sequence[Parameter], gradients: Sequence[Tensor]) -> None:
        """Refuse: the gradients of one point are not enough.

        Raises:
            ChainruleError: always.
        """
        raise ChainruleError(
            "L-BFGS evaluates the loss several times in a step, and cannot work from gradients "
            "alone: call optimizer.minimize(loss, parameters), where loss() computes the loss"
        )

    def minimize(self, loss: Callable[[], Tensor], parameters: Sequence[Parameter]) -> Tensor:
        """Make up to ``max_iter`` changes.

        Args:
            loss: returns one number, computed from the parameters; the same at each call unless
                they change.
            parameters: what to change. Their ``grad`` is that of the last point evaluated.

        Returns:
            The function's value before the first change.
        """
        known = [id(p) for p in self._parameters]
        if known != [id(p) for p in parameters]:
            self._parameters, self._pairs = list(parameters), []
        first = differentiate(loss, parameters)
        if not parameters:
            return first
        with no_grad():
            self._begin_step()
            self._descend(loss, Trial(0.0, float(first.item()), 0.0, self._gradient()))
        return first

    def _descend(self, loss: Callable[[], Tensor], here: Trial) -> None:
        rate = float(self._learning_rate.item())
        search = StrongWolfe(self.c1, self.c2)
        last = self.evaluations + self.max_eval - 1
        for _ in range(self.max_iter):
            gradient = here.gradient
            size = float(reduce.sum(abs(gradient)).item())
            if not math.isfinite(size + here.value) or self.evaluations >= last:
                return
            direction = self._direction(gradient)
            slope = _dot(gradient, direction)
            if _largest(gradient) <= self.tolerance_grad or slope >= -self.tolerance_change:
                return
            at = self._vector()
            # Without a history the direction is -g, whose length says nothing of the step's.
            first = rate if self._pairs else rate * min(1.0, 1.0 / size)
            found = search(
                partial(self._evaluate, loss, at, direction),
                Trial(0.0, here.value, slope, gradient),
                first,
                last - self.evaluations,
            )
            self._move_to(at + direction * found.step)
            moved = self._vector() - at
            self._remember(moved, found.gradient - gradient)
            fallen, here = here.value - found.value, found
            if min(fallen, _largest(moved)) <= self.tolerance_change:
                return

    def _evaluate(
        self, loss: Callable[[], Tensor], at: Tensor, direction: Tensor, step: float
    ) -> Trial:
        self._move_to(at + direction * step)
        with recording(True):
            value = differentiate(loss, self._parameters)
        self.evaluations += 1
        gradient = self._gradient()
        return Trial(step, float(value.item()), _dot(gradient, direction), gradient)

    def _direction(self, gradient: Tensor) -> Tensor:
        """Return ``-H g``."""
        q, shares = gradient, []
        for s, y in reversed(self._pairs):
            share = _dot(s, q) / _dot(s, y)
            q = q - y * share
            shares.append(share)
        if self._pairs:
            s, y = self._pairs[-1]
            q = q * (_dot(s, y) / _dot(y, y))
        for (s, y), share in zip(self._pairs, reversed(shares), strict=True):
            q = q + s * (share - _dot(y, q) / _dot(s, y))
        return -q

    def _remember(self, s: Tensor, y: Tensor) -> None:
        # The Wolfe conditions make s·y positive; rounding, or a search that was cut off, may not.
        if _dot(s, y) > _EPSILON * _dot(y, y):
            self._pairs = [*self._pairs, (s, y)][-self.history_size :]

    # All parameters as one vector, in float64 ------------------------------------------------

    def _vector(self) -> Tensor:
        return _joined([p.value for p in self._parameters])

    def _gradient(self) -> Tensor:
        # A parameter that the loss does not depend on has no gradient.
        return _joined([zeros_like(p) if p.grad is None else p.grad for p in self._parameters])

    def _move_to(self, vector: Tensor) -> None:
        for parameter, part in zip(self._parameters, self._split(vector), strict=True):
            parameter.assign(part)

    def _split(self, vector: Tensor) -> list[Tensor]:
        parts, start = [], 0
        for p in self._parameters:
            parts.append(reshape(slice_axis(vector, 0, start, start + p.size), p.shape))
            start += p.size
        return parts

    # What files hold ------------------------------------------------------------------------

    def state(self) -> dict[str, Array]:
        """Return all that changes from step to step, as named arrays.

        Returns:
            ``step`` and ``learning_rate``; for each parameter, once there are pairs, ``PATH/s`` and
            ``PATH/y``, shape (pairs, ...), oldest first, in float64.

        Raises:
            ArgumentError: two parameters have the same name.
        """
        found = super().state()
        paths = by_path(self._parameters)
        if self._pairs:
            split = [[self._split(vector) for vector in pair] for pair in self._pairs]
            for i, path in enumerate(paths):
                found[f"{path}/s"] = np.stack([s[i].numpy() for s, _ in split])
                found[f"{path}/y"] = np.stack([y[i].numpy() for _, y in split])
        return found

    def load_state(
        self, state: Mapping[str, Any], parameters: Mapping[str, Parameter] | Iterable[Parameter]
    ) -> None:
        """Go on from a state that ``state`` returned; nothing changes if it does not fit.

        Args:
            state: the arrays by name.
            parameters: the parameters that they belong to.

        Raises:
            ArgumentError: an array is missing, or belongs to nothing here.
            ShapeError: an array of another shape than its parameter.
        """
        known = {path: p for path, p in by_path(parameters).items() if f"{path}/s" in state}
        count = len(np.asarray(state[f"{next(iter(known))}/s"])) if known else 0
        kept = {f"{path}/{k}": (count, *p.shape) for path, p in known.items() for k in "sy"}
        check_arrays(state, {**dict.fromkeys(self.shared_state(), ()), **kept})
        for name, cell in self.shared_state().items():
            cell.assign(np.asarray(state[name]))
        self._parameters = list(known.values())
        arrays = [[np.asarray(state[f"{path}/{k}"]) for path in known] for k in "sy"]
        self._pairs = [
            (
                _joined([as_tensor(a[i]) for a in arrays[0]]),
                _joined([as_tensor(a[i]) for a in arrays[1]]),
            )
            for i in range(count)
        ][-self.history_size :]


_EPSILON = float(np.finfo(np.float64).eps)


def _joined(arrays: Sequence[Tensor]) -> Tensor:
    return concatenate([cast(reshape(a, (-1,)), FLOAT64) for a in arrays])


def _dot(x: Tensor, y: Tensor) -> float:
    return float(reduce.sum(x * y).item())


def _largest(x: Tensor) -> float:
    return float(reduce.max(abs(x)).item())
