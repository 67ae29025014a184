"""Lesson 09: right answers in odd styles, typical slips, two slips at once, exceptions, wrong kinds."""

E = "def entropy(probs):\n"
X = "def superimpose(x, overlays, mode):\n"
PAIRS = "    z = x[:, None] + overlays\n"
CUT = "    return z.clamp(0, 1) if mode == 'add_clip' else z"
S = "def strip_scores(model, x, overlays, mode):\n"
EVAL = "    was = model.training\n    model.eval()\n    out = []\n"
LOOP = "    for image in x:\n        z = image + overlays\n        if mode == 'add_clip':\n            z = z.clamp(max=1)\n"
ASK = "        with torch.no_grad():\n            p = model(z).softmax(1)\n"
BITS = "        h = torch.special.entr(p).sum(1) / torch.log(torch.tensor(2.))\n        out.append(h.mean())\n"
BACK = "    model.train(was)\n    return torch.stack(out)"
FLAT = EVAL + "    z = x[:, None] + overlays\n    if mode == 'add_clip':\n        z = z.clamp(max=1)\n    with torch.no_grad():\n"
FLAT_ASK = "        p = model(z.flatten(0, 1)).softmax(1)\n"
MEANS = "    model.train(was)\n    h = torch.special.entr(p).sum(-1) / torch.log(torch.tensor(2.))\n    return h.view(len(x), -1).mean(1)"
F = "from statistics import NormalDist\ndef frr_far(benign, trojan, frr, how):\n"
NORMAL = "    if how == 'normal':\n        b = benign.mean() + NormalDist().inv_cdf(frr) * benign.std(correction=0)\n"
ELSE = "    else:\n        b = benign.quantile(frr)\n"
GIVE = "    return {'boundary': b.item(), 'frr': (benign < b).double().mean().item(), 'far': (trojan >= b).double().mean().item()}"

