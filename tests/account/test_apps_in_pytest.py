"""Posts to an app's sockets, from a test and from the app, by each address that leads there and by others."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.strangers import APP, PYPROJECT, Stranger, write_project

PUSH = (
    APP
    + """

import boto3


@app.route("/push-to/{connection}", methods=["POST"])
def push_to(connection):
    url = app.current_request.json_body
    boto3.client("apigatewaymanagementapi", endpoint_url=url).post_to_connection(ConnectionId=connection, Data=b"hi")
    return {}
"""
)


@pytest.mark.parametrize("target", ["inprocess", "sockets"])
def test_a_client_that_points_at_this_machine_posts(stranger: Stranger, target: str) -> None:
    """As one does that was set up for `serve` or for an emulator; the sockets' own URL among them."""
    (stranger.root / "app.py").write_text(PUSH)
    write_project(stranger.root / "other", PUSH.replace("pushed", "other"))
    (stranger.root / "other" / ".chalice" / "resources.json").unlink()
    (stranger.root / "other" / "pyproject.toml").write_text('[tool.sessionplugin.env]\nROOMS_TABLE = "none"\n')
    body = """
        import boto3
        import pytest

        def places(gateway):
            yield "http://localhost:4566/api"
            yield "http://[::1]:8001/api"
            if gateway.urls is not None:
                yield gateway.urls.websocket.replace("ws://", "http://") + "/api"

        def post(url, ws):
            client = boto3.client("apigatewaymanagementapi", endpoint_url=url)
            client.post_to_connection(ConnectionId=ws.connection_id, Data=b"hi")
            assert client.get_connection(ConnectionId=ws.connection_id)["Identity"]["SourceIp"] == "127.0.0.1"

        def test_the_test_posts(chalice_gateway):
            with chalice_gateway.websocket() as ws:
                for url in places(chalice_gateway):
                    post(url, ws)
                    assert ws.receive_text() == "hi"

        def test_each_app_posts_to_its_own(chalice_gateway):
            for gateway in (chalice_gateway, chalice_gateway.of("other")):
                with gateway.websocket() as ws:
                    for url in places(gateway):
                        assert gateway.http().post(f"/push-to/{ws.connection_id}", json=url).status_code == 200
                        assert ws.receive_text() == "hi"

        def test_the_port_says_which_app(chalice_gateway):
            other = chalice_gateway.of("other")
            if other.urls is not None:
                with other.websocket() as ws:
                    post(other.urls.websocket.replace("ws://", "http://") + "/api", ws)
                    assert ws.receive_text() == "hi"

        @pytest.mark.parametrize("url", ["https://abcdef.execute-api.us-east-1.amazonaws.com/api", "http://chat/api"])
        def test_elsewhere(chalice_gateway, url):
            with chalice_gateway.websocket() as ws:
                assert chalice_gateway.http().post(f"/push-to/{ws.connection_id}", json=url).status_code == 200
    """
    result = stranger.test(f"--sessionplugin-target={target}", test_posts=body)
    result.assert_outcomes(passed=3, failed=2)
    right = "is not the WebSocket API of the app, which is https://w3bs0cket0.execute-api.us-east-1.amazonaws.com/api"
    result.stdout.fnmatch_lines_random(
        [
            "*ForbiddenException*",
            f"*https://abcdef.execute-api.us-east-1.amazonaws.com/api {right}.*",
            f"*https://chat/api {right}. {{websocket:domain}} stands for*",
        ]
    )


@pytest.mark.process
def test_a_served_app_that_posts_elsewhere_is_told_so_once(tmp_path: Path) -> None:
    from tests.serving.test_reload import Serving

    pytest.importorskip("websockets")
    serving = Serving(write_project(tmp_path, PUSH.replace("app.current_request.json_body", '"http://chat/api"')))
    try:
        for _ in range(2):
            assert serving.get("/push-to/VNR=", method="POST")[0] == 500
        told = serving.said("failed:")
        assert told.count("sessionplugin: 403: https://chat/api is not the WebSocket API of the app, which is ") == 1
        assert "{websocket:domain} stands for its host" in told
        assert "403:" not in serving.said("failed:")
    finally:
        serving.close()


@pytest.mark.parametrize("target", ["inprocess", "sockets"])
@pytest.mark.parametrize("base", ["", "/chat"])
def test_a_domain_of_its_own_leads_to_an_app_s_sockets(stranger: Stranger, target: str, base: str) -> None:
    """As on AWS without the stage. Chalice itself posts to the API's own host, whichever one an event names."""
    domains = """

domains = []


@app.on_ws_connect()
def connect(event):
    domains.append(event.domain_name)


@app.route("/domains")
def list_domains():
    return domains
"""
    (stranger.root / "app.py").write_text(PUSH + domains)
    settings = f'[tool.sessionplugin]\nwebsocket_domain = "ws.example.com{base}"\n'
    (stranger.root / "pyproject.toml").write_text(f"{settings}{PYPROJECT}")
    body = f"""
        import pytest

        URL = "https://ws.example.com{base}"
        OWN = {{"path": "{base or "/"}", "headers": {{"Host": "ws.example.com"}}}}

        @pytest.mark.chalice(fresh=True)
        def test_posts(chalice_gateway):
            http = chalice_gateway.http()
            with chalice_gateway.websocket() as usual, chalice_gateway.websocket(**OWN) as own:
                for ws in (usual, own):
                    assert http.post(f"/push-to/{{ws.connection_id}}", json=URL).status_code == 200
                    assert ws.receive_text() == "hi"
            assert http.get("/domains").json() == ["w3bs0cket0.execute-api.us-east-1.amazonaws.com", "ws.example.com"]

        @pytest.mark.chalice(fresh=True)
        def test_chalice_posts(chalice_gateway):
            with chalice_gateway.websocket(**OWN) as own:
                own.send_text("hello")
                assert own.receive_text() == "echo hello"
    """
    stranger.test(f"--sessionplugin-target={target}", test_domain=body).assert_outcomes(passed=2)
