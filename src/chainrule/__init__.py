"""Chainrule: feedforward neural networks that you can see work.

>>> import chainrule as cr
>>> cr.grad(lambda w: cr.sigmoid(w * 1.0))(0.0)
Tensor(0.25, dtype=float32)
"""

import chainrule.autodiff  # puts backward() on tensors
from chainrule import losses, metrics, optim
from chainrule.autodiff.check import check_grads
from chainrule.autodiff.explain import explain
from chainrule.autodiff.forward import jvp
from chainrule.autodiff.reverse import grad, hessian, jacobian, value_and_grad, vjp
from chainrule.compiler.trace import trace
from chainrule.core.errors import ChainruleError
from chainrule.core.graph import Graph
from chainrule.core.tensor import Parameter, Tensor, no_grad
from chainrule.nn.layers import Activation, Dense, Layer
from chainrule.nn.module import Module
from chainrule.ops import random
from chainrule.ops.contract import matmul
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
    cast,
    cos,
    divide,
    equal,
    erf,
    exp,
    expm1,
    floor,
    greater,
    greater_equal,
    isfinite,
    isnan,
    less,
    less_equal,
    log,
    log1p,
    logical_and,
    logical_not,
    logical_or,
    maximum,
    minimum,
    multiply,
    negative,
    not_equal,
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
    leaky_relu,
    log_softmax,
    one_hot,
    relu,
    softmax,
    split,
    std,
    stop_gradient,
    var,
)
from chainrule.ops.index import gather, scatter_add, segment_sum, take, take_along_axis
from chainrule.ops.reduce import argmax, cumsum, logsumexp, max, mean, min, sum
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
from chainrule.training.callbacks import Callback, EarlyStopping, History
from chainrule.training.loading import load_model as load
from chainrule.training.model import Model, Sequential
from chainrule.version import __version__
