"""The activations and their derivatives: the lecture's table, and their curves."""

from __future__ import annotations

from pathlib import Path

import chainrule as cr

PICTURES = Path("pictures")
NAMES = ("sigmoid", "tanh", "relu", "leaky_relu", "elu", "softplus", "gelu", "silu", "sine")


def main(folder: Path = PICTURES) -> dict[str, float]:
    """Print the table and draw the curves; return the largest slope of each."""
    print(cr.activations.table())
    folder.mkdir(parents=True, exist_ok=True)
    cr.activations.plot(NAMES).save(folder / "activation_functions.svg")
    x = cr.linspace(-6.0, 6.0, 1201)
    slopes = {}
    for name in NAMES:
        f = cr.Activation(name)
        slopes[name] = float(cr.grad(lambda x, f=f: f(x).sum())(x).max().item())
    return slopes


if __name__ == "__main__":
    main()
