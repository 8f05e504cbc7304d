"""The lecture's Algorithm 4.1, line by line: stochastic gradient descent with backpropagation.

Plain arrays, one sample at a time, every derivative in closed form. ``model.fit`` does the same for
any network, batch size and optimizer, by automatic differentiation; with ``batch_size=1``, SGD and
``EarlyStopping`` it follows the same trajectory.
"""

# ruff: noqa: E741, PLC2401 - l, δ and dW are the lecture's symbols

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from chainrule.core.errors import ShapeError
from chainrule.core.types import Array, Dtype, as_dtype
from chainrule.ops.random import Generator
from chainrule.optim.optimizer import checked
from chainrule.training.arrays import as_features, check_count
from chainrule.training.loop import DivergedError
from chainrule.training.textbook import Function, Setup

#: Arrays by the number of their layer.
ByLayer: TypeAlias = dict[int, Array]


@dataclass(frozen=True, repr=False)
class TrainedNetwork:
    """What Algorithm 4.1 returns: the W and b with the lowest error on V.

    Attributes:
        W: W[l], shape (M_l, M_(l-1)), for l from 1 to L.
        b: b[l], shape (M_l,), for l from 1 to L.
        f: f[l], the activations.
        history: by epoch, ``"loss"`` (the mean of the risk of each sample before its update),
            ``"val_loss"`` (the risk on V), and for classes ``"val_error_rate"``.
        best_epoch: the epoch, from 0, that W and b are of.
        stopped_epoch: the epoch after which the error no longer fell, or ``None`` if ``max_epochs``
            came first.
    """

    W: dict[int, Array]
    b: dict[int, Array]
    f: dict[int, Function]
    history: dict[str, list[float]]
    best_epoch: int
    stopped_epoch: int | None

    @property
    def L(self) -> int:  # noqa: N802 (the lecture's symbol)
        """Number of layers."""
        return len(self.W)

    def predict(self, x: Any) -> Array:
        """Return ŷ = a⁽ᴸ⁾ for each sample: probabilities, where f_L is softmax or sigmoid.

        Args:
            x: samples, shape (n, M_0).

        Raises:
            ShapeError: samples of another size.
        """
        features = as_features(x, self.W[1].dtype)
        if features.shape[1:] != self.W[1].shape[1:]:
            raise ShapeError("x", f"shape {features.shape}", f"shape (n, {self.W[1].shape[1]})")
        return _forward(self.W, self.b, self.f, features)[1]

    def __repr__(self) -> str:
        sizes = " - ".join(str(n) for n in (self.W[1].shape[1], *(len(b) for b in self.b.values())))
        names = ", ".join(f.name for f in self.f.values())
        val = self.history["val_loss"][self.best_epoch]
        end = "stopped" if self.stopped_epoch is not None else "ended"
        return (
            f"<network {sizes} ({names}): {end} after {len(self.history['loss'])} epochs, "
            f"best in epoch {self.best_epoch + 1}, val_loss {val:.6g}>"
        )


@np.errstate(over="ignore", invalid="ignore", divide="ignore")  # it shows in the risk
def algorithm_4_1(
    D: tuple[Any, Any],
    V: tuple[Any, Any],
    learning_rate: float = 0.01,
    l2: float = 0.0,
    *,
    M: Sequence[int],
    activations: Sequence[str],
    loss: str = "squared_error",
    monitor: str = "val_loss",
    patience: int = 10,
    max_epochs: int = 1000,
    seed: int = 0,
    weights: Sequence[Any] | None = None,
    dtype: npt.DTypeLike = "float64",
) -> TrainedNetwork:
    """Train by Algorithm 4.1: stochastic gradient descent with backpropagation.

    It follows the same trajectory as ``cr.random.seed(seed)`` and then, of a new ``Sequential`` of
    the same layers with SGD, ``fit(batch_size=1, epochs=max_epochs, validation_data=V,
    callbacks=[cr.EarlyStopping(monitor, patience)])``.

    Args:
        D: the training set: samples of shape (N, M_0) and targets, one a sample.
        V: the validation set, likewise.
        learning_rate: α.
        l2: λ of the penalty ½ λ ‖W‖²_F.
        M: the numbers of units [M_1, ..., M_L]; their count is L.
        activations: the names of [f_1, ..., f_L]; those of hidden layers must act on each unit by
            itself.
        loss: ``"squared_error"``, with any f_L; ``"cross_entropy"``, with softmax; or
            ``"binary_cross_entropy"``, with sigmoid.
        monitor: the error on V: ``"val_loss"``, the risk, or for classes ``"val_error_rate"``.
        patience: for how many epochs the error may fail to fall.
        max_epochs: when to end in any case.
        seed: of the initial weights and of the orders of the samples.
        weights: initial weights instead of random ones, in the order and the shapes of
            ``model.get_weights()``.
        dtype: float64 or float32.

    Returns:
        The network with the lowest error on V, and how it came about.

    Raises:
        ArgumentError: arguments that do not fit.
        DivergedError: the risk became NaN or infinite.

    >>> XOR = [[0, 0], [0, 1], [1, 0], [1, 1]], [0, 1, 1, 0]
    >>> network = algorithm_4_1(
    ...     XOR, XOR, 0.03, M=[4, 1], activations=["tanh", "linear"], patience=200, max_epochs=2000
    ... )
    >>> (network.predict(XOR[0]) > 0.5).ravel().tolist()
    [False, True, True, False]

    Source: Qiu, "Neural Networks and Deep Learning", algorithm 4.1.
    """
    setup = Setup(D, V, M, activations, loss, monitor, as_dtype(dtype))
    M, f, objective, (xs, ys) = setup.M, setup.f, setup.objective, setup.D
    α, λ = checked("learning_rate", learning_rate), checked("l2", l2)
    check_count("patience", patience, 0)
    check_count("max_epochs", max_epochs)
    random, N, L = Generator(seed), len(xs), len(f)
    z: ByLayer = {}
    a: ByLayer = {}
    δ: ByLayer = {}
    history: dict[str, list[float]] = {}
    lowest, waited, best, best_epoch, stopped_epoch = math.inf, 0, None, 0, None

    #  1  initialize W, b at random
    W, b = _initial(M, random, setup.dtype) if weights is None else _given(weights, setup)
    #  2  repeat
    for epoch in range(max_epochs):
        total = 0.0
        #  3  put the samples of the training set D in a new random order
        order = random.permutation(N).numpy()
        #  4  for n = 1 ... N do
        for n in order:
            #  5  take the sample (x, y) from D
            x, y = xs[n], ys[n]
            #  6  forward: the net input z and the activation a of every layer, up to the last
            a[0] = x
            for l in range(1, L + 1):
                z[l] = W[l] @ a[l - 1] + b[l]
                a[l] = f[l](z[l])
            total += float(objective.loss(z[L], a[L], y)) + _penalty(W, λ)
            #  7  backward: the error δ of every layer                        (equation 4.63)
            δ[L] = objective.delta(f[L], z[L], a[L], y)
            for l in range(L - 1, 0, -1):
                δ[l] = f[l].derivative(z[l]) * (W[l + 1].T @ δ[l + 1])
            for l in range(1, L + 1):
                #  8  for every l: the derivative by W                        (equation 4.68)
                dW = np.outer(δ[l], a[l - 1])
                #  9  for every l: the derivative by b                        (equation 4.69)
                db = δ[l]
                # 10  W ← W - α (δ aᵀ + λ W)
                W[l] = W[l] - α * (dW + λ * W[l])
                # 11  b ← b - α δ
                b[l] = b[l] - α * db
        # 12  end
        log = {"loss": total / N, **_validate(W, b, λ, setup)}
        _note(history, log, epoch, α)
        error = log[monitor]
        waited = 0 if error < lowest else waited + 1
        if error <= lowest:
            lowest, best, best_epoch = error, (dict(W), dict(b)), epoch
        # 13  until the error on the validation set V no longer falls
        if waited > patience:
            stopped_epoch = epoch
            break
    #     output: W, b
    W, b = best or (W, b)
    return TrainedNetwork(W, b, f, history, best_epoch, stopped_epoch)


