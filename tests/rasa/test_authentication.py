"""Rasa's own client and our server read one `action_endpoint` alike."""

from __future__ import annotations

import ssl
import subprocess
from pathlib import Path

import pytest

from tests.certificates import Authority
from tests.rasa import environment
from tests.server.action_server import ActionServer

pytestmark = [pytest.mark.rasa, pytest.mark.timeout(1200)]

SECRET = "s3same: #öpen? &+/%"
CALL = """
import asyncio, sys
from rasa.utils.endpoints import ClientResponseError, read_endpoint_config

async def call():
    endpoint = read_endpoint_config(sys.argv[1], "action_endpoint")
    body = {"next_action": "action_nobody_wrote", "tracker": {"sender_id": "c"}}
    try:
        await endpoint.request(json=body, method="post")
    except ClientResponseError as error:
        print(error.status)

asyncio.run(call())
"""
LET_IN, REFUSED = "404", "401"


@pytest.fixture(scope="module", autouse=True)
def installed() -> None:
    python = environment.python_3_10()
    if python is None:
        pytest.skip(environment.NO_PYTHON)
    environment.install(python)


def status_that_rasa_gets(endpoints: Path, secret: str) -> str:
    """Let Rasa call as its `endpoints.yml` says."""
    called = subprocess.run(
        [str(environment.HOME / "bin" / "python"), "-c", CALL, str(endpoints)],
        env={**environment.variables(), "SECRET": secret}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert called.returncode == 0, called.stderr
    return called.stdout.strip()


@pytest.mark.parametrize(
    "sent",
    [
        "token: ${SECRET}",
        "token: ${SECRET}\n  token_name: key",
        "basic_auth:\n    username: rasa\n    password: ${SECRET}",
        "headers:\n    X-Api-Key: ${SECRET}",
        "headers:\n    Authorization: Bearer ${SECRET}",
        "token: ${SECRET}\n  headers:\n    X-Tenant: bank",
    ],
)
def test_what_the_file_says_lets_rasa_in_and_another_secret_does_not(
    tmp_path: Path, sent: str
) -> None:
    endpoints = tmp_path / "endpoints.yml"
    with ActionServer(tmp_path, env=written(endpoints, "http", 0, sent)) as server:
        written(endpoints, "http", server.port, sent)
        assert status_that_rasa_gets(endpoints, SECRET) == LET_IN
        assert status_that_rasa_gets(endpoints, "another") == REFUSED


def test_rasa_trusts_a_server_by_its_cafile(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    served = authority.sign("server")
    endpoints = tmp_path / "endpoints.yml"
    sent = f"token: ${{SECRET}}\n  cafile: {authority.file}"
    arguments = "--ssl-certificate", str(served.certificate), "--ssl-keyfile", str(served.key)
    tls = ssl.create_default_context(cafile=str(authority.file))
    env = written(endpoints, "https", 0, sent)
    with ActionServer(tmp_path, env=env, arguments=arguments, tls=tls) as server:
        written(endpoints, "https", server.port, sent)
        assert status_that_rasa_gets(endpoints, SECRET) == LET_IN


def written(endpoints: Path, scheme: str, port: int, sent: str) -> dict[str, str]:
    """Write an endpoints file; return the variables that it needs."""
    endpoints.write_text(
        f"action_endpoint:\n  url: {scheme}://127.0.0.1:{port}/webhook\n  {sent}\n"
    )
    return {"SECRET": SECRET}
