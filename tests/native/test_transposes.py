from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.core.graph import PRIMITIVES
from chainrule.core.tensor import bind

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "bool", "int8"])
def test_transposes_of_all_sizes(dtype: str, agrees: Any) -> None:
    sizes = [1, 3, 4, 5, 8, 15, 16, 17, 33, 50]
    arrays = [(9 * RNG.standard_normal((n, m))).astype(dtype) for n in sizes for m in sizes]
    agrees(lambda *xs: [x.T for x in xs], *arrays)


def test_transposes_of_parts_and_of_more_axes(agrees: Any) -> None:
    x = RNG.standard_normal((6, 19, 23)).astype("f4")

    def f(x: Any) -> list[Any]:
        found = [x.transpose(axes) for axes in [(0, 2, 1), (2, 1, 0), (1, 2, 0), (2, 0, 1)]]
        found += [x[1:5, 2:, 3:20].transpose(0, 2, 1), x[:, ::-1, :].T, x[::2, ::3].T]
        found += [cr.concatenate([x[0].T, x[1].T], axis=1), cr.concatenate([x[0].T, x[1].T])]
        attrs = {"low": (1, 2), "high": (0, 1), "interior": (0, 1), "value": 7.0}
        return [*found, bind(PRIMITIVES["pad"], x[2].T, **attrs), x.T.reshape(-1)]

    agrees(f, x)
