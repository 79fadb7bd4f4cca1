"""The compiler: records a whole training step and runs it as a few fused native kernels.

Read in this order: `compiled` (what a call does), `record.trace` and `lazy.array` (how a function
is recorded), `graph`, `passes` (what becomes of the graph), `machine.loops` and `machine.llvm`
(kernels as text and as machine code), `run.threads` and `run.runtime` (how they run).

Importing this costs next to nothing: llvmlite is imported when a function is first compiled.
"""

from descend.compile.compiled import Compiled as Compiled
from descend.compile.compiled import compile as compile
from descend.compile.compiled import is_available as is_available
from descend.compile.errors import TraceError as TraceError
from descend.core import acceleration


def _accelerator() -> acceleration.Accelerator | None:
    if not is_available():
        return None
    from descend.compile.run.eager import EAGER

    return EAGER


acceleration.install(_accelerator)
