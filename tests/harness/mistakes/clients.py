"""Mistakes in requests, sockets and their keywords."""

from __future__ import annotations

from tests.harness.mistakes.kinds import ALICE, GATEWAY_AND_TOKENS, OPEN, InTest

MISTAKES = [
    # keywords
    InTest("keyword", "chalice_gateway", 'chalice_gateway.http(tokn="x")', "argument 'tokn'", "Did you mean token?"),
    InTest(
        "timeout", "chalice_gateway", 'chalice_gateway.get("/health", timeout=5)', "'timeout'", "takes path, params="
    ),
    InTest(
        "positional", "chalice_gateway", 'chalice_gateway.http("x")', "1 positional argument", "takes token=, headers="
    ),
    InTest(
        "method", "chalice_gateway", 'chalice_gateway.http.get("/health")', "no attribute 'get'", "as in http().get"
    ),
    InTest("attribute", "chalice_gateway", "chalice_gateway.retry", "no attribute 'retry'", "Did you mean retries?"),
    InTest(
        "status",
        "chalice_gateway",
        'assert chalice_gateway.get("/health").status == 200',
        "no attribute 'status'",
        "Did you mean status_code?",
    ),
    # requests
    InTest("path", "chalice_gateway", 'chalice_gateway.get("health")', "'health' does not", "a path begins with '/'"),
    InTest("url", "chalice_gateway", 'chalice_gateway.get("http://a.b/health")', "does not", "a path begins with '/'"),
    InTest(
        "awaited",
        "chalice_gateway",
        "async def ask():\n    return await chalice_gateway.get('/health')\nasyncio.run(ask())",
        "object Response can't be used in 'await' expression",
        "It is synchronous: leave out `await` and `async`",
        "return await chalice_gateway.get('/health')",
    ),
    InTest(
        "asynchronous_socket",
        "chalice_gateway",
        "async def ask():\n    async with chalice_gateway.websocket():\n        pass\nasyncio.run(ask())",
        "'WebSocket' object does not support the asynchronous context manager protocol",
        "It is synchronous: leave out `await` and `async`",
        "async with chalice_gateway.websocket():",
    ),
    InTest("no_path", "chalice_gateway", "chalice_gateway.get(None)", "NoneType", "path takes str"),
    InTest(
        "route",
        GATEWAY_AND_TOKENS,
        f'{ALICE}assert alice.post("/room").status_code == 200',
        "no route matches POST /room",
        "nearest: POST /rooms",
    ),
    InTest(
        "route_without_a_token",
        "chalice_gateway",
        'assert chalice_gateway.post("/room").status_code == 200',
        "no route matches POST /room",
        "nearest: POST /rooms",
    ),
    InTest(
        "two_bodies",
        "chalice_gateway",
        'chalice_gateway.post("/orders", json={}, content="x")',
        "a request takes",
        "json or content, not both",
    ),
    InTest(
        "set",
        "chalice_gateway",
        'chalice_gateway.post("/orders", json={1})',
        "set is not JSON",
        "what json.dumps takes",
    ),
    InTest(
        "bearer",
        GATEWAY_AND_TOKENS,
        'chalice_gateway.get("/rooms", token="Bearer " + jwt_tokens("alice"))',
        "token= begins with 'Bearer '",
        "give the token alone",
    ),
    InTest(
        "token",
        GATEWAY_AND_TOKENS,
        "chalice_gateway.get('/rooms', token=jwt_tokens)",
        "not Tokens",
        "token= takes text",
    ),
    InTest(
        "header_as_a_line",
        "chalice_gateway",
        "chalice_gateway.get('/health', headers=['X-A: 1'])",
        "'X-A: 1' is not a pair",
        "headers= takes a mapping or pairs, as {'X-Name': 'text'}",
    ),
    InTest("header", "chalice_gateway", "chalice_gateway.get('/', headers={'X-N': 5})", "not int", "'X-N' takes text"),
    InTest(
        "bug",
        "chalice_gateway",
        'assert chalice_gateway.get("/bug").status_code == 200',
        "ZeroDivisionError: a bug in a route",
        'app.py", line',
    ),
    InTest(
        "claims",
        "chalice_gateway",
        'chalice_gateway.get("/health", claims={"sub": "a"})',
        "GET /health has no authorizer",
        "gives claims to no other route",
    ),
    # sockets
    InTest(
        "frame",
        "chalice_gateway",
        f'{OPEN}    ws.send_json({{"text": "hi"}})\n    assert ws.receive_json()["text"] == "ho"',
        "'hi' == 'ho'",
        '< {"type": "said", "text": "hi"}',
    ),
    InTest(
        "bug_in_a_handler",
        "chalice_gateway",
        f'{OPEN}    ws.send_json({{"txt": "hi"}})\n    ws.expect(type="said")',
        "KeyError: 'text'",
        'app.py", line',
    ),
    InTest("no_frame", "chalice_gateway", f"{OPEN}    ws.receive_json()", "no frame came", "nothing was sent"),
    InTest(
        "not_quiet",
        "chalice_gateway",
        f'{OPEN}    ws.send_json({{"text": "hi"}})\n    ws.receive_nothing()',
        "expected no frame",
        'received {"type": "said", "text": "hi"}',
    ),
    InTest(
        "handshake",
        "chalice_gateway",
        'chalice_gateway.websocket(headers={"Cookie": "a=b"})',
        'the handshake was refused: 502 Bad Gateway of GET /: {"message": "Internal server error"}',
        'app.py", line',
    ),
    InTest("socket_path", "chalice_gateway", 'chalice_gateway.websocket("/ws")', "refused: 403", "it is at / and /api"),
    InTest("subprotocols", "chalice_gateway", 'chalice_gateway.websocket(subprotocols="chat")', "list", "as ['chat']"),
    InTest(
        "send_text",
        "chalice_gateway",
        f'{OPEN}    ws.send_text({{"text": "hi"}})',
        "send_text() takes str, not dict",
        "which send_json() sends",
    ),
    InTest(
        "send_bytes", "chalice_gateway", f"{OPEN}    ws.send_bytes('hi')", "takes bytes, not str", "send_text() sends"
    ),
    InTest("send_json", "chalice_gateway", f"{OPEN}    ws.send_json({{1}})", "set is not JSON", "JSON has dict, list"),
    InTest("send", "chalice_gateway", f"{OPEN}    ws.send('hi')", "no attribute 'send'", "send_json or send_text?"),
    InTest("recv", "chalice_gateway", f"{OPEN}    ws.recv()", "no attribute 'recv'", "receive_json, receive_nothing"),
    InTest(
        "closed",
        "chalice_gateway",
        f"{OPEN}    pass\nws.send_text('x')",
        "the socket is closed: code 1005",
        "The client has left it: use it before close() or drop(), and within its `with` block",
    ),
    InTest("close", "chalice_gateway", f"{OPEN}    ws.close(1005)", "cannot close with code 1005", "3000 to 4999"),
    InTest(
        "open_socket",
        "chalice_gateway",
        "chalice_gateway.websocket()",
        "1 WebSocket still open",
        "Close what a test opens, or open it with `with`",
        "teardown of test_clients.py::test_open_socket",
    ),
]
