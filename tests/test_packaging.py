"""Wheel and sdist carry the whole product: each, installed into a fresh environment, serves the demonstration."""

from __future__ import annotations

import functools
import json
import os
import re
import shutil
import ssl
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
import urllib.request
import zipfile
from configparser import ConfigParser
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from orosync import __version__
from tests.support.ports import free_port
from tests.support.processes import Child, run

TREE = Path(__file__).resolve().parent.parent
VERSIONS = ("3.11", "3.12", "3.13")
OURS = f"{sys.version_info.major}.{sys.version_info.minor}"

# Nothing of the checkout or of the environment that runs the tests may reach the installed product.
CLEAN = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")}

GLIBC = 28
"""Of RHEL 8 and Oracle Linux 8: 2.28, the oldest that docs/install.md names."""

IMPORT_ALL = """
import importlib, pkgutil, sys, orosync
names = [module.name for module in pkgutil.walk_packages(orosync.__path__, "orosync.")]
for name in names:
    importlib.import_module(name)
from orosync.identity import digests
from orosync.transport import native
in_c = digests.in_c and digests.in_c(b"salted", digests.ROUNDS) == digests.in_python(b"salted")
transport = native.built and native.built.data_frame(b"\\x81\\x81\\0\\0\\0\\0x", 0, 1, True) == (b"x", 7)
print(len(names), orosync.__version__, orosync.__file__, in_c, transport)
"""


def compiles() -> bool:
    """Whether this machine can build what is in C: the rounds of the digest need OpenSSL as well."""
    headers = (Path(sysconfig.get_path("include"), "Python.h"), Path("/usr/include/openssl/sha.h"))
    return shutil.which("gcc") is not None and all(header.exists() for header in headers)


def tracked() -> list[str]:
    """Every file that git knows, as paths from the top of the tree."""
    return [name for name in run("git", "ls-files", "-z", cwd=TREE).split("\0") if name and (TREE / name).exists()]


@functools.cache
def workshop() -> Path:
    """A directory of this run; it goes when the interpreter ends."""
    holder = tempfile.TemporaryDirectory(prefix="orosync-packaging-")
    _HELD.append(holder)
    return Path(holder.name)


_HELD: list[tempfile.TemporaryDirectory[str]] = []


@functools.cache
def built(kind: str) -> Path:
    """The wheel or the sdist, built from a copy that holds nothing but tracked files."""
    tree = workshop() / f"tree-{kind}"
    for name in tracked():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(TREE / name, tree / name)
    run(sys.executable, "-m", "build", f"--{kind}", "--outdir", str(workshop()), str(tree), cwd="/", environ=CLEAN)
    suffix = {"wheel": "*.whl", "sdist": "*.tar.gz"}[kind]
    (artefact,) = workshop().glob(suffix)
    return artefact


def installed(python: str, *what: str) -> Path:
    """A fresh environment of ``python`` with what pip's arguments name, and its dependencies, in it."""
    venv = Path(tempfile.mkdtemp(prefix="venv-", dir=workshop()))
    # To unpack a pip of its own takes longer than all the rest.
    run(python, "-m", "venv", "--without-pip", str(venv), environ=CLEAN)
    pip(venv, "install", "--no-compile", *what)
    return venv


def pip(venv: Path, *arguments: str) -> None:
    """pip of the environment that runs the tests, at work in another one."""
    command = (sys.executable, "-m", "pip", "--quiet", "--python", str(venv / "bin" / "python"), *arguments)
    run(*command, cwd="/", environ=CLEAN, seconds=600)


def other_pythons() -> list[str]:
    """A working Python of each other supported version that the machine has.

    A name on the PATH may be a shim with nothing behind it: what cannot make an environment does not count.
    """
    found = []
    homes = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    for version in VERSIONS:
        on_path = [str(Path(folder, f"python{version}")) for folder in os.get_exec_path()]
        in_pyenv = [str(path) for path in sorted(homes.glob(f"{version}.*/bin/python{version}"))]
        for candidate in on_path + in_pyenv:
            if version != OURS and version_of(candidate) == version:
                found.append(candidate)
                break
    return found


def version_of(python: str) -> str:
    """Its version, such as 3.12; empty when it does not run or cannot make environments."""
    ask = "import sys, venv, ensurepip; print('%d.%d' % sys.version_info[:2])"
    try:
        done = subprocess.run([python, "-c", ask], capture_output=True, text=True, timeout=30)
    except OSError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


