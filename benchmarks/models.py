"""Builds whole models with `glorot_uniform`, Keras's `orthogonal` and ours.

    python benchmarks/models.py --backend jax

builds every network of `keras.applications` at its own size and, where the package
`keras-hub` is installed, its backbones of about 100 million parameters. It prints a
table of ratios and writes `results/models-jax.json` beside this file: the seconds until
all weights are there, and how far the peak of the memory of the process grows. Each
build is in a fresh process, the initializers in turn; imports are not counted.
`--networks ResNet50 BertBackbone` takes only these, and `--rounds 1` each once.

All three initializers come by `default_initializers(kernel=...)`, which takes its part
of the time. Many networks name an initializer for their kernels, and `unnamed` lets the
default take its place, so that nearly all kernels are drawn by the one that is
measured. Ours is `orthogonal_delta`: of a dense layer the law is that of `orthogonal`,
of a convolution it has one orthogonal tap.
"""

import contextlib
import importlib.util
import inspect
import json
import math
import os
import statistics
import time
from collections.abc import Iterator
from typing import Any

from common import (
    UNBUILDABLE,
    application_names,
    command_line,
    finish,
    fresh,
    peak,
    versions,
)

INITIALIZERS = ("glorot_uniform", "orthogonal", "orthogonal_delta")
# The sizes of the released models.
BASE = {"num_layers": 12, "num_heads": 12, "hidden_dim": 768, "intermediate_dim": 3072}
HALF = {**BASE, "num_layers": 6}
WITHOUT_HEADS = {name: size for name, size in BASE.items() if name != "num_heads"}
BACKBONES: dict[str, dict[str, Any]] = {
    "BartBackbone": {**HALF, "vocabulary_size": 50265},
    "BertBackbone": {**BASE, "vocabulary_size": 30522},
    "DebertaV3Backbone": {**BASE, "vocabulary_size": 32000},
    "DistilBertBackbone": {**HALF, "vocabulary_size": 30522},
    "ElectraBackbone": {**BASE, "vocab_size": 30522, "embedding_dim": 768},
    "FNetBackbone": {**WITHOUT_HEADS, "vocabulary_size": 32000},
    "GPT2Backbone": {**BASE, "vocabulary_size": 50257},
    "GPTNeoXBackbone": {**BASE, "vocabulary_size": 50304},
    "OPTBackbone": {**BASE, "vocabulary_size": 50272},
    "RobertaBackbone": {**BASE, "vocabulary_size": 50265},
    "SwinTransformerBackbone": {
        **{"image_shape": (224, 224, 3), "embed_dim": 128, "window_size": 7},
        **{"depths": (2, 2, 18, 2), "num_heads": (4, 8, 16, 32)},
    },
    "T5Backbone": {**HALF, "vocabulary_size": 32128},
    "ViTBackbone": {
        **{"image_shape": (224, 224, 3), "patch_size": 16, "mlp_dim": 3072},
        **{name: BASE[name] for name in ("num_layers", "num_heads", "hidden_dim")},
    },
    "WhisperBackbone": {
        **{"vocabulary_size": 51865, "num_layers": 6, "num_heads": 8},
        **{"hidden_dim": 512, "intermediate_dim": 2048},
    },
}
# What `default_initializers(kernel=...)` gives a default to.
KERNELS = ("kernel_initializer", "depthwise_initializer", "pointwise_initializer")


# In a process of its own: each function returns one JSON value.


@contextlib.contextmanager
def unnamed() -> Iterator[None]:
    """Layers forget the random initializers that they are given for kernels.

    Those of Keras, that is: what a layer hands on to its sublayers stays if it is ours.
    """
    import keras

    random = (
        *(keras.initializers.VarianceScaling, keras.initializers.TruncatedNormal),
        *(keras.initializers.RandomNormal, keras.initializers.RandomUniform),
    )
    new, wrapped = keras.layers.Layer.__new__, {}

    def forgetful(init: Any) -> Any:
        signature = inspect.signature(init)

        def without_names(layer: Any, *args: Any, **kwargs: Any) -> None:
            bound = signature.bind(layer, *args, **kwargs)
            for argument in KERNELS:
                given = bound.arguments.get(argument)
                if given is not None and is_of_keras(keras.initializers.get(given)):
                    del bound.arguments[argument]
            init(*bound.args, **bound.kwargs)

        return without_names

    def is_of_keras(initializer: Any) -> bool:
        of_keras = initializer.__module__.startswith("keras.")
        return of_keras and isinstance(initializer, random)

    def patched_new(cls: type, *args: Any, **kwargs: Any) -> Any:
        layer = new(cls, *args, **kwargs)
        for each in cls.__mro__:
            init = vars(each).get("__init__")
            if each not in wrapped and inspect.isfunction(init):
                if set(KERNELS) & set(inspect.signature(init).parameters):
                    wrapped[each] = init
                    each.__init__ = forgetful(init)
        return layer

    keras.layers.Layer.__new__ = patched_new
    try:
        yield
    finally:
        keras.layers.Layer.__new__ = new
        for each, init in wrapped.items():
            each.__init__ = init


