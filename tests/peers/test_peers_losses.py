"""Every loss against PyTorch, forward and backward, in float64 to 1e-6 relative.

PyTorch's own functions where it has them; Keras's losses, which it lacks, are written out in
PyTorch's operations and differentiated by it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.core.types import ArrayType
from chainrule.losses import (
    LOSSES,
    AbsoluteError,
    AbsolutePercentageError,
    BinaryCrossEntropy,
    BinaryFocal,
    CategoricalFocal,
    CategoricalHinge,
    CosineSimilarity,
    CrossEntropy,
    Hinge,
    Huber,
    KLDivergence,
    LogCosh,
    Loss,
    Poisson,
    Quantile,
    SquaredError,
    SquaredHinge,
    SquaredLogError,
)

torch = pytest.importorskip("torch")
F = torch.nn.functional

N, UNITS = 16, 4
RNG = np.random.default_rng(0)
LABELS = RNG.integers(UNITS, size=N)
ROWS = RNG.dirichlet(np.ones(UNITS), size=N)
YES = RNG.integers(2, size=(N, UNITS)).astype(float)
CHANCES = RNG.uniform(size=(N, UNITS))
SIGNS = 2 * YES - 1
VALUES = RNG.normal(scale=2.0, size=(N, UNITS))
COUNTS = RNG.poisson(3.0, size=(N, UNITS)).astype(float)
OUTPUTS = RNG.normal(scale=3.0, size=(N, UNITS))
POSITIVE = RNG.uniform(0.1, 5.0, (N, UNITS))
INSIDE = RNG.uniform(0.02, 0.98, (N, UNITS))


@dataclass
class Case:
    """A loss and the same in PyTorch, of (y, prediction), for each sample.

    Attributes:
        loss: Chainrule's.
        y: targets.
        z: the output.
        peer: PyTorch's, shape (n,).
    """

    loss: Loss
    y: np.ndarray
    z: np.ndarray
    peer: Callable[[Any, Any], Any]

    def __str__(self) -> str:
        return f"{self.loss!r} of {self.y.dtype}"


def per_sample(function: Callable[..., Any], **options: Any) -> Callable[[Any, Any], Any]:
    """PyTorch's function of (input, target), averaged over the units."""
    return lambda y, z: function(z, y, reduction="none", **options).mean(1)


def normalized(p: Any) -> Any:
    return p / p.sum(1, keepdim=True)


def binary_focal(y: Any, z: Any, gamma: float, alpha: float | None) -> Any:
    """As in torchvision.ops.sigmoid_focal_loss."""
    p = torch.sigmoid(z)
    p_t = p * y + (1 - p) * (1 - y)
    loss = F.binary_cross_entropy_with_logits(z, y, reduction="none") * (1 - p_t) ** gamma
    if alpha is not None:
        loss = (alpha * y + (1 - alpha) * (1 - y)) * loss
    return loss.mean(1)


def binary_focal_of_probabilities(y: Any, p: Any, gamma: float) -> Any:
    p_t = p * y + (1 - p) * (1 - y)
    return (F.binary_cross_entropy(p, y, reduction="none") * (1 - p_t) ** gamma).mean(1)


def categorical_focal(labels: Any, log_p: Any, gamma: float, alpha: Any) -> Any:
    y = F.one_hot(labels, UNITS).double()
    return -(torch.as_tensor(alpha) * y * (1 - log_p.exp()) ** gamma * log_p).sum(1)


def pinball(y: Any, z: Any, q: Any) -> Any:
    e = y - z
    return torch.maximum(torch.as_tensor(q) * e, (torch.as_tensor(q) - 1) * e).mean(1)


def categorical_hinge(labels: Any, z: Any) -> Any:
    y = F.one_hot(labels, UNITS).double()
    return F.relu(((1 - y) * z).amax(1) - (y * z).sum(1) + 1)


def kl(y: Any, log_p: Any) -> Any:
    return F.kl_div(log_p, y, reduction="none").sum(1)


def log_softmax(z: Any) -> Any:
    return F.log_softmax(z, 1)


def nll_of_rows(y: Any, log_p: Any) -> Any:
    return -(y * log_p).sum(1)


def cross_entropy(y: Any, z: Any, **options: Any) -> Any:
    return F.cross_entropy(z, y, reduction="none", **options)


