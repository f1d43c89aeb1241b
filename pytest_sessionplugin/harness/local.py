"""Everything that one test holds of apps in this process: opened when it is asked for, closed in reverse."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, ExitStack, nullcontext, suppress
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from pytest_sessionplugin.account.clock import Clock
from pytest_sessionplugin.account.journal import Journal
from pytest_sessionplugin.account.trace import asked_of_aws, render, render_one, render_several
from pytest_sessionplugin.aws import environment
from pytest_sessionplugin.errors import ProjectError
from pytest_sessionplugin.gateway.core.notes import NoRoute
from pytest_sessionplugin.gateway.values import Observed, Refuse, Respond
from pytest_sessionplugin.harness import checks
from pytest_sessionplugin.options import OTHER_HOSTS
from pytest_sessionplugin.tokens.tokens import TokenSettings

if TYPE_CHECKING:
    from pytest_sessionplugin.account.account import Account
    from pytest_sessionplugin.account.apps import DeployedApp, Stack
    from pytest_sessionplugin.account.clock import Agenda
    from pytest_sessionplugin.account.trace import Line
    from pytest_sessionplugin.app.functions import Process, Processes
    from pytest_sessionplugin.app.isolation import View
    from pytest_sessionplugin.app.modules import Copies
    from pytest_sessionplugin.app.project import Memory
    from pytest_sessionplugin.aws.tables import Tables
    from pytest_sessionplugin.contract.contract import Deviation
    from pytest_sessionplugin.gateway.activity import Activity
    from pytest_sessionplugin.gateway.client.transport import Transport
    from pytest_sessionplugin.gateway.runtime import Runtime
    from pytest_sessionplugin.gateway.values import Api, RunFunction, Throttles
    from pytest_sessionplugin.harness.projects import ProjectCache, ProjectSetup
    from pytest_sessionplugin.options import ChaliceMark
    from pytest_sessionplugin.tokens.tokens import Tokens

PathLike = str | os.PathLike[str]


class LocalHarness:
    """Each method opens what it names, and what that needs, once. `close` undoes all of it, the clock last.

    Methods that take a path give what belongs to another project of the repository; without one, to the test's own.
    `test` is the name that is shown for threads which outlive it. With `needs_app`, a fixture will ask for the app, so
    that it is imported before the test makes its first call of AWS.
    """

    def __init__(
        self, setup: ProjectSetup, target: str, mark: ChaliceMark, cache: ProjectCache, test: str, *, needs_app: bool
    ) -> None:
        self._setups = {setup.project.root: setup}  # the test's own project, then others as they are asked for
        self._own = setup
        self._target, self._mark, self._cache, self._test = target, mark, cache, test
        self._needs_app = needs_app
        self._before = dict(os.environ)
        self._own_variables = frozenset({*setup.memory.variables, *mark.env})
        self._stack = ExitStack()
        self._clock_stack = self._stack.enter_context(ExitStack())  # closed last, so that all else closes at its time
        self._clock: Clock | None = None
        self._journal = Journal()
        self._account: Account | None = None
        self._is_in_use = False  # whether the test may have made calls of AWS
        self._has_made = False  # whether everything is there that the import of the app has made
        self._environment: dict[str, str] = {}  # before the variables of the mark
        self._environment_with_mark: dict[str, str] = {}
        self._tokens: dict[Path, Tokens] = {}
        self._stacks: dict[Path, Stack] = {}
        self._process: Process | None = None
        self._has_early_app = False
        self._copies: Copies | None = None
        self._processes: Processes | None = None
        self._deployed: dict[Path, DeployedApp] = {}
        self._made_tokens = False

    # --- what fixtures give

    def tokens(self, path: PathLike | None = None) -> Tokens:
        """Opens no AWS and imports nothing."""
        self._made_tokens = True
        return self._tokens_of(self._setup(path))

    def account(self) -> Account:
        """Opens the account, with the tables of the test's own project and the environment that its app sees."""
        if self._account is None:
            account = self._open_account()
            if self._needs_app and self._shares_app:
                with suppress(ProjectError):  # it is imported again, and fails again unless a fixture has helped
                    self.process()
            self._is_in_use = True
            return account
        return self._account

    def _open_account(self) -> Account:
        from pytest_sessionplugin.account.account import Account
        from pytest_sessionplugin.aws.calls import Calls

        variables = self._own.memory.expand(self._mark.env)  # fails before anything is open
        with ExitStack() as opening:
            account = Account(
                opening.enter_context(self._own.memory.open()),
                calls=Calls(self._own.project.root, self._test, lambda: account.apis.functions),
                notebook=self._journal,
                first=self.deployed,
                others=lambda path: self.deployed(self._cache.find(path)).gateway,
                clock=time.time,
                stands=lambda: self._clock is not None,
                other_hosts=self._own.project.other_hosts or OTHER_HOSTS in self._mark.allow,
            )
            opening.enter_context(account.open())
            self._add(account, self._own)  # before the mark's variables, which its clients must not see
            self._stack.push(opening.pop_all())
        self._environment = dict(os.environ)
        os.environ.update(variables)
        self._environment_with_mark = dict(os.environ)
        self._account = account
        return account

    def stack(self, path: PathLike | None = None) -> Stack:
        """A project's tables and tokens; imports nothing."""
        account, setup = self.account(), self._setup(path)
        return self._stacks.get(setup.project.root) or self._add(account, setup)

    def tables(self, path: PathLike | None = None) -> Tables:
        return self.stack(path).tables

    def process(self) -> Process:
        """Imports the app of the test's own project, once the account is open: an app may make clients meanwhile."""
        if self._process is None:
            from pytest_sessionplugin.app.isolation import share, start_cold
            from pytest_sessionplugin.app.logging import log_to_root

            account = self._account or self._open_account()
            try:
                process = self._imported(account)
            finally:
                self._is_in_use = True
            account.provide(self.stack(), process)
            share(process.app)
            start_cold(process.app)
            self._stack.enter_context(log_to_root(process.app, self._journal.log))
            self._process = process
        return self._process

    def load(self, name: str) -> ModuleType:
        """A new copy of a module of the project and of what it imports there, until the end of the test."""
        from pytest_sessionplugin.app.logging import loggers_kept
        from pytest_sessionplugin.app.modules import Copies

        self.account()
        self._stack.enter_context(loggers_kept())
        if self._copies is None:
            self._copies = Copies(self._own.project.root)
            self._stack.callback(self._copies.close)
        return self._own.project.load_copy(self._copies, name)

    def deployed(self, path: PathLike | None = None) -> DeployedApp:
        """Puts the app of a project behind its gateway."""
        root = self._setup(path).project.root
        if root not in self._deployed:
            self._deploy(root)
        return self._deployed[root]

    def clock(self) -> Clock:
        """Stops time."""
        if self._clock is None:
            self._clock = self._clock_stack.enter_context(Clock(self._agendas, self._settle))
        return self._clock

    # --- for the report, and at the end

    @property
    def sections(self) -> list[tuple[str, str]]:
        """The parts of a failed test's report, each with a title."""
        parts = {
            "gateway": self.trace,
            "denied by the IAM policy": self.denied,
            "app.py was imported early": self.early,
            "issuer and audience of the tokens": self.unset_claims,
        }
        return [(title, text) for title, text in parts.items() if text]

    @property
    def unset_claims(self) -> str:
        """A sentence on claims by default, if the app refused somebody after the test made tokens; or empty."""
        named = self._own.project.section("tokens")
        unset = [f"the {name} {getattr(TokenSettings, name)}" for name in ("issuer", "audience") if name not in named]
        unrouted = {seen.what.id for seen in self._seen() if isinstance(seen.what, NoRoute)}
        if not unset or not self._made_tokens or not any(_refuses(seen, unrouted) for seen in self._seen()):
            return ""
        return (
            f"[tool.sessionplugin.tokens] names no other, so tokens have {' and '.join(unset)}. An app that expects "
            "another one refuses them: set it there."
        )

    def _seen(self) -> Iterator[Observed]:
        return (seen for app in self._deployed.values() for seen in app.gateway.trace)

    @property
    def trace(self) -> str:
        """Everything that crossed the gateways, the calls of AWS and the app's log, in order of time."""
        traces = {app.stack.name: app.gateway.trace for app in self._deployed.values()}
        if len(traces) > 1:
            return render_several(traces, self._notes())
        return render(traces.get(self._own.project.name, ()), self._notes())

    def _notes(self) -> list[Line]:
        attempts = self._account.calls.attempts if self._account is not None else ()
        return [*self._journal.lines, *asked_of_aws(attempts)]

    @property
    def denied(self) -> str:
        """The last result of `denied_by`, a line for each: an assertion shows only the beginning of a list."""
        return "\n".join(map(str, self._account.calls.denied)) if self._account is not None else ""

    @property
    def early(self) -> str:
        """A sentence on the values that an app lacks which a test file imported early; empty if it lacks none."""
        return environment.missed(self._before, self._own.memory.variables) if self._has_early_app else ""

    def problems(self) -> list[checks.Problem]:
        """Leftovers of the test that its mark does not allow. Ask before `close`."""
        account = self._account
        if account is None:
            return []
        account.threads.look()
        return checks.problems(
            open_sockets=[str(ws.connection_id) for app in self._deployed.values() for ws in app.gateway.websockets],
            unfired=account.faults.never_fired,
            not_run=account.races.never_run,
            without_block=account.calls.without_block,
            blocked=account.calls.blocked,
            left=self._journal.left,
            off_contract=list(self._off_contract()),
            allowed=self._mark.allow,
        )

    def _off_contract(self) -> Iterator[tuple[Deviation, str]]:
        """Deviations from the apps' contracts, each with its line of the trace."""
        for app in self._deployed.values():
            project, trace = app.stack.project, tuple(app.gateway.trace)
            if (contract := self._cache.contract(project.root, project.settings)) is not None:
                for deviation in contract.check(trace, app.api.stage, emulated=True):
                    yield deviation, render_one(deviation.seen, trace, self._notes())

    def close(self) -> None:
        self._stack.close()

    def abandon(self) -> None:
        """The run was interrupted: `close` waits for no handler."""
        if self._account is not None:
            self._account.activity.abandon()

    def put_environment_back(self) -> None:
        """Restores the variables again after all fixtures: one set up earlier may have restored a value of ours."""
        environment.take_back(self._environment_with_mark, self._before)

    # --- projects

    def _setup(self, path: PathLike | None) -> ProjectSetup:
        if path is None:
            return self._own
        root = self._cache.find(path)
        if root not in self._setups:
            self._setups[root] = self._cache.other(root)
        return self._setups[root]

    def _tokens_of(self, setup: ProjectSetup) -> Tokens:
        root = setup.project.root
        if root not in self._tokens:
            self._tokens[root] = self._stack.enter_context(
                setup.memory.tokens.in_test(lambda path: self.tokens(self._cache.find(path)))
            )
        return self._tokens[root]

    def _tables_of(self, path: PathLike) -> Tables:
        return self.tables(self._cache.find(path))

    def _add(self, account: Account, setup: ProjectSetup) -> Stack:
        root = setup.project.root
        names = [stack.name for stack in self._stacks.values()]
        name = f"{setup.project.name}-{len(names)}" if setup.project.name in names else setup.project.name
        if setup is not self._own:
            stack = account.add(name, setup.memory, self._tokens_of(setup), self._tables_of, seeing=self._seeing)
        else:
            self._has_made = self._shares_app and self._needs_app
            made = self._cache.made_by(setup.project) if self._has_made else ()
            stack = account.add(name, setup.memory, self._tokens_of(setup), self._tables_of, made=made)
        self._stacks[root] = stack
        return stack

    # --- apps

    @cached_property
    def _shares_app(self) -> bool:
        """Whether the app is the one of all tests, not a copy for this one. Asked before there is a copy."""
        project = self._own.project
        if self._mark.fresh or self._mark.each_its_own:
            return False
        return not project.is_second if project.loaded_for is None else project.loaded_for == self._own.variables

    def _imported(self, account: Account) -> Process:
        from pytest_sessionplugin.app.functions import Process

        if not self._shares_app:
            view = self._view_of_routes() if self._mark.each_its_own else None
            with view.within() if view is not None else nullcontext():
                app = self._own.project.chalice_object(self.load("app"))
            return Process.of(app, view=view)
        with self._copies.outside() if self._copies is not None else nullcontext():
            process = self._import_for_all_tests(account)
        self._has_early_app = self._own.project.was_imported_before
        return process

    def _import_for_all_tests(self, account: Account) -> Process:
        """Imports the one app of every test, without the variables of this test's mark."""
        from pytest_sessionplugin.app.functions import Process

        project, emulator, now = self._own.project, account.emulator, dict(os.environ)
        if project.loaded_for is not None:
            if not self._has_made:
                account.repeat(self._cache.made_by(project))
            process = Process.of(project.load())
            self._apply_import()
            return process
        environment.put_back(self._environment)
        try:
            with emulator.importing(keep=not self._is_in_use) as made:
                app = project.load(self._own.variables)
            changed = environment.changes(self._environment, os.environ)
        except ProjectError:
            if not self._is_in_use:
                emulator.fill()  # without what it made before it failed
            raise
        finally:
            environment.put_back(now)
        self._cache.keep(project, made, changed)
        self._apply_import()
        return Process.of(app)

    def _apply_import(self) -> None:
        """Gives variables that the import of the app has set, but for those that the test has set itself."""
        for name, value in self._cache.variables_by(self._own.project).items():
            if os.environ.get(name) != self._environment.get(name):
                continue
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = self._environment_with_mark[name] = value

    def _deploy(self, root: Path) -> None:
        is_own = root == self._own.project.root
        if not is_own:
            self.deployed()  # the first app of the account is the test's own
        project = self._setups[root].project
        self._cache.contract(root, project.settings)  # a broken one fails the test where it begins
        own, stack = self.process(), self.stack(root)
        processes = self._all_processes()  # closed after all gateways, whose last handlers may import
        view = None if is_own else self._view(stack.memory)
        process = own if is_own else processes.new(stack.project, stack.name, view)
        each = processes.each_its_own(stack.project, stack.name, process, view)
        process_of = each if self._mark.each_its_own else None
        variables = self._mark.env if is_own else None
        deployed = self.account().deploy(stack, process, self._open, process_of, variables)
        self._stack.callback(self._close_gateway, deployed)
        self._deployed[root] = deployed

    def _close_gateway(self, deployed: DeployedApp) -> None:
        """After an interrupt its WebSockets stay open: in process, closing one runs `$disconnect` here."""
        (deployed.transport if self.account().activity.is_abandoned else deployed.gateway).close()

    def _seeing(self, memory: Memory) -> AbstractContextManager[None]:
        """A block that sees the environment as the functions of another project do."""
        self._all_processes()  # which lets views be seen
        return self._view(memory).within()

    def _view_of_routes(self) -> View:
        """Variables that the import and the routes of an app set, which its other functions do not see."""
        from pytest_sessionplugin.app.isolation import View

        self._all_processes()  # which lets views be seen
        return View()

    def _all_processes(self) -> Processes:
        from pytest_sessionplugin.app.functions import Processes

        if self._processes is None:
            self._processes = Processes(self._stack.enter_context(ExitStack()), self._journal.log)
        return self._processes

    def _view(self, memory: Memory) -> View:
        """os.environ as the functions of another project see it, without variables that only the first one is given."""
        from pytest_sessionplugin.app.isolation import View

        variables = memory.variables
        machine = {
            name: value
            for name, value in self._before.items()
            if name in self._own_variables and not environment.leads_elsewhere(name)
        }
        return View({**machine, **variables}, self._own_variables - machine.keys() - variables.keys())

    def _open(
        self,
        api: Api,
        functions: RunFunction,
        *,
        activity: Activity,
        observe: Callable[[Observed], None],
        throttles: Throttles,
    ) -> tuple[Transport, Runtime]:
        if self._target == "sockets":
            from pytest_sessionplugin.gateway.client.sockets import SocketTransport
            from pytest_sessionplugin.gateway.server.server import Server

            server = Server(api, functions, observe=observe, throttles=throttles, activity=activity)
            transport = SocketTransport(server.start())
            self._stack.callback(transport.close)  # even if the app cannot be deployed
            return transport, server.runtime
        from pytest_sessionplugin.gateway.client.inprocess import InProcess

        shell = InProcess(api, functions, observe=observe, throttles=throttles, activity=activity)
        return shell, shell.runtime

    # --- time

    def _agendas(self, schedules: bool) -> list[Agenda]:
        """Agendas of what is open. Schedules are the app's, so asking for them opens it."""
        from pytest_sessionplugin.aws.dynamodb.ttl import TimeToLive
        from pytest_sessionplugin.lambdas.schedules import Rota

        agendas: list[Agenda] = []
        if schedules:
            app = self.deployed()
            region, prefix = app.stack.memory.region, app.stack.deployed_name
            agendas.append(Rota(app.schedules, app.gateway.invoke, region, self.clock().began, prefix=prefix))
        agendas += [app.runtime for app in self._deployed.values()]
        if (account := self._account) is not None:
            agendas += [account.lambdas.retries, account.waits.agenda()]
            if account.emulator.rows is not None:
                agendas.append(TimeToLive(account.emulator.rows, self.clock().ttl_lag))
        return agendas

    def _settle(self) -> None:
        if app := next(iter(self._deployed.values()), None):
            app.gateway.settle()


def _refuses(seen: Observed, unrouted: Collection[str]) -> bool:
    """Whether the app refused somebody. A request for which there is no route never reached it."""
    match seen.what:
        case Respond(request_id, reply):
            return reply.status in (401, 403) and request_id not in unrouted
        case Refuse(_, reply):
            return reply.status in (401, 403)
    return False
