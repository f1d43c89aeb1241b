"""CloudFormation's YAML as the JSON that it stands for: `!Sub x` is {"Fn::Sub": "x"}. Resolves nothing."""

from __future__ import annotations

import importlib
from typing import Any

yaml: Any = importlib.import_module("yaml")  # it has no types of its own


def parse(text: str) -> Any:
    """Raises ValueError, in one line."""
    try:
        return yaml.load(text, _Loader)
    except yaml.MarkedYAMLError as error:
        line = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
        raise ValueError(f"{line}{error.problem}") from error
    except yaml.YAMLError as error:
        raise ValueError(" ".join(str(error).split())) from error


def _short(loader: Any, name: str, node: Any) -> dict[str, Any]:
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/intrinsic-function-reference.html"""
    if isinstance(node, yaml.ScalarNode):
        argument = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        argument = loader.construct_sequence(node, deep=True)
    else:
        argument = loader.construct_mapping(node, deep=True)
    return {name if name in ("Ref", "Condition") else f"Fn::{name}": argument}


def _once(loader: Any, node: Any) -> Any:
    """A mapping whose keys are there once; YAML itself would take the last."""
    seen = set()
    for key, _ in node.value:
        if key.value in seen and isinstance(key, yaml.ScalarNode):
            raise yaml.MarkedYAMLError(problem=f"{key.value} is there twice", problem_mark=key.start_mark)
        seen.add(key.value if isinstance(key, yaml.ScalarNode) else id(key))
    return (yield from loader.construct_yaml_map(node))


_Loader: Any = type("_Loader", (yaml.SafeLoader,), {})  # it makes no objects, whatever a tag says
_Loader.add_multi_constructor("!", _short)
_Loader.add_constructor("tag:yaml.org,2002:map", _once)
