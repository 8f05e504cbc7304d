"""Networks as functions: modules, layers, activations, initializers, regularizers."""

# A file may name every layer, so all of them have to be there.
from chainrule.nn import branches, embedding, learned_activations, noise, normalization, shapes

__all__ = ["branches", "embedding", "learned_activations", "noise", "normalization", "shapes"]
