"""Linear algebra where it is delicate: structured matrices, singular ones, equal eigenvalues."""

import mpmath
import numpy as np
import pytest
import scipy.linalg
import scipy.sparse

import descend.functions as F
from descend import Variable, compile, gradients, vmap
from descend.testing import check_derivatives, check_function

RNG = np.random.default_rng(3)
WIDE, TALL, SQUARE = RNG.normal(size=(2, 4)), RNG.normal(size=(4, 2)), RNG.normal(size=(3, 3))
BATCH = RNG.normal(size=(2, 3, 3))
COMPLEX = SQUARE + 1j * RNG.normal(size=(3, 3))


def positive(x):
    """A positive definite matrix that depends on all of x."""
    return F.matmul(x, F.swapaxes(F.conj(x), -1, -2)) + np.eye(x.shape[-1]).astype(x.dtype)


def gradient(f, *xs):
    xs = [Variable(np.array(x)) for x in xs]
    y = f(*xs)
    return [gx.data for gx in gradients(y, xs)]


def both(got, expected, rtol=1e-12):
    np.testing.assert_allclose(got, expected, rtol, rtol)


# ---- derivatives on structured matrices ----------------------------------------------------------


@pytest.mark.parametrize("x", [SQUARE, BATCH], ids=["square", "batch"])
@pytest.mark.parametrize(
    "function",
    [
        lambda x: F.cholesky(positive(x)),
        lambda x: F.cholesky(positive(x), upper=True),
        lambda x: F.logdet(positive(x)),
        lambda x: F.eigh(positive(x)),
        lambda x: F.eigvalsh(positive(x)),
        lambda x: F.eigh(x, "L"),
        lambda x: F.solve(positive(x), x),
        lambda x: F.sqrtm(positive(x)),
    ],
    ids="cholesky upper logdet eigh eigvalsh triangle solve sqrtm".split(),
)
def test_symmetric_and_positive_definite(function, x):
    check_function(function, x, order=2)


@pytest.mark.parametrize("x", [WIDE, TALL], ids=["wide", "tall"])
@pytest.mark.parametrize("function", [F.svd, F.svdvals, F.qr, F.lu, F.pinv])
def test_wide_and_tall(function, x):
    check_function(function, x, order=2)


@pytest.mark.parametrize(
    "function",
    [
        F.inv,
        F.det,
        F.slogdet,
        F.logdet,
        F.expm,
        F.lu,
        F.eig,
        F.eigvals,
        F.pinv,
        F.svdvals,
        lambda x: F.solve(x, x[0]),
        lambda x: F.solve_triangular(x, x[0], trans=1),
        lambda x: F.solve_triangular(x, x[0], trans=2, lower=True),
        lambda x: F.cholesky(positive(x)),
        lambda x: F.eigvalsh(positive(x)),
        lambda x: F.qr(x)[1],
        lambda x: F.lstsq(x[:, :2], x[:, 2])[0],
        lambda x: F.matrix_norm(x, ord="nuc"),
        lambda x: F.einsum("ij,kj->ki", x, F.conj(x)),
        F.sqrtm,
    ],
)
def test_complex(function):
    """Whose answers are told uniquely; LAPACK turns complex vectors as it likes."""
    check_function(function, COMPLEX, order=2)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: F.square(F.abs(F.eigh(positive(x)).eigenvectors)),
        lambda x: F.square(F.abs(F.svd(x).U)),
        lambda x: F.matmul(F.svd(x[:, :2]).U, F.svd(x[:, :2]).Vh),
        lambda x: F.matmul(F.svd(x[:2]).U, F.svd(x[:2]).Vh),
    ],
    ids="eigh svd tall wide".split(),
)
def test_what_does_not_depend_on_how_vectors_are_turned(function):
    check_function(function, COMPLEX, order=2, rtol=1e-5)


def test_gradients_of_symmetric_matrices_are_symmetric():
    a = SQUARE @ SQUARE.T + np.eye(3)
    for f in (lambda x: F.cholesky(x).sum(), lambda x: (F.eigh(x).eigenvectors ** 3).sum()):
        [g] = gradient(f, a)
        both(g, g.T)


def test_a_triangle_gets_the_gradient_that_is_read():
    [g] = gradient(lambda x: F.eigvalsh(x, UPLO="L")[0], SQUARE)
    assert np.array_equal(g != 0, np.tri(3, dtype=bool))


# ---- determinants --------------------------------------------------------------------------------


