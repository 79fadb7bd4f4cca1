"""Functions of functions: derivatives of what is written as a plain function, and many at once.

`gradient` (grad and its kin), `jacobian`, `products` (vjp, jvp, hvp), `vectorize` (vmap),
`checkpoint`, `custom`, `implicit` (root, fixed_point, argmin), `ode`; `call` is the one call on
Variables that they are made of, `batched` and `batching` the array with a hidden axis behind vmap.
"""

from descend.functions import stop_gradient as stop_gradient
from descend.transforms.checkpoint import checkpoint as checkpoint
from descend.transforms.custom import custom_gradient as custom_gradient
from descend.transforms.gradient import elementwise_grad as elementwise_grad
from descend.transforms.gradient import grad as grad
from descend.transforms.gradient import value_and_grad as value_and_grad
from descend.transforms.implicit import argmin as argmin
from descend.transforms.implicit import fixed_point as fixed_point
from descend.transforms.implicit import root as root
from descend.transforms.jacobian import hessian as hessian
from descend.transforms.jacobian import jacobian as jacobian
from descend.transforms.ode import odeint as odeint
from descend.transforms.products import hvp as hvp
from descend.transforms.products import jvp as jvp
from descend.transforms.products import vjp as vjp
from descend.transforms.vectorize import vmap as vmap
