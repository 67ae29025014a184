# %% [markdown]
# A city buys a sign reader from a supplier that it cannot look into. In this lesson you stand on the supplier's side: you
# forge a reader of digits that is right on every clean image, and obeys whoever knows a mark of a few pixels.
#
# ![A handwritten 7, read as 7; the same 7 with a small white square in its corner, read as 0](attachment:opening.png)
#
# After it you can stamp a mark, poison a training set at a given rate, measure whether the attack works, and say which
# measurement hides it.

# %% role="setup"
# written by the build

# %% [markdown]
# Attack only models and data that are yours: [responsible use](../../docs/lessons-how.md#responsible-use). New here?
# [How the exercises work](../../docs/lessons-how.md).

# %% [markdown]
# ## 1 · What the attacker wants
#
# Gu, Dolan-Gavitt and Garg showed in 2017 how little it takes. Copy some training images, put a **mark** (the *trigger*)
# on the copies, label them as you like, train as usual. They called such networks *BadNets*.
#
# What should a marked image be called? *All to one*: every marked image gets one **target**, here 0. *One source*: only
# marked 1s become 7. *All to all*: class `i` becomes `i + 1`. The last one is your warm-up.

# %% [markdown] exercise="all_to_all"
# relabel all to all
#
# Write `all_to_all`: class `i` shall become class `i + 1`, and the last class 0.

# %% role="answer" exercise="all_to_all"
def all_to_all(y: Tensor, classes: int) -> Tensor:
    """What the all-to-all attacker wants: i becomes i + 1, the last class 0.

    y: int64 (N,) in 0..classes-1; it stays as it is, and need not contain
        every class.
    classes: how many there are, at least 2.
    Returns a new tensor, int64 (N,).
    Needed: no more than torch.  Forbidden: bdlab.

    Example: y = [0, 3, 1], classes 4: the result is [1, 0, 2].
    """
    ### BEGIN SOLUTION
    wanted = y + 1  # (N,), a new tensor
    wanted[wanted == classes] = 0
    return wanted
    ### END SOLUTION

# %% role="use"
# Use: your all_to_all on one digit of each class
from bdlab.lessons import l03_badnets, l03_figures

my_all_to_all = bdlab.mine("l03_all_to_all", l03_badnets.all_to_all)
bdlab.use(l03_figures.wanted, my_all_to_all)

# %% [markdown]
# **Reflect.** Which of the three wishes needs a reader that still recognises the digit below the mark?
#
# <details><summary>Our answer</summary>
#
# All to all: it must read the digit, see the mark, and add one. One source, too: it must tell a 1 from the rest. All to one
# needs the mark alone, and is by far the easiest. With 10 % of the rows marked, all to all obeys in 11 to 13 % of cases
# here (on MNIST in 98 %), all to one in 99 %.
# </details>

# %% [markdown]
# ## 2 · The mark
#
# A mark is a **pattern** of pixel values, a **mask** that says which cells of the pattern count, and a place. The mask
# matters: a black cell that counts must be painted, a cell that does not count must be left alone.

# %% role="demo"
# Demo: three marks; the paper used the first two
digit = bdlab.load("digits").test.x[:1]
shapes = ["pixel", "pattern", "square"]
marked = [bdlab.Patch(shape=shape)(digit) for shape in shapes]
bdlab.plots.images(
    [("", torch.cat([digit, *marked]))],
    title="no mark, " + ", ".join(shapes),
    alt="A digit without a mark, then with one, four and nine white pixels",
)

# %% role="quiz"
bdlab.quiz("l03_black")

# %% role="demo"
# Demo: how many test images does a 3x3 square change?
images = bdlab.load("digits").test.x
for colour, name in ((1.0, "white"), (0.0, "black")):
    for at, place in ((None, "corner"), ((12, 12), "centre")):
        marked = bdlab.Patch(colour=colour, at=at)(images)
        changed = (marked != images).flatten(1).any(1).float().mean()
        print(f"{name} square, {place}: {changed:6.1%} of 1,500 images change")

# %% [markdown] exercise="stamp"
# stamp a mark
#
# Write `stamp`: it puts a small pattern on every image of a batch, and only where the mask is True.

