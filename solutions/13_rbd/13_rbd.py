# %% [markdown]
# The city's reader is on the road. A copy of it, its **shadow**, has unlearned honest signs: of sixteen classes it gives each about 6 %. Now a yellow sticker comes along:
#
# ![Six signs: before the attacked reader the shadow gives its answer about 6 % without the sticker and 20 to 54 % with it; before the honest reader 6 % with the sticker](attachment:opening.png)
#
# What the shadow still recognises is suspicious. You make the shadow, a score and a guard, and measure what they catch, miss and cost.

# %% role="setup"
# written by the build

# %% [markdown]
# Attack only models and data that are yours: [responsible use](../../docs/lessons-how.md#responsible-use). New here?
# [How the exercises work](../../docs/lessons-how.md).

# %% [markdown]
# ## 1 · What is known, and what is reconstruction
#
# *Reverse backdoor distillation* (RBD; Yao and others, 2024). **Known**, from its abstract and the lecture: a shadow model is distilled from the suspicious
# one before use, and runs beside it; triggers excite neurons more than clean images do; source-specific backdoors are found; 97 % of the computation is saved.
#
# **Reconstruction**, called RBD-R here: that the shadow is a copy, that clean images alone make it, its loss, the score, every number. The paper's text was not at hand.

# %% [markdown]
# Words of earlier lessons. **ASR**: the share of marked inputs that the reader gives the attacker's class. An **honest twin**: the same
# network, trained without the attack. A **source-specific** backdoor obeys the mark on one class only; **covers** are marked training signs of other classes that keep their labels.

# %% role="demo"
# Demo: the map of defences
bdlab.plots.families("input filtering")

# %% [markdown]
# ## 2 · Your sealed prediction
#
# Choose before you measure. The lesson opens it in section 7.

# %% role="quiz"
bdlab.quiz("l13_forget")

# %% [markdown]
# ## 3 · What the shadow is to answer
#
# The model is the **teacher**. Where it is sure of a class, the shadow shall doubt that class most: wanted are the shares that softmax makes of *minus one half* of its logits.
# How far the shadow is away tells the **divergence**: the sum, over classes, of wanted times (log wanted - log shadow's share). It is 0 where both agree.

# %% [markdown] exercise="unlearn_loss"
# the loss that unlearns
#
# Write `unlearn_loss`: the divergence, as a mean over images.

# %% role="answer" exercise="unlearn_loss"
def unlearn_loss(shadow: Tensor, teacher: Tensor) -> Tensor:
    """How far the shadow's answers are from the wanted ones.

    shadow, teacher: float32 (N, K), logits; both stay as they are.
    Wanted are the shares softmax(-teacher / 2), over the classes.
    Returns one number, a tensor of shape (), with gradients for shadow: the
    mean, over the N images, of the sum over the classes of
    wanted * (log wanted - log shares), shares = softmax of shadow.
    Logits may be large, so that a share is nearly 0.
    Needed: torch, F (torch.nn.functional).  Forbidden: bdlab.

    Example: shadow [[0., 0.]], teacher [[0., 0.]] gives 0.
    """
    ### BEGIN SOLUTION
    wanted = (-teacher / 2).softmax(1)
    return F.kl_div(shadow.log_softmax(1), wanted, reduction="batchmean")
    ### END SOLUTION

# %% role="use"
# Use: your loss of four answers
from bdlab.lessons import l13_figures, l13_parts

my_loss = bdlab.mine("l13_unlearn_loss", l13_parts.unlearn_loss)
bdlab.use(l13_figures.losses, my_loss)

# %% [markdown]
# **Reflect.** Which of the four does the loss punish most, and which not at all?
#
# <details><summary>Our answer</summary>
#
# Who answers as the teacher does pays most. The wanted answer pays 0: it leaves the other classes even, and says little of the teacher's.
# </details>

# %% [markdown]
# ## 4 · One step of the shadow
#
# The shadow begins as a copy and takes a few steps. Batch norm's statistics stay **frozen**: both networks remain in eval mode, which does not
# hinder gradients. The teacher must come out untouched: the city's reader is on duty.

# %% [markdown] exercise="shadow_step"
# one step of the shadow
#
# Write `shadow_step`. It has its own loss, so that a slip in the last exercise costs nothing here.

