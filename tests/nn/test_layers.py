"""Each layer: what it computes, its shapes and first values, its repr, and what it refuses."""

import re

import numpy as np
import pytest

import descend
import descend.functions as F
from descend import Variable, default_rng, nn, using_config

X = np.random.default_rng(0).normal(size=(2, 3, 8, 8)).astype(np.float32)


def refused(kind, sentence):
    return pytest.raises(kind, match=f"^{re.escape(sentence)}$")


LAYERS = [
    (lambda: nn.Linear(8, 5), X, (2, 3, 8, 5)),
    (lambda: nn.Conv2d(3, 4, 3), X, (2, 4, 6, 6)),
    (lambda: nn.Conv2d(3, 6, (3, 1), 2, (1, 0), groups=3, bias=False), X, (2, 6, 4, 4)),
    (lambda: nn.Conv2d(3, 4, 3, padding="same"), X, (2, 4, 8, 8)),
    (lambda: nn.ConvTranspose2d(3, 4, 3, 2, 1, 1), X, (2, 4, 16, 16)),
    (lambda: nn.BatchNorm2d(3), X, X.shape),
    (lambda: nn.BatchNorm1d(3), X[:, :, 0], (2, 3, 8)),
    (lambda: nn.LayerNorm((8, 8)), X, X.shape),
    (lambda: nn.LayerNorm(8, bias=False), X, X.shape),
    (lambda: nn.Dropout(0.3), X, X.shape),
    (lambda: nn.MaxPool2d(2), X, (2, 3, 4, 4)),
    (lambda: nn.MaxPool2d(3, 2, 1), X, (2, 3, 4, 4)),
    (lambda: nn.AvgPool2d((2, 4)), X, (2, 3, 4, 2)),
    (lambda: nn.Flatten(), X, (2, 192)),
    (lambda: nn.Flatten(0, 1), X, (6, 8, 8)),
    (lambda: nn.ReLU(), X, X.shape),
    (lambda: nn.LeakyReLU(0.2), X, X.shape),
    (lambda: nn.GELU(), X, X.shape),
    (lambda: nn.GELU("tanh"), X, X.shape),
    (lambda: nn.Tanh(), X, X.shape),
    (lambda: nn.Sigmoid(), X, X.shape),
    (lambda: nn.Softmax(axis=1), X, X.shape),
    (lambda: nn.Identity(), X, X.shape),
    (lambda: nn.RNNCell(8, 4, nonlinearity="relu"), X[0, 0], (8, 4)),
    (lambda: nn.GRUCell(8, 4, bias=False), X[0, 0], (8, 4)),
]


@pytest.mark.parametrize(("make", "x", "shape"), LAYERS)
def test_float32_in_float32_out_and_every_parameter_gets_a_gradient(make, x, shape):
    layer = make()
    x = Variable(x)
    y = layer(x)
    assert y.shape == shape and y.dtype == np.float32
    (y * y).sum().backward()
    assert x.grad.shape == x.shape and x.grad.dtype == np.float32
    for name, parameter in layer.named_parameters():
        assert parameter.dtype == np.float32, name
        assert parameter.grad is not None, name
        assert parameter.grad.shape == parameter.shape


@pytest.mark.parametrize(("make", "x", "shape"), LAYERS)
def test_a_seed_gives_the_same_layer(make, x, shape):
    answers = []
    for _ in range(2):
        descend.seed(3)
        answers.append(make()(x))
    assert type(answers[0]) in (Variable, np.ndarray)
    np.testing.assert_array_equal(*[getattr(y, "data", y) for y in answers])


# ---- layer by layer ---------------------------------------------------------------------------


def test_linear_computes_pytorchs_layout():
    layer = nn.Linear(3, 2)
    layer.weight.data = np.array([[1, 2, 3], [4, 5, 6]], np.float32)
    layer.bias.data = np.array([10, 20], np.float32)
    assert layer(np.array([1, 0, 1], np.float32)).tolist() == [14, 30]


