"""Claims that recurrent networks learn what came long ago."""

from functools import cache, partial

import keras
import numpy as np
import recurrent

import keras_initx
from _claims.claim import SEEDS, Measured, claim, number, text_of, verdict
from _claims.contest import as_built, contest, mean, numbers_of, scores

RATES, SMALL_RATES = (3e-3, 1e-2), (3e-4, 1e-3)
BATCH_SIZE, STEPS_AN_EPOCH = 50, 100
# The adding task is learned below this squared error. A guess has 0.167.
LEARNED = 0.05


def network_of(build, units, shape, outputs, is_sequence, loss):
    """One recurrent layer and a dense one, compiled as in `recurrent.py`."""
    layer = build(units, return_sequences=True) if is_sequence else build(units)
    network = keras.Sequential([keras.Input(shape), layer, keras.layers.Dense(outputs)])
    network.compile(keras.optimizers.Adam(clipnorm=1.0), loss)
    network.optimizer.build(network.trainable_variables)
    return network


def samples(sample, quick):
    """Data for training, which each epoch sees again, and 500 samples for testing."""
    generator = np.random.default_rng(0)
    count = BATCH_SIZE * (2 if quick else STEPS_AN_EPOCH)
    return (*sample(generator, count), *sample(generator, 500))


def arguments_for(quick, epochs):
    """The epochs, rates and seeds."""
    if quick:
        return {"epochs": 1, "rates": RATES[:1], "seeds": SEEDS[:1]}
    return {"epochs": epochs, "rates": RATES, "seeds": SEEDS}


def measured(text, comes_out, size, runs, quick, why="", rates=None):
    """With the rates and seeds that were tried."""
    kept = arguments_for(quick, 0)
    return Measured(
        text,
        comes_out,
        size,
        numbers_of(runs),
        seeds=kept["seeds"],
        rates=rates or kept["rates"],
        why=why,
    )


def told(runs, form=".3f"):
    """The losses of all contenders on new data."""
    return "; ".join(
        f"{name} {text_of(scores(run), form)}" for name, run in runs.items()
    )


def steps_until_learned(run):
    """The steps of training until the loss on new data is low, per seed."""
    is_low = run.scores < LEARNED
    first = np.where(is_low.any(axis=1), is_low.argmax(axis=1) + 1, np.inf)
    return [float(epochs * STEPS_AN_EPOCH) for epochs in first]


@cache
def adding(quick):
    """The gated contenders on the adding task."""
    length, units = (8, 4) if quick else (30, 32)
    bare = {"unit_forget_bias": False}
    builds = {
        "LSTM, bias 0": partial(keras.layers.LSTM, **bare),
        "LSTM, bias 1": partial(
            keras.layers.LSTM, bias_initializer=keras_initx.GateBias(1.0), **bare
        ),
        "LSTM, chrono": partial(
            keras.layers.LSTM, bias_initializer=keras_initx.ChronoBias(length), **bare
        ),
        "GRU": keras.layers.GRU,
    }
    networks = {
        name: network_of(build, units, (length, 2), 1, False, "mse")
        for name, build in builds.items()
    }
    data = samples(recurrent.adding(length), quick)
    starts = dict.fromkeys(networks, as_built)
    runs = contest(networks, starts, data, **arguments_for(quick, 6))
    return runs, f"adding over {length} steps, {units} units; a guess has 0.167"


@claim(
    "recurrent",
    "initializers.GateIdentity",
    "Le et al. 2015",
    "Rectifiers that start as the identity learn the adding problem; tanh does not",
    trains=True,
    script="recurrent.py",
)
def irnn_adds(quick):
    """The squared error on new data."""
    length, units = (8, 4) if quick else (60, 64)
    networks = {
        "IRNN": network_of(recurrent.irnn, units, (length, 2), 1, False, "mse"),
        "tanh, Glorot": network_of(
            recurrent.glorot, units, (length, 2), 1, False, "mse"
        ),
    }
    data = samples(recurrent.adding(length), quick)
    starts = dict.fromkeys(networks, as_built)
    # Rectifiers need smaller rates than gates.
    rates = SMALL_RATES[:1] if quick else SMALL_RATES
    arguments = arguments_for(quick, 20) | {"rates": rates}
    runs = contest(networks, starts, data, **arguments)
    learns = mean(runs["IRNN"]) < LEARNED
    is_better = mean(runs["IRNN"]) < 0.5 * mean(runs["tanh, Glorot"])
    return measured(
        told(runs),
        verdict(learns and is_better, is_better),
        f"adding over {length} steps, {units} units; a guess has 0.167",
        runs,
        quick,
        rates=rates,
        why="Training is unsteady: one large step leads away from the identity.",
    )


