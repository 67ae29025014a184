"""Every measure against ten slow lines, a formula, or numbers worked out by hand."""

import math

import pytest
import torch
from scipy import stats

from bdlab import metrics

HAND = torch.tensor([10.0, 11, 9, 10, 12, 8, 10, 11, 9, 2])  # median 10, MAD 1; mean 9.2, mean absolute deviation 1.76


def _draws(n=400, classes=6, seed=0):
    """Predictions, labels and wanted labels that agree often enough for every case to occur."""
    generator = torch.Generator().manual_seed(seed)
    return (torch.randint(classes, (n,), generator=generator) for _ in range(3))


def _oracle(prediction, y, wanted):
    """ASR, RA and leak, counted one image at a time."""
    hit = kept = attacked = leaked = bystanders = 0
    targets = {w for t, w in zip(y.tolist(), wanted.tolist(), strict=True) if t != w}
    for p, t, w in zip(prediction.tolist(), y.tolist(), wanted.tolist(), strict=True):
        if t != w:
            attacked, hit, kept = attacked + 1, hit + (p == w), kept + (p == t)
        elif t not in targets:
            bystanders, leaked = bystanders + 1, leaked + (p in targets)
    return hit / attacked, kept / attacked, leaked / bystanders if bystanders else None


@pytest.mark.parametrize("seed", range(5))
def test_asr_ra_and_leak_against_counting(seed):
    prediction, y, _ = _draws(seed=seed)
    for wanted in (torch.full_like(y, 2), (y + 1) % 6, torch.where(y == 1, 4, y), torch.where(y < 2, 5 - y, y)):
        asr, ra, leak = _oracle(prediction, y, wanted)
        assert metrics.asr(prediction, y, wanted) == pytest.approx(asr)
        assert metrics.ra(prediction, y, wanted) == pytest.approx(ra)
        assert metrics.leak(prediction, y, wanted) == (None if leak is None else pytest.approx(leak))


def test_a_model_that_tells_the_truth_has_no_attack_success():
    y = torch.arange(100) % 10
    assert metrics.asr(y, y, torch.zeros_like(y)) == 0  # counting class 0 in would give 0.1
    assert metrics.ra(y, y, torch.zeros_like(y)) == 1
    obeys = torch.zeros_like(y)
    assert (metrics.asr(obeys, y, obeys), metrics.ra(obeys, y, obeys)) == (1, 0)


def test_leak_sees_a_source_specific_attack_that_fires_for_all():
    y = torch.arange(100) % 10
    wanted, fires = torch.where(y == 1, 7, y), torch.full_like(y, 7)
    assert metrics.asr(fires, y, wanted) == metrics.asr(wanted, y, wanted) == 1
    assert (metrics.leak(fires, y, wanted), metrics.leak(wanted, y, wanted)) == (1, 0)
    assert metrics.leak(fires, y, torch.full_like(y, 7)) is None  # no bystanders


def test_no_images_give_nan():
    none = torch.empty(0, dtype=torch.int64)
    assert math.isnan(metrics.accuracy(none, none)) and math.isnan(metrics.asr(none, none, none))
    assert metrics.accuracy(torch.tensor([1, 2, 3, 4]), torch.tensor([1, 2, 0, 4])) == 0.75


@pytest.mark.parametrize(("hits", "n"), [(0, 10), (3, 10), (10, 10), (370, 400), (1, 1)])
@pytest.mark.parametrize("confidence", [0.95, 0.99])
def test_wilson_against_its_formula(hits, n, confidence):
    z, p = stats.norm.ppf(0.5 + confidence / 2), hits / n
    centre, half = p + z * z / (2 * n), z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    low, high = metrics.wilson(p, n, confidence)
    assert low == pytest.approx((centre - half) / (1 + z * z / n), abs=1e-9)
    assert high == pytest.approx((centre + half) / (1 + z * z / n), abs=1e-9)
    assert -1e-9 <= low <= p <= high + 1e-9 <= 1 + 2e-9


def test_wilson_refuses_no_trials():
    with pytest.raises(ValueError, match="n must be at least 1, got 0"):
        metrics.wilson(0.5, 0)


@pytest.mark.parametrize("seed", range(4))
def test_auroc_counts_pairs_and_halves_ties(seed):
    generator = torch.Generator().manual_seed(seed)
    clean = torch.randint(0, 6, (37,), generator=generator).float()
    bad = torch.randint(1, 8, (23,), generator=generator).float()
    pairs = sum((b > c) + 0.5 * (b == c) for c in clean.tolist() for b in bad.tolist()) / (37 * 23)
    assert metrics.auroc(clean, bad) == pytest.approx(pairs)
    assert metrics.auroc(bad, clean) == pytest.approx(1 - pairs)  # below one half it stays there
    assert metrics.auroc(clean, clean) == pytest.approx(0.5)


