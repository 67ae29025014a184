"""Wrong answers of lesson 09: each is the reference with a few characters changed, and the parts that it loses."""

from autograder.authoring.wrong import edit

PAIRS = "mixed = x[:, None] + overlays"
CUT = """mixed.clamp(max=1) if mode == "add_clip" else mixed"""
BITS = "-(probs * probs.clamp_min(1e-30).log2()).sum(1)"
MEAN = "scores.append(bits.mean())"
LINE = "boundary = torch.quantile(benign, frr)"


class entropy:
    nats = edit("log2", "log", loses="values")
    tens = edit("log2", "log10", loses="values")
    zeros = edit(".clamp_min(1e-30)", "", loses="values")
    sign = edit("return -", "return ", loses="values")
    mean = edit(".sum(1)", ".mean(1)", loses="values")
    columns = edit(".sum(1)", ".sum(0)", loses="values")
    share_of_most = edit(".sum(1)", ".sum(1) / torch.log2(torch.tensor(float(probs.shape[1])))", loses="values")
    unweighted = edit("probs * logs", "logs", loses="values")
    late = edit(".clamp_min(1e-30)", "", ".sum(1)", ".sum(1).nan_to_num(0)", loses="values")
    mean_of_columns = edit(".sum(1)", ".mean(0)", loses="values")
    twice = edit("logs = ", "probs = probs.softmax(1)\n    logs = ", loses="values")
    coarse = edit("logs = ", "probs = probs.clamp_min(0.01)\n    logs = ", loses="values")
    one_number = edit(".sum(1)", ".sum(1).mean()", loses="values")
    column_kept = edit(".sum(1)", ".sum(1, keepdim=True)", loses="values")
    in_place = edit("probs * logs", "probs.mul_(logs)", loses="unchanged")


class superimpose:
    overlay_major = edit(PAIRS, "mixed = x + overlays[:, None]", loses="values")
    zipped = edit(PAIRS, "mixed = x + overlays", loses="values")
    flattened = edit(PAIRS, "mixed = (x[:, None] + overlays).flatten(0, 1)", loses="values")
    by_overlay = edit(PAIRS, "mixed = torch.cat([x + overlay for overlay in overlays])", loses="values")
    reshaped = edit(PAIRS, "mixed = (x + overlays[:, None]).reshape(len(x), len(overlays), *x.shape[1:])", loses="values")
    piled = edit(PAIRS, "mixed = x[:, None] + overlays.cumsum(0)", loses="values")
    mean_cut = edit(CUT, """mixed / 2 if mode == "add_clip" else mixed""", loses="values")
    rescaled_all = edit("mixed.clamp(max=1)", "mixed / mixed.max()", loses="values")
    emptied = edit("mixed.clamp(max=1)", "mixed * (mixed < 1)", loses="values")
    no_tensor = edit("mixed.clamp(max=1)", "torch.min(mixed, 1)", loses="values")
    halves = edit(PAIRS, "mixed = (x[:, None] + overlays) / 2", loses="values")
    always_cut = edit(CUT, "mixed.clamp(max=1)", loses="values")
    never_cut = edit(CUT, "mixed", loses="values")
    modes_swapped = edit("""== "add_clip\"""", """!= "add_clip\"""", loses="values")
    rescaled = edit("mixed.clamp(max=1)", "mixed / mixed.amax((2, 3, 4), keepdim=True)", loses="values")
    around = edit("mixed.clamp(max=1)", "mixed % 1", loses="values")
    in_place = edit(PAIRS, PAIRS + "\n    x += overlays.mean()", loses="unchanged")


class strip_scores:
    mean_first = edit("probs = model(mixed).softmax(1)", "probs = model(mixed).softmax(1).mean(0, keepdim=True)", loses="values")
    per_overlay = edit(MEAN, "scores.append(bits)", "return torch.stack(scores)", "return torch.stack(scores).mean(0)", loses="values")
    own_overlays = edit("image + overlays", "image + x", loses="values")
    alone = edit("image + overlays", "image[None]", loses="values")
    sign = edit("bits = -", "bits = ", loses="values")
    nats = edit("log2", "log", loses="values")
    summed = edit("bits.mean()", "bits.sum()", loses="values")
    largest = edit("bits.mean()", "bits.max()", loses="values")
    smallest = edit("bits.mean()", "bits.min()", loses="values")
    over_inputs = edit("bits.mean()", "bits.sum() / len(x)", loses="values")
    last = edit("bits.mean()", "bits[-1]", loses="values")
    first = edit("bits.mean()", "bits[0]", loses="values")
    piled = edit("scores = []", "scores, kept = [], []", MEAN, "kept += list(bits)\n            scores.append(torch.stack(kept).mean())", loses="values")
    mean_overlay = edit("image + overlays", "image + overlays.mean(0, keepdim=True)", loses="values")
    halves = edit("image + overlays", "(image + overlays) / 2", loses="values")
    reshaped = edit(MEAN, "scores.append(bits)", "return torch.stack(scores)", "return torch.stack(scores).view(len(overlays), len(x)).mean(0)", loses="values")
    every_pair = edit("bits.mean()", "bits", loses="values")
    one_number = edit("return torch.stack(scores)", "return torch.stack(scores).mean()", loses="values")
    overflow = edit("model(mixed).softmax(1)", "model(mixed).exp()\n            probs = probs / probs.sum(1, keepdim=True)", loses="values")
    overflow_and_zeros = edit("model(mixed).softmax(1)", "model(mixed).exp()\n            probs = probs / probs.sum(1, keepdim=True)", ".clamp_min(1e-30)", "", loses="values")
    not_softmax = edit(".softmax(1)", "", loses="values")
    bare_logits = edit(".softmax(1)", "", ".clamp_min(1e-30)", "", loses="values")
    entr_of_logits = edit(".softmax(1)", "", BITS, "torch.special.entr(probs).sum(1) / torch.log(torch.tensor(2.0))", loses="values")
    wrong_axis = edit(".softmax(1)", ".softmax(0)", loses="values")
    wrong_axis_of_all = edit(
        "image in x:", "image in [x]:", "image + overlays", "(image[:, None] + overlays).flatten(0, 1)", ".softmax(1)", ".softmax(0)",
        MEAN, "scores = list(bits.view(len(x), len(overlays)).mean(1))", loses="values",
    )  # fmt: skip
    zeros = edit(".clamp_min(1e-30)", "", loses="values")
    modes_swapped = edit("""== "add_clip":""", """!= "add_clip":""", loses="values")
    always_cut = edit("""if mode == "add_clip":""", "if True:", loses="values")
    never_cut = edit("""if mode == "add_clip":""", "if False:", loses="values")
    no_eval = edit("model.eval()", "pass", loses="values")
    in_place = edit("model.train(training)", "model.train(training)\n    overlays += x[-1]", loses="unchanged")
    mode_left = edit("model.train(training)", "pass", loses="state restored")
    mode_train = edit("model.train(training)", "model.train()", loses="state restored")


