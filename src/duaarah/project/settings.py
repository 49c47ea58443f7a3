# SPDX-License-Identifier: Apache-2.0
"""Django's settings, all of them from the environment; the table of variables is docs/operating/configuration.md."""

from __future__ import annotations

import os
import secrets
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any

import psycopg.conninfo

from duaarah.project.assets import vendor_folder
from duaarah.project.catalogues import compiled_folder
from duaarah.project.places import CHECKOUT, data_dir
from duaarah.project.profiles import use_profiles_of_environment
from duaarah.project.tables import use_tables_of_environment

use_tables_of_environment()
use_profiles_of_environment()
DATA_DIR = data_dir()


def _secret_key() -> str:
    """The variable, else a key made once and kept in the data folder, readable by its owner only."""
    if given := os.environ.get("DUAARAH_SECRET_KEY"):
        return given
    path = DATA_DIR / "secret-key"
    try:
        return path.read_text()
    except OSError:
        made = secrets.token_urlsafe(50)
    written = DATA_DIR / f"secret-key.{os.getpid()}.{secrets.token_hex(4)}"
    try:
        DATA_DIR.mkdir(parents=True, exist_ok=True)
        # Whole, then by its name: another process that starts now must not read an empty key.
        with os.fdopen(os.open(written, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(made)
        path.hardlink_to(written)
    except FileExistsError:
        return path.read_text()
    except OSError:
        return made
    finally:
        written.unlink(missing_ok=True)
    return made


def _database() -> dict[str, Any]:
    """Django's database settings from one URL or conninfo string."""
    given = os.environ.get("DUAARAH_DATABASE_URL", "")
    parts = psycopg.conninfo.conninfo_to_dict(given) if given else {}
    known = {key: str(parts.pop(key, "") or "") for key in ("dbname", "user", "password", "host", "port")}
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": known["dbname"] or "duaarah",
        "USER": known["user"],
        "PASSWORD": known["password"],
        "HOST": known["host"],
        "PORT": known["port"],
        "CONN_MAX_AGE": 0,
        "OPTIONS": {
            **{key: str(value) for key, value in parts.items()},
            "options": "-c timezone=UTC -c lock_timeout=5s -c idle_in_transaction_session_timeout=60s",
            "pool": {
                "min_size": 1,
                "max_size": int(os.environ.get("DUAARAH_POOL_MAX", "4")),
                # How long a database may be away before a command says so.
                "timeout": float(os.environ.get("DUAARAH_POOL_TIMEOUT_S", "10")),
            },
        },
    }


SECRET_KEY = _secret_key()
DEBUG = False
ALLOWED_HOSTS = [h for h in os.environ.get("DUAARAH_HOSTS", "127.0.0.1,localhost,[::1]").split(",") if h]
ROOT_URLCONF = "duaarah.project.urls"
WSGI_APPLICATION = "duaarah.project.wsgi.application"
DATABASES = {"default": _database()}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
AUTH_USER_MODEL = "people.Login"

FEATURES = (
    "audit",
    "clock",
    "people",
    "registry",
    "sms",
    "readings",
    "headend",
    "messaging",
    "outages",
    "vending",
    "notices",
    "analytics",
    "reports",
)
PORTALS = ("shared", "customer", "fleet", "utility", "dataop", "mobileop", "gerai", "api")
INSTALLED_APPS = [
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "procrastinate.contrib.django",
    *(f"duaarah.{name}" for name in FEATURES),
    *(f"duaarah.web.{name}" for name in PORTALS),
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "duaarah.web.shared.security.ContentSecurityPolicy",
    "duaarah.web.api.problems.ApiProblems",
]
TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "django.template.context_processors.i18n",
                "duaarah.web.shared.context.shared",
            ],
        },
    }
]
STATIC_URL = "/static/"
VENDOR_FOLDER = vendor_folder(CHECKOUT)
ASSETS_VENDOR = VENDOR_FOLDER.exists()
STATICFILES_DIRS = [VENDOR_FOLDER] if ASSETS_VENDOR else []
# Served from where they lie, each with its compressed copy where set-up has made one; nothing is collected.
WHITENOISE_USE_FINDERS = True
WHITENOISE_MAX_AGE = 3600
# A signed cookie: no table that every page would read and write.
SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_AGE = 12 * 3600
MESSAGE_STORAGE = "django.contrib.messages.storage.cookie.CookieStorage"
LOGIN_URL = "/masuk/"
# The demo's page at / and what only it may do.
STAGE = False
STAGE_TOWN_PORT = 0
STAGE_FOLDER: Path = Path()
STAGE_SEED = 7
STAGE_METERS = 1
DATA_UPLOAD_MAX_MEMORY_SIZE = 64 * 1024
# A file that somebody sends (keys, records of people) is never written to a temporary folder.
FILE_UPLOAD_HANDLERS = ["django.core.files.uploadhandler.MemoryFileUploadHandler"]
FILE_UPLOAD_MAX_MEMORY_SIZE = 32 * 1024 * 1024

LANGUAGE_CODE = "id"
LANGUAGES = [("id", "Bahasa Indonesia"), ("en", "English")]
LOCALE_PATHS = [compiled_folder(CHECKOUT)]
USE_I18N = True
USE_TZ = True
TIME_ZONE = "Asia/Jakarta"
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
    "duaarah.people.hashers.PINHasher",
]
LOGGING_CONFIG = None