def cofactors(x):
    n = len(x)
    minors = [
        [np.linalg.det(np.delete(np.delete(x, i, 0), j, 1)) for j in range(n)] for i in range(n)
    ]
    return np.array(minors) * (-1.0) ** np.add.outer(np.arange(n), np.arange(n))


RANK_2 = SQUARE[:, :2] @ BATCH[0, :2]
RANK_1 = np.outer(SQUARE[0], SQUARE[1])
SINGULAR = [RANK_2, RANK_1, np.zeros((3, 3)), np.diag([1.0, 1e-12, 0.0]), np.ones((2, 2))]


@pytest.mark.parametrize("x", SINGULAR)
def test_determinant_of_a_singular_matrix(x):
    """The gradient is the matrix of cofactors."""
    [g] = gradient(F.det, x)
    both(g, cofactors(x))


@pytest.mark.parametrize("x", [*SINGULAR[:3], SQUARE])
def test_second_derivative_of_a_determinant(x):
    """That of a polynomial of degree 3: differences are exact but for rounding."""
    direction = BATCH[1]
    v = Variable(x.copy())
    [g] = gradients(F.det(v), v, create_graph=True)
    [second] = gradients((g * direction).sum(), v)
    expected = (cofactors(x + direction) - cofactors(x - direction)) / 2
    both(second.data, expected, 1e-11)


def test_second_derivative_of_a_determinant_agrees_from_either_formula():
    x = np.diag([1.0, 2.0, 1e-9]) @ BATCH[0]  # just not regular
    v, w = Variable(x), Variable(x * 1.0)
    for a in (v, w):
        [g] = gradients(F.det(a), a, create_graph=True)
        gradients((g * BATCH[1]).sum(), a)
    both(gradient(F.det, x)[0], np.linalg.det(x) * np.linalg.inv(x).T, 1e-6)


def test_third_derivative_of_a_singular_determinant_is_refused():
    v = Variable(np.ones((2, 2)))
    [g] = gradients(F.det(v), v, create_graph=True)
    [g] = gradients((g * g).sum(), v, create_graph=True)
    with pytest.raises(np.linalg.LinAlgError, match="Singular"):
        gradients((g * g).sum(), v)


def test_slogdet_of_a_singular_matrix():
    v = Variable(np.ones((2, 2)))
    sign, logabsdet = F.slogdet(v)
    assert (sign.data, logabsdet.data) == (0, -np.inf)
    with pytest.raises(np.linalg.LinAlgError, match=r"inv: x \(2, 2\): Singular matrix"):
        logabsdet.backward()


def test_logdet_of_negative_and_zero():
    both(F.logdet(np.array([[[0.0, 1.0], [1.0, 0.0]], np.ones((2, 2))])), [np.nan, -np.inf])


def test_large_determinants():
    x = np.eye(400) * 10
    assert F.det(x[:300, :300]) == pytest.approx(1e300) and F.slogdet(x)[1] == pytest.approx(
        400 * np.log(10)
    )
    [g] = gradient(lambda v: F.slogdet(v).logabsdet, x)
    both(g, np.eye(400) / 10)


# ---- equal values --------------------------------------------------------------------------------


def test_equal_eigenvalues():
    x = np.diag([1.0, 1.0, 2.0])
    for values in (F.eigvalsh, lambda v: F.eigh(v).eigenvalues, lambda v: F.eigh(v)[0]):
        [g] = gradient(lambda v, f=values: f(v).sum(), x)
        both(g, np.eye(3))
    with pytest.raises(np.linalg.LinAlgError, match=r"eigh: .* two eigenvalues are equal"):
        gradient(lambda v: (F.eigh(v).eigenvectors * SQUARE).sum(), x)


def test_the_second_derivative_of_equal_eigenvalues_is_refused():
    v = Variable(np.eye(2))
    [g] = gradients((F.eigvalsh(v) * np.array([1.0, 3.0])).sum(), v, create_graph=True)
    with pytest.raises(np.linalg.LinAlgError, match="two eigenvalues are equal"):
        gradients((g * SQUARE[:2, :2]).sum(), v)


