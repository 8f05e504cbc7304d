"""Layers against PyTorch's, forward and backward, in float64 to 1e-6 relative and far below."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import chainrule as cr

torch = pytest.importorskip("torch")
nn = torch.nn

RTOL = 1e-10


def random(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed + sum(shape)).normal(size=shape)


def close(found: Any, expected: Any, rtol: float = RTOL) -> None:
    found = found.numpy() if isinstance(found, cr.Tensor | cr.Parameter) else found
    expected = expected.detach().numpy() if isinstance(expected, torch.Tensor) else expected
    np.testing.assert_allclose(found, expected, rtol=rtol, atol=1e-12)


def assign(layer: cr.Layer, x: Any, **values: np.ndarray) -> None:
    """Make the parameters, and give them values by name."""
    layer(x)
    for name, value in values.items():
        layer.parameters()[name].assign(value)


def compare(
    layer: cr.Layer,
    theirs: Callable[[Any], Any],
    x: np.ndarray,
    parameters: dict[str, Any],
    training: bool = False,
    transposed: tuple[str, ...] = (),
) -> None:
    """Hold outputs and gradients, by the input and by each parameter, against each other."""
    there = torch.tensor(x, requires_grad=x.dtype.kind == "f")
    y, expected = layer(x, training=training), theirs(there)
    close(y, expected)
    g = random(*y.shape, seed=5)
    (y * g).sum().backward()
    (expected * torch.tensor(g)).sum().backward()
    for name, parameter in parameters.items():
        mine = layer.parameters()[name]
        assert mine.grad is not None
        grad = parameter.grad.T if name in transposed else parameter.grad
        close(mine.grad.numpy().reshape(grad.shape), grad)
        mine.grad = None
    if x.dtype.kind == "f":
        close(cr.grad(lambda x: (layer(x, training=training) * g).sum())(x), there.grad)


@pytest.mark.parametrize("use_bias", [True, False])
@pytest.mark.parametrize("shape", [(7, 5), (2, 3, 5)])
def test_dense(use_bias: bool, shape: tuple[int, ...]) -> None:
    x, W, b = random(*shape), random(5, 4), random(4)
    theirs = nn.Linear(5, 4, bias=use_bias, dtype=torch.float64)
    theirs.weight.data = torch.tensor(W.T)
    layer = cr.Dense(4, use_bias=use_bias)
    parameters = {"kernel": theirs.weight}
    if use_bias:
        theirs.bias.data = torch.tensor(b)
        parameters["bias"] = theirs.bias
    assign(layer, x, kernel=W, **({"bias": b} if use_bias else {}))
    compare(layer, theirs, x, parameters, transposed=("kernel",))


@pytest.mark.parametrize("pieces", [2, 5])
def test_maxout(pieces: int) -> None:
    """As PyTorch users write it: Linear, view, max."""
    x, W, b = random(7, 5), random(5, 3 * pieces), random(3 * pieces)
    linear = nn.Linear(5, 3 * pieces, dtype=torch.float64)
    linear.weight.data, linear.bias.data = torch.tensor(W.T), torch.tensor(b)
    layer = cr.Maxout(3, pieces)
    assign(layer, x, kernel=W, bias=b)
    compare(
        layer,
        lambda x: linear(x).view(7, 3, pieces).amax(-1),
        x,
        {"kernel": linear.weight, "bias": linear.bias},
        transposed=("kernel",),
    )


@pytest.mark.parametrize("shared", [False, True])
def test_prelu(shared: bool) -> None:
    x = np.vstack([random(6, 4), np.zeros((1, 4))])
    theirs = nn.PReLU(1 if shared else 4, dtype=torch.float64)
    assert theirs.weight[0].item() == 0.25
    layer = cr.PReLU(shared_axes=1 if shared else None)
    assign(layer, x)
    assert layer.alpha is not None
    assert set(layer.alpha.numpy().ravel()) == {0.25}
    compare(layer, theirs, x, {"alpha": theirs.weight})
    slopes = random(1 if shared else 4)
    theirs.weight.data = torch.tensor(slopes)
    theirs.weight.grad = None
    layer.alpha.assign(slopes)
    compare(layer, theirs, x, {"alpha": theirs.weight})


def batch_norms(**arguments: Any) -> tuple[cr.BatchNorm, Any]:
    theirs = nn.BatchNorm1d(4, eps=1e-3, momentum=0.1, dtype=torch.float64)
    theirs.weight.data, theirs.bias.data = torch.tensor(random(4)), torch.tensor(random(4, seed=1))
    layer = cr.BatchNorm(momentum=0.9, epsilon=1e-3, **arguments)
    return layer, theirs


def test_batch_norm_in_training_and_its_running_statistics() -> None:
    layer, theirs = batch_norms()
    n, start = 7, 1.0
    assign(layer, random(n, 4), gamma=theirs.weight.detach(), beta=theirs.bias.detach())
    unbiased = np.full(4, start)
    for step in range(8):
        x = random(n, 4, seed=step) * (1 + step) + step
        theirs.zero_grad()
        moved = [p.numpy() for p in layer.parameters().values()][2:]
        compare(layer, theirs, x, {"gamma": theirs.weight, "beta": theirs.bias}, training=True)
        # ``compare`` ran ours twice; one pass counts.
        assert layer.moving_mean is not None
        assert layer.moving_variance is not None
        layer.moving_mean.assign(moved[0])
        layer.moving_variance.assign(moved[1])
        layer(x, training=True)
        unbiased = 0.9 * unbiased + 0.1 * x.var(axis=0, ddof=1)
        close(layer.moving_mean, theirs.running_mean)
        close(unbiased, theirs.running_var)  # PyTorch's convention, and Keras's from it:
        decayed = start * 0.9 ** (step + 1)
        biased = decayed + (theirs.running_var.numpy() - decayed) * (n - 1) / n
        close(layer.moving_variance, biased)


def test_batch_norm_elsewhere() -> None:
    layer, theirs = batch_norms()
    x = random(7, 4) * 3 + 1
    theirs.running_mean, theirs.running_var = torch.tensor(random(4)), torch.tensor(random(4) ** 2)
    assign(
        layer, x, gamma=theirs.weight.detach(), beta=theirs.bias.detach(),
        moving_mean=theirs.running_mean, moving_variance=theirs.running_var,
    )  # fmt: skip
    theirs.eval()
    compare(layer, theirs, x, {"gamma": theirs.weight, "beta": theirs.bias})


def test_batch_norm_over_further_axes() -> None:
    layer, theirs = batch_norms(axis=1)
    x = random(3, 4, 5)
    assign(layer, x, gamma=theirs.weight.detach(), beta=theirs.bias.detach())
    compare(layer, theirs, x, {"gamma": theirs.weight, "beta": theirs.bias}, training=True)


@pytest.mark.parametrize("axes", [1, 2])
@pytest.mark.parametrize("affine", [True, False])
def test_layer_norm(axes: int, affine: bool) -> None:
    x = random(6, 3, 4)
    sizes = x.shape[-axes:]
    theirs = nn.LayerNorm(sizes, eps=1e-5, elementwise_affine=affine, dtype=torch.float64)
    layer = cr.LayerNorm(axis=list(range(-axes, 0)), epsilon=1e-5, center=affine, scale=affine)
    parameters = {}
    if affine:
        theirs.weight.data = torch.tensor(random(*sizes))
        theirs.bias.data = torch.tensor(random(*sizes, seed=1))
        assign(layer, x, gamma=theirs.weight.detach(), beta=theirs.bias.detach())
        parameters = {"gamma": theirs.weight, "beta": theirs.bias}
    if affine:
        compare(layer, theirs, x, parameters)
    else:
        compare_input(layer, theirs, x)


def compare_input(layer: cr.Layer, theirs: Callable[[Any], Any], x: np.ndarray) -> None:
    """For a layer without parameters, which ``backward`` has nothing to do for."""
    there = torch.tensor(x, requires_grad=True)
    y, expected = layer(x), theirs(there)
    close(y, expected)
    g = random(*y.shape, seed=5)
    (expected * torch.tensor(g)).sum().backward()
    close(cr.grad(lambda x: (layer(x) * g).sum())(x), there.grad)


@pytest.mark.parametrize("axes", [1, 2])
def test_rms_norm(axes: int) -> None:
    x = random(6, 3, 4)
    sizes = x.shape[-axes:]
    theirs = nn.RMSNorm(sizes, eps=1e-6, dtype=torch.float64)
    theirs.weight.data = torch.tensor(random(*sizes))
    layer = cr.RMSNorm(axis=list(range(-axes, 0)))
    assign(layer, x, scale=theirs.weight.detach())
    compare(layer, theirs, x, {"scale": theirs.weight})


@pytest.mark.parametrize("shape", [(9,), (4, 5)])
def test_embedding(shape: tuple[int, ...]) -> None:
    x, E = np.random.default_rng(0).integers(0, 6, shape), random(6, 3)
    theirs = nn.Embedding(6, 3, dtype=torch.float64)
    theirs.weight.data = torch.tensor(E)
    for given in (x, x.astype("float64")):
        layer = cr.Embedding(6, 3)
        layer.build(cr.tensor(x.astype("float64")).type)
        layer._is_built = True
        assert layer.embeddings is not None
        layer.embeddings.assign(E)
        y, expected = layer(given), theirs(torch.tensor(x))
        close(y, expected)
        g = random(*shape, 3, seed=5)
        (y * g).sum().backward()
        theirs.zero_grad()
        (expected * torch.tensor(g)).sum().backward()
        assert layer.embeddings.grad is not None
        close(layer.embeddings.grad, theirs.weight.grad)


def test_flatten() -> None:
    compare_input(cr.Flatten(), nn.Flatten(), random(4, 3, 2))


def test_residual_add_and_concatenate() -> None:
    x = random(6, 4)
    first, second = (nn.Linear(4, 4, dtype=torch.float64) for _ in range(2))
    values = [linear.weight.detach().T.numpy() for linear in (first, second)]
    biases = [linear.bias.detach().numpy() for linear in (first, second)]
    chain = {f"{i}.{kind}": v for i in (0, 1) for kind, v in
             (("kernel", values[i]), ("bias", biases[i]))}  # fmt: skip

    residual = cr.Residual(cr.Dense(4, activation="tanh"), cr.Dense(4))
    assign(residual, x, **{f"layers.{name}": v for name, v in chain.items()})
    parameters = {
        "layers.0.kernel": first.weight, "layers.0.bias": first.bias,
        "layers.1.kernel": second.weight, "layers.1.bias": second.bias,
    }  # fmt: skip
    compare(
        residual, lambda x: x + second(torch.tanh(first(x))), x, parameters,
        transposed=("layers.0.kernel", "layers.1.kernel"),
    )  # fmt: skip
    for kind, join in (
        (cr.Add, lambda parts: sum(parts)),
        (cr.Concatenate, lambda parts: torch.cat(parts, -1)),
    ):
        first.zero_grad()
        second.zero_grad()
        layer = kind([], cr.Dense(4), [cr.Activation("tanh"), cr.Dense(4)])
        assign(
            layer, x, **{
                "branches.1.0.kernel": values[0], "branches.1.0.bias": biases[0],
                "branches.2.1.kernel": values[1], "branches.2.1.bias": biases[1],
            },
        )  # fmt: skip
        compare(
            layer, lambda x, join=join: join([x, first(x), second(torch.tanh(x))]), x,
            {
                "branches.1.0.kernel": first.weight, "branches.1.0.bias": first.bias,
                "branches.2.1.kernel": second.weight, "branches.2.1.bias": second.bias,
            },
            transposed=("branches.1.0.kernel", "branches.2.1.kernel"),
        )  # fmt: skip


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.8])
def test_dropout_has_the_same_statistics(rate: float) -> None:
    """Other draws, but the same share, scale, mean and variance; and nothing in evaluation."""
    x = np.random.default_rng(0).uniform(1.0, 2.0, (400, 500))
    cr.random.seed(0)
    torch.manual_seed(0)
    ours = cr.Dropout(rate)(x, training=True).numpy() / x
    theirs = nn.Dropout(rate)(torch.tensor(x)).numpy() / x
    deviation = 5 * math.sqrt(2 * rate * (1 - rate) / x.size)
    assert abs((ours == 0).mean() - (theirs == 0).mean()) < deviation
    np.testing.assert_allclose(ours.max(), theirs.max(), rtol=1e-12)
    np.testing.assert_allclose(np.unique(ours.round(9)), np.unique(theirs.round(9)), rtol=1e-9)
    assert ours.mean() == pytest.approx(theirs.mean(), abs=deviation / (1 - rate))
    assert ours.var() == pytest.approx(theirs.var(), rel=0.02)
    np.testing.assert_array_equal(
        cr.Dropout(rate)(x).numpy(), nn.Dropout(rate).eval()(torch.tensor(x))
    )


INITIALIZERS = [
    (cr.initializers.GlorotUniform(), nn.init.xavier_uniform_, {}),
    (cr.initializers.HeUniform(), nn.init.kaiming_uniform_, {"nonlinearity": "relu"}),
    (cr.initializers.RandomUniform(-0.2, 0.3), nn.init.uniform_, {"a": -0.2, "b": 0.3}),
    (cr.initializers.RandomNormal(0.1, 0.2), nn.init.normal_, {"mean": 0.1, "std": 0.2}),
    (
        cr.initializers.TruncatedNormal(0.1, 0.2),
        nn.init.trunc_normal_,
        {"mean": 0.1, "std": 0.2, "a": -0.3, "b": 0.5},
    ),
    (cr.initializers.Orthogonal(gain=1.5), nn.init.orthogonal_, {"gain": 1.5}),
    (
        cr.initializers.VarianceScaling(1.0, "fan_avg", "untruncated_normal"),
        nn.init.xavier_normal_,
        {},
    ),
    (
        cr.initializers.VarianceScaling(2.0, "fan_in", "untruncated_normal"),
        nn.init.kaiming_normal_,
        {"nonlinearity": "relu"},
    ),
]


@pytest.mark.parametrize(
    ("ours", "theirs", "options"), INITIALIZERS, ids=[case[1].__name__ for case in INITIALIZERS]
)
def test_initial_values_have_the_same_distribution(ours: Any, theirs: Any, options: Any) -> None:
    """PyTorch's Glorot and He normal are not cut off; Keras's are, and so are those of ours."""
    cr.random.seed(0)
    torch.manual_seed(0)
    mine = np.sort(ours((300, 400), np.dtype("float64")).numpy().ravel())
    weight = torch.empty(400, 300, dtype=torch.float64)  # (fan_out, fan_in)
    other = np.sort(theirs(weight, **options).numpy().ravel())
    # Kolmogorov and Smirnov's distance of two samples, rejected once in 10⁶ for a right one
    both = np.concatenate([mine, other])
    steps = [np.searchsorted(sample, both, side="right") / sample.size for sample in (mine, other)]
    assert np.abs(steps[0] - steps[1]).max() < 2.7 * math.sqrt(2 / mine.size)


def test_ten_training_steps_with_normalization_and_penalties() -> None:
    rng = np.random.default_rng(0)
    x, labels = rng.normal(size=(24, 4)), rng.integers(0, 3, 24)
    cr.random.seed(0)
    model = cr.Sequential(
        [
            cr.Dense(6, kernel_regularizer=cr.regularizers.L1L2(0.01, 0.02)),
            cr.BatchNorm(momentum=0.9, epsilon=1e-5),
            cr.PReLU(),
            cr.Residual(cr.LayerNorm(epsilon=1e-5), cr.Dense(6, activation="relu")),
            cr.Dense(3),
        ],
        dtype="float64",
    )
    model.make_parameters((4,))

    class Residual(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = nn.Sequential(nn.LayerNorm(6), nn.Linear(6, 6), nn.ReLU())

        def forward(self, x: Any) -> Any:
            return x + self.inner(x)

    theirs = nn.Sequential(
        nn.Linear(4, 6), nn.BatchNorm1d(6), nn.PReLU(6), Residual(), nn.Linear(6, 3)
    ).double()
    with torch.no_grad():
        for parameter, mine in zip(theirs.parameters(), model.trainable_parameters(), strict=True):
            value = torch.tensor(mine.numpy())
            parameter.copy_(value.T if value.ndim > 1 else value)
    optimizer = torch.optim.SGD(theirs.parameters(), lr=0.1)
    model.compile(cr.optim.SGD(0.1), "cross_entropy", l2=0.03)
    for _ in range(10):
        history = model.fit(x, labels, batch_size=24, shuffle=False, verbose=0)
        loss = nn.functional.cross_entropy(theirs(torch.tensor(x)), torch.tensor(labels))
        first = theirs[0].weight
        loss = loss + 0.01 * first.abs().sum() + 0.02 * (first**2).sum()
        loss = loss + 0.5 * 0.03 * sum((p**2).sum() for p in theirs.parameters() if p.ndim > 1)
        close(history.history["loss"][0], loss)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    for parameter, mine in zip(theirs.parameters(), model.trainable_parameters(), strict=True):
        close(mine.numpy().T, parameter)
    close(model.layers[1].parameters()["moving_mean"], theirs[1].running_mean)
