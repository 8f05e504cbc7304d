from __future__ import annotations

import itertools
import math
from collections import Counter
from typing import Any

import numpy as np
import pytest
import scipy.stats

import chainrule as cr
from chainrule.core.errors import ArgumentError, DtypeError
from chainrule.ops.random import Generator, default_generator, philox

# The known answers that come with Random123 (kat_vectors: philox4x32, 10 rounds).
KNOWN_ANSWERS = [
    ("00000000 00000000 00000000 00000000", "00000000 00000000",
     "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff",
     "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0",
     "d16cfe09 94fdcceb 5001e420 24126ea1"),
]  # fmt: skip


def words(text: str) -> list[int]:
    return [int(word, 16) for word in text.split()]


@pytest.mark.parametrize(("counter", "key", "expected"), KNOWN_ANSWERS)
def test_philox_known_answers(counter: str, key: str, expected: str) -> None:
    block = np.array(words(counter), np.uint64).reshape(4, 1)
    first, second = words(key)
    assert philox(block, (first, second)).reshape(-1).tolist() == words(expected)


def test_philox_computes_every_block_alike() -> None:
    blocks = np.array([words(counter) for counter, _, _ in KNOWN_ANSWERS], np.uint64).T
    together = philox(blocks, (1, 2))
    for i in range(3):
        alone = philox(blocks[:, i : i + 1], (1, 2))
        np.testing.assert_array_equal(together[:, i : i + 1], alone)


def test_the_layout_of_a_stream() -> None:
    """Word 4 i + j of draw number s is word j of the cipher of the counter (i, 0, s, 0)."""
    generator = Generator(0x0123456789ABCDEF)
    key = (0x89ABCDEF, 0x01234567)
    for stream in range(3):
        found = generator.bits(9).numpy()
        assert found.dtype == np.uint32
        for i in range(3):
            block = philox(np.array([[i], [0], [stream], [0]], np.uint64), key).reshape(-1)
            assert found[4 * i : 4 * i + 4].tolist() == block.tolist()[: min(4, 9 - 4 * i)]


def test_the_stream_number_carries() -> None:
    generator = Generator(3)
    generator.state.assign(np.array([3, 0, 0xFFFFFFFF, 5], np.uint32))
    generator.bits()
    assert generator.state.value.tolist() == [3, 0, 0, 6]
    generator.bits()
    assert generator.state.value.tolist() == [3, 0, 1, 6]


def draws(generator: Any) -> list[np.ndarray]:
    return [
        generator.bits((2, 3)).numpy(),
        generator.uniform(shape=(2, 3)).numpy(),
        generator.uniform(-1.0, 1.0, shape=3, dtype="float64").numpy(),
        generator.normal(shape=5).numpy(),
        generator.permutation(10).numpy(),
    ]


def test_the_same_seed_gives_the_same_draws() -> None:
    first, again, other = (draws(Generator(seed)) for seed in (7, 7, 8))
    for a, b, c in zip(first, again, other, strict=True):
        np.testing.assert_array_equal(a, b)
        assert (a != c).any()
    generator = Generator(8)
    generator.bits()
    generator.seed(7)
    for a, b in zip(first, draws(generator), strict=True):
        np.testing.assert_array_equal(a, b)


def test_draws_follow_one_another() -> None:
    generator = Generator(0)
    assert generator.bits(4).tolist() != generator.bits(4).tolist()


def test_a_longer_draw_begins_with_the_shorter_one() -> None:
    for dtype in ("float32", "float64"):
        long = Generator(1).uniform(shape=100, dtype=dtype).numpy()
        np.testing.assert_array_equal(Generator(1).uniform(shape=7, dtype=dtype).numpy(), long[:7])
        np.testing.assert_array_equal(
            Generator(1).uniform(shape=(10, 10), dtype=dtype).numpy(), long.reshape(10, 10)
        )