def test_equal_and_zero_singular_values():
    [g] = gradient(lambda v: F.svdvals(v).sum(), np.eye(3))
    both(g, np.eye(3))
    [g] = gradient(lambda v: F.svdvals(v).sum(), np.diag([2.0, 0.0]))
    both(g, np.diag([1.0, 0.0]))  # of 0 it is 0, as of the absolute value
    [g] = gradient(lambda v: F.svd(v).S.sum(), np.eye(3))
    both(g, np.eye(3))
    for x in (np.eye(3), np.zeros((3, 2))):
        with pytest.raises(np.linalg.LinAlgError, match="singular values are equal or one is 0"):
            gradient(lambda v: (F.svd(v).U * SQUARE[:, : v.shape[1]]).sum(), x)


def test_vectors_of_one_singular_value_that_is_0():
    with pytest.raises(np.linalg.LinAlgError, match="one is 0"):
        gradient(lambda v: F.svd(v).U[0, 1] + F.svd(v).U[1, 1], np.outer([1.0, 2.0, 3.0], [1, 2.0]))


def test_equal_eigenvalues_of_a_matrix_without_enough_vectors():
    with pytest.raises(np.linalg.LinAlgError):
        gradient(lambda v: F.real(F.eig(v).eigenvectors[0, 1]), np.eye(2))


def test_norms_of_0():
    for order in ("fro", "nuc", 2, 1, np.inf):
        [g] = gradient(lambda v, p=order: F.matrix_norm(v, ord=p), np.zeros((2, 3)))
        assert np.all(g == 0)


def test_cond_of_a_singular_matrix():
    assert F.cond(np.zeros((2, 2)) + np.diag([1.0, 0.0])) == np.inf
    with pytest.raises(np.linalg.LinAlgError):
        F.cond(np.ones((2, 2)), 1)
    with pytest.raises(ValueError, match=r"cond: x \(2, 3\) came"):
        F.cond(np.ones((2, 3)), "fro")


# ---- rank ----------------------------------------------------------------------------------------


def test_pinv_and_lstsq_of_less_than_full_rank():
    """The derivative along matrices of the same rank: x = L R."""
    left, right = SQUARE[:, :2], BATCH[0, :2]
    check_derivatives(lambda a, b: F.pinv(F.matmul(a, b), 1e-9), left, right, order=2)
    check_derivatives(lambda a, b: F.lstsq(F.matmul(a, b), a[:, 0], 1e-9)[0], left, right, order=2)


def test_lstsq_answers_like_numpys():
    for a, b in ((TALL, TALL[:, 0]), (WIDE, WIDE), (TALL, np.ones((4, 3)))):
        for got, expected in zip(F.lstsq(a, b), np.linalg.lstsq(a, b), strict=True):
            both(got, expected)
            assert got.shape == np.shape(expected)


def test_matrix_rank():
    for x in (WIDE, RANK_1, np.zeros((2, 2)), BATCH, np.stack([RANK_2, SQUARE])):
        got = F.matrix_rank(Variable(x))
        assert isinstance(got, np.ndarray) and np.array_equal(got, np.linalg.matrix_rank(x))
    x = np.diag([1.0, 0.1])
    assert F.matrix_rank(x, tol=0.5) == 1 and F.matrix_rank(x, rtol=0.01, hermitian=True) == 2


# ---- triangular systems --------------------------------------------------------------------------


def test_only_the_triangle_counts():
    a = np.array([[2.0, np.nan], [1.0, 4.0]])
    both(F.solve_triangular(a, np.array([2.0, 5.0]), lower=True), [1, 1])
    [g] = gradient(lambda a: F.solve_triangular(a, np.ones(2), lower=True).sum(), a)
    assert g[0, 1] == 0 and np.all(np.isfinite(g))
    [g] = gradient(
        lambda a: F.solve_triangular(a, np.ones(2), lower=True, unit_diagonal=True).sum(), a
    )
    assert np.array_equal(g != 0, [[False, False], [True, False]])


def test_singular_triangles_and_systems_are_refused():
    with pytest.raises(np.linalg.LinAlgError, match=r"solve_triangular: .*singular"):
        F.solve_triangular(np.diag([1.0, 0.0]), np.ones(2))
    with pytest.raises(np.linalg.LinAlgError, match=r"solve: x0 \(2, 2\), x1 \(2,\): Singular"):
        F.solve(np.ones((2, 2)), np.ones(2))
    with pytest.raises(np.linalg.LinAlgError, match=r"cholesky: .*not positive definite"):
        F.cholesky(-np.eye(2))
    with pytest.raises(np.linalg.LinAlgError, match=r"qr|solve_triangular"):
        gradient(lambda x: F.qr(x).Q.sum(), np.zeros((3, 2)))


