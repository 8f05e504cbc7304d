from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import scipy.special

import chainrule as cr
from chainrule.core.errors import ArgumentError, DataError, DtypeError, ShapeError
from chainrule.core.types import Array, ArrayType
from chainrule.losses import (
    LOSSES,
    CrossEntropy,
    CustomLoss,
    Loss,
    SquaredError,
    loss,
    penalty_of,
)
from chainrule.training import loop


def output(*shape: int, dtype: str = "float64") -> ArrayType:
    return ArrayType(shape, np.dtype(dtype))


def value_and_gradient(loss: Loss, y: Any, z: Array) -> tuple[Array, Array]:
    """The loss of each sample, and the gradient of their sum with respect to the prediction."""
    targets = cr.tensor(loss.check(y, ArrayType(z.shape, z.dtype)))
    values = loss(targets, cr.tensor(z))
    gradient = cr.grad(lambda z: loss(targets, z).sum())(z)
    return values.numpy(), gradient.numpy()


def soft_rows(n: int, classes: int) -> Array:
    return np.random.default_rng(9).dirichlet(np.ones(classes), size=n)


# ------------------------------------------------------------------------------ cross-entropy

LABELS = np.array([2, 0, 1, 2, 2, 0])
LABEL_FORMS = {
    "integers": LABELS,
    "a column": LABELS[:, None],
    "a list": LABELS.tolist(),
    "unsigned": LABELS.astype(np.uint8),
    "whole floats": LABELS.astype(np.float32),
    "a column of whole floats": LABELS[:, None].astype(np.float64),
    "one-hot": np.eye(3)[LABELS],
    "one-hot integers": np.eye(3, dtype=int)[LABELS],
    "one-hot bools": np.eye(3, dtype=bool)[LABELS],
    "one-hot list": np.eye(3)[LABELS].tolist(),
    "tensor": cr.tensor(LABELS),
    "pandas": pd.Series(LABELS),
    "pandas nullable": pd.Series(LABELS, dtype="Int64"),
    "polars": pl.Series(LABELS),
    "pyarrow": pa.array(LABELS),
    "pandas frame": pd.DataFrame({"y": LABELS}),
    "polars frame": pl.DataFrame({"y": LABELS}),
}


@pytest.mark.parametrize("y", LABEL_FORMS.values(), ids=LABEL_FORMS.keys())
def test_cross_entropy_is_scipys(y: Any) -> None:
    z = np.random.default_rng(0).normal(scale=4.0, size=(6, 3))
    log_p = scipy.special.log_softmax(z, axis=1)
    values, gradient = value_and_gradient(CrossEntropy(), y, z)
    assert values.shape == (6,)
    np.testing.assert_allclose(values, -log_p[np.arange(6), LABELS], rtol=1e-12)
    np.testing.assert_allclose(gradient, np.exp(log_p) - np.eye(3)[LABELS], rtol=1e-10, atol=1e-14)


def test_cross_entropy_of_bool_labels() -> None:
    z = np.random.default_rng(0).normal(size=(4, 2))
    y = np.array([True, False, False, True])
    values, _ = value_and_gradient(CrossEntropy(), y, z)
    log_p = scipy.special.log_softmax(z, axis=1)
    np.testing.assert_allclose(values, -log_p[np.arange(4), [1, 0, 0, 1]], rtol=1e-12)


def test_cross_entropy_of_soft_labels() -> None:
    z, y = np.random.default_rng(0).normal(scale=4.0, size=(5, 4)), soft_rows(5, 4)
    log_p = scipy.special.log_softmax(z, axis=1)
    for form in (y, y.tolist()):  # a list must not pass through float32
        values, gradient = value_and_gradient(CrossEntropy(), form, z)
        np.testing.assert_allclose(values, -(y * log_p).sum(axis=1), rtol=1e-12)
        np.testing.assert_allclose(gradient, np.exp(log_p) - y, rtol=1e-9, atol=1e-13)


