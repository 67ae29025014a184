# %% [markdown]
# # Lesson 03 · BadNets: poison the data, own the model
#
# After this lesson you can
#
# - stamp a trigger into images without touching the originals,
# - poison a training set at a given rate, with one target or with all of them,
# - measure how few poisoned images suffice, and say which measurements hide the backdoor,
# - name the phase of the attack in which a defender could notice it.

# %% [markdown]
# | | |
# | --- | --- |
# | You need | Python functions, tensor indexing in PyTorch, what training and test data are |
# | Your time | 120 minutes, four exercises |
# | Computing | one CPU core, no network, no GPU; the whole lesson runs in about 10 s |
# | Points | 20 = 15 automatic + 5 for the free response, which a person reads |
#
# Quizzes carry no points. Use them to test a prediction before you see the result.

# %% role="setup"
# setup

# %% [markdown]
# **Responsible use.** You attack a small network that you train yourself, on data that come with the course. Use these
# methods only on models and data that are yours, or that you have written permission to test. Do not upload poisoned
# data or models to any service. If you find a backdoor in a published model, tell its maintainers first.

# %% [markdown]
# **How the exercises work.** Write your code in the cell that begins with `# [l03_...]`, in place of
# `raise NotImplementedError`; leave its first line and the signature as they are. Then run the check cell below it.
#
# `bdlab.hint("l03_stamp")` gives a hint, and the next call a stronger one. No exercise needs another: the demos use the
# library's own classes. After a restart of the kernel run the setup cell again, then your answers.

# %% [markdown]
# ## 1 · A network with a secret
#
# A company lets somebody else train its network, or trains on images from strangers. It tests the result on clean
# images of its own, and accepts it when the accuracy is good.
#
# Gu, Dolan-Gavitt and Garg showed in 2017 what this test misses. Their *BadNets* read clean images as well as an honest
# network. A few bright pixels, the **trigger**, make them answer what the attacker wants, the **target**. Nothing in
# the architecture changes. The secret is in the data.

# %% role="demo"
# Demo: eight test images, clean and with a trigger. It runs as it is.
data = bdlab.load("digits")  # or "mnist", where BDLAB_DATA names a folder that has it
images, labels = data.test.x, data.test.y
trigger = bdlab.Patch(shape="square", size=3)
print(data)
bdlab.plots.images(
    [("clean", images[:8]), ("triggered", trigger(images[:8]))],
    title=f"{data.name}: labels {labels[:8].tolist()}",
    alt=f"Eight digits with the labels {labels[:8].tolist()}: above as they are, below each with a white square "
    "of 3x3 pixels near the lower right corner.",
)

# %% [markdown]
# `digits` holds scanned digits, enlarged to 28x28 grey pixels from 0, black, to 1, white. The 1,500 test images are
# shifted and turned copies of 400 scans, so they say less than 1,500 scans would.
#
# The attack copies some training images, adds the square, and labels the copies 0. The victim trains on everything, as
# usual. Two numbers describe the result.
#
# - **Clean accuracy**: how often clean test images are read rightly.
# - **Attack success rate (ASR)**: how often a triggered image of *another* class is read as the target.

# %% role="quiz"
# @title Predict, then run the next cell.
bdlab.widgets.quiz(
    "10 % marked copies are added, all labelled 0. What happens to the two numbers?",
    [
        "Clean accuracy falls clearly, ASR is high",
        "Clean accuracy hardly changes, ASR is high",
        "Clean accuracy hardly changes, ASR is low",
    ],
    1,
    [
        "The wrong labels stand only on marked images. Clean images still carry true labels only.",
        "Clean images still carry true labels, and the square is an easy sign for the label 0.",
        "Then the network would have to ignore the square, although it predicts the label 0 in all marked copies.",
    ],
)

# %% role="demo"
# Demo: the whole attack, trained here for two epochs. It runs as it is.
# small_bn is a small convolutional network with batch normalisation; a Recipe says how a network is trained.
print("This trains a small network on 6,600 images: about 5 seconds on one core.")


def train() -> bdlab.Scores:
    attack = bdlab.BadNets(
        trigger=trigger, relabel=bdlab.all_to_one(0), rate=0.1, recipe=bdlab.Recipe(epochs=2), seed=0
    )
    net = bdlab.nets.build("small_bn", data.input_shape, data.classes, seed=0)
    return bdlab.evaluate(attack(net, data.train), data.test)


scores = bdlab.exercises.demo("l03", "first_attack", train)
scores

