"""Lesson 13: right answers in odd styles, typical slips, exceptions, wrong kinds."""

U = "def unlearn_loss(shadow, teacher):\n    w = (-teacher / 2).softmax(1)\n"
KL = "    return F.kl_div(shadow.log_softmax(1), w, reduction='batchmean')"
T = "def shadow_step(shadow, teacher, x, optimiser):\n    with torch.no_grad():\n        w = (-teacher(x) / 2).softmax(1)\n"
LOSS = "    l = F.kl_div(shadow(x).log_softmax(1), w, reduction='batchmean')\n"
GO = "    optimiser.zero_grad()\n    l.backward()\n    optimiser.step()\n    return l.item()"
R = "def rbd_score(model, shadow, x):\n    was = model.training, shadow.training\n    model.eval(); shadow.eval()\n"
ASK = "    with torch.no_grad():\n        c, s = model(x).argmax(1), shadow(x).softmax(1)\n"
BACK = "    model.train(was[0]); shadow.train(was[1])\n"
PICK = "    return s[range(len(x)), c]"
G = "def guard(model, shadow, clean, fpr):\n    @torch.no_grad()\n    def score(x):\n" \
    "        return shadow(x).softmax(1).gather(1, model(x).argmax(1)[:, None])[:, 0]\n"
SORT = "    s = score(clean).sort(descending=True).values\n    k = int(fpr * len(clean))\n"
FLAG = "    return lambda x: score(x) > s[k]"

