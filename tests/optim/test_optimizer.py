from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.core.errors import ArgumentError, ChainruleError, ShapeError, TracingError
from chainrule.optim import (
    LBFGS,
    OPTIMIZERS,
    SGD,
    Adagrad,
    Adam,
    AdamW,
    Muon,
    Nadam,
    Optimizer,
    RMSprop,
    optimizer,
)
from chainrule.optim.schedules import (
    SCHEDULES,
    CosineDecay,
    ExponentialDecay,
    PiecewiseConstantDecay,
    Schedule,
    StepDecay,
    Warmup,
)


@pytest.mark.parametrize("given", ["sgd", "SGD", "adam", "Adam", *OPTIMIZERS])
def test_by_name(given: str) -> None:
    found = optimizer(given)
    assert type(found) is OPTIMIZERS[given.lower()]
    assert optimizer(found) is found
    assert optimizer(given) is not optimizer(given)  # state is never shared


@pytest.mark.parametrize("kind", [SGD, OPTIMIZERS["adam"]])
def test_a_class_stands_for_its_defaults(kind: Any) -> None:
    found = optimizer(kind)
    assert type(found) is kind
    assert found.config() == kind().config()


@pytest.mark.parametrize(
    ("keywords", "text"),
    [
        ({"lr": 0.1}, "Here it is learning_rate."),
        ({"learning_rte": 0.1}, "Did you mean 'learning_rate'?"),
        ({"clip_norm": 0.1}, "Did you mean 'clipnorm' or 'global_clipnorm'?"),
        ({"decay": 0.1}, "A learning rate that falls is a schedule, such as "),
    ],
)
@pytest.mark.parametrize("name", sorted(set(OPTIMIZERS) - {"lbfgs"}))
def test_keywords_that_an_optimizer_lacks(name: str, keywords: dict[str, Any], text: str) -> None:
    kind: Any = OPTIMIZERS[name]
    with pytest.raises(ArgumentError) as caught:
        kind(**keywords)
    start = f"{next(iter(keywords))}: got an argument that {kind.__name__} lacks; expected one of "
    assert str(caught.value).startswith(f"{start}learning_rate, ")
    assert text.split(" or ", maxsplit=1)[0] in str(caught.value)
    assert isinstance(caught.value, TypeError)
    kind(weight_decay=0.1, clipnorm=1.0)  # these go to the class above


def test_a_function_without_arguments_is_a_constant_rate() -> None:
    found = SGD(learning_rate=lambda: 0.25)  # type: ignore[arg-type, misc]
    w = cr.Parameter([1.0], "w")
    found.apply([w], [cr.tensor([2.0])])
    assert (w.item(), found.learning_rate) == (0.5, 0.25)


