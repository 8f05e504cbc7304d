from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.core.errors import ArgumentError, DtypeError, ShapeError
from chainrule.nn.regularizers import (
    L1,
    L1L2,
    L2,
    REGULARIZERS,
    Regularizer,
    describe_regularizer,
    regularizer,
)

W = np.array([[1.0, -2.0, 0.0], [0.5, -0.25, 4.0]])
FORMULAS = [
    (L1(0.3), 0.3 * np.abs(W).sum(), 0.3 * np.sign(W)),
    (L2(0.3), 0.3 * (W**2).sum(), 0.6 * W),
    (L1L2(0.3, 0.7), 0.3 * np.abs(W).sum() + 0.7 * (W**2).sum(), 0.3 * np.sign(W) + 1.4 * W),
    (L1L2(l1=0.3), 0.3 * np.abs(W).sum(), 0.3 * np.sign(W)),  # as in Keras, the other is 0
    (L1(), 0.01 * np.abs(W).sum(), 0.01 * np.sign(W)),
    (L2(), 0.01 * (W**2).sum(), 0.02 * W),
    (L1L2(), 0.0, 0.0 * W),
]


@pytest.mark.parametrize(("function", "value", "derivative"), FORMULAS, ids=repr)
@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-6), ("float64", 1e-14)])
def test_formulas(
    function: Regularizer, value: float, derivative: np.ndarray, dtype: str, tolerance: float
) -> None:
    w = W.astype(dtype)
    found, gradient = cr.value_and_grad(function)(w)
    assert found.dtype == gradient.dtype == dtype
    assert found.shape == ()
    assert found.item() == pytest.approx(value, rel=tolerance)
    np.testing.assert_allclose(gradient.numpy(), derivative, rtol=tolerance)


def test_numpys_numbers_do_not_change_the_dtype() -> None:
    assert L2(np.float64(0.5))(W.astype("float32")).dtype == "float32"
    assert type(L2(np.float32(0.5)).l2) is float
    assert L1(np.float32(0.1))(np.ones(1)).item() == float(np.float32(0.1))


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (None, None),
        ("l1", L1(0.01)),
        ("L2", L2(0.01)),
        ("l1_l2", L1L2(0.01, 0.01)),
        ("L1L2", L1L2(0.01, 0.01)),
        ("elastic", L1L2(0.01, 0.01)),
        ("lasso", L1()),
        ("ridge", L2()),
        (0.5, L2(0.5)),
        (1, L2(1.0)),
        (np.float32(0.5), L2(0.5)),
        (0.0, L2(0.0)),
        (L1L2(), L1L2()),
        (L2, L2()),
        ({"name": "l1", "l1": 0.2}, L1(0.2)),
        ({"name": "l1_l2", "l1": 0.0, "l2": 0.0}, L1L2()),
    ],
)
def test_as_people_write_them(given: Any, expected: Regularizer | None) -> None:
    assert regularizer(given) == expected


