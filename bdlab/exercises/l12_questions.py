"""Lesson 12: the questions of its quizzes."""

from bdlab.exercises.specification import Question

QUESTIONS = {
    "inverted": Question(
        "You push pixels until a reader of digits is sure that it sees a 3. What will the picture look like?",
        ("Like a 3 that somebody wrote", "Like blots that a person would not read", "Like one training image of a 3"), 1,
        ("The reader was never asked what is *not* a 3: far more than digits passes.",
         "It is sure all the same. For this inspection that is enough: the images must be of the model's class, not ours.",
         "Nothing pulls towards a particular image; that takes other attacks."),
    ),
    "fixed": Question(
        "In an ordinary GAN a generator and a discriminator learn against each other. Who learns in DeepInspect?",
        ("The generator alone", "Both", "The discriminator alone"), 0,
        ("The discriminator is the model under test. Would it learn, one would inspect another model.",
         "The slide's drawing suggests it. But the model under test stays as it was shipped.",
         "It is what is inspected: it stays as it is."),
    ),
    "small": Question(
        "Ten generated triggers, one for each class. One class is the attacker's. Which trigger gives it away?",
        ("The largest", "The brightest", "The smallest"), 2,
        ("To turn every image into an honest class takes a large change: that is the usual case.",
         "A bright trigger may be large or small.",
         "A short way to the class was trained in: whoever searches finds it, or a shorter one."),
    ),
    "mask": Question(
        "Ten classes. Three are infected, with equally small triggers; the other seven are equal. What is the factor of the "
        "three by the slide's form?",
        ("1.67", "3.33", "5"), 0,
        ("10 / (2 * 3): the outliers pull the mean and widen the deviation. At a cut-off of 2 nobody is flagged.",
         "That is 10 / 3: the outliers widen the deviation as well.",
         "That is one outlier among ten, 10 / 2: its ceiling."),
        ordered=True,
    ),
    "two": Question(
        "The paper flags a class from a factor of 2 on, 'alpha = 0.05'. How many honest models of ten classes raise an "
        "alarm, by the median form?",
        ("About 5 in 100", "About 1 in 3", "About 1 in 2"), 1,
        ("That would be one class in one model. Each of ten has its chance.",
         "Ten classes have ten chances, and a spread from ten values is itself uncertain.",
         "Near: with the slide's form it is that many."),
        ordered=True,
    ),
}  # fmt: skip
