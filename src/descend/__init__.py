"""A deep-learning framework that can be read from top to bottom.

    import numpy as np
    import descend
    import descend.functions as F
    from descend import Variable

`core` has the idea (Variable, Function, backward), `functions` the operations, `nn` networks,
`optim` optimizers.
"""

from descend import cuda as cuda
from descend import functions as functions
from descend import nn as nn
from descend import optim as optim
from descend.compile import TraceError as TraceError
from descend.compile import compile as compile
from descend.core import Function as Function
from descend.core import Parameter as Parameter
from descend.core import Variable as Variable
from descend.core import as_variable as as_variable
from descend.core import debug as debug
from descend.core import get_array_module as get_array_module
from descend.core import gradients as gradients
from descend.core import no_grad as no_grad
from descend.core import register as register
from descend.core import test_mode as test_mode
from descend.core import using_config as using_config
from descend.functions import stop_gradient as stop_gradient
from descend.functions.random import Generator as Generator
from descend.functions.random import default_rng as default_rng
from descend.functions.random import seed as seed
from descend.transforms import checkpoint as checkpoint
from descend.transforms import custom_gradient as custom_gradient
from descend.transforms import elementwise_grad as elementwise_grad
from descend.transforms import grad as grad
from descend.transforms import hessian as hessian
from descend.transforms import hvp as hvp
from descend.transforms import jacobian as jacobian
from descend.transforms import jvp as jvp
from descend.transforms import value_and_grad as value_and_grad
from descend.transforms import vjp as vjp
from descend.transforms import vmap as vmap

__version__ = "0.1.0"
