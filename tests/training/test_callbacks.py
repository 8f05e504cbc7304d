from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import chainrule as cr
from chainrule.core.errors import ArgumentError
from chainrule.training.callbacks import CallbackList

X = np.random.default_rng(0).normal(size=(20, 3))
Y = X @ np.array([1.0, -2.0, 0.5])


def network(metrics: Sequence[str] = ()) -> cr.Sequential:
    cr.random.seed(0)
    model = cr.Sequential([cr.Dense(4, activation="tanh"), cr.Dense(1)])
    model.compile(cr.optim.SGD(0.05), "squared_error", metrics)
    return model


class Scripted:
    """A model whose weights are the number of the epoch."""

    def __init__(self) -> None:
        self.weights: list[Any] = [np.array(-1.0)]
        self.stop_training = False

    def get_weights(self) -> list[Any]:
        return [np.array(w) for w in self.weights]

    def set_weights(self, weights: list[Any]) -> None:
        self.weights = weights


def play(stopping: cr.EarlyStopping, values: Sequence[float], name: str = "val_loss") -> Scripted:
    """Show the values to ``EarlyStopping`` as a training would."""
    model = Scripted()
    stopping.model = model  # type: ignore[assignment]
    stopping.on_train_begin()
    for epoch, value in enumerate(values):
        model.weights = [np.array(float(epoch))]
        stopping.on_epoch_end(epoch, {"loss": 0.0, name: value})
        if model.stop_training:
            break
    stopping.on_train_end({})
    return model


# ------------------------------------------------------------------------------ early stopping


@pytest.mark.parametrize(
    ("patience", "values", "stopped", "best"),
    [
        (0, [3, 2, 2.5, 1], 2, 1),
        (0, [3, 2, 1, 0], None, 3),
        (1, [3, 2, 2.5, 1, 2, 2], 5, 3),
        (1, [3, 2, 2.5, 2.4, 1], 3, 1),
        (2, [3, 4, 5, 6, 1], 3, 0),
        (2, [3, 4, 5, 2, 5, 5], None, 3),
    ],
)
def test_patience(patience: int, values: list[float], stopped: int | None, best: int) -> None:
    """Training ends after ``patience`` epochs of waiting and one more without an improvement."""
    stopping = cr.EarlyStopping(patience=patience)
    model = play(stopping, values)
    assert stopping.stopped_epoch == stopped
    assert stopping.best_epoch == best
    assert stopping.best == values[best]
    assert model.weights[0] == best


def test_the_last_best_wins_ties_but_is_no_improvement() -> None:
    stopping = cr.EarlyStopping(patience=1)
    model = play(stopping, [2, 1, 1, 1, 0.5])
    assert stopping.stopped_epoch == 3
    assert (stopping.best_epoch, stopping.best) == (3, 1)
    assert model.weights[0] == 3


def test_weights_may_be_left_as_they_are() -> None:
    stopping = cr.EarlyStopping(patience=1, restore_best_weights=False)
    model = play(stopping, [1, 2, 3, 4])
    assert (stopping.best_epoch, stopping.stopped_epoch) == (0, 2)
    assert model.weights[0] == 2


def test_min_delta_is_what_an_improvement_must_exceed() -> None:
    stopping = cr.EarlyStopping(patience=1, min_delta=0.5)
    model = play(stopping, [3, 2.75, 2.5, 2.4])
    assert stopping.stopped_epoch == 2  # 3 → 2.5 is 0.5, and not more
    assert (stopping.best_epoch, model.weights[0]) == (2, 2)  # the best all the same


def test_small_steps_add_up_to_an_improvement() -> None:
    stopping = cr.EarlyStopping(patience=3, min_delta=0.25)
    falling = [3 - 0.125 * i for i in range(20)]  # 0.375 every three epochs
    play(stopping, falling)
    assert stopping.stopped_epoch is None
    play(stopping, falling[:5] + [falling[4]] * 20)
    assert stopping.stopped_epoch == 3 + 4


@pytest.mark.parametrize(
    ("monitor", "grows"),
    [
        ("val_loss", False),
        ("loss", False),
        ("val_mse", False),
        ("mae", False),
        ("val_accuracy", True),
        ("accuracy", True),
        ("val_r2", True),
        ("r2", True),
    ],
)
def test_auto_goes_by_the_name(monitor: str, grows: bool) -> None:
    values = [1.0, 2.0, 3.0, 2.0, 1.5]
    stopping = cr.EarlyStopping(monitor, patience=10)
    assert play(stopping, values, monitor).weights[0] == (2 if grows else 0)
    assert stopping.best == (3.0 if grows else 1.0)
    for mode, best in (("min", 0), ("max", 2)):
        stopping = cr.EarlyStopping(monitor, patience=10, mode=mode)
        assert play(stopping, values, monitor).weights[0] == best


