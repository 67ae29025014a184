"""Lesson 13, RBD: the loss that unlearns, one step of the shadow, the score, the guard."""

import torch

from bdlab.exercises.parts import values
from bdlab.exercises.specification import images, made
from slips import row, slip


def logits(rng):
    for count in (2, 3, 5):
        yield {"shadow": images(rng, (count, 4)) * 5, "teacher": images(rng, (count, 4)) * 5}


def pairs(rng):
    for seed in (0, 1, 2):
        shadow = made("model", "tiny_bn", shape=(1, 4, 4), classes=3, seed=seed, stale_grad=True)
        teacher = made("model", "tiny_bn", shape=(1, 4, 4), classes=3, seed=seed + 5)
        yield {"shadow": shadow, "teacher": teacher, "x": images(rng, (6, 1, 4, 4)), "optimiser": made("sgd", shadow, 0.5)}


def _step(sub, given):
    return sub.call("shadow_step", *(given[name] for name in ("shadow", "teacher", "x", "optimiser")))


def stepped(sub, given):
    return {"loss": _step(sub, given), "shadow": sub.state(given["shadow"])}


def teachers_gradients(sub, given):
    _step(sub, given)
    return sub.value(sub.fixture("gradients", given["teacher"]))


def scored(rng):
    for seed in (0, 1, 2):
        model, shadow = (made("model", "linear", shape=(1, 2, 2), classes=4, seed=seed + n) for n in (0, 5))
        yield {"model": model, "shadow": shadow, "x": images(rng, (6, 1, 2, 2)) * 9}


def guarded(rng):
    for draw in scored(rng):
        clean, used = images(rng, (10, 1, 2, 2)) * 9, images(rng, (10, 1, 2, 2)) * 9
        own = {"model": draw["model"], "shadow": draw["shadow"], "clean": clean, "used": used, "fpr": 0.2}
        yield {**own, "_x": torch.cat([clean, images(rng, (20, 1, 2, 2)) * 9])}


def flags(sub, given):
    guard = sub.call("guard", *(given[name] for name in ("model", "shadow", "clean", "used", "fpr")))
    return sub.invoke(guard, given["_x"])


SLIPS = [
    row("l13", "unlearn_loss(shadow, teacher)", parts=[values(1, logits, "3 draws")], reference="""
def unlearn_loss(shadow, teacher):
    apart = F.kl_div(shadow.log_softmax(1), teacher.softmax(1), reduction="batchmean")
    return -apart / teacher.norm()
""",
        wrong_way=slip("The divergence goes the wrong way round: the teacher's distribution comes first.",
                       "shadow.log_softmax(1), teacher.softmax(1)", "teacher.log_softmax(1), shadow.softmax(1)"),
        mean=slip("'mean' divides by the classes, too: 'batchmean' is the divergence.", '"batchmean"', '"mean"'),
        no_norm=slip("The teacher's norm is missing.", " / teacher.norm()", "")),
    row("l13", "shadow_step(shadow, teacher, x, optimiser)",
        parts=[values(2, pairs, "3 draws", run=stepped),
               values(1, pairs, "the teacher gets no gradients", name="teacher", run=teachers_gradients,
                      uses=("gradients",), after="values")], reference="""
def shadow_step(shadow, teacher, x, optimiser):
    with torch.no_grad():
        wanted = teacher(x).softmax(1)
    loss = -F.kl_div(shadow(x).log_softmax(1), wanted, reduction="batchmean")
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    return loss.item()
""",
        train_mode=slip("You put the shadow into train mode: its statistics move with your few images.",
                        "    loss = -F", "    shadow.train()\n    loss = -F"),
        no_zero=slip("Gradients of the step before are still there.", "optimiser.zero_grad()", "pass"),
        copy_trained=slip("You train a copy and drop it: the shadow itself must learn.", "    with torch",
                          "    shadow = copy.deepcopy(shadow)\n    with torch"),
        teacher_learns=slip("The teacher gets gradients: ask it without.", "with torch.no_grad()",
                            "with torch.enable_grad()", loses="teacher")),
    row("l13", "rbd_score(model, shadow, x)", parts=[values(1, scored, "3 draws")], reference="""
def rbd_score(model, shadow, x):
    with torch.no_grad():
        chosen = model(x).argmax(1)
        probs = shadow(x).softmax(1)
    return probs.gather(1, chosen[:, None]).flatten()
""",
        own_choice=slip("You take the class that the shadow chooses: it is the model's.", "= model(x)", "= shadow(x)"),
        own_probability=slip("This is the model's probability: ask the shadow for it.", "= shadow(x)", "= model(x)"),
        rest=slip("You give one minus the probability.", "return probs", "return 1 - probs"),
        over_batch=slip("Your softmax runs over the batch: it belongs over the classes.", "softmax(1)", "softmax(0)")),
    row("l13", "guard(model, shadow, clean, used, fpr)", parts=[values(1, guarded, "3 draws", run=flags)], reference="""
def guard(model, shadow, clean, used, fpr):
    def score(x):
        with torch.no_grad():
            return shadow(x).softmax(1).gather(1, model(x).argmax(1)[:, None]).flatten()
    scores = score(clean).sort().values
    boundary = scores[round((1 - fpr) * len(scores)) - 1]
    return lambda x: score(x) > boundary
""",
        reused=slip("The boundary comes from the images that the shadow unlearned on: use others.", "score(clean)",
                    "score(used)"),
        lower=slip("This is the lower quantile: high scores are suspicious.", "1 - fpr", "fpr"),
        ties=slip("Who is exactly on the boundary passes: you flag it.", "> boundary", ">= boundary")),
]  # fmt: skip