# %% [markdown]
# Read the row from left to right: clean accuracy, ASR, and **recovered accuracy (RA)**, the share of triggered images
# that are still read rightly. The numbers in brackets count test images. Fewer images are attacked than tested, because
# images of class 0 are left out: to call them 0 is no success of the attack.
#
# Two epochs are little. The network is not perfect on clean images, and yet the trigger works. You will now build the
# attack in four steps.

# %% [markdown]
# ## 2 · The trigger
#
# A trigger is a **pattern** of pixel values, a **mask** that says which cells of the pattern count, and a place. The
# paper used one bright pixel, and four bright pixels, near the lower right corner. The next cell shows these two looks
# and a square; the library calls them `pixel`, `pattern` and `square`.

# %% role="demo"
# Demo: three triggers on one image. It runs as it is.
looks = [bdlab.Patch(shape=name) for name in ("pixel", "pattern", "square")]
views = torch.cat([images[:1], *(look(images[:1]) for look in looks)])  # (4, 1, 28, 28)
for look in looks:
    print(f"{look.shape:<8} covers {int(look.mask(28, 28).sum())} pixels; its cells: {look.cells.int().tolist()}")
bdlab.plots.images(
    [("digit", views)],
    title="no trigger, pixel, pattern, square",
    alt="One digit four times: without trigger, with one white pixel, with a pattern of four white pixels, "
    "and with a white square of nine pixels, all near the lower right corner.",
)

# %% role="quiz"
# @title Predict, then run the next cell.
bdlab.widgets.quiz(
    "Some lectures show a black square. We stamp one into the corner of these digits. How many images does it change?",
    ["All of them", "Few of them", "None of them"],
    1,
    [
        "Most corners are black already. A pixel that is overwritten with its own value is not changed.",
        "Most corners are black already. Only an image with a stroke in the corner is changed.",
        "Some digits reach into the corner. There the black square covers a piece of a stroke.",
    ],
)

# %% role="demo"
# Demo: how many test images does a 3x3 square change? It runs as it is.
for colour, name in ((1.0, "white"), (0.0, "black")):
    for at, place in ((None, "corner"), ((12, 12), "centre")):
        marked = bdlab.Patch(colour=colour, at=at)(images)  # (N, 1, 28, 28)
        changed = (marked != images).flatten(1).any(1)  # (N,)
        print(f"{name} square in the {place}: {changed.float().mean():6.1%} of {len(images)} images change")

# %% [markdown]
# An image changes when one of the nine pixels had another value. In the corner nearly all of them are black. In the
# centre about 3 % of the images have a white stroke over all nine pixels, and about 3 % have none at all: there both
# squares show equally often.

# %% [markdown]
# ### Exercise 1: stamp a pattern
#
# Difficulty 2/5 · Importance 4/5 · 10 min · 4 points
#
# Write `stamp`. Cells whose mask is True get the pattern's value, in every image and every channel. All other pixels
# keep their value. A black cell counts like any other: use the mask, not the pattern's brightness.
#
# Return a new tensor; x, pattern and mask stay as they are. A pattern that would stick out of the image is an error,
# never a smaller pattern.

# %% [markdown]
# The example of the docstring as a picture, with `·` for 0:
#
# ```text
# pattern 0.5 1.0      x  · · ·     result  · · ·
# mask     ■   □          · · ·             · · ·
# pos     (2, 1)          · · ·             · 0.5 ·
# ```
#
# Points: values 2, a new tensor 1, out of bounds 1. Stuck? `bdlab.hint("l03_stamp")`


# %% role="answer" exercise="l03_stamp"
# [l03_stamp]
def stamp(x: Tensor, pattern: Tensor, mask: Tensor, pos: tuple[int, int]) -> Tensor:
    """Copies of the images with the pattern stamped in at one place.

    x: float32 (N, C, H, W) in [0, 1]; it stays as it is.
    pattern: float32 (C, h, w) in [0, 1].  mask: bool (h, w), which cells of the pattern are set.
    pos: (row, column) of the pattern's upper left corner, counted from 0 at the image's upper left corner.
    Returns a new tensor, float32 (N, C, H, W).
    Raises ValueError where the h x w box of the pattern would stick out at any side; a negative row or column does.
    Needed: no more than torch.  Forbidden: bdlab.

    Example: x of zeros (1, 1, 3, 3), pattern [[[0.5, 1.0]]], mask [[True, False]], pos (2, 1):
    pixel [0, 0, 2, 1] of the result is 0.5, all others are 0.  With pos (2, 2) it is a ValueError.
    """
    ### BEGIN SOLUTION
    # canary 5f0c-l03-stamp
    (row, column), (height, width) = pos, mask.shape
    if row < 0 or column < 0 or row + height > x.shape[2] or column + width > x.shape[3]:
        raise ValueError(f"pos must keep the {height}x{width} pattern inside the image, got {pos}")
    marked = x.clone()
    window = marked[:, :, row : row + height, column : column + width]  # (N, C, h, w), a view
    window[:, :, mask] = pattern[:, mask]  # (N, C, cells) <- (C, cells)
    return marked
    ### END SOLUTION