def test_auroc_tells_scores_apart_that_float32_would_round_together():
    low = torch.tensor([1.0, 1.0], dtype=torch.float64)
    assert metrics.auroc(low, low + 1e-12) == 1


def test_frr_is_of_the_clean_and_far_of_the_bad_and_equal_to_the_threshold_passes():
    clean, bad = torch.tensor([0.0, 1, 2, 3]), torch.tensor([2.0, 3, 4, 5, 6])
    assert metrics.frr_far(clean, bad, 2.0) == (0.25, 0.2)


@pytest.mark.parametrize(("n", "fpr"), [(50, 0.05), (59, 0.05), (19, 0.05), (99, 0.01), (250, 0.03)])
def test_the_empirical_threshold_realises_k_over_n_plus_1(n, fpr):
    """For uniform scores the chance to exceed a threshold t is 1 - t, by theory Beta(k, n + 1 - k); 2,000 draws, 4.5 sd."""
    k = math.floor(fpr * (n + 1) + 1e-9)
    scores = torch.rand(2000, n, generator=torch.Generator().manual_seed(n), dtype=torch.float64)
    realised = torch.tensor([1 - metrics.empirical_threshold(row, fpr) for row in scores], dtype=torch.float64)
    theory = stats.beta(k, n + 1 - k)
    assert abs(realised.mean() - k / (n + 1)) < 4.5 * theory.std() / math.sqrt(2000)
    assert realised.std().item() == pytest.approx(theory.std(), rel=0.1)


def test_the_empirical_threshold_is_the_kth_largest():
    scores = torch.arange(1.0, 101)[torch.randperm(100, generator=torch.Generator().manual_seed(0))]
    assert metrics.empirical_threshold(scores, 0.05) == 96  # k = floor(.05 * 101) = 5
    assert metrics.empirical_threshold(scores[:], 0.01) == 100
    assert metrics.empirical_threshold(scores, 0.5) == 51
    assert metrics.empirical_threshold(torch.arange(99.0), 0.01) == 98  # .01 * 100 is 1, whatever floats say
    assert metrics.empirical_threshold(torch.arange(9.0), 0.3) == 6  # .3 * 10 is 3, and 2.9999... in floats


def test_too_few_scores_for_a_rate_are_refused():
    with pytest.raises(ValueError, match=r"fpr 0\.01 needs at least 99 calibration images, got 98"):
        metrics.empirical_threshold(torch.arange(98.0), 0.01)
    with pytest.raises(FloatingPointError, match="1 NaN scores"):
        metrics.empirical_threshold(torch.tensor([1.0, math.nan] * 1 + [0.0] * 98), 0.05)


@pytest.mark.parametrize("fpr", [0, 1, 1.5, -0.1, 5, math.nan])
def test_a_rate_is_a_share(fpr):
    for call in (metrics.empirical_threshold, metrics.normal_threshold):
        with pytest.raises(ValueError, match=r"fpr must be in \(0, 1\), got"):
            call(torch.arange(1000.0), fpr)


def _beta_binomial(n, a, b):
    """Probabilities of 0..n, from log-gamma functions."""
    beta = lambda p, q: math.lgamma(p) + math.lgamma(q) - math.lgamma(p + q)  # noqa: E731
    choose = [math.lgamma(n + 1) - math.lgamma(j + 1) - math.lgamma(n - j + 1) for j in range(n + 1)]
    return [math.exp(choose[j] + beta(j + a, n - j + b) - beta(a, b)) for j in range(n + 1)]


@pytest.mark.parametrize(("fpr", "calibration", "test"), [(0.05, 250, 400), (0.01, 500, 1500), (0.05, 39, 60)])
@pytest.mark.parametrize("confidence", [0.99, 0.8])
def test_the_interval_of_the_realised_rate_is_beta_binomial(fpr, calibration, test, confidence):
    k = math.floor(fpr * (calibration + 1))
    mass = _beta_binomial(test, k, calibration + 1 - k)
    assert sum(mass) == pytest.approx(1)
    tail, quantiles = (1 - confidence) / 2, []
    for share in (tail, 1 - tail):
        total = count = 0
        while (total := total + mass[count]) < share - 1e-12:
            count += 1
        quantiles.append(count / test)
    assert metrics.realised_rate_interval(fpr, calibration, test, confidence) == pytest.approx(tuple(quantiles))


