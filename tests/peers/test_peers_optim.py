"""Optimizers, clipping and schedules held against PyTorch's, in float64."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.optim import (
    LBFGS,
    SGD,
    Adadelta,
    Adagrad,
    Adam,
    AdamW,
    AMSGrad,
    Lion,
    Muon,
    Nadam,
    Optimizer,
    RMSprop,
    clip_by_global_norm,
    clip_by_norm,
    clip_by_value,
)
from chainrule.optim.schedules import (
    CosineDecay,
    CosineDecayRestarts,
    ExponentialDecay,
    OneCycle,
    PiecewiseConstantDecay,
    PolynomialDecay,
    ReduceOnPlateau,
    Schedule,
    StepDecay,
    Warmup,
)

torch = pytest.importorskip("torch")
lr_scheduler = torch.optim.lr_scheduler

STEPS = 100
RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(20, 4)), RNG.normal(size=(20, 2))
#: A network 4-5-2, without biases where weights are to decay: PyTorch decays biases, too.
START = {
    "W1": RNG.normal(size=(4, 5)) * 0.5,
    "b1": RNG.normal(size=5) * 0.1,
    "W2": RNG.normal(size=(5, 2)) * 0.5,
    "b2": RNG.normal(size=2) * 0.1,
}
WEIGHTS = {name: value for name, value in START.items() if name.startswith("W")}


def our_loss(p: dict[str, Any]) -> Any:
    hidden = cr.tanh(X @ p["W1"] + p.get("b1", 0.0))
    return cr.square(hidden @ p["W2"] + p.get("b2", 0.0) - Y).mean()


def their_loss(p: dict[str, Any]) -> Any:
    hidden = torch.tanh(torch.tensor(X) @ p["W1"] + p.get("b1", 0.0))
    return ((hidden @ p["W2"] + p.get("b2", 0.0) - torch.tensor(Y)) ** 2).mean()


def our_path(make: Callable[[], Optimizer], start: dict[str, Any], scale: float = 1.0) -> Any:
    p = {name: cr.Parameter(value, name) for name, value in start.items()}
    optimizer, rows = make(), []
    for _ in range(STEPS):
        optimizer.minimize(lambda: our_loss(p) * scale, list(p.values()))
        rows.append(np.concatenate([w.numpy().ravel() for w in p.values()]))
    return np.stack(rows)


def their_path(
    make: Callable[[list[Any]], Any],
    start: dict[str, Any],
    scale: float = 1.0,
    schedule: Callable[[Any], Any] | None = None,
    clip: Callable[[list[Any]], Any] | None = None,
) -> Any:
    p = {name: torch.tensor(value, requires_grad=True) for name, value in start.items()}
    optimizer, rows = make(list(p.values())), []
    scheduler = None if schedule is None else schedule(optimizer)
    for _ in range(STEPS):
        optimizer.zero_grad()
        (their_loss(p) * scale).backward()
        if clip is not None:
            clip(list(p.values()))
        optimizer.step()
        if scheduler is not None:
            scheduler.step()
        rows.append(np.concatenate([w.detach().numpy().ravel() for w in p.values()]))
    return np.stack(rows)


def close(found: Any, expected: Any, tolerance: float = 1e-6) -> None:
    np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance * 1e-2)
    assert np.abs(found[-1] - found[0]).max() > 1e-3  # it went somewhere


optim = torch.optim

PAIRS: dict[str, tuple[Callable[[], Optimizer], Callable[[list[Any]], Any]]] = {
    "sgd": (lambda: SGD(0.1), lambda p: optim.SGD(p, 0.1)),
    "momentum": (lambda: SGD(0.1, 0.9), lambda p: optim.SGD(p, 0.1, momentum=0.9)),
    "nesterov": (
        lambda: SGD(0.1, 0.9, nesterov=True),
        lambda p: optim.SGD(p, 0.1, momentum=0.9, nesterov=True),
    ),
    "adagrad": (
        lambda: Adagrad(0.1, epsilon=1e-10),
        lambda p: optim.Adagrad(p, 0.1),
    ),
    "adagrad from 0.1": (
        lambda: Adagrad(0.1, 0.1, 1e-3),
        lambda p: optim.Adagrad(p, 0.1, initial_accumulator_value=0.1, eps=1e-3),
    ),
    "adadelta": (
        lambda: Adadelta(1.0, rho=0.9),
        lambda p: optim.Adadelta(p),
    ),
    "adadelta at half speed": (
        lambda: Adadelta(0.5, rho=0.95, epsilon=1e-3),
        lambda p: optim.Adadelta(p, 0.5, rho=0.95, eps=1e-3),
    ),
    "rmsprop": (
        lambda: RMSprop(0.01, 0.99, epsilon=1e-8, epsilon_inside_root=False),
        lambda p: optim.RMSprop(p),
    ),
    "rmsprop centered, with momentum": (
        lambda: RMSprop(0.01, 0.9, 0.5, 1e-6, True, epsilon_inside_root=False),
        lambda p: optim.RMSprop(p, 0.01, 0.9, 1e-6, momentum=0.5, centered=True),
    ),
    "adam": (lambda: Adam(0.01), lambda p: optim.Adam(p, 0.01)),
    "adam otherwise": (
        lambda: Adam(0.01, 0.8, 0.95, 1e-3),
        lambda p: optim.Adam(p, 0.01, (0.8, 0.95), 1e-3),
    ),
    "nadam": (lambda: Nadam(0.01), lambda p: optim.NAdam(p, 0.01)),
    "nadam otherwise": (
        lambda: Nadam(0.01, 0.8, 0.95, 1e-3, 1.0),
        lambda p: optim.NAdam(p, 0.01, (0.8, 0.95), 1e-3, momentum_decay=1.0),
    ),
    "amsgrad": (
        lambda: AMSGrad(0.05, beta_2=0.9),
        lambda p: optim.Adam(p, 0.05, (0.9, 0.9), amsgrad=True),
    ),
}


@pytest.mark.parametrize("name", PAIRS)
def test_trajectories(name: str) -> None:
    ours, theirs = PAIRS[name]
    close(our_path(ours, START), their_path(theirs, START))


DECAYING: dict[str, tuple[Callable[[], Optimizer], Callable[[list[Any]], Any]]] = {
    "adamw": (
        lambda: AdamW(0.01, weight_decay=0.1),
        lambda p: optim.AdamW(p, 0.01, weight_decay=0.1),
    ),
    "adamw with amsgrad": (
        lambda: AdamW(0.01, beta_2=0.9, weight_decay=0.1, amsgrad=True),
        lambda p: optim.AdamW(p, 0.01, (0.9, 0.9), weight_decay=0.1, amsgrad=True),
    ),
    "nadam": (
        lambda: Nadam(0.01, weight_decay=0.1),
        lambda p: optim.NAdam(p, 0.01, weight_decay=0.1, decoupled_weight_decay=True),
    ),
}


@pytest.mark.parametrize("name", DECAYING)
def test_trajectories_of_weights_that_decay(name: str) -> None:
    ours, theirs = DECAYING[name]
    close(our_path(ours, WEIGHTS), their_path(theirs, WEIGHTS))


def test_biases_do_not_decay() -> None:
    """Which in PyTorch takes two groups of parameters."""

    def theirs(p: list[Any]) -> Any:
        weights, biases = [w for w in p if w.ndim > 1], [w for w in p if w.ndim < 2]
        groups = [{"params": weights}, {"params": biases, "weight_decay": 0.0}]
        return optim.AdamW(groups, 0.01, weight_decay=0.1)

    close(our_path(lambda: AdamW(0.01, weight_decay=0.1), START), their_path(theirs, START))


# Muon and Lion ---------------------------------------------------------------------------------


@contextmanager
def in_float64() -> Iterator[None]:
    """PyTorch's Muon rounds to bfloat16, three digits, for speed on GPUs; not here."""
    patch = pytest.MonkeyPatch()
    patch.setattr(torch.Tensor, "bfloat16", lambda self: self.clone())
    try:
        yield
    finally:
        patch.undo()


