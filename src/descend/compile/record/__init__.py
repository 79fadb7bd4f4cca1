"""From Python to a graph: what a function computes is recorded while it runs once."""
