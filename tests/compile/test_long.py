"""Many steps end where eager mode ends, and many recordings leave nothing behind."""

import gc
import os
import sys

import numpy as np
import pytest

import descend
import descend.functions as F
from descend import Parameter, Variable, nn, optim
from descend.compile.lazy.array import LazyArray
from descend.compile.record.recording import Recording
from descend.compile.run.runtime import Executable

# ---- training ---------------------------------------------------------------------------------


def begin(model, seed=0):
    """The same weights in every run, of the size that Linear and Conv2d begin with."""
    rng = np.random.default_rng(seed)
    for p in model.parameters():
        if p.ndim > 1:
            scale = np.prod(p.shape[1:]) ** -0.5
            p.data = (scale * rng.standard_normal(p.shape)).astype(p.dtype)


def mlp():
    model = nn.Sequential(
        nn.Linear(12, 32), nn.ReLU(), nn.Linear(32, 32), nn.Tanh(), nn.Linear(32, 4)
    )
    begin(model)
    optimizer = optim.Adam(model.parameters(), lr=1e-3)

    def batch(rng):
        x = rng.standard_normal((16, 12)).astype(np.float32)
        return x, np.argmax(x[:, :4] * x[:, 4:8], axis=1)

    return model, optimizer, lambda x: model(x), batch


