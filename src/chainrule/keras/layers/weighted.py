"""Keras's names for the parameters of a layer or a model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from chainrule.core.errors import ArgumentError, ChainruleError, ShapeError
from chainrule.core.tensor import Parameter, Tensor
from chainrule.core.types import Array
from chainrule.keras.symbolic import KerasTensor, Node
from chainrule.nn.module import Module

_counts: Counter[str] = Counter()


def new_name(kind: str) -> str:
    """Return a name that no other layer has: ``dense``, ``dense_1``, ...

    >>> new_name("an_example"), new_name("an_example")
    ('an_example', 'an_example_1')
    """
    count = _counts[kind]
    _counts[kind] += 1
    return f"{kind}_{count}" if count else kind


def clear_names() -> None:
    """Begin to count names anew."""
    _counts.clear()


class Weighted(Module):
    """Keras's names for the parameters of a layer or a model, and for its place in a graph."""

    name: str = ""
    #: What makes the placeholders of the model that a layer was put into.
    _place: Callable[[], Any] | None = None

    @property
    def weights(self) -> list[Parameter]:
        """The parameters, those that are not trained among them."""
        return list(self.parameters().values())

    #: Keras 3's name for the same.
    variables = weights

    @property
    def trainable_weights(self) -> list[Parameter]:
        """The parameters that training changes."""
        return [p for p in self.weights if p.trainable]

    trainable_variables = trainable_weights

    @property
    def non_trainable_weights(self) -> list[Parameter]:
        """The parameters that training leaves, such as moving means."""
        return [p for p in self.weights if not p.trainable]

    non_trainable_variables = non_trainable_weights

    @property
    def built(self) -> bool:
        """Whether the parameters are made."""
        return self._is_built

    @built.setter
    def built(self, built: bool) -> None:
        self._is_built = bool(built)

    def count_params(self) -> int:
        """Return the number of parameters.

        Raises:
            ChainruleError: they are not made yet.
        """
        if not self.built:
            raise ChainruleError(
                f"{self.name} has no parameters yet: give the first layer input_shape=(features,), "
                "or call build((None, features))"
            )
        return sum(p.size for p in self.weights)

    def get_weights(self) -> list[Array]:
        """Return copies of the parameters."""
        return [np.array(p.numpy()) for p in self.weights]

    def set_weights(self, weights: Sequence[Any]) -> None:
        """Set the parameters, in the order of ``get_weights``.

        Raises:
            ArgumentError: another number of arrays, before the parameters are made, too.
            ShapeError: an array of another shape.
        """
        parameters = self.weights
        values = [np.asarray(value) for value in weights]
        if len(values) != len(parameters):
            fix = "" if self.built else "Its parameters are not made yet: give input_shape."
            raise ArgumentError("weights", f"{len(values)} arrays", f"{len(parameters)}", fix)
        for parameter, value in zip(parameters, values, strict=True):
            if value.shape != parameter.shape:
                raise ShapeError(
                    f"weights for {parameter.name}", str(value.shape), str(parameter.shape)
                )
        for parameter, value in zip(parameters, values, strict=True):
            parameter.assign(value)

    # Losses that are added to the loss -----------------------------------------------------------

    @property
    def losses(self) -> list[Tensor]:
        """What regularizers and the latest calls of ``add_loss`` add to the loss."""
        found: list[Tensor] = []
        for module in self.modules().values():
            for regularizer, parameter in module.regularized():
                if regularizer is not None and parameter is not None:
                    found.append(regularizer(parameter.value))
            found += vars(module).get("_added", ())
        return found

    def constrained(self) -> Iterator[tuple[Callable[[Any], Any], Parameter]]:
        """Return the parameters that are brought back after each update, with what does so."""
        for module in self.modules().values():
            for name, constraint in vars(module).get("_constraints", {}).items():
                parameter = name if isinstance(name, Parameter) else getattr(module, name)
                if parameter is not None:
                    yield constraint, parameter

    # The functional API --------------------------------------------------------------------------

    @property
    def inbound_nodes(self) -> list[Node]:
        """Its calls on placeholders."""
        calls: list[Node] = vars(self).setdefault("_calls", [])
        return calls

    def _first_call(self) -> Node:
        if not self.inbound_nodes and self._place is not None:
            self._place()
        if not self.inbound_nodes:
            raise AttributeError(
                f"{self.name} has no input and no output yet: call it on keras.Input(shape), or "
                "put it into a model whose input shape is known"
            )
        return self.inbound_nodes[0]

    @property
    def input(self) -> Any:
        """The placeholder, or the placeholders, that it was first called on."""
        found = self._first_call().inputs
        return found[0] if len(found) == 1 else found

    @property
    def output(self) -> Any:
        """The placeholder, or the placeholders, that came out of its first call."""
        found = self._first_call().outputs
        return found[0] if len(found) == 1 else found


def shapes_of(symbols: KerasTensor | Sequence[KerasTensor]) -> Any:
    """Return the shape of a placeholder, or the shapes of several."""
    return symbols.shape if isinstance(symbols, KerasTensor) else [s.shape for s in symbols]
