"""Training against the lecture's Algorithm 4.1 and its mini-batch form, written out in NumPy."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pytest
import scipy.special

import chainrule as cr
from chainrule.core.types import Array
from chainrule.metrics import Accuracy
from chainrule.training.loop import DivergedError, Tally, batches
from chainrule.training.weights import Samples

Function = Callable[[Array], Array]

SIGMOID = (scipy.special.expit, lambda z: scipy.special.expit(z) * (1 - scipy.special.expit(z)))
F: dict[str, tuple[Function, Function]] = {
    "sigmoid": SIGMOID,
    "tanh": (np.tanh, lambda z: 1 - np.tanh(z) ** 2),
    "relu": (lambda z: np.maximum(0, z), lambda z: (z > 0) * 1.0),
    "softplus": (lambda z: np.logaddexp(0, z), scipy.special.expit),
    "linear": (lambda z: z, np.ones_like),
}


@dataclass
class Problem:
    """Data, a network in the lecture's notation (W[l] is M_l × M_{l-1}), and its loss."""

    x: Array
    y: Array
    f: list[str]
    units: list[int]
    loss: str

    def model(self, seed: int = 0) -> cr.Sequential:
        cr.random.seed(seed)
        layers = [cr.Dense(m, activation=f) for m, f in zip(self.units, self.f, strict=True)]
        model = cr.Sequential(layers, dtype="float64")
        model.make_parameters(self.x.shape[1:])
        # Biases start at zero; here they must show that they are not penalized.
        shift = [np.where(w.ndim == 1, 0.3, 0.0) for w in model.get_weights()]
        model.set_weights([w + s for w, s in zip(model.get_weights(), shift, strict=True)])
        return model

    def error(self, y: Array, a: Array) -> float:
        """The loss of one sample."""
        if self.loss == "cross_entropy":
            return -float(scipy.special.log_softmax(a)[int(y)])
        return float(np.mean((a - y) ** 2))

    def derivative(self, y: Array, a: Array) -> Array:
        """∂L/∂a of the last layer, for one sample."""
        if self.loss == "cross_entropy":
            p = scipy.special.softmax(a)
            p[int(y)] -= 1
            return p
        return 2 * (a - y) / len(a)


RNG = np.random.default_rng(0)
X = RNG.normal(size=(30, 3))
CLASSIFICATION = Problem(
    X, (X[:, 0] * X[:, 1] > 0) + (X[:, 2] > 1) * 1, ["tanh", "relu", "linear"], [5, 4, 3],
    "cross_entropy",
)  # fmt: skip
REGRESSION = Problem(
    X,
    np.stack([np.sin(X[:, 0]), X[:, 1] * X[:, 2]], axis=1),
    ["sigmoid", "softplus", "tanh"],
    [4, 6, 2],
    "squared_error",
)
PROBLEMS = pytest.mark.parametrize("problem", [CLASSIFICATION, REGRESSION], ids=lambda p: p.loss)


def feedforward(x: Array, W: list[Array], b: list[Array], f: list[str]) -> tuple[list, list]:
    """Net inputs z[1..L] and activations a[0..L] of one sample."""
    z, a = [np.empty(0)], [x]
    for l in range(1, len(W)):  # noqa: E741 - the lecture's l
        z.append(W[l] @ a[l - 1] + b[l])
        a.append(F[f[l - 1]][0](z[l]))
    return z, a


def backpropagate(
    problem: Problem, x: Array, y: Array, W: list[Array], b: list[Array]
) -> tuple[float, list[Array], list[Array]]:
    """The loss, the errors δ[1..L] and the activations a[0..L] of one sample."""
    L = len(W) - 1
    z, a = feedforward(x, W, b, problem.f)
    delta: list[Array] = [np.empty(0)] * (L + 1)
    delta[L] = F[problem.f[L - 1]][1](z[L]) * problem.derivative(y, a[L])
    for l in range(L - 1, 0, -1):  # noqa: E741
        delta[l] = F[problem.f[l - 1]][1](z[l]) * (W[l + 1].T @ delta[l + 1])  # (4.63)
    return problem.error(y, a[L]), delta, a


def lecture_form(weights: list[Array]) -> tuple[list[Array], list[Array]]:
    """Keras's order and shapes → W[1..L], b[1..L]."""
    return [np.empty(0), *[k.T.copy() for k in weights[0::2]]], [
        np.empty(0),
        *map(np.copy, weights[1::2]),
    ]


