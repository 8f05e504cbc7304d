"""Every rule's docstring is its test: `before` → `after`."""

import re
import warnings
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.core.graph import Graph
from chainrule.core.mode import recording
from chainrule.core.tensor import Tensor, bind, unknown
from chainrule.core.types import ArrayType
from chainrule.ops.elementwise import identity
from chainrule.ops.promotion import cast_p
from chainrule.ops.reduce import sum_bound
from chainrule.ops.shape import broadcast_to_p, reshape_p, slice_p
from chainrule.passes import canonicalize, specialize, stabilize
from chainrule.passes.logarithms import weighted_logsumexp
from chainrule.passes.rewrite import rewrite
from chainrule.passes.rules import Rule, Rules

ALL = stabilize + canonicalize + specialize

#: Functions that the docstrings use.
FUNCTIONS: dict[str, Any] = {
    name: getattr(cr, name)
    for name in (
        *("log", "exp", "log1p", "expm1", "softplus", "sigmoid", "tanh", "softmax", "log_softmax"),
        *("logsumexp", "sum", "mean", "max", "abs", "sqrt", "rsqrt", "square", "cos", "where"),
        *("maximum", "minimum", "reshape", "transpose", "broadcast_to", "concatenate", "pad"),
        *(
            "flip",
            "gather",
            "cast",
            "ones_like",
            "logical_not",
            "logical_and",
            "logical_or",
            "stack",
        ),
    )
} | {
    "identity": identity,
    "bind": bind,
    "cast_p": cast_p,
    "reshape_p": reshape_p,
    "broadcast_to_p": broadcast_to_p,
    "slice_p": slice_p,
    "sum_bound": sum_bound,
    "weighted_logsumexp": weighted_logsumexp,
    "inf": np.inf,
}

#: Types of the variables that the docstrings use; ``a`` is positive, ``n`` counts the rows.
SHAPES = {
    **dict.fromkeys("xyza", (3, 4)),
    "v": (4,),
    "s": (),
    "t": (2, 3, 4),
    "W": (4, 3),
}
CONSTANTS = {"n": np.arange(3), "i": np.array([2, 0, 1])}
MASK = np.array([[True, False, True, True], [False, False, True, False], [True, True, False, True]])

_EXAMPLE = re.compile(r"`([^`]+)`\s*→\s*`([^`]+)`")


def examples() -> list[Any]:
    found, seen = [], set()
    for rule in ALL:
        for before, after in _EXAMPLE.findall(rule.docstring):
            if (rule.name, before) not in seen:
                seen.add((rule.name, before))
                found.append(pytest.param(rule, before, after, id=f"{rule.name}: {before}"))
    return found


def arrays(dtype: str) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    values: dict[str, Any] = {
        name: rng.uniform(-2, 2, shape).astype(dtype) for name, shape in SHAPES.items()
    }
    values["a"] = np.abs(values["a"]) + np.asarray(0.1, dtype)
    return values


def evaluate(expression: str, variables: dict[str, Any]) -> Tensor:
    names = {**FUNCTIONS, **CONSTANTS, **variables}
    floats = variables["floats"]
    names["ONES"] = np.ones((4, 2), floats)
    names["ONE_HOT"] = np.eye(4, dtype=floats)[[2, 0, 2]]
    names["q"] = MASK
    names["k"] = cr.asarray(np.asarray(0.25, floats))
    names["log"] = lambda x: cr.log(np.asarray(x, floats) if isinstance(x, float) else x)
    expression = expression.replace('"float32"', "floats").replace('"float64"', "wide")
    result: Tensor = eval(expression, {"__builtins__": {}}, names)  # noqa: S307
    return result


def names_of(*expressions: str) -> list[str]:
    words = set(re.findall(r"\b[a-zA-Z]\b", " ".join(expressions)))
    return sorted(words & {*SHAPES, "c"})


def traced(expression: str, names: list[str], dtype: str) -> Graph:
    types = {
        name: ArrayType((3, 4), np.dtype(bool))
        if name == "c"
        else ArrayType(SHAPES[name], np.dtype(dtype))
        for name in names
    }
    inputs = {name: unknown(kind, tracked=True) for name, kind in types.items()}
    floats: dict[str, Any] = {"floats": np.dtype(dtype), "wide": np.dtype("float64")}
    with recording(True):
        return Graph([*inputs.values()], [evaluate(expression, {**inputs, **floats})], names)


def written(graph: Graph) -> str:
    """Write a graph as one expression, whatever the order of its nodes."""
    texts: dict[Any, str] = {x: graph.names[x] for x in graph.inputs}
    texts |= {x: f"{x.type}:{np.asarray(x.data).tolist()}" for x in graph.constants}
    for node in graph.nodes:
        assert node.primitive is not None
        args = [texts[x] for x in node.inputs] + [f"{k}={v}" for k, v in node.attrs.items()]
        texts[node] = f"{node.primitive.name}({', '.join(args)})"
    return texts[graph.outputs[0]]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("rule", "before", "after"), examples())
def test_docstring_is_what_the_rule_does(rule: Rule, before: str, after: str, dtype: str) -> None:
    if '"float64"' in before:
        dtype = "float32"  # casting float64 to float64 is nothing
    names = names_of(before, after)
    left, counts = rewrite(traced(before, names, dtype), ALL.named(rule.name))
    assert counts[rule.name] >= 1
    right, _ = rewrite(traced(after, names, dtype), Rules())
    assert left.outputs[0].type == right.outputs[0].type
    assert written(left) == written(right)


@pytest.mark.parametrize(("rule", "before", "after"), examples())
def test_both_sides_are_equal_in_values_and_gradients(rule: Rule, before: str, after: str) -> None:
    values = arrays("float64")
    names = names_of(before, after)
    fixed: dict[str, Any] = {
        "c": MASK,
        "floats": np.dtype("float64"),
        "wide": np.dtype("float64"),
    }
    moving = [name for name in names if name != "c"]
    if not moving:
        with warnings.catch_warnings():
            left, right = evaluate(before, fixed), evaluate(after, fixed)
        assert left.tolist() == right.tolist()
        return

    def weighted(expression: str) -> Any:
        def f(*args: Any) -> Any:
            given = dict(zip(moving, args, strict=True))
            result = cr.asarray(evaluate(expression, {**fixed, **given}))
            weights = np.random.default_rng(1).normal(size=result.shape)
            return (result * weights).sum(), result

        return f

    args = [cr.asarray(values[name]) for name in moving]
    with np.errstate(invalid="ignore"):  # the power of a negative number, by y
        (_, left), left_gradients = cr.value_and_grad(
            weighted(before), tuple(range(len(args))), has_aux=True
        )(*args)
        (_, right), right_gradients = cr.value_and_grad(
            weighted(after), tuple(range(len(args))), has_aux=True
        )(*args)
    np.testing.assert_allclose(left.numpy(), right.numpy(), rtol=1e-12, atol=1e-14)
    for mine, theirs in zip(left_gradients, right_gradients, strict=True):
        np.testing.assert_allclose(mine.numpy(), theirs.numpy(), rtol=1e-10, atol=1e-13)


def test_every_rule_has_an_example() -> None:
    for rule in ALL:
        assert _EXAMPLE.search(rule.docstring), rule.name


def test_names_of_rules_are_unique() -> None:
    docstrings: dict[str, str] = {}
    for rule in ALL:
        assert docstrings.setdefault(rule.name, rule.docstring) == rule.docstring
