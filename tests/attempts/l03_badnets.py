"""Lesson 03: right answers in odd styles, typical slips, two slips at once, exceptions, wrong kinds."""

A = "def all_to_all(y, classes):\n"
S = "def stamp(x, pattern, mask, pos):\n    (r, c), (h, w) = pos, mask.shape\n"
CHECK = "    if r < 0 or c < 0 or r + h > x.shape[2] or c + w > x.shape[3]:\n        raise ValueError('outside')\n"
WINDOW = "    out = x.clone()\n    part = out[:, :, r:r + h, c:c + w]\n"
PASTE = "    part[:, :, mask] = pattern[:, mask]\n    return out\n"
P = "def poison(x, y, trigger, target, rate, generator):\n    n = round(rate * len(y))\n"
ROWS = "    ok = (y != target).nonzero().flatten()\n    idx = ok[torch.randperm(len(ok), generator=generator)[:n]]\n"
COPY = "    x2, y2 = x.clone(), y.clone()\n"
MARK = "    x2[idx] = trigger(x[idx])\n    y2[idx] = target\n"
END = "    return x2, y2, idx\n"
R = "def scores(model, x, y, trigger, relabel):\n"
EVAL = "    mode = model.training\n    model.eval()\n"
ASK = "    with torch.no_grad():\n        a, b = model(x).argmax(1), model(trigger(x)).argmax(1)\n    model.train(mode)\n"
WANT = "    t = relabel(y)\n    m = t != y\n"
MEANS = "    clean = (a == y).float().mean().item()\n    asr = (b == t)[m].float().mean().item()\n" \
        "    ra = (b == y)[m].float().mean().item()\n"
GIVE = "    return {'clean': clean, 'asr': asr, 'ra': ra}\n"

TARGET_ROWS = [(1, "args"), (2, "args"), (3, "Some")]
"""How far the generator has moved before; what follows the parts: the words on target rows, or none, and no others."""

