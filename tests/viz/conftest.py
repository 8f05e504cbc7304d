"""Runs to report on, each fitted once."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import polars as pl
import pytest

from chainrule.data import load_dataset
from chainrule.training.callbacks import Callback
from chainrule.training.callbacks import Logs as LogValues
from chainrule.training.run import Run, Settings


class Fitted(NamedTuple):
    run: Run
    frame: pl.DataFrame


class Interrupt(Callback):
    """Ctrl-C in the batch after some epochs."""

    def __init__(self, after: int) -> None:
        self.left = after

    def on_epoch_end(self, epoch: int, logs: LogValues) -> None:
        self.left -= 1

    def on_batch_end(self, batch: int, logs: LogValues) -> None:
        if self.left == 0:
            raise KeyboardInterrupt


def fit(
    frame: pl.DataFrame, target: str, name: str = "", after: int | None = None, **settings: object
) -> Fitted:
    run = Run.prepare(frame, target, Settings(**{"epochs": 3, **settings}), name)
    if after is None:
        run.fit(frame)
    else:
        with pytest.raises(KeyboardInterrupt):
            run.fit(frame, [Interrupt(after)])
    return Fitted(run, frame)


@pytest.fixture(scope="session")
def fit_table() -> Callable[..., Fitted]:
    return fit


@pytest.fixture(scope="session")
def fit_dataset() -> Callable[..., Fitted]:
    made: dict[object, Fitted] = {}

    def fit_once(name: str, after: int | None = None, **settings: object) -> Fitted:
        key = (name, after, *settings.items())
        if key not in made:
            data = load_dataset(name)
            made[key] = fit(data.frame, data.target, name, after, **settings)
        return made[key]

    return fit_once


@pytest.fixture(scope="session")
def digits(fit_dataset: Callable[..., Fitted]) -> Fitted:
    return fit_dataset("digits", epochs=12)


@pytest.fixture(scope="session")
def diabetes(fit_dataset: Callable[..., Fitted]) -> Fitted:
    return fit_dataset("diabetes", epochs=60)
