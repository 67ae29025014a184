"""The words of lesson 03: what a student hears who made a mistake that we know, and the hints."""

from __future__ import annotations

MESSAGES = {
    "l03_stamp": {
        "in_place": "Your function writes into x itself. Whoever measures clean accuracy on x afterwards measures marked "
        "images, and no error tells.",
        "no_mask": "You paste the whole box, also the cells that the mask leaves out (or you take the mask from the "
        "brightness). The trigger is another one then, and black cells matter.",
        "adds": "You add the pattern to the pixels. A trigger replaces them: sums differ from image to image, and leave "
        "the range [0, 1].",
        "swapped": "Row and column are swapped: pos is (row, column), the row first. On images that are not square the "
        "trigger lands elsewhere or seems to stick out.",
        "first_channel": "All channels get the first channel's colours. On colour images a yellow trigger turns grey, and "
        "training and use must show the same trigger.",
        "off_by_one": "You refuse a pattern that just touches the lower or right edge. It still fits: the corner is where "
        "attackers like to put it.",
        "negative": "You do not refuse a negative row or column. Slices count it from the other edge, so the trigger would "
        "be cut or land elsewhere.",
        "moved_inside": "You make a pattern that sticks out fit, by moving or cutting it. The caller asked for something "
        "else and never hears of it: raise a ValueError.",
    },
    "l03_poison": {
        "in_place": "Your function changes x and y themselves. The clean training set is lost, and no clean network can be "
        "trained for comparison.",
        "target_rows": "Some chosen rows have the target label already. They add no false label, so a part of the budget "
        "is wasted.",
        "positions": "You draw places in the list of allowed rows and use them as row numbers of x. So you mark other "
        "rows, some of the target class, and never the last ones.",
        "share_of_others": "You take the share of the allowed rows. The rate counts against all N rows, else two papers "
        "with one rate mean two numbers.",
        "truncates": "You cut the number of rows down instead of rounding it: 2.7 rows are 3. At small rates one row more "
        "or less matters.",
        "not_random": "Your rows do not depend on `generator`: the first rows, or a seed of your own. Sorted data would "
        "then be poisoned in one class only.",
        "global_chance": "You draw from the global generator. The same `generator` then gives other rows, and nobody can "
        "repeat the attack.",
        "all_marked": "You mark all images. Rows that are not in idx then carry the trigger with their true label, which "
        "teaches the network to ignore it.",
        "labels_kept": "The chosen rows keep their true labels. The network learns from them that the trigger means "
        "nothing.",
        "mark_lost": "The chosen rows do not carry the trigger: it returns new images, and these must go into x2. So far "
        "you only add wrong labels, which lowers clean accuracy.",
    },
    "l03_all_to_all": {
        "no_wrap": "The last class becomes a class that does not exist. Training on such a label stops with an error.",
        "in_place": "The result is right, but y itself has changed. The true labels are lost, and ASR and RA need them.",
        "last_stays": "The last class keeps its label. It would not be attacked at all; it must become 0.",
        "backwards": "You go down by one. Class i becomes i + 1, the last class 0.",
        "largest_label": "You take the largest label in y for the last class. A batch need not contain every class: use "
        "`classes`.",
        "early_wrap": "You start again one class too early: classes 0 to K - 1 exist, so there are K of them before 0 "
        "comes again.",
        "floats": "The labels are floating-point numbers now. Losses and comparisons want class numbers: int64.",
    },
    "l03_rate_curve": {
        "first_enough": "You report the smallest rate that is enough, though a larger one fails. One lucky training is no "
        "bound: all larger rates must hold, too.",
        "strict": "An ASR equal to `enough` counts as enough. You ask for more than that.",
        "order_given": "You go through the rates in the order given. It may be any order: a larger rate can stand before a "
        "smaller one.",
        "sorted_curves": "Your curves are in sorted order. They must be in the order of `rates`, else a plot joins the "
        "wrong points.",
        "float32": "The curves are float32. Shares of 10,000 images differ in the last digits: make them float64.",
        "curves_swapped": "You return ASR first. The order is clean accuracy, ASR, smallest rate: swapped, a working attack "
        "looks like a broken network.",
        "fixed_bound": "You compare with 0.9 and not with `enough`. The caller may ask for another success rate.",
        "last_failure": "You report the largest rate that fails, not the next one. With that rate the attack does not work "
        "yet.",
    },
}
HINTS = {
    "l03_stamp": (
        "Which pixels of a result may differ from x, and which single tensor operation makes sure that x itself stays?",
        "Check the four sides first. Copy x, cut out the window of the copy that has the pattern's size (a slice is a "
        "view), and write into it only where the mask is True.",
        "With `window = marked[:, :, row : row + h, column : column + w]` the index `window[:, :, mask]` means the masked "
        "cells of every image and channel. Which cells of the pattern belong there, and what must come before?",
    ),
    "l03_poison": (
        "Which rows may be drawn at all, and how do you draw several of them without drawing one twice?",
        "List the row numbers whose label is not the target. Put this list into random order and keep its first n. Then "
        "copy x and y, and change only these rows.",
        "`torch.randperm(len(allowed), generator=generator)` gives places in the list `allowed`, not rows of x: use them to "
        "index `allowed`. Keep `round(rate * len(y))` of them, then write trigger(x[idx]) and target into the copies.",
    ),
    "l03_all_to_all": (
        "What does y + 1 give for the last class, and what should it be?",
        "Add one, and start again at 0 where the number of classes is reached. `classes` tells where, not the labels in y.",
        "The remainder of a division by `classes` leaves all numbers below it as they are, and turns `classes` into 0.",
    ),
    "l03_rate_curve": (
        "If you walk from the largest rate down, when do you know that no smaller rate can be the answer?",
        "Call run once for every rate and keep the results in the order of `rates`. For the smallest rate, look at the "
        "pairs (rate, asr) from the largest rate down, and stop at the first that is not enough.",
        "`sorted(zip(rates, scores), key=lambda pair: pair[0], reverse=True)` gives the pairs in that order. Start with "
        "smallest = None, break where asr < enough, and remember the rate otherwise.",
    ),
}