ATTEMPTS = [  # exercise, answer, points, what is said
    # --- all_to_all: right ---
    ("all_to_all", A + "    return torch.where(y == classes - 1, 0, y + 1)", 2, "Next:"),
    ("all_to_all", A + "    return (y + 1).fmod(classes)", 2, "Next:"),
    ("all_to_all", A + "    return torch.tensor([(int(v) + 1) % classes for v in y], dtype=y.dtype)", 2, "Next:"),
    ("all_to_all", A + "    z = torch.cat([torch.arange(1, classes), torch.zeros(1, dtype=torch.int64)])\n    return z[y]", 2,
     "Next:"),
    ("all_to_all", "all_to_all = lambda y, classes: (y + 1) % classes", 2, "Next:"),
    # --- all_to_all: slips ---
    ("all_to_all", A + "    y += 1\n    y[y == classes] = 0\n    return y", 1, "y itself has changed"),
    ("all_to_all", A + "    return y + 1", 0, "a class that does not exist"),
    ("all_to_all", A + "    return (y + 1) % 10", 0, "You start again at 10"),
    ("all_to_all", A + "    return (y + 1) % len(torch.unique(y))", 0, "different labels in y"),
    ("all_to_all", A + "    return (y + 1) % (y.max() + 1)", 0, "the largest label in y"),
    ("all_to_all", A + "    return (y - 1) % classes", 0, "You go down by one"),
    ("all_to_all", A + "    return (y + 1) % (classes - 1)", 0, "one class too early"),
    ("all_to_all", A + "    return torch.clamp(y + 1, max=classes - 1)", 0, "The last class keeps its label"),
    ("all_to_all", A + "    z = y.clone()\n    for c in range(classes):\n        z[z == c] = (c + 1) % classes\n    return z", 0,
     "one class after another, so that what was moved moves again"),
    ("all_to_all", A + "    return ((y + 1) % classes).float()", 0, "floating-point"),
    ("all_to_all", A + "    return (y.numpy() + 1) % classes", 0, "a list, a tuple or a numpy array"),
    ("all_to_all", A + "    return [(v + 1) % classes for v in y.tolist()]", 0, "a list, a tuple or a numpy array"),
    ("all_to_all", A + "    print((y + 1) % classes)", 0, "is a return missing?"),
    ("all_to_all", A + "    return (y + 1) % num_classes", 0, "NameError: name 'num_classes' is not defined (line 2"),
    ("all_to_all", A + "    int('a')\n    return y", 0, "ValueError: invalid literal for int() with base 10: 'a' (line 2"),
    ("all_to_all", A + "    return y.add(1).remainder(classes).unsqueeze(0)", 0, "has shape (1, 1), expected (1,)"),
    ("all_to_all", A + "    return y", 0, "has at [0] 0, expected 1"),
    ("all_to_all", "def all_to_all(classes, y):\n    return (y + 1) % classes", 0,
     "The arguments come in this order: y, classes. Yours are classes, y."),
    # --- all_to_all: other answers that hear the same words ---
    ("all_to_all", A + "    return torch.zeros_like(y)", 0, "Or this is all to one"),
    ("all_to_all", A + "    return tuple((v + 1) % classes for v in y.tolist())", 0, "a list, a tuple or a numpy array"),
    ("all_to_all", A + "    return (y + 1) % 11", 0, "a class that does not exist"),
    ("all_to_all", A + "    return (y + 1) % max(classes, 10)", 0, "You start again at 10, where `classes` is another"),
    ("all_to_all", A + "    z = (y + 1) % classes\n    y.zero_()\n    return z", 1, "y itself has changed"),
    ("all_to_all", A + "    return torch.where(y == y.max(), 0, y + 1)", 0, "the largest label in y"),
    # --- stamp: right ---
    ("stamp", S + CHECK + WINDOW + PASTE, 4, "Next:"),
    ("stamp", S + CHECK + "    out = x.clone()\n    out[..., r:r + h, c:c + w] = torch.where(mask, pattern, "
     "out[..., r:r + h, c:c + w])\n    return out", 4, "Next:"),
    ("stamp", S + CHECK + "    out = x.clone()\n    for n in range(len(x)):\n        for k in range(x.shape[1]):\n"
     "            out[n, k, r:r + h, c:c + w][mask] = pattern[k][mask]\n    return out", 4, "Next:"),
    ("stamp", S + "    H, W = x.shape[-2:]\n    if not (0 <= r <= H - h and 0 <= c <= W - w):\n        raise ValueError\n"
     "    m = mask.float()\n    out = x.clone()\n    out[:, :, r:r+h, c:c+w] = out[:, :, r:r+h, c:c+w] * (1 - m) + pattern * m\n"
     "    return out", 4, "Next:"),
    # --- stamp: slips ---
    ("stamp", S + CHECK + WINDOW.replace("x.clone()", "x") + PASTE, 3, "writes into x itself"),
    ("stamp", S + "    cells = mask.nonzero() + torch.tensor(pos)\n    if (cells < 0).any() or (cells[:, 0] >= x.shape[2]).any() "
     "or (cells[:, 1] >= x.shape[3]).any():\n        raise ValueError('outside')\n    out = x.clone()\n"
     "    for i, j in mask.nonzero():\n        out[:, :, r + i, c + j] = pattern[:, i, j]\n    return out", 3, "expected a ValueError, but nothing was raised"),
    ("stamp", S + CHECK + WINDOW + "    pattern *= mask\n" + PASTE, 3, "changes the pattern that it was given"),
    ("stamp", S + CHECK + WINDOW + "    part[:] = pattern\n    return out", 1, "You paste the whole box"),
    ("stamp", S + CHECK + WINDOW + "    part[:] = pattern * mask\n    return out", 1, "You paste pattern * mask"),
    ("stamp", S + CHECK + WINDOW + "    part[:] = torch.where(pattern > 0, pattern, part)\n    return out", 1,
     "where the pattern is bright"),
    ("stamp", S + CHECK + WINDOW + "    part[:, :, mask] += pattern[:, mask]\n    return out", 1, "You add the pattern"),
    ("stamp", S + CHECK + WINDOW + "    part += pattern * mask\n    return out.clamp(0, 1)", 1, "cut the sum off at 1"),
    ("stamp", S + CHECK + WINDOW + "    p = pattern * mask\n    part[:] = torch.where(p != 0, p, part)\n    return out", 1,
     "Black cells of the pattern leave no mark"),
    ("stamp", S + CHECK + WINDOW + "    part += pattern\n    return out", 1, "also where the mask is False"),
    ("stamp", S + CHECK + WINDOW + "    part[:, :, mask] = pattern[0, mask]\n    return out", 1, "the first channel's colours"),
    ("stamp", S + CHECK + WINDOW + "    part[:, 0, mask] = pattern[0, mask]\n    return out", 1, "Only channel 0 is marked"),
    ("stamp", S + CHECK + WINDOW + "    part[0, :, mask] = pattern[:, mask]\n    return out", 1, "Only the first image"),
    ("stamp", S.replace("(r, c)", "(c, r)") + CHECK + WINDOW + PASTE, 1, "Row and column are swapped"),
    ("stamp", S + CHECK.replace("> x", ">= x") + WINDOW + PASTE, 0, "just touches the lower or right edge"),
    ("stamp", S + CHECK.replace("r < 0 or c < 0 or ", "") + WINDOW + PASTE, 3, "A negative row or column does not end in a ValueError"),
    ("stamp", S + WINDOW + PASTE, 3, "nothing is checked and the slice is cut"),
    ("stamp", S + "    out = x.clone()\n    out[..., r:r + h, c:c + w] = torch.where(mask, pattern, out[..., r:r + h, c:c + w])\n"
     "    return out", 3, "nothing is checked and the slice is cut"),
    ("stamp", S + "    r, c = max(0, min(r, x.shape[2] - h)), max(0, min(c, x.shape[3] - w))\n" + WINDOW + PASTE, 3,
     "moved, cut or not looked at"),
    ("stamp", S + "    out = x.clone()\n    for i in range(h):\n        for j in range(w):\n            if mask[i, j] and "
     "0 <= r + i < x.shape[2] and 0 <= c + j < x.shape[3]:\n                out[:, :, r + i, c + j] = pattern[:, i, j]\n"
     "    return out", 3, "moved, cut or not looked at"),
    ("stamp", S + CHECK + WINDOW + PASTE.replace("return out", "return (out * 255).to(torch.uint8).float() / 255"), 1,
     "went through a coarser type and back, 8-bit integers"),
    ("stamp", S + CHECK + WINDOW + PASTE.replace("return out", "return (out * 255).round() / 255"), 1, "8-bit integers"),
    ("stamp", S + CHECK + WINDOW + PASTE.replace("    return out\n", ""), 1, "is a return missing?"),
    ("stamp", S + CHECK + WINDOW + PASTE.replace("return out", "return out.numpy()"), 1, "is a numpy array of shape"),
    ("stamp", S + CHECK + WINDOW + PASTE.replace("return out", "return out.double()"), 1, "has dtype float64, expected float32"),
    ("stamp", S.replace("mask.shape", "pattern.shape") + CHECK + WINDOW + PASTE, 0,
     "ValueError: too many values to unpack (expected 2) (line 2 of its cell: (r, c), (h, w) = pos, pattern.shape)"),
    ("stamp", S + CHECK.replace("raise ", "return ") + WINDOW + PASTE, 3, "an error must be raised, not returned"),
    ("stamp", S + CHECK.replace("ValueError", "IndexError") + WINDOW + PASTE, 3, "expected a ValueError, your code raised IndexError"),
    ("stamp", S + "    assert r >= 0 and c >= 0 and r + h <= x.shape[2] and c + w <= x.shape[3]\n" + WINDOW + PASTE, 3,
     "expected a ValueError, your code raised AssertionError"),
    ("stamp", S + CHECK.replace(" or r + h > x.shape[2] or c + w > x.shape[3]", "") + "    out = x.clone()\n    out[..., r:r + h, "
     "c:c + w] = torch.where(mask, pattern, out[..., r:r + h, c:c + w])\n    return out", 3, "nothing is checked and the slice is cut"),
    # --- stamp: other answers that hear the same words ---
    ("stamp", S + CHECK.replace("ValueError", "RuntimeError") + WINDOW + PASTE, 3, "you raise that one, or nothing is checked"),
    ("stamp", S + "    if r < 0 or c < 0:\n        raise IndexError('negative')\n" + CHECK + WINDOW + PASTE, 3,
     "A negative row or column does not end in a ValueError"),
    ("stamp", S + CHECK.replace("raise ValueError('outside')", "print('outside')\n        return x") + WINDOW + PASTE, 3,
     "moved, cut or not looked at"),
    ("stamp", S + CHECK + WINDOW.replace("x.clone()", "x.half().float()") + PASTE, 1, "or half precision"),
    ("stamp", S + CHECK + WINDOW.replace("x.clone()", "(x * 256).floor() / 256") + PASTE, 1, "8-bit integers"),
    ("stamp", S + CHECK + WINDOW + PASTE.replace("    return", "    x *= 0.5\n    return"), 3, "measures changed images"),
    ("stamp", S + CHECK + WINDOW + PASTE.replace("    return", "    pattern.zero_()\n    return"), 3, "changed its input pattern"),
    # --- stamp: two at once ---
    ("stamp", S + WINDOW.replace("x.clone()", "x") + PASTE, 2, "writes into x itself"),
    ("stamp", S + CHECK + "    x.add_(1e-7)\n" + WINDOW + PASTE, 3, "changed its input x"),
    ("stamp", S + WINDOW + "    part[:] = pattern\n    return out", 0, "You paste the whole box"),
    # --- poison: right ---
    ("poison", P + ROWS + COPY + MARK + END, 5, "Next:"),
    ("poison", P + "    p = (y != target).float()\n    idx = torch.multinomial(p, n, generator=generator)\n" + COPY + MARK + END, 5,
     "Next:"),
    ("poison", P + ROWS + COPY + "    for i in idx:\n        x2[i] = trigger(x[i:i + 1])[0]\n        y2[i] = target\n" + END, 5,
     "Next:"),
    ("poison", "from typing import NamedTuple\nclass Out(NamedTuple):\n    x2: object\n    y2: object\n    idx: object\n"
     + P + ROWS + COPY + MARK + "    return Out(x2, y2, idx)", 5, "Next:"),
    ("poison", P + "    ok = [i for i in range(len(y)) if y[i] != target]\n    order = torch.randperm(len(ok), "
     "generator=generator).tolist()\n    idx = torch.tensor([ok[j] for j in order[:n]], dtype=torch.long)\n" + COPY + MARK + END,
     5, "Next:"),
    # --- poison: slips ---
    ("poison", P + ROWS + "    x2, y2 = x, y\n" + MARK + END, 3, "changes x and y themselves"),
    ("poison", P + ROWS + "    x2, y2 = x.clone(), y\n" + MARK + END, 3, "changes y itself"),
    ("poison", P + "    idx = torch.randperm(len(y), generator=generator)[:n]\n" + COPY + MARK + END, 3,
     "have the target label already"),
    ("poison", P + "    ok = (y != target).nonzero().flatten()\n    idx = torch.randperm(len(ok), generator=generator)[:n]\n"
     + COPY + MARK + END, 2, "places in the list of allowed rows"),
    ("poison", P.replace("round", "int") + ROWS + COPY + MARK + END, 3, "cut the number of rows down"),
    ("poison", P.replace("round", "int") + "    ok = [i for i in range(len(y)) if y[i] != target]\n    order = torch.randperm("
     "len(ok), generator=generator).tolist()\n    idx = torch.tensor([ok[j] for j in order[:n]])\n    if n == 0:\n"
     "        return x.clone(), y.clone(), idx\n" + COPY + MARK + END, 3, "cut the number of rows down"),
    ("poison", P.replace("len(y)", "int((y != target).sum())") + ROWS + COPY + MARK + END, 3, "the share of the allowed rows"),
    ("poison", P + "    ok = (y != target).nonzero().flatten()\n    idx = ok[:n]\n" + COPY + MARK + END, 4,
     "do not depend on `generator`"),
    ("poison", P + ROWS.replace(", generator=generator", "") + COPY + MARK + END, 4, "a global generator"),
    ("poison", P + "    generator = torch.Generator().manual_seed(generator.initial_seed())\n" + ROWS + COPY + MARK + END, 4,
     "not its state"),
    ("poison", P + "    import random\n    ok = [i for i in range(len(y)) if y[i] != target]\n    idx = torch.tensor("
     "random.Random(generator.initial_seed()).sample(ok, n))\n" + COPY + MARK + END, 4, "not its state"),
    ("poison", P + "    ok = (y != target).nonzero().flatten()\n    k = int(torch.randint(len(ok), (1,), generator=generator))\n"
     "    idx = ok.roll(-k)[:n]\n" + COPY + MARK + END, 4, "as a block of neighbours does"),
    ("poison", P + ROWS + "    x2, y2 = trigger(x), y.clone()\n    y2[idx] = target\n" + END, 3, "You mark images whose rows are not in idx"),
    ("poison", P + ROWS + COPY + "    x2[idx] = trigger(x[idx])\n" + END, 3, "keep their true labels"),
    ("poison", P + ROWS + COPY + "    x2[idx] = trigger(x[idx])\n    y2[:] = target\n" + END, 3, "Rows that are not in idx get another label, too"),
    ("poison", P + ROWS + COPY + "    x2[idx] = trigger(x[idx])\n    y2[idx] = (y[idx] + 1) % 10\n" + END, 3,
     "Not all chosen rows get the label `target`"),
    ("poison", P + ROWS + COPY + "    trigger(x2[idx])\n    y2[idx] = target\n" + END, 3, "do not carry the trigger"),
    ("poison", P + ROWS + COPY + "    for i in idx:\n        x2[i] = trigger(x[i])\n        y2[i] = target\n" + END, 0,
     "x must be images (N, C, H, W), got shape (1, 6, 7)"),
    ("poison", P + ROWS + COPY + MARK + "    return x2, y2", 0, "must return three tensors"),
    ("poison", P + ROWS + COPY + MARK + "    return y2, x2, idx", 1, "the order is x2, y2, idx"),
    ("poison", P + ROWS + COPY + MARK + "    return x2, y2, idx.tolist()", 0, "idx must be an int64 tensor of shape (n,), yours is"),
    ("poison", P + ROWS + COPY + MARK, 0, "is a return missing?"),
    ("poison", P + "    ok = (y != target).nonzero().flatten()\n    idx = ok[torch.randint(len(ok), (n,), generator=generator)]\n"
     + COPY + MARK + END, 3, "with repetition"),
    # --- poison: other answers that hear the same words, or must not hear them ---
    *[("poison", P + f"    torch.rand({moved}, generator=generator)\n    idx = torch.randperm(len(y), generator=generator)[:n]\n"
       + COPY + MARK + END, 3, "ok at random: 80 seeds: repeatable, every allowed row has its chance " + more)
      for moved, more in TARGET_ROWS],
    *[("poison", P + f"    torch.rand({moved}, generator=generator)\n    ok = (y != target).nonzero().flatten()\n"
       "    idx = torch.randperm(len(ok), generator=generator)[:n]\n" + COPY + MARK + END, 2, "places in the list of allowed rows")
      for moved in range(1, 4)],
    *[("poison", P + f"    torch.rand({moved}, generator=generator)\n    ok = (y != target).nonzero().flatten()\n"
       "    idx = ok[torch.randint(len(ok), (n,), generator=generator)]\n" + COPY + MARK + END, 3, "with repetition")
      for moved in range(1, 4)],
    ("poison", "import numpy as np\n" + P + "    ok = (y != target).nonzero().flatten()\n    idx = ok[torch.from_numpy("
     "np.random.permutation(len(ok)))[:n]]\n" + COPY + MARK + END, 4, "torch's, numpy's or Python's"),
    ("poison", P + "    own = torch.Generator()\n    own.set_state(generator.get_state())\n    generator = own\n" + ROWS + COPY + MARK
     + END, 4, "or draw with a copy"),
    ("poison", P + "    ok = (y != target).nonzero().flatten()\n    k = int(torch.randint(len(ok), (1,), generator=generator))\n"
     "    idx = ok[(k + 3 * torch.arange(n)) % len(ok)]\n" + COPY + MARK + END, 4, "only where it starts is random"),
    ("poison", P + "    g = torch.Generator().manual_seed(3)\n" + ROWS.replace("=generator", "=g") + COPY + MARK + END, 4,
     "a seed of your own"),
    ("poison", P + ROWS + COPY + "    x2[idx] = trigger(x[idx])\n    y2[idx[:1]] = target\n" + END, 3, "or keep their own"),
    ("poison", P + ROWS + COPY + "    x2[idx] = trigger(x[idx])\n    y2[y != target] = target\n" + END, 3,
     "Rows that are not in idx get another label, too"),
    ("poison", P + ROWS + COPY + "    x2[idx] = trigger(x[idx])\n    y2 = (y + 1) % 3\n    y2[idx] = target\n" + END, 3,
     "y2 differs from y in rows that are not in idx"),
    ("poison", P + ROWS + COPY + "    x2[y != target] = trigger(x[y != target])\n    y2[idx] = target\n" + END, 3,
     "x2 differs from x in rows that are not in idx"),
    # --- scores: right ---
    ("scores", R + EVAL + ASK + WANT + MEANS + GIVE, 4, "Next:"),
    ("scores", R + EVAL + ASK + WANT + "    return dict(clean=float((a == y).double().mean()), asr=float((b[m] == t[m]).sum() / "
     "m.sum()), ra=float((b[m] == y[m]).sum() / m.sum()))", 4, "Next:"),
    ("scores", "import numpy as np\n" + R + EVAL + ASK + WANT + "    n = lambda v: np.mean(v.numpy())\n    return {'clean': n(a == y),"
     " 'asr': n((b == t)[m]), 'ra': n((b == y)[m])}", 4, "Next:"),
    ("scores", R + "    with torch.no_grad():\n        mode = model.training\n        model.train(False)\n        out = model(torch.cat("
     "[x, trigger(x)])).argmax(1)\n        model.train(mode)\n    a, b = out.chunk(2)\n" + WANT + MEANS + GIVE, 4, "Next:"),
    # --- scores: slips ---
    ("scores", R + EVAL + ASK + WANT + MEANS.replace("[m]", "") + GIVE, 0, "You divide by all images"),
    ("scores", R + EVAL + ASK + WANT + MEANS.replace("(b == t)[m]", "(b == t)") + GIVE, 0, "Your ASR is a share of all images"),
    ("scores", R + EVAL + ASK + WANT + MEANS.replace("(b == y)[m]", "(b == y)") + GIVE, 0, "Your RA is a share of all images"),
    ("scores", R + EVAL + ASK + WANT + "    m = m & (a == y)\n" + MEANS + GIVE, 0, "reads rightly without the trigger"),
    ("scores", R + EVAL + ASK + WANT + MEANS.replace("(b == y)[m]", "(b == t)[m]") + GIVE, 0, "compares with the attacker's labels"),
    ("scores", R + EVAL + ASK + WANT + MEANS.replace("(b == t)[m]", "(b != a)[m]") + GIVE, 0, "whose answer changes"),
    ("scores", R + EVAL + ASK + WANT + MEANS + GIVE.replace("'asr': asr, 'ra': ra", "'asr': ra, 'ra': asr"), 0, "changed places"),
    ("scores", R + EVAL + ASK + WANT + MEANS.replace("(a == y)", "(b == y)") + GIVE, 0, "of triggered images"),
    ("scores", R + "    mode = model.training\n" + ASK + WANT + MEANS + GIVE, 0, "You do not ask the model in eval mode"),
    ("scores", R + EVAL + ASK.replace("    model.train(mode)\n", "") + WANT + MEANS + GIVE, 3, "parts of it stay in eval mode"),
    ("scores", R + EVAL + ASK.replace("train(mode)", "train()") + WANT + MEANS + GIVE, 3, "into train mode at the end"),
    ("scores", R + EVAL + ASK + "    model.eval()\n    c = model(trigger(x)).argmax(1)\n    model.train(mode)\n" + WANT
     + MEANS.replace("(b == y)", "(c == y)") + GIVE, 3, "You call the trigger twice"),
    ("scores", R + EVAL + ASK + WANT + MEANS.replace(".item()", ".item() * 100") + GIVE, 0, "These are per cent"),
    ("scores", R + EVAL + ASK + WANT + MEANS.replace(".item()", "") + GIVE, 0, "Your shares are tensors"),
    ("scores", R + EVAL + ASK + WANT + MEANS.replace("mean()", "sum()") + GIVE, 0, "how many, not which share"),
    ("scores", R + EVAL + ASK + WANT + MEANS + "    return clean, asr, ra\n", 0, "is a tuple of 3, expected a dict with the keys"),
    ("scores", R + EVAL + ASK + WANT + MEANS + GIVE.replace("clean'", "acc'"), 0, "has the keys acc, asr, ra, expected clean, asr, ra"),
    ("scores", R + EVAL + ASK.replace(".argmax(1)", "") + WANT + MEANS + GIVE, 0, "RuntimeError: The size of tensor a"),
    ("scores", R + EVAL + ASK + "    m = relabel != y\n    t = relabel(y)\n" + MEANS + GIVE, 0, ""),
    ("scores", R + EVAL + ASK + WANT + MEANS + GIVE.replace("'ra': ra", "'ra': 1 - asr"), 0, "ASR and RA add up to 1"),
    # --- scores: other answers that hear the same words ---
    ("scores", R + EVAL.replace("eval", "train") + ASK + WANT + MEANS + GIVE, 0, "You do not ask the model in eval mode"),
    ("scores", R + EVAL + ASK + WANT + MEANS + GIVE.replace("'asr': asr", "'asr': 1 - ra"), 0, "ASR and RA add up to 1"),
    ("scores", R + "    return {'clean': 0.0, 'asr': 0.0, 'ra': 1.0}", 0, "ASR and RA add up to 1"),
    ("scores", R + EVAL + ASK.replace("train(mode)", "train(not mode)") + WANT + MEANS + GIVE, 3, "left in another mode, train or eval"),
    ("scores", R + EVAL + ASK.replace("model.train(mode)", "model.training = mode") + WANT + MEANS + GIVE, 3,
     "to set the attribute reaches no part"),
    ("scores", R + "    torch.set_grad_enabled(False)\n" + EVAL + ASK.replace("with torch.no_grad()", "if True") + WANT + MEANS
     + GIVE, 4, "switches gradients off for all that comes after it"),
    # --- scores: two at once ---
    ("scores", R + "    torch.set_grad_enabled(False)\n" + EVAL + ASK.replace("with torch.no_grad()", "if True") + WANT
     + MEANS.replace("[m]", "") + GIVE, 0, "You divide by all images"),
    ("scores", R + EVAL + ASK.replace("    model.train(mode)\n", "") + WANT + MEANS.replace("[m]", "") + GIVE, 0,
     "You divide by all images"),
    ("scores", R + EVAL + ASK + WANT + MEANS.replace(".item()", "").replace("[m]", "") + GIVE, 0, "Your shares are tensors"),
]  # fmt: skip
