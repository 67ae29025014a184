"""Wrong answers of lesson 13: each is the reference with a few characters changed, and the parts that it loses."""

from autograder.authoring.wrong import edit

KL = 'F.kl_div(shadow.log_softmax(1), wanted, reduction="batchmean")'
LINE = "line = score(clean).sort(descending=True).values[int(fpr * len(clean))]"


class unlearn_loss:
    wrong_way = edit(KL, "F.kl_div(wanted.log(), shadow.softmax(1), reduction='batchmean')", loses="values")
    plain = edit("(-teacher / 2)", "teacher", loses="values")
    unhalved = edit("(-teacher / 2)", "(-teacher)", loses="values")
    doubled = edit("(-teacher / 2)", "(-teacher * 2)", loses="values")
    mean = edit('"batchmean"', '"mean"', loses="values")
    summed = edit('"batchmean"', '"sum"', loses="values")
    sign = edit("return F", "return -F", loses="values")
    crossed = edit(KL, "-(wanted * shadow.log_softmax(1)).sum(1).mean()", loses="values")
    rows = edit('reduction="batchmean")', 'reduction="none").sum(1)', loses="values")
    no_logarithm = edit("shadow.log_softmax(1)", "shadow.softmax(1)", loses="values")
    over_batch = edit("log_softmax(1)", "log_softmax(0)", "softmax(1)\n", "softmax(0)\n", loses="values")
    in_place = edit("(-teacher / 2)", "teacher.div_(-2)", loses="unchanged")


class shadow_step:
    train_mode = edit("    wanted", "    shadow.train()\n    wanted", loses="values")
    no_zero = edit("optimiser.zero_grad()", "pass", loses="values")
    no_step = edit("optimiser.step()", "pass", loses="values")
    ascent = edit("loss.backward()", "(-loss).backward()", loses="values")
    plain = edit("(-answers / 2)", "answers", loses="values")
    late_loss = edit("return loss.item()",
                     'return F.kl_div(shadow(x).log_softmax(1), wanted, reduction="batchmean").item()', loses="values")
    twice = edit("optimiser.step()", "optimiser.step()\n    optimiser.step()", loses="values")
    teacher_learns = edit("torch.no_grad()", "torch.enable_grad()", loses="teacher")
    teacher_trains = edit("return loss.item()", "with torch.no_grad():\n        teacher.train()(x)\n    return loss.item()",
                          loses="teacher")


class rbd_score:
    own_choice = edit("model(x).argmax", "shadow(x).argmax", loses="values")
    own_share = edit("shadow(x).softmax", "model(x).softmax", loses="values")
    swapped = edit("model(x).argmax", "shadow(x).argmax", "shadow(x).softmax", "model(x).softmax", loses="values")
    rest = edit("return shares", "return 1 - shares", loses="values")
    over_batch = edit("softmax(1)", "softmax(0)", loses="values")
    no_softmax = edit(".softmax(1)", "", loses="values")
    column_kept = edit("[:, None])[:, 0]", "[:, None])", loses="values")
    all_pairs = edit("shares.gather(1, chosen[:, None])[:, 0]", "shares[:, chosen]", loses="values")
    train_model = edit("    model.eval()\n", "", loses="values")
    train_shadow = edit("    shadow.eval()\n", "", loses="values")
    mode_left = edit("    model.train(modes[0])\n", "", loses="state restored")
    both_left = edit("    model.train(modes[0])\n", "", "    shadow.train(modes[1])\n", "", loses="state restored")


class guard:
    lower = edit("descending=True", "descending=False", loses="values")
    below = edit("score(x) > line", "score(x) < line", loses="values")
    ties = edit("score(x) > line", "score(x) >= line", loses="values")
    one_up = edit("[int(fpr * len(clean))]", "[int(fpr * len(clean)) - 1]", loses="values")
    rounded_up = edit("[int(fpr * len(clean))]", "[int(fpr * len(clean)) + 1]", loses="values")
    median = edit(LINE, "line = score(clean).median()", loses="values")
    own_share = edit("shadow(x).softmax", "model(x).softmax", loses="values")
    new_line = edit("score(x) > line", "score(x) > score(x).sort(descending=True).values[int(fpr * len(x))]", loses="values")