@claim(
    "recurrent",
    "initializers.GateBias",
    "Jozefowicz et al. 2015",
    'A bias of 1 of the forget gate "closes the gap between the LSTM and the GRU" '
    "(abstract)",
    trains=True,
    script="recurrent.py",
)
def forget_bias_closes_gap(quick):
    """The squared error on new data."""
    runs, size = adding(quick)
    runs = {name: runs[name] for name in ("LSTM, bias 0", "LSTM, bias 1", "GRU")}
    zero, one, gru = (mean(run) for run in runs.values())
    helps = one < 0.8 * zero
    return measured(
        told(runs, ".4f"),
        verdict(helps and one < 1.2 * gru, helps),
        size,
        runs,
        quick,
        why="Most of the gap is closed, but the GRU is still ahead.",
    )


@claim(
    "recurrent",
    "initializers.ChronoBias",
    "Tallec and Ollivier 2018",
    "With biases for the time scale the adding problem is learned 7 times faster "
    "(sec. 3)",
    trains=True,
    script="recurrent.py",
)
def chrono_is_faster(quick):
    """Steps of training until the squared error on new data is below 0.05."""
    runs, size = adding(quick)
    runs = {name: runs[name] for name in ("LSTM, chrono", "LSTM, bias 1")}
    steps = {name: steps_until_learned(run) for name, run in runs.items()}
    few, many = (np.mean(steps[name]) for name in runs)
    factor = many / few if few < np.inf else 0.0
    is_faster = factor > 1.2
    most = STEPS_AN_EPOCH * runs["LSTM, chrono"].scores.shape[1]
    chrono, one = (
        text_of(each, ".0f") if max(each) < np.inf else f"more than {most}"
        for each in steps.values()
    )
    return measured(
        f"{chrono} steps, with bias 1 {one}: {number(factor, '.1f')} times faster",
        verdict(is_faster and factor > 5, is_faster),
        size,
        runs,
        quick,
        why="The paper has 750 steps and 128 units.",
    )


@claim(
    "recurrent",
    "layers.UnitaryRNNCell initializers.Unitary",
    "Arjovsky et al. 2016",
    "A unitary network learns to copy after a delay; tanh does no better than a guess "
    "without memory",
    trains=True,
    script="recurrent.py",
)
def unitary_copies(quick):
    """The cross-entropy on new data."""
    delay, units = (4, 8) if quick else (20, 64)
    guess = 10 * np.log(8) / (delay + 20)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    networks = {
        name: network_of(build, units, (delay + 20, 10), 10, True, loss)
        for name, build in [
            ("unitary", recurrent.unitary),
            ("tanh, orthogonal", recurrent.orthogonal),
            ("tanh, Glorot", recurrent.glorot),
        ]
    }
    data = samples(recurrent.copying(delay), quick)
    starts = dict.fromkeys(networks, as_built)
    runs = contest(networks, starts, data, **arguments_for(quick, 6))
    learns = mean(runs["unitary"]) < 0.1 * guess
    others_fail = mean(runs["tanh, Glorot"]) > 0.8 * guess
    return measured(
        told(runs, ".4f"),
        verdict(learns and others_fail, mean(runs["unitary"]) < 0.8 * guess),
        f"copying after {delay} steps, {units} units; a guess has {guess:.3f}",
        runs,
        quick,
    )


@claim(
    "recurrent",
    "initializers.GateOrthogonal initializers.GateIdentity",
    "Henaff et al. 2016",
    "With a linear transition, orthogonal is right for copying, the identity for "
    "adding",
    trains=True,
    script="recurrent.py",
)
def right_start_for_task(quick):
    """The losses on new data of both starts on both tasks."""
    length, units = (4, 8) if quick else (20, 64)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    runs = {}
    for task, sample, shape, outputs, of_task in [
        ("adding", recurrent.adding(length + 20), (length + 20, 2), 1, "mse"),
        ("copying", recurrent.copying(length), (length + 20, 10), 10, loss),
    ]:
        networks = {
            f"{task}, {start}": network_of(
                recurrent.linear(f"gate_{start}"),
                units,
                shape,
                outputs,
                task == "copying",
                of_task,
            )
            for start in ("orthogonal", "identity")
        }
        data = samples(sample, quick)
        starts = dict.fromkeys(networks, as_built)
        runs |= contest(networks, starts, data, **arguments_for(quick, 6))
    is_right = [
        mean(runs["adding, identity"]) < 0.5 * mean(runs["adding, orthogonal"]),
        mean(runs["copying, orthogonal"]) < 0.5 * mean(runs["copying, identity"]),
    ]
    return measured(
        told(runs, ".4f"),
        verdict(all(is_right), any(is_right)),
        f"adding over {length + 20} and copying after {length} steps, {units} units",
        runs,
        quick,
    )
