"""What the command `autograder` can do, a file for each family."""