def measure_build(name: str, initializer: str, quick: bool) -> dict[str, Any]:
    """One network, until the last of its weights is there."""
    import keras

    import keras_initx

    if name in BACKBONES:
        import keras_hub

        arguments, build = BACKBONES[name], getattr(keras_hub.models, name)
    else:
        small = {"input_shape": (32, 32, 3), "classes": 10} if quick else {}
        arguments, build = {"weights": None, **small}, getattr(keras.applications, name)
    keras.ops.ones(1)
    before, start = peak(), time.perf_counter()
    with keras_initx.default_initializers(kernel=initializer), unnamed():
        model = build(**arguments)
    for weight in model.weights:
        finish(weight.value)
    taken, grown = time.perf_counter() - start, peak() - before
    return {"seconds": taken, "bytes": grown, **kernels_of(model, initializer)}


def kernels_of(model: Any, initializer: str) -> dict[str, Any]:
    """How many weights there are, in the largest kernel, and drawn by this one."""
    import keras

    wanted, drawn, largest = type(keras.initializers.get(initializer)), 0, 0
    for layer in model._flatten_layers(include_self=False):
        by_this = [
            argument
            for argument in KERNELS
            if type(getattr(layer, argument, None)) is wanted
        ]
        for weight in layer._trainable_variables if by_this else ():
            if len(weight.shape) > 1:
                drawn += math.prod(weight.shape)
                largest = max(largest, math.prod(weight.shape))
    return {"parameters": model.count_params(), "drawn": drawn, "largest": largest}


MEASUREMENTS = {"build": measure_build, "names": application_names}


# The run


def names_of(backend: str) -> list[str]:
    """All networks that can be built here."""
    names = [
        name
        for name in fresh(__file__, backend, "names")
        if (backend, name) not in UNBUILDABLE
    ]
    if importlib.util.find_spec("keras_hub"):
        return names + list(BACKBONES)
    print("keras-hub is not installed: its backbones are left out.", flush=True)
    return names


def in_turn(backend: str, name: str, rounds: int, quick: bool) -> dict[str, Any]:
    """The builds of one network, the initializers in turn."""
    initializers = INITIALIZERS[::2] if quick else INITIALIZERS
    runs: dict[str, list[Any]] = {initializer: [] for initializer in initializers}
    for _ in range(rounds):
        for initializer, found in runs.items():
            found.append(fresh(__file__, backend, "build", name, initializer, quick))
    return {
        "name": name,
        **{key: found[-1][key] for key in ("parameters", "drawn", "largest")},
        **{
            key: {what: [run[key] for run in found] for what, found in runs.items()}
            for key in ("seconds", "bytes")
        },
    }


HEAD = """\
| | million weights | drawn | largest | ours / `glorot_uniform`, s | \
`orthogonal` / ours, s | ours / `glorot_uniform`, MiB | `orthogonal` / ours, MiB |
|---|---|---|---|---|---|---|---|"""


def line(row: dict[str, Any]) -> str:
    """A network in Markdown."""
    cells = [
        f"{row['parameters'] / 1e6:.1f}",
        f"{row['drawn'] / row['parameters']:.0%}",
    ]
    cells.append(f"{row['largest'] / 1e6:.1f}")
    for key, unit in (("seconds", 1), ("bytes", 2**20)):
        medians = {
            what: statistics.median(values) / unit for what, values in row[key].items()
        }
        ours = medians["orthogonal_delta"]
        for above, below in (
            (ours, medians["glorot_uniform"]),
            (medians.get("orthogonal", math.nan), ours),
        ):
            digits = 2 if unit == 1 else 0
            values = f"{above:,.{digits}f} / {below:,.{digits}f}"
            cells.append(f"{above / max(below, 1e-9):.2f} ({values})")
    return f"| {row['name']} | {' | '.join(cells)} |"


def main() -> None:
    """Runs from the command line."""
    networks = {"nargs": "*", "help": "their names; all by default"}
    times = {"type": int, "default": 3, "help": "how often each"}
    options = command_line(__doc__ or "", MEASUREMENTS, networks=networks, rounds=times)
    if options is None:
        return
    names = ["MobileNet"] if options.quick else options.networks
    rounds = 1 if options.quick else options.rounds
    rows: list[dict[str, Any]] = []
    found = {
        "backend": options.backend,
        "versions": versions(),
        "cores": os.cpu_count(),
        "networks": rows,
    }
    path = options.output / f"models-{options.backend}.json"
    print(HEAD, flush=True)
    for name in names or names_of(options.backend):
        rows.append(in_turn(options.backend, name, rounds, options.quick))
        print(line(rows[-1]), flush=True)
        # After each network, because all of them take hours.
        path.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
