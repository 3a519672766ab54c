"""The conformance kit: what every profile store promises, as tests to run on a store of your own.

    from profile_store.conformance import StoreConformance

    class TestMyStore(StoreConformance):
        def open_store(self, database, **limits):
            return MyStore(database / "profiles", **limits)

        def open_unreachable_store(self, database):
            return MyStore(database / "nowhere" / "profiles")

See docs/stores.md. Needs the extra `testing`.
"""

try:
    import hypothesis  # noqa: F401
    import pytest
except ImportError as error:
    raise ImportError(
        f"The conformance kit needs {error.name}; run: pip install 'rasa-coexistence[testing]'"
    ) from None

# Before they are imported, so that a failed assertion tells what it compared.
pytest.register_assert_rewrite(
    *(
        f"{__name__}.{module}"
        for module in (
            "availability",
            "clocks",
            "erasure",
            "history",
            "keys",
            "limits",
            "linking",
            "machine",
            "ordering",
            "releases",
            "retention",
            "storing",
        )
    )
)

from profile_store.conformance.suite import StoreConformance  # noqa: E402

__all__ = ["StoreConformance"]