ATTEMPTS = [  # exercise, answer, points, what is said
    ("unlearn_loss", U + KL, 4, "Next:"),
    ("unlearn_loss", U + "    return (w * (w.log() - shadow.log_softmax(1))).sum(1).mean()", 4, "Next:"),
    ("unlearn_loss", U + KL.replace("log_softmax(1)", "softmax(1)"), 0, "F.kl_div wants logarithms first"),
    ("unlearn_loss", U + KL.replace("batchmean", "mean"), 0, "You divide by the number of classes"),
    ("unlearn_loss", U + KL.replace("batchmean", "sum"), 0, "You sum over the images"),
    ("unlearn_loss", U + KL.replace("batchmean", "none") + ".sum(1)", 0, "You return a number for each image"),
    ("unlearn_loss", U + KL.replace("return ", "return -"), 0, "with the other sign"),
    ("unlearn_loss", U.replace("-teacher / 2", "teacher") + KL, 0, "You want what the teacher answers"),
    ("unlearn_loss", U.replace("-teacher / 2", "-teacher") + KL, 0, "without the half"),
    ("unlearn_loss", U.replace("/ 2", "* 2") + KL, 0, "You take minus twice"),
    ("unlearn_loss", U + "    return F.cross_entropy(shadow, w)", 0, "You give the cross-entropy"),
    ("unlearn_loss", U + "    s = shadow.softmax(1)\n    return (s * (s.log() - w.log())).sum(1).mean()", 0, "the wrong way round"),
    ("unlearn_loss", U.replace("softmax(1)", "softmax(0)") + KL.replace("softmax(1)", "softmax(0)"), 0, "sum to 1 over the images"),
    ("unlearn_loss", U.replace("(-teacher / 2)", "teacher.mul_(-.5)") + KL, 3, "teacher itself has changed"),
    ("unlearn_loss", U + KL.replace("return ", "") + "\n", 0, "is a return missing?"),
    ("shadow_step", T + LOSS + GO, 4, "Next:"),
    ("shadow_step", T + "    optimiser.zero_grad()\n" + LOSS + GO, 4, "Next:"),
    ("shadow_step", T + LOSS + GO.replace("optimiser.zero_grad", "shadow.zero_grad"), 4, "Next:"),
    ("shadow_step", T + LOSS + GO.replace("    optimiser.zero_grad()\n", ""), 0, "Gradients of an earlier step"),
    ("shadow_step", T + "    shadow.train()\n" + LOSS + GO, 0, "You put the shadow into train mode"),
    ("shadow_step", T + "    shadow.train()\n" + LOSS + GO.replace("    return", "    shadow.eval()\n    return"), 0, "train mode"),
    ("shadow_step", T + LOSS + GO.replace("    optimiser.step()\n", ""), 0, "The shadow itself has not changed"),
    ("shadow_step", T + "    import copy\n    shadow = copy.deepcopy(shadow)\n" + LOSS + GO, 0, "The shadow itself has not changed"),
    ("shadow_step", T + LOSS + GO.replace("l.backward", "(-l).backward"), 0, "leads away from the wanted"),
    ("shadow_step", T.replace("-teacher(x) / 2", "teacher(x)") + LOSS + GO, 0, "Your shadow learns what the teacher answers"),
    ("shadow_step", T + LOSS + GO.replace("    return l", LOSS + "    return l"), 0, "You give the loss after the step"),
    ("shadow_step", T + LOSS + GO.replace("step()\n", "step(); optimiser.step()\n"), 0, "You step twice"),
    ("shadow_step", T.replace("no_grad", "enable_grad") + LOSS + GO, 3, "the teacher gets gradients"),
    ("shadow_step", T.replace("    with", "    teacher.eval()\n    with") + LOSS + GO, 4, "Next:"),
    ("shadow_step", T + LOSS + GO.replace("return", "teacher.train()(x); return"), 3, "the teacher"),
    ("rbd_score", R + ASK + BACK + PICK, 4, "Next:"),
    ("rbd_score", R + ASK + BACK + "    return s.gather(1, c.view(-1, 1)).squeeze(1)", 4, "Next:"),
    ("rbd_score", R + ASK + BACK + "    return torch.stack([a[b] for a, b in zip(s, c)])", 4, "Next:"),
    ("rbd_score", R + ASK.replace("model(x)", "shadow(x)") + BACK + PICK, 0, "You take the class that the shadow chooses"),
    ("rbd_score", R + ASK + BACK + "    return s.max(1).values", 0, "You take the class that the shadow chooses"),
    ("rbd_score", R + ASK.replace("shadow(x)", "model(x)") + BACK + PICK, 0, "This is the model's own share"),
    ("rbd_score", R + "    model, shadow = shadow, model\n" + ASK + "    model, shadow = shadow, model\n" + BACK + PICK, 0, "changed places"),
    ("rbd_score", R + ASK + BACK + "    return 1 - s[range(len(x)), c]", 0, "You give 1 minus the share"),
    ("rbd_score", R + ASK.replace("softmax(1)", "softmax(0)") + BACK + PICK, 0, "runs over the images"),
    ("rbd_score", R + ASK.replace(".softmax(1)", "") + BACK + PICK, 0, "You give the shadow's logit"),
    ("rbd_score", R + ASK + BACK + "    return s.gather(1, c[:, None])", 0, "but of shape (N, 1)"),
    ("rbd_score", R + ASK + BACK + "    return s[:, c]", 0, "You return (N, N)"),
    ("rbd_score", R.replace("model.eval(); ", "") + ASK + BACK + PICK, 0, "You ask the model in the mode"),
    ("rbd_score", R.replace(" shadow.eval()", "") + ASK + BACK + PICK, 0, "You ask the shadow in the mode"),
    ("rbd_score", R + ASK + PICK, 3, "both networks stay in eval mode"),
    ("guard", G + SORT + FLAG, 3, "Next:"),
    ("guard", G + SORT + "    line = float(s[k])\n    def alarm(x):\n        return score(x) > line\n    return alarm", 3, "Next:"),
    ("guard", G + "    k = int(fpr * len(clean))\n    s = score(clean).msort().flip(0)\n" + FLAG, 3, "Next:"),
    ("guard", G + SORT + FLAG.replace("score(x) > s[k]", "s[k] < score(x)"), 3, "Next:"),
    ("guard", G + SORT.replace("descending=True", "") + FLAG, 0, "Your line comes from the lower end"),
    ("guard", G + SORT + FLAG.replace(">", "<"), 0, "You flag what lies below the line"),
    ("guard", G + SORT + FLAG.replace("score(x) > s[k]", "score(y) > s[k]"), 0, "NameError"),
    ("guard", G + SORT + FLAG.replace(">", ">="), 0, "exactly on the line"),
    ("guard", G + SORT + FLAG.replace("s[k]", "s[k - 1]"), 0, "one place too high"),
    ("guard", G + SORT + FLAG.replace("s[k]", "s[k + 1]"), 0, "You round fpr * N up"),
    ("guard", G + SORT + FLAG.replace("s[k]", "s.median()"), 0, "the median of the clean scores"),
    ("guard", G.replace("return shadow", "return model") + SORT + FLAG, 0, "You score by the model's own share"),
    ("guard", G + "    return lambda x: score(x) > score(x).sort(descending=True).values[int(fpr * len(x))]", 0, "a new line"),
    ("guard", G + SORT + "    return score(clean) > s[k]", 0, "has no attribute '__call__'"),
    ("guard", G + SORT + FLAG.replace("return ", ""), 0, "'NoneType' object"),
]