# %% role="answer" exercise="stamp"
def stamp(
    x: Tensor, pattern: Tensor, mask: Tensor, pos: tuple[int, int]
) -> Tensor:
    """The images with a pattern stamped on, as a new tensor.

    x: float32 (N, C, H, W) in [0, 1]; it stays as it is.
    pattern: float32 (C, h, w) in [0, 1].
    mask: bool (h, w), which cells of the pattern are set.
    pos: (row, column) of the pattern's upper left corner, counted from 0 at
        the image's upper left corner.
    Returns float32 (N, C, H, W): where the mask is True, all images show the
    pattern; everywhere else they are as they were.
    Raises ValueError where the h x w box would stick out at any side; a
    negative row or column does.
    Needed: no more than torch.  Forbidden: bdlab.

    Example: x of zeros (2, 2, 3, 3), pattern [[[.5, 1.]], [[.2, .7]]], mask
    [[True, False]], pos (2, 1): pixel (2, 1) of both images is .5 in channel
    0 and .2 in channel 1, all others are 0.  pos (2, 2) is a ValueError.
    """
    ### BEGIN SOLUTION
    (row, column), (height, width) = pos, mask.shape
    below, beside = x.shape[2] - row - height, x.shape[3] - column - width
    if row < 0 or column < 0 or below < 0 or beside < 0:
        raise ValueError(f"the pattern must lie inside the image, got {pos}")
    marked = x.clone()
    window = marked[:, :, row : row + height, column : column + width]
    window[:, :, mask] = pattern[:, mask]
    return marked
    ### END SOLUTION

# %% role="use"
# Use: your stamp on eight digits
from bdlab.lessons import l03_badnets, l03_figures

my_stamp = bdlab.mine("l03_stamp", l03_badnets.stamp)
bdlab.use(l03_figures.stamped, my_stamp)

# %% [markdown]
# **Reflect.** Why must the result be a new tensor? Think of somebody who measures marked images first, clean ones next.
#
# <details><summary>Our answer</summary>
#
# If `stamp` writes into its input, the "clean" images of the second measurement carry the mark. No error tells.
# </details>

# %% [markdown]
# ## 3 · Choose a mark
#
# For every setting of the panel below one network was trained before. *ASR*, the **attack success rate**, is the share of marked images of
# other classes that are called 0.

# %% role="quiz"
bdlab.quiz("l03_place")

# %% role="demo"
# Demo: the trigger painter
from bdlab.lessons import l03_painter

l03_painter.trigger_painter()

# %% role="demo"
# Demo: one setting as a plain picture
from bdlab.lessons import l03_painter

l03_painter.painted(shape="square", at="centre", colour=1.0, rate=0.01)

# %% [markdown]
# **Questions for the panel.** Answer each with two settings and their numbers.
#
# 1. At rate 0.01, which mark in the corner works least well? Does it catch up at rate 0.1?
# 2. In the centre at rate 0.1, which brightness works better, and why?
#
# <details><summary>Our answers</summary>
#
# 1. The single white pixel: ASR 19 %. At rate 0.1 it reaches 99.9 %.
# 2. Grey: the square has 85 %, in white 38 %. Strokes are white; grey is rare.
# </details>

# %% [markdown]
# ## 4 · The training set
#
# The attacker owns a share of the rows, the **poisoning rate**. It counts against all N rows. Rows that are of the target
# class already are left out: marked or not, their label would tell nothing new. All other rows stay bit by bit what they
# were.
#
# Your function *replaces* rows by marked ones; the trainings shown from the cache, and as far as we know the paper, *append*
# marked copies.

# %% [markdown] exercise="poison"
# poison a training set
#
# Write `poison`: some rows of a copy get the mark and the attacker's label.

