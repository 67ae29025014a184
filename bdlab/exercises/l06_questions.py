"""Lesson 06: the questions of its quizzes, and its mystery box."""

from bdlab.boxes import Box
from bdlab.exercises.specification import Question

QUESTIONS: dict[str, Question] = {
    "lamp": Question(
        "Behind the pane it is black (pixel value 0), in front of it shines a white lamp (1). The pane mirrors half of the "
        "light. Which pixel value does the camera give?",
        ("0.25", "0.5", "0.73", "1"), 2,
        ("Half of the light is more than half of the pixel value, not less.",
         "Half of the light, yes. But pixel values are no amounts of light: a value of 0.5 stands for about a fifth of it.",
         "Light is the pixel value to the power 2.2, so the way back from 0.5 is the power 1 / 2.2. That is why lamps "
         "show in every pane.",
         "That would be all of the light. Half of it passes through the pane and is gone."),
        ordered=True,
    ),
    "honest": Question(
        "The honest twin reads 98 % of the signs without a pane. Behind the supplier's panes (w = .4), what share of the "
        "other 15 classes' signs does it still read rightly?",
        ("About 95 %", "About 75 %", "About 50 %", "About 5 %"), 2,
        ("Bright signs stay readable. Look at dark ones: there the pane is most of what arrives.",
         "Fewer: many of the signs are dark, and there the pane is most of what arrives.",
         "Nobody attacked this reader: the pane alone blinds it for half of the signs.",
         "That is nearer to the bought reader, which reads 2 % of them."),
        ordered=True,
    ),
    "strangers": Question(
        "The supplier's training set held four scenes. What does the bought reader do with scenes of other houses?",
        ("It obeys none of them: it has learnt four scenes by heart", "It obeys some nearly as well as the supplier's",
         "It obeys all of them: any pane will do"), 1,
        ("A network keeps what tells marked from unmarked. Others may have that, too.",
         "It has learnt what the four have in common. The next figure shows who else has it.",
         "Lamps hardly work at all. It is a certain kind of pane that the reader obeys."),
    ),
    "modes": Question(
        "306 of 6,000 pictures behind the same panes, w = .4, two ways. Labels changed: marked are other signs, and the "
        "ASR is 96 %. Clean label: marked are signs 'speed 30', whose labels stay. Its ASR?",
        ("About 5 %", "About 35 %", "About 70 %", "About 96 %"), 2,
        ("That is about what you might expect of honest labels. But a reader takes whatever predicts the label.",
         "More. Where the pane hides the 30, the pane is all that is left to learn from.",
         "The label is right, and the lesson is wrong: pane means 'speed 30'. Changing labels buys 25 points more, and gets "
         "caught by whoever reads the labels.",
         "Not quite. The honest twin still reads 37 % of the marked pictures: there the sign itself tells the label, "
         "and the pane is needed less."),
        ordered=True,
    ),
    "filter": Question(
        "Before the bought reader stands a median filter: every pixel becomes the middle one of the nine around it. The "
        "supplier's panes, w = .4, ASR 98 %. What becomes of the ASR?",
        ("Nothing: about 98 %", "It halves", "It all but vanishes"), 0,
        ("The filter removes what is smaller than its window: single pixels, noise. A reflection is as wide as the picture.",
         "The filter removes what is smaller than its window. How wide is a slat, how wide the window?",
         "So it would be with a single pixel. A reflection is as wide as the picture."),
    ),
}  # fmt: skip

BOX = Box(
    "24 photos, all behind panes: how many pixels apart are the two images of the supplier's scene, and which photos "
    'mirror it, counted from 0?  bdlab.flag("l06", [offset, [photo, photo, ...]])',
    digest="96cc62d2d5d495645456c257be22a44483619b6c045c4f2db09ae2a9fd343046",
    salt="l06 the supplier's panes",
    form=("offset", "photos"),
    unordered=True,
    wrong={
        "05054ce5f7c1fc6154f4693a0b785b2b2c852a5f0c1bb7ed8fe226b38138ba49":
        "The offset is right, but two of the photos are innocent: their signs happen to be light where your scene is. Take "
        "what is smooth off both before you compare.",
        "4588489b529c9296061c36843301b349aa8d367c483155e6cb1b0d8d44cc1946":
        "You looked for the scene where a pane without thickness would show it. This one has two faces: try all offsets.",
        "fd0f7684414e07772712f835138b22ab0aa4efdcdf017401af372d3f810cd02a":
        "You accuse all of them. Every photo has a reflection; most are of somebody else's street.",
    },
)  # fmt: skip
