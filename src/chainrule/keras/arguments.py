"""Keras's argument names, old ones included, brought into the names of today."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from chainrule.core.errors import ArgumentError, nearest


class UnknownArgumentError(ArgumentError, TypeError):
    """A function has no argument of that name."""


#: What Keras 1 and 2 called the arguments of layers.
OLD_NAMES = {
    "output_dim": "units",
    "init": "kernel_initializer",
    "W_regularizer": "kernel_regularizer",
    "b_regularizer": "bias_regularizer",
    "W_constraint": "kernel_constraint",
    "b_constraint": "bias_constraint",
    "bias": "use_bias",
    "p": "rate",
    "sigma": "stddev",
    "gamma_init": "gamma_initializer",
    "beta_init": "beta_initializer",
}


def renamed(
    function: str, given: Mapping[str, Any], old: Mapping[str, str], known: Iterable[str]
) -> dict[str, Any]:
    """Return arguments by the names of today.

    Args:
        function: whose arguments they are, for errors.
        given: what came.
        old: today's name by the old one.
        known: the names of today.

    Raises:
        UnknownArgumentError: a name that is neither, with the nearest ones.
        ArgumentError: an argument by both of its names.

    >>> renamed("Dense", {"output_dim": 64}, {"output_dim": "units"}, ["units"])
    {'units': 64}
    """
    names = list(known)
    found: dict[str, Any] = {}
    for name, value in given.items():
        today = old.get(name, name)
        if today not in names:
            raise unknown_argument(
                function, name, [*names, *(o for o, t in old.items() if t in names)]
            )
        if today in found:
            raise ArgumentError(name, f"{today} by its old name, too", "one of the two")
        found[today] = value
    return found


def unknown_argument(function: str, name: str, known: Iterable[str]) -> UnknownArgumentError:
    """Return the error for an argument that a function does not have."""
    names = list(dict.fromkeys(known))
    hint = nearest(name, names)
    return UnknownArgumentError(
        name,
        f"an argument that {function} does not have",
        "one that it has" if hint else f"one of {', '.join(names)}",
        hint and f"{hint} It has {', '.join(names)}.",
    )


def refuse(given: Mapping[str, Any], allowed: Mapping[str, tuple[Any, ...]], fix: str = "") -> None:
    """Refuse Keras's arguments that are known here, but can only keep their defaults.

    Args:
        given: what came.
        allowed: the values that mean nothing is wanted, by name.
        fix: what to do instead.

    Raises:
        ArgumentError: one has another value.
    """
    for name, value in given.items():
        usual = allowed[name]
        if not any(
            value is u or (isinstance(value, int | float | str) and value == u) for u in usual
        ):
            raise ArgumentError(name, repr(value), f"{usual[0]!r}: Chainrule lacks this", fix)


def missing(module: str, names: Mapping[str, Any]) -> Callable[[str], Any]:
    """Return a module's ``__getattr__``: it names what is nearest to a name that is not there.

    Args:
        module: name of the module.
        names: its globals; ``__all__`` among them says which are public.
    """

    def __getattr__(name: str) -> Any:  # noqa: N807
        if name.startswith("__"):
            raise AttributeError(name)
        public = names.get("__all__") or [
            known
            for known, value in names.items()
            if not known.startswith("_") and getattr(value, "__module__", "") == module
        ]
        hint = nearest(name, public) or f"There are {', '.join(public)}."
        raise AttributeError(f"module {module!r} has no {name!r}. {hint}")

    return __getattr__


def snake(name: str) -> str:
    """Return a class's name as Keras writes a layer's.

    >>> snake("LayerNormalization"), snake("PReLU"), snake("Dense")
    ('layer_normalization', 'p_re_lu', 'dense')
    """
    out = ""
    for i, c in enumerate(name):
        before, after = name[i - 1 : i], name[i + 1 : i + 2]
        starts = c.isupper() and i and (before.islower() or before.isdigit() or after.islower())
        out += ("_" if starts else "") + c.lower()
    return out
