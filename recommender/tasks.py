"""Celery tasks of the recommender: ids in, one service call, safe to run twice."""

from __future__ import annotations

from celery import shared_task

from recsite.operations import jobs


@shared_task(name="recommender.tasks.rebuild_user_interests")
def rebuild_user_interests(user_id: int) -> None:
    """Five events in a row ring five times; what the first rebuild already knew costs the others one query."""
    from recommender import interests

    interests.rebuild(user_id, only_if_stale=True)


@shared_task(name="recommender.tasks.refresh_user_interests")
def refresh_user_interests(user_ids: list[int]) -> None:
    """Rebuild users whose events are known but whose items got vectors only now."""
    from recommender import interests

    interests.rebuild_many(user_ids)


@shared_task(name="recommender.tasks.rebuild_all_interests")
def rebuild_all_interests(job_id: int) -> None:
    from recommender import interests

    with jobs.running(job_id) as progress:
        if progress is not None:
            only_stale = progress.job.parameters.get("only_stale", False)
            interests.rebuild_all(only_stale=only_stale, on_progress=progress.report)


@shared_task(name="recommender.tasks.rebuild_statistics_job")
def rebuild_statistics_job(job_id: int) -> None:
    from recommender import neighbours

    with jobs.running(job_id) as progress:
        if progress is not None:
            neighbours.rebuild_statistics(on_progress=progress.report)


@shared_task(name="recommender.tasks.summarise_preferences_job")
def summarise_preferences_job(job_id: int) -> None:
    from recommender import preferences

    with jobs.running(job_id) as progress:
        if progress is not None:
            preferences.run(progress)


@shared_task(name="recommender.tasks.summarise_preferences")
def summarise_preferences(user_id: int) -> None:
    """Rung by lists that were re-ranked; where the model is away, a later list rings again."""
    from recommender import preferences

    preferences.summarise_if_behind(user_id)


@shared_task(name="recommender.tasks.fit_ranker")
def fit_ranker(job_id: int) -> None:
    from recommender import ranker_fits

    with jobs.running(job_id) as progress:
        if progress is not None:
            ranker_fits.run(progress)


@shared_task(name="recommender.tasks.evaluate")
def evaluate(job_id: int) -> None:
    from recommender import evaluations

    with jobs.running(job_id) as progress:
        if progress is not None:
            evaluations.run(progress)


@shared_task(name="recommender.tasks.export_slates")
def export_slates(job_id: int) -> None:
    from recommender import slate_exports

    with jobs.running(job_id) as progress:
        if progress is not None:
            slate_exports.run(progress)


@shared_task(name="recommender.tasks.measure_experiment")
def measure_experiment(job_id: int) -> None:
    from recommender import experiment_figures

    with jobs.running(job_id) as progress:
        if progress is not None:
            experiment_figures.run(progress)


@shared_task(name="recommender.tasks.check_golden_users_job")
def check_golden_users_job(job_id: int) -> None:
    from recommender import golden

    with jobs.running(job_id) as progress:
        if progress is not None:
            golden.run(progress)


@shared_task(name="recommender.tasks.check_golden_users")
def check_golden_users() -> None:
    """Beat rings this every night."""
    from recommender import golden

    golden.check_nightly()


@shared_task(name="recommender.tasks.load_demo")
def load_demo(job_id: int) -> None:
    from recommender.demo import loading

    with jobs.running(job_id) as progress:
        if progress is not None:
            loading.load(progress)


@shared_task(name="recommender.tasks.sweep")
def sweep() -> None:
    """Beat rings this every 30 s: finds rows left behind and rings their bells again."""
    from recommender import upkeep

    upkeep.sweep()


@shared_task(name="recommender.tasks.refresh_statistics")
def refresh_statistics() -> None:
    """Beat rings this every hour."""
    from recommender import upkeep

    upkeep.refresh_statistics()


@shared_task(name="recommender.tasks.refresh_figures")
def refresh_figures() -> None:
    """Beat rings this every ten minutes."""
    from recommender import upkeep

    upkeep.refresh_figures()


@shared_task(name="recommender.tasks.count_figures")
def count_figures(job_id: int) -> None:
    """The job of counting far back: the first time, daily, and after an import of old events."""
    from recommender import figures, findings

    with jobs.running(job_id) as progress:
        if progress is not None:
            if (found := figures.due()) is not None:
                figures.recount(found, on_progress=progress.report)
            findings.refresh_due()


@shared_task(name="recommender.tasks.train_interests", soft_time_limit=3_300, time_limit=3_400)
def train_interests(job_id: int) -> None:
    """The job of training a version of the interest encoder; on the models queue, for it loads torch."""
    from recommender import interest_encoders

    with jobs.running(job_id) as progress:
        if progress is not None:
            interest_encoders.run(progress)


@shared_task(name="recommender.tasks.learn_interests")
def learn_interests() -> None:
    """Beat rings this every six hours; a version is trained at most once a week."""
    from recommender import interest_encoders

    interest_encoders.train_where_due()


@shared_task(name="recommender.tasks.build_interest_map", soft_time_limit=3_300, time_limit=3_400)
def build_interest_map(job_id: int) -> None:
    """On the models queue, for it computes for a minute."""
    from recommender import interest_maps

    with jobs.running(job_id) as progress:
        if progress is not None:
            interest_maps.run(progress)
