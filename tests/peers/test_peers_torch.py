from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import chainrule as cr

torch = pytest.importorskip("torch")
F = torch.nn.functional

LABELS = torch.tensor([2, 0, 1, 2])
ROWS, COLUMNS = torch.tensor([0, 2, 2, -1]), torch.tensor([1, 1, 0, 2])


def indexing(x: Any) -> Any:
    backwards = torch.flip(x, (0,))[::2, 1, 1:].sum(0)
    # PyTorch counts an integer as a slice, NumPy as an array: there x[1, :, None, ROWS].
    apart = x[1][:, None, ROWS].permute(2, 0, 1)
    parts = [x[ROWS, COLUMNS], backwards, apart, x[..., -1].T]
    return torch.cat([torch.exp(part).reshape(-1) for part in parts])


def scattering(x: Any, v: Any) -> Any:
    segments = torch.tensor([0, 1, 1, 3, 0, 1])
    sums = torch.zeros(4, 3, dtype=v.dtype).index_add(0, segments, torch.tanh(v))
    return (x * x).index_add(0, ROWS % 4, v[:4] * sums)


def joining(x: Any, y: Any) -> Any:
    wide = torch.cat([x, y**2, x * y], dim=1)
    padded = F.pad(torch.sin(wide), (0, 2, 1, 0), value=0.5)
    return torch.stack([padded, torch.flip(padded, (1,))], dim=1).permute(2, 0, 1)


def reductions(x: Any) -> Any:
    return torch.cat(
        [
            x.amax(0),
            x.amin(1),
            x.std(0, correction=0),
            x.var(1, correction=0),
            torch.cumsum(x, 1)[0],
        ]
    )


def arithmetic(x: Any, y: Any) -> Any:
    positive = x**2 + 0.5
    return (
        torch.sqrt(positive) ** (y / 3)
        - torch.log1p(positive) / (torch.cos(y) + 2)
        + torch.expm1(torch.minimum(x, y)) * (x - y).abs()
        + torch.where(x > y, F.relu(x) ** 3, y)
    )


THEIRS: dict[str, Callable[..., Any]] = {
    "softmax": lambda x: torch.softmax(x, 1),
    "softmax_of_the_library": lambda x: torch.softmax(x * 30, 0),
    "log_softmax": lambda x: F.log_softmax(x * 30, -1),
    "logsumexp": lambda x: torch.logsumexp(x * 5, (0, 2)),
    "gelu": F.gelu,
    "swish": F.silu,
    "mish": F.mish,
    "relu_family": lambda x: torch.stack(
        [F.relu(x), F.leaky_relu(x, 0.2), F.elu(x, 0.7), torch.clamp(x, -0.5, 0.5)]
    ),
    "layer_norm": lambda x, scale, shift: F.layer_norm(x, (5,), scale, shift, 1e-5),
    "cross_entropy": lambda x: F.cross_entropy(x * 10, LABELS),
    "cross_entropy_by_one_hot": lambda x: F.cross_entropy(x, LABELS),
    "binary_cross_entropy": lambda x, t: F.binary_cross_entropy_with_logits(x, torch.sigmoid(t)),
    "multilayer_perceptron": lambda x, W1, b1, W2, b2: torch.sigmoid(
        F.linear(torch.tanh(F.linear(x, W1.T, b1)), W2.T, b2)
    ),
    "attention": lambda q, k, v: F.softmax(q @ k.transpose(1, 2) / math.sqrt(4), -1) @ v,
    "matmul_chain": lambda a, B, C, d: (
        torch.einsum("i,ij,bjk,k->b", a, B, C, d) + torch.einsum("ij,i,bjk,k->", B, d, C, a)
    ),
    "indexing": indexing,
    "scattering": scattering,
    "joining": joining,
    "reductions": reductions,
    "arithmetic": arithmetic,
}


def variables(arrays: list[np.ndarray]) -> list[Any]:
    return [torch.tensor(x, dtype=torch.float64, requires_grad=True) for x in arrays]


def close(found: Any, expected: Any) -> None:
    found = found.numpy() if isinstance(found, cr.Tensor) else found
    np.testing.assert_allclose(found, expected.detach().numpy(), rtol=1e-10, atol=1e-12)


def test_each_composite_has_its_counterpart(composites: Any) -> None:
    assert set(THEIRS) == set(composites)


def test_values(case: Any) -> None:
    found = case.function(*case.arguments())
    assert found.dtype == "float64"
    close(found, THEIRS[case.name](*variables(case.arguments())))


def test_gradients(case: Any) -> None:
    xs, w = case.arguments(), case.weights()
    numbers = range(len(xs))
    found = cr.grad(lambda *zs: (w * case.function(*zs)).sum(), argnums=numbers)(*xs)
    theirs = variables(xs)
    (torch.tensor(w) * THEIRS[case.name](*theirs)).sum().backward()
    parameters = [cr.Parameter(x) for x in xs]
    (w * case.function(*parameters)).sum().backward()
    for gradient, parameter, x in zip(found, parameters, theirs, strict=True):
        close(gradient, x.grad)
        close(parameter.grad, x.grad)


@pytest.mark.filterwarnings("ignore:.torch.jit.script. is:DeprecationWarning")  # its own use
def test_forward_mode(case: Any) -> None:
    xs, ts = case.arguments(), case.directions()
    _, found = cr.jvp(case.function, xs, ts)
    tensors = tuple(map(torch.tensor, xs)), tuple(map(torch.tensor, ts))
    close(found, torch.func.jvp(THEIRS[case.name], *tensors)[1])