def binary_with_pos_weight(y: Any, z: Any) -> Any:
    weight = torch.tensor([1.0, 2.0, 0.5, 3.0], dtype=torch.float64)
    return F.binary_cross_entropy_with_logits(z, y, pos_weight=weight, reduction="none").mean(1)


CASES = [
    Case(CrossEntropy(), LABELS, OUTPUTS, cross_entropy),
    Case(CrossEntropy(), ROWS, OUTPUTS, cross_entropy),
    Case(CrossEntropy(0.1), LABELS, OUTPUTS, lambda y, z: cross_entropy(y, z, label_smoothing=0.1)),
    Case(CrossEntropy(0.3), ROWS, OUTPUTS, lambda y, z: cross_entropy(y, z, label_smoothing=0.3)),
    Case(
        CrossEntropy(from_logits=False),
        LABELS,
        INSIDE,
        lambda y, p: F.nll_loss(normalized(p).log(), y, reduction="none"),
    ),
    Case(
        CrossEntropy(from_logits=False),
        ROWS,
        INSIDE,
        lambda y, p: nll_of_rows(y, normalized(p).log()),
    ),
    Case(
        CrossEntropy(from_logits=False, epsilon=1e-7),
        LABELS,
        INSIDE,
        lambda y, p: F.nll_loss(normalized(p).clamp(1e-7, 1 - 1e-7).log(), y, reduction="none"),
    ),
    Case(BinaryCrossEntropy(), YES, OUTPUTS, per_sample(F.binary_cross_entropy_with_logits)),
    Case(BinaryCrossEntropy(), CHANCES, OUTPUTS, per_sample(F.binary_cross_entropy_with_logits)),
    Case(
        BinaryCrossEntropy(0.2),
        YES,
        OUTPUTS,
        lambda y, z: F.binary_cross_entropy_with_logits(z, 0.8 * y + 0.1, reduction="none").mean(1),
    ),
    Case(BinaryCrossEntropy(pos_weight=[1.0, 2.0, 0.5, 3.0]), YES, OUTPUTS, binary_with_pos_weight),
    Case(
        BinaryCrossEntropy(from_logits=False), CHANCES, INSIDE, per_sample(F.binary_cross_entropy)
    ),
    Case(BinaryFocal(), YES, OUTPUTS, lambda y, z: binary_focal(y, z, 2.0, None)),
    Case(BinaryFocal(1.5, 0.25), CHANCES, OUTPUTS, lambda y, z: binary_focal(y, z, 1.5, 0.25)),
    Case(
        BinaryFocal(3.0, from_logits=False),
        YES,
        INSIDE,
        lambda y, p: binary_focal_of_probabilities(y, p, 3.0),
    ),
    Case(
        CategoricalFocal(),
        LABELS,
        OUTPUTS,
        lambda y, z: categorical_focal(y, log_softmax(z), 2.0, 0.25),
    ),
    Case(
        CategoricalFocal(0.5, [0.1, 0.2, 0.3, 0.4], from_logits=False),
        LABELS,
        INSIDE,
        lambda y, p: categorical_focal(y, normalized(p).log(), 0.5, [0.1, 0.2, 0.3, 0.4]),
    ),
    Case(KLDivergence(), ROWS, OUTPUTS, lambda y, z: kl(y, log_softmax(z))),
    Case(KLDivergence(from_logits=False), ROWS, INSIDE, lambda y, p: kl(y, normalized(p).log())),
    Case(SquaredError(), VALUES, OUTPUTS, per_sample(F.mse_loss)),
    Case(AbsoluteError(), VALUES, OUTPUTS, per_sample(F.l1_loss)),
    Case(Huber(), VALUES, OUTPUTS, per_sample(F.huber_loss)),
    Case(Huber(), VALUES, OUTPUTS, per_sample(F.smooth_l1_loss)),
    Case(Huber(2.5), VALUES, OUTPUTS, per_sample(F.huber_loss, delta=2.5)),
    Case(LogCosh(), VALUES, OUTPUTS, lambda y, z: torch.cosh(z - y).log().mean(1)),
    Case(Quantile(), VALUES, OUTPUTS, lambda y, z: pinball(y, z, 0.5)),
    Case(
        Quantile([0.1, 0.4, 0.6, 0.9]),
        VALUES,
        OUTPUTS,
        lambda y, z: pinball(y, z, [0.1, 0.4, 0.6, 0.9]),
    ),
    Case(Poisson(), COUNTS, OUTPUTS, per_sample(F.poisson_nll_loss, log_input=True)),
    Case(
        Poisson(full=True),
        COUNTS,
        OUTPUTS,
        per_sample(F.poisson_nll_loss, log_input=True, full=True),
    ),
    Case(
        Poisson(log_input=False, epsilon=1e-8),
        COUNTS,
        POSITIVE,
        per_sample(F.poisson_nll_loss, log_input=False, eps=1e-8),
    ),
    Case(Hinge(), SIGNS, OUTPUTS, lambda y, z: F.relu(1 - y * z).mean(1)),
    Case(SquaredHinge(), SIGNS, OUTPUTS, lambda y, z: (F.relu(1 - y * z) ** 2).mean(1)),
    Case(CategoricalHinge(), LABELS, OUTPUTS, categorical_hinge),
    Case(CosineSimilarity(), VALUES, OUTPUTS, lambda y, z: -F.cosine_similarity(z, y, dim=1)),
    Case(
        SquaredLogError(),
        COUNTS,
        POSITIVE,
        lambda y, z: ((torch.log1p(z) - torch.log1p(y)) ** 2).mean(1),
    ),
    Case(
        AbsolutePercentageError(),
        VALUES,
        OUTPUTS,
        lambda y, z: 100 * ((y - z) / y.abs().clamp(min=1e-7)).abs().mean(1),
    ),
]


