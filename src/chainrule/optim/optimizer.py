"""What optimizers have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar, TypedDict

import numpy as np

from chainrule.core.errors import ArgumentError, ShapeError, nearest
from chainrule.core.keywords import Explained
from chainrule.core.mode import no_grad, part
from chainrule.core.tensor import Parameter, Tensor
from chainrule.core.types import Array, Dtype
from chainrule.ops.creation import full
from chainrule.optim.arguments import checked, float64, positive
from chainrule.optim.clipping import clip_by_global_norm, clip_by_norm, clip_by_value
from chainrule.optim.schedules import Rate, Schedule, as_schedule

__all__ = [
    "Clipping",
    "Optimizer",
    "Options",
    "by_path",
    "check_arrays",
    "checked",
    "differentiate",
    "float64",
    "slot",
]


class Clipping(TypedDict, total=False):
    """How gradients are clipped; see ``Optimizer``."""

    clipnorm: float | None
    global_clipnorm: float | None
    clipvalue: float | None


class Options(Clipping, total=False):
    """What every optimizer takes beside its own arguments; see ``Optimizer``."""

    weight_decay: float | None


class Optimizer(Explained):
    """A rule that changes parameters, given their gradients.

    A subclass writes ``update``; where it keeps state for each parameter also ``slots``, and where
    all parameters share numbers in a step, ``numbers``.

    The learning rate, the step counter and the state are parameters themselves, so that a
    compiled step takes them as inputs.

    Args:
        learning_rate: size of a step, α: a number, a schedule of ``optim.schedules``, or a
            function that is given the number of steps made so far (an int) and returns α.
        weight_decay: λ of decoupled weight decay: before its update, each weight shrinks by
            ``w ← w - α λ w``, apart from its gradient. Weights are parameters with at least two
            axes; biases, scales and other vectors are left alone.
        clipnorm: each gradient is shortened to this norm where it is longer.
        global_clipnorm: all gradients, as one vector, are shortened to this norm.
        clipvalue: every element of the gradients is limited to at most this size.

    Attributes:
        weight_decay, clipnorm, global_clipnorm, clipvalue: as given.

    Raises:
        ArgumentError: a number out of range; more than one kind of clipping.

    Source: Loshchilov and Hutter, arXiv 1711.05101 (decoupled weight decay; multiplied by α, as in
    Keras and PyTorch, so that a schedule scales both).
    """

    name: str
    hands_options_up = True
    #: Whether each step needs all samples at once.
    full_batch: ClassVar[bool] = False
    #: Whether a step can be traced: its Python code asks for no values.
    is_traceable: ClassVar[bool] = True
    #: Arguments of the constructor after the learning rate, each kept under its own name.
    arguments: ClassVar[tuple[str, ...]] = ()
    #: Further ones, which are written down only where they are set.
    options: ClassVar[tuple[str, ...]] = (
        "weight_decay",
        "clipnorm",
        "global_clipnorm",
        "clipvalue",
    )

    def __init__(
        self,
        learning_rate: Rate,
        *,
        weight_decay: float | None = None,
        clipnorm: float | None = None,
        global_clipnorm: float | None = None,
        clipvalue: float | None = None,
    ) -> None:
        self._schedule: Schedule | None = None
        self._learning_rate = Parameter(float64(0.0), "learning_rate", trainable=False)
        self._step = Parameter(float64(0.0), "step", trainable=False)
        self.learning_rate = learning_rate
        self.weight_decay = None if weight_decay is None else checked("weight_decay", weight_decay)
        clips = {"clipnorm": clipnorm, "global_clipnorm": global_clipnorm, "clipvalue": clipvalue}
        given = {name: value for name, value in clips.items() if value is not None}
        if len(given) > 1:
            raise ArgumentError(
                " and ".join(given),
                ", ".join(map(repr, given.values())),
                "one kind of clipping at most",
            )
        self.clipnorm = None if clipnorm is None else positive("clipnorm", clipnorm)
        self.global_clipnorm = (
            None if global_clipnorm is None else positive("global_clipnorm", global_clipnorm)
        )
        self.clipvalue = None if clipvalue is None else positive("clipvalue", clipvalue)
        self._state: dict[Parameter, tuple[Parameter, ...]] = {}
        # What the parameters share in the present step: float64, then once in each dtype.
        self._numbers: tuple[Tensor, ...] = (self._learning_rate.value,)
        self._cast: dict[Dtype, tuple[Tensor, ...]] = {}

    # What users call ------------------------------------------------------------------------

    @property
    def learning_rate(self) -> float:
        """Size of the next step, α; a number, schedule or function may be set at any time."""
        if self._schedule is None:
            return float(self._learning_rate.item())
        return float(self._schedule(self._step).item())

    @learning_rate.setter
    def learning_rate(self, value: Rate) -> None:
        schedule = as_schedule(value)
        if isinstance(schedule, float):
            self._learning_rate.assign(float64(schedule))
            self._schedule = None
        else:
            self._schedule = schedule

    @property
    def schedule(self) -> Schedule | None:
        """What computes the learning rate from the step, or ``None`` if it is a number."""
        return self._schedule

    @property
    def parameters(self) -> list[Parameter]:
        """The parameters that it has changed so far."""
        return list(self._state)

    def check_owner(self, parameters: Iterable[Parameter]) -> None:
        """Refuse to go on with other parameters than those that it has changed so far.

        The step counter, with the schedule, and what is kept for each parameter belong to those.

        Args:
            parameters: those of the model that it is for now.

        Raises:
            ArgumentError: it has changed others.

        >>> import chainrule as cr
        >>> w, optimizer = cr.Parameter([1.0], name="w"), cr.optim.SGD(0.1)
        >>> optimizer.apply([w], [cr.tensor([2.0])])
        >>> optimizer.check_owner([w])
        """
        if not set(self.parameters) <= set(parameters):
            n, kind = self.iterations, type(self).__name__
            raise ArgumentError(
                "optimizer",
                f"a {kind} that has made {n} step{'s' * (n != 1)} on other parameters",
                "one for each model: its step counter and its state belong to those parameters",
                f"Make a new one, such as cr.optim.{kind}(...), or give the name {self.name!r}.",
            )

    @property
    def iterations(self) -> int:
        """Number of steps made so far."""
        return int(self._step.item())

    def apply(self, parameters: Sequence[Parameter], gradients: Sequence[Tensor]) -> None:
        """Change the parameters by one step.

        Args:
            parameters: what to change.
            gradients: one for each, of its shape.
        """
        with no_grad(), part("update"):
            pairs = list(zip(parameters, self._clipped(gradients), strict=True))
            self._begin_step()
            for parameter, gradient in pairs:
                state = self._state.get(parameter)
                if state is None:
                    state = self._state[parameter] = self.slots(parameter)
                if self.weight_decay and parameter.ndim > 1:
                    shrink = self.rate(parameter) * self.weight_decay
                    parameter.assign(parameter - parameter * shrink)
                self.update(parameter, gradient, *state)
            # They are this step's alone; while tracing, they have no values.
            self._numbers, self._cast = (), {}

    def minimize(self, loss: Callable[[], Tensor], parameters: Sequence[Parameter]) -> Tensor:
        """Make one step on a function of the parameters: evaluate, differentiate, apply.

        Args:
            loss: returns one number, computed from the parameters.
            parameters: what to change. Their ``grad`` is the gradient of this step afterwards.

        Returns:
            The function's value before the step.

        >>> import chainrule as cr
        >>> w = cr.Parameter(3.0)
        >>> cr.optim.SGD(0.25).minimize(lambda: w * w, [w])
        Tensor(9., dtype=float32)
        >>> w.item()
        1.5
        """
        value = differentiate(loss, parameters)
        reached = [(p, p.grad) for p in parameters if p.grad is not None]
        self.apply([p for p, _ in reached], [g for _, g in reached])
        return value

    def prepare_step(self) -> None:
        """Compute the learning rate of the next step where Python code does so.

        ``apply`` calls it. A graph into which a step was traced cannot: whoever runs one calls
        this before each run.
        """
        if self._schedule is not None and self._schedule.is_python:
            self._learning_rate.assign(self._schedule(self._step))

    # What subclasses write ------------------------------------------------------------------

    def slots(self, parameter: Parameter) -> tuple[Parameter, ...]:
        """Return the state that is kept for one parameter, made by ``slot``."""
        return ()

    def numbers(self, rate: Tensor, t: Tensor) -> tuple[Tensor, ...]:
        """Return what all parameters share in a step; computed once, in float64.

        Args:
            rate: α of the step.
            t: number of the step, from 1.
        """
        return ()

    def update(self, parameter: Parameter, gradient: Tensor, *state: Parameter) -> None:
        """Change one parameter and its state."""
        raise NotImplementedError

    def shared_state(self) -> dict[str, Parameter]:
        """Return the state that belongs to no parameter alone, by name."""
        return {"step": self._step, "learning_rate": self._learning_rate}

    def rate(self, parameter: Parameter) -> Tensor:
        """Return α of the step in the parameter's dtype."""
        return self._shared(parameter.dtype)[0]

    def shared(self, parameter: Parameter) -> tuple[Tensor, ...]:
        """Return the ``numbers`` of the step in the parameter's dtype."""
        return self._shared(parameter.dtype)[1:]

    def _begin_step(self) -> None:
        step = self._step.value
        if self._schedule is not None:
            if not self._schedule.is_python:
                self._learning_rate.assign(self._schedule(step))
            elif step.data is not None:  # not while tracing
                self.prepare_step()
        rate, t = self._learning_rate.value, step + 1.0
        self._step.assign(t)
        self._numbers = (rate, *self.numbers(rate, t))
        self._cast = {}

    def _shared(self, dtype: Dtype) -> tuple[Tensor, ...]:
        found = self._cast.get(dtype)
        if found is None:
            found = self._cast[dtype] = tuple(n.astype(dtype) for n in self._numbers)
        return found

    def _clipped(self, gradients: Sequence[Tensor]) -> Sequence[Tensor]:
        if self.global_clipnorm is not None:
            return clip_by_global_norm(gradients, self.global_clipnorm)
        if self.clipnorm is not None:
            return clip_by_norm(gradients, self.clipnorm)
        if self.clipvalue is not None:
            return clip_by_value(gradients, self.clipvalue)
        return gradients

    # What files hold ------------------------------------------------------------------------

    def config(self) -> dict[str, Any]:
        """Return the arguments of the constructor, as JSON values.

        Raises:
            ArgumentError: the learning rate is a function, which cannot be written down.
        """
        schedule = self._schedule
        rate = self.learning_rate if schedule is None else schedule.config()
        return {"learning_rate": rate, **self._settings()}

    def _settings(self) -> dict[str, Any]:
        """Return the arguments beside the learning rate; the options where they are set."""
        values = {name: getattr(self, name) for name in (*self.arguments, *self.options)}
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in values.items()
            if name in self.arguments or value not in (None, False)
        }

    def state(self) -> dict[str, Array]:
        """Return all that changes from step to step, as named arrays.

        Returns:
            ``step`` and ``learning_rate``; for each parameter that was changed so far,
            ``PATH/SLOT``: its name (its path in the model, as ``model.parameters()`` gives it), and
            what is kept for it, such as ``layers.0.kernel/velocity``.

        Raises:
            ArgumentError: two parameters have the same name.

        >>> import chainrule as cr
        >>> w, optimizer = cr.Parameter([1.0], name="w"), cr.optim.SGD(0.1, momentum=0.9)
        >>> optimizer.apply([w], [cr.tensor([2.0])])
        >>> list(optimizer.state())
        ['step', 'learning_rate', 'w/velocity']
        """
        cells = self.shared_state()
        for path, parameter in by_path(self._state).items():
            cells |= _named(path, self._state[parameter])
        return {name: np.array(cell.numpy()) for name, cell in cells.items()}

    def load_state(
        self, state: Mapping[str, Any], parameters: Mapping[str, Parameter] | Iterable[Parameter]
    ) -> None:
        """Go on from a state that ``state`` returned; nothing changes if it does not fit.

        Args:
            state: the arrays by name.
            parameters: the parameters that they belong to: ``model.parameters()``, or parameters
                with names.

        Raises:
            ArgumentError: an array is missing, or belongs to nothing here.
            ShapeError: an array of another shape than its parameter.
        """
        cells = self.shared_state()
        slots: dict[Parameter, tuple[Parameter, ...]] = {}
        for path, parameter in by_path(parameters).items():
            kept = self.slots(parameter)
            named = _named(path, kept)
            if not kept or not named.keys().isdisjoint(state):  # else it was not changed yet
                slots[parameter] = kept
                cells |= named
        check_arrays(state, {name: cell.shape for name, cell in cells.items()})
        for name, cell in cells.items():
            cell.assign(np.asarray(state[name]))
        self._state = slots

    def __repr__(self) -> str:
        rate = self.learning_rate if self._schedule is None else self._schedule
        settings = {"learning_rate": rate, **self._settings()}
        return f"{type(self).__name__}({', '.join(f'{k}={_show(v)}' for k, v in settings.items())})"


