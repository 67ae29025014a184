"""Lesson 12: right answers in odd styles, typical slips, two slips at once, exceptions, wrong kinds."""

I = "def invert_class(model, t, x, steps, lr, smooth):\n    was = model.training\n    model.eval()\n"  # noqa: E741
LOOP = "    for _ in range(steps):\n        x = x.detach().clone().requires_grad_()\n"
COST = "        cost = (1 - model(x).softmax(1)[:, t]).sum()\n"
GRAD = "        g = torch.autograd.grad(cost, x)[0]\n"
UNIT = "        g = g / g.abs().mean((1, 2, 3), keepdim=True).clamp(min=1e-12)\n"
MOVE = "        x = smooth(x.detach() - lr * g).clamp(0, 1)\n"
GIVE = "    model.train(was)\n    return x"
L = "def generator_loss(logits, delta, t, threshold, gamma1, gamma2):\n"
P = "    lp = logits.log_softmax(1).gather(1, t[:, None]).squeeze(1)\n"
S = "    size = delta.abs().sum((1, 2, 3))\n"
SUM = "    return (-lp + gamma1 * (lp.exp() - 1) ** 2 + gamma2 * F.relu(size - threshold)).mean()"
D = "def deviation_factor(values, kind):\n"
MEAN = "    if kind == 'mean':\n        c = values.mean(1, keepdim=True)\n        s = (values - c).abs().mean(1, keepdim=True)\n"
MED = "    else:\n        c = values.quantile(.5, 1, keepdim=True)\n        s = 1.4826 * (values - c).abs().quantile(.5, 1, keepdim=True)\n"
ERR = "    if (s == 0).any():\n        raise ValueError\n"
F = "def family_cutoff(n, kind, alpha, generator):\n    values = torch.randn(4000, n, generator=generator)\n"
FACTOR = "    f = (c - values) / s\n"

