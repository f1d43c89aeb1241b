"""The pytest plugin: its hooks and fixtures. Everything else is imported when a test first needs it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

from pytest_sessionplugin import options
from pytest_sessionplugin.aws.hook import HOOK
from pytest_sessionplugin.errors import GatewayWarning, NotOnThisTarget, OptionError, SessionPluginError

if TYPE_CHECKING:
    from chalice.app import Chalice

    from pytest_sessionplugin.account.apps import Gateway
    from pytest_sessionplugin.account.clock import Clock
    from pytest_sessionplugin.aws.calls import Calls
    from pytest_sessionplugin.aws.faults import Faults
    from pytest_sessionplugin.aws.races import Races
    from pytest_sessionplugin.aws.tables import FirstRows, Tables
    from pytest_sessionplugin.aws.templates import TableSpec
    from pytest_sessionplugin.harness.deployed import DeployedHarness
    from pytest_sessionplugin.harness.local import LocalHarness
    from pytest_sessionplugin.harness.projects import ProjectCache
    from pytest_sessionplugin.tokens.bad import BadToken
    from pytest_sessionplugin.tokens.tokens import Tokens

HOOK.install()

OPTIONS = pytest.StashKey[options.Options]()
SETUPS = pytest.StashKey["ProjectCache"]()
HARNESS = pytest.StashKey["LocalHarness | DeployedHarness"]()
OPEN = pytest.StashKey["LocalHarness | DeployedHarness"]()
PASSED = pytest.StashKey[bool]()
KNOWN = (SessionPluginError, GatewayWarning)
CONTRACTS = "sessionplugin_contracts"
"""The coverage of a process of pytest-xdist, in its last message."""
NEED_APP = frozenset({"chalice_app", "chalice_gateway"})
FIXTURES = (
    *("aws_calls", "aws_faults", "aws_race", "bad_jwt", "chalice_app", "chalice_clock", "chalice_env"),
    *("chalice_gateway", "chalice_load", "chalice_project", "dynamodb_seed", "dynamodb_specs", "dynamodb_tables"),
    "jwt_tokens",
)
AS_ARGUMENT = "name it among the arguments of the test, or of the fixture that uses it."
IMPORTED_EARLY = (
    "While tests are collected, an app has neither a region nor the variables of its stage. Import it in a test, take "
    "the fixture chalice_app, or set AWS_DEFAULT_REGION and the variables before pytest starts."
)


# --- hooks


def pytest_addoption(parser: pytest.Parser) -> None:
    options.add_options(parser)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers",
        "chalice(*, fresh=False, env=None, allow=(), isolation='app', targets=None): an app of the test's own; "
        "variables over the app's environment; leftovers that do not fail the test (open_sockets, unfired_faults, "
        "blocked_calls, left_threads, off_contract); 'function': a copy of the app for each function; the targets to "
        f"run the test on, if this run has them: {', '.join(options.MARKED)}",
    )
    if not config.option.help:
        try:
            config.stash[OPTIONS] = options.from_pytest(config)
        except OptionError as error:
            raise pytest.UsageError(f"sessionplugin: {error}") from error


def pytest_report_header(config: pytest.Config) -> str | None:
    chosen = config.stash[OPTIONS]
    if chosen.is_default and not (chosen.root / ".chalice" / "config.json").is_file():
        return None
    return f"sessionplugin: {chosen}"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if HOOK.outlived is not None and HOOK.outlived.blocked:
        terminalreporter.section("sessionplugin: calls of threads that outlived their test")
        for sentence, times in HOOK.outlived.blocked.items():
            terminalreporter.write_line(f"{sentence} (times: {times})")
    if _reports_contracts(terminalreporter.config):
        terminalreporter.section("sessionplugin: contracts")
        for line in _setups(terminalreporter.config).coverage.lines():
            terminalreporter.write_line(line)


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    config = session.config
    if harness := config.stash.get(OPEN, None):  # its test was interrupted: pytest closes its fixtures now
        harness.abandon()
    if not _reports_contracts(config):
        return
    coverage = _setups(config).coverage
    if (output := getattr(config, "workeroutput", None)) is not None:  # of pytest-xdist
        output[CONTRACTS] = coverage.dumped()
    elif config.option.sessionplugin_contract_complete and not coverage.is_complete and session.exitstatus == 0:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object) -> None:
    """pytest-xdist: a process has ended."""
    if dumped := getattr(node, "workeroutput", {}).get(CONTRACTS):
        _setups(node.config).coverage.add(dumped)


def pytest_unconfigure(config: pytest.Config) -> None:
    if setups := config.stash.get(SETUPS, None):
        setups.close()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    for marker in metafunc.definition.iter_markers("parametrize"):
        if marker.args[:1] == ("bad_jwt",) and not (marker.args[2:3] or marker.kwargs.get("indirect")):
            _refuse_names_of_bad_tokens(metafunc.definition.nodeid, marker.args[1:2])
    if "_bad_jwt" in metafunc.fixturenames and not _chosen(metafunc, "bad_jwt"):
        metafunc.parametrize("_bad_jwt", _bad_jwts(metafunc.config), indirect=True)
    marked = _targets(metafunc.definition)
    if marked and "_sessionplugin" in metafunc.fixturenames:
        here = options.runnable(marked, deployed=metafunc.config.stash[OPTIONS].is_deployed)
        metafunc.parametrize("_sessionplugin", here, indirect=True)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    if call.excinfo is not None and isinstance(call.excinfo.value, NotOnThisTarget):
        reason = str(call.excinfo.value)
        call.excinfo = pytest.CallInfo.from_call(lambda: pytest.skip(reason), call.when).excinfo
    if call.excinfo is not None and isinstance(call.excinfo.value, NameError) and call.excinfo.value.name in FIXTURES:
        call.excinfo.value.add_note(f"{call.excinfo.value.name} is a fixture: {AS_ARGUMENT}")
    if call.excinfo is None or not (HARNESS in item.stash or isinstance(call.excinfo.value, KNOWN)):
        report: pytest.TestReport = yield
    else:
        report = yield from _report_shortened(item, call, call.excinfo.value)
    if call.when == "setup" and (said := getattr(report.longrepr, "errorstring", None)):  # a fixture is not found
        report.longrepr.errorstring = _with_nearest_fixture(said)  # type: ignore[union-attr]
    if call.when == "call":
        item.stash[PASSED] = report.passed
    if report.failed and (harness := item.stash.get(HARNESS, None)) is not None:
        report.sections += harness.sections
        if item.config.stash[OPTIONS].is_deployed:
            _redact(report)
    if call.excinfo is not None and isinstance(call.excinfo.value, pytest.fail.Exception):
        from pytest_sessionplugin import misuse

        said = str(call.excinfo.value)
        advised = misuse.of_scope(said) or (misuse.of_coroutine(said) if HARNESS in item.stash else "")
        report.longrepr = advised or report.longrepr
    if call.when == "teardown" and HARNESS in item.stash:
        del item.stash[HARNESS]  # the item lives until the run ends, and would keep copies of apps alive
    return report


def pytest_assertrepr_compare(config: pytest.Config, op: str, left: object, right: object) -> list[str] | None:
    """Two texts with a token of a stage in one. pytest would leave out what they begin with, by which it is known."""
    if not (config.stash[OPTIONS].is_deployed and isinstance(left, str) and isinstance(right, str)):
        return None
    from pytest_sessionplugin.gateway.redaction import redacted

    shown = f"{redacted(left)!r} {op} {redacted(right)!r}"
    return None if shown == f"{str(left)!r} {op} {str(right)!r}" else [shown]


def pytest_exception_interact(node: pytest.Item | pytest.Collector, call: pytest.CallInfo[Any], report: Any) -> None:
    if isinstance(report, pytest.CollectReport) and call.excinfo is not None:
        from pytest_sessionplugin import tracebacks

        if tracebacks.lacked_environment(call.excinfo.value, node.config.stash[OPTIONS].root):
            report.sections.append(("app.py was imported early", IMPORTED_EARLY))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Any:
    try:
        return (yield)
    finally:
        if (harness := item.stash.get(HARNESS, None)) is not None:
            harness.put_environment_back()


# --- fixtures of the session, to be overridden


@pytest.fixture(scope="session")
def chalice_project(pytestconfig: pytest.Config) -> Path:
    """The folder of the Chalice app, with app.py and .chalice/config.json."""
    return pytestconfig.stash[OPTIONS].root


@pytest.fixture(scope="session")
def chalice_env() -> Mapping[str, str]:
    """Variables for the app, over those of its stage and of [tool.sessionplugin.env]."""
    return {}


@pytest.fixture(scope="session")
def dynamodb_specs(
    chalice_project: Path, chalice_env: Mapping[str, str], pytestconfig: pytest.Config
) -> Mapping[str, TableSpec]:
    """The tables: logical name -> properties, as in CloudFormation. By default those of the project's template."""
    from pytest_sessionplugin.harness.projects import TemplateSpecs

    if pytestconfig.stash[OPTIONS].is_deployed:
        return {}  # a deployed stage has its own tables, and its tests need no project
    return TemplateSpecs(_setups(pytestconfig), chalice_project, chalice_env)


