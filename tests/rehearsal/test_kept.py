"""The tables of a kept stage are protected twice, and go only with a confirmation."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from tests.rehearsal.inventory import Inventory
from tests.rehearsal.stage import empty_account


def test_the_tables_of_a_kept_stage_go_only_with_a_confirmation() -> None:
    with empty_account("prod") as stage:
        inventory = Inventory(stage.session, stage.emulator.url)
        assert stage.run("tables").status == 0
        with pytest.raises(ClientError, match="TerminationProtection"):
            stage.client("cloudformation").delete_stack(StackName="sessions-prod-tables")
        with pytest.raises(ClientError, match="protected against deletion"):
            stage.tables["Sessions"].delete()
        stage.destroy()
        stage.tables["Sessions"].put_item(Item={"sessionId": "standup"})
        assert stage.run("destroy", "--confirm", "dev").status == 1
        assert stage.tables["Sessions"].scan()["Count"] == 1
        stage.destroy("--confirm", "prod")
        assert inventory.differences() == {}
