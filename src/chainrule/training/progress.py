"""Progress of a training: a live bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar

from chainrule.training.callbacks import Callback, Logs

if TYPE_CHECKING:
    from rich.progress import TaskID

#: Plain lines: about this many for a whole training.
_LINES = 10
#: Seconds between redraws of the bar within an epoch.
_REDRAW = 0.1
#: Columns from which there is room for a clock.
_WIDE = 96


class Progress(Callback):
    """Show the losses and metrics while training.

    Args:
        console: where to (default: standard output).
    """

    only_looks = True

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console()
        self._bar: Bar | None = None
        self._task: TaskID | None = None
        self._last_logs: Logs = {}
        self._drawn = 0.0
        self._epoch = 0
        self._printed = -1

    def on_train_begin(self) -> None:
        """Show the bar."""
        self._epoch, self._printed, self._last_logs = 0, -1, {}
        if self.console.is_terminal:
            clock = [TimeElapsedColumn()] if self.console.width >= _WIDE else []
            self._bar = Bar(
                TextColumn("epoch {task.fields[epoch]}"),
                BarColumn(bar_width=None),
                TextColumn("{task.fields[shown]}"),
                *clock,
                console=self.console,
                auto_refresh=False,
                expand=True,
            )
            total = self.params["epochs"] * self.params["steps"]
            self._task = self._bar.add_task("fit", total=total, epoch="1", shown="")
            self._bar.start()

    @property
    def needs_every_batch(self) -> bool:
        """It draws a few times a second."""
        return False

    def on_batch_end(self, batch: int, logs: Logs) -> None:
        """Move the bar, a few times a second."""
        now = time.monotonic()
        if self._bar is not None and now - self._drawn > _REDRAW:
            self._drawn = now
            self._draw(self._epoch * self.params["steps"] + batch + 1, {**self._last_logs, **logs})

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        """Move the bar, or print a line."""
        self._epoch, self._last_logs = epoch + 1, logs
        if self._bar is not None:
            self._draw((epoch + 1) * self.params["steps"], logs)
        elif epoch % max(1, self.params["epochs"] // _LINES) == 0:
            self._print(epoch, logs)

    def on_train_end(self, logs: Logs) -> None:
        """Leave the bar as it is, or print the last line."""
        last = self._epoch - 1
        if self._bar is not None:
            if last >= 0:
                # Training may stop early: the bar is full all the same, at the epoch it reached.
                done = max(1, self._epoch * self.params["steps"])
                self._bar.update(self._task_id(), total=done)
                self._draw(done, self._last_logs)
            self._bar.stop()
            self._bar = None
        elif last >= 0 and last != self._printed:
            self._print(last, self._last_logs)

    def _task_id(self) -> TaskID:
        assert self._task is not None
        return self._task

    def _draw(self, done: int, logs: Logs) -> None:
        assert self._bar is not None
        epoch = f"{min(self._epoch + (done % self.params['steps'] > 0), self.params['epochs'])}"
        self._bar.update(
            self._task_id(),
            completed=done,
            epoch=f"{epoch}/{self.params['epochs']}",
            shown=" ".join(f"{name} {value:.3f}" for name, value in logs.items()),
        )
        self._bar.refresh()

    def _print(self, epoch: int, logs: Logs) -> None:
        self._printed = epoch
        width = len(str(self.params["epochs"]))
        number = f"{epoch + 1:>{width}}/{self.params['epochs']}"
        line = f"epoch {number}  {_line(logs)}"
        self.console.print(line, markup=False, highlight=False, soft_wrap=True)


def _line(logs: Logs) -> str:
    return "  ".join(f"{name} {value:.4f}" for name, value in logs.items())
