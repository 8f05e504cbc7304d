from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

import chainrule as cr
from chainrule.core.errors import ArgumentError, DtypeError, ShapeError
from chainrule.nn.initializers import (
    INITIALIZERS,
    Constant,
    GlorotNormal,
    GlorotUniform,
    HeNormal,
    HeUniform,
    Initializer,
    LecunNormal,
    LecunUniform,
    Orthogonal,
    RandomNormal,
    RandomUniform,
    TruncatedNormal,
    VarianceScaling,
    Zeros,
    describe_initializer,
    fans,
    initialized,
    initializer,
)

F32, F64 = np.dtype("float32"), np.dtype("float64")
DTYPES = pytest.mark.parametrize("dtype", [F32, F64], ids=str)
DRAWING = [kind for name, kind in INITIALIZERS.items() if name not in ("zeros", "ones", "constant")]

# What the papers ask for: the initializer, and its variance from fan_in and fan_out.
VARIANCES: list[tuple[Initializer, Any]] = [
    (GlorotUniform(), lambda i, o: 2 / (i + o)),
    (GlorotNormal(), lambda i, o: 2 / (i + o)),
    (HeUniform(), lambda i, o: 2 / i),
    (HeNormal(), lambda i, o: 2 / i),
    (LecunUniform(), lambda i, o: 1 / i),
    (LecunNormal(), lambda i, o: 1 / i),
    (VarianceScaling(), lambda i, o: 1 / i),
    (VarianceScaling(3.0, "fan_out", "uniform"), lambda i, o: 3 / o),
    (VarianceScaling(0.5, "fan_avg", "untruncated_normal"), lambda i, o: 1 / (i + o)),
    (VarianceScaling(2.0, "fan_out", "truncated_normal"), lambda i, o: 2 / o),
]
# Limits of U(-l, l), from the papers.
LIMITS: list[tuple[Initializer, Any]] = [
    (GlorotUniform(), lambda i, o: math.sqrt(6 / (i + o))),
    (HeUniform(), lambda i, o: math.sqrt(6 / i)),
    (LecunUniform(), lambda i, o: math.sqrt(3 / i)),
    (VarianceScaling(3.0, "fan_out", "uniform"), lambda i, o: math.sqrt(9 / o)),
]


def name_of(argument: Any) -> str:
    return repr(argument) if isinstance(argument, Initializer) else "fans"


@pytest.fixture(autouse=True)
def _seeded() -> Iterator[None]:
    cr.random.seed(0)
    yield
    cr.random.seed(0)


def fits(sample: np.ndarray, distribution: Any) -> None:
    """By Kolmogorov and Smirnov; a right sampler fails once in 10,000 seeds."""
    assert scipy.stats.kstest(np.ravel(sample), distribution.cdf).pvalue > 1e-4


# ------------------------------------------------------------------------------------ statistics


@pytest.mark.parametrize(("function", "variance"), VARIANCES, ids=name_of)
@pytest.mark.parametrize("shape", [(300, 500), (500, 300)])
@DTYPES
def test_the_variance_that_the_papers_ask_for(
    function: Initializer, variance: Any, shape: tuple[int, int], dtype: np.dtype
) -> None:
    w = function(shape, dtype).numpy().astype(F64)
    wanted = variance(*shape)
    # 150,000 draws, 5 deviations of their mean and of their variance (kurtosis at most 3)
    assert abs(w.mean()) < 5 * math.sqrt(wanted / w.size)
    assert abs(w.var() / wanted - 1) < 5 * math.sqrt(2 / w.size)


@pytest.mark.parametrize(("function", "limit"), LIMITS, ids=name_of)
@pytest.mark.parametrize("shape", [(300, 500), (500, 300)])
@DTYPES
def test_uniform_between_its_limits(
    function: Initializer, limit: Any, shape: tuple[int, int], dtype: np.dtype
) -> None:
    w, l = function(shape, dtype).numpy(), limit(*shape)  # noqa: E741
    assert np.abs(w).max() <= l * (1 + 1e-6)
    fits(w, scipy.stats.uniform(-l, 2 * l))


@pytest.mark.parametrize("kind", [GlorotNormal, HeNormal, LecunNormal])
def test_normal_ones_are_cut_off_where_the_variance_is_right_nonetheless(kind: Any) -> None:
    w = kind()((400, 300), F64).numpy()
    sigma = w.std() / 0.87962566103423978
    assert np.abs(w).max() <= 2.0 * sigma * 1.01
    fits(w / sigma, scipy.stats.truncnorm(-2, 2))


