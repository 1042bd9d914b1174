"""What the page of models says: which models are here, and what the language model was asked and cost by day."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext, gettext_lazy

from catalog import labelling
from catalog.models import ItemLabel, ModelUsage
from recsite.operations.embedded import label_embedder, language_model
from recsite.operations.embedded.fetching import FETCHING, Status
from recsite.operations.embedded.home import Home
from recsite.operations.templatetags.console import calendar_day

DAYS = 30
PURPOSES = {
    **dict(ModelUsage.Purpose.choices),
    "rerank": gettext_lazy("Re-ranking lists"),
    "prefer": gettext_lazy("Summing up preferences"),
}
MILLION = 1_000_000


@dataclass(frozen=True)
class ModelState:
    """One model: what it is for, and whether it is here. `share_done` where it is being fetched."""

    icon: str
    title: str
    name: str
    state: str
    words: str
    detail: str
    share_done: float | None = None
    done: int = 0
    total: int = 0

    @property
    def kind(self) -> str:
        """How its badge looks; see `.status` in pieces.css."""
        if self.state == "ready":
            return "good"
        if self.state in {"failed", "unreachable"}:
            return "failed"
        return "running" if self.is_moving else "off"

    @property
    def megabytes(self) -> tuple[float, float]:
        return self.done / MILLION, self.total / MILLION

    @property
    def is_moving(self) -> bool:
        """Whether the page should look again soon."""
        return self.state in FETCHING or self.state in {"loading", "waiting", "starting"}


def model_states() -> tuple[ModelState, ModelState]:
    home = Home(settings.RECSITE_HOME)
    embedder = _label_embedder(label_embedder.status(home, settings.LABEL_EMBEDDER_PATH))
    return _language_model(language_model.read_status(home), embedder), embedder


def _words(state: str) -> str:
    return {
        "ready": gettext("Ready"),
        "loading": gettext("Loading"),
        "starting": gettext("Loading"),
        "waiting": gettext("Waiting"),
        "downloading": gettext("Downloading"),
        "verifying": gettext("Verifying"),
        "unpacking": gettext("Unpacking"),
        "failed": gettext("Failed"),
        "absent": gettext("Not fetched"),
        "unreachable": gettext("Unreachable"),
    }.get(state, gettext("Off"))


def _language_model(fetched: Status | None, embedder: ModelState) -> ModelState:
    """What the server says of itself, or, where it does not answer, how far the child is that becomes it."""
    status = labelling.model_status()
    state, detail, share = str(status.state), gettext(status.detail) if status.detail else "", None
    if state == "unreachable" and fetched is not None:
        state, detail, share = fetched.state, fetched.detail, fetched.share_done
    elif state == "unreachable" and embedder.state in FETCHING and settings.LLM_BASE_URL.startswith("http://127."):
        state, detail = "waiting", gettext("Its download begins when the embedding model for labels is here.")
    return ModelState(
        icon="robot",
        title=gettext("Language model"),
        name=status.model or settings.LLM_MODEL,
        state=state,
        words=_words(state),
        detail=detail if state != "ready" else gettext("Reads what embeddings are unsure about."),
        share_done=share,
        done=fetched.done if fetched is not None else 0,
        total=fetched.total if fetched is not None else 0,
    )


def _label_embedder(status: Status) -> ModelState:
    standing_in = gettext("Labels use all-MiniLM-L6-v2 until it is here.")
    details = {
        "ready": gettext("Compares items with labels; nothing else uses it."),
        "off": gettext("Switched off (LABEL_EMBEDDER or RECSITE_LLM); labels use all-MiniLM-L6-v2."),
        "absent": gettext("Run manage.py label_embedder to fetch it. Labels use all-MiniLM-L6-v2 until then."),
        "failed": status.detail,
    }
    return ModelState(
        icon="cpu",
        title=gettext("Embedding model for labels"),
        name=Path(settings.LABEL_EMBEDDER_PATH).name,
        state=status.state,
        words=_words(status.state),
        detail=details.get(status.state, standing_in),
        share_done=status.share_done,
        done=status.done,
        total=status.total,
    )


# ---------------------------------------------------------------- usage
@dataclass(frozen=True)
class Usage:
    """Counts of a day, model and purpose, or of all of them. `items` is None where no items are labelled by it."""

    calls: int = 0
    failures: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    seconds: float = 0.0
    items: int | None = None
    day: date | None = None
    model: str = ""
    purpose: str = ""
    purpose_words: str = ""

    @property
    def tokens(self) -> int:
        return self.prompt_tokens + self.completion_tokens

    @property
    def tokens_per_s(self) -> float | None:
        """None where nothing was waited for, or the server reports no tokens."""
        return self.tokens / self.seconds if self.seconds and self.tokens else None

    @property
    def tokens_per_item(self) -> float | None:
        return self.tokens / self.items if self.items and self.tokens else None

    @property
    def cost(self) -> float | None:
        """At the present prices; None where there are none."""
        prices = (settings.LLM_PRICE_PER_M_PROMPT, settings.LLM_PRICE_PER_M_COMPLETION)
        if prices == (None, None):
            return None
        of_prompt, of_completion = (price or 0.0 for price in prices)
        return (self.prompt_tokens * of_prompt + self.completion_tokens * of_completion) / MILLION

    @property
    def cost_words(self) -> str:
        """Two decimals, and four where that would say nothing."""
        if self.cost is None:
            return ""
        return f"{self.cost:,.2f}" if self.cost >= 1 or not self.cost else f"{self.cost:,.4f}"


MEASURES: dict[str, Callable[[Usage], float]] = {
    "tokens": lambda usage: usage.tokens,
    "calls": lambda usage: usage.calls,
    "seconds": lambda usage: round(usage.seconds, 1),
    "items": lambda usage: usage.items or 0,
}


@dataclass(frozen=True)
class UsageReport:
    """The newest days, newest first: `rows` by day, model and purpose, `days` added up and without a gap."""

    rows: tuple[Usage, ...]
    days: tuple[Usage, ...]
    total: Usage
    measure: str

    @property
    def columns(self) -> tuple[list[int], list[float]]:
        """Unix seconds and the measure, oldest first, as the chart library takes them."""
        oldest_first = self.days[::-1]
        moments = [int(datetime.combine(usage.day or date.min, time.min, UTC).timestamp()) for usage in oldest_first]
        return moments, [MEASURES[self.measure](usage) for usage in oldest_first]

    @property
    def summary(self) -> str:
        """What the chart shows, in a sentence."""
        values = [(MEASURES[self.measure](usage), usage.day) for usage in self.days]
        most, day = max(values, key=lambda pair: pair[0])
        told = {
            "sum": f"{sum(value for value, _ in values):,.0f}",
            "n": len(values),
            "most": f"{most:,.0f}",
            "day": calendar_day(day or date.min),
        }
        return {
            "tokens": gettext("%(sum)s tokens in %(n)s days, most on %(day)s (%(most)s)."),
            "calls": gettext("%(sum)s calls in %(n)s days, most on %(day)s (%(most)s)."),
            "seconds": gettext("%(sum)s seconds waited in %(n)s days, most on %(day)s (%(most)s)."),
            "items": gettext("%(sum)s items labelled in %(n)s days, most on %(day)s (%(most)s)."),
        }[self.measure] % told


def usage_report(measure: str) -> UsageReport:
    """Of the newest DAYS days, today included. An unknown measure counts as tokens."""
    today = timezone.now().astimezone(UTC).date()
    since = today - timedelta(days=DAYS - 1)
    labelled = ItemLabel.objects.all().items_by_day_and_model(since)
    counted = list(ModelUsage.objects.since(since))
    rows = tuple(
        _usage([row], day=row.day, model=row.model, purpose=row.purpose, items=_items(row, labelled)) for row in counted
    )
    days = tuple(
        _usage(
            [row for row in counted if row.day == day],
            day=day,
            items=sum(n for (labelled_on, _), n in labelled.items() if labelled_on == day),
        )
        for day in (today - timedelta(days=back) for back in range(DAYS))
    )
    total = _usage(counted, items=sum(labelled.values()))
    return UsageReport(rows, days, total, measure if measure in MEASURES else "tokens")


def _items(row: ModelUsage, labelled: dict[tuple[date, str], int]) -> int | None:
    return labelled.get((row.day, row.model), 0) if row.purpose == ModelUsage.Purpose.LABEL else None


def _usage(
    rows: Sequence[ModelUsage],
    *,
    items: int | None,
    day: date | None = None,
    model: str = "",
    purpose: str = "",
) -> Usage:
    return Usage(
        calls=sum(row.calls for row in rows),
        failures=sum(row.failures for row in rows),
        prompt_tokens=sum(row.prompt_tokens for row in rows),
        completion_tokens=sum(row.completion_tokens for row in rows),
        seconds=sum(row.seconds for row in rows),
        items=items,
        day=day,
        model=model,
        purpose=purpose,
        purpose_words=str(PURPOSES.get(purpose, purpose)),
    )
