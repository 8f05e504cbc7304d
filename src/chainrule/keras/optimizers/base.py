"""What Keras's optimizers have in common: argument names, and weight decay on all weights."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar, Self, TypeVar

from chainrule import optim as core
from chainrule.core.errors import ArgumentError
from chainrule.core.mode import no_grad
from chainrule.core.tensor import Operand, Parameter, Tensor
from chainrule.keras.arguments import refuse, renamed
from chainrule.keras.optimizers.schedules import InverseTimeDecay, of_schedule
from chainrule.keras.serialization import (
    deserialize_keras_object,
    is_serialized,
    serialize_keras_object,
)

#: Arguments of Keras's that can only keep the value which means that nothing is wanted.
_UNSUPPORTED: dict[str, tuple[Any, ...]] = {
    "use_ema": (False,),
    "ema_momentum": (0.99,),
    "ema_overwrite_frequency": (None,),
    "loss_scale_factor": (None,),
    "gradient_accumulation_steps": (None,),
    "jit_compile": (True, False, "auto"),
}

#: Arguments of the constructors that Keras lacks.
_INNER = ("epsilon_hat", "epsilon_inside_root", "momentum_decay")

Kind = TypeVar("Kind", bound=type["Optimizer"])


class LearningRate(float):
    """A learning rate that can be assigned: ``optimizer.learning_rate.assign(0.1)``.

    >>> optimizer = Optimizer.__new__(Optimizer)
    >>> LearningRate(0.5, optimizer).numpy()
    0.5
    """

    _of: Any

    def __new__(cls, value: float, of: Any) -> LearningRate:
        """Remember whose it is."""
        made = super().__new__(cls, value)
        made._of = of
        return made

    def assign(self, value: Any) -> None:
        """Set the optimizer's learning rate."""
        self._of.learning_rate = float(value)

    def numpy(self) -> float:
        """Return the number."""
        return float(self)


