"""Every measure twice: a case by hand, and the same from a library."""

from __future__ import annotations

import numpy as np
import pytest

from dlpk.evaluation.measures import metrics
from dlpk.evaluation.measures.bootstrap import interval
from dlpk.evaluation.measures.boundaries import boundary_counts, boundary_f
from dlpk.evaluation.measures.counts import (
    EDGES,
    IGNORED,
    STEPS,
    ThresholdCounts,
    confusion,
    grouped_confusion,
)
from dlpk.evaluation.measures.matting import Matte, matting_measures

# Two rows of six pixels: background 0, classes 1 and 2, one pixel unknown.
TRUTH = np.array([[0, 0, 1, 1, 2, 2], [0, 1, 1, 2, 2, IGNORED]], np.uint8)
FOUND = np.array([[0, 1, 1, 1, 2, 0], [0, 1, 0, 2, 1, 2]], np.uint8)
MATRIX = np.array([[2, 1, 0], [1, 3, 0], [1, 1, 2]])


def random_classes(seed: int = 0, classes: int = 4) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    truth, found = generator.integers(0, classes, (2, 40, 50)).astype(np.uint8)
    found = np.where(generator.random(truth.shape) < 0.6, truth, found)
    return truth, found


def random_scores(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    truth = generator.random(4000) < 0.3
    scores = np.clip(generator.normal(0.35 + 0.25 * truth, 0.2), 0, 1)
    # On the steps themselves, so that a library sees the same ties.
    return truth, np.round(scores * STEPS) / STEPS


def counted(truth: np.ndarray, scores: np.ndarray) -> ThresholdCounts:
    return ThresholdCounts.of(scores, truth, np.ones_like(truth))


def test_confusion_by_hand() -> None:
    np.testing.assert_array_equal(confusion(TRUTH, FOUND, 3), MATRIX)
    groups = np.array([[0] * 6, [1] * 6], np.uint8)
    parts = grouped_confusion(TRUTH, FOUND, groups, 3, 2)
    np.testing.assert_array_equal(parts.sum(axis=0), MATRIX)
    np.testing.assert_array_equal(parts[1], confusion(TRUTH[1:], FOUND[1:], 3))
    # A group that does not count.
    np.testing.assert_array_equal(grouped_confusion(TRUTH, FOUND, groups, 3, 1)[0], parts[0])


def test_confusion_against_scikit_learn() -> None:
    from sklearn.metrics import confusion_matrix

    truth, found = random_classes()
    expected = confusion_matrix(truth.ravel(), found.ravel())
    np.testing.assert_array_equal(confusion(truth, found, 4), expected)


def test_measures_by_hand() -> None:
    np.testing.assert_allclose(metrics.iou(MATRIX), [2 / 5, 3 / 6, 2 / 4])
    assert metrics.mean_iou(MATRIX, background=True) == pytest.approx((0.4 + 0.5 + 0.5) / 3)
    assert metrics.mean_iou(MATRIX, background=False) == pytest.approx(0.5)
    assert metrics.foreground_iou(MATRIX) == pytest.approx(6 / 9)
    np.testing.assert_allclose(metrics.dice(MATRIX), [4 / 7, 6 / 9, 4 / 6])
    np.testing.assert_allclose(metrics.precision(MATRIX), [2 / 4, 3 / 5, 2 / 2])
    np.testing.assert_allclose(metrics.recall(MATRIX), [2 / 3, 3 / 4, 2 / 4])
    # F2 of class 1: 5 · 3 / (4 · 4 + 5).
    assert metrics.f_beta(MATRIX, 2.0)[1] == pytest.approx(15 / 21)
    assert metrics.accuracy(MATRIX) == pytest.approx(7 / 11)
    rows = np.stack([confusion(TRUTH[i : i + 1], FOUND[i : i + 1], 3) for i in range(2)])
    # Row 0: class 1 2/3, class 2 1/2; row 1: class 1 1/3, class 2 1/2.
    by_sample = metrics.mean_iou_by_sample(rows, background=False)
    assert by_sample == pytest.approx(((2 / 3 + 1 / 2) / 2 + (1 / 3 + 1 / 2) / 2) / 2)


def test_measures_against_libraries() -> None:
    import torch
    from sklearn.metrics import fbeta_score, jaccard_score, precision_score, recall_score
    from torchmetrics.segmentation import DiceScore

    truth, found = random_classes(1)
    matrix = confusion(truth, found, 4)
    t, f = truth.ravel(), found.ravel()
    np.testing.assert_allclose(metrics.iou(matrix), jaccard_score(t, f, average=None))
    np.testing.assert_allclose(metrics.precision(matrix), precision_score(t, f, average=None))
    np.testing.assert_allclose(metrics.recall(matrix), recall_score(t, f, average=None))
    expected = fbeta_score(t, f, beta=2, average=None)
    np.testing.assert_allclose(metrics.f_beta(matrix, 2.0), expected)
    dice = DiceScore(4, average="none", input_format="index", aggregation_level="global")
    dice.update(torch.tensor(found[None].astype(int)), torch.tensor(truth[None].astype(int)))
    np.testing.assert_allclose(metrics.dice(matrix), dice.compute().numpy(), rtol=1e-6)
    binary = confusion((truth > 0).astype(np.uint8), (found > 0).astype(np.uint8), 2)
    assert metrics.foreground_iou(matrix) == pytest.approx(jaccard_score(t > 0, f > 0))
    assert metrics.foreground_iou(binary) == pytest.approx(jaccard_score(t > 0, f > 0))


def test_empty_classes() -> None:
    matrix = np.array([[5, 0, 1], [0, 0, 0], [0, 0, 0]])
    assert np.isnan(metrics.iou(matrix)[1])
    assert metrics.iou(matrix)[2] == 0
    assert metrics.mean_iou(matrix, background=False) == 0  # class 1 is nowhere: left out
    assert np.isnan(metrics.dice(matrix)[1])
    assert metrics.dice(matrix, empty=1.0)[1] == 1
    assert metrics.dice(matrix, empty=1.0)[2] == 0  # found where there is nothing


def test_medical_dice_and_iou_against_monai() -> None:
    """Per image, then the mean; two empty masks agree."""
    import torch
    from monai.metrics import compute_dice, compute_iou

    generator = np.random.default_rng(3)
    truth, found = (generator.random((2, 6, 12, 12)) < 0.2).astype(np.uint8)
    truth[0] = found[0] = 0
    truth[1] = 0
    rows = np.stack([confusion(t, f, 2) for t, f in zip(truth, found)])
    planes = [torch.tensor(np.stack([1 - m, m], axis=1)) for m in (found, truth)]
    options = {"include_background": False, "ignore_empty": False}
    dice = compute_dice(*planes, **options).numpy()[:, 0]
    np.testing.assert_allclose(metrics.dice(rows, empty=1.0)[:, 1], dice, rtol=1e-6)
    iou = compute_iou(*planes, **options).numpy()[:, 0]
    ours = np.where(np.isnan(metrics.iou(rows)[:, 1]), 1.0, metrics.iou(rows)[:, 1])
    np.testing.assert_allclose(ours, iou, rtol=1e-6)


def test_false_alarms_by_hand() -> None:
    rows = np.array(
        [
            [[8, 2, 0], [0, 0, 0], [0, 0, 0]],  # neither class, two pixels of class 1 found
            [[10, 0, 0], [0, 0, 0], [0, 0, 0]],
            [[5, 0, 1], [1, 3, 0], [0, 0, 0]],  # has class 1; one pixel of class 2 found
        ]
    )
    samples, share, pixels = metrics.false_alarms(rows)
    np.testing.assert_array_equal(samples[1:], [2, 3])
    np.testing.assert_allclose(share[1:], [1 / 2, 1 / 3])
    np.testing.assert_allclose(pixels[1:], [2 / 20, 1 / 30])


def test_steps_are_strictly_above() -> None:
    values, each = np.array([0.0, 1e-9, 0.3, 0.3001, 1.0]), np.ones(5, bool)
    hits = ThresholdCounts.of(values, each, each).hits
    np.testing.assert_array_equal(np.flatnonzero(hits), [0, 1, 150, 151, 500])
    np.testing.assert_array_equal(EDGES[metrics.PAPER], np.linspace(0, 1, 51)[1:-1])
    # What the paper's code does, threshold by threshold.
    truth, scores = random_scores(2)
    counts = counted(truth, scores)
    for place, t in zip(range(10, 500, 10), np.linspace(0, 1, 51)[1:-1]):
        assert counts.tp[place] == (truth & (scores > t)).sum()
        assert counts.fp[place] == (~truth & (scores > t)).sum()
        assert counts.fn[place] == (truth & (scores <= t)).sum()
        assert counts.tn[place] == (~truth & (scores <= t)).sum()


def test_best_threshold_is_the_middle_of_the_best() -> None:
    hits, misses = np.zeros((2, STEPS + 1), np.int64)
    hits[[400, 450]] = [10, 30]  # pixels of the class with probabilities 0.8 and 0.9
    misses[[100, 420]] = [50, 20]  # others with 0.2 and 0.84
    counts = ThresholdCounts(hits, misses)
    values = metrics.iou_by_threshold(counts)
    assert values[0] == pytest.approx(40 / 110)
    assert values[250] == pytest.approx(40 / 60)
    assert values[425] == pytest.approx(30 / 40)
    assert values[450] == 0
    assert metrics.best_threshold(values) == pytest.approx(0.87, abs=0.011)


def test_average_precision() -> None:
    from sklearn.metrics import average_precision_score

    # By hand: 0.9 yes, 0.8 no, 0.7 yes: (1 + 2/3) / 2.
    counts = counted(np.array([True, False, True]), np.array([0.9, 0.8, 0.7]))
    assert metrics.average_precision(counts) == pytest.approx((1 + 2 / 3) / 2)
    truth, scores = random_scores()
    expected = average_precision_score(truth, scores)
    assert metrics.average_precision(counted(truth, scores)) == pytest.approx(expected)
    assert np.isnan(metrics.average_precision(counted(truth & False, scores)))


def test_average_precision_of_the_paper() -> None:
    """Two thresholds' worth of pairs by hand; and the paper's steps written out, with scipy."""
    from scipy.integrate import simpson

    # 3 of class at 0.5, 1 other at 0.5, 1 of class at 0.9: recall 4/5 with precision 4/6 below
    # 0.5, recall 1/5 with precision 1/2 up to 0.9. Of two points Simpson's rule is a trapezoid.
    counts = counted(
        np.array([True, True, True, False, True]), np.array([0.49, 0.49, 0.49, 0.49, 0.89])
    )
    by_hand = (4 / 5 - 1 / 5) * (4 / 6 + 1 / 2) / 2
    # Recalls have 1 in the denominator: 4 / (1 + 4), 1 / (1 + 4); precisions 4 / 6, 1 / 2.
    assert metrics.paper_average_precision(counts) == pytest.approx(by_hand)
    truth, scores = random_scores(4)
    pairs = set()
    for t in np.linspace(0, 1, 51)[1:-1]:
        tp, fp = (truth & (scores > t)).sum(), (~truth & (scores > t)).sum()
        if tp + fp:
            pairs.add((tp / (1 + truth.sum()), tp / (1 + tp + fp)))
    recalls, precisions = zip(*sorted(pairs))
    expected = simpson(precisions, x=recalls)
    assert metrics.paper_average_precision(counted(truth, scores)) == pytest.approx(expected)


def test_measures_of_the_paper_by_hand() -> None:
    """Two samples at threshold 0.5: 2 of 3 found and 1 false; 1 of 1 found."""
    parts = [
        counted(np.array([1, 1, 1, 0, 0], bool), np.array([0.9, 0.9, 0.1, 0.9, 0.1])),
        counted(np.array([1, 0, 0], bool), np.array([0.9, 0.1, 0.1])),
    ]
    samples = ThresholdCounts.stacked(parts)
    place = 24  # 0.5 of 0.02 … 0.98
    by_sample = metrics.paper_measures(samples, [0, 1])
    assert by_sample["mIoU"][place] == pytest.approx((2 / 5 + 1 / 2) / 2)
    assert by_sample["IoU_FG"][place] == pytest.approx(3 / 6)
    assert by_sample["IoU_BIN"][place] == pytest.approx((3 / 6 + 3 / 6) / 2)
    assert metrics.paper_measures(samples, [7, 7])["mIoU"][place] == pytest.approx(3 / 6)


def test_calibration_error() -> None:
    import torch
    from torchmetrics.classification import BinaryCalibrationError

    # By hand: ten pixels of 0.849, half of them right.
    truth = np.array([True, False] * 5)
    by_hand = metrics.calibration_error(counted(truth, np.full(10, 0.849)))
    assert by_hand == pytest.approx(0.349, abs=1e-3)
    truth, scores = random_scores(5)
    # torchmetrics rates confidences of the positive class in bins [a, b); ours are (a, b].
    scores = np.clip(scores - 0.0005, 0, 1)
    reference = BinaryCalibrationError(n_bins=10, norm="l1")
    reference.update(torch.tensor(scores), torch.tensor(truth.astype(int)))
    ours = metrics.calibration_error(counted(truth, scores))
    assert ours == pytest.approx(float(reference.compute()), abs=2e-3)
    said, true, pixels = metrics.reliability(counted(truth, scores))
    assert pixels.sum() == len(truth)
    assert said[3] == pytest.approx(scores[(scores > 0.3) & (scores <= 0.4)].mean(), abs=1e-3)
    assert true[3] == pytest.approx(truth[(scores > 0.3) & (scores <= 0.4)].mean())


def test_boundaries_by_hand() -> None:
    truth, found = np.zeros((2, 12, 12), np.uint8)
    truth[3:8, 3:8] = 1
    found[3:8, 4:9] = 1  # one to the right
    counts = boundary_counts(truth, found, 2, 0)
    # Outlines of 16 pixels each; rows 3 and 7 share four, and columns 4 and 7 none of the middle.
    np.testing.assert_array_equal(counts[1], [16, 8, 16, 8])
    assert boundary_f(counts)[1] == pytest.approx(0.5)
    assert boundary_f(boundary_counts(truth, found, 2, 1))[1] == 1
    assert np.isnan(boundary_f(boundary_counts(truth * 0, found * 0, 2, 1))[1])
    assert boundary_f(boundary_counts(truth, found * 0, 2, 1))[1] == 0
    # The edge of the raster and of what is known is no outline.
    half = np.zeros((6, 6), np.uint8)
    half[:, 3:] = 1
    assert boundary_counts(half, half, 2, 0)[1, 0] == 6
    half[:, :3] = IGNORED
    assert boundary_counts(half, half, 2, 0)[1, 0] == 0
    # In parts with a margin as in one piece.
    whole = boundary_counts(truth, found, 2, 2)
    parts = sum(
        boundary_counts(np.pad(truth, 3)[r : r + 10, :], np.pad(found, 3)[r : r + 10, :], 2, 2, 3)
        for r in (0, 4, 8)
    )
    np.testing.assert_array_equal(parts, whole)


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize("within", [0, 1, 2, 3])
def test_surface_dice_against_monai(within: int) -> None:
    import torch
    from monai.metrics import compute_surface_dice
    from scipy import ndimage

    generator = np.random.default_rng(within)
    truth, found = np.zeros((2, 40, 40), np.uint8)
    for mask in (truth, found):
        noise = ndimage.gaussian_filter(generator.random((30, 30)), 3)
        mask[5:35, 5:35] = noise > np.median(noise)
    planes = [torch.tensor(np.stack([1 - m, m])[None]) for m in (found, truth)]
    expected = float(compute_surface_dice(*planes, [within], include_background=False))
    found_of, found_near, true_of, true_near = boundary_counts(truth, found, 2, within)[1]
    assert (found_near + true_near) / (found_of + true_of) == pytest.approx(expected)


def test_matting_by_hand_and_against_torchmetrics() -> None:
    import torch
    from torchmetrics import MeanAbsoluteError, MeanSquaredError

    truth = np.array([[0.0, 1.0], [0.5, 0.5]])
    found = np.array([[0.5, 1.0], [0.5, 0.0]])
    measures = matting_measures([Matte.of(found, truth)], "image")
    assert list(measures.values()) == pytest.approx([0.001, 0.125, 0.25])
    generator = np.random.default_rng(0)
    truth, found = generator.random((2, 30, 20))
    ours = matting_measures([Matte.of(found, truth)], "expression")
    for name, reference in (("MAD", MeanAbsoluteError()), ("MSE", MeanSquaredError())):
        reference.update(torch.tensor(found), torch.tensor(truth))
        value = next(value for key, value in ours.items() if key.startswith(name))
        assert value == pytest.approx(float(reference.compute()))
    assert ours["SAD (sum / 1000)"] == pytest.approx(ours["MAD (alpha 0 to 1)"] * 600 / 1000)


def test_matting_groups() -> None:
    def matte(image: str, entity: str, expression: str, difference: float) -> Matte:
        return Matte(image, entity, expression, 1, difference, difference)

    mattes = [
        matte("a", "1", "x", 0.1),
        matte("a", "1", "y", 0.3),
        matte("a", "2", "x", 0.8),
        matte("b", "1", "x", 0.0),
    ]
    mad = {
        g: matting_measures(mattes, g)["MAD (alpha 0 to 1)"]
        for g in ("expression", "entity", "image")
    }
    assert mad["expression"] == pytest.approx(1.2 / 4)
    assert mad["entity"] == pytest.approx((0.2 + 0.8 + 0.0) / 3)
    assert mad["image"] == pytest.approx((0.4 + 0.0) / 2)
    with pytest.raises(ValueError, match="group_by is 'pixel'"):
        matting_measures(mattes, "pixel")


def test_interval_by_hand_and_against_scipy() -> None:
    from scipy.stats import bootstrap

    generator = np.random.default_rng(0)
    rows = generator.integers(0, 50, (30, 2, 2))
    low, high = interval(rows, metrics.iou, draws=2000)
    both, either = rows[:, 1, 1], rows[:, 1, 1] + rows[:, 0, 1] + rows[:, 1, 0]
    reference = bootstrap(
        (both, either),
        lambda a, b, axis: a.sum(axis=axis) / b.sum(axis=axis),
        paired=True,
        method="percentile",
        n_resamples=2000,
        random_state=0,
    ).confidence_interval
    assert (low[1], high[1]) == pytest.approx((reference.low, reference.high), abs=0.01)
    # Blocks that all agree leave no doubt; one block says nothing of others.
    same = np.repeat(MATRIX[None], 5, axis=0)
    low, high = interval(same, metrics.iou)
    np.testing.assert_allclose(low, metrics.iou(MATRIX))
    np.testing.assert_allclose(high, metrics.iou(MATRIX))
    assert np.isnan(interval(same[:1], metrics.iou)[0]).all()