@pytest.mark.parametrize(
    ("layer", "shape", "fan"),
    [
        (nn.Linear(50, 400, rng=0), (400, 50), 50),
        (nn.Conv2d(8, 64, (3, 5), groups=2, rng=0), (64, 4, 3, 5), 60),
        (nn.ConvTranspose2d(64, 8, 3, groups=2, rng=0), (64, 4, 3, 3), 36),
    ],
)
def test_first_values_fill_pytorchs_bounds(layer, shape, fan):
    assert layer.weight.shape == shape
    bound = 1 / np.sqrt(fan)
    for parameter in (layer.weight, layer.bias):
        assert np.abs(parameter.data).max() <= bound
        assert np.abs(parameter.data).max() > 0.8 * bound
    assert abs(layer.weight.data.std() / (bound / np.sqrt(3)) - 1) < 0.05


def test_embedding_starts_normal_and_adds_up_repeated_indices():
    layer = nn.Embedding(1000, 20, rng=0)
    assert abs(layer.weight.data.std() - 1) < 0.02
    layer(np.array([[1, 1], [3, 1]])).sum().backward()
    assert layer.weight.grad.data[:4, 0].tolist() == [0, 3, 0, 1]


def test_the_padding_row_is_zero_and_stays_so():
    layer = nn.Embedding(5, 3, padding_idx=-1)
    assert layer.padding_idx == 4 and not layer.weight.data[4].any()
    y = layer(Variable(np.array([0, 4, 4])))
    assert not y.data[1:].any()
    y.sum().backward()
    assert layer.weight.grad.data[:, 0].tolist() == [1, 0, 0, 0, 0]


def test_batch_norm_counts_and_follows():
    layer = nn.BatchNorm2d(3)
    assert layer.weight.tolist() == [1, 1, 1] and layer.bias.tolist() == [0, 0, 0]
    layer(X)
    layer(X)
    assert layer.num_batches_tracked.item() == 2
    np.testing.assert_allclose(layer.running_mean.data, 0.19 * X.mean((0, 2, 3)), rtol=1e-5)
    assert layer.running_var.dtype == np.float32


def test_batch_norm_without_momentum_averages_all_batches():
    layer = nn.BatchNorm1d(2, momentum=None)
    batches = np.random.default_rng(0).normal(size=(5, 4, 2)).astype(np.float32)
    for x in batches:
        layer(x)
    np.testing.assert_allclose(layer.running_mean.data, batches.mean((0, 1)), rtol=1e-5)
    expected = batches.var(axis=1, ddof=1).mean(axis=0)
    np.testing.assert_allclose(layer.running_var.data, expected, rtol=1e-5)
    assert layer.running_mean.dtype == np.float32


def test_batch_norm_that_does_not_track_uses_the_batch_always():
    layer = nn.BatchNorm1d(2, track_running_stats=False, affine=False)
    assert list(layer.state_dict()) == []
    x = np.array([[0, 1], [2, 5]], np.float32)
    np.testing.assert_array_equal(layer(x), layer.eval()(x))


def test_batch_norm_that_fails_has_counted_nothing():
    layer = nn.BatchNorm1d(2)
    with pytest.raises(ValueError, match="1 values a channel"):
        layer(np.zeros((1, 2), np.float32))
    assert layer.num_batches_tracked.item() == 0


def test_dropout_draws_from_its_own_generator_or_the_default():
    own = nn.Dropout(0.5, rng=1)
    x = np.ones(64, np.float32)
    first, second = own(x), own(x)
    assert (first != second).any()
    np.testing.assert_array_equal(nn.Dropout(0.5, rng=default_rng(1))(x), first)
    assert own.eval()(x) is x
    own.train()
    with using_config("train", False):
        assert own(x) is x


def test_losses_as_modules():
    logits, t = np.zeros((2, 4), np.float32), np.array([0, 3])
    weight = np.array([1, 2, 3, 4], np.float32)
    loss = nn.CrossEntropyLoss(weight, label_smoothing=0.1)
    expected = F.cross_entropy(logits, t, weight, label_smoothing=0.1)
    assert loss(logits, t).item() == expected.item()
    assert list(loss.state_dict()) == ["weight"] and not list(nn.CrossEntropyLoss().state_dict())
    assert nn.MSELoss("sum")(logits, logits + 1).item() == 8


