from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.core.errors import ChainruleError, DtypeError, ShapeError
from chainrule.nn.module import collecting_penalties, shares_parameters, watching


class Block(cr.Module):
    """Parameters in every place where they may stand."""

    def __init__(self) -> None:
        self.gain = cr.Parameter(1.0)
        self.several = [cr.Parameter(2.0), cr.Parameter(3.0)]
        self.pair = (cr.Parameter(4.0), "text", 5)
        self.named = {"left": cr.Parameter(6.0), "deep": {"er": [cr.Parameter(7.0)]}}
        self.inner = cr.Dense(2, use_bias=False)
        self.stack = [cr.Dense(1), cr.Activation("tanh")]
        self.label = "no parameter"
        self.array = np.zeros(3)

    def forward(self, x: cr.Tensor, training: bool = False) -> cr.Tensor:
        return self.stack[1](self.stack[0](self.inner(x * self.gain)))


def test_parameters_are_found_by_their_path() -> None:
    block = Block()
    block([[1.0, 2.0, 3.0]])
    parameters = block.parameters()
    assert list(parameters) == [
        "gain",
        "several.0",
        "several.1",
        "pair.0",
        "named.left",
        "named.deep.er.0",
        "inner.kernel",
        "stack.0.kernel",
        "stack.0.bias",
    ]
    assert parameters["named.deep.er.0"].item() == 7.0
    assert parameters["inner.kernel"] is block.inner.kernel
    assert [p.name for p in parameters.values()] == list(parameters)


def test_shared_parameters_count_once_under_their_first_name() -> None:
    class Tied(cr.Module):
        def __init__(self) -> None:
            self.encoder = cr.Dense(3)
            self.again = self.encoder
            self.weights = [self.encoder]

    tied = Tied()
    tied.encoder(np.zeros((1, 3)))
    assert list(tied.parameters()) == ["encoder.kernel", "encoder.bias"]


def test_equal_parameters_are_not_shared() -> None:
    class Two(cr.Module):
        def __init__(self) -> None:
            self.a, self.b = cr.Parameter([1.0, 2.0]), cr.Parameter([1.0, 2.0])

    assert list(Two().parameters()) == ["a", "b"]


def test_trainable() -> None:
    class Frozen(cr.Module):
        def __init__(self) -> None:
            self.w = cr.Parameter(1.0)
            self.steps = cr.Parameter(0.0, trainable=False)

    module = Frozen()
    assert list(module.parameters()) == ["w", "steps"]
    assert module.trainable_parameters() == [module.w]
    module.w.trainable = False
    assert module.trainable_parameters() == []


def test_a_forgotten_return() -> None:
    class Bad(cr.Module):
        def forward(self, x: cr.Tensor) -> cr.Tensor:
            x * 2.0

    for module in (Bad(), cr.Sequential([cr.Dense(2), Bad()])):
        with pytest.raises(ChainruleError) as caught:
            module([[1.0]])
        assert str(caught.value) == "Bad.forward returned None: a missing return?"


class Pair(cr.Module):
    """A module with a parameter, and modules inside."""

    def __init__(self) -> None:
        self.first, self.rest = cr.Dense(2), [cr.Dense(3), cr.BatchNorm()]
        self.gain = cr.Parameter(1.0)

    def forward(self, x: cr.Tensor) -> cr.Tensor:
        return self.rest[1](self.rest[0](self.first(x))) * self.gain


def names(module: cr.Module) -> list[str]:
    return [p.name for p in module.trainable_parameters()]


@pytest.mark.parametrize("before", [True, False])
def test_a_frozen_module_keeps_its_parameters(before: bool) -> None:
    pair = Pair()
    if before:
        pair([[1.0, 2.0]])
    pair.trainable = False
    pair([[1.0, 2.0]])
    assert not any(module.trainable for module in pair.modules().values())
    assert names(pair) == []
    assert len(pair.parameters()) == 9
    pair.rest[0].trainable = True
    assert names(pair) == ["rest.0.kernel", "rest.0.bias"]
    assert not pair.trainable
    pair.trainable = True
    assert all(module.trainable for module in pair.modules().values())
    assert len(names(pair)) == 7  # but for the moving statistics
    assert list(pair.parameters())[:3] == ["first.kernel", "first.bias", "rest.0.kernel"]


