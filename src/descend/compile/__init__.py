"""The compiler: records a whole training step and runs it as a few fused native kernels."""
