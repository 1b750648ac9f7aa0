"""Settings, all of them from the environment or fixed. There is no database and nothing to migrate."""

import os

SECRET_KEY = os.environ["SECRET_KEY"]
ALLOWED_HOSTS = os.environ.get("ALLOWED_HOSTS", "localhost,127.0.0.1").split(",")
DEBUG = False

ROOT_URLCONF = "shop.urls"
WSGI_APPLICATION = "shop.wsgi.application"
INSTALLED_APPS: list[str] = []
MIDDLEWARE = ["django.middleware.security.SecurityMiddleware", "django.middleware.common.CommonMiddleware"]
DATABASES: dict[str, dict[str, str]] = {}
STATIC_URL = "/static/"
TIME_ZONE = "UTC"
USE_TZ = True

# Celery. A task is acknowledged when it is done and goes back to its queue when its process dies; with a prefetch of 1 no
# node holds tasks that another could run. The visibility timeout must exceed the longest hard limit, or Redis hands a
# running task out a second time; Celery wants it said for the broker and for the result backend.
_broker = os.environ.get("BROKER_URL") or os.environ.get("CELERY_BROKER_URL") or "redis://127.0.0.1:6379/0"
_visibility = {"visibility_timeout": int(os.environ.get("CELERY_VISIBILITY_TIMEOUT", "3600"))}

CELERY_BROKER_URL = _broker
# Each node looks every 10 s, not at each tenth time only, for tasks of nodes that died.
CELERY_BROKER_TRANSPORT_OPTIONS = {**_visibility, "socket_connect_timeout": 2, "unacked_restore_throttle": 1}
if _broker.startswith("amqp"):
    # RabbitMQ says when it has a task for good, and keeps it in a queue that survives a host.
    CELERY_BROKER_TRANSPORT_OPTIONS = {"confirm_publish": True}
    CELERY_TASK_DEFAULT_QUEUE_TYPE = CELERY_TASK_CREATE_MISSING_QUEUE_TYPE = "quorum"
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_RESULT_BACKEND = os.environ.get("CELERY_RESULT_BACKEND", _broker)
# A web process that sends a task subscribes to its result first: by default it would wait 20 s for a Redis that is away.
CELERY_RESULT_BACKEND_TRANSPORT_OPTIONS = {**_visibility, "retry_policy": {"max_retries": 1, "interval_start": 0}}
CELERY_VISIBILITY_TIMEOUT = _visibility["visibility_timeout"]
CELERY_RESULT_EXPIRES = 3600
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_TASK_PUBLISH_RETRY = False
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_TASK_DEFAULT_QUEUE = "Q1"
CELERY_TASK_ROUTES = {
    "shop.tasks.order": {"queue": "Q1"},
    "shop.tasks.report": {"queue": "Q2"},
    "shop.tasks.sync": {"queue": "Q3"},
    "shop.tasks.log": {"queue": "Q4"},
}