@settings(max_examples=200, deadline=None)
@given(
    values=st.lists(st.integers(0, 6).map(float), min_size=1, max_size=30),
    patience=st.integers(0, 5),
    mode=st.sampled_from(["min", "max"]),
)
def test_early_stopping_by_its_definition(values: list[float], patience: int, mode: str) -> None:
    stopping = cr.EarlyStopping(patience=patience, mode=mode)
    model = play(stopping, values)
    signed = [v if mode == "min" else -v for v in values]
    records = [i for i, v in enumerate(signed) if v < min(signed[:i], default=math.inf)]
    ends = [*records[1:], len(values)]
    stop = next(
        (r + patience + 1 for r, end in zip(records, ends, strict=True) if end - r > patience + 1),
        None,
    )
    assert stopping.stopped_epoch == stop
    seen = signed if stop is None else signed[: stop + 1]
    best = max(i for i, v in enumerate(seen) if v == min(seen))
    assert (stopping.best_epoch, stopping.best, model.weights[0]) == (best, values[best], best)


def test_nan_is_never_the_best() -> None:
    stopping = cr.EarlyStopping(patience=1)
    assert play(stopping, [2, math.nan, 1, math.nan, math.nan]).weights[0] == 2
    assert (stopping.best, stopping.stopped_epoch) == (1, 4)
    assert play(stopping, [math.nan, math.nan, math.nan]).weights[0] == 1  # nothing to go back to
    assert math.isnan(stopping.best)


def test_a_second_training_begins_anew() -> None:
    stopping = cr.EarlyStopping(patience=1)
    play(stopping, [1, 2, 3, 4])
    model = play(stopping, [9, 8, 10])
    assert (stopping.best, stopping.best_epoch, stopping.stopped_epoch) == (8, 1, None)
    assert model.weights[0] == 1


@pytest.mark.parametrize(
    ("monitor", "text"),
    [
        ("val_los", "Did you mean 'val_loss' or 'loss'?"),
        ("accuracy", ""),
    ],
)
def test_a_quantity_that_is_not_there(monitor: str, text: str) -> None:
    model = network()
    with pytest.raises(ArgumentError) as caught:
        model.fit(
            X,
            Y,
            validation_split=0.2,
            verbose=0,
            callbacks=[cr.EarlyStopping(monitor, mode="min")],
        )
    assert str(caught.value) == (
        f"monitor: got {monitor!r}; expected one of loss, val_loss. "
        + (text or "Quantities that begin with val_ need validation_data or validation_split.")
    )