@pytest.mark.parametrize(("dtype", "size"), [("float64", 1000.0), ("float32", 100.0)])
@pytest.mark.parametrize("form", ["labels", "one-hot", "soft"])
def test_cross_entropy_of_large_logits(dtype: str, size: float, form: str) -> None:
    z = size * np.array([[1, -1, 0], [-1, 1, 1], [1, 1, 1], [-1, -1, -1], [0, 0, 1]])
    y = np.array([1, 0, 2, 0, 2])
    rows = {"labels": np.eye(3)[y], "one-hot": np.eye(3)[y], "soft": soft_rows(5, 3)}[form]
    given = y if form == "labels" else rows
    values, gradient = value_and_gradient(CrossEntropy(), given, z.astype(dtype))
    assert values.dtype == gradient.dtype == dtype
    rtol = 1e-12 if dtype == "float64" else 1e-5
    log_p = scipy.special.log_softmax(z, axis=1)
    np.testing.assert_allclose(values, -(rows * log_p).sum(axis=1), rtol=rtol, atol=rtol)
    np.testing.assert_allclose(gradient, np.exp(log_p) - rows, rtol=rtol, atol=rtol)


def test_the_gradient_loses_no_digits_where_the_answer_is_right() -> None:
    _, gradient = value_and_gradient(CrossEntropy(), [0], np.array([[30.0, 0.0]]))
    assert gradient[0, 1] == pytest.approx(scipy.special.expit(-30.0), rel=1e-12, abs=0)


def test_cross_entropy_checks_into_its_own_form() -> None:
    loss, kind = CrossEntropy(), output(1, 3, dtype="float32")
    assert loss.check([0.0, 2.0], kind).dtype == np.int64
    assert loss.check(np.eye(3), kind).dtype == np.float32
    y = np.array([0, 1], np.int32)
    assert loss.check(y, kind) is not y
    assert y.dtype == np.int32


@pytest.mark.parametrize(
    ("y", "units", "kind", "text"),
    [
        (
            [0, 1, 3],
            3,
            ArgumentError,
            "y: got labels from 0 to 3; expected integers from 0 to 2 (3 classes). Number the "
            "classes from 0, or give the last layer one unit a class.",
        ),
        (
            [[-1.0], [1.0]],
            3,
            ArgumentError,
            "y: got labels from -1 to 1; expected integers from 0 to 2 (3 classes). Number the "
            "classes from 0, or give the last layer one unit a class.",
        ),
        (
            [0.5, 1.0],
            3,
            ArgumentError,
            "y: got numbers with fractions; expected integer labels from 0 to 2. For a target "
            "that is a quantity use loss='squared_error'.",
        ),
        (
            [0, 1],
            1,
            ArgumentError,
            "loss: got 'cross_entropy' for a network with one output; expected one output a "
            "class. Give the last layer as many units as there are classes (two for yes or no)",
        ),
        (
            [[1.0, 0.0, 0.0], [0.5, 0.2, 0.2]],
            3,
            ArgumentError,
            "y: got row 1 with sum 0.9 and smallest value 0.2; expected one-hot rows: from 0, "
            "with sum 1.",
        ),
        (
            [[1.5, -0.5, 0.0]],
            3,
            ArgumentError,
            "y: got row 0 with sum 1 and smallest value -0.5; expected one-hot rows: from 0, "
            "with sum 1.",
        ),
        (
            np.zeros((4, 5)),
            3,
            ShapeError,
            "y: got shape (4, 5); expected integer labels of shape (n,), or one-hot rows of "
            "shape (n, 3).",
        ),
        (
            np.zeros((4, 1, 1)),
            3,
            ShapeError,
            "y: got shape (4, 1, 1); expected integer labels of shape (n,), or one-hot rows of "
            "shape (n, 3).",
        ),
        (
            2,
            3,
            ShapeError,
            "y: got shape (); expected integer labels of shape (n,), or one-hot rows of shape "
            "(n, 3).",
        ),
        (
            ["cat", "dog"],
            3,
            DtypeError,
            "y: got values of dtype <U3; expected numbers. Encode text as numbers first.",
        ),
        (
            [[1, 0], [1]],
            3,
            ShapeError,
            "y: got nested lists of uneven lengths; expected lists of equal length.",
        ),
        (
            [0.0, np.nan, np.nan],
            3,
            DataError,
            "y: got 2 values that are NaN or infinite, first in row 1; expected finite numbers. "
            "Fill in or drop missing values first.",
        ),
        (
            [[1.0, 0.0, np.inf]],
            3,
            DataError,
            "y: got 1 values that are NaN or infinite, first in row 0; expected finite numbers. "
            "Fill in or drop missing values first.",
        ),
        (
            pl.Series([0, 1, None]),
            3,
            DataError,
            "y: got 1 values that are NaN or infinite, first in row 2; expected finite numbers. "
            "Fill in or drop missing values first.",
        ),
    ],
)
def test_targets_that_do_not_fit_cross_entropy(
    y: Any, units: int, kind: type[ArgumentError], text: str
) -> None:
    with pytest.raises(ArgumentError) as caught:
        CrossEntropy().check(y, output(1, units))
    assert type(caught.value) is kind
    assert str(caught.value).startswith(text)


