"""README's commands on a machine that has nothing but Debian: `make bare`, as root, on Debian or Ubuntu.

bare.py [--only run|test] [--keep] [RELEASE ...] [--tests MODULE ...]

For each release (Debian 12 and 13 by default) debootstrap makes a minimal system below .cache/bare with make, git and
python3-venv. A copy of it clones the last commit of this checkout below /root and runs the commands of README's
sections "Try it" and "Test it": `make run` until its page answers, then Ctrl-C; `make test`. The copy runs in
systemd-nspawn and shares the network of this machine, so ports 8442 and 8443 have to be free. It is removed at the
end, except with --keep.

The Debian mirror, the proxy and the configuration of apt, pip and npm are those of this machine; they are read when the
command runs.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

TREE = Path(__file__).resolve().parent.parent
RELEASES = ("bookworm", "trixie")
PORTS = (8442, 8443)
NEEDED = ("make", "git", "python3-venv")
CLONE = "/root/orosync"

ENVIRONMENT = re.compile(
    r"(?i)(https?|ftp|all|no)_proxy|(PIP|NPM_CONFIG)_.*|SSL_CERT_(FILE|DIR)|(REQUESTS|CURL)_CA_BUNDLE|NODE_EXTRA_CA_CERTS"
    r"|GIT_SSL_CAINFO"
)
"""Variables that say how packages are reached, and whom to trust for it."""

APT = re.compile(r"Acquire::(?:https?::|ftp::|Check-|Retries|ForceIPv)")


def main(arguments: Sequence[str]) -> int:
    """Each release in turn; 0 when all of them did what README says."""
    parser = argparse.ArgumentParser(prog="bare.py", description="README's commands in minimal Debian systems.")
    parser.add_argument(
        "releases", nargs="*", metavar="RELEASE", help=f"of Debian; {' and '.join(RELEASES)} if left out"
    )
    parser.add_argument("--only", choices=("run", "test"), help="one of the two commands")
    parser.add_argument("--tests", nargs="+", metavar="MODULE", help="for `make test`, instead of all")
    parser.add_argument("--keep", action="store_true", help="the system, below .cache/bare, for a look at it")
    options = parser.parse_args(arguments)
    if os.geteuid() != 0:
        parser.error("making a system and running it takes root")
    if options.only != "test":
        free(parser)
    failed = []
    for release in options.releases or RELEASES:
        if not passes(release, options):
            failed.append(release)
    print(f"bare: {'failed: ' + ', '.join(failed) if failed else 'all passed'}")
    return bool(failed)


def free(parser: argparse.ArgumentParser) -> None:
    """Ends with a message where one of the demonstration's ports is taken."""
    for port in PORTS:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError as error:
                parser.error(f"port {port} of 127.0.0.1, which `make run` needs: {error.strerror}")


def passes(release: str, options: argparse.Namespace) -> bool:
    """Whether the commands succeed in a fresh copy of the minimal system of ``release``."""
    with fresh(release, keep=options.keep) as root:
        bound = prepare(root)
        subprocess.run(
            ["git", "bundle", "create", "--quiet", root / "root/orosync.bundle", "HEAD"], cwd=TREE, check=True
        )
        done = [inside(root, bound, command, release) for command in commands(options.only, options.tests)]
        return all(done)


