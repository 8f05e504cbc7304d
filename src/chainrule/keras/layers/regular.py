"""Layers beside the neurons: dropout, noise, normalization, embedding, flattening, merging."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from chainrule.core.errors import ArgumentError, ShapeError
from chainrule.core.tensor import Tensor, as_tensor
from chainrule.keras import initializers, regularizers
from chainrule.keras.layers.base import Adapted, refuse_placeholder, translated
from chainrule.nn import embedding, noise, normalization, shapes
from chainrule.ops import shape as shape_ops


@translated()
class Dropout(Adapted, noise.Dropout):
    """Drop a share of the units in training (Keras 1: p).

    >>> Dropout(0.5)([[1.0, 2.0]]).tolist()
    [[1.0, 2.0]]
    """

    def __init__(
        self,
        rate: float,
        noise_shape: Sequence[int | None] | None = None,
        seed: int | None = None,
    ) -> None:
        super().__init__(rate, noise_shape, seed)


@translated()
class GaussianNoise(Adapted, noise.GaussianNoise):
    """Add normal noise in training (Keras 1: sigma).

    >>> GaussianNoise(0.1)([[1.0]]).tolist()
    [[1.0]]
    """

    def __init__(self, stddev: float, seed: int | None = None) -> None:
        super().__init__(stddev, seed)


@translated()
class Flatten(Adapted, shapes.Flatten):
    """Make one row of each sample.

    >>> Flatten()([[[1.0], [2.0]]]).tolist()
    [[1.0, 2.0]]
    """

    def __init__(self) -> None:
        super().__init__()


@translated(init="embeddings_initializer", W_regularizer="embeddings_regularizer")
class Embedding(Adapted, embedding.Embedding):
    """Rows of a table, by whole numbers from 0.

    >>> Embedding(10, 3)([[1, 2]]).shape
    (1, 2, 3)
    """

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        embeddings_initializer: Any = "uniform",
        embeddings_regularizer: Any = None,
    ) -> None:
        super().__init__(
            input_dim,
            output_dim,
            initializers.get(embeddings_initializer, "embeddings_initializer"),
            regularizers.get(embeddings_regularizer, "embeddings_regularizer"),
        )


@translated(beta_init="beta_initializer", gamma_init="gamma_initializer")
class BatchNormalization(Adapted, normalization.BatchNorm):
    """Normalize each feature over the batch; frozen, by its moving statistics in training, too.

    >>> BatchNormalization().momentum
    0.99
    """

    def __init__(
        self,
        axis: int = -1,
        momentum: float = 0.99,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        moving_mean_initializer: Any = "zeros",
        moving_variance_initializer: Any = "ones",
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
    ) -> None:
        super().__init__(
            axis=axis,
            momentum=momentum,
            epsilon=epsilon,
            center=center,
            scale=scale,
            beta_initializer=initializers.get(beta_initializer, "beta_initializer"),
            gamma_initializer=initializers.get(gamma_initializer, "gamma_initializer"),
            moving_mean_initializer=initializers.get(
                moving_mean_initializer, "moving_mean_initializer"
            ),
            moving_variance_initializer=initializers.get(
                moving_variance_initializer, "moving_variance_initializer"
            ),
            beta_regularizer=regularizers.get(beta_regularizer, "beta_regularizer"),
            gamma_regularizer=regularizers.get(gamma_regularizer, "gamma_regularizer"),
        )

    def forward(self, x: Tensor, training: bool = False) -> Tensor:
        """Normalize."""
        return super().forward(x, training and not self._is_frozen)


@translated()
class LayerNormalization(Adapted, normalization.LayerNorm):
    """Normalize each sample over its features.

    >>> LayerNormalization()([[1.0, 1.0]]).tolist()
    [[0.0, 0.0]]
    """

    def __init__(
        self,
        axis: int | Sequence[int] = -1,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
    ) -> None:
        super().__init__(
            axis=axis,
            epsilon=epsilon,
            center=center,
            scale=scale,
            beta_initializer=initializers.get(beta_initializer, "beta_initializer"),
            gamma_initializer=initializers.get(gamma_initializer, "gamma_initializer"),
            beta_regularizer=regularizers.get(beta_regularizer, "beta_regularizer"),
            gamma_regularizer=regularizers.get(gamma_regularizer, "gamma_regularizer"),
        )


@translated()
class RMSNormalization(Adapted, normalization.RMSNorm):
    """Divide each sample by the root of its features' mean square.

    >>> RMSNormalization()([[2.0, 2.0]]).numpy().round(3).tolist()
    [[1.0, 1.0]]
    """

    def __init__(self, axis: int | Sequence[int] = -1, epsilon: float = 1e-6) -> None:
        super().__init__(axis, epsilon)


@translated()
class ActivityRegularization(Adapted):
    """Let the input pass, and add a penalty of its size to the loss.

    >>> ActivityRegularization(l2=0.1)([[1.0]]).tolist()
    [[1.0]]
    """

    def __init__(self, l1: float = 0.0, l2: float = 0.0) -> None:
        self.activity_regularizer = regularizers.L1L2(l1, l2)

    def forward(self, x: Tensor, training: bool = False) -> Tensor:
        """Return the input."""
        return x


class Merge:
    """A function of several tensors; in a model of layers one after the other it has no place."""

    def __call__(self, inputs: Sequence[Any]) -> Tensor:
        """Merge tensors.

        Raises:
            ArgumentError: the functional API's placeholders; fewer than two tensors.
        """
        refuse_placeholder(inputs)
        if not isinstance(inputs, list | tuple) or len(inputs) < 2:
            raise ArgumentError("inputs", "one thing", "a list of at least two tensors")
        return self.merge([as_tensor(x) for x in inputs])

    def merge(self, tensors: list[Tensor]) -> Tensor:
        """Return the result."""
        raise NotImplementedError


class Concatenate(Merge):
    """Join tensors along an axis.

    >>> Concatenate()([[[1.0]], [[2.0]]]).tolist()
    [[1.0, 2.0]]
    """

    def __init__(self, axis: int = -1) -> None:
        self.axis = axis

    def merge(self, tensors: list[Tensor]) -> Tensor:
        """Join them."""
        return shape_ops.concatenate(tensors, axis=self.axis)


class Add(Merge):
    """Add tensors of one shape.

    >>> Add()([[1.0], [2.0]]).tolist()
    [3.0]
    """

    def merge(self, tensors: list[Tensor]) -> Tensor:
        """Add them."""
        total = tensors[0]
        for x in tensors[1:]:
            if x.shape != total.shape:
                raise ShapeError("inputs", f"shapes {total.shape} and {x.shape}", "one shape")
            total = total + x
        return total