def cnn():
    model = nn.Sequential(
        nn.Conv2d(2, 8, 3, padding=1, bias=False),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(8, 8, 3, padding=1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Dropout(0.2),
        nn.Linear(8 * 16, 3),
    )
    begin(model)
    optimizer = optim.SGD(model.parameters(), lr=0.02, momentum=0.9)

    def batch(rng):
        x = rng.standard_normal((8, 2, 8, 8)).astype(np.float32)
        t = rng.integers(0, 3, 8)
        x[np.arange(8), 0, t, :] += 1.5
        return x, t

    return model, optimizer, lambda x: model(x), batch


VOCABULARY, WIDTH, CONTEXT, HEADS = 11, 16, 12, 2


class Block(nn.Module):
    def __init__(self):
        self.norm1, self.norm2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.qkv, self.project = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.widen, self.narrow = nn.Linear(WIDTH, 4 * WIDTH), nn.Linear(4 * WIDTH, WIDTH)

    def attention(self, qkv):
        n = qkv.shape[0]
        heads = F.reshape(qkv, (n, CONTEXT, 3, HEADS, WIDTH // HEADS))
        q, k, v = F.transpose(heads, (2, 0, 3, 1, 4))
        mask = np.triu(np.full((CONTEXT, CONTEXT), -1e9, np.float32), 1)
        scores = F.matmul(q, F.swapaxes(k, -1, -2)) * (WIDTH / HEADS) ** -0.5 + mask
        mixed = F.matmul(F.softmax(scores), v)
        return F.reshape(F.transpose(mixed, (0, 2, 1, 3)), (n, CONTEXT, WIDTH))

    def forward(self, x):
        x = x + self.project(self.attention(self.qkv(self.norm1(x))))
        return x + self.narrow(F.gelu(self.widen(self.norm2(x))))


class GPT(nn.Module):
    def __init__(self):
        self.tokens, self.positions = nn.Embedding(VOCABULARY, WIDTH), nn.Embedding(CONTEXT, WIDTH)
        self.blocks = nn.Sequential(Block(), Block())
        self.norm, self.head = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, VOCABULARY)

    def forward(self, x):
        y = self.head(self.norm(self.blocks(self.tokens(x) + self.positions.weight)))
        return F.reshape(y, (-1, VOCABULARY))


def gpt():
    model = GPT()
    begin(model)
    optimizer = optim.AdamW(model.parameters(), lr=3e-3)

    def batch(rng):
        start, step = rng.integers(0, VOCABULARY, (2, 6, 1))
        tokens = (start + step * np.arange(CONTEXT + 1)) % VOCABULARY
        return tokens[:, :-1].copy(), tokens[:, 1:].reshape(-1)

    return model, optimizer, lambda x: model(x), batch


NETWORKS = {"mlp": mlp, "cnn": cnn, "gpt": gpt}


def train(make, steps, change):
    """The loss of each step, and the weights after the last."""
    descend.seed(0)
    model, optimizer, network, batch = make()

    @change
    def step(x, t):
        loss = F.cross_entropy(network(x), t)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.detach()

    rng = np.random.default_rng(1)
    losses = [step(*batch(rng)).item() for _ in range(steps)]
    return losses, model.state_dict()


def as_is(function):
    return function


@pytest.mark.parametrize("name", NETWORKS)
def test_ten_steps(name):
    losses, weights = train(NETWORKS[name], 10, as_is)
    got, found = train(NETWORKS[name], 10, descend.compile)
    np.testing.assert_allclose(got, losses, rtol=2e-5)
    for key, value in weights.items():
        if key.endswith("qkv.bias"):  # the keys' part changes nothing: its gradient is rounding
            value, found[key] = (
                np.delete(v, np.s_[WIDTH : 2 * WIDTH]) for v in (value, found[key])
            )
        # Adam moves a weight by lr whatever its gradient's size, even where that is rounding
        tolerance = 2e-3 if name != "cnn" else 1e-4
        np.testing.assert_allclose(found[key], value, tolerance, tolerance, err_msg=key)


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_a_thousand_steps(name):
    losses, _ = train(NETWORKS[name], 1000, as_is)
    got, _ = train(NETWORKS[name], 1000, descend.compile)
    np.testing.assert_allclose(got[:20], losses[:20], rtol=1e-3)
    last, expected = np.mean(got[-100:]), np.mean(losses[-100:])
    assert last < 0.7 * np.mean(got[:10])  # it learns
    np.testing.assert_allclose(last, expected, rtol=0.05, atol=0.01)


# ---- recording again and again ----------------------------------------------------------------


def resident():
    """The bytes of this process that lie in memory."""
    if not sys.platform.startswith("linux"):
        pytest.skip("/proc says how much memory there is")
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def alive(*kinds):
    gc.collect()
    return [sum(isinstance(x, kind) for x in gc.get_objects()) for kind in kinds]


def recompile(number):
    """A step, an evaluation and a derivative that nobody has recorded before."""
    w = Parameter(np.ones((5, 4)))
    optimizer = optim.Adam([w], lr=0.1)
    factor = 1 + number * 1e-6

    @descend.compile
    def step(x):
        loss = F.sum(F.tanh(x @ w) * factor)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.detach()

    @descend.compile
    def pure(x):
        return F.exp(x @ w) * factor

    x = np.ones((3, 5))
    step(x)
    step(x)
    y = pure(Variable(x)).sum()
    y.backward(create_graph=True)
    w.cleargrad()


def check_nothing_is_left(times, most_bytes):
    kinds = LazyArray, Recording, Executable, Variable
    for number in range(10):
        recompile(number)
    before, memory = alive(*kinds), resident()
    for number in range(10, 10 + times):
        recompile(number)
    assert alive(*kinds) == before
    grown = resident() - memory
    assert grown < most_bytes, f"{grown / times:.0f} bytes stay of each"


def test_recording_again_leaves_nothing(monkeypatch):
    monkeypatch.setenv("DESCEND_CACHE", "")
    check_nothing_is_left(25, 4e6)


@pytest.mark.slow
def test_ten_thousand_recordings_leave_nothing(monkeypatch):
    monkeypatch.setenv("DESCEND_CACHE", "")
    check_nothing_is_left(3000, 60e6)  # each records several programs


def test_recordings_of_many_shapes_leave_nothing_when_dropped():
    kinds = LazyArray, Recording, Executable, Variable
    before = alive(*kinds)
    compiled = descend.compile(lambda x: F.tanh(x).sum())
    for n in range(1, 16):
        compiled(np.ones(n))
    assert alive(Recording)[0] == before[1] + 15
    compiled.clear()
    assert alive(*kinds) == before


def test_steps_leave_nothing():
    """A step that runs again and again takes no more memory."""
    w = Parameter(np.ones(1000))
    compiled = descend.compile(lambda x: F.sum(w * x))
    x = Variable(np.ones(1000))
    for _ in range(50):
        compiled(x).backward()
        x.cleargrad(), w.cleargrad()
    before, memory = alive(Variable)[0], resident()
    for _ in range(2000):
        compiled(x).backward()
        x.cleargrad(), w.cleargrad()
    assert alive(Variable)[0] == before
    assert resident() - memory < 4e6