@pytest.fixture(scope="session")
def dynamodb_seed() -> FirstRows:
    """Rows that every test starts with: logical name of a table -> rows."""
    return {}


# --- fixtures of a test. Only the first is asked for by others, so a team's fixture of any other name is safe.


@pytest.fixture
def _sessionplugin(
    request: pytest.FixtureRequest,
    chalice_project: Path,
    chalice_env: Mapping[str, str],
    dynamodb_specs: Mapping[str, TableSpec],
    dynamodb_seed: FirstRows,
) -> Iterator[LocalHarness | DeployedHarness]:
    from pytest_sessionplugin.harness.local import LocalHarness

    chosen = request.config.stash[OPTIONS]
    target, mark = getattr(request, "param", None), _mark(request.node)
    if mark.targets and target not in mark.targets:
        raise SessionPluginError(
            "@pytest.mark.chalice: targets is for a test, a class or a module, not for one set of parameters; and the "
            "test takes a fixture of the plugin as an argument, not by getfixturevalue()"
        )
    if target is not None and (reason := options.why_not_marked(target, chosen.target.value)):
        pytest.skip(reason)
    mine: LocalHarness | DeployedHarness
    if chosen.is_deployed:
        mine = _deployed(request, chalice_project, mark)
    elif reason := options.why_not(target or chosen.target.value):
        pytest.skip(reason)
    else:
        setups = _setups(request.config)
        setup = setups.setup(setups.find(chalice_project), setups.checked(chalice_env), dynamodb_specs, dynamodb_seed)
        mine = LocalHarness(
            setup,
            target or chosen.target.value,
            mark,
            setups,
            request.node.nodeid,
            needs_app=not NEED_APP.isdisjoint(request.fixturenames),
        )
    request.node.stash[HARNESS] = request.config.stash[OPEN] = mine
    request.node.stash[PASSED] = False
    try:
        yield mine
        problems = mine.problems() if request.node.stash[PASSED] else []
    finally:
        mine.close()
        del request.config.stash[OPEN]
    if problems:
        pytest.fail("\n".join(map(str, problems)), pytrace=False)


