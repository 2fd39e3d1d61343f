"""Faults of the targets."""

import numpy as np
from diagnostics.exam.material import (
    FEATURES,
    IMAGES,
    LABELS,
    OUT,
    VALUES,
    Case,
    Fault,
    chain,
    classifier,
    compiled,
    dense,
    numbers,
    output,
    regression,
)
from keras import layers


def empty_masks(threshold=2.0):
    masks = (IMAGES[..., :1] > threshold).astype("float32")
    steps = (
        layers.Conv2D(16, 3, padding="same", activation="relu", name="a"),
        layers.Conv2D(1, 1, activation="sigmoid", name="output"),
    )
    model = compiled(chain(*steps, inputs=(8, 8, 3)), "binary_crossentropy")
    return Case(model, IMAGES, masks)


def labels_from_one(first=1):
    return classifier(dense("a"), y=LABELS + first)


def kelvin_targets(offset=290.0, scale=8.0):
    return regression(y=offset + scale * VALUES)


def one_defect_in_256(every=256):
    x = numbers(512, FEATURES)
    defects = (np.arange(512) % every == 0).astype("float32")[:, None]
    model = chain(dense("a"), output(1, "sigmoid"))
    return Case(compiled(model, "binary_crossentropy"), x, defects)


def stars_from_one_to_five(activation="sigmoid"):
    stars = 1 + 4 * (VALUES - VALUES.min()) / np.ptp(VALUES)
    return regression(y=stars, activation=activation)


def centered_and_rectified(activation="relu"):
    return regression(activation=activation)


FAULTS = [
    Fault(empty_masks, "constant_targets", f"-, {OUT}", {"threshold": 0.5}),
    Fault(labels_from_one, "labels_out_of_range", f"-, {OUT}", {"first": 0}),
    Fault(
        kelvin_targets,
        "unscaled_targets",
        f"-, {OUT}",
        {"offset": 0.0, "scale": 1.0},
    ),
    Fault(one_defect_in_256, "rare_classes", f"-, {OUT}", {"every": 3}),
    Fault(stars_from_one_to_five, "unreachable_targets", OUT, {"activation": None}),
    Fault(centered_and_rectified, "unreachable_targets", OUT, {"activation": None}),
]
