"""Lesson 00: nothing to write and nothing to hand in; six questions that tell where to go on."""

from bdlab.exercises.specification import Lesson, Question

QUESTIONS = {
    "shape": Question(
        "A batch of signs is a tensor of shape (128, 3, 32, 32). What is the 3?",
        ("The colour channels", "The classes", "The side of a filter"), 0,
        ("128 images, 3 channels (red, green, blue), 32 rows, 32 columns.",
         "Classes are no part of an image. These images have 16 of them.",
         "The side of a filter belongs to the network, not to the data."),
    ),
    "softmax": Question(
        "A reader answers one sign with 16 numbers, some of them negative. What turns them into shares that add up to 1?",
        ("ReLU", "Softmax", "Argmax"), 1,
        ("ReLU sets negative numbers to 0. The rest need not add up to 1.",
         "It takes e to the power of each, and divides by the sum. P('speed 30') in the game is such a share.",
         "Argmax says which number is the largest: one class, no shares."),
    ),
    "step": Question(
        "What does one step of training change?",
        ("The images", "The labels", "The weights"), 2,
        ("The images stay as they are. An attack may change them, training does not.",
         "The labels say what is right. An attack may change them, training does not.",
         "Each weight moves a little against its gradient, so that the loss on the batch falls."),
    ),
    "zero": Question(
        "A training loop in PyTorch lacks optimiser.zero_grad(). What happens?",
        ("PyTorch raises an error", "Gradients of all steps so far add up", "Nothing: it only saves memory"), 1,
        ("It says nothing, and the loop runs. That makes it a nasty slip.",
         "backward() adds to what is there. Each step then follows the sum of all old gradients.",
         "It changes every step from the second on."),
    ),
    "eval": Question(
        "Why is a network put into eval mode before it is measured?",
        ("Its weights must not change", "Batch norm must use what it has learnt, not the batch at hand",
         "Gradients would cost memory"), 1,
        ("Weights change only where an optimiser steps, in either mode.",
         "In train mode an answer would depend on the other images of the batch. Dropout is off in eval mode, too.",
         "That is what torch.no_grad() is for. The mode does not touch gradients."),
    ),
    "overfitting": Question(
        "A reader is right on 100 % of its training images and on 71 % of new ones. What is the usual name for this?",
        ("Overfitting", "A backdoor", "Underfitting"), 0,
        ("It has learnt its training images by heart rather than what a sign looks like.",
         "A backdoor does not show in such figures: the reader of the game is as good on new signs as an honest one.",
         "Then it would be wrong on its training images, too."),
    ),
}  # fmt: skip

LESSON = Lesson("00_win", "Win day one: a model with a secret", 15, questions=QUESTIONS, essay=0.0)
