"""Routes as they count, imports among them."""

from __future__ import annotations

import errno
import shutil
import tempfile
from pathlib import Path
from unittest import mock

from twisted.trial.unittest import SynchronousTestCase

from orosync.authz import oro_routes
from orosync.authz.oro_routes import PlacedRoute, RouteReader
from tests.authz.oro_application import written

MORE = "m: {pattern: 'a/{x}/{y}', callback: h, requirements: {x: a, y: b}, defaults: {y: 1}}\n"
ONE = "r: {pattern: a, callback: h}\n"


class RouteReaderTests(SynchronousTestCase):
    """RouteReader"""

    def setUp(self) -> None:
        self.outside = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.outside)
        self.top = self.outside / "app"

    def read(self, text: str, **files: str) -> RouteReader:
        """Of ``src/b/f.yml`` with this text and files beside it (their names without .yml)."""
        written(self.top, {"src/b/f.yml": text, **{f"src/b/{name}.yml": one for name, one in files.items()}})
        reader = RouteReader(self.top)
        reader.read("src/b/f.yml", self.top / "src/b/f.yml")
        return reader

    def route(self, text: str) -> PlacedRoute:
        """The only route of a file with this text; nothing is warned about."""
        reader = self.read(text)
        self.assertEqual(reader.warnings, [])
        (route,) = reader.routes
        return route

    def test_places(self) -> None:
        """File and lines are those of the name, the pattern and the problem."""
        route = self.route("\nr:\n  pattern: ' a/{x} '\n  callback: h\n  requirements:\n    x: '[a]'\n")
        self.assertEqual((route.place, route.pattern, route.pattern_line), ("src/b/f.yml:2", "a/{x}", 3))
        self.assertEqual((route.name, route.callback, route.problem), ("r", "h", ""))
        self.assertEqual((route.requirements["x"].text, route.requirements["x"].line), ("[a]", 6))
        route = self.route("r:\n  pattern: a\n  callback: h\n  odd: 1\n  more: 2\n")
        self.assertEqual((route.problem_line, route.problem.partition(" here")[0]), (4, "r: odd is not known"))

    def test_inline(self) -> None:
        """A requirement and a default within a pattern are taken out of it, as Route::setPattern does; those of the
        route's own come after."""
        route = self.route(r"r: {pattern: 'a/{x<\d+>}/{y<[a-z]+>?b}/{z?}', callback: h, requirements: {x: '[0-9]'}}")
        self.assertEqual(route.pattern, "a/{x}/{y}/{z}")
        self.assertEqual({name: one.text for name, one in route.requirements.items()}, {"x": "[0-9]", "y": "[a-z]+"})
        self.assertEqual(route.defaults, {"y"})  # a default of null leaves nothing out
        self.assertEqual(self.route("r: {pattern: 'a?<b', callback: h}").pattern, "a?<b")

    def test_imports(self) -> None:
        """The routes of another file, with the import's requirements and defaults over their own, the outermost
        import's over all."""
        reader = self.read(
            "i: {resource: more.yml, requirements: {x: c}, defaults: {z: 1}}\nj: {resource: sub/n.yaml, type: yaml,"
            " requirements: {x: d}}\n",
            more=MORE,
            **{"sub/m": MORE},
        )
        self.assertEqual(reader.warnings, ["src/b/f.yml:2: j: there is no 'sub/n.yaml' in the folder of this file; what"
                                           " it imports is denied to everyone"])  # fmt: skip
        (route,) = reader.routes
        self.assertEqual({name: one.text for name, one in route.requirements.items()}, {"x": "c", "y": "b"})
        self.assertEqual((route.defaults, route.place), ({"y", "z"}, "src/b/more.yml:1"))
        written(self.top, {"src/b/sub/n.yaml": "k: {resource: ../more.yml, requirements: {x: e, y: f}}\n"})
        reader = self.read("j: {resource: sub/n.yaml, type: yaml, requirements: {x: d}}\n", more=MORE)
        (route,) = reader.routes
        self.assertEqual({name: one.text for name, one in route.requirements.items()}, {"x": "d", "y": "f"})

    def test_forms_in_imported_files(self) -> None:
        """Oro's own forms are read by Oro's loader alone, which an import has by its type only."""
        oros = "r: {channel: 'a/{x}', handler: {callback: h}, requirements: {x: {pattern: b}}}\n"
        (route,) = self.read("i: {resource: more.yml}\n", more=oros).routes
        self.assertIn("an imported file has the handler and each requirement as one text", route.problem)
        (route,) = self.read("i: {resource: more.yml, type: oro_websocket_routing_yaml}\n", more=oros).routes
        self.assertEqual((route.problem, route.callback), ("", "h"))

    def test_what_is_not_imported(self) -> None:
        """What only PHP can find, or what is no file here, is told with file and line."""
        written(self.outside, {"o.yml": ONE})
        for entry, words in (
            ("resource: '@AcmeBundle/r.yml'", "'@AcmeBundle/r.yml' is not looked up"),
            ("resource: 'r/*.yml'", "'r/*.yml' is not looked up"),
            ("resource: '*.yml', type: glob", "an import of type glob is not read"),
            ("resource: 'acme.loader:load', type: service", "an import of type service is not read"),
            ("resource: routes.php", "'routes.php' is no .yml file"),
            ("resource: ../../../o.yml", "'../../../o.yml' leads out of the application"),
            ("resource: f.yml", "'f.yml' imports itself"),
            ("resource: gone.yml", "there is no 'gone.yml'"),
            ("resource: more.yml, exclude: x", "exclude is not read"),
        ):
            reader = self.read(f"\ni: {{{entry}}}\n{ONE}", more=ONE)
            self.assertEqual([route.name for route in reader.routes], ["r"], entry)
            (warning,) = reader.warnings
            self.assertTrue(warning.startswith(f"src/b/f.yml:2: i: {words}"), warning)
            self.assertTrue(warning.endswith("; what it imports is denied to everyone"), warning)

    def test_imports_without_end(self) -> None:
        """Files that import each other, and chains that are too long, are given up."""
        (warning,) = self.read("i: {resource: more.yml}\n", more="j: {resource: f.yml}\n").warnings
        self.assertIn("src/b/more.yml:1: j: 'f.yml' imports itself", warning)
        chain = {f"c{n}": f"i: {{resource: c{n + 1}.yml}}\n" for n in range(20)}
        (warning,) = self.read("i: {resource: c0.yml}\n", **chain).warnings
        self.assertIn(f"more than {oro_routes.DEEPEST} imports within imports", warning)

    def test_files_that_are_not_read(self) -> None:
        """A file that is no YAML, or cannot be opened, is told with its place; the others are read."""
        reader = self.read(f"i: {{resource: more.yml}}\n{ONE}", more="a: b: c\n")
        self.assertEqual([route.name for route in reader.routes], ["r"])
        (warning,) = reader.warnings
        self.assertTrue(warning.startswith("src/b/more.yml:1: is no YAML"), warning)
        self.assertTrue(warning.endswith("what it declares is denied to everyone"), warning)
        reader = RouteReader(self.top)
        with mock.patch.object(Path, "open", side_effect=PermissionError(errno.EACCES, "Permission denied")):
            reader.read("src/b/f.yml", self.top / "src/b/f.yml")
        self.assertEqual(
            reader.warnings,
            [
                "src/b/f.yml: cannot be read (Permission denied), correct its rights; what it declares is denied to "
                "everyone"
            ],
        )

    def test_bound(self) -> None:
        """More routes than any application has are not read."""
        self.patch(oro_routes, "MOST_ROUTES", 2)
        reader = self.read("".join(f"r{n}: {{pattern: a{n}, callback: h}}\n" for n in range(5)))
        self.assertEqual(len(reader.routes), 2)
        self.assertIn("src/b/f.yml: more than 2 routes", reader.warnings[0])
