"""Wrong answers of lesson 10: each is the reference with a few characters changed, and the parts that it loses."""

from autograder.authoring.wrong import edit

STAGE = "stage = model.get_submodule(layer)"
ALL = "torch.cat(found).mean((0, 2, 3))"
SILENT = "out[:, channels] = 0"
HOOK = "pruned.get_submodule(layer).register_forward_hook(silence)"
STEP = "torch.optim.SGD(tuned.parameters(), lr=lr)"
LOOP = "    for _ in range(epochs):\n"
SET = "    tuned.get_submodule(layer).register_forward_hook(silence)\n"


class mean_activation:
    before_relu = edit(STAGE, STAGE + "[1]", loses="values")
    before_norm = edit(STAGE, STAGE + "[0]", loses="values")
    train_mode = edit("model.eval()", "pass", loses="values")
    places_kept = edit(".mean((0, 2, 3))", ".mean(0)", loses="values")
    per_image = edit(".mean((0, 2, 3))", ".mean((2, 3))", loses="values")
    one_number = edit(".mean((0, 2, 3))", ".mean()", loses="values")
    summed = edit(ALL, "torch.cat(found).sum((2, 3)).mean(0)", loses="values")
    summed_images = edit(ALL, "torch.cat(found).mean((2, 3)).sum(0)", loses="values")
    peak = edit(ALL, "torch.cat(found).amax((2, 3)).mean(0)", loses="values")
    awake_only = edit(
        ALL, "torch.where(torch.cat(found) > 0, torch.cat(found), torch.nan).nanmean((0, 2, 3)).nan_to_num(0)", loses="values"
    )
    first_image = edit("torch.cat(found)", "torch.cat(found)[:1]", loses="values")
    share_awake = edit(ALL, "(torch.cat(found) > 0).float().mean((0, 2, 3))", loses="values")
    mode_left = edit("    model.train(training)\n", "", loses="state restored")
    mode_train = edit("model.train(training)", "model.train()", loses="state restored")


class prune_order:
    descending = edit("argsort(stable=True)", "argsort(descending=True, stable=True)", loses="order")
    ranks = edit("argsort(stable=True)", "argsort(stable=True).argsort(stable=True)", loses="order")
    weight_only = edit(HOOK, "pruned.get_submodule(layer)[0].weight.data[channels] = 0", loses="prune")
    conv_only = edit(
        HOOK, "conv = pruned.get_submodule(layer)[0]\n    conv.weight.data[channels] = 0\n    conv.bias.data[channels] = 0",
        loses="prune",
    )  # fmt: skip
    norm_weight = edit(HOOK, "pruned.get_submodule(layer)[1].weight.data[channels] = 0", loses="prune")
    kept_only = edit(SILENT, "out[:, [n for n in range(out.shape[1]) if n not in channels]] = 0", loses="prune")
    first_ones = edit(SILENT, "out[:, : len(channels)] = 0", loses="prune")
    one_too_many = edit(SILENT, "out[:, [0, *channels]] = 0", loses="prune")
    last_only = edit(SILENT, "out[:, channels[-1:]] = 0", loses="prune")
    their_mean = edit(SILENT, "out[:, channels] = out[:, channels].mean((2, 3), keepdim=True)", loses="prune")
    halved = edit(SILENT, "out[:, channels] *= 0.5", loses="prune")
    nothing = edit("        return out\n", "", loses="prune")
    in_place = edit("copy.deepcopy(model)", "model", loses="original")


class prune_until:
    first_bad = edit("return count", "return count + 1", loses="values")
    last_step = edit("        if", "        start, before = accuracy(keep), start\n        if", "start - accuracy(keep) >",
                     "before - start >", loses="values")  # fmt: skip
    relative = edit("(keep) > drop", "(keep) > drop * start", loses="values")
    met = edit("(keep) > drop", "(keep) >= drop", loses="values")
    all_fall = edit("order[:-1]", "order", "len(order) - 1", "len(order)", loses="values")
    absolute = edit("start - accuracy(keep) > drop", "accuracy(keep) < drop", loses="values")
    a_list = edit("return count", "return order[:count].tolist()", "return len(order) - 1", "return order[:-1].tolist()",
                  loses="values")  # fmt: skip
    from_best = edit("        if", "        start = max(start, accuracy(keep))\n        if", loses="dips")
    best_of_all = edit(
        "            return count\n    return len(order) - 1",
        "            continue\n        best = count + 1\n    return best",
        "    for count", "    best = 0\n    for count", loses="dips",
    )  # fmt: skip


class fine_prune:
    tuned_first = edit(SET, "", "    return tuned.eval()", SET + "    return tuned.eval()", loses="values")
    not_pruned = edit(SET, "", loses="values")
    mask_off = edit(SET, SET.replace("    tuned", "    handle = tuned", 1), "    return tuned.eval()",
                    "    handle.remove()\n    return tuned.eval()", loses="values")  # fmt: skip
    weight_only = edit(SET, "    tuned.get_submodule(layer)[0].weight.data[channels] = 0\n", loses="values")
    no_zero_grad = edit("            optimiser.zero_grad()\n", "", loses="values")
    eval_mode = edit("tuned.train()", "tuned.eval()", loses="values")
    left_in_train = edit("tuned.eval()", "tuned.train()", loses="values")
    one_epoch = edit("range(epochs)", "range(1)", loses="values")
    one_batch = edit("in batches", "in batches[:1]", loses="values")
    short_left_out = edit("in batches", "in batches[:-1]", loses="values")
    summed_loss = edit("tuned(x), y)", 'tuned(x), y, reduction="sum")', loses="values")
    momentum = edit("lr=lr)", "lr=lr, momentum=0.9)", loses="values")
    adam = edit("optim.SGD", "optim.Adam", loses="values")
    decay = edit("lr=lr)", "lr=lr, weight_decay=0.1)", loses="values")
    head_only = edit(STEP, "torch.optim.SGD(tuned.head.parameters(), lr=lr)", loses="values")
    uphill = edit("lr=lr)", "lr=lr, maximize=True)", loses="values")
    input_trained = edit("copy.deepcopy(model)", "model", loses="state restored")
