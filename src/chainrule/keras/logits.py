"""What a probability was computed from, so that a loss can go back to the logits.

Keras's losses expect probabilities, from a last layer with softmax or sigmoid. Their logarithm
loses what the exponential has rounded away: at logits of ±1000 it is log 0. The activation
therefore remembers the net input of its latest result, and a loss that is given that very tensor
computes from the net input instead: the same equation, without the loss of digits. (Keras keeps the
logits on the tensor, as ``_keras_logits``.)
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from chainrule.core.tensor import Tensor


class _Latest(threading.local):
    """The latest activation that made probabilities, thread by thread: one, so nothing piles up."""

    kind: str = ""
    probabilities: Tensor | None = None
    logits: Tensor | None = None
    enabled: bool = True


_latest = _Latest()


def remember(kind: str, probabilities: Tensor, logits: Tensor) -> Tensor:
    """Note what probabilities were computed from, and return them.

    Args:
        kind: ``"softmax"`` (over the last axis) or ``"sigmoid"``.
        probabilities: the result.
        logits: the net input.
    """
    _latest.kind, _latest.probabilities, _latest.logits = kind, probabilities, logits
    return probabilities


def logits_of(probabilities: object, kind: str) -> Tensor | None:
    """Return the net input of the latest activation, if these are its result; else ``None``."""
    is_it = _latest.enabled and probabilities is _latest.probabilities and kind == _latest.kind
    return _latest.logits if is_it else None


def forget() -> None:
    """Let the latest activation's tensors go."""
    _latest.kind, _latest.probabilities, _latest.logits = "", None, None


@contextmanager
def as_written() -> Iterator[None]:
    """Let losses start from the probabilities, so that gradients pass through them.

    ``inspect`` shows ∂L/∂a of the last layer, which is not on the way from the logits.
    """
    before, _latest.enabled = _latest.enabled, False
    try:
        yield
    finally:
        _latest.enabled = before
