"""The core: types, the graph, tensors and parameters, errors. It knows no operation."""
