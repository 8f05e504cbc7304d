"""Optimizers and schedules in ``fit``, and in the files of models."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.core.errors import ArgumentError
from chainrule.optim import LBFGS, OPTIMIZERS, SGD, Adam, Optimizer
from chainrule.optim.schedules import CosineDecay, ExponentialDecay, StepDecay, Warmup
from chainrule.training.callbacks import ReduceLROnPlateau

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 3))
Y = np.sin(X[:, 0]) + X[:, 1] * X[:, 2]


def network(optimizer: Any, **arguments: Any) -> cr.Sequential:
    cr.random.seed(0)
    model = cr.Sequential([cr.Dense(12, activation="tanh"), cr.Dense(1)], dtype="float64")
    model.compile(optimizer, "squared_error", **arguments)
    return model


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_lowers_the_loss(name: str) -> None:
    model = network(name)
    size = len(X) if name == "lbfgs" else 8
    losses = model.fit(X, Y, batch_size=size, epochs=10, verbose=0).history["loss"]
    assert losses[-1] < losses[0]


# L-BFGS ----------------------------------------------------------------------------------------


def test_lbfgs_fits_in_a_few_epochs() -> None:
    model = network("lbfgs")
    history = model.fit(X, Y, batch_size=40, epochs=30, verbose=0)
    assert history.history["loss"][-1] < 1e-3
    assert (np.diff(history.history["loss"]) <= 1e-12).all()
    assert model.evaluate(X, Y) <= history.history["loss"][-1]


def test_lbfgs_reports_the_loss_before_its_step() -> None:
    model = network("lbfgs")
    model.make_parameters((3,))
    before = model.evaluate(X, Y)
    history = model.fit(X, Y, batch_size=64, epochs=1, verbose=0, shuffle=False)
    assert history.history["loss"] == [pytest.approx(before, rel=1e-12)]


def test_lbfgs_minimizes_the_penalty_too() -> None:
    """Least squares with ½ λ ‖W‖² has a solution in closed form (the bias is not penalized)."""
    model = cr.Sequential([cr.Dense(1)], dtype="float64")
    model.compile(LBFGS(tolerance_change=0.0), "squared_error", l2=0.3)
    model.fit(X, Y, batch_size=40, epochs=10, verbose=0)
    centered, target = X - X.mean(axis=0), Y - Y.mean()
    gram = centered.T @ centered * 2 / 40 + 0.3 * np.eye(3)
    solution = np.linalg.solve(gram, centered.T @ target * 2 / 40)
    kernel, bias = model.get_weights()
    np.testing.assert_allclose(kernel[:, 0], solution, atol=1e-6)
    np.testing.assert_allclose(bias, Y.mean() - X.mean(axis=0) @ solution, atol=1e-6)


@pytest.mark.parametrize("arguments", [{}, {"batch_size": 39}])
def test_lbfgs_needs_all_samples_in_one_batch(arguments: dict[str, int]) -> None:
    model = network("lbfgs")
    with pytest.raises(ArgumentError) as caught:
        model.fit(X, Y, verbose=0, **arguments)
    size = arguments.get("batch_size", 32)
    assert str(caught.value) == (
        f"batch_size: got {size} of 40 samples; expected all of them in one batch, as LBFGS needs. "
        "Use batch_size=40, or another optimizer for batches."
    )


def test_samples_that_validate_are_not_counted() -> None:
    history = network("lbfgs").fit(X, Y, batch_size=30, validation_split=0.25, epochs=2, verbose=0)
    assert len(history.history["val_loss"]) == 2


# Schedules -------------------------------------------------------------------------------------


def test_schedules_go_by_updates_not_epochs() -> None:
    optimizer = SGD(ExponentialDecay(0.1, 1, 0.9))
    network(optimizer).fit(X, Y, batch_size=8, epochs=3, verbose=0)
    assert optimizer.iterations == 15
    assert optimizer.learning_rate == pytest.approx(0.1 * 0.9**15)


def test_a_function_of_the_step_in_fit() -> None:
    steps = []

    def rate(step: int) -> float:
        steps.append(step)
        return 0.01

    network(SGD(rate)).fit(X, Y, batch_size=20, epochs=2, verbose=0)
    assert steps == [0, 1, 2, 3]


@pytest.mark.parametrize(
    "optimizer",
    [
        Adam(Warmup(CosineDecay(0.01, 50, alpha=0.1), 5), weight_decay=0.01, clipnorm=1.0),
        SGD(StepDecay(0.1, 10), 0.9, nesterov=True, global_clipnorm=0.5),
        *[kind() for kind in OPTIMIZERS.values()],
    ],
    ids=lambda o: type(o).__name__,
)
def test_files_keep_the_optimizer(optimizer: Optimizer, tmp_path: Path) -> None:
    model = network(optimizer)
    model.fit(X, Y, batch_size=40, epochs=1, verbose=0)
    model.save(tmp_path / "model")
    again = cr.load(tmp_path / "model")
    assert again.setup is not None
    assert type(again.setup.optimizer) is type(optimizer)
    assert again.setup.optimizer.config() == optimizer.config()
    assert repr(again.setup.optimizer) == repr(optimizer)
    again.fit(X, Y, batch_size=40, epochs=1, verbose=0)


def test_files_leave_out_what_is_code(tmp_path: Path) -> None:
    model = network(SGD(lambda step: 0.1))
    model.fit(X, Y, batch_size=40, epochs=1, verbose=0)
    model.save(tmp_path / "model")
    again = cr.load(tmp_path / "model")
    assert again.setup is None
    for ours, theirs in zip(again.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


# ReduceLROnPlateau -----------------------------------------------------------------------------


def test_the_rate_falls_on_a_plateau(capsys: pytest.CaptureFixture[str]) -> None:
    optimizer = SGD(0.125)
    model = network(optimizer)
    rates = []

    class Note(cr.Callback):
        def on_epoch_end(self, epoch: int, logs: Any) -> None:
            rates.append(optimizer.learning_rate)

    # No loss falls by 1000: the first epoch is the best, and every second one lowers the rate.
    plateau = ReduceLROnPlateau("loss", 0.5, patience=2, min_delta=1e3, min_lr=0.03, verbose=1)
    model.fit(X, Y, batch_size=40, epochs=7, verbose=0, callbacks=[plateau, Note()])
    assert rates == [0.125, 0.125, 0.0625, 0.0625, 0.03125, 0.03125, 0.03]
    assert capsys.readouterr().out == (
        "epoch 3: the learning rate falls to 0.0625\n"
        "epoch 5: the learning rate falls to 0.03125\n"
        "epoch 7: the learning rate falls to 0.03\n"
    )
    model.fit(X, Y, batch_size=40, epochs=2, verbose=0, callbacks=[plateau])
    assert optimizer.learning_rate == 0.03  # a new training begins a new count
    assert capsys.readouterr().out == ""


def test_a_plateau_of_a_metric_that_grows() -> None:
    assert ReduceLROnPlateau("val_accuracy").plateau.mode == "max"
    assert ReduceLROnPlateau("val_loss").plateau.mode == "min"
    assert ReduceLROnPlateau("accuracy", mode="min").plateau.mode == "min"


def test_a_schedule_and_the_callback_do_not_go_together() -> None:
    model = network(SGD(StepDecay(0.1, 5)))
    with pytest.raises(ArgumentError) as caught:
        model.fit(X, Y, verbose=0, callbacks=[ReduceLROnPlateau("loss")])
    assert str(caught.value) == (
        "learning_rate: got the schedule StepDecay(initial_learning_rate=0.1, decay_steps=5, "
        "decay_rate=0.1); expected a number, which ReduceLROnPlateau can lower. Use either the "
        "schedule or the callback."
    )


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"mode": "up"}, "mode: got 'up'; expected 'auto', 'min' or 'max'."),
        ({"factor": 1}, "factor: got 1; expected a number in [0, 1)."),
        ({"min_lr": -1}, "min_lr: got -1; expected a finite number from 0."),
    ],
)
def test_arguments_that_do_not_fit(arguments: dict[str, Any], text: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        ReduceLROnPlateau(**arguments)
    assert str(caught.value) == text


def test_a_quantity_that_is_not_there() -> None:
    with pytest.raises(ArgumentError) as caught:
        network("sgd").fit(X, Y, verbose=0, callbacks=[ReduceLROnPlateau("val_loss")])
    assert str(caught.value).startswith("monitor: got 'val_loss'; expected one of loss")


# -------------------------------------------------------------------- one optimizer, two models

ROWS = RNG.normal(size=(32, 3))


def small() -> cr.Sequential:
    return cr.Sequential([cr.Dense(2, activation="tanh"), cr.Dense(1)])


@pytest.mark.parametrize("name", sorted(OPTIMIZERS))
def test_an_optimizer_belongs_to_the_model_that_it_has_trained(name: str) -> None:
    optimizer = OPTIMIZERS[name]()
    first, second = small(), small()
    for model in (first, second):
        model.compile(optimizer, "mse")  # nothing has happened yet
    first.fit(ROWS, ROWS[:, 0], batch_size=32, epochs=2, verbose=0)
    kind = type(optimizer).__name__
    text = (
        f"optimizer: got a {kind} that has made 2 steps on other parameters; expected one for each "
        "model: its step counter and its state belong to those parameters. Make a new one, such "
        f"as cr.optim.{kind}(...), or give the name {name!r}."
    )
    calls: list[Callable[[], Any]] = [
        lambda: second.fit(ROWS, ROWS[:, 0], verbose=0),
        lambda: small().compile(optimizer, "mse"),
    ]
    for call in calls:
        with pytest.raises(ArgumentError) as caught:
            call()
        assert str(caught.value) == text
    first.compile(optimizer, "mae")
    first.fit(ROWS, ROWS[:, 0], batch_size=32, verbose=0)
    assert optimizer.iterations == 3


def test_an_optimizer_may_follow_its_parameters_into_a_larger_model() -> None:
    optimizer, inner = cr.optim.Adam(), small()
    inner.compile(optimizer, "mse")
    inner.fit(ROWS, ROWS[:, 0], verbose=0)
    outer = cr.Sequential([inner, cr.Dense(1)])
    outer.compile(optimizer, "mse")
    outer.fit(ROWS, ROWS[:, 0], verbose=0)
    assert optimizer.iterations == 2
    assert len(optimizer.parameters) == 6