def test_monitoring_validation_without_any() -> None:
    with pytest.raises(ArgumentError, match=r"^monitor: got 'val_loss'; expected one of loss\. "):
        network().fit(X, Y, verbose=0, callbacks=[cr.EarlyStopping()])


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"patience": -1}, "patience: got -1; expected a whole number from 0."),
        ({"patience": 1.5}, "patience: got 1.5; expected a whole number from 0."),
        ({"mode": "up"}, "mode: got 'up'; expected 'auto', 'min' or 'max'."),
    ],
)
def test_arguments_that_do_not_fit(arguments: dict[str, Any], text: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        cr.EarlyStopping(**arguments)
    assert str(caught.value) == text


def test_early_stopping_in_a_training() -> None:
    """It stops a network that overfits, and goes back to its best weights."""
    rng = np.random.default_rng(0)
    y = rng.normal(size=20)  # nothing to learn
    cr.random.seed(0)
    model = cr.Sequential([cr.Dense(50, activation="tanh"), cr.Dense(1)])
    model.compile("adam", "squared_error")
    stopping = cr.EarlyStopping(patience=3)
    history = model.fit(
        X, y, batch_size=4, epochs=500, validation_split=0.5, verbose=0, callbacks=[stopping]
    )
    errors = history.history["val_loss"]
    assert len(errors) < 500
    assert stopping.stopped_epoch == len(errors) - 1
    assert errors[stopping.best_epoch] == min(errors) == stopping.best
    assert model.evaluate(X[10:], y[10:]) == pytest.approx(min(errors), rel=1e-5)


# --------------------------------------------------------------------------- order and arguments


class Recorder(cr.Callback):
    """Writes down every call, into a list that several may share."""

    def __init__(self, name: str = "", into: list[Any] | None = None) -> None:
        self.name = name
        self.calls: list[Any] = [] if into is None else into

    def note(self, *call: Any) -> None:
        self.calls.append((self.name, *call) if self.name else call)

    def on_train_begin(self) -> None:
        self.note("train begin")

    def on_train_end(self, logs: Any) -> None:
        self.note("train end", dict(logs))

    def on_epoch_begin(self, epoch: int) -> None:
        self.note("epoch begin", epoch)

    def on_epoch_end(self, epoch: int, logs: Any) -> None:
        self.note("epoch end", epoch, dict(logs))

    def on_batch_end(self, batch: int, logs: Any) -> None:
        self.note("batch end", batch, dict(logs))


def test_order_and_arguments() -> None:
    model, recorder = network(["mae"]), Recorder()
    history = model.fit(
        X, Y, batch_size=8, epochs=2, validation_split=0.2, verbose=0, callbacks=[recorder]
    )
    assert [call[:2] for call in recorder.calls if call[0] != "train end"] == [
        ("train begin",),
        ("epoch begin", 0),
        ("batch end", 0),
        ("batch end", 1),
        ("epoch end", 0),
        ("epoch begin", 1),
        ("batch end", 0),
        ("batch end", 1),
        ("epoch end", 1),
    ]
    assert recorder.model is model
    assert recorder.params == {"epochs": 2, "steps": 2, "batch_size": 8, "verbose": 0}
    assert list(recorder.calls[2][2]) == ["loss", "mae"]
    ends = [call[2] for call in recorder.calls if call[0] == "epoch end"]
    assert list(ends[0]) == ["loss", "mae", "val_loss", "val_mae"]
    # The last batch's logs are those of the epoch, before validation.
    assert recorder.calls[3][2] == {name: ends[0][name] for name in ("loss", "mae")}
    assert recorder.calls[-1] == ("train end", ends[1])
    assert history.history == {name: [end[name] for end in ends] for name in ends[0]}
    assert history.epoch == [0, 1]
    assert history.rows() == [{"epoch": i, **end} for i, end in enumerate(ends)]


def test_batch_logs_are_running_means() -> None:
    model, recorder = network(), Recorder()
    model.compile(cr.optim.SGD(0.0), "squared_error")
    model.make_parameters((3,))
    model.fit(X, Y, batch_size=8, shuffle=False, verbose=0, callbacks=[recorder])
    running = [call[2]["loss"] for call in recorder.calls if call[0] == "batch end"]
    wanted = [model.evaluate(X[:n], Y[:n]) for n in (8, 16, 20)]
    np.testing.assert_allclose(running, wanted, rtol=1e-5)


def test_several_are_called_in_order() -> None:
    calls: list[Any] = []
    network().fit(X, Y, verbose=0, callbacks=[Recorder("a", calls), Recorder("b", calls)])
    events = [(name, event) for name, event, *_ in calls]
    assert events[0::2] == [
        ("a", "train begin"),
        ("a", "epoch begin"),
        ("a", "batch end"),
        ("a", "epoch end"),
        ("a", "train end"),
    ]
    assert events[1::2] == [("b", event) for _, event in events[0::2]]


def test_training_may_be_stopped() -> None:
    class Enough(Recorder):
        def on_batch_end(self, batch: int, logs: Any) -> None:
            super().on_batch_end(batch, logs)
            self.model.stop_training = True

    model, enough = network(), Enough()
    history = model.fit(X, Y, batch_size=5, epochs=9, verbose=0, callbacks=[enough])
    assert history.epoch == [0]
    assert sum(call[0] == "batch end" for call in enough.calls) == 4  # the epoch is finished
    history = model.fit(X, Y, epochs=3, verbose=0)  # and the next training is not stopped
    assert history.epoch == [0, 1, 2]


def test_the_learning_rate_may_be_changed_by_a_callback() -> None:
    class Halve(cr.Callback):
        def on_epoch_begin(self, epoch: int) -> None:
            self.model.compiled().optimizer.learning_rate = 0.0 if epoch else 0.1

    model = network()
    history = model.fit(X, Y, epochs=3, batch_size=20, verbose=0, callbacks=[Halve()])
    losses = history.history["loss"]
    assert losses[0] > losses[1] == pytest.approx(losses[2], rel=1e-6)


# ------------------------------------------------------------------------ callbacks that raise


class TroubleError(Exception):
    pass


class Raising(Recorder):
    def __init__(
        self, where: str, into: list[Any], kind: type[BaseException] = TroubleError
    ) -> None:
        super().__init__("raising", into)
        self.where, self.kind = where, kind

    def note(self, *call: Any) -> None:
        super().note(*call)
        if call[0] == self.where and call[1:2] != (0,):  # in the second epoch, or batch
            raise self.kind(self.where)


@pytest.mark.parametrize(
    "where", ["train begin", "epoch begin", "batch end", "epoch end", "train end"]
)
def test_what_a_callback_raises_ends_the_training(where: str) -> None:
    calls: list[Any] = []
    callbacks = [Recorder("before", calls), Raising(where, calls), Recorder("after", calls)]
    model = network()
    with pytest.raises(TroubleError, match=where):
        model.fit(X, Y, batch_size=5, epochs=3, verbose=0, callbacks=callbacks)
    begun = [call[0] for call in calls if call[1] == "train begin"]
    ended = [call[0] for call in calls if call[1] == "train end"]
    assert begun == ended  # each that has begun ends, once, in order
    assert begun == ["before", "raising", "after"][: 2 if where == "train begin" else 3]
    epochs = [call[2] for call in calls if call[:2] == ("before", "epoch begin")]
    assert epochs == {"train begin": [], "batch end": [0], "train end": [0, 1, 2]}.get(
        where, [0, 1]
    )
    assert calls[-1][1] == "train end"


@pytest.mark.parametrize("kind", [KeyboardInterrupt, TroubleError])
@pytest.mark.parametrize("first", [True, False])
def test_an_interruption_goes_back_to_the_best_weights(
    kind: type[BaseException], first: bool
) -> None:
    class Interrupt(cr.Callback):
        """Spoils the weights, so that the best are not the last, and interrupts."""

        def on_epoch_end(self, epoch: int, logs: Any) -> None:
            self.logs = logs
            if epoch == 2:
                raise kind

        def on_epoch_begin(self, epoch: int) -> None:
            if epoch == 1:
                best.extend(self.model.get_weights())
                self.model.set_weights([w + 10.0 for w in best])

    best: list[Any] = []
    model, stopping = network(), cr.EarlyStopping(monitor="val_loss")
    callbacks = [Interrupt(), stopping] if first else [stopping, Interrupt()]
    with pytest.raises(kind):
        model.fit(X, Y, epochs=9, validation_split=0.3, verbose=0, callbacks=callbacks)
    assert stopping.best_epoch == 0
    for one, other in zip(model.get_weights(), best, strict=True):
        np.testing.assert_array_equal(one, other)


def test_best_weights_come_back_even_if_another_callback_fails_at_the_end() -> None:
    class Broken(cr.Callback):
        def on_train_end(self, logs: Any) -> None:
            raise TroubleError

    model = network()
    stopping = cr.EarlyStopping(patience=100, mode="max")  # the worst are "best"
    with pytest.raises(TroubleError):
        model.fit(X, Y, epochs=5, validation_split=0.3, verbose=0, callbacks=[Broken(), stopping])
    assert stopping.best_epoch == 0
    assert model.evaluate(X[14:], Y[14:]) == pytest.approx(stopping.best, rel=1e-5)


def test_a_training_that_never_began_restores_nothing() -> None:
    model, stopping = network(), cr.EarlyStopping(monitor="loss", mode="max")
    model.fit(X, Y, epochs=3, verbose=0, callbacks=[stopping])
    model.fit(X, Y, epochs=3, verbose=0)
    before = model.get_weights()
    with pytest.raises(TroubleError):
        model.fit(X, Y, verbose=0, callbacks=[Raising("train begin", []), stopping])
    for one, other in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (
            cr.EarlyStopping,
            "callbacks: got a type; expected instances of chainrule.Callback. Did you forget the "
            "parentheses, EarlyStopping()?",
        ),
        (print, "callbacks: got a builtin_function_or_method; expected instances of "
                "chainrule.Callback."),
    ],
)  # fmt: skip
def test_what_is_no_callback(given: Any, text: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        network().fit(X, Y, verbose=0, callbacks=[given])
    assert str(caught.value) == text


def test_a_list_may_be_used_again() -> None:
    calls: list[Any] = []
    several = CallbackList([Recorder("a", calls)], network(), {})
    for _ in range(2):
        several.train_begin()
        several.train_end({})
        several.train_end({})  # nothing has begun
    assert [call[1] for call in calls] == ["train begin", "train end"] * 2


def test_history_begins_anew_in_each_training() -> None:
    model = network()
    first = model.fit(X, Y, epochs=2, verbose=0)
    second = model.fit(X, Y, epochs=3, verbose=0)
    assert (len(first.epoch), len(second.epoch)) == (2, 3)
    assert second.history["loss"][0] < first.history["loss"][0]  # the weights go on