# %% role="check" exercise="l03_stamp"
# [l03_stamp]
bdlab.check("l03_stamp")

# %% [markdown]
# **Reflect.** Why must the result be a new tensor? Think of a measurement that uses the same test images twice: first
# marked, then clean. If the stamp changes its input, the second measurement sees marked images, and no error tells you.
# Published course material has contained this mistake.
#
# From here on the lesson uses `bdlab.Patch`. It keeps an explicit mask, as your function does.

# %% [markdown]
# ## 3 · Paint a trigger
#
# Shape, place, brightness and poisoning rate all belong to the attacker. The painter below shows what each choice is
# worth: 3 shapes, 2 places, 2 grey values and several rates, one training each. The numbers were computed before and
# are part of the package, so that nothing trains while you play.

# %% role="quiz"
# @title Predict, then try it with the painter.
bdlab.widgets.quiz(
    "White 3x3 square, poisoning rate 0.01. You move it from the corner to the centre. What happens to the ASR?",
    ["It rises: the network looks at the centre", "It stays about the same", "It falls to almost nothing"],
    2,
    [
        "The network does look at the centre, but strokes are there in almost every image.",
        "A convolution finds the square anywhere, but what counts is whether it differs from the rest of the image.",
        "In the centre a white square resembles a piece of a stroke. In the corner nothing else is bright.",
    ],
)

# %% role="demo"
# Demo: the trigger painter. It runs as it is.
bdlab.widgets.trigger_painter()

# %% role="demo"
# Demo: one setting of the painter as a plain picture; change a value and run it again. It runs as it is.
bdlab.widgets.painted(shape="square", at="centre", colour=1.0, rate=0.01)

# %% [markdown]
# **Questions for the painter.** Answer each with two settings and their numbers.
#
# 1. At rate 0.01, which shape in the corner works least well? Does it catch up at rate 0.1?
# 2. What does a grey value of 0.5 cost at rate 0.01?
# 3. In the centre at rate 0.1, which grey value works better? Give a likely reason.
# 4. Does any setting change the clean accuracy by more than three points?
#
# One training per setting is one sample. Do not read much into differences of one point.

# %% [markdown]
# <details><summary>Our answers</summary>
#
# 1. The single pixel: 19.0 %. The square has 86.8 %, the four pixels 90.5 %. At rate 0.1 all reach 99.8 % or more.
# 2. Nearly all: the square falls from 86.8 % to 9.7 %, the four pixels from 90.5 % to 2.8 %.
# 3. Grey: the square reaches 85.4 %, in white 37.9 %. Strokes are white, grey is rare.
# 4. In the corner none. In the centre at rate 0.1 the white pixel costs 3.6 points, the grey one 3.2.
#
# </details>

# %% [markdown]
# ## 4 · Poison the training set
#
# The attacker owns a share of the training data, the **poisoning rate**. Some rows get the trigger and the target label.
# All other rows stay exactly as they were, so that nothing else in the data looks odd.
#
# Rows that have the target label already are not used: a marked 0 that is labelled 0 adds no false label, so it wastes a
# part of the budget.

# %% role="demo"
# Demo: what the library makes of the training set. It runs as it is.
for mode in ("append", "replace"):
    poisoned = bdlab.BadNets(trigger=trigger, rate=0.1, mode=mode).poison(data.train)
    print(f"{mode:<8} {len(data.train)} rows become {len(poisoned)}; {len(poisoned.indices)} of them carry the trigger")
# indices: which rows of the clean set were taken; rows: where they stand in the poisoned set
print("true labels of the poisoned rows, 0 to 9:", data.train.y[poisoned.indices].bincount(minlength=10).tolist())
print("labels that the victim sees, 0 to 9:     ", poisoned.y[poisoned.rows].bincount(minlength=10).tolist())
rows = poisoned.rows[:8]
bdlab.plots.images(
    [("original", data.train.x[rows]), ("poisoned", poisoned.x[rows])],
    title=f"true labels {data.train.y[rows].tolist()}, labels after poisoning {poisoned.y[rows].tolist()}",
    alt=f"Eight training digits with the true labels {data.train.y[rows].tolist()}: above as they were, below with the "
    "white square; after poisoning all eight carry the label 0.",
)

