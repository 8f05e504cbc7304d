"""Metrics as functions of (y_true, y_pred): one value a sample, in NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.core.types import Array


def binary_accuracy(y_true: Any, y_pred: Any, threshold: float = 0.5) -> Array:
    """Return the share of right answers of each sample: ``mean I((p > threshold) = y)``.

    >>> binary_accuracy([[1.0], [0.0]], [[0.7], [0.6]]).tolist()
    [1.0, 0.0]
    """
    p = np.asarray(y_pred)
    y = np.asarray(y_true)
    y = y.reshape(p.shape) if y.size == p.size else y
    hits: Array = ((p > threshold).astype(np.float64) == y).astype(np.float64)
    shares: Array = hits.mean(axis=-1) if hits.ndim > 1 else hits
    return shares


def categorical_accuracy(y_true: Any, y_pred: Any) -> Array:
    """Return whether each sample's largest output is that of its class, given one-hot rows.

    >>> categorical_accuracy([[0, 1]], [[0.2, 0.8]]).tolist()
    [1.0]
    """
    y, p = np.asarray(y_true), np.asarray(y_pred)
    hits: Array = y.argmax(axis=-1) == p.argmax(axis=-1)
    return hits.astype(np.float64)


def sparse_categorical_accuracy(y_true: Any, y_pred: Any) -> Array:
    """Return whether each sample's largest output is that of its class, given labels.

    >>> sparse_categorical_accuracy([1], [[0.2, 0.8]]).tolist()
    [1.0]
    """
    y, p = np.asarray(y_true), np.asarray(y_pred)
    hits: Array = labels_of(y, p) == p.argmax(axis=-1)
    return hits.astype(np.float64)


def top_k_categorical_accuracy(y_true: Any, y_pred: Any, k: int = 5) -> Array:
    """Return whether each sample's class is among the k largest outputs, given one-hot rows.

    >>> top_k_categorical_accuracy([[0, 0, 1]], [[0.1, 0.5, 0.4]], k=2).tolist()
    [1.0]
    """
    return sparse_top_k_categorical_accuracy(np.asarray(y_true).argmax(axis=-1), y_pred, k)


def sparse_top_k_categorical_accuracy(y_true: Any, y_pred: Any, k: int = 5) -> Array:
    """Return whether each sample's class is among the k largest outputs, given labels.

    >>> sparse_top_k_categorical_accuracy([2], [[0.1, 0.5, 0.4]], k=2).tolist()
    [1.0]
    """
    p = np.asarray(y_pred)
    y = labels_of(np.asarray(y_true), p)
    of_right = np.take_along_axis(p, y[..., None], axis=-1)
    hits: Array = (p > of_right).sum(axis=-1) < k
    return hits.astype(np.float64)


def labels_of(y: Array, p: Array) -> Array:
    """Return integer labels, one a row of predictions: from labels, a column, or one-hot rows."""
    if y.ndim == p.ndim and y.shape[-1] == p.shape[-1] and p.shape[-1] > 1:
        y = y.argmax(axis=-1)
    return y.reshape(p.shape[:-1]).astype(np.int64)
