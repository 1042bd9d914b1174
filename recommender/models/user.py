"""The people we recommend to. Staff, who use the console, are Django's own users."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from django.apps import apps
from django.db import connection, models
from django.db.models import Count, F, OuterRef, Prefetch, Q, Subquery
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Coalesce

from recommender.scopes import Audience

INTERESTS_LOCK = 4_201


@dataclass(frozen=True)
class AgesOfInterests:
    by_age: tuple[int, ...]
    behind: int


class EndUserQuerySet(models.QuerySet["EndUser"]):
    def stale(self) -> EndUserQuerySet:
        """Users with events that their interest vectors do not know yet."""
        return self.filter(last_event_id__isnull=False).filter(
            Q(interests_event_id__isnull=True) | Q(interests_event_id__lt=F("last_event_id"))
        )

    def count_by_age_of_interests(self, since: Sequence[datetime]) -> AgesOfInterests:
        """Users with events by when their interests were built: after each of these moments, newest first, but not
        after the one before; earlier than all; never. One pass over the users."""
        known = self.filter(last_event_id__isnull=False).order_by()
        built = {f"after_{place}": Count("pk", filter=Q(interests_built_at__gte=at)) for place, at in enumerate(since)}
        found = known.aggregate(
            **built,
            built=Count("interests_built_at"),
            users=Count("pk"),
            behind=Count(
                "pk", filter=Q(interests_event_id__isnull=True) | Q(interests_event_id__lt=F("last_event_id"))
            ),
        )
        reached = [0, *(found[name] for name in built), found["built"]]
        steps = [later - earlier for earlier, later in pairwise(reached)]
        return AgesOfInterests((*steps, found["users"] - found["built"]), found["behind"])

    def search(self, text: str) -> EndUserQuerySet:
        """Users whose external id contains `text`."""
        return self.filter(external_id__icontains=text)

    def in_audience(self, audience: Audience, within: Mapping[int, frozenset[int]]) -> EndUserQuerySet:
        """Users as a rule names them, by id, attributes and interests; lengths of history and arms are not asked here.

        within: label id -> itself and the ids of all below it.
        """
        found = self.filter(external_id__in=audience.users) if audience.users else self
        for place, (name, value) in enumerate(audience.attributes.items()):
            asked = f"attribute_{place}"
            found = found.annotate(**{asked: KeyTextTransform(name, "attributes")}).filter(**{asked: value})
        if audience.interests:
            branch = sorted(set().union(*(within.get(root, {root}) for root in audience.interests)))
            interested = apps.get_model("recommender", "InterestLabel").objects.filter(label_id__in=branch)
            found = found.filter(pk__in=interested.values("user_id"))
        return found

    def most_recent_first(self) -> EndUserQuerySet:
        return self.order_by(F("last_event_at").desc(nulls_last=True), "-id")

    def with_event_count(self) -> EndUserQuerySet:
        """Adds `event_count`, counted for the rows that are fetched only; slice first."""
        events = apps.get_model("recommender", "Event").objects.filter(user=OuterRef("pk")).order_by()
        counted = events.values("user").annotate(rows=Count("pk")).values("rows")
        return self.annotate(event_count=Coalesce(Subquery(counted), 0))

    def with_interest_labels(self) -> EndUserQuerySet:
        """The strongest interest labels of each user in two more queries; `shown_interests` on each user."""
        labels = apps.get_model("recommender", "InterestLabel").objects.select_related("label")
        labels = labels.prefetch_related("label__names").order_by("-weight", "id")
        return self.prefetch_related(Prefetch("interest_labels", queryset=labels, to_attr="shown_interests"))

    def create_missing(self, external_ids: Iterable[str]) -> None:
        """Create the users nobody knows yet; in one order everywhere, so that writers wait instead of deadlocking."""
        EndUser.objects.bulk_create(
            [EndUser(external_id=external_id) for external_id in sorted(set(external_ids))],
            ignore_conflicts=True,
            batch_size=1000,
        )

    def locked_or_created(self, external_ids: Iterable[str]) -> dict[str, int]:
        """external_id -> id, all locked until the transaction ends, so that a user's events get ids in commit order."""
        wanted = set(external_ids)
        found: dict[str, int] = {}
        # Again only where a user was erased between the two statements.
        while missing := wanted - found.keys():
            self.create_missing(missing)
            rows = self.filter(external_id__in=missing).order_by("external_id").select_for_update()
            found |= dict(rows.values_list("external_id", "pk"))
        return found

    def note_events(self, events: Sequence[tuple[int, int, datetime]]) -> None:
        """Move last_event_id and last_event_at forward, never back. events: (user_id, event_id, occurred_at)."""
        if not events:
            return
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE recommender_enduser AS u SET last_event_id = GREATEST(u.last_event_id, n.event_id),"
                " last_event_at = GREATEST(u.last_event_at, n.occurred_at) FROM"
                " (SELECT user_id, max(event_id) AS event_id, max(occurred_at) AS occurred_at"
                " FROM unnest(%s::bigint[], %s::bigint[], %s::timestamptz[]) AS noted (user_id, event_id, occurred_at)"
                " GROUP BY user_id) AS n WHERE u.id = n.user_id",
                [list(column) for column in zip(*events, strict=True)],
            )

    def note_all_events(self) -> None:
        """The same for everybody, read from the stored events; for after a bulk load."""
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE recommender_enduser AS u SET last_event_id = n.event_id, last_event_at = n.occurred_at FROM"
                " (SELECT user_id, max(id) AS event_id, max(occurred_at) AS occurred_at FROM recommender_event"
                " GROUP BY user_id) AS n WHERE u.id = n.user_id AND u.last_event_id IS DISTINCT FROM n.event_id"
            )

    def with_newer_embeddings(self, since: datetime) -> EndUserQuerySet:
        """Users of an item that was embedded after `since` and after their interests were built."""
        return self.filter(
            events__item__embedding__created_at__gte=since,
            events__item__embedding__created_at__gt=F("interests_built_at"),
        ).distinct()

    def lock_interests(self, user_ids: Sequence[int]) -> None:
        """Until the transaction ends, nobody else rebuilds these users' interests. Events can still be recorded."""
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_advisory_xact_lock(%s, (wanted.id %% 2147483647)::int)"
                " FROM (SELECT unnest(%s::bigint[]) AS id ORDER BY 1) wanted",
                [INTERESTS_LOCK, sorted(user_ids)],
            )


class EndUser(models.Model):
    external_id = models.CharField(max_length=200, unique=True, help_text="The shop's own id of this person.")
    attributes = models.JSONField(default=dict, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    last_event_id = models.BigIntegerField(null=True, blank=True, editable=False, help_text="Newest event recorded.")
    last_event_at = models.DateTimeField(null=True, blank=True, editable=False)
    interests_event_id = models.BigIntegerField(
        null=True, blank=True, editable=False, help_text="Newest event that the interest vectors know."
    )
    interests_built_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects = EndUserQuerySet.as_manager()

    class Meta:
        verbose_name = "user"
        indexes = [models.Index(fields=["-last_event_at", "-id"], name="user_last_event")]

    def __str__(self) -> str:
        return self.external_id

    @property
    def interests_are_current(self) -> bool:
        return (self.interests_event_id or 0) >= (self.last_event_id or 0)
