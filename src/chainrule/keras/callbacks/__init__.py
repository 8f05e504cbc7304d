"""Callbacks with Keras's methods, arguments and defaults.

>>> EarlyStopping().patience
0
"""

from __future__ import annotations

from chainrule.keras.arguments import missing
from chainrule.keras.callbacks.base import (
    Callback,
    History,
    LambdaCallback,
    LearningRateScheduler,
    TerminateOnNaN,
)
from chainrule.keras.callbacks.files import CSVLogger, ModelCheckpoint
from chainrule.keras.callbacks.monitors import EarlyStopping, ReduceLROnPlateau

__all__ = [
    "CSVLogger",
    "Callback",
    "EarlyStopping",
    "History",
    "LambdaCallback",
    "LearningRateScheduler",
    "ModelCheckpoint",
    "ReduceLROnPlateau",
    "TerminateOnNaN",
]

__getattr__ = missing(__name__, globals())