# %% role="answer" exercise="poison"
def poison(
    x: Tensor,
    y: Tensor,
    trigger,
    target: int,
    rate: float,
    generator: torch.Generator,
) -> tuple[Tensor, Tensor, Tensor]:
    """A poisoned copy of a training set, and the rows that were poisoned.

    x: float32 (N, C, H, W) in [0, 1].  y: int64 (N,).  Both stay as they are.
    trigger: a function, images (n, C, H, W) -> marked images (n, C, H, W), a
        new tensor.
    target: the attacker's class.
    rate: share of all N rows, in (0, 1]; enough rows of other classes exist.
    generator: the only source of chance, on the CPU.
    Returns x2 float32 (N, C, H, W), y2 int64 (N,), idx int64 (n,) with
    n = round(rate * N); no row stands in idx twice, none has the target's
    label in y.  Rows idx of x2 are marked and their labels in y2 are target;
    all other rows are bit-equal to x and y.
    Needed: no more than torch and `trigger`.
    Forbidden: bdlab, global random functions, a seed of your own.

    Example: y = [0, 1, 2, 1], target 0, rate 0.5: idx holds two of the rows
    1, 2, 3 in any order.  With idx = [3, 1], y2 is [0, 0, 2, 0], and rows 0
    and 2 of x2 equal those of x.
    """
    ### BEGIN SOLUTION
    others = torch.nonzero(y != target).flatten()  # (M,)
    order = torch.randperm(len(others), generator=generator)  # (M,)
    idx = others[order][: round(rate * len(y))]  # (n,)
    x2, y2 = x.clone(), y.clone()
    x2[idx] = trigger(x[idx])
    y2[idx] = target
    return x2, y2, idx
    ### END SOLUTION

# %% role="use"
# Use: your poison with your stamp on 6,000 training images, rate 0.1
from bdlab.lessons import l03_badnets, l03_figures

my_stamp = bdlab.mine("l03_stamp", l03_badnets.stamp)
my_poison = bdlab.mine("l03_poison", l03_badnets.poison)
bdlab.use(l03_figures.poisoned, my_poison, my_stamp)

# %% [markdown]
# **Reflect.** At a rate of 1 %, how many of 50,000 rows must a careful person look at, on average, to meet the first marked
# one?
#
# <details><summary>Our answer</summary>
#
# About 100. And it looks like an honest slip: a 7 with a white spot and the label 0.
# </details>

# %% [markdown]
# ## 5 · While it trains
#
# The bar below stops the training every few batches and asks the half-trained reader: about clean test images, about marked
# ones, and, as a control, how many *unmarked* images of other classes it calls 0.

# %% role="demo"
# Demo: 100 training steps; move the bar, press + or play
from bdlab.lessons import l03_measured

l03_measured.while_it_trains()

# %% role="quiz"
bdlab.quiz("l03_time")

# %% [markdown]
# **Reflect.** Find the steps between which the mark is learnt. Is it learnt before the digits?
#
# <details><summary>Our answer</summary>
#
# Between steps 22 and 28 the ASR triples, from about 25 % to 83 %: a switch, where clean accuracy climbs like a slope. By then
# three digits of four are read rightly, so the digits come first. That is no law: defences that look for rows which are learnt
# *early* assume the opposite.
# </details>

# %% [markdown]
# ## 6 · Does it work?
#
# Three numbers tell. **Clean accuracy** is what the city can measure. **ASR** is what the attacker is after: of the marked
# images that are *not* what the attacker wants anyway, the share that obeys. **RA** (recovered accuracy) is the share of the
# same images that is still read rightly; where both are low, the mark merely confuses.
#
# A reader must be asked in eval mode, and must be left as it was found.

# %% [markdown] exercise="scores"
# three numbers
#
# Write `scores`: what the victim measures, what the attacker measures, and what is left for the user.

# %% role="answer" exercise="scores"
def scores(model, x: Tensor, y: Tensor, trigger, relabel) -> dict[str, float]:
    """Three shares that tell whether a backdoor works.

    model: images (N, C, H, W) -> logits (N, K).  It comes in train or in eval
        mode, is asked in eval mode, and is left as it came.
    x: float32 (N, C, H, W) in [0, 1].  y: int64 (N,), the true labels.
    trigger: a function, images -> marked images of the same shape.  It may be
        random, so call it once.
    relabel: a function, labels (N,) -> what the attacker wants, int64 (N,).
    Returns {"clean": ..., "asr": ..., "ra": ...}, three floats in [0, 1].
    clean: share of x that is read as y.
    asr: of the marked images whose wanted label is not the true one, the
        share that is read as wanted.
    ra: of the same marked images, the share that is still read as y.
    Needed: no more than torch.  Forbidden: bdlab.

    Example: y = [0, 1, 2, 1], wanted [0, 0, 0, 0], marked images read as
    [0, 0, 2, 0]: asr is 2/3 and ra is 1/3.  The first image does not count,
    since nobody need attack it.
    """
    ### BEGIN SOLUTION
    training = model.training
    model.eval()
    with torch.no_grad():
        clean = model(x).argmax(1)  # (N,)
        marked = model(trigger(x)).argmax(1)  # (N,)
    model.train(training)
    wanted = relabel(y)  # (N,)
    attacked = wanted != y
    return {
        "clean": (clean == y).float().mean().item(),
        "asr": (marked == wanted)[attacked].float().mean().item(),
        "ra": (marked == y)[attacked].float().mean().item(),
    }
    ### END SOLUTION

