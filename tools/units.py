"""The systemd units of etc/ under a systemd of their own: `make units`, as root, on Debian or Ubuntu.

units.py [--keep] [RELEASE]

debootstrap makes a minimal system of a Debian release (bookworm by default) with systemd and python3-venv. orosync is
installed in a copy of it by the commands of docs/install.md and docs/crossbar.md themselves, then the copy is booted in
systemd-nspawn, with a network of its own. There the three units are started, asked, reloaded, hung and stopped; the
router of orosync.service is the one to which the other two units are attached. Prints a line for each check, with what
was seen. Exit 1 if one failed; then the services' log is printed too.

The copy is removed at the end, except with --keep.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import bare

NEEDED = ("systemd", "python3-venv")
"""Beside what a minimal system has."""

ROUTER, AUTHENTICATOR, AUTHORIZER = "orosync", "orosync-authenticator", "orosync-authorizer"
UNITS = (ROUTER, AUTHENTICATOR, AUTHORIZER)
CREDENTIALS = {
    ROUTER: ("oro_secret", "db_dsn"),
    AUTHENTICATOR: ("oro_secret", "db_dsn", "attach_key"),
    AUTHORIZER: ("attach_key",),
}
CONFIGURATION = "/etc/orosync/router.production.ini"
CHECKOUT = "/root/orosync"
SECRET = "0123456789abcdef0123456789abcdef"
NOBODY, BACKUP = 65534, 34
"""Users of every Debian system."""

ATTACHED = """
[notifications]
realm = oro
# Where the authenticator and the authorizer are attached.
[listen:attached]
endpoint = tcp:8081:interface=127.0.0.1
realm = realm1
origin = optional
[realm:realm1]
authenticators = keys tickets
authorizers = elsewhere
[authenticator:keys]
use = cryptosign
user.orosync = orosync {key}
[authenticator:tickets]
use = remote
method = ticket
procedure = com.orosync.authenticate
registered_by = orosync
roles = user backend
[authorizer:elsewhere]
use = remote
procedure = com.orosync.authorize
registered_by = orosync
"""

CLIENTS = 80
CLIENT = """
import sys, time
sys.path.insert(0, "{checkout}/tests/product")
from concurrent.futures import ThreadPoolExecutor
from raw import RawClient
clients = []
for _ in range({clients}):
    client = RawClient("ws://127.0.0.1:8081/", origin=None)
    client.send([1, "realm1", {{"roles": {{"publisher": {{}}}}, "authmethods": ["ticket"], "authid": "backend"}}])
    assert client.read()[0] == 4
    client.send([5, {ticket!r}, {{}}])
    assert client.read()[0] == 2
    client.send([16, 1, {{"acknowledge": True}}, "oro/data/update", [["1"]]])
    assert client.read()[0] == 17
    client.send([16, 2, {{"acknowledge": True}}, "com.example.undeclared"])
    assert client.read()[0] == 8
    client.socket.settimeout(300)
    clients.append(client)
print("joined", flush=True)
def ended(client):
    client.ended()
    return time.monotonic()
with ThreadPoolExecutor(len(clients)) as pool:
    times = sorted(pool.map(ended, clients))
print(times[-1] - times[0])
"""
"""Clients that are authenticated and authorized by the attached units; they print over how many seconds they ended."""

BOOT, JOIN, RESTART, END = 60.0, 60.0, 90.0, 60.0
"""Seconds for the boot, for what the services do by themselves, for the watchdog and for the end, on a busy machine."""

EXPOSURE = 1.5
"""The most that systemd may find exposed, of 10."""

Found = tuple[bool, str]
"""Whether it is as it should be, and what was seen."""


class Machine:
    """The booted system. ``run`` runs a command in it, as root and outside of any unit."""

    def __init__(self, root: Path) -> None:
        self._log = root.with_suffix(".console")
        command = [
            "systemd-nspawn", "--quiet", f"--directory={root}", "--boot", "--register=no", "--keep-unit",
            "--private-network", "--console=pipe", "--resolv-conf=off", "--timezone=off", "--link-journal=no",
        ]  # fmt: skip
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self._init = 0

    def booted(self) -> Found:
        """Whether the system is up, with nothing failed."""
        began, state = time.monotonic(), ""
        while time.monotonic() < began + BOOT and self._process.poll() is None:
            pid = self._process.pid
            with suppress(OSError, IndexError):
                self._init = int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])
                state = self.run("systemctl", "is-system-running").stdout.strip()
            if state in ("running", "degraded"):
                break
            time.sleep(0.5)
        if not state:
            print(self._log.read_text(errors="replace"))
        return state == "running", f"{state or 'no systemd'} after {time.monotonic() - began:.0f} s"

    def command(self, *command: str) -> list[str]:
        """What runs ``command`` in the system."""
        enter = ["--mount", "--uts", "--ipc", "--net", "--pid", "--root", "--wd"]
        path = "PATH=/usr/sbin:/usr/bin:/sbin:/bin"
        return ["nsenter", f"--target={self._init}", *enter, "/usr/bin/env", "-i", path, "LANG=C.UTF-8", *command]

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*command), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120
        )

    def shown(self, unit: str, name: str) -> str:
        """A property of a unit."""
        return self.run("systemctl", "show", "--value", f"--property={name}", unit).stdout.strip()

    def journal(self, unit: str) -> str:
        return self.run("journalctl", "--no-pager", "--output=cat", f"--unit={unit}").stdout

    def end(self) -> None:
        """Power off."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(END)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._log.unlink()


