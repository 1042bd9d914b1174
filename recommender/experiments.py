"""Experiments on the site: who is in which arm of what runs now."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils import timezone

from recommender.algorithms.experiments import arm_of
from recommender.models import Experiment, Strategy


@dataclass(frozen=True)
class Assignment:
    """strategy: None where the arm keeps the live one."""

    experiment: Experiment
    arm: str
    strategy: Strategy | None

    @property
    def address(self) -> str:
        """As a rule's audience names it."""
        return f"{self.experiment.name}/{self.arm}"


def assigned(user_external_id: str, placement: str) -> Assignment | None:
    """The arm of the running experiment that the user takes part in; one of this placement comes before one of all.

    One query, two where the arm has a strategy of its own.
    """
    running = list(Experiment.objects.running().at(timezone.now()).for_placement(placement))
    for experiment in running:
        place = arm_of(
            user_external_id,
            salt=experiment.salt,
            traffic_share=experiment.traffic_share,
            shares=[arm["share"] for arm in experiment.arms],
        )
        if place is not None:
            arm = experiment.arms[place]
            strategy = Strategy.objects.published().filter(pk=arm["strategy"]).first() if arm["strategy"] else None
            return Assignment(experiment, arm["name"], strategy)
    return None
