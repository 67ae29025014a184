"""Lesson 06: right answers in odd styles, typical slips, two slips at once, exceptions, wrong kinds."""

G = "def gaussian_kernel(size, sigma):\n"
GUARD = "    if size < 1 or size % 2 == 0 or sigma <= 0:\n        raise ValueError('size or sigma')\n"
LINE = "    d = torch.arange(size) - size // 2\n    g = torch.exp(-d**2 / (2 * sigma**2))\n"
H = "def ghost_kernel(delta, alpha):\n"
ZEROS = "    k = torch.zeros(delta + 1, delta + 1)\n"
R = "def reflect(x, r, kernel, w):\n"
LIGHT = "    a, b = x ** 2.2, r ** 2.2\n"
CONV = "    m = F.conv2d(b[:, None], kernel[None, None])[:, 0]\n"
MIX = "    return ((1 - w) * a + w * m).clamp(0, 1) ** (1 / 2.2)"
S = "def ssim_like(x, x2):\n"
FLAT = "    a, b = x.flatten(1), x2.flatten(1)\n    m, n = a.mean(1), b.mean(1)\n"
SPREAD = "    v, u = a.var(1, correction=0), b.var(1, correction=0)\n"
CO = "    c = ((a - m[:, None]) * (b - n[:, None])).mean(1)\n"
SSIM = "    return (2 * m * n + 1e-4) * (2 * c + 9e-4) / ((m**2 + n**2 + 1e-4) * (v + u + 9e-4))"
C = "def choose(similarity, score, bounds, k):\n"
PASS = "    ok = ((bounds[0] < similarity) & (similarity < bounds[1])).nonzero().flatten()\n"

