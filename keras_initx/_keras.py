"""The private names of Keras that the package uses, each behind one function."""

import keras


def set_initial_seed(
    generator: keras.random.SeedGenerator, seed: int | None
) -> keras.random.SeedGenerator:
    """Makes `seed` what the generator's config names, and returns the generator.

    Without the private name the config of a copied generator names a number where the
    original says None.
    """
    if hasattr(generator, "_initial_seed"):
        generator._initial_seed = seed
    return generator
