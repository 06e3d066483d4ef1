"""Tests of orosync.config.checks: what only shows when sections are read together."""

from __future__ import annotations

from tests.config.files import ENVIRON, SECRET, SOUND, FilesCase, pem

LISTEN = "[listen:public]\nendpoint = tcp:8080:interface=127.0.0.1\n"
DEMO = """\
[router]
demo = yes
[listen:demo]
endpoint = tcp:8443:interface=127.0.0.1
tls = yes
[realm:oro]
authenticators = ticket
authorizers = topics:oro
[authenticator:ticket]
use = ticket
secret = generate
directory = demo
[directory:demo]
use = demo
[topics:oro]
"""


class References(FilesCase):
    """Names that lead to other sections."""

    def changed(self, old: str, new: str) -> list[str]:
        self.assertIn(old, SOUND)
        return self.faults(SOUND.replace(old, new))

    def test_nothing_leads_nowhere(self) -> None:
        """Each name of a section that is not there is told, with the nearest that is."""
        table = {
            ("authenticators = ticket", "authenticators = tickets"): (
                "[realm:oro] authenticators: there is no [authenticator:tickets], did you mean ticket? (line 5)"
            ),
            ("authorizers = topics:oro", "authorizers = topics:orro"): (
                "[realm:oro] authorizers: there is no [topics:orro], did you mean topics:oro? (line 6)"
            ),
            ("authorizers = topics:oro", "authorizers = role"): (
                "[realm:oro] authorizers: role is no authorizer, did you mean roles? (line 6)"
            ),
            ("authorizers = topics:oro", "authorizers = acme"): (
                "[realm:oro] authorizers: acme is no authorizer, write topics:NAME, roles or the name of an "
                "[authorizer:NAME] (line 6)"
            ),
            ("directory = people", "directory = crowd"): (
                "[authenticator:ticket] directory: there is no [directory:crowd], add that section or name another "
                "(line 11)"
            ),
            ("endpoint", "realm = ora\nendpoint"): (
                "[listen:public] realm: there is no [realm:ora], did you mean oro? (line 2)"
            ),
            ("endpoint", "authenticators = tiket\nendpoint"): (
                "[listen:public] authenticators: no realm has tiket, did you mean ticket? (line 2)"
            ),
            ("[listen", "[role:orro/user]\npermissions = any all\n[listen"): (
                "[role:orro/user]: there is no [realm:orro], did you mean oro? (line 1)"
            ),
            ("[listen", "[notifications]\nrealm = orro\n[listen"): (
                "[notifications] realm: there is no [realm:orro], did you mean oro? (line 2)"
            ),
        }
        for (old, new), expected in table.items():
            self.assertEqual(self.changed(old, new), [expected])

    def test_anonymous_only_where_a_realm_names_it(self) -> None:
        """A listener cannot use an authenticator that no realm names."""
        guest = "[authenticator:guest]\nuse = anonymous\n"
        text = guest + SOUND.replace("endpoint", "authenticators = guest\nendpoint")
        self.assertEqual(
            self.faults(text),
            ["[listen:public] authenticators: no realm has guest, add it to a realm first (line 4)"],
        )
        sound = self.load(text.replace("authenticators = ticket", "authenticators = ticket guest"))
        self.assertEqual(sound.listeners["public"].authenticators, ("guest",))

    def test_a_faulty_section_is_there(self) -> None:
        """A section that could not be made is told once; who refers to it is not blamed."""
        self.assertEqual(
            self.changed("use = static", "use = sttic"),
            ["[directory:people] use: 'sttic' is not known, did you mean static? (line 14)"],
        )
        self.assertEqual(
            self.changed("authorizers = topics:oro", "authorizers = topics:oro\nuris = lose"),
            ["[realm:oro] uris: 'lose' is not known, write loose or strict, did you mean loose? (line 7)"],
        )
        for key, example in (("authenticators", "ticket"), ("authorizers", "topics:oro")):
            told = self.changed(f"{key} = {example}", "")
            self.assertIn(f"[realm:oro] {key}: is missing, add a line like: {key} = {example} (line 4)", told)

    def test_several_realms(self) -> None:
        """With two realms it has to be said which one is meant."""
        second = "[realm:acme]\nauthenticators = ticket\nauthorizers = topics:oro\n"
        self.assertEqual(
            self.faults(SOUND + second),
            [
                "[listen:public] realm: there are several realms, say which one this listener leads to (line 1)",
                "[notifications] realm: there are several realms, say which one Oro's pages are in",
            ],
        )

    def test_realms_without_oro(self) -> None:
        """Where nothing is of Oro's, nobody is asked for the realm of its pages; each part of Oro's asks for it."""
        realm = "[realm:{}]\nauthenticators = {}\nauthorizers = roles\n"
        guests = (
            "[listen:a]\nendpoint = tcp:1:interface=127.0.0.1\nrealm = one\n[authenticator:guests]\nuse = anonymous\n"
            + realm.format("one", "guests")
            + realm.format("two", "guests")
        )
        self.assertEqual(self.load(guests).notifications.realm, "")
        people = "[directory:people]\nuse = static\nuser.admin = 1 env:ADMIN_HASH\n"
        ticket = "[authenticator:ticket]\nuse = ticket\nsecret = env:ORO_SECRET\ndirectory = people\n"
        asked = "[notifications] realm: there are several realms, say which one Oro's pages are in"
        for part in (people + ticket, "[topics:oro]\nuse = oro\n", "[notifications]\nping_interval = 20s\n"):
            faults = self.faults(guests + part)
            self.assertEqual([fault.partition(" (line")[0] for fault in faults], [asked], part)
            named = part if "[notifications]" in part else part + "[notifications]\n"
            self.load(guests + named + "realm = two\n")

    def test_an_empty_file(self) -> None:
        """Without a listener and a realm there is nothing to do."""
        self.assertEqual(
            self.faults("# nothing\n"),
            [
                "[listen:public]: no [listen:NAME] section is there, add one",
                "[realm:oro]: no [realm:NAME] section is there, add one",
            ],
        )

    def test_given_to_two(self) -> None:
        """A port for two listeners and an id for two users are mistakes."""
        self.assertEqual(
            self.changed("[realm", "[listen:more]\nendpoint = tcp:8080:interface=127.0.0.1\n[realm"),
            ["[listen:more] endpoint: is that of [listen:public] already, choose another (line 5)"],
        )
        self.assertEqual(
            self.changed("[topics", "user.jane = 1 env:ADMIN_HASH\n[topics"),
            ["[directory:people] user.jane: has the id of admin, whose topics it would see, correct it (line 17)"],
        )

    def test_routing_of_an_application_that_is_not_wanted(self) -> None:
        """Files of Oro's channels where only one's own are wanted: one of the two lines is a mistake."""
        text = SOUND.replace("use = oro", f"use = own\noro_routing = {self.directory}")
        (fault,) = self.faults(text)
        self.assertEqual(
            fault, "[topics:oro] oro_routing: declares Oro's channels, write use = oro or remove the line (line 19)"
        )

    def test_the_same_secret_twice(self) -> None:
        """A previous secret that is the present one rotates nothing."""
        self.assertEqual(
            self.changed("secret =", "previous_secret = env:OLD\nsecret ="),
            ["[authenticator:ticket] previous_secret: the environment has no OLD, set it (line 10)"],
        )
        self.assertEqual(
            self.faults(SOUND.replace("secret =", "previous_secret = env:OLD\nsecret ="), {**ENVIRON, "OLD": SECRET}),
            ["[authenticator:ticket] previous_secret: is the same as secret, remove the line (line 10)"],
        )


