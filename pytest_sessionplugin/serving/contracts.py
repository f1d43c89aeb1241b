"""The commands `openapi` and `asyncapi`: write the contract of an app, or add to it what the app has and it lacks."""

from __future__ import annotations

import time
import warnings
from contextlib import ExitStack, chdir
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from pytest_sessionplugin.account.account import Account
from pytest_sessionplugin.app import skeleton
from pytest_sessionplugin.app.description import describe
from pytest_sessionplugin.app.project import Memory
from pytest_sessionplugin.aws.calls import Uncounted
from pytest_sessionplugin.aws.hook import HOOK
from pytest_sessionplugin.contract import merge
from pytest_sessionplugin.contract.documents import Documents, content_of, is_json_file, text_of
from pytest_sessionplugin.contract.edits import applied, as_json, as_yaml, inserted
from pytest_sessionplugin.errors import ContractError, GatewayWarning, ProjectError
from pytest_sessionplugin.serving.console import Console
from pytest_sessionplugin.tokens.tokens import Tokens, TokenSettings

if TYPE_CHECKING:
    from pytest_sessionplugin.app.project import Project


@dataclass(frozen=True)
class ContractUpdate:
    """A contract as its file has it, and with everything that the app has."""

    path: Path
    name: str  # of the file, in messages
    is_new: bool
    text: str
    added: tuple[str, ...]
    by_hand: tuple[str, ...]
    gone: tuple[str, ...]

    @property
    def is_whole(self) -> bool:
        """Whether the file lacks nothing."""
        return not (self.is_new or self.added or self.by_hand)

    def write(self) -> None:
        """Raises ContractError."""
        if not (self.is_new or self.added):
            return
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.path.write_bytes(self.text.encode())
        except OSError as error:
            raise ContractError(self.name, f"it cannot be written: {error.strerror}.") from error

    def told(self, *, is_written: bool) -> str:
        """A report for people: the state of the file, and a line for each addition and each part that is gone."""
        if self.is_whole:
            head = f"{self.name} has all that the app has."
        elif not is_written:
            head = f"{self.name} {'does not exist' if self.is_new else 'lacks'}:"
        else:
            head = f"{self.name} is {'new' if self.is_new else 'extended' if self.added else 'as it was'}:"
        lines = [f"  + {each}" for each in self.added]
        lines += [f"  ! {each}: to be written by hand" for each in self.by_hand]
        lines += [f"  - {each}: in the file, not in the app" for each in self.gone]
        return "\n".join([head, *lines])


def update(project: Project, kind: str, path: Path, here: Path) -> ContractUpdate:
    """Compares the contract at `path` with the app. `kind` is `openapi` or `asyncapi`. Writes nothing.

    Raises ProjectError for an app without such an API, ContractError for a file that cannot be extended.
    """
    made = skeleton_of(project, kind)
    name = path.relative_to(here).as_posix() if path.is_relative_to(here) else path.as_posix()
    if not path.exists():
        if not made["operations" if kind == "asyncapi" else "paths"]:
            has = "WebSocket handlers" if kind == "asyncapi" else "routes"
            raise ProjectError(project.root, f"{project.app_file}: the app has no {has}, so there is no contract.")
        return ContractUpdate(
            path, name, True, as_json(made) if is_json_file(path) else as_yaml(made), _parts(made), (), ()
        )
    text = text_of(path)
    root = Documents(here).open(path)
    compare = merge.asyncapi if kind == "asyncapi" else merge.openapi
    found = compare(root, made)
    content = applied(root.value, found.additions)
    if not found.additions:
        after = text
    elif is_json_file(path):
        after = as_json(content, like=text)
    else:
        after = inserted(text, found.additions)
        if not _means(path, after, content):
            said = "; ".join(found.added)
            raise ContractError(name, f"the file uses YAML that cannot be extended. Add by hand: {said}.")
    return ContractUpdate(path, name, False, after, tuple(found.added), tuple(found.by_hand), tuple(found.gone))


def _means(path: Path, text: str, content: Any) -> bool:
    try:
        return bool(content_of(path, text) == content)
    except ContractError:
        return False


def _parts(made: dict[str, Any]) -> tuple[str, ...]:
    """The operations of a skeleton."""
    if "paths" not in made:
        return tuple(f"operation {name}" for name in made["operations"])
    return tuple(
        f"{method.upper()} {path}" for path, item in made["paths"].items() for method in item if method != "parameters"
    )


def skeleton_of(project: Project, kind: str) -> dict[str, Any]:
    """The skeleton of an app, which is imported in an account of its own."""
    HOOK.install()
    with ExitStack() as stack:
        stack.enter_context(chdir(project.root))
        tokens = stack.enter_context(Tokens(TokenSettings.of(project.section("tokens"))))
        memory = Memory(project, tokens=tokens)
        account = Account(
            stack.enter_context(memory.open()),
            calls=Uncounted(),
            notebook=Console(),
            first=_none,
            others=_none,
            clock=time.time,
            other_hosts=project.other_hosts,
        )
        stack.enter_context(account.open())
        account.add(project.name, memory, tokens, _none)
        app = project.load()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", GatewayWarning)  # of a gateway, which there is not
            api = describe(app, project, memory.region)
        return (skeleton.asyncapi if kind == "asyncapi" else skeleton.openapi)(app, api, project.name)


def _none(*_: object) -> NoReturn:
    raise NotImplementedError("nothing is deployed")