@pytest.fixture
def dynamodb_tables(_sessionplugin: LocalHarness) -> Tables:
    """The tables by logical name, as boto3's Table, with their seed rows. Calls bypass faults and counting."""
    return _sessionplugin.tables()


@pytest.fixture
def jwt_tokens(_sessionplugin: LocalHarness) -> Tokens:
    """Makes tokens that the app accepts: `jwt_tokens("alice", expires_in=60, scope="write")`."""
    return _sessionplugin.tokens()


@pytest.fixture
def bad_jwt(_sessionplugin: LocalHarness, _bad_jwt: str | None, request: pytest.FixtureRequest) -> BadToken:
    """A token that the app must refuse: a test runs once with each usual one."""
    from pytest_sessionplugin.tokens import bad

    return bad.make(getattr(request, "param", _bad_jwt), _sessionplugin.tokens())


@pytest.fixture
def _bad_jwt(request: pytest.FixtureRequest) -> str | None:
    """The name of a bad token, unless the test itself chooses one."""
    return getattr(request, "param", None)


@pytest.fixture
def chalice_app(_sessionplugin: LocalHarness) -> Chalice:
    """The Chalice object, imported once; a new one with `@pytest.mark.chalice(fresh=True)`."""
    return _sessionplugin.process().app


@pytest.fixture
def chalice_load(_sessionplugin: LocalHarness) -> Callable[[str], ModuleType]:
    """Imports a fresh copy of a project module for this test: `chalice_load("chalicelib.settings")`."""
    _sessionplugin.account()
    return _sessionplugin.load


