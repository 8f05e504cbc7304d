"""The glass box: what a network computes on samples, in the lecture's notation."""

# ruff: noqa: E741, N815 - l, δ and dW are the lecture's symbols

from __future__ import annotations

import html
import operator
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from chainrule.autodiff.forward import push_forward
from chainrule.core.errors import ArgumentError, ChainruleError
from chainrule.core.tensor import Tensor, known
from chainrule.core.types import Array, Dtype

if TYPE_CHECKING:
    from chainrule.training.derivation import Derivation

Value = TypeVar("Value")

#: Arrays up to this size are printed as they are; of larger ones, statistics.
_SMALL = 24


class UnknownLayerError(ArgumentError, KeyError):
    """A layer's number that the network does not have."""

    __str__ = ArgumentError.__str__


class Numbered(Mapping[int, Value]):
    """Values by the number of their layer: 1 to L, and for activations 0 to L.

    Args:
        name: what they are called.
        values: one a layer, in order.
        first: number of the first one.

    Raises:
        UnknownLayerError: another number, when indexed.

    >>> z = Numbered("z", [0.5, 0.7])
    >>> z[1], list(z)
    (0.5, [1, 2])
    """

    def __init__(self, name: str, values: Sequence[Value], first: int = 1) -> None:
        self.name, self.first = name, first
        self._values = list(values)

    def __getitem__(self, layer: int) -> Value:
        if not self._values:
            raise UnknownLayerError(
                self.name,
                "a record without targets",
                "one with a loss to differentiate",
                "Give them: model.inspect(x, y).",
            )
        return self._values[self.number_of(layer) - self.first]

    def number_of(self, layer: Any) -> int:
        """Return the number of a layer, which may be one of NumPy's integers.

        Raises:
            UnknownLayerError: no such layer.
        """
        last = self.first + len(self._values) - 1
        try:
            number = self.first - 1 if isinstance(layer, bool) else operator.index(layer)
        except TypeError:
            number = self.first - 1
        if not self.first <= number <= last:
            raise UnknownLayerError(
                f"{self.name}[l]", f"l = {layer!r}", f"a layer, {self.first} to {last}"
            )
        return number

    def __iter__(self) -> Iterator[int]:
        return iter(range(self.first, self.first + len(self._values)))

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        shown = (f"{l}: {_brief(value)}" for l, value in self.items())
        return f"{self.name} by layer: {{{', '.join(shown)}}}"


