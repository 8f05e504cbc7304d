"""From functions to graphs."""