@pytest.mark.parametrize(
    ("given", "hint"),
    [
        ("adm", " Did you mean 'adam' or 'nadam' or 'adamw'?"),
        ("lbfg", " Did you mean 'lbfgs'?"),
        ("zzz", ""),
        (int, ""),
        (None, ""),
    ],
)
def test_unknown_names_get_the_nearest(given: Any, hint: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        optimizer(given)
    assert str(caught.value) == (
        f"optimizer: got {given!r}; expected one of sgd, adagrad, adadelta, rmsprop, adam, adamw, "
        f"nadam, amsgrad, lion, muon, lbfgs, or a chainrule.optim.Optimizer.{hint}"
    )


BAD = [-0.1, math.nan, math.inf, "0.1", None, True, [0.1]]


@pytest.mark.parametrize("kind", OPTIMIZERS.values())
@pytest.mark.parametrize("value", BAD)
def test_learning_rates_that_do_not_fit(kind: type[SGD | Adam], value: Any) -> None:
    text = f"learning_rate: got {value!r}; expected a finite number from 0."
    with pytest.raises(ArgumentError) as caught:
        kind(value)
    assert str(caught.value) == text
    found = kind(0.5)
    with pytest.raises(ArgumentError) as caught:
        found.learning_rate = value
    assert str(caught.value) == text
    assert found.learning_rate == 0.5


@pytest.mark.parametrize(
    ("make", "argument"),
    [
        (lambda value: SGD(0.1, momentum=value), "momentum"),
        (lambda value: Adam(0.1, beta_1=value), "beta_1"),
        (lambda value: Adam(0.1, beta_2=value), "beta_2"),
    ],
)
@pytest.mark.parametrize("value", [*BAD, 1.0, 1.5])
def test_decay_rates_that_do_not_fit(make: Any, argument: str, value: Any) -> None:
    with pytest.raises(ArgumentError) as caught:
        make(value)
    assert str(caught.value) == f"{argument}: got {value!r}; expected a number in [0, 1)."


def test_epsilon_must_be_a_number_from_0() -> None:
    with pytest.raises(ArgumentError) as caught:
        Adam(epsilon=-1.0)
    assert str(caught.value) == "epsilon: got -1.0; expected a finite number from 0."


def test_numbers_of_numpy_and_bounds_are_taken() -> None:
    for value in (0, 0.0, np.float32(0.5), np.int64(1)):
        assert SGD(value).learning_rate == value
    assert SGD(0.1, momentum=0.0).momentum == 0.0


def test_the_learning_rate_keeps_its_digits() -> None:
    assert SGD(0.1).learning_rate == 0.1
    assert Adam(1 / 3).learning_rate == 1 / 3


@pytest.mark.parametrize(
    "made",
    [
        *(SGD(0.1), SGD(0.3, momentum=0.9, nesterov=True), Adam(), Adam(0.1, 0.8, 0.99, 1e-4)),
        *(kind() for kind in OPTIMIZERS.values()),
        Adam(amsgrad=True, epsilon_hat=True, weight_decay=0.1, clipnorm=2.0),
        AdamW(weight_decay=0.0, amsgrad=True),
        Adagrad(epsilon_inside_root=True, global_clipnorm=0.5),
        RMSprop(centered=True, epsilon_inside_root=False, clipvalue=0.25),
        Muon(scaling=None, exclude=["embedding", "layers.2."], ns_coefficients=(2.0, -1.5, 0.5)),
        Muon(scaling="match_rms_adamw", nesterov=False, adam_beta_1=0.5),
        LBFGS(0.5, max_iter=3, max_eval=7, history_size=4, c1=1e-3, c2=0.5),
        SGD(Warmup(CosineDecay(0.1, 100, alpha=0.1), steps=10, start=0.01), 0.9),
        SGD(PiecewiseConstantDecay([10, 20], [0.1, 0.01, 0.001]), weight_decay=1e-4),
    ],
    ids=repr,
)
def test_configurations_round_trip(made: Optimizer) -> None:
    config = json.loads(json.dumps(made.config()))
    again = type(made)(**config)
    assert again.config() == config
    assert repr(again) == repr(made)


def test_the_configuration_has_the_learning_rate_of_the_moment() -> None:
    made = Adam(0.1)
    made.learning_rate = 0.25
    assert made.config()["learning_rate"] == 0.25


def test_repr() -> None:
    assert repr(SGD(0.1, 0.9, True)) == "SGD(learning_rate=0.1, momentum=0.9, nesterov=True)"
    assert repr(Adam(0.1)) == "Adam(learning_rate=0.1, beta_1=0.9, beta_2=0.999, epsilon=1e-08)"


@pytest.mark.parametrize("options", [{}, {"global_clipnorm": 1.0}])
def test_one_gradient_for_each_parameter(options: dict[str, float]) -> None:
    w = cr.Parameter([1.0])
    optimizer = SGD(0.1, **options)
    with pytest.raises(ValueError, match="shorter"):
        optimizer.apply([w, cr.Parameter([1.0])], [cr.tensor([1.0])])
    assert w.item() == 1.0  # nothing has happened yet
    assert optimizer.iterations == 0


def test_steps_are_not_recorded() -> None:
    w = cr.Parameter([1.0, 2.0])
    SGD(0.1, momentum=0.9).apply([w], [cr.tensor([1.0, 1.0])])
    (w * w).sum().backward()  # through the new value only
    assert w.grad is not None
    np.testing.assert_allclose(w.grad.numpy(), 2 * w.numpy(), rtol=1e-6)
    assert w.value.primitive is None


def test_an_optimizer_of_ones_own() -> None:
    class Sign(Optimizer):
        name = "sign"

        def update(
            self, parameter: cr.Parameter, gradient: cr.Tensor, *state: cr.Parameter
        ) -> None:
            assert not (parameter * 1.0).tracked  # nothing is recorded
            parameter.assign(parameter - cr.sign(gradient) * self.rate(parameter))

    w = cr.Parameter([1.0, 2.0])
    Sign(0.5).apply([w], [cr.tensor([-3.0, 0.1])])
    assert w.tolist() == [1.5, 1.5]
    assert repr(optimizer(Sign(0.5))) == "Sign(learning_rate=0.5)"
    with pytest.raises(NotImplementedError):
        Optimizer(0.5).apply([w], [w.value])


def test_names_with_a_hyphen() -> None:
    assert type(optimizer("L-BFGS")) is LBFGS


def test_options_show_where_they_are_set() -> None:
    assert repr(AdamW(0.1, clipnorm=1.0)) == (
        "AdamW(learning_rate=0.1, beta_1=0.9, beta_2=0.999, epsilon=1e-08, weight_decay=0.004, "
        "clipnorm=1)"
    )
    assert repr(SGD(StepDecay(0.1, 5))) == (
        "SGD(learning_rate=StepDecay(initial_learning_rate=0.1, decay_steps=5, decay_rate=0.1), "
        "momentum=0, nesterov=False)"
    )

    def warm(step: int) -> float:
        return 0.1

    assert repr(SGD(warm)) == "SGD(learning_rate=warm, momentum=0, nesterov=False)"


def test_only_weights_decay() -> None:
    shapes = [(2, 3), (3,), (), (1, 1), (2, 2, 2)]
    parameters = [cr.Parameter(np.ones(s)) for s in shapes]
    zeros = [cr.tensor(np.zeros(s)) for s in shapes]
    optimizer = SGD(0.5, weight_decay=0.2)
    optimizer.apply(parameters, zeros)
    optimizer.apply(parameters, zeros)
    found = [p.numpy().ravel()[0] for p in parameters]
    np.testing.assert_allclose(found, [0.81, 1.0, 1.0, 0.81, 0.81], rtol=1e-15)


# The learning rate -----------------------------------------------------------------------------


def steps_of(optimizer: Optimizer, count: int) -> list[float]:
    """The sizes of an SGD's steps."""
    w, sizes = cr.Parameter(np.zeros(())), []
    for _ in range(count):
        before = w.item()
        optimizer.apply([w], [cr.tensor(np.float64(1.0))])
        sizes.append(before - w.item())
    return sizes


def test_schedules_set_each_steps_size() -> None:
    optimizer = SGD(ExponentialDecay(1.0, decay_steps=1, decay_rate=0.5))
    assert optimizer.learning_rate == 1.0
    np.testing.assert_allclose(steps_of(optimizer, 4), [1.0, 0.5, 0.25, 0.125], rtol=1e-15)
    assert optimizer.iterations == 4
    assert optimizer.learning_rate == 0.0625  # of the next step


def test_any_function_of_the_step_is_a_schedule() -> None:
    came = []

    def rate(step: int) -> float:
        came.append(step)
        assert type(step) is int
        return 1.0 / (step + 1)

    optimizer = SGD(rate)
    np.testing.assert_allclose(steps_of(optimizer, 4), [1, 1 / 2, 1 / 3, 1 / 4], rtol=1e-14)
    assert came == [0, 1, 2, 3]
    assert optimizer.learning_rate == 0.2


@pytest.mark.parametrize("result", [0.5, 1, np.float32(0.5), np.array(0.5), cr.tensor(0.5)])
def test_functions_may_return_any_number(result: Any) -> None:
    assert SGD(lambda step: result).learning_rate == float(result)


@pytest.mark.parametrize("result", [-1.0, math.nan, None, "0.1", [0.1]])
def test_functions_that_return_no_rate(result: Any) -> None:
    optimizer, w = SGD(lambda step: result), cr.Parameter([1.0])
    with pytest.raises(ArgumentError) as caught:
        optimizer.apply([w], [w.value])
    assert (
        str(caught.value) == f"learning_rate(0): got {result!r}; expected a finite number from 0."
    )
    assert w.item() == 1.0


def test_a_number_replaces_the_schedule_and_back() -> None:
    optimizer = SGD(ExponentialDecay(1.0, 1, 0.5))
    steps_of(optimizer, 2)
    optimizer.learning_rate = 0.75
    assert optimizer.schedule is None
    assert steps_of(optimizer, 2) == [0.75, 0.75]
    optimizer.learning_rate = ExponentialDecay(1.0, 1, 0.5)
    np.testing.assert_allclose(steps_of(optimizer, 1), [0.5**4], rtol=1e-14)  # steps count on
    optimizer.learning_rate = lambda step: step * 1.0
    np.testing.assert_allclose(steps_of(optimizer, 1), [5.0], rtol=1e-14)


def test_a_schedule_class_is_not_a_schedule() -> None:
    with pytest.raises(ArgumentError) as caught:
        SGD(StepDecay)
    assert str(caught.value) == (
        "learning_rate: got the class StepDecay; expected an instance. StepDecay(...)"
    )


def test_a_schedule_that_is_code_cannot_be_written() -> None:
    class Mine(Schedule):
        def rate(self, t: cr.Tensor) -> cr.Tensor:
            return 0.1 / (t + 1.0)

    for made, name in ((Mine(), "Mine()"), (lambda step: 0.1, "<lambda>")):
        optimizer = SGD(made)
        assert optimizer.learning_rate == 0.1
        with pytest.raises(ArgumentError) as caught:
            optimizer.config()
        assert str(caught.value) == (
            f"learning_rate: got {name}, which is code; expected a number or one of "
            f"{', '.join(SCHEDULES)}."
        )


# State -----------------------------------------------------------------------------------------

EVERY: dict[str, Any] = {
    "sgd": lambda: SGD(0.05),
    "momentum": lambda: SGD(0.05, 0.9),
    "schedule": lambda: SGD(StepDecay(0.1, 3, 0.9), 0.9, clipnorm=1.0),
    "function": lambda: SGD(lambda step: 0.1 / (step + 1), 0.9),
    "centered": lambda: RMSprop(0.01, 0.9, 0.5, centered=True),
    "adam": lambda: Adam(0.05, amsgrad=True, weight_decay=0.1),
    **{name: kind for name, kind in OPTIMIZERS.items() if name not in ("sgd", "adam", "lbfgs")},
}


@pytest.mark.parametrize("make", EVERY.values(), ids=EVERY)
def test_a_state_round_trips_exactly(valley: Any, make: Any) -> None:
    def walk(optimizer: Optimizer, parameters: list[cr.Parameter], steps: int) -> None:
        for _ in range(steps):
            gradients = [valley.gradient(i, p.numpy()) for i, p in enumerate(parameters)]
            optimizer.apply(parameters, [cr.tensor(g) for g in gradients])

    def parameters(values: Any) -> list[cr.Parameter]:
        return [cr.Parameter(np.array(v), n) for v, n in zip(values, valley.names, strict=True)]

    first, ours = make(), parameters(valley.start)
    walk(first, ours, 7)
    state = first.state()
    assert all(isinstance(array, np.ndarray) for array in state.values())
    held = parameters([p.numpy() for p in ours])
    walk(first, ours, 7)

    second = make()
    second.load_state(state, held)
    for name, array in second.state().items():
        np.testing.assert_array_equal(array, state[name])
    assert list(second.state()) == list(state)
    assert second.iterations == 7
    walk(second, held, 7)
    for p, q in zip(ours, held, strict=True):
        np.testing.assert_array_equal(p.numpy(), q.numpy())


def test_the_state_is_named_by_path() -> None:
    model = cr.Sequential([cr.Dense(2, activation="tanh"), cr.Dense(1)])
    optimizer = Adam(0.01)
    model.compile(optimizer, "squared_error")
    model.fit([[0.0], [1.0]], [0.0, 1.0], epochs=3, verbose=0)
    state = optimizer.state()
    paths = [f"{path}/{slot}" for path in model.parameters() for slot in ("mean", "square")]
    assert list(state) == ["step", "learning_rate", *paths]
    assert state["step"] == 3
    assert state["layers.0.kernel/mean"].shape == (1, 2)
    assert state["layers.0.kernel/mean"].dtype == "float32"
    assert (state["layers.1.bias/square"] > 0).all()
    again = Adam(0.5)
    again.load_state(state, model.parameters())
    assert again.learning_rate == 0.01


def test_the_state_is_a_copy() -> None:
    w, optimizer = cr.Parameter([1.0], "w"), SGD(0.1, 0.9)
    optimizer.apply([w], [cr.tensor([2.0])])
    state = optimizer.state()
    state["w/velocity"][:] = 100.0
    assert optimizer.state()["w/velocity"][0] == np.float32(-0.2)


def test_parameters_that_were_not_changed_have_no_state_yet() -> None:
    a, b = cr.Parameter([1.0], "a"), cr.Parameter([1.0], "b")
    optimizer = SGD(0.1, 0.9)
    optimizer.apply([a], [cr.tensor([2.0])])
    state = optimizer.state()
    assert list(state) == ["step", "learning_rate", "a/velocity"]
    again = SGD(0.1, 0.9)
    again.load_state(state, [a, b])
    again.apply([b], [cr.tensor([1.0])])
    assert b.item() == pytest.approx(0.9)


def loaded(change: Any) -> str:
    """The error of loading a changed state; the optimizer must be as before."""
    w = cr.Parameter([1.0, 2.0], "w")
    optimizer = Adam(0.1)
    optimizer.apply([w], [cr.tensor([2.0, 1.0])])
    state = optimizer.state()
    before = optimizer.state()
    change(state)
    with pytest.raises((ArgumentError, ShapeError)) as caught:
        optimizer.load_state(state, [w])
    for name, array in optimizer.state().items():
        np.testing.assert_array_equal(array, before[name])
    return str(caught.value)


def test_states_that_do_not_fit() -> None:
    def rename(state: dict[str, Any]) -> None:
        state["w/meen"] = state.pop("w/mean")

    def shorten(state: dict[str, Any]) -> None:
        state["w/mean"] = np.zeros(1)

    assert loaded(rename) == (
        "state: got an array 'w/meen'; expected those of step, learning_rate, w/mean, w/square. "
        "Did you mean 'w/mean'?"
    )
    assert loaded(shorten) == "state['w/mean']: got shape (1,); expected shape (2,)."
    assert loaded(lambda state: state.pop("w/square")) == (
        "state: got no array 'w/square'; expected one for each that is kept."
    )
    assert loaded(lambda state: state.pop("step")) == (
        "state: got no array 'step'; expected one for each that is kept."
    )


def test_states_need_names() -> None:
    a, b = cr.Parameter([1.0]), cr.Parameter([1.0])
    optimizer = SGD(0.1, 0.9)
    optimizer.apply([a, b], [a.value, b.value])
    with pytest.raises(ArgumentError) as caught:
        optimizer.state()
    assert str(caught.value) == (
        "parameters: got two named ''; expected a name of its own for each. model.parameters() "
        "gives each its path as its name; by hand: cr.Parameter(..., name='w')."
    )


# Whole steps -----------------------------------------------------------------------------------


def test_minimize_makes_a_step_on_a_function() -> None:
    w, b, unused = cr.Parameter([1.0, 2.0]), cr.Parameter(0.5), cr.Parameter([7.0])
    unused.grad = cr.tensor([9.0])
    optimizer = SGD(0.1)
    before = optimizer.minimize(lambda: (w * w).sum() + b, [w, b, unused])
    assert before.item() == 5.5
    np.testing.assert_allclose(w.numpy(), [0.8, 1.6], rtol=1e-6)
    assert b.item() == pytest.approx(0.4)
    assert unused.item() == 7.0
    assert unused.grad is None
    assert optimizer.iterations == 1


@pytest.mark.parametrize("make", [v for k, v in EVERY.items() if k != "function"])
def test_a_step_can_be_traced(valley: Any, make: Any) -> None:
    """State, step and learning rate are inputs and outputs of the graph, never constants."""
    eager = valley.path(make(), 20)
    optimizer = make()
    parameters = [cr.Parameter(w, n) for w, n in zip(valley.start, valley.names, strict=True)]

    def step(*gradients: cr.Tensor) -> None:
        optimizer.apply(parameters, gradients)

    graph = cr.trace(step)(*[cr.tensor(w) for w in valley.start])
    rows = []
    for _ in range(20):
        graph(*[cr.tensor(valley.gradient(i, p.numpy())) for i, p in enumerate(parameters)])
        rows.append(np.concatenate([p.numpy().ravel() for p in parameters]))
    np.testing.assert_allclose(np.stack(rows), eager, rtol=1e-12, atol=1e-14)
    assert optimizer.iterations == 20
    optimizer.apply(parameters, [p.value for p in parameters])  # and eagerly again


def test_a_traced_step_takes_new_learning_rates() -> None:
    optimizer, w = SGD(0.5), cr.Parameter([1.0])
    graph = cr.trace(lambda g: optimizer.apply([w], [g]))(cr.tensor([1.0]))
    graph(cr.tensor([1.0]))
    optimizer.learning_rate = 0.25
    graph(cr.tensor([1.0]))
    assert w.item() == 0.25


def test_a_traced_step_asks_for_its_function_of_the_step() -> None:
    optimizer, w = SGD(lambda step: 1.0 / (step + 1)), cr.Parameter([0.0])
    graph = cr.trace(lambda g: optimizer.apply([w], [g]))(cr.tensor([1.0]))
    for _ in range(3):
        optimizer.prepare_step()
        graph(cr.tensor([1.0]))
    assert w.item() == pytest.approx(-(1 + 1 / 2 + 1 / 3))


def test_a_function_of_the_step_cannot_be_traced_by_itself() -> None:
    schedule = SGD(lambda step: 0.1).schedule
    assert schedule is not None
    with pytest.raises(TracingError, match="a learning rate that is a Python function"):
        cr.trace(lambda t: schedule(t))(cr.tensor(0.0))


def test_parameters_of_two_dtypes_share_an_optimizer() -> None:
    single, double = cr.Parameter(np.float32([1.0])), cr.Parameter(np.float64([1.0]))
    optimizer = Nadam(0.1)
    for _ in range(3):
        optimizer.apply([single, double], [single.value, double.value])
    assert (single.dtype, double.dtype) == ("float32", "float64")
    assert single.item() == pytest.approx(double.item(), rel=1e-6)


def test_numbers_are_computed_once_a_step() -> None:
    class Counting(Adam):
        calls = 0

        def numbers(self, rate: cr.Tensor, t: cr.Tensor) -> tuple[cr.Tensor, ...]:
            type(self).calls += 1
            return super().numbers(rate, t)

    parameters = [cr.Parameter([1.0]) for _ in range(5)]
    optimizer = Counting()
    for _ in range(3):
        optimizer.apply(parameters, [p.value for p in parameters])
    assert Counting.calls == 3


def test_lbfgs_is_not_applied_to_gradients() -> None:
    w = cr.Parameter([1.0])
    with pytest.raises(ChainruleError) as caught:
        LBFGS().apply([w], [w.value])
    assert str(caught.value) == (
        "L-BFGS evaluates the loss several times in a step, and cannot work from gradients alone: "
        "call optimizer.minimize(loss, parameters), where loss() computes the loss"
    )
