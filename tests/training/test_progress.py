from __future__ import annotations

import re
from io import StringIO
from typing import Any

import numpy as np
import pytest
from rich.console import Console

import chainrule as cr
from chainrule.core.errors import ArgumentError
from chainrule.training.progress import Progress

X = np.random.default_rng(0).normal(size=(20, 3))
LABELS = np.arange(20) % 2


def network() -> cr.Sequential:
    cr.random.seed(0)
    model = cr.Sequential([cr.Dense(4, activation="tanh"), cr.Dense(2)])
    model.compile("adam", "cross_entropy", ["accuracy"])
    return model


def line(epoch: int, epochs: int, history: cr.History) -> str:
    width = len(str(epochs))
    values = "  ".join(
        f"{name} {values[epoch - 1]:.4f}" for name, values in history.history.items()
    )
    return f"epoch {epoch:>{width}}/{epochs}  {values}"


def test_plain_lines_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    for verbose in ("auto", 1, 2, True):
        history = network().fit(X, LABELS, epochs=100, validation_split=0.2, verbose=verbose)
        shown = [*range(1, 101, 10), 100]
        out, err = capsys.readouterr()
        assert out.splitlines() == [line(epoch, 100, history) for epoch in shown]
        assert err == ""
    assert max(map(len, out.splitlines())) > 80  # and lines are not broken


@pytest.mark.parametrize(
    ("epochs", "shown"),
    [(1, [1]), (3, [1, 2, 3]), (10, list(range(1, 11))), (25, [*range(1, 26, 2)]),
     (40, [*range(1, 41, 4), 40])],
)  # fmt: skip
def test_about_ten_lines_and_always_the_last(
    epochs: int, shown: list[int], capsys: pytest.CaptureFixture[str]
) -> None:
    history = network().fit(X, LABELS, epochs=epochs)
    assert capsys.readouterr().out.splitlines() == [line(e, epochs, history) for e in shown]


def test_silence(capsys: pytest.CaptureFixture[str]) -> None:
    network().fit(X, LABELS, epochs=2, verbose=0)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("verbose", [3, -1, "yes", None])
def test_verbose_that_does_not_fit(verbose: Any) -> None:
    with pytest.raises(ArgumentError) as caught:
        network().fit(X, LABELS, verbose=verbose)
    assert str(caught.value) == f"verbose: got {verbose!r}; expected 0, 1, 2 or 'auto'."


def test_a_training_that_stops_early_shows_its_last_epoch(
    capsys: pytest.CaptureFixture[str],
) -> None:
    class Stop(cr.Callback):
        def on_epoch_end(self, epoch: int, logs: Any) -> None:
            self.model.stop_training = epoch == 12

    history = network().fit(X, LABELS, epochs=100, callbacks=[Stop()])
    out = capsys.readouterr().out.splitlines()
    assert out == [line(epoch, 100, history) for epoch in (1, 11, 13)]


def test_an_interrupted_training_shows_its_last_whole_epoch(
    capsys: pytest.CaptureFixture[str],
) -> None:
    class Interrupt(cr.Callback):
        def on_epoch_begin(self, epoch: int) -> None:
            if epoch == 13:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        network().fit(X, LABELS, epochs=100, callbacks=[Interrupt()])
    out = capsys.readouterr().out.splitlines()
    assert [text[:13] for text in out] == ["epoch   1/100", "epoch  11/100", "epoch  13/100"]


def test_names_are_shown_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    class Odd(cr.metrics.MeanSquaredError):
        name = "e[bold]²"

    model = cr.Sequential([cr.Dense(1)])
    model.compile("sgd", "squared_error", [Odd])
    model.fit(X, LABELS)
    assert re.fullmatch(
        r"epoch 1/1  loss \d\.\d{4}  e\[bold\]² \d\.\d{4}\n", capsys.readouterr().out
    )


# ------------------------------------------------------------------------------------- the bar


def terminal(width: int = 120) -> Console:
    return Console(force_terminal=True, file=StringIO(), width=width, color_system=None)


def screen(console: Console) -> list[str]:
    """The states of the bar, in order, without control codes."""
    assert isinstance(console.file, StringIO)
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", console.file.getvalue())
    return [part.strip() for part in re.split(r"[\r\n]+", text) if part.strip()]


def fit(
    console: Console, epochs: int = 3, callbacks: list[cr.Callback] | None = None
) -> cr.History:
    return network().fit(
        X, LABELS, epochs=epochs, batch_size=5, validation_split=0.2, verbose=0,
        callbacks=[*(callbacks or []), Progress(console)],
    )  # fmt: skip


@pytest.mark.parametrize("width", [80, 120, 200])
def test_the_bar(width: int) -> None:
    console = terminal(width)
    history = fit(console)
    states = screen(console)
    last = {name: values[-1] for name, values in history.history.items()}
    shown = " ".join(f"{name} {value:.3f}" for name, value in last.items())
    assert states[-1].startswith("epoch 3/3 ━")
    assert shown in states[-1]
    assert "╸" not in states[-1]  # full
    assert all(len(state) <= width for state in states)
    epochs = [int(state[6]) for state in states if state[7:9] == "/3"]
    assert epochs == sorted(epochs)
    assert set(epochs) == {1, 2, 3}


def test_the_bar_gives_the_cursor_back_whatever_happens() -> None:
    class Interrupt(cr.Callback):
        def on_epoch_end(self, epoch: int, logs: Any) -> None:
            if epoch == 1:
                raise KeyboardInterrupt

        def on_train_end(self, logs: Any) -> None:
            raise RuntimeError

    console = terminal()
    with pytest.raises(RuntimeError):
        fit(console, callbacks=[Interrupt()])
    assert isinstance(console.file, StringIO)
    codes = re.findall(r"\x1b\[\?25[lh]", console.file.getvalue())
    assert codes[0] == "\x1b[?25l"
    assert codes[-1] == "\x1b[?25h"


def test_the_bar_is_full_at_the_epoch_that_training_reached() -> None:
    class Stop(cr.Callback):
        def on_epoch_end(self, epoch: int, logs: Any) -> None:
            self.model.stop_training = epoch == 1

    console = terminal()
    fit(console, epochs=50, callbacks=[Stop()])
    last = screen(console)[-1]
    assert last.startswith("epoch 2/50 ━")
    assert "╸" not in last


def test_it_may_be_used_again() -> None:
    console = Console(file=StringIO(), width=200)
    progress = Progress(console)
    network().fit(X, LABELS, epochs=5, verbose=0, callbacks=[progress])

    class Interrupt(cr.Callback):
        def on_batch_end(self, batch: int, logs: Any) -> None:
            raise KeyboardInterrupt

    assert isinstance(console.file, StringIO)
    before = console.file.getvalue()
    with pytest.raises(KeyboardInterrupt):
        network().fit(X, LABELS, epochs=5, verbose=0, callbacks=[Interrupt(), progress])
    assert console.file.getvalue() == before  # no epoch was over: nothing to show
