"""What a list on a user's page is asked for, read from its address. What cannot be is told beside its field and left
out, so that there always is a list."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation

from django.http import QueryDict
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext

from catalog.models import Item, Label
from recommender.models import Experiment, Rule, Strategy
from recommender.scopes import Scope
from recommender.slates import MAX_N

DEFAULT_N = 12
REPEATS = ("allow", "exclude")
MOST_LABELS = 20
MOST_BESIDE = 2
MOST_PLACEMENT = 100
MOST_STRATEGIES = 200
MOST_PRICE = Decimal(10) ** 10
FIELDS = ("strategy", "compare", "n", "repeats", "placement", "label", "brand", "price", "stock", "at")


@dataclass(frozen=True)
class ListControls:
    """typed: field -> what stands in it; errors: field -> why it was left out. strategy: None for what the site serves.

    beside: further strategies, for the same list in columns of their own.
    """

    strategy: Strategy | None = None
    beside: tuple[Strategy, ...] = ()
    n: int = DEFAULT_N
    repeats: str | None = None
    placement: str = ""
    labels: tuple[Label, ...] = ()
    within: Scope = field(default_factory=Scope)
    at: datetime | None = None
    choices: tuple[Strategy, ...] = ()
    typed: dict[str, str] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)

    @property
    def filters_set(self) -> int:
        """How many of those that are folded away are set; what is wrong counts, so that it is seen."""
        folded = ("placement", "brand", "price_from", "price_to", "stock_from")
        return sum(bool(self.typed.get(name)) for name in folded) + bool(self.labels or self.errors.get("label"))

    @property
    def is_as_served(self) -> bool:
        """Whether it is the list that the site would serve now."""
        return self.strategy is None and self.at is None and self.within.is_everything and self.repeats is None


def list_controls(values: QueryDict) -> ListControls:
    """Three queries at most: strategies, labels where any are asked for, and the brand where one is."""
    read = _Reader(values)
    choices = tuple(Strategy.objects.order_by("name", "-version", "pk")[:MOST_STRATEGIES])
    strategy = read.strategy(choices)
    labels = read.labels()
    price_from, price_to = read.prices()
    return ListControls(
        strategy=strategy,
        beside=read.beside(choices, strategy),
        n=read.length(),
        repeats=read.repeats(),
        placement=read.placement(),
        labels=labels,
        within=Scope(
            labels=tuple(label.pk for label in labels),
            brands=read.brands(),
            price_from=price_from,
            price_to=price_to,
            stock_from=read.stock(),
        ),
        at=read.moment(),
        choices=choices,
        typed=read.typed,
        errors=read.errors,
    )


def known_placements() -> list[str]:
    """Those that rules and experiments name, to choose from."""
    of_rules = Rule.objects.order_by().exclude(placement="").values_list("placement")
    of_experiments = Experiment.objects.order_by().exclude(placement="").values_list("placement")
    return sorted({placement for (placement,) in of_rules.union(of_experiments)[:100]})


def brands_like(text: str, n: int = 10) -> list[str]:
    """Brands that begin with this, or else hold it."""
    brands = Item.objects.order_by("brand").exclude(brand="").values_list("brand", flat=True).distinct()
    return list(brands.filter(brand__istartswith=text)[:n]) or list(brands.filter(brand__icontains=text)[:n])


class _Reader:
    def __init__(self, values: QueryDict) -> None:
        self.values = values
        self.typed: dict[str, str] = {}
        self.errors: dict[str, str] = {}

    def text(self, name: str) -> str:
        typed = self.values.get(name, "").replace("\x00", "").strip()[:200]
        self.typed[name] = typed
        return typed

    def strategy(self, choices: tuple[Strategy, ...]) -> Strategy | None:
        typed = self.text("strategy")
        found = next((each for each in choices if str(each.pk) == typed), None)
        if typed and found is None:
            self.errors["strategy"] = gettext("There is no such strategy (any more); choose one of the list.")
        return found

    def beside(self, choices: tuple[Strategy, ...], first: Strategy | None) -> tuple[Strategy, ...]:
        """Written "compare=4&compare=7" or "compare=4,7"."""
        asked = [part.strip() for value in self.values.getlist("compare")[:10] for part in value.split(",")]
        by_key = {str(each.pk): each for each in choices}
        found = [by_key[key] for key in dict.fromkeys(asked) if key in by_key]
        if unknown := [key for key in asked if key and key not in by_key]:
            self.errors["compare"] = gettext("There is no such strategy (any more); choose one of the list.")
        elif first in found:
            self.errors["compare"] = gettext("That is the first column already; choose another one.")
        elif len(found) > MOST_BESIDE:
            self.errors["compare"] = gettext("Three lists side by side at most; the first three are shown.")
        kept = tuple(each for each in found if each != first)[:MOST_BESIDE]
        self.typed["compare"] = ",".join(unknown)[:200]
        return kept

    def length(self) -> int:
        typed = self.text("n")
        n = int(typed) if typed.isascii() and typed.isdecimal() and len(typed) < 9 else 0
        if typed and not 1 <= n <= MAX_N:
            self.errors["n"] = gettext("Ask for a whole number of items, 1 to %(most)s.") % {"most": MAX_N}
            return DEFAULT_N
        return n or DEFAULT_N

    def repeats(self) -> str | None:
        typed = self.text("repeats")
        if typed and typed not in REPEATS:
            self.errors["repeats"] = gettext("Repeats are allowed or excluded; choose one of the two.")
        return typed if typed in REPEATS else None

    def placement(self) -> str:
        typed = self.text("placement")
        if len(typed) > MOST_PLACEMENT:
            self.errors["placement"] = gettext("A placement has %(most)s characters at most.") % {
                "most": MOST_PLACEMENT
            }
            return ""
        return typed

    def labels(self) -> tuple[Label, ...]:
        asked = list(dict.fromkeys(value for value in self.values.getlist("label") if value))[:MOST_LABELS]
        keys = [int(key) for key in asked if key.isascii() and key.isdecimal() and len(key) < 19]
        found = Label.objects.select_related("taxonomy", "merged_into").with_every_name().in_order(keys) if keys else []
        if len(found) < len(asked):
            self.errors["label"] = gettext("A label of this address does not exist (any more) and was left out.")
        return tuple(found)

    def brands(self) -> tuple[str, ...]:
        typed = self.text("brand")
        if typed and not Item.objects.all().of_brands([typed]).exists():
            self.errors["brand"] = gettext("No item is of the brand “%(brand)s”; check how it is written.") % {
                "brand": typed
            }
            return ()
        return (typed,) if typed else ()

    def prices(self) -> tuple[Decimal | None, Decimal | None]:
        low, high = self._price("price_from"), self._price("price_to")
        if low is not None and high is not None and low > high:
            self.errors["price"] = gettext("The lower price is above the higher one; swap the two.")
            return None, None
        return low, high

    def _price(self, name: str) -> Decimal | None:
        typed = self.text(name)
        try:
            price = Decimal(typed.replace(",", ".")) if typed else None
        except InvalidOperation:
            price = Decimal(-1)
        if price is None or (price.is_finite() and 0 <= price < MOST_PRICE):
            return price
        self.errors["price"] = gettext("“%(typed)s” is no price; write an amount like 12.99.") % {"typed": typed}
        return None

    def stock(self) -> int | None:
        typed = self.text("stock_from")
        if not typed:
            return None
        if typed.isascii() and typed.isdecimal() and int(typed) < 2**31:
            return int(typed)
        self.errors["stock"] = gettext("“%(typed)s” is no number of pieces; write a whole number from 0 on.") % {
            "typed": typed
        }
        return None

    def moment(self) -> datetime | None:
        typed = self.text("at")
        moment = moment_from(typed)
        if typed and moment is None:
            self.errors["at"] = gettext("That is no date with a time; write it like 2026-03-01 14:30.")
        elif moment is not None and moment > timezone.now():
            self.errors["at"] = gettext("That moment lies ahead; choose one of the past.")
            return None
        return moment


def moment_from(text: str) -> datetime | None:
    """In the zone of the staff member where it names none; None where it is no moment that can be."""
    try:
        moment = parse_datetime(text)
        if moment is not None and timezone.is_naive(moment):
            moment = timezone.make_aware(moment)
        # The year 1 in a zone east of Greenwich is no year of UTC.
        return moment.astimezone(UTC) if moment is not None else None
    except (ValueError, OverflowError):  # written like a moment, but none: the 45th
        return None
