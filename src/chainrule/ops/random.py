"""Counter-based randomness.

Bits are a function of a key and a position, so any part of a stream can be computed anywhere, in
any order, by any number of threads, and comes out the same.

The generator is Philox4x32 with 10 rounds (Salmon, Moraes, Dror and Shaw, "Parallel random
numbers: as easy as 1, 2, 3", SC 2011). A state is four 32-bit words: a key of two (the seed) and a
stream number of two. Block ``i`` of a stream is the cipher of the counter (i, stream).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from chainrule.core.errors import ArgumentError, DtypeError
from chainrule.core.graph import Primitive, example
from chainrule.core.tensor import Parameter, Tensor, as_tensor, bind
from chainrule.core.types import (
    FLOAT32,
    FLOAT64,
    INT64,
    UINT32,
    Array,
    ArrayType,
    Dtype,
    Shape,
    as_dtype,
)
from chainrule.ops.elementwise import cos, log, minimum, sin, sqrt
from chainrule.ops.promotion import cast
from chainrule.ops.shape import concatenate, reshape, slice_axis

_MULTIPLIERS = (np.uint64(0xD2511F53), np.uint64(0xCD9E8D57))
_WEYL = (0x9E3779B9, 0xBB67AE85)  # golden ratio, and √3 - 1
_LOW = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)


def philox(counter: Array, key: tuple[int, int], rounds: int = 10) -> Array:
    """Return four 32-bit words for each counter.

    Args:
        counter: uint64 array of shape (4, n) that holds 32-bit words.
        key: two 32-bit words.
        rounds: number of rounds.

    Returns:
        uint64 array of shape (4, n) that holds 32-bit words.
    """
    x0, x1, x2, x3 = counter
    k0, k1 = key
    for _ in range(rounds):
        p0, p1 = x0 * _MULTIPLIERS[0], x2 * _MULTIPLIERS[1]
        x0, x1, x2, x3 = (
            (p1 >> _HALF) ^ x1 ^ np.uint64(k0),
            p1 & _LOW,
            (p0 >> _HALF) ^ x3 ^ np.uint64(k1),
            p0 & _LOW,
        )
        k0, k1 = (k0 + _WEYL[0]) & 0xFFFFFFFF, (k1 + _WEYL[1]) & 0xFFFFFFFF
    return np.stack([x0, x1, x2, x3])


def _bits(state: Array, count: int) -> Array:
    """Return the first ``count`` words of a stream, block by block, as uint64."""
    blocks = np.arange(-(-count // 4), dtype=np.uint64)
    k0, k1, s0, s1 = (int(word) for word in state)
    stream = [np.full_like(blocks, s0), np.full_like(blocks, s1)]
    counter = np.stack([blocks & _LOW, blocks >> _HALF, *stream])
    return philox(counter, (k0, k1)).T.reshape(-1)[:count]


def _random_bits(state: Array, *, shape: Shape) -> Array:
    return _bits(state, math.prod(shape)).astype(np.uint32).reshape(shape)


_STATE = np.array([1, 2, 3, 4], np.uint32)

random_bits_p: Primitive = Primitive(
    "random_bits",
    eval=_random_bits,
    type_rule=lambda state, *, shape: ArrayType(shape, UINT32),
    vjp=(None,),
    examples=(
        example((4,), arrays={0: _STATE}, shape=(3, 5)),
        example((4,), arrays={0: _STATE}, shape=()),
        example((4,), arrays={0: _STATE}, shape=(0, 2)),
    ),
)


def _random_uniform(state: Array, *, shape: Shape, dtype: Dtype) -> Array:
    count = math.prod(shape)
    if dtype == FLOAT32:
        # 24 bits: every result is a multiple of 2⁻²⁴, and 1 is never reached.
        unit = (_bits(state, count) >> np.uint64(8)).astype(np.float32) * np.float32(2.0**-24)
    else:
        words = _words64(state, count)
        unit = (words >> np.uint64(11)).astype(np.float64) * 2.0**-53
    return unit.reshape(shape)


def _words64(state: Array, count: int) -> Array:
    pairs = _bits(state, 2 * count).reshape(-1, 2)
    return (pairs[:, 1] << _HALF) | pairs[:, 0]


random_uniform_p: Primitive = Primitive(
    "random_uniform",
    eval=_random_uniform,
    type_rule=lambda state, *, shape, dtype: ArrayType(shape, dtype),
    vjp=(None,),
    examples=(
        example((4,), arrays={0: _STATE}, shape=(3, 5), dtype=FLOAT32),
        example((4,), arrays={0: _STATE}, shape=(2,), dtype=FLOAT64),
        example((4,), arrays={0: _STATE}, shape=(0,), dtype=FLOAT32),
    ),
)

random_permutation_p: Primitive = Primitive(
    "random_permutation",
    # Sorting by 64 random bits: uniform over all orders, up to ties of chance n² / 2⁶⁵.
    eval=lambda state, *, n: np.argsort(_words64(state, n), kind="stable"),
    type_rule=lambda state, *, n: ArrayType((n,), INT64),
    vjp=(None,),
    examples=(
        example((4,), arrays={0: _STATE}, n=7),
        example((4,), arrays={0: _STATE}, n=0),
    ),
)


class Generator:
    """A sequence of streams of random numbers; every draw uses up one stream.

    Args:
        seed: whole number from 0 to 2⁶⁴ - 1. The same seed gives the same draws on every machine.

    >>> Generator(0).permutation(4).tolist() == Generator(0).permutation(4).tolist()
    True
    """

    def __init__(self, seed: int = 0) -> None:
        #: Key (two words), number of the next stream (two words). A parameter, so that a traced
        #: function takes it as an input and hands the next one back.
        self.state = Parameter(np.zeros(4, np.uint32), name="random_state", trainable=False)
        self.seed(seed)

    def seed(self, seed: int) -> None:
        """Start again from a seed.

        Raises:
            ArgumentError: not a whole number from 0 to 2⁶⁴ - 1.
        """
        if not isinstance(seed, int | np.integer) or not 0 <= seed < 2**64:
            raise ArgumentError("seed", repr(seed), "a whole number from 0 to 2**64 - 1")
        words = [int(seed) & 0xFFFFFFFF, int(seed) >> 32, 0, 0]
        self.state.assign(np.array(words, np.uint32))

    def __deepcopy__(self, memo: dict[int, Any]) -> Generator:
        """Copy a generator; the one that all share stays one."""
        if self is default_generator:
            return self
        copied = Generator()
        memo[id(self)] = copied
        copied.state.assign(self.state.value)
        return copied

    def _next_stream(self) -> Tensor:
        state = self.state.value
        step = as_tensor(np.array([0, 0, 1, 0], np.uint32))
        carry = as_tensor(np.array([0, 0, 0, 1], np.uint32))
        advanced = state + step
        wrapped = cast(slice_axis(advanced, 0, 2, 3) == 0, UINT32)
        self.state.assign(advanced + carry * wrapped)
        return state

    def bits(self, shape: Any = ()) -> Tensor:
        """Draw 32 random bits an element, as uint32.

        Args:
            shape: shape of the result.
        """
        return bind(random_bits_p, self._next_stream(), shape=_as_shape(shape))

    def uniform(
        self, low: float = 0.0, high: float = 1.0, shape: Any = (), dtype: npt.DTypeLike = FLOAT32
    ) -> Tensor:
        """Draw from the uniform distribution: ``low ≤ x < high``.

        Args:
            low: lower bound.
            high: upper bound.
            shape: shape of the result.
            dtype: float32 (24 random bits) or float64 (53).
        """
        state, kind = self._next_stream(), _as_float(dtype)
        unit = bind(random_uniform_p, state, shape=_as_shape(shape), dtype=kind)
        if (low, high) == (0.0, 1.0):
            return unit
        # Rounding carries the largest draws up to the bound.
        below = np.nextafter(kind.type(high), kind.type(low))
        return minimum(unit * (high - low) + low, float(below))

    def normal(
        self, mean: float = 0.0, std: float = 1.0, shape: Any = (), dtype: npt.DTypeLike = FLOAT32
    ) -> Tensor:
        """Draw from the normal distribution: ``mean + std · √(-2 log u₁) · (cos, sin)(2π u₂)``.

        Args:
            mean: mean.
            std: standard deviation.
            shape: shape of the result.
            dtype: float32 or float64.

        Source: Box and Muller, "A note on the generation of random normal deviates", 1958.
        """
        shape = _as_shape(shape)
        count = math.prod(shape)
        half = -(-count // 2)
        u = self.uniform(shape=(2, half), dtype=dtype)
        # 1 - u lies in (0, 1], where the logarithm is finite.
        radius = sqrt(log(1.0 - u[0]) * -2.0)
        angle = u[1] * (2.0 * math.pi)
        z = concatenate([radius * cos(angle), radius * sin(angle)])
        z = reshape(slice_axis(z, 0, 0, count), shape)
        return z if (mean, std) == (0.0, 1.0) else z * std + mean

    def permutation(self, n: int) -> Tensor:
        """Draw an order of the numbers from 0 to ``n - 1``, every one equally likely.

        Args:
            n: how many numbers.

        Raises:
            ArgumentError: not a whole number from 0.
        """
        if not isinstance(n, int | np.integer) or n < 0:
            raise ArgumentError("n", repr(n), "a whole number from 0")
        return bind(random_permutation_p, self._next_stream(), n=int(n))


def _as_shape(shape: Any) -> Shape:
    sizes = (shape,) if isinstance(shape, int | np.integer) else tuple(shape)
    if any(n < 0 for n in sizes):
        raise ArgumentError("shape", str(shape), "sizes from 0")
    return tuple(int(n) for n in sizes)


def _as_float(dtype: npt.DTypeLike) -> Dtype:
    found = as_dtype(dtype)
    if found.kind != "f":
        raise DtypeError("dtype", str(found), "float32 or float64")
    return found


#: The generator behind ``cr.random.uniform`` and its like.
default_generator = Generator()
seed = default_generator.seed
bits = default_generator.bits
uniform = default_generator.uniform
normal = default_generator.normal
permutation = default_generator.permutation