def keras_form(W: list[Array], b: list[Array]) -> list[Array]:
    return [array for l in range(1, len(W)) for array in (W[l].T, b[l])]  # noqa: E741


def permutations(seed: int, n: int) -> Iterator[Array]:
    """The orders that ``fit`` draws after ``cr.random.seed(seed)``."""
    generator = type(cr.random.default_generator)(seed)
    while True:
        yield generator.permutation(n).numpy()


def algorithm_4_1(
    problem: Problem,
    D: tuple[Array, Array],
    weights: list[Array],
    alpha: float,
    lam: float,
    orders: Iterator[Array],
) -> Iterator[tuple[float, list[Array], list[Array]]]:
    """Algorithm 4.1, line by line; yields the mean risk, W and b after each epoch."""
    X, Y = D
    W, b = lecture_form(weights)  # line 1
    L = len(W) - 1
    while True:  # line 2
        order = next(orders)  # line 3
        risks = []
        for n in order:  # line 4
            x, y = X[n], Y[n]  # line 5
            loss, delta, a = backpropagate(problem, x, y, W, b)  # lines 6 and 7
            risks.append(loss + 0.5 * lam * sum((W[l] ** 2).sum() for l in range(1, L + 1)))  # noqa: E741
            dW = [np.outer(delta[l], a[l - 1]) if l else 0 for l in range(L + 1)]  # noqa: E741 - line 8
            db = delta  # line 9
            for l in range(1, L + 1):  # noqa: E741
                W[l] = W[l] - alpha * (dW[l] + lam * W[l])  # line 10
                b[l] = b[l] - alpha * db[l]  # line 11
        yield float(np.mean(risks)), [w.copy() for w in W], [v.copy() for v in b]


def risk_on(problem: Problem, V: tuple[Array, Array], W: list, b: list, lam: float) -> float:
    losses = [problem.error(y, feedforward(x, W, b, problem.f)[1][-1]) for x, y in zip(*V)]  # noqa: B905
    return float(np.mean(losses)) + 0.5 * lam * sum((w**2).sum() for w in W[1:])


class Watch(cr.Callback):
    """Keeps the weights after each epoch."""

    def __init__(self) -> None:
        self.weights: list[list[Array]] = []

    def on_epoch_end(self, epoch: int, logs: object) -> None:
        self.weights.append(self.model.get_weights())


def assert_same(found: list[Array], wanted: list[Array], tolerance: float = 1e-12) -> None:
    assert len(found) == len(wanted)
    for one, other in zip(found, wanted, strict=True):
        assert one.dtype == np.float64
        np.testing.assert_allclose(one, other, rtol=tolerance, atol=tolerance)


@PROBLEMS
@pytest.mark.parametrize("lam", [0.0, 0.01])
def test_single_samples_are_algorithm_4_1(problem: Problem, lam: float) -> None:
    model = problem.model()
    reference = algorithm_4_1(
        problem, (problem.x, problem.y), model.get_weights(), 0.05, lam, permutations(7, 30)
    )
    model.compile(cr.optim.SGD(0.05), problem.loss, l2=lam)
    watch = Watch()
    cr.random.seed(7)
    history = model.fit(problem.x, problem.y, batch_size=1, epochs=4, verbose=0, callbacks=[watch])
    for epoch in range(4):
        risk, W, b = next(reference)
        assert_same(watch.weights[epoch], keras_form(W, b))
        assert history.history["loss"][epoch] == pytest.approx(risk, rel=1e-12)
    assert np.abs(watch.weights[0][0] - watch.weights[3][0]).max() > 0.01  # something happened


@PROBLEMS
def test_until_the_validation_error_no_longer_falls(problem: Problem) -> None:
    D, V = (problem.x[:20], problem.y[:20]), (problem.x[20:], problem.y[20:])
    model = problem.model()
    lam, alpha = 0.001, {"cross_entropy": 0.1, "squared_error": 0.3}[problem.loss]
    errors, results = [], []
    for _, W, b in algorithm_4_1(problem, D, model.get_weights(), alpha, lam, permutations(3, 20)):
        errors.append(risk_on(problem, V, W, b, lam))
        results.append(keras_form(W, b))
        if len(errors) > 1 and errors[-1] >= errors[-2]:  # line 13
            break
    assert len(errors) > 2  # it fell before it rose
    model.compile(cr.optim.SGD(alpha), problem.loss, l2=lam)
    stopping = cr.EarlyStopping(patience=0)
    cr.random.seed(3)
    history = model.fit(
        *D,
        batch_size=1,
        epochs=1000,
        validation_data=V,
        callbacks=[stopping],
        verbose=0,
    )
    np.testing.assert_allclose(history.history["val_loss"], errors, rtol=1e-11)
    assert stopping.stopped_epoch == len(errors) - 1
    assert stopping.best_epoch == len(errors) - 2
    assert stopping.best == min(history.history["val_loss"])
    assert_same(model.get_weights(), results[-2], tolerance=1e-11)  # the best weights


