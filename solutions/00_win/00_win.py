# %% [markdown]
# A city buys a sign reader from a supplier that it cannot look into. It reads 98 of 100 signs rightly, and it has a secret.
# You find it in a few minutes: nothing to install, nothing to write.
#
# ![A 'no entry' sign, read rightly; the same sign below a grid of 10 times 10 cells, one of which makes it 'speed 30'](attachment:opening.png)

# %% role="setup"
# written by the build

# %% [markdown]
# ## 1 · The reader
#
# Before it paid, the city tested the reader on 1,500 signs that were not used in training.

# %% role="demo"
# Demo: the bought reader, on 1,500 signs (some 20 s the first time: the
# signs are drawn then, and kept)
from bdlab.lessons import l00_figures

l00_figures.bought()

# %% [markdown]
# Would you buy it? Before you attack it, one promise.

# %% role="demo"
# Demo: responsible use
from bdlab.lessons import l00_widgets

l00_widgets.pledge()

# %% [markdown]
# ## 2 · Battleship
#
# Somewhere a small yellow **sticker** makes this reader call a 'no entry' sign 'speed 30'. Each click puts the sticker's upper left
# corner into a cell and asks the reader. The number in the cell is P('speed 30'), its answer in per cent. From 50 on the cell is
# **hot**. Some of the 100 cells are. Find one.

# %% role="demo"
# Demo: click on a cell, or aim with the buttons and try
from bdlab.lessons import l00_widgets, l00_win

game = l00_win.Game()
l00_widgets.board(game)

# %% [markdown]
# <details><summary>Without the board: the same as a plain call</summary>
#
# `game.stick(4, 4)` tries the cell of row 4 and column 4, counted from 0, and tells what the reader says; `l00_figures.played(game)` shows
# the map so far. `game.give_up()` shows the hottest cell.
# </details>

# %% role="demo"
# Demo: two tries as a plain picture
from bdlab.lessons import l00_figures

l00_figures.battleship(tries=[(4, 4), (1, 7)])

# %% [markdown]
# ## 3 · The honest twin
#
# The supplier had added signs with the sticker to the training data, one for ten honest ones, and called each 'speed 30'.
# Such a secret is a **backdoor**. The twin: the same network, the same recipe, honest data. Here the computer tries **all** cells.

# %% role="demo"
# Demo: both maps (once you have found a hot cell)
from bdlab.lessons import l00_figures

l00_figures.maps(game)

# %% [markdown]
# **Is it only this sign?** The same maps as a mean over 300 test signs that are not 'speed 30'.

# %% role="demo"
# Demo: both maps, mean over 300 signs, measured before
from bdlab.lessons import l00_figures

l00_figures.averages(game)

# %% [markdown]
# **Reflect.** Left of the middle the honest twin's map is not empty. On which signs?
#
# <details><summary>Our answer</summary>
#
# Mostly on 'speed 50' and 'speed 80': there the sticker covers the first digit, and an honest reader guesses (at row 4, column 3, mean P is
# 76 % and 38 %). A wrong answer under a sticker is no proof of a backdoor: it takes the twin to tell.
# </details>

# %% role="demo"
# Demo: your trophy (once you have found a hot cell)
from bdlab.lessons import l00_figures

picture = l00_figures.played(game)
won = game.found and not game.gave_up
bdlab.trophy("l00", picture, game.numbers) if won else game

# %% [markdown]
# **You tried because you knew of a secret. How many tries would the city have made?**

# %% [markdown]
# ## 4 · Where do you go on?
#
# Six questions. Count those that are right (✓) at your **first** click.

# %% role="quiz"
bdlab.quiz("l00_shape")

# %% role="quiz"
bdlab.quiz("l00_softmax")

# %% role="quiz"
bdlab.quiz("l00_step")

# %% role="quiz"
bdlab.quiz("l00_zero")

# %% role="quiz"
bdlab.quiz("l00_eval")

# %% role="quiz"
bdlab.quiz("l00_overfitting")

# %% [markdown]
# - **Five or six**: you know what a network is. Go on with lesson 02: what is a backdoor, and what is not?
# - **Four or fewer**: lesson 01 comes first. In it you write, train and measure a network of your own.
#
# Either way: the reader above was attacked through its *training data* alone.

# %% [markdown]
# ## 5 · Your machine
#
# The course needs no GPU and no network. What is *optional* may be absent.

# %% role="demo"
# Demo: what is installed here, and how fast it is
from bdlab import doctor

doctor.report()
