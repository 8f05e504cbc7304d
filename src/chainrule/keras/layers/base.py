"""What Keras's layers have in common: arguments, configurations, calls, the shape of the input."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any, Self, TypeVar

import numpy as np

from chainrule.core.errors import ArgumentError, DtypeError
from chainrule.core.tensor import Tensor, as_tensor, unknown
from chainrule.core.types import FLOAT32, ArrayType, Dtype, Shape, as_dtype
from chainrule.keras import activations, constraints, initializers, regularizers
from chainrule.keras.arguments import OLD_NAMES, refuse, renamed, snake
from chainrule.keras.layers.weighted import Weighted, new_name
from chainrule.keras.serialization import is_own, is_serialized, serialize_keras_object
from chainrule.keras.symbolic import apply, map_structure, symbols
from chainrule.nn import layers as core
from chainrule.nn.module import add_penalty
from chainrule.ops.promotion import as_float

#: Arguments that every layer takes; see ``Adapted.adopt``.
COMMON = (
    *("name", "dtype", "trainable", "activity_regularizer", "weights"),
    *("input_shape", "input_dim", "batch_input_shape", "input_length", "autocast"),
)

#: Arguments of Keras's that can only keep the value which means that nothing is wanted.
_UNSUPPORTED: dict[str, tuple[Any, ...]] = {
    **dict.fromkeys(["lora_rank", "lora_alpha", "quantization_config", "renorm_clipping"], (None,)),
    "mask_zero": (False,),
    "renorm": (False,),
    "renorm_momentum": (0.99,),
    "synchronized": (False,),
    "rms_scaling": (False,),
    "data_format": (None, "channels_last"),
}

_CONSTRAINT = "_constraint"


class Adapted(Weighted, core.Layer):
    """A layer of Chainrule's with Keras's arguments.

    Attributes:
        name: as given, or made from the class: ``dense``, ``dense_1``.
        sample_shape: shape of one sample, where ``input_shape`` or its kin was given.
        given_dtype: as given, else ``None``.
    """

    kept_aside = core.Layer.kept_aside | {"_added", "_given"}

    sample_shape: Shape | None = None
    given_dtype: Dtype | None = None
    _given_weights: Sequence[Any] | None = None
    _is_building = False
    #: Dtype of the input that it was built for.
    _dtype: Dtype = FLOAT32
    #: Arguments of the constructor of one of Keras's layers, defaults among them.
    _arguments: SimpleNamespace
    _given_to_init: SimpleNamespace
    #: Whether it takes several tensors, in a list or one after the other.
    takes_several = False
    #: The inputs and the other arguments of the call that is being answered.
    _given: tuple[Any, dict[str, Any]] = (None, {})

    def __new__(cls, *args: Any, **options: Any) -> Self:
        """Keep what the constructor was given, for ``get_config``."""
        made = super().__new__(cls)
        made._given_to_init = SimpleNamespace(args=args, options=options)
        return made

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if not is_own(cls):
            if "build" in vars(cls):
                cls.build = _of_shape(vars(cls)["build"])  # type: ignore[method-assign, assignment]
            if "call" in vars(cls) and "forward" not in vars(cls):
                cls.forward = _by_call  # type: ignore[method-assign]
                cls._takes_training = True

    def adopt(self, given: Mapping[str, Any]) -> None:
        """Take the arguments that every layer has.

        Args:
            given: name, dtype, trainable, activity_regularizer, weights (a list of arrays, as in
                Keras 1), and the shape of the input as input_shape, input_dim or batch_input_shape.

        Raises:
            ArgumentError: one that does not fit.
        """
        name = given.get("name")
        if name is not None and not isinstance(name, str):
            raise DtypeError("name", f"a {type(name).__name__}", "text")
        self.name = name or new_name(snake(type(self).__name__))
        if given.get("dtype") is not None:
            self.given_dtype = as_dtype(dtype_name(given["dtype"]))
        self.sample_shape = _sample_shape(given)
        self._given_weights = given.get("weights")
        if given.get("activity_regularizer") is not None:
            self.activity_regularizer = regularizers.check(
                given["activity_regularizer"], "activity_regularizer"
            )
        if not given.get("trainable", True):
            self.trainable = False

    # Calls ---------------------------------------------------------------------------------------

    def __call__(self, x: Any = None, *args: Any, **options: Any) -> Any:
        """Compute the output; on placeholders of the functional API, its shape.

        Args:
            x: the input; for layers that take several, a list of them, or more arguments.
            args: further arguments of ``call``.
            options: the same by name; ``training``.
        """
        if symbols((x, args, options)):
            return apply(self, (x, *args), options)
        if not self.takes_several:
            return super().__call__(x, *args, **options)
        names = list(inspect.signature(self.call).parameters)
        if x is None and names and names[0] in options:
            x = options.pop(names[0])
        if len(args) == 1 and len(names) < 2 and isinstance(args[0], bool | None):
            options, args = {"training": args[0], **options}, ()  # as Chainrule's modules call it
        given = {**dict(zip(names[1:], args, strict=False)), **options}
        if len(args) > len(names[1:]):
            raise ArgumentError(
                "inputs", f"{1 + len(args)} arguments", f"{len(names)}, as call() has"
            )
        training = given.pop("training", None)
        inputs = map_structure(self._as_input, x) if self.is_several(x) else None
        first = x if inputs is None else _first(inputs)
        outer, self._given = self._given, (inputs, given)
        self.__dict__.pop("_added", None)
        try:
            return super().__call__(first, training)
        finally:
            self._given = outer

    def is_several(self, x: Any) -> bool:
        """Whether an argument is a list of inputs, and not one input as nested lists."""
        if isinstance(x, dict):
            return True
        return isinstance(x, list | tuple) and bool(x) and all(_is_batch(one) for one in x)

    def _as_input(self, x: Any) -> Tensor:
        return as_tensor(x) if self.takes_integers else as_float(x)

    def call(self, *args: Any, **options: Any) -> Any:
        """Compute the output; a subclass may write this, with ``super().call(inputs)`` in it."""
        own = next(k for k in type(self).__mro__ if is_own(k) and "forward" in vars(k))
        forward: Callable[..., Any] = vars(own)["forward"]
        return forward(self, *args, **options)

    def add_loss(self, loss: Any) -> None:
        """Add a number, computed in ``call``, to the loss of this pass."""
        for one in loss if isinstance(loss, list | tuple) else [loss]:
            value = as_float(one)
            self.__dict__.setdefault("_added", []).append(value)
            add_penalty(value)

    # Building ------------------------------------------------------------------------------------

    def build(self, input_type: Any) -> None:
        """Make the parameters; a shape such as ``(None, features)`` will do, as in Keras."""
        if not isinstance(input_type, ArrayType):
            if not self._is_building:
                self(map_shapes(lambda shape: example_of(shape, self.dtype_or_default), input_type))
                return
            sizes = input_type if not _is_shapes(input_type) else input_type[0]
            input_type = ArrayType((1, *(int(n or 1) for n in sizes[1:])), self._dtype)
            super().build(input_type)
            return
        self._dtype = input_type.dtype
        super().build(input_type)
        self._begin()

    def _begin(self) -> None:
        """Set what the constructor was given for parameters that were not made yet."""
        if self._given_weights is not None:
            self.set_weights(self._given_weights)

    @property
    def dtype_or_default(self) -> Dtype:
        """The dtype that was given, or float32."""
        return self.given_dtype or FLOAT32

    @property
    def dtype(self) -> str:
        """Name of the dtype of its parameters."""
        found = self.given_dtype or (self._dtype if self._dtype.kind == "f" else FLOAT32)
        return str(found)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Return the shape of the output; the parameters are made."""
        made = self(map_shapes(lambda shape: example_of(shape, self.dtype_or_default), input_shape))
        first = input_shape[0] if _is_shapes(input_shape) else input_shape
        return map_structure(lambda y: (first[0], *y.shape[1:]), made)

    # Configurations ------------------------------------------------------------------------------

    def common_config(self) -> dict[str, Any]:
        """Return what the configurations of all layers hold."""
        return {
            "name": self.name,
            "trainable": bool(self.trainable),
            "dtype": {
                "module": "keras",
                "class_name": "DTypePolicy",
                "config": {"name": self.dtype},
                "registered_name": None,
            },
        }

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor, as JSON values, and the name."""
        kept = vars(self).get("_arguments")
        given = dict(self.config() if kept is None else kept.given)
        if self.activity_regularizer is not None:
            given.setdefault("activity_regularizer", self.activity_regularizer)
        described = {name: _described(name, value) for name, value in given.items()}
        return {**self.common_config(), **described}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Make a layer from what ``get_config`` returned, without its parameters."""
        return cls(**config)

    def core_config(self) -> dict[str, Any]:
        """Return Chainrule's own layer that does the same, as its files describe it.

        Raises:
            ArgumentError: there is none.
        """
        kind = next((k for k in type(self).__mro__ if core.LAYERS.get(k.__name__) is k), None)
        own = any(
            not is_own(k) and {"call", "forward"} & vars(k).keys() for k in type(self).__mro__
        )
        config = {} if kind is None or own else self.config()
        has_more = self.activity_regularizer is not None and "activity_regularizer" not in config
        if kind is None or own or has_more or vars(self).get("_constraints"):
            raise ArgumentError(
                "layer",
                f"a {type(self).__name__}, which only chainrule.keras has",
                f"one of {', '.join(core.LAYERS)}",
                "Save the model with keras.models.save_model, or its weights with save_weights.",
            )
        return {"type": kind.__name__, **config}

    def __repr__(self) -> str:
        return f"<{type(self).__name__} name={self.name}>"


