"""One step of AdamW on a small GPT, float32.

4 blocks that normalize first, 4 heads, context 128, vocabulary 65, GELU with the error function,
learned positions, a head with weights of its own, no dropout.
"""

import numpy as np

from benchmarks.works import as_is, updates

BLOCKS, HEADS, CONTEXT, VOCABULARY, BATCH, WIDTH = 4, 4, 128, 65, 8, 128
LR, DECAY = 1e-3, 1e-2


def data(width):
    """Tokens, the tokens that follow them, and the weights by name."""
    rng = np.random.default_rng(0)
    tokens = rng.integers(0, VOCABULARY, (BATCH, CONTEXT + 1))
    weights = {}

    def linear(name, inputs, outputs):
        weights[f"{name}.weight"] = 0.02 * rng.standard_normal((outputs, inputs))
        weights[f"{name}.bias"] = np.zeros(outputs)

    def norm(name):
        weights[f"{name}.weight"], weights[f"{name}.bias"] = np.ones(width), np.zeros(width)

    weights["tokens.weight"] = 0.02 * rng.standard_normal((VOCABULARY, width))
    weights["positions.weight"] = 0.02 * rng.standard_normal((CONTEXT, width))
    for i in range(BLOCKS):
        norm(f"blocks.{i}.norm1")
        linear(f"blocks.{i}.qkv", width, 3 * width)
        linear(f"blocks.{i}.project", width, width)
        norm(f"blocks.{i}.norm2")
        linear(f"blocks.{i}.widen", width, 4 * width)
        linear(f"blocks.{i}.narrow", 4 * width, width)
    norm("norm")
    linear("head", width, VOCABULARY)
    weights = {name: value.astype(np.float32) for name, value in weights.items()}
    return tokens[:, :-1].copy(), tokens[:, 1:].copy(), weights


def network(nn, attention, width):
    """The network in either framework's nn; ``attention`` is between qkv and project."""

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm1 = nn.LayerNorm(width)
            self.qkv = nn.Linear(width, 3 * width)
            self.project = nn.Linear(width, width)
            self.norm2 = nn.LayerNorm(width)
            self.widen = nn.Linear(width, 4 * width)
            self.gelu = nn.GELU()
            self.narrow = nn.Linear(4 * width, width)

        def forward(self, x):
            x = x + self.project(attention(self.qkv(self.norm1(x))))
            return x + self.narrow(self.gelu(self.widen(self.norm2(x))))

    class GPT(nn.Module):
        def __init__(self):
            super().__init__()
            self.tokens = nn.Embedding(VOCABULARY, width)
            self.positions = nn.Embedding(CONTEXT, width)
            self.blocks = nn.Sequential(*(Block() for _ in range(BLOCKS)))
            self.norm = nn.LayerNorm(width)
            self.head = nn.Linear(width, VOCABULARY)

        def forward(self, x):
            x = self.tokens(x) + self.positions.weight
            return self.head(self.norm(self.blocks(x)))

    return GPT()


