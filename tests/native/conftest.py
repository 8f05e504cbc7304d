"""What the tests of native code share: a function, run as machine code and by NumPy."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
import pytest

from chainrule.core.graph import Graph
from chainrule.core.tensor import unknown
from chainrule.core.types import Array, ArrayType
from chainrule.native.engine import NativeExecutor


class Agreement(Protocol):
    def __call__(
        self, f: Callable[..., Any], *arrays: Any, ulps: float = ..., of_largest: bool = ...
    ) -> list[Array]: ...


def graph_of(f: Callable[..., Any], *arrays: Array) -> Graph:
    """Trace a function of arrays without optimizing it."""
    given = [unknown(ArrayType(x.shape, x.dtype)) for x in arrays]
    found = f(*given)
    return Graph(given, found if isinstance(found, list | tuple) else [found])


def assert_close(got: Array, wanted: Array, ulps: float, of_largest: bool = False) -> None:
    """Compare: equal dtype, shape, NaNs and infinities; floats by a multiple of their rounding.

    Where sums cancel, what rounding costs is to be measured by the largest element.
    """
    assert (got.dtype, got.shape) == (wanted.dtype, wanted.shape)
    if wanted.dtype.kind != "f" or ulps == 0:
        np.testing.assert_array_equal(got, wanted)
        return
    info = np.finfo(wanted.dtype)
    unit = float(info.smallest_subnormal)
    if of_largest:
        unit = float(info.eps) * float(np.max(np.abs(wanted), initial=0, where=np.isfinite(wanted)))
    np.testing.assert_allclose(got, wanted, rtol=ulps * info.eps, atol=ulps * unit)


@pytest.fixture
def agrees() -> Agreement:
    """Return a check: machine code and NumPy give the same, and machine code the same twice."""

    def check(
        f: Callable[..., Any], *arrays: Any, ulps: float = 0, of_largest: bool = False
    ) -> list[Array]:
        given = [np.asarray(x) for x in arrays]
        graph = graph_of(f, *given)
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            wanted = graph.evaluate(*given)
        executor = NativeExecutor(graph)
        executor.graph = Graph([], [])  # what it would ask if it found an error
        got = executor.run(given)
        for a, b in zip(got, wanted, strict=True):
            assert_close(a, b, ulps, of_largest)
        again = executor.run(given)
        assert [a.tobytes() for a in again] == [a.tobytes() for a in got]
        return got

    return check
