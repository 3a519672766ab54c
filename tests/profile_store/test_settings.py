"""Settings: a section of the endpoints file and the environment, and one line when impossible."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from profile_store import InvalidSettings, StoreSettings, engine, settings

SECRET = "p@ss/w:rd?#%&"


pytestmark = pytest.mark.usefixtures("bare_place")


def load(section: str) -> StoreSettings:
    """Return what a `profile_store:` section in `endpoints.yml` comes to."""
    indented = "".join(f"  {line}\n" for line in section.strip().splitlines())
    Path("endpoints.yml").write_text(f"profile_store:\n{indented}", encoding="utf-8")
    return settings.load()


def refusal(section: str) -> str:
    with pytest.raises(InvalidSettings) as refused:
        load(section)
    assert "\n" not in str(refused.value)
    return str(refused.value)


# The file


def test_without_a_file_profiles_are_in_sqlite() -> None:
    url = settings.load().sqlalchemy_url()
    assert url == sa.make_url("sqlite:///profiles.db")


def test_a_file_without_the_section_sets_nothing() -> None:
    Path("endpoints.yml").write_text("action_endpoint:\n  url: http://localhost:5055/webhook\n")
    assert settings.load() == StoreSettings()


@pytest.mark.parametrize("content", ["", "# nothing\n", "profile_store:\n", "profile_store: {}\n"])
def test_an_empty_file_or_section_sets_nothing(content: str) -> None:
    Path("endpoints.yml").write_text(content)
    assert settings.load() == StoreSettings()


def test_the_section_sets_what_it_names_and_leaves_the_rest() -> None:
    loaded = load("namespace: bank\ntimeout: 1.5\nbatch_size: 64")
    assert (loaded.namespace, loaded.timeout, loaded.batch_size) == ("bank", 1.5, 64)
    assert loaded.max_slots == StoreSettings().max_slots


def test_other_sections_are_not_looked_at() -> None:
    Path("endpoints.yml").write_text(
        "tracker_store:\n  password: ${NOT_SET}\nprofile_store:\n  namespace: bank\n"
    )
    assert settings.load().namespace == "bank"


def test_a_byte_order_mark_is_no_part_of_the_file() -> None:
    Path("endpoints.yml").write_text("profile_store:\n  namespace: bank\n", encoding="utf-8-sig")
    assert settings.load().namespace == "bank"


def test_the_file_may_be_another(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("endpoints.yml").write_text("profile_store:\n  namespace: here\n")
    Path("other.yml").write_text("profile_store:\n  namespace: there\n")
    monkeypatch.setenv("PROFILE_STORE_ENDPOINTS", "other.yml")
    assert settings.load().namespace == "there"


def test_a_file_that_was_asked_for_must_be_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROFILE_STORE_ENDPOINTS", "nowhere.yml")
    with pytest.raises(InvalidSettings, match=r"^nowhere\.yml: no such file; correct PROFILE_"):
        settings.load()


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ("profile_store:\n  db: [unclosed\n", 3),
        ("profile_store:\n  db: one\n  db: two\n", 3),
        ("profile_store:\n  password: 's3cret\n", 3),
        ("a: b: s3cret\n", 1),
    ],
)
def test_malformed_yaml_is_named_with_file_and_line_and_not_quoted(content: str, line: int) -> None:
    Path("endpoints.yml").write_text(content)
    with pytest.raises(InvalidSettings) as refused:
        settings.load()
    assert str(refused.value) == f"endpoints.yml, line {line}: not valid YAML; correct it."
    assert refused.value.__cause__ is None


@pytest.mark.parametrize("content", ["- profile_store\n", "profile_store\n"])
def test_a_file_that_is_no_mapping_is_refused(content: str) -> None:
    Path("endpoints.yml").write_text(content)
    with pytest.raises(InvalidSettings, match="must be a mapping of sections"):
        settings.load()


@pytest.mark.parametrize("section", ["sqlite", "[dialect, sqlite]", "5"])
def test_a_section_that_is_no_mapping_is_refused(section: str) -> None:
    Path("endpoints.yml").write_text(f"profile_store: {section}\n")
    with pytest.raises(InvalidSettings, match=r"^endpoints\.yml: profile_store must be a mapping"):
        settings.load()


def test_a_file_that_is_not_utf8_is_refused() -> None:
    Path("endpoints.yml").write_bytes("profile_store:\n  namespace: Bär\n".encode("latin-1"))
    with pytest.raises(InvalidSettings, match=r"^endpoints\.yml cannot be read: not UTF-8\.$"):
        settings.load()


def test_a_folder_in_place_of_the_file_is_refused() -> None:
    Path("endpoints.yml").mkdir()
    with pytest.raises(InvalidSettings, match=r"^endpoints\.yml cannot be read: Is a directory"):
        settings.load()


# Text


@pytest.mark.parametrize(
    "text", ["1234", "0123", "1_000", "0x1F", "1e3", "3.10", "true", "No", "2024-01-01", ".inf"]
)
def test_a_plain_value_given_for_text_is_taken_as_it_is_written(text: str) -> None:
    loaded = load(f"namespace: {text}\npassword: {text}\nusername: {text}")
    assert loaded.password is not None
    assert (loaded.namespace, loaded.username) == (text, text)
    assert loaded.password.get_secret_value() == text


def test_options_of_the_driver_may_be_numbers() -> None:
    assert load("query:\n  keepalives_idle: 30\n  sslmode: require").query == {
        "keepalives_idle": "30",
        "sslmode": "require",
    }


@pytest.mark.parametrize("nothing", ["", "null", "~"])
def test_a_setting_left_blank_is_not_set(nothing: str) -> None:
    loaded = load(f"dialect: postgresql\nurl: {nothing}\nusername: {nothing}\npassword: {nothing}")
    assert loaded.sqlalchemy_url() == sa.make_url("postgresql+psycopg://localhost/profiles.db")


@pytest.mark.parametrize("kind", ["SQL", "sql", "Sql"])
def test_the_type_is_written_as_rasa_takes_it(kind: str) -> None:
    assert load(f"type: {kind}").type == "SQL"


# Variables


def test_variables_are_filled_in_wherever_they_stand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DB_PASSWORD", SECRET)
    monkeypatch.setenv("DB_PORT", "6432")
    monkeypatch.setenv("STAGE", "test")
    monkeypatch.setenv("MODE", "require")
    loaded = load(
        "password: ${DB_PASSWORD}\nport: ${DB_PORT}\nnamespace: bank-${STAGE}-${STAGE}\n"
        "query: {sslmode: '${MODE}'}"
    )
    assert loaded.password is not None
    assert loaded.password.get_secret_value() == SECRET
    assert (loaded.port, loaded.namespace) == (6432, "bank-test-test")
    assert loaded.query == {"sslmode": "require"}


def test_a_variable_that_is_not_set_is_named_with_its_setting() -> None:
    assert refusal("query: {sslcert: '${NOT_SET}'}").startswith(
        "profile_store.query.sslcert: the environment variable NOT_SET is not set; "
    )


def test_a_filled_in_value_is_not_filled_in_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DB_PASSWORD", "${HOME}$$")
    loaded = load("password: ${DB_PASSWORD}")
    assert loaded.password is not None
    assert loaded.password.get_secret_value() == "${HOME}$$"


# The environment


def test_the_environment_wins_over_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROFILE_STORE_NAMESPACE", "from the environment")
    monkeypatch.setenv("PROFILE_STORE_TIMEOUT", "7")
    loaded = load("namespace: from the file\ntimeout: 2\ndb: kept.db")
    assert (loaded.namespace, loaded.timeout) == ("from the environment", 7.0)
    assert loaded.db == "kept.db"


def test_an_empty_variable_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROFILE_STORE_NAMESPACE", "")
    monkeypatch.setenv("PROFILE_STORE_PORT", "")
    monkeypatch.setenv("PROFILE_STORE_ENDPOINTS", "")
    assert load("namespace: bank").namespace == "bank"


def test_mappings_are_json_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROFILE_STORE_QUERY", '{"sslmode": "require"}')
    assert settings.load().query == {"sslmode": "require"}


def test_what_is_not_json_there_is_named_and_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROFILE_STORE_QUERY", "sslpassword=s3cret")
    with pytest.raises(InvalidSettings, match=r"^PROFILE_STORE_QUERY: not valid JSON") as refused:
        settings.load()
    assert "s3cret" not in str(refused.value)


def test_an_impossible_variable_is_named_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROFILE_STORE_TIMEOUT", "-1")
    assert refusal("timeout: 2").startswith("PROFILE_STORE_TIMEOUT: ")


# The database


@pytest.mark.parametrize(
    ("dialect", "driver"),
    [
        ("postgresql", "postgresql+psycopg"),
        ("postgres", "postgresql+psycopg"),
        ("mysql", "mysql+pymysql"),
        ("mariadb", "mariadb+pymysql"),
    ],
)
def test_a_database_is_named_piece_by_piece_or_by_one_url(dialect: str, driver: str) -> None:
    expected = sa.URL.create(
        driver, "rasa", "s3cret", "db.example.com", 6543, "profiles", {"ssl": "on"}
    )
    pieces = load(
        f"dialect: {dialect}\nurl: db.example.com\nport: 6543\ndb: profiles\n"
        "username: rasa\npassword: s3cret\nquery: {ssl: on}"
    )
    assert pieces.sqlalchemy_url() == expected
    whole = load(f"url: {dialect}://rasa:s3cret@db.example.com:6543/profiles?ssl=on")
    assert whole.sqlalchemy_url() == expected


@pytest.mark.parametrize("driver", ["psycopg2", "asyncpg", "psycopg"])
def test_the_driver_is_ours_whichever_the_url_names(driver: str) -> None:
    url = load(f"url: postgresql+{driver}://db/profiles").sqlalchemy_url()
    assert url.drivername == "postgresql+psycopg"


def test_the_host_may_carry_its_port_as_in_rasa() -> None:
    url = load("dialect: postgresql\nurl: db.example.com:6543").sqlalchemy_url()
    assert (url.host, url.port) == ("db.example.com", 6543)


@pytest.mark.parametrize("host", ["/var/run/postgresql", "::1", "db"])
def test_a_host_without_a_port_is_taken_as_it_is(host: str) -> None:
    url = load(f"dialect: postgresql\nurl: '{host}'").sqlalchemy_url()
    assert (url.host, url.port) == (host, None)


@pytest.mark.parametrize(
    ("section", "file"),
    [
        ("dialect: sqlite\ndb: my.db", "my.db"),
        ("db: ':memory:'", ":memory:"),
        ("url: sqlite:////data/my.db", "/data/my.db"),
        ("url: sqlite:///my.db\ndb: other.db", "my.db"),
    ],
)
def test_sqlite_is_a_file(section: str, file: str) -> None:
    assert load(section).sqlalchemy_url() == sa.URL.create("sqlite", database=file)


def test_sqlite_has_no_host() -> None:
    # or PROFILE_STORE_URL=db.example.com would quietly go to profiles.db
    assert refusal("url: db.example.com").startswith("profile_store.url: SQLite has no host")


def test_a_password_may_hold_any_character_where_it_is_a_setting() -> None:
    url = load(f"dialect: mysql\nusername: rasa\npassword: '{SECRET}'").sqlalchemy_url()
    assert url.password == SECRET
    assert sa.make_url(url.render_as_string(hide_password=False)).password == SECRET


def test_a_password_apart_completes_a_url_without_one() -> None:
    url = load(f"url: postgresql://rasa@db/profiles\npassword: '{SECRET}'").sqlalchemy_url()
    assert (url.username, url.password) == ("rasa", SECRET)


def test_a_url_keeps_its_own_login() -> None:
    url = load(
        "url: postgresql://rasa:own@db/profiles\nusername: other\npassword: other"
    ).sqlalchemy_url()
    assert (url.username, url.password) == ("rasa", "own")


def test_options_add_to_those_of_a_url() -> None:
    url = load(
        "url: postgresql://db/profiles?sslmode=require\nquery: {options: x}"
    ).sqlalchemy_url()
    assert url.query == {"sslmode": "require", "options": "x"}


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://rasa:s3cret@db:port/profiles",
        "://rasa:s3cret@db",
        "oracle://rasa:s3cret@db/profiles",
        "postgresql://rasa:p@s3cret@db/profiles",
    ],
)
def test_a_url_that_is_none_is_named_and_not_shown(url: str) -> None:
    message = refusal(f"url: {url}")
    assert message.startswith("profile_store.url")
    assert "s3cret" not in message


def test_a_url_of_the_environment_is_named_as_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROFILE_STORE_URL", "oracle://db/profiles")
    assert refusal("namespace: bank").startswith("PROFILE_STORE_URL: ")


def test_an_unknown_dialect_is_refused_with_those_there_are() -> None:
    assert refusal("dialect: oracle") == (
        "profile_store.dialect: the dialect is none of sqlite, postgresql, mysql, mariadb."
    )


@pytest.mark.parametrize(
    ("dialect", "module", "extra"),
    [
        ("postgresql", "psycopg", "postgres"),
        ("mysql", "pymysql", "mysql"),
        ("mariadb", "pymysql", "mysql"),
    ],
)
def test_a_missing_driver_is_named_with_what_to_install(
    dialect: str, module: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(InvalidSettings) as refused:
        engine.create_engine(StoreSettings(dialect=dialect))
    assert str(refused.value) == (
        f"profile_store: the driver for {dialect} is not installed; "
        f"run: pip install 'rasa-coexistence[{extra}]'"
    )


# What is impossible


def test_an_unknown_setting_is_named() -> None:
    with pytest.raises(InvalidSettings, match=r"^profile_store\.nosuch: no such setting") as it:
        settings.make(StoreSettings, {"nosuch": "s3cret"})
    assert "s3cret" not in str(it.value)


IMPOSSIBLE: list[tuple[str, Any]] = [
    ("type", "mongo"),
    ("port", 0),
    ("port", 65_536),
    ("port", "s3cret"),
    ("db", ["s3cret"]),
    ("password", ["s3cret"]),
    ("query", "s3cret"),
    ("query", {"a": ["s3cret"]}),
    ("namespace", ""),
    ("namespace", "n" * 65),
    ("namespace", "nul\0"),
    ("namespace", "half a pair \ud83d"),
    ("timeout", 0),
    ("timeout", 241),
    ("timeout", "nan"),
    ("timeout", "inf"),
    ("timeout", "3,5"),
    ("connect_timeout", 0),
    ("connect_timeout", 61),
    ("retry_after", -1),
    ("retry_after", 301),
    ("queue_size", 0),
    ("queue_size", 1.5),
    ("batch_size", 0),
    ("batch_size", 10_001),
    ("max_value_bytes", 0),
    ("max_value_bytes", 1_048_577),
    ("max_slots", 0),
    ("max_slots", 100_001),
]


@pytest.mark.parametrize(("name", "value"), IMPOSSIBLE)
def test_an_impossible_setting_is_named_and_its_value_is_not(name: str, value: Any) -> None:
    with pytest.raises(InvalidSettings) as refused:
        settings.make(StoreSettings, {name: value})
    message = str(refused.value)
    assert message.startswith(f"profile_store.{name}")
    assert "\n" not in message
    assert "s3cret" not in message


def test_several_impossible_settings_are_all_named_in_one_line() -> None:
    message = refusal("timeout: soon\nport: 0\nbatch_size: many")
    for name in ("timeout", "port", "batch_size"):
        assert f"profile_store.{name}: " in message


@pytest.mark.parametrize("namespace", ["n", "n" * 64, "Zürich 🏦"])
def test_a_namespace_may_be_any_name_of_64_characters(namespace: str) -> None:
    assert load(f"namespace: '{namespace}'").namespace == namespace


def test_settings_do_not_show_passwords() -> None:
    made = StoreSettings(
        url="postgresql://rasa:s3cret@db/profiles",
        password="s3cret",  # type: ignore[arg-type]
        query={"sslpassword": "s3cret"},
    )
    assert "s3cret" not in repr(made) + str(made)


# Several hosts


@pytest.mark.parametrize(
    "section",
    [
        "url: postgresql://rasa:s3cret@one:6543,two/profiles",
        "url: postgresql://rasa:s3cret@one:6543,two:5432/profiles?target_session_attrs=read-write",
        "dialect: postgresql\nurl: one:6543,two\ndb: profiles\nusername: rasa\npassword: s3cret",
        "dialect: postgresql\nurl: one:6543, two\nport: 5432\ndb: profiles\nusername: rasa\n"
        "password: s3cret",
    ],
)
def test_postgresql_takes_several_hosts_and_uses_the_one_that_takes_writes(section: str) -> None:
    url = load(section).sqlalchemy_url()
    assert (url.username, url.password, url.database) == ("rasa", "s3cret", "profiles")
    _, arguments = url.get_dialect()().create_connect_args(url)
    assert (arguments["host"], arguments["port"]) == ("one,two", "6543,5432")
    assert arguments["target_session_attrs"] == "read-write"


def test_what_the_hosts_must_take_can_be_set() -> None:
    url = load("url: postgresql://one,two/db\nquery: {target_session_attrs: any}").sqlalchemy_url()
    assert url.query["target_session_attrs"] == "any"


def test_several_hosts_are_told_in_errors() -> None:
    url = load("url: postgresql://rasa:s3cret@one:6543,two/profiles").sqlalchemy_url()
    assert engine.address(url) == "postgresql+psycopg://rasa:***@one:6543,two:5432/profiles"
    assert engine.address(sa.make_url("sqlite:////data/my.db")) == "sqlite:////data/my.db"


@pytest.mark.parametrize("dialect", ["mysql", "mariadb"])
def test_other_databases_have_one_host(dialect: str) -> None:
    assert refusal(f"url: {dialect}://one,two/db") == (
        "profile_store.url: only PostgreSQL takes several hosts; name one, such as a proxy that "
        "knows which takes writes."
    )


def test_a_silent_host_is_noticed_and_the_patience_can_be_set() -> None:
    asked = load("url: postgresql://db/profiles\ntimeout: 5")
    arguments = engine._connect_args(asked.sqlalchemy_url(), asked)
    assert (arguments["keepalives_idle"], arguments["keepalives_interval"]) == (5, 1)
    patient = load("url: postgresql://db/profiles\nquery: {keepalives_idle: 30}")
    assert "keepalives_idle" not in engine._connect_args(patient.sqlalchemy_url(), patient)