# ---- containers -------------------------------------------------------------------------------


def test_sequential_by_name():
    net = nn.Sequential({"encode": nn.Linear(2, 3), "act": nn.ReLU()})
    assert [name for name, _ in net.named_children()] == ["encode", "act"]
    assert net(np.ones((1, 2), np.float32)).shape == (1, 3)


def test_lists_behave_like_lists():
    layers = [nn.Linear(2, 2), nn.ReLU(), nn.Tanh()]
    for kind in (nn.ModuleList(layers), nn.Sequential(*layers)):
        assert len(kind) == 3 and list(kind) == layers
        assert kind[0] is layers[0] and kind[-1] is layers[-1]
        assert list(kind[1:]) == layers[1:] and type(kind[1:]) is type(kind)
        kind[1] = nn.Sigmoid()
        kind.append(nn.Identity()).extend([nn.ReLU()])
        kind.insert(0, nn.GELU())
        del kind[1]
        names = [name for name, _ in kind.named_children()]
        assert names == ["0", "1", "2", "3", "4"]
        assert [type(m).__name__ for m in kind] == ["GELU", "Sigmoid", "Tanh", "Identity", "ReLU"]
    with refused(TypeError, "Sequential: element 1 is a function, a Module is needed"):
        nn.Sequential(nn.ReLU(), F.relu)
    with refused(NotImplementedError, "ModuleList: the class has no forward"):
        nn.ModuleList()(1)


def test_an_empty_sequential_is_the_identity():
    assert nn.Sequential()(X) is X


# ---- repr and errors --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("layer", "text"),
    [
        (nn.Linear(2, 3, bias=False), "Linear(in_features=2, out_features=3, bias=False)"),
        (nn.Conv2d(1, 2, 3), "Conv2d(1, 2, kernel_size=(3, 3), stride=(1, 1))"),
        (
            nn.Conv2d(2, 4, 3, 2, 1, 2, 2, False),
            "Conv2d(2, 4, kernel_size=(3, 3), stride=(2, 2), padding=(1, 1), dilation=(2, 2), "
            "groups=2, bias=False)",
        ),
        (
            nn.ConvTranspose2d(1, 2, 3, 2, 1, 1),
            "ConvTranspose2d(1, 2, kernel_size=(3, 3), stride=(2, 2), padding=(1, 1), "
            "output_padding=(1, 1))",
        ),
        (
            nn.MaxPool2d(2),
            "MaxPool2d(kernel_size=2, stride=2, padding=0, dilation=1, ceil_mode=False)",
        ),
        (nn.AvgPool2d(3, 1, 1), "AvgPool2d(kernel_size=3, stride=1, padding=1)"),
        (nn.LayerNorm(4), "LayerNorm((4,), eps=1e-05, elementwise_affine=True)"),
        (nn.Embedding(5, 2, 0), "Embedding(5, 2, padding_idx=0)"),
        (nn.Dropout(0.1), "Dropout(p=0.1)"),
        (nn.LeakyReLU(), "LeakyReLU(negative_slope=0.01)"),
        (nn.GELU(), "GELU(approximate='none')"),
        (nn.Softmax(1), "Softmax(axis=1)"),
        (nn.Flatten(), "Flatten(start_axis=1, end_axis=-1)"),
        (nn.ModuleList([nn.ReLU()]), "ModuleList(\n  (0): ReLU()\n)"),
        (nn.Sequential(), "Sequential()"),
    ],
)
def test_repr(layer, text):
    assert repr(layer) == text


