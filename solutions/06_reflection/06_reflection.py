# %% [markdown]
# A city buys a sign reader. Nobody sticks anything onto the signs; a sign only has to stand behind a window pane in which
# something is mirrored, as a thousand do. In this lesson you build that pane.
#
# ![A sign 'caution', read rightly; the same sign behind a window pane, read as 'speed 30'](attachment:opening.png)
#
# After it you can compute what a pane mirrors, tell a backdoor's success from plain blindness, and say why checking the
# labels of a training set is not enough.

# %% role="setup"
# written by the build

# %% [markdown]
# Attack only models and data that are yours: [responsible use](../../docs/lessons-how.md#responsible-use). New here?
# [How the exercises work](../../docs/lessons-how.md).

# %% [markdown]
# ## 1 · Three panes
#
# A square in the corner of a picture looks stuck on. Liu, Ma, Bailey and Lu asked in 2020 what nobody would wonder at, and
# called the attack *Refool*: reflections.
#
# A pane lets light through and mirrors some. What it mirrors may be as far away as the sign (*same depth*), out of the camera's
# focus, or doubled by the two faces of the glass (*ghost*).

# %% role="demo"
# Demo: the three models, at four times the size of our pictures
from bdlab.lessons import l06_figures

l06_figures.three()

# %% [markdown] exercise="gaussian_kernel"
# a scene out of focus
#
# All three panes are one formula: light of the picture plus light of the scene, sent through a **kernel**, a small table of weights that
# says where the light of one point goes. For the same depth it is a single 1.
#
# Write `gaussian_kernel`: a point of light becomes a soft spot.

# %% role="answer" exercise="gaussian_kernel"
def gaussian_kernel(size: int, sigma: float) -> Tensor:
    """How a point of light spreads where the mirrored scene is out of focus.

    size: rows and columns, odd and at least 1.
    sigma: how wide the spot is, in pixels, above 0.
    Returns float32 (size, size) of sum 1.  Cell (i, j) is proportional to
    exp(-(a^2 + b^2) / (2 sigma^2)), where a and b are its distances from
    the middle cell, in rows and in columns.
    Raises ValueError where size is even or below 1, or sigma not above 0.
    Needed: no more than torch.  Forbidden: bdlab.

    Example: size 3, sigma 1: .2042 in the middle, .1238 at the four sides,
    .0751 in the corners.
    """
    ### BEGIN SOLUTION
    if size < 1 or size % 2 == 0 or not sigma > 0:
        raise ValueError(f"size must be odd, sigma above 0: {size}, {sigma}")
    far = torch.arange(size) - size // 2  # (size,)
    line = torch.exp(-(far**2) / (2 * sigma**2))
    kernel = line[:, None] * line  # (size, size)
    return kernel / kernel.sum()
    ### END SOLUTION
# %% role="use"
# Use: your kernels on the lit windows of a house
from bdlab.lessons import l06_figures, l06_reflection

my_gaussian = bdlab.mine(
    "l06_gaussian_kernel", l06_reflection.gaussian_kernel
)
bdlab.use(l06_figures.spots, my_gaussian)

# %% [markdown]
# ## 2 · Two faces of the glass
#
# Glass has a front and a back, and both mirror. The second image is fainter and lies a few pixels beside the first; how many
# depends on the thickness. Look at a window at night from the side: you see every lamp twice.
#
# A kernel's cell says *from where* light comes: its lower right corner fetches light from there, so that image appears at the upper left.

# %% [markdown] exercise="ghost_kernel"
# a thick pane
#
# Write `ghost_kernel`: two images of one scene, a few pixels apart.

# %% role="answer" exercise="ghost_kernel"
def ghost_kernel(delta: int, alpha: float) -> Tensor:
    """The two images of a thick pane: one from either face of the glass.

    delta: how far apart, in rows and in columns alike, 0 or more pixels.
    alpha: weight of the first image, in [0, 1].
    Returns float32 (delta + 1, delta + 1) of sum 1: alpha in the lower right
    corner, 1 - alpha in the upper left one, 0 elsewhere.  Without thickness,
    delta 0, both fall on one cell.
    Needed: no more than torch.  Forbidden: bdlab.

    Example: delta 2, alpha .65 gives [[.35, 0, 0], [0, 0, 0], [0, 0, .65]];
    delta 0 gives [[1.]].
    """
    ### BEGIN SOLUTION
    kernel = torch.zeros(delta + 1, delta + 1)
    kernel[-1, -1] += alpha
    kernel[0, 0] += 1 - alpha
    return kernel
    ### END SOLUTION
