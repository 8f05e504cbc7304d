"""Automatic differentiation: reverse mode, forward mode, and their checks."""

from chainrule.autodiff import control
from chainrule.autodiff.reverse import backward
from chainrule.core.tensor import Operand

Operand.backward = backward
control.install()
