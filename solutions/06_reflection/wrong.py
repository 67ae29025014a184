"""Wrong answers of lesson 06: each is the reference with a few characters changed, and the parts that it loses."""

from autograder.authoring.wrong import edit

GUARD = "size < 1 or size % 2 == 0 or not sigma > 0"
KERNEL = "torch.zeros(delta + 1, delta + 1)"
CONV = "F.conv2d(scene[:, None], kernel[None, None])[:, 0]"
SUMMED = "F.conv2d(scene[None], kernel.expand(1, len(scene), -1, -1))[0]"
MIX = "(1 - w) * light + w * mirrored"
CUT = "scene[:, : x.shape[2], : x.shape[3]]"
CENTRED = "F.conv2d(scene[:, None], kernel[None, None], padding='same')[:, 0, len(kernel) // 2 :][:, : x.shape[2], len(kernel) // 2 :][:, :, : x.shape[3]]"
MOMENTS = "a.var(1, correction=0), b.var(1, correction=0)\n    c = ((a - m[:, None]) * (b - m2[:, None])).mean(1)"
COVARIANCE = "((a - m[:, None]) * (b - m2[:, None]))"
FILTER = "torch.nonzero((low < similarity) & (similarity < high)).flatten()"
BETWEEN = "(low < similarity) & (similarity < high)"
FILTERED = "torch.tensor([i for i in order[:k].tolist() if low < similarity[i] < high], dtype=torch.int64)"


class gaussian_kernel:
    no_two = edit("(2 * sigma**2)", "sigma**2", loses="values")
    two_inside = edit("(2 * sigma**2)", "(2 * sigma) ** 2", loses="values")
    sigma_plain = edit("sigma**2", "sigma", loses="values")
    no_square = edit("(far**2)", "far.abs()", loses="values")
    product = edit("(2 * sigma**2)", "2 * sigma**2", loses="values")
    no_minus = edit("-(far**2)", "(far**2)", loses="values")
    sigma_ignored = edit("(2 * sigma**2)", "2", loses="values")
    root = edit("line[:, None] * line", "torch.exp(-torch.hypot(far[:, None].float(), far.float()) / (2 * sigma**2))", loses="values")
    one_off = edit("size // 2", "(size // 2 + 1)", loses="values")
    from_minus_one = edit("torch.arange(size) - size // 2", "torch.linspace(-1, 1, size)", loses="values")
    half_off = edit("size // 2", "size / 2", loses="values")
    from_corner = edit(" - size // 2", "", loses="values")
    peak_one = edit("kernel.sum()", "kernel.max()", loses="values")
    not_normalised = edit("kernel / kernel.sum()", "kernel / (2 * torch.pi * sigma**2)", loses="values")
    line_sum = edit("kernel.sum()", "line.sum()", loses="values")
    line_only = edit("kernel / kernel.sum()", "line / line.sum()", loses="values")
    row_sums = edit("kernel.sum()", "kernel.sum(1, keepdim=True)", loses="values")
    too_few = edit("torch.arange(size) - size // 2", "torch.arange(-(size // 2), size // 2)", loses="values")
    unchecked = edit(GUARD, "False", loses="raises")
    even = edit("size % 2 == 0 or ", "", loses="raises")
    sigma_zero = edit(" or not sigma > 0", "", loses="raises")
    only_zero = edit("not sigma > 0", "sigma == 0", loses="raises")
    no_size = edit("size < 1 or ", "", loses="raises")


class ghost_kernel:
    swapped = edit("+= alpha", "+= 1 - alpha", "[0, 0] += 1 - alpha", "[0, 0] += alpha", loses="values")
    other_diagonal = edit("[-1, -1]", "[-1, 0]", "[0, 0]", "[0, -1]", loses="values")
    one_row = edit("[-1, -1]", "[0, -1]", loses="values")
    one_column = edit("[-1, -1]", "[-1, 0]", loses="values")
    too_small = edit(KERNEL, "torch.zeros(max(delta, 1), max(delta, 1))", loses="values")
    centred = edit(KERNEL, "torch.zeros(2 * delta + 1, 2 * delta + 1)", "[-1, -1]", "[delta, delta]", loses="values")
    sum_two = edit("+= 1 - alpha", "+= 1", loses="values")
    first_whole = edit("+= alpha", "+= 1", loses="values")
    one_short = edit("[-1, -1]", "[delta - 1, delta - 1]", loses="values")
    example_only = edit("+= alpha", "+= 0.65", "+= 1 - alpha", "+= 0.35", loses="values")
    both_alpha = edit("+= 1 - alpha", "+= alpha", loses="values")
    halves = edit("+= alpha", "+= 0.5", "+= 1 - alpha", "+= 0.5", loses="values")
    one_impulse = edit("kernel[0, 0] += 1 - alpha", "pass", loses="values")
    spread = edit(KERNEL, "torch.full((delta + 1, delta + 1), 0.01)", loses="values")
    last_wins = edit("+= 1 - alpha", "= 1 - alpha", loses="delta 0")
    thin_refused = edit("return kernel", "return kernel if delta else torch.zeros(0, 0)", loses="delta 0")