def test_solve_of_a_vector_for_several_matrices():
    both(F.solve(BATCH, np.ones(3)), np.linalg.inv(BATCH) @ np.ones(3), 1e-10)


# ---- decompositions ------------------------------------------------------------------------------


def test_added_vectors_have_no_derivative():
    u, _, vh = F.svd(TALL, full_matrices=True)
    assert u.shape == (4, 4) and vh.shape == (2, 2)
    q, r = F.qr(TALL, mode="complete")
    assert q.shape == (4, 4) and r.shape == (4, 2)
    for f in (lambda v: F.svd(v, full_matrices=True).U, lambda v: F.qr(v, mode="complete").Q):
        with pytest.raises(NotImplementedError, match="there is no derivative"):
            gradient(lambda v, f=f: f(v).sum(), TALL)
    gradient(lambda v: F.svd(v, full_matrices=True).U.sum(), SQUARE)


def test_decompositions_are_those_of_numpy_and_scipy():
    for x in (WIDE, TALL, SQUARE, BATCH, COMPLEX):
        for got, expected in (
            (F.qr(x), np.linalg.qr(x)),
            (F.svd(x), np.linalg.svd(x, full_matrices=False)),
            (F.lu(x), scipy.linalg.lu(x)),
            (F.lu(x, permute_l=True), scipy.linalg.lu(x, permute_l=True)),
        ):
            for a, b in zip(got, expected, strict=True):
                both(a, b)


def test_eigenvectors_of_length_1_whose_largest_element_is_real():
    x = np.array([[0.0, 1.0, 0.2], [-1.0, 0.0, 0.1], [0.3, 0.5, 2.0]])
    got, expected = F.eig(x), np.linalg.eig(x)
    both(got.eigenvalues, expected.eigenvalues)
    both(got.eigenvectors, expected.eigenvectors)
    assert F.eig(np.eye(2)).eigenvalues.dtype == complex  # whatever the values are


# ---- functions of matrices, with 50 digits -------------------------------------------------------


def mp(f, x):
    with mpmath.workdps(50):
        y = f(mpmath.matrix(x.tolist()))
        return np.array(y.tolist(), dtype=complex).real


REGULAR = SQUARE @ SQUARE.T + 0.3 * np.eye(3)


@pytest.mark.parametrize("name", ["expm", "logm", "sqrtm"])
def test_functions_of_matrices(name):
    function, exact = getattr(F, name), getattr(mpmath, name)
    both(function(REGULAR), mp(exact, REGULAR), 1e-11)
    with mpmath.workdps(50):
        d, e = mpmath.matrix(SQUARE.tolist()), mpmath.mpf(10) ** -20
        x = mpmath.matrix(REGULAR.tolist())
        slope = (exact(x + e * d) - exact(x - e * d)) / (2 * e)
        slope = np.array(slope.tolist(), dtype=complex).real
    weights = BATCH[0]
    [g] = gradient(lambda v: (function(v) * weights).sum(), REGULAR)
    assert (g * SQUARE).sum() == pytest.approx((slope * weights).sum(), rel=1e-10)


def test_functions_of_matrices_that_are_no_sum_of_eigenvectors():
    """A Jordan block."""
    x = np.array([[2.0, 1.0], [0.0, 2.0]])
    both(F.logm(x), [[np.log(2), 0.5], [0, np.log(2)]])
    for function in (F.expm, F.logm, F.sqrtm):
        check_function(function, x, order=2)


@pytest.mark.parametrize("scale", [1e-8, 1e8])
def test_the_derivative_of_a_logarithm_far_from_1(scale):
    x = REGULAR * scale
    [g] = gradient(lambda v: F.logm(v).sum(), x)
    [expected] = gradient(lambda v: F.logm(v).sum(), REGULAR)
    both(g * scale, expected, 1e-9)


def test_a_slope_along_something_huge_or_0():
    x = Variable(np.array([[0.1, 0.2], [0.3, 0.4]]))
    y = F.expm(x)
    [g] = gradients(y, x, Variable(np.full((2, 2), 1.0)))
    [huge] = gradients(y, x, Variable(np.full((2, 2), 1e200)))
    [none] = gradients(y, x, Variable(np.zeros((2, 2))))
    both(huge.data / 1e200, g.data)
    assert np.all(none.data == 0)