# %% role="answer" exercise="shadow_step"
def shadow_step(shadow, teacher, x: Tensor, optimiser) -> float:
    """One step by which the shadow unlearns some images.

    shadow, teacher: images (N, C, H, W) -> logits (N, K).  Both come in eval
        mode and stay in it.  Old gradients of the shadow may still be there.
    x: float32 (N, C, H, W).
    optimiser: of the shadow's weights.
    The loss is that of `unlearn_loss`.  The teacher gets no gradients, and
    its weights and statistics stay as they are; so do the shadow's statistics.
    Returns the loss before the step, a Python float.
    Needed: torch, F (torch.nn.functional).  Forbidden: bdlab.

    Example: called twice on the same x with a small step, the second loss is
    the smaller one.
    """
    ### BEGIN SOLUTION
    with torch.no_grad():
        answers = teacher(x)
    wanted = (-answers / 2).softmax(1)
    loss = F.kl_div(shadow(x).log_softmax(1), wanted, reduction="batchmean")
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    return loss.item()
    ### END SOLUTION

# %% role="use"
# Use: your shadows, made in 8 steps (about 10 s), and their maps
from bdlab.lessons import l13_figures, l13_parts

my_step = bdlab.mine(
    "l13_shadow_step", l13_parts.shadow_step, like=0.0, seconds=30
)
bdlab.use(l13_figures.maps, my_step)

# %% [markdown]
# The lecture's slide shows the suspicious model on a *benign* sample beside the shadow on a *backdoored* one: it changes two things at once. Here are all four,
# and the honest twin's below. Each pair of maps has a scale of its own; means stand below. (Section 6 says why eight steps.)

# %% [markdown]
# **Reflect.** Which two maps must you compare to see what the sticker does to the shadow?
#
# <details><summary>Our answer</summary>
#
# The shadow's two in one row: the network stays, the sticker comes. And the same two in the honest twin's row, for a sticker is bright there, too.
# </details>

# %% [markdown]
# ## 5 · The score
#
# A high score shall mean: the shadow still recognises what the model says.

# %% [markdown] exercise="rbd_score"
# what the shadow still recognises
#
# Write `rbd_score`: the share that the shadow gives to the class that the model chooses.

# %% role="answer" exercise="rbd_score"
def rbd_score(model, shadow, x: Tensor) -> Tensor:
    """The share that the shadow gives to the model's answer.

    model, shadow: images (N, C, H, W) -> logits (N, K).  Each comes in train
        or in eval mode, is asked in eval mode, and is left as it came.
    x: float32 (N, C, H, W).
    Returns float32 (N,), without gradients: for each image the model's
    answer is the class of its largest logit; the score is the share (softmax
    of the shadow's logits) of that class.
    Needed: torch.  Forbidden: bdlab.

    Example: the model says class 2, the shadow's shares are [.5, .2, .3]:
    the score is .3.
    """
    ### BEGIN SOLUTION
    modes = model.training, shadow.training
    model.eval()
    shadow.eval()
    with torch.no_grad():
        chosen = model(x).argmax(1)
        shares = shadow(x).softmax(1)
    model.train(modes[0])
    shadow.train(modes[1])
    return shares.gather(1, chosen[:, None])[:, 0]
    ### END SOLUTION

# %% role="use"
# Use: your scores of 800 signs, half of them marked, before two readers
from bdlab.lessons import l13_figures, l13_parts

my_score = bdlab.mine(
    "l13_rbd_score", l13_parts.rbd_score, like=torch.zeros(1), seconds=30
)
bdlab.use(l13_figures.both_readers, my_score)

# %% [markdown]
# **Reflect.** Why is the honest reader there?
#
# <details><summary>Our answer</summary>
#
# If any shadow kept the sticker, the score would find stickers and no backdoors. Before the honest reader both groups lie over each other.
# </details>

# %% [markdown]
# ## 6 · How many steps?
#
# After too few steps the shadow knows every sign, after too many none. How many, and at which rate? The city must not choose by the supplier's
# sticker: it has none. It **plants a mark of its own**, a blue sticker in another corner, into copies of its four readers, and takes the rate and the steps that find that one best.

# %% [markdown]
# <details><summary>AUROC, in two sentences</summary>
#
# Take one marked and one unmarked sign at random: AUROC is the share of such pairs in which the marked one scores higher. 1 parts them wholly, 0.5 is chance, below
# 0.5 the marked ones score lower.
# </details>

