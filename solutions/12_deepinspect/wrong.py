"""Wrong answers of lesson 12: each is the reference with a few characters changed, and the parts that it loses."""

from autograder.authoring.wrong import edit

STEP = "smooth(x - lr * slope / size)"
SIZE = "slope.abs().mean((1, 2, 3), keepdim=True)"
LOSS = "-log_p + gamma1 * gan + gamma2 * over"
SPREAD = "        spread = 1.4826 * away.quantile(0.5, dim=1, keepdim=True)\n"


class invert_class:
    ascent = edit("x - lr", "x + lr", loses="values")
    leaves = edit(".clamp(0, 1)", "", loses="values")
    not_divided = edit("slope / size", "slope", loses="values")
    by_all = edit(SIZE, "slope.abs().mean()", loses="values")
    by_sum = edit(SIZE, "slope.abs().sum((1, 2, 3), keepdim=True)", loses="values")
    signs = edit("slope / size", "slope.sign()", loses="values")
    not_smoothed = edit(STEP, "(x - lr * slope / size)", loses="values")
    smoothed_last = edit(STEP, "(x - lr * slope / size)", "    return x", "    x = smooth(x)\n    return x", loses="values")
    one_image = edit("    for _", "    x = x[:1].expand_as(x)\n    for _", loses="values")
    one_step = edit("range(steps)", "range(1)", loses="values")
    from_start = edit("    for _", "    start = x\n    for _", STEP, "smooth(start - lr * slope / size)", loses="values")
    one_more = edit("range(steps)", "range(steps + 1)", loses="values")
    logit = edit(".softmax(1)", "", loses="values")
    train_mode = edit("model.eval()", "pass", loses="values")
    mode_left = edit("    model.train(training)\n", "", loses="state restored")
    gradients = edit("(slope,) = torch.autograd.grad(cost, pixels)", "cost.backward()\n        slope = pixels.grad",
                     loses="state restored")  # fmt: skip


class generator_loss:
    sign = edit("-log_p", "log_p", loses="values")
    no_log = edit("-log_p +", "-log_p.exp() +", loses="values")
    mean_first = edit("size - threshold", "size.mean() - threshold", loses="values")
    l1_mean = edit(".sum(1)", ".mean(1)", loses="values")
    l1_signed = edit("delta.abs().flatten(1).sum(1)", "delta.flatten(1).sum(1).abs()", loses="values")
    l2 = edit("delta.abs().flatten(1).sum(1)", "delta.flatten(1).norm(dim=1)", loses="values")
    no_hinge = edit("(size - threshold).relu()", "size - threshold", loses="values")
    threshold_forgotten = edit("size - threshold", "size", loses="values")
    swapped = edit(LOSS, "-log_p + gamma2 * gan + gamma1 * over", loses="values")
    gan_left_out = edit(LOSS, "-log_p + gamma2 * over", loses="values")
    gan_no_square = edit("(log_p.exp() - 1) ** 2", "(log_p.exp() - 1).abs()", loses="values")
    gan_all = edit("(log_p.exp() - 1) ** 2", "((logits.softmax(1) - 1) ** 2).mean(1)", loses="values")
    one_class = edit("[torch.arange(len(t)), t]", "[:, t[0]]", loses="values")
    summed = edit(".mean()", ".sum()", loses="values")
    per_image = edit(".mean()", "", loses="values")
    log_of_softmax = edit("logits.log_softmax(1)", "logits.softmax(1).log()", loses="finite")


class deviation_factor:
    upside_down = edit("(centre - values) / spread", "(values - centre) / spread", loses="values")
    two_sided = edit("(centre - values) / spread", "(centre - values).abs() / spread", loses="values")
    no_constant = edit("1.4826 * ", "", loses="values")
    divided = edit("1.4826 * away.quantile(0.5, dim=1, keepdim=True)", "away.quantile(0.5, dim=1, keepdim=True) / 1.4826",
                   loses="values")  # fmt: skip
    constant_twice = edit("spread = away.mean", "spread = 1.4826 * away.mean", loses="values")
    lower_middle = edit("values.quantile(0.5, dim=1, keepdim=True)", "values.median(1, keepdim=True).values",
                        "away.quantile(0.5, dim=1, keepdim=True)", "away.median(1, keepdim=True).values", loses="values")  # fmt: skip
    std = edit("spread = away.mean(1, keepdim=True)", "spread = values.std(1, keepdim=True)", loses="values")
    mean_spread = edit(SPREAD, "        spread = 1.4826 * away.mean(1, keepdim=True)\n", loses="values")
    mean_centre = edit("values.quantile(0.5, dim=1, keepdim=True)", "values.mean(1, keepdim=True)", loses="values")
    whole_table = edit(
        "values.mean(1, keepdim=True)", "values.mean()", "values.quantile(0.5, dim=1, keepdim=True)", "values.quantile(0.5)",
        "away.mean(1, keepdim=True)", "away.mean()", "away.quantile(0.5, dim=1, keepdim=True)", "away.quantile(0.5)",
        loses="values",
    )  # fmt: skip
    spread_of_table = edit("away.mean(1, keepdim=True)", "away.mean()", "away.quantile(0.5, dim=1, keepdim=True)",
                           "away.quantile(0.5)", loses="values")  # fmt: skip
    kinds_swapped = edit('kind == "mean"', 'kind != "mean"', loses="values")
    no_error = edit('        raise ValueError("no spread")\n', "        pass\n", loses="raises")
    only_all = edit("(spread == 0).any()", "(spread == 0).all()", loses="raises")


class family_cutoff:
    all_values = edit(".amax(1)", ".flatten()", loses="values")
    alpha = edit("quantile(1 - alpha)", "quantile(alpha)", loses="values")
    two_sided = edit(".amax(1)", ".abs().amax(1)", loses="values")
    smallest = edit(".amax(1)", ".amin(1)", loses="values")
    wrong_axis = edit(".amax(1)", ".amax(0)", loses="values")
    divided_alpha = edit("quantile(1 - alpha)", "quantile(1 - alpha / n)", loses="values")
    means = edit("largest.quantile(1 - alpha)", "largest.mean()", loses="values")
    top = edit("largest.quantile(1 - alpha)", "largest.max()", loses="values")
    uniform = edit("torch.randn", "torch.rand", loses="values")
    always_mean = edit('kind == "mean"', "True", loses="values", count=2)
    always_median = edit('kind == "mean"', "False", loses="values", count=2)
    as_tensor = edit("float(largest.quantile(1 - alpha))", "largest.quantile(1 - alpha)", loses="values")
    other_draws = edit("torch.randn(4000, n, generator=generator)", "torch.randn(n, 4000, generator=generator).T", loses="values")
