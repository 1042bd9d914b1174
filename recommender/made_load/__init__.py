"""A generated shop of any size, to measure pages and lists on: `make(Size(...))`."""

from recommender.made_load.making import Size, make

__all__ = ["Size", "make"]