ATTEMPTS = [  # exercise, answer, points, what is said
    # --- entropy: right ---
    ("entropy", E + "    return -torch.nansum(probs * probs.log2(), 1)", 3, "Next:"),
    ("entropy", E + "    return -(probs * torch.log2(probs + 1e-12)).sum(-1)", 3, "Next:"),
    ("entropy", E + "    return torch.distributions.Categorical(probs=probs).entropy() / torch.tensor(2.).log()", 3, "Next:"),
    ("entropy", E + "    return torch.stack([-sum(p * p.log2() for p in row if p > 0) for row in probs])", 3, "Next:"),
    ("entropy", E + "    z = probs.clone()\n    z[z == 0] = 1\n    return (z * -z.log2()).sum(1)", 3, "Next:"),
    # --- entropy: slips ---
    ("entropy", E + "    return torch.special.entr(probs).sum(1)", 0, "You take the natural logarithm"),
    ("entropy", E + "    return -(probs * torch.log(probs + 1e-12)).sum(1)", 0, "You take the natural logarithm"),
    ("entropy", E + "    return -(probs * torch.log10(probs + 1e-12)).sum(1)", 0, "to base 10"),
    ("entropy", E + "    return -(probs * torch.log2(probs)).sum(1)", 0, "nor is 0 times it"),
    ("entropy", E + "    return -(probs * torch.log2(probs)).sum(dim=-1)", 0, "nor is 0 times it"),
    ("entropy", E + "    return (probs * torch.log2(probs + 1e-12)).sum(1)", 0, "with the other sign"),
    ("entropy", E + "    return -(probs * torch.log2(probs + 1e-12)).mean(1)", 0, "You take the mean over the classes"),
    ("entropy", E + "    return -(probs * torch.log2(probs + 1e-12)).sum(0)", 0, "You sum down the columns"),
    ("entropy", E + "    h = -(probs * torch.log2(probs + 1e-12)).sum(1)\n    return h / torch.log2(torch.tensor(probs.shape[1]).float())",
     0, "You divide by the entropy of a uniform row"),
    ("entropy", E + "    return -torch.log2(probs + 1e-30).sum(1)", 0, "You sum the logarithms alone"),
    ("entropy", E + "    return -(probs * torch.log2(probs + 1e-12)).sum()", 0, "You return one number for all rows"),
    ("entropy", E + "    return -(probs * torch.log2(probs + 1e-12)).sum(1, keepdim=True)", 0, "with no axis of length 1"),
    ("entropy", E + "    probs[probs == 0] = 1\n    return -(probs * torch.log2(probs)).sum(1)", 2, "probs itself has changed"),
    ("entropy", E + "    return -(probs * torch.log2(probs + 1e-12)).sum(1).tolist()", 0, "TypeError"),
    ("entropy", E + "    print(-(probs * torch.log2(probs + 1e-12)).sum(1))", 0, "is a return missing?"),
    ("entropy", E + "    return -(probs * np.log2(probs)).sum(1)", 0, "NameError: name 'np' is not defined"),
    ("entropy", E + "    return -(probs * probs.log2()).sum(1).nan_to_num(0)", 0, "Mend each product before the sum"),
    ("entropy", E + "    h = -(probs * probs.log2()).sum(1)\n    h[h.isnan()] = 0\n    return h", 0, "Mend each product before the sum"),
    ("entropy", E + "    return -probs.log2().sum(1)", 0, "You sum the logarithms alone"),
    ("entropy", E + "    return -(probs + 1e-9).log2().sum(1)", 0, "You sum the logarithms alone"),
    ("entropy", E + "    p = probs.softmax(1)\n    return -(p * p.log2()).sum(1)", 0, "You take softmax of the rows"),
    ("entropy", E + "    p = probs.clamp(min=.01)\n    return -(p * p.log2()).sum(1)", 0, "A far smaller bound does not"),
    ("entropy", E + "    return -(probs * (probs + .001).log2()).sum(1)", 0, "A far smaller bound does not"),
    ("entropy", E + "    return -(probs * (probs + 1e-12).log2()).mean(0)", 0, "the mean down the columns"),
    ("entropy", E + "    return -(probs * (probs + 1e-12).log2()).sum(1).unsqueeze(1)", 0, "with no axis of length 1"),
    ("entropy", E + "    return -(probs * (probs - 1e-9).log2()).sum(1)", 0, "nothing but positive numbers"),
    ("entropy", E + "    probs[probs == 0] = 1e-12\n    return -(probs * probs.log2()).sum(1)", 2, "probs itself has changed"),
    ("entropy", E + "    probs.clamp_min_(1e-12)\n    return -(probs * probs.log2()).sum(1)", 2, "probs itself has changed"),
    # --- superimpose: right ---
    ("superimpose", X + PAIRS + CUT, 3, "Next:"),
    ("superimpose", X + "    z = x.unsqueeze(1) + overlays.unsqueeze(0)\n    if mode == 'add_clip':\n        z[z > 1] = 1.\n    return z", 3,
     "Next:"),
    ("superimpose", X + "    z = torch.stack([x + o for o in overlays], 1)\n" + CUT, 3, "Next:"),
    ("superimpose", X + "    n, m = len(x), len(overlays)\n    z = x.repeat_interleave(m, 0) + overlays.repeat(n, 1, 1, 1)\n"
     "    z = z.view(n, m, *x.shape[1:])\n" + CUT, 3, "Next:"),
    # --- superimpose: slips ---
    ("superimpose", X + "    z = x + overlays\n" + CUT, 0, "You pair input 1 with overlay 1"),
    ("superimpose", X + "    z = torch.stack([a + b for a, b in zip(x, overlays)])\n" + CUT, 0, "You pair input 1 with overlay 1"),
    ("superimpose", X + "    z = x + overlays[:, None]\n" + CUT, 0, "You put the overlays first"),
    ("superimpose", X + "    z = torch.stack([x + o for o in overlays])\n" + CUT, 0, "You put the overlays first"),
    ("superimpose", X + "    z = (x[:, None] + overlays).flatten(0, 1)\n" + CUT, 0, "The pictures stand in one long row"),
    ("superimpose", X + "    z = torch.stack([i + o for i in x for o in overlays])\n" + CUT, 0, "The pictures stand in one long row"),
    ("superimpose", X + "    z = .5 * x[:, None] + .5 * overlays\n" + CUT, 0, "You take half of each"),
    ("superimpose", X + PAIRS + "    return z.clamp(0, 1)", 0, "You cut at 1 in both modes"),
    ("superimpose", X + PAIRS + "    return z", 0, "You never cut"),
    ("superimpose", X + PAIRS + "    return z.clamp(max=1) if mode == 'cut' else z", 0, "You never cut"),
    ("superimpose", X + PAIRS + "    return z if mode == 'add_clip' else z.clamp(max=1)", 0, "The two modes have changed places"),
    ("superimpose", X + PAIRS + "    return z / z.amax((2, 3, 4), keepdim=True) if mode == 'add_clip' else z", 0,
     "You divide by the brightest pixel"),
    ("superimpose", X + PAIRS + "    return z.remainder(1) if mode == 'add_clip' else z", 0, "begins again at 0"),
    ("superimpose", X + PAIRS + "    x.clamp_(max=.5)\n" + CUT, 2, "x or overlays has changed"),
    ("superimpose", X + PAIRS + "    z.clamp(max=1)", 0, "is a return missing?"),
    ("superimpose", X + "    z = x[:, None] + overlay\n" + CUT, 0, "NameError: name 'overlay' is not defined"),
    ("superimpose", X + "    out = []\n    for i in range(len(x)):\n        for j in range(len(overlays)):\n            t = x[i]\n            t += overlays[j]\n"
     "            out.append(t)\n    z = torch.stack(out).view(len(x), len(overlays), *x.shape[1:])\n" + CUT, 0, "Overlays pile up"),
    ("superimpose", X + "    out = []\n    for o in overlays:\n        x += o\n        out.append(x.clone())\n    z = torch.stack(out, 1)\n" + CUT, 0,
     "Overlays pile up"),
    ("superimpose", X + "    z = torch.cat([x + o for o in overlays]).reshape(len(x), len(overlays), *x.shape[1:])\n" + CUT, 0,
     "pictures stand in the wrong places"),
    ("superimpose", X + "    z = torch.cat([x + o for o in overlays])\n" + CUT, 0, "in one long row, overlay by overlay"),
    ("superimpose", X + PAIRS + "    return z / z.max() if mode == 'add_clip' else z", 0, "the brightest pixel of all"),
    ("superimpose", X + PAIRS + "    return z / 2 if mode == 'add_clip' else z", 0, "With 'add_clip' you take the mean of both"),
    ("superimpose", X + PAIRS + "    if mode == 'add_clip':\n        z[z >= 1] = 0\n    return z", 0, "What should be 1 is 0"),
    ("superimpose", X + PAIRS + "    if mode == 'add_clip':\n        z[z > 1] = 0\n    return z", 0, "What should be 1 is 0"),
    ("superimpose", X + PAIRS + "    return torch.min(z, 1) if mode == 'add_clip' else z", 0, "give (values, indices)"),
    ("superimpose", X + PAIRS + "    x.add_(1e-7)\n" + CUT, 2, "x or overlays has changed"),
    # --- strip_scores: right ---
    ("strip_scores", S + EVAL + LOOP + "        p = model(z).softmax(1)\n" + BITS + BACK, 4, "Next:"),
    ("strip_scores", S + EVAL + LOOP + "        with torch.no_grad():\n            l = model(z)\n        h = torch.distributions.Categorical(logits=l)"
     ".entropy() / torch.log(torch.tensor(2.))\n        out.append(h.mean())\n" + BACK, 4, "Next:"),
    ("strip_scores", S + EVAL + LOOP + "        with torch.no_grad():\n            l = model(z)\n        l = l - torch.logsumexp(l, 1, keepdim=True)\n"
     "        out.append(-(l.exp() * l).sum(1).mean() / .6931471805599453)\n" + BACK, 4, "Next:"),
    ("strip_scores", S + EVAL + LOOP + ASK + "        out.append(-(p * (p + 1e-6).log2()).sum(1).mean())\n" + BACK, 4, "Next:"),
    ("strip_scores", S + EVAL + LOOP + ASK + BITS + BACK, 4, "Next:"),
    ("strip_scores", S + "    was = model.training\n    model.eval()\n    z = x[:, None] + overlays\n    if mode == 'add_clip':\n"
     "        z = z.clamp(max=1)\n    with torch.no_grad():\n        p = model(z.flatten(0, 1)).softmax(1)\n    model.train(was)\n"
     "    h = -torch.nansum(p * p.log2(), 1)\n    return h.view(len(x), -1).mean(1)", 4, "Next:"),
    ("strip_scores", S + EVAL + LOOP + ASK + "        out.append(-(p * (p + 1e-12).log2()).sum(1).mean().item())\n    model.train(was)\n"
     "    return torch.tensor(out)", 4, "Next:"),
    ("strip_scores", S + EVAL + LOOP + ASK.replace("softmax(1)", "log_softmax(1)") +
     "        out.append(-(p.exp() * p).sum(1).mean() / .6931471805599453)\n" + BACK, 4, "Next:"),
    # --- strip_scores: slips ---
    ("strip_scores", S + EVAL + LOOP + ASK + "        p = p.mean(0, keepdim=True)\n" + BITS + BACK, 0, "the entropy of the mean answer"),
    ("strip_scores", S + EVAL + LOOP + ASK + BITS.replace("h.mean()", "h") + "    model.train(was)\n    return torch.stack(out).mean(0)", 0,
     "You average over the inputs"),
    ("strip_scores", S + EVAL + LOOP.replace("+ overlays", "+ x") + ASK + BITS + BACK, 0, "You lay the inputs over each other"),
    ("strip_scores", S + EVAL + "    for image in x:\n        z = image[None]\n" + ASK + BITS + BACK, 0, "about the inputs alone"),
    ("strip_scores", S + EVAL + LOOP + ASK + BITS.replace("h.mean()", "-h.mean()") + BACK, 0, "with the other sign"),
    ("strip_scores", S + EVAL + LOOP + ASK + "        out.append(torch.special.entr(p).sum(1).mean())\n" + BACK, 0,
     "You take the natural logarithm"),
    ("strip_scores", S + EVAL + LOOP + ASK + BITS.replace("h.mean()", "h.sum()") + BACK, 0, "You sum over the overlays"),
    ("strip_scores", S + EVAL + LOOP + ASK + BITS.replace("h.mean()", "h.max()") + BACK, 0, "You keep the largest entropy"),
    ("strip_scores", S + EVAL + LOOP + ASK + BITS.replace("h.mean()", "h.min()") + BACK, 0, "You keep the smallest entropy"),
    ("strip_scores", S + EVAL + LOOP + ASK.replace(".softmax(1)", ".softmax(0)") + BITS + BACK, 0, "Your softmax runs over the pictures"),
    ("strip_scores", S + EVAL + LOOP + ASK + "        out.append(-(p * p.log2()).sum(1).mean())\n" + BACK, 0, "Some scores are nan"),
    ("strip_scores", S + EVAL + LOOP.replace("if mode == 'add_clip'", "if mode") + ASK + BITS + BACK, 0, "You cut at 1 in both modes"),
    ("strip_scores", S + EVAL + LOOP.replace("'add_clip'", "'clip'") + ASK + BITS + BACK, 0, "You never cut"),
    ("strip_scores", S + "    out = []\n" + LOOP + ASK + BITS + "    return torch.stack(out)", 0, "wrong only for models with batch norm"),
    ("strip_scores", S + "    z = x[:, None] + overlays\n    if mode == 'add_clip':\n        z = z.clamp(max=1)\n    with torch.no_grad():\n"
     "        p = model(z.flatten(0, 1)).softmax(1)\n    h = -torch.nansum(p * p.log2(), 1)\n    return h.view(len(x), -1).mean(1)", 0,
     "wrong only for models with batch norm"),
    ("strip_scores", S + EVAL + LOOP + ASK + BITS + "    return torch.stack(out)", 3, "stays in eval mode"),
    ("strip_scores", S + EVAL + LOOP + ASK + BITS + "    model.train()\n    return torch.stack(out)", 3, "also where it came in eval mode"),
    ("strip_scores", S + EVAL + LOOP + ASK + BITS + "    overlays.zero_()\n" + BACK, 3, "x or overlays has changed"),
    ("strip_scores", S + EVAL + LOOP.replace("    for image in x:\n        z = image", "    for image in x:\n        z = image[None, :]") + ASK
     + BITS.replace("p).sum(1)", "model(z)).sum(1)") + BACK, 0, "You take the logits for shares"),
    ("strip_scores", S + EVAL + LOOP + ASK + BITS + "    model.train(was)\n    return out", 0, "list"),
    ("strip_scores", S + EVAL + LOOP + ASK.replace(".softmax(1)", "") + BITS + BACK, 0, "You take the logits for shares"),
    ("strip_scores", S + EVAL + LOOP + ASK.replace(".softmax(1)", "") + "        out.append(-(p * p.log2()).sum(1).mean())\n" + BACK, 0,
     "You take the logits for shares"),
    ("strip_scores", S + EVAL + LOOP + ASK.replace(".softmax(1)", "") + "        out.append(-(p * (p + 1e-12).log2()).sum(1).mean())\n" + BACK, 0,
     "You take the logits for shares"),
    ("strip_scores", S + EVAL + LOOP + ASK.replace(".softmax(1)", ".exp()") + "        p = p / p.sum(1, keepdim=True)\n"
     "        out.append(-(p * p.clamp_min(1e-30).log2()).sum(1).mean())\n" + BACK, 0, "only where logits are large"),
    ("strip_scores", S + EVAL + LOOP + ASK.replace(".softmax(1)", ".exp()") + "        p = p / p.sum(1, keepdim=True)\n"
     "        out.append(-(p * p.log2()).sum(1).mean())\n" + BACK, 0, "for two reasons"),
    ("strip_scores", S + FLAT + "        p = model(z.flatten(0, 1)).softmax(0)\n" + MEANS, 0, "runs over the pictures of all inputs"),
    ("strip_scores", S + FLAT + FLAT_ASK + MEANS.replace("view(len(x), -1).mean(1)", "view(-1, len(x)).mean(0)"), 0, "You mix up inputs and overlays"),
    ("strip_scores", S + FLAT + FLAT_ASK + MEANS.replace(".mean(1)", ""), 0, "an entropy for each picture"),
    ("strip_scores", S + FLAT + FLAT_ASK + MEANS.replace(".view(len(x), -1).mean(1)", ""), 0, "an entropy for each picture"),
    ("strip_scores", S + FLAT + FLAT_ASK + MEANS.replace(".mean(1)", ".mean()"), 0, "You return one number"),
    ("strip_scores", S + EVAL + LOOP.replace("== 'add_clip'", "!= 'add_clip'") + ASK + BITS + BACK, 0, "The two modes have changed places"),
    ("strip_scores", S + EVAL + LOOP + ASK + BITS.replace("h.mean()", "h.sum() / len(x)") + BACK, 0, "by the number of inputs"),
    ("strip_scores", S + EVAL + LOOP + ASK + BITS.replace("h.mean()", "h[-1]") + BACK, 0, "the last overlay alone"),
    ("strip_scores", S + EVAL + LOOP + ASK + BITS.replace("h.mean()", "h[0]") + BACK, 0, "the first overlay alone"),
    ("strip_scores", S + EVAL + "    kept = []\n" + LOOP + ASK + BITS.replace("out.append(h.mean())", "kept += h.tolist()\n"
     "        out.append(torch.tensor(kept).mean())") + BACK, 0, "Begin a new list"),
    ("strip_scores", S + EVAL + LOOP.replace("+ overlays", "+ overlays.mean(0, keepdim=True)") + ASK + BITS + BACK, 0, "one grey veil"),
    ("strip_scores", S + EVAL + LOOP.replace("image + overlays", "(image + overlays) / 2") + ASK + BITS + BACK, 0, "You take half of input"),
    ("strip_scores", S + FLAT + "        p = model(z).softmax(1)\n" + MEANS, 0, "flatten(0, 1) first"),
    ("strip_scores", S + EVAL + "    for image in x:\n        z = image + overlays[0]\n" + ASK + BITS + BACK, 0, "image[None] adds an axis"),
    ("strip_scores", S + EVAL + LOOP + ASK + BITS + "        model.train(was)\n    return torch.stack(out)", 0, "also for the last input"),
    ("strip_scores", S + "    model.train()\n    out = []\n" + LOOP + ASK + BITS + "    return torch.stack(out)", 0, "wrong only for models with batch"),
    ("strip_scores", S + "    model.train(not model.training)\n    out = []\n" + LOOP + ASK + BITS + "    return torch.stack(out)", 0,
     "wrong only for models with batch"),
    ("strip_scores", S + "    was = model.training\n    model.eval()\n    total = torch.zeros(len(x))\n    for o in overlays:\n        x += o\n"
     "        z = x.clamp(max=1) if mode == 'add_clip' else x\n        with torch.no_grad():\n            p = model(z).softmax(1)\n        total += "
     "torch.special.entr(p).sum(1) / .6931471805599453\n        x -= o\n    model.train(was)\n    return total / len(overlays)", 3,
     "changed its input x"),
    # --- frr_far: right ---
    ("frr_far", F + NORMAL + ELSE + GIVE, 5, "Next:"),
    ("frr_far", F + "    z = NormalDist().inv_cdf(frr)\n    b = float(benign.quantile(frr)) if how == 'quantile' else float("
     "benign.mean() + z * benign.std(unbiased=False))\n    r = sum(v < b for v in benign.tolist()) / len(benign)\n"
     "    a = sum(v >= b for v in trojan.tolist()) / len(trojan)\n    return dict(far=a, frr=r, boundary=b)", 5, "Next:"),
    ("frr_far", "from scipy.stats import norm\n" + F + "    m, s = norm.fit(benign.double().numpy())\n    b = norm.ppf(frr, m, s) if how == "
     "'normal' else benign.quantile(frr).item()\n    return {'boundary': float(b), 'frr': float((benign < b).float().mean()), "
     "'far': 1 - float((trojan < b).double().mean())}", 5, "Next:"),
    # --- frr_far: slips ---
    ("frr_far", F + NORMAL.replace("inv_cdf(frr)", "inv_cdf(1 - frr)") + ELSE.replace("(frr)", "(1 - frr)") + GIVE, 0,
     "Your line lies at the upper end"),
    ("frr_far", F + NORMAL.replace("benign", "trojan") + ELSE.replace("benign", "trojan") + GIVE, 0, "from the marked inputs"),
    ("frr_far", F + "    both = torch.cat([benign, trojan])\n" + NORMAL.replace("benign", "both") + ELSE.replace("benign", "both") + GIVE, 0,
     "from both groups together"),
    ("frr_far", F + NORMAL + ELSE + GIVE.replace("trojan >= b", "trojan < b"), 0, "the share of marked inputs that are refused"),
    ("frr_far", F + NORMAL + ELSE + GIVE.replace("benign < b", "benign >= b"), 0, "the share of honest inputs that get through"),
    ("frr_far", F + NORMAL + ELSE + GIVE.replace("benign < b", "benign <= b").replace(">= b", "> b"), 2, "You refuse inputs on the line"),
    ("frr_far", F + NORMAL + ELSE + GIVE.replace("'frr'", "'x'").replace("'far'", "'frr'").replace("'x'", "'far'"), 0,
     "FRR and FAR have changed places"),
    ("frr_far", F + NORMAL + ELSE + GIVE.replace("(benign < b).double().mean().item()", "frr"), 0, "You hand back the `frr`"),
    ("frr_far", F + NORMAL + ELSE + "    n = len(benign) + len(trojan)\n    return {'boundary': b.item(), 'frr': (benign < b).sum().item() / n, "
     "'far': (trojan >= b).sum().item() / n}", 0, "You divide by all inputs"),
    ("frr_far", F + NORMAL + ELSE + GIVE.replace("mean().item()", "mean().item() * 100"), 0, "are per cent"),
    ("frr_far", F + NORMAL + ELSE + GIVE.replace("double().mean()", "sum()"), 0, "You count inputs"),
    ("frr_far", F + NORMAL + ELSE + GIVE.replace(".item()", ""), 0, "Your numbers are tensors"),
    ("frr_far", F + "    b = benign.mean() + NormalDist().inv_cdf(frr) * benign.std(correction=0)\n" + GIVE, 2, "your line is that of the normal fit"),
    ("frr_far", F + "    b = benign.quantile(frr)\n" + GIVE, 3, "your line is the quantile"),
    ("frr_far", F + NORMAL.replace("std(correction=0)", "std()") + ELSE + GIVE, 3, "divides by N - 1"),
    ("frr_far", F + NORMAL.replace("std(correction=0)", "var(correction=0)") + ELSE + GIVE, 3, "You multiply z with the variance"),
    ("frr_far", F + NORMAL.replace("() + N", "() - N") + ELSE + GIVE, 3, "Your normal line lies above the mean"),
    ("frr_far", F + NORMAL.replace("NormalDist().inv_cdf(frr)", "-2.3263478740408408") + ELSE + GIVE, 3, "Your z is about 2.33"),
    ("frr_far", F + NORMAL + "        b = max(b, torch.tensor(0.))\n" + ELSE + GIVE, 3, "You lift a line below zero to 0"),
    ("frr_far", F + "    benign.clamp_(max=3)\n" + NORMAL + ELSE + "    trojan.sub_(b)\n" + GIVE.replace(">= b", ">= 0"), 4,
     "changed its input trojan"),
    ("frr_far", F + "    benign, _ = torch.sort(benign, out=(benign, torch.empty(0, dtype=torch.int64)))\n" + NORMAL + ELSE + GIVE, 4,
     "benign or trojan has changed"),
    ("frr_far", F + NORMAL.replace("==", "!=") + ELSE + GIVE, 0, "The two ways have changed places"),
    ("frr_far", F + NORMAL + ELSE + GIVE.replace("benign < b", "benign <= b"), 2, "Your FRR counts honest inputs on the line"),
    ("frr_far", F + NORMAL.replace("correction=0", "") + ELSE + GIVE.replace("benign < b", "benign <= b"), 0, "Your FRR counts honest inputs on"),
    ("frr_far", F + NORMAL + ELSE + GIVE.replace("trojan >= b", "trojan > b"), 2, "Your FAR leaves out marked inputs on the line"),
    ("frr_far", F + NORMAL + ELSE.replace("(frr)", "(1 - frr)") + GIVE, 2, "Your quantile lies at the upper end"),
    ("frr_far", F + NORMAL + ELSE.replace("(frr)", "(frr, interpolation='lower')") + GIVE, 2, "one of the honest entropies"),
    ("frr_far", F + NORMAL + ELSE.replace("(frr)", "(frr, interpolation='nearest')") + GIVE, 2, "one of the honest entropies"),
    ("frr_far", F + NORMAL + ELSE.replace("quantile(frr)", "sort().values[int(frr * len(benign))]") + GIVE, 2, "one of the honest entropies"),
    ("frr_far", "import numpy as np\n" + F + NORMAL + ELSE.replace("benign.quantile(frr)", "np.percentile(benign.numpy(), frr)") + GIVE, 2,
     "Your quantile asks for `frr` per cent"),
    ("frr_far", F + NORMAL + ELSE + GIVE.replace("(trojan >= b).double().mean().item()", "(trojan >= b).sum().item() / len(benign)"), 0,
     "You divide FAR by the number of honest inputs"),
    ("frr_far", F + NORMAL.replace("+ NormalDist().inv_cdf(frr)", "- frr") + ELSE + GIVE, 3, "You multiply the deviation with `frr` itself"),
    ("frr_far", F + NORMAL.replace("NormalDist().inv_cdf(frr)", "frr") + ELSE + GIVE, 3, "You multiply the deviation with `frr` itself"),
    ("frr_far", F + NORMAL.replace("inv_cdf", "pdf") + ELSE + GIVE, 3, "Wanted is the other way"),
    ("frr_far", F + NORMAL.replace("inv_cdf", "cdf") + ELSE + GIVE, 3, "Wanted is the other way"),
    ("frr_far", F + NORMAL.replace("+ NormalDist().inv_cdf(frr)", "- 2.33") + ELSE + GIVE, 3, "Your z is about 2.33"),
    ("frr_far", F + NORMAL.replace("benign.mean()", "benign.median()") + ELSE + GIVE, 3, "starts from the median"),
    ("frr_far", F + NORMAL + ELSE + GIVE.replace("benign < b", "benign >= b").replace("trojan >= b", "trojan < b"), 0, "Both comparisons are reversed"),
    ("frr_far", F + NORMAL + ELSE + GIVE.replace("(trojan >= b).double().mean().item()", "1 - (benign < b).double().mean().item()"), 0,
     "Your FAR is 1 minus an FRR"),
    ("frr_far", F + NORMAL + ELSE + GIVE.replace("(trojan >= b).double().mean().item()", "1 - frr"), 0, "Your FAR is 1 minus an FRR"),
    ("frr_far", F + NORMAL + ELSE + "    print(b)", 0, "is a return missing?"),
]  # fmt: skip
