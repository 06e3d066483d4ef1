"""What the files of an Oro application say about its WebSocket server: secret, database, sessions, cookie, addresses.

As Symfony reads them: ``.env-app`` and the files beside it (``dotenv.py``), under the variables of the process;
``config/config_ENVIRONMENT.yml`` with its imports, the later file before the earlier one; ``%parameters%`` and
``%env(...)%`` in values. PHP is not run: what bundles add to the configuration, and Symfony's secrets vault, are not
seen. Values are read, never shown: faults name keys and variables.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import attrs

from orosync.config import dotenv, yaml_document
from orosync.errors import ConfigError

BASE, SELECTOR = ".env-app", "ORO_ENV"
"""The application's own names for Symfony's .env and APP_ENV (its composer.json, extra.runtime)."""

PREFIX = "/admin"
"""The back office's prefix where a storefront is installed and no ``web_backend_prefix`` is set (FrontendBundle)."""

_DEEPEST = 20
"""Parameters within parameters."""

_PLACEHOLDER = re.compile(r"%%|%([^%\s]+)%")
_SESSION = ("framework", "session")


@attrs.frozen
class Setting:
    """A value of the application and where it is written, like ``ORO_SECRET in .env-app.local``."""

    value: str = attrs.field(repr=False)
    place: str


@attrs.frozen
class WebSocketDsn:
    """One of Oro's ORO_WEBSOCKET_..._DSN (SyncBundle, DsnBasedParameters)."""

    host: str
    port: int
    path: str
    """Without slashes at its ends."""

    tls: bool


@attrs.frozen(kw_only=True)
class OroApplication:
    """What was found; None where nothing says it. ``missing`` has a sentence for each file or value that could not be
    read, with what to do."""

    directory: Path
    name: str
    version: str
    """Like 6.1; "" if composer.json does not tell."""

    environment: str
    secret: Setting | None
    database: Setting | None
    sessions: Setting | None
    """The session store's DSN, like ``native:``."""

    session_path: Setting | None
    session_lifetime: Setting | None
    cookie: Setting | None
    cookie_path: Setting | None
    prefix: str
    """That of the back office's URLs, without a slash at its end."""

    server: WebSocketDsn | None
    frontend: WebSocketDsn | None
    backend: WebSocketDsn | None
    missing: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """Name, version and place, in words."""
        return " ".join(filter(None, (self.name or "Oro", self.version, "in", str(self.directory))))


def read(directory: Path, environ: Mapping[str, str]) -> OroApplication:
    """The application in ``directory``, as a process with the variables ``environ`` sees it.

    Raises ConfigError when it is no Oro application, ImportError without PyYAML.
    """
    top = directory.absolute()
    if not (top / "config" / "config.yml").is_file() or not (top / "composer.json").is_file():
        raise ConfigError(
            [f"{directory} has no composer.json and config/config.yml, name the directory of an Oro application"]
        )
    return _Reader(top, environ).application()


def websocket_dsn(text: str) -> WebSocketDsn | None:
    """None where the host is empty or ``null``: Oro then has no WebSocket server. ValueError for what is no DSN."""
    found = re.fullmatch(
        r"(?:(?P<scheme>[a-z][a-z0-9.]*):)?//(?P<host>[^/?#:\[\]]*|\[[0-9A-Fa-f:.]+\])(?::(?P<port>[0-9]{1,5}))?"
        r"(?P<path>/[^?#]*)?(?:\?.*)?",
        text,
    )
    if not text:
        return None
    if found is None:
        raise ValueError("is not a DSN, write it like tcp://127.0.0.1:8080")
    if found["host"] in ("", "null"):
        return None
    tls = (found["scheme"] or "").startswith(("ssl", "tls"))
    return WebSocketDsn(found["host"], int(found["port"] or 8080), (found["path"] or "").strip("/"), tls)


class _Unresolved(Exception):
    """A value that depends on something that is not known; the text says on what."""


@attrs.frozen
class _File:
    name: str
    root: Any


