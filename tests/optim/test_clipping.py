from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import chainrule as cr
from chainrule.core.errors import ArgumentError
from chainrule.core.types import Array
from chainrule.optim import SGD, clip_by_global_norm, clip_by_norm, clip_by_value

GRADIENTS = [
    np.array([[3.0, -4.0], [0.0, 12.0]]),
    np.array([0.1, -0.2]),
    np.array(7.0),
    np.zeros((2, 2)),
    np.zeros((0, 3)),
]


def tensors(arrays: list[Array]) -> list[cr.Tensor]:
    return [cr.tensor(a) for a in arrays]


def arrays(found: list[cr.Tensor]) -> list[Array]:
    return [g.numpy() for g in found]


def length(found: list[Array]) -> float:
    return float(np.sqrt(sum((g.astype(np.longdouble) ** 2).sum() for g in found)))


def test_by_value() -> None:
    for found, g in zip(arrays(clip_by_value(tensors(GRADIENTS), 0.15)), GRADIENTS, strict=True):
        np.testing.assert_array_equal(found, np.clip(g, -0.15, 0.15))


def test_by_norm() -> None:
    found = arrays(clip_by_norm(tensors(GRADIENTS), 6.5))
    np.testing.assert_allclose(found[0], GRADIENTS[0] * 0.5, rtol=1e-15)
    np.testing.assert_array_equal(found[1], GRADIENTS[1])
    np.testing.assert_allclose(found[2], 6.5, rtol=1e-15)
    np.testing.assert_array_equal(found[3], 0.0)
    assert found[4].shape == (0, 3)


def test_by_global_norm() -> None:
    whole = np.sqrt(169 + 0.05 + 49)
    for found, g in zip(
        arrays(clip_by_global_norm(tensors(GRADIENTS), 1.0)), GRADIENTS, strict=True
    ):
        np.testing.assert_allclose(found, g / whole, rtol=1e-14)
    untouched = clip_by_global_norm(tensors(GRADIENTS), whole * 1.0001)
    for found, g in zip(arrays(untouched), GRADIENTS, strict=True):
        np.testing.assert_array_equal(found, g)


def test_nothing_to_clip() -> None:
    assert clip_by_norm([], 1.0) == clip_by_value([], 1.0) == clip_by_global_norm([], 1.0) == []
    (empty,) = clip_by_global_norm([cr.tensor(np.zeros((0,)))], 1.0)
    assert empty.shape == (0,)


@pytest.mark.parametrize("clip", [clip_by_norm, clip_by_global_norm])
@pytest.mark.parametrize(("dtype", "size"), [("float32", 1e30), ("float64", 1e250)])
def test_gradients_that_explode_keep_their_direction(clip: Any, dtype: str, size: float) -> None:
    """Their squares overflow; warnings are errors here."""
    (found,) = clip([cr.tensor(np.array([3 * size, -4 * size], dtype))], 5.0)
    np.testing.assert_allclose(found.numpy(), [3.0, -4.0], rtol=1e-6)
    assert found.dtype == dtype


@pytest.mark.parametrize("clip", [clip_by_norm, clip_by_global_norm])
def test_gradients_whose_squares_vanish_are_measured_too(clip: Any) -> None:
    (found,) = clip([cr.tensor(np.array([3e-30, -4e-30], "float32"))], 5e-31)
    np.testing.assert_allclose(found.numpy(), [3e-31, -4e-31], rtol=1e-6)


def test_dtypes_meet_in_the_global_norm() -> None:
    single, double = clip_by_global_norm(
        [cr.tensor(np.float32([3.0])), cr.tensor(np.float64([4.0]))], 1.0
    )
    assert (single.dtype, double.dtype) == ("float32", "float64")
    assert single.item() == pytest.approx(0.6, rel=1e-7)
    assert double.item() == pytest.approx(0.8, rel=1e-15)


FLOATS = st.floats(-1e300, 1e300, allow_subnormal=False)
SOME_GRADIENTS = st.lists(
    hnp.arrays(np.float64, hnp.array_shapes(max_dims=2, max_side=4), elements=FLOATS),
    min_size=1,
    max_size=4,
)


@settings(max_examples=200, deadline=None)
@given(gradients=SOME_GRADIENTS, limit=st.floats(1e-3, 1e6))
def test_clipping_never_lengthens_and_never_turns(gradients: list[Array], limit: float) -> None:
    for clip, parts in (
        (clip_by_global_norm, [gradients]),
        (clip_by_norm, [[g] for g in gradients]),
    ):
        for part in parts:
            found = arrays(clip(tensors(part), limit))
            assert length(found) <= min(length(part), limit) * (1 + 1e-12)
            # As long as it may be: no shorter than the limit where it was longer.
            assert length(found) >= min(length(part), limit) * (1 - 1e-12)
            for g, before in zip(found, part, strict=True):
                assert (np.sign(g) == np.sign(before))[np.abs(g) > 0].all()
    found = arrays(clip_by_value(tensors(gradients), limit))
    for g, before in zip(found, gradients, strict=True):
        assert (np.abs(g) <= np.minimum(np.abs(before), limit)).all()
        assert (np.sign(g) == np.sign(before)).all()


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        ({"clipvalue": 0.5}, [[0.5, -0.5], [0.25]]),
        ({"clipnorm": 1.0}, [[0.6, -0.8], [0.25]]),
        ({"global_clipnorm": np.sqrt(25.0625)}, [[3.0, -4.0], [0.25]]),
        ({"global_clipnorm": np.sqrt(25.0625) / 2}, [[1.5, -2.0], [0.125]]),
    ],
)
def test_optimizers_clip(options: dict[str, float], wanted: list[list[float]]) -> None:
    parameters = [cr.Parameter(np.zeros(2)), cr.Parameter(np.zeros(1))]
    gradients = tensors([np.array([3.0, -4.0]), np.array([0.25])])
    SGD(1.0, **options).apply(parameters, gradients)
    for parameter, step in zip(parameters, wanted, strict=True):
        np.testing.assert_allclose(-parameter.numpy(), step, rtol=1e-14)


@pytest.mark.parametrize("name", ["clipnorm", "global_clipnorm", "clipvalue"])
@pytest.mark.parametrize("value", [0.0, -1.0, float("inf"), float("nan"), "1", True])
def test_limits_that_do_not_fit(name: str, value: Any) -> None:
    with pytest.raises(ArgumentError) as caught:
        SGD(0.1, **{name: value})
    assert str(caught.value) == f"{name}: got {value!r}; expected a finite number above 0."


def test_one_kind_of_clipping_at_most() -> None:
    with pytest.raises(ArgumentError) as caught:
        SGD(0.1, clipnorm=1.0, clipvalue=0.5)
    assert str(caught.value) == (
        "clipnorm and clipvalue: got 1.0, 0.5; expected one kind of clipping at most."
    )
