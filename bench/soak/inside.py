"""The server of `sessionplugin serve` in this process, with a report of what is open in it.

For each line of input, `look` or `weigh`, it prints one line of JSON. It stops at the end of its input.
"""

from __future__ import annotations

import gc
import json
import os
import sys
from contextlib import redirect_stdout
from dataclasses import asdict
from typing import TextIO

from pytest_sessionplugin.app.project import Project
from pytest_sessionplugin.serving.serve import Ports, served
from tests.processes import ROOT


def main() -> None:
    out = sys.stdout
    with redirect_stdout(sys.stderr), served(Project(ROOT, "dev", ROOT), Ports("127.0.0.1", 0, 0)) as up:
        say(out, {"http": up.http, "websocket": up.websocket})
        for asked in sys.stdin:
            if asked.strip() == "weigh":
                say(out, weigh())
            else:
                say(out, {**asdict(up.server.census()), "rows": rows()})


def rows() -> int:
    """The number of rows of connections; tickets, and what owners said of subjects, may stay in their table."""
    import boto3

    pages = boto3.client("dynamodb").get_paginator("scan")
    found = pages.paginate(
        TableName=os.environ["CONNECTIONS_TABLE"], Select="COUNT", FilterExpression="attribute_exists(connectedAt)"
    )
    return sum(page["Count"] for page in found)


def weigh() -> dict[str, object]:
    """Memory in use after all sessions, which have ended, and all tickets are purged as their TTL would do in time.

    DynamoDB keeps the tokens of transactions for ten minutes. The service uses transactions only for an
    Idempotency-Key, which clients of a soak do not send.
    """
    gc.collect()
    before = sys.getallocatedblocks()
    purged = purge()
    gc.collect()
    blocks = sys.getallocatedblocks()
    return {"blocks": blocks, "purged": purged, "purged_blocks": before - blocks}


def purge() -> int:
    """Deletes all items and returns their number."""
    import boto3

    purged = 0
    for variable in ("SESSIONS_TABLE", "CONNECTIONS_TABLE"):
        table = boto3.resource("dynamodb").Table(os.environ[variable])
        names = [each["AttributeName"] for each in table.key_schema]
        while found := table.scan()["Items"]:
            with table.batch_writer() as batch:
                for item in found:
                    batch.delete_item(Key={name: item[name] for name in names})
            purged += len(found)
    return purged


def say(out: TextIO, what: dict[str, object]) -> None:
    print(json.dumps(what), file=out, flush=True)


if __name__ == "__main__":
    main()
