"""Where routing files are found."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any
from unittest import mock

from twisted.trial.unittest import SynchronousTestCase

from orosync.authz import oro_files
from orosync.authz.oro_files import find
from tests.authz.oro_application import FILE, FILES, PLATFORM, written


class FindTests(SynchronousTestCase):
    """find"""

    def setUp(self) -> None:
        self.outside = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.outside)
        self.top = self.outside / "oro"

    def found(self, *more: str) -> list[str]:
        """The paths found in an application with these files besides a bundle of its own; there is no fault."""
        written(self.top, dict.fromkeys([f"src/Acme/Bundle/{FILE}", *more], ""))
        found = find(self.top)
        self.assertEqual((found.faults, found.warnings), ((), ()))
        for shown, path in found.files:
            self.assertTrue(path.is_absolute() and os.path.samefile(self.top / shown, path))
        return [shown for shown, _ in found.files if not shown.startswith("src/Acme/")]

    def test_oros(self) -> None:
        """All files of Oro's bundles, in order."""
        self.assertEqual(self.found(*FILES), sorted(FILES))

    def test_application(self) -> None:
        """The application's own folder too, .yml files alone."""
        own = "config/oro/websocket_routing"
        self.assertEqual(self.found(f"{own}/b.yml", f"{own}/a.yml", f"{own}/c.txt", f"{own}/d/e.yml"),
                         [f"{own}/a.yml", f"{own}/b.yml"])  # fmt: skip

    def test_skipped(self) -> None:
        """Tests, other people's packages, caches and hidden folders hold no bundle in use."""
        folders = ("src/Tests", "src/a/tests", "vendor/x/node_modules", "vendor/var", "vendor/.git", "lib", "web/src")
        self.assertEqual(self.found(*(f"{folder}/{FILE}" for folder in folders), "src/b/websocket_routing.yml"), [])

    def test_links(self) -> None:
        """Links are followed inside the application, once, and in circles too; never out of it."""
        written(self.outside, {f"elsewhere/{FILE}": ""})
        written(self.top, {f"packages/p/{FILE}": "", f"vendor/q/{FILE}": ""})
        for link, target in (
            ("vendor/p", "../packages/p"),
            ("vendor/p2", "../packages/p"),
            ("vendor/q2", "q"),
            ("vendor/circle", ".."),
            ("vendor/out", "../../elsewhere"),
            ("vendor/gone", "nowhere"),
        ):
            (self.top / link).symlink_to(target)
        paths = {(self.top / shown).resolve().relative_to(self.top.resolve()) for shown in self.found()}
        self.assertEqual(paths, {Path("packages/p", FILE), Path("vendor/q", FILE)})

    def test_links_that_lead_out(self) -> None:
        """A routing file that leads out of the application is told, a whole root is a mistake."""
        written(self.outside, {"other.yml": "", f"vendor/x/{FILE}": ""})
        path = self.top / "src" / FILE
        path.parent.mkdir(parents=True)
        path.symlink_to(self.outside / "other.yml")
        (warning,) = find(self.top).warnings
        self.assertEqual(warning, f"src/{FILE} leads out of {self.top}, put the file itself there")
        (self.top / "vendor").symlink_to("../vendor")
        self.assertIn("has a vendor that leads out of it", find(self.top).faults[0])

    def test_beside_a_bundle(self) -> None:
        """config/oro/websocket_routing beside a bundle's directory, as in packages with their class in src."""
        folder = "vendor/acme/bundle/config/oro/websocket_routing"
        self.assertEqual(self.found(f"{folder}/a.yml", f"{folder}/b.txt"), [f"{folder}/a.yml"])

    def test_overridden(self) -> None:
        """Resources/BUNDLE of the application stands in place of the file of the bundle with that class."""
        over = "Resources/OroEmailBundle/config/oro/websocket_routing.yml"
        mail, sync = f"{PLATFORM}EmailBundle", f"{PLATFORM}SyncBundle"
        files = (over, f"{mail}/{FILE}", f"{mail}/OroEmailBundle.php", f"{sync}/{FILE}", f"{sync}/OroSyncBundle.php")
        self.assertEqual(self.found(*files), [over, f"{sync}/{FILE}"])
        written(self.outside, {"other.yml": ""})
        (self.top / over).unlink()
        (self.top / over).symlink_to(self.outside / "other.yml")
        self.assertEqual(find(self.top).warnings, (f"{over} leads out of {self.top}, put the file itself there",))

    def test_no_application(self) -> None:
        """A directory that holds no application, or one without any channel, is a mistake."""
        (fault,) = find(self.outside).faults
        self.assertTrue(fault.endswith("has neither src nor vendor, name the directory of an Oro application"), fault)
        (self.top / "src").mkdir(parents=True)
        (fault,) = find(self.top).faults
        self.assertTrue(fault.endswith("no websocket_routing.yml below src and vendor, name an Oro application"), fault)

    def test_special_files(self) -> None:
        """What has the name and is no file is passed over, and not waited for."""
        path = self.top / "src/Pipe" / FILE
        path.parent.mkdir(parents=True)
        os.mkfifo(path)
        self.assertEqual(self.found(), [])

    def test_unreadable(self) -> None:
        """A folder that cannot be looked into could hold a bundle: that is told, not passed over."""
        self.found("vendor/secret/x", "config/oro/websocket_routing/a.yml")
        scandir, iterdir = os.scandir, Path.iterdir

        def refused(path: Any) -> Any:
            if str(path).endswith(("vendor/secret", "websocket_routing")):
                raise PermissionError(errno.EACCES, "Permission denied")
            return iterdir(path) if isinstance(path, Path) else scandir(path)

        with mock.patch.object(os, "scandir", refused), mock.patch.object(Path, "iterdir", refused):
            found = find(self.top)
        words = "cannot be read (Permission denied), correct its rights"
        self.assertEqual(found.warnings, (f"config/oro/websocket_routing {words}", f"vendor/secret {words}"))

    def test_bounds(self) -> None:
        """A directory that is much more than an application is given up."""
        self.found(*FILES)
        self.patch(oro_files, "MOST_FOLDERS", 10)
        self.assertIn("more than 10 folders below src and vendor", find(self.top).faults[0])
        self.patch(oro_files, "MOST_FOLDERS", 1000)
        self.patch(oro_files, "MOST_FILES", 5)
        self.assertIn("more than 5 files of routes", find(self.top).faults[0])
