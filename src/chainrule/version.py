"""The version of Chainrule."""

__version__ = "0.1.0"
