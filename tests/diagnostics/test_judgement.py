"""Where each verdict begins, and which follow from others, by rows made by hand."""

import math
import re
from pathlib import Path

import pytest
from diagnostics.healthy_row import dense_row

from keras_initx import diagnostics
from keras_initx.diagnostics._judge.verdicts import verdicts
from keras_initx.diagnostics._measure.merges import Merge, Part
from keras_initx.diagnostics._measure.reach import Reach
from keras_initx.diagnostics._measure.rows import KernelRow, LayerRow
from keras_initx.diagnostics._measure.seen import Seen

pytestmark = pytest.mark.same_on_each_backend

UNITS = 64
BELOW, ABOVE = 0.95, 1.05


def row(path="a", *, gain=1.0, shape=(UNITS, UNITS), kernel=None, **quantities):
    """A healthy dense layer, except for what is given."""
    norm = gain * math.sqrt(shape[-1])
    made = KernelRow(f"{path}/kernel", shape, fan_in=shape[0], norm=norm, gradient=1.0)
    for name, value in (kernel or {}).items():
        setattr(made, name, value)
    return dense_row(path, made, **quantities)


def kinds(*rows, scale=1.0, cosine=0.1, spread=2.0):
    start = LayerRow("input", "Input", std=scale, cosine=cosine, spread=spread)
    return [verdict.kind for verdict in verdicts(Seen(list(rows), [start], 1.0))]


def test_a_row_is_healthy():
    assert kinds(row(), row("b")) == ["healthy"]


@pytest.mark.parametrize("scale", [1e-2, 1.0, 1e2])
def test_a_signal_vanishes_below_a_thousandth(scale):
    limit = 1e-3 * min(1.0, scale)
    for factor, expected in ((BELOW, "vanishing_signal"), (ABOVE, "healthy")):
        last = row("b", pre_activation_std=factor * limit)
        assert kinds(row(), last, scale=scale) == [expected]


@pytest.mark.parametrize("scale", [1e-2, 1.0, 1e2])
def test_a_signal_explodes_above_a_thousand(scale):
    limit = 1e3 * max(1.0, scale)
    for factor, expected in ((ABOVE, "exploding_signal"), (BELOW, "healthy")):
        last = row("b", pre_activation_std=factor * limit)
        assert kinds(row(), last, scale=scale) == [expected]


def test_units_are_saturated_if_more_than_half_are():
    for factor, expected in ((ABOVE, "saturated_units"), (BELOW, "healthy")):
        one = row(activation="tanh", saturated=0.5 * factor)
        assert kinds(one, row("b")) == [expected]


@pytest.mark.parametrize("units", [16, 64, 10_000])
def test_units_are_dead_beyond_half_and_four_standard_errors(units):
    limit = 0.5 + 4 * 0.5 / math.sqrt(units)
    for dead, expected in (
        (min(1.0, ABOVE * limit), "dead_units"),
        (BELOW * limit, "healthy"),
    ):
        one = row(activation="relu", dead=dead, units=units)
        assert kinds(one, row("b")) == [expected]


@pytest.mark.parametrize(("cosine", "limit"), [(0.1, 0.99), (0.99, 0.999)])
def test_inputs_collapse_by_ten_times_to_a_cosine_of_99_percent(cosine, limit):
    """Distances from 1 are what counts: 5 % less, and 5 % more."""
    for factor, expected in ((BELOW, "collapsed_inputs"), (ABOVE, "healthy")):
        found = 1 - (1 - limit) * factor
        rows = row(cosine=found), row("b", cosine=found)
        assert kinds(*rows, cosine=cosine) == [expected]


def test_a_cosine_is_not_judged_within_its_rounding():
    """The limit itself is nearer to 1 than a hundred-thousandth."""
    for factor, expected in ((ABOVE, "collapsed_inputs"), (BELOW, "healthy")):
        rows = row(cosine=1.0), row("b", cosine=1.0)
        assert kinds(*rows, cosine=1 - 1e-4 * factor) == [expected]