def test_what_is_put_into_a_frozen_module_is_frozen() -> None:
    model = cr.Sequential([cr.Dense(2)])
    model.trainable = False
    model.add(cr.Dense(3))
    model([[1.0, 2.0]])
    assert not model.layers[1].trainable
    assert names(model) == []


def test_a_parameter_frozen_by_itself_stays_so() -> None:
    pair = Pair()
    pair([[1.0, 2.0]])
    pair.first.kernel.trainable = False  # type: ignore[union-attr]
    for trainable in (False, True, True):
        pair.trainable = trainable
    assert "first.kernel" not in names(pair)
    assert len(names(pair)) == 6


def test_freezing_keeps_paths_and_shares_nothing() -> None:
    pair = Pair()
    pair.trainable = False
    pair([[1.0, 2.0]])
    assert all("frozen" not in path for path in pair.parameters())
    assert not shares_parameters(pair)


@pytest.mark.parametrize("given", [0, "no", None, [False]])
def test_trainable_is_true_or_false(given: Any) -> None:
    layer = cr.Dense(2)
    with pytest.raises(DtypeError) as caught:
        layer.trainable = given
    assert str(caught.value) == f"trainable: got {given!r}; expected True or False."
    layer.trainable = np.bool_(False)  # type: ignore[assignment]
    assert layer.trainable is False


def test_build_is_called_once_with_the_type_of_the_first_input() -> None:
    seen = []

    class Noted(cr.Module):
        def build(self, input_type) -> None:  # type: ignore[no-untyped-def]
            seen.append(str(input_type))

        def forward(self, x: cr.Tensor, training: bool = False) -> cr.Tensor:
            return x * (2.0 if training else 1.0)

    module = Noted()
    assert module([[1.0, 2.0]]).tolist() == [[1.0, 2.0]]
    assert module([1.0], training=True).tolist() == [2.0]
    assert seen == ["float32[1,2]"]
    Noted()([0.0])
    assert seen == ["float32[1,2]", "float32[1]"]


def test_a_failed_build_is_tried_again() -> None:
    layer = cr.Dense(2)
    with pytest.raises(cr.ChainruleError):
        layer(1.0)
    assert layer([1.0, 2.0]).shape == (2,)


def test_without_forward() -> None:
    class Lazy(cr.Module):
        pass

    with pytest.raises(ChainruleError) as caught:
        Lazy()([1.0])
    assert str(caught.value) == "Lazy has no forward(x, training=False)"


# ---------------------------------------------------------------------- what is found in modules


def test_modules_are_found_by_their_path_each_once() -> None:
    block = Block()
    found = block.modules()
    assert list(found) == ["", "inner", "stack.0", "stack.1"]
    assert found[""] is block
    assert found["stack.0"] is block.stack[0]
    shared = cr.Residual(block.stack[0], block.stack[0])
    assert list(shared.modules()) == ["", "layers.0"]


def test_a_module_may_hold_the_one_that_holds_it() -> None:
    class Child(cr.Module):
        def __init__(self, parent: cr.Module) -> None:
            self.parent, self.w = parent, cr.Parameter(1.0)

    class Parent(cr.Module):
        def __init__(self) -> None:
            self.child = Child(self)

    assert list(Parent().parameters()) == ["child.w"]
    assert list(Parent().modules()) == ["", "child"]
    assert not shares_parameters(Parent())


def test_names_are_those_from_the_outermost_module() -> None:
    """Asking a part for its parameters does not rename them; standing elsewhere does."""
    model = cr.Sequential([cr.Dense(2), cr.Residual(cr.Dense(2))])
    model.make_parameters((3,))
    inner = model.layers[1]
    assert list(inner.parameters()) == ["layers.0.kernel", "layers.0.bias"]
    assert [p.name for p in model.trainable_parameters()] == list(model.parameters())
    inner.parameters()
    model.layers[0].parameters()
    assert [p.name for p in inner.parameters().values()] == [
        "layers.1.layers.0.kernel",
        "layers.1.layers.0.bias",
    ]
    elsewhere = cr.Sequential([inner])
    assert [p.name for p in elsewhere.parameters().values()] == list(elsewhere.parameters())


def test_names_do_not_depend_on_when_layers_are_built() -> None:
    one, other = (cr.Sequential([cr.Dense(2), cr.BatchNorm(), cr.Dense(1)]) for _ in range(2))
    one.make_parameters((3,))
    for layer in reversed(other.layers):
        layer(np.zeros((1, 2 if layer is not other.layers[0] else 3), np.float32))
    assert list(one.parameters()) == list(other.parameters())


