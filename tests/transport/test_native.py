"""What was built in C is what is used."""

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from orosync.session import dispatch
from orosync.transport import frames, native, websocket, write_queue


class NativeTests(SynchronousTestCase):
    def test_what_is_used(self) -> None:
        """That in C where it was built, else that in Python; each is tested where it stands in Python."""
        built = native.built
        self.assertIs(
            write_queue.send_to_all, write_queue.send_to_all_in_python if built is None else built.send_to_all
        )
        self.assertIs(dispatch.send_to_all, write_queue.send_to_all)
        self.assertIs(frames.data_frame, frames.data_frame_in_python if built is None else built.data_frame)
        self.assertIs(websocket.data_frame, frames.data_frame)

    def test_wrong_arguments(self) -> None:
        """An exception, as from functions in Python; C raises one also where those would not notice."""
        functions: list[Any] = [frames.data_frame, write_queue.send_to_all]
        wrong: list[tuple[Any, ...]] = [(), (1,), (None, None)]
        if native.built is not None:
            functions += [native.built.Sender, native.built.flush_ready]
            wrong += [("text", 0, 1, True), (b"", "0", 1, True), ((), b""), ([], 1, 2), (1, [], 2, "3", 4)]
        for function in functions:
            for arguments in wrong:
                with self.assertRaises(TypeError):
                    function(*arguments)
