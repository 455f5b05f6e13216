"""The value of a small function as an expression, which stands in a driver in place of its call.

A call alone takes longer than what many functions do: that of `lambda pair: pair[1]` takes three times as
long. The expression is read from the function's bytecode, and compiled again it has to give the very same
bytecode: what is read wrongly, or is new in a version of Python, stays a call.

Fits functions that look at nothing but their argument, constants, and what Python has built in, and that
change nothing, as far as names tell: one that raises is called after that, for its frame in the traceback.
Must not run it.
"""

from __future__ import annotations

import ast
import builtins
import datetime
import decimal
import dis
import inspect
import sys
import threading
import uuid
from functools import lru_cache
from types import CodeType, FunctionType
from typing import Any, NamedTuple

# In a function of more instructions than these, the call is not what takes the time.
_MOST = 40
# So many brackets may be open before the argument: those of all steps are, and the compiler has a limit.
_OPEN = 2
_OTHER_KINDS = (
    inspect.CO_VARARGS
    | inspect.CO_VARKEYWORDS
    | inspect.CO_GENERATOR
    | inspect.CO_COROUTINE
    | inspect.CO_ASYNC_GENERATOR
    | inspect.CO_ITERABLE_COROUTINE
)
_CALLED = frozenset(
    kind.__name__
    for kind in (
        *(bool, bytes, dict, float, frozenset, int, list, set, str, tuple),
        *(abs, chr, divmod, isinstance, len, max, min, ord, repr, round, sorted, sum),
    )
)
# What changes something, here or where a class that is not Python's own has it (`deque.rotate`).
_CHANGE = {"clear", "pop", "popitem", "rotate", "setdefault", "update"}
_CLASSES = (
    *(str, bytes, int, float, complex, tuple, frozenset, dict),
    *(datetime.datetime, datetime.time, datetime.timedelta, decimal.Decimal, uuid.UUID),
)
_METHODS = frozenset(name for kind in _CLASSES for name in dir(kind) if name[0] != "_") - _CHANGE
# With fewer arguments they are methods of other classes (`Path.replace`, `Thread.join`).
_LEAST = {"replace": 2, "join": 1}
# What says where a function stands.
_ELSEWHERE = ("name", "qualname", "flags", "firstlineno", "linetable", "exceptiontable")
_UNARY = {"UNARY_NOT": "not ", "UNARY_NEGATIVE": "-"}
# Until 3.10 each had an instruction of its own.
_BINARY = {
    "BINARY_ADD": "+",
    "BINARY_SUBTRACT": "-",
    "BINARY_MULTIPLY": "*",
    "BINARY_TRUE_DIVIDE": "/",
    "BINARY_FLOOR_DIVIDE": "//",
    "BINARY_MODULO": "%",
    "BINARY_POWER": "**",
    "BINARY_AND": "&",
    "BINARY_OR": "|",
    "BINARY_XOR": "^",
    "BINARY_LSHIFT": "<<",
    "BINARY_RSHIFT": ">>",
}
_BRACKETS = {"BUILD_TUPLE": "({},)", "BUILD_LIST": "[{}]", "BUILD_SET": "{{{}}}"}
# What may come before the argument: steps before this one are only done where it stands.
_BEFORE = ("LOAD_CONST", "LOAD_SMALL_INT", "LOAD_GLOBAL", "BUILD_")
# What does nothing to values.
_NOTHING = ("RESUME", "PRECALL", "PUSH_NULL", "TO_BOOL", "NOT_TAKEN")
# What goes on behind the second operand where the first one decides. Since 3.12 it looks at a copy.
_DECIDED = {
    "JUMP_IF_FALSE_OR_POP": "and",
    "JUMP_IF_TRUE_OR_POP": "or",
    "POP_JUMP_IF_FALSE": "and",
    "POP_JUMP_IF_TRUE": "or",
}
_COPY = ("COPY", "POP_TOP")


class Expression(NamedTuple):
    """An expression: its text is `argument.join(pieces)`, on one line, whatever the argument's name.

    `names` are those of Python's that it uses.
    """

    pieces: tuple[str, ...]
    names: frozenset[str]

    def of(self, argument: str) -> str:
        """The text for an argument of this name."""
        return argument.join(self.pieces)