class frr_far:
    upper = edit("torch.tensor(frr,", "torch.tensor(1 - frr,", "quantile(benign, frr)", "quantile(benign, 1 - frr)", loses="quantile, normal")
    upper_quantile = edit("quantile(benign, frr)", "quantile(benign, 1 - frr)", loses="quantile")
    ways_swapped = edit("""== "normal":""", """!= "normal":""", loses="quantile, normal")
    reversed = edit("(benign <", "(benign >=", "(trojan >=", "(trojan <", loses="quantile, normal")
    on_the_line_benign = edit("benign < boundary", "benign <= boundary", loses="quantile")
    on_the_line_trojan = edit("trojan >= boundary", "trojan > boundary", loses="quantile")
    rest = edit("(trojan >= boundary).double().mean().item()", "1 - (benign < boundary).double().mean().item()", loses="quantile, normal")
    of_benign = edit("(trojan >= boundary).double().mean().item()", "(trojan >= boundary).sum().item() / len(benign)", loses="quantile, normal")
    percentile = edit("quantile(benign, frr)", "quantile(benign, frr / 100)", loses="quantile")
    between = edit("quantile(benign, frr)", "quantile(benign, frr, interpolation='lower')", loses="quantile")
    share_as_z = edit("mean() + z *", "mean() - frr *", loses="normal")
    forward = edit("torch.special.ndtri", "torch.special.ndtr", loses="normal")
    middle = edit("benign.mean() +", "benign.median() +", loses="normal")
    from_trojan = edit("benign.mean() +", "trojan.mean() +", "benign.std", "trojan.std", "quantile(benign", "quantile(trojan", loses="quantile, normal")
    pooled = edit("if how ==", "both = torch.cat((benign, trojan))\n    if how ==", "benign.mean() +", "both.mean() +", "benign.std", "both.std", "quantile(benign", "quantile(both", loses="quantile, normal")
    flagged = edit("trojan >=", "trojan <", loses="quantile, normal")
    accepted = edit("(benign <", "(benign >=", loses="quantile, normal")
    on_the_line = edit("benign < boundary", "benign <= boundary", "trojan >= boundary", "trojan > boundary", loses="quantile")
    swapped = edit('"frr": (', '"far": (', '"far": (trojan', '"frr": (trojan', loses="quantile, normal")
    nominal = edit("(benign < boundary).double().mean().item()", "frr", loses="quantile, normal")
    of_all = edit("(benign < boundary).double().mean().item()", "(benign < boundary).sum().item() / (len(benign) + len(trojan))", "(trojan >= boundary).double().mean().item()", "(trojan >= boundary).sum().item() / (len(benign) + len(trojan))", loses="quantile, normal")
    percent = edit(".mean().item()", ".mean().item() * 100", count=2, loses="quantile, normal")
    counts = edit(".double().mean().item()", ".double().sum().item()", count=2, loses="quantile, normal")
    tensors = edit(".item()", "", count=3, loses="quantile, normal")
    always_normal = edit("""if how == "normal":""", "if True:", loses="quantile")
    always_quantile = edit("""if how == "normal":""", "if False:", loses="normal")
    sample = edit("benign.std(correction=0)", "benign.std()", loses="normal")
    variance = edit("benign.std(correction=0)", "benign.var(correction=0)", loses="normal")
    plus = edit("benign.mean() + z", "benign.mean() - z", loses="normal")
    one_z = edit("torch.tensor(frr,", "torch.tensor(0.01,", loses="normal")
    at_zero = edit("* benign.std(correction=0)", "* benign.std(correction=0)\n        boundary = boundary.clamp(min=0)", loses="normal")
    in_place = edit("if how ==", "found = benign.sort().values\n    benign.copy_(found)\n    if how ==", loses="unchanged")