@pytest.mark.parametrize("kind", ["collapsed_inputs", "uneven_samples"])
def test_eight_units_are_compared_and_seven_are_not(kind):
    fault = {"cosine": 1.0} if kind == "collapsed_inputs" else {"spread": 1e6}
    for units, expected in ((8, kind), (7, "healthy")):
        assert kinds(row(units=units, **fault), row("b")) == [expected]
        # Nor is what follows on so few.
        rows = row(units=units), row("b", **fault), row("c")
        assert kinds(*rows) == [expected]


@pytest.mark.parametrize("spread", [1.0, 30.0])
def test_samples_are_uneven_above_a_thousand(spread):
    for factor, expected in ((ABOVE, "uneven_samples"), (BELOW, "healthy")):
        one = row(spread=1e3 * spread * factor)
        assert kinds(one, row("b"), spread=spread) == [expected]


def test_a_gradient_vanishes_below_a_thousandth():
    for factor, expected in ((BELOW, "vanishing_gradient"), (ABOVE, "healthy")):
        one = row(output_gradient=1e-3 * factor)
        assert kinds(one, row("b")) == [expected]


def test_a_gradient_explodes_above_ten_thousand():
    for factor, expected in ((ABOVE, "exploding_gradient"), (BELOW, "healthy")):
        one = row(output_gradient=1e4 * factor)
        assert kinds(one, row("b")) == [expected]


def test_a_gradient_of_zero_is_none_unless_it_was_small_before():
    """What is below a thousandth before it is zero has underflowed."""
    for factor, expected in ((ABOVE, "no_gradient"), (BELOW, "vanishing_gradient")):
        rows = (
            row(output_gradient=0.0),
            row("b", output_gradient=1e-3 * factor),
            row("c"),
        )
        assert kinds(*rows) == [expected]


def test_selu_needs_a_variance_within_a_quarter_and_four_standard_errors():
    shape = (UNITS, UNITS)
    tolerance = 0.25 + 4 * math.sqrt(2 / UNITS**2)
    kind = "selu_without_lecun_normal"
    for factor, expected in ((ABOVE, kind), (BELOW, "healthy")):
        for sign in (-1, 1):
            gain = math.sqrt(1 + sign * factor * tolerance)
            one = row(activation="selu", gain=gain, pre_activation_std=2.0, shape=shape)
            assert kinds(one, row("b")) == [expected]


def test_selu_needs_pre_activations_within_a_quarter():
    kind = "selu_without_lecun_normal"
    for factor, expected in ((ABOVE, kind), (BELOW, "healthy")):
        for sign in (-1, 1):
            std = 1 + sign * factor * 0.25
            one = row(activation="selu", gain=math.sqrt(2), pre_activation_std=std)
            assert kinds(one, row("b")) == [expected]


@pytest.mark.parametrize(
    ("share", "full_share", "is_transposed", "is_told"),
    [
        # A delta of stride 2 reads what a 1 x 1 convolution would.
        (1 / 4, 1, False, False),
        (1 / 8, 1, False, True),
        (2 / 9, 1, False, True),
        (1 / 4, 1 / 4, False, False),
        (1 / 2, 1, True, True),
        (5 / 9, 1, True, False),
        (1 / 4, 1 / 4, True, False),
    ],
)
def test_a_kernel_reads_less_than_a_quarter_or_writes_half(
    share, full_share, is_transposed, is_told
):
    reach = Reach(share, full_share, (2, 2), is_transposed, '"haar_orthogonal"')
    found = kinds(row(kernel={"reach": reach}), row("b"))
    assert found == ["zero_taps" if is_told else "healthy"]


@pytest.mark.parametrize(
    ("mean", "variance", "words"),
    [
        (BELOW, 1.5 * ABOVE, "The kernel has 1.6 times the variance 1 / fan_in."),
        (BELOW, 1.5 * BELOW, "The inputs of the layer are large."),
        (ABOVE, 1.5 * ABOVE, "The mean is the larger part."),
    ],
)
def test_what_saturates_is_the_kernel_the_inputs_or_the_bias(mean, variance, words):
    one = row(
        activation="tanh",
        saturated=0.9,
        gain=math.sqrt(variance),
        pre_activation_mean=3.0 * mean,
        pre_activation_std=3.0,
    )
    (found,) = verdicts(Seen([one, row("b")], loss=1.0))
    assert words in found.text