def test_a_function_is_one() -> None:
    assert regularizer(cr.sum) is cr.sum


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (
            "l3",
            "kernel_regularizer: got 'l3'; expected one of l1, l2, l1_l2, or a number (λ of l2), "
            "or a function of a tensor. Did you mean 'l2' or 'l1'?",
        ),
        (-1.0, "kernel_regularizer: got -1.0; expected a finite number from 0."),
        (math.nan, "kernel_regularizer: got nan; expected a finite number from 0."),
        ({"name": "l2", "l2": "x"}, "l2: got 'x'; expected a finite number from 0."),
        (
            {"name": "l2", "l1": 0.1},
            "kernel_regularizer: got {'name': 'l2', 'l1': 0.1}; expected the",
        ),
    ],
)
def test_what_does_not_fit(given: Any, text: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        cr.Dense(3, kernel_regularizer=given)
    assert str(caught.value).startswith(text)


def test_what_is_no_regularizer_at_all() -> None:
    for given in (True, [0.1]):
        with pytest.raises(DtypeError) as caught:
            regularizer(given)  # type: ignore[arg-type]
        assert str(caught.value) == (
            f"regularizer: got a {type(given).__name__}; expected a name, or a number (λ of l2), "
            "or a function of a tensor."
        )


@pytest.mark.parametrize("kind", [L1, L2, L1L2])
@pytest.mark.parametrize("value", [-0.1, math.inf, "0.1", True, None])
def test_strengths_out_of_range(kind: Any, value: Any) -> None:
    with pytest.raises(ArgumentError) as caught:
        kind(value)
    name = "l2" if kind is L2 else "l1"
    assert str(caught.value) == f"{name}: got {value!r}; expected a finite number from 0."


@pytest.mark.parametrize(
    "function", [L1(), L2(0.5), L1L2(), L1L2(0.01, 0.01), L1L2(0.25, 2.0)], ids=repr
)
def test_descriptions_round_trip(function: Regularizer) -> None:
    described = json.loads(json.dumps(describe_regularizer(function)))
    assert regularizer(described) == function
    assert described["name"] in REGULARIZERS


def test_functions_cannot_be_described() -> None:
    with pytest.raises(ArgumentError, match=r"^regularizer: got the function 'sum'; expected one"):
        describe_regularizer(cr.sum)


# ------------------------------------------------------------------------------ the risk of layers


class Nested(cr.Module):
    """Regularizers in every place where a module may stand."""

    def __init__(self) -> None:
        self.first = cr.Dense(3, kernel_regularizer=L2(0.1), bias_regularizer="l1")
        self.rest = [
            {"block": cr.Residual(cr.Dense(3, kernel_regularizer=L1(0.2)))},
            cr.Concatenate([], [cr.Dense(2, kernel_regularizer=0.3), cr.BatchNorm()]),
        ]
        self.again = self.first  # counts once

    def forward(self, x: cr.Tensor, training: bool = False) -> cr.Tensor:
        return self.rest[1](self.rest[0]["block"](self.first(x)))


def test_every_nested_module_contributes_once() -> None:
    module = Nested()
    module(np.zeros((2, 4)))
    p = {name: value.numpy() for name, value in module.parameters().items()}
    module.parameters()["first.bias"].assign([1.0, -2.0, 3.0])
    wanted = (
        0.1 * (p["first.kernel"] ** 2).sum()
        + 0.01 * 6.0
        + 0.2 * np.abs(p["rest.0.block.layers.0.kernel"]).sum()
        + 0.3 * (p["rest.1.branches.1.0.kernel"] ** 2).sum()
    )
    assert module.penalty().dtype == np.float64
    assert module.penalty().item() == pytest.approx(wanted, rel=1e-12)
    squares = sum(
        (p[name] ** 2).sum()
        for name in ("first.kernel", "rest.0.block.layers.0.kernel", "rest.1.branches.1.0.kernel")
    )
    with_l2 = module.penalty(l2=0.4).item()
    assert with_l2 == pytest.approx(wanted + 0.5 * 0.4 * squares, rel=1e-12)


def test_without_regularizers_there_is_none() -> None:
    layer = cr.Dense(3)
    layer(np.zeros((1, 2)))
    assert layer.penalty().item() == 0.0
    assert not layer.penalty().tracked
    assert cr.Activation("relu").penalty(l2=3.0).item() == 0.0


@pytest.mark.parametrize("lam", [0.1, 3.0])
def test_the_lectures_l2_is_half_of_keras(lam: float) -> None:
    """½ λ ‖W‖²_F of model.compile(l2=λ) = L2(λ / 2) on each kernel, in value and gradient."""

    def model(strength: float | None) -> cr.Sequential:
        cr.random.seed(3)
        layers = [cr.Dense(m, kernel_regularizer=strength) for m in (4, 2)]
        made = cr.Sequential(layers, dtype="float64")
        made.make_parameters((3,))
        return made

    one, other = model(None), model(lam / 2)
    assert one.penalty(lam).item() == pytest.approx(other.penalty().item(), rel=1e-14)
    one.penalty(lam).backward()
    other.penalty().backward()
    for p, q in zip(one.trainable_parameters(), other.trainable_parameters(), strict=True):
        if p.ndim > 1:
            assert p.grad is not None
            assert q.grad is not None
            np.testing.assert_allclose(p.grad.numpy(), q.grad.numpy(), rtol=1e-14)
            np.testing.assert_allclose(p.grad.numpy(), lam * p.numpy(), rtol=1e-14)


def test_what_is_not_trained_is_not_penalized() -> None:
    layer = cr.Dense(3, kernel_regularizer=1.0, bias_regularizer=1.0)
    layer(np.ones((1, 2)))
    assert layer.kernel is not None
    assert layer.bias is not None
    layer.bias.assign([1.0, 2.0, 3.0])
    layer.kernel.trainable = False
    assert layer.penalty(l2=5.0).item() == 14.0


def test_scales_and_slopes_are_no_weight_matrices() -> None:
    model = cr.Sequential(
        [
            cr.Embedding(5, 4),
            cr.PReLU(),
            cr.LayerNorm(axis=(1, 2)),
            cr.RMSNorm(axis=(1, 2)),
            cr.BatchNorm(),
            cr.Maxout(2),
        ]
    )
    model.make_parameters((3,))
    assert {p.ndim for p in model.layers[1].parameters().values()} == {2}
    names = {id(p): name for name, p in model.parameters().items()}
    found = [names[id(p)] for p in model.weight_matrices()]
    assert found == ["layers.0.embeddings", "layers.5.kernel"]


def test_a_modules_own_regularizers() -> None:
    class Own(cr.Module):
        def __init__(self) -> None:
            self.w = cr.Parameter([3.0, 4.0])

        def regularized(self) -> Any:
            return [(lambda w: (w * w).sum() * 2.0, self.w), (None, self.w)]

        def forward(self, x: cr.Tensor, training: bool = False) -> cr.Tensor:
            return x * self.w

    model = cr.Sequential([cr.Residual(Own())])
    assert model.penalty().item() == 50.0


def test_a_penalty_must_be_one_number() -> None:
    layer = cr.Dense(3, kernel_regularizer=cr.square)
    layer(np.ones((1, 2)))
    with pytest.raises(ShapeError) as caught:
        layer.penalty()
    assert str(caught.value) == (
        "penalty of kernel: got shape (2, 3); expected one number, shape (). Sum it."
    )