class Contents(SynchronousTestCase):
    """What is inside, compared with the tree."""

    def test_packages_are_written_out(self) -> None:
        """setup.cfg names every package of the tree, and twisted.plugins: one left out would be missing in silence."""
        setup = ConfigParser(interpolation=None)
        setup.read(TREE / "setup.cfg")
        named = setup["options"]["packages"].split()
        there = {str(path.parent.relative_to(TREE)).replace("/", ".") for path in TREE.glob("orosync/**/__init__.py")}
        self.assertEqual(named, [*sorted(there), "twisted.plugins"])

    def test_wheel(self) -> None:
        """The wheel holds every tracked file of the package, the plugin, the configurations, the manual page, and
        nothing else."""
        with zipfile.ZipFile(built("wheel")) as wheel:
            names = {name for name in wheel.namelist() if ".dist-info/" not in name}
        data = f"orosync-{__version__}.data/data/etc/orosync/"
        pages = {f"orosync-{__version__}.data/data/share/man/man1/{path.name}" for path in (TREE / "man").iterdir()}
        package = {name for name in tracked() if name.startswith(("orosync/", "twisted/"))}
        etc = {data + name.removeprefix("etc/") for name in tracked() if name.startswith("etc/")}
        extension = r"orosync/(identity/_rounds|transport/_native)\.[\w.-]+\.so"
        built_here = {name for name in names if re.fullmatch(extension, name)}
        self.assertEqual(len(built_here), 2 if compiles() else 0, "what is in C")
        self.assertEqual(sorted(names - built_here), sorted(package | etc | pages))
        self.assertTrue({data + "router.ini", data + "orosync.service", "orosync/py.typed"} <= names)

    def test_sdist(self) -> None:
        """The sdist holds the whole tracked tree, tests included: what runs in a checkout runs from it."""
        with tarfile.open(built("sdist")) as sdist:
            names = {name.partition("/")[2] for name in sdist.getnames()}
        self.assertEqual(sorted(set(tracked()) - names - {".gitignore", "bench/.gitignore"}), [])