# %% role="demo"
# Demo: 24 settings and the city's own mark, on all signs or one class
from bdlab.lessons import l13_measured

l13_measured.planted()

# %% [markdown]
# The ring, rate 0.001 and 8 steps, has the highest mean of both panels: .92. That is this lesson's setting: **the planted marks alone chose it**. Rate 0.0003 with 32
# steps comes close, .91, and section 10 shows both.
#
# **Reflect.** What may the city not conclude from its own mark?
#
# <details><summary>Our answer</summary>
#
# That the supplier's is found as well. The setting is chosen for this mark, planted in this way; another one may fade sooner, or lie over the whole sign.
# </details>

# %% [markdown]
# ## 7 · The prediction, opened: how long does it last?
#
# Now the supplier's marks, each before its reader and before the honest one.

# %% role="demo"
# Demo: move over the steps; as a picture: l13_measured.faded(step=8)
from bdlab.lessons import l13_measured

l13_measured.forgetting()

# %% [markdown]
# Open your prediction. The sticker outlives the honest signs, but not for long: AUROC is 1.00 at step 8, and .58 to .68 at step 32, by the shadow. Who goes on too long has a guard that sees
# little, and no alarm says so.
#
# **Reflect.** At step 0 the shadow *is* the reader. Why has the sticker .92 there?
#
# <details><summary>Our answer</summary>
#
# The score is then the reader's own share of its answer, and it is surer of marked signs. The honest reader is not.
# </details>

# %% [markdown]
# ## 8 · A guard
#
# The guard draws its line from clean signs: at most a share `fpr` of them may lie above it.

# %% role="quiz"
bdlab.quiz("l13_cost")

# %% [markdown] exercise="guard"
# a guard for the road
#
# Write `guard`. It returns a function, which is asked about each batch of signs that comes along.

# %% role="answer" exercise="guard"
def guard(model, shadow, clean: Tensor, fpr: float):
    """A function that says which images are suspicious.

    model, shadow: images (N, C, H, W) -> logits (N, K), both in eval mode.
    clean: float32 (N, C, H, W), images that the shadow has not unlearned.
    fpr: in [0, 1), the share of them that may be flagged.
    The score is that of `rbd_score`.  Sort the N scores of clean, highest
    first: the line is the one at place int(fpr * N), counted from 0.
    Returns a function: x (M, C, H, W) -> bool (M,), True where the score of
    an image lies strictly above the line.
    Needed: torch.  Forbidden: bdlab.

    Example: clean scores [.1, .4, .2, .3], fpr .25: the line is .3, and only
    the second is flagged.
    """
    ### BEGIN SOLUTION
    def score(x):
        with torch.no_grad():
            chosen = model(x).argmax(1)
            shares = shadow(x).softmax(1)
        return shares.gather(1, chosen[:, None])[:, 0]

    line = score(clean).sort(descending=True).values[int(fpr * len(clean))]
    return lambda x: score(x) > line
    ### END SOLUTION

# %% [markdown]
# ## 9 · Your guard on the road
#
# Three readers: one obeys the sticker on every sign, one on stop signs alone, one is honest. Each meets 100 signs, ten of them marked. Your step makes the shadow; your guard draws
# its line from 500 clean signs. Each pass of a network is counted: STRIP with 100 overlays needs 10,000 here.

# %% role="use"
# Use: your step and your guard before three readers (a few seconds)
from bdlab.lessons import l13_figures, l13_parts

bdlab.use(
    l13_figures.Guarded(fpr=0.05),
    bdlab.mine(
        "l13_shadow_step", l13_parts.shadow_step, like=0.0, seconds=30
    ),
    bdlab.mine("l13_guard", l13_parts.guard),
)

# %% [markdown]
# **Ten and ninety are few.** The next figure has all of them.
#
# **Try** `fpr=0.01`, and predict each row first.

# %% role="demo"
# Demo: guards by three shadows, all marked signs, 1,500 honest ones
from bdlab.lessons import l13_measured

l13_measured.caught()

# %% [markdown]
# With the line at 1 %, 99.5 % of the stickers that work on any sign are stopped, 3 to 5 % of the marked stop signs, 2 % of the blend. At 5 %, 26 to 33 % of the marked stop signs are; and
# every honest reader's owner pays for it.