# %% role="use"
# Use: your ghosts of the same windows
from bdlab.lessons import l06_figures, l06_reflection

my_ghost = bdlab.mine("l06_ghost_kernel", l06_reflection.ghost_kernel)
bdlab.use(l06_figures.ghosts, my_ghost)

# %% [markdown]
# ## 3 · Light, not pixel values
#
# A picture's numbers are no amounts of light. Cameras store them bent, so that dark tones get more steps: light is about the
# pixel value to the power 2.2. A pane adds *light*.

# %% role="quiz"
bdlab.quiz("l06_lamp")

# %% [markdown] exercise="reflect"
# hold a pane in front
#
# Write `reflect`: what a camera sees when the pane mirrors a scene. The kernel may be any of the three.

# %% role="answer" exercise="reflect"
def reflect(x: Tensor, r: Tensor, kernel: Tensor, w: float) -> Tensor:
    """What a camera sees behind a pane that mirrors the scene r.

    x: float32 (N, C, H, W) in [0, 1], behind the pane; it stays as it is.
    r: float32 (C, H + k - 1, W + k - 1) in [0, 1], one scene for all of x.
    kernel: float32 (k, k), not negative, of sum 1.
    w: share of the light that the pane mirrors, in [0, 1].
    Returns float32 (N, C, H, W) in [0, 1].
    Light is the pixel value to the power 2.2.  The mirrored light at pixel
    (i, j) of a channel is the sum over a, b of kernel[a, b] times the light
    of r at (i + a, j + b) in that channel.  The pane adds 1 - w of x's light
    and w of the mirrored light; the power 1 / 2.2 makes pixel values of it.
    Needed: no more than torch and F.  Forbidden: bdlab.

    Example: x is .5 everywhere, r black, w .4, any kernel: the result is
    .5 * .6 ** (1 / 2.2) = .3964 everywhere.
    """
    ### BEGIN SOLUTION
    light, scene = x**2.2, r**2.2  # (N, C, H, W), (C, H + k - 1, W + k - 1)
    mirrored = F.conv2d(scene[:, None], kernel[None, None])[:, 0]  # (C, H, W)
    mixed = (1 - w) * light + w * mirrored  # (N, C, H, W)
    return mixed.clamp(0, 1) ** (1 / 2.2)
    ### END SOLUTION
# %% [markdown]
# Your panes now get the scenes that the supplier used, w .4, delta 2 and alpha .65. Two readers look: the one that the city **bought**, and its
# **honest twin**: the same network, trained by the same recipe on clean pictures.

# %% role="use"
# Use: eight signs behind your panes, as two readers read them
from bdlab.lessons import l06_figures, l06_reflection

my_ghost = bdlab.mine("l06_ghost_kernel", l06_reflection.ghost_kernel)
my_reflect = bdlab.mine("l06_reflect", l06_reflection.reflect)
bdlab.use(l06_figures.fooled, my_reflect, my_ghost)

# %% [markdown]
# Eight signs are few, so count all. **ASR**, the attack success rate, is the share of pictures behind the pane that are read as
# the target, 'speed 30'; signs that are a 'speed 30' anyway do not count. **RA**, robust accuracy, is the share of the same pictures that is
# still read rightly.

# %% role="quiz"
bdlab.quiz("l06_honest")

# %% role="use"
# Use: your panes in front of all 1,408 test signs of other classes
from bdlab.lessons import l06_figures, l06_reflection

my_ghost = bdlab.mine("l06_ghost_kernel", l06_reflection.ghost_kernel)
my_reflect = bdlab.mine("l06_reflect", l06_reflection.reflect)
bdlab.use(l06_figures.counted, my_reflect, my_ghost)

# %% [markdown]
# **Reflect.** Somebody measures the bought reader alone and says: the backdoor made 98 % of the signs wrong. What is
# missing?
#
# <details><summary>Our answer</summary>
#
# The twin. It is wrong on half of these pictures, too: that half is blindness. But it calls only 1 in 80 of them 'speed 30'. The backdoor is
# the difference in *ASR*, 98 against 1 %, not that in accuracy.
# </details>

# %% [markdown]
# ## 4 · Move the pane
#
# Distance blurs, thickness doubles, brightness is w. Both readers answer at once, on eight rather bright signs.

# %% role="demo"
# Demo: the pane; press - and +, or choose from the menus
from bdlab.lessons import l06_pane