def control_groups() -> Iterator[Path]:
    """Those that systemd-nspawn makes for itself beside this process, in every hierarchy of systemd."""
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, name, path = line.split(":", 2)
        for top in {"": ("", "unified"), "name=systemd": ("systemd",)}.get(name, ()):
            parent = Path("/sys/fs/cgroup", top, path.lstrip("/"))
            if (parent / "cgroup.procs").exists():
                yield from (parent / "payload", parent / "supervisor")


class Checks:
    """What is tried in a machine, in this order; each check is a line of the table."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.failed = 0
        self._configuration = machine.run("cat", CONFIGURATION).stdout

    def check(self, unit: str, what: str, found: Found) -> None:
        good, seen = found
        self.failed += not good
        print(f"{unit:<22} {what:<34} {'ok' if good else 'FAILED':<7} {seen}", flush=True)

    def all(self) -> None:
        """Each check in turn."""
        for unit in (AUTHENTICATOR, AUTHORIZER, ROUTER):  # the router comes up later than what it asks
            self.check(unit, "start: READY", self.started(unit))
        for unit in UNITS:
            self.check(unit, "status", self.status(unit))
            self.check(unit, "a user of its own", self.own_user(unit))
            for name in CREDENTIALS[unit]:
                self.check(unit, f"credential {name}", self.credential(unit, name))
            self.check(unit, f"exposed: at most {EXPOSURE} of 10", self.exposure(unit))
        for unit in (AUTHENTICATOR, AUTHORIZER):
            self.check(unit, "attached to the router", self.attached(unit, 1))
        self.check(ROUTER, "control socket: root", self.control(0))
        self.check(ROUTER, "control socket: another user", self.control(NOBODY))
        self.reloads()
        self.watchdogs()
        self.readers()
        self.stops()

    def started(self, unit: str) -> Found:
        began = time.monotonic()
        done = self.machine.run("systemctl", "start", unit)
        state = self.machine.shown(unit, "ActiveState")
        seen = f"exit {done.returncode}, {state} after {time.monotonic() - began:.1f} s"
        return (done.returncode, state, self.machine.shown(unit, "Type")) == (0, "active", "notify"), seen

    def status(self, unit: str) -> Found:
        done = self.machine.run("systemctl", "--no-pager", "status", unit)
        state = re.search(r"Active: (.*?) since", done.stdout)
        return done.returncode == 0, f"exit {done.returncode}, {state[1] if state else done.stdout}"

    def _uid(self, unit: str) -> int:
        pid = self.machine.shown(unit, "MainPID")
        return int(self.machine.run("stat", "--format=%u", f"/proc/{pid}").stdout or 0)

    def own_user(self, unit: str) -> Found:
        """A dynamic one, so neither root's nor one of the system's."""
        uid = self._uid(unit)
        return 61184 <= uid <= 65519, f"uid {uid}"

    def credential(self, unit: str, name: str) -> Found:
        """The unit can read it, other users can read neither it nor the file that it is a copy of."""
        copy, original = f"/run/credentials/{unit}.service/{name}", f"/etc/orosync/{name}"
        strangers = [NOBODY, *(self._uid(other) for other in UNITS if other != unit and name not in CREDENTIALS[other])]
        reads = self._reads(self._uid(unit), copy)
        leaks = [f"uid {uid} reads {path}" for uid in strangers for path in (copy, original) if self._reads(uid, path)]
        if self._reads(self._uid(unit), original):
            leaks.append(f"the unit reads {original}")
        seen = "; ".join(leaks) or f"read by the unit: {'yes' if reads else 'no'}, by others: no"
        return reads and not leaks, seen

    def _reads(self, uid: int, path: str) -> bool:
        switch = ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups"]
        return self.machine.run(*switch, "test", "-r", path).returncode == 0

    def exposure(self, unit: str) -> Found:
        done = self.machine.run("systemd-analyze", "security", "--no-pager", f"{unit}.service")
        found = re.search(r"Overall exposure level for .*: (\d+\.\d+)", done.stdout)
        return bool(found and float(found[1]) <= EXPOSURE), found[1] if found else done.stderr.strip()

    def attached(self, unit: str, times: int) -> Found:
        """It has joined the router so often since it was started."""
        began = time.monotonic()
        while (count := self.machine.journal(unit).count("attach.joined")) < times:
            if time.monotonic() > began + JOIN:
                break
            time.sleep(0.3)
        return count >= times, f"attach.joined: {count}"

    def orosync(
        self, *arguments: str, uid: int = 0, environment: Sequence[str] = ()
    ) -> subprocess.CompletedProcess[str]:
        switch = ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups"] if uid else []
        return self.machine.run(*switch, "/usr/bin/env", *environment, "/opt/orosync/bin/orosync", *arguments)

    def control(self, uid: int) -> Found:
        """root is answered, although the unit has users of its own (PrivateUsers=); another user is not."""
        done = self.orosync("status", "--json", "--config", CONFIGURATION, uid=uid)
        said = " ".join((done.stdout + done.stderr).split())
        if uid:
            return done.returncode == 1 and "may not connect" in said, f"exit {done.returncode}, {said}"
        if done.returncode:
            return False, f"exit {done.returncode}, {said}"
        return True, f"exit 0, {json.loads(done.stdout)['health']['status']}"

    # -- reload

    def reloads(self) -> None:
        pid = self.machine.shown(ROUTER, "MainPID")
        text = self._configuration
        good = text.replace("[topics:oro]\n", "[topics:oro]\nchannel.acme/news = subscribe user\n")
        for what, written, status, said in (
            ("reload: new rules", good, 0, "changed: [topics:oro]"),
            ("reload: nothing new", good, 0, "nothing has changed"),
            ("reload: a mistake", good.replace("channel.acme", "chanel.acme"), 1, "refused: "),
            ("reload: the mistake mended", text, 0, "changed: [topics:oro]"),
        ):
            self.check(ROUTER, what, self._reloaded(written, status, said, pid))
        for unit in (AUTHENTICATOR, AUTHORIZER):
            offered = self.machine.shown(unit, "CanReload")
            self.check(unit, "reload: not offered", (offered == "no", f"CanReload={offered}"))

    def _reloaded(self, text: str, status: int, said: str, pid: str) -> Found:
        self.write(text)
        before = len(self.machine.journal(ROUTER))
        done = self.machine.run("systemctl", "reload", ROUTER)
        log, now = self.machine.journal(ROUTER)[before:], self.machine.shown(ROUTER, "MainPID")
        state = self.machine.shown(ROUTER, "ActiveState")
        line = next((line for line in log.splitlines() if line.startswith(said)), log.strip() or "nothing in the log")
        good = (done.returncode, now, state) == (status, pid, "active") and line.startswith(said)
        return good, f"exit {done.returncode}, {state}, {'same' if now == pid else 'other'} process, {line}"

    def write(self, text: str, path: str = CONFIGURATION) -> None:
        """A file, by default the router's configuration."""
        command = self.machine.command("cp", "/dev/stdin", path)
        subprocess.run(command, input=text, text=True, check=True)

    # -- drop-in, watchdog and stop

    def readers(self) -> None:
        """The drop-in of docs/control.md lets another user ask, and no more than that."""
        drop_in = f"/run/systemd/system/{ROUTER}.service.d/readers.conf"
        self.machine.run("install", "-d", str(Path(drop_in).parent))
        self.write("[Service]\nPrivateUsers=no\n", drop_in)
        self.write(self._configuration.replace("\n[router]\n", "\n[router]\ncontrol_readers = backup\n"))
        self.machine.run("systemctl", "daemon-reload")
        done = self.machine.run("systemctl", "restart", ROUTER)
        self.check(ROUTER, "restart", (done.returncode == 0, f"exit {done.returncode}"))
        done = self.orosync("status", "--config", CONFIGURATION, uid=BACKUP)
        self.check(ROUTER, "control_readers: may ask", (done.returncode == 0, f"exit {done.returncode}{done.stderr}"))
        done = self.orosync("reload", "--config", CONFIGURATION, uid=BACKUP)
        said = (done.stdout + done.stderr).strip()
        denied = done.returncode == 1 and "may not use reload" in said
        self.check(ROUTER, "control_readers: may not act", (denied, f"exit {done.returncode}, {said}"))
        self.write(self._configuration)
        self.machine.run("rm", drop_in)
        self.machine.run("systemctl", "daemon-reload")
        self.machine.run("systemctl", "restart", ROUTER)

    def watchdogs(self) -> None:
        """All of them hang at once, since each takes as long as its WatchdogSec."""
        before = {unit: self.machine.shown(unit, "MainPID") for unit in UNITS}
        began = time.monotonic()
        for unit in UNITS:
            self.machine.run("systemctl", "kill", "--kill-whom=main", "--signal=SIGSTOP", unit)
        after: dict[str, float] = {}
        while len(after) < len(UNITS) and time.monotonic() < began + RESTART:
            time.sleep(0.5)
            for unit in UNITS:
                shown = [self.machine.shown(unit, name) for name in ("NRestarts", "ActiveState")]
                if shown == ["1", "active"] and self.machine.shown(unit, "MainPID") != before[unit]:
                    after.setdefault(unit, time.monotonic() - began)
        for unit in UNITS:
            told = "Watchdog timeout" in self.machine.run("journalctl", "--no-pager", f"--unit={unit}").stdout
            seen = f"again after {after[unit]:.0f} s" if unit in after else "not started again"
            self.check(unit, "watchdog: after SIGSTOP", (unit in after and told, seen))
        for unit in (AUTHENTICATOR, AUTHORIZER):
            self.check(unit, "attached again", self.attached(unit, 2))
        self.check(ROUTER, "control socket after it", self.control(0))

    def stops(self) -> None:
        """The router is stopped while it has clients, which the other two have admitted."""
        make = ["ticket", "make", "--back-end", "--authenticator", "ticket", "--config", CONFIGURATION]
        ticket = self.orosync(*make, environment=("CREDENTIALS_DIRECTORY=/etc/orosync",)).stdout.strip()
        self.check(ROUTER, "both units attached", self.both_attached())
        script = CLIENT.format(checkout=CHECKOUT, clients=CLIENTS, ticket=ticket)
        command = self.machine.command("/usr/bin/python3", "-c", script)
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as clients:
            assert clients.stdout is not None
            line = clients.stdout.readline().strip()
            self.check(AUTHENTICATOR, "authenticates", (line == "joined", f"{CLIENTS} clients by ticket: {line}"))
            self.check(AUTHORIZER, "authorizes", (line == "joined", f"{CLIENTS} events allowed, {CLIENTS} denied"))
            stopped, seconds = self.stopped(ROUTER)
            self.check(ROUTER, "stop", stopped)
            over = clients.stdout.read().strip()
        span = float(over) if re.fullmatch(r"[\d.e-]+", over) else 0.0
        self.check(ROUTER, "stop: clients let go step by step", (0.1 < span < seconds, f"{over} s of {seconds:.1f} s"))
        for unit in (AUTHENTICATOR, AUTHORIZER):
            self.check(unit, "stop", self.stopped(unit)[0])
        left = self.machine.run("sh", "-c", "ls -d /run/orosync* /run/credentials/orosync* 2>/dev/null").stdout.split()
        self.check(ROUTER, "nothing left in /run", (not left, " ".join(left) or "-"))

    def both_attached(self) -> Found:
        """The router has been restarted, and they come back by themselves."""
        began, count = time.monotonic(), 0
        while count < 2 and time.monotonic() < began + JOIN:
            done = self.orosync("sessions", "--json", "--config", CONFIGURATION)
            count = len(json.loads(done.stdout)) if done.returncode == 0 else 0
        return count == 2, f"{count} sessions"

    def stopped(self, unit: str) -> tuple[Found, float]:
        """Also how many seconds it took."""
        began = time.monotonic()
        done = self.machine.run("systemctl", "stop", unit)
        seconds = time.monotonic() - began
        names = ("ActiveState", "Result", "ExecMainStatus")
        shown = [self.machine.shown(unit, name) for name in names]
        seen = f"exit {done.returncode} after {seconds:.1f} s, {shown[0]}, {shown[1]}, status {shown[2]}"
        return (done.returncode == 0 and shown == ["inactive", "success", "0"], seen), seconds