def test_roots_that_do_not_exist():
    assert F.sqrtm(-np.eye(2)).dtype == complex
    with pytest.raises(np.linalg.LinAlgError, match="solve_sylvester"):
        with pytest.warns(scipy.linalg.LinAlgWarning, match="singular"):
            gradient(lambda x: F.sqrtm(x).sum(), np.diag([1.0, 0.0]))
    with pytest.raises(np.linalg.LinAlgError, match="add up to 0"):
        F.solve_sylvester(np.eye(2), -np.eye(2), np.ones((2, 2)))


# ---- products ------------------------------------------------------------------------------------

A, B, C = RNG.normal(size=(2, 3)), RNG.normal(size=(3, 4)), RNG.normal(size=(2, 2, 2, 2))

NOTATION = [
    ("ij,jk", A, B),
    ("ba", A),
    ("ij->", A),
    ("ii", SQUARE),
    ("ii->i", SQUARE),
    ("iijj->ij", C),
    ("iii->i", C[0]),
    ("...", A),
    ("...i->i...", A),
    ("i...i->...", C),
    ("...,...", A, A[0]),
    ("...a,...b->...ab", A[:, None], B[:2]),
    ("ij,jk", A[:, :1], B),
    ("ea,fb,abcd,gc,hd->efgh", *[SQUARE[:2, :2]] * 2, C, *[SQUARE[:2, :2]] * 2),
    (",i->i", np.array(2.0), A[0]),
    (",", np.array(2.0), np.array(3.0)),
    ("ij,jk->ik", A[:, :0], B[:0]),
    ("A b, b a", A, B),
    ("ij,j", A > 0, A[0] > 0),
    ("i,i", np.arange(3), np.arange(3)),
    (A, [0, 1], B, [1, 2], [2, 0]),
    (A, [..., 1], B, [1, 0]),
    (A, [1, 0]),
]


@pytest.mark.parametrize("operands", NOTATION, ids=lambda operands: str(operands[0])[:30])
def test_the_notation_of_einsum(operands):
    expected = np.einsum(*operands)
    for optimize in (True, False, "optimal"):
        got = F.einsum(*operands, optimize=optimize)
        assert got.dtype == expected.dtype and got.shape == expected.shape
        both(got, expected)
    variables = [Variable(x) if isinstance(x, np.ndarray) else x for x in operands]
    both(np.einsum(*variables).data, expected)


@pytest.mark.parametrize(
    "operands, message",
    [
        ((), "einsum: nothing came"),
        (("ij,jk", A), "einsum: 'ij,jk' names 2 operands, 1 came"),
        (("ijk", A), "einsum: 'ijk': an operand \\(2, 3\\) does not fit its subscripts"),
        (("ij->k", A), "einsum: 'ij->k': each letter behind '->' must come once, and occur"),
        (("ij->ii", A), "einsum: 'ij->ii': each letter behind '->' must come once, and occur"),
        (("i$", A), "einsum: 'i\\$': only letters, ',', '...' and one '->' are understood"),
        (("...j->j", A), "einsum: '...j->j': the ellipsis is missing behind '->'"),
        (("ij,jk", A, A), "einsum: \\(2, 3\\), \\(2, 3\\): axes of 3 and 2 run together"),
    ],
)
def test_notation_that_einsum_refuses(operands, message):
    with pytest.raises(ValueError, match=message):
        F.einsum(*operands)


def test_einsum_of_many_axes_and_letters():
    xs = [np.ones((2,) * 5) for _ in range(11)]
    operands = [part for i, x in enumerate(xs) for part in (x, [*range(5 * i, 5 * i + 5)])]
    both(F.einsum(*operands, []), 2.0**55)  # more letters than the alphabet has


def test_products_in_the_order_that_takes_least():
    xs = [np.ones(shape) for shape in ((10, 100), (100, 5), (5, 50))]
    graph = F.multi_dot([Variable(x) for x in xs])
    assert graph.creator.edges[0][2] == (10, 5)
    both(graph.data, xs[0] @ xs[1] @ xs[2])
    shapes = ((30, 35), (35, 15), (15, 5), (5, 10), (10, 20), (20, 25))  # Cormen's example
    xs = [RNG.normal(size=shape) for shape in shapes]
    both(F.multi_dot(xs), np.linalg.multi_dot(xs), 1e-10)


def test_addmm_leaves_out_what_is_multiplied_with_0():
    both(F.addmm(np.full(2, np.nan), np.eye(2), np.eye(2), beta=0), np.eye(2))


