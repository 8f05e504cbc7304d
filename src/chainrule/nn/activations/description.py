"""What is known of an activation: its function, its closed-form derivative, its properties."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias, final

from chainrule.core.tensor import Tensor, TensorLike

#: What a layer applies to its net input z.
ActivationFunction: TypeAlias = Callable[[Tensor], Tensor]

#: Letters of the parameters in formulas.
SYMBOLS = {"gamma": "γ", "pieces": "K"}


@final
@dataclass(frozen=True)
class Interval:
    """An interval of real numbers, each end open or closed.

    Attributes:
        low: lower end; may be -∞.
        high: upper end; may be ∞.
        has_low: whether the lower end belongs to it.
        has_high: whether the upper end belongs to it.

    >>> print(Interval(0.0, math.inf, has_low=True))
    [0, ∞)
    >>> 0.5 in Interval(0.0, 1.0), 1.0 in Interval(0.0, 1.0)
    (True, False)
    """

    low: float
    high: float
    has_low: bool = False
    has_high: bool = False

    def __contains__(self, value: float) -> bool:
        return (
            self.low < value < self.high
            or (self.has_low and value == self.low)
            or (self.has_high and value == self.high)
        )

    def __str__(self) -> str:
        left, right = "[" if self.has_low else "(", "]" if self.has_high else ")"
        low, high = (number(end, 3 if abs(end) >= 0.1 else 2) for end in (self.low, self.high))
        return f"{left}{low}, {high}{right}"


@final
@dataclass(frozen=True)
class FiniteSet:
    """Finitely many numbers: what the derivative of a piecewise linear function takes.

    >>> print(FiniteSet(0.0, 1 / 6))
    {0, 1/6}
    """

    values: tuple[float, ...]

    def __init__(self, *values: float) -> None:
        object.__setattr__(self, "values", tuple(sorted(set(values))))

    @property
    def low(self) -> float:
        """The smallest of them."""
        return self.values[0]

    @property
    def high(self) -> float:
        """The largest of them."""
        return self.values[-1]

    def __contains__(self, value: float) -> bool:
        return value in self.values

    def __str__(self) -> str:
        return f"{{{', '.join(map(number, self.values))}}}"


Range: TypeAlias = Interval | FiniteSet

#: All real numbers.
REALS = Interval(-math.inf, math.inf)


def number(value: float, digits: int = 4) -> str:
    """Return a number as formulas show it: few digits, or a fraction where only that is exact.

    >>> number(-0.16997120747990366), number(1 / 6), number(math.inf)
    ('−0.17', '1/6', '∞')
    """
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    from fractions import Fraction  # loads decimal: only to print

    short, fraction = f"{value:.{digits}g}", Fraction(value).limit_denominator(12)
    if float(short) != value and float(fraction) == value:
        short = str(fraction)
    return short.replace("-", "−")


@final
@dataclass(frozen=True, eq=False, repr=False)
class Activation:
    """An activation f_l: called with an array, it computes ``a = f(z)``.

    Two are equal if they have the same name and the same parameters.

    Attributes:
        name: what it is called in code and in files.
        title: what the textbooks call it.
        function: f, with the parameters by their names after ``x``.
        closed_form: its derivative, likewise.
        formula: f in the textbook's notation; σ is the logistic function, I(·) is 1 where the
            condition holds and 0 elsewhere.
        derivative_formula: f′ in the same notation; it may refer to f.
        range: the smallest interval that holds all values of f.
        derivative_range: the same of f′, or its values where they are finitely many, wherever f
            is differentiable. Of a vector function: of the entries of its Jacobian.
        zero_centered: whether the mean of f(x) is 0 for every x distributed symmetrically
            about 0: f is odd.
        saturates: at which ends f′ tends to 0. Of a vector function: at which ends of its own
            input the Jacobian's row of an output does.
        monotone: whether f never decreases. Of a vector function: whether no output decreases in
            its own input.
        smoothness: how many continuous derivatives f has: ``math.inf`` for C^∞.
        kinks: where f is not differentiable, and the value that f′ is given there.
        breaks: where f is differentiable, but some higher derivative jumps.
        ties: where a vector function is not differentiable, and what its Jacobian is there.
        parameters: the parameters' values by their names.
        notes: what else the formulas need.
        source: who proposed it.
        elementwise: whether it works on each number by itself. Where it does not, it is a function
            of the vectors along the last axis.
        layer: the layer to use, where the activation has parameters to be learned, or outputs
            other than its inputs in number.

    >>> from chainrule.nn.activations import ACTIVATIONS
    >>> relu = ACTIVATIONS["relu"]
    >>> relu([-1.0, 2.0])
    Tensor([0., 2.], dtype=float32)
    >>> relu.derivative([-1.0, 0.0, 2.0])
    Tensor([0., 0., 1.], dtype=float32)
    >>> print(relu.derivative_formula, relu.range, relu.saturates, relu.kinks)
    I(x > 0) [0, ∞) left {0.0: 0.0}
    """

    name: str
    title: str
    function: Callable[..., Tensor]
    closed_form: Callable[..., Tensor]
    formula: str
    derivative_formula: str
    range: Range
    derivative_range: Range
    zero_centered: bool
    saturates: Literal["none", "left", "right", "both"]
    monotone: bool
    smoothness: float
    source: str
    kinks: Mapping[float, float] = field(default_factory=dict)
    breaks: tuple[float, ...] = ()
    ties: str = ""
    parameters: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    elementwise: bool = True
    layer: str = ""

    def __call__(self, x: TensorLike, **options: Any) -> Tensor:
        """Compute ``f(x)``.

        Args:
            x: net inputs of any shape.
            options: arguments of the function to use instead of its parameters, such as ``gamma``
                or the ``axis`` of softmax.
        """
        return self.function(x, **(dict(self.parameters) | options))

    def derivative(self, x: TensorLike) -> Tensor:
        """Compute ``f′(x)`` by the closed form.

        Args:
            x: net inputs of any shape.

        Returns:
            Array of the shape of ``x``. Of a vector function: its Jacobians ``∂yᵢ/∂xⱼ``, with two
            axes (outputs, inputs) in place of the last one.
        """
        return self.closed_form(x, **self.parameters)

    @property
    def smooth(self) -> bool:
        """Whether f has derivatives of every order everywhere."""
        return self.smoothness == math.inf

    @property
    def label(self) -> str:
        """The title with the parameters' letters and values."""
        given = [f"{SYMBOLS.get(k, k)} = {number(v)}" for k, v in self.parameters.items()]
        return f"{self.title} ({', '.join(given)})" if given else self.title

    @property
    def spelled(self) -> str:
        """The name with the parameters, as ``activation=`` accepts it."""
        given = ", ".join(f"{key}={value!r}" for key, value in self.parameters.items())
        return f"{self.name}({given})" if given else self.name

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Activation):
            return NotImplemented
        return (self.name, self.parameters) == (other.name, other.parameters)

    def __hash__(self) -> int:
        return hash((self.name, *self.parameters.values()))

    def __repr__(self) -> str:
        return f"<activation {self.spelled}: {self.formula}>"
