"""Losses of margins: the hinge, for two classes and for several."""

from __future__ import annotations

from typing import Any

from chainrule.core.tensor import Tensor
from chainrule.core.types import Array, ArrayType
from chainrule.losses.base import Loss, UnitLoss, per_sample
from chainrule.losses.cross_entropy import expected
from chainrule.losses.output import Output, Reading
from chainrule.losses.targets import class_targets, signs
from chainrule.ops.elementwise import maximum, square
from chainrule.ops.functional import one_hot
from chainrule.ops.reduce import max as max_


class Hinge(UnitLoss):
    """Hinge loss: ``L = (1/m) Σⱼ max(1 - yⱼ ŷⱼ, 0)``, with y either -1 or 1.

    The output is a score: above 0 is yes, and from 1 on nothing is left to improve. Labels 0 and 1
    are turned into -1 and 1.

    Source: Cortes and Vapnik, Support-Vector Networks (1995); Keras, hinge.

    >>> import chainrule as cr
    >>> loss = Hinge()
    >>> loss(cr.tensor([[1.0], [-1.0]]), cr.tensor([[0.25], [-3.0]])).tolist()
    [0.75, 0.0]
    """

    name = "hinge"

    @property
    def expects(self) -> Output:
        """Scores."""
        return Output.SCORES

    def check(self, y: Any, prediction: ArrayType) -> Array:
        """Return labels -1 and 1 in the shape of the predictions."""
        return signs(y, prediction)

    def each(self, y: Tensor, prediction: Tensor) -> Tensor:
        """Return ``max(1 - y ŷ, 0)``."""
        return maximum(1.0 - y * prediction, 0.0)

    def reading(self, y: Array) -> Reading:
        """Return how metrics are to read the output."""
        return Reading(Output.SCORES, per_unit=True)


class SquaredHinge(Hinge):
    """Squared hinge loss: ``L = (1/m) Σⱼ max(1 - yⱼ ŷⱼ, 0)²``, with y either -1 or 1.

    Source: Keras, squared_hinge.

    >>> import chainrule as cr
    >>> loss = SquaredHinge()
    >>> loss(cr.tensor([[1.0]]), cr.tensor([[0.5]])).tolist()
    [0.25]
    """

    name = "squared_hinge"

    def each(self, y: Tensor, prediction: Tensor) -> Tensor:
        """Return ``max(1 - y ŷ, 0)²``."""
        return square(super().each(y, prediction))


class CategoricalHinge(Loss):
    """Hinge loss over classes: ``L = max(1 + maxⱼ (1 - yⱼ) ŷⱼ - Σⱼ yⱼ ŷⱼ, 0)``.

    The best wrong score must stay 1 below the right one. As in Keras, the first maximum runs over
    the right class, too, whose term is 0: wrong scores below 0 are as good as 0.

    Targets are integer labels from 0, or one-hot rows.

    Source: Crammer and Singer, On the Algorithmic Implementation of Multiclass Kernel-based Vector
    Machines (2001); Keras, categorical_hinge.

    >>> import chainrule as cr
    >>> loss = CategoricalHinge()
    >>> loss(cr.tensor([0]), cr.tensor([[2.0, 1.5, -1.0]])).tolist()
    [0.5]
    """

    name = "categorical_hinge"

    @property
    def expects(self) -> Output:
        """Scores."""
        return Output.SCORES

    def check(self, y: Any, prediction: ArrayType) -> Array:
        """Return integer labels of shape (n,), or rows of shape (n, classes)."""
        return class_targets(y, prediction, self.name, "hinge")

    def __call__(self, y: Tensor, prediction: Tensor) -> Tensor:
        """Return the loss of each sample."""
        right = expected(y, prediction)
        if y.ndim < prediction.ndim:
            y = one_hot(y, prediction.shape[-1], prediction.dtype)
        wrong = max_((1.0 - y) * prediction, axis=-1)
        return per_sample(maximum(1.0 + wrong - right, 0.0))