class Optimizer(core.Optimizer):
    """An optimizer with Keras's arguments.

    Weight decay acts on all parameters, biases too (in Chainrule's own optimizers it leaves them
    alone), unless ``exclude_from_weight_decay`` names them.

    Args:
        learning_rate: a number, a schedule, or a function of the step, or of nothing (Keras 1 and
            2: lr).
        decay: Keras 1 and 2: the rate is divided by ``1 + decay · step``.
        weight_decay: λ of ``w ← w - α λ w``.
        clipnorm: limit of each gradient's norm.
        clipvalue: limit of each element.
        global_clipnorm: limit of the norm of all gradients together.
        name: its name.
    """

    hands_options_up = False
    _decay: float | None = None
    #: Arguments in Keras's configurations beside those that all optimizers have.
    keras_arguments: ClassVar[tuple[str, ...]] = ()
    #: Returns the parameters that are brought back after each update, with what does so.
    find_constraints: Callable[[], Iterable[tuple[Callable[[Any], Any], Parameter]]] = tuple

    def adopt(self, name: str | None) -> None:
        """Take what every optimizer of Keras's has."""
        self.keras_name = name or type(self).__name__.lower()
        self._excluded: list[str] = []
        self._excluded_parameters: set[int] = set()

    @property
    def learning_rate(self) -> LearningRate:
        """Size of the next step, α; a number, schedule or function may be set at any time."""
        return LearningRate(core.Optimizer.learning_rate.__get__(self), self)

    @learning_rate.setter
    def learning_rate(self, value: Any) -> None:
        core.Optimizer.learning_rate.__set__(self, _rate(value))  # type: ignore[attr-defined]

    def exclude_from_weight_decay(
        self, var_list: Sequence[Parameter] = (), var_names: Sequence[str] = ()
    ) -> None:
        """Leave parameters out of weight decay.

        Args:
            var_list: parameters.
            var_names: parts of parameters' names, such as ``"bias"``.
        """
        self._excluded += list(var_names or ())
        self._excluded_parameters |= {id(p) for p in var_list or ()}

    def apply(self, parameters: Any, gradients: Any = None) -> None:
        """Change the parameters by one step; Keras's order, (grads, variables), will do, too.

        Args:
            parameters: parameters.
            gradients: one for each.
        """
        variables, slopes = list(parameters), gradients
        if gradients is not None and variables and not isinstance(variables[0], Parameter):
            variables, slopes = list(gradients), variables
        decay, self.weight_decay = self.weight_decay, None  # done in ``update``, for all of them
        self._decay = decay
        try:
            super().apply(variables, slopes)
        finally:
            self.weight_decay, self._decay = decay, None
        changed = set(map(id, variables))
        with no_grad():
            for constraint, parameter in self.find_constraints():
                if id(parameter) in changed:
                    parameter.assign(constraint(parameter.value))

    def apply_gradients(self, grads_and_vars: Sequence[tuple[Any, Parameter]]) -> None:
        """Change parameters by one step, given pairs of a gradient and a parameter."""
        pairs = list(grads_and_vars)
        self.apply([p for _, p in pairs], [g for g, _ in pairs])

    def decayed(self, parameter: Parameter) -> None:
        """Shrink one parameter by weight decay."""
        decay = self.decay_of(parameter)
        if not decay or id(parameter) in self._excluded_parameters:
            return
        if not any(word in parameter.name for word in self._excluded):
            parameter.assign(parameter - parameter * (self.rate(parameter) * decay))

    def decay_of(self, parameter: Parameter) -> float | None:
        """Return λ for a parameter."""
        return self._decay

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor, as JSON values."""
        schedule: Any = self.schedule
        if isinstance(schedule, core.schedules.FunctionOfStep):
            rate: Any = serialize_keras_object(schedule.function)
        elif schedule is None:
            rate = float(self.learning_rate)
        else:
            rate = serialize_keras_object(of_schedule(schedule))
        limits = ("weight_decay", "clipnorm", "global_clipnorm", "clipvalue")
        return {
            "name": self.keras_name,
            "learning_rate": rate,
            **{name: getattr(self, name) for name in limits},
            **{n: usual[0] for n, usual in _UNSUPPORTED.items() if n != "jit_compile"},
            **{name: getattr(self, name) for name in self.keras_arguments},
        }

    @classmethod
    def from_config(
        cls, config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None
    ) -> Self:
        """Make an optimizer from what ``get_config`` returned, without its state."""
        arguments: dict[str, Any] = dict(config)
        if is_serialized(arguments.get("learning_rate")):
            arguments["learning_rate"] = deserialize_keras_object(
                arguments["learning_rate"], custom_objects
            )
        return cls(**arguments)

    @property
    def variables(self) -> list[Parameter]:
        """The step, the learning rate, and what is kept for each parameter."""
        kept = [cell for cells in self._state.values() for cell in cells]
        return [*self.shared_state().values(), *kept]

    @property
    def lr(self) -> LearningRate:
        """The learning rate, by its old name."""
        return self.learning_rate

    @lr.setter
    def lr(self, value: Any) -> None:
        self.learning_rate = value


def _rate(given: Any) -> Any:
    """Return a learning rate as Chainrule takes it: of functions, those of the step."""
    if isinstance(given, LearningRate):
        return float(given)
    if callable(given) and not isinstance(given, core.schedules.Schedule | Operand | type):
        try:
            inspect.signature(given).bind()
        except (TypeError, ValueError):
            return given  # it takes the step
        return core.schedules.FunctionOfStep(lambda step: given())
    return given


def translated(kind: Kind) -> Kind:
    """Let a constructor take ``lr``, ``decay`` and ``name``, and weight decay act on all."""
    init: Any = kind.__init__
    update: Any = kind.update
    names = [name for name in inspect.signature(init).parameters if name not in ("self", "options")]
    names = [name for name in names if name != "clipping"]
    options = ("weight_decay", "clipnorm", "clipvalue", "global_clipnorm")
    known = [*names, *(n for n in options if n not in names), "name", "decay", *_UNSUPPORTED]
    kind.keras_arguments = tuple(
        n for n in names if n not in ("learning_rate", *_INNER) and n not in options
    )

    @functools.wraps(init)
    def __init__(self: Any, *args: Any, **given: Any) -> None:  # noqa: N807
        given = renamed(kind.__name__, given, {"lr": "learning_rate"}, known)
        refuse({n: given.pop(n) for n in list(given) if n in _UNSUPPORTED}, _UNSUPPORTED)
        decay, name = given.pop("decay", None), given.pop("name", None)
        init(self, *args, **given)
        self.adopt(name)
        if decay:
            if self.schedule is not None:
                raise ArgumentError(
                    "decay", repr(decay), "a number for the learning rate beside it"
                )
            self.learning_rate = InverseTimeDecay(float(self.learning_rate), 1, decay)

    def update_after_decay(
        self: Any, parameter: Parameter, gradient: Tensor, *state: Parameter
    ) -> None:
        self.decayed(parameter)
        update(self, parameter, gradient, *state)

    update_after_decay.__doc__ = "Change one parameter."
    kind.__init__ = __init__  # type: ignore[method-assign]
    kind.update = update_after_decay  # type: ignore[method-assign]
    return kind


def core_of(optimizer: core.Optimizer) -> core.Optimizer:
    """Return Chainrule's own optimizer with the same settings, which files can name."""
    kind: Any = next(
        (k for k in type(optimizer).__mro__ if core.OPTIMIZERS.get(getattr(k, "name", "")) is k),
        None,
    )
    if kind is None:
        return optimizer
    config: Mapping[str, Any] = optimizer.config()
    return kind(**config)  # type: ignore[no-any-return]
