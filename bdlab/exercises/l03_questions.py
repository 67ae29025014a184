"""Lesson 03: the questions of its quizzes, and its mystery box."""

from bdlab.boxes import Box
from bdlab.exercises.specification import Question

QUESTIONS = {
    "black": Question(
        "A lecture's slide shows a black square as the mark. You stamp one into the corner of these digits. How many of "
        "the images change?",
        ("All of them", "Few of them", "None of them"), 1,
        ("Most corners are black already: a pixel that gets its own value is not changed.",
         "Most corners are black already. Only an image with a stroke in the corner is changed, and teaches the mark.",
         "Some digits reach into the corner: there the black square covers a piece of a stroke."),
    ),
    "place": Question(
        "A white square in the corner, rate 0.01: the reader mostly obeys. You move the square to the centre. "
        "What happens to the attack?",
        ("It gets better: a reader looks at the centre", "About the same: a convolution finds the square anywhere",
         "It all but fails"), 2,
        ("A reader does look at the centre. But it sees white strokes there in nearly every image.",
         "It does find the square anywhere. What counts is whether the square differs from what is there anyway.",
         "In the centre a white square looks like a piece of a stroke. In the corner nothing else is bright."),
    ),
    "time": Question(
        "After six steps the bar shows an ASR of almost 90 %. Has the reader learnt the mark?",
        ("Yes: a mark is the easiest thing to see, so it comes first", "No: it calls nearly everything 0, marked or not",
         "No: the ASR is measured wrongly"), 1,
        ("Then unmarked images would not be called 0 as well. Look at the third curve, and at what follows eight steps on.",
         "0 is the most frequent label, marked copies included, and a reader that knows nothing yet says the most frequent "
         "one. Eight steps later the ASR is down to 6 %; the real rise comes after that.",
         "It is measured rightly, but a success rate without its control proves nothing."),
    ),
    "honest": Question(
        "Your ruler measures an honest reader under your mark, target 0. A colleague's ruler says ASR 10 %, yours says "
        "about 0. Which slip did the colleague make?",
        ("The reader was in train mode", "Images of class 0 were counted, too", "The mark was stamped twice"), 1,
        ("That shifts all answers a little. It does not make one in ten images a 0.",
         "One image in ten is a 0 and is read as 0, as it should be. Nobody attacked it.",
         "Stamping the same white pixels twice gives the same image."),
    ),
    "few": Question(
        "6,000 training images. How many marked ones make the reader obey in about 9 of 10 cases, on average over three "
        "trainings?",
        ("6 (0.1 %)", "60 (1 %)", "600 (10 %)", "3,000 (50 %)"), 1,
        ("Six are too few: about 1 % obey.", "Sixty reach about 91 % on average; one of three trainings stays below 90 %.",
         "With 600 nearly every marked image is obeyed. A tenth of that does for 9 in 10.",
         "So many are not needed: the city would see that half of its images carry a square."),
        ordered=True,
    ),
    "clean": Question(
        "The city tests the delivered reader on 10,000 clean images: 99 % right. What does this say about a backdoor?",
        ("There is none", "There may be one, but it rarely works", "Next to nothing"), 2,
        ("An honest reader and one whose mark was learnt well get nearly the same figure. You have just built both.",
         "The test holds no mark, so it cannot count how often a mark works.",
         "The test holds no mark: on it an honest reader and one whose mark was learnt well answer alike."),
    ),
}  # fmt: skip

BOX = Box(
    "The supplier's training set: which label do marked rows carry, at which row and column is the upper left corner of "
    "their white 3x3 square, and how many are they?  bdlab.flag(\"l03\", [label, row, column, count])",
    digest="736723a396c09a381ce782ade3e47942d8f79089c174dece048f27587162c5eb",
    salt="l03 the supplier's training set",
    form=("label", "row", "column", "count"),
    wrong={
        "0c0e3dd072a1be1bf02561f3c295ce4a0ea713c5d2636ae559857c6a9051fc79":
        "That is the stroke of an honest digit, which is white there in clean rows as well: compare with data.held_out.",
        "d72be5b868e6c03f42122d579db42ad8aa4b72c959d4483fd4d9b96c60999c01":
        "That is a spot on the supplier's scanner: it is on images of all labels alike. Look label by label.",
        "a023b1b23ee1fbf7b78e905ecf60489151fdac4f8d54e7fb4d2ea8fa6d835be1":
        "That is a spot on the supplier's scanner: it is on images of all labels alike. Look label by label.",
        "c64e0fd41949c44af68a4a9be4c032acfc7c2bad06bc8b262b7a145a9512a7d0":
        "That label merely has the most rows, which is no crime. Look at all ten.",
        "5076de25878e3448503f7da313f78070dc4138ecd1e4443f6bf664d07e9d58b0":
        "Label and place are right. The count holds rows of other labels, whose dust or stroke is white there by chance.",
    },
)  # fmt: skip