def test_every_loss_has_a_peer() -> None:
    assert {type(each.loss) for each in CASES} == set(LOSSES.values())


@pytest.mark.parametrize("weights", [None, RNG.uniform(size=N)], ids=["plain", "weighted"])
@pytest.mark.parametrize("loss_case", CASES, ids=str)
def test_values_and_gradients(loss_case: Case, weights: np.ndarray | None) -> None:
    loss, z = loss_case.loss, loss_case.z
    w = np.ones(N) if weights is None else weights
    y = cr.tensor(loss.check(loss_case.y, ArrayType(z.shape, z.dtype)))
    theirs = torch.tensor(z, requires_grad=True)
    peer = loss_case.peer(torch.tensor(loss_case.y), theirs)
    (peer * torch.tensor(w)).mean().backward()
    ours = cr.grad(lambda z: (loss(y, z) * w).mean())(z).numpy()
    np.testing.assert_allclose(loss(y, cr.tensor(z)).numpy(), peer.detach().numpy(), rtol=1e-6)
    np.testing.assert_allclose(ours, theirs.grad.numpy(), rtol=1e-6, atol=1e-15)


@pytest.mark.parametrize("size", [10.0, 1000.0])
@pytest.mark.parametrize(
    "loss_case", [c for c in CASES if c.z is OUTPUTS and "Focal" not in str(c)], ids=str
)
def test_large_outputs(loss_case: Case, size: float) -> None:
    """Where PyTorch has the right limits, they are ours (log cosh overflows there, for one)."""
    loss, z = loss_case.loss, np.sign(OUTPUTS) * size
    y = cr.tensor(loss.check(loss_case.y, ArrayType(z.shape, z.dtype)))
    theirs = torch.tensor(z, requires_grad=True)
    peer = loss_case.peer(torch.tensor(loss_case.y), theirs)
    peer.sum().backward()
    values = loss(y, cr.tensor(z)).numpy()
    gradient = cr.grad(lambda z: loss(y, z).sum())(z).numpy()
    assert not np.isnan(values).any()
    assert not np.isnan(gradient).any()
    if isinstance(loss, LogCosh) and size > 700:
        return
    np.testing.assert_allclose(values, peer.detach().numpy(), rtol=1e-6)
    np.testing.assert_allclose(gradient, theirs.grad.numpy(), rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("weights", [None, [1.0, 0.2, 5.0, 2.0]])
def test_class_weights_are_pytorchs(weights: list[float] | None) -> None:
    """PyTorch divides by the sum of the weights; Keras and we by the number of samples."""
    model = cr.Sequential([cr.Dense(UNITS)], dtype="float64")
    model.compile(cr.optim.SGD(0.0), "cross_entropy")
    x = RNG.normal(size=(N, 3))
    loss = model.fit(x, LABELS, batch_size=N, class_weight=weights, verbose=0).history["loss"][0]
    z, y = torch.tensor(model.predict(x)), torch.tensor(LABELS)
    weight = None if weights is None else torch.tensor(weights, dtype=torch.float64)
    total = F.cross_entropy(z, y, weight=weight, reduction="sum")
    assert loss == pytest.approx(total.item() / N, rel=1e-12)
