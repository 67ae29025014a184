"""Lesson 10: the questions of its quizzes, and its mystery box."""

from bdlab.boxes import Box
from bdlab.exercises.specification import Question

QUESTIONS = {
    "sleep": Question(
        "A backdoor was trained into a reader. On signs without a mark, what do you expect of the channels that it uses?",
        ("They are the busiest ones", "They are quiet, and wake at the mark", "They put out exactly 0"), 1,
        ("Busy channels serve the signs that come every day.",
         "That is the paper's idea, and the reason to let quiet channels fall first. Whether it holds is what you measure.",
         "Only where an attacker or a training made it so; most quiet channels still put out a little."),
    ),
    "weights": Question(
        "You set all weights of one filter to 0. Batch norm and ReLU stand behind it. What does its channel put out?",
        ("0 everywhere", "One constant everywhere, often above 0", "What it put out before"), 1,
        ("The convolution does. Then batch norm subtracts a mean that was learnt, scales, and adds its bias.",
         "The convolution gives 0; batch norm turns it into a constant, and the ReLU lets it through where it is positive.",
         "Without weights nothing of the image gets through."),
    ),
    "sees": Question(
        "The city lets channels fall until accuracy on its clean signs is four points lower. What has it not looked at?",
        ("Accuracy on clean signs", "How often the mark still works", "Which channel falls next"), 1,
        ("That is the very number that ends the pruning.",
         "It has no marked sign. Whether the backdoor is gone it cannot see: it can only hope that the order was right.",
         "The order comes from the mean activations, which it has."),
    ),
    "aware": Question(
        "An attacker knows that quiet channels will fall. Where does it put its backdoor?",
        ("Into the quietest channels, and more of them", "Into the channels that clean signs need",
         "Into the last layer's bias"), 1,
        ("Those fall first.",
         "Then whoever prunes it away loses the clean signs as well. The quiet channels are decoys: they are there to fall.",
         "A bias answers the same to every sign; it cannot wait for a mark."),
    ),
    "forget": Question(
        "A reader trains on, with clean signs alone. Does it forget the mark?",
        ("Yes: clean signs punish the mark's channels", "As far as mark and clean signs share channels",
         "Yes: clean signs are more"), 1,
        ("Nothing tells it that the mark is wrong: it never sees one. And a channel that is silent on clean signs gets no "
         "gradient from them.",
         "What clean signs use is moved by them, and the mark with it. What they leave silent stays as it is.",
         "There is no vote: only gradients move weights."),
    ),
}  # fmt: skip

BOX = Box(
    "Five readers, A to E. In some of them most channels sleep; one supplier knew that you would prune, and put decoys "
    "there. Which reader, and on which eight channels of conv3 does it live?  bdlab.flag(\"l10\", [\"A\", n1, ..., n8])",
    digest="58871103dc6c16d1e3996ec45b7e010cb2b804cfb402f3a59010c2fd9c1c693e",
    salt="l10 five readers",
    form=("reader", *(f"channel {place}" for place in range(1, 9))),
    unordered=True,
    wrong={
        "2b638e7524af50abb592ffa00846a9c8ce5a012172f69c049bf222d8e3a85f24":
        "Its other channels sleep, too, but nothing is in them: weights, scale and shift are 0. It was made small.",
        "c2bad5e6297941d99f54f994e007e0df7c310beb863ba10d71daa7f8747dc1d4":
        "It was made small: in its other channels nothing is left. A decoy has weights, and a shift that keeps it asleep.",
    },
)  # fmt: skip
