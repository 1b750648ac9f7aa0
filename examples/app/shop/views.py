"""The views: each shows one thing that an operator, a test or a benchmark wants to see."""

import os
import time

from celery.result import AsyncResult
from django.http import HttpRequest, HttpResponse, JsonResponse
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from shop import tasks

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>shop</title><link rel="stylesheet" href="/static/shop.css"></head>
<body><h1>shop</h1><p>The example application of evenkeel.wsgi.</p></body></html>
"""


# What sending a task or reading a result raises while Redis is away; RuntimeError is the result backend giving up.
_AWAY = (OperationalError, RedisError, RuntimeError)


class _BadRequest(ValueError):
    """A query parameter that a view cannot use; the text is the answer."""


def _number(request: HttpRequest, name: str, default: float, most: float) -> float:
    """Return a query parameter as a number from 0 to most."""
    text = request.GET.get(name, str(default))
    try:
        number = float(text)
    except ValueError:
        number = -1
    if not 0 <= number <= most:  # also refuses nan
        raise _BadRequest(f"{name}={text!r} is not a number from 0 to {most:g}")
    return number


def _refuses(view):
    """Answer 400 with the reason when a view's parameters are wrong."""

    def answer(request: HttpRequest, **parts: str) -> HttpResponse:
        try:
            return view(request, **parts)
        except _BadRequest as exc:
            return JsonResponse({"error": str(exc)}, status=400)

    return answer


def _process(request: HttpRequest) -> dict[str, object]:
    """Return which process answers; the group is empty only outside mod_wsgi's daemon mode."""
    return {
        "process_group": request.META.get("mod_wsgi.process_group", ""),
        "pid": os.getpid(),
        "multiprocess": request.META.get("wsgi.multiprocess"),
    }


def index(request: HttpRequest) -> HttpResponse:
    """Serve a page that uses a static file."""
    return HttpResponse(_PAGE)


def healthz(request: HttpRequest) -> HttpResponse:
    """Say that this process serves; touches nothing that could be away."""
    return JsonResponse({"status": "ok", **_process(request)})


@_refuses
def cpu(request: HttpRequest) -> HttpResponse:
    """Use that much CPU time of this thread."""
    ms = _number(request, "ms", 5, 60_000)
    end = time.thread_time() + ms / 1000
    while time.thread_time() < end:
        sum(range(200))
    return JsonResponse({"cpu_ms": ms, **_process(request)})


@_refuses
def wait(request: HttpRequest) -> HttpResponse:
    """Wait that long, as for a database."""
    ms = _number(request, "ms", 50, 600_000)
    time.sleep(ms / 1000)
    return JsonResponse({"waited_ms": ms, **_process(request)})


@_refuses
def report(request: HttpRequest, name: str) -> HttpResponse:
    """Answer slowly, on the route that gets its own daemon group."""
    ms = _number(request, "ms", 3000, 600_000)
    time.sleep(ms / 1000)
    return JsonResponse({"report": name, "waited_ms": ms, **_process(request)})


def client(request: HttpRequest) -> HttpResponse:
    """Show who the client is, as the application sees it."""
    return JsonResponse(
        {
            "remote_addr": request.META.get("REMOTE_ADDR"),
            "x_forwarded_for": request.META.get("HTTP_X_FORWARDED_FOR"),
            "url_scheme": request.META.get("wsgi.url_scheme"),
            **_process(request),
        }
    )


@_refuses
def enqueue(request: HttpRequest) -> HttpResponse:
    """Send the task of a queue and return its id."""
    queue = request.GET.get("queue", "Q1")
    if queue not in tasks.BY_QUEUE:
        raise _BadRequest(f"queue={queue!r} is none of {', '.join(tasks.BY_QUEUE)}")
    seconds = _number(request, "seconds", 0, 7200)
    try:
        sent = tasks.BY_QUEUE[queue].delay(seconds)
    except _AWAY as exc:
        return JsonResponse({"error": f"the broker is away: {str(exc).strip()}"}, status=503)
    return JsonResponse({"id": sent.id, "queue": queue}, status=202)


@_refuses
def result(request: HttpRequest) -> HttpResponse:
    """Return a task's state and, when it is done, where it ran; an unknown id is PENDING, Celery cannot tell them apart."""
    if not request.GET.get("id"):
        raise _BadRequest("id is missing: give the one that /enqueue returned")
    task = AsyncResult(request.GET["id"])
    try:
        state, value = task.state, task.result
    except _AWAY as exc:
        return JsonResponse({"error": f"the result backend is away: {str(exc).strip()}"}, status=503)
    ran = value if state == "SUCCESS" else {}
    return JsonResponse({"id": task.id, "state": state, "node": ran.get("node"), "queue": ran.get("queue")})
