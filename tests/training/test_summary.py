from __future__ import annotations

import numpy as np
import pytest

import chainrule as cr
from chainrule.core.errors import ChainruleError


def small() -> cr.Sequential:
    model = cr.Sequential(
        [cr.Dense(8, activation="relu"), cr.Dense(3, use_bias=False), cr.Activation("softmax")]
    )
    model.make_parameters((4,))
    return model


def test_the_text() -> None:
    assert str(small().summary()) == (
        "Sequential: input 4\n"
        "\n"
        "layer         output shape  M_l  activation  parameters\n"
        "────────────  ────────────  ───  ──────────  ──────────\n"
        "1 Dense       8               8  relu                40\n"
        "2 Dense       3               3  linear              24\n"
        "3 Activation  3                  softmax              0\n"
        "\n"
        "64 parameters (256 bytes)"
    )
    assert repr(small().summary()) == str(small().summary())


def test_the_markup() -> None:
    assert small().summary()._repr_html_() == (
        "<table><caption>Sequential: input 4</caption><thead><tr><th>layer</th>"
        "<th>output shape</th><th>M_l</th><th>activation</th><th>parameters</th></tr></thead>"
        "<tbody>"
        "<tr><td>1 Dense</td><td>8</td><td>8</td><td>relu</td><td>40</td></tr>"
        "<tr><td>2 Dense</td><td>3</td><td>3</td><td>linear</td><td>24</td></tr>"
        "<tr><td>3 Activation</td><td>3</td><td></td><td>softmax</td><td>0</td></tr>"
        "</tbody></table><p>64 parameters (256 bytes)</p>"
    )


def test_names_are_escaped_in_markup() -> None:
    model = cr.Sequential([cr.Dense(2, activation=lambda z: z)])
    model.make_parameters((2,))
    assert "<td>&lt;lambda&gt;</td>" in model.summary()._repr_html_()


def test_large_frozen_and_float64() -> None:
    model = cr.Sequential([cr.Dense(1000), cr.Dense(2)], dtype="float64")
    model.make_parameters((784,))
    first = model.layers[0]
    assert isinstance(first, cr.Dense)
    assert first.kernel is not None
    first.kernel.trainable = False
    summary = model.summary()
    assert summary.total == 784 * 1000 + 1000 + 2000 + 2
    assert summary.trainable == 1000 + 2000 + 2
    assert summary.bytes == 8 * summary.total
    lines = str(summary).splitlines()
    assert lines[2].endswith("activation  parameters   frozen")
    assert lines[4] == "1 Dense  1000          1000  linear         785,000  784,000"
    assert lines[5] == "2 Dense  2                2  linear           2,002"
    assert lines[-1] == "787,002 parameters, 784,000 of them not trainable (6148.5 KiB)"


def test_several_axes() -> None:
    model = cr.Sequential([cr.Dense(3)])
    model.make_parameters((5, 2))
    summary = model.summary()
    assert str(summary).startswith("Sequential: input (5, 2)\n")
    assert summary.rows[0].output_shape == "(5, 3)"


def test_shared_layers_count_once_in_the_total() -> None:
    layer = cr.Dense(3)
    model = cr.Sequential([layer, cr.Activation("tanh"), layer])
    model.make_parameters((3,))
    summary = model.summary()
    assert [row.parameters for row in summary.rows] == [12, 0, 0]
    assert summary.total == 12


def test_a_model_of_ones_own() -> None:
    class Net(cr.Model):
        def __init__(self) -> None:
            self.hidden, self.out = cr.Dense(3, activation="tanh"), cr.Dense(1)
            self.scale = cr.Parameter(1.0)

        def forward(self, x: cr.Tensor, training: bool = False) -> cr.Tensor:
            return self.out(self.hidden(x)) * self.scale

    net = Net()
    net.make_parameters((2,))
    summary = net.summary()
    assert summary.name == "Net"
    assert [(r.layer, r.output_shape, r.activation, r.parameters) for r in summary.rows] == [
        ("1 Dense", "3", "tanh", 9),
        ("2 Dense", "1", "linear", 4),
    ]
    assert summary.total == 14
    assert list(net.parameters()) == [p.name for p in net.parameters().values()]


def test_it_computes_nothing_and_changes_nothing() -> None:
    model = small()
    before = model.get_weights()
    model.summary()
    for one, other in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(one, other)
    assert [p.name for p in model.parameters().values()] == list(model.parameters())