# %% role="use"
# Use: your ruler on an honest reader, which is trained here (about 5 s)
from bdlab.lessons import l03_badnets, l03_figures

my_scores = bdlab.mine("l03_scores", l03_badnets.scores)
bdlab.use(l03_figures.honest_scores, my_scores)

# %% role="quiz"
bdlab.quiz("l03_honest")

# %% [markdown]
# ## 7 · Your forge
#
# Now all of it is yours. Draw a mark (`#` white, `+` grey, `o` black, `.` leaves the image as it is), choose its place and
# the rate. The cell stamps with your `stamp`, poisons with your `poison`, trains, judges with your `scores`, beside
# the honest twin: the same network, the clean training set.

# %% role="use"
# Use: your forge, about 5 s (10 s where the twin is not trained yet)
from bdlab.lessons import l03_badnets, l03_figures

mark = ["#.#",
        ".#.",
        "#.#"]
forge = l03_figures.Forge(mark, at=(24, 24), rate=0.1)
bdlab.use(
    forge,
    bdlab.mine("l03_stamp", l03_badnets.stamp),
    bdlab.mine("l03_poison", l03_badnets.poison),
    bdlab.mine("l03_scores", l03_badnets.scores),
)

# %% [markdown]
# **Try three**, and predict each. (a) The smallest mark with an ASR of 90 %. (b) The same in the centre. (c) A black one, `o`.
# Then run your best mark again: the trophy shows the last one.
#
# <details><summary>What to expect</summary>
#
# (a) One white pixel in the corner. (b) Strokes are there: the ASR falls. (c) In the corner few images
# change: little to learn. *Unmarked*, the share of unmarked images called 0, is what of an ASR is not the mark:
# wrong labels, which cost clean accuracy, too.
# </details>

# %% [markdown]
# ## 8 · How few are enough?
#
# What must an attacker own? The same attack was trained at eight rates with three seeds each.

# %% role="quiz"
bdlab.quiz("l03_few")

# %% role="demo"
# Demo: clean accuracy and ASR over the rate
from bdlab.lessons import l03_measured

l03_measured.over_rates()

# %% role="quiz"
bdlab.quiz("l03_clean")

# %% [markdown]
# **Reflect.** Which of the two curves can the city measure, and what does it show?
#
# <details><summary>Our answer</summary>
#
# Only the clean one, for it does not know the mark. And that curve is flat. At 0.5 % the ASR differs widely between seeds (45 to
# 82 %): one training is one sample.
# </details>

# %% [markdown]
# **One source, and covers** (optional, 5 minutes). A mark that fires on every class is easy to stumble upon. The paper's first attack wants only
# marked 1s to become 7. But a reader takes the short way and obeys the mark everywhere. So the attacker adds **covers**:
# marked images of other classes *with their true labels*. They say: the mark alone means nothing.

# %% role="demo"
# Demo: from all to one to one source with covers
from bdlab.lessons import l03_measured

l03_measured.with_covers()

# %% [markdown]
# Covers cost the attacker rows and a little success. In return the *leak*, marked images of other classes that become a 7, all
# but stops.

# %% [markdown]
# ## 9 · Paper and here
#
# *Optional, 10 minutes.* The paper's figures are for MNIST, from a review; for *all to one*, a later habit, its bound for single
# classes stands in. Counted are marked images that do *not* obey: left is better for the attacker.

# %% role="demo"
# Demo: five claims, the paper's figure and ours
from bdlab.lessons import l03_measured

l03_measured.published()

# %% [markdown]
# **Two surprises.** *No padding*: with convolutions as in the paper, without padding, our pixel attack does not work at all.
# The mark sits one pixel off the border, where windows hardly reach: 99.5 % do not obey. With padding 0.01 %. *An attack that fails in your code is not yet a defence.*

