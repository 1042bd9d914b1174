"""Users, their events and interests, what items have in common, and the slates that were served."""

from recommender.models.evaluation import Evaluation
from recommender.models.event import Event, NewEvent, StoredEvent
from recommender.models.experiment import Experiment
from recommender.models.figure import Finding, HourlyFigure
from recommender.models.interest import InterestLabel, InterestVector
from recommender.models.interest_encoder import InterestEncoder
from recommender.models.interest_map import ItemPlace
from recommender.models.neighbour import ItemFactors, ItemStatistics, Neighbour
from recommender.models.preference import PreferenceSummary, RankedByModel
from recommender.models.preparation_report import PreparationReport
from recommender.models.rule import GoldenExpectation, Rule
from recommender.models.slate import Slate, SlateItem
from recommender.models.strategy import RankerFit, Strategy
from recommender.models.user import EndUser

__all__ = [
    "EndUser",
    "Evaluation",
    "Event",
    "Experiment",
    "Finding",
    "GoldenExpectation",
    "HourlyFigure",
    "InterestEncoder",
    "InterestLabel",
    "InterestVector",
    "ItemFactors",
    "ItemPlace",
    "ItemStatistics",
    "Neighbour",
    "NewEvent",
    "PreferenceSummary",
    "PreparationReport",
    "RankedByModel",
    "RankerFit",
    "Rule",
    "Slate",
    "SlateItem",
    "StoredEvent",
    "Strategy",
]