def _networks(variable: str, *words: str) -> tuple[IPv4Network | IPv6Network, ...]:
    """Who may call: `loopback` and networks, by commas, words left out; nobody where the variable is not set."""
    given = [one.strip() for one in os.environ.get(variable, "").split(",") if one.strip() and one.strip() not in words]
    names = [name for one in given for name in (("127.0.0.0/8", "::1") if one == "loopback" else (one,))]
    try:
        return tuple(ip_network(name) for name in names)
    except ValueError:
        raise ValueError(f"{variable} is `loopback`, or networks such as 10.1.2.0/24, by commas.") from None


def _sts_networks() -> tuple[IPv4Network | IPv6Network, ...]:
    return _networks("DUAARAH_STS_API")


def _vending_networks() -> tuple[IPv4Network | IPv6Network, ...]:
    return _networks("DUAARAH_VENDING_API", "proxy")


def _mail_server() -> tuple[str, int, str]:
    """(host, port, how) of DUAARAH_SMTP: `HOST[:PORT][,starttls|tls|plain]`; an empty host where it is not set."""
    place, __, how = os.environ.get("DUAARAH_SMTP", "").partition(",")
    how = how.strip() or "starttls"
    host, __, port = place.strip().rpartition(":") if ":" in place else (place.strip(), "", "")
    if how not in ("starttls", "tls", "plain") or (port and not port.isdigit()):
        raise ValueError("DUAARAH_SMTP is HOST[:PORT][,starttls|tls|plain].")
    return host, int(port or {"tls": 465, "starttls": 587, "plain": 25}[how]), how


def _mail_password() -> str:
    if named := os.environ.get("DUAARAH_SMTP_PASSWORD_FILE"):
        return Path(named).read_text(encoding="utf-8").strip()
    return os.environ.get("DUAARAH_SMTP_PASSWORD", "")


# Reports by e-mail: Django's own names, and MAIL_SERVER says whether anything is sent.
EMAIL_HOST, EMAIL_PORT, _MAIL_HOW = _mail_server()
MAIL_SERVER = bool(EMAIL_HOST)
EMAIL_USE_TLS, EMAIL_USE_SSL = _MAIL_HOW == "starttls", _MAIL_HOW == "tls"
EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = os.environ.get("DUAARAH_SMTP_USER", ""), _mail_password()
EMAIL_TIMEOUT = 20
DEFAULT_FROM_EMAIL = os.environ.get("DUAARAH_MAIL_FROM", "Dua Arah <laporan@localhost>")
# What an address may end with after its @; any where nothing is set.
MAIL_DOMAINS = [d.strip().lower() for d in os.environ.get("DUAARAH_MAIL_DOMAINS", "").split(",") if d.strip()]
# Where people reach the pages, for links in mails: without a slash at its end.
PUBLIC_URL = os.environ.get("DUAARAH_PUBLIC_URL", "http://127.0.0.1:8000").rstrip("/")
# The platform's own settings.
STS_API_NETWORKS = _sts_networks()
VENDING_API_NETWORKS = _vending_networks()
# `proxy`: what one of these networks forwards is answered too; who is behind it the key alone says.
VENDING_API_PROXY = "proxy" in [one.strip() for one in os.environ.get("DUAARAH_VENDING_API", "").split(",")]
KEYSTORE_FILE = Path(os.environ.get("DUAARAH_KEYSTORE", DATA_DIR / "keys.duaarah"))
KEYSTORE_PASSPHRASE = os.environ.get("DUAARAH_KEYSTORE_PASSPHRASE", "")
# Day files of the interval store; for several machines and a Spark cluster a folder that all of them see.
READINGS_FOLDER = Path(os.environ.get("DUAARAH_READINGS", DATA_DIR / "readings"))
# Readings of the running hour become day files too, each ten minutes: fresh pages for more work (the demo does so).
READINGS_SOON = os.environ.get("DUAARAH_READINGS_SOON") == "1"
# Where channels drop files of tokens that they sold; nothing is read where the variable is not set.
TOKEN_FOLDER = Path(os.environ["DUAARAH_TOKEN_FOLDER"]) if os.environ.get("DUAARAH_TOKEN_FOLDER") else None
# Where tokens are bought from P2APST instead of made with our own keys; wiring/p2apst.py reads these.
P2APST_ADDRESS = os.environ.get("DUAARAH_P2APST", "")
P2APST_PARTNER = os.environ.get("DUAARAH_P2APST_PARTNER", "")
P2APST_BANK = os.environ.get("DUAARAH_P2APST_BANK", "")
P2APST_TERMINAL = os.environ.get("DUAARAH_P2APST_TERMINAL", "DUAARAH")
P2APST_FRAMING = os.environ.get("DUAARAH_P2APST_FRAMING", "length2")
COMMAND_LEASE_S = int(os.environ.get("DUAARAH_COMMAND_LEASE_S", "180"))
COMMAND_BACKOFF_S = int(os.environ.get("DUAARAH_COMMAND_BACKOFF_S", "60"))
INBOUND_LEASE_S = int(os.environ.get("DUAARAH_INBOUND_LEASE_S", "30"))
# Past this an invocation counter is near its end: an alarm, and new keys by itself.
COUNTER_MARK = int(os.environ.get("DUAARAH_COUNTER_MARK", "2000000000"))
# Words of meters about their supply are kept so long (days), and so far back a late log corrects an interruption.
OUTAGE_WORDS_KEEP_DAYS = max(2, int(os.environ.get("DUAARAH_OUTAGE_WORDS_DAYS", "45")))
SEGMENT_LEASE_S = int(os.environ.get("DUAARAH_SEGMENT_LEASE_S", "60"))