class reflect:
    no_light = edit("x**2.2, r**2.2", "x, r", " ** (1 / 2.2)", "", loses="values")
    not_back = edit(" ** (1 / 2.2)", "", loses="values")
    precedence = edit(" ** (1 / 2.2)", " ** 1 / 2.2", loses="values")
    weighs_first = edit("x**2.2, r**2.2", "x, r", MIX, "((1 - w) * light) ** 2.2 + (w * mirrored) ** 2.2", loses="values")
    no_light_swapped = edit("x**2.2, r**2.2", "x, r", " ** (1 / 2.2)", "", MIX, "w * light + (1 - w) * mirrored", loses="values")
    no_scene = edit(CONV, "sum((kernel[a, b] * scene[:, a : a + x.shape[2], b : b + x.shape[3]] for a in range(len(kernel) - 1) for b in range(len(kernel) - 1)), torch.zeros_like(x[0]))", loses="values")
    powers_swapped = edit("x**2.2, r**2.2", "x ** (1 / 2.2), r ** (1 / 2.2)", "(0, 1) ** (1 / 2.2)", "(0, 1) ** 2.2", loses="values")
    scene_not_light = edit("r**2.2", "r", loses="values")
    picture_not_light = edit("x**2.2", "x", loses="values")
    adds = edit("(1 - w) * light", "light", loses="values")
    w_both = edit("(1 - w)", "w", loses="values")
    w_swapped = edit("(1 - w) * light + w * mirrored", "w * light + (1 - w) * mirrored", loses="values")
    w_ignored = edit("(1 - w) * light + w * mirrored", "0.5 * light + 0.5 * mirrored", loses="values")
    colours_mixed = edit(CONV, "F.conv2d(scene[None], kernel.expand(len(scene), len(scene), -1, -1) / len(scene))[0]", loses="values")
    colours_summed = edit(CONV, SUMMED, loses="values")
    colours_summed_on = edit(CONV, SUMMED, ".clamp(0, 1)", "", loses="values")
    first_channel = edit(CONV, "F.conv2d(scene[:1, None], kernel[None, None])[:, 0]", loses="values")
    flipped = edit("kernel[None, None]", "kernel.flip(0, 1)[None, None]", loses="kernels")
    transposed = edit("kernel[None, None]", "kernel.T[None, None]", loses="kernels")
    blurs_pixels = edit("r**2.2", "r", "[:, 0]  # (C, H, W)", "[:, 0] ** 2.2", loses="kernels")
    kernel_ignored = edit(CONV, CUT, loses="kernels")
    padded = edit(CONV, "F.conv2d(scene[:, None], kernel[None, None], padding='same')[:, 0, : x.shape[2], : x.shape[3]]", loses="kernels")
    centre_cut = edit(CONV, CENTRED, loses="kernels")
    picture_blurred = edit("light, scene = x**2.2, r**2.2", "light, scene = x**2.2, r**2.2\n    light = F.conv2d(light.flatten(0, 1)[:, None], kernel[None, None], padding='same').view_as(x)", loses="kernels")
    in_place = edit("x**2.2", "x.pow_(2.2)", loses="unchanged")
    scene_in_place = edit("r**2.2", "r.pow_(2.2)", loses="unchanged")


