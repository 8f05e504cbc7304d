"""Models of the functional API: all that leads from some placeholders to others."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

from chainrule.core.errors import ArgumentError, ChainruleError
from chainrule.core.tensor import Tensor
from chainrule.core.types import FLOAT32, FLOAT64, as_dtype
from chainrule.keras.layers.inputs import InputLayer
from chainrule.keras.layers.weighted import new_name
from chainrule.keras.model import Model, title_of
from chainrule.keras.packing import Packing, are_several
from chainrule.keras.serialization import (
    deserialize_keras_object,
    serialize_keras_object,
)
from chainrule.keras.symbolic import KerasTensor, Node, array_of, flat, map_structure, symbols
from chainrule.nn.module import Module
from chainrule.ops.promotion import cast
from chainrule.ops.shape import concatenate, reshape


class Functional(Model):
    """What ``keras.Model(inputs, outputs)`` makes.

    Args:
        inputs: placeholders of the inputs, alone, in a list, or by name.
        outputs: placeholders of the outputs.
        name: its name.
        trainable: whether training changes it.

    Attributes:
        layers: the layers in Keras's order, those of the inputs among them.

    Raises:
        ArgumentError: an output that the inputs do not lead to; something that is no placeholder.

    >>> from chainrule.keras import Input, layers
    >>> x = Input((4,))
    >>> model = Functional(x, layers.Dense(2)(layers.Dense(3)(x)))
    >>> model.predict([[1.0, 2.0, 3.0, 4.0]]).shape
    (1, 2)
    """

    _more_columns = ("connected to",)
    _is_packing = False

    def __init__(
        self,
        inputs: Any = None,
        outputs: Any = None,
        name: str | None = None,
        trainable: bool = True,
    ) -> None:
        for argument, given in (("inputs", inputs), ("outputs", outputs)):
            wrong = [leaf for leaf in flat(given) if not isinstance(leaf, KerasTensor)]
            if given is None or wrong or not flat(given):
                came = "nothing" if given is None or not wrong else f"a {type(wrong[0]).__name__}"
                raise ArgumentError(argument, came, "what keras.Input or a layer on it returned")
        self._structures = _Hidden(inputs, outputs)
        self._nodes = _Hidden(*_order(flat(inputs), flat(outputs)))
        self.layers: list[Module] = self._nodes.values[1]
        self.name = name or new_name("functional")
        self._check_names()
        names = tuple(inputs) if isinstance(inputs, Mapping) else None
        if names is None and len(flat(inputs)) > 1:
            names_of_layers = tuple(t.node.operation.name for t in flat(inputs))
            self._names = names_of_layers
        self._inner = Packing(tuple(_sizes(t) for t in flat(inputs)), names)
        self._outer = Packing(tuple(_sizes(t) for t in flat(outputs)))
        floats = {t.dtype for t in flat(inputs) if as_dtype(t.dtype).kind == "f"}
        self.dtype = FLOAT64 if floats == {"float64"} else FLOAT32
        single = len(self._inner.shapes) == 1
        self.input_shape = self._inner.shapes[0] if single else (self._inner.size,)
        self._is_built = True
        if not trainable:
            self.trainable = False

    _names: tuple[str, ...] = ()

    def _check_names(self) -> None:
        names = [layer.name for layer in self.layers]  # type: ignore[attr-defined]
        for name in names:
            if names.count(name) > 1:
                raise ArgumentError("name", f"two layers {name!r}", "a name of its own for each")

    @property
    def inputs(self) -> list[KerasTensor]:
        """The placeholders of the inputs."""
        return flat(self._structures.values[0])

    @property
    def outputs(self) -> list[KerasTensor]:
        """The placeholders of the outputs."""
        return flat(self._structures.values[1])

    @property
    def input(self) -> Any:
        """The placeholder of the input, or the placeholders, as they were given."""
        return self._structures.values[0]

    @property
    def output(self) -> Any:
        """The placeholder of the output, or the placeholders, as they were given."""
        return self._structures.values[1]

    @property
    def output_shape(self) -> Any:
        """Shape of the output, with ``None`` for the batch; of several, a list."""
        shapes = [t.shape for t in self.outputs]
        return shapes[0] if isinstance(self.output, KerasTensor) else shapes

    # Running -------------------------------------------------------------------------------------

    def packed(self, x: Any) -> Any:
        """Return samples as one array, those of several inputs side by side."""
        several = len(self._inner.shapes) > 1
        if isinstance(x, Mapping):
            if self._inner.names is None:
                keys = self._names or (self.inputs[0].node.operation.name,)
                x = [x[key] for key in keys] if set(keys) <= set(x) else list(x.values())
            parts = self._inner.ordered(x)
            return self._inner.pack(parts) if several else parts[0]
        if several:
            if isinstance(x, list | tuple):
                return self._inner.pack(x)
            if getattr(x, "shape", (0, 0))[1:] != (self._inner.size,):
                raise ArgumentError(
                    "x", f"a {type(x).__name__}", f"a list of {len(self._inner.shapes)} arrays"
                )
            return x
        return x[0] if are_several(x) and len(x) == 1 else x

    def __call__(self, x: Any = None, *args: Any, **options: Any) -> Any:
        """Compute the output, or the outputs, in the structure in which they were given."""
        result = super().__call__(x, *args, **options)
        if symbols(result) or isinstance(self.output, KerasTensor) or self._is_packing:
            return result
        parts = iter(self._outer.unpack(result))
        return map_structure(lambda _: next(parts), self.output)

    def forward(self, x: Tensor, training: bool = False) -> Tensor:
        """Run the layers in order; several outputs come side by side."""
        single = len(self._inner.shapes) == 1
        parts = [x] if single else flat(self._inner.unpack(x))
        values: dict[int, Any] = {
            id(t): part if t.dtype == str(part.dtype) else cast(part, t.dtype)
            for t, part in zip(self.inputs, parts, strict=True)
        }

        def value(leaf: Any) -> Any:
            return values[id(leaf)] if isinstance(leaf, KerasTensor) else leaf

        for node in self._nodes.values[0]:
            if isinstance(node.operation, InputLayer):
                continue
            result = node.operation(
                *map_structure(value, node.args), **map_structure(value, node.kwargs)
            )
            for placeholder, made in zip(node.outputs, flat(result), strict=True):
                values[id(placeholder)] = made
        found = [values[id(t)] for t in self.outputs]
        if isinstance(self.output, KerasTensor):
            return found[0]  # type: ignore[no-any-return]
        n = x.shape[0]
        return concatenate([reshape(y, (n, y.size // max(n, 1))) for y in found], axis=1)

    def predict(self, x: Any, *args: Any, **options: Any) -> Any:
        """Return the network's output, or the outputs, for each sample."""
        if isinstance(self.output, KerasTensor):
            return super().predict(x, *args, **options)
        self._is_packing = True
        try:
            packed = super().predict(x, *args, **options)
        finally:
            self._is_packing = False
        parts = iter(self._outer.unpack(packed))
        return map_structure(lambda _: next(parts), self.output)

    def compile(self, *args: Any, **options: Any) -> None:
        """Say what to train with; see ``Model.compile``.

        Raises:
            ArgumentError: a model with several outputs.
        """
        if len(self.outputs) > 1:
            raise ArgumentError(
                "outputs",
                f"{len(self.outputs)} of them",
                "one output, to be trained",
                "Models with several outputs predict; train one of Model(inputs, one_output): the "
                "layers are shared.",
            )
        if not isinstance(self.output, KerasTensor):
            (one,) = self.outputs
            self._structures = _Hidden(self.input, one)
        super().compile(*args, **options)

    # Showing -------------------------------------------------------------------------------------

    def _rows(self, expand_nested: bool) -> list[list[str]]:
        rows = []
        nodes = self._nodes.values[0]
        for layer in self.layers:
            calls = [node for node in nodes if node.operation is layer]
            shapes = [str(t.shape) for t in calls[0].outputs]
            sources = [_place(t) for node in calls for t in node.inputs]
            size = sum(p.size for p in layer.parameters().values())
            rows.append(
                [title_of(layer), ", ".join(shapes), f"{size:,}", ", ".join(sources) or "-"]
            )
        return rows

    # Configurations ------------------------------------------------------------------------------

    def get_config(self) -> dict[str, Any]:
        """Return the layers and how they are connected, in Keras's format."""
        nodes = self._nodes.values[0]
        numbers: dict[int, int] = {}
        calls: dict[int, list[Node]] = {}
        for layer in self.layers:
            calls[id(layer)] = sorted(
                (node for node in nodes if node.operation is layer), key=lambda node: node.index
            )
            numbers |= {id(node): i for i, node in enumerate(calls[id(layer)])}

        def where(t: KerasTensor) -> list[Any]:
            assert t._keras_history is not None
            layer, _, place = t._keras_history
            return [layer.name, numbers[id(t.node)], place]

        def described(leaf: Any) -> Any:
            if isinstance(leaf, KerasTensor):
                config = {"shape": leaf.shape, "dtype": leaf.dtype, "keras_history": where(leaf)}
                return {"class_name": "__keras_tensor__", "config": config}
            if isinstance(leaf, slice):
                return {"class_name": "slice", "config": [leaf.start, leaf.stop, leaf.step]}
            if leaf is Ellipsis:
                return {"class_name": "slice", "config": "..."}
            return serialize_keras_object(array_of(leaf))

        def listed(layer: Any) -> dict[str, Any]:
            inbound = [
                {
                    "args": map_structure(described, list(node.args)),
                    "kwargs": map_structure(described, node.kwargs),
                }
                for node in calls[id(layer)]
                if not isinstance(layer, InputLayer)
            ]
            return {**serialize_keras_object(layer), "name": layer.name, "inbound_nodes": inbound}

        return {
            "name": self.name,
            "trainable": bool(self.trainable),
            "layers": [listed(layer) for layer in self.layers],
            "input_layers": map_structure(where, self.input),
            "output_layers": map_structure(where, self.output),
        }

    @classmethod
    def from_config(
        cls,
        config: Mapping[str, Any],
        custom_objects: Mapping[str, Any] | None = None,
        made: Sequence[Any] | None = None,
    ) -> Functional:
        """Make a model from what ``get_config`` returned, Keras's too, with new parameters.

        Args:
            config: the configuration.
            custom_objects: classes of your own by name.
            made: the layers, where they are made already.
        """
        layers = {
            described["name"]: deserialize_keras_object(described, custom_objects)
            if made is None
            else made[i]
            for i, described in enumerate(config["layers"])
        }
        found: dict[tuple[str, int, int], KerasTensor] = {}
        waiting: deque[tuple[str, int, Any]] = deque()
        for described in config["layers"]:
            layer = layers[described["name"]]
            if isinstance(layer, InputLayer):
                found[described["name"], 0, 0] = layer.output
            for number, call in enumerate(described.get("inbound_nodes", ())):
                waiting.append((described["name"], number, call))

        def restored(value: Any) -> Any:
            if isinstance(value, Mapping) and value.get("class_name") == "__keras_tensor__":
                name, number, place = value["config"]["keras_history"]
                return found[name, number, place]
            if isinstance(value, Mapping) and value.get("class_name") == "slice":
                parts = value["config"]
                return Ellipsis if parts == "..." else slice(*parts)
            if isinstance(value, Mapping):
                return {key: restored(inner) for key, inner in value.items()}
            if isinstance(value, list | tuple):
                return [restored(inner) for inner in value]
            return value

        idle = 0
        while waiting:
            name, number, call = waiting.popleft()
            first_ones = any(w[0] == name and w[1] < number for w in waiting)
            try:
                if first_ones:
                    raise KeyError
                args, kwargs = restored(call["args"]), restored(call.get("kwargs") or {})
            except KeyError:
                waiting.append((name, number, call))
                idle += 1
                if idle > len(waiting):
                    raise ChainruleError(
                        f"the layers of {config.get('name')} are connected in a circle"
                    ) from None
                continue
            idle = 0
            result = layers[name](*args, **kwargs)
            for place, t in enumerate(flat(result)):
                found[name, number, place] = t
        ends = [_tensors(config[key], found) for key in ("input_layers", "output_layers")]
        return cls(ends[0], ends[1], config.get("name"), config.get("trainable", True))


