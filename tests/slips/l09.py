"""Lesson 09, STRIP: entropy, superimposed images, scores, false rejections and acceptances."""

import torch

from bdlab.exercises.parts import values
from bdlab.exercises.specification import images, made
from slips import row, slip


def simplex(rng):
    for shape in ((2, 3), (3, 5), (1, 4)):
        probs = images(rng, shape)
        yield {"probs": probs / probs.sum(1, keepdim=True)}


def overlaid(rng):
    for cut in (False, True, False):
        yield {"x": images(rng, (2, 1, 3, 2)), "overlays": images(rng, (3, 1, 3, 2)), "cut": cut}


def streams(rng):
    for seed in (0, 1, 2):
        net = made("model", "tiny", shape=(1, 4, 4), classes=3, seed=seed)
        yield {"model": net, "x": images(rng, (2, 1, 4, 4)) * 3, "overlays": images(rng, (3, 1, 4, 4)) * 3}


def entropies(rng):
    for frr in (0.1, 0.25, 0.5):
        clean = torch.from_numpy(rng.rand(20))
        yield {"clean": clean, "trojan": torch.from_numpy(rng.rand(15) * 0.8), "frr": frr}


SLIPS = [
    row("l09", "entropy(probs)", parts=[values(1, simplex, "3 draws")], reference="""
def entropy(probs):
    logs = torch.log2(probs.clamp_min(1e-30))
    return -(probs * logs).sum(1)
""",
        nats=slip("You take the natural logarithm: the entropy is in bits.", "log2", "log"),
        mean=slip("You take the mean over the classes in place of the sum.", "sum(1)", "mean(1)"),
        batch=slip("You sum over the batch: each row has an entropy of its own.", "sum(1)", "sum(0)")),
    row("l09", "superimpose(x, overlays, cut)", parts=[values(1, overlaid, "3 draws")], reference="""
def superimpose(x, overlays, cut):
    mixed = x[:, None] + overlays
    return mixed.clamp(0, 1) if cut else mixed
""",
        zipped=slip("You pair the first image with the first overlay: wanted are all pairs.", "x[:, None] + overlays",
                    "x + overlays[: len(x)]"),
        overlay_major=slip("The images come first, the overlays second: (N, M, ...).", "x[:, None] + overlays",
                           "x + overlays[:, None]"),
        halves=slip("You take the mean of both: add them.", "x[:, None] + overlays", "(x[:, None] + overlays) / 2"),
        always_cut=slip("You cut where nobody asked for it.", "if cut", "if True")),
    row("l09", "strip_scores(model, x, overlays)", parts=[values(1, streams, "3 draws")], reference="""
def strip_scores(model, x, overlays):
    mixed = x[:, None] + overlays
    with torch.no_grad():
        probs = model(mixed.flatten(0, 1)).softmax(1).view(*mixed.shape[:2], -1)
    return -torch.special.entr(probs).sum(-1).mean(1)
""",
        mean_first=slip("This is the entropy of the mean: wanted is the mean of the entropies.",
                        "entr(probs).sum(-1).mean(1)", "entr(probs.mean(1)).sum(-1)"),
        per_overlay=slip("One score for each overlay: wanted is one for each image.", "mean(1)", "mean(0)"),
        own_overlays=slip("You lay the inputs over each other: use the overlays.", "+ overlays", "+ x"),
        safer=slip("A higher score must mean more suspicious: low entropy is.", "return -", "return ")),
    row("l09", "frr_far(clean, trojan, frr)", parts=[values(1, entropies, "3 draws")], reference="""
def frr_far(clean, trojan, frr):
    boundary = torch.quantile(clean, frr)
    return {
        "frr": (clean < boundary).double().mean().item(),
        "far": (trojan >= boundary).double().mean().item(),
    }
""",
        upper=slip("You cut at the upper end: low entropy is suspicious.", "clean, frr)", "clean, 1 - frr)"),
        from_trojans=slip("The boundary comes from clean inputs: nobody has trojans in advance.", "quantile(clean",
                          "quantile(trojan"),
        flagged=slip("FAR is the share of trojans that pass, not of those that are flagged.", "trojan >=", "trojan <")),
]  # fmt: skip
