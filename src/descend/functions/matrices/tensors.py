"""Arrays of more axes as linear maps: a system and an inverse of matrices with grouped axes."""

from __future__ import annotations

from math import prod

import numpy as np

from descend import functions as F
from descend.core.function import as_operand
from descend.functions.axis import axes_of
from descend.functions.registry import Sample, composition

BOX = np.linalg.inv(np.eye(6) + np.arange(36.0).reshape(6, 6) / 50)


@composition(
    Sample((2, 2, 2, 2), (2, 2), axes=(0, 2), low=0.5, high=3),
    Sample(BOX.reshape(2, 3, 6), (2, 3)),
    Sample((2, 2), (2,), low=0.5, high=2),
)
def tensorsolve(a, b, axes=None):
    """The x with tensordot(a, x, x.ndim) = b: a's first axes are b's, its others are x's.

    ``axes`` of a are moved behind the others first. The lengths of x's axes must have the product
    of those of b. Raises numpy.linalg.LinAlgError where a is singular.

    >>> a = np.eye(4).reshape(2, 2, 4) * 2
    >>> F.tensorsolve(a, np.array([[2.0, 4.0], [6.0, 8.0]]))
    array([1., 2., 3., 4.])
    """
    a, b = as_operand(a), as_operand(b)
    if axes is not None:
        moved = axes_of("tensorsolve", axes, a.ndim)
        a = F.transpose(a, (*(i for i in range(a.ndim) if i not in moved), *moved))
    shape = a.shape[b.ndim :]
    if a.shape[: b.ndim] != b.shape or prod(shape) != b.size:
        raise ValueError(
            f"tensorsolve: a {a.shape} and b {b.shape} do not meet: a's first axes must be b's, "
            f"and its others have as many elements"
        )
    return F.reshape(F.solve(F.reshape(a, (b.size, b.size)), F.ravel(b)), shape)


@composition(
    Sample((2, 2, 2, 2), low=0.5, high=3),
    Sample(BOX.reshape(2, 3, 6), 2),
    Sample((4, 2, 2), ind=1, low=0.5, high=3),
)
def tensorinv(a, ind=2):
    """The inverse of a, which takes an array of its last axes to one of its first ``ind``.

    tensordot(tensorinv(a, ind), b, ind) is tensorsolve(a, b). Raises numpy.linalg.LinAlgError
    where a is singular.

    >>> F.tensorinv(np.eye(4).reshape(2, 2, 4) * 2).shape
    (4, 2, 2)
    """
    a = as_operand(a)
    if ind < 1:
        raise ValueError(f"tensorinv: ind is {ind}, at least 1 is needed")
    rows, columns = a.shape[:ind], a.shape[ind:]
    if prod(rows) != prod(columns):
        raise ValueError(
            f"tensorinv: a {a.shape} with ind={ind} has {prod(rows)} elements along its first "
            f"axes and {prod(columns)} along the others, as many are needed"
        )
    return F.reshape(F.inv(F.reshape(a, (prod(rows), prod(columns)))), (*columns, *rows))