def test_before_the_parameters_are_made() -> None:
    with pytest.raises(ChainruleError) as caught:
        cr.Sequential([cr.Dense(3)]).summary()
    assert str(caught.value) == (
        "the model has no parameters yet: call model.make_parameters((features,)), or fit it, first"
    )


def test_layers_within_layers_are_indented() -> None:
    model = cr.Sequential(
        [
            cr.Input((8,)),
            cr.Dense(16, activation="relu"),
            cr.BatchNorm(),
            cr.Residual(cr.Dense(16), cr.Residual(cr.Dense(16, activation="tanh"))),
            cr.Concatenate([], [cr.Maxout(4), cr.PReLU()]),
            cr.Sequential([cr.Dense(3)]),
        ]
    )
    assert str(model.summary()) == (
        "Sequential: input 8\n"
        "\n"
        "layer            output shape  M_l  activation  parameters  frozen\n"
        "───────────────  ────────────  ───  ──────────  ──────────  ──────\n"
        "1 Dense          16             16  relu               144\n"
        "2 BatchNorm      16                                     64      32\n"
        "3 Residual       16                                    544\n"
        "  3.1 Dense      16             16  linear             272\n"
        "  3.2 Residual   16                                    272\n"
        "    3.2.1 Dense  16             16  tanh               272\n"
        "4 Concatenate    20                                    140\n"
        "  4.1 Maxout     4               4  maxout             136\n"
        "  4.2 PReLU      4                  prelu                4\n"
        "5 Sequential     3                                      63\n"
        "  5.1 Dense      3               3  linear              63\n"
        "\n"
        "955 parameters, 32 of them not trainable (3.7 KiB)"
    )
    assert sum(row.parameters for row in model.summary().rows if not row.depth) == 955
    markup = model.summary()._repr_html_()
    assert "<td>&nbsp;&nbsp;3.1 Dense</td>" in markup
    assert "<td>&nbsp;&nbsp;&nbsp;&nbsp;3.2.1 Dense</td>" in markup


def test_layers_of_layers_of_ones_own_have_shapes_too() -> None:
    class Block(cr.Module):
        def __init__(self) -> None:
            self.stack = [cr.Dense(5), cr.Dropout(0.5)]
            self.spare = cr.Residual(cr.Dense(4))

        def forward(self, x: cr.Tensor, training: bool = False) -> cr.Tensor:
            for layer in self.stack:
                x = layer(x)
            return x

    class Net(cr.Model):
        def __init__(self) -> None:
            self.unused, self.block, self.out = cr.Dense(7), Block(), cr.Dense(1)
            self.never_built = cr.Dense(3)
            self.unused(np.ones((1, 2)))
            self.block.spare(np.ones((1, 4)))

        def forward(self, x: cr.Tensor, training: bool = False) -> cr.Tensor:
            return self.out(self.block(x))

    net = Net()
    net.make_parameters((2, 3))
    rows = net.summary().rows
    assert [(r.layer, r.depth, r.output_shape, r.neurons, r.parameters) for r in rows] == [
        ("1 Block", 0, "(2, 5)", None, 40),  # what is not called counts
        ("1.1 Dense", 1, "(2, 5)", 5, 20),
        ("1.2 Dropout", 1, "(2, 5)", None, 0),
        ("2 Dense", 0, "(2, 1)", 1, 6),
        ("3 Dense", 0, "", 7, 21),
    ]
    assert net.summary().total == 67


def test_wide_tables_fit_a_terminal() -> None:
    inner: cr.Layer = cr.Dense(1000, activation="leaky_relu(gamma=0.123456)")
    for _ in range(4):
        inner = cr.Residual(cr.BatchNorm(), inner)
    model = cr.Sequential([cr.Input((1000,)), inner])
    text = str(model.summary())
    assert max(map(len, text.splitlines())) <= 80
    assert "leaky_relu" in text
    assert "…" in text
    assert "leaky_relu(gamma=0.123456)" in model.summary()._repr_html_()


def test_a_layer_that_comes_again_is_marked_and_counts_once() -> None:
    twice = cr.Dense(3)
    model = cr.Sequential([cr.Dense(3), twice, cr.Activation("tanh"), twice])
    model.make_parameters((3,))
    summary = model.summary()
    assert [row.layer for row in summary.rows] == [
        "1 Dense",
        "2 Dense",
        "3 Activation",
        "4 Dense (again 2)",
    ]
    assert [row.parameters for row in summary.rows] == [12, 12, 0, 0]
    assert summary.total == 24 == sum(row.parameters for row in summary.rows)