def documented(page: str, heading: str, number: int = 0) -> str:
    """The commands below a heading of a page: its block of that number."""
    text = (bare.TREE / "docs" / page).read_text().partition(heading)[2]
    return re.findall(r"(?m)(?:^    .*\n|^\n(?=    ))+", text)[number]


def commands() -> str:
    """What the pages have a reader run, with secrets of our own."""
    secrets = {"oro_secret": SECRET, "db_dsn": "postgres://orosync:password@127.0.0.1/oro"}
    lines = [
        "set -e",
        f"cd {CHECKOUT}",
        documented("install.md", "## Step 1: Install"),
        *(f"printf %s '{value}' | install -m 600 /dev/stdin /etc/orosync/{name}" for name, value in secrets.items()),
        documented("crossbar.md", "**1. Install**"),
        f"{documented('crossbar.md', '**2. Create a key**')}".rstrip(),
        "install -d /var/www/oro/var/sessions/prod  # that of authenticator.ini",
    ]
    return "\n".join(re.sub(r"(?m)^    ", "", line) for line in lines) + "\n"


def install(root: Path, release: str) -> bool:
    """Whether orosync could be installed in the system at ``root``."""
    bound = bare.prepare(root)
    archive = subprocess.run(["git", "archive", "HEAD"], cwd=bare.TREE, check=True, capture_output=True).stdout
    checkout = root / CHECKOUT.lstrip("/")
    checkout.mkdir()
    subprocess.run(["tar", "--extract", "--no-same-owner"], cwd=checkout, input=archive, check=True)
    (root / "root/install.sh").write_text(commands())
    if not bare.inside(
        root, bound, "sh /root/install.sh >/root/install.log 2>&1 || { cat /root/install.log; exit 1; }", release
    ):
        return False
    (key,) = re.findall(r"(?m)^public: ([0-9a-f]{64})$", (root / "root/install.log").read_text())
    authorizer = root / "etc/orosync/authorizer.ini"
    authorizer.write_text(
        authorizer.read_text().replace("[attach]\n", "[attach]\ntrusted_providers = tickets/ticket\n")
    )
    configuration = root / CONFIGURATION.lstrip("/")
    text = configuration.read_text().replace("\n[listen:shared]\n", "\n[listen:shared]\nrealm = oro\n")
    configuration.write_text(text + ATTACHED.format(key=key))
    return True


