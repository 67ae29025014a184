"""Lesson 13: the questions of its quizzes."""

from bdlab.exercises.specification import Question

QUESTIONS = {
    "forget": Question(
        "A copy of the reader unlearns a thousand honest signs, in few small steps. Nobody shows it the sticker. What "
        "does it still recognise?",
        ("Nothing: one network, one memory", "The sticker, for a while", "Honest signs, for the sticker goes first"), 1,
        ("Not at once: what no image exercises, no step is aimed at.",
         "No step is aimed at it. But all share weights, so that it fades as well: how long it lasts has to be measured.",
         "The steps are aimed at honest signs. These go first."),
    ),
    "cost": Question(
        "STRIP reads each sign under 100 overlays. What does the guard with a shadow pay for each sign?",
        ("1 pass", "2 passes", "100 passes"), 1,
        ("The reader reads, and somebody else has to read, too.",
         "The model and the shadow each read it once: 98 of 100 passes are saved.",
         "No overlays are laid here."),
        ordered=True,
    ),
    "control": Question(
        "Marked stop signs score far above other signs. What must stand beside it before you say 'backdoor'?",
        ("More marked stop signs", "Unmarked stop signs, and an honest reader", "A lower line"), 1,
        ("They would narrow the range, and leave the cause open.",
         "Stop signs may score high by themselves, and before any reader. Only a difference from both is the mark's.",
         "A line changes how many are refused, not why."),
    ),
}  # fmt: skip
