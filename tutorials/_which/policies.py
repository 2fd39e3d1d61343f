"""Proximal policy optimization: a pole on a cart that must not fall."""

import keras
import numpy as np
from _learning import Run
from _which.row import Row, Task
from keras import ops
from keras.layers import Dense

CARTS, STEPS, LONGEST = 16, 64, 200
DISCOUNT, SMOOTHING, CLIP, ENTROPY = 0.99, 0.95, 0.2, 0.01


def network(width=64, **arguments):
    """Two layers of tanh, the logits of two actions, and the value of the state."""
    inputs = keras.Input((4,))
    x = Dense(width, "tanh", name="first", **arguments)(inputs)
    x = Dense(width, "tanh", name="second", **arguments)(x)
    policy = Dense(2, name="policy", **arguments)(x)
    return keras.Model(inputs, [policy, Dense(1, name="value", **arguments)(x)])


class Carts:
    """Several carts; a fallen one begins again."""

    def __init__(self, generator):
        self.generator = generator
        self.states = self.drawn(CARTS)
        self.ages = np.zeros(CARTS, int)

    def drawn(self, count):
        """Nearly upright."""
        return self.generator.uniform(-0.05, 0.05, (count, 4))

    def step(self, actions):
        """Pushes each cart left or right; returns which have ended, and their ages."""
        _, speed, angle, turn = self.states.T
        force = np.where(actions == 1, 10.0, -10.0)
        cosine, sine = np.cos(angle), np.sin(angle)
        push = (force + 0.05 * turn**2 * sine) / 1.1
        bend = (9.8 * sine - cosine * push) / (0.5 * (4 / 3 - 0.1 * cosine**2 / 1.1))
        move = push - 0.05 * bend * cosine / 1.1
        change = 0.02 * np.stack([speed, move, turn, bend], axis=1)
        self.states = self.states + change
        self.ages += 1
        fallen = (np.abs(self.states[:, 0]) > 2.4) | (np.abs(self.states[:, 2]) > 0.209)
        ended = fallen | (self.ages >= LONGEST)
        ages = self.ages[ended]
        self.states[ended] = self.drawn(ended.sum())
        self.ages[ended] = 0
        return ended, ages


def surrogate(target, logits):
    """The clipped objective; targets are actions, advantages and log-probabilities."""
    action, advantage, before = ops.split(target, 3, axis=-1)
    logarithms = ops.log_softmax(logits)
    chosen = ops.one_hot(ops.cast(action[:, 0], "int32"), 2)
    ratio = ops.exp(ops.sum(chosen * logarithms, -1, keepdims=True) - before)
    clipped = ops.clip(ratio, 1 - CLIP, 1 + CLIP)
    gain = ops.minimum(ratio * advantage, clipped * advantage)
    entropy = -ops.sum(ops.exp(logarithms) * logarithms, -1, keepdims=True)
    return -ops.mean(gain + ENTROPY * entropy)


def answers(weights, states):
    """Log-probabilities and values, in NumPy: thousands of small calls."""
    (k1, b1, k2, b2, kp, bp, kv, bv), x = weights, states
    x = np.tanh(np.tanh(x @ k1 + b1) @ k2 + b2)
    logits = x @ kp + bp
    logits = logits - logits.max(axis=1, keepdims=True)
    return logits - np.log(np.exp(logits).sum(axis=1, keepdims=True)), (x @ kv + bv)[
        :, 0
    ]


def played(carts, weights):
    """A batch for `fit`, and the ages of those that fell."""
    states, actions, logs, values, ends, ages = [], [], [], [], [], []
    for _ in range(STEPS):
        logarithms, value = answers(weights, carts.states)
        action = carts.generator.random(CARTS) < np.exp(logarithms[:, 1])
        action = action.astype(int)
        states.append(carts.states)
        actions.append(action)
        logs.append(logarithms[np.arange(CARTS), action])
        values.append(value)
        ended, age = carts.step(action)
        ends.append(ended)
        ages.extend(age)
    values.append(answers(weights, carts.states)[1])
    advantages, sum_ = np.zeros((STEPS, CARTS)), np.zeros(CARTS)
    for step in reversed(range(STEPS)):
        goes_on = 1.0 - ends[step]
        error = 1.0 + DISCOUNT * values[step + 1] * goes_on - values[step]
        sum_ = error + DISCOUNT * SMOOTHING * goes_on * sum_
        advantages[step] = sum_
    returns = (advantages + np.array(values[:-1])).reshape(-1, 1)
    advantages = (advantages - advantages.mean()) / (advantages.std() + 1e-8)
    target = np.stack([np.array(actions), advantages, np.array(logs)], -1)
    x = np.array(states).reshape(-1, 4).astype("float32")
    targets = target.reshape(-1, 3).astype("float32"), returns.astype("float32")
    return x, targets, ages


def train(network, start, data, rates, seeds, epochs, batch_size):
    """The `Run` of the best rate; scores are ages, losses are minus that."""
    del data
    found = []
    for rate in rates:
        scores = []
        for seed in seeds:
            keras.utils.set_random_seed(seed)
            start(network, seed)
            for variable in network.optimizer.variables:
                variable.assign(ops.zeros(variable.shape, variable.dtype))
            network.optimizer.learning_rate = rate
            carts, mean, curve = Carts(np.random.default_rng(seed)), 0.0, []
            for _ in range(epochs):
                weights = [np.array(each) for each in network.get_weights()]
                x, targets, ages = played(carts, weights)
                network.fit(x, targets, batch_size, 4, verbose=0)
                mean = float(np.mean(ages)) if ages else mean
                curve.append(mean)
            # A single update ends few episodes.
            scores.append([*curve[:-1], float(np.mean(curve[-epochs // 5 - 1 :]))])
        found.append(Run(rate, -np.array(scores), np.array(scores)))
    return min(found, key=lambda run: run.order)


def no_data():
    """States of carts, for the entropy; there are no labels."""
    states = np.random.default_rng(0).uniform(-0.2, 0.2, (256, 4)).astype("float32")
    return states, states, states, states


def lost_entropy(model, data):
    """How much of its log 2 the policy has lost before it learns."""
    logarithms = answers([np.array(each) for each in model.get_weights()], data[0])[0]
    entropy = -(np.exp(logarithms) * logarithms).sum(axis=1).mean()
    return float(1 - entropy / np.log(2))


ROWS = [
    Row(
        name="ppo",
        network="PPO, policy and value heads",
        activation="tanh",
        build=network,
        task=Task(
            "a pole on a cart, 25 updates of 1024 steps",
            no_data,
            {"policy": surrogate, "value": "mse"},
            "steps until it falls, of 200",
            "steps",
            (),
            rates=(1e-3, 3e-3),
            epochs=25,
            batch_size=256,
        ),
        lines=(
            'keras_initx.reinitialize(model, like="ppo")',
            "kernel_initializer=keras_initx.HaarOrthogonal(gain=2**0.5)",
        ),
        tutorial="write_your_own",
        not_when="Two layers of 64 units learn from other scales too.",
        small={"width": 8},
        train=train,
        extra=lost_entropy,
        extra_name="entropy lost at the start",
    )
]
