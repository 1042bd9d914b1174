"""What the page of the interest encoder shows: whether one is in force, and its versions with their figures."""

from __future__ import annotations

from dataclasses import dataclass

from catalog.models import ItemEmbedding
from recommender import interest_encoders
from recommender.models import InterestEncoder
from recsite.operations.models import Job
from recsite.operations.templatetags.console import signed

VERSIONS_SHOWN = 12


@dataclass(frozen=True)
class Version:
    """`difference` and its bounds are in points of NDCG@10 (hundredths), written with their sign."""

    encoder: InterestEncoder
    is_live: bool
    is_readable: bool
    difference: str
    low: str
    high: str

    @property
    def can_go_live(self) -> bool:
        return self.encoder.status == InterestEncoder.Status.RETIRED and self.is_readable


@dataclass(frozen=True)
class EncoderPanel:
    versions: tuple[Version, ...]
    live: Version | None
    training: Job | None
    rebuilding: Job | None
    failed: Job | None

    @property
    def is_moving(self) -> bool:
        return self.training is not None or self.rebuilding is not None


def encoder_panel() -> EncoderPanel:
    """Five queries."""
    model = ItemEmbedding.objects.model_in_use()
    found = InterestEncoder.objects.defer("weights").order_by("-version")
    newest = list(found[:VERSIONS_SHOWN])
    if not any(each.status == InterestEncoder.Status.LIVE for each in newest):
        newest += list(found.filter(status=InterestEncoder.Status.LIVE))
    versions = tuple(_version(each, model) for each in newest)
    last = Job.objects.filter(kind=interest_encoders.KIND).order_by("-created_at", "-pk").first()
    active = Job.objects.active().newest_first()
    return EncoderPanel(
        versions=versions,
        live=next((each for each in versions if each.is_live), None),
        training=last if last and last.status in (Job.Status.QUEUED, Job.Status.RUNNING) else None,
        rebuilding=active.filter(kind="rebuild_interests", parameters={}).first(),
        failed=last if last and last.status == Job.Status.FAILED else None,
    )


def _version(encoder: InterestEncoder, model: str) -> Version:
    low, high = encoder.report.get("ci95") or (0.0, 0.0)
    difference = encoder.report.get("difference", 0.0)
    return Version(
        encoder=encoder,
        is_live=encoder.status == InterestEncoder.Status.LIVE,
        is_readable=encoder.model == model,
        difference=signed(100 * difference, 2),
        low=signed(100 * low, 2),
        high=signed(100 * high, 2),
    )
