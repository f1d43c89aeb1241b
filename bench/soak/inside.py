"""What `sessionplugin serve` runs, in this process, which says besides what is open in it.

For each line of its input it prints one of JSON; it ends with its input.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict
from typing import TextIO

from pytest_sessionplugin.project import Project
from pytest_sessionplugin.serve import served
from tests.serving import ROOT


def main() -> None:
    out, sys.stdout = sys.stdout, sys.stderr
    with served(Project(ROOT, "dev", ROOT), "127.0.0.1", 0, 0) as up:
        say(out, {"http": up.http, "websocket": up.websocket})
        for _ in sys.stdin:
            say(out, {**asdict(up.server.census()), "rows": rows()})


def rows() -> int:
    """Of the table of connections."""
    import boto3

    pages = boto3.client("dynamodb").get_paginator("scan")
    found = pages.paginate(TableName=os.environ["CONNECTIONS_TABLE"], Select="COUNT")
    return sum(page["Count"] for page in found)


def say(out: TextIO, what: dict[str, object]) -> None:
    print(json.dumps(what), file=out, flush=True)


if __name__ == "__main__":
    main()
