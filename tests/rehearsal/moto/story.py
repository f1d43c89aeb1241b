"""The life of a stage in snapshots: deployed, deployed again unchanged, deployed with changes, destroyed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.rehearsal.moto import command, expected, project
from tests.rehearsal.moto.command import Asked, Ran
from tests.rehearsal.moto.expected import Project
from tests.rehearsal.moto.moto_server import MotoServer
from tests.rehearsal.moto.read_back import Account

REMOVED = '@route("/health/ready", methods=["GET"])'
ADDED = '@route("/health/added/{what}", methods=["GET", "PUT"])'


@dataclass(frozen=True)
class Chapter:
    """A deploy and the account after it."""

    wanted: Project
    ran: Ran
    calls: list[Asked]
    account: Account


@dataclass(frozen=True)
class Story:
    """The chapters of the stage `dev`."""

    root: Path
    first: Chapter
    again: Chapter
    changed: Chapter
    destroyed: Chapter


def tell(server: MotoServer, folder: Path) -> Story:
    root, commands = project.copied(folder), command.at(server)

    def chapter(verb: str) -> Chapter:
        ran = commands.run(root, verb, "--stage", "dev", "--verbose")
        assert ran.status == 0, ran.err
        return Chapter(expected.read(root, "dev"), ran, [*commands.calls], commands.account())

    first, again = chapter("deploy"), chapter("deploy")
    change(root)
    return Story(root, first, again, chapter("deploy"), chapter("destroy"))


def change(root: Path) -> None:
    """Adds a route, removes one, gives one function more memory and less time, and changes the alarms' topics."""
    app = root / "app.py"
    text = app.read_text(encoding="utf-8")
    assert REMOVED in text
    app.write_text(text.replace(REMOVED, ADDED), encoding="utf-8")

    def changed(config: dict[str, Any]) -> None:
        dev = config["stages"]["dev"]
        dev["lambda_functions"]["websocket_connect"]["lambda_memory_size"] = 640
        dev["lambda_functions"]["sweep"]["lambda_timeout"] = 28
        dev["environment_variables"]["LOG_LEVEL"] = "DEBUG"
        dev["environment_variables"]["ADDED"] = "yes"
        dev["log_retention_in_days"] = 30
        config["minimum_compression_size"] = 2048

    project.change(root / ".chalice" / "config.json", changed)

    def operated(operations: dict[str, Any]) -> None:
        operations["dev"]["alarm_topics"] = ["arn:aws:sns:eu-central-1:123456789012:on-call"]
        operations["dev"]["http_throttle"] = {"rate": 7, "burst": 8}
        operations["dev"]["websocket_throttle"] = {"rate": 9, "burst": 10}

    project.change(root / ".chalice" / "operations.json", operated)
