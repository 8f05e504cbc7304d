"""Layers beside the neurons: dropout, noise, normalization, embedding, flattening."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from chainrule.core.errors import ArgumentError
from chainrule.core.tensor import Tensor
from chainrule.keras.initializers import check as initializer
from chainrule.keras.layers.base import Adapted, translated
from chainrule.keras.regularizers import L1L2
from chainrule.keras.regularizers import check as regularizer
from chainrule.nn import embedding, noise, normalization, shapes
from chainrule.nn.arguments import number
from chainrule.ops.elementwise import add, multiply, where


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
class GaussianDropout(Adapted, noise.Noise):
    """Multiply by normal noise of mean 1 in training: ``y = x e``, ``e ~ N(1, p / (1 - p))``.

    >>> GaussianDropout(0.5)([[1.0, 2.0]]).tolist()
    [[1.0, 2.0]]
    """

    def __init__(self, rate: float, seed: int | None = None) -> None:
        super().__init__(seed)
        self.rate = number("rate", rate, 0.0, 1.0, "a number in [0, 1)")

    def forward(self, x: Tensor, training: bool = False) -> Tensor:
        """Multiply by noise, in training."""
        if not training or not self.rate:
            return x
        deviation = (self.rate / (1.0 - self.rate)) ** 0.5
        return multiply(x, self.generator.normal(1.0, deviation, x.shape, x.dtype))


@translated()
class AlphaDropout(Adapted, noise.Noise):
    """Dropout for SELU: what is dropped becomes -αλ; mean and variance stay.

    ``y = a (x m - α λ (1 - m)) + b``, with ``a = ((1 - p)(1 + p α² λ²))^-½``, ``b = a p α λ``

    >>> AlphaDropout(0.5)([[1.0, 2.0]]).tolist()
    [[1.0, 2.0]]

    Source: Klambauer and others, "Self-normalizing neural networks", NIPS 2017.
    """

    def __init__(
        self,
        rate: float,
        noise_shape: Sequence[int | None] | None = None,
        seed: int | None = None,
    ) -> None:
        super().__init__(seed)
        self.rate = number("rate", rate, 0.0, 1.0, "a number in [0, 1)")
        self.noise_shape = None if noise_shape is None else tuple(noise_shape)

    def forward(self, x: Tensor, training: bool = False) -> Tensor:
        """Drop units, in training."""
        if not training or not self.rate:
            return x
        sizes = self.noise_shape or x.shape
        shape = tuple(n if m is None else m for m, n in zip(sizes, x.shape, strict=True))
        keep = self.generator.uniform(shape=shape) >= self.rate
        low = -1.6732632423543772 * 1.0507009873554805
        a = ((1.0 - self.rate) * (1.0 + self.rate * low**2)) ** -0.5
        kept: Tensor = where(keep, x, low)
        return add(multiply(kept, a), -a * low * self.rate)


@translated()
class Flatten(Adapted, shapes.Flatten):
    """Make one row of each sample.

    >>> Flatten()([[[1.0], [2.0]]]).tolist()
    [[1.0, 2.0]]
    """

    def __init__(self, data_format: str | None = "channels_last") -> None:
        if data_format not in (None, "channels_last"):
            raise ArgumentError("data_format", repr(data_format), "'channels_last'")
        super().__init__()


@translated(
    lacks=("embeddings_constraint",),
    init="embeddings_initializer",
    W_regularizer="embeddings_regularizer",
)
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
            initializer(embeddings_initializer, "embeddings_initializer"),
            regularizer(embeddings_regularizer, "embeddings_regularizer"),
        )


@translated(
    lacks=("beta_constraint", "gamma_constraint"),
    beta_init="beta_initializer",
    gamma_init="gamma_initializer",
)
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
            beta_initializer=initializer(beta_initializer, "beta_initializer"),
            gamma_initializer=initializer(gamma_initializer, "gamma_initializer"),
            moving_mean_initializer=initializer(moving_mean_initializer, "moving_mean_initializer"),
            moving_variance_initializer=initializer(
                moving_variance_initializer, "moving_variance_initializer"
            ),
            beta_regularizer=regularizer(beta_regularizer, "beta_regularizer"),
            gamma_regularizer=regularizer(gamma_regularizer, "gamma_regularizer"),
        )


@translated(lacks=("beta_constraint", "gamma_constraint"))
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
            beta_initializer=initializer(beta_initializer, "beta_initializer"),
            gamma_initializer=initializer(gamma_initializer, "gamma_initializer"),
            beta_regularizer=regularizer(beta_regularizer, "beta_regularizer"),
            gamma_regularizer=regularizer(gamma_regularizer, "gamma_regularizer"),
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
        self.l1, self.l2 = float(l1), float(l2)
        self.activity_regularizer = L1L2(l1, l2)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor, as JSON values, and the name."""
        return {**self.common_config(), "l1": self.l1, "l2": self.l2}

    def forward(self, x: Tensor, training: bool = False) -> Tensor:
        """Return the input."""
        return x
