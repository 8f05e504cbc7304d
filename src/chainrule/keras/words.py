"""What Chainrule's own errors say, in Keras's names."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from chainrule.core.errors import ArgumentError

#: What Chainrule calls things, and what Keras calls them; longer texts before those inside them.
_WORDS = (
    (
        "'sigmoid', or no activation and loss='binary_cross_entropy'",
        "'sigmoid', and loss='binary_crossentropy'",
    ),
    ("loss=cr.losses.BinaryCrossEntropy(pos_weight=[...])", "a loss of your own"),
    ("cr.losses.CrossEntropy(", "{loss}("),
    ("cr.losses.BinaryCrossEntropy(", "{loss}("),
    ("the loss from_logits=True", "loss={loss}(from_logits=True)"),
    ("loss='cross_entropy'", "loss='sparse_categorical_crossentropy'"),
    ("loss='binary_cross_entropy'", "loss='binary_crossentropy'"),
    ("'cross_entropy'", "'{name}'"),
    ("'binary_cross_entropy'", "'binary_crossentropy'"),
    ("'squared_error'", "'mean_squared_error'"),
    ("'absolute_error'", "'mean_absolute_error'"),
    ("cr.Dense(", "keras.layers.Dense("),
    ("cr.losses.", "keras.losses."),
    ("cr.optim.", "keras.optimizers."),
)


def keras_words(text: str, loss: Any = None) -> str:
    """Return a text with Keras's names in place of Chainrule's.

    Args:
        text: of an error.
        loss: the loss that the model was compiled with.

    >>> keras_words("Leave the activation out, as in cr.Dense(3).")
    'Leave the activation out, as in keras.layers.Dense(3).'
    """
    names = {
        "loss": f"keras.losses.{type(loss).__name__}",
        "name": getattr(loss, "name", "sparse_categorical_crossentropy"),
    }
    for ours, theirs in _WORDS:
        text = text.replace(ours, theirs.format(**names))
    return text


@contextmanager
def in_keras_words(loss: Any) -> Iterator[None]:
    """Let errors inside the block speak of Keras's names."""
    try:
        yield
    except ArgumentError as error:
        texts = [keras_words(text, loss) for text in (error.came, error.expected, error.fix)]
        if texts == [error.came, error.expected, error.fix]:
            raise
        raise type(error)(error.argument, *texts) from None
