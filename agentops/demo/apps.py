from django.apps import AppConfig


class DemoConfig(AppConfig):
    name = "agentops.demo"
    label = "demo"
