"""Networks as functions: modules, layers, activations, initializers."""