@pytest.mark.parametrize(
    ("call", "kind", "sentence"),
    [
        (lambda: nn.Linear(3, 2)(np.zeros((1, 4))), ValueError,
         "linear: x (1, 4) and weight (2, 3) do not meet: x.shape[-1] must equal weight.shape[1]"),
        (lambda: nn.BatchNorm1d(3)(np.zeros((2, 4))), ValueError,
         "BatchNorm1d: x (2, 4) came, (N, C) or (N, C, L) with C=3 is needed"),
        (lambda: nn.BatchNorm2d(3)(np.zeros((2, 3))), ValueError,
         "BatchNorm2d: x (2, 3) came, (N, C, H, W) with C=3 is needed"),
        (lambda: nn.Conv2d(3, 4, 3, groups=2), ValueError,
         "Conv2d: in_channels=3 does not divide into groups=2"),
        (lambda: nn.Conv2d(3, 4, (3, 3, 3)), ValueError,
         "Conv2d: kernel_size=(3, 3, 3) came, an integer or 2 of them, each at least 1, is needed"),
        (lambda: nn.Dropout(2), ValueError,
         "Dropout: p is 2, a probability from 0 to 1 is needed"),
        (lambda: nn.Embedding(3, 2, 3), ValueError,
         "Embedding: padding_idx=3 is no row of 3"),
        (lambda: nn.Embedding(3, 2)(np.zeros(2)), TypeError,
         "embedding: indices are float64, integers are needed"),
    ],
)  # fmt: skip
def test_what_layers_refuse(call, kind, sentence):
    with refused(kind, sentence):
        call()


def test_a_small_network_learns():
    descend.seed(0)
    x = np.random.default_rng(0).normal(size=(64, 1, 8, 8)).astype(np.float32)
    t = (x[:, 0, :4].mean((1, 2)) > x[:, 0, 4:].mean((1, 2))).astype(int)
    net = nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.AvgPool2d(4),
        nn.Flatten(), nn.Linear(32, 2),
    )  # fmt: skip
    optimizer = descend.optim.Adam(net.parameters(), lr=0.02)
    for _ in range(60):
        loss = F.cross_entropy(net(x), t)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert (net.eval()(x).data.argmax(axis=1) == t).mean() > 0.95


# ---- recurrent layers and attention -----------------------------------------------------------

SEQUENCES = np.random.default_rng(1).normal(size=(6, 2, 3)).astype(np.float32)