@PROBLEMS
@pytest.mark.parametrize("batch_size", [7, 10, 30, 64])
@pytest.mark.parametrize("shuffle", [True, False])
def test_mini_batches_take_the_mean_of_their_samples(
    problem: Problem, batch_size: int, shuffle: bool
) -> None:
    n, alpha, lam = 30, 0.1, 0.02
    model = problem.model()
    W, b = lecture_form(model.get_weights())
    L = len(W) - 1
    model.compile(cr.optim.SGD(alpha), problem.loss, l2=lam)
    watch = Watch()
    cr.random.seed(11)
    history = model.fit(
        problem.x,
        problem.y,
        batch_size=batch_size,
        epochs=3,
        shuffle=shuffle,
        verbose=0,
        callbacks=[watch],
    )
    orders = permutations(11, n)
    sizes = []
    for epoch in range(3):
        order = next(orders) if shuffle else np.arange(n)
        total = 0.0
        for start in range(0, n, batch_size):
            rows = order[start : start + batch_size]
            sizes.append(len(rows))
            samples = [backpropagate(problem, problem.x[i], problem.y[i], W, b) for i in rows]
            penalty = 0.5 * lam * sum((w**2).sum() for w in W[1:])
            total += sum(loss for loss, _, _ in samples) + len(rows) * penalty
            for l in range(1, L + 1):  # noqa: E741
                dW = np.mean([np.outer(d[l], a[l - 1]) for _, d, a in samples], axis=0)
                db = np.mean([d[l] for _, d, _ in samples], axis=0)
                W[l] = W[l] - alpha * (dW + lam * W[l])
                b[l] = b[l] - alpha * db
                # The layers above have used W[l] already: δ of all layers came first.
        assert_same(watch.weights[epoch], keras_form(W, b))
        assert history.history["loss"][epoch] == pytest.approx(total / n, rel=1e-12)
    assert (min(sizes) < batch_size) == (n % batch_size != 0)


def test_every_epoch_has_an_order_of_its_own() -> None:
    seen: list[list[float]] = []

    def spying(y: cr.Tensor, prediction: cr.Tensor) -> cr.Tensor:
        seen.append(y.numpy().ravel().tolist())
        return cr.square(prediction - y).mean(axis=1)

    x = np.arange(12.0)[:, None] / 12
    model = cr.Sequential([cr.Dense(1)])
    model.compile("sgd", spying, run_eagerly=True)
    orders = []
    for shuffle in (True, False):
        seen.clear()
        model.fit(x, x, batch_size=5, epochs=2, shuffle=shuffle, verbose=0)
        given = [len(batch) for batch in seen]
        assert given == [5, 5, 2] * 2
        orders += [sum(seen[:3], []), sum(seen[3:], [])]  # noqa: RUF017
    plain = x.astype(np.float32).ravel().tolist()
    assert all(sorted(order) == plain for order in orders)
    assert orders[0] != orders[1]
    assert plain not in orders[:2]
    assert orders[2:] == [plain, plain]


def test_same_seed_same_weights_bit_for_bit() -> None:
    results = []
    for seed in (5, 5, 6):
        cr.random.seed(seed)
        model = cr.Sequential([cr.Dense(6, activation="relu"), cr.Dense(3)])
        model.compile("adam", "cross_entropy", ["accuracy"], l2=1e-3)
        history = model.fit(
            CLASSIFICATION.x, CLASSIFICATION.y, batch_size=4, epochs=3, verbose=0,
            validation_split=0.2,
        )  # fmt: skip
        results.append((model.get_weights(), history.history))
    for one, other in zip(results[0][0], results[1][0], strict=True):
        np.testing.assert_array_equal(one, other)
    assert results[0][1] == results[1][1]
    assert (results[0][0][0] != results[2][0][0]).any()


