"""The pages of budgets and costs."""

from django.urls import path

from runs.views import budgets, costs

app_name = "budgets"
urlpatterns = [
    path("policies/budgets", budgets.budget_list, name="list"),
    path("policies/budgets/new", budgets.new, name="new"),
    path("policies/budgets/<uuid:budget_id>", budgets.budget_page, name="budget"),
    path("policies/budgets/<uuid:budget_id>/remove", budgets.remove, name="remove"),
    path("runs/<uuid:run_id>/budget/raise", budgets.raise_it, name="raise"),
    path("costs", costs.costs, name="costs"),
]