def _by_call(self: Any, x: Tensor, training: bool = False) -> Any:
    """Compute the output by the ``call`` that a user has written."""
    accepted = inspect.signature(self.call).parameters.values()
    takes = any(a.name == "training" or a.kind is a.VAR_KEYWORD for a in accepted)
    return self.call(x, training=training) if takes else self.call(x)


def _of_shape(build: Callable[[Any, Any], None]) -> Callable[[Any, Any], None]:
    """Give a user's ``build`` the shape of the input, with ``None`` for the batch."""

    @functools.wraps(build)
    def with_shape(self: Any, input_type: Any) -> None:
        if not isinstance(input_type, ArrayType):
            if self._is_building:
                build(self, input_type)
            else:
                self(map_shapes(lambda s: example_of(s, self.dtype_or_default), input_type))
            return
        if self._is_building:  # a subclass's build has called this one with a type
            build(self, (None, *input_type.shape[1:]))
            return
        self._dtype, self._is_building = input_type.dtype, True
        inputs = self._given[0]
        shape = (None, *input_type.shape[1:])
        if inputs is not None:
            shape = map_structure(lambda x: (None, *x.shape[1:]), inputs)
        try:
            build(self, shape)
        finally:
            self._is_building = False
        self._begin()

    return with_shape


Kind = TypeVar("Kind", bound=type[Adapted])


