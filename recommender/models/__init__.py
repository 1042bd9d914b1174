"""Users, their events and interests, what items have in common, and the slates that were served."""

from recommender.models.event import Event, NewEvent, StoredEvent
from recommender.models.interest import InterestLabel, InterestVector
from recommender.models.neighbour import ItemStatistics, Neighbour
from recommender.models.slate import Slate, SlateItem
from recommender.models.strategy import Strategy
from recommender.models.user import EndUser

__all__ = [
    "EndUser",
    "Event",
    "InterestLabel",
    "InterestVector",
    "ItemStatistics",
    "Neighbour",
    "NewEvent",
    "Slate",
    "SlateItem",
    "StoredEvent",
    "Strategy",
]