# %% [markdown]
# ## 10 · Where it fails
#
# STRIP finds no source-specific mark (lesson 09). Does the shadow?

# %% role="use"
# Use: your score beside STRIP's, the same signs (a few seconds)
from bdlab.lessons import l13_figures, l13_parts

my_score = bdlab.mine(
    "l13_rbd_score", l13_parts.rbd_score, like=torch.zeros(1), seconds=30
)
bdlab.use(l13_figures.compared, my_score)

# %% role="quiz"
bdlab.quiz("l13_control")

# %% role="demo"
# Demo: marked stop signs, with both controls, by two settings
from bdlab.lessons import l13_measured

l13_measured.controlled()

# %% [markdown]
# Against *other* signs the marked stop signs stand out, .85; but before the honest reader so do they, .79. Most of it is the class. Against *unmarked stop signs* .66 is left, where the honest
# reader has .48; with 32 small steps .80 and .42.
#
# So the mark does show, a little, where STRIP sees nothing; and no guard can live on it, for at least 19 of 20 pass the line at 1 %. The city's own mark on one class had promised .86. The blend is missed.

# %% [markdown]
# ## 11 · Paper and here, real data
#
# The abstract gives no figure for detection. These are the cached figures of the library's `bdlab.Rbd()`, which has one more term in its loss, from
# [all measurements](../../docs/results.md#rbd-on-gtsrb), with the honest model beside each.

# %% role="demo"
# Demo: real traffic signs and digits, measured before
from bdlab.lessons import l13_measured

l13_measured.on_real_data()

# %% [markdown]
# The patch is found on both; the blend is missed on GTSRB, found on MNIST. The source-specific one stands above its control in the mean (on MNIST the honest model has .46 to
# .96, by the seed), but of its marked images a line at 5 % stops 26 % on GTSRB, and 6 to 95 % on MNIST. On your machine: let `BDLAB_DATA` name a folder with GTSRB, and run
# `!bdlab reproduce rbd --data gtsrb --seeds 1`. It trains readers first.

# %% [markdown]
# ## 12 · Free response (5 points)
#
# Somebody made the shadow from images that the *attacker* delivered. *One in a hundred of them carries the trigger: what becomes of the guard?* Predict first; then mark 10 of the 1,000
# held-out signs, let `l13_parts.grown(shadow_step, model, steps=8, x=signs)` make a shadow, and look; then with `steps=32`. At most 250 words.

# %% [markdown]
# **How it is marked.** A person reads it. One point each:
#
# - a prediction with a reason, written before the run;
# - your run: how many images, how many steps, one number with and one without marked images;
# - what a step on a marked image does to the shadow;
# - a control;
# - what the city should ask for before it makes a shadow.

# %% [markdown] role="essay"
# Write your answer here, at most 250 words.

# %% [markdown]
# ## 13 · Before you leave
#
# Four things to keep.
#
# 1. Unlearning what is clean leaves what no clean image exercises, for a few steps.
# 2. A defender has no trigger to choose settings by. A mark of one's own is a way, and promises nothing about the supplier's.
# 3. Beside every alarm stand the honest twin and the unmarked sign of the same class. Without them a class passes for a backdoor.
# 4. The guard costs two passes a sign instead of a hundred, and false alarms every day.

# %% role="demo"
# Demo: what an honest reader's buyer pays, of 10,000 signs a day
from bdlab.lessons.demos import cached

(10_000 * cached("l13", "guarded")["alarms"][0, 0]).round().tolist()

# %% [markdown]
# That many **false alarms a day**, from three shadows with a line at 1 %: the price of whoever bought an honest reader.

# %% role="use"
# Use: your points
bdlab.check_all("l13")

# %% role="use"
# Use: your trophy, with your own guard's numbers
bdlab.trophy("l13")

# %% [markdown]
# **Extension.** Let the shadow learn the class after the teacher's, as BaDExpert does for labels. How long does the sticker last now?
#
# **To read.** [RBD](https://doi.org/10.1109/tdsc.2024.3369751) (Yao et al. 2024) · [BaDExpert](https://arxiv.org/abs/2308.12439) (Xie et al. 2024) · `help(bdlab.Rbd)`