def test_a_parameter_in_two_places_counts_once() -> None:
    class Tied(cr.Module):
        def __init__(self) -> None:
            self.a = self.b = cr.Parameter([[1.0, 2.0]])

    tied = Tied()
    assert list(tied.parameters()) == ["a"]
    assert tied.weight_matrices() == [tied.a]
    assert tied.penalty(l2=2.0).item() == 5.0
    assert shares_parameters(tied)


def test_sharing_is_noticed_wherever_it_is() -> None:
    layer = cr.Dense(3)
    layer(np.zeros((1, 3)))
    for module in (
        cr.Residual(layer, layer),
        cr.Add([], layer, [cr.Residual(layer)]),
        cr.Sequential([layer, cr.Sequential([layer])]),
    ):
        assert shares_parameters(module)
    assert not shares_parameters(cr.Residual(layer, cr.Activation("tanh")))
    twice = cr.Activation("tanh")  # has none to share
    assert not shares_parameters(cr.Residual(twice, twice))


# ------------------------------------------------------------------------------ the training flag


class Noting(cr.Module):
    """Keeps what it was told; doubles in training."""

    def __init__(self) -> None:
        self.told: list[bool] = []

    def forward(self, x: cr.Tensor, training: bool = False) -> cr.Tensor:
        self.told.append(training)
        return x * (2.0 if training else 1.0)


class Tight(cr.Module):
    """Ten lines that say nothing of training."""

    def __init__(self) -> None:
        self.blocks = [Noting(), cr.Residual(Noting()), {"a": Noting()}]

    def forward(self, x: cr.Tensor) -> cr.Tensor:  # type: ignore[override]
        return self.blocks[2]["a"](self.blocks[1](self.blocks[0](x)))


@pytest.mark.parametrize("training", [True, False])
def test_modules_inside_are_told_by_themselves(training: bool) -> None:
    module = Tight()
    module([1.0], training=training)
    told = [m.told for m in module.modules().values() if isinstance(m, Noting)]
    assert told == [[training]] * 3
    module([1.0])  # and nothing of it stays
    assert [m.told[-1] for m in module.modules().values() if isinstance(m, Noting)] == [False] * 3


def test_what_is_said_inside_goes_before() -> None:
    class Teacher(cr.Module):
        def __init__(self) -> None:
            self.student, self.teacher = Noting(), cr.Sequential([Noting()])

        def forward(self, x: cr.Tensor, training: bool = False) -> cr.Tensor:
            return self.student(x) - self.teacher(x, training=False) + self.student(x)

    module = Teacher()
    assert module([1.0], training=True).tolist() == [3.0]
    assert module.student.told == [True, True]
    inner = module.teacher.layers[0]
    assert isinstance(inner, Noting)
    assert inner.told == [False]


def test_the_flag_is_put_back_after_an_error() -> None:
    class Failing(cr.Module):
        def forward(self, x: cr.Tensor, training: bool = False) -> cr.Tensor:
            raise ValueError("no")

    noting = Noting()
    with pytest.raises(ValueError, match="no"):
        Failing()([1.0], training=True)
    noting([1.0])
    assert noting.told == [False]


def test_threads_have_flags_of_their_own() -> None:
    noting = Noting()

    class Threaded(cr.Module):
        def forward(self, x: cr.Tensor, training: bool = False) -> cr.Tensor:
            thread = threading.Thread(target=noting, args=([1.0],))
            thread.start()
            thread.join()
            return x

    Threaded()([1.0], training=True)
    assert noting.told == [False]


def test_any_keywords_are_a_training_flag_too() -> None:
    class Loose(cr.Module):
        def forward(self, x: cr.Tensor, **options: Any) -> cr.Tensor:  # type: ignore[override]
            return x * (2.0 if options["training"] else 1.0)

    assert Loose()([1.0], training=True).tolist() == [2.0]