class _Reader:
    def __init__(self, top: Path, environ: Mapping[str, str]) -> None:
        self._top = top
        self._missing: list[str] = []
        env = dotenv.load(top, BASE, SELECTOR, environ)
        self._missing += env.faults
        self._variables = env.variables
        selected = self._variables.get(SELECTOR)
        self.environment = selected.value if selected is not None and selected.value else "prod"
        self._files: list[_File] = []
        first = Path("config", f"config_{self.environment}.yml")
        self._load(first if (top / first).is_file() else Path("config", "config.yml"), set())
        self._used: list[str] = []

    def application(self) -> OroApplication:
        name, version, storefront = self._composer()
        cookie_path = self._setting("the path of its session cookie", _SESSION, "cookie_path") or Setting("/", "")
        own_prefix = self._setting("the back office's prefix", ("parameters",), "web_backend_prefix")
        prefix = own_prefix.value if own_prefix is not None else PREFIX if storefront else ""
        return OroApplication(
            directory=self._top,
            name=name,
            version=version,
            environment=self.environment,
            secret=self._parameter("its secret", "secret", "ORO_SECRET", ("framework",)),
            database=self._parameter("its database", "database_dsn", "ORO_DB_DSN"),
            sessions=self._parameter("its session store", "session_handler_dsn", "ORO_SESSION_DSN"),
            session_path=self._setting("the directory of its sessions", _SESSION, "save_path"),
            session_lifetime=self._setting("the lifetime of its sessions", _SESSION, "gc_maxlifetime"),
            cookie=self._setting("the name of its session cookie", _SESSION, "name"),
            cookie_path=cookie_path,
            prefix=prefix.rstrip("/"),
            server=self._address("server"),
            frontend=self._address("frontend"),
            backend=self._address("backend"),
            missing=tuple(dict.fromkeys(self._missing)),
        )

    def _address(self, which: str) -> WebSocketDsn | None:
        name = f"ORO_WEBSOCKET_{which.upper()}_DSN"
        found = self._parameter(f"the address in {name}", f"websocket_{which}_dsn", name)
        try:
            return None if found is None else websocket_dsn(found.value)
        except ValueError as error:
            self._missing.append(f"{found.place} {error}" if found else str(error))
            return None

    def _parameter(self, what: str, name: str, variable: str, before: tuple[str, ...] = ()) -> Setting | None:
        """A key of the section ``before``, if there is one, else the parameter ``name``, else the variable."""
        for section in (*([before] if before else []), ("parameters",)):
            if self._node(*section, name) is not None:
                return self._setting(what, section, name)
        return self._resolved(what, f"%env({variable})%", "")

    def _setting(self, what: str, section: tuple[str, ...], key: str) -> Setting | None:
        found = self._node(*section, key)
        if found is None:
            return None
        file, node = found
        return self._resolved(what, node.value, f"{'.'.join((*section, key))} in {file.name}")

    def _resolved(self, what: str, text: str, place: str) -> Setting | None:
        self._used = []
        try:
            value = self._resolve(text, 0)
        except _Unresolved as error:
            self._missing.append(f"{what} is not known: {error}")
            return None
        return Setting(value, self._used[-1] if self._used else place)

    # -- values

    def _resolve(self, text: str, depth: int) -> str:
        if depth > _DEEPEST:
            raise _Unresolved("its parameters refer to one another without end")

        def meant(found: re.Match[str]) -> str:
            name = found[1]
            if name is None:
                return "%"
            in_environment = re.fullmatch(r"env\((.+)\)", name)
            return self._env(in_environment[1], depth) if in_environment else self._known(name, depth)

        return _PLACEHOLDER.sub(meant, text)

    def _known(self, name: str, depth: int) -> str:
        kernel = {
            "kernel.project_dir": str(self._top),
            "kernel.environment": self.environment,
            "kernel.cache_dir": str(self._top / "var" / "cache" / self.environment),
            "kernel.logs_dir": str(self._top / "var" / "logs"),
        }
        if name in kernel:
            return kernel[name]
        found = self._node("parameters", name)
        if found is not None:
            return self._resolve(found[1].value, depth + 1)
        if name == "web_backend_prefix":
            return PREFIX
        raise _Unresolved(f"the parameter {name} is in no file below config")

    def _env(self, expression: str, depth: int) -> str:
        """``%env(PROCESSOR:...:NAME)%`` (Symfony's EnvVarProcessor)."""
        processor, _, rest = expression.partition(":")
        if not rest:
            return self._variable(processor, depth)
        if processor == "default":
            fallback, _, inner = rest.partition(":")
            try:
                value = self._env(inner, depth)
            except _Unresolved:
                value = ""
            return value or (self._known(fallback, depth) if fallback else "")
        value = self._env(rest, depth)
        if processor in ("string", "int", "float"):
            return value
        if processor == "resolve":
            return self._resolve(value, depth + 1)
        if processor == "trim":
            return value.strip()
        if processor == "urlencode":
            return quote(value, safe="")
        if processor == "base64":
            return base64.b64decode(value + "==").decode(errors="replace")
        if processor == "file":
            try:
                return Path(value).read_text()
            except (OSError, UnicodeDecodeError) as error:
                raise _Unresolved(
                    f"{value} cannot be read ({getattr(error, 'strerror', None) or 'it is not text'})"
                ) from None
        raise _Unresolved(f"the processor {processor} in %env({expression})% is not one that is read here")

    def _variable(self, name: str, depth: int) -> str:
        variable = self._variables.get(name)
        if variable is not None:
            self._used.append(f"{name} in {variable.file}")
            return variable.value
        found = self._node("parameters", f"env({name})")
        if found is None:
            raise _Unresolved(f"no file and no variable sets {name}; set it in the environment of this command")
        file, node = found
        value = self._resolve(node.value, depth + 1)
        self._used.append(f"{name} in {file.name}")
        return value

    # -- files

    def _node(self, *path: str) -> tuple[_File, Any] | None:
        """The scalar at ``path`` in the file that decides, null not counted."""
        for file in reversed(self._files):
            node = file.root
            for key in path:
                node = next((value for name, value in reversed(_pairs(node)) if name == key), None)
            if node is not None and node.id == "scalar" and not node.tag.endswith(":null"):
                return file, node
        return None

    def _load(self, name: Path, seen: set[Path]) -> None:
        path = self._top / name
        if path in seen:
            return
        seen.add(path)
        try:
            data = path.read_bytes()
        except OSError as error:
            self._missing.append(f"{name} cannot be read ({error.strerror})")
            return

        def fault(line: int, text: str) -> None:
            self._missing.append(f"{name}{f', line {line}' if line else ''}: {text}")

        root = yaml_document.document(data, fault, "file of settings", aliases=True)
        for resource, optional in _imports(root):
            imported = name.parent / resource
            if imported.suffix not in (".yml", ".yaml"):
                self._missing.append(f"{imported}, which {name} imports, is not read: its settings are not known")
            elif (self._top / imported).is_file() or not optional:
                self._load(imported, seen)
        if root is not None:
            self._files.append(_File(str(name), root))

    def _composer(self) -> tuple[str, str, bool]:
        """The application's name, the version of Oro that it requires, and whether it has a storefront."""
        try:
            composer = json.loads((self._top / "composer.json").read_bytes())
            required = {str(name): str(version) for name, version in composer.get("require", {}).items()}
            name = str(composer.get("name", ""))
        except (OSError, ValueError, AttributeError) as error:
            self._missing.append(f"composer.json cannot be read ({type(error).__name__}): the version is not known")
            return "", "", False
        packages = [f"oro/{one}" for one in ("platform", "crm", "commerce", "customer-portal", "commerce-enterprise")]
        versions = [re.search(r"[0-9]+\.[0-9]+", required[one]) for one in packages if one in required]
        version = next((found[0] for found in versions if found), "")
        return name, version, any(re.fullmatch(r"oro/(commerce|customer-portal).*", one) for one in required)


def _pairs(node: Any) -> list[tuple[str, Any]]:
    if node is None or node.id != "mapping":
        return []
    return [(key.value, value) for key, value in node.value if key.id == "scalar"]


def _imports(root: Any) -> Iterator[tuple[str, bool]]:
    """The files that a document imports, and whether one may be absent."""
    listed = dict(_pairs(root)).get("imports")
    for one in listed.value if listed is not None and listed.id == "sequence" else ():
        if one.id == "scalar":
            yield one.value, False
            continue
        parts = {key: value.value for key, value in _pairs(one) if value.id == "scalar"}
        if "resource" in parts:
            yield parts["resource"], parts.get("ignore_errors", "false") not in ("false", "~", "null", "")