# What one fault brings about in the layers after it, or in all gradients

COPIES = {"kernel": {"has_equal_units": True}}
DEAD = {"activation": "relu", "dead": 1.0}
SMALL = {"pre_activation_std": 1e-5}
LARGE = {"pre_activation_std": 1e5}
CONSTANT = {"is_constant": True}
ALIKE = {"cosine": 1.0}
UNEVEN = {"spread": 1e6}
NO_GRADIENT = {"output_gradient": 0.0}
SMALL_GRADIENT = {"output_gradient": 1e-6}


def told(a=(), b=(), c=(), d=()):
    """The verdicts on four layers, each with the sum of these faults."""
    faults = {"a": a, "b": b, "c": c, "d": d}
    rows = []
    for path, each in faults.items():
        quantities = {}
        for fault in [each] if isinstance(each, dict) else each:
            quantities |= fault
        rows.append(row(path, **quantities))
    return kinds(*rows)


@pytest.mark.parametrize("effect", [DEAD, SMALL, CONSTANT, ALIKE, UNEVEN])
def test_units_that_are_copies_or_dead_explain_the_signal_after_them(effect):
    assert told(b=COPIES, c=effect, d=effect) == ["symmetric_units"]
    if effect is not DEAD:
        assert told(b=DEAD, c=effect, d=effect) == ["dead_units"]


@pytest.mark.parametrize("effect", [NO_GRADIENT, SMALL_GRADIENT])
def test_units_that_are_copies_or_dead_explain_the_gradient_before_them(effect):
    assert told(a=effect, b=COPIES) == ["symmetric_units"]
    assert told(a=effect, b=DEAD) == ["dead_units"]


@pytest.mark.parametrize("effect", [SMALL, ALIKE])
def test_constant_outputs_explain_the_signal_after_them(effect):
    after = [CONSTANT, effect]
    assert told(b=CONSTANT, c=after, d=after) == ["constant_output"]


def test_constant_outputs_explain_that_there_is_no_gradient():
    first = [CONSTANT, NO_GRADIENT]
    assert told(a=first, b=first, c=CONSTANT, d=CONSTANT) == ["constant_output"]


def test_inputs_that_are_alike_become_constant_in_the_end():
    after = [ALIKE, CONSTANT]
    assert told(a=ALIKE, b=ALIKE, c=after, d=after) == ["collapsed_inputs"]


@pytest.mark.parametrize("effect", [ALIKE, CONSTANT, UNEVEN])
def test_a_small_signal_explains_what_biases_and_rounding_make_of_it(effect):
    after = [SMALL, effect]
    assert told(a=SMALL, b=SMALL, c=after, d=after) == ["vanishing_signal"]


def test_a_large_signal_explains_that_samples_are_uneven():
    assert told(b=LARGE, c=UNEVEN, d=UNEVEN) == ["exploding_signal"]


def test_a_signal_that_is_not_finite_has_no_finite_gradient():
    nan = {"std": math.nan, "output_gradient": math.nan}
    assert told(b=nan) == ["non_finite_signal"]


def test_a_gradient_of_zero_has_not_vanished_too():
    assert told(a=NO_GRADIENT) == ["no_gradient"]


@pytest.mark.parametrize("cause", [DEAD, COPIES])
def test_what_comes_before_a_fault_has_another_reason(cause):
    kind = "dead_units" if cause is DEAD else "symmetric_units"
    after = [UNEVEN, cause]
    assert told(a=UNEVEN, b=UNEVEN, c=after) == [kind, "uneven_samples"]


