"""What a model does with a batch: one update, one measurement, one prediction; compiled or not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import reduce
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.compiler.function import CompiledFunction
from chainrule.compiler.report import Explanation
from chainrule.core.errors import ShapeError, TracingError
from chainrule.core.tensor import Parameter, Tensor, known
from chainrule.core.types import Array
from chainrule.nn.module import Module, collecting_penalties
from chainrule.ops.elementwise import add
from chainrule.ops.reduce import mean

if TYPE_CHECKING:
    from chainrule.training.model import Compiled, Model


def mean_loss(setup: Compiled, y: Tensor, prediction: Tensor, weight: Tensor | None) -> Tensor:
    """Return a batch's mean loss: ``(1/n) Σ w L``, with w = 1 where there are no weights.

    As in Keras, it is divided by the number of samples and not by the sum of their weights.

    Raises:
        ShapeError: weights for a loss that is a mean already.
    """
    losses = setup.loss(y, prediction)
    if weight is None:
        return mean(losses)
    if losses.shape != weight.shape:
        raise ShapeError(
            f"result of the loss {setup.loss.name!r}",
            f"shape {losses.shape}, and weights of samples",
            f"one number a sample, shape {weight.shape}",
        )
    return mean(losses * weight)


class Steps:
    """The functions of a model on batches, as they stand: a change of the model makes new ones.

    Args:
        model: the network.
        setup: what it was compiled with.
    """

    def __init__(self, model: Model, setup: Compiled) -> None:
        self.model, self.setup = model, setup
        self._state = _state(model, setup)
        #: The static graphs; none where the dynamic one is run.
        self.compiled: dict[str, CompiledFunction] = {}
        self._risk = self._made("risk", self._compute_risk)
        is_traceable = setup.optimizer.is_traceable
        self._update = self._made("update", self._compute_update, is_traceable)
        self._measure = self._made("measure", self._compute_measure)

    def _made(self, name: str, f: Callable[..., Any], is_traceable: bool = True) -> Any:
        if self.setup.run_eagerly or not is_traceable:
            return f
        self.compiled[name] = CompiledFunction(f, is_recorded=name == "risk")
        return self.compiled[name]

    @property
    def still_hold(self) -> bool:
        """Whether the model is as it was: no layer, setting or trained parameter is another."""
        return self._state == _state(self.model, self.setup)

    def __reduce__(self) -> Any:  # of a copied or pickled model
        return (type(None), ())

    # What happens ---------------------------------------------------------------------------

    def _compute_risk(self, x: Tensor, y: Tensor, weight: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return the risk, the lecture's: mean loss + ½ λ ‖W‖²_F, and what regularizers add."""
        with collecting_penalties() as penalties:
            prediction = self.model(x, training=True)
        loss = mean_loss(self.setup, y, prediction, weight)
        return reduce(add, penalties, loss) + self.model.penalty(self.setup.l2), prediction

    def _compute_update(self, x: Tensor, y: Tensor, weight: Tensor | None) -> tuple[Tensor, Tensor]:
        predictions: list[Tensor] = []

        def risk() -> Tensor:  # L-BFGS evaluates it several times
            value: Tensor
            value, prediction = self._risk(x, y, weight)
            predictions.append(prediction)
            return value

        parameters = self.model.trainable_parameters()
        value = self.setup.optimizer.minimize(risk, parameters)
        for parameter in parameters:
            parameter.grad = None
        return value, predictions[0]

    def _compute_measure(
        self, x: Tensor, y: Tensor, weight: Tensor | None
    ) -> tuple[Tensor, list[Tensor], Tensor]:
        with collecting_penalties() as penalties:
            prediction: Tensor = self.model(x)
        return mean_loss(self.setup, y, prediction, weight), penalties, prediction

    # What the loop calls --------------------------------------------------------------------

    def update(self, x: Array, y: Array, weight: Array | None = None) -> tuple[float, Array]:
        """Make one update: forward, backward, and the optimizer's step.

        Returns:
            The risk and the network's output, both before the update.
        """
        self.setup.optimizer.prepare_step()
        value, prediction = _explained(self._update, *_tensors(x, y, weight))
        return float(value.item()), known(prediction, "training")

    def measure(
        self, x: Array, y: Array, weight: Array | None = None
    ) -> tuple[float, float, Array]:
        """Return the mean loss, what ``add_penalty`` added, and the network's output."""
        loss, penalties, prediction = _explained(self._measure, *_tensors(x, y, weight))
        penalty = sum(float(p.item()) for p in penalties)
        return float(loss.item()), penalty, known(prediction, "evaluate")


class Forward:
    """A model's prediction on batches, as it stands."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self._state = self._current()
        eagerly = model.setup is not None and model.setup.run_eagerly
        self.compiled = None if eagerly else CompiledFunction(self._compute, is_recorded=False)

    def _compute(self, x: Tensor) -> Tensor:
        return self.model(x)

    @property
    def still_holds(self) -> bool:
        """Whether the model is as it was."""
        return self._state == self._current()

    def _current(self) -> tuple[Any, ...]:
        setup = self.model.setup
        return (setup is not None and setup.run_eagerly, *_state(self.model, None))

    def __reduce__(self) -> Any:
        return (type(None), ())

    def __call__(self, x: Array) -> Array:
        """Return the network's output."""
        return known(_explained(self.compiled or self._compute, Tensor(x)), "predict")


class ModelExplanation(dict[str, Explanation]):
    """What of a model was compiled and why; ``print`` shows it as text."""

    def __str__(self) -> str:
        if not self:
            return "Nothing is compiled: call fit, evaluate or predict first."
        return "\n\n".join(f"{name}: {found}" for name, found in self.items())


def _tensors(x: Array, y: Array, weight: Array | None) -> tuple[Tensor, Tensor, Tensor | None]:
    return Tensor(x), Tensor(y), None if weight is None else Tensor(weight)


def _explained(f: Callable[..., Any], *args: Any) -> Any:
    try:
        return f(*args)
    except TracingError as error:
        error.add_note(
            "The model is compiled into a static graph. With model.compile(..., run_eagerly=True) "
            "its code runs as ordinary Python, batch by batch."
        )
        raise


# What a compiled step depends on ---------------------------------------------------------------

_PLAIN = (int, float, str, bool, bytes, type(None), np.dtype)


def _state(model: Model, setup: Compiled | None) -> tuple[Any, ...]:
    """Return what of a model goes into its graphs beside its parameters' values."""
    found: list[Any] = [id(setup)]
    for path, module in model.modules().items():
        found += [path, id(module), module.trainable, *_settings(module)]
    found += [(id(p), p.trainable) for p in model.parameters().values()]
    if setup is not None:
        found += [setup.l2, setup.run_eagerly, id(setup.loss), id(setup.optimizer)]
        found += [*_settings(setup.loss), *_settings(setup.optimizer)]
        found.append(id(setup.optimizer.schedule))
    return tuple(found)


def _settings(thing: Any) -> Iterator[Any]:
    for name, value in vars(thing).items():
        if not name.startswith("_") and name not in ("setup", "stop_training", "history"):
            yield name, _setting(value)


def _setting(value: Any) -> Any:
    if isinstance(value, _PLAIN):
        return value
    if isinstance(value, list | tuple):
        return tuple(_setting(part) for part in value)
    return None if isinstance(value, Parameter | Module | np.ndarray | dict) else id(value)
