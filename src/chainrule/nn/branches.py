"""Layers side by side: residual connections, and branches that are added or joined."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce
from typing import Any, TypeAlias

from chainrule.core.errors import ArgumentError, ShapeError
from chainrule.core.tensor import Tensor
from chainrule.core.types import Shape
from chainrule.nn.layers import (
    Example,
    Layer,
    layer_from_config,
    layers_to_config,
    register,
)
from chainrule.nn.module import Module, check_module
from chainrule.ops.elementwise import add
from chainrule.ops.shape import concatenate

#: One layer, or several one after the other; none of them is the identity.
Branch: TypeAlias = Module | Sequence[Module]


@register
class Residual(Layer):
    """Layers and a way around them: ``y = x + f(x)``, with f the layers one after the other.

    The gradient passes through the sum undiminished: ``∂y/∂x = I + ∂f/∂x``.

    Args:
        layers: the layers of f; the last one's output has the input's shape.

    Raises:
        ArgumentError: no layers.
        DtypeError: something that is not a layer.
        ShapeError: in a call, f(x) has another shape than x.

    >>> import chainrule as cr
    >>> block = Residual(cr.Dense(8, activation="relu"), cr.Dense(2, kernel_initializer="zeros"))
    >>> block([[1.0, 2.0]])
    Tensor([[1., 2.]], dtype=float32)

    Source: He, Zhang, Ren and Sun, "Deep residual learning for image recognition", CVPR 2016,
    equation 1.
    """

    takes_integers = True
    examples = (
        Example(
            {
                "layers": [
                    {"type": "BatchNorm"},
                    {"type": "Dense", "units": 4, "activation": "tanh"},
                    {"type": "Dropout", "rate": 0.3},
                    {"type": "Dense", "units": 3},
                ]
            },
            (5, 3),
        ),
        Example(
            {"layers": [{"type": "Residual", "layers": [{"type": "Dense", "units": 2}]}]}, (4, 2)
        ),
    )

    def __init__(self, *layers: Branch) -> None:
        self.layers = [layer for given in layers for layer in _chain(given)]
        if not self.layers:
            raise ArgumentError("layers", "none", "at least one")

    def forward(self, x: Tensor, training: bool = False) -> Tensor:
        """Compute ``x + f(x)``."""
        y = _run(self.layers, x, training)
        if y.shape != x.shape:
            raise ShapeError(
                "Residual",
                f"an output of shape {y.shape} of its layers for an input of shape {x.shape}",
                "two equal shapes, since they are added",
                _units(y.shape, x.shape),
            )
        return x + y

    def config(self) -> dict[str, Any]:
        """Return the layers, as JSON values."""
        return {"layers": layers_to_config(self.layers)}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Layer:
        """Make the layers again."""
        return cls(*_restored(dict(config), "layers"))

    def __repr__(self) -> str:
        return f"Residual({', '.join(map(repr, self.layers))})"


class Branches(Layer):
    """Branches that start at one input: what Add and Concatenate have in common.

    Args:
        branches: each a layer, or a list of layers one after the other; an empty list is the input
            itself.

    Raises:
        ArgumentError: fewer than two branches.
        DtypeError: something that is not a layer.
    """

    takes_integers = True

    def __init__(self, *branches: Branch) -> None:
        self.branches = [_chain(branch) for branch in branches]
        if len(self.branches) < 2:
            name = type(self).__name__
            raise ArgumentError(
                "branches",
                f"{len(self.branches)} of them",
                "at least two",
                f"One argument is one branch: cr.{name}(cr.Dense(2), [cr.Dense(4), cr.Dense(2)]).",
            )

    def outputs(self, x: Tensor, training: bool) -> list[Tensor]:
        """Return what comes out of each branch."""
        return [_run(branch, x, training) for branch in self.branches]

    def config(self) -> dict[str, Any]:
        """Return the branches, as JSON values."""
        return {"branches": [layers_to_config(branch) for branch in self.branches]}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Layer:
        """Make the branches again."""
        arguments = dict(config)
        branches = arguments.pop("branches")
        return cls(*[_restored({"layers": branch, **arguments}, "layers") for branch in branches])

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(map(repr, self.branches))})"


@register
class Add(Branches):
    """Branches that are added: ``y = f₁(x) + f₂(x) + …``.

    Args:
        branches: each a layer, or a list of layers one after the other; an empty list is the input
            itself.

    Raises:
        ArgumentError: fewer than two branches.
        DtypeError: something that is not a layer.
        ShapeError: in a call, branches whose outputs have different shapes.

    >>> import chainrule as cr
    >>> Add([], cr.Activation("relu"))([[-1.0, 2.0]])
    Tensor([[-1.,  4.]], dtype=float32)
    """

    examples = (
        Example(
            {
                "branches": [
                    [{"type": "Dense", "units": 4}, {"type": "Dense", "units": 2}],
                    [{"type": "Maxout", "units": 2}],
                    [{"type": "Dense", "units": 2, "activation": "tanh"}],
                ]
            },
            (4, 3),
        ),
    )

    def forward(self, x: Tensor, training: bool = False) -> Tensor:
        """Add the branches' outputs."""
        found = self.outputs(x, training)
        if len({y.shape for y in found}) > 1:
            raise ShapeError(
                "Add",
                f"branches with outputs of shapes {_listed(found)}",
                "equal shapes, since they are added",
                _units(found[1].shape, found[0].shape) if len(found) == 2 else "",
            )
        return reduce(add, found)