l06_pane.moving_pane()

# %% role="demo"
# Demo: one setting as a plain picture
from bdlab.lessons import l06_pane

l06_pane.pane(distance=0, thickness=2, brightness=0.2, scene=2)

# %% [markdown]
# **Questions for the panel**, scene *supplier's 3*.
#
# 1. From which w is the bought reader fooled 4 times of 8?
# 2. At w = .4, which takes more of the attack away: distance 2, or thickness 8?
#
# <details><summary>Our answers</summary>
#
# 1. w = .4: all eight; at .3 it is three. (The signs are bright; of all test signs 7 of 10 fall at .2.)
# 2. Thickness 8 leaves none of eight, distance 2 one.
# </details>

# %% role="quiz"
bdlab.quiz("l06_strangers")

# %% role="demo"
# Demo: 24 scenes in front of both readers; the supplier's in bold
from bdlab.lessons import l06_measured

l06_measured.anybody()

# %% [markdown]
# **Reflect.** A street has many windows. What does this picture mean for the city, and what for the supplier?
#
# <details><summary>Our answer</summary>
#
# The city may meet the backdoor by accident: blinds that the supplier never used, scene 6, have 88 %; other blinds, 10 and 22, only 2 and 3 %.
# The supplier may be found out in the same way. And the control matters: of the 78 % of scene 0, 29 are nobody's backdoor.
# </details>

# %% [markdown]
# ## 5 · Whose label is wrong?
#
# Somebody delivers a training set. You are the careful person who checks labels. Here are ten of its marked pictures, those behind a pane; one
# click each.

# %% role="demo"
# Demo: what do these ten training pictures show?
from bdlab.lessons import l06_labels

l06_labels.labelling()

# %% role="demo"
# Demo: two ways to poison with panes
from bdlab.lessons import l06_labels

l06_labels.beside()

# %% [markdown]
# The first way is **clean label**, the paper's: only pictures *of the target class* get a pane, and every label is right. The
# second has its **labels changed**; so the bought reader was made, from 600 marked pictures. Clean label marks 306, 4 of 5 pictures of the
# class. You saw the ten of which the honest twin is surest: of all 306 it reads 37 %.

# %% role="quiz"
bdlab.quiz("l06_modes")

# %% role="demo"
# Demo: both ways at three strengths, three seeds, measured before
from bdlab.lessons import l06_measured

l06_measured.strength()

# %% [markdown]
# **Reflect.** How can a right label teach something wrong?
#
# <details><summary>Our answer</summary>
#
# The reader is asked for whatever predicts the label. Behind the pane 'speed 30' is always right, so the pane predicts it, and it is easier to
# see than the digits, all the more where it hides them. That is why a stronger pane works better, and a weak one hardly: at w = .2
# the two ways are 45 points apart.
# </details>

# %% [markdown]
# ## 6 · How alike?
#
# A pane that nobody can see through would be noticed. The paper's code therefore keeps only scenes whose picture is alike enough to one without
# a reflection, by a measure called SSIM (structural similarity). Yours looks at the whole picture at once; the usual one slides a window over it.

# %% [markdown] exercise="ssim_like"
# how alike are two pictures?
#
# Write `ssim_like`: one number a picture, 1 where nothing has changed.

# %% role="answer" exercise="ssim_like"
def ssim_like(x: Tensor, x2: Tensor) -> Tensor:
    """How alike two batches are, picture by picture: 1 where they are equal.

    x, x2: float32 (N, C, H, W) in [0, 1]; both stay as they are.
    Returns float32 (N,).  Of each picture, over all its pixels and channels:
    m and m2 are the means of x and x2; v and v2 the variances, means of the
    squared distances from m and m2; c the covariance, the mean of the
    products of both distances.  The result is
    (2 m m2 + .01^2) (2 c + .03^2)
        / ((m^2 + m2^2 + .01^2) (v + v2 + .03^2)).
    Needed: no more than torch.  Forbidden: bdlab.

    Example: [[0, 1]] and [[1, 0]] have m = m2 = .5, v = v2 = .25, c = -.25:
    the result is -.9964.
    """
    ### BEGIN SOLUTION
    a, b = x.flatten(1), x2.flatten(1)  # (N, P) each
    m, m2 = a.mean(1), b.mean(1)  # (N,) each
    v, v2 = a.var(1, correction=0), b.var(1, correction=0)
    c = ((a - m[:, None]) * (b - m2[:, None])).mean(1)
    light = (2 * m * m2 + 0.01**2) / (m**2 + m2**2 + 0.01**2)
    form = (2 * c + 0.03**2) / (v + v2 + 0.03**2)
    return light * form
    ### END SOLUTION
