"""What `bdlab list` shows: everything that is registered, and the course."""

from __future__ import annotations

from typing import Any

from bdlab import registry


def contents() -> dict[str, list[dict[str, Any]]]:
    """Kind of thing -> its entries, plain values."""
    kinds: dict[str, tuple[registry.Kind, tuple[str, ...]]] = {
        "datasets": ("dataset", ("name", "about", "module")),
        "nets": ("net", ("name", "about", "paper", "module")),
        "triggers": ("trigger", ("name", "about", "module")),
        "attacks": ("attack", ("name", "about", "paper", "family", "module")),
        "defenses": ("defense", ("name", "about", "paper", "family", "module")),
    }
    entries = {
        key: [{name: getattr(entry, name) for name in names} for entry in registry.registered(kind).values()]
        for key, (kind, names) in kinds.items()
    }
    return {**entries, **_contrasts(), **_course()}


def _contrasts() -> dict[str, list[dict[str, Any]]]:
    """What the lectures compare backdoors with."""
    from bdlab import availability, evasion

    classes = {
        "evasion": [getattr(evasion, name) for name in evasion.ATTACKS],
        "availability": [availability.FlipLabels, availability.MovePoints],
    }
    return {
        kind: [
            {"name": one.__name__, "about": (one.__doc__ or "").strip().splitlines()[0], "module": one.__module__}
            for one in found
        ]
        for kind, found in classes.items()
    }


def _course() -> dict[str, list[dict[str, Any]]]:
    from bdlab.exercises.lessons import all_lessons

    lessons = [
        {
            "name": one.id,
            "about": one.title,
            "id": one.id,
            "title": one.title,
            "points": one.points,
            "minutes": one.minutes,
        }
        for one in all_lessons()
    ]
    exercises = [
        {"name": task.id, "about": f"{task.name}, {task.points:g} points", "id": task.id, "lesson": one.id,
         "points": task.points, "mutants": len(task.messages)}
        for one in all_lessons() for task in one.exercises
    ]  # fmt: skip
    return {"lessons": lessons, "exercises": exercises}