@register
class Concatenate(Branches):
    """Branches that are joined along the last axis: ``y = (f₁(x), f₂(x), …)``.

    Args:
        branches: each a layer, or a list of layers one after the other; an empty list is the input
            itself.

    Raises:
        ArgumentError: fewer than two branches.
        DtypeError: something that is not a layer.
        ShapeError: in a call, branches whose outputs differ in more than their last size.

    >>> import chainrule as cr
    >>> Concatenate(cr.Dense(3), [cr.Dense(8, activation="relu"), cr.Dense(2)])([[1.0, 2.0]]).shape
    (1, 5)

    Source: branches of several sizes: Szegedy and others, "Going deeper with convolutions", CVPR
    2015; the input passed on: Huang and others, "Densely connected networks", CVPR 2017.
    """

    examples = (
        Example(
            {
                "branches": [
                    [],
                    [{"type": "Dense", "units": 2, "activation": "sigmoid"}],
                    [{"type": "LayerNorm"}, {"type": "Dense", "units": 1}],
                ]
            },
            (4, 3),
        ),
        Example(
            {
                "branches": [
                    [{"type": "Embedding", "input_dim": 4, "output_dim": 2}, {"type": "Flatten"}],
                    [{"type": "Embedding", "input_dim": 4, "output_dim": 1}, {"type": "Flatten"}],
                ]
            },
            (3, 2),
            below=4,
        ),
    )

    def forward(self, x: Tensor, training: bool = False) -> Tensor:
        """Join the branches' outputs."""
        found = self.outputs(x, training)
        if len({y.shape[:-1] for y in found}) > 1 or not all(y.ndim for y in found):
            raise ShapeError(
                "Concatenate",
                f"branches with outputs of shapes {_listed(found)}",
                "shapes that are equal but for the last size",
            )
        return concatenate(found, axis=-1)


def _chain(given: Branch) -> list[Module]:
    """Return a branch as a list of layers."""
    if isinstance(given, list | tuple):
        return [check_module(layer) for layer in given]
    return [check_module(given)]


def _run(layers: Sequence[Module], x: Tensor, training: bool) -> Tensor:
    for layer in layers:
        x = layer(x, training)
    return x


def _restored(arguments: dict[str, Any], name: str) -> list[Module]:
    layers = arguments.pop(name)
    if arguments:
        raise TypeError(f"an unexpected argument {next(iter(arguments))!r}")
    return [layer_from_config(layer) for layer in layers]


def _listed(found: Sequence[Tensor]) -> str:
    return " and ".join(str(y.shape) for y in found)


def _units(came: Shape, expected: Shape) -> str:
    """Return the usual fix, where the last sizes are all that differs."""
    if not came or came[:-1] != expected[:-1]:
        return ""
    return f"Give the last layer {expected[-1]} units instead of {came[-1]}."
