"""Which view answers which path."""

from django.urls import path

from shop import views

urlpatterns = [
    path("", views.index),
    path("healthz", views.healthz),
    path("cpu", views.cpu),
    path("wait", views.wait),
    path("client", views.client),
    path("enqueue", views.enqueue),
    path("result", views.result),
    path("reports/<slug:name>", views.report),
]
