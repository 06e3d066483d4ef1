"""The page's files."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from orosync.demo.endpoints import STATIC
from orosync.transport.static_pages import read_pages
from tests.support.processes import run


class Files(SynchronousTestCase):
    """What is served, and that it holds together."""

    def setUp(self) -> None:
        self.files = {url[1:]: page for url, page in read_pages([STATIC]).items() if url != "/"}

    def test_all_of_them(self) -> None:
        """Every file in the directory is served, byte by byte, with a type that browsers take."""
        self.assertEqual(set(self.files), {path.name for path in STATIC.iterdir()})
        self.assertTrue({"index.html", "style.css", "app.js", "wamp1.js"} <= set(self.files))
        for name, file in self.files.items():
            self.assertEqual(file.body, (STATIC / name).read_bytes())
        self.assertTrue(self.files["app.js"].content_type.startswith("text/javascript"))

    def test_nothing_dangles(self) -> None:
        """Every script, style, icon and module that a file names is there, and none comes from another server."""
        for name, file in self.files.items():
            text = file.body.decode()
            named = re.findall(r'(?:src|href)="/static/([^"]+)"|from "\./([^"]+)"', text)
            for wanted in filter(None, sum(named, ())):
                self.assertIn(wanted, self.files, name)
            foreign = [url for url in re.findall(r'https?://[^\s"\')]+', text) if "www.w3.org/" not in url]
            self.assertEqual(foreign, [], name)

    def test_nothing_inline(self) -> None:
        """The page has no inline script, style or handler: the Content-Security-Policy would not run them."""
        page = self.files["index.html"].body.decode()
        self.assertEqual(re.findall(r"<script(?![^>]*src=)|<style|\sstyle=|\son\w+=", page), [])

    def test_icons(self) -> None:
        """Every icon that is used is drawn somewhere."""
        page = self.files["index.html"].body.decode()
        used = set(re.findall(r'<use href="#([\w-]+)"', page)) | set(re.findall(r'icon\("([\w-]+)"', self.scripts()))
        self.assertTrue(used)
        self.assertEqual(used - set(re.findall(r'<symbol id="([\w-]+)"', page)), set())

    def test_ids(self) -> None:
        """Every element that a script asks for by its id is on the page, each id once."""
        ids = re.findall(r'\sid="([\w-]+)"', self.files["index.html"].body.decode())
        self.assertEqual(len(ids), len(set(ids)))
        asked = set(re.findall(r'(?:getElementById|\bat)\("([\w-]+)"\)', self.scripts()))
        self.assertTrue(len(asked) > 10)
        self.assertEqual(asked - set(ids), set())

    def test_syntax(self) -> None:
        """Every script is one that JavaScript engines can read."""
        node = shutil.which("node")
        self.assertIsNotNone(node, "node is not installed")
        modules = Path(self.mktemp())
        shutil.copytree(STATIC, modules)
        (modules / "package.json").write_text('{"type": "module"}')
        names = sorted(path.name for path in modules.glob("*.js"))
        self.assertTrue(names)
        for name in names:
            run(str(node), "--check", name, cwd=modules)

    def scripts(self) -> str:
        return "".join(file.body.decode() for name, file in self.files.items() if name.endswith(".js"))
