"""Lesson 02, what is a backdoor: a table, flipped labels, fast gradient signs, success of an attack."""

import torch

from bdlab.exercises.parts import property_holds, state_restored, values
from bdlab.exercises.specification import images, made
from slips import row, slip


def flips(rng):
    """Many rows: what is wrong by chance is then wrong for certain."""
    for seed, share in enumerate((0.75, 0.5, 0.25)):
        y = torch.from_numpy(rng.randint(10, size=4000))
        yield {"y": y, "share": share, "classes": 10, "generator": made("generator", seed)}


def _flipped(draw, got):
    return int((got != draw["y"]).sum()), round(draw["share"] * len(draw["y"]))


def judge_flips(draw, got):
    there, wanted = _flipped(draw, got)
    step = (got - draw["y"])[got != draw["y"]] % draw["classes"]
    kept = torch.equal(got.bincount(minlength=10), draw["y"].bincount(minlength=10))
    return {
        "fewer than round(share * N) labels differ": there >= wanted,
        "more than round(share * N) labels differ": there <= wanted,
        "about one label in `classes` fell on its own class": abs(there - wanted * (1 - 1 / draw["classes"])) > wanted / 50,
        "the new labels are not spread over all other classes": len(step.unique()) == draw["classes"] - 1,
        "every class has as many labels as before": not kept,
    }


def _by_chance(draw, got, failed):
    there, wanted = _flipped(draw, got)
    return abs(there - wanted) < 4 * (wanted * (1 - draw["share"])) ** 0.5


def attacked(rng):
    for seed in (0, 1, 2):
        net = made("model", "tiny_bn", shape=(1, 4, 4), classes=3, seed=seed, train=True, stale_grad=True)
        yield {"model": net, "x": images(rng, (16, 1, 4, 4)), "y": torch.arange(16) % 3, "target": seed,
               "trigger": made("patch", [0, 0], 2, 1.0)}  # fmt: skip


def evaded(rng):
    for seed in (0, 1, 2):
        net = made("model", "tiny", shape=(1, 4, 4), classes=3, seed=seed, stale_grad=True)
        yield {"model": net, "x": images(rng, (5, 1, 4, 4)), "y": torch.arange(5) % 3, "eps": 0.1 + 0.1 * seed}


SLIPS = [
    row("l02", "threat_table", parts=[values(1, lambda rng: [{}], "every cell")], reference="""
threat_table = {
    "evasion": ("use", "one input"),
    "poisoning": ("data", "whole model"),
    "poisoned backdoor": ("data", "trigger"),
    "merged backdoor": ("model", "trigger"),
}
""",
        evasion=slip("Evasion changes an input of a finished model.", '("use", ', '("data", '),
        always_poisoning=slip("A backdoor needs no poisoned data: a module can be merged.", '("model", ', '("data", '),
        swapped=slip(
            "When the attacker acts and what is hit have changed places.", '"use", "one input"', '"one input", "use"',
            '"data", "whole model"', '"whole model", "data"', '"data", "trigger"', '"trigger", "data"',
            '"model", "trigger"', '"trigger", "model"',
            when=lambda draw, got, expected: all(got[name][::-1] == expected[name] for name in expected),
        )),
    row("l02", "flip_labels(y, share, classes, generator)",
        parts=[property_holds(1, flips, judge_flips, "3 draws", name="flips")], reference="""
def flip_labels(y, share, classes, generator):
    rows = torch.randperm(len(y), generator=generator)[: round(share * len(y))]
    flipped = y.clone()
    step = torch.randint(1, classes, (len(rows),), generator=generator)
    flipped[rows] = (y[rows] + step) % classes
    return flipped
""",
        own_class=slip("One label in K stays: draw among the other classes.", "randint(1, classes", "randint(0, classes",
                       loses="flips"),
        by_chance=slip("You toss a coin for each row: the number must be exact.",
                       "torch.randperm(len(y), generator=generator)[: round(share * len(y))]",
                       "(torch.rand(len(y), generator=generator) < share).nonzero().flatten()",
                       loses="flips", when=_by_chance),
        repeated=slip("A row may be drawn twice, and then fewer labels differ.",
                      "torch.randperm(len(y), generator=generator)[: round(share * len(y))]",
                      "torch.randint(len(y), (round(share * len(y)),), generator=generator)", loses="flips"),
        next_class=slip("Every label goes up by one: draw among all other classes.", "+ step", "+ 1", loses="flips"),
        shuffled=slip("You shuffle labels: the classes keep their counts, and some rows their label.",
                      "(y[rows] + step) % classes", "y[rows[torch.randperm(len(rows), generator=generator)]]",
                      loses="flips")),
    row("l02", "fgsm(model, x, y, eps)", parts=[values(2, evaded, "3 draws"), state_restored(1, evaded)], reference="""
def fgsm(model, x, y, eps):
    x = x.clone().requires_grad_()
    loss = F.cross_entropy(model(x), y)
    (slope,) = torch.autograd.grad(loss, x)
    return (x + eps * slope.sign()).clamp(0, 1).detach()
""",
        minus=slip("You go down the loss: the attacker goes up.", "x + eps", "x - eps"),
        raw=slip("You add the gradient itself: take its sign.", "slope.sign()", "slope"),
        clipped_first=slip("Cut to [0, 1] after adding, not before.", "(x + eps * slope.sign()).clamp(0, 1)",
                           "(x.clamp(0, 1) + eps * slope.sign())"),
        backward=slip("backward() leaves gradients in the model: ask autograd.grad for x alone.",
                      "(slope,) = torch.autograd.grad(loss, x)", "loss.backward()\n    slope = x.grad",
                      loses="state restored")),
    row("l02", "attack_success_rate(model, x, y, target, trigger)",
        parts=[values(2, attacked, "3 draws"), state_restored(1, attacked)], reference="""
def attack_success_rate(model, x, y, target, trigger):
    training = model.training
    model.eval()
    with torch.no_grad():
        clean = model(x).argmax(1)
        read = model(trigger(x)).argmax(1)
    model.train(training)
    return (read == target)[y != target].float().mean().item()
""",
        target_counted=slip("Images of the target class count, too: nobody need attack them.", "[y != target]", ""),
        all_divided=slip("You count the others and divide by all.", "float().mean()", "float().sum().div(len(y))"),
        read_as_target=slip("You leave out what is read as the target: leave out what is of that class.",
                            "[y != target]", "[clean != target]"),
        train_mode=slip("Ask in eval mode: batch norm reads the marked batch.", "model.eval()", "pass")),
]  # fmt: skip
