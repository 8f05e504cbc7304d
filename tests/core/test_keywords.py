"""Keywords that nobody knows get explained where they are written."""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable
from typing import Any

import pytest

import chainrule as cr
from chainrule.core.errors import ArgumentError
from chainrule.core.keywords import Explained, KeywordError, explained, refuse_unknown


class Base(Explained):
    def __init__(self, a: int = 1) -> None:
        self.a = a


class Handing(Base):
    hands_options_up = True

    def __init__(self, b: int = 2, **options: int) -> None:
        super().__init__(**options)
        self.b = b


class Taking(Base):
    def __init__(self, **options: int) -> None:
        super().__init__()
        self.options = options


def test_constructors() -> None:
    assert (Base(a=3).a, Handing(a=3, b=4).a, Taking(z=5).options) == (3, 3, {"z": 5})
    with pytest.raises(KeywordError) as caught:
        Base(aa=3)  # type: ignore[call-arg]
    assert str(caught.value) == (
        "aa: got an argument that Base lacks; expected one of a. Did you mean 'a'?"
    )
    with pytest.raises(KeywordError) as caught:
        Handing(zzz=3)
    assert str(caught.value) == "zzz: got an argument that Handing lacks; expected one of b, a."
    assert isinstance(caught.value, TypeError | ArgumentError)
    assert copy.deepcopy(Handing(a=7)).a == 7


def test_wrapped_constructors_take_what_the_wrapper_takes() -> None:
    class Renamed(Base):
        @functools.wraps(Base.__init__)
        def __init__(self, *args: Any, **given: Any) -> None:
            super().__init__(given["old"])

    assert Renamed(old=9).a == 9


def test_functions() -> None:
    @explained
    def fit(x: int, epochs: int = 1) -> int:
        """Fit."""
        return x * epochs

    assert fit(2, epochs=3) == 6
    assert fit.__doc__ == "Fit."
    with pytest.raises(KeywordError) as caught:
        fit(2, nb_epoch=3)  # type: ignore[call-arg]
    assert str(caught.value) == (
        "nb_epoch: got an argument that fit() lacks; expected one of x, epochs. Here it is epochs."
    )


def test_without_arguments() -> None:
    with pytest.raises(KeywordError, match=r"^q: got an argument that f lacks; expected no arg"):
        refuse_unknown("f", ["q"], [])


MODEL = cr.Sequential([cr.Dense(1)])
MODEL.compile()


@pytest.mark.parametrize(
    ("call", "start", "end"),
    [
        (lambda: cr.Dense(3, input_dim=4), "input_dim: got an argument that Dense lacks", "4,))."),  # type: ignore[call-arg]
        (lambda: cr.Dense(3, name="a"), "name: got an argument that Dense lacks", "names them."),  # type: ignore[call-arg]
        (lambda: cr.Dense(3, activaton="a"), "activaton: got", "Did you mean 'activation'"),  # type: ignore[call-arg]
        (lambda: cr.Dropout(p=0.5), "p: got an argument that Dropout lacks", "Here it is rate."),  # type: ignore[call-arg]
        (lambda: cr.losses.Huber(dleta=1.0), "dleta: got", "Did you mean 'delta'?"),  # type: ignore[call-arg]
        (lambda: cr.metrics.TopK(kk=1), "kk: got", "Did you mean 'k'?"),  # type: ignore[call-arg]
        (lambda: cr.EarlyStopping(patiense=1), "patiense: got", "Did you mean 'patience'?"),  # type: ignore[call-arg]
        (lambda: MODEL.fit([[1.0]], [1.0], nb_epoch=3), "nb_epoch: got", "Here it is epochs."),  # type: ignore[call-arg]
        (lambda: MODEL.compile(optimiser="sgd"), "optimiser: got", "Did you mean 'optimizer'?"),  # type: ignore[call-arg]
        (lambda: MODEL.predict([[1.0]], batchsize=3), "batchsize: got", "'batch_size'?"),  # type: ignore[call-arg]
    ],
)
def test_what_people_write(call: Callable[[], Any], start: str, end: str) -> None:
    with pytest.raises(KeywordError) as caught:
        call()
    assert str(caught.value).startswith(start)
    assert end in str(caught.value)