def _brief(value: object) -> str:
    return f"array{value.shape}" if isinstance(value, np.ndarray) else repr(value)


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Record:
    """All that a network computes on samples, forward and backward; ``model.inspect`` makes it.

    ``z⁽ˡ⁾ = W⁽ˡ⁾ a⁽ˡ⁻¹⁾ + b⁽ˡ⁾``, ``a⁽ˡ⁾ = f_l(z⁽ˡ⁾)``,
    ``δ⁽ˡ⁾ = f_l′(z⁽ˡ⁾) ⊙ (W⁽ˡ⁺¹⁾ᵀ δ⁽ˡ⁺¹⁾)``, ``∂L/∂W⁽ˡ⁾ = δ⁽ˡ⁾ (a⁽ˡ⁻¹⁾)ᵀ``, ``∂L/∂b⁽ˡ⁾ = δ⁽ˡ⁾``

    Layers are numbered from 1 to L, as in the lecture; samples and units count from 0, as rows and
    columns of the arrays. The network is run as for a prediction: what is active in training only,
    such as dropout, is left out, and normalizations use their running statistics.

    Attributes:
        dtype: the dtype that the network computes in.
        f: name of f_l.
        W: weights, shape (M_l, M_(l-1)).
        b: biases, shape (M_l,), or ``None`` for a layer without.
        z: net inputs, one row a sample: shape (n, M_l).
        a: activations, shape (n, M_l); ``a[0]`` is what layer 1 receives: the input, or what the
            layers before it (``before``) make of it; ``a[L]`` is the network's output.
        df: f_l′(z), shape (n, M_l), or ``None`` where f_l mixes the units, as softmax does
            (``jacobian`` has its derivatives).
        x: the input.
        before: names of the layers between the input and layer 1, such as ``("BatchNorm",)``.
        y: the targets, or ``None``; the attributes that follow are there if ``y`` was given.
        loss_name: name of the loss.
        losses: each sample's loss, shape (n,).
        loss: their mean.
        delta: gradient of each sample's own loss by its z⁽ˡ⁾, shape (n, M_l).
        da: gradient of each sample's own loss by its a⁽ˡ⁾, shape (n, M_l).
        dW: gradient of the mean loss, the mean of δ aᵀ over the samples, shape (M_l, M_(l-1)).
        db: gradient of the mean loss, the mean of δ over the samples, shape (M_l,), or ``None``.
        l2: λ.
        penalty: what the structured risk adds to the mean loss: ½ λ ‖W‖²_F, and the regularizers.
        penalty_dW: gradient of the penalty, λ W (and the regularizers'): shape (M_l, M_(l-1)).
        gradients: gradient of the mean loss by each trainable parameter, by the parameter's name
            and in its shape; those of normalizations and the like are here only.
        probabilities: the probabilities that the output stands for, by softmax or sigmoid where the
            loss is taken from logits; ``None`` where it stands for something else.
        label_smoothing: the loss's.
        loss_settings: the arguments that the loss was made with.
        chain: z⁽ˡ⁾ and a⁽ˡ⁾ as nodes of the recorded graph.

    >>> import chainrule as cr
    >>> model = cr.Sequential([cr.Dense(3, activation="tanh"), cr.Dense(1)])
    >>> model.compile(loss="squared_error")
    >>> record = model.inspect([[0.0, 1.0], [1.0, 1.0]], [1.0, 0.0])
    >>> record.z[1].shape, record.delta[1].shape, record.dW[1].shape
    ((2, 3), (2, 3), (3, 2))
    >>> bool(abs(record.delta[2].T @ record.a[1] / 2 - record.dW[2]).max() < 1e-6)
    True

    Source: Qiu, "Neural Networks and Deep Learning", chapter 4, equations 4.32-4.33 and 4.59-4.69.
    """

    dtype: Dtype
    f: Numbered[str]
    W: Numbered[Array]
    b: Numbered[Array | None]
    z: Numbered[Array]
    a: Numbered[Array]
    df: Numbered[Array | None]
    chain: list[tuple[Tensor, Tensor]]
    x: Array
    before: tuple[str, ...] = ()
    y: Array | None = None
    loss_name: str | None = None
    losses: Array | None = None
    loss: float | None = None
    delta: Numbered[Array] = field(default_factory=lambda: Numbered("delta", []))
    da: Numbered[Array] = field(default_factory=lambda: Numbered("da", []))
    dW: Numbered[Array] = field(default_factory=lambda: Numbered("dW", []))
    db: Numbered[Array | None] = field(default_factory=lambda: Numbered("db", []))
    l2: float = 0.0
    penalty: float | None = None
    penalty_dW: Numbered[Array] = field(default_factory=lambda: Numbered("penalty_dW", []))
    gradients: dict[str, Array] = field(default_factory=dict)
    probabilities: Array | None = None
    label_smoothing: float = 0.0
    loss_settings: dict[str, Any] = field(default_factory=dict)

    @property
    def L(self) -> int:  # noqa: N802 (the lecture's symbol)
        """Number of layers."""
        return len(self.z)

    @property
    def M(self) -> Numbered[int]:  # noqa: N802
        """Number of units of each layer; ``M[0]`` is the number of inputs of layer 1."""
        return Numbered("M", [a.shape[1] for a in self.a.values()], first=0)

    @property
    def risk(self) -> float | None:
        """The structured risk, the mean loss and the penalty, or ``None`` without targets."""
        if self.loss is None or self.penalty is None:
            return None
        return self.loss + self.penalty

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self.a[0])

    def slopes(self, layer: int, sample: int, unit: int) -> Array:
        """Return how one sample's activations move with one net input: ``∂aₖ/∂zᵢ`` for all k.

        Args:
            layer: l, from 1 to L.
            sample: row of the sample.
            unit: i, the column of the net input.

        Returns:
            Shape (M_l,); where f_l is elementwise, all but f_l′(zᵢ) are 0.
        """
        i = index("unit", unit, self.z[layer].shape[1], f"units of layer {layer}")
        row = index("sample", sample, len(self), "samples")
        z, a = self.chain[layer - 1]
        tangent = np.zeros(z.shape, z.dtype)
        tangent[row, i] = 1.0
        (moved,) = push_forward([a], [z], [Tensor(tangent)])
        return np.array(known(moved, "slopes")[row])

    def jacobian(self, layer: int, sample: int) -> Array:
        """Return one sample's ``∂a⁽ˡ⁾/∂z⁽ˡ⁾``: diag(f_l′(z⁽ˡ⁾)) where f_l is elementwise.

        Args:
            layer: l, from 1 to L.
            sample: row of the sample.

        Returns:
            Shape (M_l, M_l), ``∂aₖ/∂zᵢ`` in row k and column i.
        """
        units = range(self.z[layer].shape[1])
        return np.stack([self.slopes(layer, sample, i) for i in units], axis=1)

    def explain(
        self,
        layer: int,
        unit: int,
        sample: int = 0,
        weight: int | str = 0,
        *,
        digits: int = 6,
        terms: int = 6,
    ) -> Derivation:
        """Spell out the gradient of one weight, with the numbers in it.

        Args:
            layer: l, from 1 to L.
            unit: i, the row of the weight in ``W[l]``.
            sample: row of the sample whose loss is differentiated.
            weight: j, the column of the weight in ``W[l]``, or ``"bias"``.
            digits: significant digits of results; what they are computed from gets as many more as
                it takes for the numbers on the page to add up.
            terms: of longer sums, how many terms are shown; the others are summed up.

        Returns:
            The derivation: it prints in a terminal, renders in a notebook, and holds the numbers.

        Raises:
            ChainruleError: the record has no errors δ, since no targets were given.
            ArgumentError: an argument out of range.

        >>> import chainrule as cr
        >>> model = cr.Sequential([cr.Dense(2, activation="tanh"), cr.Dense(1)])
        >>> model.compile(loss="squared_error")
        >>> model.make_parameters((2,))
        >>> model.set_weights([[[1.0, -1.0], [0.5, 0.5]], [0.0, 0.1], [[2.0], [-1.0]], [0.5]])
        >>> record = model.inspect([[1.0, 0.0], [1.0, 1.0]], [1.0, 0.0])
        >>> record.explain(layer=1, unit=0, sample=1, weight=1).steps[-1].lines[0]
        '∂L/∂w⁽¹⁾[0,1] = δ⁽¹⁾[0] a⁽⁰⁾[1]'
        """
        from chainrule.training.derivation import derive

        return derive(self, layer, unit, sample, weight, digits=digits, terms=terms)

    def to_dict(self) -> dict[str, Any]:
        """Return the record as a dictionary of arrays and numbers; quantities by layer as lists.

        ``a`` begins with what layer 1 receives, so it has one entry more than the others.
        """
        shown: dict[str, Any] = {"n": len(self), "L": self.L, "M": list(self.M.values())}
        for name in ("f", "W", "b", "z", "a", "df", "delta", "da", "dW", "db", "penalty_dW"):
            values = getattr(self, name)
            shown[name] = list(values.values()) if len(values) else None
        for name in (
            "x",
            "before",
            "y",
            "loss_name",
            "losses",
            "loss",
            "l2",
            "penalty",
            "risk",
            "probabilities",
        ):
            shown[name] = getattr(self, name)
        return {**shown, "dtype": str(self.dtype), "gradients": dict(self.gradients)}

    # Printing --------------------------------------------------------------------------------

    def _title(self) -> str:
        n = len(self)
        title = f"{n} sample{'s' * (n != 1)}, {self.dtype}, L = {self.L}"
        if self.loss is None:
            return f"{title}; no targets"
        title += f"; loss {self.loss:.6g} ({self.loss_name}, mean)"
        return title + (f"; penalty {self.penalty:.6g} (λ = {self.l2:g})" if self.penalty else "")

    def sections(self) -> list[tuple[str, list[tuple[str, Array]]]]:
        """Return the arrays under headings: the input, then layer by layer."""
        found: list[tuple[str, list[tuple[str, Array]]]] = [("input", [("a[0]", self.a[0])])]
        if self.before:
            received = " → ".join(("input", *self.before))
            found = [("input", [("x", self.x)]), (received, [("a[0]", self.a[0])])]
        for l in self.z:
            named: list[tuple[str, Numbered[Any]]] = [
                *(("W", self.W), ("b", self.b), ("z", self.z), ("a", self.a)),
                *(("delta", self.delta), ("dW", self.dW), ("db", self.db)),
            ]
            rows = [
                (f"{name}[{l}]", values[l])
                for name, values in named
                if len(values) and values[l] is not None
            ]
            found.append((f"layer {l}: {self.f[l]}, {self.M[l - 1]} → {self.M[l]}", rows))
        output = [("probabilities", self.probabilities), ("y", self.y), ("losses", self.losses)]
        told = [(name, array) for name, array in output if array is not None]
        return [*found, ("output", told)] if told else found

    def __str__(self) -> str:
        sections = self.sections()
        rows = [row for _, rows in sections for row in rows]
        names = max(len(name) for name, _ in rows)
        shapes = max(len(str(array.shape)) for _, array in rows)
        lines = [self._title()]
        for heading, arrays in sections:
            lines += ["", heading]
            for name, array in arrays:
                start = f"  {name.ljust(names)}  {str(array.shape).ljust(shapes)}  "
                for line in describe(array).splitlines():
                    lines.append(start + line)
                    start = " " * len(start)
        return "\n".join(lines)

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        cell = '<td style="text-align:left;vertical-align:top">'
        body = ""
        for heading, arrays in self.sections():
            head = html.escape(heading)
            body += f'<tr><th colspan="3" style="text-align:left">{head}</th></tr>'
            for name, array in arrays:
                body += (
                    f"<tr>{cell}{html.escape(name)}</td>{cell}{array.shape}</td>"
                    f'{cell}<pre style="margin:0">{html.escape(describe(array))}</pre></td></tr>'
                )
        return (
            f"<table><caption>{html.escape(self._title())}</caption><tbody>{body}</tbody></table>"
        )