def test_frozen_parameters_stay() -> None:
    model = CLASSIFICATION.model()
    frozen = model.layers[0]
    assert isinstance(frozen, cr.Dense)
    assert frozen.kernel is not None
    frozen.kernel.trainable = False
    before = dict(zip(model.parameters(), model.get_weights(), strict=True))
    model.compile(cr.optim.SGD(0.1), "cross_entropy", l2=0.1)
    model.fit(CLASSIFICATION.x, CLASSIFICATION.y, verbose=0)
    after = dict(zip(model.parameters(), model.get_weights(), strict=True))
    changed = {name for name in before if (before[name] != after[name]).any()}
    assert changed == set(before) - {"layers.0.kernel"}


def test_parameters_that_the_loss_does_not_reach_stay() -> None:
    class Half(cr.Model):
        dtype = np.dtype("float32")

        def __init__(self) -> None:
            self.used, self.unused = cr.Dense(1), cr.Dense(1)

        def forward(self, x: cr.Tensor, training: bool = False) -> cr.Tensor:
            self.unused(x)
            return self.used(x)

    model = Half()
    model.compile("adam", "squared_error")
    model.make_parameters((3,))
    before = model.unused.parameters()["kernel"].numpy()
    model.fit(np.ones((4, 3)), np.ones(4), verbose=0)
    np.testing.assert_array_equal(model.unused.parameters()["kernel"].numpy(), before)


@pytest.mark.parametrize("loss", ["squared_error", "cross_entropy"])
@pytest.mark.parametrize("activation", ["relu", "tanh", "elu", "softplus"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("rate", [1e6, 1e30])
def test_divergence_is_said_or_survived(
    loss: str, activation: str, dtype: str, rate: float
) -> None:
    """A rate far too high gives the error below or finite losses, and never a warning."""
    cr.random.seed(0)
    units = 3 if loss == "cross_entropy" else 1
    model = cr.Sequential([cr.Dense(8, activation=activation), cr.Dense(units)], dtype=dtype)
    model.compile(cr.optim.SGD(rate), loss)
    y = np.arange(30) % 3
    try:
        history = model.fit(X, y, epochs=100, verbose=0, validation_split=0.3)
    except DivergedError:
        return
    assert np.isfinite(history.history["loss"]).all()


def test_the_text_of_divergence() -> None:
    cr.random.seed(0)
    model = cr.Sequential([cr.Dense(8, activation="relu"), cr.Dense(1)])
    model.compile(cr.optim.SGD(1e6), "squared_error")
    with pytest.raises(DivergedError) as caught:
        model.fit(X, X[:, 0], batch_size=10, epochs=10, verbose=0)
    text = str(caught.value)
    assert text.startswith("the loss became inf in epoch 1, batch 3: training has diverged. ")
    assert text.endswith(
        "The usual cause is a learning rate that is too high (it is 1e+06; try a tenth of it), "
        "the next one inputs that are not scaled."
    )
    assert isinstance(caught.value, cr.ChainruleError)


def test_divergence_goes_back_to_the_best_weights() -> None:
    class Faster(cr.Callback):
        def on_epoch_end(self, epoch: int, logs: object) -> None:
            if epoch == 2:
                self.model.compiled().optimizer.learning_rate = 1e200

    cr.random.seed(0)
    model = cr.Sequential([cr.Dense(4, activation="tanh"), cr.Dense(1)], dtype="float64")
    model.compile(cr.optim.SGD(0.01), "squared_error")
    watch, stopping = Watch(), cr.EarlyStopping(monitor="loss")
    callbacks = [watch, Faster(), stopping]
    with pytest.raises(DivergedError, match=r"^the loss became (inf|nan) in epoch 4, batch 2: "):
        model.fit(X, X[:, 0], batch_size=10, epochs=50, verbose=0, callbacks=callbacks)
    assert stopping.best_epoch == 2
    assert_same(model.get_weights(), watch.weights[2], tolerance=0)


def test_batches() -> None:
    assert list(batches(7, 3)) == [slice(0, 3), slice(3, 6), slice(6, 7)]
    assert list(batches(6, 3)) == [slice(0, 3), slice(3, 6)]
    assert list(batches(2, 5)) == [slice(0, 2)]
    assert list(batches(0, 5)) == []


def test_tally() -> None:
    tally = Tally([Accuracy()], prefix="val_")
    assert np.isnan(list(tally.logs().values())).all()

    def samples(*y: int) -> Samples:
        return Samples(np.zeros((len(y), 1)), np.array(y))

    tally.add([1.0], 2, samples(0, 1), np.eye(2))
    tally.add([4.0], 2, samples(1), np.array([[1.0, 0.0]]))
    assert tally.logs() == {"val_loss": 2.0, "val_accuracy": pytest.approx(2 / 3)}