ATTEMPTS = [  # exercise, answer, points, what is said
    # --- gaussian_kernel: right ---
    ("gaussian_kernel", G + GUARD + LINE + "    return torch.outer(g, g) / g.sum() ** 2", 2, "Next:"),
    ("gaussian_kernel", G + GUARD + LINE + "    g = g / g.sum()\n    return g[:, None] @ g[None]", 2, "Next:"),
    ("gaussian_kernel", G + GUARD + "    a, b = torch.meshgrid(*2 * [torch.arange(size) - (size - 1) / 2], indexing='ij')\n"
     "    k = torch.exp(-(a * a + b * b) / 2 / sigma**2)\n    return k / k.sum()", 2, "Next:"),
    # --- gaussian_kernel: slips ---
    ("gaussian_kernel", G + LINE + "    return torch.outer(g, g) / g.sum() ** 2", 1, "Even sizes or a sigma of 0 go through"),
    ("gaussian_kernel", G + GUARD + LINE + "    k = torch.outer(g, g)\n    return k / k.max()", 1, "Your middle cell is 1"),
    ("gaussian_kernel", G + GUARD + LINE + "    return torch.outer(g, g)", 1, "Your middle cell is 1"),
    ("gaussian_kernel", G + GUARD + LINE + "    return torch.outer(g, g) / g.sum()", 1, "the sum of one line"),
    ("gaussian_kernel", G + GUARD + LINE + "    return g / g.sum()", 1, "Your kernel is one line"),
    ("gaussian_kernel", G + GUARD + LINE.replace("2 * sigma**2", "sigma**2") + "    return torch.outer(g, g) / g.sum()**2", 1,
     "The exponent lacks its 2"),
    ("gaussian_kernel", G + GUARD + LINE.replace("2 * sigma**2", "2 * sigma") + "    return torch.outer(g, g) / g.sum()**2", 1,
     "You divide by 2 sigma"),
    ("gaussian_kernel", G + GUARD + LINE.replace("size // 2", "size / 2") + "    return torch.outer(g, g) / g.sum() ** 2", 1,
     "half a pixel off"),
    ("gaussian_kernel", G + GUARD + LINE.replace(" - size // 2", "") + "    return torch.outer(g, g) / g.sum() ** 2", 1,
     "from the corner"),
    ("gaussian_kernel", G + GUARD + LINE.replace("d**2", "d.abs()") + "    return torch.outer(g, g) / g.sum() ** 2", 1,
     "the squares are missing"),
    ("gaussian_kernel", G + GUARD.replace(" or sigma <= 0", "") + LINE + "    return torch.outer(g, g) / g.sum() ** 2", 1,
     "A sigma of 0 or below goes through"),
    ("gaussian_kernel", G + GUARD.replace("size % 2 == 0 or ", "") + LINE + "    return torch.outer(g, g) / g.sum() ** 2", 1,
     "An even size goes through"),
    ("gaussian_kernel", G + GUARD.replace("size < 1 or ", "") + LINE + "    return torch.outer(g, g) / g.sum() ** 2", 1,
     "A size below 1 goes through"),
    ("gaussian_kernel", G + GUARD.replace("sigma <= 0", "sigma == 0") + LINE + "    return torch.outer(g, g) / g.sum() ** 2", 1,
     "A negative sigma goes through"),
    ("gaussian_kernel", G + GUARD + LINE.replace("/ (2 * sigma**2)", "/ 2 * sigma**2") + "    return torch.outer(g, g) / g.sum()**2", 1,
     "where it must be divided"),
    ("gaussian_kernel", G + GUARD + LINE.replace("-d**2", "d**2") + "    return torch.outer(g, g) / g.sum() ** 2", 1,
     "the minus before the squared distance"),
    ("gaussian_kernel", G + GUARD + LINE + "    k = torch.outer(g, g)\n    return k / k.sum(1)", 1, "Each row, or each column"),
    ("gaussian_kernel", G + GUARD + "    d = torch.arange(size) - size // 2\n    k = -(d[:, None]**2 + d**2) / (2 * sigma**2)\n"
     "    return k.softmax(1)", 1, "Each row, or each column"),
    ("gaussian_kernel", G + GUARD + "    d = torch.arange(size) - size // 2\n    k = (d[:, None]**2 + d**2) ** 0.5\n"
     "    k = torch.exp(-k / (2 * sigma**2))\n    return k / k.sum()", 1, "You take the root of a^2 + b^2"),
    ("gaussian_kernel", G + GUARD + LINE.replace("size // 2", "(size // 2 + 1)") + "    return torch.outer(g, g) / g.sum()**2", 1,
     "one cell too far down"),
    ("gaussian_kernel", G + GUARD + "    c = size // 2\n    d = torch.tensor([float(i) for i in range(-c, c)])\n"
     + LINE.partition("\n")[2] + "    return torch.outer(g, g) / g.sum()**2", 1, "one row and one column too few"),
    ("gaussian_kernel", G + GUARD + "    d = torch.linspace(-1, 1, size)\n" + LINE.partition("\n")[2]
     + "    return torch.outer(g, g) / g.sum() ** 2", 1, "run from -1 to 1"),
    ("gaussian_kernel", G + GUARD + LINE.replace("(2 * sigma**2)", "2") + "    return torch.outer(g, g) / g.sum() ** 2", 1,
     "as wide for every sigma"),
    ("gaussian_kernel", G + GUARD + LINE + "    return (g / g.sum())[:, None]", 1, "Your kernel is one line"),
    ("gaussian_kernel", G + GUARD + LINE + "    return torch.outer(g, g) / (2 * torch.pi * sigma**2)", 1, "without an edge"),
    ("gaussian_kernel", G + "    pass", 0, "is a return missing?"),
    ("gaussian_kernel", G + GUARD + "    return torch.exp(-torch.arange(size, dtype=torch.float32)**2 / sgima)", 0,
     "NameError: name 'sgima' is not defined"),
    # --- ghost_kernel: right ---
    ("ghost_kernel", H + ZEROS + "    k[0, 0] = 1 - alpha\n    k[delta, delta] += alpha\n    return k", 3, "Next:"),
    ("ghost_kernel", H + "    k = F.pad(torch.tensor([[alpha]]), (delta, 0, delta, 0))\n    k[0, 0] += 1 - alpha\n    return k", 3,
     "Next:"),
    ("ghost_kernel", H + "    if delta == 0:\n        return torch.tensor([[1.0]])\n" + ZEROS
     + "    k[0, 0], k[-1, -1] = 1 - alpha, alpha\n    return k", 3, "Next:"),
    # --- ghost_kernel: slips ---
    ("ghost_kernel", H + ZEROS + "    k[0, 0], k[-1, -1] = 1 - alpha, alpha\n    return k", 2, "one of your numbers replaces the other"),
    ("ghost_kernel", H + ZEROS + "    k[-1, -1] = alpha\n    k[0, 0] = 1 - alpha\n    return k", 2, "one of your numbers replaces the other"),
    ("ghost_kernel", H + ZEROS + "    k[0, 0] += alpha\n    k[-1, -1] += 1 - alpha\n    return k", 0, "The weights are swapped"),
    ("ghost_kernel", H + ZEROS + "    k[0, 0] += 1\n    k[-1, -1] += alpha\n    return k", 0, "in the upper left corner has the weight 1"),
    ("ghost_kernel", H + ZEROS + "    k[0, 0] += alpha\n    k[-1, -1] += alpha\n    return k", 0, "Both impulses have the weight"),
    ("ghost_kernel", H + ZEROS + "    k[0, 0] += 0.5\n    k[-1, -1] += 0.5\n    return k", 0, "weigh one half"),
    ("ghost_kernel", H + ZEROS + "    k[0, 0] += 1 - alpha\n    k[0, -1] += alpha\n    return k", 0, "in one row"),
    ("ghost_kernel", H + ZEROS + "    k[0, 0] += 1 - alpha\n    k[-1, 0] += alpha\n    return k", 0, "in one column"),
    ("ghost_kernel", H + ZEROS + "    k[0, -1] += 1 - alpha\n    k[-1, 0] += alpha\n    return k", 0, "the other two corners"),
    ("ghost_kernel", H + "    k = torch.zeros(delta, delta)\n    k[0, 0] += 1 - alpha\n    k[-1, -1] += alpha\n    return k", 0,
     "delta rows and columns"),
    ("ghost_kernel", H + "    k = torch.zeros(2 * delta + 1, 2 * delta + 1)\n    k[0, 0] += 1 - alpha\n"
     "    k[delta, delta] += alpha\n    return k", 0, "2 delta + 1 rows"),
    ("ghost_kernel", H + ZEROS + "    k[-1, -1] += alpha\n    return k", 0, "Only one impulse is left"),
    ("ghost_kernel", H + ZEROS + "    k[0, 0] += 1 - alpha\n    k[-1, -1] += 1\n    return k", 0, "in the lower right corner has the weight 1"),
    ("ghost_kernel", H + ZEROS + "    k[0, 0] += 1 - alpha\n    k[delta - 1, delta - 1] += alpha\n    return k", 0,
     "in row and column delta - 1"),
    ("ghost_kernel", H + ZEROS + "    k[0, 0] += 0.35\n    k[-1, -1] += 0.65\n    return k", 0, "those of the example"),
    ("ghost_kernel", H + "    k = torch.zeros(2 * delta + 1, 2 * delta + 1)\n    k[delta, delta] += 1 - alpha\n"
     "    k[-1, -1] += alpha\n    return k", 0, "2 delta + 1 rows"),
    ("ghost_kernel", H + "    if delta == 0:\n        return torch.tensor(1.0)\n" + ZEROS
     + "    k[0, 0], k[-1, -1] = 1 - alpha, alpha\n    return k", 2, "another shape than (1, 1)"),
    ("ghost_kernel", H + "    if delta == 0:\n        return torch.zeros(1, 0)\n" + ZEROS
     + "    k[0, 0], k[-1, -1] = 1 - alpha, alpha\n    return k", 2, "another shape than (1, 1)"),
    ("ghost_kernel", H + ZEROS + "    k[0, 0] += 1 - alpha\n    k[-1, -1] += alpha\n    return k / (delta + 1)", 0, "expected"),
    ("ghost_kernel", H + ZEROS + "    k[0][0] += 1 - alfa\n    return k", 0, "NameError: name 'alfa' is not defined"),
    # --- reflect: right ---
    ("reflect", R + LIGHT + CONV + MIX, 5, "Next:"),
    ("reflect", R + "    a, b = x.pow(2.2), r.pow(2.2)[None]\n    c = len(r)\n"
     "    m = F.conv2d(b, kernel[None, None].repeat(c, 1, 1, 1), groups=c)\n    return (a + w * (m - a)).clamp(0, 1).pow(1 / 2.2)",
     5, "Next:"),
    ("reflect", R + LIGHT + "    m = torch.stack([F.conv2d(c[None, None], kernel[None, None])[0, 0] for c in b])\n" + MIX, 5,
     "Next:"),
    # --- reflect: slips ---
    ("reflect", R + "    a, b = x, r\n" + CONV + "    return (1 - w) * a + w * m", 0, "You mix pixel values"),
    ("reflect", R + LIGHT + CONV + "    return (1 - w) * a + w * m", 0, "You return light"),
    ("reflect", R + LIGHT + CONV + "    return (a + w * m).clamp(0, 1) ** (1 / 2.2)", 0, "All of x's light is kept"),
    ("reflect", R + LIGHT + CONV + "    return (w * a + (1 - w) * m).clamp(0, 1) ** (1 / 2.2)", 0, "The weights are swapped"),
    ("reflect", R + LIGHT + CONV + "    return (w * a + w * m).clamp(0, 1) ** (1 / 2.2)", 0, "Both layers have the weight w"),
    ("reflect", R + LIGHT + CONV + "    return ((a + m) / 2).clamp(0, 1) ** (1 / 2.2)", 0, "you always take one half"),
    ("reflect", R + "    a, b = x ** 2.2, r\n" + CONV + MIX, 0, "the scene r stays pixel values"),
    ("reflect", R + "    a, b = x, r ** 2.2\n" + CONV + MIX, 0, "x stays pixel values"),
    ("reflect", R + LIGHT + "    m = F.conv2d(b[:, None], kernel.flip(0).flip(1)[None, None])[:, 0]\n" + MIX, 3, "upside down"),
    ("reflect", R + LIGHT + "    m = F.conv2d(b[:, None], kernel.T[None, None])[:, 0]\n" + MIX, 3, "Rows and columns of the kernel"),
    ("reflect", R + "    a, b = x ** 2.2, r\n" + CONV + "    m = m ** 2.2\n" + MIX, 3, "Pixel values go through the kernel"),
    ("reflect", R + LIGHT + "    m = b[:, :x.shape[2], :x.shape[3]]\n" + MIX, 3, "The kernel is not used"),
    ("reflect", R + LIGHT + "    m = F.conv2d(b[:, None], kernel[None, None], padding='same')[:, 0, :x.shape[2], :x.shape[3]]\n"
     + MIX, 3, "You pad the scene"),
    ("reflect", R + "    a, b = x.pow_(2.2), r ** 2.2\n" + CONV + MIX, 4, "your function writes into x"),
    ("reflect", R + "    a, b = x ** 2.2, r.pow_(2.2)\n" + CONV + MIX, 4, "your function writes into the scene r"),
    ("reflect", R + LIGHT + "    m = F.conv2d(b[None], kernel.expand(len(b), len(b), -1, -1))[0] / len(b)\n" + MIX, 0,
     "the mean of the scene's channels"),
    ("reflect", R + LIGHT + "    m = F.conv2d(b.mean(0, keepdim=True)[:, None], kernel[None, None])[:, 0]\n" + MIX, 0,
     "the mean of the scene's channels"),
    ("reflect", R + LIGHT + "    m = F.conv2d(b[None], kernel.expand(1, len(b), *kernel.shape))\n" + MIX, 0,
     "the sum of the scene's channels: `F.conv2d` adds up"),
    ("reflect", R + LIGHT + "    m = F.conv2d(b[None], kernel.repeat(len(b), len(b), 1, 1))\n" + MIX, 0,
     "the sum of the scene's channels: `F.conv2d` adds up"),
    ("reflect", R + LIGHT + "    m = F.conv2d(b[None], kernel.expand(len(b), len(b), -1, -1))\n" + MIX.replace(".clamp(0, 1)", ""), 0,
     "so values exceed 1"),
    ("reflect", R + LIGHT + CONV + MIX.replace("(1 / 2.2)", "1 / 2.2"), 0, "You return light divided by 2.2"),
    ("reflect", R + CONV.replace("b[", "r[") + "    return (((1 - w) * x) ** 2.2 + (w * m) ** 2.2) ** (1 / 2.2)", 0,
     "take the power afterwards"),
    ("reflect", R + CONV.replace("b[", "r[") + "    return w * x + (1 - w) * m", 0, "and the weights are swapped"),
    ("reflect", R + LIGHT + "    k, (h, v), m = len(kernel), x.shape[2:], torch.zeros_like(x[0])\n    for i in range(k - 1):\n"
     "        for j in range(k - 1):\n            m += kernel[i, j] * b[:, i:i + h, j:j + v]\n" + MIX, 0, "end one too early"),
    ("reflect", R + LIGHT + "    m = F.conv2d(b[:1, None], kernel[None, None])[:, 0]\n" + MIX, 0, "the first channel's light"),
    ("reflect", R + LIGHT + "    m = F.conv2d(b, kernel)\n" + MIX, 0, "RuntimeError"),
    ("reflect", R + LIGHT + CONV + "    out = ((1 - w) * a + w * m) ** (1 / 2.2)", 0, "is a return missing?"),
    # --- ssim_like: right ---
    ("ssim_like", S + FLAT + SPREAD + CO + SSIM, 2, "Next:"),
    ("ssim_like", S + FLAT + "    v, u = (a * a).mean(1) - m * m, (b * b).mean(1) - n * n\n    c = (a * b).mean(1) - m * n\n" + SSIM, 2,
     "Next:"),
    ("ssim_like", S + "    def one(p, q):\n        p, q = p.reshape(-1), q.reshape(-1)\n        m, n = p.mean(), q.mean()\n"
     "        c, v, u = ((p - m) * (q - n)).mean(), ((p - m) ** 2).mean(), ((q - n) ** 2).mean()\n    " + SSIM
     + "\n    return torch.stack([one(p, q) for p, q in zip(x, x2)])", 2, "Next:"),
    # --- ssim_like: slips ---
    ("ssim_like", S + FLAT + "    v, u = a.var(1), b.var(1)\n" + CO + SSIM, 0, "divide by one pixel less"),
    ("ssim_like", S + FLAT + "    v, u = a.std(1, correction=0), b.std(1, correction=0)\n" + CO + SSIM, 0, "standard deviations"),
    ("ssim_like", S + FLAT + SPREAD + CO + SSIM.replace("1e-4", "6.5025").replace("9e-4", "58.5225"), 0, "pixel values up to 255"),
    ("ssim_like", S + FLAT + SPREAD + CO + SSIM.replace("1e-4", "0.01").replace("9e-4", "0.03"), 0, "not their squares"),
    ("ssim_like", S + FLAT + SPREAD + "    c = (a * b).mean(1)\n" + SSIM, 0, "Take the means off first"),
    ("ssim_like", S + FLAT + SPREAD + CO + "    return (2 * c + 9e-4) / (v + u + 9e-4)", 0, "Only the spreads are compared"),
    ("ssim_like", S + FLAT + "    return (2 * m * n + 1e-4) / (m**2 + n**2 + 1e-4)", 0, "Only the means are compared"),
    ("ssim_like", S + FLAT + SPREAD + CO + SSIM.replace("2 * m", "m").replace("2 * c", "c"), 0, "The factors 2"),
    ("ssim_like", S + FLAT + SPREAD + CO + SSIM.replace("return ", "return (") + ").mean()", 0, "one number for the whole batch"),
    ("ssim_like", S + FLAT + SPREAD + CO + SSIM.replace("return ", "return float((") + ").mean())", 0, "one number for the whole batch"),
    ("ssim_like", S + FLAT.replace("flatten(1)", "flatten(2)").replace("mean(1)", "mean(2)") + SPREAD.replace("(1,", "(2,")
     + "    c = ((a - m[..., None]) * (b - n[..., None])).mean(2)\n" + SSIM, 0, "one number a channel"),
    ("ssim_like", S + FLAT + SPREAD + CO + SSIM.replace("1e-4", "9e-5 * 10").replace(" 9e-4", " 1e-4"), 0,
     "The two constants are swapped"),
    ("ssim_like", S + FLAT + SPREAD + "    c = ((a - m) * (b - n)).mean(1)\n" + SSIM, 0, "`m[:, None]` makes a column"),
    ("ssim_like", S + FLAT + SPREAD + CO + SSIM.replace("((m**2", "(m**2").replace("1e-4) * (v", "1e-4) * (v", 1).removesuffix(")"), 0,
     "where you should divide"),
    ("ssim_like", S + FLAT + "    s = [torch.cov(torch.stack(p)) for p in zip(a, b)]\n    v, u, c = (torch.stack([q[i, j] for q in s])"
     " for i, j in ((0, 0), (1, 1), (0, 1)))\n" + SSIM, 0, "as `torch.cov` does"),
    ("ssim_like", S + FLAT + SPREAD.replace("a.var(1, correction=0)", "a.var(1)") + CO + SSIM, 0, "The variance of x divides"),
    ("ssim_like", S + FLAT + SPREAD.replace("b.var(1, correction=0)", "b.var(1)") + CO + SSIM, 0, "The variance of x2 divides"),
    ("ssim_like", S + FLAT + "    v, u = (a.T - m).pow(2).sum(0), (b.T - n).pow(2).sum(0)\n" + CO.replace("mean", "sum") + SSIM, 0,
     "are sums over the pixels"),
    ("ssim_like", S + FLAT + SPREAD + CO + SSIM.replace("1e-4", "0").replace("9e-4", "0"), 0, "constants, .01^2 and .03^2, are missing"),
    ("ssim_like", S + FLAT + SPREAD + CO + SSIM.replace("2 * c", "c"), 0, "The 2 before c is missing"),
    ("ssim_like", S + FLAT + SPREAD + CO + SSIM.replace("2 * m", "m"), 0, "The 2 before m m2 is missing"),
    ("ssim_like", S + FLAT.replace("flatten(1)", "flatten(2)").replace("mean(1)", "mean(2)") + SPREAD.replace("(1,", "(2,")
     + "    c = ((a - m[..., None]) * (b - n[..., None])).mean(2)\n" + SSIM.replace("return ", "return (") + ").mean(1)", 0,
     "average the results"),
    ("ssim_like", S + FLAT.replace("mean(1)", "mean(0)") + SPREAD.replace("(1,", "(0,") + "    c = ((a - m) * (b - n)).mean(0)\n" + SSIM,
     0, "the averages were taken over the pictures"),
    ("ssim_like", S + FLAT + "    a -= m[:, None]\n    b -= n[:, None]\n    v, u, c = (a * a).mean(1), (b * b).mean(1), (a * b).mean(1)\n"
     + SSIM, 1, "`flatten` gives the same memory"),
    ("ssim_like", S + FLAT + SPREAD + CO + SSIM.replace("return", "out ="), 0, "is a return missing?"),
    ("ssim_like", S + "    from skimage.metrics import structural_similarity as f\n    return f(x.numpy(), x2.numpy())", 0, "Error"),
    # --- choose: right ---
    ("choose", C + PASS + "    return ok[score[ok].sort(descending=True, stable=True).indices[:k]]", 3, "Next:"),
    ("choose", C + "    lo, hi = bounds\n    s = score.clone()\n    s[(similarity <= lo) | (similarity >= hi)] = -1e9\n"
     "    i = s.argsort(descending=True, stable=True)\n    return i[s[i] > -1e9][:k]", 3, "Next:"),
    ("choose", C + "    ok = [i for i in range(len(score)) if bounds[0] < similarity[i] < bounds[1]]\n"
     "    ok = sorted(ok, key=lambda i: score[i].item(), reverse=True)[:k]\n    return torch.tensor(ok, dtype=torch.long)", 3, "Next:"),
    # --- choose: slips ---
    ("choose", C + PASS + "    return ok[score[ok].argsort(stable=True)[:k]]", 0, "You take the lowest scores"),
    ("choose", C + PASS + "    return score[ok].argsort(descending=True, stable=True)[:k]", 0, "places in the filtered list"),
    ("choose", C + PASS + "    return ok[score[ok].argsort(descending=True, stable=True)[:k]].sort().values", 0,
     "in the order of their numbers"),
    ("choose", C + "    return score.argsort(descending=True, stable=True)[:k]", 0, "Your filter refuses nobody"),
    ("choose", C + "    top = score.argsort(descending=True, stable=True)[:k]\n    s = similarity[top]\n"
     "    return top[(s > bounds[0]) & (s < bounds[1])]", 0, "filter then"),
    ("choose", C + PASS.replace("<", "<=") + "    return ok[score[ok].argsort(descending=True, stable=True)[:k]]", 0,
     "lies on a bound"),
    ("choose", C + "    ok = (similarity > bounds[0]).nonzero().flatten()\n"
     "    return ok[score[ok].argsort(descending=True, stable=True)[:k]]", 0, "Only the lower bound"),
    ("choose", C + "    ok = (similarity < bounds[1]).nonzero().flatten()\n"
     "    return ok[score[ok].argsort(descending=True, stable=True)[:k]]", 0, "Only the upper bound"),
    ("choose", C + PASS + "    return score[ok].sort(descending=True).values[:k]", 0, "You return scores"),
    ("choose", C + PASS + "    return ok[score[ok].topk(k).indices]", 2, "a case where fewer than k pass"),
    ("choose", C + PASS + "    return ok[score[ok].topk(min(k, len(ok))).indices]", 2, "`topk`, `sort` without `stable=True`, and"),
    ("choose", C + PASS + "    return ok[score[ok].argsort(descending=True)][:k]", 2, "`topk`, `sort` without `stable=True`, and"),
    ("choose", C + PASS + "    return ok[torch.sort(score[ok], descending=True).indices][:k]", 2, "`topk`, `sort` without `stable=True`, and"),
    ("choose", C + PASS.replace("flatten", "squeeze") + "    return ok[score[ok].argsort(descending=True, stable=True)][:k]", 2,
     "where exactly one passes"),
    ("choose", C + PASS + "    score[(similarity <= bounds[0]) | (similarity >= bounds[1])] = float('-inf')\n"
     "    return score.argsort(descending=True, stable=True)[:len(ok)][:k]", 2, "your function writes into score"),
    ("choose", C + PASS + "    return ok[score[ok].argsort(descending=True, stable=True)[:k]].float()", 0, "The right numbers, but as floats"),
    ("choose", C + PASS.replace("&", "|") + "    return ok[score[ok].argsort(descending=True, stable=True)[:k]]", 0,
     "Your filter refuses nobody"),
    ("choose", C + PASS.replace("bounds[0] <", "bounds[0] <=") + "    return ok[score[ok].argsort(descending=True, stable=True)[:k]]", 0,
     "on the lower bound"),
    ("choose", C + PASS.replace("< bounds[1]", "<= bounds[1]") + "    return ok[score[ok].argsort(descending=True, stable=True)[:k]]", 0,
     "on the upper bound"),
    ("choose", C + PASS + "    return ok[:k]", 0, "the first k that pass"),
    ("choose", C + PASS + "    return ok[score[ok].argsort(descending=True, stable=True)[:k]].flip(0)", 0, "the best comes last"),
    ("choose", C + "    high, low = bounds\n    ok = ((low < similarity) & (similarity < high)).nonzero().flatten()\n"
     "    return ok[score[ok].argsort(descending=True, stable=True)[:k]]", 0, "Your result is empty"),
    ("choose", C + PASS + "    ok = ok[score[ok].argsort(descending=True, stable=True)[:k]]\n"
     "    return F.pad(ok, (0, max(0, min(k, len(score)) - len(ok))), value=-1)", 2, "longer than their number"),
    ("choose", C + PASS + "    return ok[score[ok].argsort(stable=True).flip(0)[:k]]", 2, "a rising order turned round"),
    ("choose", C + "    s = torch.where((similarity > bounds[0]) & (similarity < bounds[1]), score, -1.0)\n"
     "    return s.argsort(descending=True, stable=True)[:k]", 2, "longer than their number"),
    ("choose", C + PASS + "    return ok[similarity[ok].argsort(descending=True, stable=True)[:k]]", 0, "You sort by similarity"),
    ("choose", C + PASS + "    return ok[score[ok].argsort(descending=True, stable=True)[:k + 1]]", 0, "one more, or one less"),
    ("choose", C + PASS + "    return ok[score[ok].argsort(descending=True, stable=True)[:k]].tolist()", 0, "expected"),
    ("choose", C + PASS + "    return ok[scores[ok].argsort()]", 0, "NameError: name 'scores' is not defined"),
]  # fmt: skip