@pytest.mark.parametrize("nesterov", [True, False])
@pytest.mark.parametrize("scaling", ["original", "match_rms_adamw"])
@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_muon(nesterov: bool, scaling: str, decay: float) -> None:
    """PyTorch's weights are (units, fan_in): the transpose of ours, and so are its steps."""
    x, y = torch.tensor(X), torch.tensor(Y)
    ours = {name: cr.Parameter(value, name) for name, value in WEIGHTS.items()}
    theirs = {
        name: torch.tensor(value.T.copy(), requires_grad=True) for name, value in WEIGHTS.items()
    }
    muon = Muon(0.01, 0.95, nesterov, scaling=scaling, weight_decay=decay)
    reference = optim.Muon(
        theirs.values(),
        0.01,
        momentum=0.95,
        nesterov=nesterov,
        weight_decay=decay,
        adjust_lr_fn=scaling,
    )
    with in_float64():
        for _ in range(STEPS):
            muon.minimize(lambda: our_loss(ours), list(ours.values()))
            reference.zero_grad()
            loss = ((torch.tanh(x @ theirs["W1"].T) @ theirs["W2"].T - y) ** 2).mean()
            loss.backward()
            reference.step()
            for name, w in ours.items():
                expected = theirs[name].detach().numpy().T
                np.testing.assert_allclose(w.numpy(), expected, rtol=1e-6, atol=1e-8)
    assert np.abs(ours["W1"].numpy() - WEIGHTS["W1"]).max() > 0.05


