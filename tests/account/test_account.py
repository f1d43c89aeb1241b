"""One account: what is wired to what, with an app of its own and without pytest's fixtures."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest

from pytest_sessionplugin import in_memory
from pytest_sessionplugin.account import account as account_module
from pytest_sessionplugin.account.account import Account
from pytest_sessionplugin.account.journal import Journal
from pytest_sessionplugin.app.functions import Process
from pytest_sessionplugin.app.modules import Copies
from pytest_sessionplugin.app.project import Memory, Project
from pytest_sessionplugin.aws.calls import Calls
from pytest_sessionplugin.errors import BlockedCall, TemplateError
from pytest_sessionplugin.gateway.client.inprocess import InProcess
from tests.strangers import write_project

if TYPE_CHECKING:
    from pytest_sessionplugin.account.apps import DeployedApp

pytestmark = pytest.mark.emulator

Deploys = tuple[Account, "Callable[[], DeployedApp]"]


def in_process(api: Any, functions: Any, **how: Any) -> Any:
    transport = InProcess(api, functions, **how)
    return transport, transport.runtime


def others(path: object) -> Any:
    raise AssertionError(f"nobody asks for {path}")


@pytest.fixture
def deploys(project: Project) -> Iterator[Deploys]:
    """An account, and what deploys the app of the project in it, once."""
    memory, copies, made = Memory(project), Copies(project.root), list[Any]()

    def deploy() -> DeployedApp:
        if not made:
            stack = account.add(project.name, memory, memory.tokens, others)
            process = Process.of(project.chalice_object(project.load_copy(copies)))
            made.append(account.deploy(stack, process, in_process))
        deployed: DeployedApp = made[0]
        return deployed

    with memory.open() as emulator:
        account = Account(
            emulator,
            calls=Calls(project.root, "this test", lambda: account.apis.functions),
            notebook=Journal(),
            first=deploy,
            others=others,
            clock=time.time,
        )
        with account.open():
            try:
                yield account, deploy
            finally:
                copies.close()
                if made:
                    made[0].gateway.close()


def test_an_app_that_is_deployed_answers_with_its_tables(deploys: Deploys) -> None:
    account, deploy = deploys
    app = deploy()
    assert app.gateway.http().post("/rooms/lobby").json()["people"] == 1
    assert app.stack.tables.item("Rooms", name="lobby") == {"name": "lobby", "people": 1}
    assert account.calls.count("dynamodb:UpdateItem") == 1
    assert [call.function for call in account.calls] == ["api_handler"] * len(account.calls)


def test_a_fault_that_names_a_function_deploys_the_first_app(deploys: Deploys) -> None:
    account, _ = deploys
    assert list(account.apis) == []
    with account.faults.timed_out("sweep"):
        (app,) = account.apis
        with pytest.raises(Exception, match="by a fault"):
            app.gateway.invoke("sweep")


def test_posts_go_to_the_gateway_whose_host_is_named(deploys: Deploys) -> None:
    account, deploy = deploys
    app = deploy()
    with app.gateway.websocket() as ws:
        ws.send_text("hello")
        assert ws.receive_text() == "echo hello"
    assert account.calls.count("apigatewaymanagementapi:PostToConnection") == 1


def test_without_a_gateway_a_post_is_blocked_with_the_fixture_that_gives_one(deploys: Deploys) -> None:
    account, _ = deploys
    client = boto3.client("apigatewaymanagementapi", endpoint_url="https://x.execute-api.us-east-1.amazonaws.com/api")
    with pytest.raises(BlockedCall, match="no gateway is here; ask for the fixture chalice_gateway"):
        client.post_to_connection(ConnectionId="VNR=", Data=b"")
    assert len(account.calls.blocked) == 1


def test_a_table_name_belongs_to_one_project_of_an_account(deploys: Deploys, tmp_path: Path) -> None:
    account, deploy = deploys
    deploy()
    second = Memory(Project(write_project(tmp_path / "second")))
    with pytest.raises(TemplateError, match="a table name used twice: rooms-us-east-1 is Rooms of"):
        account.add("second", second, second.tokens, others)


def test_another_version_is_served_behind_the_same_sockets(deploys: Deploys, project: Project) -> None:
    account, deploy = deploys
    app = deploy()
    copies = Copies(project.root)
    with app.gateway.websocket() as ws:
        source = (project.root / "app.py").read_text()
        (project.root / "app.py").write_text(source.replace('"echo "', '"louder "'))
        try:
            process = Process.of(project.chalice_object(project.load_copy(copies)))
            again = account.redeploy(app, app.stack.memory, process, forget_authorizers=False)
            ws.send_text("hello")
            assert ws.receive_text() == "louder hello"
        finally:
            copies.close()
    assert list(account.apis) == [again]
    assert again.transport is app.transport
    assert again.gateway.trace is app.gateway.trace


def test_a_version_that_cannot_be_deployed_leaves_the_one_before(
    deploys: Deploys, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    account, deploy = deploys
    app = deploy()
    copies = Copies(project.root)
    monkeypatch.setattr(account_module, "event_sources", lambda app: 1 / 0)
    source = (project.root / "app.py").read_text()
    (project.root / "app.py").write_text(source.replace('"greeting"', '"GREETING"'))
    try:
        process = Process.of(project.chalice_object(project.load_copy(copies)))
        with pytest.raises(ZeroDivisionError):
            account.redeploy(app, app.stack.memory, process, forget_authorizers=False)
    finally:
        copies.close()
    assert "greeting" in app.gateway.http().get("/rooms/lobby").json()
    assert list(account.apis) == [app]


def test_two_accounts_cannot_be_open_at_once(deploys: Deploys) -> None:
    account, _ = deploys
    with pytest.raises(RuntimeError, match="another interceptor is in use already"), account.open():
        pass


def test_tables_without_pytest(project: Project) -> None:
    with in_memory(project) as stack:
        stack.tables["Rooms"].put_item(Item={"name": "a"})
        assert stack.tables.item("Rooms", name="a") == {"name": "a"}
    with in_memory(project) as stack:
        assert stack.tables["Rooms"].scan()["Count"] == 0