def test_hessian_vector_products(case: Any) -> None:
    xs, ts, w = case.arguments(), case.directions(), case.weights()
    numbers = range(len(xs))

    def total(*zs: Any) -> Any:
        return (w * case.function(*zs)).sum()

    def slope(*zs: Any) -> Any:
        gradients = cr.grad(total, argnums=numbers)(*zs)
        return sum((g * t).sum() for g, t in zip(gradients, ts, strict=True))

    theirs = variables(xs)
    value = (torch.tensor(w) * THEIRS[case.name](*theirs)).sum()
    first = torch.autograd.grad(value, theirs, create_graph=True)
    directional = sum((g * torch.tensor(t)).sum() for g, t in zip(first, ts, strict=True))
    expected = torch.autograd.grad(directional, theirs, allow_unused=True, materialize_grads=True)
    reverse = cr.grad(slope, argnums=numbers)(*xs)
    forward = cr.jvp(cr.grad(total, argnums=numbers), xs, ts)[1]
    for a, b, c in zip(reverse, forward, expected, strict=True):
        close(a, c)
        close(b, c)


def test_jacobians(case: Any) -> None:
    xs = case.arguments()
    for i in range(len(xs)):
        found = cr.jacobian(case.function, argnums=i)(*xs)
        close(found, torch.func.jacrev(THEIRS[case.name], argnums=i)(*map(torch.tensor, xs)))


def test_hessians(case: Any) -> None:
    xs, w = case.arguments(), case.weights()
    found = cr.hessian(lambda *zs: (w * case.function(*zs)).sum())(*xs)
    weights, function = torch.tensor(w), THEIRS[case.name]
    expected = torch.func.jacrev(torch.func.jacrev(lambda *zs: (weights * function(*zs)).sum()))
    close(found, expected(*map(torch.tensor, xs)))


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (cr.relu, F.relu),
        (cr.abs, torch.abs),
        (cr.sign, torch.sign),
        (lambda x: cr.maximum(x, cr.zeros_like(x)), lambda x: torch.maximum(x, torch.zeros(3))),
        (lambda x: cr.minimum(x, cr.zeros_like(x)), lambda x: torch.minimum(x, torch.zeros(3))),
        (lambda x: x.max() * cr.ones(3), lambda x: x.amax() * torch.ones(3)),
        (lambda x: x.min() * cr.ones(3), lambda x: x.amin() * torch.ones(3)),
        (lambda x: x**2, lambda x: x**2),
        (lambda x: x**0.0, lambda x: x**0),
        (cr.floor, torch.floor),
    ],
)
def test_conventions_at_kinks(ours: Any, theirs: Any) -> None:
    """At 0, and where three elements tie. (LeakyReLU and ELU at 0 follow the lecture: γ.)"""
    x = torch.zeros(3, requires_grad=True)
    theirs(x).sum().backward()
    found = cr.grad(lambda x: ours(x).sum())(np.zeros(3, np.float32))
    np.testing.assert_allclose(found.numpy(), x.grad.numpy(), rtol=1e-6)


@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-10), ("float32", 2e-5)])
def test_ten_training_steps(dtype: str, tolerance: float) -> None:
    """A network of two layers on the same data from the same weights, by hand-written loops."""
    rng = np.random.default_rng(0)
    x, labels = rng.standard_normal((20, 4)).astype(dtype), rng.integers(0, 3, 20)
    start = [rng.standard_normal(s).astype(dtype) for s in [(4, 8), (8,), (8, 3), (3,)]]
    rate, decay = 0.5, 1e-2

    ours = [cr.Parameter(p) for p in start]
    theirs = [torch.tensor(p, requires_grad=True) for p in start]
    for _ in range(10):
        W1, b1, W2, b2 = ours
        logits = cr.tanh(x @ W1 + b1) @ W2 + b2
        log_p = cr.log_softmax(logits)
        loss = -(cr.one_hot(labels, 3, dtype) * log_p).sum() / 20.0
        loss = loss + 0.5 * decay * (cr.square(W1).sum() + cr.square(W2).sum())
        loss.backward()

        V1, c1, V2, c2 = theirs
        torch_logits = torch.tanh(torch.tensor(x) @ V1 + c1) @ V2 + c2
        torch_loss = F.cross_entropy(torch_logits, torch.tensor(labels))
        torch_loss = torch_loss + 0.5 * decay * ((V1**2).sum() + (V2**2).sum())
        torch_loss.backward()

        np.testing.assert_allclose(loss.item(), torch_loss.item(), rtol=tolerance)
        for p, q in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(p.grad.numpy(), q.grad.numpy(), tolerance, tolerance)
            p.assign(p - rate * p.grad)
            p.grad = None
            q.data -= rate * q.grad
            q.grad = None
            assert p.dtype == dtype
            np.testing.assert_allclose(p.numpy(), q.detach().numpy(), tolerance, tolerance)


def test_arrays_go_both_ways() -> None:
    array = np.arange(6.0).reshape(2, 3)
    np.testing.assert_array_equal(cr.tensor(torch.tensor(array)).numpy(), array)
    x = cr.tensor(array)
    back = torch.from_dlpack(x)
    np.testing.assert_array_equal(back.numpy(), array)
    back[0, 0] = 7.0
    assert x[0, 0].item() == 0.0
