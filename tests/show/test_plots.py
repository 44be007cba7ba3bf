"""Figures that can be read: labels apart from each other, from lines and from the edge; and the labelled grid."""

import itertools

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from emoji_lib.show import plots

# As notebook 09 had them: three of five rows lie near 0 in both encoders.
CLOSE = {
    "held-out real": (0.016, 0.04),
    "half the concepts": (-0.006, -0.002),
    "training copies": (0.003, -0.011),
    "more copies": (0.003, -0.012),
    "blurred copies": (0.017, 0.061),
    "noise": (6.1, 2.3),
}
# As notebook 05 had them.
SWEEP = {
    "epochs": [32, 32, 32, 16, 16, 16, 32, 32],
    "batch_size": [64, 64, 32, 16, 64, 64, 64, 64],
    "learning_rate_g": [1e-4, 1e-4, 1e-4, 1e-4, 1e-5, 1e-4, 1e-4, 1e-4],
    "beta1": [0.4, 0.5, 0.5, 0.4, 0.9, 0.8, 0.4, 0.4],
    "beta2": [0.999, 0.7, 0.7, 0.999, 0.999, 0.5, 0.4, 0.7],
    "kid, contrast": [1.25, 2.0, 2.01, 4.6, 6.9, 8.2, 8.21, 7.4],
    "kid, groups": [4.7, 2.9, 5.8, 10.5, 11.6, 12.1, 16.7, 16.6],
}


@pytest.fixture
def drawn(monkeypatch):
    """The figures that are drawn meanwhile."""
    figures = []

    class Kept(Figure):
        def __init__(self, *given, **options):
            super().__init__(*given, **options)
            figures.append(self)

    monkeypatch.setattr(plots, "Figure", Kept)
    return figures


def boxes_of(figure):
    texts = [text for text in figure.findobj(Text) if text.get_visible() and text.get_text()]
    return {text: text.get_window_extent() for text in texts}


def assert_legible(figure):
    """No two texts touch, none is clipped, and no line or point lies over one."""
    boxes = boxes_of(figure)
    for (one, box), (other, its) in itertools.combinations(boxes.items(), 2):
        assert not box.overlaps(its), f"{one.get_text()} touches {other.get_text()}"
    for text, box in boxes.items():
        inside = figure.bbox.contains(box.x0, box.y0) and figure.bbox.contains(box.x1, box.y1)
        assert inside, f"{text.get_text()} is clipped"
    for axes in figure.axes:
        for text, line in itertools.product(boxes.keys() & set(axes.texts), axes.lines):
            path = line.get_transform().transform_path(line.get_path())
            behind = text.get_bbox_patch() is not None and text.get_zorder() > line.get_zorder()
            if line.get_linestyle() == "None":
                crossed = any(boxes[text].contains(*point) for point in path.vertices)
            else:
                crossed = path.intersects_bbox(boxes[text], filled=False)
            assert behind or not crossed, f"{text.get_text()} is crossed by a line"


def test_point_labels_are_apart(drawn):
    plots.scatter(CLOSE)
    assert_legible(drawn[0])
    assert {text.get_text() for text in drawn[0].axes[0].texts if text.get_text()} == set(CLOSE)


@pytest.mark.parametrize("steps", [7, 22_000, 120_270, 1_000_000])
def test_the_ticks_of_long_runs_are_apart(drawn, steps):
    plots.loss_curves([{"step": step, "loss_d": 1.0, "loss_g": 2.0} for step in np.linspace(1, steps, 40)])
    (axes,) = drawn[0].axes
    shown = [one for one in axes.get_xticklabels() if axes.get_xlim()[0] <= one.get_position()[0] <= axes.get_xlim()[1]]
    boxes = sorted((one.get_window_extent() for one in shown), key=lambda box: box.x0)
    assert len(boxes) > 2
    assert all(one.x1 + 5 < other.x0 for one, other in itertools.pairwise(boxes))


def test_value_labels_are_not_crossed_by_the_runs(drawn):
    plots.parallel(SWEEP, [1 - rank / 7 for rank in range(8)])
    assert_legible(drawn[0])
    shown = [text.get_text() for text in drawn[0].axes[0].texts]
    assert {"64", "32", "16", "1.25", "8.21", "1e-05", "0.999"} <= set(shown)


def test_a_setting_that_some_runs_lack_is_one_more_value(drawn):
    """Runs made before a parameter was added have none; and whole numbers stand among the others."""
    plots.parallel({"decay": [0.1, 0.2, None, 0.3, 0.4, 0.5], "ema": [0, 0.5, 1, 0, 0.5, 1]}, [0.5] * 6)
    decay, ema = ({text.get_text(): text.xy[1] for text in drawn[0].axes[0].texts if text.xy[0] == at} for at in (0, 1))
    assert decay == {"0.1": 0, "None": 1}
    assert ema == {"0": 0, "0.5": 0.5, "1": 1}


def test_survival_is_the_fraction_of_runs_that_have_not_collapsed_yet(drawn):
    """One that ended without a collapse counts as long as it ran: 3 of 4 stay after step 10, half of them after 30."""
    plots.survival({"one": ([10, 20, 30, 40], [True, False, True, False]), "other": ([40, 40], [False, False])})
    (axes,) = drawn[0].axes
    one, other = axes.lines
    assert one.get_xdata().tolist() == [0, 10, 20, 30, 40, 40]
    assert one.get_ydata() == pytest.approx([1, 0.75, 0.75, 0.375, 0.375, 0.375])
    assert set(other.get_ydata()) == {1.0}
    told = [text.get_text() for text in axes.get_legend().get_texts()]
    assert told == ["one: 2 of 4 collapsed", "other: 0 of 2 collapsed"]


def test_the_end_of_a_collapsed_run_has_a_dot(drawn):
    fell = [{"step": 1, "coverage": 0.5}, {"step": 2, "coverage": 0.1}]
    plots.traces({"one": [(fell, True), (fell, False)]})
    dots = [line for line in drawn[0].axes[0].lines if line.get_marker() == "o" and len(line.get_xdata())]
    assert [(*dot.get_xdata(), *dot.get_ydata()) for dot in dots] == [(2, 0.1)]


def test_each_run_is_a_dot_and_their_mean_a_bar(drawn):
    plots.dots({"baseline": [1.0, 2.0], "baseline + biases": [0.5]}, "KID, contrast")
    (axes,) = drawn[0].axes
    assert [list(line.get_xdata()) for line in axes.lines] == [[1.0, 2.0], [1.5, 1.5], [0.5], [0.5, 0.5]]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["baseline", "baseline + biases"]
    assert axes.yaxis_inverted()
    assert all(label.get_window_extent().x0 >= 0 for label in axes.get_yticklabels()), "a name is clipped"


def test_a_long_caption_ends_before_the_next_picture():
    pictures = [Image.new("RGB", (120, 20), "white") for _ in range(2)]
    drawn = np.asarray(plots.grid(pictures, 2, captions=["one with a caption that is much too long for it", ""]))
    assert (drawn[:20, :120] < 255).any()
    assert (drawn[:20, 120:] == 255).all()