def translated(lacks: Sequence[str] = (), **old: str) -> Callable[[Kind], Kind]:
    """Let a layer's constructor take old names and the arguments that every layer has.

    An argument of a parameter that is named in ``lacks`` is taken, too: ``kernel_constraint``.

    Args:
        lacks: arguments of the constructor's that are taken off it: its parameters' constraints.
        old: today's name by the old one, beside ``OLD_NAMES``.
    """

    def decorate(kind: Kind) -> Kind:
        init: Any = kind.__init__
        accepted = {
            name: p
            for name, p in inspect.signature(init).parameters.items()
            if name not in ("self", "args", "kwargs", "options")
        }
        names = list(accepted)
        public = [*names, *lacks]
        olds = {o: t for o, t in {**OLD_NAMES, **old}.items() if t in public and o not in names}
        unsupported = {k: v for k, v in _UNSUPPORTED.items() if k not in names}
        common_names = [n for n in COMMON if n not in names]

        @functools.wraps(init)
        def __init__(self: Any, *args: Any, **given: Any) -> None:  # noqa: N807
            known = [*public, *common_names, *unsupported]
            given = renamed(kind.__name__, given, olds, known)
            common = {n: given.pop(n) for n in common_names if n in given}
            refuse({n: given.pop(n) for n in list(given) if n in unsupported}, unsupported)
            limits = {n: constraints.get(given.pop(n, None), n) for n in lacks}
            for name in names[: len(args)]:
                if name in given:
                    raise ArgumentError(name, "two values, one by its place", "one of the two")
            missing = [
                name
                for name, p in list(accepted.items())[len(args) :]
                if p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD and name not in given
            ]
            if missing:
                raise ArgumentError(
                    missing[0], "nothing", f"the argument {missing[0]} of {kind.__name__}"
                )
            init(self, *args, **given)
            self.adopt(common)
            self._constraints = {
                n.removesuffix(_CONSTRAINT): c for n, c in limits.items() if c is not None
            }
            defaults = {n: p.default for n, p in accepted.items() if p.default is not p.empty}
            placed = dict(zip(names, args, strict=False))
            # Hidden from the search for parameters: a layer that was given stands in an attribute.
            self._arguments = SimpleNamespace(given={**defaults, **placed, **given, **limits})

        kind.__init__ = __init__  # type: ignore[method-assign]
        return kind

    return decorate


