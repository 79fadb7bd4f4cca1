"""References of what NumPy has under another name, with other arguments, or not at all."""

import itertools

import numpy as np
import scipy.integrate


def rollaxis(x, axis, start=0):
    return np.rollaxis(x, axis, start)


def sliding_window_view(x, window_shape, axis=None):
    return np.lib.stride_tricks.sliding_window_view(x, window_shape, axis)


def unstack(x, axis=0):
    return [np.take(x, i, axis) for i in range(x.shape[axis])]


def diff(x, n=1, axis=-1, prepend=None, append=None):
    given = {"prepend": prepend, "append": append}
    return np.diff(x, n, axis, **{key: part for key, part in given.items() if part is not None})


def logcumsumexp(x, axis=None):
    return np.logaddexp.accumulate(x.ravel() if axis is None else x, axis=axis or 0)


def running(x, axis, passes):
    """The extreme so far and its place, each line by itself."""
    values, places = np.empty_like(x), np.empty(x.shape, int)
    for line in np.ndindex(*x.shape[:axis], 1, *x.shape[axis + 1 :]):
        best = 0
        for i in range(x.shape[axis]):
            here = (*line[:axis], i, *line[axis + 1 :])
            there = (*line[:axis], best, *line[axis + 1 :])
            best = i if passes(x[here], x[there]) else best
            values[here], places[here] = x[(*line[:axis], best, *line[axis + 1 :])], best
    return values, places


def cummax(x, axis):
    return running(x, axis % x.ndim, lambda x0, x1: x0 >= x1)


def cummin(x, axis):
    return running(x, axis % x.ndim, lambda x0, x1: x0 <= x1)


def topk(x, k, axis=-1, largest=True):
    lines = np.moveaxis(x, axis, -1)
    places = np.empty((*lines.shape[:-1], k), int)
    for line in np.ndindex(lines.shape[:-1]):
        sign = -1 if largest else 1
        places[line] = sorted(range(x.shape[axis]), key=lambda i: sign * lines[line][i])[:k]
    values = np.take_along_axis(lines, places, -1)
    return np.moveaxis(values, -1, axis), np.moveaxis(places, -1, axis)


def index_put(x, indices, values, accumulate=False):
    y = x.copy()
    if accumulate:
        np.add.at(y, indices, values)
    else:
        y[indices] = values
    return y


def put_along_axis(x, indices, values, axis=-1):
    y = x.copy()
    np.put_along_axis(y, indices, values, axis)
    return y


def scatter(x, axis, index, src):
    y, src = x.copy(), np.broadcast_to(src, index.shape)
    for place in np.ndindex(index.shape):
        target = list(place)
        target[axis] = index[place]
        y[tuple(target)] = src[place]
    return y


def masked_fill(x, mask, value):
    y = x.copy()
    y[np.broadcast_to(mask, x.shape)] = value
    return y


def masked_select(x, mask):
    pairs = zip(*(part.ravel() for part in np.broadcast_arrays(x, mask)), strict=True)
    return np.array([value for value, chosen in pairs if chosen])


def norm(x, p=2, axis=None, keepdims=False):
    axes = range(x.ndim) if axis is None else np.atleast_1d(axis)
    lines = np.moveaxis(x, [*axes], [*range(len(axes))]).reshape(
        -1, *(n for i, n in enumerate(x.shape) if i not in [a % x.ndim for a in axes])
    )
    y = np.linalg.norm(lines, p, 0)
    return np.expand_dims(y, tuple(axes)) if keepdims else y


def cumulative_trapezoid(y, x=None, dx=1.0, axis=-1, initial=None):
    return scipy.integrate.cumulative_trapezoid(y, x, dx, axis, initial)


def gradient(f, *varargs, axis=None, edge_order=1):
    """From the weights that make the slopes of polynomials right, sample by sample."""
    axes = range(f.ndim) if axis is None else np.atleast_1d(axis)
    spacings = [*varargs] * (len(axes) if len(varargs) == 1 else 1) or [1.0] * len(axes)
    found = []
    for spacing, i in zip(spacings, axes, strict=True):
        size = f.shape[i]
        places = spacing * np.arange(size) if np.ndim(spacing) == 0 else np.asarray(spacing)
        weights = np.zeros((size, size))
        for j in range(size):
            ends = [0, size - 1]
            near = [k for k in (j - 1, j, j + 1) if 0 <= k < size]
            if j in ends and edge_order == 2:
                near = [0, 1, 2] if j == 0 else [size - 3, size - 2, size - 1]
            powers = np.array([(places[near] - places[j]) ** n for n in range(len(near))])
            weights[j, near] = np.linalg.solve(powers, np.eye(len(near))[1])
        found.append(np.moveaxis(np.tensordot(weights, f, (1, i)), 0, i))
    return found[0] if len(found) == 1 else found


def quantile(x, q, axis=None, method="linear", keepdims=False, skips=False):
    """Each line by itself."""
    axes = [i % x.ndim for i in (range(x.ndim) if axis is None else np.atleast_1d(axis))]
    kept = [i for i in range(x.ndim) if i not in axes]
    y = np.empty((*np.shape(q), *(x.shape[i] for i in kept)))
    for place in np.ndindex(y.shape):
        part = np.asarray(q)[place[: np.ndim(q)]]
        index = dict(zip(kept, place[np.ndim(q) :], strict=True))
        line = np.sort(x[tuple(index.get(i, slice(None)) for i in range(x.ndim))], axis=None)
        line = line[~np.isnan(line)] if skips else line
        rank = part * (len(line) - 1)
        low, high = line[int(np.floor(rank))], line[int(np.ceil(rank))]
        own = {
            "linear": np.interp(rank, np.arange(len(line)), line),
            "lower": low,
            "higher": high,
            "midpoint": (low + high) / 2,
            "nearest": line[round(rank)],
        }
        y[place] = own[method] if method in own else np.quantile(line, part, method=method)
    full = [1 if i in axes else n for i, n in enumerate(x.shape)]
    return y.reshape(*np.shape(q), *full) if keepdims else y


def percentile(x, q, axis=None, method="linear"):
    return quantile(x, np.asarray(q) / 100, axis, method)


def nanquantile(x, q, axis=None, method="linear"):
    return quantile(x, q, axis, method, skips=True)


def nanpercentile(x, q, axis=None):
    return quantile(x, np.asarray(q) / 100, axis, skips=True)


def interp(x, xp, fp, left=None, right=None, period=None):
    y = np.empty(x.shape)
    if period is not None:
        points = sorted(zip(xp % period, fp, strict=True))
        points = [(points[-1][0] - period, points[-1][1]), *points]
        points.append((points[1][0] + period, points[1][1]))
        xp, fp = map(np.array, zip(*points, strict=True))
        x = x % period
    for place in np.ndindex(x.shape):
        at = x[place]
        y[place] = fp[0] if left is None else left
        for (x0, y0), (x1, y1) in itertools.pairwise(zip(xp, fp, strict=True)):
            if x0 <= at <= x1:
                y[place] = (y0 * (x1 - at) + y1 * (at - x0)) / (x1 - x0)
        if at > xp[-1]:
            y[place] = fp[-1] if right is None else right
    return y


def unwrap(p, discont=None, axis=-1, period=2 * np.pi):
    return np.unwrap(p, discont, axis, period=period)


def average(x, axis=None, weights=None, keepdims=False):
    return np.average(x, axis, weights, keepdims=keepdims)
