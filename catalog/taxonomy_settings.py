"""Taxonomies themselves: create one, and change what it is called, asked and used for."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace

import structlog
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Max, QuerySet
from django.utils.text import slugify
from django.utils.translation import gettext, gettext_lazy

from catalog import relabelling
from catalog.item_rows import clean_text
from catalog.models import ItemLabel, Taxonomy
from catalog.taxonomy_edits import locked_taxonomy
from catalog.taxonomy_previews import EditPreview, Plan
from catalog.taxonomy_rows import clean_name
from recsite.operations.errors import ConflictError, InvalidInputError

log = structlog.get_logger(__name__)

DEFAULT_QUESTION = "Which category fits this product best?"


@dataclass(frozen=True)
class Settings:
    """All that staff may change of a taxonomy; the slug is its address and stays."""

    name: str
    description: str = ""
    question: str = DEFAULT_QUESTION
    choice: str = Taxonomy.Choice.SINGLE.value
    is_active: bool = True
    abstain_below: float = 0.2

    @property
    def abstain_percent(self) -> str:
        """As a form writes it, the same in every language."""
        return f"{100 * self.abstain_below:.4f}".rstrip("0").rstrip(".")


FIELDS = {
    "name": gettext_lazy("Name"),
    "description": gettext_lazy("What these labels are for"),
    "question": gettext_lazy("Question that the language model is asked"),
    "choice": gettext_lazy("How many labels an item gets"),
    "is_active": gettext_lazy("In use"),
    "abstain_below": gettext_lazy("Withheld below"),
}


@dataclass(frozen=True)
class SettingsPreview:
    """edit: what would be labelled anew; abstained, assigned: items that would lose their unsure label, or get it."""

    edit: EditPreview
    abstained: int = 0
    assigned: int = 0


@dataclass(frozen=True)
class Changed:
    taxonomy_id: int
    job_id: int | None
    items: int


def settings_of(taxonomy: Taxonomy) -> Settings:
    return Settings(
        name=taxonomy.name,
        description=taxonomy.description,
        question=taxonomy.question,
        choice=taxonomy.choice,
        is_active=taxonomy.is_active,
        abstain_below=taxonomy.abstain_below,
    )


@transaction.atomic
def create_taxonomy(wanted: Settings, *, staff: User, slug: str = "") -> Taxonomy:
    """Without labels yet. Items are asked about it once it has some."""
    checked = check_settings(wanted)
    address = slugify(slug or checked.name)[:50]
    if not address:
        raise InvalidInputError(gettext("The address needs Latin letters or digits; write one, such as product-types."))
    if Taxonomy.objects.filter(slug=address).exists():
        raise ConflictError(
            gettext("There is a taxonomy at %(address)s already; choose another name or address.")
            % {"address": address}
        )
    last = Taxonomy.objects.aggregate(last=Max("position"))["last"]
    taxonomy = Taxonomy.objects.create(slug=address, position=0 if last is None else last + 1, **asdict(checked))
    log.info("taxonomy_created", taxonomy=taxonomy.pk, staff=staff.pk)
    return taxonomy


def check_settings(wanted: Settings) -> Settings:
    """Cleaned. Raises InvalidInputError."""
    name, question = clean_name(wanted.name), clean_name(wanted.question)
    if not name or len(name) > 100:
        raise InvalidInputError(gettext("A taxonomy needs a name of at most 100 characters."))
    if len(question) > 200:
        raise InvalidInputError(
            gettext("The question has %(n)s characters; at most 200 fit.") % {"n": f"{len(question):,}"}
        )
    if wanted.choice not in Taxonomy.Choice.values:
        raise InvalidInputError(gettext("Choose whether an item gets one label or any number of them."))
    if not 0.0 <= wanted.abstain_below <= 1.0:
        raise InvalidInputError(gettext("The share below which no label is given lies between 0 and 100%."))
    return replace(wanted, name=name, question=question or DEFAULT_QUESTION, description=clean_text(wanted.description))


def preview_settings(taxonomy: Taxonomy, wanted: Settings) -> SettingsPreview:
    checked = check_settings(wanted)
    after = Taxonomy(pk=taxonomy.pk, slug=taxonomy.slug, **asdict(checked))
    asks = _is_asked_anew(settings_of(taxonomy), checked)
    plan = Plan(after, 0, (), asks_everything=asks)
    edit = plan.preview() if asks else EditPreview(0, 0, (), 0, 0)
    low, high = sorted((taxonomy.abstain_below, checked.abstain_below))
    between = _unsure(taxonomy).filter(confidence__gte=low, confidence__lt=high).count()
    if checked.choice != Taxonomy.Choice.SINGLE or taxonomy.choice != Taxonomy.Choice.SINGLE:
        between = 0
    rises = checked.abstain_below > taxonomy.abstain_below
    return SettingsPreview(edit, abstained=between if rises else 0, assigned=0 if rises else between)


@transaction.atomic
def change_taxonomy(taxonomy_id: int, wanted: Settings, *, expected: Settings, staff: User) -> Changed:
    """expected: how it was when the editor opened it. Items are asked anew only where what is asked has changed."""
    checked = check_settings(wanted)
    taxonomy = locked_taxonomy(taxonomy_id)
    before = settings_of(taxonomy)
    if before != expected:
        fields = ", ".join(
            str(FIELDS[name]) for name, value in asdict(before).items() if value != asdict(expected)[name]
        )
        raise ConflictError(
            gettext("%(taxonomy)s was changed while you were looking (%(fields)s). Reload the page.")
            % {"taxonomy": taxonomy.name, "fields": fields}
        )
    if checked == before:
        return Changed(taxonomy.pk, None, 0)
    for name, value in asdict(checked).items():
        setattr(taxonomy, name, value)
    taxonomy.save(update_fields=list(asdict(checked)))
    if taxonomy.choice == Taxonomy.Choice.SINGLE:
        _abstain_anew(taxonomy)
    job = None
    items: list[int] = []
    if _is_asked_anew(before, checked):
        items = Plan(taxonomy, 0, (), asks_everything=True).item_ids()
        job = relabelling.relabel(taxonomy, items, title=f"Label anew: {taxonomy.name} was changed", staff=staff)
    log.info("taxonomy_changed", taxonomy=taxonomy.pk, staff=staff.pk, items=len(items) if job else 0)
    return Changed(taxonomy.pk, job.pk if job else None, len(items) if job else 0)


def _is_asked_anew(before: Settings, after: Settings) -> bool:
    is_put_to_use = after.is_active and not before.is_active
    return is_put_to_use or (before.question, before.choice) != (after.question, after.choice)


def _unsure(taxonomy: Taxonomy) -> QuerySet[ItemLabel]:
    """First choices that nobody decided, of items without a settled label."""
    settled = ItemLabel.objects.settling().filter(taxonomy=taxonomy).values("item_id")
    first = ItemLabel.objects.current().filter(taxonomy=taxonomy, decision="", rank=1)
    return first.exclude(item_id__in=settled)


def _abstain_anew(taxonomy: Taxonomy) -> None:
    """Lay the threshold over what is suggested already, so that it holds at once."""
    first = _unsure(taxonomy)
    first.filter(confidence__lt=taxonomy.abstain_below).update(is_assigned=False, is_abstained=True)
    first.filter(confidence__gte=taxonomy.abstain_below).update(is_assigned=True, is_abstained=False)
