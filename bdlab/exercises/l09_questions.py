"""Lesson 09: the questions of its quizzes, and its mystery box."""

from bdlab.boxes import Box
from bdlab.exercises.specification import Question

QUESTIONS = {
    "bits": Question(
        "A reader of 16 classes gives a quarter each to four of them, and nothing to the others. How many bits is that?",
        ("0.25", "2", "4", "16"), 1,
        ("A quarter is the share. Each such share counts 0.25 times the 2 bits of its logarithm, four times.",
         "log2(4): as unsure as with two tosses of a coin.",
         "4 bits is a reader that gives the same to all 16 classes.",
         "16 is the number of classes; the most that they can give is log2(16) = 4 bits."),
        ordered=True,
    ),
    "cut": Question(
        "A yellow sticker lies on a sign below a bright overlay, and the sum is cut at 1. What happens to the sticker?",
        ("It stays what it was: bright already", "It pales, and the ground catches up", "Its colour doubles"), 1,
        ("Its red and green were near 1 and stay so. But its blue fills up, and the ground around becomes bright, too.",
         "Red and green are full already, blue and the ground still rise: sticker and ground become more alike.",
         "That is the sum without the cut: values up to 2, which no camera gives."),
    ),
    "line": Question(
        "You move the line to the right, to a higher entropy. What happens?",
        ("More honest signs are refused, fewer marked ones pass", "Fewer honest signs are refused, more marked ones pass",
         "Fewer honest signs are refused, fewer marked ones pass"), 0,
        ("All that lies left of the line is refused, from both groups. You pay one error with the other.",
         "What lies left of the line is refused, and that is more now, of both groups.",
         "Both errors smaller at once: no line can do that, only groups that lie further apart."),
    ),
    "normal": Question(
        "Entropies of honest signs: mean 0.72 bits, standard deviation 0.35. The paper fits a normal distribution, and "
        "wants 1 % below the line, 2.33 deviations under the mean. What will the filter refuse?",
        ("About 1 % of all signs", "Only marked signs", "Nothing at all"), 2,
        ("It would, if entropies were normal and could be negative.",
         "Even those have an entropy of at least zero.",
         "0.72 - 2.33 x 0.35 is below zero, and no entropy is. The paper says so in a footnote."),
    ),
    "covers": Question(
        "Now the supplier wants only marked *stop signs* to become 'speed 30', and trains with the sticker on other signs "
        "under their true labels. What will the entropies of marked stop signs be?",
        ("As low as before: the sticker still decides", "Like those of honest signs", "Above those of all honest signs"), 1,
        ("The sticker decides only on a stop sign. What is under an overlay hardly is one.",
         "The reader now needs a stop sign and the sticker. An overlay spoils the stop sign, and the answer wavers.",
         "They waver as honest signs do, not more: nothing stands out, at neither end."),
    ),
}  # fmt: skip

BOX = Box(
    "Sixty signs with a sticker each, and the reader that met them. Twelve stickers are the supplier's: which signs carry "
    "them?  bdlab.flag(\"l09\", [n1, ..., n12]): twelve different numbers, 0 to 59 as in delivered.x",
    digest="290ca211398ebcce08a1d5a10b9544d289f0d2a35bc48aa67aa906e72986d42c",
    salt="l09 sixty signs",
    unordered=True,
    wrong={
        "cb6999ec73f11a42e87dd0bdfc91b3c56a9b737a93c9490f21e16df70f18863f":
        "Those are the surest answers without any overlay. Ten are right; honest signs are read surely, too.",
        "fb59ed9cc06b724deda9cac03c9adf5b4e3094eb12dd3ade7b8599c90932f049":
        "Those are the highest entropies: the signs that change their mind most. Suspicious is what does not.",
        "7650d7d49a3d891bcefe15772269c75d5be716e498c58572b85e5efd9e9e6cdb":
        "Those are all signs that the reader calls 'speed 50'. Some are, and some are honest misreadings.",
    },
)  # fmt: skip
