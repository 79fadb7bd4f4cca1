"""References of Fourier transforms and their kin: numpy.fft, scipy.fft, and sums over frames."""

import numpy as np
import scipy.fft

fft, ifft, rfft, irfft = np.fft.fft, np.fft.ifft, np.fft.rfft, np.fft.irfft
fft2, ifft2, rfft2, irfft2 = np.fft.fft2, np.fft.ifft2, np.fft.rfft2, np.fft.irfft2
fftn, ifftn, rfftn, irfftn = np.fft.fftn, np.fft.ifftn, np.fft.rfftn, np.fft.irfftn
hfft, ihfft = np.fft.hfft, np.fft.ihfft
fftshift, ifftshift = np.fft.fftshift, np.fft.ifftshift
dct, idct, dst, idst = scipy.fft.dct, scipy.fft.idct, scipy.fft.dst, scipy.fft.idst
dctn, idctn, dstn, idstn = scipy.fft.dctn, scipy.fft.idctn, scipy.fft.dstn, scipy.fft.idstn


def padded_window(window, win_length, n_fft):
    win_length = n_fft if win_length is None else win_length
    full = np.zeros(n_fft)
    first = (n_fft - win_length) // 2
    full[first : first + win_length] = 1 if window is None else window
    return full


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
    hop = n_fft // 4 if hop_length is None else hop_length
    window = padded_window(window, win_length, n_fft)
    if center:
        x = np.pad(x, [(0, 0)] * (x.ndim - 1) + [(n_fft // 2,) * 2], mode=pad_mode)
    onesided = not np.iscomplexobj(x) if onesided is None else onesided
    N, T = n_fft // 2 + 1 if onesided else n_fft, (x.shape[-1] - n_fft) // hop + 1
    y = np.zeros((*x.shape[:-1], N, T), complex)
    for k, t, j in np.ndindex(N, T, n_fft):
        y[..., k, t] += window[j] * x[..., t * hop + j] * np.exp(-2j * np.pi * k * j / n_fft)
    return y / np.sqrt(n_fft) if normalized else y


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
    hop = n_fft // 4 if hop_length is None else hop_length
    window = padded_window(window, win_length, n_fft)
    x = x * np.sqrt(n_fft) if normalized else x
    onesided = x.shape[-2] != n_fft if onesided is None else onesided
    total = (x.shape[-1] - 1) * hop + n_fft
    y, weights = np.zeros((*x.shape[:-2], total), complex), np.zeros(total)
    for t in range(x.shape[-1]):
        here = slice(t * hop, t * hop + n_fft)
        spectrum = x[..., t]
        frame = np.fft.irfft(spectrum, n_fft) if onesided else np.fft.ifft(spectrum)
        y[..., here] += frame * window
        weights[here] += window**2
    with np.errstate(invalid="ignore"):
        y = y / weights
    start = n_fft // 2 if center else 0
    stop = total - start if length is None else start + length
    y = y[..., start:stop]
    y = np.pad(y, [(0, 0)] * (y.ndim - 1) + [(0, max(stop - total, 0))])
    return y if return_complex else y.real
