"""Where every page and call is mounted."""

from django.urls import URLPattern, URLResolver, include, path

urlpatterns: list[URLPattern | URLResolver] = [
    path("", include("runs.urls")),
    path("accounts/", include("allauth.urls")),
]
