"""What of the workflows a replay depends on, as text: each function's commands and waits, and what steers them."""

import ast
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
SOURCES: Final = sorted((ROOT / "workflows").glob("*.py"))
STORED: Final = Path(__file__).parent / "fingerprint.txt"

HARMLESS: Final = frozenset({"logger", "set_current_details", "unsafe"})
"""What a workflow may do between two commands without writing an event or asking the history."""

STEERING: Final = (ast.Raise, ast.Return, ast.Break, ast.Continue, ast.AugAssign)
"""Statements on which others depend: jumps and counters."""


def current() -> str:
    """The fingerprint of the sources as they are."""
    return (
        "\n\n".join(part for source in SOURCES for part in parts(source.name, source.read_text(encoding="utf-8")))
        + "\n"
    )


def parts(name: str, source: str) -> list[str]:
    """The fingerprint of one file, function by function."""
    tree = ast.parse(source)
    commanding = commanding_functions(tree)
    steering = steering_functions(tree, commanding)
    found = [f"{name}: {ast.unparse(node)}" for node in tree.body if is_number(node)]
    for function in functions(tree):
        if function.name in commanding:
            found.append("\n".join([f"{name}: {function.name}", *skeleton(function.body, commanding, "    ")]))
        elif function.name in steering:
            found.append("\n".join([f"{name}: {function.name}", *whole(function, "    ")]))
    return found


def is_number(node: ast.stmt) -> bool:
    """Whether a statement names a number: a limit that decides what a history holds."""
    value = node.value if isinstance(node, ast.AnnAssign | ast.Assign) else None
    return isinstance(value, ast.Constant) and isinstance(value.value, int | float)


def functions(tree: ast.AST) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Every function, in the order of the file."""
    found = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    return sorted(found, key=lambda node: node.lineno)


def commanding_functions(tree: ast.Module) -> set[str]:
    """The names of the functions that command or wait, themselves or through one another."""
    found: set[str] = set()
    while True:
        more = {
            function.name
            for function in functions(tree)
            if isinstance(function, ast.AsyncFunctionDef) or any(commands(node, found) for node in function.body)
        }
        if more <= found:
            return found
        found |= more


def steering_functions(tree: ast.Module, commanding: set[str]) -> set[str]:
    """The names of the functions that command nothing but are asked by those that do, directly or through one another."""
    named = {function.name for function in functions(tree)}
    found = set(commanding)
    while True:
        asked = {
            each.attr if isinstance(each, ast.Attribute) else each.id
            for function in functions(tree)
            if function.name in found
            for each in ast.walk(function)
            if isinstance(each, ast.Attribute | ast.Name)
        }
        if asked & named <= found:
            return found - commanding
        found |= asked & named


def commands(node: ast.AST, commanding: set[str]) -> bool:
    """Whether something in `node` writes an event or waits for one."""
    for each in ast.walk(node):
        if isinstance(each, ast.Await | ast.AsyncWith | ast.AsyncFor):
            return True
        if isinstance(each, ast.Call) and isinstance(each.func, ast.Attribute):
            owner, name = each.func.value, each.func.attr
            if isinstance(owner, ast.Name) and owner.id == "workflow" and name not in HARMLESS:
                return True
            if isinstance(owner, ast.Name) and owner.id == "self" and name in commanding:
                return True
    return False


def skeleton(body: list[ast.stmt], commanding: set[str], indent: str) -> list[str]:
    """The statements of a body that command, wait, or decide whether others do."""
    lines: list[str] = []
    for statement in body:
        steers = any(isinstance(each, STEERING) for each in ast.walk(statement))
        if not steers and not commands(statement, commanding):
            continue
        blocks = [
            (name, getattr(statement, name))
            for name in ("body", "orelse", "finalbody")
            if getattr(statement, name, None)
        ]
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue
        if not blocks:
            lines.append(indent + plain(statement))
            continue
        lines.append(indent + head(statement))
        for name, block in blocks:
            if name != "body":
                lines.append(f"{indent}{name}:")
            lines += skeleton(block, commanding, indent + "    ")
        for handler in getattr(statement, "handlers", []):
            lines.append(f"{indent}except {ast.unparse(handler.type) if handler.type else ''}:")
            lines += skeleton(handler.body, commanding, indent + "    ")
    return lines


def whole(function: ast.FunctionDef | ast.AsyncFunctionDef, indent: str) -> list[str]:
    """Every statement of a function but its docstring."""
    body = function.body[1:] if ast.get_docstring(function) else function.body
    return [indent + line for statement in body for line in plain(statement).splitlines()]


def head(statement: ast.stmt) -> str:
    """The first line of a compound statement."""
    return ast.unparse(statement).splitlines()[0]


def plain(statement: ast.stmt) -> str:
    """A statement without what may be reworded at will: summaries, messages and details for people."""

    class Silence(ast.NodeTransformer):
        def visit_keyword(self, node: ast.keyword) -> ast.keyword | None:
            return None if node.arg in {"summary", "timeout_summary", "static_summary"} else node

        def visit_Constant(self, node: ast.Constant) -> ast.Constant:
            return ast.Constant("…") if isinstance(node.value, str) and " " in node.value else node

    return ast.unparse(ast.fix_missing_locations(Silence().visit(statement)))