def expression(function: Any) -> Expression | None:
    """What a function gives for its argument, where a small expression of it does; `None` for others."""
    if type(function) is not FunctionType or _watched():
        return None
    known = function.__builtins__  # type: ignore[attr-defined]
    if function.__defaults__ or function.__kwdefaults__ or known is not vars(builtins):
        return None
    found = _expression(function.__code__)
    return found if found and not found.names & function.__globals__.keys() else None


def _watched() -> bool:
    """Whether a debugger or a profiler wants to see each call."""
    if sys.gettrace() or sys.getprofile() or threading.gettrace() or threading.getprofile():
        return True
    monitoring = getattr(sys, "monitoring", None)
    return monitoring is not None and any(map(monitoring.get_tool, range(6)))


@lru_cache(maxsize=512)
def _expression(code: CodeType) -> Expression | None:
    one_argument = code.co_argcount == len(code.co_varnames) == 1 and not code.co_kwonlyargcount
    if not one_argument or code.co_freevars or code.co_cellvars or code.co_flags & _OTHER_KINDS:
        return None
    instructions = list(dis.get_instructions(code))
    if len(instructions) > _MOST:
        return None
    (argument,) = code.co_varnames
    read = _Read(code)
    try:
        text = read.text(instructions)
        if not _gives(text, code):
            return None
    except (_Other, IndexError, SyntaxError, ValueError, RecursionError):
        return None
    place = "_argument_of_the_function_"
    if place in text:
        return None
    tree = ast.parse(text, mode="eval")
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id == argument:
            node.id = place
    text = f"({ast.unparse(tree)})" if isinstance(tree.body, ast.BoolOp) else ast.unparse(tree)
    pieces = tuple(text.split(place))
    # What does not look at its argument must have it evaluated all the same.
    fits = len(pieces) > 1 and "\n" not in text and sum(map(pieces[0].count, "([{")) <= _OPEN
    return Expression(pieces, frozenset(read.names)) if fits else None


def _gives(text: str, code: CodeType) -> bool:
    """Whether a function that returns the expression has the same code."""
    (argument,) = code.co_varnames
    if code.co_name == "<lambda>":
        body = f"lambda {argument}: {text}"
    else:
        # Its first constant is its description.
        described = next(iter(code.co_consts), None)
        said = f"    {described!r}\n" if isinstance(described, str) else ""
        body = f"def function({argument}):\n{said}    return {text}"
    compiled = compile(body, code.co_filename, "exec", dont_inherit=True)
    (made,) = (const for const in compiled.co_consts if isinstance(const, CodeType))
    names = [f"co_{name}" for name in _ELSEWHERE if hasattr(code, f"co_{name}")]
    return made.replace(**{name: getattr(code, name) for name in names}) == code


class _Other(Exception):
    """An instruction of another kind."""