def test_a_users_module_of_ten_lines_trains_with_all_of_it() -> None:
    class Net(cr.Model):
        def __init__(self) -> None:
            self.stack = [cr.Dense(8, activation="relu"), cr.BatchNorm(), cr.Dropout(0.2)]
            self.gain = cr.Parameter(1.0)
            self.out = cr.Dense(1)

        def forward(self, x: cr.Tensor) -> cr.Tensor:  # type: ignore[override]
            for layer in self.stack:
                x = layer(x)
            return self.out(x) * self.gain

    cr.random.seed(0)
    x = np.random.default_rng(0).normal(size=(64, 3))
    net = Net()
    net.compile(cr.optim.Adam(0.02), "squared_error")
    history = net.fit(x, x[:, 0], epochs=40, verbose=0)
    assert history.history["loss"][-1] < 0.3 * history.history["loss"][0]
    assert list(net.parameters()) == [
        "stack.0.kernel", "stack.0.bias", "stack.1.gamma", "stack.1.beta", "stack.1.moving_mean",
        "stack.1.moving_variance", "gain", "out.kernel", "out.bias",
    ]  # fmt: skip
    assert net.parameters()["stack.1.moving_mean"].tolist() != [0.0] * 8
    np.testing.assert_array_equal(net.predict(x), net.predict(x))


# --------------------------------------------------------------------------------------- building


def test_parameters_are_made_with_values_inside_a_trace() -> None:
    layer = cr.Dense(3, bias_initializer="normal")
    state = cr.random.default_generator.state.tolist()
    graph = cr.trace(layer)(np.ones((2, 4), "float32"))
    assert cr.random.default_generator.state.tolist() != state  # the draws are real
    assert [p.name for p in graph.parameters] == ["kernel", "bias"]
    assert graph.assigned == ()
    np.testing.assert_allclose(
        graph(np.ones((2, 4), "float32")).numpy(), layer(np.ones((2, 4), "float32")).numpy()
    )


# ------------------------------------------------------------------------------ watching calls


def test_calls_are_watched_outer_ones_first() -> None:
    inner = cr.Dense(4)
    model = cr.Sequential([cr.Residual(inner, inner), cr.Dense(2)])
    with watching() as calls:
        model(np.ones((5, 4)))
    assert [(c.depth, type(c.module).__name__, str(c.output)) for c in calls] == [
        (0, "Sequential", "float32[5,2]"),
        (1, "Residual", "float32[5,4]"),
        (2, "Dense", "float32[5,4]"),
        (2, "Dense", "float32[5,4]"),
        (1, "Dense", "float32[5,2]"),
    ]
    model(np.ones((5, 4)))
    assert len(calls) == 5


def test_watching_ends_with_an_error() -> None:
    with pytest.raises(cr.ChainruleError), watching() as calls:
        cr.Residual(cr.Dense(3))([[1.0, 2.0]])
    assert [c.output is None for c in calls] == [True, False]
    count = len(calls)
    cr.Dense(1)([[1.0]])
    assert len(calls) == count


# ------------------------------------------------------------------- penalties of what is computed


def test_penalties_are_collected_only_where_someone_asks() -> None:
    class Sparse(cr.Module):
        def forward(self, x: cr.Tensor) -> cr.Tensor:  # type: ignore[override]
            cr.add_penalty(0.5 * cr.abs(x).mean())
            return x

    module = cr.Sequential([Sparse(), cr.Residual(Sparse())])
    module([[2.0, -4.0]])
    with collecting_penalties() as found:
        module([[2.0, -4.0]])
        with collecting_penalties() as inner:
            Sparse()([[1.0]])
    assert [p.item() for p in found] == [1.5, 1.5]
    assert [p.item() for p in inner] == [0.5]
    with collecting_penalties() as later:
        pass
    assert later == []


def test_a_penalty_is_one_number() -> None:
    with collecting_penalties(), pytest.raises(ShapeError) as caught:
        cr.add_penalty([1.0, 2.0])
    assert str(caught.value) == "penalty: got shape (2,); expected one number, shape (). Sum it."


@pytest.mark.parametrize("n", [1, 4])
def test_activity_regularizers_take_the_mean_over_samples(n: int) -> None:
    x = np.random.default_rng(0).normal(size=(n, 3))
    layer = cr.Dense(2, activation="tanh", activity_regularizer=cr.regularizers.L1L2(0.1, 0.2))
    with collecting_penalties() as found:
        y = layer(x).numpy()
    wanted = (0.1 * np.abs(y).sum() + 0.2 * (y**2).sum()) / n
    assert [p.item() for p in found] == pytest.approx([wanted], rel=1e-12)
    with collecting_penalties() as empty:
        layer(x[:0])
    assert [p.item() for p in empty] == [0.0]