@contextmanager
def fresh(release: str, needed: Sequence[str] = NEEDED, suffix: str = "", *, keep: bool) -> Iterator[Path]:
    """A copy of ``minimal``'s system, which is removed at the end, at SIGTERM too, except with ``keep``."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    base = minimal(release, needed, suffix)
    root = base.with_name(f"{base.name}-{os.getpid()}")
    try:
        step(f"{release}: a fresh copy of the minimal system")
        subprocess.run(["cp", "-a", base, root], check=True)
        yield root
    finally:
        if keep:
            step(f"kept in {root}")
        else:
            shutil.rmtree(root, ignore_errors=True)


def commands(only: str | None, tests: Sequence[str] | None) -> Iterator[str]:
    """What is done in the system, a line of the shell each."""
    yield f"git -c init.defaultBranch=main -c advice.detachedHead=false clone --quiet /root/orosync.bundle {CLONE}"
    if only != "test":
        yield f"cd {CLONE} && python3 tools/first_run.py"
    if only != "run":
        yield f"cd {CLONE} && make test" + (f" TESTS='{' '.join(tests)}'" if tests else "")


def minimal(release: str, needed: Sequence[str], suffix: str) -> Path:
    """The system as debootstrap makes it with these packages, from the machine's own mirror; made once for a release
    and a suffix."""
    base = TREE / ".cache" / "bare" / f"{release}{suffix}"
    if base.exists():
        return base
    step(f"{base.name}: debootstrap")
    subprocess.run(
        [TREE / "tools/debian.sh", "debootstrap:debootstrap", "systemd-nspawn:systemd-container"], check=True
    )
    made = base.with_name(f"{base.name}-making-{os.getpid()}")
    made.parent.mkdir(parents=True, exist_ok=True)
    try:
        # What debootstrap mounts is seen by itself alone, and goes with it.
        alone = ["unshare", "--mount", "--propagation=private", "--fork", "--kill-child"]
        command = [
            *alone,
            "debootstrap",
            "--variant=minbase",
            f"--include={','.join(needed)}",
            release,
            str(made),
            mirror(),
        ]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        made.rename(base)
    finally:
        shutil.rmtree(made, ignore_errors=True)
    return base


def mirror() -> str:
    """The Debian mirror of this machine; empty for that of debootstrap, where it has none (Ubuntu)."""
    asked = ["apt-get", "indextargets", "--format", "$(LABEL) $(REPO_URI)", "Created-By: Packages"]
    for line in subprocess.run(asked, check=True, capture_output=True, text=True).stdout.splitlines():
        label, _, uri = line.partition(" ")
        if label == "Debian":
            return uri
    return ""


def prepare(root: Path) -> list[str]:
    """Lets the system reach packages as this machine does. Returns the options of systemd-nspawn that belong to it."""
    lines = subprocess.run(["apt-config", "dump"], check=True, capture_output=True, text=True).stdout.splitlines()
    (root / "etc/apt/apt.conf.d/00machine").write_text("".join(f"{line}\n" for line in lines if APT.match(line)))
    found = dict.fromkeys(str(path) for path in configured())
    files = [path for path in found if Path(path).is_file()]
    for path in [*files, *map(str, Path("/usr/local/share/ca-certificates").glob("*.crt"))]:
        # Copied: a package may want to replace it, which a file that is bound does not let it do.
        target = root / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    bound = [f"--bind-ro={path}" for path in found if Path(path).is_dir() and not path.startswith("/etc/")]
    passed = [f"--setenv={name}={value}" for name, value in os.environ.items() if ENVIRONMENT.fullmatch(name)]
    return [*bound, *passed]


def configured() -> Iterator[Path]:
    """The files that configure pip and npm here, and the files and directories which they and the environment name."""
    pip = [sys.executable, "-m", "pip", "config"]
    shown = subprocess.run([*pip, "debug"], check=True, capture_output=True, text=True).stdout
    texts = [value for name, value in os.environ.items() if ENVIRONMENT.fullmatch(name)]
    for name in [
        *re.findall(r"(?m)^  (/.+), exists: True$", shown),
        "/usr/etc/npmrc",
        "/etc/npmrc",
        str(Path.home() / ".npmrc"),
    ]:
        path = Path(name)
        if path.is_file() and not path.is_relative_to(sys.prefix):
            yield path
            texts.append(path.read_text())
    for text in texts:
        for name in re.findall(r"(?:^|(?<=[\s='\"])|(?<=file://))/[^\s'\"]+", text):
            path = Path(name)
            if path.parts[1:2] in (("usr",), ("tmp",)) or not path.exists():
                continue
            # An index on disk is linked to the files beside it.
            yield path.parent if path.name == "simple" else path


def inside(root: Path, bound: Sequence[str], command: str, release: str) -> bool:
    """Whether ``command`` succeeds in the system; what it prints goes to the terminal."""
    step(f"{release}: {command}")
    began = time.monotonic()
    nspawn = [
        "systemd-nspawn", "--quiet", f"--directory={root}", "--register=no", "--keep-unit", "--as-pid2",
        "--console=pipe", "--resolv-conf=replace-host", "--timezone=off", *bound, "/bin/sh", "-c", command,
    ]  # fmt: skip
    with subprocess.Popen(nspawn, stdin=subprocess.DEVNULL) as process:
        try:
            code = process.wait()
        except BaseException:
            process.send_signal(signal.SIGTERM)
            raise
    step(f"{release}: exit {code} after {time.monotonic() - began:.0f} s")
    return code == 0


def step(text: str) -> None:
    print(f"{Path(sys.argv[0]).stem}: {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