@pytest.fixture
def chalice_gateway(_sessionplugin: LocalHarness) -> Gateway:
    """HTTP and WebSocket in front of the app, as API Gateway serves them."""
    return _sessionplugin.deployed().gateway


@pytest.fixture
def chalice_clock(_sessionplugin: LocalHarness) -> Clock:
    """Stops the time of day; `advance(minutes=10)` moves it, and everything due on the way happens."""
    return _sessionplugin.clock()


@pytest.fixture
def aws_calls(_sessionplugin: LocalHarness) -> Calls:
    """Counts the app's calls of AWS."""
    return _sessionplugin.account().calls


@pytest.fixture
def aws_faults(_sessionplugin: LocalHarness) -> Faults:
    """Makes calls of AWS go wrong from now on."""
    return _sessionplugin.account().faults


@pytest.fixture
def aws_race(_sessionplugin: LocalHarness) -> Races:
    """Holds calls until all parties have made theirs: `with aws_race("dynamodb:UpdateItem", parties=2) as race`."""
    return _sessionplugin.account().races


def _report_shortened(item: pytest.Item, call: pytest.CallInfo[None], error: BaseException) -> Any:
    from pytest_sessionplugin import tracebacks

    root = item.config.rootpath
    if item.config.option.fulltrace:
        return (yield)
    from pytest_sessionplugin import misuse

    if advice := misuse.explanation(error):
        error.add_note(advice)
    whole = call.excinfo
    is_sentence = isinstance(error, KNOWN) and whole is not None and not tracebacks.is_in_test(whole, root)
    shorten = tracebacks.to_last_line if advice else tracebacks.last_frame if is_sentence else tracebacks.without_plugin
    with _shortened(call, root, shorten, is_misuse=bool(advice)):
        report: pytest.TestReport = yield
    if isinstance(error, KNOWN) and report.failed and whole is not None:
        if is_sentence:
            report.longrepr = whole.getrepr(style="value", chain=False)
        report.sections += tracebacks.sections(error)
    return report


@contextmanager
def _shortened(
    call: pytest.CallInfo[Any], root: Path, shorten: Callable[[Any], Any], *, is_misuse: bool = False
) -> Iterator[None]:
    """Hides frames from pytest's report in the block, and for a misuse the cause, too."""
    from pytest_sessionplugin import tracebacks

    excinfo = call.excinfo
    if excinfo is None or (not is_misuse and tracebacks.is_shown_whole(excinfo)):
        yield
        return
    error = excinfo.value
    cause, suppressed = error.__cause__, error.__suppress_context__
    if short := shorten(excinfo):
        call.excinfo = type(excinfo).from_exc_info((type(error), error, short))
    if is_misuse or tracebacks.hides_cause(excinfo, root):
        error.__cause__ = None  # which suppresses the context as well
    try:
        yield
    finally:
        error.__cause__, error.__suppress_context__ = cause, suppressed
        call.excinfo = excinfo


def _redact(report: pytest.TestReport) -> None:
    """Hides the credentials of a stage in the values that pytest printed, such as a header of the test's own."""
    from pytest_sessionplugin.gateway.redaction import redacted

    text = report.longreprtext
    if (shown := redacted(text)) != text:
        report.longrepr = shown


