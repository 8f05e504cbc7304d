"""Modules: functions with parameters."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import reduce
from typing import Any, ClassVar

import numpy as np

from chainrule.core.errors import ChainruleError, DtypeError, ShapeError
from chainrule.core.keywords import Explained
from chainrule.core.mode import answering, mode
from chainrule.core.tensor import Parameter, Tensor, TensorLike, as_tensor
from chainrule.core.types import ArrayType
from chainrule.ops.elementwise import add, square
from chainrule.ops.reduce import sum as sum_


class Module(Explained):
    """A function with parameters: subclass it, and write ``forward``.

    Parameters, modules, and lists or dicts of them that are put into attributes are found there.
    A module that needs to know its input's size makes its parameters in ``build``, which is
    called once, before the first ``forward``. Modules that are called inside ``forward`` learn by
    themselves whether the pass is for training; a ``forward`` that does not ask may leave the
    argument out.

    >>> import chainrule as cr
    >>> class Block(Module):
    ...     def __init__(self, units):
    ...         self.layers = [cr.Dense(units, activation="tanh"), cr.Dropout(0.5)]
    ...         self.gain = cr.Parameter(2.0)
    ...
    ...     def forward(self, x):
    ...         for layer in self.layers:
    ...             x = layer(x)
    ...         return x * self.gain
    >>> Block(3)([[0.0, 0.0]])
    Tensor([[0., 0., 0.]], dtype=float32)
    >>> Block(3).parameters()
    {'gain': Parameter('gain', float32[])}
    """

    _is_built = False
    _is_frozen = False
    _takes_training = True
    #: Its own parameters that freezing it has frozen: they are trained again when it is.
    _frozen: frozenset[Parameter] = frozenset()

    #: Whether the module's own parameters of two or more axes are weights W, which the structured
    #: risk penalizes; ``False`` where they are scales and shifts.
    has_weight_matrices: ClassVar[bool] = True

    #: Attributes that say nothing of what the module computes, and may change at any time.
    kept_aside: ClassVar[frozenset[str]] = frozenset({"_is_built"})

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        arguments = inspect.signature(cls.forward).parameters.values()
        cls._takes_training = any(
            a.name == "training" or a.kind is a.VAR_KEYWORD for a in arguments
        )

    def build(self, input_type: ArrayType) -> None:
        """Make the parameters that depend on the type of the input; called once."""

    def forward(self, x: Tensor, training: bool = False) -> Tensor:
        """Compute the output.

        Args:
            x: input, batch first.
            training: whether this pass is for training (some layers then behave otherwise).
        """
        raise ChainruleError(f"{type(self).__name__} has no forward(x, training=False)")

    def __call__(self, x: TensorLike, training: bool | None = None) -> Tensor:
        """Compute the output, after making the parameters if this is the first call.

        Args:
            x: input, batch first.
            training: whether this pass is for training; ``None``: as the module inside whose
                ``forward`` this call stands, and otherwise not.
        """
        x = as_tensor(x)
        if not self._is_built:
            with answering(None):  # the parameters have values, also where the call is traced
                self.build(x.type)
                if self._is_frozen:
                    self.trainable = False  # what is new in it, too
            self._is_built = True
        outer = _pass.training
        _pass.training = outer if training is None else bool(training)
        try:
            if _pass.calls is not None:
                return self._watched(x, _pass.calls)
            if x.data is None or mode.notebook is not None:
                return self._scoped(x)
            return self._run(x)
        finally:
            _pass.training = outer

    def _run(self, x: Tensor) -> Tensor:
        options = {"training": _pass.training} if self._takes_training else {}
        y = self.forward(x, **options)
        if y is None:
            raise ChainruleError(f"{type(self).__name__}.forward returned None: a missing return?")
        return y

    def _watched(self, x: Tensor, calls: list[Call]) -> Tensor:
        call = Call(self, _pass.depth)
        calls.append(call)  # before what it calls
        _pass.depth += 1
        try:
            y = self._run(x)
        finally:
            _pass.depth -= 1
        call.output = as_tensor(y).type
        return y

    def _scoped(self, x: Tensor) -> Tensor:
        """Run, and let the nodes that this makes know that they belong to this module."""
        outer, paths = mode.scope, _pass.paths
        if not outer or paths is None:
            _pass.paths = {id(module): path for path, module in self.modules().items()}
        assert _pass.paths is not None
        path = _pass.paths.get(id(self), "")
        mode.scope = (*outer, f"{path} {type(self).__name__}".strip())
        try:
            return self._run(x)
        finally:
            mode.scope, _pass.paths = outer, paths

    def modules(self) -> dict[str, Module]:
        """Return this module, as ``""``, and all modules within it by their path, each once."""
        return {path: found for path, found, _ in _walk(self) if isinstance(found, Module)}

    def parameters(self) -> dict[str, Parameter]:
        """Return the parameters by their path from this module, each once.

        Each is named by its path from the outermost module that was asked.
        """
        found = {path: p for path, p, _ in _walk(self) if isinstance(p, Parameter)}
        for path, parameter in found.items():
            if not f".{parameter.name}".endswith(f".{path}"):
                parameter.name = path
        return found

    @property
    def trainable(self) -> bool:
        """Whether training changes its parameters; ``False`` freezes it and the modules in it.

        Parameters that are made later are frozen, too. Set back to ``True``, those are trained
        again that were before: running statistics are not, nor a parameter that was frozen by
        itself, as in ``layer.kernel.trainable = False``. A frozen ``BatchNorm`` uses its running
        statistics in training, too, and leaves them, as in Keras.

        Raises:
            DtypeError: when it is set to something else than ``True`` or ``False``.

        >>> import chainrule as cr
        >>> model = cr.Sequential([cr.Dense(3), cr.Dense(1)])
        >>> model.layers[0].trainable = False
        >>> model.make_parameters((2,))
        >>> [p.name for p in model.trainable_parameters()]
        ['layers.1.kernel', 'layers.1.bias']
        """
        return not self._is_frozen

    @trainable.setter
    def trainable(self, trainable: bool) -> None:
        if not isinstance(trainable, bool | np.bool_):
            raise DtypeError("trainable", repr(trainable), "True or False")
        for _, found, owner in _walk(self):
            if isinstance(found, Module):
                found._is_frozen = not trainable
                if trainable:
                    for parameter in found._frozen:
                        parameter.trainable = True
                    found._frozen = frozenset()
            elif not trainable and found.trainable:
                found.trainable = False
                owner._frozen |= {found}

    def trainable_parameters(self) -> list[Parameter]:
        """Return the parameters that training changes."""
        return [p for p in self.parameters().values() if p.trainable]

    def weight_matrices(self) -> list[Parameter]:
        """Return the trainable W⁽ˡ⁾: parameters of two or more axes, without scales and shifts."""
        return [
            p
            for _, p, owner in _walk(self)
            if isinstance(p, Parameter) and p.trainable and p.ndim > 1 and owner.has_weight_matrices
        ]

    def regularized(self) -> Iterable[tuple[Callable[[Tensor], Tensor] | None, Parameter | None]]:
        """Return pairs of a regularizer and the parameter of this module that it penalizes."""
        return ()

    def penalty(self, l2: float = 0.0) -> Tensor:
        """Return what the structured risk adds to the mean loss: ``Σ r(w) + ½ λ ‖W‖²_F``.

        ``r(w)`` are the penalties of the regularizers of this module and all within it, wherever
        they are nested, on parameters that are trained.

        Args:
            l2: λ of the lecture's penalty on all weight matrices together.

        Raises:
            ShapeError: a regularizer's result is not one number.

        >>> import chainrule as cr
        >>> penalty = cr.regularizers.L2(3.0)
        >>> layer = cr.Dense(1, kernel_initializer="ones", kernel_regularizer=penalty)
        >>> layer([[1.0, 1.0]]).item()
        2.0
        >>> layer.penalty().item(), layer.penalty(l2=1.0).item()
        (6.0, 7.0)
        """
        terms = []
        for module in self.modules().values():
            for regularizer, parameter in module.regularized():
                if regularizer is not None and parameter is not None and parameter.trainable:
                    terms.append(
                        _one_number(regularizer(parameter.value), f"penalty of {parameter.name}")
                    )
        squares = [sum_(square(W)) for W in self.weight_matrices()] if l2 else []
        if squares:
            terms.append(reduce(add, squares) * (0.5 * l2))
        return reduce(add, terms) if terms else as_tensor(0.0)


@dataclass(slots=True)
class Call:
    """One call of a module that was watched.

    Attributes:
        module: what was called.
        depth: 0, or one more than that of the module that called it.
        output: type of its output.
    """

    module: Module
    depth: int
    output: ArrayType | None = None


class _Pass(threading.local):
    """What a module's call hands to the calls inside it, thread by thread."""

    training: bool = False
    calls: list[Call] | None = None
    depth: int = 0
    #: Identity of each module inside the outermost one that is called, to its path from there.
    paths: dict[int, str] | None = None
    penalties: list[Tensor] | None = None


