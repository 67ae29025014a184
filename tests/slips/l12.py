"""Lesson 12, DeepInspect: the deviation of the smallest class, its cut-off, the generator's loss, inverted images."""

import torch

from bdlab.exercises.parts import state_restored, values
from bdlab.exercises.specification import images, made
from slips import row, slip


def norms(rng):
    for count in (6, 10, 16):
        yield {"norms": images(rng, (count,)) * 10}


def families(rng):
    for n, alpha in ((10, 0.05), (16, 0.1), (43, 0.05)):
        yield {"n": n, "alpha": alpha, "generator": made("generator", n)}


def generated(rng):
    for target in (0, 1, 2):
        logits, delta = images(rng, (4, 3)) * 4, images(rng, (4, 1, 3, 3)) * torch.arange(4.0)[:, None, None, None]
        yield {"logits": logits, "delta": delta, "target": target, "budget": 5.0, "gamma": 0.3}


def inverted(rng):
    for seed in (0, 1, 2):
        net = made("model", "tiny_bn", shape=(1, 4, 4), classes=3, seed=seed, train=True)
        yield {"model": net, "target": seed, "x": images(rng, (3, 1, 4, 4)), "steps": 4, "lr": 2.0}


SLIPS = [
    row("l12", "deviation_factor(norms)", parts=[values(1, norms, "3 draws")], reference="""
def deviation_factor(norms):
    centre = norms.quantile(0.5)
    spread = (norms - centre).abs().quantile(0.5)
    return (centre - norms) / (1.4826 * spread)
""",
        divided=slip("1.4826 multiplies the MAD: you divide by it.", "1.4826 * spread", "spread / 1.4826"),
        lower_middle=slip("torch.median gives the lower of the two middle values: take their mean.", "quantile(0.5)",
                          "median()", count=2),
        two_sided=slip("Only a small norm is suspicious: you count both sides.", "(centre - norms)",
                       "(centre - norms).abs()"),
        deviation=slip("You divide by the standard deviation: one outlier hides itself in it.", "1.4826 * spread",
                       "norms.std()")),
    row("l12", "family_cutoff(n, alpha, generator)", parts=[values(1, families, "3 draws", tolerance=0.03)], reference="""
def family_cutoff(n, alpha, generator):
    norms = torch.randn(4000, n, generator=generator)
    centre = norms.quantile(0.5, 1, keepdim=True)
    spread = (norms - centre).abs().quantile(0.5, 1, keepdim=True)
    factors = (centre - norms) / (1.4826 * spread)
    return factors.amax(1).quantile(1 - alpha).item()
""",
        all_values=slip("This quantile is of all classes: take it of the largest one of each model.", "factors.amax(1)",
                        "factors.flatten()"),
        alpha=slip("You take the quantile alpha: it is 1 - alpha that lets alpha of the clean models through.",
                   "1 - alpha", "alpha"),
        two_sided=slip("You take the larger of both sides: only small norms are suspicious.", "factors.amax(1)",
                       "factors.abs().amax(1)")),
    row("l12", "generator_loss(logits, delta, target, budget, gamma)", parts=[values(1, generated, "3 draws")], reference="""
def generator_loss(logits, delta, target, budget, gamma):
    missed = -logits.log_softmax(1)[:, target]
    size = delta.abs().flatten(1).sum(1)
    return (missed + gamma * F.relu(size - budget)).mean()
""",
        no_log=slip("The logarithm of the probability is missing.", "log_softmax", "softmax"),
        sign=slip("The sign is wrong: the loss must fall where the target gets likely.", "= -logits", "= logits"),
        mean_first=slip("You compare the mean size with the budget: compare each image's own.", "size - budget",
                        "size.mean() - budget"),
        l1_mean=slip("The l1 norm is a sum over all pixels, not a mean.", "flatten(1).sum(1)", "flatten(1).mean(1)")),
    row("l12", "invert_class(model, target, x, steps, lr)",
        parts=[values(2, inverted, "3 draws"), state_restored(1, inverted)], reference="""
def invert_class(model, target, x, steps, lr):
    training = model.training
    model.eval()
    found, y = x.clone(), torch.full((len(x),), target)
    for _ in range(steps):
        found.requires_grad_()
        loss = F.cross_entropy(model(found), y, reduction="sum")
        (slope,) = torch.autograd.grad(loss, found)
        found = (found - lr * slope).clamp(0, 1).detach()
    model.train(training)
    return found
""",
        ascent=slip("You go up the loss, away from the class.", "found - lr", "found + lr"),
        leaves=slip("Pixels leave [0, 1]: cut after each step.", ".clamp(0, 1)", ""),
        one_image=slip("All results grow from one image: each must grow from its own.", "x.clone()",
                       "x[:1].expand_as(x).clone()"),
        train_mode=slip("Ask in eval mode: in train mode the images of the batch change each other.", "model.eval()",
                        "pass")),
]  # fmt: skip