class ssim_like:
    unbiased = edit("correction=0", "correction=1", count=2, loses="values")
    all_unbiased = edit(MOMENTS, f"a.var(1), b.var(1)\n    c = {COVARIANCE}.sum(1) / (a.shape[1] - 1)", loses="values")
    first_unbiased = edit("a.var(1, correction=0)", "a.var(1)", loses="values")
    second_unbiased = edit("b.var(1, correction=0)", "b.var(1)", loses="values")
    sums = edit(MOMENTS, f"((a - m[:, None]) ** 2).sum(1), ((b - m2[:, None]) ** 2).sum(1)\n    c = {COVARIANCE}.sum(1)", loses="values")
    lost_bracket = edit("return light * form", "return light * (2 * c + 0.03**2) * (v + v2 + 0.03**2)", loses="values")
    no_constants = edit("0.01**2", "0", "0.03**2", "0", count=2, loses="values")
    scale_255 = edit("0.01**2", "2.55**2", "0.03**2", "7.65**2", count=2, loses="values")
    no_squares = edit("0.01**2", "0.01", "0.03**2", "0.03", count=2, loses="values")
    constants_swapped = edit("0.01**2", "0.0009", "0.03**2", "0.01**2", "0.0009", "0.03**2", count=2, loses="values")
    whole_batch = edit("x.flatten(1), x2.flatten(1)", "x.flatten()[None].expand(len(x), -1), x2.flatten()[None].expand(len(x), -1)", loses="values")
    deviations = edit("v + v2", "v.sqrt() + v2.sqrt()", loses="values")
    no_means = edit("return light * form", "return form", loses="values")
    no_spreads = edit("return light * form", "return light", loses="values")
    not_centred = edit("((a - m[:, None]) * (b - m2[:, None]))", "(a * b)", loses="values")
    no_twos = edit("2 * m * m2", "m * m2", "2 * c", "c", loses="values")
    no_two_light = edit("2 * m * m2", "m * m2", loses="values")
    no_two_form = edit("2 * c", "c", loses="values")
    channels_averaged = edit("x.flatten(1), x2.flatten(1)", "x.flatten(2).flatten(0, 1), x2.flatten(2).flatten(0, 1)", "light * form", "(light * form).view(len(x), -1).mean(1)", loses="values")
    no_column = edit("a - m[:, None]", "a - m", loses="values")
    over_pictures = edit("x.flatten(1), x2.flatten(1)", "x.flatten(1).T, x2.flatten(1).T", loses="values")
    in_place = edit("(a - m[:, None])", "a.sub_(m[:, None])", loses="unchanged")
    by_channel = edit("x.flatten(1), x2.flatten(1)", "x.flatten(2).flatten(0, 1), x2.flatten(2).flatten(0, 1)", "light * form", "(light * form).view(len(x), -1)", loses="values")
    one_number = edit("return light * form", "return (light * form).mean()", loses="values")


class choose:
    smallest = edit("descending=True", "descending=False", loses="values")
    positions = edit("passed[order][:k]", "order[:k]", loses="values")
    sorted_numbers = edit("passed[order][:k]", "passed[order][:k].sort().values", loses="values")
    unfiltered = edit(FILTER, "torch.arange(len(score))", loses="values")
    nobody = edit(BETWEEN, "(high < similarity) & (similarity < low)", loses="values")
    on_the_lower = edit(BETWEEN, "(low <= similarity) & (similarity < high)", loses="values")
    on_the_upper = edit(BETWEEN, "(low < similarity) & (similarity <= high)", loses="values")
    first_ones = edit("passed[order][:k]", "passed[:k]", loses="values")
    reversed = edit("passed[order][:k]", "passed[order][:k].flip(0)", loses="values")
    filter_last = edit(FILTER, "torch.arange(len(score))", "passed[order][:k]", FILTERED, loses="values")
    outside = edit("(low < similarity) & (similarity < high)", "(low >= similarity) | (similarity >= high)", loses="values")
    low_only = edit("(low < similarity) & (similarity < high)", "low < similarity", loses="values")
    high_only = edit("(low < similarity) & (similarity < high)", "similarity < high", loses="values")
    on_the_bound = edit("(low < similarity) & (similarity < high)", "(low <= similarity) & (similarity <= high)", loses="values")
    by_similarity = edit("score[passed]", "similarity[passed]", loses="values")
    one_more = edit("[:k]", "[: k + 1]", loses="values")
    floats = edit("passed[order][:k]", "passed[order][:k].float()", loses="values")
    scores = edit("passed[order][:k]", "score[passed[order][:k]]", loses="values")
    unstable = edit("passed[order][:k]", "passed[(score[passed] * len(score) + passed * 3 % len(score)).argsort(descending=True)][:k]", loses="few or equal")
    in_place = edit("    order = score", "    score[(similarity <= low) | (similarity >= high)] = -1.0\n    order = score", loses="unchanged")
    refuses = edit("passed[order][:k]", "passed[score[passed].topk(k).indices]", loses="few or equal")
    filled_up = edit("passed[order][:k]", "torch.cat([passed[order], torch.arange(len(score))])[:k]", loses="few or equal")
