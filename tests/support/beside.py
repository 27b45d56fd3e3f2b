"""Something that happens at the same time, in a thread with a connection of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from django.db import connection

#: Seconds that anything of this takes at most.
AT_MOST = 30


class Beside(threading.Thread):
    """Something in a thread, with a connection of its own; what came of it."""

    def __init__(self, do: Callable[[], Any]) -> None:
        super().__init__(daemon=True)
        self._do = do
        self.value: Any = None
        self.error: BaseException | None = None
        self.start()

    def run(self) -> None:
        try:
            self.value = self._do()
        except BaseException as error:
            self.error = error
        finally:
            connection.close()

    def end(self) -> Any:
        self.join(AT_MOST)
        assert not self.is_alive(), "it ends"
        if self.error is not None:
            raise self.error
        return self.value
