"""Takes every network of `keras.applications` through one of the tools for models.

    python benchmarks/applications.py --backend torch --tool skip_init

builds each network, on the smallest images that it takes, checks each of its weights,
prints what it finds, and writes `results/applications-skip_init-torch.json` beside this
file. It measures no time. `--networks ResNet50 VGG19` takes only these.

A tool is a function in `TOOLS`: it takes the name of a network, and returns the size of
the images, the number of the weights that it checked, and the faults that it found.
"""

import argparse
import gc
import json
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from common import BACKENDS, RESULTS, UNBUILDABLE, application, application_names

# An estimate is further off than this in one case of 1.7 million; all networks together
# have some ten thousand kernels.
SIGMAS = 5.0
# These start as the constants that Keras gives them, whatever the tool.
NORMALIZATION = {"gamma": 1.0, "beta": 0.0, "moving_mean": 0.0, "moving_variance": 1.0}


def default_initializers(name: str) -> dict[str, Any]:
    """Each kernel has the law of He by Keras's fans, and each bias is one.

    Those that the network gives an initializer keep that.
    """
    import keras

    import keras_initx

    kernel = keras.initializers.HeNormal(seed=1)
    with keras_initx.default_initializers(kernel=kernel, bias="ones"):
        model, size = application(name)
    faults, explicit, seen = [], 0, set()
    for layer, argument, weight in drawn(model):
        initializer = getattr(layer, argument)
        if isinstance(initializer, keras.initializers.GlorotUniform):
            faults.append(f"{weight.path} has the default")
        elif not isinstance(initializer, keras.initializers.HeNormal):
            # The network names it: this stays.
            explicit += 1
        else:
            values = numbers(weight)
            fan_in = values.size / values.shape[-1]
            faults += law(weight.path, values, math.sqrt(2 / fan_in))
            start = (values.shape, values.ravel()[:8].tobytes())
            faults += [f"{weight.path} is not its own"] if start in seen else []
            seen.add(start)
    for layer in model._flatten_layers(include_self=False):
        kind = type(getattr(layer, "bias_initializer", None)).__name__
        if kind == "Zeros":
            faults.append(f"the bias of {layer.path} has the default")
        elif kind == "Ones" and layer.bias is not None:
            faults += constants([layer.bias], {"bias": 1.0})
    faults += constants(model.weights, NORMALIZATION)
    return row(name, size, len(model.weights), faults, explicit=explicit)


def skip_init(name: str) -> dict[str, Any]:
    """What Keras draws is zero, and what is constant is the same."""
    import numpy as np

    import keras_initx

    with keras_initx.skip_init():
        model, size = application(name)
    plain, _ = application(name)
    faults = []
    for weight, other in zip(model.weights, plain.weights, strict=True):
        values, expected = numbers(weight), numbers(other)
        is_random = expected.min() != expected.max()
        if not np.array_equal(values, np.zeros_like(values) if is_random else expected):
            faults.append(f"{weight.path} is not what it should be")
    return row(name, size, len(model.weights), faults)


def reinitialize(name: str) -> dict[str, Any]:
    """Each weight has the law of a new model, whatever it was before."""
    import keras

    import keras_initx

    model, size = application(name)
    for weight in model.weights:
        weight.assign(keras.ops.full(weight.shape, 7.0, weight.dtype))
    report = keras_initx.reinitialize(model, seed=1)
    # What `adapt` learns is no start.
    left = {one.path: one.note for one in report if one.source == "nothing"}
    learned = {path for path, note in left.items() if note == "learned by `adapt`"}
    faults = [f"{path} is left: {left[path]}" for path in left.keys() - learned]
    plain, _ = application(name)
    for weight, other in zip(model.weights, plain.weights, strict=True):
        if weight.path not in learned:
            faults += same_law(weight.path, numbers(weight), numbers(other))
    return row(name, size, len(model.weights), faults)


TOOLS = {
    "default_initializers": default_initializers,
    "skip_init": skip_init,
    "reinitialize": reinitialize,
}


# What the tools share


