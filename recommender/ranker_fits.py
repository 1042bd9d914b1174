"""Fits of the live strategy: tuned on what users took lately, in use only where they hold for users kept apart."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import structlog
from django.db import transaction
from django.utils import timezone

from recommender import evaluation, evaluation_database, evaluation_encoder, tuning
from recommender.algorithms import metrics
from recommender.evaluation_rows import Case, Fold
from recommender.models import Event, RankerFit, Strategy
from recommender.strategies import live_strategy, recipe_of
from recsite.operations import jobs
from recsite.operations.models import Job

log = structlog.get_logger(__name__)

KIND = "fit_ranker"
FITTED_EVERY = timedelta(days=7)
LEAST_CASES = 100


def request(title: str = "Fit the live strategy to what users took lately") -> Job | None:
    """Queue the job; None where one is waiting or running."""
    if Job.objects.active().filter(kind=KIND).exists():
        return None
    job = jobs.create(KIND, title)
    transaction.on_commit(lambda: jobs.ring(job), robust=True)
    return job


def is_due() -> bool:
    """If the live recipe is fitted, and there are new events a week after the last try, or any where none was made. A
    try that found too few users counts too, or it would be made again every hour; so does another live strategy."""
    strategy = live_strategy()
    if not recipe_of(strategy).is_fitted:
        return False
    last = Job.objects.filter(kind=KIND).order_by("-created_at", "-pk").first()
    events = Event.objects.telling()
    if last is None:
        return events.exists()
    is_new = not RankerFit.objects.filter(strategy=strategy).exists() and last.created_at < (
        strategy.published_at or strategy.created_at
    )
    if not is_new and timezone.now() - last.created_at < FITTED_EVERY:
        return False
    return is_new or events.filter(received_at__gt=last.created_at).exists()


def run(progress: jobs.Progress) -> RankerFit | None:
    fit = fit_strategy(live_strategy(), on_progress=progress.report)
    if fit is None:
        progress.describe(
            reason=f"Fewer than {LEAST_CASES} users came back in the last weeks; the recipe's weights hold."
        )
    else:
        progress.describe(reason=fit.reason)
        if fit.is_in_use:
            jobs.ring(jobs.create("rebuild_statistics", "Rebuild statistics as the new fit wants them learned"))
    return fit


def fit_strategy(strategy: Strategy, *, on_progress: evaluation.OnProgress | None = None) -> RankerFit | None:
    """Half of the users who came back in the last four weeks are tuned on, the other half decides. None where they are
    too few. The new fit goes into use where its lists are better for the second half than those served now.

    The live interest encoder learned from these weeks, which a fit would take for foresight: both are judged with one
    that did not.
    """
    report = on_progress or (lambda done, total, message: None)
    newest = Event.objects.newest_time()
    if newest is None:
        return None
    report(0, 3, "Reading what users took")
    data = evaluation_database.dataset(newest + timedelta(seconds=1), max_users=0, tuned_share=0.5)
    tuned_on, judged_on = _halves(data.validation)
    if len(judged_on.cases) < LEAST_CASES:
        return None
    data = replace(
        data, validation=tuned_on, earlier=tuple(_halves(moment)[0] for moment in data.earlier), test=judged_on
    )
    if data.transform is not None:
        blind = evaluation_encoder.train(data, on_step=lambda words: report(0, 3, words))
        data = replace(data, transform=blind.transform)
    recipe = recipe_of(strategy)
    tuned = tuning.tune(data, recipe, on_step=lambda words: report(0, 3, words))
    report(1, 3, "Comparing with what is served now")
    current = RankerFit.objects.current(strategy.pk)
    before = evaluation.row_gains(data, recipe, current.parameters if current else None)
    report(2, 3, "Comparing with what is served now")
    after = evaluation.row_gains(data, recipe, tuned.parameters)
    compared = metrics.compare(after.gains, before.gains, after.users)
    return _keep(strategy, tuned, before, after, compared)


def _keep(
    strategy: Strategy,
    tuned: tuning.Tuned,
    before: evaluation.RowGains,
    after: evaluation.RowGains,
    compared: metrics.Compared,
) -> RankerFit:
    is_better = compared.difference > 0
    outcome = "in use" if is_better else "not better, not used"
    reason = (
        f"NDCG@10 {np.mean(after.gains):.4f} instead of {np.mean(before.gains):.4f} for users it was not tuned on"
        f" (difference {compared.difference:+.4f}, 95% {compared.ci95[0]:+.4f} to {compared.ci95[1]:+.4f}): {outcome}."
    )
    figures: dict[str, Any] = {
        "users": len(set(after.users.tolist())),
        "ndcg_before": round(float(np.mean(before.gains)), 5),
        "ndcg_after": round(float(np.mean(after.gains)), 5),
        "difference": round(compared.difference, 5),
        "p_value": round(compared.p_value, 5),
    }
    fit = RankerFit.objects.create(
        strategy=strategy, parameters=tuned.parameters, report=figures, reason=reason, is_in_use=is_better
    )
    log.info("ranker_fitted", strategy=strategy.pk, fit=fit.pk, in_use=is_better)
    return fit


def _halves(fold: Fold) -> tuple[Fold, Fold]:
    def is_second(case: Case) -> bool:
        return bool(hashlib.blake2b(case.user.encode(), digest_size=1).digest()[0] % 2)

    first = tuple(case for case in fold.cases if not is_second(case))
    second = tuple(case for case in fold.cases if is_second(case))
    return Fold(fold.learned_from, first), Fold(fold.learned_from, second)
