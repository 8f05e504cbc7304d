from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.core.errors import ArgumentError
from chainrule.core.types import INT64
from chainrule.losses import CategoricalHinge
from chainrule.ops.checks import check_range

LABELS = "labels from -1 to 5; expected integers from 0 to 2 \\(3 classes\\). Number the classes"


def test_numbers_in_range_come_back() -> None:
    for dtype in ("int64", "int32", "uint8"):
        x = cr.tensor(np.array([[0, 2], [1, 1]], dtype))
        y = check_range(x, 3, "labels", "labels", "classes")
        assert y.type == x.type
        assert y.tolist() == x.tolist()
    assert check_range(cr.zeros(0, INT64), 3, "labels", "labels", "classes").shape == (0,)
    assert check_range(cr.tensor([-1]), 0, "k", "ks", "ks", low=-1).tolist() == [-1]


@pytest.mark.parametrize(
    ("f", "fits", "wrong", "text"),
    [
        (lambda y: cr.one_hot(y, 3), [0, 1, 2], [-1, 0, 5], f"labels: got {LABELS}"),
        (
            lambda y: cr.segment_sum([1.0, 2.0, 3.0], y, 2),
            [1, 0, 1],
            [0, 1, 2],
            r"segments: got segments from 0 to 2; expected integers from 0 to 1 \(2 segments\)\.$",
        ),
        (
            lambda y: CategoricalHinge()(cr.asarray(y), cr.zeros((3, 3))),
            [0, 1, 2],
            [-1, 0, 2],  # which a gather alone would take for the last class
            f"labels: got {LABELS.replace('5', '2', 1)}",
        ),
    ],
)
def test_traced_functions_raise_what_eager_ones_do(
    f: Callable[[Any], Any], fits: list[int], wrong: list[int], text: str
) -> None:
    graph = cr.trace(f)(fits)
    np.testing.assert_array_equal(graph(fits).numpy(), f(cr.tensor(fits)).numpy())
    with pytest.raises(ArgumentError, match=text) as eager:
        f(cr.tensor(wrong))
    with pytest.raises(ArgumentError) as traced:
        graph(wrong)
    assert str(traced.value) == str(eager.value)


def test_an_index_out_of_bounds_is_numpys_error() -> None:
    graph = cr.trace(lambda x, i: x[i])([1.0, 2.0], [0])
    with pytest.raises(IndexError, match="out of bounds"):
        graph([1.0, 2.0], [2])