def row(
    name: str, size: int, weights: int, faults: list[str], **more: Any
) -> dict[str, Any]:
    """What is written of one network."""
    return {"name": name, "size": size, "weights": weights, **more, "faults": faults}


def drawn(model: Any) -> Iterator[tuple[Any, str, Any]]:
    """Each kernel of the model, with its layer and the argument of its initializer."""
    for layer in model._flatten_layers(include_self=False):
        for weight in layer._trainable_variables:
            kind = weight.path.split("/")[-1]
            argument = {
                "depthwise_kernel": "depthwise_initializer",
                "pointwise_kernel": "pointwise_initializer",
            }.get(kind, "kernel_initializer")
            if kind.endswith("kernel"):
                # A depthwise convolution calls its only kernel so.
                has_it = hasattr(layer, argument)
                yield layer, argument if has_it else "depthwise_initializer", weight


def numbers(weight: Any) -> Any:
    """The values of a weight, as NumPy."""
    import keras

    return keras.ops.convert_to_numpy(weight)


def law(path: str, values: Any, deviation: float) -> list[str]:
    """What speaks against independent draws with this deviation and mean zero."""
    values = values.astype("float64")
    mean, variance = values.mean(), values.var()
    of_mean = deviation / math.sqrt(values.size)
    fourth = ((values - mean) ** 4).mean()
    of_variance = math.sqrt((fourth - variance**2) / values.size)
    faults = []
    if abs(mean) > SIGMAS * of_mean:
        faults.append(f"{path} has the mean {mean:.2g}")
    if abs(variance - deviation**2) > SIGMAS * of_variance:
        ratio = math.sqrt(variance) / deviation
        faults.append(f"{path} has {ratio:.3f} times its deviation")
    return faults


def same_law(path: str, values: Any, others: Any) -> list[str]:
    """What speaks against equal constants, or draws of one mean and variance."""
    if others.min() == others.max():
        return [] if (values == others).all() else [f"{path} is not {others.min()}"]
    both = [each.astype("float64").ravel() for each in (values, others)]
    faults = []
    for what, moment in (("mean", 1), ("variance", 2)):
        powers = [each**moment for each in both]
        error = math.sqrt(sum(each.var() / each.size for each in powers))
        difference = powers[0].mean() - powers[1].mean()
        if abs(difference) > SIGMAS * error:
            faults.append(f"{path} has another {what}: {difference / error:.1f} errors")
    return faults


def constants(weights: list[Any], expected: dict[str, float]) -> list[str]:
    """Those with such names that have other values."""
    return [
        f"{weight.path} is not {expected[kind]}"
        for weight in weights
        if (kind := weight.path.split("/")[-1]) in expected
        and not (numbers(weight) == expected[kind]).all()
    ]


# The run


def checked(tool: str, name: str) -> dict[str, Any]:
    """The row of one network, also if the tool fails."""
    import keras

    try:
        return TOOLS[tool](name)
    except Exception as error:
        return row(name, 0, 0, [f"{type(error).__name__}: {error}"])
    finally:
        keras.utils.clear_session()
        gc.collect()


def main() -> None:
    """Prints each row, and writes all."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--backend", choices=BACKENDS, required=True)
    parser.add_argument("--tool", choices=list(TOOLS), required=True)
    parser.add_argument("--networks", nargs="*", help="their names; all by default")
    parser.add_argument("--output", type=Path, default=RESULTS)
    options = parser.parse_args()
    # Before Keras is imported.
    os.environ["KERAS_BACKEND"] = options.backend
    rows = []
    for name in options.networks or application_names():
        if (options.backend, name) in UNBUILDABLE:
            continue
        found = checked(options.tool, name)
        rows.append(found)
        faults = found["faults"]
        shown = f"{len(faults)} faults: {'; '.join(faults[:3])}" if faults else "right"
        print(f"{found['name']:<20} {found['weights']:>5} weights  {shown}", flush=True)
    faulty = [found["name"] for found in rows if found["faults"]]
    print(f"{len(rows)} networks, with faults: {', '.join(faulty) or 'none'}")
    options.output.mkdir(parents=True, exist_ok=True)
    path = options.output / f"applications-{options.tool}-{options.backend}.json"
    path.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
