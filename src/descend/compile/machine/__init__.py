"""From kernels to machine code: loops, LLVM's text, and code that is kept on disk."""