def _described(name: str, value: Any) -> Any:
    """Return an argument of a layer's constructor as JSON values."""
    if is_serialized(value):
        return value
    if name == "activation":
        return activations.serialize(value)
    for suffix, find in (
        ("_initializer", initializers.get),
        ("_regularizer", regularizers.get),
        (_CONSTRAINT, constraints.get),
    ):
        if name.endswith(suffix):
            return None if value is None else serialize_keras_object(find(value, name))
    if isinstance(value, tuple):
        return tuple(_described("", inner) for inner in value)
    return serialize_keras_object(value)


def dtype_name(given: Any) -> Any:
    """Return the dtype of one of Keras's dtype policies, or the dtype that was given."""
    if isinstance(given, Mapping):
        given = given.get("config", {}).get("name")
    if isinstance(given, str) and given.startswith("mixed_"):
        raise ArgumentError("dtype", repr(given), "'float32' or 'float64'")
    return given


def _sample_shape(given: Mapping[str, Any]) -> Shape | None:
    length = given.get("input_length")
    names = [
        n for n in ("input_shape", "input_dim", "batch_input_shape") if given.get(n) is not None
    ]
    if not names:
        return None if length is None else (int(length),)
    if len(names) > 1:
        raise ArgumentError(" and ".join(names), "both", "one of them")
    (name,) = names
    value = given[name]
    if name == "input_dim":
        value = (value,)
    sizes = (value,) if isinstance(value, int | np.integer) else tuple(value)
    sizes = sizes[1:] if name == "batch_input_shape" else sizes
    for size in sizes:
        if not isinstance(size, int | np.integer) or isinstance(size, bool) or size < 1:
            raise ArgumentError(name, repr(given[name]), "sizes from 1, such as (4,)")
    return tuple(int(n) for n in sizes)


def example_of(shape: Sequence[int | None], dtype: Dtype) -> Tensor:
    """Return a tensor without data of a shape such as ``(None, features)``, with one sample."""
    return unknown(ArrayType(tuple(1 if n is None else int(n) for n in shape), dtype))


def _is_shapes(given: Any) -> bool:
    return isinstance(given, list | tuple) and bool(given) and isinstance(given[0], list | tuple)


def map_shapes(function: Callable[[Any], Any], given: Any) -> Any:
    """Apply a function to a shape, or to each of a list of shapes."""
    if isinstance(given, dict):
        return {name: function(shape) for name, shape in given.items()}
    return [function(shape) for shape in given] if _is_shapes(given) else function(given)


def _is_batch(x: Any) -> bool:
    return hasattr(x, "shape") and len(x.shape) > 0


def _first(inputs: Any) -> Any:
    if isinstance(inputs, dict):
        inputs = list(inputs.values())
    return _first(inputs[0]) if isinstance(inputs, list | tuple) else inputs
