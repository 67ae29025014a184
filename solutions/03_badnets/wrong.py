"""Wrong answers of lesson 03: each is the reference with a few characters changed, and the parts that it loses."""

from autograder.authoring.wrong import edit

ONE_BY_ONE = """wanted = y.clone()
    for label in range(classes):
        wanted[wanted == label] = label + 1"""
PASTE = "window[:, :, mask] = pattern[:, mask]"
ERROR = """raise ValueError(f"the pattern must lie inside the image, got {pos}")"""
MOVED = "row, column = max(min(row, row + below), 0), max(min(column, column + beside), 0)"
COPY = "x2, y2 = x.clone(), y.clone()"


class all_to_all:
    no_wrap = edit("wanted[wanted == classes] = 0", "pass", loses="values")
    in_place = edit("y + 1", "y.add_(1)", loses="unchanged")
    last_stays = edit("= 0", "= classes - 1", loses="values")
    backwards = edit("y + 1", "y - 1", "wanted == classes] = 0", "wanted == -1] = classes - 1", loses="values")
    largest_label = edit("wanted == classes", "y == y.max()", loses="values")
    early_wrap = edit("wanted == classes", "wanted >= classes - 1", loses="values")
    ten = edit("wanted == classes", "wanted == 10", loses="values")
    distinct = edit("wanted == classes", "wanted == len(y.unique())", loses="values")
    one_by_one = edit("wanted = y + 1", ONE_BY_ONE, loses="values")
    floats = edit("y + 1", "y + 1.0", loses="values")
    numbers = edit("return wanted", "return wanted.tolist()", loses="values")


class stamp:
    in_place = edit("x.clone()", "x", loses="unchanged")
    pattern_changed = edit("marked = x.clone()", "pattern *= mask\n    marked = x.clone()", loses="unchanged")
    no_mask = edit(PASTE, "window[:] = pattern", loses="values")
    brightness = edit(PASTE, "window.copy_(torch.where(pattern > 0, pattern, window))", loses="values")
    black_lost = edit(PASTE, "window.copy_(torch.where(pattern * mask > 0, pattern, window))", loses="values")
    multiplied = edit(PASTE, "window[:] = pattern * mask", loses="values")
    adds = edit("mask] = pattern", "mask] += pattern", loses="values")
    adds_clamped = edit(PASTE, "window[:, :, mask] = (window[:, :, mask] + pattern[:, mask]).clamp(0, 1)", loses="values")
    adds_all = edit(PASTE, "window += pattern", loses="values")
    swapped = edit("(row, column), (height", "(column, row), (height", loses="values")
    first_channel = edit("pattern[:, mask]", "pattern[0, mask]", loses="values")
    one_channel = edit(PASTE, "window[:, 0, mask] = pattern[0, mask]", loses="values")
    one_image = edit(PASTE, "window[0, :, mask] = pattern[:, mask]", loses="values")
    off_by_one = edit("below < 0 or beside < 0", "below <= 0 or beside <= 0", loses="values, out of bounds")
    negative = edit("row < 0 or column < 0 or ", "", loses="out of bounds")
    unchecked = edit("row < 0 or column < 0 or below < 0 or beside < 0", "False", loses="out of bounds")
    moved_inside = edit(ERROR, MOVED, loses="out of bounds")
    eight_bits = edit("return marked", "return (marked * 255).to(torch.uint8) / 255", loses="values")


class poison:
    in_place = edit(COPY, "x2, y2 = x, y", loses="what they hold")
    labels_in_place = edit(COPY, "x2, y2 = x.clone(), y", loses="what they hold")
    target_rows = edit("y != target", "y >= 0", loses="which rows")
    positions = edit("others[order]", "order", loses="which rows, at random")
    share_of_others = edit("rate * len(y)", "rate * len(others)", loses="which rows")
    truncates = edit("round(rate * len(y))", "int(rate * len(y))", loses="which rows")
    twice = edit("torch.randperm(len(others), generator=generator)", "torch.randint(len(others), (len(others),), generator=generator)", loses="which rows")
    not_random = edit("others[order]", "others", loses="at random")
    global_chance = edit("len(others), generator=generator", "len(others)", loses="at random")
    seed_only = edit("generator=generator", "generator=torch.Generator().manual_seed(generator.initial_seed())", loses="at random")
    neighbours = edit("others[order]", "others.roll(-int(torch.randint(len(others), (1,), generator=generator)))", loses="at random")
    all_marked = edit("x2[idx] = trigger(x[idx])", "x2 = trigger(x)", loses="what they hold")
    labels_kept = edit("y2[idx] = target", "pass", loses="what they hold")
    all_labels = edit("y2[idx] = target", "y2[:] = target", loses="what they hold")
    next_class = edit("y2[idx] = target", "y2[idx] = y[idx] + 1", loses="what they hold")
    mark_lost = edit("x2[idx] = trigger(x[idx])", "trigger(x2[idx])", loses="what they hold")


class scores:
    all_counted = edit("[attacked]", "", count=2, loses="values")
    asr_all_counted = edit("(marked == wanted)[attacked]", "(marked == wanted)", loses="values")
    ra_all_counted = edit("(marked == y)[attacked]", "(marked == y)", loses="values")
    only_read_rightly = edit("attacked = wanted != y", "attacked = (wanted != y) & (clean == y)", loses="values")
    ra_of_target = edit("(marked == y)", "(marked == wanted)", loses="values")
    asr_of_truth = edit("(marked == wanted)", "(marked == y)", loses="values")
    changed = edit("(marked == wanted)", "(marked != clean)", loses="values")
    swapped = edit('"asr": (', '"ra": (', '"ra": (marked == y)', '"asr": (marked == y)', loses="values")
    clean_marked = edit("(clean == y)", "(marked == y)", loses="values")
    no_eval = edit("model.eval()", "pass", loses="values")
    mode_left = edit("model.train(training)", "pass", loses="state restored")
    mode_train = edit("model.train(training)", "model.train()", loses="state restored")
    two_draws = edit('"ra": (marked == y)', '"ra": (model(trigger(x)).argmax(1) == y)', "model.train(training)\n", "", "    return {", "    found = {", "item(),\n    }", "item(),\n    }\n    model.train(training)\n    return found", loses="one draw")
    percent = edit(".item()", ".item() * 100", count=3, loses="values")
    tensors = edit(".item()", "", count=3, loses="values")
    ra_is_rest = edit('"ra": (marked == y)[attacked]', '"ra": 1 - (marked == wanted)[attacked]', loses="values")
    counts = edit(".float().mean()", ".float().sum()", count=3, loses="values")
