"""The example application of evenkeel.wsgi: a small shop that serves pages and sends tasks."""

from shop.celery import app as celery_app

__all__ = ["celery_app"]