@DTYPES
def test_normal(dtype: np.dtype) -> None:
    w = RandomNormal(1.5, 0.25)((300, 500), dtype).numpy()
    fits(w, scipy.stats.norm(1.5, 0.25))
    fits(RandomNormal()((300, 500), dtype).numpy(), scipy.stats.norm(0, 0.05))


@DTYPES
def test_truncated_normal(dtype: np.dtype) -> None:
    w = TruncatedNormal(1.5, 0.25)((300, 500), dtype).numpy()
    assert np.abs(w - 1.5).max() <= 0.5 * (1 + 1e-6)
    fits(w, scipy.stats.truncnorm(-2, 2, 1.5, 0.25))
    assert w.std() == pytest.approx(0.25 * 0.87962566103423978, rel=5e-3)


@pytest.mark.parametrize(("dtype", "tolerance"), [(F32, 3e-6), (F64, 2e-15)])
def test_truncated_normal_is_the_quantile_of_a_uniform_draw(
    dtype: np.dtype, tolerance: float
) -> None:
    z = TruncatedNormal(0.0, 1.0)((100_000,), dtype).numpy()
    cr.random.seed(0)
    u = cr.random.uniform(shape=(100_000,), dtype=dtype).numpy().astype(F64)
    low = scipy.stats.norm.cdf(-2)
    wanted = scipy.stats.norm.ppf(low + u * (1 - 2 * low))
    np.testing.assert_allclose(z, wanted, rtol=tolerance, atol=tolerance)
    # Both ends of it: the largest float below 1, and 0.
    assert -2.0 <= z.min() < -1.999
    assert 1.999 < z.max() <= 2.0


@DTYPES
def test_uniform(dtype: np.dtype) -> None:
    w = RandomUniform(-1.0, 3.0)((300, 500), dtype).numpy()
    assert w.min() >= -1.0
    assert w.max() < 3.0
    fits(w, scipy.stats.uniform(-1, 4))
    fits(RandomUniform()((300, 500), dtype).numpy(), scipy.stats.uniform(-0.05, 0.1))


def test_he_keeps_the_size_of_activations_through_relu() -> None:
    for kind in (HeUniform, HeNormal):
        a = cr.random.normal(shape=(200, 400))
        before = float(cr.mean(cr.square(a)).item())
        for _ in range(5):
            a = cr.relu(a @ kind()((400, 400), F32))
        # E[a²] of a ReLU layer is half the variance of z, which He's rule doubles.
        assert 0.5 < float(cr.mean(cr.square(a)).item()) / before < 2.0


# ------------------------------------------------------------------------------------ orthogonal

SHAPES = st.lists(st.integers(1, 6), max_size=4).map(tuple)


@given(shape=SHAPES, gain=st.sampled_from([1.0, 0.5, -2.0]), seed=st.integers(0, 2**32))
@settings(deadline=None, max_examples=60)
def test_rows_or_columns_are_orthonormal(shape: tuple[int, ...], gain: float, seed: int) -> None:
    w = Orthogonal(gain, seed=seed)(shape, F64).numpy()
    assert w.shape == shape
    matrix = w.reshape(-1, shape[-1] if shape else 1)
    gram = matrix @ matrix.T if matrix.shape[0] <= matrix.shape[1] else matrix.T @ matrix
    np.testing.assert_allclose(gram, gain**2 * np.eye(len(gram)), atol=1e-14)


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (0,)])
def test_orthogonal_without_elements(shape: tuple[int, ...]) -> None:
    assert Orthogonal()(shape).shape == shape


def test_orthogonal_is_uniform_over_rotations() -> None:
    """Without the signs, the first row of Q would always point to one side."""
    first = np.array([Orthogonal(seed=i)((3, 3), F64).numpy()[:, 0] for i in range(400)])
    for coordinate in first.T:  # of a point on the sphere: uniform on (-1, 1), by Archimedes
        fits(coordinate, scipy.stats.uniform(-1, 2))


def test_orthogonal_in_float32_is_the_rounded_one() -> None:
    wide = Orthogonal(seed=3)((4, 5), F64).numpy()
    np.testing.assert_array_equal(Orthogonal(seed=3)((4, 5), F32).numpy(), wide.astype(F32))


# ----------------------------------------------------------------------------------- all of them