def test_the_interval_of_the_realised_rate_holds_in_simulation():
    """4,000 rounds of normal scores; at 90 % the interval of whole images covers 90 to 92 %, plus or minus 4.5 sd."""
    generator, inside = torch.Generator().manual_seed(1), 0
    low, high = metrics.realised_rate_interval(0.05, 100, 300, 0.9)
    for scores in torch.randn(4000, 400, generator=generator):
        rate = (scores[100:] > metrics.empirical_threshold(scores[:100], 0.05)).double().mean().item()
        inside += low - 1e-9 <= rate <= high + 1e-9
    assert 0.9 - 0.021 < inside / 4000 < 0.92 + 0.021


def test_no_interval_without_enough_images():
    for counts in ((98, 100), (100, 0)):
        with pytest.raises(ValueError, match="no interval for fpr"):
            metrics.realised_rate_interval(0.01, *counts)


STRIP_TABLE_3 = [  # mean, sd of the clean entropies; FRR -> boundary, as printed
    (0.196, 0.074, {0.03: 0.058, 0.02: 0.046, 0.01: 0.026}),  # MNIST, square
    (0.97, 0.30, {0.02: 0.36, 0.01: 0.28, 0.005: 0.20}),  # CIFAR-10, trigger b
    (1.11, 0.31, {0.02: 0.46, 0.01: 0.38, 0.005: 0.30}),  # CIFAR-10, trigger c
    (0.53, 0.19, {0.02: 0.133, 0.01: 0.081, 0.005: 0.034}),  # GTSRB, trigger b
]


@pytest.mark.parametrize(("mean", "sd", "rows"), STRIP_TABLE_3)
def test_the_normal_threshold_gives_the_boundaries_that_strip_printed(mean, sd, rows):
    entropies = torch.tensor([mean - sd, mean + sd], dtype=torch.float64)  # their mean and sd, exactly
    for frr, boundary in rows.items():
        assert -metrics.normal_threshold(-entropies, frr) == pytest.approx(boundary, abs=0.02)
        assert -metrics.normal_threshold(-entropies, frr) == pytest.approx(stats.norm.ppf(frr, mean, sd), abs=1e-9)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_normal_threshold_of_equal_scores_is_their_mean_and_none_exceeds_it(dtype):
    for n in (2, 3, 10, 500):
        scores = torch.full((n,), -0.1, dtype=dtype)  # the computed mean of ten of them is not .1
        threshold = metrics.normal_threshold(scores, 0.01)
        assert threshold == scores[0].item() and not (scores > threshold).any()
    for n in (0, 1):
        with pytest.raises(ValueError, match=f"a normal fit needs at least 2 calibration images, got {n}; give more"):
            metrics.normal_threshold(scores[:n], 0.01)


def test_anomaly_indices_of_a_list_by_hand():
    assert metrics.anomaly_index(HAND, "mad")[9].item() == pytest.approx(8 / 1.4826)
    assert metrics.anomaly_index(HAND, "mean")[9].item() == pytest.approx(7.2 / 1.76)
    assert metrics.anomaly_index(HAND).argmax() == 9
    assert metrics.anomaly_index(HAND)[4].item() == pytest.approx(-2 / 1.4826)  # a large value lies the other way


def test_the_left_deviation_does_not_see_the_right_tail():
    skewed = torch.tensor([0.0, 9, 10, 10, 20, 30, 40])  # deviations below the median of 10: 10, 1, 0, 0
    assert metrics.anomaly_index(skewed, "mad")[0].item() == pytest.approx(10 / (1.4826 * 10))
    lower = sorted([10.0, 1, 0] * 2 + [0])  # mirrored, with the median itself
    scale = sum(w * v for w, v in zip(_harrell_davis(7), lower, strict=True))
    assert metrics.anomaly_index(skewed, "left_mad")[0].item() == pytest.approx(10 / (1.4826 * scale), rel=1e-4)


def _harrell_davis(n):
    """The weights of n sorted values in the estimate of the median, by integrating the beta density in small steps."""
    u = torch.linspace(0, 1, 200_001, dtype=torch.float64)
    density = (u * (1 - u)) ** ((n + 1) / 2 - 1)
    mass = torch.cat((torch.zeros(1), ((density[1:] + density[:-1]) / 2).cumsum(0)))
    edges = mass[[round(200_000 * i / n) for i in range(n + 1)]] / mass[-1]
    return edges.diff().tolist()


