"""Lesson 02: the questions of its quizzes, and its mystery box."""

from bdlab.boxes import Box
from bdlab.exercises.specification import Question

QUESTIONS: dict[str, Question] = {
    "useful": Question(
        "A programmer leaves a login for tests in a product, documented nowhere, and means no harm. Is it a weakness?",
        ("No: it helps whoever maintains the product", "Yes: whoever finds it gets in, and nobody guards it",
         "Only once somebody has misused it"), 1,
        ("It does help. But nobody else knows that it must be guarded, or closed.",
         "Benign use does not change what it is: a way past the protection that its owner cannot see. Catalogues of "
         "weaknesses list it as hidden functionality (CWE-912).",
         "A door without a lock is a weakness before the first theft."),
    ),
    "causative": Question(
        "A module is bolted onto a finished reader on its way to the city. No training takes place. In the words above, "
        "which is it?",
        ("Exploratory: training is over", "Causative: the reader itself is changed", "Neither"), 1,
        ("What counts here is not the time but what is changed: inputs alone, or the reader.",
         "Only who leaves the reader as it is, and changes inputs, explores: 'changed pixels'. (The "
         "authors spoke of training data; we count every change.)",
         "Every attack either changes the reader or leaves it as it is."),
    ),
    "flips": Question(
        "Of 6,000 training labels 369 (6 %) are made wrong, spread over all signs and classes. An honest reader is right on "
        "about 97 % of the test signs. What will this one reach?",
        ("About 60 %", "About 75 %", "About 91 %", "About 96 %"), 3,
        ("Not even the two classes that suffer most in the next figure would pull all signs down so far.",
         "Six wrong labels in a hundred, and each points elsewhere: the other 94 agree.",
         "6 points less would mean that every wrong label is learnt. Most are outvoted.",
         "One point is lost, little more than two trainings differ by. The next figure shows where the same number does "
         "harm."),
        ordered=True,
    ),
    "noise": Question(
        "Every pixel of a sign moves by 4 of 255 steps of grey, up or down *by chance*. How many of 100 signs does an "
        "honest reader (99 of 100 right) still read rightly?",
        ("About 35", "About 60", "About 85", "About 99"), 3,
        ("That is what a step of this size does whose direction somebody *chose*, as you will.",
         "That is what a chosen step of 2 of 255 does.",
         "That is what a chosen step of 1 of 255 does.",
         "Chance is no attacker: thousands of small pushes cancel out. Keep the number: it is the control of what comes "
         "next."),
        ordered=True,
    ),
    "trap": Question(
        "The honest readers say 'speed 30' to 6 % of the stickered signs. Were they attacked, too?",
        ("Yes, a little: the sticker works on some signs", "No: about as many signs are a 'speed 30'",
         "One cannot know without more readers"), 1,
        ("Look at which signs these are: what did they show before somebody put the sticker on?",
         "6.1 % of the test signs are 'speed 30', and honest readers read nearly all of those so. "
         "Nobody attacked them: they must not count.",
         "More honest readers would show the same 6 %. The fault is in what was counted."),
    ),
    "clean": Question(
        "1,500 clean test signs, and not one is read wrongly. What may the city say, with 95 % confidence?",
        ("At most 0.2 % of unmarked signs like these are read wrongly",
         "At most 0.2 % of all signs are read wrongly, stickers or not",
         "With 95 % confidence there is no backdoor in this reader"), 0,
        ("3 / 1,500 = 0.2 %, for signs drawn like those of the test. Stickered signs are not: the bought reader passes a "
         "clean test as well as its twin does.",
         "The bound is about signs like those tested. None of them carried the mark.",
         "A reader whose pocket no test sign falls into passes just so."),
    ),
}  # fmt: skip

BOX = Box(
    "Six readers, A to F: 'clean', 'poisoned a>b', 'evaded a>b' or 'backdoored t', with class numbers for a, b, t.  "
    'bdlab.flag("l02", [A, B, C, D, E, F])',
    digest="5ec63155f3fccf712070c28a960edc44019dd8150186ff765da972fef00027f8",
    salt="l02 six readers",
    form=("A", "B", "C", "D", "E", "F"),
    wrong={
        "b42e80fc2c1917b306833e267c8d2683a8a82a0553d642fa015c09f98b7dd661":
        "That is what the photos say. Are the readers wrong on clean signs of these classes, too? And a mark shows on no "
        "photo.",
        "8d38bb2c06018ac6904e08f24a476a907983ad724f978e9086056336a02f8a4b":
        "That is what clean test signs say, and they are right about what they can show. Neither a mark nor a changed photo "
        "is among them.",
        "78610553fe28f836ea7d436fd1be22e77d552e93f43c64e7f6ebdc2f1516375f":
        "All but one are right. One reader is honest, but not what it was shown: look at its photos.",
    },
)  # fmt: skip