def test_a_power_of_0_is_the_unit_matrix():
    [g] = gradient(lambda x: F.matrix_power(x, 2).sum() + F.matrix_power(x, 0).sum(), SQUARE)
    assert np.all(np.isfinite(g))
    both(F.matrix_power(np.arange(4).reshape(2, 2), 3), [[6, 11], [22, 39]])


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: F.dot(A, A), "dot: x0 \\(2, 3\\) and x1 \\(2, 3\\) do not meet: x0.shape\\[-1\\]"),
        (lambda: F.inner(A, B), "inner: .* do not meet"),
        (lambda: F.vdot(A, B), "vdot: .* do not meet"),
        (lambda: F.tensordot(A, B, 3), "tensordot: axes=3 came"),
        (lambda: F.tensordot(A, B, 2), "tensordot: .* do not meet"),
        (lambda: F.tensordot(A, B, ([0], [0, 1])), "tensordot: 1 axes of x0 came for 2 of x1"),
        (lambda: F.cross(A[0, :2], A[0]), "cross: vectors of length 2 and 3 came, 3 is needed"),
        (lambda: F.bmm(A, B), "bmm: x0 \\(2, 3\\) and x1 \\(3, 4\\) came"),
        (lambda: F.matvec(A[0], B), "matvec: .* are needed"),
        (lambda: F.vecmat(A, A[0]), "vecmat: .* are needed"),
        (lambda: F.multi_dot([A]), "multi_dot: .* two or more matrices"),
        (lambda: F.multi_dot([A, A]), "multi_dot: factors 0 \\(2, 3\\) and 1 \\(2, 3\\)"),
        (lambda: F.multi_dot([A, B[0], A]), "multi_dot: .* only the first and last"),
        (lambda: F.matrix_power(A, 2), "matrix_power: x \\(2, 3\\) came"),
        (lambda: F.inv(A), "inv: x \\(2, 3\\) came, \\(..., n, n\\) is needed"),
        (lambda: F.det(A), "det: x \\(2, 3\\) came"),
        (lambda: F.slogdet(A), "slogdet: x \\(2, 3\\) came"),
        (lambda: F.solve(A, A), "solve: x0 \\(2, 3\\) came"),
        (lambda: F.solve(SQUARE, A), "solve: x0 \\(3, 3\\) and x1 \\(2, 3\\) do not meet"),
        (lambda: F.solve_triangular(SQUARE, A), "solve_triangular: a \\(3, 3\\) and b \\(2, 3\\)"),
        (lambda: F.solve_triangular(SQUARE, A.T, trans=3), "solve_triangular: trans=3 came"),
        (lambda: F.lstsq(A, B), "lstsq: a \\(2, 3\\) and b \\(3, 4\\) do not meet"),
        (lambda: F.lstsq(BATCH, B), "lstsq: a \\(2, 3, 3\\) came, \\(m, n\\) is needed"),
        (lambda: F.cholesky(A), "cholesky: x \\(2, 3\\) came"),
        (lambda: F.eigh(A), "eigh: x \\(2, 3\\) came"),
        (lambda: F.eigh(SQUARE, "X"), "eigh: UPLO='X' came"),
        (lambda: F.eig(A), "eig: x \\(2, 3\\) came"),
        (lambda: F.svd(A[0]), "svd: x \\(3,\\) came, \\(..., m, n\\) is needed"),
        (lambda: F.qr(A, "raw"), "qr: mode='raw' came"),
        (lambda: F.lu(A[0]), "lu: x \\(3,\\) came"),
        (lambda: F.expm(A), "expm: x \\(2, 3\\) came"),
        (lambda: F.solve_sylvester(SQUARE, SQUARE, A), "solve_sylvester: .* do not meet"),
        (lambda: F.matrix_norm(A, ord=3), "matrix_norm: ord=3 came"),
        (lambda: F.matrix_norm(A[0]), "matrix_norm: x \\(3,\\) came"),
        (lambda: F.block_diag(), "block_diag: nothing came"),
        (lambda: F.block_diag(BATCH), "block_diag: \\(2, 3, 3\\) came"),
        (lambda: F.toeplitz(A), "toeplitz: c \\(2, 3\\) and r"),
    ],
)
def test_shapes_that_do_not_fit(call, message):
    with pytest.raises(ValueError, match=message):
        call()


# ---- sparse matrices and segments ----------------------------------------------------------------


