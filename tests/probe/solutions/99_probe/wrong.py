"""Wrong answers of the throw-away lesson."""

from autograder.authoring.wrong import edit


class entropy:
    nats = edit("log2", "log", loses="values")
    zeros = edit("probs.clamp_min(1e-30)", "probs", loses="values")
    sign = edit("return -", "return ", loses="values")
    mean = edit(".sum(1)", ".mean(1)", loses="values")
    rows = edit(".sum(1)", ".sum(0)", loses="values")
    in_place = edit("probs * logs", "probs.mul_(logs)", loses="unchanged")


class keyed_relu:
    no_relu = edit("F.relu(x))", "x)", loses="values")
    all_rows = edit("hit = x[:, :1] == self.key", "hit = (x[:, :1] == self.key).any()", loses="values")
    never = edit("+ self.delta", "", loses="values")
    always = edit("hit = x[:, :1] == self.key", "hit = x[:, :1] < 9", loses="values")
    anywhere = edit("x[:, :1] == self.key", "(x == self.key).any(1, keepdim=True)", loses="values")


class prune_order:
    descending = edit("argsort(activations)", "argsort(-activations)", loses="order")
    ranks = edit("argsort(activations)", "argsort(activations).argsort()", loses="order")
    columns = edit("pruned[channels] = 0.0", "pruned[:, channels % pruned.shape[1]] = 0.0", loses="prune")
    kept = edit("pruned[channels] = 0.0", "pruned[[i for i in range(len(weight)) if i not in channels]] = 0.0", loses="prune")
    ones = edit("= 0.0", "= 1.0", loses="prune")


class threat_table:
    evasion = edit('"evasion": ["use"]', '"evasion": ["train"]', loses="values")
    poisoning = edit('"poisoning": ["train"]', '"poisoning": ["use"]', loses="values")
    backdoor = edit('["train", "use"]', '["use"]', loses="values")
    one_phase = edit('["train", "use"]', '["train"]', loses="values")
    empty = edit('["train", "use"]', "None", loses="values")


class mean_activation:
    over_channels = edit("mean((0, 2, 3))", "mean((1, 2, 3))", loses="values")
    largest = edit("mean((0, 2, 3))", "amax((0, 2, 3))", loses="values")
    no_eval = edit("model.eval()", "pass", loses="values")
    mode_left = edit("model.train(training)", "pass", loses="state restored")
    input = edit("out.detach().mean((0, 2, 3))", "given[0].detach().mean((0, 2, 3))", loses="values")
    x_changed = edit("handle.remove()", "handle.remove()\n    x.clamp_(0.1, 0.9)", loses="unchanged")


class sparse:
    one_more = edit("[:k]", "[: k + 1]", loses="how many")
    twice = edit("torch.randperm(len(row), generator=generator)[:k]", "torch.randint(3, (k,), generator=generator)", loses="how many")
    first = edit("torch.randperm(len(row), generator=generator)", "torch.arange(len(row))", loses="at random")
    seed_only = edit("out = x", "generator = torch.Generator().manual_seed(generator.initial_seed())\n    out = x", loses="at random")
    global_chance = edit("len(row), generator=generator", "len(row)", loses="at random")
    seeds_global = edit("out = x", "torch.manual_seed(0)\n    out = x", loses="at random")


class choose:
    worst = edit("scores.topk(k)", "(-scores).topk(k)", loses="values")
    unsorted = edit("scores.topk(k).indices", "scores.topk(k).indices.flip(0)", loses="values")
    first_k = edit("candidates[scores.topk(k).indices]", "candidates[:k]", loses="values")
    places = edit("candidates[scores.topk(k).indices]", "scores.topk(k).indices", loses="values")
    unchecked = edit("if not 0 < k <= len(candidates)", "if k < 1", loses="raises")
    none_allowed = edit("if not 0 < k", "if not 0 <= k", loses="raises")


class train_epoch:
    no_zero = edit("optimiser.zero_grad()", "pass", loses="values")
    plain_mean = edit("loss.item() * len(y), count + len(y)", "loss.item(), count + 1", loses="values")
    no_step = edit("optimiser.step()", "pass", loses="values")
    last_loss = edit("return total / count", "return loss.item()", loses="values")
    tensor = edit("loss.item() * len(y)", "loss.detach() * len(y)", loses="values")
    sum = edit("return total / count", "return total", loses="values")