class Installed(SynchronousTestCase):
    """What a stranger gets who installs it."""

    def imports_everything(self, venv: Path) -> None:
        """Every module can be imported, from the environment and not from the checkout, and twistd knows us."""
        told = run(str(venv / "bin" / "python"), "-c", IMPORT_ALL, cwd="/", environ=CLEAN)
        count, version, place, *in_c = told.split()
        self.assertGreater(int(count), 20)
        self.assertEqual(version, __version__)
        self.assertTrue(place.startswith(str(venv)), place)
        self.assertIn("orosync", run(str(venv / "bin" / "twistd"), "--help", cwd="/", environ=CLEAN).split())
        self.assertEqual(in_c, ["True" if compiles() else "None"] * 2)

    def serves_the_demo(self, venv: Path) -> None:
        """From the root directory, with the configuration that came along (but for the port): page and parts."""
        carried = venv / "etc" / "orosync" / "router.ini"
        ports = [free_port(), free_port()]
        numbers = iter(ports)
        moved, endpoints = re.subn(
            r"(?m)^endpoint = tcp:\d+:", lambda _: f"endpoint = tcp:{next(numbers)}:", carried.read_text()
        )
        self.assertEqual(endpoints, len(ports))
        config = carried.with_name("moved.ini")
        config.write_text(moved)
        environ = {**CLEAN, "STATE_DIRECTORY": str(venv / "state")}
        command = [str(venv / "bin" / "twistd"), "--nodaemon", "--pidfile=", "orosync", "--config", str(config)]
        with Child(command, cwd="/", environ=environ) as twistd:
            port = ports[0]
            for each in ports:
                twistd.wait_for_port(each, 30)
            page = self.fetch(f"http://127.0.0.1:{port}/")
            self.assertIn("</html>", page)
            self.assertEqual(self.fetch(f"https://127.0.0.1:{ports[1]}/"), page)
            parts = re.findall(r'(?:src|href)="(?!data:|https?:|#)/?([^"]+)"', page)
            self.assertTrue(parts, page)
            for part in parts:
                self.assertTrue(self.fetch(f"http://127.0.0.1:{port}/{part}"), part)
            self.assertEqual(twistd.end(), 0, twistd.output)

    def fetch(self, url: str) -> str:
        """The body of a page; its certificate is one that the demonstration signed itself."""
        trusting = ssl.create_default_context()
        trusting.check_hostname = False
        trusting.verify_mode = ssl.CERT_NONE
        with urllib.request.urlopen(url, context=trusting, timeout=10) as answer:
            self.assertEqual(answer.status, 200)
            body: bytes = answer.read()
            return body.decode()

    def test_wheel_then_sdist(self) -> None:
        """The wheel, installed, imports and serves the demonstration; so does the sdist that takes its place, and finds
        there what it requires."""
        venv = installed(sys.executable, str(built("wheel")))
        self.imports_everything(venv)
        self.serves_the_demo(venv)
        pip(venv, "uninstall", "--yes", "orosync")
        self.assertEqual([*venv.glob("lib/python*/site-packages/orosync*"), *venv.glob("etc/orosync/orosync.*")], [])
        pip(venv, "install", "--no-compile", "--no-deps", str(built("sdist")))
        pip(venv, "check")
        self.imports_everything(venv)
        self.serves_the_demo(venv)

    def test_other_pythons(self) -> None:
        """The same wheel imports and serves the demonstration on the other Pythons that the machine has."""
        for python in other_pythons():
            venv = installed(python, str(built("wheel")))
            self.imports_everything(venv)
            self.serves_the_demo(venv)

    def test_editable(self) -> None:
        """After a plain `pip install -e .` twistd knows our plugins: they are found on sys.path alone, where most kinds
        of editable installs put nothing."""
        built("wheel")
        tree = workshop() / "tree-wheel"
        venv = installed(sys.executable, "--no-deps", "--editable", str(tree))
        python = str(venv / "bin" / "python")
        # The dependencies are those of the environment that runs the tests; its .pth files are not followed from here.
        (site,) = venv.glob("lib/python*/site-packages")
        (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
        place = run(python, "-c", "import orosync; print(orosync.__file__)", cwd="/", environ=CLEAN).strip()
        self.assertEqual(place, str(tree / "orosync" / "__init__.py"))
        ask = "import sys; from twisted.scripts.twistd import run; sys.argv = ['twistd', '--help']; run()"
        words = run(python, "-c", ask, cwd="/", environ=CLEAN).split()
        self.assertLessEqual({"orosync", "orosync-authenticator", "orosync-authorizer"}, set(words))

    def test_shims_do_not_count(self) -> None:
        """A python3.12 that is there but does not run is no Python 3.12; this one is what it says."""
        shim = workshop() / "python3.12"
        shim.write_text("#!/bin/sh\necho 'command not found' >&2\nexit 127\n")
        shim.chmod(0o755)
        self.assertEqual(version_of(str(shim)), "")
        self.assertEqual(version_of(str(workshop() / "nothing")), "")
        self.assertEqual(version_of(sys.executable), OURS)


class Platforms(SynchronousTestCase):
    """The systems of docs/install.md."""

    def requirements(self) -> list[str]:
        """What setup.cfg asks for, with every extra but that of the tests."""
        setup = ConfigParser(interpolation=None)
        setup.read(TREE / "setup.cfg")
        extras = [text for name, text in setup["options.extras_require"].items() if name != "test"]
        return "\n".join([setup["options"]["install_requires"], *extras]).split()

    def resolve(self, version: str, glibc: int = GLIBC) -> subprocess.Popen[str]:
        """pip, choosing wheels for a system with that Python and that glibc. It installs nothing."""
        tags = [f"manylinux_2_{minor}_x86_64" for minor in range(5, glibc + 1)]
        tags += ["manylinux1_x86_64"] + (["manylinux2010_x86_64", "manylinux2014_x86_64"] if glibc >= 17 else [])
        command = [
            sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed", "--quiet",
            f"--target={workshop() / 'nothing'}", f"--report={workshop() / version}.json",
            "--implementation=cp", f"--python-version={version}", *(f"--platform={tag}" for tag in tags),
            "--only-binary=:all:", *self.requirements(),
        ]  # fmt: skip
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=CLEAN)

    def test_wheels(self) -> None:
        """Each dependency, and what it depends on, has a wheel for glibc 2.28 and each supported Python; pip names the
        one that has none."""
        asked = self.requirements()
        self.assertIn("Twisted[tls]", "\n".join(asked))
        running = {version: self.resolve(version) for version in VERSIONS}
        for version, pip in running.items():
            said, _ = pip.communicate(timeout=180)
            self.assertEqual(pip.returncode, 0, f"Python {version}: {said}")
            chosen = json.loads((workshop() / f"{version}.json").read_text())["install"]
            files = [one["download_info"]["url"].rpartition("/")[2] for one in chosen]
            self.assertGreaterEqual(len(files), len({re.split(r"[\[<>=]", name)[0] for name in asked}))
            self.assertEqual([name for name in files if not name.endswith(".whl")], [])

    def test_no_wheel(self) -> None:
        """The check above can fail: of a glibc that is too old pip says which dependency has no wheel for it."""
        pip = self.resolve(OURS, glibc=12)
        said, _ = pip.communicate(timeout=180)
        self.assertNotEqual(pip.returncode, 0)
        self.assertRegex(said, "No matching distribution found for (autobahn|cbor2|cryptography|msgspec)")

    def test_page(self) -> None:
        """docs/install.md names the Pythons that setup.cfg does, and the glibc that is tested here."""
        page = (TREE / "docs" / "install.md").read_text()
        self.assertIn(f"glibc 2.{GLIBC} or later and Python {', '.join(VERSIONS[:-1])} or {VERSIONS[-1]}", page)
        classifiers = re.findall(r"Python :: (3\.\d+)", (TREE / "setup.cfg").read_text())
        self.assertEqual(tuple(classifiers), VERSIONS)
