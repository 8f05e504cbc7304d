"""From a model and samples to a ``Record``: the lecture's z, a and δ, read off the recorded graph.

The model is run once, as for a prediction, and each sample's own loss is pulled back through the
graph that this leaves. Parameters stand aside meanwhile: nothing in the model changes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import reduce
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.autodiff.reverse import fresh, pull_back
from chainrule.core.errors import ArgumentError
from chainrule.core.graph import Node
from chainrule.core.mode import Tracer, answering, recording
from chainrule.core.tensor import Parameter, Tensor, as_tensor, known
from chainrule.core.types import Array
from chainrule.losses import CustomLoss, Loss
from chainrule.nn.module import collecting_penalties, watching
from chainrule.ops.creation import ones_like
from chainrule.ops.elementwise import add
from chainrule.ops.reduce import mean
from chainrule.ops.shape import concatenate, reshape
from chainrule.training.chain import Link, find_links, names_before, names_of
from chainrule.training.record import Numbered, Record, read_only

if TYPE_CHECKING:
    from chainrule.training.model import Compiled, Model


def inspect_model(model: Model, x: Array, y: Array | None, setup: Compiled | None) -> Record:
    """Run a model on samples and return all that the lecture names.

    Args:
        model: the model; its parameters are made. Nothing in it is changed.
        x: samples, shape (n, ...).
        y: targets, as the loss has checked them, or ``None``.
        setup: what the model was compiled with; needed with ``y``.

    Raises:
        ArgumentError: the layers do not follow one after the other.
        ShapeError: a layer works on something else than one row a sample.
    """
    # Overflow shows in the record; NumPy need not warn of it.
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"), _aside() as leaves:
        source = fresh(Tensor(np.array(x)))  # x may change later, the record may not
        with watching() as calls, collecting_penalties() as penalties:
            prediction = model(source)
        links = find_links(source, prediction)
        values: dict[str, Any] = {
            "dtype": model.dtype,
            "f": Numbered("f", names_of(calls, links)),
            "W": Numbered("W", [_copy(link.kernel).T for link in links]),
            "b": Numbered("b", [None if k.bias is None else _copy(k.bias) for k in links]),
            "z": Numbered("z", [_value(link.z) for link in links]),
            "a": Numbered("a", [_value(links[0].source), *(_value(k.a) for k in links)], first=0),
            "df": Numbered("df", [_slopes(link) for link in links]),
            "chain": [(link.z, link.a) for link in links],
            "x": _value(source),
            "before": names_before(calls, source, links[0]),
        }
        if setup is not None:
            probabilities = setup.loss.probabilities(prediction)
            values["probabilities"] = None if probabilities is None else _value(probabilities)
            if y is not None:
                penalty = reduce(add, penalties, model.penalty(setup.l2))
                values |= _backward(model, links, leaves, prediction, y, setup.loss, penalty)
                values["l2"] = setup.l2
    return Record(**values)


def _backward(
    model: Model,
    links: Sequence[Link],
    leaves: dict[Parameter, Tensor],
    prediction: Tensor,
    y: Array,
    loss: Loss,
    penalty: Tensor,
) -> dict[str, Any]:
    """Return the part of the record that needs targets: losses, errors and gradients."""
    n = len(y)
    losses = _each_loss(loss, y, prediction)
    # Where samples do not meet, the cotangents of the losses together are those of each one alone.
    found = pull_back([losses], [ones_like(losses)], keep=True)
    _check_apart(losses, links[0].z)
    of_penalty = pull_back([penalty], [ones_like(penalty)])
    delta = [_cotangent(found, link.z) for link in links]
    dW = [read_only(d.T @ _value(k.source) / n) for d, k in zip(delta, links, strict=True)]
    db = [
        None if k.bias is None else read_only(d.mean(axis=0))
        for d, k in zip(delta, links, strict=True)
    ]
    return {
        "y": read_only(np.array(y)),
        "loss_name": loss.name,
        "label_smoothing": getattr(loss, "label_smoothing", 0.0),
        "loss_settings": {} if isinstance(loss, CustomLoss) else loss.config(),
        "losses": _value(losses),
        "loss": float(known(mean(losses), "inspect")),
        "penalty": float(known(penalty, "inspect")),
        "delta": Numbered("delta", delta),
        "da": Numbered("da", [_cotangent(found, link.a) for link in links]),
        "dW": Numbered("dW", dW),
        "db": Numbered("db", db),
        "penalty_dW": Numbered("penalty_dW", [_cotangent(of_penalty, k.kernel).T for k in links]),
        "gradients": {
            name: read_only(_cotangent(found, leaves[p]) / n)
            for name, p in model.parameters().items()
            if p.trainable and p in leaves
        },
    }


@contextmanager
def _aside() -> Iterator[dict[Parameter, Tensor]]:
    """Record what happens to parameters, frozen ones too, and keep assignments from them.

    Yields:
        The leaf that stands for each parameter that was read.
    """
    aside = _Aside()
    with answering(aside), recording(True):
        yield aside.leaves


class _Aside(Tracer):
    """Keeps a leaf for each parameter that is read, and for what is assigned to it."""

    def __init__(self) -> None:
        self.leaves: dict[Parameter, Tensor] = {}

    def read(self, parameter: Parameter) -> Tensor:
        if parameter not in self.leaves:
            with answering(None):
                value = parameter.tensor()
            self.assign(parameter, value)
        return self.leaves[parameter]

    def assign(self, parameter: Parameter, value: Tensor) -> None:
        data = known(value, "inspect").astype(parameter.dtype, copy=False)
        leaf = self.leaves[parameter] = Tensor(data, tracked=data.dtype.kind == "f")
        leaf.cell = parameter


def _value(x: Tensor) -> Array:
    return read_only(known(x, "inspect"))


def _copy(x: Tensor) -> Array:
    return read_only(np.array(known(x, "inspect")))


def _cotangent(found: dict[Node, Tensor], x: Tensor) -> Array:
    """Return what flowed back to a node: nothing, where the loss does not depend on it."""
    return _value(found[x]) if x in found else read_only(np.zeros(x.shape, x.dtype))


def _slopes(link: Link) -> Array | None:
    """Return f_l′(z), or ``None`` where f_l mixes the units."""
    if not link.is_elementwise:
        return None
    return _cotangent(pull_back([link.a], [ones_like(link.a)], [link.z]), link.z)


def _check_apart(losses: Tensor, z: Tensor) -> None:
    """Raise ``ArgumentError`` if the first sample's loss depends on other samples."""
    if len(losses) > 1:
        first = np.zeros(losses.shape, losses.dtype)
        first[0] = 1.0
        others = _cotangent(pull_back([losses], [Tensor(first)], [z]), z)[1:]
        if (np.isfinite(others) & (others != 0.0)).any():
            raise ArgumentError(
                "model",
                "a model in which the loss of one sample depends on others",
                "one that computes each sample by itself, so that each has its own δ",
                "Inspect one sample at a time: model.inspect(x[:1], y[:1]).",
            )


def _each_loss(loss: Loss, y: Array, prediction: Tensor) -> Tensor:
    """Return each sample's own loss, also of a loss that gives only the mean."""
    losses = as_tensor(loss(Tensor(y), prediction))
    if losses.shape == (len(y),):
        return losses
    singly = [loss(Tensor(y[i : i + 1]), prediction[i : i + 1]) for i in range(len(y))]
    return concatenate([reshape(each, (1,)) for each in singly])
