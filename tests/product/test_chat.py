"""The example of instant messages: who may read and write where, and in whose name."""

from __future__ import annotations

from tests.product.example import ExampleCase, asked
from tests.product.test_demo_story import Browser


class Chat(ExampleCase):
    name = "chat"

    def messages(self, browser: Browser) -> list[tuple[str, str]]:
        """(author, text) of each message on the page."""
        script = (
            "return [...document.querySelectorAll('[data-testid=message]')]"
            ".map((one) => [one.dataset.author, one.querySelector('.bubble').textContent])"
        )
        return [(author, text) for author, text in browser.driver.execute_script(script)]

    def say(self, browser: Browser, text: str) -> None:
        browser.type("text", text)
        browser.click("send")

    def reads(self, browser: Browser, *expected: tuple[str, str]) -> None:
        browser.until(lambda: self.messages(browser) == list(expected), f"{expected}")

    def here(self, browser: Browser, *people: str) -> None:
        """Wait until the page says that just these members are here."""

        def seen() -> list[str]:
            script = "return [...document.querySelectorAll('[data-here=true]')].map((one) => one.dataset.testid)"
            return [name.removeprefix("member-") for name in browser.driver.execute_script(script)]

        browser.until(lambda: seen() == list(people), f"{people} are here")

    def test_talk(self) -> None:
        """Two windows talk; who was away reads it later; a new room is seen by those who are invited to it."""
        browser = self.browse()
        browser.see("choose-carla")
        browser.click("choose-anna")
        browser.state("open")
        browser.until(lambda: browser.see("room").text == "Garden", "the first room")
        anna = browser.driver.current_window_handle
        ben = self.window(browser, "?user=ben")
        browser.state("open")
        browser.until(lambda: browser.see("room").text == "Garden", "the first room")
        self.assertEqual(browser.all("room-attic"), [])

        browser.driver.switch_to.window(anna)
        self.say(browser, "Good morning! Is the new price list out?")
        self.reads(browser, ("anna", "Good morning! Is the new price list out?"))
        browser.driver.switch_to.window(ben)
        self.say(browser, "Since eight o'clock. Have a look at the account of Globex, it needs a new offer.")
        self.say(browser, "Today, if you can.")
        talk = [
            ("anna", "Good morning! Is the new price list out?"),
            ("ben", "Since eight o'clock. Have a look at the account of Globex, it needs a new offer."),
            ("ben", "Today, if you can."),
        ]
        self.reads(browser, *talk)
        browser.driver.switch_to.window(anna)
        self.reads(browser, *talk)
        self.say(browser, "On it.")
        talk.append(("anna", "On it."))
        self.reads(browser, *talk)
        self.here(browser, "anna", "ben")
        self.picture(browser, "1-talk")

        # Carla comes later, and reads what was said.
        carla = self.window(browser, "?user=carla")
        browser.state("open")
        self.reads(browser, *talk)
        self.here(browser, "anna", "ben", "carla")
        browser.see("room-attic")
        self.assertEqual(browser.all("room-kitchen"), [])

        # Anna opens a room and has Carla in it.
        browser.driver.switch_to.window(anna)
        browser.type("new-room", "offers\n")
        browser.until(lambda: browser.see("room").text == "Offers", "the new room")
        browser.see("invite").send_keys("Carla")
        browser.driver.switch_to.window(carla)
        browser.click("room-offers")
        self.say(browser, "Here I am.")
        self.reads(browser, ("carla", "Here I am."))
        browser.driver.switch_to.window(anna)
        self.reads(browser, ("carla", "Here I am."))
        self.picture(browser, "2-room")
        browser.type("new-room", "offers\n")
        self.assertIn("there is a room of that name", browser.see("refusal").text)
        # Ben has not been told of it, and sees who leaves.
        browser.driver.switch_to.window(carla)
        browser.driver.close()
        browser.driver.switch_to.window(ben)
        self.here(browser, "anna", "ben")
        self.assertEqual(browser.all("room-offers"), [])
        for window in (anna, ben):
            browser.driver.switch_to.window(window)
            self.sound(browser)

    def test_phone(self) -> None:
        """On a phone everything fits, and can be used."""
        browser = self.browse("?user=ben", 390, 844)
        browser.state("open")
        browser.click("room-kitchen")
        self.say(browser, "<b>Coffee?</b> 🙂")
        self.reads(browser, ("ben", "<b>Coffee?</b> 🙂"))
        self.fits(browser, 390)
        self.picture(browser, "3-phone")

    def test_nobody_can_write_as_another(self) -> None:
        """Whatever a client claims, a message carries the name of whoever published it, live and remembered."""
        anna, ben = (self.example.client(self, "chat", user) for user in ("anna", "ben"))
        asked(ben, 32, 1, {}, "chat.room.kitchen")
        claims = {"acknowledge": True, "disclose_me": False, "publisher_authid": "ben", "publisher": 1}
        answer = asked(
            anna, 16, 1, claims, "chat.room.kitchen", ["I resign."], {"publisher_authid": "ben", "details": {}}
        )
        self.assertEqual(answer[0], 17)
        event = ben.read()
        self.assertEqual((event[0], event[3]["publisher_authid"], event[4]), (36, "anna", ["I resign."]))
        (remembered,) = asked(ben, 48, 2, {}, "chat.history.kitchen")[3][0]
        self.assertEqual((remembered["author"], remembered["text"]), ("anna", "I resign."))
        self.assertEqual(remembered["id"], event[2])

    def test_members_only(self) -> None:
        """Who is no member neither reads nor writes nor looks back, by no pattern either; nor is a member for ever."""
        carla = self.example.client(self, "chat", "carla")
        refused = "wamp.error.not_authorized"
        for message, error in [
            ([32, 1, {}, "chat.room.kitchen"], refused),
            ([32, 1, {}, "chat.room.nowhere"], refused),
            ([32, 1, {"match": "prefix"}, "chat.room."], refused),
            ([32, 1, {"match": "prefix"}, "chat.r"], refused),
            ([32, 1, {"match": "wildcard"}, "chat..kitchen"], refused),
            ([32, 1, {"match": "wildcard"}, "chat.room."], refused),
            ([32, 1, {}, "chat.for.anna"], refused),
            ([32, 1, {}, "chat.presence.kitchen"], refused),
            ([16, 1, {"acknowledge": True}, "chat.room.kitchen", ["hello"]], refused),
            ([16, 1, {"acknowledge": True}, "chat.for.carla", ["hello"]], refused),
            ([16, 1, {"acknowledge": True}, "chat.presence.garden", [["ben"]]], refused),
            ([48, 1, {}, "chat.history.kitchen"], refused),
            ([64, 1, {}, "chat.history.garden"], refused),
            ([48, 1, {}, "chat.invite", ["kitchen", "carla"]], "chat.error.not_yours"),
            ([48, 1, {}, "chat.invite", ["attic", "mallory"]], "chat.error.not_yours"),
            ([48, 1, {}, "chat.open", ["A b"]], "chat.error.bad_name"),
            ([48, 1, {}, "chat.open", [7]], "chat.error.bad_name"),
            ([48, 1, {}, "chat.open", ["kitchen"]], "chat.error.taken"),
        ]:
            answer = asked(carla, *message)
            self.assertEqual((answer[0], answer[4]), (8, error), message)
        anna = self.example.client(self, "chat", "anna")
        asked(anna, 48, 1, {}, "chat.invite", ["kitchen", "carla"])
        self.assertEqual(asked(carla, 32, 2, {}, "chat.room.kitchen")[0], 33)

    def test_no_messages(self) -> None:
        """What is published and is no message is not remembered."""
        anna = self.example.client(self, "chat", "anna")
        for args in ([], [7], ["a", "b"], [""], ["x" * 2001], [{"text": "a"}], [None]):
            asked(anna, 16, 1, {"acknowledge": True}, "chat.room.kitchen", args)
        asked(anna, 16, 1, {"acknowledge": True}, "chat.room.kitchen", ["x" * 2000])
        self.assertEqual(len(asked(anna, 48, 2, {}, "chat.history.kitchen")[3][0]), 1)
