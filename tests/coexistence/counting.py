"""What a block counted: the differences of this process's metrics."""

from __future__ import annotations

from types import TracebackType

from prometheus_client import REGISTRY

Samples = dict[str, float]


def samples() -> Samples:
    """Return our samples as Prometheus writes them, such as `calls_total{action="x"}`."""
    return {
        _written(sample.name, sample.labels): sample.value
        for family in REGISTRY.collect()
        for sample in family.samples
        if family.name.startswith("profile_store_") and not sample.name.endswith("_created")
    }


def _written(name: str, labels: dict[str, str]) -> str:
    inside = ",".join(f'{label}="{value}"' for label, value in sorted(labels.items()))
    return name.removeprefix("profile_store_") + (f"{{{inside}}}" if inside else "")


class Counted:
    """What is counted in the block, without what stayed as it was; `[name]` is 0 where nothing."""

    def __enter__(self) -> Counted:
        self._before = samples()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        self.found = {
            name: value - self._before.get(name, 0.0)
            for name, value in samples().items()
            if value != self._before.get(name, 0.0)
        }

    def __getitem__(self, name: str) -> float:
        return self.found.get(name, 0.0)