# ------------------------------------------------------------------------------- squared error


@pytest.mark.parametrize("shape", [(7, 1), (7, 3), (7, 2, 3)])
def test_squared_error_is_the_mean_over_outputs(shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    y, z = rng.normal(size=shape), rng.normal(size=shape)
    values, gradient = value_and_gradient(SquaredError(), y, z)
    axes = tuple(range(1, len(shape)))
    np.testing.assert_allclose(values, np.square(z - y).mean(axis=axes), rtol=1e-13)
    np.testing.assert_allclose(gradient, 2 * (z - y) / np.prod(shape[1:]), rtol=1e-12)


@pytest.mark.parametrize(
    "form",
    [
        np.asarray,
        list,
        pd.Series,
        pl.Series,
        pa.array,
        cr.tensor,
        lambda y: y[:, None],
        lambda y: pd.DataFrame({"y": y}),
    ],
)
def test_squared_error_of_a_vector_does_not_broadcast(form: Any) -> None:
    y, z = np.array([1.0, 2.0, 4.0]), np.array([[1.5], [2.0], [3.0]])
    values, gradient = value_and_gradient(SquaredError(), form(y), z)
    np.testing.assert_allclose(values, [0.25, 0.0, 1.0])
    np.testing.assert_allclose(gradient, [[1.0], [0.0], [-2.0]])


def test_squared_error_does_not_broadcast_even_unchecked() -> None:
    y, z = cr.tensor([1.0, 2.0, 4.0]), cr.tensor([[1.5], [2.0], [3.0]])
    assert SquaredError()(y, z).tolist() == [0.25, 0.0, 1.0]
    assert SquaredError()(cr.tensor([[1.0], [2.0]]), cr.tensor([1.0, 3.0])).tolist() == [0.0, 1.0]


def test_squared_error_of_a_list_keeps_its_digits() -> None:
    values, _ = value_and_gradient(SquaredError(), [0.1], np.array([[0.1]]))
    assert values[0] == 0.0


def test_squared_error_of_large_errors() -> None:
    for dtype, size in (("float64", 1000.0), ("float32", 100.0)):
        values, gradient = value_and_gradient(
            SquaredError(), np.array([-size]), np.array([[size]], dtype)
        )
        assert values[0] == 4 * size**2
        assert gradient[0, 0] == 4 * size


def test_squared_error_takes_integers_and_bools() -> None:
    for y in ([1, 0], np.array([True, False]), np.array([1, 0], np.int8)):
        targets = SquaredError().check(y, output(1, 1, dtype="float32"))
        assert targets.dtype == np.float32
        assert targets.tolist() == [[1.0], [0.0]]


@pytest.mark.parametrize(
    ("y", "shape", "text"),
    [
        (
            np.zeros(5),
            (1, 2),
            "y: got shape (5,); expected shape (n, 2), as the network's output. Give the last "
            "layer as many units as there are targets.",
        ),
        (
            np.zeros((5, 2)),
            (1, 1),
            "y: got shape (5, 2); expected shape (n, 1), as the network's output. Give the last "
            "layer as many units as there are targets.",
        ),
        (
            np.zeros((5, 2)),
            (1, 2, 3),
            "y: got shape (5, 2); expected shape (n, 2, 3), as the network's output. Give the "
            "last layer as many units as there are targets.",
        ),
        (
            np.zeros((5, 2)),
            (1,),
            "y: got shape (5, 2); expected shape (n,), as the network's output. Give the last "
            "layer as many units as there are targets.",
        ),
        (
            1.0,
            (1, 1),
            "y: got shape (); expected shape (n, 1), as the network's output. Give the last "
            "layer as many units as there are targets.",
        ),
        (
            ["a"],
            (1, 1),
            "y: got values of dtype <U1; expected numbers. Encode text as numbers first.",
        ),
        (
            np.array([[1.0], [np.inf]]),
            (1, 1),
            "y: got 1 values that are NaN or infinite, first in row 1; expected finite numbers. "
            "Fill in or drop missing values first.",
        ),
        (
            [1.0, None],
            (1, 1),
            "y: got values of dtype object; expected numbers. Encode text as numbers first.",
        ),
    ],
)
def test_targets_that_do_not_fit_squared_error(y: Any, shape: tuple[int, ...], text: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        SquaredError().check(y, output(*shape))
    assert str(caught.value) == text


def test_targets_beyond_the_networks_dtype() -> None:
    with pytest.raises(DataError) as caught:
        SquaredError().check(np.array([0.0, 1e300]), output(1, 1, dtype="float32"))
    assert str(caught.value) == (
        "y: got 1 values that are too large for float32, first in row 1; expected numbers up to "
        "3.4e+38. Scale them first."
    )
    assert SquaredError().check(np.array([1e300]), output(1, 1)).tolist() == [[1e300]]


# ------------------------------------------------------------------------------- custom losses


def absolute(y: cr.Tensor, prediction: cr.Tensor) -> cr.Tensor:
    return cr.mean(abs(prediction - y), axis=1)


def test_a_function_as_a_loss() -> None:
    found = loss(absolute)
    assert isinstance(found, CustomLoss)
    assert found.name == "absolute"
    y, z = np.array([[1.0, 2.0], [3.0, 5.0]]), np.array([[1.5, 2.0], [3.0, 3.0]])
    values, gradient = value_and_gradient(found, y, z)
    assert values.tolist() == [0.25, 1.0]
    assert gradient.tolist() == [[0.5, 0.0], [0.0, -0.5]]


def test_a_function_may_return_the_mean() -> None:
    found = loss(lambda y, prediction: cr.mean(cr.square(prediction - y)))
    assert found.name == "<lambda>"
    assert found(cr.tensor([[1.0]]), cr.tensor([[3.0]])).item() == 4.0


def test_a_function_must_not_return_a_matrix() -> None:
    found = loss(lambda y, prediction: cr.square(prediction - y))
    with pytest.raises(ShapeError) as caught:
        found(cr.tensor([1.0, 2.0, 3.0]), cr.tensor([[1.0], [2.0], [3.0]]))
    assert str(caught.value) == (
        "result of the loss '<lambda>': got shape (3, 3); expected one number a sample, shape "
        "(3,), or their mean, shape ()."
    )


def test_a_function_gets_the_targets_as_they_came() -> None:
    found = loss(absolute)
    assert found.check([1, 2], output(1, 1)).dtype == np.int64
    assert found.check(np.array([1.0, 2.0]), output(1, 1, dtype="float32")).dtype == np.float32
    assert found.check([0.1], output(1, 1)).tolist() == [0.1]
    # NaN may stand for "not observed": what it means is the function's to say.
    assert np.isnan(found.check([np.nan, 1.0], output(1, 1))).tolist() == [True, False]
    with pytest.raises(DtypeError, match=r"^y: got values of dtype <U1; "):
        found.check(["a"], output(1, 1))


# ------------------------------------------------------------------------------------- penalty


@pytest.mark.parametrize("l2", [0.0, 0.3])
def test_penalty_is_half_lambda_times_the_squared_frobenius_norm(l2: float) -> None:
    rng = np.random.default_rng(0)
    weights = [rng.normal(size=(3, 4)), rng.normal(size=(4, 2))]
    value = penalty_of(weights, l2, np.dtype("float64"))
    assert value.dtype == np.float64
    wanted = 0.5 * l2 * sum(np.linalg.norm(W, "fro") ** 2 for W in weights)
    assert value.item() == pytest.approx(wanted, rel=1e-13)
    gradients = cr.grad(
        lambda *weights: penalty_of(list(weights), l2, np.dtype("float64")), argnums=(0, 1)
    )(*weights)
    for gradient, W in zip(gradients, weights, strict=True):
        np.testing.assert_allclose(gradient.numpy(), l2 * W, rtol=1e-13)


def test_no_weights_no_penalty() -> None:
    assert penalty_of([], 0.5, np.dtype("float32")).item() == 0.0


def test_the_risk_penalizes_weights_and_not_biases() -> None:
    rng = np.random.default_rng(0)
    x, y, l2 = rng.normal(size=(5, 3)), rng.normal(size=(5, 1)), 0.25
    gradients = {}
    for strength in (0.0, l2):
        cr.random.seed(0)
        model = cr.Sequential([cr.Dense(4, activation="tanh"), cr.Dense(1)], dtype="float64")
        model.make_parameters((3,))
        model.set_weights(
            [np.sin(np.arange(p.size).reshape(p.shape) + 1.0) for p in model.parameters().values()]
        )
        before = dict(zip(model.parameters(), model.get_weights(), strict=True))
        model.compile(cr.optim.SGD(0.0), "squared_error", l2=strength)
        risk, _ = loop.train_step(model, model.compiled(), x, y)
        gradients[strength] = (risk, {n: p.grad.numpy() for n, p in model.parameters().items()})
    weights = [W for name, W in before.items() if name.endswith("kernel")]
    assert len(weights) == 2
    extra = 0.5 * l2 * sum(np.square(W).sum() for W in weights)
    assert gradients[l2][0] - gradients[0.0][0] == pytest.approx(extra, rel=1e-12)
    for name, W in before.items():
        difference = gradients[l2][1][name] - gradients[0.0][1][name]
        wanted = l2 * W if name.endswith("kernel") else np.zeros_like(W)
        np.testing.assert_allclose(difference, wanted, rtol=1e-10, atol=1e-14)


# ------------------------------------------------------------------------------------- by name


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        ("cross_entropy", CrossEntropy),
        ("categorical_crossentropy", CrossEntropy),
        ("sparse_categorical_crossentropy", CrossEntropy),
        ("squared_error", SquaredError),
        ("mse", SquaredError),
        ("mean_squared_error", SquaredError),
    ],
)
def test_by_name(given: str, kind: type[Loss]) -> None:
    assert type(loss(given)) is kind
    assert kind.name in LOSSES
    found = kind()
    assert loss(found) is found


@pytest.mark.parametrize(
    ("given", "hint"),
    [
        ("crossentropy", " Did you mean 'cross_entropy'"),
        ("mean_square_error", " Did you mean 'mean_squared_error'"),
        ("qqq", ""),
    ],
)
def test_unknown_names_get_the_nearest(given: str, hint: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        loss(given)
    assert str(caught.value).startswith(
        f"loss: got {given!r}; expected one of {', '.join(LOSSES)}, or a function of "
        f"(y, prediction).{hint}"
    )


def test_a_loss_must_say_what_it_is() -> None:
    with pytest.raises(NotImplementedError):
        Loss().check([], output(1, 1))
    with pytest.raises(NotImplementedError):
        Loss()(cr.tensor([]), cr.tensor([]))
