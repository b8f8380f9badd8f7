"""A waiter is answered when its row is finished: never before, also when it comes while somebody is looking."""

import asyncio
import threading
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from api.watcher import Watcher


def watching(watcher: Watcher, story: Coroutine[Any, Any, None]) -> None:
    """Run a story beside the watcher's task."""

    async def both() -> None:
        task = asyncio.create_task(watcher.run())
        try:
            await story
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    asyncio.run(both())


def test_a_row_below_the_lowest_open_one_is_answered_and_others_wait() -> None:
    watcher = Watcher(lambda: 7, tick_s=0.001)

    async def story() -> None:
        assert await watcher.wait(6, 5)
        assert not await watcher.wait(7, 0.05)

    watching(watcher, story())


def test_a_row_committed_while_the_watcher_looks_is_not_answered_by_that_look() -> None:
    looking, go_on, looks = threading.Event(), threading.Event(), []

    def look() -> int | None:
        looks.append(1)
        if len(looks) > 1:
            return 2  # by now the second row is there, and open
        looking.set()
        go_on.wait(5)
        return None  # as the database was before the second row

    watcher = Watcher(look, tick_s=0.001)

    async def story() -> None:
        first = asyncio.create_task(watcher.wait(1, 5))
        await asyncio.to_thread(looking.wait, 5)
        second = asyncio.create_task(watcher.wait(2, 0.1))
        await asyncio.sleep(0)  # lets the second waiter register before the first look ends
        go_on.set()
        assert await first
        assert not await second

    watching(watcher, story())


@pytest.mark.parametrize("error", [OperationalError("SELECT", {}, Exception("away")), ValueError("a row of another shape")])
def test_a_database_that_is_away_answers_nobody_and_is_asked_again(error: Exception) -> None:
    looks = iter([error, None])

    def look() -> int | None:
        found = next(looks)
        if found is not None:
            raise found
        return None

    watcher = Watcher(look, tick_s=0.001)

    async def story() -> None:
        assert await watcher.wait(1, 5)

    watching(watcher, story())

