"""What Keras's layers have in common: names, weights, freezing, the shape of the input."""

from __future__ import annotations

import functools
import inspect
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np

from chainrule.core.errors import ArgumentError, ChainruleError, DtypeError, ShapeError
from chainrule.core.tensor import Parameter, Tensor
from chainrule.core.types import FLOAT32, Array, ArrayType, Dtype, Shape, as_dtype
from chainrule.keras import initializers, regularizers
from chainrule.keras.arguments import OLD_NAMES, refuse, renamed, snake
from chainrule.nn import layers as core
from chainrule.nn.initializers import initialized
from chainrule.nn.module import Module

#: Arguments that every layer takes; see ``Adapted.adopt``.
COMMON = (
    *("name", "dtype", "trainable", "activity_regularizer", "weights"),
    *("input_shape", "input_dim", "batch_input_shape", "input_length", "autocast"),
)

#: Arguments of Keras's that can only keep the value which means that nothing is wanted.
_UNSUPPORTED: dict[str, tuple[Any, ...]] = {
    **dict.fromkeys(
        [
            *("kernel_constraint", "bias_constraint", "beta_constraint", "gamma_constraint"),
            *("embeddings_constraint", "alpha_constraint", "lora_rank", "lora_alpha"),
            *("quantization_config", "renorm_clipping"),
        ],
        (None,),
    ),
    "mask_zero": (False,),
    "renorm": (False,),
    "renorm_momentum": (0.99,),
    "synchronized": (False,),
    "data_format": (None, "channels_last"),
    "input_length": (),
}

_counts: Counter[str] = Counter()


def new_name(kind: str) -> str:
    """Return a name that no other layer has: ``dense``, ``dense_1``, ...

    >>> new_name("an_example"), new_name("an_example")
    ('an_example', 'an_example_1')
    """
    count = _counts[kind]
    _counts[kind] += 1
    return f"{kind}_{count}" if count else kind


def clear_names() -> None:
    """Begin to count names anew."""
    _counts.clear()


class Switch:
    """Whether something is trained, as Keras's bool; called, it lists what is, as Chainrule's.

    >>> switch = Switch(True, list)
    >>> bool(switch), switch == True, switch()
    (True, True, [])
    """

    __hash__ = None  # type: ignore[assignment]

    def __init__(self, on: bool, find: Callable[[], list[Parameter]]) -> None:
        self._on, self._find = on, find

    def __bool__(self) -> bool:
        return self._on

    def __eq__(self, other: object) -> bool:
        return bool(other) == self._on

    def __call__(self) -> list[Parameter]:
        """Return the parameters that training changes."""
        return self._find()

    def __repr__(self) -> str:
        return repr(self._on)


class Weighted(Module):
    """Keras's names for the parameters of a layer or a model."""

    name: str = ""
    _is_frozen = False
    #: Parameters that ``trainable = False`` has frozen.
    _frozen: tuple[Parameter, ...] = ()

    @property
    def weights(self) -> list[Parameter]:
        """The parameters, those that are not trained among them."""
        return list(self.parameters().values())

    #: Keras 3's name for the same.
    variables = weights

    @property
    def trainable_weights(self) -> list[Parameter]:
        """The parameters that training changes."""
        return [p for p in self.weights if p.trainable]

    trainable_variables = trainable_weights

    @property
    def non_trainable_weights(self) -> list[Parameter]:
        """The parameters that training leaves, such as moving means."""
        return [p for p in self.weights if not p.trainable]

    non_trainable_variables = non_trainable_weights

    @property
    def trainable(self) -> Switch:
        """Whether training changes it; set it to ``False`` to freeze it."""
        return Switch(not self._is_frozen, lambda: Module.trainable(self))

    @trainable.setter
    def trainable(self, on: Any) -> None:
        self._is_frozen = not on
        for module in self.modules().values():
            if isinstance(module, Weighted) and module is not self:
                module._is_frozen = self._is_frozen
        self._apply_freeze()

    def _apply_freeze(self) -> None:
        if self._is_frozen:
            fresh = tuple(p for p in self.weights if p.trainable)
            self._frozen = (*self._frozen, *fresh)
            for parameter in fresh:
                parameter.trainable = False
            return
        for module in self.modules().values():
            if isinstance(module, Weighted):
                for parameter in module._frozen:
                    parameter.trainable = True
                module._frozen = ()

    @property
    def built(self) -> bool:
        """Whether the parameters are made."""
        return self._is_built

    def count_params(self) -> int:
        """Return the number of parameters.

        Raises:
            ChainruleError: they are not made yet.
        """
        if not self.built:
            raise ChainruleError(
                f"{self.name} has no parameters yet: give the first layer input_shape=(features,), "
                "or call build((None, features))"
            )
        return sum(p.size for p in self.weights)

    def get_weights(self) -> list[Array]:
        """Return copies of the parameters."""
        return [np.array(p.numpy()) for p in self.weights]

    def set_weights(self, weights: Sequence[Any]) -> None:
        """Set the parameters, in the order of ``get_weights``.

        Raises:
            ArgumentError: another number of arrays, before the parameters are made, too.
            ShapeError: an array of another shape.
        """
        parameters = self.weights
        values = [np.asarray(value) for value in weights]
        if len(values) != len(parameters):
            fix = "" if self.built else "Its parameters are not made yet: give input_shape."
            raise ArgumentError("weights", f"{len(values)} arrays", f"{len(parameters)}", fix)
        for parameter, value in zip(parameters, values, strict=True):
            if value.shape != parameter.shape:
                raise ShapeError(
                    f"weights for {parameter.name}", str(value.shape), str(parameter.shape)
                )
        for parameter, value in zip(parameters, values, strict=True):
            parameter.assign(value)


