"""Django's settings, driven by the environment (docs/reference/settings.md)."""

import secrets
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

from csp.constants import NONE, SELF

from agentops.common.env import env_bool, env_int, env_secret, env_str, home, load_home_env

load_home_env()

BASE_DIR = Path(__file__).resolve().parent.parent
HOME = home()
DEBUG = env_bool("DEBUG")
SECRET_KEY = env_secret("SECRET_KEY") or secrets.token_urlsafe(48)
INTEGRITY_KEY = env_secret("AGENTOPS_INTEGRITY_KEY")
ALLOWED_HOSTS = env_str("ALLOWED_HOSTS", "127.0.0.1,localhost,[::1]").split(",")
CSRF_TRUSTED_ORIGINS = [origin for origin in env_str("CSRF_TRUSTED_ORIGINS").split(",") if origin]

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "channels",
    "ninja",
    "csp",
    "django_htmx",
    "template_partials",
    "allauth",
    "allauth.account",
    "agentops.apps.AgentOpsConfig",
    "agentops.accounts",
    "agentops.audit",
    "agentops.demo",
    "runs",
    "agentops.notify",
    "approvals",
    "memory",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "agentops.edge.EdgeMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "agentops.accounts.middleware.ActorMiddleware",
]

ROOT_URLCONF = "agentops.urls"
ASGI_APPLICATION = "agentops.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "agentops.context_processors.console",
            ],
        },
    },
]


def database(url: str) -> dict[str, object]:
    """Return Django's settings for a PostgreSQL URL; `?host=/path` names a socket's folder."""
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query))
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(parts.path.lstrip("/")) or "agentops",
        "USER": unquote(parts.username or query.pop("user", "")),
        "PASSWORD": unquote(parts.password or query.pop("password", "")),
        "HOST": query.pop("host", parts.hostname or ""),
        "PORT": query.pop("port", str(parts.port or "")),
        "CONN_MAX_AGE": None,
        "CONN_HEALTH_CHECKS": True,
        # Django's defaults bind on the client and never prepare, which costs a factor 1.7 (ADR 0003).
        "OPTIONS": {"server_side_binding": True, "prepare_threshold": 1, **query},
    }


DATABASES = {"default": database(env_secret("DATABASE_URL", "postgresql:///agentops"))}
WEB_CONNECTIONS = env_int("WEB_CONNECTIONS", 16)
if env_bool("DATABASE_POOL"):
    # Requests, websockets and streams have threads of their own; what none of them uses is nobody's.
    DATABASES["default"] |= {"CONN_MAX_AGE": 0}
    DATABASES["default"]["OPTIONS"] |= {"pool": {"min_size": 2, "max_size": WEB_CONNECTIONS, "timeout": 10}}  # type: ignore[operator]  # the value is of type object
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

REDIS_URL = env_secret("REDIS_URL", "redis://127.0.0.1:6379/0")
CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
        "CONFIG": {"hosts": [REDIS_URL]},
    },
}

AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/"
ACCOUNT_ADAPTER = "agentops.accounts.adapter.AccountAdapter"
ACCOUNT_LOGIN_METHODS = {"email", "username"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*", "password2*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_LOGOUT_REDIRECT_URL = "/accounts/login/"
SESSION_COOKIE_AGE = 14 * 24 * 3600
SESSION_COOKIE_SAMESITE = "Lax"
# Without a mail server, mails are written to the log of whoever sends them.
EMAIL_HOST = env_str("EMAIL_HOST")
EMAIL_BACKEND = env_str(
    "EMAIL_BACKEND", f"django.core.mail.backends.{'smtp' if EMAIL_HOST else 'console'}.EmailBackend"
)
EMAIL_PORT = env_int("EMAIL_PORT", 25)
EMAIL_HOST_USER = env_str("EMAIL_HOST_USER")
EMAIL_HOST_PASSWORD = env_secret("EMAIL_HOST_PASSWORD")
EMAIL_USE_TLS = env_bool("EMAIL_USE_TLS")
DEFAULT_FROM_EMAIL = env_str("EMAIL_FROM", "agentops@localhost")
PUBLIC_URL = env_str("PUBLIC_URL").rstrip("/")

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = True

STATIC_URL = "/static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
STATIC_ROOT = HOME / "static"
WHITENOISE_USE_FINDERS = True

IS_SECURE = env_bool("HTTPS")
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = IS_SECURE
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if IS_SECURE else None
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
    },
}
DATA_UPLOAD_MAX_MEMORY_SIZE = 2 << 20

# For a socket Celery spells both the scheme and the database number in a way of its own.
_BROKER = (
    f"redis+socket{REDIS_URL[4:].replace('?db=', '?virtual_host=')}"
    if REDIS_URL.startswith("unix:")
    else REDIS_URL
)
CELERY_BROKER_URL = env_secret("CELERY_BROKER_URL", _BROKER)

METRICS_TOKEN = env_secret("METRICS_TOKEN")
DEMO_SITE_URL = env_str("DEMO_SITE_URL")
REHEARSAL_URL = env_str("REHEARSAL_URL")
SOURCE_FOLDERS = [path for path in env_str("SOURCE_FOLDERS").split(":") if path]
CODE_AUDIT_ROOTS = [path for path in env_str("CODE_AUDIT_ROOTS").split(":") if path]
AGENT_MODULES = ["agentops.demo.agents"] if env_bool("DEMO", default=True) else []
AGENTOPS: dict[str, object] = {}

WORKSPACES = env_str("WORKSPACES", str(HOME / "workspaces"))
ARCHIVES = env_str("ARCHIVES", str(HOME / "archives"))
ARCHIVES_S3_ENDPOINT = env_str("ARCHIVES_S3_ENDPOINT")
WORKER_SLOTS = env_int("WORKER_SLOTS", 8)
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": env_str("LOG_LEVEL", "INFO")},
    "loggers": {
        "httpx": {"level": "WARNING"},
        "httpx2": {"level": "WARNING"},
        "django.request": {"level": "ERROR"},
    },
}
