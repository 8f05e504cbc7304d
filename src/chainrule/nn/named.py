"""Functions that are configured, found by name, and written down: initializers, regularizers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from chainrule.core.errors import ArgumentError, DtypeError, nearest


@dataclass(frozen=True)
class Named:
    """A function whose arguments are fields: subclass it, as a frozen dataclass if it has some."""

    def __call__(self, *args: Any) -> Any:
        """Compute the result."""
        raise NotImplementedError

    def config(self) -> dict[str, Any]:
        """Return the arguments of the constructor, as JSON values."""
        return {f.name: getattr(self, f.name) for f in fields(self)}


class Names:
    """The names of one kind of functions.

    Args:
        kind: what they are.
        known: class by name.
        aliases: other names that people use for them.
        otherwise: what may be given instead of a name.
    """

    def __init__(
        self,
        kind: str,
        known: Mapping[str, type[Named]],
        aliases: Mapping[str, str],
        otherwise: str,
    ) -> None:
        self.kind, self.known, self.aliases, self.otherwise = kind, known, aliases, otherwise

    def find(self, given: Any, argument: str) -> Callable[..., Any]:
        """Return a function by its name, with its default arguments, or the one that was given.

        Args:
            given: a name, Keras's class name among them; a function; a class; or a mapping of
                ``name`` and arguments, as ``describe`` returns it.
            argument: what the caller calls it.

        Raises:
            ArgumentError: an unknown name, with the nearest known ones; arguments that do not fit.
            DtypeError: neither a name nor a function.
        """
        if isinstance(given, type) and issubclass(given, Named):
            return given()
        if callable(given):
            return given  # type: ignore[no-any-return]
        if isinstance(given, Mapping):
            arguments = dict(given)
            kind = self._class(arguments.pop("name", None), argument)
            try:
                return kind(**arguments)
            except TypeError as error:
                raise ArgumentError(
                    argument, str(dict(given)), f"the arguments of {kind.__name__} ({error})"
                ) from error
        if not isinstance(given, str):
            raise DtypeError(argument, f"a {type(given).__name__}", f"a name, or {self.otherwise}")
        return self._class(given, argument)()

    def _class(self, name: Any, argument: str) -> type[Named]:
        by_folded = {_fold(known): kind for known, kind in self.known.items()}
        by_folded |= {_fold(alias): self.known[known] for alias, known in self.aliases.items()}
        if not isinstance(name, str) or _fold(name) not in by_folded:
            raise ArgumentError(
                argument,
                repr(name),
                f"one of {', '.join(self.known)}, or {self.otherwise}",
                nearest(str(name), [*self.known, *self.aliases]),
            )
        return by_folded[_fold(name)]

    def describe(self, function: Any) -> dict[str, Any]:
        """Return a function as JSON values: its name and its arguments.

        Raises:
            ArgumentError: a function that a file cannot name.
        """
        for name, kind in self.known.items():
            if type(function) is kind:
                return {"name": name, **kind.config(function)}
        raise ArgumentError(
            self.kind,
            f"the function {getattr(function, '__name__', function)!r}",
            f"one of {', '.join(self.known)}",
            "A file can name only what Chainrule knows: save the weights with model.get_weights().",
        )


def _fold(name: str) -> str:
    return name.replace("_", "").casefold()
