"""What Keras's optimizers have in common: argument names, and weight decay on all weights."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from chainrule import optim as core
from chainrule.core.errors import ArgumentError
from chainrule.core.tensor import Parameter, Tensor
from chainrule.keras.arguments import refuse, renamed
from chainrule.keras.optimizers.schedules import InverseTimeDecay

#: Arguments of Keras's that can only keep the value which means that nothing is wanted.
_UNSUPPORTED: dict[str, tuple[Any, ...]] = {
    "use_ema": (False,),
    "ema_momentum": (0.99,),
    "ema_overwrite_frequency": (None,),
    "loss_scale_factor": (None,),
    "gradient_accumulation_steps": (None,),
    "jit_compile": (True, False, "auto"),
}

Kind = TypeVar("Kind", bound=type["Optimizer"])


class Optimizer(core.Optimizer):
    """An optimizer with Keras's arguments.

    Weight decay acts on all parameters, biases too (in Chainrule's own optimizers it leaves them
    alone), unless ``exclude_from_weight_decay`` names them.

    Args:
        learning_rate: a number, a schedule, or a function of the step (Keras 1 and 2: lr).
        decay: Keras 1 and 2: the rate is divided by ``1 + decay · step``.
        weight_decay: λ of ``w ← w - α λ w``.
        clipnorm: limit of each gradient's norm.
        clipvalue: limit of each element.
        global_clipnorm: limit of the norm of all gradients together.
        name: its name.
    """

    _decay: float | None = None

    def adopt(self, name: str | None) -> None:
        """Take what every optimizer of Keras's has."""
        self.keras_name = name or type(self).__name__.lower()
        self._excluded: list[str] = []
        self._excluded_parameters: set[int] = set()

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

    def apply(self, parameters: Sequence[Parameter], gradients: Sequence[Tensor]) -> None:
        """Change the parameters by one step."""
        decay, self.weight_decay = self.weight_decay, None  # done in ``update``, for all of them
        self._decay = decay
        try:
            super().apply(parameters, gradients)
        finally:
            self.weight_decay, self._decay = decay, None

    def apply_gradients(self, grads_and_vars: Sequence[tuple[Any, Parameter]]) -> None:
        """Change parameters by one step, given pairs of a gradient and a parameter."""
        pairs = list(grads_and_vars)
        self.apply([p for _, p in pairs], [g for g, _ in pairs])

    def decayed(self, parameter: Parameter) -> None:
        """Shrink one parameter by weight decay."""
        if not self._decay or id(parameter) in self._excluded_parameters:
            return
        if not any(word in parameter.name for word in self._excluded):
            parameter.assign(parameter - parameter * (self.rate(parameter) * self._decay))

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of Chainrule's own optimizer, and the name."""
        return {"name": self.keras_name, **self.config()}

    @property
    def lr(self) -> float:
        """The learning rate, by its old name."""
        return self.learning_rate

    @lr.setter
    def lr(self, value: Any) -> None:
        self.learning_rate = value


def translated(kind: Kind) -> Kind:
    """Let a constructor take ``lr``, ``decay`` and ``name``, and weight decay act on all."""
    init: Any = kind.__init__
    update: Any = kind.update
    names = [name for name in inspect.signature(init).parameters if name not in ("self", "options")]
    options = ("weight_decay", "clipnorm", "clipvalue", "global_clipnorm")
    known = [*names, *(n for n in options if n not in names), "name", "decay", *_UNSUPPORTED]

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
            self.learning_rate = InverseTimeDecay(self.learning_rate, 1, decay)

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
        k for k in type(optimizer).__mro__ if core.OPTIMIZERS.get(getattr(k, "name", "")) is k
    )
    config: Mapping[str, Any] = optimizer.config()
    return kind(**config)  # type: ignore[no-any-return]
