"""A test run has one backend, and says so when that one cannot start."""

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
    from keras_initx import _backend

    seen, draw = [], _backend.draw

    def watched(distribution, shape, seed, **arguments):
        seen.append(seed)
        return draw(distribution, shape, seed, **arguments)

    monkeypatch.setattr(_backend, "draw", watched)
    return seen


def runs_here(item):
    """Of the cases that are the same on each backend, PyTorch runs all.

    Each other backend, and PyTorch at the floor, runs its own third, or `every=`. The
    name of a case chooses, so that a new test changes nothing for the others.
    """
    backend = os.environ["KERAS_BACKEND"]
    mark = item.get_closest_marker("same_on_each_backend")
    is_third = os.environ.get("KERAS_INITX_EVERY_THIRD") == "1"
    if mark is None or (backend == "torch" and not is_third):
        return True
    share = zlib.crc32(item.nodeid.encode()) % mark.kwargs.get("every", 3)
    return share == BACKENDS.index(backend)


def pytest_collection_modifyitems(config, items):
    """Leaves out what runs elsewhere."""
    # What takes longest comes first: one process runs it while others do the rest.
    items.sort(key=lambda item: item.path.name != "test_scripts.py")
    left_out = [item for item in items if not runs_here(item)]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if runs_here(item)]


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
