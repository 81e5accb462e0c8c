from django.urls import path, re_path

from memory.views import pages

app_name = "memory"

_ITEM = "<str:space>/<str:key>"

urlpatterns = [
    path("", pages.space_list, name="spaces"),
    path("new", pages.new_space, name="new-space"),
    path("runs/<uuid:run_id>", pages.of_run, name="of-run"),
    path("<str:space>", pages.space_page, name="space"),
    path("<str:space>/new-item", pages.new_item, name="new-item"),
    path(f"{_ITEM}", pages.item_page, name="item"),
    path(f"{_ITEM}/edit", pages.edit, name="edit"),
    re_path(
        r"^(?P<space>[^/]+)/(?P<key>[^/]+)/do/(?P<verb>forget|accept|pin|unpin|restore)$",
        pages.change,
        name="change",
    ),
]