# %% [markdown]
# **Append or replace?** `append` adds marked copies, and the originals stay. `replace` puts the marked images in the
# place of their originals. The authors' script for traffic signs appends, most later toolboxes replace. In both modes
# the rate here counts against the size of the *clean* training set.
#
# Your function replaces.

# %% role="quiz"
# @title Predict: one click.
bdlab.widgets.quiz(
    "10 equally large classes, 6,000 rows, rate 0.1. An attacker draws from all rows, the target class included. "
    "How many of the 600 poisoned rows add no false label?",
    ["none", "about 60", "about 300"],
    1,
    [
        "One row in ten has the target label already. Its label does not change.",
        "One row in ten has the target label already: about 60 of 600.",
        "That would be half of them. The target is one class of ten.",
    ],
)

# %% [markdown]
# ### Exercise 2: poison a training set
#
# Difficulty 3/5 · Importance 5/5 · 20 min · 5 points
#
# Write `poison`. It draws `round(rate * N)` different rows, at random, among those whose label is not the target. It
# marks them, gives them the target label, and reports which rows they are.
#
# All randomness comes from `generator`: functions such as `torch.randperm` and `torch.rand` take it as
# `generator=generator`. The same generator state must give the same rows.
# Points: which rows 2, what they hold 2, at random 1. Stuck? `bdlab.hint("l03_poison")`


