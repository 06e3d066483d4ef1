"""Sessions of the back office written by PHP itself (tests/php/logins.php)."""

from __future__ import annotations

import base64
import json
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from orosync.model import AdminSession

SCRIPT = Path(__file__).resolve().parents[2] / "php" / "logins.php"
Sessions = Mapping[str, AdminSession | None]


def written(save: str, sessions: Sessions, used: float | None = None, lifetime: int = 7200, **where: Any) -> str:
    """PHP has saved ``sessions``, used last at ``used`` (default: now); what it printed."""
    asked = {
        "save": save,
        "used": int(time.time() if used is None else used),
        "lifetime": lifetime,
        "sessions": {session_id: _who(session) for session_id, session in sessions.items()},
        **where,
    }
    command = ["php", "-d", "session.serialize_handler=php", "-d", "display_errors=stderr", str(SCRIPT)]
    done = subprocess.run(command, input=json.dumps(asked), capture_output=True, text=True, timeout=60)
    if done.returncode or done.stderr:
        raise AssertionError(f"php: exit {done.returncode}; it said:\n{done.stdout}{done.stderr}")
    return done.stdout


def shown(sessions: Sessions, used: float | None = None) -> dict[str, bytes]:
    """What PHP saves, by id."""
    return {name: base64.b64decode(data) for name, data in json.loads(written("show", sessions, used)).items()}


def _who(session: AdminSession | None) -> dict[str, Any] | None:
    if session is None:
        return None
    return {
        "id": session.user_id,
        "username": session.username,
        "password": session.password_hash,
        "organization": session.organization_id,
        "roles": sorted(session.roles),
    }