def describe(array: Array) -> str:
    """Write a small array as it is, and of a larger one its range, mean and share of zeros.

    >>> describe(np.array([0.5, 1.0]))
    '[0.5 1. ]'
    >>> describe(np.arange(100.0))
    'from 0 to 99, mean 49.5, standard deviation 28.87, 1% zeros'
    """
    if array.size <= _SMALL:
        return np.array2string(array, precision=4, suppress_small=True)
    numbers = array.astype(np.float64)
    wrong = int((~np.isfinite(numbers)).sum())
    if wrong:
        return f"{wrong} of {array.size} values are NaN or infinite"
    zeros = float((numbers == 0.0).mean())
    return (
        f"from {numbers.min():.4g} to {numbers.max():.4g}, mean {numbers.mean():.4g}, "
        f"standard deviation {numbers.std():.4g}" + (f", {zeros:.0%} zeros" if zeros else "")
    )


def read_only(array: Array) -> Array:
    """Return a view of an array through which it cannot be changed."""
    view = array.view()
    view.flags.writeable = False
    return view


def index(argument: str, given: Any, count: int, what: str) -> int:
    """Return a position among ``count`` things.

    Raises:
        ArgumentError: not a whole number from 0 to ``count`` - 1.
    """
    try:
        position = -1 if isinstance(given, bool) else operator.index(given)
    except TypeError:
        position = -1
    if not 0 <= position < count:
        raise ArgumentError(argument, repr(given), f"a whole number from 0 to {count - 1}: {what}")
    return position


def needs_targets(record: Record) -> None:
    """Raise ``ChainruleError`` if a record has no errors δ."""
    if record.loss is None:
        raise ChainruleError(
            "the record has no δ and no gradients: call model.inspect(x, y), with the targets"
        )
