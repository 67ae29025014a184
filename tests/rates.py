"""The negative control of every detector with an empirical threshold."""

from bdlab import metrics


def holds_its_rate(fitted, calibration, test, *fprs):
    """On clean images the realised rates lie where 99 of 100 do, by the theory of the empirical threshold.

    They are counted in sources, for the augmentations of one source are not independent.
    """
    scores = fitted.score(test.x)
    for fpr in fprs:
        rate = (scores > fitted.threshold(fpr)).double().mean().item()
        low, high = metrics.realised_rate_interval(fpr, calibration.sources, test.sources, 0.99)
        assert low <= rate <= high, (fpr, rate)
