"""Walks every interleaving of several actors' calls, without threads.

An actor is ordinary code that gets the objects it calls. It is run again with the results of its calls so far; the
first call beyond them ends the run and is its next step. Code that depends on these results alone takes the same way
each time. So the world and each actor's results make up a state, and a state needs to be followed only once. An actor's
step depends on the world and its own results alone: it is taken once, however many states of the others it occurs in.

An actor may be killed between any two of its calls, and its calls may fail, with their effect or without.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Any, Final, Protocol

from botocore.exceptions import ReadTimeoutError

from chalicelib.errors import Unavailable

DONE = None
FAILURES: Final[Mapping[str, Exception]] = {
    "store": Unavailable("The database"),
    "tables": ReadTimeoutError(endpoint_url="https://dynamodb.us-east-1.amazonaws.com"),
}
"""Parts of a world whose calls may fail, and what they raise then."""
QUIET: Final = frozenset({"clock", "fixed"})
"""Parts that no actor changes: reading them belongs to the next step."""


@dataclass(frozen=True)
class Call:
    """An actor's next step: `part.method(*args, **kwargs)` of the world."""

    part: str
    method: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]

    def __str__(self) -> str:
        return " ".join([f"{self.part}.{self.method}", *(arg for arg in self.args[:2] if isinstance(arg, str))])


@dataclass(frozen=True)
class Raised:
    error: Exception

    def __repr__(self) -> str:
        """All that the actor sees of it: two errors of one text may differ in the item that they show."""
        return f"Raised({self.error!r}, {vars(self.error)})"


class Paused(BaseException):
    """Leaves an actor's code at a call without a result yet. Not an Exception, so that no code catches it."""

    def __init__(self, call: Call) -> None:
        self.call = call


class World(Protocol):
    """The state that actors share. Its parts are attributes; a deep copy is another world."""

    def state(self) -> str:
        """Equal for equal worlds."""

    def check(self) -> None:
        """Raises AssertionError if an invariant is broken. Called in each state."""


class Replay:
    """The world as an actor sees it: the results so far, then the next call."""

    def __init__(self, results: tuple[Any, ...]) -> None:
        self._results = iter(results)

    def __getattr__(self, part: str) -> Any:
        return _Part(self, part)

    def call(self, call: Call) -> Any:
        for result in self._results:
            if isinstance(result, Raised):
                raise result.error.with_traceback(None)  # else each run would add its own
            return iter(result) if isinstance(result, list) else result
        raise Paused(call)


class _Part:
    def __init__(self, replay: Replay, part: str) -> None:
        self._replay = replay
        self._part = part

    def __getattr__(self, method: str) -> Callable[..., Any]:
        return lambda *args, **kwargs: self._replay.call(Call(self._part, method, args, kwargs))

    def __call__(self) -> Any:
        return self._replay.call(Call(self._part, "__call__", (), {}))


@dataclass(frozen=True)
class Actor:
    """`run` is the code; `may_begin` says whether it may take its first step in this world.

    A `mortal` one may be killed before and after each of its calls; `failures` of its calls to the store or the tables
    may fail, whether these have done them or not.
    """

    name: str
    run: Callable[[Any], None]
    may_begin: Callable[[Any, dict[str, bool]], bool] = lambda world, busy: True
    mortal: bool = False
    failures: int = 0
    results: tuple[Any, ...] = ()
    told: str = ""  # the results as text, kept because it is slow to make

    def next_call(self) -> Call | None:
        try:
            self.run(Replay(self.results))
        except Paused as paused:
            return paused.call
        return DONE

    def having(self, result: Any) -> Actor:
        return replace(self, results=(*self.results, result), told=f"{self.told};{result!r}")


@dataclass(frozen=True)
class Step:
    """The world after a step, its state as text, the actor with its next call, and the step in words."""

    world: Any
    state: str
    actor: Actor
    call: Call | None
    label: str