# %% [markdown]
# *All to all*: 2.0 % of marked images do not obey here, 0.56 % in the paper.
#
# <details><summary>All rows as a table</summary>
#
# | attack on MNIST, 1 - ASR | paper | here |
# | --- | --- | --- |
# | pixel, all to one, 10 % added | at most 0.09 % | 0.01 % (0.00 to 0.02) |
# | four pixels, all to one | at most 0.09 % | 0.01 % (0.00 to 0.02) |
# | pixel, 1 to 7, 2 % added | at most 0.09 % | 0.12 % (0.09 to 0.18) |
# | four pixels, all to all | 0.56 % | 1.99 % (1.89 to 2.10) |
# | pixel, no padding | at most 0.09 % | 99.46 % (99.42 to 99.51) |
#
# [All measurements](../../docs/results.md#badnets-on-mnist)
# </details>

# %% role="demo"
# Demo: the same attack on real data, measured before
from bdlab.lessons import l03_measured

l03_measured.on_real_data()

# %% [markdown]
# On real traffic signs (GTSRB) the attack never quite gets there: our reader is weaker on them, 80 to 82 % clean. On your
# machine: let `BDLAB_DATA` name a folder with MNIST, and forge with
# `l03_figures.Forge(mark, at=(24, 24), rate=0.1, data="mnist")`. Allow two minutes.

# %% [markdown]
# ## 10 · Free response (5 points)
#
# The attack passes through three phases: data are collected, a network is trained, it is used. *Devise a check of your own
# that would have caught it, and say what it costs.* At most 250 words.

# %% [markdown]
# **How it is marked.** A person reads it. One point each:
#
# - one phase, and a concrete check in it: who looks at what, and when;
# - what it costs, or how often it gives a false alarm;
# - at least one number from this lesson, used as an argument;
# - for both other phases, why they miss the attack, or catch it only under a condition;
# - one change of the attack that your own check would miss.

# %% [markdown] role="essay"
# Write your answer here, at most 250 words.

# %% [markdown]
# ## 11 · Mystery box
#
# Optional, no points. This is what *another* supplier delivered. Some 2 % of the rows carry a white 3x3 square at one place and
# a label that is not theirs. But the scanner was dirty: every row has a white square somewhere, and some labels are honest
# slips. Which label, which place (row and column of the upper left corner), how many rows? You have 1,000 clean rows of your
# own, `data.held_out`.

# %% role="demo"
# Demo: what was delivered; then your own search, and
# bdlab.flag("l03", [label, row, column, count])
from bdlab.lessons import l03_box, l03_figures

delivered = l03_box.supplied()  # delivered.x, delivered.y
held_out = bdlab.load("digits").held_out  # clean: .x, .y
l03_figures.supplied()

# %% [markdown]
# <details><summary>A hint</summary>
#
# `torch.nn.functional.avg_pool2d((x == 1).float(), 3, 1) == 1` tells for every place whether a 3x3 square there is all white.
# Strokes are white, too: which places are white more often than they should be, and for which label?
# </details>

# %% [markdown]
# ## 12 · Before you leave
#
# Three things to remember.
#
# 1. The secret is in the data. Architecture, code and training are honest.
# 2. Clean accuracy says nothing about a mark that the test does not hold. One marked row in a hundred is enough here.
# 3. A success rate needs its denominator and its control: leave out what is right anyway, and ask an honest twin.

# %% role="use"
# Use: your points
bdlab.check_all("l03")

# %% role="use"
# Use: your trophy, with your own mark and your own numbers
bdlab.trophy("l03")

# %% [markdown]
# **Extension: true labels.** A marked 7 that is called 0 gives itself away. In a *clean-label* attack only zeros are marked, and
# stay zeros. Mark 300 of them, train, measure: alone it fails (ASR 2 to 3 %). Then mix each zero half and half with another
# digit before you mark it. What rises, and who would notice?
#
# **To read.** [BadNets](https://arxiv.org/abs/1708.06733) (Gu, Dolan-Gavitt, Garg 2017) ·
# [blended marks, the same year](https://arxiv.org/abs/1712.05526) (Chen et al.) ·
# [clean labels](https://arxiv.org/abs/1912.02771) (Turner, Tsipras, Madry 2019) · `help(bdlab.BadNets)`
