"""Random streams that a seed fixes."""

from __future__ import annotations

import operator

import numpy as np

from chainrule.core.errors import ArgumentError


def random_stream(seed: int) -> np.random.Philox:
    """Start the counter-based bit stream of a seed.

    NumPy promises that the bits of ``Philox`` stay the same in every version (it does not
    promise so for ``Generator``'s distributions), so whatever is drawn from the raw bits can be
    drawn again years later.

    Args:
        seed: a whole number, 0 or more.

    Raises:
        ArgumentError: the seed is something else.
    """
    try:
        whole = operator.index(seed)
    except TypeError:
        whole = -1
    if whole < 0:
        raise ArgumentError("seed", repr(seed), "a whole number, 0 or more")
    return np.random.Philox(whole)


def permutation(n: int, seed: int) -> np.ndarray:
    """Shuffle 0 ... n-1, the same way in every version of NumPy."""
    bits = random_stream(seed).random_raw(n)
    return np.argsort(bits, kind="stable")