_pass = _Pass()


@contextmanager
def watching() -> Iterator[list[Call]]:
    """Collect the calls of modules inside the block, outer ones before those inside them.

    >>> import chainrule as cr
    >>> with watching() as calls:
    ...     y = cr.Residual(cr.Dense(2))([[1.0, 2.0]])
    >>> [(call.depth, type(call.module).__name__, str(call.output)) for call in calls]
    [(0, 'Residual', 'float32[1,2]'), (1, 'Dense', 'float32[1,2]')]
    """
    before = _pass.calls, _pass.depth
    calls: list[Call] = []
    _pass.calls, _pass.depth = calls, 0
    try:
        yield calls
    finally:
        _pass.calls, _pass.depth = before


def add_penalty(penalty: TensorLike) -> None:
    """Add a number that was computed in ``forward`` to the risk of this pass.

    It counts in ``fit`` and in the loss that ``evaluate`` reports; elsewhere nothing happens.

    Args:
        penalty: one number: the mean over the samples of the batch, like the loss.

    Raises:
        ShapeError: more than one number.

    >>> with collecting_penalties() as found:
    ...     add_penalty(0.5)
    >>> found
    [Tensor(0.5, dtype=float32)]
    """
    if _pass.penalties is not None:
        _pass.penalties.append(_one_number(as_tensor(penalty), "penalty"))


