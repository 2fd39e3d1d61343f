"""What LSUV tells about its work."""

import json

import keras
import numpy as np
import pytest
from keras import layers

from keras_initx.schemes import lsuv
from keras_initx.schemes._lsuv.lsuv_report import LayerRow, LSUVReport

ROWS = [
    LayerRow("net/a", "Dense", 1, 0.5, 1.0, 0.25, 2.0, True),
    LayerRow("net/longer<", "LSTM", 2, note="recurrent & more"),
    LayerRow("net/dead", "Conv2D", 1, 0.0, 0.0, 0.0, 1.0, False, "dead"),
]
TABLE = """\
layer        type    calls  std before  std after  mean  factor  note
---------------------------------------------------------------------------------
net/a        Dense       1         0.5          1  0.25       2
net/longer<  LSTM        2           -          -     -       -  recurrent & more
net/dead     Conv2D      1           0          0     0       1  dead
1 of 3 layers have a standard deviation of 1."""


@pytest.fixture
def report():
    return LSUVReport(1.0, ROWS)


def test_it_prints_as_a_table(report):
    assert str(report) == repr(report) == TABLE


def test_it_shows_in_a_notebook(report):
    html = report._repr_html_()
    assert html.count("<tr>") == 4
    assert "<td>net/longer&lt;</td>" in html
    assert "<td>recurrent &amp; more</td>" in html
    assert "1 of 3 layers have a standard deviation of 1." in html


def test_rows_are_found_by_path_and_by_place(report):
    assert report["net/dead"] is report[2] is ROWS[2]
    assert list(report) == ROWS
    assert len(report) == 3
    with pytest.raises(KeyError, match="net/other"):
        report["net/other"]


def test_scaled_and_skipped(report):
    assert report.scaled == ROWS[:1]
    assert report.skipped == ROWS[1:]


def test_to_dict_is_plain_json(report):
    data = json.loads(json.dumps(report.to_dict()))
    assert data["target_std"] == 1.0
    assert data["layers"][0] == {
        "path": "net/a",
        "type": "Dense",
        "calls": 1,
        "std_before": 0.5,
        "std_after": 1.0,
        "mean": 0.25,
        "factor": 2.0,
        "is_scaled": True,
        "note": "",
    }


def test_what_lsuv_returns_is_plain_json_too():
    model = keras.Sequential([keras.Input((4,)), layers.Dense(3), layers.Dense(2)])
    report = lsuv(model, np.eye(4), per_channel=True, center=True)
    data = report.to_dict()
    assert json.loads(json.dumps(data)) == data


def test_the_plot_has_a_line_before_and_one_after(report):
    axes = report.plot()
    before, after, target = axes.lines
    # The layer that was not measured is left out.
    assert list(before.get_ydata()) == [0.5, 0.0]
    assert list(after.get_ydata()) == [1.0, 0.0]
    assert set(target.get_ydata()) == {1.0}
    assert axes.get_xlabel()
    assert axes.get_ylabel()
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert labels == ["before", "after", "target"]
    # Readable without colours.
    assert before.get_linestyle() != after.get_linestyle()
    assert report.plot(axes) is axes
