"""The demo's own server, in this process and on loopback, with its season played through the real interface."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path

import uvicorn

from api.app import create_app
from api.demo.play import Item, Player
from api.demo.run import Server
from api.demo.stage import Stage, set_up
from api.demo.story import Season
from api.running import Local

CHINA = timezone(timedelta(hours=8))


@contextmanager
def serving_demo(data: Path, port: int) -> Iterator[Stage]:
    """Serve the demo's log of a folder, new or kept, until the block ends."""
    stage = set_up(data, f"http://localhost:{port}")
    app = create_app(stage.settings, Local(devchain=stage.chain, is_demo=True))
    server = Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="warning"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        assert server.listening.wait(30)
        yield stage
    finally:
        server.should_exit = True
        thread.join()


def play_season(stage: Stage, port: int) -> list[Item]:
    """Play the season on a new log; returns the items whose labels can be scanned."""
    assert stage.is_new
    player = Player(f"http://127.0.0.1:{port}", stage.settings.keys, stage.registrar, lambda what, count: None)
    items = player.play(Season(datetime.now(CHINA), stage.settings.origin))
    stage.items.write_text(json.dumps([]), "utf-8")
    return items
