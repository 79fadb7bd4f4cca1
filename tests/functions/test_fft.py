"""Fourier, cosine and sine transforms: norms, lengths, adjoints, errors, spectra of frames."""

import itertools

import numpy as np
import pytest
import scipy.fft
import scipy.signal
from hypothesis import given, settings
from hypothesis import strategies as st

import descend
import descend.functions as F
from descend import Variable, gradients
from descend.testing import check_function

NORMS = ("backward", "ortho", "forward")
OF_REAL = ("rfft", "ihfft")
TO_REAL = ("irfft", "hfft")
ONE_AXIS = ("fft", "ifft", *OF_REAL, *TO_REAL)
SEVERAL = ("fftn", "ifftn", "rfftn", "irfftn", "fft2", "ifft2", "rfft2", "irfft2")


def numbers(name, *shape, seed=0):
    """What a transform takes: real numbers, or complex ones."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(shape)
    real = name.startswith("rfft") or name in OF_REAL or name.endswith(("dct", "dst"))
    return x if real else x + 1j * rng.standard_normal(shape)


def inner(x, y):
    """The inner product of real vectors, of which complex numbers have two elements each."""
    return np.sum(x.conj() * y).real


@pytest.mark.parametrize("name", ONE_AXIS)
@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.integers(1, 6), min_size=1, max_size=3),
    st.one_of(st.none(), st.integers(1, 9)),
    st.sampled_from((None, *NORMS)),
    st.data(),
)
def test_one_axis(name, shape, n, norm, data):
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    if name in TO_REAL and n is None and shape[axis] == 1:
        n = 1
    x = numbers(name, *shape)
    y = getattr(F, name)(Variable(x), n, axis, norm)
    expected = getattr(np.fft, name)(x, n, axis, norm)
    np.testing.assert_allclose(y.data, expected, atol=1e-12)
    assert y.dtype == expected.dtype
    adjoint(lambda x: getattr(F, name)(x, n, axis, norm), x)


def adjoint(function, x):
    """Assert that the gradient of a linear function is its adjoint: (f(x), g) = (x, f*(g))."""
    v = Variable(x)
    y = function(v)
    g = np.random.default_rng(1).standard_normal(y.shape).astype(y.dtype)
    g = g * np.exp(1j) if y.dtype.kind == "c" else g
    [gx] = gradients(y, [v], [g])
    assert gx.dtype == x.dtype and gx.shape == x.shape
    np.testing.assert_allclose(inner(g, y.data), inner(gx.data, x), rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("name", SEVERAL)
def test_several_axes(name, norm):
    x = numbers(name, 3, 4, 5)
    for s, axes in [(None, (0, 1)), ((2, 7), (-1, 0)), ((4, 3), (1, 2)), ((3, 6), (2, 1))]:
        y = getattr(F, name)(x, s, axes, norm)
        np.testing.assert_allclose(y, getattr(np.fft, name)(x, s, axes, norm), atol=1e-12)
        adjoint(lambda x, s=s, axes=axes: getattr(F, name)(x, s, axes, norm), x)


def test_lengths_without_axes_are_of_the_last_ones():
    x = numbers("fftn", 2, 3, 4)
    np.testing.assert_allclose(F.fftn(x, s=(2, 3)), np.fft.fftn(x, (2, 3), (-2, -1)))
    np.testing.assert_allclose(F.fftn(x, s=(-1, 5), axes=(0, 1)), np.fft.fftn(x, (2, 5), (0, 1)))


@pytest.mark.parametrize("n", [4, 5])
def test_a_transform_with_the_norm_ortho_is_unitary(n):
    matrix = F.fft(np.eye(n), norm="ortho")
    np.testing.assert_allclose(matrix @ matrix.conj().T, np.eye(n), atol=1e-14)


@pytest.mark.parametrize("n", [4, 5])
def test_a_gradient_through_there_and_back_is_the_gradient(n):
    x = Variable(numbers("rfft", 2, n))
    g = numbers("rfft", 2, n, seed=2)
    [gx] = gradients(F.irfft(F.rfft(x), n=n), [x], [g])
    np.testing.assert_allclose(gx.data, g, atol=1e-14)


def test_what_irfft_does_not_read_has_no_gradient():
    x = Variable(numbers("irfft", 3))
    [gx] = gradients(F.irfft(x), [x], [np.arange(4.0)])
    np.testing.assert_array_equal(gx.data.imag[[0, 2]], 0)
    assert gx.data.imag[1] != 0
    [gx] = gradients(F.irfft(x, n=3), [x], [np.arange(3.0)])
    assert gx.data[2] == 0 and gx.data.imag[1] != 0


@pytest.mark.parametrize("name", ONE_AXIS + SEVERAL)
@pytest.mark.parametrize("single", [np.float16, np.float32])
def test_single_precision_stays(name, single):
    x = numbers(name, 4, 4).real.astype(single)
    v = Variable(x)
    y = getattr(F, name)(v)
    y.backward()
    assert y.dtype in (np.complex64, np.float32, single)
    assert v.grad.dtype == single


@pytest.mark.parametrize("name", ["fft", "rfft", "fftn", "dct"])
def test_integers_and_lists(name):
    module = scipy.fft if name == "dct" else np.fft
    np.testing.assert_allclose(getattr(F, name)([1, 2, 4]), getattr(module, name)([1, 2, 4]))


@pytest.mark.parametrize("name", [*ONE_AXIS, "dct", "dst", "fftshift", "ifftshift"])
def test_no_rows(name):
    v = Variable(numbers(name, 0, 4))
    y = getattr(F, name)(v)
    y.backward()
    assert y.shape[0] == 0 and v.grad.shape == (0, 4)


@pytest.mark.parametrize("name", [*ONE_AXIS, *SEVERAL, "fftshift", "ifftshift"])
def test_numpys_functions_answer_variables(name):
    x = numbers(name, 3, 4)
    y = getattr(np.fft, name)(Variable(x))
    assert isinstance(y, Variable) and y.requires_grad
    np.testing.assert_allclose(y.data, getattr(np.fft, name)(x), atol=1e-12)


def test_frequencies():
    for n in (1, 4, 5):
        np.testing.assert_array_equal(F.fftfreq(n, 0.5), np.fft.fftfreq(n, 0.5))
        np.testing.assert_array_equal(F.rfftfreq(n), np.fft.rfftfreq(n))


@pytest.mark.parametrize("axes", [None, 0, (1, -1)])
def test_shifts_are_inverse_to_each_other(axes):
    x = numbers("fft", 2, 3, 5)
    y = F.fftshift(x, axes)
    np.testing.assert_array_equal(y, np.fft.fftshift(x, axes))
    np.testing.assert_array_equal(F.ifftshift(y, axes), x)


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda x: F.fft(x, norm="half"), "fft: norm='half' came"),
        (lambda x: F.hfft(x, norm=1), "hfft: norm=1 came"),
        (lambda x: F.fft(x, axis=2), "fft: axis .* does not fit an array of 2 axes"),
        (lambda x: F.fft(x, n=0), r"fft: the lengths \(0,\) came, each must be at least 1"),
        (lambda x: F.rfft(x[:, :0]), r"rfft: the lengths \(0,\) came"),
        (lambda x: F.irfft(x[:, :1]), "irfft: 0 numbers are asked for"),
        (lambda x: F.fftn(x, s=(1, 2), axes=(0,)), "fftn: 2 lengths s came for 1 axes"),
        (lambda x: F.rfftn(x, axes=()), r"rfftn: x \(2, 3\) came, at least 1 axis is needed"),
        (lambda x: F.fftn(x, axes=(0, 0)), "fftn: axis"),
        (lambda x: F.dct(x, type=5), "dct: type=5 came, 1, 2, 3 or 4 is needed"),
        (lambda x: F.idst(x, type="2"), "idst: type='2' came"),
        (lambda x: F.dct(x, n=0), "dct: 0 elements came, at least 1 are needed in type 2"),
        (lambda x: F.dct(x[:, :1], type=1), "dct: 1 elements came, at least 2 are"),
        (lambda x: F.dct(x, norm="none"), "dct: norm='none' came"),
    ],
)
def test_refusals(call, message):
    with pytest.raises((ValueError, IndexError), match=message):
        call(np.ones((2, 3)))


def test_rfft_of_complex_numbers_is_refused():
    with pytest.raises(TypeError, match="rfft: x is complex128, real numbers are needed"):
        F.rfft(np.ones(3, complex))


def test_compiled_transforms_equal_eager():
    x = numbers("rfft", 4, 6)

    def step(x):
        v = Variable(x)
        y = F.irfft(F.rfft(v) * F.exp(-F.rfftfreq(6)), n=6) + F.fft2(v).real
        y = F.dct(y, norm="ortho") * F.abs(F.fftshift(F.fft(v)))
        [gx] = gradients(F.sum(y * y), [v])
        return y.data, gx.data

    compiled = descend.compile(step)
    for _ in range(2):
        for got, value in zip(compiled(x), step(x), strict=True):
            np.testing.assert_allclose(got, value, rtol=1e-9)


# ---- cosine and sine transforms ---------------------------------------------------------------

TRIGONOMETRIC = [*itertools.product(("dct", "idct", "dst", "idst"), (1, 2, 3, 4))]


@pytest.mark.parametrize("name, type", TRIGONOMETRIC)
def test_types_norms_and_lengths(name, type):
    x = numbers(name, 3, 5)
    for norm, (n, axis) in itertools.product(
        (None, *NORMS), [(None, -1), (2, 1), (3, 0), (6, -2), (7, -1)]
    ):
        y = getattr(F, name)(x, type, n, axis, norm)
        expected = getattr(scipy.fft, name)(x, type, n, axis, norm)
        np.testing.assert_allclose(y, expected, atol=1e-12)
        adjoint(lambda x, n=n, a=axis, m=norm: getattr(F, name)(x, type, n, a, m), x)


@pytest.mark.parametrize("name, type", TRIGONOMETRIC)
@pytest.mark.parametrize("n", [2, 5])
def test_with_the_norm_ortho_the_matrix_is_orthogonal(name, type, n):
    matrix = getattr(F, name)(np.eye(n), type, norm="ortho")
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(n), atol=1e-14)


@pytest.mark.parametrize("name, type", TRIGONOMETRIC[:4] + TRIGONOMETRIC[8:12])
@pytest.mark.parametrize("norm", NORMS)
def test_inverses(name, type, norm):
    x = numbers(name, 2, 5)
    y = getattr(F, "i" + name)(getattr(F, name)(x, type, norm=norm), type, norm=norm)
    np.testing.assert_allclose(y, x, atol=1e-14)


def test_complex_numbers_have_cosine_transforms():
    x = numbers("fft", 3, 4)
    np.testing.assert_allclose(F.dct(x), scipy.fft.dct(x))
    adjoint(F.dst, x)


# ---- frames -----------------------------------------------------------------------------------


def test_stft_is_scipys_where_frames_lie_inside():
    x = numbers("rfft", 40)
    window = scipy.signal.windows.hann(8, sym=False)
    ours = F.stft(x, n_fft=8, hop_length=2, window=window, center=False)
    theirs = scipy.signal.ShortTimeFFT(window, hop=2, fs=1, phase_shift=None)
    assert ours.shape == (5, 17)
    np.testing.assert_allclose(ours, theirs.stft(x, p0=2, p1=19), atol=1e-13)


@pytest.mark.parametrize("n_fft, hop, win_length", [(8, 2, 8), (7, 3, 7), (8, 3, 6), (5, 1, 2)])
@pytest.mark.parametrize("normalized", [False, True])
def test_istft_brings_the_signal_back(n_fft, hop, win_length, normalized):
    x = numbers("rfft", 2, 29)
    window = 0.2 + np.hanning(win_length)
    frames = {"n_fft": n_fft, "hop_length": hop, "win_length": win_length, "window": window}
    spectra = F.stft(x, **frames, normalized=normalized)
    assert spectra.shape == (2, n_fft // 2 + 1, (29 + 2 * (n_fft // 2) - n_fft) // hop + 1)
    y = F.istft(spectra, **frames, normalized=normalized, length=29)
    np.testing.assert_allclose(y[:, : y.shape[1] - hop], x[:, : 29 - hop], atol=1e-12)


def test_complex_signals_have_spectra_with_two_sides():
    x = numbers("fft", 12)
    spectra = F.stft(x, n_fft=4, hop_length=2)
    assert spectra.shape == (4, 7)
    back = F.istft(spectra, n_fft=4, hop_length=2, return_complex=True)
    np.testing.assert_allclose(back, x, atol=1e-14)
    two = F.stft(x.real, n_fft=4, hop_length=2, onesided=False)
    np.testing.assert_allclose(F.istft(two, n_fft=4, hop_length=2), x.real, atol=1e-14)


def test_the_window_is_differentiable():
    x, window = numbers("fft", 3, 4), np.array([0.5, 1.0, 1.2, 0.7])
    check_function(lambda x, w: F.istft(x, 4, 2, window=w), x, window)


def test_settings_left_out():
    x = numbers("rfft", 20)
    np.testing.assert_allclose(F.stft(x, 8), F.stft(x, 8, 2, 8, np.ones(8)))
    spectra = F.stft(x, 8)
    np.testing.assert_allclose(F.istft(spectra, 8), x, atol=1e-14)
    longer = F.istft(spectra, 8, length=30)
    assert longer.shape == (30,)
    np.testing.assert_array_equal(longer[24:], 0)


def test_the_window_takes_the_signals_precision():
    x = numbers("rfft", 20).astype(np.float32)
    spectra = F.stft(x, 8, window=np.hanning(8) + 0.1)
    assert spectra.dtype == np.complex64
    assert F.istft(spectra, 8, window=np.hanning(8) + 0.1).dtype == np.float32


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda x: F.stft(x, 8, hop_length=0), "stft: hop_length=0 came"),
        (lambda x: F.stft(x, 8, win_length=9), "stft: win_length=9 came, 1 to n_fft=8"),
        (lambda x: F.stft(x, 8, window=np.ones(7)), r"stft: window \(7,\) came, \(8,\) is needed"),
        (lambda x: F.stft(x, 32, center=False), "stft: a signal of 20 came, n_fft=32"),
        (lambda x: F.stft(x[0], 8), r"stft: x \(\) came, a signal"),
        (lambda x: F.stft(x + 0j, 8, onesided=True), "stft: the spectrum of complex numbers"),
        (lambda x: F.istft(np.ones((4, 3)), 8), r"istft: x \(4, 3\) came, \(..., 5, T\)"),
        (lambda x: F.istft(np.ones((5, 0)), 8), r"istft: x \(5, 0\) came"),
        (
            lambda x: F.istft(np.ones((3, 5)), 4, 4, window=np.hanning(4)),
            "istft: all windows are 0 at element 1 of the signal",
        ),
    ],
)
def test_refusals_of_frames(call, message):
    with pytest.raises(ValueError, match=message):
        call(numbers("rfft", 20))