def _with_nearest_fixture(said: str) -> str:
    """pytest's text on an unknown fixture, with the one of ours that was perhaps meant."""
    from difflib import get_close_matches

    first, _, rest = said.partition("\n")
    near = [name for word in first.split("'")[1:2] for name in get_close_matches(word, FIXTURES, 1, 0.75)]
    return f"{first}; did you mean {near[0]}?\n{rest}" if near else said


def _chosen(metafunc: pytest.Metafunc, fixture: str) -> bool:
    """Whether the test itself is parametrised by this fixture."""
    for marker in metafunc.definition.iter_markers("parametrize"):
        names = marker.args[0] if marker.args else marker.kwargs.get("argnames", ())
        if fixture in ([name.strip() for name in names.split(",")] if isinstance(names, str) else names):
            return True
    return False


def _refuse_names_of_bad_tokens(test: str, values: tuple[Any, ...]) -> None:
    """pytest gives a test these values themselves, which an app refuses whatever they are called."""
    from pytest_sessionplugin.tokens import bad

    listed = values[0] if values and isinstance(values[0], (list, tuple)) else ()
    if names := [each for each in listed if isinstance(each, str) and each in bad.MADE]:
        raise pytest.Collector.CollectError(
            f"{test}: bad_jwt would be the text {names[0]!r} and no token: add indirect=True to its parametrize."
        )


def _bad_jwts(config: pytest.Config) -> tuple[str, ...]:
    from pytest_sessionplugin.tokens import bad

    table = options.find_table(config.stash[OPTIONS].root, config.rootpath)
    try:
        return bad.names(options.section(table, "tokens"))
    except ValueError as error:
        raise pytest.Collector.CollectError(f"{error}") from error


def _setups(config: pytest.Config) -> ProjectCache:
    from pytest_sessionplugin.harness.projects import ProjectCache

    return config.stash.setdefault(SETUPS, ProjectCache(config.stash[OPTIONS].named_stage, config.rootpath))


def _deployed(request: pytest.FixtureRequest, project: Path, mark: options.ChaliceMark) -> DeployedHarness:
    from pytest_sessionplugin.harness.deployed import DeployedHarness

    chosen = request.config.stash[OPTIONS]
    root = _setups(request.config).find(project)
    table = options.find_table(root, request.config.rootpath)
    contract = _setups(request.config).contract(root, table)
    return DeployedHarness(chosen.target.value, float(chosen.timeout.value), mark, table, root, contract)


def _reports_contracts(config: pytest.Config) -> bool:
    chosen = config.option
    return bool(chosen.sessionplugin_contract_report or chosen.sessionplugin_contract_complete)


def _targets(definition: pytest.Item) -> tuple[str, ...]:
    """Targets that the closest mark with any names."""
    for marker in definition.iter_markers("chalice"):
        if "targets" in marker.kwargs:
            try:
                return options.ChaliceMark.of(targets=marker.kwargs["targets"]).targets
            except (TypeError, ValueError) as error:
                raise pytest.Collector.CollectError(f"@pytest.mark.chalice: {error}") from error
    return ()


def _mark(item: pytest.Item) -> options.ChaliceMark:
    from dataclasses import fields

    mark = options.ChaliceMark()
    for marker in reversed(list(item.iter_markers("chalice"))):  # from the module to the test
        if marker.args:
            raise SessionPluginError("@pytest.mark.chalice takes keywords only, as fresh=True")
        known = [one.name for one in fields(mark)]
        if unknown := sorted(set(marker.kwargs) - set(known)):
            raise SessionPluginError(
                f"@pytest.mark.chalice has no {' and no '.join(unknown)}; it has {', '.join(known)}"
            )
        try:
            mark = options.ChaliceMark.of(**marker.kwargs).over(mark)
        except (TypeError, ValueError) as error:
            raise SessionPluginError(f"@pytest.mark.chalice: {error}") from error
    return mark
