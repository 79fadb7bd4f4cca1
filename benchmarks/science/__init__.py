"""Gradients of functions that scientists write: descend beside autograd, JAX and PyTorch.

`functions` has the functions, written once over an array module; `modules` that module for each
framework; `run` measures and prints: ``python -m benchmarks.science.run [--write]``.
"""