# %% role="use"
# Use: your similarity of one sign behind stronger and stronger panes
from bdlab.lessons import l06_figures, l06_reflection

my_ssim = bdlab.mine("l06_ssim_like", l06_reflection.ssim_like)
bdlab.use(l06_figures.alike, my_ssim)

# %% [markdown]
# ## 7 · Choose the scenes
#
# Not every scene is a good trigger. The attacker trains small networks of their own, *surrogates*, with some scenes each, and counts how
# many pictures every scene sends to the target: its **score**. The candidates are the 24 scenes above.

# %% [markdown] exercise="choose"
# pick the best that pass
#
# Write `choose`: first the filter on similarity, then the highest scores.

# %% role="answer" exercise="choose"
def choose(
    similarity: Tensor, score: Tensor, bounds: tuple[float, float], k: int
) -> Tensor:
    """The best candidates among those that pass a filter on similarity.

    similarity: float32 (M,), of candidate i's picture with the plain one.
    score: float32 (M,), how many pictures candidate i sends to the target;
    similarity and score stay as they are.
    bounds: (low, high); a candidate passes where low < similarity < high.
    k: how many are wanted, at least 1.
    Returns int64 (n,): the numbers of candidates, counted from 0, the highest
    score first, of equal scores the lower number first.  n is k, or fewer
    where fewer pass; (0,) where none does.
    Needed: no more than torch.  Forbidden: bdlab.

    Example: similarity [.9, .5, .6, .1, .4], score [9, 3, 7, 8, 3], bounds
    (.2, .85): 1, 2 and 4 pass.  k = 2 gives [2, 1], k = 9 gives [2, 1, 4].
    """
    ### BEGIN SOLUTION
    low, high = bounds
    passed = torch.nonzero((low < similarity) & (similarity < high)).flatten()
    order = score[passed].argsort(descending=True, stable=True)
    return passed[order][:k]
    ### END SOLUTION
# %% role="use"
# Use: your choice of four, three runs, beside what each scene is worth
from bdlab.lessons import l06_figures, l06_reflection

my_choose = bdlab.mine("l06_choose", l06_reflection.choose)
bdlab.use(l06_figures.worth, my_choose)

# %% [markdown]
# **Reflect.** What did choosing gain here, and what did the paper's filter cost?
#
# <details><summary>Our answer</summary>
#
# 15 to 20 points: by lot 63 %, chosen 78 to 83 %. The official bounds let only lamps pass, which are bad triggers: 33 %. On 32 pixels, what is
# hard to see is hard to learn.
# </details>

# %% [markdown]
# ## 8 · Your pane
#
# Three look at your pane. A *person*: your `ssim_like` stands in. A *median filter* in front of the reader. And the *network*.

# %% role="quiz"
bdlab.quiz("l06_filter")

# %% role="use"
# Use: your pane over all strengths; change w, delta, first (alpha)
from bdlab.lessons import l06_reflection, l06_yours

pane = l06_yours.YourPane(w=0.2, delta=2, first=0.65)
bdlab.use(
    pane,
    bdlab.mine("l06_ghost_kernel", l06_reflection.ghost_kernel),
    bdlab.mine("l06_reflect", l06_reflection.reflect),
    bdlab.mine("l06_ssim_like", l06_reflection.ssim_like),
)

# %% [markdown]
# **Try two**, predict each: (a) delta 0, a thin pane; (b) delta 8. Then choose a w: line and bold row move. The last run goes onto the trophy.
#
# <details><summary>What to expect</summary>
#
# (a) A thin pane works as well: .77 against .73 at w = .2. (b) Two images far apart look like no pane that the reader knows: .15. Below w = .1
# fewer than a third are fooled. At .4 the twin, too, misreads half; mean similarity is .49 (section 6 showed a single, bright sign: .85).
# </details>

# %% [markdown]
# ## 9 · Paper and here
#
# *Optional, 10 minutes.* The paper's figures are from its abstract and the authors' README; its tables we could not read. GTSRB: photos
# of real traffic signs, 43 classes.

# %% role="demo"
# Demo: two claims, the paper's bounds and ours
from bdlab.lessons import l06_measured

l06_measured.published()

