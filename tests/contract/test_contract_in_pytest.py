"""A stranger's tests are held to the contract of the app, on each target, and told where and why they are off it."""

from __future__ import annotations

import pytest

from tests.processes import sessionplugin_serve
from tests.strangers import PYPROJECT, Stranger

OPENAPI = """
openapi: 3.1.0
info: {title: chat, version: "1"}
paths:
  /rooms/{name}:
    parameters: [{$ref: "parts.json#/name"}]
    get: &room
      responses:
        200:
          description: a room
          content:
            application/json:
              schema:
                type: object
                required: [people]
                properties: {people: {type: integer, maximum: 2}}
    post: *room
"""

ASYNCAPI = """
asyncapi: 3.0.0
info: {title: chat, version: "1"}
defaultContentType: text/plain
channels:
  room:
    address: /
    messages:
      text: {payload: {type: string, pattern: "^[^!]*$"}}
      echo: {payload: {type: string, pattern: "^echo [^!]*$"}}
operations:
  text: {action: receive, channel: {$ref: "#/channels/room"}, messages: [{$ref: "#/channels/room/messages/text"}]}
  echo: {action: send, channel: {$ref: "#/channels/room"}, messages: [{$ref: "#/channels/room/messages/echo"}]}
"""

PARTS = '{"name": {"name": "name", "in": "path", "required": true, "schema": {"type": "string"}}}'

SETTINGS = '[tool.sessionplugin]\nopenapi = "contracts/openapi.yaml"\nasyncapi = "contracts/asyncapi.yaml"\n\n'

ON_IT = """
    def test_on_it(chalice_gateway):
        assert chalice_gateway.post("/rooms/a").json()["people"] >= 1
        assert chalice_gateway.get("/nowhere").status_code == 403
        with chalice_gateway.websocket() as ws:
            ws.send_text("hi")
            assert ws.receive_text() == "echo hi"
"""

OFF_IT = """
    import pytest

    def test_a_status(chalice_gateway):
        assert chalice_gateway.get("/bug").status_code == 500

    def test_a_body(chalice_gateway):
        for _ in range(4):
            chalice_gateway.post("/rooms/full")

    def test_a_frame(chalice_gateway):
        with chalice_gateway.websocket() as ws:
            ws.send_text("hi!")
            ws.receive_text()

    @pytest.mark.chalice(allow="off_contract")
    def test_allowed(chalice_gateway):
        assert chalice_gateway.get("/bug").status_code == 500
"""


@pytest.fixture
def held(stranger: Stranger) -> Stranger:
    (stranger.root / "pyproject.toml").write_text(SETTINGS + PYPROJECT)
    folder = stranger.root / "contracts"
    folder.mkdir()
    for name, text in {"openapi.yaml": OPENAPI, "asyncapi.yaml": ASYNCAPI, "parts.json": PARTS}.items():
        (folder / name).write_text(text)
    return stranger


def told_of_each(result: pytest.RunResult) -> None:
    result.assert_outcomes(passed=4, errors=3)
    result.stdout.fnmatch_lines(
        [
            "*ERROR at teardown of test_a_status*",
            "off the contract: GET */bug answered 500, and there is no such operation",
            "    contracts/openapi.yaml#/paths",
            "  *  http   -> 500 *",
            '    allow it with @pytest.mark.chalice(allow="off_contract")',
            "*ERROR at teardown of test_a_body*",
            "off the contract: POST */rooms/full answered 200, body at /people: 3 is greater * (2 times like this)",
            "    contracts/openapi.yaml#/paths/~1rooms~1{name}/post/responses/200/content/application~1json/schema/*",
            "*ERROR at teardown of test_a_frame*",
            "off the contract: a client sent a frame that was not refused, and it is not the message `text`: 'hi!' *",
            "    contracts/asyncapi.yaml#/channels/room/messages/text/payload/pattern",
            "  *socket * > hi!",
            "off the contract: the app sent a frame, and it is not the message `echo`: *",
        ]
    )


@pytest.mark.parametrize("target", ["inprocess", "sockets"])
def test_a_test_that_is_off_the_contract_fails_at_its_end(held: Stranger, target: str) -> None:
    told_of_each(held.test("-rA", f"--sessionplugin-target={target}", test_off=OFF_IT))
    held.test(f"--sessionplugin-target={target}", "test_on.py", test_on=ON_IT).assert_outcomes(passed=1)


