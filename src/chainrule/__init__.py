"""Chainrule: feedforward neural networks that you can see work.

>>> import chainrule as cr
>>> cr.grad(lambda w: cr.sigmoid(w * 1.0))(0.0)
Tensor(0.25, dtype=float32)
"""

import chainrule.autodiff  # puts backward() on tensors
import chainrule.viz.graphs  # puts to_svg() and to_dot() on graphs
from chainrule import activations, losses, metrics, optim
from chainrule.autodiff.check import check_grads
from chainrule.autodiff.explain import explain
from chainrule.autodiff.forward import jvp
from chainrule.autodiff.reverse import grad, hessian, jacobian, value_and_grad, vjp
from chainrule.compiler.function import compile
from chainrule.compiler.recording import record
from chainrule.compiler.trace import trace
from chainrule.core.errors import ChainruleError
from chainrule.core.graph import Graph
from chainrule.core.mode import no_grad
from chainrule.core.tensor import Parameter, Tensor
from chainrule.nn import initializers, regularizers
from chainrule.nn.branches import Add, Concatenate, Residual
from chainrule.nn.embedding import Embedding
from chainrule.nn.layers import Activation, Dense, Layer, register
from chainrule.nn.learned_activations import Maxout, PReLU
from chainrule.nn.module import Module, add_penalty
from chainrule.nn.noise import Dropout, GaussianNoise
from chainrule.nn.normalization import (
    BatchNorm,
    BatchNormalization,
    LayerNorm,
    LayerNormalization,
    RMSNorm,
    RMSNormalization,
)
from chainrule.nn.shapes import Flatten, Input
from chainrule.ops import random
from chainrule.ops.comparison import (
    equal,
    greater,
    greater_equal,
    isfinite,
    isnan,
    less,
    less_equal,
    logical_and,
    logical_not,
    logical_or,
    not_equal,
)
from chainrule.ops.contract import matmul
from chainrule.ops.control import cond, scan, while_loop
from chainrule.ops.creation import (
    arange,
    asarray,
    eye,
    full,
    linspace,
    ones,
    ones_like,
    tensor,
    zeros,
    zeros_like,
)
from chainrule.ops.elementwise import (
    abs,
    add,
    cos,
    divide,
    erf,
    exp,
    expm1,
    floor,
    log,
    log1p,
    maximum,
    minimum,
    multiply,
    negative,
    power,
    rsqrt,
    sigmoid,
    sign,
    sin,
    softplus,
    sqrt,
    square,
    subtract,
    tanh,
    where,
)
from chainrule.ops.functional import (
    clip,
    elu,
    gelu,
    gelu_tanh,
    hard_sigmoid,
    hard_silu,
    hard_tanh,
    leaky_relu,
    log_sigmoid,
    maxout,
    mish,
    one_hot,
    prelu,
    relu,
    relu6,
    selu,
    silu,
    softsign,
    split,
    std,
    stop_gradient,
    var,
)
from chainrule.ops.index import gather, scatter_add, segment_sum, take, take_along_axis
from chainrule.ops.promotion import cast
from chainrule.ops.reduce import argmax, cumsum, max, mean, min, sum
from chainrule.ops.shape import (
    broadcast_to,
    concatenate,
    expand_dims,
    flatten,
    flip,
    pad,
    reshape,
    squeeze,
    stack,
    swapaxes,
    transpose,
)
from chainrule.ops.softmax import log_softmax, logsumexp, softmax
from chainrule.training.algorithm import algorithm_4_1
from chainrule.training.callbacks import Callback, EarlyStopping, History, ReduceLROnPlateau
from chainrule.training.loading import load_model as load
from chainrule.training.model import Model
from chainrule.training.sequential import Sequential
from chainrule.version import __version__
