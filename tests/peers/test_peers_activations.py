"""Every activation, forward and backward, held against PyTorch in float64."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.nn.activations import KINDS

torch = pytest.importorskip("torch")
F = torch.nn.functional

#: One relative millionth; below it, what rounding leaves of numbers near 0.
CLOSE = {"rtol": 1e-6, "atol": 1e-13}

THEIRS: dict[str, Callable[[Any], Any]] = {
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "relu": F.relu,
    "leaky_relu": F.leaky_relu,
    "leaky_relu(gamma=0.2)": lambda x: F.leaky_relu(x, 0.2),
    "elu": F.elu,
    "elu(gamma=0.5)": lambda x: F.elu(x, 0.5),
    "elu(gamma=2.0)": lambda x: F.elu(x, 2.0),
    "softplus": lambda x: F.softplus(x, threshold=40.0),  # at 20, it would cut 2e-9 off
    "selu": F.selu,
    "gelu": F.gelu,
    "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"),
    "silu": F.silu,
    "mish": F.mish,
    "softsign": F.softsign,
    "hard_sigmoid": F.hardsigmoid,
    "hard_tanh": F.hardtanh,
    "hard_silu": F.hardswish,
    "relu6": F.relu6,
    "log_sigmoid": F.logsigmoid,
    "sine": torch.sin,
    "linear": lambda x: x * 1.0,
    "softmax": lambda x: F.softmax(x, -1),
    "log_softmax": lambda x: F.log_softmax(x, -1),
    "prelu": lambda x: F.prelu(x, torch.tensor([0.25], dtype=x.dtype)),
    "maxout": lambda x: x.unflatten(-1, (-1, 2)).amax(-1),
}


def test_every_activation_has_its_counterpart() -> None:
    assert {name.partition("(")[0] for name in THEIRS} == {kind.name for kind in KINDS}


def inputs() -> np.ndarray:
    """Return numbers of all sizes, and every kink itself."""
    rng = np.random.default_rng(0)
    kinks = [x for kind in KINDS for x in kind.kinks]
    parts = [rng.normal(size=300), rng.normal(scale=5.0, size=300), rng.normal(size=60) * 300.0]
    x = np.concatenate([*parts, kinks, [0.0, -0.0, 1.0, -1.0, 1000.0, -1000.0]])
    return np.concatenate([x, rng.normal(size=-len(x) % 6)]).reshape(-1, 6)


def gradients(name: str, x: np.ndarray, w: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    theirs = torch.tensor(x, dtype=torch.float64, requires_grad=True)
    (torch.tensor(w) * THEIRS[name](theirs)).sum().backward()
    kind = cr.activations.get(name)
    ours = cr.grad(lambda x: (w * kind(x)).sum())(x)
    return ours.numpy(), theirs.grad.numpy()


@pytest.mark.parametrize("name", THEIRS)
def test_forward_and_backward(name: str) -> None:
    x, kind = inputs(), cr.activations.get(name)
    expected = THEIRS[name](torch.tensor(x, dtype=torch.float64)).numpy()
    found = kind(x)
    assert found.dtype == "float64"
    np.testing.assert_allclose(found.numpy(), expected, **CLOSE)
    w = np.random.default_rng(1).normal(size=expected.shape)
    np.testing.assert_allclose(*gradients(name, x, w), **CLOSE)


@pytest.mark.parametrize("name", [name for name in THEIRS if name not in {"softmax", "maxout"}])
def test_closed_forms(name: str) -> None:
    kind = cr.activations.get(name)
    if not kind.elementwise:
        row = np.array([0.3, -1.2, 2.0, 0.0])
        expected = torch.autograd.functional.jacobian(THEIRS[name], torch.tensor(row)).numpy()
        np.testing.assert_allclose(kind.derivative(row).numpy(), expected, **CLOSE)
        return
    x = inputs()
    _, expected = gradients(name, x, np.ones_like(x))
    np.testing.assert_allclose(kind.derivative(x).numpy(), expected, **CLOSE)


def test_slopes_of_prelu() -> None:
    rng = np.random.default_rng(0)
    x, gamma, w = rng.normal(size=(20, 5)), rng.normal(size=5), rng.normal(size=(20, 5))
    theirs = [torch.tensor(a, requires_grad=True) for a in (x, gamma)]
    (torch.tensor(w) * F.prelu(*theirs)).sum().backward()
    found = cr.grad(lambda x, gamma: (w * cr.prelu(x, gamma)).sum(), argnums=(0, 1))(x, gamma)
    for ours, their in zip(found, theirs, strict=True):
        np.testing.assert_allclose(ours.numpy(), their.grad.numpy(), **CLOSE)


@pytest.mark.parametrize("pieces", [2, 3, 6])
def test_pieces_of_maxout(pieces: int) -> None:
    x = np.random.default_rng(0).normal(size=(20, 12))
    x[0] = 1.0  # ties: PyTorch shares evenly as well
    w = np.random.default_rng(1).normal(size=(20, 12 // pieces))
    theirs = torch.tensor(x, requires_grad=True)
    found = theirs.unflatten(-1, (-1, pieces)).amax(-1)
    (torch.tensor(w) * found).sum().backward()
    np.testing.assert_array_equal(cr.maxout(x, pieces).numpy(), found.detach().numpy())
    ours = cr.grad(lambda x: (w * cr.maxout(x, pieces)).sum())(x)
    np.testing.assert_allclose(ours.numpy(), theirs.grad.numpy(), **CLOSE)


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_softmax_along_an_axis(axis: int) -> None:
    x = np.random.default_rng(0).normal(scale=50.0, size=(4, 5))
    for name, theirs in (("softmax", F.softmax), ("log_softmax", F.log_softmax)):
        found = cr.activations.get(name)(x, axis=axis).numpy()
        np.testing.assert_allclose(found, theirs(torch.tensor(x), axis).numpy(), **CLOSE)


def test_second_derivatives() -> None:
    """Where both sides have them: away from kinks."""
    x = np.array([-4.3, -2.2, -1.4, -0.6, -0.15, 0.2, 0.7, 1.3, 2.1, 4.4])
    lacking = {"hard_sigmoid"}  # PyTorch has none; ours is 0, as for every piecewise linear f
    of_vectors = {"maxout", "softmax", "log_softmax"}
    for name in sorted(set(THEIRS) - lacking - of_vectors):
        kind = cr.activations.get(name)
        theirs = torch.tensor(x, requires_grad=True)
        (slope,) = torch.autograd.grad(THEIRS[name](theirs).sum(), theirs, create_graph=True)
        expected = np.zeros_like(x)
        if slope.requires_grad:
            expected = torch.autograd.grad(slope.sum(), theirs)[0].numpy()
        ours = cr.grad(lambda x, f=kind: cr.grad(lambda x: f(x).sum())(x).sum())(x)
        np.testing.assert_allclose(ours.numpy(), expected, rtol=1e-6, atol=1e-12, err_msg=name)


def test_float32_is_as_near_as_float32_can_be() -> None:
    x = np.random.default_rng(0).normal(scale=3.0, size=(200, 6)).astype("float32")
    for name, theirs in THEIRS.items():
        exact = theirs(torch.tensor(x.astype("float64"))).numpy()
        error = np.abs(cr.activations.get(name)(x).numpy() - exact).max()
        assert error <= 4e-6 * max(1.0, math.ceil(np.abs(exact).max())), name