@pytest.mark.process
def test_so_does_one_against_a_deployed_stage(held: Stranger) -> None:
    with sessionplugin_serve(held.root) as served:
        target = f"--sessionplugin-target={served.http},{served.websocket}"
        told_of_each(held.test("-rA", target, test_off=OFF_IT))
        held.test(target, "test_on.py", test_on=ON_IT).assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        ('openapi = "nowhere.yaml"', "openapi = 'nowhere.yaml' ([tool.sessionplugin]): there is no such file in *"),
        ("asyncapi = 1", "asyncapi = 1 ([tool.sessionplugin]): it must be the path of a file."),
    ],
)
def test_a_setting_that_names_no_file_is_a_usage_error(held: Stranger, setting: str, sentence: str) -> None:
    (held.root / "pyproject.toml").write_text(f"[tool.sessionplugin]\n{setting}\n\n{PYPROJECT}")
    result = held.test(test_on=ON_IT)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: sessionplugin: {sentence}".replace("[", "[[]")])


def test_a_missing_extra_is_a_usage_error(held: Stranger) -> None:
    (held.root / "hidden.py").write_text(
        "import importlib.util as u; find = u.find_spec\n"
        "u.find_spec = lambda name, *of: None if name == 'jsonschema' else find(name, *of)\n"
    )
    result = held.test("-p", "hidden", test_on=ON_IT)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*contracts need jsonschema: pip install 'pytest-sessionplugin[[]contracts[]]'."])


def test_a_file_that_is_no_contract_fails_each_test_with_the_place(held: Stranger) -> None:
    (held.root / "contracts" / "asyncapi.yaml").write_text("asyncapi: 2.6.0")
    result = held.test(test_on=ON_IT)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        ["contracts/asyncapi.yaml#: `asyncapi` must be a version 3.0 or newer; the file has `asyncapi: 2.6.0`."]
    )


def test_a_run_without_a_contract_imports_nothing_for_it(stranger: Stranger) -> None:
    result = stranger.test(
        test_it="""
        import sys

        def test_it(chalice_gateway):
            chalice_gateway.get("/rooms/a")

        def test_after_it():
            rooms = ("jsonschema", "pytest_sessionplugin.contract")
            assert not [name for name in sys.modules if name.startswith(rooms)]
        """
    )
    result.assert_outcomes(passed=2)


class TestReport:
    PARTLY = """
        def test_rooms(chalice_gateway):
            chalice_gateway.get("/rooms/a")
    """
    WHOLE = PARTLY + ON_IT

    def test_it_says_what_the_run_has_seen(self, held: Stranger) -> None:
        result = held.test("--sessionplugin-contract-report", test_it=self.PARTLY)
        assert result.ret == 0
        result.stdout.fnmatch_lines(
            [
                "*sessionplugin: contracts*",
                "contracts/asyncapi.yaml: 0 of 2 messages seen",
                "    not seen: receive text",
                "    not seen: send echo",
                "contracts/openapi.yaml: 1 of 2 answers seen",
                "    not seen: POST /rooms/{name} 200",
            ]
        )

    def test_a_run_that_is_not_complete_fails(self, held: Stranger) -> None:
        result = held.test("--sessionplugin-contract-complete", test_it=self.PARTLY)
        assert result.ret == pytest.ExitCode.TESTS_FAILED
        result.assert_outcomes(passed=1)
        result.stdout.fnmatch_lines(["contracts/openapi.yaml: 1 of 2 answers seen"])

    @pytest.mark.parametrize("processes", [[], ["-p", "xdist.plugin", "-n", "2"]], ids=["one", "two"])
    def test_processes_of_a_run_see_it_together(self, held: Stranger, processes: list[str]) -> None:
        result = held.test("--sessionplugin-contract-complete", *processes, test_it=self.PARTLY, test_on=ON_IT)
        assert result.ret == 0
        result.stdout.fnmatch_lines(
            ["contracts/asyncapi.yaml: 2 of 2 messages seen", "contracts/openapi.yaml: 2 of 2 answers seen"]
        )

    def test_a_run_without_a_contract_is_not_complete(self, stranger: Stranger) -> None:
        result = stranger.test("--sessionplugin-contract-complete", test_it=self.PARTLY)
        assert result.ret == pytest.ExitCode.TESTS_FAILED
        result.stdout.fnmatch_lines(["no test was held to a contract: name one as `openapi` or `asyncapi` in *"])
