"""What a model does with a batch: one update, one measurement, one prediction; compiled or not."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from functools import reduce
from types import FunctionType
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.compiler.function import CompiledFunction
from chainrule.compiler.report import Explanation
from chainrule.compiler.surroundings import Surroundings, snapshot
from chainrule.core.errors import ShapeError, TracingError
from chainrule.core.tensor import Tensor, known
from chainrule.core.types import Array
from chainrule.native.unsupported import UnsupportedError
from chainrule.nn.module import collecting_penalties
from chainrule.ops.elementwise import add
from chainrule.ops.reduce import mean
from chainrule.training.weights import Samples

if TYPE_CHECKING:
    from chainrule.compiler.compilation import Compilation
    from chainrule.native.training import TrainingLoop
    from chainrule.training.machine import MachineEpochs
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


#: What to do where a model's code needs values.
HOW_TO_RUN_IT = (
    "The model is compiled into a static graph. With model.compile(..., run_eagerly=True) its code "
    "runs as ordinary Python, batch by batch."
)


class Steps:
    """The functions of a model on batches, as they stand: a change of the model makes new ones.

    Args:
        model: the network.
        setup: what it was compiled with.
        previous: the same for the model as it was before, if it was compiled.
    """

    #: Why the functions are compiled at their first calls.
    _why: Sequence[str] = ("the first call",)

    def __init__(self, model: Model, setup: Compiled, previous: Steps | None = None) -> None:
        self.model, self.setup = model, setup
        self._watch = _Watch(model, setup)
        #: What was compiled for the model as it was before.
        self.earlier: dict[str, list[dict[str, Any]]] = {}
        if previous is not None:
            self._why = previous.changes() or self._why
            self.earlier = {
                name: [*previous.earlier.get(name, ()), *f.explain()["compilations"]]
                for name, f in previous.compiled.items()
            }
        #: Training loops as machine code, by the size of their batches, and what they are made of.
        self.loops: dict[int, tuple[TrainingLoop, Compilation]] = {}
        #: What made the updates of the latest training.
        self.last_updates: Updates | None = None
        #: The static graphs; none where the dynamic one is run.
        self.compiled: dict[str, CompiledFunction] = {}
        self._risk = self._made("risk", self._compute_risk)
        is_traceable = setup.optimizer.is_traceable
        self._update = self._made("update", self._compute_update, is_traceable)
        self._measure = self._made("measure", self._compute_measure)

    def _made(self, name: str, f: Callable[..., Any], is_traceable: bool = True) -> Any:
        if self.setup.run_eagerly or not is_traceable:
            return f
        made = CompiledFunction(f, is_recorded=name == "risk", why=self._why)
        made.__name__ = f"{name} of {type(self.model).__name__}"
        self.compiled[name] = made
        return made

    @property
    def still_hold(self) -> bool:
        """Whether the model is as it was: no layer, setting or trained parameter is another."""
        return not self.changes()

    def changes(self) -> list[str]:
        """Say what of the model is not as it was."""
        return self._watch.changes()

    def explain(self) -> dict[str, Explanation]:
        """Say what was compiled for ``fit`` and ``evaluate``, and what runs it."""
        found: dict[str, Explanation] = {}
        for name, key in (("fit", "update"), ("fit", "risk"), ("evaluate", "measure")):
            if key in self.compiled and name not in found:
                each = self.compiled[key].explain()
                each["compilations"] = [*self.earlier.get(key, ()), *each["compilations"]]
                if each["compilations"]:
                    found[name] = each
        if "fit" in found and self.last_updates is not None:
            reason = self.last_updates.why_not_native
            found["fit"]["engine"] = "numpy" if reason else "native"
            found["fit"]["why_not_native"] = reason
        return found

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

    def updates(self, data: Samples, batch_size: int, epochs: int) -> Updates:
        """Return what makes the updates of epochs; see ``Updates``."""
        self.last_updates = Updates(self, data, batch_size, epochs)
        return self.last_updates

    def update(self, x: Array, y: Array, weight: Array | None = None) -> tuple[float, Array]:
        """Make one update: forward, backward, and the optimizer's step.

        Returns:
            The risk and the network's output, both before the update.
        """
        self.setup.optimizer.prepare_step()
        value, prediction = _explained(self._update, *_tensors(x, y, weight))
        self._watch.settle()
        return float(value.item()), known(prediction, "training")

    def measure(
        self, x: Array, y: Array, weight: Array | None = None
    ) -> tuple[float, float, Array]:
        """Return the mean loss, what ``add_penalty`` added, and the network's output."""
        loss, penalties, prediction = _explained(self._measure, *_tensors(x, y, weight))
        self._watch.settle()
        penalty = sum(float(p.item()) for p in penalties)
        return float(loss.item()), penalty, known(prediction, "evaluate")


