"""The record against PyTorch: hooks on its modules give z, a and the gradients of each sample."""

# ruff: noqa: E741 - l, α, λ and δ are the lecture's symbols

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest

import chainrule as cr

torch = pytest.importorskip("torch")
nn = torch.nn

#: Ours, and PyTorch's module.
ACTIVATIONS = {
    "tanh": nn.Tanh(),
    "sigmoid": nn.Sigmoid(),
    "relu": nn.ReLU(),
    "leaky_relu": nn.LeakyReLU(0.01),
    "elu": nn.ELU(),
    "selu": nn.SELU(),
    "gelu": nn.GELU(),
    "silu": nn.SiLU(),
    "mish": nn.Mish(),
    "softplus": nn.Softplus(),
    "softsign": nn.Softsign(),
    "softmax": nn.Softmax(dim=-1),
    "linear": nn.Identity(),
}


def squared_error(prediction: Any, y: Any) -> Any:
    return ((prediction - y) ** 2).mean(dim=1)


def cross_entropy(prediction: Any, y: Any) -> Any:
    return nn.functional.cross_entropy(prediction, y, reduction="none")


def smoothed(prediction: Any, y: Any) -> Any:
    return nn.functional.cross_entropy(prediction, y, reduction="none", label_smoothing=0.1)


def binary_cross_entropy(prediction: Any, y: Any) -> Any:
    each = nn.functional.binary_cross_entropy_with_logits(prediction, y, reduction="none")
    return each.mean(dim=1)


LOSSES = {
    "squared_error": ("squared_error", squared_error),
    "cross_entropy": ("cross_entropy", cross_entropy),
    "smoothed": (cr.losses.CrossEntropy(label_smoothing=0.1), smoothed),
    "binary_cross_entropy": ("binary_cross_entropy", binary_cross_entropy),
}


class Hooked:
    """PyTorch's network with the same weights; hooks note what passes its modules."""

    def __init__(self, record: Any, f: list[str], extra: dict[int, Any]) -> None:
        self.z: dict[int, Any] = {}
        self.a: dict[int, Any] = {}
        modules: list[Any] = []
        for l, name in enumerate(f, start=1):
            linear = nn.Linear(record.M[l - 1], record.M[l], dtype=torch.float64)
            with torch.no_grad():
                linear.weight.copy_(torch.tensor(record.W[l]))
                linear.bias.copy_(torch.tensor(record.b[l]))
            last = [*([extra[l]] if l in extra else []), copy.deepcopy(ACTIVATIONS[name])]
            linear.register_forward_hook(self.note(self.z, l))
            last[-1].register_forward_hook(self.note(self.a, l))
            modules += [linear, *last]
        self.linears = [m for m in modules if isinstance(m, nn.Linear)]
        self.network = nn.Sequential(*modules).eval()

    @staticmethod
    def note(into: dict[int, Any], l: int) -> Any:
        def hook(module: Any, inputs: Any, output: Any) -> None:
            output.retain_grad()
            into[l] = output

        return hook


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_record_against_hooks(name: str, loss: str) -> None:
    rng = np.random.default_rng(len(name) + 10 * len(loss))
    cr.random.seed(len(name))
    f = [name, "tanh", name, "linear"]
    layers = [
        cr.Dense(m, g, bias_initializer="normal") for m, g in zip([6, 5, 4, 3], f, strict=True)
    ]
    model = cr.Sequential(layers, dtype="float64")
    ours, theirs = LOSSES[loss]
    model.compile(loss=ours)
    n = 7
    x = rng.standard_normal((n, 5))
    y: Any = rng.standard_normal((n, 3))
    if loss in ("cross_entropy", "smoothed"):
        y = rng.integers(0, 3, n)
    elif loss == "binary_cross_entropy":
        y = (y > 0).astype(float)
    record = model.inspect(x, y)
    hold(record, Hooked(record, f, {}), x, y, theirs)


def hold(record: Any, peer: Hooked, x: Any, y: Any, loss: Any) -> None:
    n = len(x)
    losses = loss(peer.network(torch.tensor(x)), torch.tensor(y))
    losses.sum().backward()  # so that each sample's gradient is that of its own loss
    np.testing.assert_allclose(record.losses, losses.detach(), rtol=1e-9, atol=1e-12)
    for l, linear in enumerate(peer.linears, start=1):
        for mine, its in (
            (record.z[l], peer.z[l]),
            (record.a[l], peer.a[l]),
            (record.delta[l], peer.z[l].grad),
            (record.da[l], peer.a[l].grad),
            (record.dW[l], linear.weight.grad / n),
            (record.db[l], linear.bias.grad / n),
        ):
            np.testing.assert_allclose(mine, its.detach(), rtol=1e-7, atol=1e-10)


def test_normalization_inside_f_against_hooks() -> None:
    rng = np.random.default_rng(0)
    model = cr.Sequential(
        [cr.Dense(6), cr.BatchNorm(), cr.Activation("gelu"), cr.Dense(5), cr.LayerNorm(),
         cr.Activation("tanh"), cr.Dense(2)],
        dtype="float64",
    )  # fmt: skip
    model.compile(cr.optim.SGD(0.01), "squared_error")
    x, y = rng.standard_normal((20, 4)), rng.standard_normal((20, 2))
    model.fit(x, y, epochs=3, verbose=0)  # running statistics that are not 0 and 1
    record = model.inspect(x, y)
    batch, layer = model.layers[1], model.layers[4]
    batch_norm = nn.BatchNorm1d(6, eps=batch.epsilon, dtype=torch.float64)
    layer_norm = nn.LayerNorm(5, eps=layer.epsilon, dtype=torch.float64)
    with torch.no_grad():
        batch_norm.weight.copy_(torch.tensor(batch.gamma.numpy()))
        batch_norm.bias.copy_(torch.tensor(batch.beta.numpy()))
        batch_norm.running_mean.copy_(torch.tensor(batch.moving_mean.numpy()))
        batch_norm.running_var.copy_(torch.tensor(batch.moving_variance.numpy()))
        layer_norm.weight.copy_(torch.tensor(layer.gamma.numpy()))
        layer_norm.bias.copy_(torch.tensor(layer.beta.numpy()))
    peer = Hooked(record, ["gelu", "tanh", "linear"], {1: batch_norm, 2: layer_norm})
    hold(record, peer, x, y, squared_error)
    gradients = record.gradients
    for name, its in (
        ("layers.1.gamma", batch_norm.weight),
        ("layers.1.beta", batch_norm.bias),
        ("layers.4.gamma", layer_norm.weight),
    ):
        np.testing.assert_allclose(gradients[name], its.grad / 20, rtol=1e-7, atol=1e-10)
