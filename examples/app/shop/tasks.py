"""One task for each queue; which queue is the business of CELERY_TASK_ROUTES alone."""

import time

from celery import Task, shared_task


def _work(task: Task, seconds: float, key: str) -> dict[str, str]:
    """Take that long, then say which node ran the task and by which queue it came.

    A task with a key also leaves a line in the list `tally` of the result backend (Redis): what really ran, counted by nobody who sent it.
    """
    time.sleep(seconds)
    if key:
        task.backend.client.rpush("tally", f"{key} {time.time()}")
    return {"node": task.request.hostname, "queue": task.request.delivery_info["routing_key"]}


@shared_task(bind=True)
def order(self: Task, seconds: float = 0, key: str = "") -> dict[str, str]:
    """Handle an order: urgent."""
    return _work(self, seconds, key)


@shared_task(bind=True)
def report(self: Task, seconds: float = 0, key: str = "") -> dict[str, str]:
    """Write a report: long."""
    return _work(self, seconds, key)


@shared_task(bind=True)
def sync(self: Task, seconds: float = 0, key: str = "") -> dict[str, str]:
    """Synchronise with another system: in the background."""
    return _work(self, seconds, key)


@shared_task(bind=True)
def log(self: Task, seconds: float = 0, key: str = "") -> dict[str, str]:
    """Ship a log: in the background."""
    return _work(self, seconds, key)


BY_QUEUE = {"Q1": order, "Q2": report, "Q3": sync, "Q4": log}
