"""Oro applications as they ship, as far as orosync reads them: files of the same names with the same keys.

What differs between applications and versions (``tests/deployments/cases.py``) differs here: the cookie and its path,
the prefix of the back office, the place of the maintenance lock.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from tests.authz.oro_application import CONVERSATION, FILES
from tests.deployments.cases import APPLICATIONS, VERSIONS

PUBLISHED_DSN = (
    "postgres://oro_db_user:oro_db_pass@127.0.0.1:5432/oro_db?sslmode=disable&charset=utf8&serverVersion=13.7"
)

COMPOSER = {
    "platform": ("oro/platform-application", ("oro/platform",)),
    "crm": ("oro/crm-application", ("oro/crm",)),
    "commerce": ("oro/commerce-crm-application", ("oro/crm", "oro/commerce", "oro/commerce-crm")),
}

VARIABLES = """# Comments, and blocks of variables
ORO_ENV=prod
ORO_SECRET=ThisTokenIsNotSoSecretChangeIt

ORO_DB_URL={dsn}
ORO_DB_DSN=${{ORO_DB_URL}}
ORO_SESSION_DSN=native:
# ORO_SESSION_DSN=${{ORO_REDIS_URL}}/0
ORO_WEBSOCKET_SERVER_DSN=
ORO_WEBSOCKET_FRONTEND_DSN=
ORO_WEBSOCKET_BACKEND_DSN=
ORO_REDIS_URL=redis://127.0.0.1:6379
ORO_MAINTENANCE_LOCK_FILE_PATH=%kernel.project_dir%/{lock}
ORO_LOG_STACKTRACE_LEVEL="error"
ORO_OAUTH_PUBLIC_KEY_PATH='%kernel.project_dir%/var/oauth_public.key'
"""

CONFIG = """imports:
    - {{ resource: parameters.yml, ignore_errors: not_found }}
    - {{ resource: security.yml }}
    - {{ resource: doctrine.yml }}

parameters:
{prefix}    secret: '%env(ORO_SECRET)%'
    database_dsn: '%env(ORO_DB_DSN)%'
    websocket_server_dsn: '%env(ORO_WEBSOCKET_SERVER_DSN)%'
    websocket_frontend_dsn: '%env(ORO_WEBSOCKET_FRONTEND_DSN)%'
    websocket_backend_dsn: '%env(ORO_WEBSOCKET_BACKEND_DSN)%'
    session_handler_dsn: '%env(ORO_SESSION_DSN)%'
    maintenance_lock_file_path: '%env(resolve:ORO_MAINTENANCE_LOCK_FILE_PATH)%'

    env(ORO_SECRET): ThisTokenIsNotSoSecretChangeIt
    env(ORO_DB_URL): 'postgresql://root@127.0.0.1/bap_standard'
    env(ORO_DB_DSN): '%env(ORO_DB_URL)%'
    env(ORO_SESSION_DSN): 'native:'
    env(ORO_WEBSOCKET_SERVER_DSN): '//0.0.0.0:8080'
    env(ORO_WEBSOCKET_FRONTEND_DSN): '//*:8080/ws'
    env(ORO_WEBSOCKET_BACKEND_DSN): 'tcp://127.0.0.1:8080'
    env(ORO_TRACKING_DATA_FOLDER): null

framework:
    secret:          "%secret%"
    session:
        name:                 {cookie}
        handler_id:           '%session_handler%'
        save_path:            '%kernel.project_dir%/var/sessions/%kernel.environment%'
        gc_maxlifetime:       7200 # two hours
        cookie_httponly:      true
        cookie_secure:        'auto'

oro_maintenance:
    driver:
        options:
            file_path:        '%maintenance_lock_file_path%'
"""

PRODUCTION = """imports:
    - { resource: config.yml }

parameters:
    main_log_channels: []
"""
STOREFRONT = """
framework:
    session:
        cookie_path: '%web_backend_prefix%'

oro_frontend:
    session:
        name: OROSFID
        cookie_path: '/'
"""


def lay_out(top: Path, application: str, version: str, variables: Mapping[str, str] | None = None) -> Path:
    """``platform``, ``crm`` or ``commerce`` in a version, below ``top``; ``variables`` stand in .env-app.local."""
    shipped = APPLICATIONS[application]
    name, required = COMPOSER[application]
    prefixed = (application == "crm" and version != "7.0") or (application == "platform" and version in ("6.0", "6.1"))
    files = {
        "composer.json": json.dumps({"name": name, "require": dict.fromkeys(required, f"{version}.*")}),
        ".env-app": VARIABLES.format(dsn=PUBLISHED_DSN, lock=VERSIONS[version].lock),
        "config/config.yml": CONFIG.format(
            cookie=shipped.cookie, prefix="    web_backend_prefix: ''\n" if prefixed else ""
        ),
        "config/config_prod.yml": PRODUCTION + (STOREFRONT if shipped.prefix else ""),
        "config/security.yml": "security:\n    firewalls:\n        dev:\n            security: false\n",
        "config/doctrine.yml": "doctrine:\n    orm:\n        mappings:\n            App: {is_bundle: false}\n",
        **{name: text for name, text in FILES.items() if version != "5.1" or not name.startswith(CONVERSATION)},
    }
    if variables:
        files[".env-app.local"] = "".join(f"{name}='{value}'\n" for name, value in variables.items())
    for name, text in files.items():
        path = top / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (top / "var" / "sessions" / "prod").mkdir(parents=True)
    return top