def passes(root: Path) -> bool:
    """Whether every check succeeds in the system at ``root``."""
    machine = Machine(root)
    try:
        good, seen = machine.booted()
        print(f"{'systemd':<22} {'boot':<34} {'ok' if good else 'FAILED':<7} {seen}", flush=True)
        if not good:
            return False
        checks = Checks(machine)
        checks.all()
        if checks.failed:
            for unit in UNITS:
                print(f"\n{unit}:\n{machine.run('journalctl', '--no-pager', '--lines=60', f'--unit={unit}').stdout}")
        return not checks.failed
    finally:
        machine.end()


def main(arguments: Sequence[str]) -> int:
    """0 when every check succeeded."""
    parser = argparse.ArgumentParser(prog="units.py", description="The systemd units in a minimal Debian system.")
    parser.add_argument("release", nargs="?", default="bookworm", metavar="RELEASE", help="of Debian (%(default)s)")
    parser.add_argument("--keep", action="store_true", help="the system, below .cache/bare, for a look at it")
    options = parser.parse_args(arguments)
    if os.geteuid() != 0:
        parser.error("making a system and booting it takes root")
    groups = [group for group in control_groups() if not group.exists()]
    try:
        with bare.fresh(options.release, NEEDED, "-systemd", keep=options.keep) as root:
            good = install(root, options.release) and passes(root)
    finally:
        for group in groups:
            for directory in [*sorted(group.rglob("*/"), reverse=True), group]:
                with suppress(OSError):
                    directory.rmdir()
    print(f"units: {'all passed' if good else 'failed'}")
    return not good


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
