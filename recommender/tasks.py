"""Celery tasks of the recommender: ids in, one service call, safe to run twice."""

from __future__ import annotations

from celery import shared_task

from recsite.operations import jobs


@shared_task(name="recommender.tasks.rebuild_user_interests")
def rebuild_user_interests(user_id: int) -> None:
    from recommender import interests

    interests.rebuild(user_id)


@shared_task(name="recommender.tasks.rebuild_statistics_job")
def rebuild_statistics_job(job_id: int) -> None:
    from recommender import neighbours

    with jobs.running(job_id) as progress:
        if progress is not None:
            neighbours.rebuild_statistics()


@shared_task(name="recommender.tasks.load_demo")
def load_demo(job_id: int) -> None:
    from recommender.demo import loading

    with jobs.running(job_id) as progress:
        if progress is not None:
            loading.load(progress)
