# %% [markdown]
# Nothing to hand in here.

# %% role="setup"
# written by the build

# %% role="demo"
# Demo: a number
print(1)
