"""What Algorithm 4.1 rests on: activations and losses on plain arrays, and checked arguments."""

from __future__ import annotations

# ruff: noqa: E741 - l is the lecture's symbol
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.core.errors import ArgumentError, ShapeError, nearest
from chainrule.core.types import Array, ArrayType, Dtype
from chainrule.losses import loss as find_loss
from chainrule.nn.activations import Activation
from chainrule.nn.activations import activation as find_activation
from chainrule.training.arrays import as_features, check_count, check_lengths, naming


@dataclass(frozen=True)
class Function:
    """An activation f_l on plain arrays, with its derivative in closed form."""

    activation: Activation

    @property
    def name(self) -> str:
        """The activation's name."""
        return self.activation.spelled

    def __call__(self, z: Array) -> Array:
        """Return f(z)."""
        return self.activation(z).numpy()

    def derivative(self, z: Array) -> Array:
        """Return f′(z); of softmax, its Jacobian."""
        return self.activation.derivative(z).numpy()


@dataclass(frozen=True)
class Objective:
    """A loss, with the error δ⁽ᴸ⁾ that it gives the last layer.

    Attributes:
        loss: ``(z, a, y)`` of one sample or of rows of samples to each one's loss.
        delta: ``(f, z, a, y)`` of one sample to δ⁽ᴸ⁾.
        last: the f_L that it belongs to; ``None``: any.
        is_wrong: whether it is for classes: ``(a, y)`` of rows of samples to where ŷ is wrong.
    """

    loss: Callable[[Array, Array, Array], Array]
    delta: Callable[[Function, Array, Array, Array], Array]
    last: str | None = None
    is_wrong: Callable[[Array, Array], Array] | None = None


def _squared_error_delta(f: Function, z: Array, a: Array, y: Array) -> Array:
    gradient = 2.0 / len(y) * (a - y)  # ∂L/∂a
    slopes = f.derivative(z)
    return slopes * gradient if f.activation.elementwise else slopes.T @ gradient


def _log_sum_exp(z: Array) -> Array:
    return np.asarray(np.logaddexp.reduce(z, axis=-1))


OBJECTIVES: dict[str, Objective] = {
    # L = (1/m) Σⱼ (aⱼ - yⱼ)²,  δ = f′(z) ⊙ (2/m)(a - y)
    "squared_error": Objective(
        loss=lambda z, a, y: np.mean((a - y) ** 2, axis=-1),
        delta=_squared_error_delta,
    ),
    # L = -yᵀ log softmax(z),  δ = a - y
    "cross_entropy": Objective(
        loss=lambda z, a, y: _log_sum_exp(z) - np.sum(y * z, axis=-1),
        delta=lambda f, z, a, y: a - y,
        last="softmax",
        is_wrong=lambda a, y: np.asarray(a.argmax(axis=-1) != y.argmax(axis=-1)),
    ),
    # L = -(1/m) Σⱼ (yⱼ log σ(zⱼ) + (1 - yⱼ) log σ(-zⱼ)),  δ = (a - y) / m
    "binary_cross_entropy": Objective(
        loss=lambda z, a, y: np.mean(
            y * np.logaddexp(0.0, -z) + (1.0 - y) * np.logaddexp(0.0, z), axis=-1
        ),
        delta=lambda f, z, a, y: (a - y) / len(y),
        last="sigmoid",
        is_wrong=lambda a, y: (a > 0.5) != (y > 0.5),
    ),
}


class Setup:
    """The arguments of Algorithm 4.1, checked.

    Attributes:
        M: the sizes [M_0, ..., M_L].
        f: the activations f[1], ..., f[L].
        objective: the loss.
        D: the training set: rows of samples, rows of targets.
        V: the validation set, likewise.
        dtype: the dtype of all of them.
    """

    def __init__(
        self, D: Any, V: Any, M: Any, names: Any, loss: str, monitor: str, dtype: Dtype
    ) -> None:
        if isinstance(names, str) or not isinstance(names, Sequence):
            raise ArgumentError("activations", repr(names), "a list of names, one a layer")
        if not isinstance(M, Sequence | np.ndarray) or isinstance(M, str):
            example = [M] if isinstance(M, int) else [4, 1]
            raise ArgumentError("M", repr(M), f"a list of units, such as {example}")
        units = [check_count("M", m) for m in M]
        if not units or len(units) != len(names):
            raise ArgumentError(
                "activations", f"{len(names)} of them", f"one a layer, as in M: {len(units)}"
            )
        self.dtype = dtype
        self.f = {l: _function(l, name, len(names)) for l, name in enumerate(names, start=1)}
        self._loss, self.objective = self._find(loss)
        self.D = self._checked(D, "D", units[-1])
        self.V = self._checked(V, "V", units[-1])
        self.M = [self.D[0].shape[1], *units]
        if self.V[0].shape[1] != self.M[0]:
            raise ShapeError(
                "V[0]", f"shape {self.V[0].shape}", f"shape (n, {self.M[0]}), as the samples of D"
            )
        errors = ["val_loss", *["val_error_rate"] * (self.objective.is_wrong is not None)]
        if monitor not in errors:
            fix = nearest(monitor, errors) or "An error rate needs classes."
            raise ArgumentError("monitor", repr(monitor), " or ".join(map(repr, errors)), fix)

    def _find(self, loss: str) -> tuple[Any, Objective]:
        found = find_loss(loss)
        if found.name not in OBJECTIVES:
            raise ArgumentError(
                "loss", repr(loss), f"one of {', '.join(OBJECTIVES)}", "model.fit takes any loss."
            )
        objective, name = OBJECTIVES[found.name], self.f[len(self.f)].name
        if objective.last not in (None, name):
            raise ArgumentError(
                "activations",
                f"{name!r} for the last layer, with loss={found.name!r}",
                repr(objective.last),
                "The two go together: then δ = ŷ - y.",
            )
        return found, objective

    def _checked(self, data: Any, name: str, units: int) -> tuple[Array, Array]:
        """Return samples and targets as rows; labels as one-hot rows."""
        if not isinstance(data, tuple | list) or len(data) != 2:
            raise ArgumentError(name, _what(data), "a pair (x, y) of samples and targets")
        with naming(x=f"{name}[0]", y=f"{name}[1]"):
            x = as_features(data[0], self.dtype)
            if x.ndim != 2 or not len(x):
                raise ShapeError("x", f"shape {x.shape}", "shape (n, M_0), n from 1")
            y = self._loss.check(data[1], ArrayType((len(x), units), self.dtype))
            check_lengths(x, y)
        return x, np.eye(units, dtype=self.dtype)[y] if y.ndim == 1 else y


def _function(l: int, name: str, L: int) -> Function:
    known = find_activation(name)[1]
    if not isinstance(known, Activation):
        raise ArgumentError("activations", repr(name), "names of activations")
    if l < L and not known.elementwise:
        raise ArgumentError(
            "activations",
            f"{known.name!r} in a hidden layer, which mixes the units",
            "an activation that acts on each unit by itself",
            "model.fit takes it.",
        )
    return Function(known)


def _what(data: Any) -> str:
    many = isinstance(data, tuple | list)
    return f"{len(data)} things" if many else f"a {type(data).__name__}"