ATTEMPTS = [  # exercise, answer, points, what is said
    # --- invert_class: right ---
    ("invert_class", I + LOOP + COST + GRAD + UNIT + MOVE + GIVE, 4, "Next:"),
    ("invert_class", I + LOOP + COST.replace(".sum()", ".mean()") + GRAD + UNIT + MOVE + GIVE, 4, "Next:"),
    ("invert_class", I + LOOP + "        cost = ((1 - model(x).softmax(1)[:, t]) ** 2).sum()\n" + GRAD + UNIT + MOVE + GIVE, 4, "Next:"),
    ("invert_class", I + LOOP + "        p = model(x).softmax(1)[:, t]\n        g = -torch.autograd.grad(p.sum(), x)[0]\n" + UNIT + MOVE + GIVE, 4, "Next:"),
    # --- invert_class: slips ---
    ("invert_class", I + LOOP + COST + GRAD + UNIT + MOVE.replace("- lr", "+ lr") + GIVE, 0, "You go up, away from the class"),
    ("invert_class", I + LOOP + COST.replace("(1 - model(x).softmax(1)[:, t])", "model(x).softmax(1)[:, t]") + GRAD + UNIT + MOVE + GIVE, 0, "You go up"),
    ("invert_class", I + LOOP + COST + GRAD + UNIT + MOVE.replace(".clamp(0, 1)", "") + GIVE, 0, "Pixels leave [0, 1]"),
    ("invert_class", I + LOOP + COST + GRAD + MOVE + GIVE, 0, "by the gradient itself"),
    ("invert_class", I + LOOP + COST + GRAD + UNIT.replace("mean((1, 2, 3), keepdim=True)", "mean()") + MOVE + GIVE, 0, "the mean over all images"),
    ("invert_class", I + LOOP + COST + GRAD + UNIT.replace(".mean(", ".sum(") + MOVE + GIVE, 0, "by the sum over the pixels"),
    ("invert_class", I + LOOP + COST + GRAD + "        g = g.sign()\n" + MOVE + GIVE, 0, "by the sign of the gradient"),
    ("invert_class", I + LOOP + COST + GRAD + UNIT + MOVE.replace("smooth(x.detach() - lr * g)", "(x.detach() - lr * g)") + GIVE, 0, "never called"),
    ("invert_class", I + LOOP + COST + GRAD + UNIT + MOVE.replace("smooth(x.detach() - lr * g)", "(x.detach() - lr * g)")
     + GIVE.replace("return x", "return smooth(x)"), 0, "You smooth once"),
    ("invert_class", I + LOOP + COST.replace(".softmax(1)", "") + GRAD + UNIT + MOVE + GIVE, 0, "the logit of t alone"),
    ("invert_class", I.replace("    model.eval()\n", "") + LOOP + COST + GRAD + UNIT + MOVE + GIVE, 0, "only where the model came in train mode"),
    ("invert_class", I + LOOP + COST + GRAD + UNIT + MOVE + "    return x", 3, "stays in eval mode"),
    ("invert_class", I + LOOP + COST + "        cost.backward()\n        g = x.grad\n" + UNIT + MOVE + GIVE, 3, "Gradients stay on the model"),
    ("invert_class", I + LOOP.replace("range(steps)", "range(steps + 1)") + COST + GRAD + UNIT + MOVE + GIVE, 0, "one step too many"),
    ("invert_class", I + LOOP + COST + GRAD + UNIT + MOVE, 0, "is a return missing"),
    ("invert_class", I + "    for _ in range(steps):\n" + COST + GRAD + UNIT + MOVE + GIVE, 0, "does not require grad"),
    # --- generator_loss: right ---
    ("generator_loss", L + P + S + SUM, 4, "Next:"),
    ("generator_loss", L + "    ce = F.cross_entropy(logits, t, reduction='none')\n    p = torch.exp(-ce)\n    h = torch.clamp(delta.flatten(1).norm(p=1, dim=1) - threshold, 0)\n"
     "    return (ce + gamma1 * (1 - p).pow(2) + gamma2 * h).mean()", 4, "Next:"),
    ("generator_loss", L + "    ce = F.cross_entropy(logits, t)\n    p = logits.softmax(1)[range(len(t)), t]\n    h = torch.maximum(delta.abs().sum((1, 2, 3)) - threshold, torch.tensor(0.))\n"
     "    return ce + gamma1 * ((p - 1) ** 2).mean() + gamma2 * h.mean()", 4, "Next:"),
    # --- generator_loss: slips ---
    ("generator_loss", L + P + S + SUM.replace("-lp +", "lp +"), 0, "The sign of log p_t is wrong"),
    ("generator_loss", L + P + S + SUM.replace("-lp +", "-lp.exp() +"), 0, "You take -p_t"),
    ("generator_loss", L + P + S + SUM.replace("size - threshold", "size.mean() - threshold"), 0, "You compare the mean size"),
    ("generator_loss", L + P + S.replace("sum", "mean") + SUM, 0, "not a mean"),
    ("generator_loss", L + P + "    size = delta.flatten(1).norm(dim=1)\n" + SUM, 0, "You take the l2 norm"),
    ("generator_loss", L + P + "    size = delta.sum((1, 2, 3)).abs()\n" + SUM, 0, "with their signs"),
    ("generator_loss", L + P + S + SUM.replace("F.relu(size - threshold)", "(size - threshold)"), 0, "earn something"),
    ("generator_loss", L + P + S + SUM.replace("F.relu(size - threshold)", "size"), 0, "never subtracted"),
    ("generator_loss", L + P + S + SUM.replace("gamma1", "g").replace("gamma2", "gamma1").replace("* (lp", "* (lp").replace("g *", "gamma2 *"), 0, "are swapped"),
    ("generator_loss", L + P + S + SUM.replace("+ gamma1 * (lp.exp() - 1) ** 2 ", ""), 0, "L_GAN is missing"),
    ("generator_loss", L + P + S + SUM.replace("(lp.exp() - 1) ** 2", "((logits.softmax(1) - 1) ** 2).mean(1)"), 0, "over all classes"),
    ("generator_loss", L + P + S + SUM.replace(".mean()", ".sum()"), 0, "You sum over the images"),
    ("generator_loss", L + P + S + SUM.replace(".mean()", ""), 0, "a number for each image"),
    ("generator_loss", L + "    lp = logits.softmax(1).gather(1, t[:, None]).squeeze(1).log()\n" + S + SUM, 3, "breaks where p_t is too small"),
    ("generator_loss", L + "    lp = (logits.softmax(1).gather(1, t[:, None]).squeeze(1) + 1e-12).log()\n" + S + SUM, 3, "breaks where p_t is too small"),
    ("generator_loss", L + P + S + SUM + ".item()", 0, "float"),
    ("generator_loss", L + P.replace("t[:, None]", "t") + S + SUM, 0, "RuntimeError"),
    # --- deviation_factor: right ---
    ("deviation_factor", D + MEAN + MED + ERR + "    return (c - values) / s", 4, "Next:"),
    ("deviation_factor", D + "    import numpy as np\n    of = np.mean if kind == 'mean' else np.median\n    v = values.numpy()\n    d = of(v, 1)[:, None] - v\n"
     "    s = of(abs(d), 1)[:, None] * (1 if kind == 'mean' else 1.4826)\n    if (s == 0).any():\n        raise ValueError\n    return torch.from_numpy(d / s).float()", 4, "Next:"),
    ("deviation_factor", D + "    mid = (lambda v: v.mean(1)) if kind == 'mean' else (lambda v: v.quantile(.5, dim=1))\n    d = (mid(values) - values.T).T\n"
     "    s = mid(d.abs()) * {'mean': 1, 'median': 1.4826}[kind]\n    if not s.all():\n        raise ValueError('flat')\n    return d / s[:, None]", 4, "Next:"),
    # --- deviation_factor: slips ---
    ("deviation_factor", D + MEAN + MED + ERR + "    return (values - c) / s", 0, "the other way round"),
    ("deviation_factor", D + MEAN + MED + ERR + "    return (values - c).abs() / s", 0, "You count both sides"),
    ("deviation_factor", D + MEAN + MED.replace("1.4826 * ", "") + ERR + "    return (c - values) / s", 0, "1.4826 is missing"),
    ("deviation_factor", D + MEAN + MED.replace("1.4826 * ", "1 / 1.4826 * ") + ERR + "    return (c - values) / s", 0, "you divide by it"),
    ("deviation_factor", D + MEAN.replace("s = ", "s = 1.4826 * ") + MED + ERR + "    return (c - values) / s", 0, "has no constant"),
    ("deviation_factor", D + MEAN + "    else:\n        c = values.median(1, keepdim=True).values\n        s = 1.4826 * (values - c).abs().median(1, keepdim=True).values\n"
     + ERR + "    return (c - values) / s", 0, "the lower of the two middle values"),
    ("deviation_factor", D + MEAN.replace("(values - c).abs().mean(1, keepdim=True)", "values.std(1, keepdim=True)") + MED + ERR + "    return (c - values) / s", 0, "the standard deviation"),
    ("deviation_factor", D + MEAN + MED.replace("values.quantile(.5, 1, keepdim=True)", "values.mean(1, keepdim=True)") + ERR + "    return (c - values) / s", 0, "your centre is the mean"),
    ("deviation_factor", D + MEAN + MED.replace("quantile(.5, 1, keepdim=True)\n", "mean(1, keepdim=True)\n").replace("c = values.mean", "c = values.quantile(.5,").replace("quantile(.5,(1", "quantile(.5, dim=(1")
     .replace("dim=(1, keepdim=True)", "dim=1, keepdim=True)") + ERR + "    return (c - values) / s", 0, "the mean of the distances"),
    ("deviation_factor", D + MEAN.replace("(1, keepdim=True)", "()") + MED.replace(", 1, keepdim=True", "") + ERR.replace("(s == 0).any()", "s == 0") + "    return (c - values) / s", 0, "for the whole table"),
    ("deviation_factor", D + MEAN.replace("== 'mean'", "!= 'mean'") + MED + ERR + "    return (c - values) / s", 0, "kinds are swapped"),
    ("deviation_factor", D + MEAN + MED + "    return (c - values) / s", 3, "raise a ValueError"),
    ("deviation_factor", D + MEAN + MED + ERR.replace(".any()", ".all()") + "    return (c - values) / s", 3, "One such row is enough"),
    ("deviation_factor", D + MEAN + MED + "    return (c - values) / s.clamp(min=1e-9)", 3, "ValueError"),
    ("deviation_factor", D + MEAN.replace(", keepdim=True", "") + MED + ERR + "    return (c - values) / s", 0, "RuntimeError"),
    # --- family_cutoff: right ---
    ("family_cutoff", F + MEAN + MED + FACTOR + "    return f.amax(1).quantile(1 - alpha).item()", 3, "Next:"),
    ("family_cutoff", F + MEAN + MED + FACTOR + "    import numpy as np\n    return float(np.percentile(f.max(1).values.numpy(), 100 - 100 * alpha))", 3, "Next:"),
    ("family_cutoff", F + MEAN + MED + FACTOR + "    top = f.amax(1).sort(descending=True).values\n    return top[int(alpha * 4000)].item()", 3, "Next:"),
    # --- family_cutoff: slips ---
    ("family_cutoff", F + MEAN + MED + FACTOR + "    return f.flatten().quantile(1 - alpha).item()", 0, "over all classes"),
    ("family_cutoff", F + MEAN + MED + FACTOR + "    return f.amax(1).quantile(alpha).item()", 0, "You take the quantile alpha"),
    ("family_cutoff", F + MEAN + MED + FACTOR + "    return f.abs().amax(1).quantile(1 - alpha).item()", 0, "the larger of both sides"),
    ("family_cutoff", F + MEAN + MED + FACTOR + "    return f.amin(1).quantile(1 - alpha).item()", 0, "the smallest factor"),
    ("family_cutoff", F + MEAN + MED + FACTOR + "    return f.amax(0).quantile(1 - alpha).item()", 0, "the largest over the models"),
    ("family_cutoff", F + MEAN + MED + FACTOR + "    return f.amax(1).quantile(1 - alpha / n).item()", 0, "one of the two is enough"),
    ("family_cutoff", F + MEAN + MED + FACTOR + "    return f.amax(1).mean().item()", 0, "the mean of the largest"),
    ("family_cutoff", F + MEAN + MED + FACTOR + "    return f.max().item()", 0, "the largest of all"),
    ("family_cutoff", F.replace("randn", "rand") + MEAN + MED + FACTOR + "    return f.amax(1).quantile(1 - alpha).item()", 0, "Your numbers are uniform"),
    ("family_cutoff", F + MEAN.replace("kind == 'mean'", "True") + MED + FACTOR + "    return f.amax(1).quantile(1 - alpha).item()", 0, "the mean form for both"),
    ("family_cutoff", F + MEAN + MED + FACTOR + "    return f.amax(1).quantile(1 - alpha)", 0, "A float is wanted"),
    ("family_cutoff", F.replace(", generator=generator", "") + MEAN + MED + FACTOR + "    return f.amax(1).quantile(1 - alpha).item()", 0, "your honest models are others"),
    ("family_cutoff", F.replace("torch.randn(4000, n, generator=generator)", "torch.stack([torch.randn(n, generator=generator) for _ in range(4000)])")
     + MEAN + MED + FACTOR + "    return f.amax(1).quantile(1 - alpha).item()", 0, ""),
    ("family_cutoff", F + MEAN + MED + FACTOR + "    print(f)", 0, "is None"),
]  # fmt: skip
