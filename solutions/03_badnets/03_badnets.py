# %% [markdown]
# The city bought a sign reader that it cannot look into. Here you stand on the other side of the counter: you forge a
# reader of digits that is right on every clean image, and obeys whoever knows a mark of a few pixels.
#
# After this lesson you can stamp a trigger, poison a training set at a given rate, measure whether the attack works, and
# say which measurement hides it.

# %% role="setup"
# written by the build

# %% role="demo"
# Demo: eight test images, clean and with a trigger
data = bdlab.load("digits")
images, labels = data.test.x, data.test.y
trigger = bdlab.Patch(shape="square", size=3)
bdlab.plots.images(
    [("clean", images[:8]), ("triggered", trigger(images[:8]))],
    title=f"{data.name}: labels {labels[:8].tolist()}",
    alt="Eight digits, above as they are, below with a white square.",
)

# %% [markdown]
# ## 1 · What the attacker wants

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


# %% [markdown]
# ## 2 · The mark

# %% [markdown] exercise="stamp"
# stamp a trigger
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
square = bdlab.lessons.l03_badnets.SQUARE
my_stamp = bdlab.mine("l03_stamp", bdlab.lessons.l03_badnets.stamp)
bdlab.use(bdlab.lessons.l03_badnets.stamped, my_stamp)

# %% [markdown]
# ## 3 · The training set

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


# %% [markdown]
# ## 4 · Does it work?

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


# %% [markdown]
# ## 5 · Free response (5 points)
#
# The attack passes through three phases: data are collected, a network is trained, it is used. *Devise a check of your own
# that would have caught it, and say what it costs.* At most 250 words.

# %% [markdown] role="essay"
# Write your answer here, at most 250 words.
