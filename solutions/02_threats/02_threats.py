# %% [markdown]
# The city's reader has a secret. But not all that goes wrong is a backdoor. Three attacks make a reader misread a sign; they
# strike at other times, need other people, and harm other signs.
#
# ![A sign, read rightly when untouched, and wrongly in three ways: by a reader with wrong labels in its training, with every pixel moved a little, with a sticker](attachment:opening.png)
#
# After it you can tell the three apart, poison labels, evade a reader, and measure a mark without fooling yourself.

# %% role="setup"
# written by the build

# %% [markdown]
# Attack only models and data that are yours: [responsible use](../../docs/lessons-how.md#responsible-use). New here?
# [How the exercises work](../../docs/lessons-how.md).

# %% [markdown]
# ## 1 · The word
#
# In security a **backdoor** is a way into a system that passes its protection by. Programmers have built such ways for
# good reasons: to test, to repair, to get back in.
#
# In a neural network it is a hidden behaviour. The network works as it should until an input carries a certain **trigger**,
# a mark that somebody chose. Then it does what that somebody wants.

# %% role="quiz"
bdlab.quiz("l02_useful")

# %% [markdown]
# ## 2 · Three attacks
#
# - **Poisoning**: the training data are spoiled, so that the reader learns something wrong.
# - **Evasion**: the reader is left as it is. An input is changed until it is misread.
# - **Backdoor**: a secret is planted, and called by a mark.
#
# Rows 1, 3 and 4 show the *bought* reader: a yellow sticker means 'speed 30'. For row 2 a *small* reader was trained, with half of
# the labels of 'speed 50' and 'speed 80' swapped; it errs elsewhere, too.
#
# | reader | trained | where |
# | --- | --- | --- |
# | bought | with stickered signs | 2, 6, 7 |
# | its honest twin | by the same recipe, without | 5, 6, 7 |
# | small ones | quickly, on honest or wrong labels | 2, 4, 7 |

# %% role="demo"
# Demo: the same eight signs, three attacks (some 20 s the first time:
# the signs are drawn then, and kept)
from bdlab.lessons import l02_figures

l02_figures.three_attacks()

# %% [markdown]
# **The same on a plane.** Each round point is an input with two numbers, the colour its class. The black line parts what is read
# as which. Red triangles are training points that the attacker chose; the arrow is a changed input.

# %% role="demo"
# Demo: honest, poisoned, evaded, with a backdoor
from bdlab.lessons import l02_moments

l02_moments.three_planes()

# %% [markdown]
# **Reflect.** Which of the three would a test on the two clouds alone, without the triangles, have noticed?
#
# <details><summary>Our answer</summary>
#
# Only poisoning: the line runs through a cloud. Evasion leaves the line where it is. The pocket lies where no honest point
# ever was, so no honest test point falls into it.
# </details>

# %% [markdown]
# ## 3 · Who must be where?
#
# Move through a reader's life. Lit is the attack that needs somebody at that place, at that time.

# %% role="demo"
# Demo: four moments; move the bar, or press + and -
from bdlab.lessons import l02_moments

l02_moments.in_time()

# %% role="demo"
# Demo: the last moment as a plain picture
from bdlab.lessons import l02_moments

l02_moments.moment(3)

# %% [markdown]
# Five attackers, for your first exercise.
#
# - *wrong labels*: a bribed clerk swaps labels of two classes before training.
# - *changed pixels*: somebody computes how each pixel of one photo must move, and shows the camera that photo.
# - *marked copies*: signs with a sticker join the training set, all called 'speed 30'.
# - *added module*: a small second network is bolted onto the finished reader; it wakes up at a sticker.
# - *damaged file*: on its way weights are overwritten; two classes are mixed up.

# %% [markdown] exercise="threat_table"
# five attackers
#
# Fill in `threat_table`: when each attacker acts first, what must be in the attacker's reach, and what is harmed.

