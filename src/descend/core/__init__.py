"""The idea: a Variable remembers the Function that made it, and backward() walks them.

Read in this order: `variable` (a value in a graph), `function` (one remembered call), `backward`
(the walk). Around them: `arrays` (NumPy, CuPy and others under one text), `operators` (what
``x + y`` means), `config`, `protocols` (NumPy's functions on Variables), `debugging`, `errors`.
"""

from descend.core.arrays import CONTRACT as CONTRACT
from descend.core.arrays import get_array_module as get_array_module
from descend.core.arrays import register as register
from descend.core.backward import gradients as gradients
from descend.core.config import debug as debug
from descend.core.config import no_grad as no_grad
from descend.core.config import test_mode as test_mode
from descend.core.config import using_config as using_config
from descend.core.function import Function as Function
from descend.core.variable import Parameter as Parameter
from descend.core.variable import Variable as Variable
from descend.core.variable import as_variable as as_variable
