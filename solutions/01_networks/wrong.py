"""Wrong answers of lesson 01: each is the reference with a few characters changed, and the parts that it loses."""

from autograder.authoring.wrong import edit

SHIFT = "logits - logits.max(1, keepdim=True).values"
LOSSES = "(log_sums - shifted[rows, y])"
SHARES = "(shifted.exp() / shifted.exp().sum(1, keepdim=True))"


class linear_relu:
    transposed = edit("W.T", "W", loses="values")
    no_bias = edit(" + b", "", loses="values")
    minus = edit("+ b", "- b", loses="values")
    no_relu = edit("sums.clamp_min(0)", "sums", loses="values")
    bias_after = edit(" + b", "", "clamp_min(0)", "clamp_min(0) + b", loses="values")
    relu_inputs = edit("x @", "x.clamp_min(0) @", loses="values")
    relu_weights = edit("W.T", "W.clamp_min(0).T", loses="values")
    capped = edit("clamp_min(0)", "clamp(0, 1)", loses="values")
    wrong_side = edit("clamp_min(0)", "clamp_max(0)", loses="values")
    magnitude = edit("clamp_min(0)", "abs()", loses="values")
    bias_down = edit("+ b", "+ b[:, None]", loses="values")
    fires = edit("sums.clamp_min(0)", "(sums > 0).float()", loses="values")
    squeezed = edit("clamp_min(0)", "clamp_min(0).squeeze()", loses="odd sizes")


class accuracy:
    no_eval = edit("model.eval()", "pass", loses="values")
    short_dropped = edit("len(x), batch", "len(x) - batch + 1, batch", loses="values")
    short_left_out = edit("len(x), batch", "len(x) - batch + 1, batch", "right / len(x)", "right / (len(x) // batch * batch)", loses="values")
    batch_means = edit(".sum()", ".float().mean()", "right / len(x)", "right / len(range(0, len(x), batch))", loses="values")
    padded = edit("right / len(x)", "right / (len(range(0, len(x), batch)) * batch)", loses="values")
    last_only = edit("right +=", "right =", loses="values")
    one_place = edit("argmax(1)", "argmax()", loses="values")
    largest_logit = edit("argmax(1)", "amax(1)", loses="values")
    counts = edit("right / len(x)", "right", loses="values")
    percent = edit("right / len(x)", "100 * right / len(x)", loses="values")
    tensor = edit(".item()", "", loses="values")
    whole = edit("range(0, len(x), batch)", "[0]", "x[start : start + batch]", "x", "y[start : start + batch]", "y", loses="batches")
    mode_left = edit("model.train(training)", "pass", loses="state restored")
    mode_train = edit("model.train(training)", "model.train()", loses="state restored")
    gradients_cleared = edit("model.eval()", "model.eval()\n    model.zero_grad()", loses="state restored")


class softmax_xent:
    sum = edit("mean()", "sum()", loses="values")
    wrong_sign = edit(LOSSES, "(shifted[rows, y] - log_sums)", loses="values")
    columns = edit("max(1,", "max(0,", "sum(1).log()", "sum(0).log()[y]", loses="values")
    bits = edit("mean()", "mean() / 0.6931471805599453", loses="values")
    all_entries = edit("mean()", "sum() / logits.numel()", loses="values")
    top_class = edit("shifted[rows, y]", "shifted.amax(1)", loses="values")
    no_log = edit(LOSSES, "(1 - (shifted[rows, y] - log_sums).exp())", loses="values")
    max_forgotten = edit("shifted[rows, y]", "logits[rows, y]", loses="values")
    every_row = edit("[rows, y]", "[:, y]", loses="values")
    number = edit("mean()", "mean().item()", loses="values")
    unstable = edit(SHIFT, "logits.clone()", loses="large logits")
    divided = edit(LOSSES, "-(logits.exp() / logits.exp().sum(1, keepdim=True)).log()[rows, y]", loses="large logits")
    log_zero = edit(LOSSES, f"-{SHARES}.log()[rows, y]", loses="large logits")
    global_max = edit("logits.max(1, keepdim=True).values", "logits.max()", loses="large logits")
    floored = edit(LOSSES, f"-{SHARES}.clamp_min(1e-9).log()[rows, y]", loses="large logits")
    in_place = edit(SHIFT, "logits.sub_(logits.max(1, keepdim=True).values)", loses="unchanged")


class train_epoch:
    no_zero = edit("optimiser.zero_grad()", "pass", loses="weights, loss")
    zero_late = edit("optimiser.zero_grad()\n", "pass\n", "optimiser.step()", "optimiser.step()\n        optimiser.zero_grad()", loses="weights, loss")
    zero_once = edit("optimiser.zero_grad()\n", "pass\n", "model.train()", "model.train()\n    optimiser.zero_grad()", loses="weights, loss")
    no_step = edit("optimiser.step()", "pass", loses="weights, loss")
    step_after = edit("        optimiser.step()\n", "", "    return", "    optimiser.step()\n    return", loses="weights, loss")
    first_batch = edit("    return", "        return", loses="weights, loss")
    double_softmax = edit("model(x)", "model(x).softmax(1)", loses="weights, loss")
    sum_of_losses = edit("loss.backward()", "(loss * len(y)).backward()", loses="weights, loss")
    eval_mode = edit("model.train()", "model.eval()", loses="weights, loss")
    no_train = edit("model.train()", "pass", loses="train mode")
    plain_mean = edit("loss.item() * len(y)", "loss.item()", "count += len(y)", "count += 1", loses="loss")
    last_loss = edit("total / count", "loss.item()", loses="loss")
    total = edit("total / count", "total", loses="loss")
    batches = edit("count += len(y)", "count += 1", loses="loss")
    tensor = edit("loss.item()", "loss.detach()", loses="loss")