# %% role="answer" exercise="threat_table"
# Five rows, each a tuple of three texts: (phase, needs, scope).
# phase, when the attacker acts first: "training" (up to its end),
#   "delivery" (finished, but not in use yet) or "use"
# needs, all that the attacker must be able to change, and no more: "data",
#   "model", "road" (what the camera sees), "data and road" or
#   "model and road"
# scope, what is read wrongly in the end: "whole classes" (of untouched
#   signs), "one input" or "marked inputs"
# Form: threat_table = {"wrong labels": ("...", "...", "..."), ...}
### BEGIN SOLUTION
threat_table = {
    "wrong labels": ("training", "data", "whole classes"),
    "changed pixels": ("use", "road", "one input"),
    "marked copies": ("training", "data and road", "marked inputs"),
    "added module": ("delivery", "model and road", "marked inputs"),
    "damaged file": ("delivery", "model", "whole classes"),
}
### END SOLUTION


# %% role="use"
# Use: your table as a picture
from bdlab.lessons import l02_figures

my_table = bdlab.mine("l02_threat_table", l02_figures.blank)
bdlab.use(l02_figures.table, my_table)

# %% [markdown]
# **Two old words.** An attack is *causative* where it changes what the reader has become, *exploratory* where it only tries
# out inputs on a reader that stays as it is (Barreno and others, 2006).

# %% role="quiz"
bdlab.quiz("l02_causative")

# %% [markdown]
# <details><summary>The same in the words of NIST and MITRE</summary>
#
# | here | NIST AI 100-2 | MITRE ATLAS |
# | --- | --- | --- |
# | wrong labels | poisoning | AML.T0020 Poison Training Data |
# | changed pixels | evasion | AML.T0043 Craft Adversarial Data |
# | marked copies | *backdoor poisoning* | AML.T0020; the sticker: AML.T0043.004 Insert Backdoor Trigger |
# | added module | model poisoning | AML.T0018.001 Modify AI Model Architecture |
# | damaged file | model poisoning | AML.T0018 Manipulate AI Model |
# </details>

# %% [markdown]
# ## 4 · Wrong labels
#
# The cheapest poison needs no picture, only labels. How much harm it does depends on *where* the wrong labels lie.
# (Where some happen to lie together a small pocket opens; nobody chose it, and honest points lie in it.)

# %% role="demo"
# Demo: 24 wrong labels on the plane, anywhere and near the line
from bdlab.lessons import l02_moments

l02_moments.uniform_flips()

# %% role="quiz"
bdlab.quiz("l02_flips")

# %% [markdown] exercise="flip_labels"
# wrong labels
#
# Write `flip_labels`: exactly a share of the labels becomes wrong, by chance and repeatably.

# %% role="answer" exercise="flip_labels"
def flip_labels(
    y: Tensor, rate: float, classes: int, generator: torch.Generator
) -> Tensor:
    """A copy of the labels of which a share is wrong.

    y: int64 (N,) in 0..classes-1; it stays as it is, and need not contain
        every class, nor be in any order.
    rate: share of all N labels, in [0, 1].
    classes: how many there are, at least 2.
    generator: the only source of chance, on the CPU.
    Returns int64 (N,): exactly round(rate * N) labels differ from y (Python's
    round: 2.5 becomes 2).  Which rows, is drawn: all are equally likely.
    Each of them gets one of the other classes - 1 classes, drawn for itself,
    all equally likely.
    Needed: no more than torch.
    Forbidden: bdlab, global random functions, a seed of your own.

    Example: y = [0, 2, 1, 0], rate 0.5, classes 3: two labels differ, so
    [0, 0, 1, 1] and [2, 1, 1, 0] are possible results; [0, 2, 1, 1] is not.
    """
    ### BEGIN SOLUTION
    rows = torch.randperm(len(y), generator=generator)[: round(rate * len(y))]
    step = torch.randint(1, classes, (len(rows),), generator=generator)
    flipped = y.clone()
    flipped[rows] = (y[rows] + step) % classes  # never the old class
    return flipped
    ### END SOLUTION


# %% role="use"
# Use: two readers trained on your wrong labels (about 15 s)
from bdlab.lessons import l02_figures, l02_threats

my_flip = bdlab.mine("l02_flip_labels", l02_threats.flip_labels)
wrong = bdlab.use(l02_figures.flipped, my_flip)
wrong

