"""Every address of the site."""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerView

from catalog import urls as catalog_urls
from recommender import urls as recommender_urls

urlpatterns = [
    path("admin/", admin.site.urls),
    path("api/schema/", SpectacularAPIView.as_view(), name="schema"),
    path("api/docs/", SpectacularSwaggerView.as_view(url_name="schema"), name="api-docs"),
    # The recommender first: items/<id>/neighbours/ would else be read as an item's id.
    path("api/v1/", include(recommender_urls.api_urlpatterns)),
    path("api/v1/", include(catalog_urls.api_urlpatterns)),
]