class _Hidden:
    """Values out of sight of the search for parameters."""

    def __init__(self, *values: Any) -> None:
        self.values = values


def _tensors(described: Any, found: Mapping[tuple[str, int, int], KerasTensor]) -> Any:
    if isinstance(described, Mapping):
        return {name: _tensors(inner, found) for name, inner in described.items()}
    if described and isinstance(described[0], str):
        name, number, place = described
        return found[name, number, place]
    return [_tensors(inner, found) for inner in described]


def _sizes(t: KerasTensor) -> tuple[int, ...]:
    return tuple(int(n or 1) for n in t.shape[1:])


def _place(t: KerasTensor) -> str:
    assert t._keras_history is not None
    return f"{t._keras_history.operation.name}[{t._keras_history.node_index}]"


def _order(
    inputs: Sequence[KerasTensor], outputs: Sequence[KerasTensor]
) -> tuple[list[Node], list[Any]]:
    """Return the calls that lead from inputs to outputs, and the layers, both in Keras's order.

    The layers that are farthest from the outputs come first; among equals, those that are reached
    first from the outputs.

    Raises:
        ArgumentError: an output that does not come from the inputs.
    """
    begins = {id(t): InputLayer(_sizes(t), dtype=t.dtype) for t in inputs if not _is_input(t)}
    nodes: list[Node] = []
    found: set[int] = set()
    places: dict[int, int] = {}
    known_inputs = {id(t) for t in inputs}

    def visit(t: KerasTensor) -> None:
        if id(t) in known_inputs and not _is_input(t):
            return
        node = t.node
        if id(node) in found:
            return
        if isinstance(node.operation, InputLayer) and id(t) not in known_inputs:
            raise ArgumentError(
                "inputs",
                f"a graph that begins at {node.operation.name!r}, too",
                "all of the placeholders that the outputs come from",
            )
        found.add(id(node))
        places.setdefault(id(node.operation), len(places))
        for source in node.inputs:
            visit(source)
        nodes.append(node)

    for t in outputs:
        visit(t)
    depths: dict[int, int] = {}
    operation_depths: dict[int, int] = {}
    for node in reversed(nodes):
        key = id(node.operation)
        depth = max(depths.setdefault(id(node), 0), operation_depths.get(key, 0))
        operation_depths[key] = depths[id(node)] = depth
        for source in node.inputs:
            depths[id(source.node)] = max(depths.get(id(source.node), 0), depth + 1)
    operations = {id(node.operation): node.operation for node in nodes}
    for t in inputs:
        layer = t.node.operation if _is_input(t) else begins[id(t)]
        if id(layer) not in operations:
            operations[id(layer)] = layer
            places.setdefault(id(layer), len(places))
            deepest = max(operation_depths.values(), default=0)
            operation_depths[id(layer)] = deepest + 1
    # Inputs stand before all others, in the order in which they were given.
    first = [t.node.operation if _is_input(t) else begins[id(t)] for t in inputs]
    number = {id(layer): i for i, layer in enumerate(first)}
    order = sorted(
        operations.values(),
        key=lambda o: (
            -operation_depths[id(o)],
            number.get(id(o), len(first)),
            places[id(o)],
        ),
    )
    return nodes, order


def _is_input(t: KerasTensor) -> bool:
    return isinstance(t.node.operation, InputLayer)
