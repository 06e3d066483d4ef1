"""Calls between other people's clients: one calls, another answers, whatever each of them speaks."""

from __future__ import annotations

from tests.product.libraries import SEND_BAD_URIS, VALUES, LibrariesCase, can, name


class CallTests(LibrariesCase):
    """Every library, serializer and transport, mixed."""

    def test_all_call_all(self) -> None:
        """Results and errors come back as they were, value for value."""
        procedures = {who: self.register(who, f"com.example.echo.{name(who)}") for who in self.libraries}
        for who, caller in self.libraries.items():
            for callee, procedure in procedures.items():
                answer = caller.ask("call", procedure, VALUES, {"key": "value"})
                self.assertEqual(answer, {"args": VALUES, "kwargs": {"key": "value"}}, (who, callee))
                self.refused("com.example.failed", caller, "call", procedure, ["why"], {"fail": "com.example.failed"})

    def test_without_arguments(self) -> None:
        """Nothing comes back as nothing."""
        for who in self.one_of_each():
            procedure = self.register(who, f"com.example.nothing.{name(who)}")
            for other, caller in self.libraries.items():
                self.assertEqual(caller.ask("call", procedure), {"args": [], "kwargs": {}}, (other, who))

    def test_patterns(self) -> None:
        """A prefix, a pattern with a gap, and the most specific of both and an exact one."""
        python, js = self.libraries["autobahn-python", "cbor", "rs"], self.libraries["autobahn", "json", "ws"]
        for number, who in enumerate(self.libraries):
            base = f"com.example.p{number}"
            self.register(who, f"{base}.pre", match="prefix")
            self.register(who, f"{base}..get", match="wildcard")
            for caller in (python, js):
                for procedure in (f"{base}.pre", f"{base}.prefix.x", f"{base}.user.get"):
                    answer = caller.ask("call", procedure, ["hello"])
                    self.assertEqual(answer, {"args": ["hello"], "kwargs": {}}, (who, procedure))
                self.refused("wamp.error.no_such_procedure", caller, "call", f"{base}.user.set", label=who)

    def test_shared(self) -> None:
        """Every client takes its turn at a procedure that all share; one that does not share it gets nothing."""
        procedure = "com.example.shared"
        for way in self.libraries:
            self.register(way, procedure, invoke="roundrobin")
        caller = self.libraries["autobahn-python", "json", "ws"]
        calls = [caller.send("call", procedure, [], {"wait": True}) for _ in self.libraries]
        for who, client in self.libraries.items():
            self.assertEqual(client.sign(), ("invoked", procedure), who)
            client.ask("release")
        for call in calls:
            self.assertEqual(caller.wait(call), {"args": ["late"], "kwargs": {}})

    def test_errors(self) -> None:
        """Somebody has it already, nobody has it, it is WAMP's own: each client is told so and goes on."""
        procedure = self.register(("autobahn-python", "json", "ws"), "com.example.taken")
        for who, client in self.libraries.items():
            if client is not self.libraries["autobahn-python", "json", "ws"]:
                self.refused("wamp.error.procedure_already_exists", client, "register", procedure, label=who)
            self.refused("wamp.error.no_such_procedure", client, "call", "com.example.nobody", label=who)
            if can(who, SEND_BAD_URIS):
                self.refused("wamp.error.invalid_uri", client, "register", "wamp.session.count", label=who)
            self.assertEqual(client.ask("call", procedure, ["still here"])["args"], ["still here"], who)

    def test_unregistered(self) -> None:
        """Afterwards nobody has the procedure, and it can be registered again."""
        caller = self.libraries["autobahn", "cbor", "ws"]
        for who, client in self.libraries.items():
            procedure = f"com.example.again.{name(who)}"
            client.ask("register", procedure)
            client.ask("unregister", procedure)
            self.refused("wamp.error.no_such_procedure", caller, "call", procedure, label=who)
            client.ask("register", procedure)
            self.assertEqual(caller.ask("call", procedure, [1])["args"], [1], who)
            client.ask("unregister", procedure)