def slot(parameter: Parameter, name: str = "", value: float = 0.0) -> Parameter:
    """Return a parameter's companion of its shape and dtype, filled with a value."""
    return Parameter(full(parameter.shape, value, parameter.dtype), name, trainable=False)


def differentiate(loss: Callable[[], Tensor], parameters: Sequence[Parameter]) -> Tensor:
    """Evaluate a function of the parameters, and put its gradients into their ``grad``."""
    for parameter in parameters:
        parameter.grad = None
    value = loss()
    if parameters:
        value.backward()
    return value


def by_path(parameters: Mapping[str, Parameter] | Iterable[Parameter]) -> dict[str, Parameter]:
    """Return parameters by their names.

    Raises:
        ArgumentError: two of them have the same name.
    """
    if isinstance(parameters, Mapping) and all(isinstance(key, str) for key in parameters):
        return dict(parameters)
    found: dict[str, Parameter] = {}
    for parameter in parameters:
        assert isinstance(parameter, Parameter)
        if parameter.name in found:
            raise ArgumentError(
                "parameters",
                f"two named {parameter.name!r}",
                "a name of its own for each",
                "model.parameters() gives each its path as its name; by hand: "
                "cr.Parameter(..., name='w').",
            )
        found[parameter.name] = parameter
    return found


def check_arrays(state: Mapping[str, Any], shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Raise unless a state holds arrays of just these names and shapes."""
    for name in state:
        if name not in shapes:
            raise ArgumentError(
                "state",
                f"an array {name!r}",
                f"those of {', '.join(shapes)}",
                nearest(name, shapes),
            )
    for name, shape in shapes.items():
        if name not in state:
            raise ArgumentError("state", "no array " + repr(name), "one for each that is kept")
        came = np.asarray(state[name]).shape
        if came != shape:
            raise ShapeError(f"state[{name!r}]", f"shape {came}", f"shape {shape}")


def _named(path: str, slots: Iterable[Parameter]) -> dict[str, Parameter]:
    return {f"{path}/{kept.name}": kept for kept in slots}


def _show(value: Any) -> str:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return f"{value:g}" if is_number else repr(value)
