"""Which modules a package has and what each imports: read from the source, shared by the tests of both packages."""

import ast
import graphlib


def modules(root):
    """Dotted name -> file, of every module of the package whose folder is `root`."""
    return {
        ".".join((root.name, *path.relative_to(root).with_suffix("").parts)).removesuffix(".__init__"): path
        for path in sorted(root.rglob("*.py"))
    }


def trees(files):
    """Dotted name -> syntax tree."""
    return {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in files.items()}


def imported(name, tree, files, handed_on=None):
    """Modules that `tree`, standing as module `name`, imports at any depth.

    handed_on: 'package.name' -> the module from which the package hands that name on when it is asked for.
    """
    package = name if name in files and files[name].name == "__init__.py" else name.rpartition(".")[0]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parents = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*parents, *([node.module] if node.module else [])])
            for alias in node.names:
                whole = f"{base}.{alias.name}"
                yield whole if whole in files else (handed_on or {}).get(whole, base)


def in_order(found):
    """The modules, each behind what it imports.  found: module -> what it imports.

    Raises: `graphlib.CycleError` where imports go in a circle.
    """
    graph = {
        name: {target for target in targets if target in found and target != name} for name, targets in found.items()
    }
    return list(graphlib.TopologicalSorter(graph).static_order())