# What the lines rest on ----------------------------------------------------------------------


def _initial(M: Sequence[int], random: Generator, dtype: Dtype) -> tuple[ByLayer, ByLayer]:
    """Draw each W from ±√(6 / (M_(l-1) + M_l)), as Dense does, and start each b at 0."""
    W, b = {}, {}
    for l in range(1, len(M)):
        limit = math.sqrt(6.0 / (M[l - 1] + M[l]))
        W[l] = random.uniform(-limit, limit, (M[l - 1], M[l]), dtype).numpy().T
        b[l] = np.zeros(M[l], dtype)
    return W, b


def _given(weights: Sequence[Any], setup: Setup) -> tuple[ByLayer, ByLayer]:
    """Take weights in Keras's order and shapes: (M_(l-1), M_l), then (M_l,), layer by layer."""
    shapes = [shape for m, n in zip(setup.M, setup.M[1:], strict=False) for shape in ((m, n), (n,))]
    arrays = [np.array(array, setup.dtype) for array in weights]
    if [array.shape for array in arrays] != shapes:
        came = ", ".join(str(array.shape) for array in arrays)
        raise ShapeError("weights", f"shapes {came}", f"shapes {', '.join(map(str, shapes))}")
    layers = range(1, len(setup.M))
    return {l: arrays[2 * l - 2].T for l in layers}, {l: arrays[2 * l - 1] for l in layers}


def _penalty(W: ByLayer, λ: float) -> float:
    """Return ½ λ ‖W‖²_F."""
    return 0.5 * λ * sum(float(np.sum(w**2)) for w in W.values()) if λ else 0.0


def _forward(W: ByLayer, b: ByLayer, f: dict[int, Function], rows: Array) -> tuple[Array, Array]:
    """Return z⁽ᴸ⁾ and a⁽ᴸ⁾ of many samples, one a row."""
    z = a = rows
    for l, function in f.items():
        z = a @ W[l].T + b[l]
        a = function(z)
    return z, a


def _validate(W: ByLayer, b: ByLayer, λ: float, setup: Setup) -> dict[str, float]:
    """Return the risk on V, and for classes the share of wrong answers."""
    x, y = setup.V
    z, a = _forward(W, b, setup.f, x)
    errors = {"val_loss": float(np.mean(setup.objective.loss(z, a, y))) + _penalty(W, λ)}
    if setup.objective.is_wrong is not None:
        errors["val_error_rate"] = float(np.mean(setup.objective.is_wrong(a, y)))
    return errors


def _note(history: dict[str, list[float]], log: dict[str, float], epoch: int, α: float) -> None:
    """Add an epoch to the history, unless training has diverged."""
    if not math.isfinite(log["loss"]):
        raise DivergedError(
            f"the loss became {log['loss']} in epoch {epoch + 1}: training has diverged. The usual "
            f"cause is a learning rate that is too high (it is {α:g}; try a tenth of it), the next "
            "one inputs that are not scaled."
        )
    for name, value in log.items():
        history.setdefault(name, []).append(value)