def test_what_does_not_follow_is_told_too():
    assert told(a=UNEVEN, b=UNEVEN, c=[UNEVEN, LARGE]) == [
        "exploding_signal",
        "uneven_samples",
    ]
    assert told(a=SMALL_GRADIENT, b=LARGE) == ["exploding_signal", "vanishing_gradient"]
    assert told(a=SMALL_GRADIENT, b=ALIKE, c=ALIKE) == [
        "collapsed_inputs",
        "vanishing_gradient",
    ]


def test_of_two_that_may_cause_each_other_the_earlier_one_is_told():
    both = [SMALL, CONSTANT]
    assert told(a=SMALL, b=both, c=both, d=both) == ["vanishing_signal"]
    assert told(a=CONSTANT, b=both, c=both, d=both) == ["constant_output"]
    assert told(a=both, b=both, c=both, d=both) == ["vanishing_signal"]


# Where it is judged


def test_verdicts_are_shown_by_what_does_not_judge():
    """What is shown knows a verdict, and not its making; judges know no table."""
    folder = Path(diagnostics.__file__).parent
    imported = {
        name: set(
            re.findall(
                r"^from keras_initx\.diagnostics\.(\w+\.\w+)",
                "".join(path.read_text() for path in (folder / name).glob("*.py")),
                re.MULTILINE,
            )
        )
        for name in ("_judge", "_show", "_measure")
    }
    judging = {name for name in imported["_show"] if name.startswith("_judge.")}
    assert judging == {"_judge.verdict"}
    for name in ("_judge", "_measure"):
        assert not [each for each in imported[name] if each.startswith("_show.")]
    assert not [each for each in imported["_measure"] if each.startswith("_judge.")]


# Ends that are small by design


def tiny(path, gain=1e-5, **quantities):
    return row(path, gain=gain, pre_activation_std=gain, std=gain, **quantities)


@pytest.mark.parametrize("gain", [0.05, 1e-5])
def test_a_small_last_kernel_learns_as_one_of_zeros_does(gain):
    assert kinds(row(), tiny("b", gain)) == ["healthy"]


def test_a_kernel_of_the_usual_size_does_not_hide_what_it_gets():
    last = row("b", gain=0.25, pre_activation_std=1e-5)
    assert kinds(row(), last) == ["vanishing_signal"]


def of_branch(small, large):
    merge = Merge("c", "Add", (Part("a", large), Part("b", small)))
    rows = [row("a"), tiny("b"), tiny("c", is_output=True)]
    seen = Seen(rows, loss=1.0, merges=[merge], readers={"a": ["b"]})
    return [verdict.kind for verdict in verdicts(seen)]


def test_a_small_end_of_a_branch_takes_nothing_from_the_sum():
    assert of_branch(1e-5, 1.0) == ["healthy"]
    assert of_branch(1e-5, 1e-5) == ["vanishing_signal"]


@pytest.mark.parametrize(("gain", "is_hidden"), [(0.9e-3, True), (1.1e-3, False)])
def test_a_gradient_may_be_small_before_an_end_that_is_smaller(gain, is_hidden):
    before = row("a", output_gradient=0.5e-3)
    found = kinds(before, row("b", output_gradient=0.5e-3), tiny("c", gain))
    assert found == (["healthy"] if is_hidden else ["vanishing_gradient"])


def test_frozen_layers_that_collapse_need_other_weights():
    rows = [row(path, cosine=0.999, kernel={"is_trainable": False}) for path in "ab"]
    start = LayerRow("input", "Input", std=1.0, cosine=0.1, spread=2.0)
    (collapsed,) = verdicts(Seen([*rows, row("c")], [start], 1.0))
    assert collapsed.text.endswith(
        "The layers after it can hardly tell inputs apart. They are frozen: load "
        "weights that have learned, or let them learn, `model.trainable = False; "
        "model.trainable = True`, and compile the model again."
    )


def test_a_linear_layer_has_the_mean_of_the_rectifier_before_it():
    rectified = row("a", activation="relu", cosine=0.995)
    assert kinds(rectified, row("b", cosine=0.995), row("c")) == ["healthy"]
    other = row("b", activation="tanh", cosine=0.995)
    assert kinds(rectified, other, row("c")) == ["collapsed_inputs"]
