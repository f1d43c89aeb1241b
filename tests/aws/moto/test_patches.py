"""Patches of moto: memory that is given back, and no trace when the block ends."""

from __future__ import annotations

from typing import Any

import pytest

REGION = "us-east-1"

pytestmark = pytest.mark.emulator


# --- mocks and sessions


def test_a_mock_in_the_block_is_an_inner_one_and_motos_handler_rests() -> None:
    from moto.core.models import MockAWS, botocore_stubber

    from pytest_sessionplugin.aws.moto.patches import mock_started

    def state() -> tuple[int, bool, bool]:
        return MockAWS._nested_count, MockAWS._mocks_active, botocore_stubber.enabled

    before = nested, _, _ = state()
    with mock_started():
        assert state() == (nested + 1, True, False)
    assert state() == before


def test_a_default_session_is_put_aside_and_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    import boto3

    from pytest_sessionplugin.aws.moto.patches import DefaultSession

    theirs, ours = object(), DefaultSession()
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", theirs)
    with ours.in_place():
        assert boto3.DEFAULT_SESSION is None
        boto3.setup_default_session(region_name=REGION)
        made = boto3.DEFAULT_SESSION
    assert boto3.DEFAULT_SESSION is theirs
    with ours.in_place():
        assert boto3.DEFAULT_SESSION is made


# --- memory


def come_and_go(table: Any, place: str) -> None:
    """Writes and deletes a row."""
    names = [each["AttributeName"] for each in table.key_schema]
    key = {name: value for name, value in {"place": place, "id": "a"}.items() if name in names}
    table.put_item(Item={**key, "n": 1})
    table.delete_item(Key=key)


def tracked() -> int:
    """Number of models in moto's lists: `instances` in the oldest moto that is supported, renamed later."""
    from moto.core.model_instances import model_data

    models = [vars(model) for models in model_data.values() for model in models.values()]
    return sum(len(model["instances_tracked" if "instances_tracked" in model else "instances"]) for model in models)


def test_no_model_is_tracked_meanwhile(moto_table: Any) -> None:
    from pytest_sessionplugin.aws.moto.patches import nothing_kept

    before = tracked()
    with nothing_kept():
        come_and_go(moto_table, "p")
    assert tracked() == before


def test_moto_itself_tracks_all_of_them_and_does_so_again_afterwards(moto_table: Any) -> None:
    """If this fails one day, `nothing_kept` can go."""
    from moto.core.common_models import BaseModel

    from pytest_sessionplugin.aws.moto.patches import nothing_kept

    own = vars(BaseModel)["__new__"]
    with nothing_kept():
        come_and_go(moto_table, "p")
    assert vars(BaseModel)["__new__"] is own
    before = tracked()
    come_and_go(moto_table, "p")
    assert tracked() > before
