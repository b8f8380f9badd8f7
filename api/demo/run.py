"""
`originmark demo`: set the stage, serve, play the season through the served interface, say what to open and scan.

The server runs in the main thread, so that Ctrl-C ends it gracefully; the season is played beside it, as a client.
"""

import json
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from datetime import datetime, timedelta, timezone
from functools import partial
from pathlib import Path
from socket import socket
from time import monotonic

import uvicorn
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from api.app import create_app
from api.demo.play import DemoFailed, Item, Player
from api.demo.stage import Stage, set_up
from api.demo.story import Season
from api.running import Local
from producers.answers import LogError
from producers.sheet import matrix

CHINA = timezone(timedelta(hours=8))
RECORDS = 79  # of a season: grants, labels and story; only the bar needs it
START_S = 30.0  # until the server listens
POLL_S = 0.02


class Server(uvicorn.Server):
    """uvicorn, telling when it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = threading.Event()

    async def startup(self, sockets: list[socket] | None = None) -> None:
        """See uvicorn.Server."""
        await super().startup(sockets)
        self.listening.set()


def run_demo(data: Path, host: str, port: int, console: Console) -> int:
    """Run until interrupted; returns the exit code."""
    began, base_url = monotonic(), f"http://localhost:{port}"
    stage = set_up(data, base_url)
    app = create_app(stage.settings, Local(devchain=stage.chain, is_demo=True))
    config = uvicorn.Config(app, host=host, port=port, log_level="warning", timeout_graceful_shutdown=10)
    server = Server(config)
    told = threading.Event()

    def beside() -> None:
        try:
            if not server.listening.wait(START_S) or server.should_exit:
                return
            items = _items(stage, f"http://127.0.0.1:{port}", console)
            _tell(stage, items, console, base_url, monotonic() - began)
            told.set()
        except (DemoFailed, LogError, OSError) as error:
            console.print(f"[bold red]{error}")
        finally:
            # A demo without its season would only puzzle people.
            server.should_exit = server.should_exit or not told.is_set()

    threading.Thread(target=beside, name="season", daemon=True).start()
    with suppress(KeyboardInterrupt):  # raised once the server has drained
        server.run()
    return 0 if told.is_set() else 1


def _items(stage: Stage, server: str, console: Console) -> Sequence[Item]:
    if not stage.is_new:
        return [Item(**one) for one in json.loads(stage.items.read_text("utf-8"))]
    columns = (TextColumn("{task.description:24}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("一季 season", total=RECORDS)

        def advance(what: str, count: int) -> None:
            progress.update(task, advance=count, description=what)

        player = Player(server, stage.settings.keys, stage.registrar, advance)
        items = player.play(Season(datetime.now(CHINA), stage.settings.origin))
    _write_whole(stage.items, json.dumps([asdict(one) for one in items], ensure_ascii=False, indent=1) + "\n")
    return items


def _write_whole(path: Path, text: str) -> None:
    # Its presence says that the season is complete, so it must never be there in part.
    temporary = path.with_suffix(".new")
    temporary.write_text(text, "utf-8")
    temporary.replace(path)


def _tell(stage: Stage, items: Sequence[Item], console: Console, base_url: str, took_s: float) -> None:
    say = partial(console.print, highlight=False, soft_wrap=True)
    for row in _qr(base_url + items[0].path):
        console.print(row, style="black on white", highlight=False)
    say(f"\n[bold]源印 Originmark[/bold]  {base_url}   ({took_s:.1f} s)\n")
    for item in items:
        for names in (item.name, item.note):
            say(f"  {names['en']} · {names['zh']}")
        say(f"  {base_url}{item.path}\n")
    say(f"\n  监管 regulator  {base_url}/regulator\n  key 密钥         {stage.regulator_key}")
    say(f"  账本 log        {base_url}/log\n  策略 policy     {stage.policy}")
    say(f"\n  python -m verify '{base_url}{items[0].path}' --policy {stage.policy} --rpc {base_url}/devchain")
    say("\n  [yellow]演示：见证方与链都在本机。 Witness and chain run on this machine:")
    say("  [yellow]they prove the code, not the claim.")
    say("  Ctrl-C 结束 ends it; the data stays in " + str(stage.settings.data))


def _qr(text: str) -> list[str]:
    """A QR code in half blocks, two rows of modules a line; dark on light."""
    rows = [list(row) for row in matrix(text)]
    if len(rows) % 2:
        rows.append([False] * len(rows[0]))
    marks = " ▀▄█"
    pairs = zip(rows[::2], rows[1::2], strict=True)
    return ["".join(marks[bool(a) + 2 * bool(b)] for a, b in zip(top, low, strict=True)) for top, low in pairs]