def test_muon_in_bfloat16_goes_the_same_way() -> None:
    """Without the patch, too, roughly."""
    start = {"W": RNG.normal(size=(6, 6))}
    w = cr.Parameter(start["W"], "W")
    theirs = torch.tensor(start["W"].T.copy(), requires_grad=True)
    muon, reference = Muon(0.01), optim.Muon([theirs], 0.01, weight_decay=0.0)
    for _ in range(10):
        muon.minimize(lambda: cr.square(w).sum(), [w])
        reference.zero_grad()
        (theirs**2).sum().backward()
        reference.step()
    np.testing.assert_allclose(w.numpy(), theirs.detach().numpy().T, atol=0.01)


def test_lion_by_its_papers_listing() -> None:
    """PyTorch has no Lion: Chen et al., arXiv 2302.06675, program 1, in PyTorch's operations."""
    rate, decay, beta_1, beta_2 = 0.01, 0.1, 0.9, 0.99
    p = {name: torch.tensor(value, requires_grad=True) for name, value in WEIGHTS.items()}
    momentum = {name: torch.zeros_like(w) for name, w in p.items()}
    rows = []
    for _ in range(STEPS):
        gradients = torch.autograd.grad(their_loss(p), list(p.values()))
        with torch.no_grad():
            for (name, w), g in zip(p.items(), gradients, strict=True):
                update = torch.sign(torch.lerp(g, momentum[name], beta_1))
                momentum[name] = torch.lerp(g, momentum[name], beta_2)
                w.sub_(rate * (update + decay * w))
        rows.append(np.concatenate([w.detach().numpy().ravel() for w in p.values()]))
    close(our_path(lambda: Lion(rate, beta_1, beta_2, weight_decay=decay), WEIGHTS), np.stack(rows))


# L-BFGS ----------------------------------------------------------------------------------------


def losses_of_lbfgs(
    ours: Callable[[Any], Any], theirs: Callable[[Any], Any], start: Any, calls: int, **options: Any
) -> tuple[list[float], list[float]]:
    """The loss before each call of one step, and after the last, ours and theirs."""
    w = cr.Parameter(start, "w")
    optimizer = LBFGS(max_iter=1, history_size=100, tolerance_change=0.0, **options)
    found = [optimizer.minimize(lambda: ours(w), [w]).item() for _ in range(calls)]
    found.append(ours(w).item())
    v = torch.tensor(start, requires_grad=True)
    reference = optim.LBFGS(
        [v], max_iter=1, max_eval=25, tolerance_change=0.0, line_search_fn="strong_wolfe", **options
    )

    def closure() -> Any:
        reference.zero_grad()
        loss = theirs(v)
        loss.backward()
        return loss

    expected = [reference.step(closure).item() for _ in range(calls)]
    return found, [*expected, theirs(v).item()]


def test_lbfgs_on_a_regression_has_the_same_losses() -> None:
    A = RNG.normal(size=(30, 6)) * np.geomspace(1.0, 5.0, 6)
    b = RNG.normal(size=30)

    def ours(w: Any) -> Any:
        return 0.5 * cr.square(A @ w - b).mean()

    def theirs(w: Any) -> Any:
        return 0.5 * ((torch.tensor(A) @ w - torch.tensor(b)) ** 2).mean()

    found, expected = losses_of_lbfgs(ours, theirs, np.zeros(6), 12)
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    solution, *_ = np.linalg.lstsq(A, b, rcond=None)
    assert found[-1] == pytest.approx(0.5 * np.mean((A @ solution - b) ** 2), rel=1e-9)


def rosenbrock(w: Any) -> Any:
    return 100.0 * (w[1] - w[0] ** 2) ** 2 + (1.0 - w[0]) ** 2


