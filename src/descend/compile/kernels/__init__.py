"""From nodes to kernels: what a graph is lowered to, and the kernels that are no loops."""
