"""The fixed HTTP answers: complete, closing, and silent about what made them."""

from twisted.trial.unittest import SynchronousTestCase

from orosync.clocks import epoch
from orosync.transport import http_responses
from orosync.transport.http_responses import PHRASES, RETRY_AFTER, Body, HttpResponses
from tests.support.wires import ANSWERS

PAGE = HttpResponses(epoch).answer(426, body=Body.PAGE)


class AnswerTests(SynchronousTestCase):
    def test_each_answer_is_whole(self) -> None:
        """A client knows the length and that the connection ends; there is nothing about software in it."""
        bare = {status: HttpResponses(epoch).answer(status, body=Body.NONE) for status in (200, 503)}
        for status, whole in [*ANSWERS.items(), (426, PAGE), *bare.items()]:
            head, _, body = whole.decode("ascii").partition("\r\n\r\n")
            lines = head.split("\r\n")
            self.assertTrue(lines[0].startswith(f"HTTP/1.1 {status} "))
            self.assertIn(f"Content-Length: {len(body)}", lines)
            self.assertTrue(any(line.startswith("Connection: ") and line.endswith("close") for line in lines))
            self.assertNotRegex(whole.decode(), r"(?i)server|twisted|autobahn|python|orosync|\[|\]")

    def test_unavailable_says_when_to_come_back(self) -> None:
        """503 carries Retry-After."""
        self.assertIn(b"\r\nRetry-After: %d\r\n" % RETRY_AFTER, ANSWERS[503])

    def test_a_plain_request_is_told_what_is_spoken_here(self) -> None:
        """426 names the protocol to upgrade to and its version (RFC 9110 section 15.5.22)."""
        for whole in (ANSWERS[426], PAGE):
            self.assertIn(b"\r\nUpgrade: websocket\r\n", whole)
            self.assertIn(b"\r\nConnection: Upgrade, close\r\n", whole)
            self.assertIn(b"\r\nSec-WebSocket-Version: 13\r\n", whole)

    def test_another_version_is_told_the_right_one(self) -> None:
        """400, as 426, names the version that is spoken (RFC 6455 sections 4.2.2 and 4.4)."""
        self.assertIn(b"\r\nSec-WebSocket-Version: 13\r\n", ANSWERS[400])

    def test_head(self) -> None:
        """The answer to HEAD is that to GET without its body."""
        responses = HttpResponses(epoch)
        for status, whole in ANSWERS.items():
            self.assertEqual(responses.answer(status), whole)
            self.assertEqual(responses.answer(status, "HEAD") + whole.partition(b"\r\n\r\n")[2], whole)
            self.assertTrue(responses.answer(status, "HEAD").endswith(b"\r\n\r\n"))

    def test_date(self) -> None:
        """Each has the date of its second (RFC 9110 section 6.6.1, in the form of section 5.6.7), made once."""
        times = [784111777.0, 784111777.9, 784111777.9, 784111778.0, 784111000.0]
        made: list[str] = []
        whole = http_responses._whole

        def counted(status: int, date: str, body: Body) -> bytes:
            made.append(date)
            return whole(status, date, body)

        self.patch(http_responses, "_whole", counted)
        clock = iter(times)
        responses = HttpResponses(lambda: next(clock))
        told = [responses.answer(status).decode() for status in (403, 403, 503, 403, 403)]
        seconds = ["37", "37", "37", "38"]
        for text, second in zip(told, seconds, strict=False):
            self.assertIn(f"\r\nDate: Sun, 06 Nov 1994 08:49:{second} GMT\r\n", text)
        self.assertIn("\r\nDate: Sun, 06 Nov 1994 08:36:40 GMT\r\n", told[-1])  # the clock was set
        self.assertEqual(len(made), 4)
        self.assertEqual(list(ANSWERS), list(PHRASES))

    def test_methods(self) -> None:
        """405 says which method is taken (RFC 9110 section 15.5.6)."""
        self.assertIn(b"\r\nAllow: GET\r\n", ANSWERS[405])
