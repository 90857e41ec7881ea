"""Makes the stub of a module out of its source: `python3 make_stub.py MODULE.py` prints it.

What is public is taken with its annotations and docstrings, without its bodies. What stands below
`if _FOR_TYPE_CHECKERS:` is taken as it is. Functions marked with `@_request` are there once more, as those of the class
`_Aio`, which awaits them.
"""

import ast
import sys
import textwrap

HEAD = "# Made of {}.py by tests/python/make_stub.py.\n"

# Functions that take one kind of arguments or another, which no single line of parameters says.
OVERLOADS = {
    "*player_and_text: Any, server: _Server=None": [
        "text: object, /, *, server: _Server=None",
        "player: _PlayerLike, text: object, /, *, server: _Server=None",
    ],
}


def lines_of(node, indent):
    return textwrap.indent(ast.unparse(node), indent)


def function(node, indent="", is_async=False, of_class=False):
    arguments = ast.unparse(node.args)
    if node.returns is None:
        sys.exit(f"line {node.lineno}: {node.name} has no annotation of its result")
    for each in [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]:
        if each.annotation is None and each.arg != "self":
            sys.exit(f"line {node.lineno}: {each.arg} of {node.name} has no annotation")
    forms = OVERLOADS.get(arguments, [arguments])
    doc = ast.get_docstring(node, clean=False)
    for form in forms:
        if len(forms) > 1:
            yield f"{indent}@overload"
        for each in node.decorator_list:
            # What a decorator makes of it is another thing than what it is marked with.
            if ast.unparse(each) in ("property", "classmethod", "staticmethod", "contextmanager"):
                yield f"{indent}@{ast.unparse(each)}"
        form = ", ".join(part for part in ("self" if of_class else "", form) if part)
        start = "async def" if is_async or isinstance(node, ast.AsyncFunctionDef) else "def"
        head = f"{indent}{start} {node.name}({form}) -> {ast.unparse(node.returns)}:"
        yield head if doc else head + " ..."
        if doc:
            body = textwrap.indent(textwrap.dedent("    " + doc), indent + "    ").rstrip()
            end = f"\n{indent}    " if "\n" in body else ""
            yield f'{indent}    """{body.strip()}{end}"""'


def class_(node):
    bases = ", ".join(ast.unparse(each) for each in node.bases)
    # A dictionary of texts is all that a checker needs to know of it.
    bases = "dict[str, Any]" if bases == "dict" else bases
    yield f"class {node.name}({bases}):" if bases else f"class {node.name}:"
    doc = ast.get_docstring(node)
    if doc:
        yield textwrap.indent(f'"""{doc}\n"""' if "\n" in doc else f'"""{doc}"""', "    ")
    is_empty = not doc
    for each in node.body:
        if isinstance(each, ast.AnnAssign) and not each.target.id.startswith("_"):
            yield lines_of(ast.AnnAssign(each.target, each.annotation, None, 1), "    ")
            is_empty = False
        elif isinstance(each, ast.FunctionDef) and is_shown(each):
            yield from function(each, "    ")
            is_empty = False
    if is_empty:
        yield "    ..."


def is_shown(node):
    """`__getattr__` would make every misspelt attribute right."""
    is_special = node.name.startswith("__") and node.name != "__getattr__"
    return is_special or not node.name.startswith("_")


def is_request(node):
    return any(ast.unparse(each) == "_request" for each in node.decorator_list)


def stub(source, name):
    tree = ast.parse(source)
    yield HEAD.format(name) + f'"""{ast.get_docstring(tree)}\n"""'
    requests = []
    for node in tree.body:
        if isinstance(node, ast.If) and ast.unparse(node.test) == "_FOR_TYPE_CHECKERS":
            for each in node.body:
                yield lines_of(each, "")
        elif isinstance(node, ast.AnnAssign) and not node.target.id.startswith("_"):
            yield lines_of(ast.AnnAssign(node.target, node.annotation, None, 1), "")
        elif isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield "\n".join(class_(node))
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and not node.name.startswith("_"):
            yield "\n".join(function(node))
            if is_request(node):
                requests.append("\n".join(function(node, "    ", is_async=True, of_class=True)))
    if requests:
        yield "\n".join(["class _Aio:", *requests])


if __name__ == "__main__":
    path = sys.argv[1]
    with open(path, encoding="utf-8") as file:
        print("\n\n".join(stub(file.read(), path.rpartition("/")[2][: -len(".py")])))
