"""PartiQL's operations: a statement, a batch of statements, and a transaction of statements.

Sources: ExecuteStatement, BatchExecuteStatement and ExecuteTransaction in the API reference, PartiQL's pages of the
developer guide, and answers recorded from DynamoDB.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from pytest_sessionplugin.aws.dynamodb import paths, updates, writes
from pytest_sessionplugin.aws.dynamodb.batches import (
    CODES,
    TWICE,
    TWICE_IN_TRANSACTION,
    check_total,
    planned_all,
)
from pytest_sessionplugin.aws.dynamodb.capacity import Consumed, Outcome
from pytest_sessionplugin.aws.dynamodb.conditions import Condition
from pytest_sessionplugin.aws.dynamodb.requests import Members, broken, report
from pytest_sessionplugin.aws.dynamodb.selects import Reading, check_key_value, is_only_key, parts
from pytest_sessionplugin.aws.dynamodb.statements import (
    Delete,
    Exists,
    Insert,
    PartiqlStatement,
    Select,
    Update,
    bare,
    parse,
)
from pytest_sessionplugin.aws.dynamodb.store import Change, Row, Store, Stores
from pytest_sessionplugin.aws.dynamodb.values import Item, Refusal, checked
from pytest_sessionplugin.aws.dynamodb.writes import Write

LONGEST = 8192  # characters of a statement

INVALID_STATEMENT = "ValidationError"
STATEMENT_CODES = {**CODES, "ResourceNotFoundException": "ResourceNotFound"}
"""Refusal of a statement -> the code of its error in a batch; INVALID_STATEMENT for any other one."""

ONLY_IN_TRANSACTIONS = "EXISTS can only be used in ExecuteTransaction write requests."


def execute_statement(tables: Stores, members: Members) -> Outcome:
    _check_members(members)
    statement = _parsed(members)
    consumed = Consumed(members.get("ReturnConsumedCapacity"))
    if isinstance(statement, Select):
        reading = Reading.of(statement, tables.store(statement.table), members)
        page = reading.page(consumed, members.get("Limit"), members.get("NextToken"))
        return Outcome({**page, **consumed.of_one()}, consumed)
    if members.get("NextToken") is not None:
        raise Refusal("NextToken does not match request")
    if isinstance(statement, Exists):
        raise Refusal(ONLY_IN_TRANSACTIONS)
    write = _planned(tables.store(statement.table), statement, members)
    writes.commit(tables, write.change)
    consumed.write(write.change)
    return Outcome({"Items": _returned(statement, write), **consumed.of_one()}, consumed)


def _check_members(members: Members) -> None:
    found = []
    if (limit := members.get("Limit")) is not None and limit < 1:
        found.append(broken(f"'{limit}'", "limit", "Member must have value greater than or equal to 1"))
    found += _broken_statement(members, "statement")
    report(found)


def _broken_statement(asked: Members, place: str) -> list[str]:
    text = asked.get("Statement")
    if text is None:
        return [broken("null", place, "Member must not be null")]
    if 1 <= len(text) <= LONGEST:
        return []
    bound = "greater than or equal to 1" if not text else f"less than or equal to {LONGEST}"
    return [broken(f"'{text}'", place, f"Member must have length {bound}")]


def _parsed(asked: Members) -> PartiqlStatement:
    return parse(asked["Statement"], [checked(value) for value in asked.get("Parameters") or ()])


def _table(statement: PartiqlStatement) -> str:
    return statement.select.table if isinstance(statement, Exists) else statement.table


# --- writes


def _planned(store: Store, statement: PartiqlStatement, asked: Members) -> Write:
    """The write of a statement, or the check of a condition. Raises Refusal."""
    if isinstance(statement, Insert):
        return _inserted(store, statement.item)
    if isinstance(statement, Exists):
        return _checked_to_exist(store, statement, asked)
    if isinstance(statement, Update):
        return _updated(store, statement, asked)
    if isinstance(statement, Delete):
        old = store.get(_key(store, statement.where))
        return Write(Change(store, old and _held(statement.where, old, asked), None))
    raise TypeError(f"{type(statement).__name__} writes nothing")


def _inserted(store: Store, item: Item) -> Write:
    for name in store.definition.keys:
        if name not in item:
            raise Refusal(f"Key attribute should be present in the item: Key {name}")
        check_key_value(store, name, item[name])
    row = writes.checked_row(store, item)
    if store.get(item) is not None:
        raise Refusal("Duplicate primary key exists in table", "DuplicateItemException")
    return Write(Change(store, None, row))


def _updated(store: Store, update: Update, asked: Members) -> Write:
    key = _key(store, update.where)
    with bare(updates.KIND):
        updates.check(update.actions, store.definition.keys, {})
    old = _held(update.where, store.get(key), asked)
    item = updates.applied(update.actions, old.item, {})
    row = writes.checked_row(store, item, "Item size to update has exceeded the maximum allowed size")
    return Write(Change(store, old, row), tuple(action.path for action in update.actions))


def _checked_to_exist(store: Store, exists: Exists, asked: Members) -> Write:
    old = _held(exists.select.where, store.get(_key(store, exists.select.where)), asked)
    return Write(Change(store, old, old))


def _key(store: Store, where: Condition | None) -> Item:
    """The one item that a condition names. Raises Refusal if it names none."""
    key: Item = {}
    for part in parts(where):
        if part.name in store.definition.keys and part.comparator == "=":
            if part.name in key:
                raise Refusal(
                    f"Multiple conditions on same key {part.name}. Only single item Update/Insert/Delete are supported"
                )
            key[part.name] = part.values[0]
    if key.keys() != set(store.definition.keys):
        raise Refusal("Where clause does not contain a mandatory equality on all key attributes")
    for name, value in key.items():
        check_key_value(store, name, value)
    return writes.checked_key(store, key)


def _held(where: Condition | None, old: Row | None, asked: Members) -> Row:
    """The row, if there is one and the condition holds for it. Raises Refusal."""
    if old is not None and (where is None or where.holds(old.item, {})):
        return old
    is_shown = old is not None and asked.get("ReturnValuesOnConditionCheckFailure") == "ALL_OLD"
    raise writes.condition_failed(old, shown=is_shown)


def _returned(statement: PartiqlStatement, write: Write) -> list[Item]:
    """The item that RETURNING asks for, in a list; none if nothing of it is left."""
    if not isinstance(statement, Update | Delete) or statement.returning is None:
        return []
    extent, image = statement.returning
    row = write.change.old if image == "OLD" else write.change.new
    if row is None:
        return []
    item = row.item if extent == "ALL" else paths.project(row.item, write.paths)
    return [item] if item else []


# --- batches


def batch_execute_statement(tables: Stores, members: Members) -> Outcome:
    asked = members["Statements"]
    _check_each("statements", asked)
    statements = [_understood(each) for each in asked]
    understood = [each for each in statements if not isinstance(each, Refusal)]
    if _is_mixed(understood):
        raise Refusal("Read and write requests together in the same batch is not supported.")
    _check_distinct(tables, understood, TWICE)
    consumed = Consumed(members.get("ReturnConsumedCapacity"))
    responses = [_answer(tables, statement, each, consumed) for statement, each in zip(statements, asked, strict=True)]
    capacity = {name: found for name, found in consumed.of_each().items() if found}
    return Outcome({"Responses": responses, **capacity}, consumed)


def _check_each(name: str, asked: Sequence[Members]) -> None:
    report(
        [
            found
            for at, each in enumerate(asked, 1)
            for found in _broken_statement(each, f"{name}.{at}.member.statement")
        ]
    )


def _understood(asked: Members) -> PartiqlStatement | Refusal:
    """The statement, or the reason why it is refused."""
    try:
        return _parsed(asked)
    except Refusal as refusal:
        return refusal


def _answer(tables: Stores, statement: PartiqlStatement | Refusal, asked: Members, consumed: Consumed) -> Members:
    """The response to one statement of a batch. It names its table unless the statement itself is refused."""
    if isinstance(statement, Refusal):
        return {"Error": _error(statement)}
    try:
        items = _done(tables, statement, asked, consumed)
    except Refusal as refusal:
        error = _error(refusal)
        return {"Error": error, **({} if error["Code"] == INVALID_STATEMENT else {"TableName": _table(statement)})}
    return {"TableName": _table(statement), **({"Item": items[0]} if items else {})}


def _error(refusal: Refusal) -> Members:
    code = STATEMENT_CODES.get(refusal.code, INVALID_STATEMENT)
    return {"Code": code, "Message": refusal.message, **refusal.members}


def _done(tables: Stores, statement: PartiqlStatement, asked: Members, consumed: Consumed) -> Sequence[Item]:
    """The items that a statement gives. Raises Refusal."""
    if isinstance(statement, Exists):
        raise Refusal(ONLY_IN_TRANSACTIONS)
    store = tables.store(statement.table)
    if isinstance(statement, Select):
        if statement.index is not None or _target(store, statement) is None:
            raise Refusal(
                "Select statements within BatchExecuteStatement must specify the primary key in the where clause."
            )
        items: Sequence[Item] = Reading.of(statement, store, asked).page(consumed)["Items"]
        return items
    write = _planned(store, statement, asked)
    consumed.write(write.change)
    writes.commit(tables, write.change)
    return _returned(statement, write)


def _is_mixed(statements: Sequence[PartiqlStatement]) -> bool:
    return len({isinstance(each, Select) for each in statements}) > 1


def _check_distinct(tables: Stores, statements: Sequence[PartiqlStatement], twice: str) -> None:
    """Raises Refusal if two statements are about one item."""
    seen = set()
    for statement in statements:
        try:
            store = tables.store(_table(statement))
        except Refusal:
            continue  # refused when its turn comes
        key = _target(store, statement)
        if key is None:
            continue
        place = (store.definition.name, store.rows.place(key))
        if place in seen:
            raise Refusal(twice)
        seen.add(place)


def _target(store: Store, statement: PartiqlStatement) -> Item | None:
    """The key of the one item that a statement names; None if it names none."""
    if isinstance(statement, Insert):
        names, types = store.definition.keys, store.definition.types
        item = statement.item
        is_whole = all(name in item and types[name] in item[name] for name in names)
        return store.definition.key_of(item) if is_whole else None
    where = statement.select.where if isinstance(statement, Exists) else statement.where
    try:
        return _key(store, where)
    except Refusal:
        return None


# --- transactions


def execute_transaction(tables: Stores, members: Members) -> Outcome:
    asked = members["TransactStatements"]
    _check_each("transactStatements", asked)
    statements = [_allowed(tables, at, each) for at, each in enumerate(asked)]
    if _is_mixed(statements):
        raise Refusal("ExecuteTransaction API does not support both read and write operations in the same request.")
    _check_distinct(tables, statements, TWICE_IN_TRANSACTION)
    consumed = Consumed(members.get("ReturnConsumedCapacity"), transactional=True)
    stores = [tables.store(_table(statement)) for statement in statements]
    if isinstance(statements[0], Select):
        responses = _read(stores, statements, asked, consumed)
    else:
        responses = _written(tables, stores, statements, asked, consumed)
    return Outcome({"Responses": responses, **consumed.of_each()}, consumed)


def _allowed(tables: Stores, at: int, asked: Members) -> PartiqlStatement:
    """The statement at a place of a transaction. Raises Refusal with the place."""
    try:
        statement = _parsed(asked)
        if isinstance(statement, Update | Delete) and statement.returning is not None:
            raise Refusal("RETURNING clause is not supported in ExecuteTransaction.")
        if isinstance(statement, Select) and statement.index is not None:
            raise Refusal("Reads on indices are not supported within transactions.")
        if isinstance(statement, Exists) and statement.select.index is not None:
            raise Refusal("Operations on indices are not supported in transactions")
        if isinstance(statement, Select | Exists):
            _check_single(tables.store(_table(statement)), statement)
    except Refusal as refusal:
        if refusal.code != "ValidationException":
            raise
        raise Refusal(f"Validation failed in TransactStatements[{at}]: {refusal.message}") from refusal
    return statement


def _check_single(store: Store, statement: Select | Exists) -> None:
    """Raises Refusal unless a read names one item and no more, and EXISTS one item and a condition."""
    keys = store.definition.keys
    where = statement.select.where if isinstance(statement, Exists) else statement.where
    is_single = _target(store, statement) is not None
    has_more = where is not None and not is_only_key(where, keys)
    if isinstance(statement, Exists) and not (is_single and has_more):
        raise Refusal("EXISTS() must contain a single item read with additional condition")
    if isinstance(statement, Select) and (has_more or not is_single):
        raise Refusal("Select statements within ExecuteTransaction must specify the primary key in the where clause.")


def _read(
    stores: Sequence[Store], statements: Sequence[PartiqlStatement], asked: Sequence[Members], consumed: Consumed
) -> list[Members]:
    responses: list[Members] = []
    for store, statement, each in zip(stores, statements, asked, strict=True):
        if isinstance(statement, Select):
            items = Reading.of(statement, store, {**each, "ConsistentRead": True}).page(consumed)["Items"]
            responses.append({"Item": items[0]} if items else {})
    return responses


def _written(
    tables: Stores,
    stores: Sequence[Store],
    statements: Sequence[PartiqlStatement],
    asked: Sequence[Members],
    consumed: Consumed,
) -> list[Members]:
    plans: list[Callable[[], Write]] = [
        partial(_planned, store, statement, each)
        for store, statement, each in zip(stores, statements, asked, strict=True)
    ]
    changes = [write.change for write in planned_all(plans)]
    check_total(change.size for change in changes)
    for statement, change in zip(statements, changes, strict=True):
        consumed.write(change)
        if not isinstance(statement, Exists):
            writes.commit(tables, change)
    return [{} for _ in statements]


OPERATIONS: Mapping[str, Callable[[Stores, Members], Outcome]] = {
    "ExecuteStatement": execute_statement,
    "BatchExecuteStatement": batch_execute_statement,
    "ExecuteTransaction": execute_transaction,
}
