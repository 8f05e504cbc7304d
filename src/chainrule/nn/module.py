"""Modules: functions with parameters."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from chainrule.core.errors import ChainruleError
from chainrule.core.tensor import Parameter, Tensor, TensorLike, as_tensor
from chainrule.core.types import ArrayType


class Module:
    """A function with parameters: subclass it, and write ``forward``.

    Parameters, modules, and lists or dicts of them that are put into attributes are found there.
    A module that needs to know its input's size makes its parameters in ``build``, which is
    called once, before the first ``forward``.

    >>> import chainrule as cr
    >>> class Scale(Module):
    ...     def __init__(self):
    ...         self.factor = cr.Parameter(2.0)
    ...
    ...     def forward(self, x, training=False):
    ...         return x * self.factor
    >>> Scale()([1.0, 2.0])
    Tensor([2., 4.], dtype=float32)
    >>> Scale().parameters()
    {'factor': Parameter('factor', float32[])}
    """

    _is_built = False

    def build(self, input_type: ArrayType) -> None:
        """Make the parameters that depend on the type of the input; called once."""

    def forward(self, x: Tensor, training: bool = False) -> Tensor:
        """Compute the output.

        Args:
            x: input, batch first.
            training: whether this pass is for training (some layers then behave otherwise).
        """
        raise ChainruleError(f"{type(self).__name__} has no forward(x, training=False)")

    def __call__(self, x: TensorLike, training: bool = False) -> Tensor:
        """Compute the output, after making the parameters if this is the first call."""
        x = as_tensor(x)
        if not self._is_built:
            self.build(x.type)
            self._is_built = True
        return self.forward(x, training)

    def parameters(self) -> dict[str, Parameter]:
        """Return the parameters by their path from this module, each with its path as its name."""
        found: dict[str, Parameter] = {}
        for path, parameter in _walk(self.__dict__, ""):
            if all(parameter is not other for other in found.values()):  # shared: counted once
                found[path] = parameter
                parameter.name = path
        return found

    def trainable(self) -> list[Parameter]:
        """Return the parameters that training changes."""
        return [p for p in self.parameters().values() if p.trainable]


def _walk(value: Any, path: str) -> Iterator[tuple[str, Parameter]]:
    if isinstance(value, Parameter):
        yield path, value
    elif isinstance(value, Module):
        yield from _walk(value.__dict__, path)
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _walk(inner, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list | tuple):
        for i, inner in enumerate(value):
            yield from _walk(inner, f"{path}.{i}" if path else str(i))
