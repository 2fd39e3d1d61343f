"""Names of Keras that are not public, each in a function that says what it gives."""

import contextlib
import sys
from collections.abc import Iterator

import keras


@contextlib.contextmanager
def outside_stateless_scope() -> Iterator[None]:
    """A context without `keras.StatelessScope`: variables have their own values.

    Without the attribute `original_scope` of a scope, this cannot be done.
    """
    switch = keras.StatelessScope(initialize_variables=False)
    with switch:
        outer = switch.original_scope
        switch.original_scope = None
    # Leaving the switch has set the scope to `original_scope`, which is none.
    try:
        yield
    finally:
        switch.original_scope = outer
        if outer is not None:
            switch.__exit__()


def global_seed_state() -> keras.Variable | None:
    """The state of the generator that `keras.random` uses without a seed.

    None if Keras keeps it elsewhere: then it moves on where it is used.
    """
    try:
        module = sys.modules[keras.random.SeedGenerator.__module__]
        return module.global_seed_generator().state
    except (KeyError, AttributeError):
        return None