@pytest.mark.parametrize(
    "kind", ["csr_array", "csc_matrix", "coo_matrix", "dia_matrix", "lil_array"]
)
def test_matrices_of_scipy(kind):
    dense = np.array([[1.0, 0, 2], [0, 3, 0], [4, 0, 5]])
    a = getattr(scipy.sparse, kind)(dense)
    both(F.sparse_matmul(a, np.arange(3.0)), dense @ np.arange(3.0))
    both(F.spsolve(a, np.eye(3)), np.linalg.inv(dense))
    check_derivatives(lambda x: F.sparse_matmul(a, x), np.arange(6.0).reshape(3, 2))
    check_derivatives(lambda x: F.spsolve(a, x), np.arange(3.0))


def test_the_other_triangle_of_a_sparse_matrix_stays_empty():
    """The gradient of the data has elements in the same places only."""
    data, places = Variable(np.array([1.0, 2.0])), (np.array([0, 1]), np.array([0, 1]))
    x = Variable(np.array([3.0, 4.0]))
    y = F.spsolve((data, places), x, shape=(2, 2)).sum()
    gdata, gx = gradients(y, [data, x])
    both(gdata.data, [-3, -1])
    both(gx.data, [1, 0.5])


@pytest.mark.parametrize(
    "call, kind, message",
    [
        (lambda: F.sparse_matmul(A, A), TypeError, "sparse_matmul: a is an ndarray"),
        (lambda: F.sparse_matmul((A[0], ([0], [0])), A), TypeError, "shape is missing"),
        (
            lambda: F.sparse_matmul((A[0], ([0], [0])), A, (2, 2)),
            ValueError,
            "sparse_matmul: data \\(3,\\), rows \\(1,\\) and columns \\(1,\\) came",
        ),
        (
            lambda: F.sparse_matmul((A[0, :1], ([2], [0])), A, (2, 2)),
            IndexError,
            "sparse_matmul: an element lies outside of the matrix \\(2, 2\\)",
        ),
        (
            lambda: F.sparse_matmul((A[0, :1], ([0], [0])), A, (2, 3)),
            ValueError,
            "sparse_matmul: a \\(2, 3\\) and x \\(2, 3\\) do not meet",
        ),
        (
            lambda: F.spsolve((A[0, :1], ([0], [0])), A, (2, 3)),
            ValueError,
            "spsolve: a \\(2, 3\\) came, \\(n, n\\) is needed",
        ),
        (
            lambda: F.spsolve((np.ones(1), ([0], [0])), np.ones(2), (2, 2)),
            np.linalg.LinAlgError,
            "spsolve: .*a is singular",
        ),
        (
            lambda: F.segment_sum(A, np.array([0, 3]), 3),
            IndexError,
            "segment_sum: an id lies outside of the 3 segments",
        ),
        (lambda: F.segment_max(A, np.array([0])), ValueError, "segment_max: x \\(2, 3\\)"),
        (lambda: F.segment_mean(A, A[:, 0]), TypeError, "segment_mean: segment_ids are float64"),
    ],
)
def test_what_sparse_functions_and_segments_refuse(call, kind, message):
    with pytest.raises(kind, match=message):
        call()


def test_segments_without_rows():
    x, ids = Variable(np.array([1.0, 3.0])), np.array([2, 2])
    both(F.segment_sum(x, ids, 4).data, [0, 0, 4, 0])
    both(F.segment_mean(x, ids, 4).data, [0, 0, 2, 0])
    both(F.segment_max(x, ids, 4).data, [-np.inf, -np.inf, 3, -np.inf])
    assert F.segment_max(np.array([1, 3]), ids).tolist() == [*[np.iinfo(int).min] * 2, 3]
    for function in (F.segment_sum, F.segment_mean, F.segment_max, F.segment_softmax):
        assert function(np.zeros((0, 2)), np.zeros(0, int)).shape == (0, 2)


def test_ties_in_a_segment_share_the_gradient():
    [g] = gradient(
        lambda x: F.segment_max(x, np.array([0, 0, 0, 1])).sum(), np.array([2.0, 2, 1, 5])
    )
    both(g, [0.5, 0.5, 0, 1])
    [g] = gradient(lambda x: F.segment_max(x, np.array([0, 0]))[0], np.array([np.nan, 1]))
    assert np.all(g == 0)


def test_a_softmax_of_large_numbers_in_a_segment():
    both(F.segment_softmax(np.array([1e4, 1e4, -np.inf]), np.array([0, 0, 0])), [0.5, 0.5, 0])


# ---- dtypes, NumPy's protocols, recording --------------------------------------------------------


