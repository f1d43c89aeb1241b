"""A second deploy applies changes and creates nothing twice; a destroyed stage leaves nothing."""

from __future__ import annotations

from tests.rehearsal.moto.likeness import likeness
from tests.rehearsal.moto.story import Story


def test_a_deploy_of_what_stands_already_changes_nothing(told: Story) -> None:
    assert likeness(told.again.account) == likeness(told.first.account)


def test_the_apis_stay_the_same_ones(told: Story) -> None:
    assert [told.again.account.rest.id, told.changed.account.rest.id] == [told.first.account.rest.id] * 2
    assert [told.again.account.websocket.id, told.changed.account.websocket.id] == [told.first.account.websocket.id] * 2


def test_nothing_is_there_twice_after_a_change(told: Story) -> None:
    before, after = told.first.account, told.changed.account
    for kind in ("functions", "roles", "policies", "permissions", "log_groups", "tables", "rules", "parameters"):
        assert getattr(after, kind).keys() == getattr(before, kind).keys(), kind
    for kind in ("alarms", "dashboards", "metric_filters", "stacks", "rest_apis", "websocket_apis"):
        assert getattr(after, kind).keys() == getattr(before, kind).keys(), kind


def test_a_change_of_routes_is_a_change_of_what_is_deployed(told: Story) -> None:
    before, after = told.first.account.rest, told.changed.account.rest
    assert after.methods.keys() - before.methods.keys() == {
        ("/health/added/{what}", verb) for verb in ("GET", "PUT", "OPTIONS")
    }
    assert before.methods.keys() - after.methods.keys() == {("/health/ready", "GET"), ("/health/ready", "OPTIONS")}
    assert after.stages["api"]["deploymentId"] != before.stages["api"]["deploymentId"]


def test_the_sockets_are_deployed_anew_only_when_their_routes_change(told: Story) -> None:
    first = told.first.account.websocket.deployments
    assert told.again.account.websocket.deployments == first
    assert told.changed.account.websocket.deployments == first
    assert "WebSocket routes deployed" in told.first.ran.out
    assert "WebSocket routes unchanged" in told.changed.ran.out


def test_a_destroyed_stage_leaves_nothing(told: Story) -> None:
    assert told.destroyed.account.left() == {}


def test_the_key_of_the_tokens_is_sent_to_its_parameter_and_written_nowhere(told: Story) -> None:
    chapters = (told.first, told.again, told.changed, told.destroyed)
    calls = [call for chapter in chapters for call in chapter.calls]
    [key] = [call.given["Value"] for call in calls if call.operation == "ssm.PutParameter"]
    assert len(key) > 80
    assert [call.operation for call in calls if key in repr(call.given)] == ["ssm.PutParameter"]
    assert not any(key in chapter.ran.out + chapter.ran.err for chapter in chapters)
    assert [path for path in told.root.rglob("*") if path.is_file() and key.encode() in path.read_bytes()] == []