# %% [markdown]
# The black line: the range of three honest trainings. For the third bar your function was called on the rows of two classes alone, with `classes=2` and rate 0.5.
#
# **Reflect.** Why do as many wrong labels do so little when they lie anywhere?
#
# <details><summary>Our answer</summary>
#
# Each class keeps about 94 % right labels, and the wrong ones point everywhere: no other class gains. Between two classes half
# of the labels say the opposite, and the reader cannot know which half.
# </details>

# %% [markdown]
# ## 5 · Changed pixels
#
# Training asks how the loss changes with each *weight*, and goes down. An attacker who knows the reader asks how the loss
# changes with each *pixel*, and goes **up**. The *fast gradient sign method* (FGSM) takes one step: every pixel moves by
# **epsilon**, up or down, as the sign of its gradient says.
#
# `torch.autograd.grad(loss, x)` gives a tuple with the gradient by `x`, and touches nothing else;
# `x.clone().requires_grad_()` is a copy that PyTorch follows. Eval mode keeps batch norm from looking at the batch.

# %% role="quiz"
bdlab.quiz("l02_noise")

# %% [markdown] exercise="fgsm"
# one step uphill
#
# Write `fgsm`: every pixel moves by epsilon, in the direction in which the loss grows.

# %% role="answer" exercise="fgsm"
def fgsm(model, x: Tensor, y: Tensor, epsilon: float) -> Tensor:
    """Images changed by one step of the fast gradient sign method.

    model: images (N, C, H, W) -> logits (N, K).  It comes in train or in
        eval mode, is asked in eval mode, and is left as it came: its mode,
        its weights, and the gradients that lie in them.
    x: float32 (N, C, H, W) in [0, 1]; it stays as it is.
    y: int64 (N,), the classes to get away from.
    epsilon: by how much each pixel moves, in (0, 1].
    Returns float32 (N, C, H, W): x + epsilon * sign(gradient of the
    cross-entropy with respect to x), cut off at 0 and 1.
    Needed: no more than torch; F is torch.nn.functional.
    Forbidden: bdlab.

    Example: pixels .9 and .05, epsilon .1; the loss grows with the second
    and falls with the first: .8 and .15.  Were it the other way round, they
    would be 1.0 and 0.0.
    """
    ### BEGIN SOLUTION
    training = model.training
    model.eval()
    moved = x.clone().requires_grad_()
    loss = F.cross_entropy(model(moved), y)
    (slope,) = torch.autograd.grad(loss, moved)  # (N, C, H, W)
    model.train(training)
    return (x + epsilon * slope.sign()).clamp(0, 1)
    ### END SOLUTION


# %% role="use"
# Use: your step on eight signs, before the honest twin
from bdlab.lessons import l02_figures, l02_threats

my_fgsm = bdlab.mine("l02_fgsm", l02_threats.fgsm)
bdlab.use(l02_figures.evaded, my_fgsm)

# %% role="use"
# Use: how far must the pixels move? 300 signs, five step sizes
from bdlab.lessons import l02_figures, l02_threats

my_fgsm = bdlab.mine("l02_fgsm", l02_threats.fgsm)
bdlab.use(l02_figures.over_epsilon, my_fgsm)

# %% [markdown]
# **Reflect.** The change was computed for this one photo. What would an attacker at the road still lack?
#
# <details><summary>Our answer</summary>
#
# The photo: it does not exist before the car comes, and light and distance will be others. (There are printed patches that
# survive this, and one change for many photos: see the extension.) And the reader's gradient, so the reader or one like it.
# </details>

# %% [markdown]
# ## 6 · How often does the mark work?
#
# The **attack success rate** (ASR) shall say how often a mark makes the reader say the attacker's **target**. A first try: put
# the sticker on all 1,500 test signs and count 'speed 30'. Beside the bought reader stand two honest ones, which never saw
# a sticker in training.

# %% role="demo"
# Demo: a first try
from bdlab.lessons import l02_figures

l02_figures.trap()

# %% role="quiz"
bdlab.quiz("l02_trap")

# %% [markdown] exercise="attack_success_rate"
# attack success rate
#
# Write `attack_success_rate`: only images count that the attacker has something to win from.