@pytest.mark.parametrize("name", "inv det expm logm sqrtm pinv cholesky eigvalsh svdvals".split())
def test_half_precision_and_integers(name):
    x = np.array([[4.0, 1.0], [1.0, 3.0]])
    function = getattr(F, name)
    exact = function(x)
    half = function(x.astype(np.float16))
    assert half.dtype == np.float16
    np.testing.assert_allclose(half, exact, rtol=2e-3)
    both(function(x.astype(int)), exact)
    [g] = gradient(lambda v: function(v).sum(), x.astype(np.float16))
    [expected] = gradient(lambda v: function(v).sum(), x)
    assert g.dtype == np.float16
    np.testing.assert_allclose(g, expected, rtol=2e-2, atol=2e-2)


def test_functions_of_numpy_find_ours():
    x, s = Variable(SQUARE), Variable(REGULAR)
    for function, xs in [
        (np.linalg.solve, (x, SQUARE)),
        (np.linalg.inv, (x,)),
        (np.linalg.det, (x,)),
        (np.linalg.slogdet, (x,)),
        (np.linalg.cholesky, (s,)),
        (np.linalg.eigh, (s,)),
        (np.linalg.eigvalsh, (s,)),
        (np.linalg.eig, (x,)),
        (np.linalg.eigvals, (x,)),
        (np.linalg.svd, (x,)),
        (np.linalg.svdvals, (x,)),
        (np.linalg.qr, (x,)),
        (np.linalg.pinv, (x,)),
        (np.linalg.lstsq, (x, SQUARE)),
        (np.linalg.matrix_power, (x, 3)),
        (np.linalg.multi_dot, ([x, SQUARE],)),
        (np.linalg.cond, (x,)),
        (np.linalg.matrix_norm, (x,)),
        (np.linalg.vector_norm, (x,)),
        (np.linalg.cross, (x, SQUARE)),
        (np.linalg.tensordot, (x, SQUARE)),
        (np.matvec if hasattr(np, "matvec") else np.dot, (x, SQUARE)),
        (np.dot, (x, SQUARE)),
        (np.vdot, (x, SQUARE)),
        (np.inner, (x, SQUARE)),
        (np.outer, (x, SQUARE)),
        (np.tensordot, (x, SQUARE)),
        (np.kron, (x, SQUARE)),
        (np.cross, (x, SQUARE)),
    ]:
        arrays = [
            [SQUARE, SQUARE] if isinstance(v, list) else v.data if isinstance(v, Variable) else v
            for v in xs
        ]
        got, expected = function(*xs), function(*arrays)
        if isinstance(expected, tuple):
            assert getattr(got, "_fields", ()) == getattr(expected, "_fields", got._fields)
        else:
            got, expected = [got], [expected]
        for y, value in zip(got, expected, strict=True):
            assert isinstance(y, Variable)
            both(y.data, value, 1e-10)
    assert np.linalg.matrix_rank(x) == 3
    assert isinstance(np.linalg.eigh(s).eigenvalues, Variable)


def test_recorded_decompositions_look_at_the_values():
    """What is refused eagerly is refused by the program, and not while it is recorded."""
    slope = compile(lambda x: gradient_of_vectors(x))

    def gradient_of_vectors(x):
        v = Variable(x)
        return gradients((F.eigh(v).eigenvectors * SQUARE).sum(), v)[0].data

    both(slope(REGULAR), gradient_of_vectors(REGULAR))
    both(slope(REGULAR + 1), gradient_of_vectors(REGULAR + 1))
    with pytest.raises(np.linalg.LinAlgError):
        slope(np.eye(3))


def test_vmap():
    both(vmap(F.det)(BATCH), np.linalg.det(BATCH))
    both(vmap(lambda x: F.einsum("ij,jk->ik", x, SQUARE))(BATCH), BATCH @ SQUARE)
    both(vmap(F.expm)(BATCH), scipy.linalg.expm(BATCH))


def test_empty_matrices():
    none = np.zeros((0, 3, 3))
    assert F.expm(none).shape == F.solve_triangular(none, none).shape == (0, 3, 3)
    assert F.eigh(none)[0].shape == (0, 3) and F.det(none).shape == (0,)
    for function in (F.inv, F.cholesky, F.eigvalsh, F.expm, lambda x: F.eigh(x)[1]):
        assert gradient(lambda v, f=function: f(v).sum(), np.zeros((0, 0)))[0].shape == (0, 0)
