from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.core.errors import ArgumentError
from chainrule.core.types import Array
from chainrule.optim import AdamW, Muon
from chainrule.optim.muon import orthogonalize

SHAPES = [(4, 3), (3, 4), (5, 5), (1, 6), (6, 1), (40, 7)]


def newton_schulz(G: Array, steps: int = 5) -> Array:
    """Jordan's zeropower_via_newtonschulz5, written on singular values: s → a s + b s³ + c s⁵."""
    a, b, c = 3.4445, -4.7750, 2.0315
    U, S, Vt = np.linalg.svd(G / np.linalg.norm(G), full_matrices=False)
    for _ in range(steps):
        S = a * S + b * S**3 + c * S**5
    return np.asarray((U * S) @ Vt)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("steps", [1, 5, 8])
def test_orthogonalize_works_on_the_singular_values(shape: tuple[int, int], steps: int) -> None:
    G = np.random.default_rng(0).normal(size=shape)
    found = orthogonalize(cr.tensor(G), steps).numpy()
    np.testing.assert_allclose(found, newton_schulz(G, steps), rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("shape", SHAPES)
def test_the_result_is_nearly_orthogonal(shape: tuple[int, int]) -> None:
    G = np.random.default_rng(1).normal(size=shape) * 1e-3
    values = np.linalg.svd(orthogonalize(cr.tensor(G)).numpy(), compute_uv=False)
    assert (values > 0.68).all()
    assert (values < 1.14).all()


def test_a_matrix_of_zeros_stays_one() -> None:
    assert (orthogonalize(cr.zeros((3, 2))).numpy() == 0.0).all()


def scale_of(scaling: str | None, shape: tuple[int, int]) -> float:
    fan_in, units = shape
    if scaling is None:
        return 1.0
    if scaling == "original":
        return math.sqrt(max(1.0, units / fan_in))
    return 0.2 * math.sqrt(max(fan_in, units))


@pytest.mark.parametrize("shape", [(4, 3), (3, 8)])
@pytest.mark.parametrize("nesterov", [True, False])
@pytest.mark.parametrize("scaling", ["original", "match_rms_adamw", None])
@pytest.mark.parametrize("decay", [None, 0.1])
def test_muon_follows_its_authors(
    shape: tuple[int, int], nesterov: bool, scaling: str | None, decay: float | None
) -> None:
    rng = np.random.default_rng(0)
    start, center = rng.normal(size=shape), rng.normal(size=shape)
    optimizer = Muon(0.02, 0.9, nesterov, scaling=scaling, weight_decay=decay)
    w, ours, m = cr.Parameter(start, "kernel"), start.copy(), np.zeros(shape)
    for _ in range(100):
        optimizer.apply([w], [cr.tensor(np.sinh(w.numpy() - center))])
        g = np.sinh(ours - center)
        m = 0.9 * m + 0.1 * g
        step = newton_schulz(0.9 * m + 0.1 * g if nesterov else m)
        ours = ours * (1 - 0.02 * (decay or 0.0)) - 0.02 * scale_of(scaling, shape) * step
        np.testing.assert_allclose(w.numpy(), ours, rtol=1e-6, atol=1e-9)


def test_all_but_matrices_take_adamws_step() -> None:
    """And the decay of those that are no matrices but weights is by AdamW's rate, too."""
    rng = np.random.default_rng(0)
    shapes = [(3,), (), (2, 2, 2), (5, 3)]
    starts = [rng.normal(size=s) for s in shapes]
    names = ["bias", "scale", "filter", "layers.0.Embeddings"]
    ours = [cr.Parameter(x, n) for x, n in zip(starts, names, strict=True)]
    theirs = [cr.Parameter(x, n) for x, n in zip(starts, names, strict=True)]
    muon = Muon(0.1, adam_lr_ratio=0.5, adam_beta_1=0.8, adam_beta_2=0.95, weight_decay=0.2)
    adamw = AdamW(0.05, 0.8, 0.95, weight_decay=0.2)
    for _ in range(20):
        muon.apply(ours, [cr.tensor(np.sinh(p.numpy())) for p in ours])
        adamw.apply(theirs, [cr.tensor(np.sinh(p.numpy())) for p in theirs])
    for p, q in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(p.numpy(), q.numpy(), rtol=1e-12)


def test_words_name_what_is_left_to_adamw() -> None:
    model = cr.Sequential([cr.Dense(4, activation="tanh"), cr.Dense(3)])
    model.make_parameters((2,))
    optimizer = Muon(exclude=["LAYERS.1."])
    parameters = model.parameters()
    optimizer.apply(list(parameters.values()), [p.value for p in parameters.values()])
    assert list(optimizer.state()) == [
        *("step", "learning_rate", "layers.0.kernel/momentum"),
        *("layers.0.bias/mean", "layers.0.bias/square"),
        *("layers.1.kernel/mean", "layers.1.kernel/square"),
        *("layers.1.bias/mean", "layers.1.bias/square"),
    ]


def test_float32_stays_float32(valley: Any) -> None:
    found = valley.path(Muon(0.005), 30, "float32")
    np.testing.assert_allclose(found, valley.path(Muon(0.005), 30), rtol=1e-2, atol=1e-3)


def test_defaults_are_the_authors() -> None:
    assert Muon().config() == {
        "learning_rate": 0.02,
        "momentum": 0.95,
        "nesterov": True,
        "ns_steps": 5,
        "ns_coefficients": [3.4445, -4.7750, 2.0315],
        "scaling": "original",
        "exclude": ["embedding"],
        "adam_lr_ratio": 0.015,
        "adam_beta_1": 0.9,
        "adam_beta_2": 0.999,
        "epsilon": 1e-8,
    }


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"ns_steps": 0}, "ns_steps: got 0; expected a whole number from 1."),
        ({"ns_coefficients": (1.0, 2.0)}, "ns_coefficients: got 2 numbers; expected three."),
        (
            {"scaling": "orginal"},
            "scaling: got 'orginal'; expected 'original', 'match_rms_adamw' or None. "
            "Did you mean 'original'?",
        ),
        (
            {"exclude": "output"},
            "exclude: got 'output'; expected a list of words. ['output']",
        ),
        ({"adam_lr_ratio": 0}, "adam_lr_ratio: got 0; expected a finite number above 0."),
        ({"adam_beta_1": 1.0}, "adam_beta_1: got 1.0; expected a number in [0, 1)."),
        ({"momentum": 1.0}, "momentum: got 1.0; expected a number in [0, 1)."),
    ],
)
def test_arguments_that_do_not_fit(arguments: dict[str, Any], text: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        Muon(**arguments)
    assert str(caught.value) == text