def descend(compile=as_is, width=WIDTH):
    import descend.functions as F
    from descend import nn, optim

    X, T, weights = data(width)

    def attention(qkv):
        heads = F.reshape(qkv, (BATCH, CONTEXT, 3, HEADS, width // HEADS))
        q, k, v = F.transpose(heads, (2, 0, 3, 1, 4))
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return F.reshape(F.transpose(mixed, (0, 2, 1, 3)), (BATCH, CONTEXT, width))

    model = network(nn, attention, width)
    model.load_state_dict(weights)
    optimizer = optim.AdamW(model.parameters(), lr=LR, weight_decay=DECAY)

    def train(x, t):
        logits = F.reshape(model(x), (-1, VOCABULARY))
        loss = F.cross_entropy(logits, F.reshape(t, (-1,)))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    train = compile(train)
    return lambda: train(X, T).data, lambda: _without_key_biases(model.state_dict(), width)


def torch(torch, compile=as_is, width=WIDTH):
    X, T, weights = data(width)

    def attention(qkv):
        heads = qkv.view(BATCH, CONTEXT, 3, HEADS, width // HEADS)
        q, k, v = heads.permute(2, 0, 3, 1, 4)
        mixed = torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        return mixed.transpose(1, 2).reshape(BATCH, CONTEXT, width)

    model = network(torch.nn, attention, width)
    model.load_state_dict({name: torch.from_numpy(w) for name, w in weights.items()})
    optimizer = torch.optim.AdamW(model.parameters(), lr=LR, weight_decay=DECAY, fused=True)
    x, t = torch.from_numpy(X), torch.from_numpy(T)
    loss_of = compile(
        lambda x, t: torch.nn.functional.cross_entropy(model(x).view(-1, VOCABULARY), t.view(-1))
    )

    def step():
        loss = loss_of(x, t)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.detach()

    return step, lambda: _without_key_biases(model.state_dict(), width)


def jax(jax, width=WIDTH):
    jnp = jax.numpy
    X, T, weights = data(width)
    params = {name: jnp.array(w) for name, w in weights.items()}
    state = updates.adam_state(jax, params)
    x, t = jnp.array(X), jnp.array(T)

    def loss_of(params, x, t):
        def linear(name, x):
            return x @ params[f"{name}.weight"].T + params[f"{name}.bias"]

        def norm(name, x):
            centred = x - x.mean(-1, keepdims=True)
            y = centred * jax.lax.rsqrt((centred**2).mean(-1, keepdims=True) + 1e-5)
            return y * params[f"{name}.weight"] + params[f"{name}.bias"]

        x = params["tokens.weight"][x] + params["positions.weight"]
        for i in range(BLOCKS):
            block = f"blocks.{i}"
            qkv = linear(f"{block}.qkv", norm(f"{block}.norm1", x))
            q, k, v = jnp.moveaxis(qkv.reshape(BATCH, CONTEXT, 3, HEADS, width // HEADS), 2, 0)
            mixed = jax.nn.dot_product_attention(q, k, v, is_causal=True)
            x = x + linear(f"{block}.project", mixed.reshape(BATCH, CONTEXT, width))
            wide = jax.nn.gelu(linear(f"{block}.widen", norm(f"{block}.norm2", x)), False)
            x = x + linear(f"{block}.narrow", wide)
        logs = jax.nn.log_softmax(linear("head", norm("norm", x)))
        return -jnp.take_along_axis(logs, t[..., None], axis=-1).mean()

    def train(params, state, x, t):
        loss, grads = jax.value_and_grad(loss_of)(params, x, t)
        return loss, *updates.adam(jax, params, grads, state, LR, DECAY)

    train = jax.jit(train, donate_argnums=(0, 1))

    def step():
        nonlocal params, state
        loss, params, state = train(params, state, x, t)
        return jax.block_until_ready(loss)

    return step, lambda: _without_key_biases(params, width)


def _without_key_biases(weights, width):
    """A key's bias adds the same to all scores of a query, so its gradient is 0 but for rounding.

    Adam turns that rounding into steps of full length, which no two frameworks share.
    """
    named = {name: np.array(w) for name, w in weights.items()}
    for i in range(BLOCKS):
        query, _, value = np.split(named[f"blocks.{i}.qkv.bias"], 3)
        named[f"blocks.{i}.qkv.bias"] = np.concatenate([query, value])
    return named


def limit(width=WIDTH):
    """Three products for each linear layer; of attention the half that is not masked.

    AdamW reads and writes a parameter and its two means. The input of each linear layer and
    queries, keys and values are written forward and read backward.
    """
    tokens = BATCH * CONTEXT
    linear = BLOCKS * 12 * width**2 + width * VOCABULARY
    attention = BLOCKS * 2 * CONTEXT * width / 2  # scores and mix, a token
    numbers = linear + (VOCABULARY + CONTEXT) * width + BLOCKS * 13 * width + VOCABULARY
    kept = tokens * width * (BLOCKS * 10 + 1)
    return int(2 * 3 * tokens * (linear + attention)), 24 * numbers + 2 * 4 * kept