class Adapted(Weighted, core.Layer):
    """A layer of Chainrule's with Keras's arguments.

    Attributes:
        name: as given, or made from the class: ``dense``, ``dense_1``.
        sample_shape: shape of one sample, where ``input_shape`` or its kin was given.
        given_dtype: as given, else ``None``.
    """

    sample_shape: Shape | None = None
    given_dtype: Dtype | None = None
    _given_weights: Sequence[Any] | None = None

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
            self.given_dtype = as_dtype(given["dtype"])
        self.sample_shape = _sample_shape(given)
        self._given_weights = given.get("weights")
        if given.get("activity_regularizer") is not None:
            self.activity_regularizer = regularizers.get(
                given["activity_regularizer"], "activity_regularizer"
            )
        if not given.get("trainable", True):
            self.trainable = False

    def __call__(self, x: Any, *args: Any, **options: Any) -> Tensor:
        """Compute the output.

        Raises:
            ArgumentError: the functional API's ``layer(Input(...))``, which Chainrule lacks.
        """
        refuse_placeholder(x)
        return super().__call__(x, *args, **options)

    def build(self, input_type: Any) -> None:
        """Make the parameters; a shape such as ``(None, features)`` will do, as in Keras."""
        if not isinstance(input_type, ArrayType):
            self(_example(input_type, self.given_dtype or FLOAT32))
            return
        super().build(input_type)
        if self._given_weights is not None:
            self.set_weights(self._given_weights)
        self._apply_freeze_of_new()

    def _apply_freeze_of_new(self) -> None:
        if self._is_frozen:
            self._apply_freeze()

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        """Return the shape of the output; the parameters are made."""
        shape = self(_example(input_shape, self.given_dtype or FLOAT32)).shape
        return (input_shape[0], *shape[1:])

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor, as JSON values, and the name."""
        return {"name": self.name, **self.config()}

    def core_config(self) -> dict[str, Any]:
        """Return Chainrule's own layer that does the same, as its files describe it.

        Raises:
            ArgumentError: it is code.
        """
        kind = next((k for k in type(self).__mro__ if core.LAYERS.get(k.__name__) is k), None)
        own = any(
            not k.__module__.startswith("chainrule.") and {"call", "forward"} & vars(k).keys()
            for k in type(self).__mro__
        )
        if kind is None or own:
            raise ArgumentError(
                "layer",
                f"a {type(self).__name__}, which is code",
                "one of Keras's own layers",
                "Keep the class, and save the weights with model.get_weights().",
            )
        config = self.config()
        if self.activity_regularizer is not None and "activity_regularizer" not in config:
            raise ArgumentError(
                "layer",
                f"a {type(self).__name__} with an activity_regularizer",
                "one that a file can describe: Dense(..., activity_regularizer=...)",
            )
        return {"type": kind.__name__, **config}

    def __repr__(self) -> str:
        return f"<{type(self).__name__} name={self.name}>"


class Layer(Adapted):
    """A layer of your own, as Keras has it: make weights in ``build``, and write ``call``.

    >>> class Scale(Layer):
    ...     def build(self, input_shape):
    ...         self.gain = self.add_weight(shape=(input_shape[-1],), initializer="ones")
    ...
    ...     def call(self, x):
    ...         return x * self.gain
    >>> Scale()([[1.0, 2.0]]).tolist()
    [[1.0, 2.0]]
    """

    _dtype: Dtype = FLOAT32
    _is_building = False
    _call_takes_training = False

    def __init__(self, **arguments: Any) -> None:
        self.adopt(renamed(type(self).__name__, arguments, {}, COMMON))
        self._penalties: list[tuple[Callable[[Tensor], Tensor] | None, Parameter]] = []

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "build" in vars(cls):
            cls.build = _of_shape(vars(cls)["build"])  # type: ignore[method-assign, assignment]
        accepted = inspect.signature(cls.call).parameters.values()
        cls._call_takes_training = any(
            a.name == "training" or a.kind is a.VAR_KEYWORD for a in accepted
        )

    def add_weight(
        self,
        shape: Sequence[int] = (),
        initializer: Any = "glorot_uniform",
        dtype: Any = None,
        trainable: bool = True,
        regularizer: Any = None,
        name: str | None = None,
    ) -> Parameter:
        """Return a new parameter; put it into an attribute.

        Args:
            shape: its shape.
            initializer: its initial value.
            dtype: its dtype (default: that of the input).
            trainable: whether training changes it.
            regularizer: its penalty.
            name: its name.
        """
        kind = self._dtype if dtype is None else as_dtype(dtype)
        found = initializers.get(initializer)
        parameter = initialized(found, tuple(shape), kind, name or "weight", trainable)
        self._penalties.append((regularizers.get(regularizer), parameter))
        return parameter

    def regularized(self) -> Iterable[tuple[Callable[[Tensor], Tensor] | None, Parameter | None]]:
        """Return the parameters of ``add_weight`` with their regularizers."""
        return self._penalties

    def call(self, *args: Any, **options: Any) -> Any:
        """Compute the output; to be written by a subclass."""
        raise ChainruleError(f"{type(self).__name__} has no call(self, inputs)")

    def forward(self, x: Tensor, training: bool = False) -> Tensor:
        """Compute the output by ``call``."""
        result: Tensor = (
            self.call(x, training=training) if self._call_takes_training else self.call(x)
        )
        return result

    def config(self) -> dict[str, Any]:
        """Return nothing: the layer is code."""
        return {}

    get_config = Adapted.get_config


def _of_shape(build: Callable[[Any, Any], None]) -> Callable[[Any, Any], None]:
    """Give a user's ``build`` the shape of the input, with ``None`` for the batch."""

    @functools.wraps(build)
    def with_shape(self: Any, input_type: Any) -> None:
        if not isinstance(input_type, ArrayType):
            if isinstance(input_type, tuple | list) and not self._is_building:
                self(_example(input_type, self.given_dtype or FLOAT32))
                return
            build(self, input_type)
            return
        self._dtype, self._is_building = input_type.dtype, True
        build(self, (None, *input_type.shape[1:]))
        self._is_building = False
        if self._given_weights is not None:
            self.set_weights(self._given_weights)
        self._apply_freeze_of_new()

    return with_shape


