"""Lesson 01: the questions of its quizzes, and its mystery box."""

from bdlab.boxes import Box
from bdlab.exercises.specification import Question

QUESTIONS: dict[str, Question] = {
    "larger": Question(
        "A lecture's slide says: the larger a weight, the more important its input. A neuron weighs a person's height in "
        "metres with 2 and the same person's weight in grams with 0.001. Which input moves its sum more, from person to "
        "person?",
        ("The height: its weight is 2,000 times as large", "The weight in grams", "Both equally"), 1,
        ("Heights differ by tenths of a metre: 2 x 0.1 is 0.2. Weights differ by thousands of grams.",
         "10,000 grams more or less move the sum by 10; 0.1 metres more or less move it by 0.2. A weight only compares "
         "where inputs have one scale.",
         "Multiply each weight by how much its input differs from person to person: 0.2 and 10."),
    ),
    "no_relu": Question(
        "You stack ten layers and leave the cut at zero out everywhere. What can the ten do that one such layer cannot?",
        ("Ten times finer patterns", "Nothing", "The same, but they learn faster"), 1,
        ("Sums of sums are sums: the ten matrices can be multiplied into one.",
         "Sums of sums are sums: the ten matrices can be multiplied into one. The cut is what makes depth worth while.",
         "They do the same, that is right. But ten products in a row are harder to train, not easier."),
    ),
    "start": Question(
        "A slide says that weights are assigned when the input layer is determined. Where do the weights of this reader "
        "come from?",
        ("The programmer sets them, layer by layer", "They follow from the size of the image",
         "They are drawn at random, then training moves them"), 2,
        ("Nobody could: this reader has more than 100,000 of them.",
         "The size of the image decides how many there are, not what they are.",
         "A fresh reader is right on some 10 % of the digits. All the rest came from the training data, which is where "
         "this course looks for trouble."),
    ),
    "guess": Question(
        "A fresh reader gives each of the ten classes about the same share, 0.1. About how large is its cross-entropy?",
        ("0.1", "0.9", "2.3", "10"), 2,
        ("0.1 is the share itself. The loss is its negative logarithm.",
         "0.9 is 1 minus the share. The loss is its negative logarithm.",
         "-ln 0.1 = 2.3. Keep this number: a reader of ten classes with a loss of 2.3 knows nothing.",
         "10 is 1 / 0.1. The loss is its logarithm."),
        ordered=True,
    ),
    "rate": Question(
        "The learning rate says how far one step goes. You raise it from 0.1 to 10. What do you see after two passes?",
        ("The same accuracy, reached a hundred times sooner", "The loss jumps up, then stays at about 2.3",
         "The loss falls to 0 on the training set only"), 1,
        ("The gradient holds close by only. A step a hundred times as long lands where it says nothing.",
         "The first steps throw the weights far away; then the reader guesses, and 2.3 is the loss of a guess.",
         "That would be learning by heart. It takes small steps, too."),
    ),
    "sure": Question(
        "Your reader is right on 95 % of the test digits. You show it an empty sheet. What does it say?",
        ("About 10 % for every class: it sees nothing", "One class, perhaps surely", "An error"), 1,
        ("That would be sensible, but nobody trained it to. Run the next cell.",
         "It always answers, and it may be very sure. No empty sheet was ever in training or test.",
         "The shape of the input fits, so it computes."),
    ),
}  # fmt: skip

BOX = Box(
    "Five readers and the logs of their trainings: which of the bugs 0 (healthy) to 7 has each?  "
    'bdlab.flag("l01", [A, B, C, D, E])',
    digest="82bfc24a9e38f098f00e557ef377a06bff26c94f6a18e3273b6f08f47d2af222",
    salt="l01 five readers",
    form=("A", "B", "C", "D", "E"),
    wrong={
        "89af9e6d3829e602c68ba73ffea90a29e0f3a6fef5f39916d45b98b013bed1f8":
        "That is what the logs say. A log is what the supplier's own loop returned: compute the loss again, and look at "
        "what batch norm has learnt.",
    },
)  # fmt: skip
