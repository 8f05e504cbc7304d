"""Activations by name, and as what a file can hold."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Mapping
from typing import Any

from chainrule.core.errors import ArgumentError, DtypeError, nearest
from chainrule.core.tensor import Tensor
from chainrule.nn.activations import families
from chainrule.nn.activations.description import Activation, ActivationFunction
from chainrule.nn.activations.kinds import KINDS

_KINDS = {kind.name: kind for kind in KINDS}

#: Every activation that a layer can apply, by its name, with its usual parameters.
ACTIVATIONS: dict[str, Activation] = {"linear": _KINDS["linear"]} | {
    name: kind for name, kind in _KINDS.items() if not kind.layer
}

#: Other names that people use for them.
ALIASES = {
    "logistic": "sigmoid",
    "identity": "linear",
    "none": "linear",
    "swish": "silu",
    "hard_swish": "hard_silu",
    "sin": "sine",
}

_FAMILIES: dict[str, Callable[..., Activation]] = {
    "leaky_relu": families.leaky_relu,
    "prelu": families.prelu,
    "elu": families.elu,
    "maxout": families.maxout,
}


def _fold(name: str) -> str:
    return name.replace("_", "").casefold()


#: Names as they are compared: LeakyReLU is leaky_relu, hardtanh is hard_tanh.
_FOLDED = {
    _fold(alias): name for alias, name in [*ALIASES.items(), *zip(_KINDS, _KINDS, strict=True)]
}
_SPELLED = re.compile(r"\s*(\w+)\s*\((.*)\)\s*")


def get(name: str, **parameters: float) -> Activation:
    """Return what is known of an activation.

    Args:
        name: its name, or another that people use for it, in upper or lower case; parameters may
            follow in parentheses.
        parameters: values of its parameters, where they are not the usual ones.

    Raises:
        ArgumentError: an unknown name, with the nearest known ones; an unknown parameter, or a
            value that does not fit.

    >>> get("swish").title
    'SiLU, Swish'
    >>> get("leaky_relu", gamma=0.2) == get("leaky_relu(0.2)")
    True
    """
    if not isinstance(name, str):
        raise DtypeError("activation", f"a {type(name).__name__}", "a name")
    return _find(name, parameters, _KINDS, "")


def activation(
    given: str | Mapping[str, Any] | ActivationFunction | None,
) -> tuple[str, ActivationFunction]:
    """Return an activation's name, with its parameters if they are not the usual ones, and f.

    Args:
        given: a name such as ``"relu"`` or ``"leaky_relu(gamma=0.2)"``, what
            ``activation_config`` returned, an ``Activation``, any function of a tensor, or ``None``
            for the identity.

    Returns:
        The name and the function: an ``Activation``, unless it is a function that Chainrule does
        not know.

    Raises:
        ArgumentError: an unknown name, with the nearest known ones; an unknown parameter, or a
            value that does not fit; one that is a layer of its own.
        DtypeError: nothing of the above.

    >>> activation("logistic")[0]
    'sigmoid'
    >>> activation({"name": "elu", "gamma": 0.5})[0]
    'elu(gamma=0.5)'
    """
    candidate: Any = "linear" if given is None else given
    if isinstance(candidate, str):
        known = _find(candidate, {}, ACTIVATIONS, ", or a function of a tensor")
    elif isinstance(candidate, Mapping):
        arguments = dict(candidate)
        known = _find(arguments.pop("name", None), arguments, ACTIVATIONS, "")
    elif not callable(candidate):
        fix = "f(x) applies f: give f itself." if isinstance(candidate, Tensor) else ""
        came = f"a {type(candidate).__name__}"
        raise DtypeError("activation", came, "a name or a function", fix)
    else:
        found = describe(candidate)
        if found is None:
            return getattr(candidate, "__name__", "custom"), candidate
        known = found
    if known.layer:
        raise _a_layer(known)
    return (known.name if known == ACTIVATIONS.get(known.name) else known.spelled), known


def describe(function: Callable[..., Any]) -> Activation | None:
    """Return what is known of a function, with its usual parameters; nothing of most functions.

    Args:
        function: an ``Activation`` itself, a function such as ``cr.relu``, or ``LeakyReLU``.

    >>> from chainrule.ops.functional import relu
    >>> describe(relu) == ACTIVATIONS["relu"], describe(print)
    (True, None)
    """
    if isinstance(function, Activation):
        return function
    makers = (k for k, maker in _FAMILIES.items() if maker is function)
    owners = (kind.name for kind in KINDS if kind.function is function)
    name = next(itertools.chain(makers, owners), None)
    return None if name is None else _KINDS[name]


def activation_config(function: ActivationFunction) -> str | dict[str, Any]:
    """Return what ``activation`` makes the function from again, as a JSON value.

    Raises:
        ArgumentError: a function that is not Chainrule's.

    >>> activation_config(ACTIVATIONS["relu"])
    'relu'
    >>> activation_config(get("leaky_relu", gamma=0.2))
    {'name': 'leaky_relu', 'gamma': 0.2}
    """
    known = describe(function)
    if known is not None and known.name in ACTIVATIONS:
        usual = ACTIVATIONS[known.name]
        if known.function is usual.function:
            return known.name if known == usual else {"name": known.name, **known.parameters}
    raise ArgumentError(
        "activation",
        f"the function {getattr(function, '__name__', function)!r}",
        f"one of {', '.join(ACTIVATIONS)}",
        "A file can name only what Chainrule knows: save the weights with model.get_weights().",
    )


def _find(
    given: Any, parameters: Mapping[str, Any], known: Mapping[str, Activation], also: str
) -> Activation:
    """Return an activation by its name; ``also`` says what else may be given."""
    name = given
    if isinstance(given, str):
        name, parameters = _split(given, parameters)
    if not isinstance(name, str) or name not in known:
        if isinstance(name, str) and name in _KINDS:
            raise _a_layer(_KINDS[name])
        raise ArgumentError(
            "activation",
            repr(given),
            f"one of {', '.join(known)}{also}",
            nearest(name, [*known, *ALIASES]) if isinstance(name, str) else "",
        )
    usual = known[name]
    if not parameters:
        return usual
    for key in parameters:
        if key not in usual.parameters:
            expected = f"the parameter {', '.join(usual.parameters)}"
            raise ArgumentError(
                f"activation {name}",
                f"a parameter {key!r}",
                expected if usual.parameters else "none: it has no parameters",
            )
    return _FAMILIES[name](**parameters)


def _split(text: str, parameters: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    """Return the name and the parameters of a text such as ``leaky_relu(gamma=0.2)``."""
    found = _SPELLED.fullmatch(text)
    name = text if found is None else found[1]
    name = _FOLDED.get(_fold(name), name)
    if found is None or not found[2].strip():
        return name, parameters
    unnamed = iter(_KINDS[name].parameters if name in _KINDS else ())
    given = dict(parameters)
    for argument in found[2].split(","):
        key, equals, value = argument.rpartition("=")
        key = key.strip() if equals else next(unnamed, value.strip())
        try:
            given[key] = _number(value)
        except ValueError:
            raise ArgumentError(
                "activation", repr(text), "numbers for its parameters, such as 'elu(gamma=0.5)'"
            ) from None
    return name, given


def _number(text: str) -> int | float:
    try:
        return int(text)
    except ValueError:
        return float(text)


def _a_layer(kind: Activation) -> ArgumentError:
    return ArgumentError(
        "activation",
        repr(kind.name),
        "one that gives each input one output and has nothing to learn",
        f"{kind.title} is a layer of its own: cr.{kind.layer}.",
    )
