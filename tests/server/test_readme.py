"""What the README tells to do by hand, done by hand."""

from __future__ import annotations

import json
import re
from pathlib import Path

from tests.server.action_server import ROOT, ActionServer

README = (ROOT / "README.md").read_text()


def test_the_two_calls_of_the_readme_store_and_fetch_as_it_says(tmp_path: Path) -> None:
    calls = re.findall(r"```sh\ncurl .*? -d '(.*?)'\n```", README, re.S)
    stored, fetched = map(json.loads, calls)
    (shown,) = (json.loads(body) for body in re.findall(r"```json\n(.*?)```", README, re.S))
    with ActionServer(tmp_path) as server:
        assert server.post(stored).json() == {"events": [], "responses": []}
        assert server.post(fetched).json() == shown
