"""Below which confidence a first choice is withheld until somebody decides, and what another value would change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import structlog
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Q
from django.utils.translation import gettext

from catalog import label_metrics
from catalog.confidence import Judged
from catalog.models import Taxonomy
from catalog.models.outcome import outcomes
from recsite.operations.errors import InvalidInputError, NotFoundError

log = structlog.get_logger(__name__)
WRITTEN_AT_ONCE = 5_000


@dataclass(frozen=True)
class AbstainPreview:
    """What the undecided first choices would be at `value`, beside what they are at the present setting.

    `right_below` of `decided_below` decided ones less sure than `value` were right: what withholding them would cost.
    """

    value: float
    given: int
    withheld: int
    given_now: int
    withheld_now: int
    decided_below: int
    right_below: int

    @property
    def interval_below(self) -> tuple[float, float]:
        return label_metrics.wilson(self.right_below, self.decided_below)

    @property
    def percent(self) -> str:
        """For a field, the same in every language."""
        return f"{100 * self.value:.10g}"

    @property
    def given_more(self) -> int:
        return self.given - self.given_now

    @property
    def withheld_more(self) -> int:
        return self.withheld - self.withheld_now


def preview(taxonomy: Taxonomy, value: float, rows: Sequence[Judged]) -> AbstainPreview:
    """`rows` are the taxonomy's judged suggestions. One query."""
    there, here = outcomes(taxonomy.pk).open_first_choices().count_given_from(value, taxonomy.abstain_below)
    below = [row for row in rows if row.confidence < value]
    return AbstainPreview(value, *there, *here, len(below), sum(row.is_right for row in below))


@transaction.atomic
def set_abstain_below(taxonomy_id: int, value: float, *, staff: User) -> int:
    """Withhold undecided first choices less sure than `value`, and give the others. Returns how many rows changed.

    Decisions stay, whoever made them. Setting the same value again mends rows that differ from it.
    """
    if not 0.0 <= value <= 1.0:
        raise InvalidInputError(
            gettext("Abstaining below %(value)s is not possible; choose a value from 0 to 1.") % {"value": f"{value:g}"}
        )
    taxonomy = Taxonomy.objects.select_for_update().filter(pk=taxonomy_id).first()
    if taxonomy is None:
        raise NotFoundError(
            gettext("Taxonomy %(key)s does not exist; reload the list of taxonomies.") % {"key": taxonomy_id}
        )
    if taxonomy.choice != Taxonomy.Choice.SINGLE:
        raise InvalidInputError(
            gettext(
                "Taxonomy %(taxonomy)r gives any number of labels, each from confidence .5 up; "
                "abstaining is a setting of taxonomies with one label an item."
            )
            % {"taxonomy": taxonomy.name}
        )
    taxonomy.abstain_below = value
    taxonomy.save(update_fields=["abstain_below"])
    open_rows = outcomes(taxonomy_id).open_first_choices()
    is_wrong = Q(confidence__lt=value) & ~Q(is_assigned=False, is_abstained=True)
    is_wrong |= Q(confidence__gte=value) & ~Q(is_assigned=True, is_abstained=False)
    # Locked in the order in which decisions lock them, so that neither waits for the other in a circle; asked again
    # below, because a decision may have settled some while this waited for it.
    locked = open_rows.filter(is_wrong).select_for_update(of=("self",)).order_by("pk")
    ids = list(locked.values_list("pk", flat=True))
    changed = 0
    for start in range(0, len(ids), WRITTEN_AT_ONCE):
        part = open_rows.filter(pk__in=ids[start : start + WRITTEN_AT_ONCE])
        changed += part.filter(confidence__lt=value).update(is_assigned=False, is_abstained=True)
        changed += part.filter(confidence__gte=value).update(is_assigned=True, is_abstained=False)
    log.info("abstaining_set", taxonomy=taxonomy_id, staff=staff.pk, changed=changed)
    return changed
