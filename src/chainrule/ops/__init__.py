"""The operations: primitives by kind, and what is composed of them."""

from chainrule.ops.methods import install

install()