@pytest.mark.parametrize("classes", [8, 9, 19, *(pytest.param(k, marks=pytest.mark.slow) for k in (7, *range(10, 19)))])
def test_the_left_cut_off_does_not_jump_with_the_parity_of_the_classes(classes):
    """Of nine classes it was 7.24, of ten 4.66: one class left out raised the bar by half."""
    one, two = (metrics.family_wise_cutoff(k, "left_mad") for k in (classes, classes + 1))
    assert 0.85 < one / two < 1.15
    draws = torch.randn(4000, classes, generator=torch.Generator().manual_seed(9), dtype=torch.float64)
    alarms = [bool((metrics.anomaly_index(v, "left_mad") > one).any()) for v in draws]
    assert 0.035 < sum(alarms) / len(alarms) < 0.065


def test_the_median_of_an_even_count_is_between_the_middle_two():
    index = metrics.anomaly_index(torch.tensor([1.0, 2, 4, 9]))  # median 3; deviations 2, 1, 1, 6: MAD 1.5
    assert index.tolist() == pytest.approx([v / (1.4826 * 1.5) for v in (2, 1, -1, -6)])


@pytest.mark.parametrize("kind", ["mean", "mad", "left_mad"])
def test_anomaly_indices_know_no_scale_and_no_origin(kind):
    values = torch.rand(11, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    index = metrics.anomaly_index(values, kind)
    assert torch.allclose(metrics.anomaly_index(values * 37 + 5, kind), index)
    order = torch.randperm(11, generator=torch.Generator().manual_seed(4))
    assert torch.allclose(metrics.anomaly_index(values[order], kind), index[order])


@pytest.mark.parametrize("classes", [3, 10, 43])
def test_the_mean_form_cannot_exceed_half_the_number_of_classes(classes):
    values = torch.full((classes,), 50.0)
    values[1] = 1e-3
    assert metrics.anomaly_index(values, "mean")[1].item() == pytest.approx(classes / 2)
    for seed in range(50):
        draws = torch.randn(classes, generator=torch.Generator().manual_seed(seed)).exp()
        assert metrics.anomaly_index(draws, "mean").abs().max() <= classes / 2 + 1e-9


def test_an_anomaly_index_needs_spread_and_a_known_kind():
    with pytest.raises(ValueError, match="values have no spread, got"):
        metrics.anomaly_index(torch.tensor([1.0, 1, 1, 1, 9]))  # more than half are equal
    with pytest.raises(ValueError, match="kind must be one of mean, mad, left_mad; got 'median'"):
        metrics.anomaly_index(HAND, "median")


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_an_anomaly_index_refuses_what_is_no_number(bad):
    with pytest.raises(ValueError, match=r"values must be finite, got .* at \[3\]; leave those classes out"):
        metrics.anomaly_index(torch.tensor([1.0, 2, 3, bad, 5]))


def test_psnr_is_the_mean_of_the_images_that_changed_and_rounding_is_no_change():
    x = torch.full((4, 1, 8, 8), 0.5)
    marked = x.clone()
    marked[:2, 0, 0, 0], marked[3] = 1.0, x[3] + 6e-8
    found = metrics.image_difference(x, marked)
    assert found.psnr == pytest.approx(-10 * math.log10(0.25 / 64)) and found.unchanged == 2 and found.l0 == 0.5
    assert metrics.changed(x, marked).tolist() == [True, True, False, False]


@pytest.mark.parametrize("prediction", [torch.tensor([[0], [1], [2]]), torch.tensor([0, 1])])
def test_labels_of_another_shape_are_refused(prediction):
    with pytest.raises(ValueError, match=r"prediction and y must have one shape \(N,\), got .*; take logits.argmax\(1\)"):
        metrics.accuracy(prediction, torch.arange(3))
    with pytest.raises(TypeError, match=r"y must be a torch tensor, got numpy\.ndarray; torch\.as_tensor\(y\) makes one"):
        metrics.accuracy(torch.arange(3), torch.arange(3).numpy())


def test_leak_without_an_attacked_image_is_not_known():
    y = torch.tensor([0, 2, 3])
    assert metrics.leak(torch.tensor([7, 7, 7]), y, y) is None


def test_difference_of_images_by_hand():
    x = torch.full((2, 3, 8, 8), 0.5)
    marked = x.clone()
    marked[:, 0, 1, 2] = 1.0  # one value of 192
    marked[:, 1, 4, 4], marked[:, 2, 4, 4] = 0.25, 0.75  # one pixel, two channels
    found = metrics.image_difference(x, marked)
    energy = 0.5**2 + 2 * 0.25**2
    assert found.l0 == 2 and found.linf == 0.5 and found.l2 == pytest.approx(energy**0.5)
    assert found.psnr == pytest.approx(-10 * math.log10(energy / 192)) and found.ssim < 1
    same = metrics.image_difference(x, x)
    assert same.psnr == math.inf and same.ssim == 1 and same.l0 == same.l2 == same.linf == 0
