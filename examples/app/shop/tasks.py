"""One task for each queue; which queue is the business of CELERY_TASK_ROUTES alone."""

import time

from celery import Task, shared_task


def _work(task: Task, seconds: float) -> dict[str, str]:
    """Take that long, then say which node ran the task and by which queue it came."""
    time.sleep(seconds)
    return {"node": task.request.hostname, "queue": task.request.delivery_info["routing_key"]}


@shared_task(bind=True)
def order(self: Task, seconds: float = 0) -> dict[str, str]:
    """Handle an order: urgent."""
    return _work(self, seconds)


@shared_task(bind=True)
def report(self: Task, seconds: float = 0) -> dict[str, str]:
    """Write a report: long."""
    return _work(self, seconds)


@shared_task(bind=True)
def sync(self: Task, seconds: float = 0) -> dict[str, str]:
    """Synchronise with another system: in the background."""
    return _work(self, seconds)


@shared_task(bind=True)
def log(self: Task, seconds: float = 0) -> dict[str, str]:
    """Ship a log: in the background."""
    return _work(self, seconds)


BY_QUEUE = {"Q1": order, "Q2": report, "Q3": sync, "Q4": log}
