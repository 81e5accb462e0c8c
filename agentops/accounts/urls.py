from django.urls import path

from agentops.accounts import views

app_name = "accounts"
urlpatterns = [
    path("sign-in/<str:secret>", views.sign_in, name="sign-in"),
    path("team", views.choose_team, name="choose-team"),
]
