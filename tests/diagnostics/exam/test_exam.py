"""The exam: every fault is named where it is, and nothing healthy is accused."""

import keras
import pytest
from diagnostics.exam.faults import FAULTS
from diagnostics.exam.healthy import HEALTHY

from keras_initx import signal_report

pytestmark = pytest.mark.filterwarnings("ignore:.*softmax over axis -1")

# At least 36 of 40.
BAR = 0.9
IS_WHOLE = keras.backend.backend() == "torch"
# The judgement is the same code on each backend.
ASKED = FAULTS if IS_WHOLE else FAULTS[2:3]
SHOWN = HEALTHY if IS_WHOLE else HEALTHY[:1]


def told(case):
    """Kind and layer of each verdict."""
    keras.utils.set_random_seed(1)
    report = signal_report(case.model, case.x, case.y, case.loss)
    return [(found.kind, found.layer or "-") for found in report.verdicts]


def names(text):
    return {name.strip() for name in text.split(",")}


def mark(fault):
    """`"right"`, `"wrong"` or `"silent"`, and what was told."""
    keras.utils.set_random_seed(1)
    found = told(fault.build())
    kinds, places = names(fault.kinds), names(fault.layers)
    if found == [("healthy", "-")]:
        return "silent", found
    is_named = any(
        kind in kinds and ("*" in places or layer in places) for kind, layer in found
    )
    return ("right" if is_named else "wrong"), found


def test_faults_are_named_at_the_right_place():
    marks = {fault.build.__name__: mark(fault) for fault in ASKED}
    right = sum(found == "right" for found, _ in marks.values())
    silent = sum(found == "silent" for found, _ in marks.values())
    lines = [
        f"  {found}: {name}, told {what}"
        for name, (found, what) in marks.items()
        if found != "right"
    ]
    score = (
        f"{right} of {len(marks)} named at the right place, "
        f"{len(marks) - right - silent} wrongly, {silent} silent"
    )
    print("\n".join([score, *lines]))
    assert not silent, "\n".join([score, *lines])
    assert right >= BAR * len(marks), "\n".join([score, *lines])


@pytest.mark.parametrize("part", ["repaired", "healthy"])
def test_nothing_healthy_is_accused(part):
    if part == "healthy":
        cases = {build.__name__: build for build in SHOWN}
    else:
        cases = {
            fault.build.__name__: (lambda fault=fault: fault.build(**fault.repair))
            for fault in ASKED
        }
    accused = {}
    for name, build in cases.items():
        keras.utils.set_random_seed(1)
        found = told(build())
        if found != [("healthy", "-")]:
            accused[name] = found
    print(f"{len(accused)} of {len(cases)} {part} networks accused")
    assert accused == {}
