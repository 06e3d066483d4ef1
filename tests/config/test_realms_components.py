"""Tests of orosync.config.realms, and of how its sections are read."""

from __future__ import annotations

from tests.config.files import SOUND, FilesCase

FEED = """
[component:feed]
use = acme.prices:Feed
role = feeder
"""


class ComponentTests(FilesCase):
    def test_section(self) -> None:
        """Keys of ours have their meaning, all others are the component's, with references followed; the realm is the
        only one unless it is said."""
        more = "Colour = light blue\nsecret = env:ORO_SECRET\n"
        (section,) = self.load(SOUND + FEED + more).components.values()
        self.assertEqual((section.name, section.use, section.role), ("feed", "acme.prices:Feed", "feeder"))
        self.assertEqual(section.realm, "oro")
        self.assertEqual(section.extra, {"Colour": "light blue", "secret": "0123456789abcdef0123456789abcdef"})
        self.assertNotIn("0123456789abcdef", repr(section))

    def test_faults(self) -> None:
        """What is missing or leads nowhere is told."""
        for text, fault in [
            ("[component:feed]\nrole = x", "[component:feed] use: is missing"),
            ("[component:feed]\nuse = acme.prices:Feed", "[component:feed] role: is missing"),
            ("[component:feed]\nuse = prices\nrole = x", "names no factory"),
            (FEED + "realm = ora", "there is no [realm:ora], did you mean oro?"),
            (FEED + "secret = env:NOTHING", "[component:feed] secret: "),
            ("[component:f d]\nuse = a:B\nrole = x", "needs a name of letters"),
        ]:
            (told,) = self.faults(SOUND + text)
            self.assertIn(fault, told)

    def test_several_realms(self) -> None:
        """Where there are several realms, a component has to say which."""
        more = "[realm:two]\nauthenticators = ticket\nauthorizers = topics:oro\n[notifications]\nrealm = oro\n"
        listen = SOUND.replace("[realm:oro]", "realm = oro\n\n[realm:oro]")
        (told,) = self.faults(listen + more + FEED)
        self.assertIn("[component:feed] realm: there are several realms", told)
