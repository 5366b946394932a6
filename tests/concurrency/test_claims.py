"""Claims of numbers: one process has each, and only those of processes that are gone are abandoned."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from agent.concurrency.claims import claim, is_abandoned


def test_a_claim_is_abandoned_only_where_its_process_is_gone(tmp_path: Path) -> None:
    path = tmp_path / ".v1.claim"
    assert claim(path) and not claim(path) and not is_abandoned(path)
    code = (
        f"from pathlib import Path; from agent.concurrency.claims import claim; claim(Path({str(tmp_path / 'gone')!r}))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    assert is_abandoned(tmp_path / "gone")
    elsewhere = (tmp_path / "gone").read_bytes().replace(b'"space":"', b'"space":"another machine ')
    (tmp_path / "elsewhere").write_bytes(elsewhere)
    (tmp_path / "empty").write_bytes(b"")
    mine = path.read_bytes()
    path.write_bytes(mine.replace(b'"boot":"', b'"boot":"an earlier one '))
    assert is_abandoned(path) == (b'"boot":""' not in mine)
    assert not is_abandoned(tmp_path / "elsewhere") and not is_abandoned(tmp_path / "empty")