@dataclass(frozen=True)
class Node:
    world: Any
    state: str
    actors: tuple[Actor, ...]
    calls: tuple[Call | None, ...]
    path: tuple[str, ...]
    known: dict[tuple[object, ...], Step]  # steps that were taken, shared by all nodes of a walk

    def key(self) -> tuple[str, ...]:
        return (self.state, *[actor.told for actor in self.actors])

    def steps(self) -> Iterator[Node]:
        for index in _able(self.world, self.actors, self.calls):
            actor, call = self.actors[index], self.calls[index]
            yield self.step(index, _result)
            if actor.failures and call is not DONE and call.part in FAILURES:
                for fails in (_answer_lost, _unreachable):
                    yield self.step(index, fails)
            if actor.mortal:
                dead = replace(actor, told=f"{actor.told};killed")
                yield self._after(index, Step(self.world, self.state, dead, DONE, f"{actor.name}: killed"))

    def step(self, index: int, result: Callable[[Any, Call], Any]) -> Node:
        actor = self.actors[index]
        key = (self.state, actor.name, actor.told, actor.failures, result)
        step = self.known.get(key)
        if step is None:
            step = self.known[key] = self._taken(actor, self.calls[index], result)
        return self._after(index, step)

    def _taken(self, actor: Actor, call: Call | None, result: Callable[[Any, Call], Any]) -> Step:
        world = copy.deepcopy(self.world)
        actor, call, label = _take_step(world, actor, call, result)
        return Step(world, world.state(), actor, call, label)

    def _after(self, index: int, step: Step) -> Node:
        actors = (*self.actors[:index], step.actor, *self.actors[index + 1 :])
        calls = (*self.calls[:index], step.call, *self.calls[index + 1 :])
        return Node(step.world, step.state, actors, calls, (*self.path, step.label), self.known)


def _able(world: Any, actors: Sequence[Actor], calls: Sequence[Call | None]) -> list[int]:
    """The actors that may take a step."""
    pairs = list(zip(actors, calls, strict=True))
    busy = {actor.name: bool(actor.results) and call is not DONE for actor, call in pairs}
    return [
        index
        for index, (actor, call) in enumerate(pairs)
        if call is not DONE and (actor.results or actor.may_begin(world, busy))
    ]


def _take_step(
    world: Any, actor: Actor, call: Call | None, result: Callable[[Any, Call], Any]
) -> tuple[Actor, Call | None, str]:
    """Changes the world; returns the actor, its next call, and the step in words."""
    label = ""
    if result is not _result:
        actor = replace(actor, failures=actor.failures - 1)
    while call is not DONE:
        label = f"{actor.name}: {call}"
        is_quiet = call.part in QUIET
        actor = actor.having((_result if is_quiet else result)(world, call))
        call = actor.next_call()
        if not is_quiet:
            break
    return actor, call, label if result is _result else f"{label} ({result.__name__})"


def _result(world: Any, call: Call) -> Any:
    try:
        result = getattr(getattr(world, call.part), call.method)(*call.args, **call.kwargs)
        return list(result) if isinstance(result, Iterator) else result
    except Exception as error:  # noqa: BLE001  the actor gets any error of the world
        return Raised(error)


def _answer_lost(world: Any, call: Call) -> Any:
    _result(world, call)
    return _unreachable(world, call)


def _unreachable(world: Any, call: Call) -> Any:
    return Raised(FAILURES[call.part])


def wander(world: World, actors: Sequence[Actor], random: Random, failing: float = 0) -> Any:
    """The world at the end of one order of the actors' calls, chosen at random, for more actors than can be walked.
    Calls to the store or the tables fail with that probability."""
    world, actors = copy.deepcopy(world), list(actors)
    calls = [actor.next_call() for actor in actors]
    while able := _able(world, actors, calls):
        index = random.choice(able)
        call = calls[index]
        fails = call is not DONE and call.part in FAILURES and random.random() < failing
        result = random.choice((_answer_lost, _unreachable)) if fails else _result
        actors[index], calls[index], _ = _take_step(world, actors[index], call, result)
    return world


@dataclass(frozen=True)
class Walk:
    """The number of states, and of those in which all actors are done."""

    states: int
    ends: int


def walk(world: World, actors: list[Actor], at_the_end: Callable[[Any], None]) -> Walk:
    """Follows every order of the actors' calls; `at_the_end` checks each world in which all are done.

    Raises AssertionError with the calls that led to the fault.
    """
    calls = tuple(actor.next_call() for actor in actors)
    first = Node(world, world.state(), tuple(actors), calls, (), {})
    seen = {first.key()}
    pending = [first]
    checked: set[str] = set()
    ended: set[str] = set()
    ends = 0
    while pending:
        node = pending.pop()
        following = list(node.steps())
        try:
            if node.state not in checked:
                checked.add(node.state)
                node.world.check()
            if not following:
                ends += 1
                if node.state not in ended:
                    ended.add(node.state)
                    at_the_end(copy.deepcopy(node.world))
        except AssertionError as error:
            raise AssertionError(f"{error}\nafter\n  " + "\n  ".join(node.path)) from error
        for step in following:
            key = step.key()
            if key not in seen:
                seen.add(key)
                pending.append(step)
    return Walk(len(seen), ends)