@DTYPES
def test_constants(dtype: np.dtype) -> None:
    for name, value in {"zeros": 0.0, "ones": 1.0, "constant": 0.0}.items():
        w = initializer(name)((2, 3), dtype)
        assert w.dtype == dtype
        assert w.tolist() == [[value] * 3] * 2
    assert Constant(0.1)((2,), dtype).numpy()[0] == dtype.type(0.1)


@pytest.mark.parametrize("kind", INITIALIZERS.values())
@pytest.mark.parametrize("shape", [(3, 4), (5,), (), (2, 3, 4), (0, 3), (3, 0)])
@DTYPES
def test_any_shape(kind: Any, shape: tuple[int, ...], dtype: np.dtype) -> None:
    w = kind()(shape, dtype)
    assert w.shape == shape
    assert w.dtype == dtype
    assert np.isfinite(w.numpy()).all()


@pytest.mark.parametrize("kind", DRAWING)
def test_float64_has_all_its_digits(kind: Any) -> None:
    w = kind()((20, 30), F64).numpy()
    assert (w != w.astype(F32)).mean() > 0.99


@pytest.mark.parametrize("kind", DRAWING)
def test_the_seed_of_everything_reproduces(kind: Any) -> None:
    cr.random.seed(3)
    first, second = kind()((4, 5)).numpy(), kind()((4, 5)).numpy()
    cr.random.seed(3)
    np.testing.assert_array_equal(kind()((4, 5)).numpy(), first)
    np.testing.assert_array_equal(kind()((4, 5)).numpy(), second)
    assert (first != second).any()
    cr.random.seed(4)
    assert (kind()((4, 5)).numpy() != first).any()


@pytest.mark.parametrize("kind", DRAWING)
def test_a_seed_of_its_own_gives_the_same_at_each_call(kind: Any) -> None:
    before = cr.random.default_generator.state.tolist()
    function = kind(seed=5)
    first = function((4, 5)).numpy()
    np.testing.assert_array_equal(function((4, 5)).numpy(), first)
    assert cr.random.default_generator.state.tolist() == before
    assert (kind(seed=6)((4, 5)).numpy() != first).any()
    cr.random.seed(5)
    np.testing.assert_array_equal(kind()((4, 5)).numpy(), first)


@pytest.mark.parametrize(
    ("shape", "expected"),
    [((), (1, 1)), ((5,), (5, 5)), ((3, 4), (3, 4)), ((2, 3, 4), (6, 8)), ((2, 5, 3, 4), (30, 40))],
)
def test_fans(shape: tuple[int, ...], expected: tuple[int, int]) -> None:
    assert fans(shape) == expected


# ----------------------------------------------------------------------------------- by name


def test_by_name() -> None:
    assert {name: initializer(name) for name in INITIALIZERS} == {
        name: kind() for name, kind in INITIALIZERS.items()
    }
    assert list(INITIALIZERS) == [
        "zeros", "ones", "constant", "normal", "truncated_normal", "uniform", "glorot_uniform",
        "glorot_normal", "he_uniform", "he_normal", "lecun_uniform", "lecun_normal", "orthogonal",
        "variance_scaling",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("GlorotUniform", GlorotUniform()),
        ("HeNormal", HeNormal()),
        ("RandomNormal", RandomNormal()),
        ("random_uniform", RandomUniform()),
        ("TruncatedNormal", TruncatedNormal()),
        ("VarianceScaling", VarianceScaling()),
        ("lecun_normal", LecunNormal()),
        ("xavier_uniform", GlorotUniform()),
        ("kaiming_normal", HeNormal()),
        ("Zeros", Zeros()),
        (Zeros, Zeros()),
        (HeNormal(seed=3), HeNormal(seed=3)),
        ({"name": "constant", "value": 2.0}, Constant(2.0)),
        ({"name": "Orthogonal", "gain": 2.0, "seed": 1}, Orthogonal(2.0, seed=1)),
    ],
)
def test_as_people_write_them(given: Any, expected: Initializer) -> None:
    assert initializer(given) == expected


def test_a_function_is_one() -> None:
    def mine(shape: Any, dtype: Any) -> cr.Tensor:
        return cr.full(shape, 0.5, dtype)

    assert initializer(mine) is mine