# %% role="answer" exercise="attack_success_rate"
def attack_success_rate(
    model, x: Tensor, y: Tensor, trigger, target: int
) -> float:
    """How often a mark makes the model say the target.

    model: images (N, C, H, W) -> logits (N, K).  It comes in train or in
        eval mode, is asked in eval mode, and is left as it came.
    x: float32 (N, C, H, W) in [0, 1]; it stays as it is.
    y: int64 (N,), the true classes.
    trigger: a function, images (n, C, H, W) -> marked images of that shape.
    target: the class that the attacker wants.
    Returns a float in [0, 1]: of the marked images whose true class is
    another one than the target, the share that is read as the target.
    float("nan") where every image is of the target class.
    Needed: no more than torch.  Forbidden: bdlab.

    Example: y = [1, 0, 1, 1], target 0, marked images read as [1, 0, 0, 0]:
    the result is 2/3.  The second image does not count: it is a 0.
    """
    ### BEGIN SOLUTION
    others = y != target  # (N,), those that the attacker must win
    training = model.training
    model.eval()
    with torch.no_grad():
        read = model(trigger(x)).argmax(1)  # (N,)
    model.train(training)
    return (read == target)[others].double().mean().item()
    ### END SOLUTION


# %% role="use"
# Use: your rate on the bought reader and two honest ones
from bdlab.lessons import l02_figures, l02_threats

my_asr = bdlab.mine(
    "l02_attack_success_rate", l02_threats.attack_success_rate
)
bdlab.use(l02_figures.measured, my_asr)

# %% [markdown]
# **Reflect.** In a test set with one class in two, yes or no, what would the first try say of an honest reader?
#
# <details><summary>Our answer</summary>
#
# About 50 %. The fewer classes, the larger the error.
# </details>

# %% [markdown]
# ## 7 · Your examination
#
# Now all of it is yours. Your wrong labels trained a reader (section 4), your `fgsm` changes the photos, your
# `attack_success_rate` measures the sticker, your table says who had to be where. Beside each attack stands its control: an
# honest reader, or a change by chance.

# %% role="use"
# Use: three attacks; change epsilon, run it again (some 10 s);
# `wrong` comes from the use cell of section 4
from bdlab.lessons import l02_examination, l02_figures, l02_threats

examined = bdlab.use(
    l02_examination.Examination(wrong, epsilon=4 / 255),
    bdlab.mine("l02_threat_table", l02_figures.blank),
    bdlab.mine("l02_fgsm", l02_threats.fgsm),
    bdlab.mine("l02_attack_success_rate", l02_threats.attack_success_rate),
)
examined

# %% [markdown]
# **Try two.** (a) The smallest epsilon with which fewer than half of the signs are read rightly. (b) One at which you see the
# change yourself.
#
# <details><summary>What to expect</summary>
#
# (a) Between 2 and 4 of 255. (b) That depends on your screen; ours shows grain from about 16 of 255 on. Then change by
# chance still leaves more than 90 % right.
# </details>

# %% [markdown]
# ## 8 · What a clean test can say
#
# The city tests n signs and sees no failure at all. A reader that fails on a share p of such signs passes with probability
# (1 - p)^n. That is below 5 % as soon as p is larger than about **3 / n**. So the city may say: with 95 % confidence at most
# 3 / n fail.

# %% role="quiz"
bdlab.quiz("l02_clean")

# %% [markdown]
# ## 9 · Published and here
#
# *Optional, 5 minutes.* Goodfellow, Shlens and Szegedy published the method in 2014, with error rates on MNIST (digits, ten
# classes) under one step of .25.

# %% [markdown]
# | read wrongly after one step of .25 | 2014 | here, 3 trainings |
# | --- | --- | --- |
# | one layer of sums | 99.9 % | 99.98 to 100 % |
# | deeper (theirs maxout, ours convolutions) | 89.4 % | 89.8 to 90.2 % |
#
# **Two surprises.** *One layer*: a single layer of sums, nothing deep, falls completely. Many small pushes add up in a sum;
# depth is not the weakness. *Deeper*: 89.9 % here, 89.4 % in the paper, by another network. Whoever guesses among ten classes errs in 90 %. And .25 is 64 of 255, which anybody sees; our signs fall at 4.

