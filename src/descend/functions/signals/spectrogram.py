"""The short-time Fourier transform: the spectrum of a signal as it changes. PyTorch's convention.

Frame t are ``n_fft`` elements of the signal from ``t * hop_length`` on, times the window. With
``center`` the signal is first padded by ``n_fft // 2`` at both ends, so that frame t has its middle
at ``t * hop_length``. A window shorter than ``n_fft`` is padded with zeros at both ends.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from descend import functions as F
from descend.core.arrays import get_array_module
from descend.core.function import Function, as_operand
from descend.core.variable import array_of
from descend.functions.registry import Sample, composition

HANN = np.array([0.0, 0.5, 1.0, 0.5])


class Frames(Function):
    """x (..., L) cut into frames (..., T, size), each beginning ``hop`` behind the other."""

    def __init__(self, size: int, hop: int) -> None:
        self.size = size
        self.hop = hop

    def forward(self, x):
        views = get_array_module(x).lib.stride_tricks.sliding_window_view(x, self.size, axis=-1)
        return views[..., :: self.hop, :].copy()

    def backward(self, gy, *, x_shape):
        return OverlapAdd(x_shape[-1], self.hop)(gy)


class OverlapAdd(Function):
    """Frames (..., T, size) added up at their places in a signal (..., length)."""

    def __init__(self, length: int, hop: int) -> None:
        self.length = length
        self.hop = hop

    def forward(self, x):
        # In pieces of a hop's length, so that those of all frames are added at once
        *lead, T, size = x.shape
        pieces = -(-size // self.hop)
        y = get_array_module(x).zeros((*lead, T + pieces, self.hop), x.dtype)
        for i in range(pieces):
            part = x[..., i * self.hop : (i + 1) * self.hop]
            y[..., i : i + T, : part.shape[-1]] += part
        return y.reshape((*lead, -1))[..., : self.length]

    def backward(self, gy, *, x_shape):
        return Frames(x_shape[-1], self.hop)(gy)


@composition(
    Sample((9,), 4, 2, None, (4,)),
    Sample((2, 7), n_fft=5, hop_length=2, win_length=3, center=False, normalized=True),
    Sample((6,), n_fft=4, window=HANN, pad_mode="constant", complex=True),
)
def stft(
    x,
    n_fft,
    hop_length=None,
    win_length=None,
    window=None,
    center=True,
    pad_mode="reflect",
    normalized=False,
    onesided=None,
):
    """The spectra (..., N, T) of T frames of a signal (..., L), as torch.stft's complex answer.

    N is ``n_fft // 2 + 1`` with ``onesided``, which real signals are by default, else ``n_fft``.
    ``hop_length`` is ``n_fft // 4`` if None, ``win_length`` is ``n_fft``, ``window``, of that
    length and taken in the signal's precision, is all ones. ``pad_mode`` is one of `pad`'s, for
    ``center``. ``normalized`` divides by the root of ``n_fft``.

    >>> F.stft(np.ones(8), n_fft=4, hop_length=4).real
    array([[4., 4., 4.],
           [0., 0., 0.],
           [0., 0., 0.]])
    """
    x = as_operand(x)
    hop_length, window = _settings("stft", x, n_fft, hop_length, win_length, window)
    if x.ndim < 1:
        raise ValueError("stft: x () came, a signal (..., L) is needed")
    if center:
        half = n_fft // 2
        x = F.pad(x, [(0, 0)] * (x.ndim - 1) + [(half, half)], mode=pad_mode)
    if x.shape[-1] < n_fft:
        raise ValueError(f"stft: a signal of {x.shape[-1]} came, n_fft={n_fft} elements are needed")
    is_complex = x.dtype.kind == "c"
    if onesided and is_complex:
        raise ValueError("stft: the spectrum of complex numbers has two sides: onesided=False")
    frames = Frames(n_fft, hop_length)(x) * window
    transform = F.rfft if onesided or (onesided is None and not is_complex) else F.fft
    return F.swapaxes(transform(frames, norm="ortho" if normalized else "backward"), -1, -2)


@composition(
    Sample((3, 5), n_fft=4, hop_length=2, window=HANN, complex=True),
    Sample((2, 5, 3), n_fft=5, hop_length=2, length=7, normalized=True, complex=True),
    Sample((4, 3), n_fft=4, center=False, return_complex=True, complex=True),
)
def istft(
    x,
    n_fft,
    hop_length=None,
    win_length=None,
    window=None,
    center=True,
    normalized=False,
    onesided=None,
    length=None,
    return_complex=False,
):
    """The signal (..., L) of which `stft` has the spectra x (..., N, T).

    Where frames overlap they are averaged, weighted with the squares of their windows (D. Griffin,
    J. Lim, 1984, doi:10.1109/TASSP.1984.1164317), so it is the best signal even for spectra that
    no signal has. ``length`` cuts it or pads it with zeros; without it L is
    ``(T - 1) * hop_length``, and ``n_fft`` more if not ``center``. ``onesided`` is what N says if
    None. From two-sided spectra the real part is answered, unless ``return_complex``.

    Raises ValueError if somewhere all windows are 0.

    >>> x = np.array([1.0, 2.0, 3.0, 4.0])
    >>> F.istft(F.stft(x, n_fft=4, hop_length=2), n_fft=4, hop_length=2)
    array([1., 2., 3., 4.])
    """
    x = as_operand(x)
    hop_length, window = _settings("istft", x, n_fft, hop_length, win_length, window)
    if onesided is None:
        onesided = x.ndim > 1 and x.shape[-2] != n_fft
    rows = n_fft // 2 + 1 if onesided else n_fft
    if x.ndim < 2 or x.shape[-2] != rows or x.shape[-1] < 1:
        raise ValueError(f"istft: x {x.shape} came, (..., {rows}, T) is needed for n_fft={n_fft}")
    spectra = F.swapaxes(x, -1, -2)
    norm = "ortho" if normalized else "backward"
    if onesided:
        frames = F.irfft(spectra, n=n_fft, norm=norm)
    else:
        frames = F.ifft(spectra, norm=norm)
        frames = frames if return_complex else F.real(frames)
    total = (x.shape[-1] - 1) * hop_length + n_fft
    start = n_fft // 2 if center else 0
    stop = (total - start) if length is None else start + length
    weights = F.broadcast_to(F.square(window), (x.shape[-1], n_fft))
    weights = OverlapAdd(total, hop_length)(weights)[start:stop]
    values = array_of(weights)
    if isinstance(values, np.ndarray) and values.min(initial=1) < 1e-11:
        raise ValueError(
            f"istft: all windows are 0 at element {int(values.argmin())} of the signal: a smaller "
            f"hop_length than {hop_length} or another window is needed"
        )
    y = OverlapAdd(total, hop_length)(frames * window)[..., start:stop] / weights
    missing = stop - total
    return F.pad(y, [(0, 0)] * (y.ndim - 1) + [(0, missing)]) if missing > 0 else y


def _settings(
    name: str, x: Any, n_fft: int, hop_length: Any, win_length: Any, window: Any
) -> tuple[int, Any]:
    """How far frames are apart, and the window in x's precision, as long as a frame."""
    hop_length = n_fft // 4 if hop_length is None else hop_length
    win_length = n_fft if win_length is None else win_length
    if hop_length < 1:
        raise ValueError(f"{name}: hop_length={hop_length} came, at least 1 is needed")
    if not 1 <= win_length <= n_fft:
        raise ValueError(f"{name}: win_length={win_length} came, 1 to n_fft={n_fft} is needed")
    real = np.finfo(x.dtype).dtype if x.dtype.kind in "fc" else np.dtype(np.float64)
    window = np.ones(win_length, real) if window is None else as_operand(window)
    if window.shape != (win_length,):
        raise ValueError(f"{name}: window {window.shape} came, ({win_length},) is needed")
    if window.dtype.kind != "c":
        window = F.astype(window, real)
    before = (n_fft - win_length) // 2
    return hop_length, F.pad(window, (before, n_fft - win_length - before))