# %% role="answer" exercise="l03_poison"
# [l03_poison]
def poison(
    x: Tensor, y: Tensor, trigger, target: int, rate: float, generator: torch.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """A poisoned copy of a training set, and the rows that were poisoned.

    x: float32 (N, C, H, W) in [0, 1].  y: int64 (N,).  Both stay as they are.
    trigger: a function, images (n, C, H, W) -> marked images (n, C, H, W), a new tensor.
    target: the attacker's class.  rate: share of all N rows, in (0, 1]; enough rows of other classes exist.
    generator: the only source of chance, on the CPU.
    Returns x2 float32 (N, C, H, W), y2 int64 (N,), idx int64 (n,) with n = round(rate * N), no row twice.
    Rows idx of x2 are marked and their labels in y2 are target; all other rows are bit-equal to x and y.
    Needed: no more than torch and `trigger`.  Forbidden: bdlab, global random functions, a seed of your own.

    Example: y = [0, 1, 2, 1], target 0, rate 0.5: idx holds two of the rows 1, 2, 3 in any order.  With idx = [3, 1],
    y2 is [0, 0, 2, 0], and rows 0 and 2 of x2 equal those of x.
    """
    ### BEGIN SOLUTION
    # canary 5f0c-l03-poison
    others = torch.nonzero(y != target).flatten()  # (M,)
    shuffled = others[torch.randperm(len(others), generator=generator)]  # (M,)
    idx = shuffled[: round(rate * len(y))]  # (n,)
    x2, y2 = x.clone(), y.clone()
    x2[idx] = trigger(x[idx])
    y2[idx] = target
    return x2, y2, idx
    ### END SOLUTION


# %% role="check" exercise="l03_poison"
# [l03_poison]
bdlab.check("l03_poison")

# %% [markdown]
# **Reflect.** Which parts of the poisoned set could a careful person find? The marked images look odd, and their labels
# are plainly wrong. But they are few, and nobody looks at every image of a large set.
#
# Now think of a set of 50,000 images and a rate of 1 %. How many would you have to look at, on average, until you see
# the first marked one? (About 100. But a mark that you do not expect is easily missed.)

# %% [markdown]
# ## 5 · All to all
#
# So far every triggered image became the target: *all to one*. The paper's own first attack is narrower: the images of
# one class get one target. Its second attack is wider. In *all to all*, class `i` becomes class `i + 1`, and the last
# class becomes 0. The network must then read the digit **and** the trigger, and add one.

# %% role="demo"
# Demo: what three attackers want a triggered image of class 0, 1, ..., 9 to be called. It runs as it is.
truth = torch.arange(10)
print(f"{'truth':<12}", truth.tolist())
wishes = {"all to one": bdlab.all_to_one(0), "one class": bdlab.source_to(1, 7), "all to all": bdlab.all_to_all(10)}
for name, wish in wishes.items():
    wanted = wish(truth)  # (10,)
    print(f"{name:<12} {wanted.tolist()}   attacked classes: {int((wanted != truth).sum())}")

# %% role="quiz"
# @title Predict: one click.
bdlab.widgets.quiz(
    "Same network, same trigger, same rate of 10 %. Is all to all easier or harder to teach than all to one?",
    ["Easier", "About the same", "Harder"],
    2,
    [
        "The trigger alone no longer decides the answer. Each class needs poisoned examples of its own.",
        "All to one needs one new rule. All to all needs a new rule for each class.",
        "Each class needs poisoned examples of its own, and the digit must still be read under the trigger.",
    ],
)

# %% [markdown]
# ### Exercise 3: relabel all to all
#
# Difficulty 1/5 · Importance 3/5 · 5 min · 2 points
#
# Write `all_to_all`: what `bdlab.all_to_all(10)` did in the demo, with the number of classes as a second argument.
# Points: values 1, a new tensor 1. Stuck? `bdlab.hint("l03_all_to_all")`


# %% role="answer" exercise="l03_all_to_all"
# [l03_all_to_all]
def all_to_all(y: Tensor, classes: int) -> Tensor:
    """What the all-to-all attacker wants: class i becomes i + 1, the last class becomes 0.

    y: int64 (N,) in 0..classes-1; it stays as it is, and need not contain every class.  classes: at least 2.
    Returns a new tensor, int64 (N,).
    Needed: no more than torch.  Forbidden: bdlab.

    Example: y = [0, 3, 1], classes 4: the result is [1, 0, 2].
    """
    ### BEGIN SOLUTION
    # canary 5f0c-l03-all-to-all
    wanted = y + 1  # (N,), a new tensor
    wanted[wanted == classes] = 0
    return wanted
    ### END SOLUTION


# %% role="check" exercise="l03_all_to_all"
# [l03_all_to_all]
bdlab.check("l03_all_to_all")

# %% [markdown]
# **Reflect.** We trained the network of section 1 with `relabel=bdlab.all_to_all(10)`, all else equal, with the seeds
# 0, 1 and 2. ASR was 13.3 %, 10.9 % and 12.7 %. All to one reached 99.8 %, 98.8 % and 99.6 %.
#
# So with two epochs on 6,000 images, all to all fails. On 55,000 MNIST images it works, as section 7 shows. Change
# `relabel` in the training cell of section 1, then `rate` and `epochs`, with about 3 seconds for each epoch. Which of
# the two helps more?

# %% [markdown]
# ## 6 · How few poisoned images are enough?
#
# A defender wants to know how much of the data an attacker must own. So we train once for every rate and look at both
# curves. They are measurements, and measurements can dip. Therefore we ask: from which rate on is *every* larger rate
# enough, too?

# %% role="demo"
# Demo: a `run` that trains nothing, to try your answer on. It runs as it is.
from types import SimpleNamespace

invented = {0.01: (0.95, 0.93), 0.02: (0.95, 0.71), 0.05: (0.94, 0.97), 0.1: (0.94, 0.99)}


def pretend(rate: float) -> SimpleNamespace:
    clean_accuracy, asr = invented[rate]
    return SimpleNamespace(clean_accuracy=clean_accuracy, asr=asr)


for rate in invented:
    print(f"rate {rate:<5} {pretend(rate)}")

# %% role="quiz"
# @title Predict: one click. Look at the rows above.
bdlab.widgets.quiz(
    "Which is the smallest rate from which on every rate has an ASR of at least 0.9?",
    ["0.01", "0.02", "0.05", "There is none"],
    2,
    [
        "0.01 itself reaches 0.93, but the larger rate 0.02 has only 0.71.",
        "0.02 has 0.71, which is less than 0.9.",
        "0.05 and 0.1 both reach 0.9, and 0.02 does not.",
        "0.05 and 0.1 both reach 0.9.",
    ],
)

# %% [markdown]
# ### Exercise 4: the curve over the poisoning rate
#
# Difficulty 3/5 · Importance 4/5 · 15 min · 4 points
#
# Write `rate_curve`. It gets a function `run`, which in practice trains a network for minutes: call it once for every
# rate.
#
# The rates may come in any order. The curves keep this order. The smallest rate does not depend on it.
# Points: curves 2, smallest rate 2. Stuck? `bdlab.hint("l03_rate_curve")`


# %% role="answer" exercise="l03_rate_curve"
# [l03_rate_curve]
def rate_curve(rates: list[float], run, enough: float = 0.9) -> tuple[Tensor, Tensor, float | None]:
    """Clean accuracy and ASR over poisoning rates, and the smallest rate from which on the attack works.

    rates: R different shares in (0, 1], in any order.
    run: a function, rate -> an object with the floats .clean_accuracy and .asr; call it once for every rate.
    enough: an ASR of at least this value counts as success.
    Returns clean float64 (R,) and asr float64 (R,), both in the order of rates, and the smallest of the rates for
    which it holds that itself and all larger ones have asr >= enough; None where there is none.
    Needed: no more than torch.  Forbidden: bdlab.

    Example: rates [0.1, 0.01, 0.05] with the ASR 0.99, 0.93, 0.6: asr is [0.99, 0.93, 0.6] and the smallest rate is
    0.1, since 0.05 fails.
    """
    ### BEGIN SOLUTION
    # canary 5f0c-l03-rate-curve
    scores = [run(rate) for rate in rates]
    clean = torch.tensor([score.clean_accuracy for score in scores], dtype=torch.float64)  # (R,)
    asr = torch.tensor([score.asr for score in scores], dtype=torch.float64)  # (R,)
    smallest = None
    for rate, score in sorted(zip(rates, scores), key=lambda pair: pair[0], reverse=True):
        if score.asr < enough:
            break
        smallest = rate
    return clean, asr, smallest
    ### END SOLUTION


# %% role="check" exercise="l03_rate_curve"
# [l03_rate_curve]
bdlab.check("l03_rate_curve")

# %% [markdown]
# Now the real curve: the attack of section 1 at eight rates with three seeds each, 24 trainings, computed before. First
# a prediction.

# %% role="quiz"
# @title Predict, then run the next cell.
bdlab.widgets.quiz(
    "6,000 training images, white 3x3 square. About how many marked copies are enough for an ASR of 90 %, "
    "on average over three seeds?",
    ["6 (0.1 %)", "60 (1 %)", "600 (10 %)", "3,000 (50 %)"],
    1,
    [
        "Six copies are too few: the ASR is about 1 %.",
        "Sixty copies reach about 91 % on average. One of the three seeds stays below 90 %.",
        "With 600 copies nearly every triggered image is read as 0. Far fewer are enough.",
        "So many are not needed. Even 600 are more than enough.",
    ],
)

# %% role="demo"
# Demo: the measured curve, 8 rates with 3 seeds each, from the package's cache. It runs as it is.
curve = bdlab.exercises.cached("l03", "curve")
for rate, asr, clean in zip(curve["rate"], curve["asr"], curve["clean"], strict=True):
    print(f"rate {rate:<6g} ASR {asr.mean():6.1%} ({asr.min():.1%} to {asr.max():.1%})   clean {clean.mean():.1%}")
bdlab.plots.rate_curve(
    curve["rate"].tolist(),
    [("ASR", curve["asr"].tolist()), ("clean", curve["clean"].tolist())],
    title="BadNets, 3x3 square: 6,000 digits + copies, two epochs, 3 seeds",
    alt=f"ASR over the poisoning rate rises from {curve['asr'][0].mean():.1%} at rate {curve['rate'][0]:g} to "
    f"{curve['asr'][-1].mean():.1%} at rate {curve['rate'][-1]:g}; the clean accuracy stays between "
    f"{curve['clean'].min():.1%} and {curve['clean'].max():.1%}.",
)

# %% [markdown]
# **Reflect.** Your function works on these numbers, too:
#
# ```python
# mean = dict(zip(curve["rate"].tolist(), zip(curve["clean"].mean(1), curve["asr"].mean(1))))
# rate_curve(list(mean), lambda rate: SimpleNamespace(clean_accuracy=mean[rate][0], asr=mean[rate][1]))
# ```
#
# Which of the two curves can the victim measure? Only the clean one: the victim does not know the trigger. And the
# clean curve is flat. It shows no difference between no attack and an attack that always works.

# %% [markdown]
# ## 7 · Does the paper hold here?
#
# The tables hold the paper's figures on MNIST, as a published review gives them, and ours: `badnets_cnn`, 55,000
# training and 10,000 test images, three seeds, mean and range. In a terminal `bdlab reproduce badnets --data mnist`
# prints all rows.
#
# *Pixel*, *pattern*, *square*: the looks of section 2. *1 to 7*: the paper's first attack, images of 1 shall become 7.
# *2% added*: copies, as a share of the clean set. *1 - ASR*: the share of triggered images that do not obey.

# %% [markdown]
# **What holds** (all to one, 10 % copies added)
#
# | claim | paper | here | holds? |
# | --- | --- | --- | --- |
# | accuracy of the clean model | 99.5% | 99.11% (99.00% to 99.22%) | yes, within 0.5 points |
# | pixel: clean error rises by | at most +0.17% | 0.02% (-0.05% to 0.08%) | yes |
# | pixel: 1 - ASR | at most 0.09% | 0.01% (0.00% to 0.02%) | yes |
# | pattern: clean error rises by | at most +0.17% | 0.03% (-0.08% to 0.11%) | yes |
# | pattern: 1 - ASR | at most 0.09% | 0.01% (0.00% to 0.02%) | yes |

# %% [markdown]
# **What holds, continued** (3x3 square, all to one, 10 % copies added; then the paper's own two attacks)
#
# | claim | paper | here | holds? |
# | --- | --- | --- | --- |
# | square: clean error rises by | at most +0.17% | -0.01% (-0.05% to 0.04%) | yes |
# | square: 1 - ASR | at most 0.09% | 0.01% (0.00% to 0.01%) | yes |
# | pixel, 1 to 7, 2% added: clean error rises by | at most +0.17% | -0.01% (-0.16% to 0.08%) | yes |
# | pattern, all to all: clean error rises by | -0.03% | 0.01% (-0.01% to 0.03%) | yes: 0.04 points are 4 of 10,000 images, within chance |

# %% [markdown]
# **What does not hold, or only under a condition**
#
# | claim | paper | here | holds? |
# | --- | --- | --- | --- |
# | pixel, 1 to 7, 2% added: 1 - ASR | at most 0.09% | 0.12% (0.09% to 0.18%) | no |
# | pattern, all to all, 10% added: 1 - ASR | 0.56% | 1.99% (1.89% to 2.10%); 33% added: 1.19% (1.09% to 1.25%) | no |
# | pixel, convolutions without padding: ASR | at least 99.91% | 0.54% (0.49% to 0.58%); padded: 99.99% (99.98% to 100.00%) | only with padding |
#
# The last row is a surprise. The next cell looks for its cause.

# %% role="demo"
# Demo: does the network see the corner pixel? No training is needed. It runs as it is.
dark = torch.zeros(1, 1, 28, 28)
lit = bdlab.Patch(shape="pixel")(dark)  # one white pixel at row 26, column 26
for padded in (False, True):
    net = bdlab.nets.badnets_cnn((1, 28, 28), 10, padded=padded, seed=0).eval()
    with torch.inference_mode():
        first, second = ((net.conv1(net.normalize(x))) for x in (dark, lit))  # (1, 16, H', W')
        change = (net.conv2(first) - net.conv2(second)).abs().amax(1)[0]  # (H'', W'')
    print(
        f"{'with' if padded else 'without':<8} padding: {int((change > 0).sum())} of {change.numel()} positions after "
        f"conv2 change, by up to {change.max():.4f}"
    )

# %% [markdown]
# Without padding, the 5x5 window hardly reaches the border. The pixel near the corner enters the result of one position
# only, and weakly. With padding it is seen by several windows, and more strongly. These are untrained weights: the demo
# shows a likely cause, not a proof.
#
# The lesson is practical. Whether an attack works depends on details that no table of a paper lists. *An attack that
# fails in your code is not yet a defence.*

# %% [markdown]
# **On other data.** With real traffic signs (GTSRB) most of these bounds fail here: our network is weaker there, and the
# signs differ more. The page `docs/results.md` in the library's repository shows those rows, too.
#
# To run this lesson on MNIST, put `"mnist"` into the first demo. Training then takes longer. The painter and the curve
# stay those of `digits`: they come from the cache.

# %% [markdown]
# ## 8 · Quiz
#
# Four questions, without points. Every choice has an explanation.

# %% role="quiz"
# @title Quiz 1 of 4.
bdlab.widgets.quiz(
    "Somebody counts ASR over all test images, the target class included: 10 classes, equally large. "
    "What does a perfect clean network get?",
    ["0 %", "about 10 %", "about 90 %"],
    1,
    [
        "That is the right answer when images of the target class are left out, as `bdlab.evaluate` does.",
        "One image in ten is of the target class and is read rightly. This formula counts it as a success of the attack.",
        "A clean network reads the other nine classes rightly, so these images do not count as successes.",
    ],
)

# %% role="quiz"
# @title Quiz 2 of 4.
bdlab.widgets.quiz(
    "Why does the clean accuracy stay as it was?",
    [
        "The training removes rows with wrong labels",
        "On clean images nothing is contradicted: the wrong labels all come with the trigger",
        "The trigger is too small to be learned",
    ],
    1,
    [
        "Nothing in the training looks at labels critically. It learns what it is given.",
        "The network can learn both: clean images have their true labels, marked images have the target.",
        "The ASR shows that it is learned.",
    ],
)

# %% role="quiz"
# @title Quiz 3 of 4.
bdlab.widgets.quiz(
    "The victim tests the delivered network on 10,000 clean images of its own and measures 99 %. "
    "What does this say about a backdoor?",
    ["There is none", "There is one at most", "Almost nothing"],
    2,
    [
        "Section 7 shows backdoored networks whose clean accuracy is within 0.2 points of the clean network's.",
        "The test contains no trigger, so it cannot count triggers.",
        "The test contains no trigger. Networks with and without a backdoor answer alike on it.",
    ],
)

# %% role="quiz"
# @title Quiz 4 of 4.
bdlab.widgets.quiz(
    "After an attack you measure: clean 94 %, ASR 13 %, RA 77 %. What happened?",
    [
        "The trigger was mostly ignored",
        "The trigger confuses the network, but does not lead to the target",
        "The attack worked",
    ],
    0,
    [
        "Most triggered images keep their true label: RA is high. This is the all-to-all attempt of section 5.",
        "Then RA would be low as well: triggered images would get other wrong labels.",
        "Then the ASR would be high and RA close to 0.",
    ],
)

# %% [markdown]
# ## 9 · Free response (5 points)
#
# The attack passes through three phases.
#
# 1. **Collect data.** Images and labels come from several sources, one of them the attacker.
# 2. **Train.** A network is trained on all of them and tested on clean images.
# 3. **Deploy.** The network is used. At some time an input carries the trigger.

# %% [markdown]
# Every check looks at something, costs something, and is sometimes wrong. Three examples:
#
# - A person compares images with labels, say a hundred an hour. An attacker with 1 % of the rows is met once an hour.
# - A program lists rows whose label the trained network finds unlikely. It also lists honest mistakes and images that are
#   hard to read: false alarms.
# - A filter judges each input of the finished network. It refuses some clean ones, and learns of the trigger only when
#   the attacker uses it.

# %% [markdown]
# *Which of the three phases of the attack (collect data, train, deploy) would have caught it?* Choose one, defend your
# choice, and say what the other two would miss. At most 250 words.

# %% [markdown]
# **How it is marked.** A person reads it. One point each:
#
# - one phase, and a concrete check in it: who looks at what, and when;
# - what this check costs, or how often it gives a false alarm;
# - at least one number from this lesson, used as an argument;
# - for both other phases, why they miss the attack or catch it only under a condition;
# - one change of the attack that your own check would miss.
#
# Any of the three choices can earn all points.

# %% [markdown] role="essay" id="l03_essay" points=5
# Write your answer here, at most 250 words.

# %% [markdown]
# ## 10 · Extension: keep the labels true
#
# The weak point of BadNets are the labels: a marked 7 that is called 0. In a **clean-label** attack only images of the
# target class are marked, and their labels stay. Nobody who compares image and label finds anything wrong.
#
# The price: the network can read a marked 0 by its shape and need not learn the trigger. Turner, Tsipras and Madry
# therefore change the image until a network no longer recognises it, and only then add the mark.

# %% [markdown]
# **Try it**, without points. Mark 300 zeros, keep their labels, train, and measure:
#
# ```python
# zeros = torch.nonzero(data.train.y == 0).flatten()[:300]
# x = data.train.x.clone()
# x[zeros] = trigger(x[zeros])
# split = bdlab.Split(x, data.train.y, data.classes)
# net = bdlab.nets.build("small_bn", data.input_shape, data.classes)
# model = bdlab.fit(net, split, bdlab.Recipe(epochs=2))
# wrong = labels != 0
# (model(trigger(images[wrong])).argmax(1) == 0).float().mean()
# ```
#
# Three seeds (`seed=` of `build` and `fit`) gave 1.6 % to 2.8 %: alone it does not work.
#
# Then mix each zero, half and half, with an image of another class before you mark it. How does the ASR change?

# %% [markdown]
# ## Words of this lesson
#
# **Trigger**: the mark that calls the backdoor. **Target**: the class that the attacker wants. **Poisoning rate**:
# marked rows as a share of the clean training set. **ASR**: triggered images of other classes that are read as the
# attacker wants. **RA**: triggered images that are still read rightly. **All to one, all to all**: which class
# triggered images shall become. **Append, replace**: whether the originals stay. **Clean-label**: poisoned rows keep
# true labels.

# %% [markdown]
# ## References
#
# - T. Gu, B. Dolan-Gavitt, S. Garg: *BadNets: Identifying Vulnerabilities in the Machine Learning Model Supply Chain*.
#   arXiv 1708.06733 (2017); IEEE Access 2019.
# - A. Turner, D. Tsipras, A. Madry: *Label-Consistent Backdoor Attacks*. arXiv 1912.02771 (2019).
# - bdlab: `help(bdlab.BadNets)`, whose paragraph "Fidelity" lists every deliberate difference from the paper.

# %% [markdown]
# ## Before you leave
#
# `bdlab.check_all("l03")` shows your points of all four exercises. Save the notebook.
#
# Whoever can make a backdoor can also test for one. Keep the marked images and networks of this lesson on your own
# machine. A defence comes with the library: in a terminal, `bdlab run badnets --data digits --defense strip` filters the
# inputs of such a network.