Kind = TypeVar("Kind", bound=type[Adapted])


def translated(**old: str) -> Callable[[Kind], Kind]:
    """Let a layer's constructor take old names and the arguments that every layer has.

    Args:
        old: today's name by the old one, beside ``OLD_NAMES``.
    """

    def decorate(kind: Kind) -> Kind:
        init: Any = kind.__init__
        names = [name for name in inspect.signature(init).parameters if name != "self"]
        names = [name for name in names if name not in ("args", "kwargs", "options")]
        olds = {o: t for o, t in {**OLD_NAMES, **old}.items() if t in names and o not in names}
        unsupported = {k: v for k, v in _UNSUPPORTED.items() if k not in names}

        @functools.wraps(init)
        def __init__(self: Any, *args: Any, **given: Any) -> None:  # noqa: N807
            common = {n: given.pop(n) for n in COMMON if n in given and n not in names}
            common.pop("input_length", None)
            given = renamed(kind.__name__, given, olds, [*names, *COMMON, *unsupported])
            refuse({n: given.pop(n) for n in list(given) if n in unsupported}, unsupported)
            for name in names[: len(args)]:
                if name in given:
                    raise ArgumentError(name, "two values, one by its place", "one of the two")
            missing = [
                name
                for name, p in list(inspect.signature(init).parameters.items())[1 + len(args) :]
                if p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD and name not in given
            ]
            if missing:
                raise ArgumentError(
                    missing[0], "nothing", f"the argument {missing[0]} of {kind.__name__}"
                )
            init(self, *args, **given)
            self.adopt(common)

        kind.__init__ = __init__  # type: ignore[method-assign]
        return kind

    return decorate


def refuse_placeholder(x: Any) -> None:
    """Raise ``ArgumentError`` for a call of the functional API."""
    many = x if isinstance(x, list | tuple) else [x]
    if any(isinstance(one, core_input()) for one in many):
        raise ArgumentError(
            "inputs",
            "an Input, the functional API's placeholder",
            "an array or a tensor",
            "Chainrule has no functional API: use keras.Sequential([keras.Input(shape), ...]), "
            "cr.Residual and cr.Concatenate for branches, or subclass keras.Model with call().",
        )


def core_input() -> type:
    """Return the class of what ``Input`` makes."""
    from chainrule.nn.shapes import Input

    return Input


def _sample_shape(given: Mapping[str, Any]) -> Shape | None:
    names = [
        n for n in ("input_shape", "input_dim", "batch_input_shape") if given.get(n) is not None
    ]
    if not names:
        return None
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


def _example(input_shape: Sequence[int | None], dtype: Dtype) -> Tensor:
    from chainrule.core.tensor import unknown

    sizes = tuple(1 if n is None else int(n) for n in input_shape)
    return unknown(ArrayType(sizes, dtype))
