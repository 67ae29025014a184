"""What stands in the students' notebook in place of a solution; nbgrader generates it by the settings of the course."""

from __future__ import annotations

import re
from typing import Any

from nbgrader.preprocessors import ClearSolutions

from autograder.authoring.wrong import REGION, values_of


class Stubs(ClearSolutions):
    """nbgrader's own, but that a plain value's stub is `threat_table = ...`: an error there would stop Run all."""

    def _replace_solution_region(self, cell: Any, language: str) -> bool:
        if cell.cell_type != "code":
            return bool(super()._replace_solution_region(cell, language))
        source = cell.source
        cell.source = REGION.sub(_stub, f"{source}\n").removesuffix("\n")
        return bool(super()._replace_solution_region(cell, language)) or cell.source != source


def _stub(found: re.Match[str]) -> str:
    lines = [f"{name} = ...\n" for name in values_of(found)]
    return "".join(lines) or found[0]