class Updates:
    """The updates of epochs: as machine code where that pays, else batch by batch.

    Args:
        steps: the model's functions on batches.
        data: samples, targets and weights.
        batch_size: samples an update.
        epochs: how often the samples will be gone through.

    Attributes:
        why_not_native: why it is not machine code, or nothing.
    """

    def __init__(self, steps: Steps, data: Samples, batch_size: int, epochs: int) -> None:
        self._steps, self._data, self._batch_size = steps, data, batch_size
        self._machine: MachineEpochs | None = None
        self.why_not_native = ""
        from chainrule.training.machine import MachineEpochs  # the compiler, when first needed

        try:
            self._machine = MachineEpochs(steps, data, batch_size, epochs)
        except UnsupportedError as reason:
            self.why_not_native = str(reason)
        except (IndexError, KeyError, RuntimeError, TypeError) as error:
            # A mistake in the compiler: training goes on, and it is said.
            self.why_not_native = f"the compiler failed ({type(error).__name__}: {error})"
            warnings.warn(
                f"machine code for this model could not be made: {self.why_not_native}. It trains "
                "on NumPy. Please report this.",
                stacklevel=3,
            )

    @property
    def still_hold(self) -> bool:
        """Whether the model is as it was."""
        return self._steps.still_hold

    def run(self, order: Array, each: bool = False) -> Iterator[tuple[slice, Any, Array]]:
        """Update once a batch.

        Args:
            order: the samples, in the order in which they are gone through.
            each: whether to stop after each batch.

        Yields:
            A stretch of the order, the loss of each batch in it, and the prediction for each of
            its samples. A loss that is not finite is the last.
        """
        if self._machine is not None:
            yield from self._machine.run(order, each)
            return
        for start in range(0, len(order), self._batch_size):
            place = slice(start, min(start + self._batch_size, len(order)))
            batch = self._data[order[place]]
            # An overflow shows in the loss, which is looked at; NumPy need not warn of it.
            with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
                loss, prediction = self._steps.update(batch.x, batch.y, batch.weight)
            yield place, [loss], prediction


class Forward:
    """A model's prediction on batches, as it stands."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self._watch = _Watch(model, None)
        self._runs_eagerly = model.runs_eagerly
        self.compiled = (
            None if self._runs_eagerly else CompiledFunction(self._compute, is_recorded=False)
        )
        if self.compiled is not None:
            self.compiled.__name__ = f"prediction of {type(model).__name__}"

    def _compute(self, x: Tensor) -> Tensor:
        return self.model(x)

    @property
    def still_holds(self) -> bool:
        """Whether the model is as it was."""
        return self._runs_eagerly == self.model.runs_eagerly and not self._watch.changes()

    def __reduce__(self) -> Any:
        return (type(None), ())

    def __call__(self, x: Array) -> Array:
        """Return the network's output."""
        found = known(_explained(self.compiled or self._compute, Tensor(x)), "predict")
        self._watch.settle()
        return found


class ModelExplanation(dict[str, Explanation]):
    """What of a model was compiled and why; ``print`` shows it as text."""

    def __str__(self) -> str:
        if not self:
            return (
                "Nothing is compiled: fit, evaluate and predict were not called, or are run "
                "eagerly (run_eagerly=True)."
            )
        return "\n\n".join(f"{name}: {found}" for name, found in self.items())

    __repr__ = __str__

    def _repr_html_(self) -> str:
        import html

        return f"<pre>{html.escape(str(self))}</pre>"


def _tensors(x: Array, y: Array, weight: Array | None) -> tuple[Tensor, Tensor, Tensor | None]:
    return Tensor(x), Tensor(y), None if weight is None else Tensor(weight)


def _explained(f: Callable[..., Any], *args: Any) -> Any:
    try:
        return f(*args)
    except TracingError as error:
        error.add_note(HOW_TO_RUN_IT)
        raise


# What a compiled step depends on ---------------------------------------------------------------


def _state(model: Model, setup: Compiled | None) -> dict[str, Any]:
    """Return what of a model goes into its graphs beside its parameters' values, by name."""
    found: dict[str, Any] = {}
    for path, module in model.modules().items():
        for name, value in vars(module).items():
            if name not in module.kept_aside:
                found[f"{path}.{name}".lstrip(".")] = snapshot(value)
    for path, parameter in model.parameters().items():
        found[f"{path}, trained"] = (id(parameter), parameter.trainable)
    if setup is not None:
        found["l2"], found["run_eagerly"] = setup.l2, setup.run_eagerly
        loss, optimizer = setup.loss, setup.optimizer
        found |= {"loss": snapshot(loss), "optimizer": snapshot(optimizer)}
        found |= {f"loss.{name}": snapshot(value) for name, value in vars(loss).items()}
        for name in (*optimizer.arguments, *optimizer.options, "schedule"):
            found[f"optimizer.{name}"] = snapshot(getattr(optimizer, name))
    return found


def _changes(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """Name what differs between two states of a model."""
    names = dict.fromkeys([*before, *now])
    return [f"{name} has changed" for name in names if before.get(name) != now.get(name)]


def _functions(model: Model, setup: Compiled | None) -> list[Any]:
    """Return the functions of the user's that a model calls."""
    things = [*model.modules().values(), *([setup.loss] if setup is not None else [])]
    found = [value for thing in things for value in vars(thing).values()]
    return [value for value in found if isinstance(value, FunctionType)]


class _Watch:
    """A model as it stands, to see whether it does so still."""

    def __init__(self, model: Model, setup: Compiled | None) -> None:
        self._model, self._setup = model, setup
        self._state = _state(model, setup)
        self._surroundings = Surroundings(_functions(model, setup))
        self._is_settled = False

    def settle(self) -> None:
        """After the first trace: stop watching what tracing itself changed, and say so."""
        if self._is_settled or self._model.runs_eagerly:
            return
        self._is_settled = True
        now = _state(self._model, self._setup)
        changed = [n for n in now if n in self._state and self._state[n] != now[n]]
        changed += self._surroundings.settle()
        self._state = now
        for name in changed:
            self._state.pop(name, None)
        self._dropped = set(changed)
        if changed:
            warnings.warn(
                f"the model changes {', '.join(changed)} while it is traced into a static graph, "
                "which keeps the value of now. Use a cr.Parameter for what changes from batch to "
                "batch, or compile with run_eagerly=True.",
                stacklevel=2,
            )

    def changes(self) -> list[str]:
        """Say what is not as it was."""
        now = _state(self._model, self._setup)
        for name in self._dropped if self._is_settled else ():
            now.pop(name, None)
        return _changes(self._state, now) + self._surroundings.changed()