@pytest.mark.parametrize("kind", [nn.RNN, nn.LSTM, nn.GRU])
def test_a_recurrent_layer_is_its_cell_step_by_step(kind):
    layer = kind(3, 4, rng=0)
    cell = {nn.RNN: nn.RNNCell, nn.LSTM: nn.LSTMCell, nn.GRU: nn.GRUCell}[kind](3, 4)
    cell.load_state_dict({name[: -len("_l0")]: x for name, x in layer.state_dict().items()})
    y, last = layer(SEQUENCES)
    state, ys = None, []
    for x in SEQUENCES:
        state = cell(x, state)
        ys.append(state[0] if kind is nn.LSTM else state)
    np.testing.assert_allclose(y.data, np.stack([h.data for h in ys]), rtol=1e-5, atol=1e-6)
    last, state = (last, state) if kind is nn.LSTM else ([last], [state])
    for part, own in zip(last, state, strict=True):
        np.testing.assert_allclose(part.data[0], own.data, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", [nn.RNN, nn.LSTM, nn.GRU])
def test_layers_on_top_of_each_other_in_both_directions(kind):
    layer = kind(3, 4, num_layers=2, bidirectional=True, batch_first=True, dtype=np.float64, rng=0)
    x = SEQUENCES.swapaxes(0, 1).astype(np.float64)
    y, last = layer(x)
    last = last if kind is nn.LSTM else (last,)
    assert y.shape == (2, 6, 8) and {part.shape for part in last} == {(4, 2, 4)}
    # the state behind the last step, and behind the first when read from the end
    np.testing.assert_array_equal(last[0].data[2], y.data[:, -1, :4])
    np.testing.assert_array_equal(last[0].data[3], y.data[:, 0, 4:])
    # a sequence that ends early answers what it answers alone
    short, _ = layer(x, lengths=np.array([6, 4]))
    alone, alone_last = layer(x[1, :4])
    alone_last = alone_last if kind is nn.LSTM else (alone_last,)
    np.testing.assert_allclose(short.data[1, :4], alone.data, rtol=1e-12)
    assert alone.shape == (4, 8) and alone_last[0].shape == (4, 4)
    assert not short.data[1, 4:].any()


def test_recurrent_layers_take_a_state_and_are_named_as_pytorchs():
    layer = nn.LSTM(3, 4, 2, bidirectional=True, rng=0)
    names = [name for name, _ in layer.named_parameters()]
    assert names[:8] == [
        f"{kind}_l0{suffix}"
        for suffix in ("", "_reverse")
        for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    ]
    assert layer.weight_ih_l1.shape == (16, 8)
    assert repr(layer) == "LSTM(3, 4, num_layers=2, bidirectional=True)"
    y, (h, c) = layer(SEQUENCES)
    again, _ = layer(SEQUENCES, (h, c))
    assert not np.allclose(y.data, again.data)
    (again * again).sum().backward()
    assert all(p.grad is not None for p in layer.parameters())


def test_dropout_between_layers_is_for_training():
    layer = nn.GRU(3, 4, 2, dropout=0.5, rng=0)
    trained = [layer(SEQUENCES)[0].data for _ in range(2)]
    assert not np.array_equal(*trained)
    layer.eval()
    np.testing.assert_array_equal(layer(SEQUENCES)[0].data, layer(SEQUENCES)[0].data)


def test_what_recurrent_layers_refuse():
    layer = nn.LSTM(3, 4)
    with refused(ValueError, "LSTM: x (6, 2, 5) came, (T, N, in) or (T, in) with in=3 is needed"):
        layer(np.ones((6, 2, 5)))
    with refused(ValueError, "LSTM: a state of (1, 2, 3) came, (1, 2, 4) and (1, 2, 4) is needed"):
        layer(SEQUENCES, (np.ones((1, 2, 3)),))
    with refused(ValueError, "lstm: lengths are float64 (2,), integers (2,) are needed"):
        layer(SEQUENCES, lengths=np.ones(2))
    with refused(ValueError, "RNN: nonlinearity is 'sin', 'tanh' or 'relu' is needed"):
        nn.RNN(3, 4, nonlinearity="sin")
    with refused(ValueError, "GRU: hidden_size is 0, at least 1 is needed"):
        nn.GRU(3, 0)


def test_multihead_attention_mixes_what_it_may_look_at():
    layer = nn.MultiheadAttention(4, 2, dtype=np.float64, rng=0)
    rng = np.random.default_rng(0)
    q, k = rng.normal(size=(3, 2, 4)), rng.normal(size=(5, 2, 4))
    y = layer(q, k, k)
    assert y.shape == (3, 2, 4)
    (y * y).sum().backward()
    assert all(p.grad is not None for p in layer.parameters())
    # a padded key is as good as none
    padding = np.zeros((2, 5), bool)
    padding[1, 3:] = True
    padded = layer(q, k, k, key_padding_mask=padding).data
    np.testing.assert_allclose(padded[:, 0], y.data[:, 0])
    np.testing.assert_allclose(padded[:, 1], layer(q[:, 1], k[:3, 1], k[:3, 1]).data)
    # the mask says where not to look, or what to add
    mask = ~np.tri(3, 5, dtype=bool)
    causal = layer(q, k, k, is_causal=True).data
    np.testing.assert_allclose(layer(q, k, k, attn_mask=mask).data, causal)
    added = np.where(mask, -np.inf, 0.0)
    np.testing.assert_allclose(layer(q, k, k, attn_mask=added).data, causal)
    both = layer(q, k, k, key_padding_mask=padding, attn_mask=np.tile(added, (4, 1, 1))).data
    np.testing.assert_allclose(both, layer(q, k, k, padding, mask).data)
    np.testing.assert_allclose(both, layer(q, k, k, padding, is_causal=True).data)


def test_batch_first_attention():
    first = nn.MultiheadAttention(4, 2, batch_first=True, rng=0)
    x = SEQUENCES[:, :, [0, 1, 2, 0]]
    later = nn.MultiheadAttention(4, 2, rng=0)
    np.testing.assert_array_equal(
        first(*[x.swapaxes(0, 1)] * 3).data, later(x, x, x).data.swapaxes(0, 1)
    )
    with refused(ValueError, "MultiheadAttention: embed_dim=5 does not divide into num_heads=2"):
        nn.MultiheadAttention(5, 2)
