"""How fast people are. Pure, and light: pages read it too."""

MOST_A_DAY = 500  # different moments of action in one day
