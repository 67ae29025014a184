"""What one submission may use."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields

MB = 1 << 20


@dataclass(frozen=True)
class Limits:
    """Seconds: call, of one answer; cell, of one cell; wall and cpu, of a whole submission.  Bytes: memory, of all its
    processes together beyond what the fork server had; data, of one of them; file, of one file; disk, of all files.

    How long a reply may be is a matter of `bdlab.submission.frames`; what the code prints goes nowhere.
    """

    call: float = 10.0
    cell: float = 20.0
    wall: float = 120.0
    cpu: float = 60.0
    memory: int = 3072 * MB
    data: int = 2048 * MB
    file: int = 64 * MB
    disk: int = 64 * MB
    processes: int = 64
    files: int = 256

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if value <= 0:
                raise ValueError(f"{field.name} must be above 0, got {value}")

    def plain(self) -> dict[str, float]:
        """Name -> value, for a message or a record."""
        return asdict(self)
