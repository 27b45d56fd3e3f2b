"""Django settings, all taken from the environment or a file of `NAME=value` lines; `.env.example` lists them.

What is read from the environment is checked in `marketo/environment.py`. Without DEBUG everything is locked down:
https only, secure cookies, HSTS; `manage.py check --deploy` is clean.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import environ
from csp.constants import NONCE, NONE, SELF

from marketo import environment

BASE_DIR = Path(__file__).resolve().parent.parent

env = environ.Env()
ENV_FILE = environment.env_file(BASE_DIR)
if ENV_FILE is not None:
    env.read_env(ENV_FILE)  # variables that are set already win over the file

# --- What kind of installation this is -------------------------------------------------------------------------------

DEBUG: bool = env.bool("DEBUG", default=False)
# http instead of https, for a server that listens on this machine's loopback address only: the demo, a first look.
PLAIN_HTTP_ON_LOOPBACK: bool = env.bool("PLAIN_HTTP_ON_LOOPBACK", default=False)
HTTPS = not (DEBUG or PLAIN_HTTP_ON_LOOPBACK)

SECRET_KEY = environment.secret_key(env, debug=DEBUG)
ALLOWED_HOSTS = environment.allowed_hosts(env, debug=DEBUG, plain_http=PLAIN_HTTP_ON_LOOPBACK)
CSRF_TRUSTED_ORIGINS: list[str] = env.list("CSRF_TRUSTED_ORIGINS", default=[])

# --- The sync --------------------------------------------------------------------------------------------------------

# Fernet keys for the sync users' secrets: the first one encrypts, all of them decrypt.
FIELD_ENCRYPTION_KEYS = environment.field_encryption_keys(env)
# The wait between the end of a cycle and the start of the next one.
SYNC_INTERVAL_MINUTES = environment.whole_number(env, "SYNC_INTERVAL_MINUTES", default=5, least=1, most=1440)
# Hosts beside Salesforce's own domains and this machine that a login URL may name.
SALESFORCE_ALLOWED_HOSTS: list[str] = [host.strip() for host in env.list("SALESFORCE_ALLOWED_HOSTS", default=[])]

# Which installation this is. The database remembers it, so that a copy of the database does not sync, too.
INSTALLATION_ID = environment.installation_id(env)

# --- Applications ----------------------------------------------------------------------------------------------------

INSTALLED_APPS = [
    "syncer.apps.SyncerConfig",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",  # `runserver` serves static files as gunicorn does
    "django.contrib.staticfiles",
    "django_q",
    "axes",
    "csp",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "csp.middleware.CSPMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "axes.middleware.AxesMiddleware",  # the last one, as django-axes asks
]

ROOT_URLCONF = "marketo.urls"
WSGI_APPLICATION = "marketo.wsgi.application"

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
                "csp.context_processors.nonce",
            ],
        },
    },
]

# --- Data ------------------------------------------------------------------------------------------------------------

DATABASES: dict[str, dict[str, Any]] = {"default": environment.database(env, BASE_DIR)}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

REDIS_URL = environment.redis_url(env)
CACHE_DIR: Path = BASE_DIR / env.str("CACHE_DIR", default="build/cache")
# How far the sync has come is kept here, beside the database, so that a restored backup is noticed.
STATE_DIR: Path = BASE_DIR / env.str("STATE_DIR", default="state")

# The cache has to be shared between processes: django-q2 keeps the state of its cluster there, and with a cache per
# process the cluster looks dead from outside. Files rather than a table, because that state is written twice a second:
# it would take SQLite's one write lock each time. Several machines share one cache through REDIS_URL. The files are
# pickles; Django makes their directory readable by this user only.
CACHES: dict[str, dict[str, Any]] = {
    "default": (
        {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": REDIS_URL, "KEY_PREFIX": "marketo"}
        if REDIS_URL
        else {"BACKEND": "django.core.cache.backends.filebased.FileBasedCache", "LOCATION": str(CACHE_DIR / "django")}
    )
}

# --- Background work -------------------------------------------------------------------------------------------------

# A queued task is a wake-up call that can be lost or repeated: whatever must survive is in tables of our own. So a
# failed or killed task is never retried by the queue (ack_failures, max_attempts), and nothing waits in memory past its
# lock: `retry` is far above timeout * (1 + ceil((queue_limit + bulk) / workers)). Two workers, because a cluster of one
# is dead for good when its idle worker is killed.
Q_CLUSTER: dict[str, Any] = {
    "name": "marketo",
    "label": "Background work",
    "workers": 2,
    "queue_limit": 1,
    "bulk": 1,
    "timeout": 900,
    "retry": 3600,
    "ack_failures": True,
    "max_attempts": 1,
    "save_limit": 250,
    "save_limit_per": "func",
    "catch_up": False,
    "poll": 0.5,
    # Without this key every command fails while Q_CLUSTER_NAME is in the environment.
    "ALT_CLUSTERS": {},
    **({"redis": REDIS_URL} if REDIS_URL else {"orm": "default"}),
}

# --- Language and time -----------------------------------------------------------------------------------------------

LANGUAGE_CODE = environment.language(env)
TIME_ZONE = environment.time_zone(env)
USE_I18N = True
USE_TZ = True

# --- Static files ----------------------------------------------------------------------------------------------------

STATIC_URL = "static/"
STATIC_ROOT: Path = BASE_DIR / env.str("STATIC_ROOT", default="staticfiles")
STORAGES: dict[str, dict[str, Any]] = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": (
            "django.contrib.staticfiles.storage.StaticFilesStorage"
            if DEBUG
            else "whitenoise.storage.CompressedManifestStaticFilesStorage"
        )
    },
}
# While developing, from where they are; otherwise as `collectstatic` has gathered them.
WHITENOISE_USE_FINDERS = WHITENOISE_AUTOREFRESH = DEBUG

# --- E-mail ----------------------------------------------------------------------------------------------------------

globals().update(environment.email(env))
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL: str = env.str("DEFAULT_FROM_EMAIL", default="marketo@localhost")
SERVER_EMAIL = DEFAULT_FROM_EMAIL

# --- Logging in ------------------------------------------------------------------------------------------------------

AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",  # refuses before a password is looked at
    "django.contrib.auth.backends.ModelBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
LOGIN_URL = "admin:login"
LOGIN_REDIRECT_URL = "admin:index"

# Five wrong passwords for one name from one address close that pair for fifteen minutes: nobody can lock somebody
# else out from elsewhere, and all colleagues behind one proxy are not locked out together.
AXES_FAILURE_LIMIT = 5
AXES_COOLOFF_TIME = timedelta(minutes=15)
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_RESET_ON_SUCCESS = True
AXES_VERBOSE = False

# Salesforce allows 900 custom fields on leads and 900 others on contacts; a new person's form has them all, and a
# multi-select sends a value for each choice.
DATA_UPLOAD_MAX_NUMBER_FIELDS = 5000
SESSION_COOKIE_AGE = 12 * 60 * 60  # a working day

# --- Transport and browser -------------------------------------------------------------------------------------------

SECURE_SSL_REDIRECT = HTTPS
SESSION_COOKIE_SECURE = HTTPS
CSRF_COOKIE_SECURE = HTTPS
SECURE_HSTS_SECONDS = (
    environment.whole_number(env, "SECURE_HSTS_SECONDS", default=31_536_000, least=0, most=63_072_000) if HTTPS else 0
)
SECURE_HSTS_INCLUDE_SUBDOMAINS = HTTPS
SECURE_HSTS_PRELOAD = HTTPS
if env.bool("BEHIND_HTTPS_PROXY", default=False):
    # Only for a proxy that always sets or removes this header itself: a client could claim https otherwise.
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
X_FRAME_OPTIONS = "DENY"

# Everything from this server only, and no inline script without the nonce of its page ({{ csp_nonce }}).
CONTENT_SECURITY_POLICY: dict[str, Any] = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "base-uri": [NONE],
        "connect-src": [SELF],
        "font-src": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
        "img-src": [SELF],
        "manifest-src": [SELF],
        "object-src": [NONE],
        "script-src": [SELF, NONCE],
        "style-src": [SELF],
    }
}

# --- Logs ------------------------------------------------------------------------------------------------------------

LOG_LEVEL = environment.log_level(env)
LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{asctime} {levelname} {name}: {message}", "style": "{"}},
    # On stderr, so that what a command prints on stdout stays clean.
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": "WARNING"},
    "loggers": {
        "django": {"handlers": ["console"], "level": LOG_LEVEL, "propagate": False},
        # django-q2 would add a handler of its own if this logger had none.
        "django-q": {"handlers": ["console"], "level": LOG_LEVEL, "propagate": False},
        "axes": {"handlers": ["console"], "level": LOG_LEVEL, "propagate": False},
        "syncer": {"level": LOG_LEVEL},
        "marketo": {"level": LOG_LEVEL},
    },
}