class Doors(FilesCase):
    """Listeners that would be open, or broken."""

    def listener(self, lines: str) -> list[str]:
        return self.faults(SOUND.replace(LISTEN, "[listen:public]\n" + lines))

    def test_public_ports_need_origins(self) -> None:
        """Where other machines can connect, the pages that may are listed, or no page is meant to come."""
        fault = (
            "[listen:public] origins: other machines can connect here, list the pages that may (as https://host), or "
            "write "
            "origin = optional if no browser ever comes (line 1)"
        )
        for endpoint in ("tcp:8080", "tcp:8080:interface=192.0.2.7", "systemd:domain=INET:name=ws"):
            text = SOUND.replace("tcp:8080:interface=127.0.0.1", endpoint)
            self.assertEqual(self.faults(text), [fault])
            with_database = text.replace(
                "use = static\nuser.admin = 1 env:ADMIN_HASH", "use = postgresql\ndsn = env:ORO_DB_DSN"
            ).replace("endpoint", "origins_from = directory:people\nendpoint")
            self.load(with_database, {**ENVIRON, "ORO_DB_DSN": "postgres://a:b@localhost/oro"})
            for line in ("origin = optional", "origins = https://oro.example.com"):
                found = self.load(text.replace("endpoint", f"{line}\nendpoint")).warnings
                self.assertEqual([one for one in found if "unencrypted" not in one], [])

    def test_origins_of_a_database(self) -> None:
        """``origins_from`` names a directory that is a database of Oro's, on a listener that pages connect to."""
        table = {
            "people": "'people' is no directory, write directory:NAME",
            "sessions:people": "'sessions:people' is no directory, write directory:NAME",
            "directory:peopel": "there is no [directory:peopel], did you mean people?",
            "directory:people": "[directory:people] is no database of Oro's, name one with use = postgresql or "
            "use = mysql, or list the origins",
        }
        for value, expected in table.items():
            (fault,) = self.listener(f"endpoint = tcp:1:interface=127.0.0.1\norigins_from = {value}\n")
            self.assertEqual(fault, f"[listen:public] origins_from: {expected} (line 3)")
        faults = self.listener(
            "endpoint = tcp:1:interface=127.0.0.1\ntransport = rawsocket\norigins_from = directory:people\n"
        )
        self.assertIn("[listen:public] origins_from: is for WebSocket alone", "\n".join(faults))

    def test_halves_of_tls(self) -> None:
        """Certificate and key come together."""
        self.write(pem(), "file.pem")
        table = {
            "certificate = file.pem\n": "[listen:public] key: is missing, certificate alone is not enough (line 1)",
            "key = file.pem\n": "[listen:public] certificate: is missing, key alone is not enough (line 1)",
            "tls = yes\n": "[listen:public] tls: needs certificate and key; to go without, that is for the demo alone "
            "(demo = yes in [router]) (line 2)",
        }
        for lines, expected in table.items():
            self.assertEqual(self.listener(lines + "endpoint = tcp:1:interface=127.0.0.1\n"), [expected])
        both = "certificate = file.pem\nkey = file.pem\nendpoint"
        self.assertTrue(self.load(SOUND.replace("endpoint", both)).listeners["public"].tls)

    def test_resumption(self) -> None:
        """It goes with TLS alone, and not with client certificates; unless it is asked for, these come first."""
        self.write(pem(), "file.pem")
        where = "endpoint = tcp:1:interface=127.0.0.1\n"
        table = {
            "tls_resumption = no\n": "goes with TLS alone, add certificate and key (line 3)",
            "tls_resumption = yes\ncertificate = file.pem\nkey = file.pem\nclient_ca = file.pem\n": "does not go with "
            "client_ca, whose certificates are verified in each handshake: remove one of the two (line 3)",
        }
        for lines, expected in table.items():
            self.assertEqual(self.listener(where + lines), [f"[listen:public] tls_resumption: {expected}"])
        for lines in (
            "certificate = file.pem\nkey = file.pem\ntls_resumption = yes\n",
            "certificate = file.pem\nkey = file.pem\nclient_ca = file.pem\n",
            "certificate = file.pem\nkey = file.pem\nclient_ca = file.pem\ntls_resumption = no\n",
        ):
            self.assertTrue(self.load(SOUND.replace("endpoint", f"{lines}endpoint")).listeners["public"].tls)

    def test_proxy_protocol(self) -> None:
        """It needs trusted proxies, on RawSocket too; and it makes a listener open to other machines."""
        where = "endpoint = tcp:1:interface=127.0.0.1\n"
        missing = (
            "[listen:public] trusted_proxies: is missing, with proxy_protocol name the load balancers that "
            "connections come from (line 1)"
        )
        self.assertEqual(self.listener(where + "proxy_protocol = yes\n"), [missing])
        for transport in ("websocket", "rawsocket", "universal"):
            lines = f"{where}transport = {transport}\nproxy_protocol = yes\ntrusted_proxies = loopback\n"
            self.assertTrue(self.load(SOUND.replace(LISTEN, f"[listen:public]\n{lines}")).listeners)
        self.assertEqual(
            self.listener(where + "proxy_protocol = yes\ntrusted_proxies = loopback\npublisher = yes\n"),
            [
                "[listen:public] publisher: other machines can connect here, listen on loopback or name the back end's "
                "addresses in publisher_from (line 5)"
            ],
        )

    def test_publishers_from_everywhere(self) -> None:
        """The right to publish is not given to all the world."""
        public = "endpoint = tcp:1\norigin = optional\n"
        table = {
            public
            + "publisher = yes\n": "[listen:public] publisher: other machines can connect here, listen on loopback or "
            "name the back end's addresses in publisher_from (line 4)",
            public
            + "publisher_from = 0.0.0.0/0\n": "[listen:public] publisher_from: 0.0.0.0/0 is every address, name the "
            "back end's own addresses (line 4)",
            public
            + "publisher_from = ::/0\n": "[listen:public] publisher_from: ::/0 is every address, name the back end's "
            "own addresses (line 4)",
        }
        for lines, expected in table.items():
            self.assertEqual(self.listener(lines), [expected])
        sound = SOUND.replace(LISTEN, f"[listen:public]\n{public}publisher = yes\npublisher_from = 10.0.0.0/8\n")
        self.assertTrue(self.load(sound).listeners["public"].publisher)

    def test_publishers_without_an_authenticator(self) -> None:
        """A listener for the back end where only the anonymous come in makes no sense, said of it or of the realm."""
        guests = SOUND.replace("authenticators = ticket", "authenticators = guest")
        self.assertEqual(
            self.faults(
                guests.replace("endpoint", "publisher_from = loopback\nendpoint")
                + "[authenticator:guest]\nuse = anonymous\n"
            ),
            [
                "[listen:public] publisher_from: no authenticator here knows a back end, add one with use = ticket "
                "(line 2)"
            ],
        )
        text = SOUND.replace("authenticators = ticket", "authenticators = ticket guest")
        text = text.replace("endpoint", "authenticators = guest\npublisher = yes\nendpoint")
        self.assertEqual(
            self.faults(text + "[authenticator:guest]\nuse = anonymous\n"),
            ["[listen:public] publisher: no authenticator here knows a back end, add one with use = ticket (line 3)"],
        )


