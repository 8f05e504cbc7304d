"""Keywords that a class or a function does not have, explained."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable
from typing import Any, ClassVar, Self, TypeVar

from chainrule.core.errors import ArgumentError, nearest

#: What people write in other libraries, and what it is here.
ELSEWHERE = {
    "lr": "learning_rate",
    "alpha": "learning_rate",
    "nb_epoch": "epochs",
    "n_epochs": "epochs",
    "output_dim": "units",
    "out_features": "units",
    "init": "kernel_initializer",
    "weights_initializer": "kernel_initializer",
    "bias": "use_bias",
    "W_regularizer": "kernel_regularizer",
    "b_regularizer": "bias_regularizer",
    "betas": "beta_1 and beta_2",
    "eps": "epsilon",
    "p": "rate",
    "validation_size": "validation_split",
}

#: What there is instead of arguments that others have.
INSTEAD = {
    "decay": "A learning rate that falls is a schedule, such as "
    "cr.optim.schedules.ExponentialDecay; decoupled decay of weights is weight_decay.",
    "input_dim": "Sizes are found at the first call; to give them, begin with cr.Input((4,)).",
    "input_shape": "Sizes are found at the first call; to give them, begin with cr.Input((4,)).",
    "in_features": "Sizes are found at the first call; to give them, begin with cr.Input((4,)).",
    "name": "Layers are named by their place, as in model.layers[0]; chainrule.keras names them.",
    "trainable": "Freeze it afterwards: layer.trainable = False.",
    "dtype": "The model has it: cr.Sequential(layers, dtype='float64').",
}


class KeywordError(ArgumentError, TypeError):
    """A keyword that a class or a function does not have."""

    __str__ = ArgumentError.__str__


def refuse_unknown(owner: str, given: Iterable[str], known: Iterable[str]) -> None:
    """Raise ``KeywordError`` for a keyword that is not known.

    Args:
        owner: what is called.
        given: keywords that came.
        known: those that there are.

    >>> refuse_unknown("Adam", ["learning_rate"], ["learning_rate", "beta_1"])
    """
    names = list(known)
    for keyword in given:
        if keyword in names:
            continue
        there = ELSEWHERE.get(keyword)
        fix = INSTEAD.get(keyword, "")
        if there is not None and set(there.split(" and ")) <= set(names):
            fix = f"Here it is {there}."
        expected = f"one of {', '.join(names)}" if names else "no arguments"
        raise KeywordError(
            keyword, f"an argument that {owner} lacks", expected, fix or nearest(keyword, names)
        )


class Explained:
    """A class whose constructor explains keywords that it does not have."""

    #: Whether ``**options`` of the constructor go to that of the class above.
    hands_options_up: ClassVar[bool] = False

    def __new__(cls, *args: Any, **keywords: Any) -> Self:
        """Make an instance, or raise ``KeywordError``."""
        if keywords:
            kind: Any = cls
            known = _constructor_keywords(kind)
            if known is not None:
                refuse_unknown(cls.__name__, keywords, known)
        return super().__new__(cls)


@functools.cache
def _constructor_keywords(kind: type[Explained]) -> tuple[str, ...] | None:
    """Return the keywords of a class's constructor, or ``None`` if it takes any."""
    found: dict[str, None] = {}
    for base in kind.__mro__:
        if "__init__" not in vars(base):
            continue
        own = keywords_of(vars(base)["__init__"])
        found |= dict.fromkeys(own[0])
        if not own[1]:
            return tuple(found)
        if not kind.hands_options_up:
            return None
    return None


def keywords_of(function: Callable[..., Any]) -> tuple[tuple[str, ...], bool]:
    """Return the keywords of a function, but for ``self``, and whether it takes any other."""
    parameters = inspect.signature(function, follow_wrapped=False).parameters.values()
    named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    names = tuple(p.name for p in parameters if p.kind in named and p.name != "self")
    return names, any(p.kind is p.VAR_KEYWORD for p in parameters)


Function = TypeVar("Function", bound=Callable[..., Any])


def explained(function: Function) -> Function:
    """Let a method explain keywords that it does not have: a decorator.

    >>> @explained
    ... def fit(epochs=1):
    ...     return epochs
    >>> fit(epochs=2)
    2
    """
    names, _ = keywords_of(function)

    @functools.wraps(function)
    def checked(*args: Any, **keywords: Any) -> Any:
        refuse_unknown(f"{function.__name__}()", keywords, names)
        return function(*args, **keywords)

    return checked  # type: ignore[return-value]
