"""Training: models that are compiled, fitted, evaluated, saved."""
