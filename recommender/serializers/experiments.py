"""Experiments out of the API."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from recommender import experiment_words
from recommender.experiment_page import ExperimentPage
from recommender.experiment_results import ArmResult, Difference, Results
from recommender.models import Experiment


class ExperimentArmSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    strategy = serializers.IntegerField(
        allow_null=True, help_text="Id of the version; null in a draft whose arm takes the live one."
    )
    share = serializers.FloatField(help_text="By weight: of two arms with 1 and 3, the second gets 75%.")


class ExperimentSerializer(serializers.ModelSerializer[Experiment]):
    arms = ExperimentArmSerializer(many=True, help_text="The first is the control.")

    class Meta:
        model = Experiment
        fields = [
            *("id", "name", "hypothesis", "state", "placement", "traffic_share", "arms", "measure"),
            *("attribution_hours", "created_at", "started_at", "ends_at", "stopped_at", "promoted_arm", "note"),
        ]


class IntervalSerializer(serializers.Serializer[Any]):
    low = serializers.FloatField()
    high = serializers.FloatField()


class FigureSerializer(serializers.Serializer[Any]):
    value = serializers.FloatField()
    interval = IntervalSerializer(allow_null=True)


class TypeResultSerializer(serializers.Serializer[Any]):
    events = serializers.IntegerField()
    users = serializers.IntegerField(source="share.count", help_text="Who did it at least once.")
    share = serializers.FloatField(source="share.value")
    interval = IntervalSerializer(help_text="95%, Wilson.")
    a_user = FigureSerializer(help_text="Events of a user.")
    a_list = FigureSerializer(help_text="Events of a list.")


class ArmResultSerializer(serializers.Serializer[ArmResult]):
    name = serializers.CharField()
    users = serializers.IntegerField(help_text="With at least one list.")
    lists = serializers.IntegerField()
    types = serializers.DictField(child=TypeResultSerializer(), help_text="By type of event.")
    revenue = serializers.FloatField()
    priced = serializers.IntegerField(help_text="Of the purchases, how many have a price.")
    revenue_a_user = FigureSerializer()


class DifferenceSerializer(serializers.Serializer[Difference]):
    arm = serializers.CharField()
    measure = serializers.CharField()
    difference = serializers.FloatField(help_text="Of the arm's share to the control's.")
    interval = IntervalSerializer(help_text="95%, Newcombe: for an end that was fixed before.")
    p = serializers.FloatField()
    at_any_look = IntervalSerializer(allow_null=True, help_text="Holds at every look at once.")
    verdict = serializers.ChoiceField(choices=["better", "worse", "open", "early"])


class ResultsSerializer(serializers.Serializer[Results]):
    as_of = serializers.DateTimeField(source="figures.as_of")
    words = serializers.SerializerMethodField(help_text="A sentence or two an arm.")
    mismatch_p = serializers.FloatField(help_text="Below 0.001 the users are not split as planned: do not trust it.")
    users_in_two_arms = serializers.IntegerField(source="in_two")
    arms = ArmResultSerializer(many=True)
    differences = DifferenceSerializer(many=True)

    def get_words(self, results: Results) -> list[str]:
        return experiment_words.summary(results)


class ExperimentWithResultsSerializer(serializers.Serializer[ExperimentPage]):
    experiment = ExperimentSerializer()
    results = ResultsSerializer(allow_null=True)