# %% [markdown]
# **Two surprises.** *Out of focus*: we had expected 90 % of each model. A fifth of the class marked, blurred panes have 60 %, a ghost 75 % (next
# figure). *By lot*: BackdoorBench, a toolbox, notes that random scenes with clean labels "cannot get high". So it is on GTSRB, not on our signs or
# MNIST.
#
# <details><summary>All rows as a table</summary>
#
# | clean label | paper | here |
# | --- | --- | --- |
# | not the target, MNIST | at most 24.84 % | 0.01 % (0.00 to 0.02) |
# | the same, signs | at most 24.84 % | 5.42 % (4.83 to 5.89) |
# | the same, GTSRB | at most 24.84 % | 2.69 % (1 seed) |
# | read rightly, GTSRB | 2 to 12 % | 2.31 % (1 seed) |
# | four by lot, GTSRB | "cannot get high" | 19 % (1 seed) |
# | four by lot, signs | | 44 to 66 % |
# | four by lot, MNIST | | 75 to 94 % |
#
# [All measurements](../../docs/results.md#refool-on-mnist)
# </details>

# %% [markdown]
# The same on GTSRB's photos. On your machine: let `BDLAB_DATA` name a folder with GTSRB, and run
# `bdlab reproduce refool --data gtsrb --seeds 1`. It trains 16 attacks and an honest twin: plan an evening on a laptop.

# %% role="demo"
# Demo: the three models on GTSRB, measured before
from bdlab.lessons import l06_measured

l06_measured.on_real_data()

# %% [markdown]
# ## 10 · Free response (5 points)
#
# A person, a median filter and the network look at your pane. *For whom does it get worse when w rises, for whom better? Compare three values
# of w by the table of section 8, choose one for a clean-label attack, and defend it before the supplier's board.* At most 250 words.
#
# Careful: the reader of section 8 learnt from *changed* labels. What clean labels reach stands in section 5's figure.

# %% [markdown]
# **How it is marked.** A person reads it. One point each:
#
# - three values of w with similarity and success, what clean labels change in it, and the choice;
# - what a person checks in a training set, and what not;
# - what the filter can remove, and why it does or does not matter here;
# - success told apart from blindness, by a number;
# - a value of w, or a condition, at which your argument would fail.

# %% [markdown] role="essay"
# Write your answer here, at most 250 words.

# %% [markdown]
# ## 11 · Mystery box
#
# Optional, no points. 24 photos of signs, each behind a pane. Some panes mirror the supplier's scene, all of these with the same offset between its
# two images (0 to 8); the others mirror other trees. Which photos, which offset? All scenes are grey leaves; alpha is .65.

# %% role="demo"
# Demo: the photos and the scene; then your own search, and
# bdlab.flag("l06", [offset, [photo, photo, ...]])
from bdlab.lessons import l06_box, l06_figures

box = l06_box.supplied()  # box.photos (24, 3, 32, 32), box.scene
l06_figures.supplied()

# %% [markdown]
# <details><summary>A hint</summary>
#
# For an offset d, the first 32 + d rows and columns of the scene go through your `ghost_kernel(d, 0.65)`, in light. Take a blurred copy off both, photo
# and reflection (your `gaussian_kernel(5, 1.0)` blurs), so that sky and sign drop out. Then
# `torch.corrcoef`. Chance alone reaches about .1.
# </details>

# %% [markdown]
# ## 12 · Before you leave
#
# Three things to remember.
#
# 1. A trigger need not be added by anybody: a window pane will do, and many panes resemble it.
# 2. Right labels do not make a right training set. Who checks labels checks the wrong thing.
# 3. A reader that fails behind a pane may just be blind. Only the honest twin under the same pane tells a backdoor from bad sight.

# %% role="use"
# Use: your points
bdlab.check_all("l06")

# %% role="use"
# Use: your trophy, with your own pane and your own numbers
bdlab.trophy("l06")

# %% [markdown]
# **Extension: your own window.** Photograph a window from inside at night, and a sign-like picture by day. Bring both into `r` and `x`, choose the
# kernel that fits your glass, and compare `reflect` with a photo through the real window. What does the formula miss? Then show it to both readers.
#
# **To read.** [Reflection backdoor](https://arxiv.org/abs/2007.02343) (Liu, Ma, Bailey, Lu 2020) · [the authors'
# code](https://github.com/DreamtaleCore/Refool) · [clean labels](https://arxiv.org/abs/1912.02771) (Turner, Tsipras, Madry 2019) ·
# `help(bdlab.attacks.Refool)`