class Demo(FilesCase):
    """Demo mode and what belongs to it alone."""

    def test_valid_configuration(self) -> None:
        """On loopback, with a secret of its own."""
        configuration = self.load(DEMO)
        self.assertEqual(configuration.warnings, ())
        secret = configuration.authenticators["ticket"].secret  # type: ignore[union-attr]
        self.assertEqual(secret.reference, "generate")

    def test_it_stays_on_this_machine(self) -> None:
        """No other endpoint, no proxy."""
        text = DEMO.replace("tls = yes", "origin = optional\ntrusted_proxies = loopback")
        advice = "demo mode stays on this machine, write tcp:PORT:interface=127.0.0.1 or demo = no"
        for endpoint in ("tcp:8443", "tcp:8443:interface=192.0.2.7", "unix:/run/demo", "systemd:domain=INET:name=x"):
            self.assertEqual(
                self.faults(text.replace("tcp:8443:interface=127.0.0.1", endpoint)),
                [
                    f"[listen:demo] endpoint: {advice} (line 4)",
                    "[listen:demo] trusted_proxies: demo mode answers no proxy, remove the line or write demo = no "
                    "(line 6)",
                ],
            )

    def test_elsewhere(self) -> None:
        """Without demo mode nothing of the demo works."""
        alone = "that is for the demo alone (demo = yes in [router])"
        self.assertEqual(
            self.faults(DEMO.replace("demo = yes", "demo = no")),
            [
                f"[listen:demo] tls: needs certificate and key; to go without, {alone} (line 5)",
                f"[authenticator:ticket] secret: generate: {alone}, write file:/path or env:NAME (line 11)",
                f"[directory:demo] use: demo: {alone}, write postgresql, mysql or static (line 14)",
            ],
        )

    def test_a_place_for_the_certificate(self) -> None:
        """The certificate that is made must have somewhere to go."""
        self.write("x")
        text = DEMO.replace("demo = yes\n", "demo = yes\nstate = router.ini/below\n")
        self.assertEqual(
            self.faults(text),
            [f"[router] state: {self.directory}/router.ini/below cannot be written, name one that can (line 3)"],
        )
