"""All settings, read from the environment; a missing or malformed value stops the start with a sentence.

Where DATABASE_URL, BROKER_URL or LLM_BASE_URL is not set, the addresses of the embedded services that
`manage.py up` started are read from RECSITE_HOME/run/services.json.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import environ
from celery.schedules import crontab
from csp.constants import NONCE, SELF
from django.core.exceptions import ImproperlyConfigured

BASE_DIR = Path(__file__).resolve().parent.parent
env = environ.FileAwareEnv()

# ---------------------------------------------------------------- where things lie
RECSITE_HOME = Path(env.str("RECSITE_HOME", default=str(BASE_DIR / "var"))).resolve()
PRODUCTION = env.bool("RECSITE_PRODUCTION", default=False)
DEBUG = env.bool("DJANGO_DEBUG", default=False)
DEMO = env.str("DEMO", default="grocery")
RECSITE_LLM = env.str("RECSITE_LLM", default="auto")
LABEL_EMBEDDER = env.str("LABEL_EMBEDDER", default="auto")
LABEL_DESCRIPTIONS = env.str("LABEL_DESCRIPTIONS", default="on")
if DEMO not in {"grocery", "none"}:
    raise ImproperlyConfigured(f"DEMO is {DEMO!r}; use 'grocery' or 'none'.")
if RECSITE_LLM not in {"auto", "off"}:
    raise ImproperlyConfigured(f"RECSITE_LLM is {RECSITE_LLM!r}; use 'auto' or 'off'.")
if LABEL_EMBEDDER not in {"auto", "off"}:
    raise ImproperlyConfigured(f"LABEL_EMBEDDER is {LABEL_EMBEDDER!r}; use 'auto' or 'off'.")
if LABEL_DESCRIPTIONS not in {"on", "off"}:
    raise ImproperlyConfigured(f"LABEL_DESCRIPTIONS is {LABEL_DESCRIPTIONS!r}; use 'on' or 'off'.")
if PRODUCTION and DEBUG:
    raise ImproperlyConfigured("RECSITE_PRODUCTION and DJANGO_DEBUG are both on; switch one off.")


NOT_OUR_HOME = f"{RECSITE_HOME} belongs to another account; run as that one, or set RECSITE_HOME to another directory."


def _embedded(name: str) -> str:
    """The address of a running embedded service, or '' where `manage.py up` is not running."""
    try:
        services = json.loads((RECSITE_HOME / "run" / "services.json").read_text())
    except FileNotFoundError:
        return ""
    except PermissionError:
        raise ImproperlyConfigured(NOT_OUR_HOME) from None
    return str(services.get(name, ""))


def _setting(name: str, default: str = "") -> str:
    return env.str(name, default="") or _embedded(name) or default


def _whole(name: str, default: int) -> int:
    try:
        return int(env.int(name, default=default))
    except ValueError:
        raise ImproperlyConfigured(f"{name} is {env.str(name)!r}; use a whole number.") from None


def _seconds(name: str, default: float) -> float:
    try:
        return float(env.str(name, default=str(default)))
    except ValueError:
        raise ImproperlyConfigured(f"{name} is {env.str(name)!r}; use a number of seconds.") from None


def _price(name: str) -> float | None:
    """None where it is unset."""
    if not (said := env.str(name, default="")):
        return None
    try:
        price = float(said)
    except ValueError:
        price = -1.0
    if not 0 <= price < 1e6:
        raise ImproperlyConfigured(f"{name} is {said!r}; use the price of a million tokens, such as 0.15.")
    return price


def _label_embedder_path() -> str:
    """Where the larger embedding model is, or will be once it is fetched; '' where it is off."""
    if own := env.str("LABEL_EMBEDDER_PATH", default=""):
        return "" if LABEL_EMBEDDER == "off" else own
    if "off" in {LABEL_EMBEDDER, RECSITE_LLM}:
        return ""
    return str(RECSITE_HOME / "models" / "all-mpnet-base-v2")


def _secret_key() -> str:
    if key := env.str("SECRET_KEY", default=""):
        return key
    if PRODUCTION:
        raise ImproperlyConfigured("SECRET_KEY is not set; production needs one of 50 random characters or more.")
    from recsite.operations.embedded.secrets import stored_secret

    try:
        return stored_secret(RECSITE_HOME, "secret_key", length=64)
    except PermissionError:
        raise ImproperlyConfigured(NOT_OUR_HOME) from None


SECRET_KEY = _secret_key()
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])

# ---------------------------------------------------------------- applications
INSTALLED_APPS = [
    "recsite.operations",
    "catalog",
    "recommender",
    "unfold",
    "unfold.contrib.filters",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "django.contrib.humanize",
    "rest_framework",
    "rest_framework_api_key",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "drf_standardized_errors",
    "django_filters",
    "django_htmx",
    "csp",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "csp.middleware.CSPMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "recsite.operations.preferences.middleware",
    "recsite.operations.change_context.middleware",
]
ROOT_URLCONF = "recsite.urls"
WSGI_APPLICATION = "recsite.wsgi.application"
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
                "django.template.context_processors.i18n",
                "csp.context_processors.nonce",
                "recsite.frame.frame",
            ],
        },
    },
]
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "login"

# ---------------------------------------------------------------- database
DATABASE_URL = _setting("DATABASE_URL")
if not DATABASE_URL and PRODUCTION:
    raise ImproperlyConfigured("DATABASE_URL is not set; production needs a PostgreSQL with pgvector.")
DATABASES: dict[str, dict[str, Any]] = {
    "default": env.db_url_config(DATABASE_URL or "postgresql://recsite-is-not-running@127.0.0.1:1/recsite")
}
if DATABASES["default"].get("ENGINE") != "django.db.backends.postgresql":
    raise ImproperlyConfigured("DATABASE_URL is no PostgreSQL address; use postgresql://user:password@host:5432/name.")
DATABASES["default"]["CONN_MAX_AGE"] = _whole("CONN_MAX_AGE_S", 60)
DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
# A plan prepared before hnsw.* settings change would be kept after it; see docs/decisions/0003.
DATABASES["default"].setdefault("OPTIONS", {})["prepare_threshold"] = None
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# ---------------------------------------------------------------- broker and tasks
BROKER_URL = _setting("BROKER_URL")
if not BROKER_URL and PRODUCTION:
    raise ImproperlyConfigured("BROKER_URL is not set; production needs Redis, Valkey or RabbitMQ.")
CELERY_BROKER_URL = BROKER_URL or "redis://127.0.0.1:1/0"
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_TASK_PUBLISH_RETRY = True
CELERY_TASK_PUBLISH_RETRY_POLICY = {"max_retries": 2, "interval_start": 0.1, "interval_step": 0.2}
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "visibility_timeout": _whole("CELERY_VISIBILITY_TIMEOUT_S", 3600),
    "unacked_restore_interval": 10,
    "unacked_restore_throttle": 1,
    "socket_connect_timeout": 2,
    "socket_timeout": 10,
}
CELERY_TASK_DEFAULT_QUEUE = "default"
# Three queues, so that a list never waits for a label: `events` rebuilds interests within seconds, `models`
# runs embedding and labelling, `default` runs imports and housekeeping.
CELERY_TASK_ROUTES = {
    "catalog.tasks.embed_*": {"queue": "models"},
    "catalog.tasks.label_*": {"queue": "models"},
    "catalog.tasks.describe_*": {"queue": "models"},
    "catalog.tasks.learn*": {"queue": "models"},
    "recommender.tasks.rebuild_user_interests": {"queue": "events"},
    "recommender.tasks.summarise_*": {"queue": "models"},
    # It loads torch, which only workers of the models queue do.
    "recommender.tasks.train_interests": {"queue": "models"},
    "recommender.tasks.build_interest_map": {"queue": "models"},
    "*.tasks.sweep": {"queue": "events"},
}
# A stopping worker gives its task three seconds, then hands the message back to the broker.
CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT = 3.0
# Sweeps ring again for rows left behind; an old ring is worth nothing, so it expires before the next.
SWEEP_EVERY_S = _seconds("SWEEP_EVERY_S", 30.0)
CELERY_BEAT_SCHEDULE = {
    **{
        name: {"task": name, "schedule": SWEEP_EVERY_S, "options": {"expires": SWEEP_EVERY_S * 5 / 6}}
        for name in ("catalog.tasks.sweep", "recommender.tasks.sweep")
    },
    "recommender.tasks.refresh_statistics": {"task": "recommender.tasks.refresh_statistics", "schedule": 3600.0},
    "recommender.tasks.check_golden_users": {
        "task": "recommender.tasks.check_golden_users",
        "schedule": crontab(hour=3, minute=10),
    },
    "recommender.tasks.refresh_figures": {"task": "recommender.tasks.refresh_figures", "schedule": 600.0},
    "recommender.tasks.learn_interests": {"task": "recommender.tasks.learn_interests", "schedule": 21_600.0},
}
CELERY_TIMEZONE = "UTC"

# ---------------------------------------------------------------- recommendations
SLATE_RETENTION_DAYS = _whole("SLATE_RETENTION_DAYS", 90)

# ---------------------------------------------------------------- models
EMBEDDING_DIM = 384
LLM_BASE_URL = "" if RECSITE_LLM == "off" else _setting("LLM_BASE_URL")
LLM_API_KEY = _setting("LLM_API_KEY")
LLM_MODEL = _setting("LLM_MODEL")
LLM_MODEL_PATH = env.str("LLM_MODEL_PATH", default="")
LLM_TIMEOUT_S = _seconds("LLM_TIMEOUT_S", 60.0)
LLM_CONCURRENCY = _whole("LLM_CONCURRENCY", 4)
LLM_PRICE_PER_M_PROMPT = _price("LLM_PRICE_PER_M_PROMPT")
LLM_PRICE_PER_M_COMPLETION = _price("LLM_PRICE_PER_M_COMPLETION")
LLM_PRICE_CURRENCY = env.str("LLM_PRICE_CURRENCY", default="USD")
LABEL_EMBEDDER_PATH = _label_embedder_path()
# How long a worker's claim on requests, and the lease on draining them, outlive their last renewal.
LABEL_CLAIM_S = _seconds("LABEL_CLAIM_S", 30.0)
LABEL_LEASE_S = _seconds("LABEL_LEASE_S", 10.0)

# ---------------------------------------------------------------- API
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "recsite.operations.authentication.ApiKeyAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["recsite.operations.authentication.HasScope"],
    "DEFAULT_PAGINATION_CLASS": "recsite.operations.pagination.Pages",
    "PAGE_SIZE": 50,
    "DEFAULT_FILTER_BACKENDS": ["django_filters.rest_framework.DjangoFilterBackend"],
    "DEFAULT_PARSER_CLASSES": ["recsite.operations.parsers.StrictJSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_SCHEMA_CLASS": "drf_standardized_errors.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "recsite.operations.errors.exception_handler",
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "recsite API",
    "DESCRIPTION": "Items and events in, next items out.",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
}
DATA_UPLOAD_MAX_MEMORY_SIZE = 5 * 1024 * 1024

# ---------------------------------------------------------------- language, time, files
LANGUAGE_CODE = "en"
LOCALE_PATHS = [BASE_DIR / "recsite" / "locale"]
LANGUAGES = [("en", "English"), ("zh-hans", "简体中文")]
TIME_ZONE = env.str("TIME_ZONE", default="UTC")
USE_I18N = True
USE_TZ = True
USE_THOUSAND_SEPARATOR = True
STATIC_URL = "/static/"
STATIC_ROOT = RECSITE_HOME / "static"
STATICFILES_DIRS = [BASE_DIR / "static"]
WHITENOISE_USE_FINDERS = not PRODUCTION
WHITENOISE_MAX_AGE = 31536000 if PRODUCTION else 60
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"
        if PRODUCTION
        else "django.contrib.staticfiles.storage.StaticFilesStorage"
    },
}

# ---------------------------------------------------------------- security
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SECURE = PRODUCTION
CSRF_COOKIE_SECURE = PRODUCTION
SECURE_SSL_REDIRECT = PRODUCTION and env.bool("SSL_REDIRECT", default=True)
SECURE_REDIRECT_EXEMPT = [r"^health/"]
SECURE_HSTS_SECONDS = _whole("HSTS_S", 31536000) if PRODUCTION else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = PRODUCTION
SECURE_HSTS_PRELOAD = PRODUCTION
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if env.bool("BEHIND_PROXY", default=False) else None
CONTENT_SECURITY_POLICY = {
    "EXCLUDE_URL_PREFIXES": ("/admin/", "/api/docs/"),
    "DIRECTIVES": {
        "default-src": [SELF],
        "script-src": [SELF, NONCE],
        "style-src": [SELF, "'unsafe-inline'"],
        "img-src": [SELF, "data:", "https:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "frame-ancestors": ["'none'"],
        "form-action": [SELF],
        "base-uri": [SELF],
    },
}
AUTHENTICATION_BACKENDS = ["recsite.operations.staff_backend.StaffBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]

# ---------------------------------------------------------------- logging
LOG_LEVEL = env.str("LOG_LEVEL", default="INFO")
from recsite.appearance import UNFOLD  # noqa: E402, F401
from recsite.operations.logs import logging_config  # noqa: E402  (settings must exist before logging is described)

LOGGING = logging_config(level=LOG_LEVEL, as_json=PRODUCTION)