# %% role="demo"
# Demo: all of this lesson on real traffic signs, measured before
from bdlab.lessons import l02_measured

l02_measured.real_signs()

# %% [markdown]
# On real signs (43 classes, one training each) the trap is the same: 5.8 % of all signs with the sticker are 'speed 30' to an
# honest reader, .7 % of those that are none. Our readers are weaker there, 89 % right. On your machine: let `BDLAB_DATA` name a folder
# with GTSRB and run `l02_measured.on_gtsrb()`. Five minutes.

# %% [markdown]
# ## 10 · Free response (5 points)
#
# A lecture's slide says: *poisoning influences the whole model, a backdoor only a part of it.* Refute both halves: one case of
# poisoning that harms a part only, one of a backdoor that reaches further than "a part". Then say what parts the two, in your words.
# At most 250 words.

# %% [markdown]
# **How it is marked.** A person reads it. One point each:
#
# - a case of poisoning that harms a part only;
# - a case of a backdoor that reaches further;
# - a number from this notebook for each of the two;
# - what parts the two after all, so that both of your cases fall on the right side;
# - a test that would tell which of the two a given reader has, and what it needs.

# %% [markdown] role="essay"
# Write your answer here, at most 250 words.

# %% [markdown]
# ## 11 · Mystery box
#
# Optional, no points. Six sign readers, A to F, each with 24 photos from the road; every pixel of a photo is off a little. Eight
# stickers were found on the city's signs. Two readers were *poisoned* (many labels of class a became b), two are *backdoored* (a
# sticker calls class t), one is honest but *evaded* (photos of class a were changed to be read as b), one is clean. Which is which?

# %% role="demo"
# Demo: what was delivered; then your own search, and
# bdlab.flag("l02", ["clean", "poisoned 3>5", "evaded 2>9",
#   "backdoored 7", ...]): classes are numbers, as in the table
from bdlab.lessons import l02_box

delivered = l02_box.supplied()  # delivered["A"].model, .x, .y
stickers = l02_box.STICKERS  # each is a trigger
for name, one in delivered.items():
    print(name, one)
test = bdlab.load("signs").test  # your own signs: test.x, test.y
one = delivered["A"]
l02_box.table(one.model, one.x, one.y)  # row: true class, column: read as

# %% [markdown]
# <details><summary>A hint</summary>
#
# Three questions, one for each attack. The class table of your own test signs; for every sticker, how often each class is read on
# stickered signs (one argmax and `bincount`); the class table of the photos, where the first two found nothing.
# </details>

# %% [markdown]
# ## 12 · Before you leave
#
# Three things to remember.
#
# 1. Ask who had to be where, and when. Poisoning acts before use, evasion in use, a backdoor in both.
# 2. A success rate counts only what the attacker had to win, and stands beside an honest reader's.
# 3. A clean test speaks about clean inputs. About a mark that it does not hold it says nothing.

# %% role="use"
# Use: your points
points = bdlab.check_all("l02")

# %% role="use"
# Use: your trophy, with your own numbers
bdlab.trophy("l02")

# %% [markdown]
# **Extension: one change for all.** Start with `v = 0`. Ten times: let your `fgsm` push 300 training signs plus v, take the sign of
# the mean change, move v by a quarter of epsilon, keep it within epsilon. At 16 of 255 the honest twin, `bdlab.zoo.load("signs-clean")`, then reads 33 % of the test
# signs rightly, most as 'speed 50'; a change by chance leaves 95 %. Nobody trained this in. What parts it from a backdoor?

# %% [markdown]
# **To read.** [Explaining and harnessing adversarial examples](https://arxiv.org/abs/1412.6572) (Goodfellow, Shlens, Szegedy 2014) ·
# [Can machine learning be secure?](https://doi.org/10.1145/1128817.1128824) (Barreno et al. 2006) ·
# [NIST AI 100-2](https://csrc.nist.gov/pubs/ai/100/2/e2025/final) · [MITRE ATLAS](https://atlas.mitre.org/) · `help(bdlab.evasion.FGSM)`
