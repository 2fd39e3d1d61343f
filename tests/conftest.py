"""A test run has one backend, and says so when that one cannot start."""

import collections
import importlib
import os
import shutil
import tempfile
import zlib

import hypothesis
import numpy as np
import pytest

BACKENDS = ("jax", "tensorflow", "torch")
# Of every test. With another one the tests must pass too.
SEED = int(os.environ.get("KERAS_INITX_TEST_SEED", "1"))

hypothesis.settings.register_profile(
    "keras_initx",
    derandomize=True,
    deadline=None,
    max_examples=25,
    database=None,
)
hypothesis.settings.load_profile("keras_initx")


@pytest.fixture(autouse=True)
def same_numbers(request):
    """The global seeds, and a module's `RANDOM`: a test sees the same in every run."""
    import keras

    keras.utils.set_random_seed(SEED)
    generator = getattr(getattr(request, "module", None), "RANDOM", None)
    if generator is not None:
        # Other numbers than those that the module drew when it was imported.
        generator.bit_generator.state = np.random.default_rng(1).bit_generator.state


@pytest.fixture
def drawn_seeds(monkeypatch):
    """The seeds of all draws of the test, in their order."""
    from keras_initx._backend import drawing

    seen, draw = [], drawing.draw

    def watched(distribution, shape, seed, **arguments):
        seen.append(seed)
        return draw(distribution, shape, seed, **arguments)

    monkeypatch.setattr(drawing, "draw", watched)
    return seen


# Which of the cases with the mark `same_on_each_backend` run: "all", or those whose
# number divided by 3, or `every=`, leaves this remainder. With "one", every test of any
# kind runs one of its cases.
SHARES = {"jax": "0", "tensorflow": "1", "torch": "all"}
SHARE = os.environ.get("KERAS_INITX_SHARE")


def number(item):
    """A number from the name of a case, which no other test changes."""
    return zlib.crc32(item.nodeid.encode())


def runs_here(item, share):
    """Whether a case is among those of this backend."""
    mark = item.get_closest_marker("same_on_each_backend")
    if mark is None or share == "all":
        return True
    return number(item) % mark.kwargs.get("every", 3) == int(share)


def one_of_each(items):
    """Of every test the case with the lowest number."""
    tests = collections.defaultdict(list)
    for item in items:
        tests[item.nodeid.partition("[")[0]].append(item)
    return {min(cases, key=number) for cases in tests.values()}


def pytest_collection_modifyitems(config, items):
    """Leaves out what is the same code elsewhere; PyTorch runs every case."""
    # What takes longest comes first: one process runs it while others do the rest.
    items.sort(key=lambda item: item.path.name != "test_scripts.py")
    share = SHARE or SHARES[os.environ["KERAS_BACKEND"]]
    if share == "one":
        chosen = one_of_each(items)
    else:
        chosen = {item for item in items if runs_here(item, share)}
    config.hook.pytest_deselected(items=[item for item in items if item not in chosen])
    items[:] = [item for item in items if item in chosen]


# JAX compiles a program for each shape, which is most of what its tests cost. So they
# do without optimizations, and all processes of a run share what was compiled.
QUICK_JAX = {
    "JAX_DISABLE_MOST_OPTIMIZATIONS": "1",
    "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
}
CACHE = "JAX_COMPILATION_CACHE_DIR"


def pytest_unconfigure(config):
    """The process that made the cache removes it."""
    if hasattr(config, "jax_cache"):
        shutil.rmtree(config.jax_cache, ignore_errors=True)


def pytest_configure(config):
    """Starts the backend here, so that no test can be skipped for the lack of it."""
    if CACHE not in os.environ:
        config.jax_cache = tempfile.mkdtemp(prefix="keras_initx_jax_")
        os.environ.update(QUICK_JAX, **{CACHE: config.jax_cache})
    wanted = os.environ.get("KERAS_BACKEND")
    if wanted not in BACKENDS:
        raise pytest.UsageError(
            f"Set the environment variable KERAS_BACKEND to one of {BACKENDS}: the "
            f"tests run on one backend at a time. Received: {wanted!r}."
        )
    try:
        keras = importlib.import_module("keras")
        keras.ops.ones(1)
    except Exception as error:
        raise pytest.UsageError(
            f"KERAS_BACKEND is {wanted!r}, which does not start here: {error!r}"
        ) from error
    running = keras.backend.backend()
    if running != wanted:
        raise pytest.UsageError(
            f"KERAS_BACKEND is {wanted!r}, but Keras runs on {running!r}."
        )