@pytest.mark.parametrize("start", [[-1.2, 1.0], [0.0, 0.0]])
def test_lbfgs_on_rosenbrock_has_the_same_losses(start: list[float]) -> None:
    found, expected = losses_of_lbfgs(rosenbrock, rosenbrock, np.array(start), 30)
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("start", [[-1.2, 1.0], [0.0, 0.0], [2.0, -1.0], [-3.0, -4.0]])
def test_lbfgs_on_rosenbrock_gets_to_the_same_minimum(start: list[float]) -> None:
    found, expected = losses_of_lbfgs(rosenbrock, rosenbrock, np.array(start), 60)
    assert found[-1] < 1e-9
    assert expected[-1] < 1e-9

    def calls_until(losses: list[float]) -> int:
        return int(np.argmax(np.array(losses) < 1e-6))

    # The line searches may part ways (ours follows algorithm 3.5 to the letter, theirs compares
    # with the trial before from the third one only); neither is much the worse for it.
    assert calls_until(found) <= 1.5 * calls_until(expected) + 5


def test_lbfgs_on_a_network_gets_as_low() -> None:
    ours = {name: cr.Parameter(value, name) for name, value in START.items()}
    optimizer = LBFGS(max_iter=300, max_eval=400, history_size=100, tolerance_change=0.0)
    optimizer.minimize(lambda: our_loss(ours), list(ours.values()))
    theirs = {name: torch.tensor(value, requires_grad=True) for name, value in START.items()}
    reference = optim.LBFGS(
        theirs.values(),
        max_iter=300,
        max_eval=400,
        tolerance_change=0.0,
        line_search_fn="strong_wolfe",
    )

    def closure() -> Any:
        reference.zero_grad()
        loss = their_loss(theirs)
        loss.backward()
        return loss

    reference.step(closure)
    assert our_loss(ours).item() < 1.1 * their_loss(theirs).item() + 1e-4


# Clipping --------------------------------------------------------------------------------------

GRADIENTS = [RNG.normal(size=s) * 30.0 for s in ((4, 3), (5,), ())]


@pytest.mark.parametrize("limit", [0.5, 20.0, 1e4])
def test_clipping(limit: float) -> None:
    def theirs(clip: Callable[..., Any], groups: list[list[int]]) -> list[Any]:
        parameters = [torch.zeros(g.shape, dtype=torch.float64) for g in GRADIENTS]
        for p, g in zip(parameters, GRADIENTS, strict=True):
            p.grad = torch.tensor(g)
        for group in groups:
            clip([parameters[i] for i in group], limit)
        return [p.grad.numpy() for p in parameters]

    ours = [cr.tensor(g) for g in GRADIENTS]
    norm, value = torch.nn.utils.clip_grad_norm_, torch.nn.utils.clip_grad_value_
    for found, expected in (
        (clip_by_global_norm(ours, limit), theirs(norm, [[0, 1, 2]])),
        (clip_by_norm(ours, limit), theirs(norm, [[0], [1], [2]])),
        (clip_by_value(ours, limit), theirs(value, [[0, 1, 2]])),
    ):
        for g, e in zip(found, expected, strict=True):
            # PyTorch adds 1e-6 to the norm that it divides by.
            np.testing.assert_allclose(g.numpy(), e, rtol=2e-6)


@pytest.mark.parametrize(
    ("options", "clip"),
    [
        ({"global_clipnorm": 5e3}, lambda p: torch.nn.utils.clip_grad_norm_(p, 5e3)),
        ({"clipnorm": 5e3}, lambda p: [torch.nn.utils.clip_grad_norm_([w], 5e3) for w in p]),
        ({"clipvalue": 1e3}, lambda p: torch.nn.utils.clip_grad_value_(p, 1e3)),
    ],
)
def test_trajectories_of_clipped_gradients(options: dict[str, float], clip: Any) -> None:
    """Of a steep loss: PyTorch adds 1e-6 to the norm, which is nothing beside a large one."""
    rate, scale = 5e-6, 1e5
    found = our_path(lambda: SGD(rate, 0.9, **options), START, scale)
    theirs = their_path(lambda p: optim.SGD(p, rate, momentum=0.9), START, scale, clip=clip)
    close(found, theirs)
    free = our_path(lambda: SGD(rate, 0.9), START, scale)
    assert np.abs(found - free).max() > 0.1


# Schedules -------------------------------------------------------------------------------------

RATE = 0.4