def test_the_module_has_a_generator_of_its_own() -> None:
    before = default_generator.state.value
    try:
        cr.random.seed(11)
        found = draws(cr.random)
    finally:
        default_generator.state.assign(before)
    for a, b in zip(found, draws(Generator(11)), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("seed", [0, 1, 2**32, 2**64 - 1, np.uint64(2**64 - 1), np.int8(3)])
def test_seeds(seed: Any) -> None:
    key = Generator(seed).state.value.tolist()
    assert key == [int(seed) % 2**32, int(seed) >> 32, 0, 0]


@pytest.mark.parametrize("seed", [-1, 2**64, 1.0, "1", None, np.int64(-1)])
def test_seeds_that_do_not_fit(seed: Any) -> None:
    with pytest.raises(ArgumentError, match=r"seed: got .*; expected a whole number from 0 to 2"):
        Generator(seed)


@pytest.mark.parametrize("shape", [(), 0, 5, (2, 3), (0, 4), [2, 2], np.int64(3)])
def test_shapes(shape: Any) -> None:
    expected = np.zeros(shape).shape
    generator = Generator(0)
    for draw in (generator.bits, generator.uniform, generator.normal):
        assert draw(shape=shape).shape == expected
    assert generator.normal(1.0, 2.0, shape, "float64").dtype == "float64"


def test_argument_errors() -> None:
    generator = Generator(0)
    with pytest.raises(ArgumentError, match=r"shape: got \(2, -1\); expected sizes from 0"):
        generator.uniform(shape=(2, -1))
    with pytest.raises(ArgumentError, match=r"shape: got -1; expected sizes from 0"):
        generator.normal(shape=-1)
    with pytest.raises(ArgumentError, match=r"n: got -1; expected a whole number from 0"):
        generator.permutation(-1)
    for dtype in ("int32", "bool"):
        with pytest.raises(DtypeError, match=rf"dtype: got {dtype}; expected float32 or float64"):
            generator.uniform(dtype=dtype)
    with pytest.raises(DtypeError, match="dtype: got float16"):
        generator.normal(dtype="float16")


# Distributions: the seeds are fixed, so these tests always give the same answer --------------

COUNT = 200_000


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_uniform_distribution(dtype: str) -> None:
    unit = Generator(0).uniform(shape=COUNT, dtype=dtype).numpy()
    assert unit.dtype == dtype
    assert unit.min() >= 0
    assert unit.max() < 1
    assert scipy.stats.kstest(unit, "uniform").pvalue > 0.01
    scaled = Generator(1).uniform(-3.0, 5.0, shape=COUNT, dtype=dtype).numpy()
    assert scipy.stats.kstest(scaled, "uniform", args=(-3.0, 8.0)).pvalue > 0.01
    pairs, *_ = np.histogram2d(unit[::2], unit[1::2], bins=20)
    assert scipy.stats.chisquare(pairs.reshape(-1)).pvalue > 0.01


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("low", "high"), [(1.0, 2.0), (1000.0, 1001.0), (-1e-3, 0.0), (3.0, 3.0)])
def test_uniform_never_reaches_its_upper_bound(dtype: str, low: float, high: float) -> None:
    x = Generator(2).uniform(low, high, shape=1 << 20, dtype=dtype).numpy()
    assert x.dtype == dtype
    assert x.min() >= low
    assert x.max() < high or low == high == x.max()


def test_uniform_bits() -> None:
    """All 24 or 53 bits are used, each as often set as not."""
    single = Generator(3).uniform(shape=COUNT).numpy().astype(np.float64) * 2**24
    double = Generator(3).uniform(shape=COUNT, dtype="float64").numpy() * 2**53
    for scaled, bits in ((single, 24), (double, 53)):
        whole = scaled.astype(np.uint64)
        assert (whole == scaled).all()
        for bit in range(bits):
            share = ((whole >> np.uint64(bit)) & np.uint64(1)).mean()
            assert abs(share - 0.5) < 5 * 0.5 / math.sqrt(COUNT)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_normal_distribution(dtype: str) -> None:
    z = Generator(0).normal(shape=COUNT + 1, dtype=dtype).numpy()
    assert z.dtype == dtype
    assert np.isfinite(z).all()
    assert scipy.stats.kstest(z, "norm").pvalue > 0.01
    half = COUNT // 2  # the cosine and the sine of one angle must not show
    assert abs(np.corrcoef(z[:half], z[half : 2 * half])[0, 1]) < 5 / math.sqrt(half)
    assert abs(np.corrcoef(z[:-1], z[1:])[0, 1]) < 5 / math.sqrt(COUNT)
    scaled = Generator(1).normal(2.0, 0.5, shape=COUNT, dtype=dtype).numpy()
    assert scipy.stats.kstest(scaled, "norm", args=(2.0, 0.5)).pvalue > 0.01


@pytest.mark.parametrize("count", [1, 2, 5, 6])
def test_normal_is_box_and_mullers_function_of_uniform(count: int) -> None:
    u1, u2 = Generator(3).uniform(shape=(2, (count + 1) // 2), dtype="float64").numpy()
    radius, angle = np.sqrt(-2 * np.log(1 - u1)), 2 * np.pi * u2
    expected = np.concatenate([radius * np.cos(angle), radius * np.sin(angle)])[:count]
    found = Generator(3).normal(shape=count, dtype="float64").numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-13)


@pytest.mark.parametrize("n", [3, 4])
def test_permutations_are_uniform_over_all_orders(n: int) -> None:
    generator = Generator(5)
    trials = 200 * math.factorial(n)
    found = Counter(tuple(generator.permutation(n).tolist()) for _ in range(trials))
    assert set(found) == set(itertools.permutations(range(n)))
    assert scipy.stats.chisquare(list(found.values())).pvalue > 0.01


@pytest.mark.parametrize("n", [0, 1, 2, 1000])
def test_permutations_hold_each_number_once(n: int) -> None:
    order = Generator(6).permutation(n)
    assert order.dtype == "int64"
    assert sorted(order.tolist()) == list(range(n))


# In a graph ----------------------------------------------------------------------------------


def test_a_traced_function_draws_anew_at_each_call() -> None:
    eager, traced = Generator(9), Generator(9)

    def f(generator: Generator) -> Any:
        return (
            generator.normal(shape=3),
            generator.uniform(1.0, 2.0, shape=2),
            (generator.permutation(5)),
        )

    graph = cr.trace(lambda: f(traced))()
    assert graph.parameters == graph.assigned == (traced.state,)
    for _ in range(3):
        for a, b in zip(f(eager), graph(), strict=True):
            np.testing.assert_array_equal(a.numpy(), b.numpy())
    assert traced.state.value.tolist() == eager.state.value.tolist() == [9, 0, 9, 0]


def test_draws_are_not_tracked_but_what_scales_them_is() -> None:
    generator = Generator(0)
    assert not generator.normal(shape=2).tracked
    gradient = cr.grad(lambda s: (s * Generator(4).normal(shape=3)).sum())(1.0)
    assert gradient.item() == pytest.approx(Generator(4).normal(shape=3).sum().item())
