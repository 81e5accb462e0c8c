"""Sets of rules that most teams want, ready to be put in (pure)."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Preset:
    """A named set: each rule as (name, verdict, when, number of people who must approve)."""

    slug: str
    title: str
    what: str
    rules: tuple[tuple[str, str, dict[str, Any], int], ...]


_PAYMENTS = ["payment*", "*.pay", "*.refund", "*.transfer", "*.charge", "*.buy", "bank.*", "market.buy"]
_MAIL = ["email.*", "mail.*", "*.send_mail", "*.send_email", "*.send", "slack.*", "sms.*"]
_CONFIG = ["config.*", "*.configure", "settings.*", "deploy.*", "infra.*", "iam.*", "dns.*", "secrets.*", "shell.*"]  # fmt: skip
_WRITES = ["write", "destructive"]

PRESETS: tuple[Preset, ...] = (
    Preset(
        "payments", "Payments", "Money that leaves: one person asks, above 1,000 two do.",
        (
            ("Payments", "ask", {"tools": _PAYMENTS, "effects": _WRITES}, 1),
            ("Large payments", "ask", {"tools": _PAYMENTS, "effects": _WRITES, "args": [{"pointer": "/amount", "op": ">", "value": 1000}]}, 2),
        ),
    ),
    Preset(
        "email", "E-mail and messages", "What people outside read in your name.",
        (("E-mail and messages", "ask", {"tools": _MAIL, "effects": _WRITES}, 1),),
    ),
    Preset(
        "sql", "DELETE, DROP, ALTER", "SQL that destroys: deleting asks, dropping needs two people.",
        (
            ("SQL that deletes", "ask", {"sql_verbs": ["DELETE", "TRUNCATE", "UPDATE", "MERGE"]}, 1),
            ("SQL that changes the schema or rights", "ask", {"sql_verbs": ["DROP", "ALTER", "GRANT", "REVOKE"]}, 2),
        ),
    ),
    Preset(
        "configuration", "System configuration", "Settings, deployments, access rights, names.",
        (("System configuration", "ask", {"tools": _CONFIG, "effects": _WRITES}, 2),),
    ),
    Preset(
        "gdpr", "GDPR: personal data", "Writes whose arguments hold personal data ask.",
        (("Personal data leaves (GDPR)", "ask", {"effects": _WRITES, "data_classes": ["personal"]}, 1),),
    ),
    Preset(
        "hipaa", "HIPAA: health data", "Writes whose arguments speak of health need two people.",
        (("Health data leaves (HIPAA)", "ask", {"effects": _WRITES, "data_classes": ["health"]}, 2),),
    ),
    Preset(
        "soc2", "SOC 2: change and access control", "What destroys needs two people; secrets never leave.",
        (
            ("Destructive actions (SOC 2)", "ask", {"effects": ["destructive"]}, 2),
            ("Secrets in arguments (SOC 2)", "deny", {"effects": _WRITES, "data_classes": ["secret"]}, 1),
        ),
    ),
    Preset(
        "untrusted", "Untrusted input and doubt", "Writes after reading the open web, or when the agent itself is not sure.",
        (
            ("Writes of tainted runs", "ask", {"effects": _WRITES, "taints": ["web", "email", "untrusted"]}, 1),
            ("Writes in doubt", "ask", {"effects": _WRITES, "args": [{"pointer": "/confidence", "op": "exists"}], "confidence_below": 0.8}, 1),
        ),
    ),
)  # fmt: skip


def preset_named(slug: str) -> Preset | None:
    return next((preset for preset in PRESETS if preset.slug == slug), None)