SCHEDULES: dict[str, tuple[Schedule, Callable[[Any], Any]]] = {
    "StepLR": (StepDecay(RATE, 7, 0.5), lambda o: lr_scheduler.StepLR(o, 7, 0.5)),
    "MultiStepLR": (
        PiecewiseConstantDecay([9, 29], [RATE, RATE * 0.1, RATE * 0.01]),
        lambda o: lr_scheduler.MultiStepLR(o, [10, 30], 0.1),
    ),
    "ExponentialLR": (
        ExponentialDecay(RATE, 1, 0.95),
        lambda o: lr_scheduler.ExponentialLR(o, 0.95),
    ),
    "PolynomialLR": (
        PolynomialDecay(RATE, 40, 0.0, 2.0),
        lambda o: lr_scheduler.PolynomialLR(o, 40, 2.0),
    ),
    "LinearLR": (
        PolynomialDecay(RATE, 40, RATE * 0.1),
        lambda o: lr_scheduler.LinearLR(o, 1.0, 0.1, 40),
    ),
    "CosineAnnealingLR": (
        CosineDecay(RATE, STEPS, 0.1),
        lambda o: lr_scheduler.CosineAnnealingLR(o, STEPS, RATE * 0.1),
    ),
    "CosineAnnealingWarmRestarts": (
        CosineDecayRestarts(RATE, 6, 2.0, alpha=0.1),
        lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, 6, 2, RATE * 0.1),
    ),
    "CosineAnnealingWarmRestarts, all alike": (
        CosineDecayRestarts(RATE, 6, 1.0),
        lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, 6, 1),
    ),
    "OneCycleLR": (
        OneCycle(RATE, STEPS),
        lambda o: lr_scheduler.OneCycleLR(o, RATE, STEPS, cycle_momentum=False),
    ),
    "OneCycleLR, otherwise": (
        OneCycle(RATE, STEPS, 0.21, 10.0, 100.0, "linear", True),
        lambda o: lr_scheduler.OneCycleLR(
            o,
            RATE,
            STEPS,
            pct_start=0.21,
            anneal_strategy="linear",
            cycle_momentum=False,
            div_factor=10.0,
            final_div_factor=100.0,
            three_phase=True,
        ),
    ),
    "SequentialLR of a warm-up": (
        Warmup(ExponentialDecay(RATE, 1, 0.97), 12, RATE / 3),
        lambda o: lr_scheduler.SequentialLR(
            o,
            [lr_scheduler.LinearLR(o, 1 / 3, 1.0, 12), lr_scheduler.ExponentialLR(o, 0.97)],
            [12],
        ),
    ),
}


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.filterwarnings("ignore:The epoch parameter in:UserWarning")
def test_schedules(name: str) -> None:
    schedule, theirs = SCHEDULES[name]
    reference = optim.SGD([torch.zeros(1, requires_grad=True)], RATE)
    scheduler, expected = theirs(reference), []
    for _ in range(STEPS):
        expected.append(reference.param_groups[0]["lr"])
        reference.step()
        scheduler.step()
    np.testing.assert_allclose(schedule(np.arange(STEPS)).numpy(), expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", ["StepLR", "OneCycleLR", "CosineAnnealingLR"])
def test_trajectories_under_a_schedule(name: str) -> None:
    schedule, theirs = SCHEDULES[name]
    found = our_path(lambda: SGD(schedule), START)
    close(found, their_path(lambda p: optim.SGD(p, RATE), START, schedule=theirs))


@pytest.mark.parametrize("mode", ["min", "max"])
@pytest.mark.parametrize("patience", [0, 1, 4])
def test_reduce_on_plateau(mode: str, patience: int) -> None:
    """PyTorch's patience is the number of epochs that are let pass: one less than Keras's."""
    values = np.round(np.random.default_rng(3).normal(size=200), 1) / np.arange(1, 201)
    plateau = ReduceOnPlateau(0.7, patience + 1, mode=mode, min_delta=0.01, min_lr=1e-3)
    reference = optim.SGD([torch.zeros(1)], RATE)
    scheduler = lr_scheduler.ReduceLROnPlateau(
        reference, mode, 0.7, patience, 0.01, "abs", min_lr=1e-3, eps=0.0
    )
    rate, seen = RATE, set()
    for value in values:
        rate = plateau.step(float(value), rate)
        scheduler.step(float(value))
        assert rate == pytest.approx(reference.param_groups[0]["lr"], rel=1e-12)
        seen.add(rate)
    assert len(seen) > 3