@pytest.mark.parametrize(
    ("given", "argument", "text"),
    [
        (
            "glorot",
            "initializer",
            "initializer: got 'glorot'; expected one of zeros, ones, constant, normal, "
            "truncated_normal, uniform, glorot_uniform, glorot_normal, he_uniform, he_normal, "
            "lecun_uniform, lecun_normal, orthogonal, variance_scaling, or a function of shape and "
            "dtype. Did you mean 'glorot_normal' or 'glorot_uniform'?",
        ),
        ({"name": "zeroes"}, "kernel_initializer", "kernel_initializer: got 'zeroes'; expected"),
        ({"value": 1.0}, "initializer", "initializer: got None; expected one of zeros"),
        (
            {"name": "constant", "size": 1},
            "initializer",
            "initializer: got {'name': 'constant', 'size': 1}; expected the arguments of Constant",
        ),
    ],
)
def test_names_that_are_unknown(given: Any, argument: str, text: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        initializer(given, argument)
    assert str(caught.value).startswith(text)


def test_what_is_no_initializer_at_all() -> None:
    with pytest.raises(DtypeError) as caught:
        initializer(3, "bias_initializer")  # type: ignore[arg-type]
    assert str(caught.value) == (
        "bias_initializer: got a int; expected a name, or a function of shape and dtype."
    )


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: Constant("1"), "value: got '1'; expected a finite number."),
        (lambda: Constant(math.nan), "value: got nan; expected a finite number."),
        (lambda: RandomNormal(stddev=-1.0), "stddev: got -1.0; expected a finite number from 0."),
        (lambda: TruncatedNormal(mean=True), "mean: got True; expected a finite number."),
        (lambda: RandomUniform(1.0, 0.0), "maxval: got 0.0; expected a finite number from 1."),
        (
            lambda: VarianceScaling(mode="fan"),
            "mode: got 'fan'; expected one of fan_in, fan_out, fan_avg. Did you mean 'fan_in' or "
            "'fan_out' or 'fan_avg'?",
        ),
        (
            lambda: VarianceScaling(distribution="normal"),
            "distribution: got 'normal'; expected one of truncated_normal, untruncated_normal, "
            "uniform. Did you mean 'uniform' or 'truncated_normal' or 'untruncated_normal'?",
        ),
        (
            lambda: VarianceScaling(0.0),
            "scale: got 0.0; expected a finite number above 0. For zeros there is "
            "cr.initializers.Zeros().",
        ),
        (lambda: HeNormal(seed=-1), "seed: got -1; expected a whole number from 0 to 2**64 - 1."),
        (lambda: Orthogonal(gain=math.inf), "gain: got inf; expected a finite number."),
    ],
)
def test_arguments_out_of_range(make: Any, text: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        make()
    assert str(caught.value) == text


# ------------------------------------------------------------------------------------ in files


@pytest.mark.parametrize(
    "function",
    [
        *[kind() for kind in INITIALIZERS.values()],
        Constant(0.1),
        RandomNormal(0.1, 2.0, seed=4),
        RandomUniform(-3.0, np.float32(0.5)),
        VarianceScaling(2.0, "fan_avg", "uniform", seed=2**63),
        Orthogonal(gain=3, seed=np.int64(7)),
    ],
    ids=repr,
)
def test_descriptions_round_trip(function: Initializer) -> None:
    described = json.loads(json.dumps(describe_initializer(function), default=lambda n: n.item()))
    assert initializer(described) == function
    is_default = function == type(function)()
    assert isinstance(described, str) == is_default


def test_functions_cannot_be_described() -> None:
    with pytest.raises(ArgumentError) as caught:
        describe_initializer(math.sqrt)
    assert str(caught.value) == (
        f"initializer: got the function 'sqrt'; expected one of {', '.join(INITIALIZERS)}. A file "
        "can name only what Chainrule knows: save the weights with model.get_weights()."
    )


def test_subclasses_of_ones_own_cannot_be_described_as_their_base() -> None:
    class Mine(Zeros):
        pass

    with pytest.raises(ArgumentError, match="the function "):
        describe_initializer(Mine())


# ------------------------------------------------------------------------------------ parameters


def test_a_parameter_is_made() -> None:
    p = initialized(Constant(0.5), (2, 3), F64, "gamma", trainable=False)
    assert (p.name, p.shape, p.dtype, p.trainable) == ("gamma", (2, 3), F64, False)


def test_values_of_a_function_of_ones_own_get_the_dtype() -> None:
    p = initialized(lambda shape, dtype: cr.ones(shape, F64), (2,), F32, "w")
    assert p.dtype == F32


def test_values_of_another_shape_are_refused() -> None:
    with pytest.raises(ShapeError) as caught:
        cr.Dense(3, kernel_initializer=lambda shape, dtype: cr.zeros((3, 2), dtype))([[1.0, 2.0]])
    assert str(caught.value) == "initial value of kernel: got shape (3, 2); expected shape (2, 3)."
