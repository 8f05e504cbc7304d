"""Objects as JSON values, in Keras's format, and back; names of classes of one's own."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

import numpy as np

from chainrule.core.errors import ArgumentError, nearest
from chainrule.keras.arguments import snake

Kind = TypeVar("Kind")

#: Classes and functions of one's own by the name in files, such as ``Custom>MyLayer``.
_registered: dict[str, Any] = {}
#: The same within ``custom_object_scope``, innermost last.
_scopes: list[Mapping[str, Any]] = []

#: Where Keras's own classes are.
_MODULES = (
    *("layers", "models", "initializers", "regularizers", "constraints", "losses", "metrics"),
    *("optimizers", "optimizers.schedules", "ops"),
)


def register_keras_serializable(
    package: str = "Custom", name: str | None = None
) -> Callable[[Kind], Kind]:
    """Let files name a class or a function of your own: a decorator.

    Args:
        package: what the name begins with.
        name: the name (default: the class's).

    >>> @register_keras_serializable("docs")
    ... def twice(x):
    ...     return 2.0 * x
    >>> get_registered_name(twice)
    'docs>twice'
    >>> del _registered["docs>twice"]
    """

    def decorate(kind: Kind) -> Kind:
        called: Any = kind
        _registered[f"{package}>{name or called.__name__}"] = kind
        return kind

    return decorate


def get_registered_name(kind: Any) -> str:
    """Return the name by which files know a class or a function of one's own, or its own name."""
    for known, other in _registered.items():
        if other is kind:
            return known
    return str(getattr(kind, "__name__", kind))


def get_registered_object(name: str) -> Any:
    """Return the class or function of one's own of that name, or ``None``."""
    return _custom(name, None)


def get_custom_objects() -> dict[str, Any]:
    """Return the classes and functions of one's own by name; more can be put into it."""
    return _registered


@contextmanager
def custom_object_scope(objects: Mapping[str, Any] | None) -> Iterator[None]:
    """Let files name classes and functions of your own, within a block.

    >>> with custom_object_scope({"Twice": int}):
    ...     get_registered_object("Twice")
    <class 'int'>
    """
    _scopes.append(objects or {})
    try:
        yield
    finally:
        _scopes.pop()


CustomObjectScope = custom_object_scope


def is_own(kind: Any) -> bool:
    """Whether a class or function is one of Chainrule's, and not a user's."""
    return str(getattr(kind, "__module__", "")).split(".")[0] == "chainrule"


def serialize_keras_object(obj: Any) -> Any:  # noqa: PLR0911
    """Return an object as JSON values: its class's name, and what ``get_config`` returns.

    Raises:
        ArgumentError: an object that files cannot hold.

    >>> from chainrule.keras import regularizers
    >>> serialize_keras_object(regularizers.L2(0.5))["config"]
    {'l2': 0.5}
    """
    if obj is None or isinstance(obj, bool | int | float | str):
        return obj
    if isinstance(obj, np.ndarray | np.generic):
        return obj.tolist()
    if isinstance(obj, list | tuple):
        return [serialize_keras_object(inner) for inner in obj]
    if isinstance(obj, Mapping):
        return {str(key): serialize_keras_object(inner) for key, inner in obj.items()}
    if inspect.isfunction(obj) or inspect.isclass(obj):
        return _function(obj)
    if not callable(getattr(obj, "get_config", None)):
        raise ArgumentError(
            "config",
            f"a {type(obj).__name__}",
            "numbers, texts, lists, dicts, or objects with get_config()",
        )
    kind = type(obj)
    own = is_own(kind)
    if own and kind.__name__ == "Functional":  # what Keras calls it
        name, module = "Functional", "keras.src.models.functional"
        config = obj.get_config()
        return {"module": module, "class_name": name, "config": config, "registered_name": name}
    return {
        "module": f"keras.{_package(kind)}" if own else kind.__module__,
        "class_name": kind.__name__,
        "config": obj.get_config(),
        "registered_name": None if own else get_registered_name(kind),
    }


def _function(function: Any) -> Any:
    name = function.__name__
    if name == "<lambda>":
        raise ArgumentError(
            "config",
            "a lambda, which files cannot name",
            "a function with a name",
            "Write def, and decorate it with @keras.saving.register_keras_serializable().",
        )
    if is_own(function):
        return name
    return {
        "module": "builtins",
        "class_name": "function",
        "config": name,
        "registered_name": get_registered_name(function),
    }


def _package(kind: type) -> str:
    place = kind.__module__.removeprefix("chainrule.keras.")
    for package in ("optimizers.schedules", *_MODULES):
        if place == package or place.startswith(f"{package}."):
            return package
    return "models" if place in ("functional", "model", "sequential") else place.split(".")[0]


def is_serialized(value: Any) -> bool:
    """Whether JSON values stand for an object."""
    return isinstance(value, Mapping) and {"class_name", "config"} <= value.keys()


def deserialize_keras_object(
    config: Any, custom_objects: Mapping[str, Any] | None = None, safe_mode: bool = True
) -> Any:
    """Return what ``serialize_keras_object`` has described; Keras's own files are understood, too.

    Args:
        config: JSON values.
        custom_objects: classes and functions of your own by name.
        safe_mode: not needed: no code is loaded.

    Raises:
        ArgumentError: an unknown class; arguments that do not fit.

    >>> deserialize_keras_object({"class_name": "L2", "config": {"l2": 0.5}}).get_config()
    {'l2': 0.5}
    """
    with custom_object_scope(custom_objects):
        return _deserialized(config)


def _deserialized(config: Any) -> Any:  # noqa: PLR0911
    if isinstance(config, list | tuple):
        return [_deserialized(inner) for inner in config]
    if not is_serialized(config):
        if isinstance(config, Mapping):
            return {key: _deserialized(inner) for key, inner in config.items()}
        return config
    if config["class_name"] == "__keras_tensor__":
        return config
    if str(config.get("module")).startswith("keras.src.ops."):  # Keras's own operations
        operation = find_class({"class_name": "Operation"})
        return operation(snake(config["class_name"]), config["config"].get("name"))
    kind = find_class(config)
    if config["class_name"] == "function":
        return kind
    from_config = getattr(kind, "from_config", None)
    if from_config is None:
        raise ArgumentError("config", f"the class {config['class_name']}", "one with from_config()")
    try:
        return from_config(dict(config["config"]))
    except TypeError as error:
        raise ArgumentError(
            f"config of {config['class_name']}",
            str(config["config"]),
            f"its arguments ({error})",
            ""
            if is_own(kind)
            else f"{config['class_name']}.get_config() has to return the arguments of __init__.",
        ) from error


def find_class(config: Mapping[str, Any]) -> Any:
    """Return the class or the function that JSON values name.

    Raises:
        ArgumentError: nobody knows it.
    """
    name = config["config"] if config["class_name"] == "function" else config["class_name"]
    found = _custom(config.get("registered_name") or name, name)
    if found is not None:
        return found
    known: dict[str, Any] = {}
    for module in _MODULES:
        names = vars(importlib.import_module(f"chainrule.keras.{module}"))
        known |= {
            n: v
            for n, v in names.items()
            if n not in known and inspect.isclass(v) and v.__module__.startswith("chainrule.keras.")
        }
        package = str(config.get("module") or "").removeprefix("keras.")
        if package == module and inspect.isclass(names.get(name)):
            return names[name]
    if name == "Functional":
        from chainrule.keras.functional import Functional

        return Functional
    if name not in known:
        raise ArgumentError(
            "class_name",
            repr(name),
            "one of Keras's classes that Chainrule has, or one of your own",
            f"{nearest(str(name), [n for n in known if not n.startswith('_')])} Your own: decorate "
            f"it with @keras.saving.register_keras_serializable(), or give custom_objects="
            f"{{{name!r}: {name}}}.".lstrip(),
        )
    return known[name]


def _custom(registered: str, name: str | None) -> Any:
    for scope in (*reversed(_scopes), _registered):
        for key in (registered, name, registered.rsplit(">", maxsplit=1)[-1]):
            if key is not None and key in scope:
                return scope[key]
    return None


def without_unknown(config: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """Return a configuration without arguments of Keras's that only have their default.

    Args:
        config: arguments by name.
        defaults: the values that mean nothing is wanted, by name.

    Raises:
        ArgumentError: one of them has another value.
    """
    kept = dict(config)
    for name, usual in defaults.items():
        if name in kept:
            value = kept.pop(name)
            if value != usual:
                raise ArgumentError(name, repr(value), f"{usual!r}: Chainrule lacks this")
    return kept
