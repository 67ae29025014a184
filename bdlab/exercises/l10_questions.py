"""Lesson 10: the questions of its quizzes."""

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
         "Then whoever prunes it away loses the clean signs as well. The quiet channels are decoys.",
         "A bias answers the same to every sign; it cannot wait for a mark."),
    ),
    "forget": Question(
        "Why should training on with clean signs alone make a reader forget the mark?",
        ("Clean signs punish the mark's channels", "It need not: without marked signs nothing pulls on channels that are "
         "silent", "Because clean signs are more"), 1,
        ("Where a channel puts out 0 on every clean sign, no gradient reaches it.",
         "What moves it are channels that mark and signs share. How many those are differs from attack to attack.",
         "There is no vote: only gradients move weights."),
    ),
}  # fmt: skip