@contextmanager
def collecting_penalties() -> Iterator[list[Tensor]]:
    """Collect what ``add_penalty`` is given inside the block."""
    before = _pass.penalties
    penalties: list[Tensor] = []
    _pass.penalties = penalties
    try:
        yield penalties
    finally:
        _pass.penalties = before


def check_module(given: Any, argument: str = "layers") -> Module:
    """Return a module that was given as a layer.

    Raises:
        DtypeError: something else.
    """
    if isinstance(given, Module):
        return given
    raise DtypeError(
        argument,
        f"a {type(given).__name__}",
        "layers, such as cr.Dense(64)",
        "Did you forget the parentheses?" if isinstance(given, type) else "",
    )


def shares_parameters(module: Module) -> bool:
    """Whether a parameter can be reached in two ways, as those of a layer that stands twice."""
    found = [p for _, p, _ in _walk(module, once=False) if isinstance(p, Parameter)]
    return len(found) > len(module.parameters())


def _one_number(penalty: Tensor, argument: str) -> Tensor:
    if penalty.shape:
        raise ShapeError(argument, f"shape {penalty.shape}", "one number, shape ()", "Sum it.")
    return penalty


#: What a walk finds, and what it goes into.
_FOUND = (Parameter, Module)
_CONTAINERS = (dict, list, tuple)


def _walk(module: Module, once: bool = True) -> list[tuple[str, Module | Parameter, Module]]:
    """Return what is found in a module, itself first: its path, itself, and whose attribute it is.

    Args:
        module: where to start.
        once: whether what can be reached by two paths comes only by the first.
    """
    found: list[tuple[str, Module | Parameter, Module]] = []
    seen: set[int] = set()

    def visit(value: Module | Parameter, path: str, owner: Module) -> None:
        if id(value) in seen:
            return
        seen.add(id(value))
        found.append((path, value, owner))
        if isinstance(value, Module):
            visit_all(vars(value), path, value)
        if not once:  # only a way back to where it stands is closed
            seen.discard(id(value))

    def visit_all(values: Any, path: str, owner: Module) -> None:
        for key, value in values.items() if isinstance(values, dict) else enumerate(values):
            if isinstance(value, _FOUND):
                visit(value, f"{path}.{key}" if path else str(key), owner)
            elif isinstance(value, _CONTAINERS):
                visit_all(value, f"{path}.{key}" if path else str(key), owner)

    visit(module, "", module)
    return found