class _Read:
    """The stack of a function, its values as source."""

    def __init__(self, code: CodeType) -> None:
        (self._argument,) = code.co_varnames
        self._stack: list[str] = []
        # First operands of `and` and `or`: where the second one ends, and the operator.
        self._decided: list[tuple[int, str, str]] = []
        self._seen = False
        self.names: set[str] = set()

    def text(self, instructions: list[dis.Instruction]) -> str:
        """The source of what is returned."""
        for it in instructions:
            while self._decided and self._decided[-1][0] == it.offset:
                _, operator, first = self._decided.pop()
                self._stack.append(f"({first} {operator} {self._stack.pop()})")
            if it.opname == "RETURN_VALUE":
                return self._stack.pop()
            if it.opname in _DECIDED:
                # What stands for the argument has to be evaluated in any case.
                if not self._seen:
                    raise _Other
                self._decided.append((it.argval, _DECIDED[it.opname], self._stack.pop()))
            elif it.opname not in _COPY:
                self._step(it.opname, it.arg or 0, it.argval, it.argrepr)
        raise _Other

    def _step(self, name: str, count: int, value: Any, shown: str) -> None:
        push = self._stack.append
        if name in _NOTHING:
            return
        if not (self._seen or name.startswith(("LOAD_FAST", *_BEFORE))):
            raise _Other
        if name.startswith("LOAD_FAST"):
            self._seen = True
            for _ in range(name.count("FAST")):
                push(self._argument)
        elif name in ("LOAD_CONST", "LOAD_SMALL_INT"):
            push(_constant(value))
        elif name == "LOAD_GLOBAL":
            if value not in _CALLED:
                raise _Other
            self.names.add(value)
            push(value)
        elif name in ("LOAD_ATTR", "LOAD_METHOD"):
            push(f"({self._stack.pop()}).{value}")
        elif name in ("CALL", "CALL_FUNCTION", "CALL_METHOD"):
            self._call(self._take(count))
        elif name in _UNARY:
            push(f"({_UNARY[name]}{self._stack.pop()})")
        elif name in _BRACKETS:
            items = self._take(count)
            push(
                _BRACKETS[name].format(", ".join(items)) if items else "()" if name == "BUILD_TUPLE" else "[]"
            )
        else:
            self._operator(name, count, value, shown)

    def _operator(self, name: str, count: int, value: Any, shown: str) -> None:
        push = self._stack.append
        if name == "BUILD_MAP":
            items = self._take(2 * count)
            pairs = zip(items[::2], items[1::2], strict=True)
            push("{" + ", ".join(f"{key}: {item}" for key, item in pairs) + "}")
        elif name == "BUILD_CONST_KEY_MAP":
            keys = ast.literal_eval(self._stack.pop())
            pairs = zip(keys, self._take(count), strict=True)
            push("{" + ", ".join(f"{key!r}: {item}" for key, item in pairs) + "}")
        elif name in ("DICT_UPDATE", "LIST_EXTEND", "SET_UPDATE") and count == 1:
            display, more = self._take(2)
            if not display.startswith(("[", "{")):
                raise _Other
            inner = display[1:-1] + ", " if len(display) > 2 else ""
            push(f"{display[0]}{inner}{'**' if name == 'DICT_UPDATE' else '*'}{more}{display[-1]}")
        elif name == "BUILD_SLICE":
            push(":".join("" if part == "None" else part for part in self._take(count)))
        elif name == "BINARY_SLICE":
            values, start, end = self._take(3)
            push(f"({values})[{'' if start == 'None' else start}:{'' if end == 'None' else end}]")
        elif name == "BINARY_SUBSCR" or (name == "BINARY_OP" and shown == "[]"):
            values, index = self._take(2)
            push(f"({values})[{index}]")
        elif name in ("COMPARE_OP", "BINARY_OP") or name in _BINARY:
            left, right = self._take(2)
            # Since 3.13 a comparison may say that only its truth is wanted.
            operator = _BINARY.get(name, shown).removeprefix("bool(").removesuffix(")")
            push(f"({left} {operator} {right})")
        elif name == "CONTAINS_OP":
            left, right = self._take(2)
            push(f"({left} {'not in' if count else 'in'} {right})")
        elif name == "IS_OP" and self._stack[-1] in ("None", "True", "False"):
            left, right = self._take(2)
            push(f"({left} {'is not' if count else 'is'} {right})")
        else:
            raise _Other

    def _call(self, arguments: list[str]) -> None:
        called = self._stack.pop()
        method = called.rpartition(").")[2]
        if method == called:
            allowed = called in _CALLED and called != self._argument
        else:
            allowed = method in _METHODS and len(arguments) >= _LEAST.get(method, 0)
        if not allowed:
            raise _Other
        self._stack.append(f"{called}({', '.join(arguments)})")

    def _take(self, count: int) -> list[str]:
        if count > len(self._stack):
            raise _Other
        taken = self._stack[len(self._stack) - count :]
        del self._stack[len(self._stack) - count :]
        return taken


def _constant(value: Any) -> str:
    if isinstance(value, slice):
        parts = (value.start, value.stop) if value.step is None else (value.start, value.stop, value.step)
        return ":".join("" if part is None else repr(part) for part in parts)
    if value is Ellipsis:
        return "..."
    if not isinstance(value, (type(None), bool, int, float, str, bytes, tuple, frozenset)):
        raise _Other
    return repr(value)
